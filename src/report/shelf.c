/* SPDX-License-Identifier: MIT */
#include "report/shelf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "report/analysis.h"
#include "report/cell_json.h"
#include "report/checkpoint.h"
#include "report/copy.h"
#include "report/heads.h"
#include "report/level.h"
#include "report/parent.h"
#include "report/recover.h"
#include "report/space.h"
#include "report/tree.h"
#include "util/log.h"
#include "util/text.h"

struct report_shelf {
	struct report_writer_config cfg;
	char *dir;
	char *shown;
	struct report_store *store;
	struct heads *heads;
	struct report_tree *tree;
	struct buf id; /* of the item at hand */
	struct report_text text;
	struct space space;
	struct checkpoints open;
	bool checkpoint_failed;
	/* Of killed runs: */
	struct recovered left;	  /* but its list */
	struct leftover *due;	  /* to be written before anything else, in this order; */
	struct leftover *resumed; /* of the window that was open at the start; NULL: none, or */
	struct leftover *joined;  /* part of the cell at hand by now */
};

/* ---- one report ---- */

static int make_text(struct report_shelf *s, const struct queue_item *i)
{
	int err;

	if (s->text.head.len)
		return 0;
	report_shelf_forget(s);
	if (i->kind == QUEUE_CELL)
		err = report_cell_json(i->cell, &s->id, &s->text.head);
	else
		err = cell_json_parts(i->part, i->n_parts, &s->id, &s->text);
	if (err)
		report_shelf_forget(s);
	return err;
}

const char *report_shelf_level(const struct queue_item *i)
{
	return report_levels[i->kind == QUEUE_CELL ? LEVEL_CELL : LEVEL_INTERIM].dir;
}

/* name is the id that it was written under. */
static int write_report(struct report_shelf *s, const struct queue_item *i, char *name, size_t size)
{
	int err = make_text(s, i);

	return err ? err
		   : report_write_copy_text(s->store, report_shelf_level(i), s->id.data, &s->text,
					    name, size);
}

/* Once a cell, for each of its raw events that is in no file. left: what killed runs had of it, or NULL. */
static void tell_unlisted(const struct cell *cell, const struct leftover *left, const char *name)
{
	const struct cell_totals *t = cell_totals(cell);
	const edr_u64 died = left ? cell_totals(left->cell)->events_unlisted : 0;

	if (died)
		log_warn("report",
			 "%s: %llu raw events of runs that were killed are in no file: they are "
			 "counted only",
			 name, (unsigned long long)died);
	if (t->events_over_limit)
		log_warn("report",
			 "%s: its interim parts had reached max_interim_mb: %llu raw events are "
			 "counted only",
			 name, (unsigned long long)t->events_over_limit);
	if (t->events_unlisted > t->events_over_limit + died)
		log_warn("report",
			 "%s: the disk could not keep up, or memory was short: %llu raw events are "
			 "counted only",
			 name,
			 (unsigned long long)(t->events_unlisted - t->events_over_limit - died));
}

static void written(struct report_shelf *s, const struct queue_item *i, const struct leftover *left,
		    const char *name)
{
	struct buf path = { 0 };

	buf_addf(&path, "%s/%s/%s.json", s->dir, report_shelf_level(i), name);
	if (i->cell)
		tell_unlisted(i->cell, left, name);
	if (s->cfg.on_written && !buf_failed(&path))
		s->cfg.on_written(s->cfg.ctx, path.data, i->cell);
	buf_free(&path);
}

/* ---- what was made of it ---- */

/*
 * ID.analysis beside the report, and the same to who asked for it. Neither is part of any chain:
 * what the disk refuses can be made again from the report at any time.
 */
static void tell_analysis(struct report_shelf *s, enum report_level level, const char *id,
			  const struct buf *json)
{
	struct buf text = { 0 };
	bool notable = false;
	int err = report_analysis((struct wire_span){ json->data, json->len }, &text, &notable);

	if (!err)
		err = report_analysis_write(s->store, level, id, &text);
	if (err)
		log_warn("report", "cannot write %s%s: %s", id, REPORT_ANALYSIS, strerror(-err));
	if (text.len && !text.failed && notable && s->cfg.on_analysis)
		s->cfg.on_analysis(s->cfg.analysis_ctx, text.data, text.len);
	buf_free(&text);
}

/* A parent is known by its file only. */
static void analyse_parent(struct report_shelf *s, enum report_level level, const char *id)
{
	struct buf text = { 0 };
	int err = report_read(s->store, report_levels[level].dir, id, &text);

	if (err)
		log_warn("report", "%s cannot be read for its analysis: %s", id, strerror(-err));
	else
		tell_analysis(s, level, id, &text);
	buf_free(&text);
}

