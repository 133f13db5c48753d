// SPDX-License-Identifier: MIT
#include <string.h>

#include "connecting.h"

static void line_error(int error)
{
	if (error)
		line_text("result", error_name(error));
	else
		line_num("result", 0);
}

static void line_address(const struct connecting *c)
{
	if (c->family)
		line_text("family", c->family);
	else
		line_null("family");
	line_bytes("address", c->address, c->address_len);
	if (c->ip) {
		line_text("ip", c->ip);
		line_num("port", c->port);
	}
	if (c->abstract)
		line_bool("abstract", true);
}

/* What only the hooks below the system call know. */
static void line_from_below(void)
{
	line_num("fd", -1);
	line_null("result");
	line_text("seen_by", "cgroup");
}

static void line_result(const struct truth *t, const struct connecting *c)
{
	line_begin(t, "connect_result", c->pid ? c->pid : t->pid, c->after, c->before);
	line_error(c->result_later ? c->later_error : c->error);
	line_address(c);
	line_text("protocol", "IPPROTO_TCP");
	if (!c->result_later)
		line_unseen("default");
	line_end();
}

void line_connect(const struct truth *t, const struct connecting *c)
{
	pid_t pid = c->pid ? c->pid : t->pid;

	line_begin(t, "connect", pid, c->after, c->before);
	line_address(c);
	if (c->protocol)
		line_text("protocol", c->protocol);
	if (c->type)
		line_text("socket_type", c->type);
	line_num("uid", 0);
	if (!c->cgroup_only)
		line_num("tid", c->tid ? c->tid : pid);
	if (c->cgroup_only) {
		line_from_below();
		if (c->lean_unseen)
			line_unseen("lean");
	} else {
		line_num("fd", c->fd);
		line_error(c->error);
		line_text("seen_by", "syscall");
		if (c->lean_unseen) {
			line_unseen("lean");
		} else {
			line_mode("lean");
			line_from_below();
		}
	}
	if (c->default_unseen)
		line_unseen("default");
	if (c->way_unseen)
		line_unseen(c->way_unseen);
	line_end();
	if (c->has_result)
		line_result(t, c);
}
