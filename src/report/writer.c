/* SPDX-License-Identifier: MIT */
/*
 * The report thread: what was closed first is written first, however often that takes. The clock
 * here only spaces tries and messages; nothing that is written depends on it.
 */
#include "report/report.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "report/checkpoint.h"
#include "report/heads.h"
#include "report/level.h"
#include "report/retain.h"
#include "report/tree.h"
#include "util/log.h"
#include "util/mono.h"
#include "util/text.h"

#define WRITER_SAY_MS 60000  /* between complaints about a disk that stays broken */
#define WRITER_GRACE_MS 1000 /* for the last system call when the time for stopping is over */
#define WRITER_MAX_COPIES 99 /* id, id-2, ... */

struct item {
	struct item *next;
	struct cell *cell;	  /* or */
	struct cell_events *part; /* or neither: only the time */
	edr_s64 now_ns;		  /* of a cell and of the time */
	bool written;		  /* but the parents that it closes may not be */
	bool checkpoint;	  /* the cell is one */
};

struct report_writer {
	struct report_writer_config cfg;
	char *dir;
	char *shown;
	struct report_store *store;
	struct heads *heads; /* the thread's, once it runs */
	struct report_tree *tree;

	pthread_t thread;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t work;  /* to the thread: an item, closing */
	pthread_cond_t room;  /* to the caller: there is room, or it fails, or it is done */
	struct item *head;    /* while the thread writes it, it stays here */
	size_t queued;
	unsigned long long dropped;
	bool failed; /* the last try did not succeed */
	bool closing;
	bool done; /* the thread touches nothing any more */
	unsigned long long deadline_ms;
	unsigned long long retry_at_ms;
	edr_s64 told_ns; /* the time that was last queued */

	/* The thread's own. */
	struct buf id, json; /* of head; id is empty while there is no text yet */
	unsigned long long failing_since_ms;
	unsigned long long said_at_ms; /* 0: nothing was said since it last worked */
	unsigned long long dropped_said, dropped_said_at_ms;
	struct retain_config retain;
	bool retains;
	edr_s64 retained_ns; /* end of the block for which it was done */
	unsigned serial;     /* of checkpoints */
	bool checkpoint_failed;
};

static void item_free(struct item *i)
{
	if (!i)
		return;
	cell_free(i->cell);
	cell_events_free(i->part);
	free(i);
}

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

static int make_text(struct report_writer *w, const struct item *i)
{
	int err;

	if (w->id.len)
		return 0;
	err = i->cell ? report_cell_json(i->cell, &w->id, &w->json)
		      : report_interim_json(i->part, &w->id, &w->json);
	if (err) {
		buf_free(&w->id);
		buf_free(&w->json);
	}
	return err;
}

