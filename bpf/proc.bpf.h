/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * fork, thread, exit. What a clone shares is read from parent and child as they are, not from what the
 * caller asked for: clone3's arguments lie in memory that it can change, and a 32-bit call's registers are
 * not looked at. Flags that leave no trace in the child come from the call; so does CLONE_VFORK, for the
 * kernel sets vfork_done only after the tracepoint.
 */
#ifndef EDR_PROC_BPF_H
#define EDR_PROC_BPF_H

/* include/uapi/linux/sched.h */
#define CLONE_VM 0x100ULL
#define CLONE_FS 0x200ULL
#define CLONE_FILES 0x400ULL
#define CLONE_SIGHAND 0x800ULL
#define CLONE_VFORK 0x4000ULL
#define CLONE_PARENT 0x8000ULL
#define CLONE_THREAD 0x10000ULL
#define CLONE_NEWNS 0x20000ULL
#define CLONE_NEWCGROUP 0x2000000ULL
#define CLONE_NEWUTS 0x4000000ULL
#define CLONE_NEWIPC 0x8000000ULL
#define CLONE_NEWUSER 0x10000000ULL
#define CLONE_NEWPID 0x20000000ULL
#define CLONE_NEWNET 0x40000000ULL
#define CLONE_SEEN_IN_CHILD                                                                \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PARENT | CLONE_THREAD | \
	 CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |     \
	 CLONE_NEWPID | CLONE_NEWNET)
#define NR_X86_CLONE 56 /* asm/unistd.h */
#define NR_X86_FORK 57
#define NR_X86_VFORK 58
#define NR_ARM64_CLONE 220
#define NR_CLONE3 435
#define CLONE_SIGNAL_BITS 0xffULL /* the exit signal in clone's flags; clone3 has it elsewhere */

#define EEXIST 17
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define PF_IO_WORKER 0x10
#define SIGNAL_GROUP_EXIT 0x4 /* include/linux/sched/signal.h */

/* Processes whose exit has been reported: those of several threads, where the kernel does not tell who was the last; all,
 * where there are two copies of the program. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64); /* of start and tgid */
	__type(value, u32);
} exits_reported SEC(".maps");

#define SAME(field) (FIELD(parent, field) == FIELD(child, field))
#define SAME_NS(field) (FIELD(of_parent, field) == FIELD(of_child, field))

static __always_inline u64 clone_flags_seen(struct task_struct *parent, struct task_struct *child)
{
	struct nsproxy *of_parent = FIELD(parent, nsproxy), *of_child = FIELD(child, nsproxy);
	u64 flags = 0;

	flags |= SAME(mm) ? CLONE_VM : 0;
	flags |= SAME(fs) ? CLONE_FS : 0;
	flags |= SAME(files) ? CLONE_FILES : 0;
	flags |= SAME(sighand) ? CLONE_SIGHAND : 0;
	flags |= SAME(tgid) ? CLONE_THREAD : 0;
	if (!(flags & CLONE_THREAD) && FIELD(child, real_parent) != parent &&
	    FIELD(child, real_parent) == FIELD(parent, real_parent))
		flags |= CLONE_PARENT;
	if (of_parent != of_child) {
		flags |= SAME_NS(mnt_ns) ? 0 : CLONE_NEWNS;
		flags |= SAME_NS(cgroup_ns) ? 0 : CLONE_NEWCGROUP;
		flags |= SAME_NS(uts_ns) ? 0 : CLONE_NEWUTS;
		flags |= SAME_NS(ipc_ns) ? 0 : CLONE_NEWIPC;
		flags |= SAME_NS(net_ns) ? 0 : CLONE_NEWNET;
		flags |= SAME_NS(pid_ns_for_children) ? 0 : CLONE_NEWPID;
	}
	flags |= FIELD(parent, cred, user_ns) == FIELD(child, cred, user_ns) ? 0 : CLONE_NEWUSER;
	return flags;
}

/* What the call asked for; and which call it was. */
static __always_inline u64 clone_flags_asked(u32 *op)
{
	struct entered call;
	u64 flags = 0;

	*op = EDR_FORK_UNKNOWN;
	if (!call_entered(&call))
		return 0;
	if (call.nr == NR_CLONE3) {
		*op = EDR_FORK_CLONE3;
		bpf_probe_read_user(&flags, sizeof(flags), (void *)call.args[0]);
	} else if (call.nr == (ON_X86 ? NR_X86_CLONE : NR_ARM64_CLONE)) {
		*op = EDR_FORK_CLONE;
		flags = call.args[0] & ~CLONE_SIGNAL_BITS;
	} else if (ON_X86 && call.nr == NR_X86_VFORK) {
		*op = EDR_FORK_VFORK;
		flags = CLONE_VFORK;
	} else if (ON_X86 && call.nr == NR_X86_FORK) {
		*op = EDR_FORK_FORK;
	}
	return flags;
}

/* Threads that the kernel makes have nothing to do with the call that their process happens to be in. */
static __always_inline u64 clone_flags(struct task_struct *parent, struct task_struct *child,
				       u32 *op)
{
	u64 flags = clone_flags_seen(parent, child);

	*op = EDR_FORK_UNKNOWN;
	if (!(FIELD(child, flags) & (PF_KTHREAD | PF_IO_WORKER)))
		flags |= clone_flags_asked(op) & ~CLONE_SEEN_IN_CHILD;
	return flags;
}

struct clone_call {
	u64 flags;
	u32 op; /* enum edr_fork_op */
};

