/* SPDX-License-Identifier: MIT */
/*
 * The report thread: what was closed first is written first, however often that takes. The clock
 * here only spaces tries and messages; nothing that is written depends on it.
 */
#include "report/report.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "report/cell_json.h"
#include "report/queue.h"
#include "util/log.h"
#include "util/mono.h"
#include "util/text.h"

#define WRITER_SAY_MS 60000  /* between complaints about a disk that stays broken */
#define WRITER_GRACE_MS 1000 /* for the last system call when the time for stopping is over */
#define WRITER_PART_BYTES (256u << 20) /* of waiting interim parts, by default */
#define WRITER_MAX_COPIES 99	       /* id, id-2, ... */

struct report_writer {
	struct report_writer_config cfg;
	char *dir;
	char *shown;
	struct report_store *store;

	pthread_t thread;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t work;  /* to the thread: an item, closing */
	pthread_cond_t room;  /* to the caller: there is room, or it fails, or it is done */
	struct queue queue;   /* what the thread writes stays its head until it is written */
	unsigned long long dropped;	  /* cells that found no room: missing for good */
	unsigned long long refused_parts; /* interim parts: their cell counts the events */
	bool failed; /* the last try did not succeed */
	bool closing;
	bool done; /* the thread touches nothing any more */
	unsigned long long deadline_ms;
	unsigned long long retry_at_ms;

	/* The thread's own. */
	struct buf id, json; /* of head; id is empty while there is no text yet */
	unsigned long long failing_since_ms;
	unsigned long long said_at_ms; /* 0: nothing was said since it last worked */
	unsigned long long dropped_said, dropped_said_at_ms; /* of both */
};

/* ---- the thread ---- */

/*
 * Makes the text that says it is `to` from the one that says it is `from`. The id is the third
 * member of a report, before any string that comes from elsewhere.
 */
static int rename_text(struct buf *json, const char *from, const char *to)
{
	struct buf old = { 0 }, text = { 0 };
	char *at;
	int err = 0;

	buf_addf(&old, "\"report_id\": \"%s\"", from);
	at = buf_failed(&old) ? NULL : memmem(json->data, json->len, old.data, old.len);
	if (at) {
		buf_add(&text, json->data, (size_t)(at - json->data));
		buf_addf(&text, "\"report_id\": \"%s\"", to);
		at += old.len;
		buf_add(&text, at, (size_t)(json->data + json->len - at));
	}
	buf_free(&old);
	if (!at || buf_failed(&text)) {
		buf_free(&text);
		return -ENOMEM;
	}
	buf_free(json);
	*json = text;
	return err;
}

static int make_text(struct report_writer *w, const struct queue_item *i)
{
	int err;

	if (w->id.len)
		return 0;
	if (i->cell)
		err = report_cell_json(i->cell, &w->id, &w->json);
	else
		err = cell_json_parts(i->part, i->n_parts, &w->id, &w->json);
	if (err) {
		buf_free(&w->id);
		buf_free(&w->json);
	}
	return err;
}

static const char *level_of(const struct queue_item *i)
{
	return i->cell ? "cells" : "interim";
}

/* name is the id that it was written under. */
static int write_item(struct report_writer *w, const struct queue_item *i, char *name, size_t size)
{
	int err = make_text(w, i);

	if (err)
		return err;
	snprintf(name, size, "%s", w->id.data);
	err = report_store_write(w->store, level_of(i), name, w->json.data, w->json.len);
	for (unsigned copy = 2; err == -EEXIST && copy <= WRITER_MAX_COPIES; copy++) {
		char old[128];

		snprintf(old, sizeof(old), "%s", name);
		snprintf(name, size, "%s-%u", w->id.data, copy);
		err = rename_text(&w->json, old, name);
		if (!err)
			err = report_store_write(w->store, level_of(i), name, w->json.data,
						 w->json.len);
	}
	if (err) {
		/* The next try begins with the first name again. */
		int again = strcmp(name, w->id.data) ? rename_text(&w->json, name, w->id.data) : 0;

		if (again)
			buf_free(&w->id);
	}
	return err;
}