/* name is the id that it was written under. */
static int write_item(struct report_writer *w, const struct item *i, char *name, size_t size)
{
	int err = make_text(w, i);

	if (err)
		return err;
	snprintf(name, size, "%s", w->id.data);
	err = report_store_write(w->store, "cells", name, w->json.data, w->json.len);
	for (unsigned copy = 2; err == -EEXIST && copy <= WRITER_MAX_COPIES; copy++) {
		char old[128];

		snprintf(old, sizeof(old), "%s", name);
		snprintf(name, size, "%s-%u", w->id.data, copy);
		err = rename_text(&w->json, old, name);
		if (!err)
			err = report_store_write(w->store, "cells", name, w->json.data,
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

static void written(struct report_writer *w, const struct item *i, const char *name)
{
	struct buf path = { 0 };

	buf_addf(&path, "%s/cells/%s.json", w->dir, name);
	if (w->cfg.on_written && !buf_failed(&path))
		w->cfg.on_written(w->cfg.ctx, path.data, i->cell);
	buf_free(&path);
}

/* From the tree. */
static void parent_written(void *ctx, enum report_level level, const char *id)
{
	struct report_writer *w = ctx;
	struct buf path = { 0 };

	buf_addf(&path, "%s/%s/%s.json", w->dir, report_levels[level].dir, id);
	if (w->cfg.on_written && !buf_failed(&path))
		w->cfg.on_written(w->cfg.ctx, path.data, NULL);
	buf_free(&path);
}

/* What is too old, or too much, goes once a block; the time is that of the records. */
static void retain(struct report_writer *w, edr_s64 now_ns)
{
	const edr_s64 block_ns = report_level_window(LEVEL_BLOCK, now_ns, 0).end_ns;
	struct retain_totals done;
	int err;

	if (!w->retains || block_ns == w->retained_ns)
		return;
	w->retained_ns = block_ns;
	err = report_retain(w->store, w->heads, &w->retain, now_ns, &done);
	if (err)
		log_warn("report", "old reports in %s cannot be removed or packed: %s", w->shown,
			 strerror(-err));
	if (done.removed)
		log_info("report", "%zu old reports are removed, %llu bytes", done.removed,
			 done.freed);
	if (done.packed)
		log_debug("report", "%zu cells are packed, %lld bytes less", done.packed,
			  done.saved_bytes);
}

/* Not tried again: the next one comes soon, and a full disk is for the reports. */
static void write_checkpoint(struct report_writer *w, const struct cell *delta)
{
	int err = checkpoint_write(w->store, &w->serial, delta);

	if (err && !w->checkpoint_failed)
		log_warn("report", "cannot write a checkpoint in %s: %s; a crash costs more now",
			 w->shown, strerror(-err));
	w->checkpoint_failed = err != 0;
}

/* The report, and the parents of all windows that are over by then. */
static int write_all(struct report_writer *w, struct item *i, char *name, size_t size)
{
	int err = 0;

	if (i->checkpoint) {
		write_checkpoint(w, i->cell);
		return 0;
	}
	if ((i->cell || i->part) && !i->written)
		err = write_item(w, i, name, size);
	if (err)
		return err;
	if ((i->cell || i->part) && !i->written) {
		i->written = true;
		written(w, i, name);
		if (i->cell)
			report_tree_wrote(w->tree, cell_totals(i->cell)->window_start_ns);
		/* The window's cell is safe. */
		if (i->cell && w->cfg.checkpoint_s)
			checkpoint_clear(w->store, cell_totals(i->cell)->window_end_ns);
	}
	if (i->part)
		return 0;
	snprintf(name, size, "its parents");
	err = report_tree_advance(w->tree, i->now_ns);
	if (!err)
		retain(w, i->now_ns);
	return err;
}

static void forget_text(struct report_writer *w)
{
	buf_free(&w->id);
	buf_free(&w->json);
}

static struct item *pop(struct report_writer *w)
{
	struct item *i = w->head;

	w->head = i->next;
	w->queued--;
	pthread_cond_broadcast(&w->room);
	return i;
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
	log_warn("report",
		 "cannot write %s/cells/%s.json: %s; %zu reports are kept and tried again, %llu "
		 "were dropped",
		 w->shown, name, strerror(-err), w->queued, w->dropped);
}

static void works_again(struct report_writer *w)
{
	unsigned long long s = (mono_now_ms() - w->failing_since_ms) / 1000;

	w->failed = false;
	w->said_at_ms = 0;
	log_info("report", "reports are written again after %llu s", s);
}

static void say_dropped(struct report_writer *w)
{
	unsigned long long now = mono_now_ms();

	if (w->dropped == w->dropped_said ||
	    (w->dropped_said_at_ms && now - w->dropped_said_at_ms < WRITER_SAY_MS))
		return;
	w->dropped_said = w->dropped;
	w->dropped_said_at_ms = now;
	log_warn("report", "%llu reports were dropped: more than %zu were waiting to be written",
		 w->dropped, w->cfg.max_queue);
}

/* What the disk refuses now is in the next announcement. */
static void settle(struct report_writer *w)
{
	int err = heads_settle(w->heads);

	if (err)
		log_warn("report", "cannot write %s/chain.json: %s", w->shown, strerror(-err));
}

static void write_head(struct report_writer *w)
{
	struct item *i = w->head;
	char name[128] = "";
	bool last;
	int err;

	pthread_mutex_unlock(&w->lock);
	err = write_all(w, i, name, sizeof(name));
	pthread_mutex_lock(&w->lock);
	say_dropped(w);
	if (err && err != -EEXIST) {
		fail(w, err, name);
		return;
	}
	if (err) {
		w->dropped++;
		log_error("report",
			  "there are %d reports of the name %s already; this one is dropped",
			  WRITER_MAX_COPIES, w->id.data);
	} else if (w->failed && !i->checkpoint) {
		works_again(w);
	}
	pop(w);
	last = !w->head;
	pthread_mutex_unlock(&w->lock);
	item_free(i);
	forget_text(w);
	if (last)
		settle(w);
	pthread_mutex_lock(&w->lock);
}

static bool finished(const struct report_writer *w)
{
	return w->closing && (!w->head || mono_now_ms() >= w->deadline_ms);
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
		if (!w->head)
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

/*
 * The newest interim part, to make room for a cell; not the first in the queue, which may be in the
 * thread's hands.
 */
static struct item *take_newest_part(struct report_writer *w)
{
	struct item **found = NULL, *i;

	for (struct item **at = w->head ? &w->head->next : &w->head; *at; at = &(*at)->next)
		if ((*at)->part)
			found = at;
	if (!found)
		return NULL;
	i = *found;
	*found = i->next;
	w->queued--;
	return i;
}

static void append(struct report_writer *w, struct item *i)
{
	struct item **at = &w->head;

	while (*at)
		at = &(*at)->next;
	*at = i;
	w->queued++;
	pthread_cond_signal(&w->work);
}

/* A replay waits, but not for a disk that fails: it would never end. */
static int queue(struct report_writer *w, struct cell *cell, struct cell_events *part)
{
	struct item *i = calloc(1, sizeof(*i)), *dropped = NULL;

	pthread_mutex_lock(&w->lock);
	while (i && w->cfg.wait_for_room && w->queued >= w->cfg.max_queue && !w->failed)
		pthread_cond_wait(&w->room, &w->lock);
	if (i && w->queued >= w->cfg.max_queue && cell)
		dropped = take_newest_part(w);
	if (!i || w->queued >= w->cfg.max_queue) {
		w->dropped++;
		pthread_mutex_unlock(&w->lock);
		free(i);
		cell_free(cell);
		cell_events_free(part);
		return -ENOBUFS;
	}
	i->cell = cell;
	i->part = part;
	if (cell)
		i->now_ns = cell_totals(cell)->watched_to_ns;
	append(w, i);
	w->dropped += dropped != NULL;
	pthread_mutex_unlock(&w->lock);
	item_free(dropped);
	return 0;
}

/* Never in the way of a report. */
int report_writer_checkpoint(struct report_writer *w, struct cell *delta)
{
	struct item *i = calloc(1, sizeof(*i));

	pthread_mutex_lock(&w->lock);
	if (i && w->queued <= w->cfg.max_queue / 2) {
		i->cell = delta;
		i->checkpoint = true;
		append(w, i);
		i = NULL;
		delta = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	free(i);
	if (!delta)
		return 0;
	cell_free(delta);
	return -ENOBUFS;
}

int report_writer_cell(struct report_writer *w, struct cell *closed)
{
	return queue(w, closed, NULL);
}

int report_writer_interim(struct report_writer *w, struct cell_events *part)
{
	return queue(w, NULL, part);
}

/* When there is no room, the next cell closes what is over as well. */
void report_writer_time(struct report_writer *w, edr_s64 now_ns)
{
	const edr_s64 block_ns = report_level_window(LEVEL_BLOCK, now_ns, 0).start_ns;
	struct item *i;

	if (block_ns == w->told_ns)
		return;
	i = calloc(1, sizeof(*i));
	if (!i)
		return;
	i->now_ns = now_ns;
	pthread_mutex_lock(&w->lock);
	while (w->cfg.wait_for_room && w->queued >= w->cfg.max_queue && !w->failed)
		pthread_cond_wait(&w->room, &w->lock);
	if (w->queued < w->cfg.max_queue) {
		w->told_ns = block_ns;
		append(w, i);
		i = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	free(i);
}

static void writer_free(struct report_writer *w)
{
	while (w->head)
		item_free(pop(w));
	forget_text(w);
	report_tree_free(w->tree);
	heads_close(w->heads);
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
	w->told_ns = -1;
	if (pthread_mutex_init(&w->lock, NULL) || mono_cond_init(&w->work) ||
	    mono_cond_init(&w->room)) {
		free(w);
		return NULL;
	}
	text_term(&shown, cfg->dir, strlen(cfg->dir));
	w->shown = buf_steal(&shown);
	w->dir = strdup(cfg->dir);
	w->cfg = *cfg;
	w->retains = cfg->retain != NULL;
	if (cfg->retain)
		w->retain = *cfg->retain;
	w->cfg.retain = NULL;
	w->cfg.key = NULL;
	if (!w->cfg.max_queue)
		w->cfg.max_queue = 1;
	if (!w->shown || !w->dir) {
		writer_free(w);
		return NULL;
	}
	return w;
}

/* What cannot be written now is left for the next start: it must not keep the agent from watching. */
static void recover(struct report_writer *w)
{
	int n = w->cfg.checkpoint_s ? checkpoint_recover(w->store, w->cfg.checkpoint_s) : 0;

	if (n < 0)
		log_error("report",
			  "the checkpoints of a run that was killed cannot be read or written "
			  "out: %s",
			  strerror(-n));
	/* Those of this run lie behind what may be left. */
	w->serial = n < 0 ? 10000000u : 0;
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
	if (!failure)
		failure = heads_open(&w->heads, w->store, cfg->key, err, err_size);
	if (!failure) {
		report_store_chain(w->store, w->heads);
		recover(w);
		w->tree = report_tree_new(w->store, w->heads, parent_written, w);
		failure = w->tree ? 0 : -ENOMEM;
		if (failure)
			snprintf(err, err_size, "no memory");
	}
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
	unwritten = w->queued + w->dropped;
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
