/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * exec without a structure of the kernel's. The tracepoint comes when the new program is ready to run: its stack pointer
 * is among the registers, and from there on lie the number of arguments, their addresses, then those of the environment,
 * as every ABI has it. The kernel has just written all of it; nobody but the new program can change it.
 */
#ifndef EDR_PLAIN_EXEC_BPF_H
#define EDR_PLAIN_EXEC_BPF_H

/* Threads in an execve that has thrown the old memory away: from then on a name in it is the new file's to choose. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u8);
} replaced SEC(".maps");

static __always_inline u64 user_word(u64 at, bool compat)
{
	u64 wide = 0;
	u32 narrow = 0;

	if (compat) {
		bpf_probe_read_user(&narrow, sizeof(narrow), (void *)at);
		return narrow;
	}
	bpf_probe_read_user(&wide, sizeof(wide), (void *)at);
	return wide;
}

#define AT_EXECFN 31 /* elf.h: the address of the file's name, */
#define AUXV_MAX 32  /* in a list of so many pairs at most */

/*
 * Where the arguments end. Behind them lies the environment; where there is none, the end of the
 * last one counts. Only when that is longer than what is told of all: at the name of the file,
 * which the list behind tells. That need not be the same where the arguments were changed while the
 * kernel copied them. 0: not found.
 */
static __always_inline u64 argv_end(struct scratch *s, u32 to, u64 env_at, bool compat)
{
	u64 env = user_word(env_at, compat), word = compat ? 4 : 8, at = env_at + word, type, last;
	long n;
	u32 i;

	if (env)
		return env;
	last = user_word(env_at - 2 * word, compat);
	n = bpf_probe_read_user_str(&s->data[to & 16383], EDR_ARGV_MAX, (void *)last);
	if (n > 0 && n < EDR_ARGV_MAX)
		return last + n;
	for (i = 0; i < AUXV_MAX; i++) {
		type = user_word(at, compat);
		if (type == AT_EXECFN)
			return user_word(at + word, compat);
		if (!type)
			break;
		at += 2 * word;
	}
	return 0;
}

/* The arguments of the new program into the record; their length. */
static __always_inline u32 plain_argv(struct scratch *s, u32 at, void *ctx)
{
	u64 argc, first, end;
	struct frame f;
	u32 word;

	s->exec.argc = 0;
	s->exec.argv_bytes = 0;
	if (!frame_of_tracepoint(ctx, SOME_EXEC, &f)) {
		s->hdr.flags |= EDR_F_ARGS_UNREADABLE;
		return 0;
	}
	if (f.compat)
		s->exec.exec_flags |= EDR_EXEC_COMPAT32;
	word = f.compat ? 4 : 8;
	argc = user_word(f.sp, f.compat);
	if (!argc) /* before 5.18 there may be none */
		return 0;
	first = user_word(f.sp + word, f.compat);
	end = argv_end(s, at, f.sp + word * (argc + 2), f.compat);
	if (argc >> 32 || first <= f.sp || end <= first) {
		s->hdr.flags |= EDR_F_ARGS_UNREADABLE;
		return 0;
	}
	s->exec.argc = argc;
	return exec_argv(s, at, first, end - first);
}

static __always_inline void plain_exec_ids(struct edr_exec *e, struct edr_plain_process *p)
{
	u64 ids = bpf_get_current_uid_gid();

	e->uid = ids;
	e->gid = ids >> 32;
	e->euid = e->egid = e->loginuid = e->sessionid = EDR_ID_UNSET;
	e->cgroup_id = bpf_get_current_cgroup_id();
	e->ppid = p ? p->ppid : 0;
	e->parent_start_ns = p ? p->parent_start_ns : 0;
	e->exe_ino = 0;
	e->exe_dev = 0;
	e->exec_flags = 0;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	__builtin_memset(e->tty, 0, sizeof(e->tty));
}

static __always_inline void plain_exec_report(struct scratch *s, void *ctx, u32 old_tid)
{
	struct edr_plain_process *p = process_of(bpf_get_current_pid_tgid() >> 32);
	u32 at = sizeof(struct edr_exec), loc = field(ctx, fields.exec_filename, sizeof(loc));
	struct edr_exec *e = &s->exec;

	header_of(&s->hdr, EDR_EXEC, 0, p);
	if (p)
		p->exec_ns = s->hdr.time_ns;
	plain_exec_ids(e, p);
	if (filtered(&s->hdr, e->comm, e->uid))
		return;
	e->exec_tid = old_tid;
	if (old_tid != s->hdr.tid)
		e->exec_flags |= EDR_EXEC_BY_THREAD;
	e->exe.off = e->interp.off = at;
	e->exe.len = e->interp.len = 0;
	e->filename.off = at;
	e->filename.len = exec_string(s, at, EDR_PATH_MAX, ctx + (loc & 0xffff));
	at += e->filename.len;
	e->argv.off = at;
	e->argv.len = plain_argv(s, at, ctx);
	at += e->argv.len;
	s->hdr.len = at;
	if (at <= EDR_RECORD_MAX)
		emit_exec(s, at, EDR_EXEC);
}

SEC("tp/sched/sched_process_exec")
int sched_process_exec(void *ctx)
{
	u64 ids = bpf_get_current_pid_tgid();
	u32 old_tid = field(ctx, fields.exec_old_pid, sizeof(old_tid)), tid = ids, slot;
	struct scratch *s;

	connect_left(old_tid);
	if (old_tid != tid) /* no thread has that tid any more */
		calls_forget(old_tid);
	bpf_map_delete_elem(&replaced, &tid);
	if (ids >> 32 == self_tgid)
		return 0;
	s = scratch_get(&slot);
	if (!s) {
		emit_lost(EDR_EXEC);
		return 0;
	}
	plain_exec_report(s, ctx, old_tid);
	scratch_put(&slot);
	return 0;
}

/* An execve gives the process the file's name when the old memory is gone. fs/exec.c, begin_new_exec() */
SEC("tp/task/task_rename")
int task_rename(void *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct frame f;
	u8 yes = 1;

	if (frame_of_tracepoint(ctx, NO_CALL, &f) && !f.compat &&
	    (f.nr == NR_EXECVE || f.nr == NR_EXECVEAT))
		bpf_map_update_elem(&replaced, &tid, &yes, BPF_ANY);
	return 0;
}

/* ---- what exec_failed.bpf.h wants to know ---- */

static __always_inline bool memory_replaced(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	return !bpf_map_delete_elem(&replaced, &tid);
}

static __always_inline void failed_call(struct syscall_exit_ctx *ctx, struct entered *call)
{
	struct frame f;

	if (!frame_of_syscall(ctx, ctx->nr, &f) || f.compat)
		return;
	call->args[0] = f.args[0];
	call->args[1] = f.args[1];
	call->args[2] = f.args[2];
}

static __always_inline void failed_ids(struct edr_exec_failed *e)
{
	e->uid = bpf_get_current_uid_gid();
	e->euid = EDR_ID_UNSET;
}

#endif
