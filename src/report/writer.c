/* SPDX-License-Identifier: MIT */
/*
 * The report thread: what was closed first is written first, however often that takes. The clock
 * here only spaces tries and messages; nothing that is written depends on it.
 */
#include "report/report.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "report/copy.h"
#include "report/level.h"
#include "report/queue.h"
#include "report/shelf.h"
#include "util/log.h"
#include "util/mono.h"
#include "util/text.h"

#define WRITER_SAY_MS 60000  /* between complaints about a disk that stays broken */
#define WRITER_GRACE_MS 1000 /* for the last system call when the time for stopping is over */
#define WRITER_PART_BYTES (256u << 20) /* of waiting interim parts, by default */

struct report_writer {
	struct report_writer_config cfg;
	char *shown;
	struct cell_resume resume;
	bool resumes;
	struct report_shelf *shelf; /* the thread's, once it runs */

	pthread_t thread;
	pthread_mutex_t lock;	    /* for all below */
	pthread_cond_t work;	    /* to the thread: an item, closing */
	pthread_cond_t room;	    /* to the caller: there is room, or it fails, or it is done */
	struct queue queue;	    /* what the thread writes stays its head until it is written */
	unsigned long long dropped; /* cells that found no room: missing for good */
	unsigned long long refused_parts; /* interim parts: their cell counts the events */
	bool failed;			  /* the last try did not succeed */
	bool closing;
	bool done; /* the thread touches nothing any more */
	unsigned long long deadline_ms;
	unsigned long long retry_at_ms;
	edr_s64 told_ns; /* the block of the time that was last queued */
	struct buf kept; /* to be written when nothing is queued; empty: nothing */
	const char *kept_name;

	/* The thread's own. */
	unsigned long long failing_since_ms;
	unsigned long long said_at_ms; /* 0: nothing was said since it last worked */
	unsigned long long dropped_said, dropped_said_at_ms; /* of both */
	bool kept_failed;				     /* and it was said */
};

/* ---- the thread ---- */

/*
 * With the lock held, and not while it is said: a log that nobody reads any more may block, and the
 * collector must not. Only this thread takes the first of the queue.
 */
#define say(w, level, ...) log_line_unlocked(&(w)->lock, level, "report", __VA_ARGS__)

static void fail(struct report_writer *w, int err, const char *name)
{
	unsigned long long now = mono_now_ms();

	if (!w->failed)
		w->failing_since_ms = now;
	w->failed = true;
	w->retry_at_ms = now + w->cfg.retry_ms;
	pthread_cond_broadcast(&w->room);
	if (w->said_at_ms && now - w->said_at_ms < WRITER_SAY_MS)
		return;
	w->said_at_ms = now;
	say(w, LOG_LEVEL_WARN,
	    "cannot write %s/%s: %s; %zu reports are kept and tried again, %llu "
	    "were dropped",
	    w->shown, name, strerror(-err), w->queue.reports, w->dropped);
}

static void works_again(struct report_writer *w)
{
	unsigned long long s = (mono_now_ms() - w->failing_since_ms) / 1000;

	w->failed = false;
	w->said_at_ms = 0;
	say(w, LOG_LEVEL_INFO, "reports are written again after %llu s", s);
}

static void say_dropped(struct report_writer *w)
{
	unsigned long long now = mono_now_ms(), dropped = w->dropped + w->refused_parts;

	if (dropped == w->dropped_said ||
	    (w->dropped_said_at_ms && now - w->dropped_said_at_ms < WRITER_SAY_MS))
		return;
	w->dropped_said = dropped;
	w->dropped_said_at_ms = now;
	say(w, LOG_LEVEL_WARN,
	    "too many were waiting to be written: %llu cells and %llu interim parts were dropped",
	    w->dropped, w->refused_parts);
}

/* Where raw events find no room, a checkpoint or a cell may. */
static void pass_parts(struct report_writer *w, int err)
{
	bool passed = false;

	if (err == -ENOSPC || err == -EDQUOT)
		w->refused_parts += queue_pass_parts(&w->queue, &passed);
	if (!passed)
		return;
	report_shelf_forget(w->shelf); /* it has the text of those */
	w->retry_at_ms = 0;
}

