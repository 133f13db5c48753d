// SPDX-License-Identifier: MIT
/*
 * exec: sched_process_exec has the file name, the argument probe (just before it) what lies on the new stack, and /proc
 * right after it the rest. Each record says where its arguments came from.
 */
#include <errno.h>
#include <string.h>

#include "source/ftrace_record.h"

#define AT_FDCWD_ (-100)
#define MAX_ERRNO 4095		   /* linux/err.h */
#define MAX_ARG_STRINGS 0x7fffffff /* linux/binfmts.h */
#define ELFCLASS32 1		   /* elf.h */
#define MODE_SETUID 04000	   /* linux/stat.h */
#define MODE_SETGID 02000
#define MODE_GROUP_EXEC 00010

/* What of an exec is known, from wherever. */
struct exec_parts {
	const struct ft_snapshot *snap; /* NULL: /proc did not know it any more */
	struct wire_span exe, proc_argv, cgroup;
	struct wire_span argv, filename, interp;
	edr_u64 argc, ino;
	edr_u32 argv_bytes, flags, dev, exec_flags;
	bool ids_known, file_known;
	char path[EDR_PATH_MAX];
};

/* Takes count arguments off a block of memory; the bytes that they take. whole: none is missing or cut. */
static size_t take_args(const char *data, size_t len, edr_u64 count, bool *whole)
{
	size_t at = 0;

	*whole = true;
	for (; count; count--) {
		const char *end = memchr(data + at, '\0', len - at);

		if (!end) {
			*whole = false;
			return len;
		}
		at = (size_t)(end - data) + 1;
	}
	return at;
}

static edr_u32 count_args(struct wire_span argv)
{
	edr_u32 n = 0;
	size_t i;

	for (i = 0; i < argv.len; i++)
		n += argv.data[i] == '\0';
	return n + (argv.len && argv.data[argv.len - 1] != '\0');
}

/* The program is loaded: nothing can go wrong any more, and its own event follows at once. */
static void is_ready(struct ft_translate *t, const struct ft_event *e, struct ft_call *call)
{
	struct ft_ready *slot = &t->ready[t->next_ready % FT_READY];

	if (call->ready_ns)
		return;
	call->ready_ns = e->time_ns;
	*slot = (struct ft_ready){ .tid = e->tid, .time_ns = e->time_ns };
	t->next_ready++;
}

static void take_stack(struct ft_call *call, const struct ft_event *e)
{
	struct wire_span part;
	unsigned slot;
	bool whole;

	buf_clear(&call->args);
	for (slot = FT_ARGS_BYTES; slot < FT_SLOTS; slot++) {
		part = ft_bytes(e, slot);
		buf_add(&call->args, part.data, part.len);
	}
	call->argc = ft_number(e, FT_ARGS_ARGC);
	call->args.len = take_args(call->args.data ? call->args.data : "", call->args.len,
				   call->argc, &whole);
	call->args_whole = whole;
	call->args_seen = !call->args.failed;
}

/*
 * Words of 64 bits: where the probe's place is the same for 32-bit programs (arm64), two of theirs
 * lie in each.
 */
static bool is_misread(const struct ft_call *call, const struct ft_event *e)
{
	return ft_number(e, FT_ARGS_ARGC) > MAX_ARG_STRINGS ||
	       (call->file_known && (call->exec_flags & EDR_EXEC_COMPAT32));
}

void ft_on_args(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;

	if (!call)
		return;
	if (!is_misread(call, e))
		take_stack(call, e);
	is_ready(t, e, call);
}

void ft_on_args32(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;

	if (call)
		take_stack(call, e);
}

void ft_on_ready32(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;

	if (call)
		is_ready(t, e, call);
}

void ft_on_exec_open(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;
	struct wire_span name = ft_string(e, FT_OPEN_NAME);

	/* Interpreters are opened the same way after it. */
	if (!call || call->open_seen)
		return;
	call->open_seen = true;
	call->name_doubtful = false;
	call->dirfd = (edr_s32)ft_number(e, FT_OPEN_DIRFD);
	buf_clear(&call->filename);
	buf_add(&call->filename, name.data, name.len);
}

