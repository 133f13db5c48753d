/* SPDX-License-Identifier: MIT */
#include "cli/event_line.h"

#include <string.h>

#include "util/log.h"
#include "util/text.h"
#include "wire/wire.h"

#define ARGS_SHOWN 2000

static void add_span(struct buf *out, struct wire_span s)
{
	text_term(out, s.data, s.len);
}

static void add_argv(struct buf *out, const void *rec, struct edr_str argv)
{
	struct wire_span rest = wire_str(rec, argv), arg;
	size_t begin = out->len;

	while (wire_next_arg(&rest, &arg)) {
		if (out->len - begin > ARGS_SHOWN) {
			buf_adds(out, " ...");
			return;
		}
		buf_addc(out, ' ');
		/* An empty argument must show too. */
		if (arg.len == 0)
			buf_adds(out, "''");
		else
			add_span(out,
				 (struct wire_span){ arg.data,
						     arg.len > ARGS_SHOWN ? ARGS_SHOWN : arg.len });
	}
}

static void add_error(struct buf *out, int error)
{
	const char *name = wire_errno_name(error < 0 ? -error : error);

	if (name)
		buf_addf(out, " %s", name);
	else
		buf_addf(out, " error %d", error);
}

static void add_result(struct buf *out, int result)
{
	if (result == EDR_RESULT_UNKNOWN)
		return;
	if (result == 0)
		buf_adds(out, " ok");
	else
		add_error(out, result);
}

static void add_address(struct buf *out, const void *rec, struct edr_str sockaddr)
{
	struct wire_addr addr;
	struct buf text = { 0 };

	wire_decode_sockaddr(wire_str(rec, sockaddr), &addr);
	wire_addr_text(&addr, &text);
	buf_addc(out, ' ');
	if (text.len > 0)
		text_term(out, text.data, text.len);
	else
		buf_addf(out, "family %d", addr.family);
	buf_free(&text);
}

static void add_exec(struct buf *out, const struct edr_exec *e)
{
	buf_addf(out, " uid %u ", e->uid);
	add_span(out, wire_str(e, e->exe));
	buf_addc(out, ':');
	add_argv(out, e, e->argv);
}

static void add_exec_failed(struct buf *out, const struct edr_exec_failed *e)
{
	buf_addf(out, " uid %u ", e->uid);
	add_span(out, wire_str(e, e->filename));
	add_error(out, e->error);
	buf_addc(out, ':');
	add_argv(out, e, e->argv);
}

static void add_exit(struct buf *out, const struct edr_exit *e)
{
	const char *name = wire_signal_name((int)e->signal);

	if (!e->signal)
		buf_addf(out, " status %u", e->exit_code);
	else if (name)
		buf_addf(out, " %s", name);
	else
		buf_addf(out, " signal %u", e->signal);
	buf_addf(out, " after %.3f s", (double)e->run_ns / 1e9);
}

static void add_syscall(struct buf *out, const struct edr_syscall *e)
{
	buf_addc(out, ' ');
	add_span(out, (struct wire_span){ e->name, strnlen(e->name, sizeof(e->name)) });
	buf_addc(out, '(');
	for (unsigned i = 0; i < e->nargs && i < 6; i++)
		buf_addf(out, "%s0x%llx", i ? ", " : "", e->args[i]);
	buf_addc(out, ')');
	if (!e->no_return)
		buf_addf(out, " = %lld", e->result);
}

/* What only this type has; a type without a case shows its process alone. */
static void add_details(struct buf *out, const struct edr_hdr *rec)
{
	const void *r = rec;

	switch (rec->type) {
	case EDR_EXEC:
		add_exec(out, r);
		break;
	case EDR_EXEC_FAILED:
		add_exec_failed(out, r);
		break;
	case EDR_FORK:
		buf_addf(out, " child %u", ((const struct edr_fork *)r)->child_pid);
		break;
	case EDR_THREAD:
		buf_addf(out, " child %u", ((const struct edr_thread *)r)->child_tid);
		break;
	case EDR_EXIT:
		add_exit(out, r);
		break;
	case EDR_CONNECT:
		add_address(out, r, ((const struct edr_connect *)r)->sockaddr);
		add_result(out, ((const struct edr_connect *)r)->result);
		break;
	case EDR_CONNECT_RESULT:
		add_address(out, r, ((const struct edr_connect_result *)r)->sockaddr);
		add_result(out, ((const struct edr_connect_result *)r)->result);
		break;
	case EDR_SYSCALL:
		add_syscall(out, r);
		break;
	default:
		break;
	}
}

void event_line(struct buf *out, const struct edr_hdr *rec, const struct proc_entry *who)
{
	const struct wire_event *event = wire_event_by_type(rec->type);

	buf_addf(out, "%s ", event ? event->name : "event");
	if (who)
		add_span(out, proc_command(who));
	buf_addf(out, " pid %u", rec->tgid);
	if (rec->tid != rec->tgid)
		buf_addf(out, " tid %u", rec->tid);
	if (who)
		buf_addf(out, " ppid %u", who->ppid);
	add_details(out, rec);
}

void event_line_print(const struct edr_hdr *rec, const struct proc_entry *who)
{
	struct buf line = { 0 };

	event_line(&line, rec, who);
	if (!line.failed)
		log_debug("event", "%s", line.data);
	buf_free(&line);
}
