// SPDX-License-Identifier: MIT
#include "source/ftrace_record.h"

#include <stdlib.h>
#include <string.h>

#define CLONE_PARENT 0x8000ULL /* linux/sched.h */
#define CLONE_THREAD 0x10000ULL
#define CLONE_SIGNAL_BITS 0xffULL
#define KTHREADD 2 /* the kernel's own threads are its children */
/* So much later than the start of a process its first event may come: more would take a look at /proc anyway. */
#define FORK_TAKES_NS 2000000
#define MAX_TASKS 65536 /* where nobody says otherwise */
#define TASKS_PER_ENTRY 4

size_t ft_max_tasks(const struct source_config *cfg)
{
	return cfg->table_entries ? (size_t)cfg->table_entries * TASKS_PER_ENTRY : MAX_TASKS;
}

static void task_goes(void *translate, struct ft_task *task)
{
	if (task->call->ready_ns)
		ft_count_dropped(translate, EDR_EXEC);
	ft_connect_unfinished(translate, task);
}

void ft_translate_init(struct ft_translate *t, const struct source_config *cfg, int proc,
		       edr_u32 self, size_t max_tasks)
{
	memset(t, 0, sizeof(*t));
	t->cfg = *cfg;
	t->self = self;
	ft_tasks_init(&t->tasks, max_tasks, proc);
	t->tasks.goes = task_goes;
	t->tasks.goes_ctx = t;
}

void ft_translate_free(struct ft_translate *t)
{
	t->tasks.goes = NULL;
	ft_socks_free(t);
	ft_tasks_free(&t->tasks);
	buf_free(&t->out);
	buf_free(&t->scratch);
}

void ft_translate_note_exec(struct ft_translate *t, edr_u32 tgid, edr_u64 time_ns)
{
	t->last_exec[tgid % FT_LAST_EXECS].tgid = tgid;
	t->last_exec[tgid % FT_LAST_EXECS].time_ns = time_ns;
}

struct ft_task *ft_owner(struct ft_translate *t, struct ft_task *task)
{
	return task ? ft_tasks_leader(&t->tasks, task) : NULL;
}

void ft_copy_comm(edr_comm to, struct wire_span from)
{
	memset(to, 0, sizeof(edr_comm));
	memcpy(to, from.data, from.len < sizeof(edr_comm) ? from.len : sizeof(edr_comm) - 1);
}

struct edr_hdr ft_header(const struct ft_event *e, const struct ft_task *leader)
{
	return (struct edr_hdr){ .time_ns = e->time_ns,
				 .start_ns = leader->start_ns,
				 .tgid = leader->tgid,
				 .tid = e->tid,
				 .cpu = e->cpu,
				 .flags = (leader->coarse ? EDR_F_COARSE_START : 0) |
					  (leader->kthread ? EDR_F_KTHREAD : 0) };
}

bool ft_list_has_prefix(const struct source_list *list, struct wire_span path, bool whole)
{
	size_t i, n;

	for (i = 0; i < list->n; i++) {
		n = strlen(list->item[i]);
		while (whole && n > 1 && list->item[i][n - 1] == '/')
			n--;
		if (path.len < n || memcmp(path.data, list->item[i], n) != 0)
			continue;
		if (!whole || path.len == n || path.data[n] == '/' || n == 1)
			return true;
	}
	return false;
}

static bool is_skipped(const struct ft_translate *t, const struct ft_task *leader,
		       const edr_comm comm)
{
	size_t i;

	if (leader->filtered)
		return true;
	for (i = 0; i < t->cfg.skip_comms.n; i++) {
		if (!strncmp(t->cfg.skip_comms.item[i], comm, sizeof(edr_comm) - 1))
			return true;
	}
	for (i = 0; i < t->cfg.skip_uids.n; i++) {
		if (leader->creds.uid == (edr_u32)strtoul(t->cfg.skip_uids.item[i], NULL, 10))
			return true;
	}
	return false;
}

bool ft_filtered(struct ft_translate *t, unsigned type, const struct ft_task *leader,
		 const edr_comm comm)
{
	if (t->self && leader->tgid == t->self)
		return true;
	if (!is_skipped(t, leader, comm))
		return false;
	t->count[type].filtered++;
	return true;
}

void ft_count_dropped(struct ft_translate *t, unsigned type)
{
	t->count[type].produced++;
	t->count[type].dropped++;
}

void ft_emit(struct ft_translate *t, struct wire_build *b, unsigned type)
{
	const struct edr_hdr *rec = wire_build_end(b);

	t->count[type].produced++;
	if (!rec)
		t->count[type].dropped++; /* no memory */
	else if (rec->flags & EDR_F_TRUNCATED)
		t->count[type].truncated++;
}