void ft_on_exec_call(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct wire_span argv, name;
	struct ft_call *call;
	unsigned slot;

	if (!task)
		return;
	ft_call_end(task);
	call = ft_call_get(task);
	if (!call)
		return;
	call->call_seen = true;
	argv = ft_bytes(e, FT_CALL_POINTERS);
	name = ft_string(e, FT_CALL_NAME);
	buf_add(&call->filename, name.data, name.len);
	call->name_doubtful = !ft_readable(e, FT_CALL_NAME);
	for (slot = 0; slot < FT_CALL_ARGS; slot++) {
		struct wire_span arg = ft_string(e, FT_CALL_FIRST + slot);
		edr_u64 pointer = 0;

		if (argv.len >= (slot + 1) * sizeof(pointer))
			memcpy(&pointer, argv.data + slot * sizeof(pointer), sizeof(pointer));
		if (!pointer)
			break;
		/* What stands there may be the argument itself: it hides neither itself nor what follows. */
		call->asked_unreadable |= !ft_readable(e, FT_CALL_FIRST + slot);
		buf_add(&call->asked, arg.data, arg.len);
		buf_addc(&call->asked, '\0');
		call->asked_n++;
	}
	call->asked_cut = slot == FT_CALL_ARGS;
	if (call->asked_unreadable && call->asked.len == call->asked_n) { /* none at all */
		buf_clear(&call->asked);
		call->asked_n = 0;
	}
}

void ft_on_bprm(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;
	struct wire_span name = ft_string(e, FT_BPRM_NAME), interp;

	if (!call)
		return;
	is_ready(t, e, call);
	call->file_known = true;
	call->bprm_argc = (edr_s32)ft_number(e, FT_BPRM_ARGC);
	call->ino = ft_number(e, FT_BPRM_INO);
	call->dev = (edr_u32)ft_number(e, FT_BPRM_DEV);
	call->mode = (edr_u32)ft_number(e, FT_BPRM_MODE);
	call->file_uid = (edr_u32)ft_number(e, FT_BPRM_UID);
	call->file_gid = (edr_u32)ft_number(e, FT_BPRM_GID);
	call->exec_flags = 0;
	if (ft_number(e, FT_BPRM_CLASS) == ELFCLASS32)
		call->exec_flags |= EDR_EXEC_COMPAT32;
	if (ft_number(e, FT_BPRM_NLINK) == 0)
		call->exec_flags |= EDR_EXEC_DELETED;
	buf_clear(&call->name);
	buf_add(&call->name, name.data, name.len);
	/* Its dentry hangs in no tree: mm/memfd.c. A deleted file of that name would look the same. */
	if ((call->exec_flags & EDR_EXEC_DELETED) && name.len > 6 &&
	    !memcmp(name.data, "memfd:", 6))
		call->exec_flags |= EDR_EXEC_MEMFD;
	buf_clear(&call->interp);
	if (ft_number(e, FT_BPRM_INTERP) == ft_number(e, FT_BPRM_FILENAME))
		return;
	interp = ft_string(e, FT_BPRM_INTERP_NAME);
	buf_add(&call->interp, interp.data, interp.len);
	call->exec_flags |= EDR_EXEC_SCRIPT;
}

void ft_on_creds(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	struct ft_call *call = task ? ft_call_get(task) : NULL;

	if (!call)
		return;
	call->creds_known = true;
	call->creds.uid = (edr_u32)ft_number(e, FT_CREDS_UID);
	call->creds.gid = (edr_u32)ft_number(e, FT_CREDS_GID);
	call->creds.euid = (edr_u32)ft_number(e, FT_CREDS_EUID);
	call->creds.egid = (edr_u32)ft_number(e, FT_CREDS_EGID);
}

