// SPDX-License-Identifier: MIT
/* The object without CO-RE relocations: its programs, and what user space has to tell them. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edr/control.h"
#include "plain.skel.h"
#include "source/bpf_shared.h"
#include "source/formats.h"
#include "source/ftrace_proc.h"

static const struct bpf_row rows[] = {
	{ "sched_process_exec", HOOK_EVENT, "", true, "no exec is seen", "sched" },
	{ "task_newtask", HOOK_EVENT, "", true, "forks and threads are not seen", "task" },
	{ "sched_process_exit", HOOK_EVENT, "", true, "exits are not seen", "sched" },
	{ "signal_generate", HOOK_EVENT, "", true,
	  "by which signal a process was killed is not seen", "signal" },
	{ "task_rename", HOOK_EVENT, "execve execveat", false,
	  "the file name of an exec that fails late may be one that the new file has put there",
	  "task" },
	{ "sys_exit_execve", HOOK_SYSCALL, "execve execveat", false,
	  "failed execve calls are not seen", NULL },
	{ "sys_exit_execveat", HOOK_SYSCALL, "execve execveat", false,
	  "failed execveat calls are not seen", NULL },
	{ "sys_enter_connect", HOOK_SYSCALL, "connect", false, "unix connects are not seen", NULL },
	{ "sys_exit_connect", HOOK_SYSCALL, "connect", false, "unix connects are not seen", NULL },
	{ "cgroup_connect4", HOOK_CGROUP, "connect", true,
	  "IPv4 connects by 32-bit programs and io_uring are not seen", NULL },
	{ "cgroup_connect6", HOOK_CGROUP, "connect", true,
	  "IPv6 connects by 32-bit programs and io_uring are not seen", NULL },
	{ "inet_sock_set_state", HOOK_EVENT, "connect", true,
	  "how a TCP connect ends later is not seen", "sock" },
	{ "sys_enter_any", HOOK_ANY_SYSCALL, NULL, false,
	  "the syscalls that were named are not seen", NULL },
	{ "sys_exit_any", HOOK_ANY_SYSCALL, NULL, false,
	  "the syscalls that were named are not seen", NULL },
};

#define AT(field) offsetof(struct edr_tracepoint_fields, field)

/* Where each field's offset goes. The kernel never promised them: what is not there is not used. */
static const struct {
	const char *group, *event, *field;
	size_t at;
	bool optional;
} wanted[] = {
	{ "sched", "sched_process_exec", "filename", AT(exec_filename), false },
	{ "sched", "sched_process_exec", "old_pid", AT(exec_old_pid), false },
	{ "task", "task_newtask", "pid", AT(newtask_pid), false },
	{ "task", "task_newtask", "comm", AT(newtask_comm), false },
	{ "task", "task_newtask", "clone_flags", AT(newtask_flags), false },
	{ "sched", "sched_process_exit", "group_dead", AT(exit_group_dead), true }, /* 6.16 */
	{ "signal", "signal_generate", "sig", AT(signal_sig), false },
	{ "signal", "signal_generate", "pid", AT(signal_pid), false },
	{ "signal", "signal_generate", "result", AT(signal_result), false },
	{ "sock", "inet_sock_set_state", "skaddr", AT(sock_skaddr), false },
	{ "sock", "inet_sock_set_state", "oldstate", AT(sock_oldstate), false },
	{ "sock", "inet_sock_set_state", "newstate", AT(sock_newstate), false },
	{ "sock", "inet_sock_set_state", "dport", AT(sock_dport), false },
	{ "sock", "inet_sock_set_state", "family", AT(sock_family), false },
	{ "sock", "inet_sock_set_state", "protocol", AT(sock_protocol), false },
	{ "sock", "inet_sock_set_state", "daddr", AT(sock_daddr), false },
	{ "sock", "inet_sock_set_state", "daddr_v6", AT(sock_daddr_v6), false },
};
#define N_WANTED (sizeof(wanted) / sizeof(wanted[0]))