/*
 * The first event of a process comes a moment after its start as /proc has it: where a tick lies between the two, the same
 * process would look like another one.
 */
static edr_u64 start_of_child(const struct ft_translate *t, edr_u32 tgid, edr_u64 time_ns)
{
	edr_u64 start;

	if (time_ns % FT_TICK_NS == 0)
		return time_ns - 1; /* a whole tick stands for a coarse time */
	if (time_ns % FT_TICK_NS > FORK_TAKES_NS)
		return time_ns;
	start = ft_proc_start(t->tasks.proc, tgid);
	return start && start + FT_TICK_NS <= time_ns ? start + FT_TICK_NS - 1 : time_ns;
}

static struct ft_task *new_process(struct ft_translate *t, const struct ft_event *e,
				   const struct ft_task *parent, edr_u32 tgid, edr_u64 flags)
{
	const struct ft_task was = *parent; /* making one may end another of the same number */
	struct ft_task *child = ft_tasks_new(&t->tasks, tgid, tgid);

	if (!child)
		return NULL;
	child->start_ns = start_of_child(t, tgid, e->time_ns);
	child->kthread = was.tgid == KTHREADD;
	child->filtered = was.filtered;
	child->ppid = flags & CLONE_PARENT ? was.ppid : was.tgid;
	child->parent_start_ns = flags & CLONE_PARENT ? was.parent_start_ns : was.start_ns;
	child->creds = was.creds;
	child->session = was.session;
	child->cgroup_id = was.cgroup_id;
	return child;
}

static void on_newtask(struct ft_translate *t, const struct ft_event *e)
{
	const edr_u64 flags = ft_number(e, FT_NEWTASK_FLAGS) & ~CLONE_SIGNAL_BITS;
	const edr_u32 tid = (edr_u32)ft_number(e, FT_NEWTASK_PID);
	struct ft_task *parent = ft_owner(t, ft_tasks_get(&t->tasks, e->tid)), *child;

	if (!parent || tid == 0)
		return;
	if (flags & CLONE_THREAD) {
		parent->threads++;
		child = ft_tasks_new(&t->tasks, tid, parent->tgid);
	} else {
		child = new_process(t, e, parent, tid, flags);
	}
	if (!child)
		return;
	ft_copy_comm(child->comm, ft_string(e, FT_NEWTASK_COMM));
	child->clone_flags = flags;
	child->flags_known = true;
}

/* What the call was, if it has been seen; each call makes one child. */
static edr_u32 take_fork_op(struct ft_task *caller)
{
	edr_u32 op = EDR_FORK_UNKNOWN;

	if (caller->call) {
		op = caller->call->fork_op;
		caller->call->fork_op = EDR_FORK_UNKNOWN;
	}
	return op;
}

static void emit_thread(struct ft_translate *t, const struct ft_event *e,
			const struct ft_task *parent, const struct ft_task *child, edr_u32 op)
{
	struct edr_thread r = { .hdr = ft_header(e, parent),
				.clone_flags = child->clone_flags,
				.child_tid = child->tid,
				.fork_op = op };
	struct wire_build b;

	ft_copy_comm(r.comm, ft_string(e, FT_FORK_CHILD_COMM));
	if (ft_filtered(t, EDR_THREAD, parent, r.comm))
		return;
	wire_build_begin(&b, &t->out, EDR_THREAD, &r);
	ft_emit(t, &b, EDR_THREAD);
}

static void emit_fork(struct ft_translate *t, const struct ft_event *e,
		      const struct ft_task *parent, const struct ft_task *child, edr_u32 op)
{
	struct edr_fork r = { .hdr = ft_header(e, parent),
			      .child_start_ns = child->start_ns,
			      .clone_flags = child->clone_flags,
			      .child_pid = child->tgid,
			      .child_ppid = child->ppid,
			      .fork_op = op,
			      .uid = parent->creds.uid };
	struct wire_build b;

	r.hdr.flags &= ~EDR_F_KTHREAD;
	r.hdr.flags |= child->kthread ? EDR_F_KTHREAD : 0;
	ft_copy_comm(r.comm, ft_string(e, FT_FORK_CHILD_COMM));
	if (ft_filtered(t, EDR_FORK, parent, r.comm))
		return;
	wire_build_begin(&b, &t->out, EDR_FORK, &r);
	ft_emit(t, &b, EDR_FORK);
}

/* A kernel without task_newtask does not tell threads from processes here: /proc does, while the child lives. */
static struct ft_task *child_unannounced(struct ft_translate *t, const struct ft_event *e,
					 struct ft_task *parent, edr_u32 tid)
{
	struct ft_proc_status st;
	struct ft_task *child;

