// SPDX-License-Identifier: MIT
/* The CO-RE object: its programs, and what it needs of the kernel's BTF. bpf_raw.c has the same programs. */
#include <errno.h>

#include "edr/control.h"
#include "edr.skel.h"
#include "source/bpf_shared.h"

const struct bpf_row bpf_core_rows[BPF_CORE_ROWS] = {
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

static int open_edr(struct bpf_skel *skel, const struct source_config *cfg,
		    const struct bpf_types *types, char *err, size_t err_size)
{
	struct edr_bpf *s = edr_bpf__open();

	(void)cfg;
	(void)err;
	(void)err_size;
	if (!s)
		return -errno;
	BPF_SKEL_BIND(skel, s);
	s->rodata->exit_has_group_dead =
		bpf_types_tracepoint_args(types, "sched_process_exit") >= 2;
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
	.rows = bpf_core_rows,
	.n_rows = BPF_CORE_ROWS,
	.open = open_edr,
	.load = load_edr,
	.destroy = destroy_edr,
};