/*
 * /proc was read after the event: it is of this exec only when the process is the same and had no other exec in between.
 */
static bool snapshot_fits(const struct ft_translate *t, const struct ft_event *e,
			  const struct ft_task *leader, const struct ft_snapshot *s)
{
	const size_t slot = leader->tgid % FT_LAST_EXECS;
	const edr_u64 tick = leader->start_ns / FT_TICK_NS * FT_TICK_NS;

	if (!s || s->status.tgid != leader->tgid)
		return false;
	if (leader->start_ns && s->status.start_ns != tick &&
	    s->status.start_ns + FT_TICK_NS != tick)
		return false;
	/* Where another process has the slot, nobody knows. */
	return t->last_exec[slot].tgid == leader->tgid &&
	       (t->last_exec[slot].time_ns <= e->time_ns ||
		t->last_exec[slot].time_ns > s->taken_ns);
}

static void use_snapshot(struct ft_translate *t, struct exec_parts *p, const struct ft_snapshot *s,
			 struct ft_task *leader)
{
	const struct ft_task *parent;
	const char *at = (const char *)(s + 1);

	p->snap = s;
	p->exe = (struct wire_span){ at, s->exe_len };
	p->proc_argv = (struct wire_span){ at + s->exe_len, s->argv_len };
	p->cgroup = (struct wire_span){ at + s->exe_len + s->argv_len, s->cgroup_len };
	leader->creds = s->status.creds;
	leader->session = s->status.session;
	leader->cgroup_id = s->cgroup_id;
	if (leader->ppid != s->status.ppid) { /* its parent has ended, or it was not known */
		leader->ppid = s->status.ppid;
		parent = ft_tasks_get(&t->tasks, leader->ppid);
		leader->parent_start_ns = parent ? parent->start_ns : 0;
	}
	p->ino = s->exe_ino;
	p->dev = s->exe_dev;
	p->exec_flags = s->exec_flags;
	p->ids_known = p->file_known = true;
	if (!leader->start_ns) {
		leader->start_ns = s->status.start_ns;
		leader->coarse = true;
	}
}

/* What the probes said counts more than /proc, which was asked later. */
static void use_probes(struct exec_parts *p, const struct ft_call *call, struct ft_task *leader)
{
	if (call && call->creds_known) {
		leader->creds = call->creds;
		p->ids_known = true;
	}
	if (!call || !call->file_known)
		return;
	if (p->snap && p->snap->exe_ino != call->ino)
		p->exe.len =
			0; /* it has run something else since, or the file system numbers twice */
	p->file_known = true;
	p->ino = call->ino;
	p->dev = call->dev;
	p->exec_flags = call->exec_flags;
	if ((call->mode & MODE_SETUID) && call->file_uid == leader->creds.euid)
		p->exec_flags |= EDR_EXEC_SETUID;
	if ((call->mode & (MODE_SETGID | MODE_GROUP_EXEC)) == (MODE_SETGID | MODE_GROUP_EXEC) &&
	    call->file_gid == leader->creds.egid)
		p->exec_flags |= EDR_EXEC_SETGID;
	p->interp = (struct wire_span){ call->interp.data, call->interp.len };
	if (p->exec_flags & EDR_EXEC_MEMFD && call->name.len < sizeof(p->path)) {
		p->path[0] = '/';
		memcpy(p->path + 1, call->name.data, call->name.len);
		p->exe = (struct wire_span){ p->path, call->name.len + 1 };
	}
}

/*
 * Without a probe's word, what /proc says may be a script's interpreter, or the next program of a
 * process that ran on: it is believed where the name that was given leads to that very file.
 */
static void doubt_exe(const struct ft_translate *t, struct exec_parts *p,
		      const struct ft_call *call, const struct ft_task *leader)
{
	char found[EDR_PATH_MAX];

	if (!p->exe.len || (call && call->file_known) ||
	    ft_find_exe(t->tasks.proc, leader->ppid, p->filename, p->ino, p->dev, found,
			sizeof(found)))
		return;
	p->exe.len = 0;
	p->ino = p->dev = 0;
	p->exec_flags = 0;
	p->file_known = false;
}