static const char *missing_plain(const struct bpf_row *row)
{
	struct format_field found;
	size_t i;

	for (i = 0; i < N_WANTED; i++) {
		if (!wanted[i].optional && !strcmp(wanted[i].event, row->name) &&
		    format_find(wanted[i].group, wanted[i].event, wanted[i].field, &found))
			return "the tracepoint lacks a field that is needed";
	}
	return NULL;
}

static void set_fields(struct edr_tracepoint_fields *fields)
{
	struct format_field found;
	size_t i;

	for (i = 0; i < N_WANTED; i++) {
		if (format_find(wanted[i].group, wanted[i].event, wanted[i].field, &found))
			continue;
		*(edr_u32 *)(void *)((char *)fields + wanted[i].at) = found.offset;
		if (wanted[i].at == AT(sock_protocol))
			fields->sock_protocol_bytes = found.size;
	}
}

static int open_plain(struct bpf_skel *skel, const struct source_config *cfg,
		      const struct bpf_types *types, char *err, size_t err_size)
{
	struct plain_bpf *s = plain_bpf__open();

	(void)cfg;
	(void)types;
	(void)err;
	(void)err_size;
	if (!s)
		return -errno;
	BPF_SKEL_BIND(skel, s);
	set_fields((struct edr_tracepoint_fields *)&s->rodata->fields);
	return 0;
}

static int load_plain(struct bpf_skel *skel)
{
	int e = plain_bpf__load(skel->skeleton);

	if (!e)
		BPF_SKEL_BIND(skel, (struct plain_bpf *)skel->skeleton);
	return e;
}

static void destroy_plain(struct bpf_skel *skel)
{
	plain_bpf__destroy(skel->skeleton);
	skel->skeleton = NULL;
}

/* Whoever runs already; who has come since the hooks are in place is there, and stays as it is. */
static int add_running(struct bpf_skel *skel, const struct source_config *cfg)
{
	const int fd = bpf_object__find_map_fd_by_name(skel->obj, "processes");
	DIR *proc = opendir("/proc");
	struct dirent *ent;

	(void)cfg;
	if (!proc)
		return -errno;
	while ((ent = readdir(proc))) {
		edr_u32 tgid = (edr_u32)strtoul(ent->d_name, NULL, 10);
		struct edr_plain_process p = { .coarse = 1 };
		struct ft_proc_status st;

		if (!tgid || !ft_proc_status(dirfd(proc), tgid, &st))
			continue;
		p.start_ns = st.start_ns;
		p.ppid = st.ppid;
		p.started = st.threads;
		bpf_map_update_elem(fd, &tgid, &p, BPF_NOEXIST);
	}
	closedir(proc);
	return 0;
}

static void degraded_plain(const struct source_config *cfg, struct buf *out)
{
	static const char *const always[] = {
		"the path of an executable, effective ids, login id and terminal of an exec are "
		"read "
		"from /proc after the fact: of a program that has ended by then they are not "
		"known, "
		"and its path is the name as given (exe_unresolved)",
		"control groups: those of the v2 hierarchy only",
		"connects: type and protocol of sockets other than TCP and UDP, and why a TCP "
		"connect "
		"fails after its call has returned, are not seen",
		"exits: whether a core was dumped is not seen; who was killed is known by the "
		"signals "
		"that were sent (exit_code_unknown where none was)",
	};
	size_t i;

	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		buf_add(out, always[i], strlen(always[i]) + 1);
	if (cfg->skip_paths.n || cfg->skip_cgroups.n) {
		static const char filters[] = "exclude_paths and exclude_cgroups have no effect: "
					      "nothing is left out by them";

		buf_add(out, filters, sizeof(filters));
	}
}

const struct bpf_kind bpf_kind_plain = {
	.name = "bpf-plain",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.missing = missing_plain,
	.open = open_plain,
	.load = load_plain,
	.destroy = destroy_plain,
	.ready = add_running,
	.degraded = degraded_plain,
};
