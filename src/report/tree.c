/* SPDX-License-Identifier: MIT */
#include "report/tree.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chain.h"
#include "report/files.h"
#include "report/heads.h"
#include "report/parent.h"
#include "report/report.h"
#include "util/log.h"

struct report_tree {
	struct report_store *store;
	struct heads *heads;
	void (*on_written)(void *ctx, enum report_level level, const char *id);
	void *ctx;
	bool begun;
	edr_s64 now_ns; /* of the last time that all was done */
	/* By then, the cells whose block was not over. Their directory may hold those of years. */
	struct report_files cells;
};

/* A level under way: what there is of it and of the level below. */
struct pass {
	struct report_tree *t;
	enum report_level level;
	edr_s64 now_ns;
	struct report_files children, own;
};

struct report_tree *
report_tree_new(struct report_store *s, struct heads *heads,
		void (*on_written)(void *ctx, enum report_level level, const char *id), void *ctx)
{
	struct report_tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->store = s;
	t->heads = heads;
	t->on_written = on_written;
	t->ctx = ctx;
	return t;
}

void report_tree_free(struct report_tree *t)
{
	if (t)
		report_files_free(&t->cells);
	free(t);
}

static edr_s64 block_end(edr_s64 ns)
{
	return report_level_window(LEVEL_BLOCK, ns, 0).end_ns;
}

/* Without memory for it the next closing looks into the directory. */
void report_tree_cell(struct report_tree *t, const char *id)
{
	if (t->begun && report_files_add(&t->cells, id))
		t->begun = false;
}

/* Where retention has been, all is written that ever will be. */
static bool is_past(const struct pass *p, struct report_window w, bool there)
{
	const struct heads_file *f = heads_now(p->t->heads);
	struct report_window up = w;

	if (heads_children_removed(f, p->level, w))
		return true;
	if (there)
		return false;
	if (p->level + 1 < N_LEVELS)
		up = report_level_window(p->level + 1, w.start_ns, 0);
	return heads_children_removed(f, p->level + 1, up);
}

static int write_parent(struct pass *p, const char *id, bool again, const struct buf *text)
{
	const char *dir = report_levels[p->level].dir;
	int err;

	if (again)
		err = report_store_replace(p->t->store, dir, id, text->data, text->len, "rebuilt");
	else
		err = report_store_write(p->t->store, dir, id, text->data, text->len);
	if (err == 1)
		return 0; /* a run that was killed had made it */
	if (err == -EEXIST) {
		log_error("report", "something else has the name %s: it is not written", id);
		return 0;
	}
	if (!err && again)
		log_warn("report", "%s is made anew: cells came for it after it was written", id);
	if (!err && p->t->on_written)
		p->t->on_written(p->t->ctx, p->level, id);
	return err;
}

static int make(struct pass *p, struct report_window w, bool again)
{
	struct heads_reader reader = heads_reader(p->t->heads);
	struct buf id = { 0 }, text = { 0 };
	const char **ids;
	size_t n;
	int err;

	ids = report_children(&p->children, p->level, w, &n);
	if (!ids)
		return -ENOMEM;
	err = report_parent_make(heads_read_child, &reader, p->level, w, ids, n, &id, &text);
	free(ids);
	if (!err)
		err = write_parent(p, id.data, again, &text);
	buf_free(&id);
	buf_free(&text);
	return err;
}

/* The window has children. */
static int close_window(struct pass *p, struct report_window w)
{
	char id[REPORT_ID_MAX];
	bool there, due;

	report_level_id(p->level, w, id);
	there = report_files_has(&p->own, id);
	/* One that was written by a clock that was ahead is kept up to date meanwhile. */
	due = there ? heads_owes(heads_now(p->t->heads), w) : w.end_ns <= p->now_ns;
	if (!due || is_past(p, w, there))
		return 0;
	return make(p, w, there);
}

static int close_windows(struct pass *p)
{
	struct report_window w = { 0, 0 };
	edr_s64 start_ns;
	int err = 0;

	for (size_t i = 0; i < p->children.n && !err; i++) {
		if (report_level_of_id(p->children.file[i].id, &start_ns) + 1 != p->level ||
		    (start_ns >= w.start_ns && start_ns < w.end_ns))
			continue;
		w = report_level_window(p->level, start_ns, 0);
		err = close_window(p, w);
	}
	return err;
}

static int list_children(struct pass *p, bool owes)
{
	struct report_tree *t = p->t;

	if (p->level != LEVEL_BLOCK || !t->begun || owes)
		return report_files_names(t->store, report_levels[p->level - 1].dir, &p->children);
	p->children = t->cells;
	memset(&t->cells, 0, sizeof(t->cells));
	return 0;
}

/* For the next closing; all of them when this one failed. */
static void keep_cells(struct pass *p, bool failed)
{
	struct report_files *f = &p->children;
	size_t kept = 0;
	edr_s64 start_ns;

	for (size_t i = 0; i < f->n; i++)
		if (failed || (report_level_of_id(f->file[i].id, &start_ns) == LEVEL_CELL &&
			       block_end(start_ns) > p->now_ns))
			f->file[kept++] = f->file[i];
	f->n = kept;
	report_files_free(&p->t->cells);
	p->t->cells = *f;
}

static int close_level(struct report_tree *t, enum report_level level, edr_s64 now_ns, bool owes)
{
	struct pass p = { .t = t, .level = level, .now_ns = now_ns };
	int err;

	err = list_children(&p, owes);
	if (!err)
		err = report_files_names(t->store, report_levels[level].dir, &p.own);
	if (!err)
		err = close_windows(&p);
	if (level == LEVEL_BLOCK)
		keep_cells(&p, err != 0);
	else
		report_files_free(&p.children);
	report_files_free(&p.own);
	return err;
}

static const struct report_window all_time = { INT64_MIN, INT64_MAX };

int report_tree_advance(struct report_tree *t, edr_s64 now_ns)
{
	const bool owes = heads_owes(heads_now(t->heads), all_time);
	enum report_level level;
	int err = 0;

	if (t->begun && !owes && block_end(now_ns) == block_end(t->now_ns))
		return 0;
	for (level = LEVEL_BLOCK; level < N_LEVELS && !err; level++)
		err = close_level(t, level, now_ns, owes);
	if (err)
		return err;
	t->begun = true;
	t->now_ns = now_ns;
	heads_paid(t->heads);
	return 0;
}