/* The name that was given, of an interpreter the script's first line, may lead to the file still. */
static void find_exe(const struct ft_translate *t, struct exec_parts *p,
		     const struct ft_task *leader)
{
	const struct wire_span given = p->interp.len ? p->interp : p->filename;

	if (p->exe.len || !p->file_known)
		return;
	p->exe =
		(struct wire_span){ p->path, ft_find_exe(t->tasks.proc, leader->ppid, given, p->ino,
							 p->dev, p->path, sizeof(p->path)) };
}

/* The caller's arguments are known, or what stands for some of them. */
static bool any_asked(const struct ft_call *call)
{
	return call->call_seen && (!call->asked_unreadable || call->asked_n);
}

/* The probe's are what the kernel has laid out; /proc's may have been overwritten by the process since. */
static void choose_args(struct exec_parts *p, const struct ft_call *call)
{
	const struct wire_span seen =
		call && call->args_seen ? (struct wire_span){ call->args.data, call->args.len }
					: (struct wire_span){ "", 0 };

	if (call && call->args_seen && call->args_whole) {
		p->argv = seen;
		p->argc = call->argc;
		p->argv_bytes = (edr_u32)seen.len;
		p->flags |= EDR_F_ARGS_FROM_PROBE;
		return;
	}
	/* None at all is what a process shows that has ended and still waits for its parent. */
	if (p->proc_argv.len && p->proc_argv.len >= seen.len &&
	    (!seen.len || !memcmp(p->proc_argv.data, seen.data, seen.len))) {
		p->argv = p->proc_argv;
		p->argv_bytes = p->snap->argv_bytes;
		p->argc = seen.len ? call->argc : count_args(p->argv);
		p->flags |= EDR_F_ARGS_FROM_PROC;
		p->flags |= p->argv_bytes > p->argv.len ? EDR_F_TRUNCATED : 0;
		return;
	}
	/* The caller's, at the call: open to a change before the kernel copied them. */
	if (!seen.len && call && any_asked(call) && !p->interp.len) {
		p->argv = (struct wire_span){ call->asked.data, call->asked.len };
		p->argv_bytes = (edr_u32)call->asked.len;
		p->argc = call->asked_n;
		p->flags |= call->asked_unreadable ? EDR_F_ARGS_UNREADABLE : EDR_F_ARGS_FROM_CALL;
		p->flags |= call->asked_cut ? EDR_F_TRUNCATED : 0;
		return;
	}
	p->argv = seen;
	p->argv_bytes = (edr_u32)seen.len;
	p->argc = seen.len ? call->argc : call && call->file_known ? (edr_u64)call->bprm_argc : 0;
	p->flags |= seen.len ? EDR_F_ARGS_FROM_PROBE | EDR_F_TRUNCATED : EDR_F_ARGS_UNREADABLE;
}

static void tell_cgroup(struct ft_translate *t, const struct ft_event *e,
			const struct ft_task *leader, const struct exec_parts *p)
{
	const edr_u64 id = leader->cgroup_id;
	struct edr_cgroup r = { .hdr = ft_header(e, leader), .cgroup_id = id };
	struct wire_build b;

	if (!p->snap || !id || !p->cgroup.len || t->cgroups_told[id % FT_CGROUPS] == id)
		return;
	t->cgroups_told[id % FT_CGROUPS] = id;
	wire_build_begin(&b, &t->out, EDR_CGROUP, &r);
	wire_build_str(&b, offsetof(struct edr_cgroup, path), p->cgroup.data, p->cgroup.len);
	ft_emit(t, &b, EDR_CGROUP);
}