/* The tables of a large cell, and its JSON, were many small pieces: glibc would keep the pages between those that stay. */
static void give_pages_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void write_head(struct report_writer *w)
{
	struct queue_item *i = w->queue.head;
	const bool more_comes = i->kind == QUEUE_PARTS; /* a cell at least */
	const bool cell = i->kind == QUEUE_CELL;
	char name[128] = "";
	bool last;
	int err;

	pthread_mutex_unlock(&w->lock);
	err = report_shelf_put(w->shelf, i, name, sizeof(name));
	pthread_mutex_lock(&w->lock);
	say_dropped(w);
	if (err && err != -EEXIST) {
		fail(w, err, name);
		pass_parts(w, err);
		return;
	}
	if (err) {
		w->dropped++;
		say(w, LOG_LEVEL_ERROR,
		    "there are %d reports of the name %s already; this one is dropped",
		    REPORT_MAX_COPIES, name);
	} else if (w->failed && i->kind != QUEUE_CHECKPOINT) {
		works_again(w);
	}
	queue_pop(&w->queue);
	last = !w->queue.head;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	queue_item_free(i);
	report_shelf_forget(w->shelf);
	/* How often nothing waits is chance, and chain.json counts its own writings. */
	if (last && !more_comes && !w->cfg.wait_for_room)
		report_shelf_settle(w->shelf);
	if (cell)
		give_pages_back();
	pthread_mutex_lock(&w->lock);
}

/* Not tried again: the next one comes with the next cell. */
static void write_kept(struct report_writer *w)
{
	const char *name = w->kept_name;
	struct buf data = w->kept;
	int err;

	w->kept = (struct buf){ 0 };
	pthread_mutex_unlock(&w->lock);
	err = report_shelf_keep(w->shelf, name, &data);
	buf_free(&data);
	if (err && !w->kept_failed)
		log_warn("report", "cannot write %s/%s/%s: %s", w->shown, REPORT_ANALYSIS_DIR, name,
			 strerror(-err));
	w->kept_failed = err != 0;
	pthread_mutex_lock(&w->lock);
}

static bool finished(const struct report_writer *w)
{
	return w->closing && ((!w->queue.head && !w->kept.len) || mono_now_ms() >= w->deadline_ms);
}

static void wait_for_retry(struct report_writer *w)
{
	unsigned long long until = w->retry_at_ms;

	if (w->closing && w->deadline_ms < until)
		until = w->deadline_ms;
	mono_cond_wait(&w->work, &w->lock, until);
}

static void *run(void *arg)
{
	struct report_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!finished(w)) {
		if (!w->queue.head && w->kept.len)
			write_kept(w);
		else if (!w->queue.head)
			pthread_cond_wait(&w->work, &w->lock);
		else if (w->failed && mono_now_ms() < w->retry_at_ms)
			wait_for_retry(w);
		else
			write_head(w);
	}
	w->done = true;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- the caller's side ---- */

/* Owns i, which is NULL where there was no memory. What it cannot take is counted in *refused. */
static int enqueue(struct report_writer *w, struct queue_item *i, unsigned long long *refused)
{
	bool taken;

	pthread_mutex_lock(&w->lock);
	/* A replay waits, but not for a disk that fails: it would never end. */
	while (i && w->cfg.wait_for_room && !queue_has_room(&w->queue, i) && !w->failed)
		pthread_cond_wait(&w->room, &w->lock);
	taken = i && queue_has_room(&w->queue, i);
	if (taken)
		queue_append(&w->queue, i);
	else
		(*refused)++;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	if (taken)
		return 0;
	queue_item_free(i);
	return -ENOBUFS;
}

int report_writer_cell(struct report_writer *w, struct cell *closed)
{
	struct queue_item *i = queue_item_cell(closed, QUEUE_CELL);

	if (!i)
		cell_free(closed);
	return enqueue(w, i, &w->dropped);
}

/* One that is refused costs no more than a crash right after it would have. */
int report_writer_checkpoint(struct report_writer *w, struct cell *delta)
{
	struct queue_item *i = queue_item_cell(delta, QUEUE_CHECKPOINT);
	unsigned long long refused = 0;

	if (!i)
		cell_free(delta);
	return enqueue(w, i, &refused);
}