	if (ft_proc_status(t->tasks.proc, tid, &st) && st.tgid == parent->tgid) {
		parent->threads++;
		return ft_tasks_new(&t->tasks, tid, parent->tgid);
	}
	child = new_process(t, e, parent, tid, 0);
	if (child)
		ft_copy_comm(child->comm, ft_string(e, FT_FORK_CHILD_COMM));
	return child;
}

static void on_fork(struct ft_translate *t, const struct ft_event *e)
{
	const edr_u32 tid = (edr_u32)ft_number(e, FT_FORK_CHILD_PID);
	struct ft_task *caller = ft_tasks_get(&t->tasks, e->tid), *parent, *child;
	edr_u32 op, tgid;

	parent = ft_owner(t, caller);
	if (!parent || tid == 0)
		return;
	tgid = parent->tgid;
	op = take_fork_op(caller);
	child = ft_tasks_find(&t->tasks, tid);
	/* Without its announcement it is another one's, who had the number before. */
	if (!child || (t->has_newtask && !child->flags_known) || !t->has_newtask)
		child = child_unannounced(t, e, parent, tid);
	if (!child)
		return;
	parent = ft_tasks_find(&t->tasks, tgid); /* a forged child may have taken its place */
	if (!parent)
		return;
	child->flags_known = false; /* told */
	if (child->tid != child->tgid)
		emit_thread(t, e, parent, child, op);
	else
		emit_fork(t, e, parent, child, op);
}

static void on_rename(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, (edr_u32)ft_number(e, FT_RENAME_PID));

	if (task)
		ft_copy_comm(task->comm, ft_string(e, FT_RENAME_COMM));
}

static void on_code(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid), *leader;

	if (!task)
		return;
	task->code = (edr_u32)ft_number(e, FT_VALUE);
	task->code_known = true;
	leader = ft_owner(t, task);
	if (leader)
		leader->last_code = task->code;
}

/* Its number is not always the one that counts (a signal's first): that is in FT_CODE. */
static void on_group_code(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *leader = ft_owner(t, ft_tasks_get(&t->tasks, e->tid));

	if (leader)
		leader->group_code_known = true;
}

static void on_call_fork(struct ft_translate *t, const struct ft_event *e)
{
	static const edr_u32 ops[FT_KINDS] = { [FT_CALL_FORK] = EDR_FORK_FORK,
					       [FT_CALL_VFORK] = EDR_FORK_VFORK,
					       [FT_CALL_CLONE] = EDR_FORK_CLONE,
					       [FT_CALL_CLONE3] = EDR_FORK_CLONE3 };
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;

	if (call)
		call->fork_op = ops[e->format->kind];
}

static void emit_exit(struct ft_translate *t, const struct ft_event *e,
		      const struct ft_task *leader, const struct ft_task *last)
{
	const struct ft_task *who = leader->group_code_known || t->last_code_counts ? last : leader;
	const edr_u32 code = leader->group_code_known ? last->code
			     : t->last_code_counts    ? leader->last_code
						      : leader->code;
	const edr_u32 status = who->code_known ? code : 0;
	struct edr_exit r = { .hdr = ft_header(e, leader),
			      .exit_code = status >> 8 & 0xff,
			      .signal = status & 0x7f,
			      .core_dumped = (status & 0x80) != 0,
			      .uid = leader->creds.uid };
	struct wire_build b;

	if (!who->code_known)
		r.hdr.flags |= EDR_F_CODE_UNKNOWN;
	if (leader->start_ns && e->time_ns > leader->start_ns)
		r.run_ns = e->time_ns - leader->start_ns;
	ft_copy_comm(r.comm, ft_string(e, FT_EXIT_COMM));
	if (ft_filtered(t, EDR_EXIT, leader, r.comm))
		return;
	wire_build_begin(&b, &t->out, EDR_EXIT, &r);
	ft_emit(t, &b, EDR_EXIT);
}

static void on_exit_event(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_task *leader = ft_owner(t, task);
	bool last;

	if (!leader)
		return;
	if (leader->threads)
		leader->threads--;
	last = ft_has(e, FT_EXIT_GROUP_DEAD) ? ft_number(e, FT_EXIT_GROUP_DEAD) != 0
					     : leader->threads == 0;
	if (last)
		emit_exit(t, e, leader, task);
	if (task != leader)
		ft_tasks_forget(&t->tasks, task);
	if (last)
		ft_tasks_forget(&t->tasks, leader);
	else if (task == leader)
		ft_call_end(leader);
}

