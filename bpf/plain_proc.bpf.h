/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * fork, thread, exit. task_newtask tells the flags that the kernel has used, its own copy. How a process ended no
 * tracepoint tells: it is put together from the call by which its threads ended and from the signals that were sent to them.
 */
#ifndef EDR_PLAIN_PROC_BPF_H
#define EDR_PLAIN_PROC_BPF_H

/* include/uapi/linux/sched.h */
#define CLONE_PARENT 0x8000ULL
#define CLONE_THREAD 0x10000ULL
#define KTHREADD 2

/* The last deadly signal that was sent to a thread. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u32);
} signals SEC(".maps");

static __always_inline u32 fork_op(void *ctx)
{
	struct frame f;

	if (!frame_of_tracepoint(ctx, NO_CALL, &f) || f.compat)
		return EDR_FORK_UNKNOWN;
	if (f.nr == NR_CLONE3)
		return EDR_FORK_CLONE3;
	if (f.nr == NR_CLONE)
		return EDR_FORK_CLONE;
#ifdef NR_FORK
	if (f.nr == NR_FORK)
		return EDR_FORK_FORK;
	if (f.nr == NR_VFORK)
		return EDR_FORK_VFORK;
#endif
	return EDR_FORK_UNKNOWN;
}

static __always_inline void plain_thread(void *ctx, u64 flags, struct edr_plain_process *p)
{
	struct edr_thread e;

	if (p)
		__sync_fetch_and_add(&p->started, 1);
	header_of(&e.hdr, EDR_THREAD, sizeof(e), p);
	bpf_probe_read_kernel(e.comm, sizeof(e.comm), ctx + fields.newtask_comm);
	if (filtered(&e.hdr, e.comm, bpf_get_current_uid_gid()))
		return;
	e.clone_flags = flags;
	e.fork_op = fork_op(ctx);
	e.child_tid = field(ctx, fields.newtask_pid, sizeof(e.child_tid));
	emit_noisy(&e, sizeof(e), EDR_THREAD);
}

/* Remembers the child, whoever is filtered. */
static __always_inline void process_add(struct edr_fork *e, struct edr_plain_process *p)
{
	struct edr_plain_process child = { .started = 1 };
	u32 pid = e->child_pid;

	child.start_ns = e->child_start_ns;
	child.ppid = e->child_ppid;
	if (child.ppid == e->hdr.tgid)
		child.parent_start_ns = e->hdr.start_ns;
	else if (p)
		child.parent_start_ns = p->parent_start_ns;
	bpf_map_update_elem(&processes, &pid, &child, BPF_ANY);
}

static __always_inline void plain_fork(void *ctx, u64 flags, struct edr_plain_process *p)
{
	struct edr_fork e;

	header_of(&e.hdr, EDR_FORK, sizeof(e), p);
	if (e.hdr.tgid == KTHREADD)
		e.hdr.flags |= EDR_F_KTHREAD;
	bpf_probe_read_kernel(e.comm, sizeof(e.comm), ctx + fields.newtask_comm);
	e.uid = bpf_get_current_uid_gid();
	e.clone_flags = flags;
	e.child_pid = field(ctx, fields.newtask_pid, sizeof(e.child_pid));
	e.child_start_ns = e.hdr.time_ns;
	e.child_ppid = !(flags & CLONE_PARENT) ? e.hdr.tgid : p ? p->ppid : 0;
	process_add(&e, p);
	if (filtered(&e.hdr, e.comm, e.uid)) {
		filter_remember(e.child_pid, e.child_start_ns,
				filter_by_process(e.hdr.tgid, e.hdr.start_ns));
		return;
	}
	e.fork_op = fork_op(ctx);
	emit_noisy(&e, sizeof(e), EDR_FORK);
}

SEC("tp/task/task_newtask")
int task_newtask(void *ctx)
{
	u64 flags = field(ctx, fields.newtask_flags, sizeof(flags));
	struct edr_plain_process *p = process_of(bpf_get_current_pid_tgid() >> 32);

	if (flags & CLONE_THREAD)
		plain_thread(ctx, flags, p);
	else
		plain_fork(ctx, flags, p);
	return 0;
}

#define SIGNAL_BIT(n) (1ULL << (n))
/* SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH: nobody dies of them. */
#define HARMLESS                                                                              \
	(SIGNAL_BIT(17) | SIGNAL_BIT(18) | SIGNAL_BIT(19) | SIGNAL_BIT(20) | SIGNAL_BIT(21) | \
	 SIGNAL_BIT(22) | SIGNAL_BIT(23) | SIGNAL_BIT(28))