void report_shelf_forget(struct report_shelf *s)
{
	buf_free(&s->id);
	report_text_free(&s->text);
}

/* ---- what comes with it ---- */

/* From the tree. */
static void parent_written(void *ctx, enum report_level level, const char *id)
{
	struct report_shelf *s = ctx;
	struct buf path = { 0 };

	buf_addf(&path, "%s/%s/%s.json", s->dir, report_levels[level].dir, id);
	/* Before anyone is told: the model's part goes below what is there. */
	analyse_parent(s, level, id);
	if (s->cfg.on_written && !buf_failed(&path))
		s->cfg.on_written(s->cfg.ctx, path.data, NULL);
	buf_free(&path);
}

/* Not tried again: the next one has it, and comes soon; a full disk is for the reports. */
static void write_checkpoint(struct report_shelf *s, const struct cell *delta)
{
	int err = checkpoint_write(s->store, &s->open, delta);

	if (err && !s->checkpoint_failed)
		log_warn("report", "cannot write a checkpoint in %s: %s; a crash costs more now",
			 s->shown, strerror(-err));
	s->checkpoint_failed = err != 0;
	space_make(&s->space, err); /* for the next one */
}

/* Once. left: what is in it of killed runs, or NULL. An error's name is with its directory. */
static int put_report(struct report_shelf *s, struct queue_item *i, const struct leftover *left,
		      char *name, size_t size)
{
	int err = i->written ? 0 : write_report(s, i, name, size);
	char id[CHAIN_ID_MAX];

	if (err) {
		snprintf(id, sizeof(id), "%s", name);
		snprintf(name, size, "%s/%s.json", report_shelf_level(i), id);
	}
	if (err || i->written)
		return err;
	i->written = true;
	if (i->kind == QUEUE_CELL)
		tell_analysis(s, LEVEL_CELL, name, &s->text.head);
	written(s, i, left, name);
	if (i->kind == QUEUE_CELL)
		report_tree_cell(s->tree, name);
	return 0;
}

/* ---- what killed runs left ---- */

/* The earliest: what of it has no other cell becomes one of its own. */
static int put_due(struct report_shelf *s, char *name, size_t size)
{
	struct leftover *l = s->due;
	struct queue_item item = { .kind = QUEUE_CELL };
	int err = recover_cell(l, NULL, &item.cell);

	if (err)
		snprintf(name, size, "what a killed run left");
	else
		err = put_report(s, &item, l, name, size);
	cell_free(item.cell);
	report_shelf_forget(s);
	if (err && err != -EEXIST)
		return err;
	if (err)
		log_error("report",
			  "there are %d reports of the name %s already: what a killed "
			  "run left is dropped",
			  REPORT_MAX_COPIES, name);
	else
		log_warn("report",
			 "a run was killed: what it had of %s is written; what it saw after its "
			 "last "
			 "checkpoint (one every %u s, where the disk took it) is lost",
			 name, l->interval_s);
	checkpoint_clear(s->store, &l->files);
	s->due = l->next;
	leftover_free(l);
	return 0;
}

static void append_due(struct report_shelf *s, struct leftover *l)
{
	struct leftover **end = &s->due;

	while (*end)
		end = &(*end)->next;
	*end = l;
	l->next = NULL;
}

/* This run's cell of that window will not come, or it was of another: what was left is a cell of its own. */
static void give_up_resuming(struct report_shelf *s, const struct queue_item *i)
{
	const struct cell_resume *r = s->resumed ? &s->resumed->resume : NULL;
	bool waits = true;

	if (!r)
		return;
	if (i->kind == QUEUE_TIME)
		waits = i->now_ns < r->window_end_ns;
	else if (i->kind == QUEUE_CELL || (i->kind == QUEUE_CHECKPOINT && !s->open.serial))
		waits = cell_goes_on(cell_totals(i->cell), r);
	if (waits)
		return;
	append_due(s, s->resumed);
	s->resumed = NULL;
}

/* Once: from then on the item's cell is that of all runs. */
static int join(struct report_shelf *s, struct queue_item *i)
{
	struct cell *sum;
	int err;

	if (!s->resumed)
		return 0;
	err = recover_cell(s->resumed, i->cell, &sum);
	if (err)
		return err;
	cell_free(i->cell);
	i->cell = sum;
	s->joined = s->resumed;
	s->resumed = NULL;
	return 0;
}

/* The last of the run first: those that it began with tell whose they are. */
static void clear_checkpoints(struct report_shelf *s, edr_s64 end_ns)
{
	const struct checkpoint_range own = { .first_end_ns = INT64_MIN,
					      .last_end_ns = end_ns,
					      .first_run = s->open.run,
					      .last_run = s->open.run };

	if (s->cfg.checkpoint_s)
		checkpoint_clear(s->store, &own);
	if (s->joined)
		checkpoint_clear(s->store, &s->joined->files);
}

