/* SPDX-License-Identifier: MIT */
#include "report/shelf.h"

#include <errno.h>
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

static void written(struct report_shelf *s, const struct queue_item *i, const char *name)
{
	struct buf path = { 0 };

	buf_addf(&path, "%s/%s/%s.json", s->dir, report_shelf_level(i), name);
	if (i->cell)
		tell_unlisted(i->cell, name);
	if (s->cfg.on_written && !buf_failed(&path))
		s->cfg.on_written(s->cfg.ctx, path.data, i->cell);
	buf_free(&path);
}

/* ---- what was made of it ---- */

static void tell_analysis(struct report_shelf *s, const char *id, unsigned severity,
			  const struct cell *cell)
{
	struct buf text = { 0 };
	int err = report_analysis(id, severity, cell, &text);

	if (err)
		log_warn("report", "%s: no memory for its analysis", id);
	else if (text.len)
		s->cfg.on_analysis(s->cfg.analysis_ctx, text.data, text.len);
	buf_free(&text);
}

/* A parent is known by its file only. */
static void analyse_parent(struct report_shelf *s, enum report_level level, const char *id)
{
	struct report_info info;
	struct cell *sum = NULL;
	struct buf text = { 0 };
	int err = report_read(s->store, report_levels[level].dir, id, &text);

	if (!err)
		err = report_load(text.data, text.len, &sum, &info);
	if (err)
		log_warn("report", "%s cannot be read for its analysis: %s", id, strerror(-err));
	else
		tell_analysis(s, id, info.severity, sum);
	cell_free(sum);
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
	if (s->cfg.on_written && !buf_failed(&path))
		s->cfg.on_written(s->cfg.ctx, path.data, NULL);
	buf_free(&path);
	if (s->cfg.on_analysis)
		analyse_parent(s, level, id);
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

/* The report, once; then its window has no need of checkpoints any more. */
static int put_report(struct report_shelf *s, struct queue_item *i, char *name, size_t size)
{
	int err = i->written ? 0 : write_report(s, i, name, size);

	if (err || i->written)
		return err;
	i->written = true;
	written(s, i, name);
	if (i->kind != QUEUE_CELL)
		return 0;
	if (s->cfg.on_analysis)
		tell_analysis(s, name, report_worst_finding(cell_totals(i->cell)), i->cell);
	report_tree_cell(s->tree, name);
	if (s->cfg.checkpoint_s)
		checkpoint_clear(s->store, cell_totals(i->cell)->window_end_ns);
	return 0;
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

	if (i->kind == QUEUE_CHECKPOINT)
		write_checkpoint(s, i->cell);
	if (i->kind == QUEUE_CELL || i->kind == QUEUE_PARTS)
		err = put_report(s, i, name, size);
	if (err) {
		char id[128];

		snprintf(id, sizeof(id), "%s", name);
		snprintf(name, size, "%s/%s.json", report_shelf_level(i), id);
	}
	if (!err && (i->kind == QUEUE_CELL || i->kind == QUEUE_TIME))
		err = put_parents(s, i->now_ns, name, size);
	return err;
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

/* What cannot be written now is left for the next start: it must not keep the agent from watching. */
static void recover(struct report_shelf *s)
{
	int n = s->cfg.checkpoint_s
			? checkpoint_recover(s->store, s->cfg.checkpoint_s, s->cfg.lists_events)
			: 0;

	if (n < 0)
		log_error("report",
			  "the checkpoints of a run that was killed cannot be read or written "
			  "out: %s",
			  strerror(-n));
	/* Those of this run lie behind what may be left. */
	s->open.serial = n < 0 ? checkpoint_last(s->store) : 0;
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
	recover(s);
	s->tree = report_tree_new(s->store, s->heads, parent_written, s);
	if (s->tree)
		return 0;
	snprintf(err, err_size, "no memory");
	return -ENOMEM;
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
	report_tree_free(s->tree);
	heads_close(s->heads);
	report_store_close(s->store);
	free(s->shown);
	free(s->dir);
	free(s);
}
