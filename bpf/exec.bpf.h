/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * exec: read at sched_process_exec, after the kernel has copied the arguments to the new stack: they are
 * resident there, and nobody but the new program can change them. Nothing of it depends on a syscall
 * tracepoint, so 32-bit programs, execveat, memfd and threads look alike.
 */
#ifndef EDR_EXEC_BPF_H
#define EDR_EXEC_BPF_H

#define S_ISUID 04000
#define S_ISGID 02000
#define S_IXGRP 00010
#define ELF_CLASS_AT 4 /* e_ident[EI_CLASS], elf.h */
#define ELFCLASS32 1

/* cgroup ids whose path has been sent; the value tells whether filters leave the cgroup out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, u8);
} cgroups_seen SEC(".maps");

/* Copies the path that begins at off in the path buffer to `at` in the record; its length. */
static __always_inline u32 path_copy(struct scratch *s, u32 at, u32 off)
{
	u32 len = EDR_PATH_MAX - off;

	OPAQUE(len);
	if (len > EDR_PATH_MAX)
		return 0;
	bpf_probe_read_kernel(&s->data[at & 8191], len, &s->path[off & 8191]);
	return len;
}

/* The cgroup's id; the first time it is seen, its path goes out too. True in *skip when filters leave it out. */
static __always_inline u64 cgroup_note(struct scratch *s, struct task_struct *task, bool *skip)
{
	u64 id;
	struct cgroup *cg = task_cgroup(task, &id);
	u8 *seen = bpf_map_lookup_elem(&cgroups_seen, &id), skipped;
	u32 off, len;

	if (seen) {
		*skip = *seen;
		return id;
	}
	off = cgroup_path(s, cg);
	skipped = any_prefix_matches(s, &skip_cgroups, filter_n_cgroups, true);
	len = sizeof(s->cgroup) + path_copy(s, sizeof(s->cgroup), off);
	header_init(&s->hdr, EDR_CGROUP, len, FIELD(task, group_leader, start_boottime));
	s->cgroup.cgroup_id = id;
	s->cgroup.path.off = sizeof(s->cgroup);
	s->cgroup.path.len = len - sizeof(s->cgroup);
	if (emit_exec(s, len & 16383, EDR_CGROUP)) /* else it is sent with the next exec */
		bpf_map_update_elem(&cgroups_seen, &id, &skipped, BPF_ANY);
	*skip = skipped;
	return id;
}

/* A path says what it seems to only when it is whole and as our own mount namespace has it: anybody can make a
 * namespace, and in it any path. */
static __always_inline bool exe_skipped(struct scratch *s, struct task_struct *task, u32 flags)
{
	if (!filter_n_paths || flags || FIELD(task, nsproxy, mnt_ns, ns.inum) != filter_mnt_ns)
		return false;
	return any_prefix_matches(s, &skip_paths, filter_n_paths, false);
}

static __always_inline void exec_identity(struct edr_exec *e, struct task_struct *task)
{
	const struct cred *cred = FIELD(task, cred);
	struct task_struct *parent = FIELD(task, real_parent, group_leader);
	struct tty_struct *tty = FIELD(task, signal, tty);

	e->ppid = FIELD(parent, tgid);
	e->parent_start_ns = FIELD(parent, start_boottime);
	e->uid = FIELD(cred, uid.val);
	e->gid = FIELD(cred, gid.val);
	e->euid = FIELD(cred, euid.val);
	e->egid = FIELD(cred, egid.val);
	e->loginuid = task_loginuid(task);
	e->sessionid = task_sessionid(task);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	__builtin_memset(e->tty, 0, sizeof(e->tty));
	if (tty)
		bpf_probe_read_kernel_str(e->tty, sizeof(e->tty), &tty->name);
}

static __always_inline void exec_file(struct edr_exec *e, struct file *exe,
				      struct linux_binprm *bprm)
{
	struct inode *inode = FIELD(exe, f_inode);
	struct dentry *dentry = FIELD(exe, f_path.dentry);
	u16 mode = FIELD(inode, i_mode);
	char memfd[6] = {};

