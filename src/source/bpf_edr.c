// SPDX-License-Identifier: MIT
/* The CO-RE object: its programs, and what it needs of the kernel's BTF. */
#include <errno.h>
#include <stdio.h>

#include "edr/control.h"
#include "edr.skel.h"
#include "source/bpf_shared.h"

static const struct bpf_row rows[] = {
	{ "sched_process_exec", HOOK_RAW, "", true, "no exec is seen", NULL },
	{ "sched_process_fork", HOOK_RAW, "", true, "forks and threads are not seen", NULL },
	{ "sched_process_exit", HOOK_RAW, "", true, "exits are not seen", NULL },
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
	{ "inet_sock_set_state", HOOK_RAW, "connect", true,
	  "how a TCP connect ends later is not seen", NULL },
	{ "sys_enter_any", HOOK_ANY_SYSCALL, NULL, false,
	  "the syscalls that were named are not seen", NULL },
	{ "sys_exit_any", HOOK_ANY_SYSCALL, NULL, false,
	  "the syscalls that were named are not seen", NULL },
};

/* A tracepoint's prototype in BTF has one parameter more than it has arguments: the first is its data. */
static unsigned tracepoint_args(const struct btf *btf, const char *tracepoint)
{
	const struct btf_type *t;
	char name[80];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	t = id < 0 ? NULL : btf__type_by_id(btf, btf__type_by_id(btf, (unsigned)id)->type);
	t = t && btf_is_ptr(t) ? btf__type_by_id(btf, t->type) : NULL;
	return t && btf_is_func_proto(t) && btf_vlen(t) ? btf_vlen(t) - 1U : 0;
}

static int open_edr(struct bpf_skel *skel, const struct source_config *cfg, const struct btf *btf,
		    char *err, size_t err_size)
{
	struct edr_bpf *s;

	/* The kernel's own is as good as any; and without it typed tracepoints cannot be had, whatever a file says. */
	if (!btf && cfg->btf_path && *cfg->btf_path) {
		snprintf(err, err_size,
			 "the kernel has no BTF, and without it does not attach programs to typed "
			 "tracepoints, whatever the file of btf_path says");
		return -ESRCH;
	}
	s = edr_bpf__open();
	if (!s)
		return -errno;
	BPF_SKEL_BIND(skel, s);
	s->rodata->exit_has_group_dead = btf && tracepoint_args(btf, "sched_process_exit") >= 2;
	return 0;
}

static int load_edr(struct bpf_skel *skel)
{
	int e = edr_bpf__load(skel->skeleton);

	if (!e)
		BPF_SKEL_BIND(skel, (struct edr_bpf *)skel->skeleton);
	return e;
}

static void destroy_edr(struct bpf_skel *skel)
{
	edr_bpf__destroy(skel->skeleton);
	skel->skeleton = NULL;
}

const struct bpf_kind bpf_kind_edr = {
	.name = "bpf",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.open = open_edr,
	.load = load_edr,
	.destroy = destroy_edr,
};
