/* SPDX-License-Identifier: MIT */
/*
 * The children are read one at a time and added up; what is told of each of them (its counts, its
 * worst finding, the trends) is kept in a few words a child. parent_json.c prints it.
 */
#include "report/parent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/merge.h"
#include "report/cell_json.h"
#include "report/parent_private.h"

/*
 * Of rows of some 500 bytes (executables), 250 and, of commands, 20: full tables make 3.5 MB. One for all
 * levels: a child's rows are cut no further while its parent has the same.
 */
#define PARENT_LIMITS                              \
	{                                          \
		2000, 1000, 4000, 2000, 2000, 2000 \
	}

static const struct cell_limits limits[N_LEVELS] = {
	[LEVEL_CELL] = { 2000, 1000, 8000, 2000, 4000,
			 4000 }, /* of checkpoints, while they are added up */
	[LEVEL_BLOCK] = PARENT_LIMITS,
	[LEVEL_DAILY] = PARENT_LIMITS,
	[LEVEL_WEEKLY] = PARENT_LIMITS,
	[LEVEL_MONTHLY] = PARENT_LIMITS,
};

const struct cell_limits *report_limits(enum report_level level)
{
	return &limits[level];
}

/* While children are still to come: the fewer cuts, the smaller the bounds. */
static struct cell_limits twice(const struct cell_limits *l)
{
	return (struct cell_limits){ 2 * l->executables, 2 * l->failed,	     2 * l->command_lines,
				     2 * l->commands,	 2 * l->connections, 2 * l->syscalls };
}

/* ---- order ---- */

static int compare_ids(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* By time: a week's number is not of the same length of digits as a day's, but sorts all the same. */
static const char **sorted(const char *const *ids, size_t n)
{
	const char **to = calloc(n + 1, sizeof(*to));

	if (!to)
		return NULL;
	if (n) {
		memcpy(to, ids, n * sizeof(*to));
		qsort(to, n, sizeof(*to), compare_ids);
	}
	return to;
}

static int compare_children(const void *x, const void *y)
{
	const struct parent_child *a = x, *b = y;

	if (a->window.start_ns != b->window.start_ns)
		return a->window.start_ns < b->window.start_ns ? -1 : 1;
	if (a->watched_from_ns != b->watched_from_ns)
		return a->watched_from_ns < b->watched_from_ns ? -1 : 1;
	return strcmp(a->id, b->id);
}

/* ---- what is kept of each child ---- */

static bool fits(const struct parent *p, const char *id, const struct report_info *info,
		 const struct cell_totals *t)
{
	return info->level == p->level - 1 && !strcmp(info->id, id) &&
	       t->window_start_ns >= p->window.start_ns && t->window_end_ns <= p->window.end_ns;
}

static void keep_findings(struct parent_child *c, const struct cell_view *v)
{
	const struct cell_totals *t = v->totals;

	c->worst = report_worst_finding(t);
	for (unsigned i = PARENT_UNUSUAL; i < CELL_SEVERITIES; i++)
		c->unusual += t->findings[i];
	if (c->worst >= PARENT_UNUSUAL && v->n_findings) {
		const struct wire_span title = v->findings[0].title;

		c->title_len = title.len < sizeof(c->title) ? title.len : sizeof(c->title);
		if (c->title_len)
			memcpy(c->title, title.data, c->title_len);
	}
}

static int keep_child(struct parent *p, const struct cell *cell, const struct report_info *info)
{
	const struct cell_totals *t = cell_totals(cell);
	struct parent_child *c = &p->child[p->n_children];
	struct cell_view v;
	int err = cell_view_open(&v, cell);

	if (err)
		return err;
	*c = (struct parent_child){
		.window = { t->window_start_ns, t->window_end_ns },
		.watched_from_ns = t->watched_from_ns,
		.watched_ns = t->watched_ns,
		.events = t->events,
		.execs = t->type[EDR_EXEC].delivered,
		.lost = report_lost(t),
		.blind_ns = t->blind_ns,
		.interval_min = t->interval_min,
		.severity = info->severity,
	};
	memcpy(c->id, info->id, sizeof(c->id));
	keep_findings(c, &v);
	if (c->worst > c->severity)
		c->severity = c->worst;
	err = parent_trends_add(p, &v, c->window.start_ns);
	cell_view_close(&v);
	if (!err)
		p->n_children++;
	return err;
}

static int unusable(struct parent *p, const char *id, const char *why)
{
	p->unusable[p->n_unusable++] = (struct parent_unusable){ id, why };
	return 0;
}

static const char *reason(int err)
{
	return err == -EBADMSG ? "damaged" : err == -ENOENT ? "removed" : "unreadable";
}

static int add_child(struct parent *p, const char *id)
{
	struct report_info info;
	struct buf text = { 0 };
	struct cell *cell = NULL;
	int err;

	err = p->read(p->ctx, p->level - 1, id, &text);
	if (!err && text.failed)
		err = -ENOMEM;
	if (!err)
		err = report_load(text.data ? text.data : "", text.len, &cell, &info);
	buf_free(&text);
	if (err == -ENOMEM || err == -EIO || err == -EINTR)
		return err;
	if (err)
		return unusable(p, id, reason(err));
	if (!fits(p, id, &info, cell_totals(cell))) {
		cell_free(cell);
		return unusable(p, id, "belongs elsewhere");
	}
	err = cell_merge(p->sum, cell);
	if (!err)
		err = keep_child(p, cell, &info);
	cell_free(cell);
	return err;
}

/* ---- severity ---- */

static int compare_severities(const void *x, const void *y)
{
	return (int)*(const unsigned *)x - (int)*(const unsigned *)y;
}

/*
 * The original's blend, round(0.7 median + 0.3 max), in twentieths; a half goes to the even one, as
 * Python's round() does it.
 */
unsigned parent_blend(unsigned *known, size_t n)
{
	unsigned median2, v;

	if (n == 0)
		return 0;
	qsort(known, n, sizeof(*known), compare_severities);
	median2 = known[(n - 1) / 2] + known[n / 2];
	v = 7 * median2 + 6 * known[n - 1];
	return v / 20 + (v % 20 > 10 || (v % 20 == 10 && v / 20 % 2));
}

static int judge(struct parent *p)
{
	unsigned *known = calloc(p->n_children + 1, sizeof(*known));
	size_t n = 0;

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_children; i++)
		if (p->child[i].severity)
			known[n++] = p->child[i].severity;
	p->trend = parent_blend(known, n);
	free(known);
	return 0;
}