static void emit_exec(struct ft_translate *t, const struct ft_event *e, struct ft_task *leader,
		      const struct exec_parts *p, edr_u32 exec_tid)
{
	struct edr_exec r = { .hdr = ft_header(e, leader),
			      .parent_start_ns = leader->parent_start_ns,
			      .cgroup_id = leader->cgroup_id,
			      .ppid = leader->ppid,
			      .uid = leader->creds.uid,
			      .gid = leader->creds.gid,
			      .euid = leader->creds.euid,
			      .egid = leader->creds.egid,
			      .loginuid = leader->session.loginuid,
			      .sessionid = leader->session.sessionid,
			      .argc = p->argc > 0xffffffff ? 0xffffffff : (edr_u32)p->argc,
			      .argv_bytes = p->argv_bytes,
			      .exec_tid = exec_tid };
	const struct wire_span exe = p->exe.len ? p->exe : p->filename;
	struct wire_build b;

	memcpy(r.comm, leader->comm, sizeof(r.comm));
	memcpy(r.tty, leader->session.tty, sizeof(r.tty));
	r.hdr.flags |= p->flags;
	r.exe_ino = p->ino;
	r.exe_dev = p->dev;
	r.exec_flags = p->exec_flags;
	if (!p->ids_known && leader->creds.uid != EDR_ID_UNSET)
		r.hdr.flags |= EDR_F_IDS_INHERITED;
	if (!p->exe.len)
		r.hdr.flags |= EDR_F_EXE_UNRESOLVED;
	if (exec_tid != leader->tgid)
		r.exec_flags |= EDR_EXEC_BY_THREAD;
	wire_build_begin(&b, &t->out, EDR_EXEC, &r);
	wire_build_str(&b, offsetof(struct edr_exec, exe), exe.data, exe.len);
	wire_build_str(&b, offsetof(struct edr_exec, filename), p->filename.data, p->filename.len);
	wire_build_str(&b, offsetof(struct edr_exec, interp), p->interp.data, p->interp.len);
	wire_build_str(&b, offsetof(struct edr_exec, argv), p->argv.data, p->argv.len);
	ft_emit(t, &b, EDR_EXEC);
}

static void tell_exec(struct ft_translate *t, const struct ft_event *e, struct ft_task *leader,
		      struct exec_parts *p, edr_u32 exec_tid)
{
	const struct wire_span name = wire_basename(p->filename);

	leader->exec_told = true;
	if (!t->has_rename && name.len)
		ft_copy_comm(leader->comm, name);
	tell_cgroup(t, e, leader, p);
	leader->filtered =
		(p->exe.len && ft_list_has_prefix(&t->cfg.skip_paths, p->exe, false)) ||
		(p->cgroup.len && ft_list_has_prefix(&t->cfg.skip_cgroups, p->cgroup, true));
	if (!ft_filtered(t, EDR_EXEC, leader, leader->comm))
		emit_exec(t, e, leader, p, exec_tid);
}

void ft_on_exec(struct ft_translate *t, const struct ft_event *e, const struct ft_snapshot *snap)
{
	const edr_u32 old_tid = (edr_u32)ft_number(e, FT_EXEC_OLD_PID);
	struct exec_parts p = { .filename = ft_string(e, FT_EXEC_FILENAME) };
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid), *old;

	if (!task)
		return;
	/* Who has an exec behind it is a process of one thread, whose number is the leader's. */
	if (old_tid != e->tid) {
		old = ft_tasks_find(&t->tasks, old_tid);
		if (old)
			ft_tasks_forget(&t->tasks, old);
	}
	task->tgid = e->tid;
	task->threads = 1;
	task->kthread = task->group_code_known = task->code_known = false;
	if (snapshot_fits(t, e, task, snap))
		use_snapshot(t, &p, snap, task);
	use_probes(&p, task->call, task);
	doubt_exe(t, &p, task->call, task);
	find_exe(t, &p, task);
	choose_args(&p, task->call);
	if (!p.filename.len)
		p.flags |= EDR_F_FILENAME_UNREADABLE;
	tell_exec(t, e, task, &p, old_tid);
	ft_call_end(task);
}