static __always_inline void report_thread(struct task_struct *parent, struct task_struct *child,
					  u32 kthread, const struct clone_call *call)
{
	struct edr_thread e;

	header_init(&e.hdr, EDR_THREAD, sizeof(e), FIELD(parent, group_leader, start_boottime));
	e.hdr.flags = kthread;
	bpf_probe_read_kernel(e.comm, sizeof(e.comm), &child->comm);
	if (filtered(&e.hdr, e.comm, FIELD(parent, cred, uid.val)))
		return;
	e.clone_flags = call->flags;
	e.fork_op = call->op;
	e.child_tid = FIELD(child, pid);
	emit_noisy(&e, sizeof(e), EDR_THREAD);
}

static __always_inline void report_fork(struct task_struct *parent, struct task_struct *child,
					u32 kthread, const struct clone_call *call)
{
	struct edr_fork e;

	header_init(&e.hdr, EDR_FORK, sizeof(e), FIELD(parent, group_leader, start_boottime));
	e.hdr.flags = kthread;
	bpf_probe_read_kernel(e.comm, sizeof(e.comm), &child->comm);
	e.uid = FIELD(parent, cred, uid.val);
	e.child_pid = FIELD(child, tgid);
	e.child_start_ns = FIELD(child, start_boottime);
	if (filtered(&e.hdr, e.comm, e.uid)) {
		filter_remember(e.child_pid, e.child_start_ns,
				filter_by_process(e.hdr.tgid, e.hdr.start_ns));
		return;
	}
	e.child_ppid = FIELD(child, real_parent, tgid);
	e.clone_flags = call->flags;
	e.fork_op = call->op;
	emit_noisy(&e, sizeof(e), EDR_FORK);
}

static __always_inline int process_forks(struct bpf_raw_tracepoint_args *ctx, bool again)
{
	struct task_struct *parent = (void *)ctx->args[0], *child = (void *)ctx->args[1];
	u32 kthread = FIELD(child, flags) & PF_KTHREAD ? EDR_F_KTHREAD : 0;
	struct clone_call call;

	if (done_before(EDR_FORK, again))
		return 0;
	/* Once, before the two part: each pointer that is read costs the verifier a search through the kernel's BTF. */
	call.flags = clone_flags(parent, child, &call.op);
	if (SAME(tgid))
		report_thread(parent, child, kthread, &call);
	else
		report_fork(parent, child, kthread, &call);
	return 0;
}

SEC(TRACEPOINT "/sched_process_fork")
int sched_process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	return process_forks(ctx, false);
}

SEC(TRACEPOINT "/sched_process_fork")
int sched_process_fork_again(struct bpf_raw_tracepoint_args *ctx)
{
	return process_forks(ctx, true);
}

static __always_inline u64 exit_key(struct task_struct *task)
{
	return FIELD(task, group_leader, start_boottime) ^ (u64)FIELD(task, tgid) << 40;
}

static __always_inline bool exit_is_first(struct task_struct *task)
{
	u64 key = exit_key(task);
	u32 tgid = FIELD(task, tgid);
	/* An int: before Linux 6.4 the upper half of what it returns is not set. */
	int error = bpf_map_update_elem(&exits_reported, &key, &tgid, BPF_NOEXIST);

	/* Where there is no room for it just now, rather twice than never. */
	return error != -EEXIST;
}

/* Is this the last thread of its process, and has nobody reported it? group_dead: the kernel says it is, where it does. */
static __always_inline bool exit_of_process(struct task_struct *task, bool group_dead)
{
	struct signal_struct *signal = FIELD(task, signal);
	u64 key;

	if (exit_has_group_dead)
		return group_dead && (!runs_again || exit_is_first(task));
	if (FIELD(signal, live.counter) != 0)
		return false;
	/* Two threads that end at once may both find nobody alive; and the one that has been reported may be gone by the
	 * time that the other comes here, which then is the only one. */
	if (FIELD(signal, nr_threads) > 1)
		return exit_is_first(task);
	key = exit_key(task);
	return !bpf_map_lookup_elem(&exits_reported, &key);
}

static __always_inline int task_exits(struct task_struct *task, bool group_dead)
{
	u32 tid = FIELD(task, pid), status;
	struct signal_struct *signal;
	struct edr_exit e;

	connect_left(tid);
	calls_forget(tid);
	if (!exit_of_process(task, group_dead))
		return 0;
	header_init(&e.hdr, EDR_EXIT, sizeof(e), FIELD(task, group_leader, start_boottime));
	e.hdr.flags = FIELD(task, flags) & PF_KTHREAD ? EDR_F_KTHREAD : 0;
	bpf_get_current_comm(e.comm, sizeof(e.comm));
	e.uid = FIELD(task, cred, uid.val);
	if (filtered(&e.hdr, e.comm, e.uid)) {
		filter_remember(e.hdr.tgid, 0, false);
		return 0;
	}
	/* What wait() will say: kernel/exit.c, wait_task_zombie() */
	signal = FIELD(task, signal);
	status = FIELD(signal, flags) & SIGNAL_GROUP_EXIT ? FIELD(signal, group_exit_code)
							  : FIELD(task, group_leader, exit_code);
	e.exit_code = status >> 8 & 0xff;
	e.signal = status & 0x7f;
	e.core_dumped = !!(status & 0x80);
	e.run_ns = e.hdr.time_ns - e.hdr.start_ns;
	emit_noisy(&e, sizeof(e), EDR_EXIT);
	return 0;
}

SEC(TRACEPOINT "/sched_process_exit")
int sched_process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	return task_exits((void *)ctx->args[0], exit_has_group_dead && (ctx->args[1] & 1));
}

/* By way of perf, which the kernel does not preempt: so a thread's end is seen, and what it leaves is told (connect_left).
 * Which copy runs first depends on who else uses perf. */
SEC("tp/sched/sched_process_exit")
int sched_process_exit_again(struct trace_event_raw_sched_process_exit *ctx)
{
	return task_exits(current_task(), exit_has_group_dead && ctx->group_dead);
}

#endif
