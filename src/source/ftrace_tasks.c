// SPDX-License-Identifier: MIT
#include "source/ftrace_tasks.h"

#include <stdlib.h>
#include <string.h>

void ft_tasks_init(struct ft_tasks *t, size_t max, int proc)
{
	*t = (struct ft_tasks){ .max = max < 64 ? 64 : max, .proc = proc };
}

void ft_call_end(struct ft_task *task)
{
	if (!task->call)
		return;
	buf_free(&task->call->args);
	buf_free(&task->call->filename);
	buf_free(&task->call->asked);
	buf_free(&task->call->name);
	buf_free(&task->call->interp);
	free(task->call);
	task->call = NULL;
}

struct ft_call *ft_call_get(struct ft_task *task)
{
	if (!task->call)
		task->call = calloc(1, sizeof(*task->call));
	return task->call;
}

void ft_tasks_forget(struct ft_tasks *t, struct ft_task *task)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): who asks has one */
	if (task->call && t->goes)
		t->goes(t->goes_ctx, task);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in this table */
	HASH_DEL(t->index, task);
	t->n--;
	ft_call_end(task);
	free(task);
}

void ft_tasks_free(struct ft_tasks *t)
{
	struct ft_task *task = t->index, *next;

	HASH_CLEAR(hh, t->index);
	for (; task; task = next) {
		next = task->hh.next;
		ft_call_end(task);
		free(task);
	}
	t->n = 0;
}

void ft_tasks_trim(struct ft_tasks *t)
{
	while (t->n > t->max) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the next one is the head then */
		ft_tasks_forget(t, t->index); /* the oldest: who lives still is looked up again */
		t->evicted++;
	}
}

struct ft_task *ft_tasks_find(struct ft_tasks *t, edr_u32 tid)
{
	struct ft_task *task;

	HASH_FIND(hh, t->index, &tid, sizeof(tid), task);
	return task;
}

struct ft_task *ft_tasks_new(struct ft_tasks *t, edr_u32 tid, edr_u32 tgid)
{
	struct ft_task *task = ft_tasks_find(t, tid);

	if (task)
		ft_tasks_forget(t, task);
	task = calloc(1, sizeof(*task));
	if (!task) {
		t->refused++;
		return NULL;
	}
	task->tid = tid;
	task->tgid = tgid;
	task->threads = 1;
	task->creds = FT_NO_CREDS;
	task->session.loginuid = task->session.sessionid = EDR_ID_UNSET;
	HASH_ADD(hh, t->index, tid, sizeof(task->tid), task);
	if (!task->hh.tbl) {
		t->refused++;
		free(task);
		return NULL;
	}
	t->n++;
	return task;
}

static struct ft_task *look_up(struct ft_tasks *t, edr_u32 tid)
{
	struct ft_proc_status st;
	struct ft_task *task;
	bool known = ft_proc_status(t->proc, tid, &st);

	task = ft_tasks_new(t, tid, known ? st.tgid : tid);
	if (!task || !known)
		return task;
	memcpy(task->comm, st.comm, sizeof(task->comm));
	task->start_ns = st.start_ns;
	task->coarse = true;
	task->kthread = st.kthread;
	task->threads = st.threads;
	task->ppid = st.ppid;
	task->creds = st.creds;
	task->session = st.session;
	return task;
}

struct ft_task *ft_tasks_get(struct ft_tasks *t, edr_u32 tid)
{
	struct ft_task *task = ft_tasks_find(t, tid);

	return task ? task : look_up(t, tid);
}

struct ft_task *ft_tasks_leader(struct ft_tasks *t, struct ft_task *task)
{
	return task->tid == task->tgid ? task : ft_tasks_get(t, task->tgid);
}