/* ---- missing children ---- */

static int add_missing(struct parent *p, edr_s64 from, edr_s64 to)
{
	struct report_window *more =
		load_grow(p->missing, p->n_missing, &p->cap_missing, sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->missing = more;
	p->missing[p->n_missing++] = (struct report_window){ from, to };
	p->missing_ns += (edr_u64)(to - from);
	return 0;
}

/* The windows of the level below between two moments; cells by the interval of their neighbour. */
static int add_gap(struct parent *p, edr_s64 from, edr_s64 to, unsigned interval_min)
{
	int err = 0;

	while (from < to && !err) {
		struct report_window w = report_level_window(p->level - 1, from, interval_min);
		const edr_s64 end = w.end_ns < to ? w.end_ns : to;

		err = add_missing(p, from, end);
		from = end;
	}
	return err;
}

static int find_missing(struct parent *p)
{
	edr_s64 covered = p->window.start_ns;
	unsigned interval_min = p->n_children ? p->child[0].interval_min : 15;
	int err = 0;

	for (size_t i = 0; i < p->n_children && !err; i++) {
		const struct parent_child *c = &p->child[i];

		err = add_gap(p, covered, c->window.start_ns, interval_min);
		interval_min = c->interval_min;
		if (c->window.end_ns > covered)
			covered = c->window.end_ns;
	}
	return err ? err : add_gap(p, covered, p->window.end_ns, interval_min);
}

/* ---- the whole ---- */

static int collect(struct parent *p, const char **ids, size_t n)
{
	int err = 0;

	const struct cell_limits most = twice(&limits[p->level]);

	p->sum = cell_new_window(p->window.start_ns, p->window.end_ns, 0, &most);
	p->child = calloc(n + 1, sizeof(*p->child));
	p->unusable = calloc(n + 1, sizeof(*p->unusable));
	if (!p->sum || !p->child || !p->unusable)
		return -ENOMEM;
	for (size_t i = 0; i < n && !err; i++)
		err = add_child(p, ids[i]);
	if (!err)
		err = cell_trim(p->sum, &limits[p->level]);
	if (err)
		return err;
	qsort(p->child, p->n_children, sizeof(*p->child), compare_children);
	err = find_missing(p);
	return err ? err : judge(p);
}

int report_parent_make(report_read_fn read, void *ctx, enum report_level level,
		       struct report_window w, const char *const *ids, size_t n, struct buf *id,
		       struct buf *json)
{
	struct parent p = { .level = level, .window = w, .read = read, .ctx = ctx };
	const char **order;
	char name[REPORT_ID_MAX];
	int err;

	if (level <= LEVEL_CELL || level >= N_LEVELS || w.start_ns >= w.end_ns)
		return -EINVAL;
	order = sorted(ids, n);
	report_level_id(level, w, name);
	err = order ? collect(&p, order, n) : -ENOMEM;
	if (!err)
		err = parent_json(&p, name, json);
	if (!err)
		buf_adds(id, name);
	if (!err && buf_failed(id))
		err = -ENOMEM;
	parent_trends_free(&p);
	cell_free(p.sum);
	free(p.child);
	free(p.unusable);
	free(p.missing);
	free(order);
	return err;
}