void ft_exec_missed(struct ft_translate *t, const struct ft_event *e, struct ft_task *task,
		    edr_u32 flags)
{
	struct ft_task *leader = ft_owner(t, task);
	struct ft_call *call = task->call;
	struct exec_parts p = { .flags = flags };

	if (!leader || e->time_ns <= t->disordered_ns)
		return;
	if (call && call->filename.len)
		p.filename = (struct wire_span){ call->filename.data, call->filename.len };
	else
		p.flags |= EDR_F_FILENAME_UNREADABLE;
	use_probes(&p, call, leader);
	find_exe(t, &p, leader);
	choose_args(&p, call);
	tell_exec(t, e, leader, &p, e->tid);
	ft_call_end(task);
}

void ft_translate_overdue(struct ft_translate *t, edr_u64 now_ns)
{
	struct ft_event e = { .time_ns = now_ns };
	struct ft_task *task;
	unsigned i;

	for (i = 0; i < FT_READY && now_ns > t->disordered_ns; i++) {
		struct ft_ready *r =
			&t->ready[(t->next_ready + i) % FT_READY]; /* the oldest first */

		if (!r->time_ns || r->time_ns + FT_OVERDUE_NS > now_ns)
			continue;
		task = ft_tasks_find(&t->tasks, r->tid);
		e.tid = r->tid;
		if (task && task->call && task->call->ready_ns == r->time_ns)
			ft_exec_missed(t, &e, task, EDR_F_LATE);
		r->time_ns = 0;
	}
}

static void exec_came_back(struct ft_translate *t, const struct ft_event *e, struct ft_task *task)
{
	/* A file name of nearly PATH_MAX bytes makes the exec's own event too long for a page of the buffer. */
	if (!task->exec_told)
		ft_exec_missed(t, e, task, 0);
	task->exec_told = false;
}

void ft_on_exec_ret(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	const struct ft_task *leader = ft_owner(t, task);
	const edr_s64 ret = (edr_s64)ft_number(e, FT_VALUE);
	struct edr_exec_failed r;
	const struct ft_call *call;
	struct wire_build b;

	if (leader && (edr_s32)ret == 0)
		exec_came_back(t, e, task);
	if (!leader || (edr_s32)ret >= 0 || (edr_s32)ret < -MAX_ERRNO)
		return;
	call = task->call;
	r = (struct edr_exec_failed){ .hdr = ft_header(e, leader),
				      .error = -(edr_s32)ret,
				      .uid = leader->creds.uid,
				      .euid = leader->creds.euid,
				      .argc = call ? call->asked_n : 0,
				      .argv_bytes = call ? (edr_u32)call->asked.len : 0,
				      .dirfd = call && call->open_seen ? call->dirfd : AT_FDCWD_ };
	memcpy(r.comm, task->comm, sizeof(r.comm));
	if (call && call->name_doubtful && r.error == EFAULT)
		buf_clear(&task->call->filename);
	if (!call || !call->filename.len || call->name_doubtful)
		r.hdr.flags |= EDR_F_FILENAME_UNREADABLE;
	if (!call || !call->call_seen || call->asked_unreadable)
		r.hdr.flags |= EDR_F_ARGS_UNREADABLE;
	else if (call->asked_cut)
		r.hdr.flags |= EDR_F_TRUNCATED;
	if (!ft_filtered(t, EDR_EXEC_FAILED, leader, r.comm)) {
		wire_build_begin(&b, &t->out, EDR_EXEC_FAILED, &r);
		if (call) {
			wire_build_str(&b, offsetof(struct edr_exec_failed, filename),
				       call->filename.data, call->filename.len);
			wire_build_str(&b, offsetof(struct edr_exec_failed, argv), call->asked.data,
				       call->asked.len);
		}
		ft_emit(t, &b, EDR_EXEC_FAILED);
	}
	ft_call_end(task);
}