/* What a thread may pass inside of connect(2), or is told of another than the thread at hand. */
static const bool in_connect[FT_KINDS] = {
	[FT_OTHER] = true,	[FT_CONNECT_FILE] = true, [FT_CONNECT_RET] = true,
	[FT_SOCK_STATE] = true, [FT_SOCK_RESET] = true,
};

/*
 * Its return was missed: more are under way on this host than the kernel has room to note, or the
 * buffer was full.
 */
static void notice_returned(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task =
		in_connect[e->format->kind] ? NULL : ft_tasks_find(&t->tasks, e->tid);

	if (task && task->call)
		ft_connect_unfinished(t, task);
}

/*
 * A program that is ready to run has its own event at once: any other event of that thread says
 * that it was lost. But not those of sockets, which come when packets do.
 */
static void notice_missed(struct ft_translate *t, const struct ft_event *e)
{
	static const bool comes_before[FT_KINDS] = {
		[FT_EXEC] = true, [FT_ARGS] = true,	  [FT_READY32] = true,
		[FT_BPRM] = true, [FT_SOCK_STATE] = true, [FT_SOCK_RESET] = true
	};
	struct ft_task *task = ft_tasks_find(&t->tasks, e->tid);

	if (task && task->call && task->call->ready_ns && !comes_before[e->format->kind])
		ft_exec_missed(t, e, task, 0);
}

/* What is lost with an event; with the others a part of a record that says so, or nothing. */
static const unsigned lost_as[FT_KINDS] = {
	[FT_EXEC] = EDR_EXEC,
	[FT_EXEC_RET] = EDR_EXEC_FAILED,
	[FT_FORK] = EDR_FORK,
	[FT_EXIT] = EDR_EXIT,
	[FT_CONNECT] = EDR_CONNECT,
	[FT_CONNECT_FILE] = EDR_CONNECT,
	[FT_SOCK_STATE] = EDR_CONNECT_RESULT,
};

void ft_translate_lost(struct ft_translate *t, enum ft_kind kind)
{
	if (lost_as[kind])
		ft_count_dropped(t, lost_as[kind]);
}

typedef void (*handler)(struct ft_translate *t, const struct ft_event *e);

static const handler handlers[FT_KINDS] = {
	[FT_FORK] = on_fork,
	[FT_EXIT] = on_exit_event,
	[FT_NEWTASK] = on_newtask,
	[FT_RENAME] = on_rename,
	[FT_SOCK_STATE] = ft_on_sock_state,
	[FT_SOCK_RESET] = ft_on_sock_reset,
	[FT_ARGS] = ft_on_args,
	[FT_ARGS32] = ft_on_args32,
	[FT_READY32] = ft_on_ready32,
	[FT_BPRM] = ft_on_bprm,
	[FT_CREDS] = ft_on_creds,
	[FT_EXEC_OPEN] = ft_on_exec_open,
	[FT_EXEC_CALL] = ft_on_exec_call,
	[FT_EXEC_RET] = ft_on_exec_ret,
	[FT_CONNECT] = ft_on_connect,
	[FT_CONNECT_FILE] = ft_on_connect_file,
	[FT_CONNECT_RET] = ft_on_connect_ret,
	[FT_CODE] = on_code,
	[FT_GROUP_CODE] = on_group_code,
	[FT_CALL_FORK] = on_call_fork,
	[FT_CALL_VFORK] = on_call_fork,
	[FT_CALL_CLONE] = on_call_fork,
	[FT_CALL_CLONE3] = on_call_fork,
};

void ft_translate(struct ft_translate *t, const struct ft_event *e, const struct ft_snapshot *snap)
{
	const enum ft_kind kind = e->format->kind;
	const edr_u64 refused = t->tasks.refused;
	edr_u64 before;

	t->now_ns = e->time_ns;
	ft_tasks_trim(&t->tasks);
	notice_returned(t, e);
	notice_missed(t, e);
	before = t->count[lost_as[kind]].produced;
	if (kind == FT_EXEC)
		ft_on_exec(t, e, snap);
	else if (handlers[kind])
		handlers[kind](t, e);
	if (t->tasks.refused != refused && t->count[lost_as[kind]].produced == before)
		ft_translate_lost(t, kind);
}

void ft_translate_end(struct ft_translate *t, edr_u64 now_ns)
{
	struct ft_event e = { .time_ns = now_ns };
	struct ft_task *task, *next;

	t->now_ns = now_ns;
	for (task = t->tasks.index; task; task = next) {
		e.tid = task->tid;
		/* One that is looked up comes last. */
		if (task->call && task->call->ready_ns)
			ft_exec_missed(t, &e, task, EDR_F_LATE);
		else if (task->call)
			ft_connect_unfinished(t, task);
		next = task->hh.next;
	}
}