/* Once a cell, for each of its raw events that is in no file. */
static void tell_unlisted(const struct cell *cell, const char *name)
{
	const struct cell_totals *t = cell_totals(cell);

	if (t->events_over_limit)
		log_warn("report",
			 "%s: its interim parts had reached max_interim_mb: %llu raw events are "
			 "counted only",
			 name, (unsigned long long)t->events_over_limit);
	if (t->events_unlisted > t->events_over_limit)
		log_warn("report",
			 "%s: the disk could not keep up, or memory was short: %llu raw events are "
			 "counted only",
			 name, (unsigned long long)(t->events_unlisted - t->events_over_limit));
}

static void written(struct report_writer *w, const struct queue_item *i, const char *name)
{
	struct buf path = { 0 };

	buf_addf(&path, "%s/%s/%s.json", w->dir, level_of(i), name);
	if (i->cell)
		tell_unlisted(i->cell, name);
	if (w->cfg.on_written && !buf_failed(&path))
		w->cfg.on_written(w->cfg.ctx, path.data, i->cell);
	buf_free(&path);
}

static void forget_text(struct report_writer *w)
{
	buf_free(&w->id);
	buf_free(&w->json);
}

/*
 * With the lock held, and not while it is said: a log that nobody reads any more may block, and the
 * collector must not. Only this thread takes the first of the queue.
 */
__attribute__((format(printf, 3, 4))) static void say(struct report_writer *w, enum log_level level,
						      const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pthread_mutex_unlock(&w->lock);
	log_line(level, "report", "%s", text);
	pthread_mutex_lock(&w->lock);
}

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
	    "cannot write %s/%s/%s.json: %s; %zu reports are kept and tried again, %llu "
	    "were dropped",
	    w->shown, level_of(w->queue.head), name, strerror(-err), w->queue.reports, w->dropped);
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

static void write_head(struct report_writer *w)
{
	struct queue_item *i = w->queue.head;
	char name[128] = "";
	int err;

	pthread_mutex_unlock(&w->lock);
	err = write_item(w, i, name, sizeof(name));
	if (!err)
		written(w, i, name);
	pthread_mutex_lock(&w->lock);
	say_dropped(w);
	if (err && err != -EEXIST) {
		fail(w, err, name);
		return;
	}
	if (err) {
		w->dropped++;
		say(w, LOG_LEVEL_ERROR,
		    "there are %d reports of the name %s already; this one is dropped",
		    WRITER_MAX_COPIES, w->id.data);
	} else if (w->failed) {
		works_again(w);
	}
	queue_pop(&w->queue);
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	queue_item_free(i);
	forget_text(w);
	pthread_mutex_lock(&w->lock);
}

static bool finished(const struct report_writer *w)
{
	return w->closing && (!w->queue.head || mono_now_ms() >= w->deadline_ms);
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
		if (!w->queue.head)
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
	struct queue_item *i = queue_item_cell(closed);

	if (!i)
		cell_free(closed);
	return enqueue(w, i, &w->dropped);
}

int report_writer_interim(struct report_writer *w, struct cell_events *part)
{
	struct queue_item *i = queue_item_part(part);

	if (!i)
		cell_events_free(part);
	return enqueue(w, i, &w->refused_parts);
}

static void writer_free(struct report_writer *w)
{
	while (w->queue.head)
		queue_item_free(queue_pop(&w->queue));
	forget_text(w);
	report_store_close(w->store);
	pthread_cond_destroy(&w->room);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w->shown);
	free(w->dir);
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
	w->dir = strdup(cfg->dir);
	w->cfg = *cfg;
	w->queue.max_items = cfg->max_queue ? cfg->max_queue : 1;
	w->queue.max_part_bytes = cfg->max_queue_bytes ? cfg->max_queue_bytes : WRITER_PART_BYTES;
	w->queue.join = !cfg->wait_for_room;
	if (!w->shown || !w->dir) {
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
	failure = report_store_open(&w->store, cfg->dir, err, err_size);
	if (!failure) {
		failure = mono_thread(&w->thread, run, w);
		if (failure)
			snprintf(err, err_size, "cannot start a thread: %s", strerror(-failure));
	}
	if (failure) {
		writer_free(w);
		return failure;
	}
	if (report_store_swept(w->store))
		log_info("report", "%zu half-written files of a run that was killed are removed",
			 report_store_swept(w->store));
	*out = w;
	return 0;
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