static int put_cell(struct report_shelf *s, struct queue_item *i, char *name, size_t size)
{
	int err = i->written ? 0 : join(s, i);

	if (err || i->written)
		return err;
	err = put_report(s, i, s->joined, name, size);
	if (!err)
		clear_checkpoints(s, cell_totals(i->cell)->window_end_ns);
	if (!err || err == -EEXIST) {
		leftover_free(s->joined);
		s->joined = NULL;
	}
	return err;
}

/* The parents of all windows that are over by then. */
static int put_parents(struct report_shelf *s, edr_s64 now_ns, char *name, size_t size)
{
	int err;

	snprintf(name, size, "blocks and what is above them");
	err = report_tree_advance(s->tree, now_ns);
	if (!err)
		space_hourly(&s->space, now_ns);
	return err;
}

static int put(struct report_shelf *s, struct queue_item *i, char *name, size_t size)
{
	int err = 0;

	if (i->kind == QUEUE_PARTS)
		return put_report(s, i, NULL, name, size);
	give_up_resuming(s, i);
	while (!err && s->due)
		err = put_due(s, name, size);
	/* It keeps what could not be written from being lost as well. */
	if (i->kind == QUEUE_CHECKPOINT) {
		write_checkpoint(s, i->cell);
		return 0;
	}
	if (!err && i->kind == QUEUE_CELL)
		err = put_cell(s, i, name, size);
	return err ? err : put_parents(s, i->now_ns, name, size);
}

int report_shelf_put(struct report_shelf *s, struct queue_item *i, char *name, size_t size)
{
	int err;

	if (i->now_ns)
		s->space.now_ns = i->now_ns;
	err = put(s, i, name, size);
	if (space_make(&s->space, err))
		err = put(s, i, name, size);
	return err;
}

int report_shelf_keep(struct report_shelf *s, const char *name, const struct buf *data)
{
	return report_file_replace(s->store, REPORT_ANALYSIS_DIR, name,
				   (struct wire_span){ data->data, data->len });
}

/* What the disk refuses now is in the next announcement. */
void report_shelf_settle(struct report_shelf *s)
{
	int err = heads_settle(s->heads);

	if (err)
		log_warn("report", "cannot write %s/chain.json: %s", s->shown, strerror(-err));
	else
		space_idle(&s->space);
}

/* ---- opening ---- */

static void tell_resumed(const struct report_shelf *s)
{
	const struct cell_totals *t = cell_totals(s->resumed->cell);
	char start[RJ_TIME_SIZE], end[RJ_TIME_SIZE], from[RJ_TIME_SIZE];
	edr_s64 gap_ns = s->cfg.now_ns - t->watched_to_ns;

	if (gap_ns < 0) /* the clock was set back a little */
		gap_ns = 0;
	rj_time(start, t->window_start_ns, false);
	rj_time(end, t->window_end_ns, false);
	rj_time(from, t->watched_from_ns, false);
	log_warn("report",
		 "a run was killed: its cell of %s to %s, watched since %s, goes on if what comes "
		 "now is of the same window; what happened in the %.1f s since its last checkpoint "
		 "is lost",
		 start, end, from, (double)gap_ns / 1e9);
}

/* Else the clock was set back: what comes now is no continuation of it. */
#define SET_BACK_NS 1000000000ll

static bool is_open(const struct leftover *l, edr_s64 now_ns)
{
	return l->resume.window_start_ns <= now_ns && now_ns < l->resume.window_end_ns &&
	       l->resume.watched_to_ns - SET_BACK_NS <= now_ns;
}

/* The latest of the open window. */
static void choose_resumed(struct report_shelf *s)
{
	struct leftover **at = NULL;

	for (struct leftover **l = &s->due; *l; l = &(*l)->next)
		if (is_open(*l, s->cfg.now_ns))
			at = l;
	if (!at)
		return;
	s->resumed = *at;
	*at = s->resumed->next;
	tell_resumed(s);
}

/* In one line: how many are not used, and why. */
static void tell_doubts(const struct report_shelf *s)
{
	static const char *const why[CHECKPOINT_DOUBTS] = {
		[CHECKPOINT_DAMAGED] = "damaged or changed",
		[CHECKPOINT_UNSIGNED] = "not signed with this key",
		[CHECKPOINT_RENAMED] = "written under another name",
		[CHECKPOINT_FOREIGN] = "of another machine id",
		[CHECKPOINT_LATER] = "of a window that has not begun",
		[CHECKPOINT_SPENT] = "of a time that cells have already"
	};
	struct buf text = { 0 };
	size_t n = 0;

	for (unsigned d = CHECKPOINT_GOOD + 1; d < CHECKPOINT_DOUBTS; d++) {
		if (!s->left.doubt[d])
			continue;
		buf_addf(&text, "%s%zu %s", n ? "; " : "", s->left.doubt[d], why[d]);
		n += s->left.doubt[d];
	}
	if (n && !buf_failed(&text))
		log_warn("report", "%zu files in %s/%s are not used: %s", n, s->shown,
			 CHECKPOINT_DIR, text.data);
	buf_free(&text);
	if (s->left.windows_lost)
		log_warn("report",
			 "of %zu windows in which a run was killed no checkpoint can be read: what "
			 "it "
			 "had of them is lost",
			 s->left.windows_lost);
}