/* When there is no room, the next cell closes what is over as well. */
void report_writer_time(struct report_writer *w, edr_s64 now_ns)
{
	const edr_s64 block_ns = report_level_window(LEVEL_BLOCK, now_ns, 0).start_ns;
	unsigned long long refused = 0;

	if (block_ns != w->told_ns && !enqueue(w, queue_item_time(now_ns), &refused))
		w->told_ns = block_ns;
}

int report_writer_interim(struct report_writer *w, struct cell_events *part)
{
	struct queue_item *i = queue_item_part(part);

	if (!i)
		cell_events_free(part);
	return enqueue(w, i, &w->refused_parts);
}

void report_writer_keep(struct report_writer *w, const char *name, struct buf *data)
{
	struct buf old;

	pthread_mutex_lock(&w->lock);
	old = w->kept;
	w->kept = *data;
	w->kept_name = name;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	*data = (struct buf){ 0 };
	buf_free(&old);
}

static void writer_free(struct report_writer *w)
{
	buf_free(&w->kept);
	while (w->queue.head)
		queue_item_free(queue_pop(&w->queue));
	report_shelf_close(w->shelf);
	pthread_cond_destroy(&w->room);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w->shown);
	free(w);
}

static struct report_writer *writer_new(const struct report_writer_config *cfg)
{
	struct report_writer *w = calloc(1, sizeof(*w));
	struct buf shown = { 0 };

	if (!w)
		return NULL;
	if (pthread_mutex_init(&w->lock, NULL) || mono_cond_init(&w->work) ||
	    mono_cond_init(&w->room)) {
		free(w);
		return NULL;
	}
	text_term(&shown, cfg->dir, strlen(cfg->dir));
	w->shown = buf_steal(&shown);
	w->cfg = *cfg;
	w->told_ns = -1;
	w->queue.max_items = cfg->max_queue ? cfg->max_queue : 1;
	w->queue.max_part_bytes = cfg->max_queue_bytes ? cfg->max_queue_bytes : WRITER_PART_BYTES;
	w->queue.max_cell_bytes = cfg->max_cell_bytes;
	w->queue.join = !cfg->wait_for_room;
	if (!w->shown) {
		writer_free(w);
		return NULL;
	}
	return w;
}

int report_writer_start(struct report_writer **out, const struct report_writer_config *cfg,
			char *err, size_t err_size)
{
	struct report_writer *w = writer_new(cfg);
	int failure;

	*out = NULL;
	if (!w) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	failure = report_shelf_open(&w->shelf, cfg, err, err_size);
	if (!failure) {
		w->resumes = report_shelf_resume(w->shelf, &w->resume);
		failure = mono_thread(&w->thread, run, w);
		if (failure)
			snprintf(err, err_size, "cannot start a thread: %s", strerror(-failure));
	}
	if (failure) {
		writer_free(w);
		return failure;
	}
	*out = w;
	return 0;
}

bool report_writer_resume(const struct report_writer *w, struct cell_resume *out)
{
	*out = w->resume;
	return w->resumes;
}

size_t report_writer_stop(struct report_writer *w, unsigned timeout_ms)
{
	size_t unwritten;
	bool done;

	if (!w)
		return 0;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	w->retry_at_ms = 0; /* one more try at once */
	w->deadline_ms = mono_now_ms() + timeout_ms;
	pthread_cond_signal(&w->work);
	while (!w->done && mono_now_ms() < w->deadline_ms + WRITER_GRACE_MS)
		mono_cond_wait(&w->room, &w->lock, w->deadline_ms + WRITER_GRACE_MS);
	done = w->done;
	unwritten = w->queue.reports + w->dropped;
	pthread_mutex_unlock(&w->lock);
	if (!done) {
		/* It hangs in a system call that nothing can interrupt. It keeps its memory. */
		pthread_detach(w->thread);
		return unwritten;
	}
	pthread_join(w->thread, NULL);
	writer_free(w);
	return unwritten;
}