	e->exe_ino = FIELD(inode, i_ino);
	e->exe_dev = FIELD(inode, i_sb, s_dev);
	e->exec_flags = 0;
	if ((mode & S_ISUID) && FIELD(inode, i_uid.val) == e->euid)
		e->exec_flags |= EDR_EXEC_SETUID;
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    FIELD(inode, i_gid.val) == e->egid)
		e->exec_flags |= EDR_EXEC_SETGID;
	if (FIELD(bprm, buf[0]) == 0x7f && FIELD(bprm, buf[ELF_CLASS_AT]) == ELFCLASS32)
		e->exec_flags |= EDR_EXEC_COMPAT32;
	if (FIELD(inode, i_nlink) == 0 || !FIELD(dentry, d_hash.pprev)) {
		e->exec_flags |= EDR_EXEC_DELETED;
		/* Its dentry hangs in no tree, which no file with a path can bring about. mm/memfd.c */
		bpf_probe_read_kernel(memfd, sizeof(memfd), FIELD(dentry, d_name.name));
		if (memfd[0] == 'm' && memfd[1] == 'e' && memfd[2] == 'm' && memfd[3] == 'f' &&
		    memfd[4] == 'd' && memfd[5] == ':' && FIELD(dentry, d_parent) == dentry)
			e->exec_flags |= EDR_EXEC_MEMFD;
	}
}

static __always_inline void exec_report(struct scratch *s, struct task_struct *task, u32 old_tid,
					struct linux_binprm *bprm)
{
	struct edr_exec *e = &s->exec;
	struct mm_struct *mm = FIELD(task, mm);
	struct file *exe = FIELD(mm, exe_file);
	const char *filename = FIELD(bprm, filename), *interp = FIELD(bprm, interp);
	bool skip = false;
	u32 at = sizeof(*e), off, flags = 0;
	u64 cgroup_id = cgroup_note(s, task, &skip);

	header_init(&s->hdr, EDR_EXEC, 0, FIELD(task, group_leader, start_boottime));
	e->cgroup_id = cgroup_id;
	exec_identity(e, task);
	exec_file(e, exe, bprm);
	off = path_resolve(s, &exe->f_path, task, &flags);
	skip = skip || exe_skipped(s, task, flags);
	filter_remember(s->hdr.tgid, s->hdr.start_ns, skip);
	if (skip || filter_by_id(e->comm, e->uid)) {
		COUNT(EDR_EXEC, filtered);
		return;
	}
	s->hdr.flags = flags;
	e->argc = FIELD(bprm, argc);
	e->exec_tid = old_tid;
	if (old_tid != s->hdr.tid)
		e->exec_flags |= EDR_EXEC_BY_THREAD;

	e->exe.off = at;
	e->exe.len = path_copy(s, at, off);
	at += e->exe.len;
	e->filename.off = at;
	e->filename.len = exec_string(s, at, EDR_PATH_MAX, filename);
	at += e->filename.len;
	e->interp.off = at;
	e->interp.len = 0;
	if (interp != filename) {
		e->exec_flags |= EDR_EXEC_SCRIPT;
		e->interp.len = exec_string(s, at, 256, interp);
	}
	at += e->interp.len;
	e->argv.off = at;
	e->argv.len =
		exec_argv(s, at, FIELD(mm, arg_start), FIELD(mm, arg_end) - FIELD(mm, arg_start));
	at += e->argv.len;
	s->hdr.len = at;
	if (at <= EDR_RECORD_MAX)
		emit_exec(s, at, EDR_EXEC);
}

static __always_inline int process_execs(struct bpf_raw_tracepoint_args *ctx, bool again)
{
	struct task_struct *task = (void *)ctx->args[0];
	u32 old_tid = ctx->args[1], slot;
	struct scratch *s;

	if (done_before(EDR_EXEC, again))
		return 0;
	connect_left(old_tid);
	if (old_tid != (u32)FIELD(task, pid)) /* no thread has that tid any more */
		calls_forget(old_tid);
	if ((u32)FIELD(task, tgid) == self_tgid)
		return 0;
	s = scratch_get(&slot);
	if (!s) {
		emit_lost(EDR_EXEC);
		return 0;
	}
	exec_report(s, task, old_tid, (void *)ctx->args[2]);
	scratch_put(&slot);
	return 0;
}

SEC(TRACEPOINT "/sched_process_exec")
int sched_process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	return process_execs(ctx, false);
}

SEC(TRACEPOINT "/sched_process_exec")
int sched_process_exec_again(struct bpf_raw_tracepoint_args *ctx)
{
	return process_execs(ctx, true);
}

/* ---- what exec_failed.bpf.h wants to know ---- */

/*
 * Past the point of no return the registers point into memory that is not the caller's any more, but what the new file
 * wants to be read there. begin_new_exec() makes it empty, and start_code is set when all of the file is in place.
 * fs/binfmt_elf.c
 */
static __always_inline bool memory_replaced(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return !BPF_CORE_READ(task, mm, start_code);
}

static __always_inline void failed_call(struct syscall_exit_ctx *ctx, struct entered *call)
{
	call_entered(call);
}

static __always_inline void failed_ids(struct edr_exec_failed *e)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	e->uid = BPF_CORE_READ(task, cred, uid.val);
	e->euid = BPF_CORE_READ(task, cred, euid.val);
}

#endif