static int read_left(struct report_shelf *s)
{
	const struct chain_key *key = heads_reader(s->heads).key;
	const struct recover_config cfg = { .expect = { &s->open.key, s->cfg.machine_id,
							s->cfg.now_ns },
					    .heads = s->heads,
					    .lists_events = s->cfg.lists_events,
					    .lists_threads = s->cfg.lists_threads };
	int err;

	checkpoint_key(&s->open.key, key);
	s->open.interval_s = s->cfg.checkpoint_s;
	s->open.run = checkpoint_last_run(s->store) + 1;
	err = recover_all(s->store, &cfg, &s->left);
	s->due = s->left.list;
	s->left.list = NULL;
	if (s->left.last_run >= s->open.run)
		s->open.run = s->left.last_run + 1;
	s->cfg.machine_id = NULL;
	return err;
}

/* What cannot be written now is tried again: it must not keep the agent from watching. */
static void recover(struct report_shelf *s)
{
	char name[CHAIN_ID_MAX];
	int err;

	if (s->cfg.wait_for_room) /* a replay */
		return;
	err = read_left(s);
	if (err)
		log_error("report", "the checkpoints of a run that was killed cannot be read: %s",
			  strerror(-err));
	tell_doubts(s);
	choose_resumed(s);
	while (!err && s->due)
		err = put_due(s, name, sizeof(name));
	if (s->due)
		log_warn("report", "cannot write %s/%s: %s; it is kept and tried again", s->shown,
			 name, strerror(-err));
}

bool report_shelf_resume(const struct report_shelf *s, struct cell_resume *out)
{
	*out = s->resumed ? s->resumed->resume : (struct cell_resume){ 0 };
	return s->resumed;
}

static struct report_shelf *shelf_new(const struct report_writer_config *cfg)
{
	struct report_shelf *s = calloc(1, sizeof(*s));
	struct buf shown = { 0 };

	if (!s)
		return NULL;
	text_term(&shown, cfg->dir, strlen(cfg->dir));
	s->shown = buf_steal(&shown);
	s->dir = strdup(cfg->dir);
	s->cfg = *cfg;
	/* What they point at is the caller's. */
	s->cfg.retain = NULL;
	s->cfg.key = NULL;
	s->cfg.dir = NULL;
	if (s->shown && s->dir)
		return s;
	report_shelf_close(s);
	return NULL;
}

static int open_all(struct report_shelf *s, const struct report_writer_config *cfg, char *err,
		    size_t err_size)
{
	int failure = report_store_open(&s->store, cfg->dir, err, err_size);

	if (!failure)
		failure = heads_open(&s->heads, s->store, cfg->key, err, err_size);
	if (failure)
		return failure;
	report_store_chain(s->store, s->heads);
	space_open(&s->space, s->store, s->heads, s->shown, cfg->retain);
	s->tree = report_tree_new(s->store, s->heads, parent_written, s);
	if (!s->tree) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	recover(s);
	return 0;
}

int report_shelf_open(struct report_shelf **out, const struct report_writer_config *cfg, char *err,
		      size_t err_size)
{
	struct report_shelf *s = shelf_new(cfg);
	int failure = -ENOMEM;

	*out = NULL;
	if (s)
		failure = open_all(s, cfg, err, err_size);
	else
		snprintf(err, err_size, "no memory");
	if (failure) {
		report_shelf_close(s);
		return failure;
	}
	if (report_store_swept(s->store))
		log_info("report", "%zu half-written files of a run that was killed are removed",
			 report_store_swept(s->store));
	*out = s;
	return 0;
}

void report_shelf_close(struct report_shelf *s)
{
	if (!s)
		return;
	report_shelf_forget(s);
	checkpoints_end(&s->open);
	chain_key_wipe(&s->open.key);
	report_files_free(&s->left.kept);
	leftover_free(s->resumed);
	leftover_free(s->joined);
	for (struct leftover *l = s->due, *next; l; l = next) {
		next = l->next;
		leftover_free(l);
	}
	report_tree_free(s->tree);
	heads_close(s->heads);
	report_store_close(s->store);
	free(s->shown);
	free(s->dir);
	free(s);
}
