/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * exec_failed: read when the call has failed and returns to its caller, whose memory the kernel has just
 * touched; at entry, after a fork, a literal is often not mapped yet.
 *
 * Each object brings failed_call(), failed_ids() and memory_replaced().
 */
#ifndef EDR_EXEC_FAILED_BPF_H
#define EDR_EXEC_FAILED_BPF_H

#define AT_FDCWD -100
#define FAILED_ARGS 256		   /* of a failed exec: this many arguments, */
#define FAILED_ARG_MAX 4096	   /* of this many bytes each, */
#define FAILED_END 28672	   /* as long as the record is not longer than this */
#define NOBODYS_ADDRESS (-4096ULL) /* no user memory can be there */

/*
 * argv of a caller that lives on: pointers and strings are its own memory, each read may fail. The offset
 * lives in the record between rounds: 5.10's verifier then needs 10 k instead of over a million steps.
 */
static __always_inline void failed_argv(struct scratch *s, u64 argv)
{
	u32 at, i;
	u64 arg;
	long n;

	for (i = 0; i < FAILED_ARGS; i++) {
		at = *(volatile u32 *)&s->hdr.len;
		arg = 0;
		if (bpf_probe_read_user(&arg, sizeof(arg), (void *)(argv + 8 * i))) {
			s->hdr.flags |= EDR_F_ARGS_UNREADABLE;
			break;
		}
		if (!arg)
			break;
		if (at > FAILED_END) {
			s->hdr.flags |= EDR_F_TRUNCATED;
			break;
		}
		n = bpf_probe_read_user_str(&s->data[at], FAILED_ARG_MAX, (void *)arg);
		if (n <= 0 || n > FAILED_ARG_MAX) {
			s->hdr.flags |= EDR_F_ARGS_UNREADABLE;
			break;
		}
		if (n == FAILED_ARG_MAX)
			s->hdr.flags |= EDR_F_TRUNCATED;
		s->hdr.len = at + n;
		s->exec_failed.argc = i + 1;
	}
	if (i == FAILED_ARGS)
		s->hdr.flags |= EDR_F_TRUNCATED;
}

static __always_inline void exec_failed_report(struct scratch *s, struct syscall_exit_ctx *ctx,
					       bool at_dir, s64 error)
{
	struct entered call = {};
	u64 filename, argv;
	struct edr_exec_failed *e = &s->exec_failed;
	u32 at = sizeof(*e);
	long n;

	header_of_current(&s->hdr, EDR_EXEC_FAILED, 0);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	failed_ids(e);
	if (filtered(&s->hdr, e->comm, e->uid))
		return;
	e->error = -error;
	failed_call(ctx, &call);
	e->dirfd = at_dir ? (s32)call.args[0] : AT_FDCWD;
	filename = at_dir ? call.args[1] : call.args[0];
	argv = at_dir ? call.args[2] : call.args[1];
	if (memory_replaced())
		filename = argv = NOBODYS_ADDRESS;
	n = bpf_probe_read_user_str(&s->data[at], EDR_PATH_MAX, (void *)filename);
	if (n <= 0 || n > EDR_PATH_MAX) {
		s->hdr.flags |= EDR_F_FILENAME_UNREADABLE;
		n = 1;
	}
	e->filename.off = at;
	e->filename.len = n - 1;
	at += n - 1;
	s->hdr.len = at;
	e->argc = 0;
	e->argv.off = at;
	failed_argv(s, argv);
	e->argv.len = s->hdr.len - at;
	e->argv_bytes = e->argv.len;
	at = s->hdr.len;
	if (at <= EDR_RECORD_MAX)
		emit_noisy(s, at, EDR_EXEC_FAILED);
}

static __always_inline int exec_returns(struct syscall_exit_ctx *ctx, bool at, bool again)
{
	struct scratch *s;
	s64 ret = ctx->ret;
	u32 slot;

	if (ret >= 0 || done_before(EDR_EXEC_FAILED, again))
		return 0;
	s = scratch_get(&slot);
	if (!s) {
		emit_lost(EDR_EXEC_FAILED);
		return 0;
	}
	exec_failed_report(s, ctx, at, ret);
	scratch_put(&slot);
	return 0;
}

SEC("tp/syscalls/sys_exit_execve")
int sys_exit_execve(struct syscall_exit_ctx *ctx)
{
	return exec_returns(ctx, false, false);
}

SEC("tp/syscalls/sys_exit_execve")
int sys_exit_execve_again(struct syscall_exit_ctx *ctx)
{
	return exec_returns(ctx, false, true);
}

SEC("tp/syscalls/sys_exit_execveat")
int sys_exit_execveat(struct syscall_exit_ctx *ctx)
{
	return exec_returns(ctx, true, false);
}

SEC("tp/syscalls/sys_exit_execveat")
int sys_exit_execveat_again(struct syscall_exit_ctx *ctx)
{
	return exec_returns(ctx, true, true);
}

#endif