SEC("tp/signal/signal_generate")
int signal_generate(void *ctx)
{
	u32 sig = field(ctx, fields.signal_sig, sizeof(sig)), pid;

	if (sig < 1 || sig > 64 || (sig < 64 && (HARMLESS & SIGNAL_BIT(sig & 63))) ||
	    (u32)field(ctx, fields.signal_result, sizeof(u32)))
		return 0;
	pid = field(ctx, fields.signal_pid, sizeof(pid));
	bpf_map_update_elem(&signals, &pid, &sig, BPF_ANY);
	return 0;
}

/* By what this thread ends, into what is known of its process. */
static __always_inline void note_end(struct edr_plain_process *p, void *ctx, u32 tid, u32 tgid)
{
	u32 *sig = bpf_map_lookup_elem(&signals, &tid), status;
	struct frame f;

	if (sig && !p->signal)
		p->signal = *sig;
	if (sig)
		bpf_map_delete_elem(&signals, &tid);
	if (!frame_of_tracepoint(ctx, NO_CALL, &f))
		return;
	status = EDR_PLAIN_ENDED | (f.args[0] & 0xff);
	if (f.nr == (f.compat ? NR_COMPAT_EXIT_GROUP : NR_EXIT_GROUP)) {
		if (!p->group_status)
			p->group_status = status;
		else if (p->group_status != status) /* whose call came first is not known */
			p->group_status |= EDR_PLAIN_UNSURE;
	}
	if (f.nr == (f.compat ? NR_COMPAT_EXIT : NR_EXIT)) {
		p->last_status = status;
		if (tid == tgid)
			p->leader_status = status;
	}
}

/*
 * What wait() will say. A signal that was sent, and did no harm, does not count where the process ended by a call. Of threads
 * that each ended alone, the leader's code counts up to 5.18 and that of the last one from then on.
 */
static __always_inline void end_of(struct edr_exit *e, const struct edr_plain_process *p)
{
	u32 status = p->group_status;

	if (!status && (!p->signal || p->started == 1)) {
		status = p->last_status;
		if (status != p->leader_status)
			e->hdr.flags |= EDR_F_CODE_UNKNOWN;
	}
	if (status & EDR_PLAIN_UNSURE)
		e->hdr.flags |= EDR_F_CODE_UNKNOWN;
	if (status)
		e->exit_code = status & 0xff;
	else if (p->signal)
		e->signal = p->signal;
	else
		e->hdr.flags |= EDR_F_CODE_UNKNOWN;
}

/* Is this the last thread of its process, and has nobody reported it? */
static __always_inline bool plain_is_last(void *ctx, struct edr_plain_process *p, u32 tid, u32 tgid)
{
	bool last;

	if (p)
		__sync_fetch_and_add(&p->ended, 1);
	if (fields.exit_group_dead)
		last = field(ctx, fields.exit_group_dead, 1);
	else if (p && !p->coarse)
		last = *(volatile u32 *)&p->ended >= *(volatile u32 *)&p->started;
	else
		last = tid == tgid;
	return last;
}

SEC("tp/sched/sched_process_exit")
int sched_process_exit(void *ctx)
{
	u64 ids = bpf_get_current_pid_tgid();
	u32 tid = ids, tgid = ids >> 32;
	struct edr_plain_process *p = process_of(tgid), was = {};
	struct edr_exit e = {};

	connect_left(tid);
	calls_forget(tid);
	if (p)
		note_end(p, ctx, tid, tgid);
	if (!plain_is_last(ctx, p, tid, tgid))
		return 0;
	header_of(&e.hdr, EDR_EXIT, sizeof(e), p);
	if (p)
		was = *p;
	/* Two threads that end at once may both find nobody left: one of them takes the entry out. */
	if (p && bpf_map_delete_elem(&processes, &tgid))
		return 0;
	bpf_get_current_comm(e.comm, sizeof(e.comm));
	e.uid = bpf_get_current_uid_gid();
	if (filtered(&e.hdr, e.comm, e.uid)) {
		filter_remember(tgid, 0, false);
		return 0;
	}
	end_of(&e, &was);
	if (was.start_ns)
		e.run_ns = e.hdr.time_ns - was.start_ns;
	emit_noisy(&e, sizeof(e), EDR_EXIT);
	return 0;
}

#endif
