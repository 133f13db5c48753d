/* SPDX-License-Identifier: MIT */
/* docs/report-tree.md says what each member means. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/cell_json.h"
#include "report/local.h"
#include "report/parent_private.h"

#define DAY_NS 86400000000000LL
#define RISK_STEP 20 /* the original's */

/* One report under way. */
struct out {
	const struct parent *p;
	const struct cell_view *v;
	struct local_analysis analysis;
	struct cell_count *top; /* executables by runs */
	size_t n_top;
	struct buf text; /* scratch */
};

/* ---- small things ---- */

static void put_date(struct rj *j, json_object *to, const char *key, edr_s64 unix_ns)
{
	char t[RJ_TIME_SIZE];

	rj_time(t, unix_ns, false);
	rj_put_span(j, to, key, (struct wire_span){ t, 10 });
}

static void put_moment(struct rj *j, json_object *to, const char *key, edr_s64 unix_ns)
{
	char t[RJ_TIME_SIZE];

	rj_time(t, unix_ns, false);
	rj_put_text(j, to, key, t);
}

static edr_u64 length_ns(struct report_window w)
{
	return (edr_u64)(w.end_ns - w.start_ns);
}

static void put_ratio(struct rj *j, json_object *to, const char *key, edr_u64 part, edr_u64 whole)
{
	const edr_u64 millionths = part >= whole ? 1000000 : part / (whole / 1000000);
	char text[24];

	snprintf(text, sizeof(text), "%llu.%06llu", millionths / 1000000, millionths % 1000000);
	rj_put(j, to, key, json_object_new_double_s((double)millionths / 1e6, text));
}

/* ---- children ---- */

static json_object *child_id(struct rj *j, const void *ctx, size_t i)
{
	const struct parent_child *c = (const struct parent_child *)ctx + i;

	return rj_span(j, (struct wire_span){ c->id, strlen(c->id) });
}

static json_object *child_row(struct rj *j, const void *ctx, size_t i)
{
	const struct parent_child *c = (const struct parent_child *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "report_id", c->id);
	put_moment(j, row, "window_start", c->window.start_ns);
	put_moment(j, row, "window_end", c->window.end_ns);
	rj_put_u64(j, row, "events", c->events);
	rj_put_u64(j, row, "execs", c->execs);
	rj_put_u64(j, row, "lost", c->lost);
	rj_put_seconds(j, row, "blind_seconds", (edr_s64)c->blind_ns);
	rj_put_seconds(j, row, "covered_seconds", (edr_s64)c->watched_ns);
	report_put_severity(j, row, "severity", c->severity);
	return row;
}

static json_object *missing_row(struct rj *j, const void *ctx, size_t i)
{
	const struct parent *p = ctx;
	const struct report_window w = p->missing[i];
	json_object *row = json_object_new_object();
	char id[REPORT_ID_MAX];

	report_level_id(p->level - 1, w, id);
	rj_put_text(j, row, "report_id", id);
	put_moment(j, row, "window_start", w.start_ns);
	put_moment(j, row, "window_end", w.end_ns);
	rj_put_seconds(j, row, "seconds", w.end_ns - w.start_ns);
	return row;
}

static json_object *unusable_row(struct rj *j, const void *ctx, size_t i)
{
	const struct parent_unusable *u = (const struct parent_unusable *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "report_id", u->id);
	rj_put_text(j, row, "why", u->why);
	return row;
}

static void put_children(struct rj *j, json_object *report, const struct parent *p)
{
	rj_put_rows(j, report, report_levels[p->level].children,
		    &(struct rj_rows){ .n = p->n_children, .ctx = p->child, .value = child_id });
	rj_put_rows(j, report, "children",
		    &(struct rj_rows){ .n = p->n_children, .ctx = p->child, .value = child_row });
	rj_put_rows(j, report, "missing",
		    &(struct rj_rows){ .n = p->n_missing, .ctx = p, .value = missing_row });
	rj_put_rows(
		j, report, "unusable",
		&(struct rj_rows){ .n = p->n_unusable, .ctx = p->unusable, .value = unusable_row });
}

/* ---- what ran most ---- */

static int compare_top(const void *x, const void *y)
{
	const struct cell_count *a = x, *b = y;
	const size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
	int order;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	order = len ? memcmp(a->name.data, b->name.data, len) : 0;
	return order ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

static int make_top(struct out *o)
{
	o->top = calloc(o->v->n_exes + 1, sizeof(*o->top));
	if (!o->top)
		return -ENOMEM;
	for (size_t i = 0; i < o->v->n_exes; i++)
		if (o->v->exes[i].counts.runs)
			o->top[o->n_top++] =
				(struct cell_count){ .name = o->v->exes[i].name,
						     .count = o->v->exes[i].counts.runs };
	qsort(o->top, o->n_top, sizeof(*o->top), compare_top);
	return 0;
}

static void top_key(struct buf *out, const void *ctx, size_t i)
{
	rj_key(out, ((const struct out *)ctx)->top[i].name);
}

static json_object *top_runs(struct rj *j, const void *ctx, size_t i)
{
	(void)j;
	return rj_u64(((const struct out *)ctx)->top[i].count);
}

static void put_top(struct rj *j, json_object *report, const char *key, const struct out *o,
		    size_t max)
{
	rj_put_rows(j, report, key,
		    &(struct rj_rows){ .n = o->n_top < max ? o->n_top : max,
				       .ctx = o,
				       .value = top_runs,
				       .key = top_key });
}

/* ---- trends ---- */

static json_object *trend_row(const struct parent *p, bool process, struct wire_span name)
{
	const edr_u64 *runs = parent_trend(p, process, name);
	json_object *row = json_object_new_array();

	for (size_t part = 0; row && part < parent_trend_parts(p); part++) {
		json_object *n = rj_u64(runs ? runs[part] : 0);

		if (!n || json_object_array_add(row, n)) {
			json_object_put(n);
			json_object_put(row);
			return NULL;
		}
	}
	return row;
}

static json_object *process_trend(struct rj *j, const void *ctx, size_t i)
{
	const struct out *o = ctx;

	(void)j;
	return trend_row(o->p, true, o->top[i].name);
}

static void command_key(struct buf *out, const void *ctx, size_t i)
{
	rj_key(out, ((const struct out *)ctx)->v->commands[i].name);
}

static json_object *command_trend(struct rj *j, const void *ctx, size_t i)
{
	const struct out *o = ctx;

	(void)j;
	return trend_row(o->p, false, o->v->commands[i].name);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void put_trends(struct rj *j, json_object *report, const struct out *o)
{
	rj_put_rows(j, report, "command_trends",
		    &(struct rj_rows){ .n = least(o->v->n_commands, PARENT_TREND_COMMANDS),
				       .ctx = o,
				       .value = command_trend,
				       .key = command_key });
	rj_put_rows(j, report, "process_trends",
		    &(struct rj_rows){ .n = least(o->n_top, PARENT_TREND_PROCESSES),
				       .ctx = o,
				       .value = process_trend,
				       .key = top_key });
}

/* ---- findings ---- */

static const char *risk_level(unsigned severity)
{
	return severity >= PARENT_HIGH ? "high" : severity >= PARENT_UNUSUAL ? "medium" : "low";
}

static json_object *incident_row(struct rj *j, const void *ctx, size_t i)
{
	const struct out *o = ctx;
	const struct cell_finding *f = &o->v->findings[i];
	struct buf *text = (struct buf *)&o->text;
	json_object *row = json_object_new_object();

	put_date(j, row, "date", f->time_ns);
	buf_clear(text);
	buf_add(text, f->title.data, f->title.len);
	if (f->details.len) {
		buf_adds(text, ": ");
		buf_add(text, f->details.data, f->details.len);
	}
	j->failed |= text->failed;
	rj_put_span(j, row, "details", (struct wire_span){ text->data, text->len });
	rj_put_text(j, row, "risk_level", risk_level(f->severity));
	rj_put_span(j, row, "finding_id", f->id);
	return row;
}

/* They are in order of their severity. */
static void put_incidents(struct rj *j, json_object *report, const struct out *o)
{
	size_t n = 0;

	while (n < o->v->n_findings && o->v->findings[n].severity >= PARENT_UNUSUAL)
		n++;
	rj_put_rows(j, report, "security_incidents",
		    &(struct rj_rows){ .n = n, .ctx = o, .value = incident_row });
}

static const struct parent_child *unusual_child(const struct parent *p, size_t i)
{
	for (size_t at = 0; at < p->n_children; at++)
		if (p->child[at].unusual && i-- == 0)
			return &p->child[at];
	return NULL;
}

static json_object *unusual_row(struct rj *j, const void *ctx, size_t i)
{
	const struct out *o = ctx;
	const struct parent_child *c = unusual_child(o->p, i);
	struct buf *text = (struct buf *)&o->text;
	json_object *row = json_object_new_object();
	char from[RJ_TIME_SIZE], to[RJ_TIME_SIZE];

	rj_time(from, c->window.start_ns, false);
	rj_time(to, c->window.end_ns, false);
	buf_clear(text);
	buf_addf(text, "%s/%s", from, to);
	rj_put_span(j, row, "time_window", (struct wire_span){ text->data, text->len });
	rj_put_u64(j, row, "severity", c->worst);
	buf_clear(text);
	buf_addf(text, "%llu %s, the worst: ", c->unusual,
		 c->unusual == 1 ? "finding" : "findings");
	buf_add(text, c->title, c->title_len);
	j->failed |= text->failed;
	rj_put_span(j, row, "summary", (struct wire_span){ text->data, text->len });
	rj_put_text(j, row, "report_id", c->id);
	return row;
}

static void put_unusual(struct rj *j, json_object *report, const struct out *o)
{
	size_t n = 0;

	while (unusual_child(o->p, n))
		n++;
	rj_put_rows(j, report, "unusual_activity",
		    &(struct rj_rows){ .n = n, .ctx = o, .value = unusual_row });
}

static void put_security_summary(struct rj *j, json_object *report, const struct cell_totals *t)
{
	json_object *s = rj_put_object(j, report, "security_summary");
	edr_u64 sum[3] = { 0 }; /* low, medium, high */

	for (unsigned i = 1; i < CELL_SEVERITIES; i++)
		sum[(i >= PARENT_UNUSUAL) + (i >= PARENT_HIGH)] += t->findings[i];
	rj_put_u64(j, s, "total_incidents", sum[0] + sum[1] + sum[2]);
	rj_put_u64(j, s, "high_risk_incidents", sum[2]);
	rj_put_u64(j, s, "medium_risk_incidents", sum[1]);
	rj_put_u64(j, s, "low_risk_incidents", sum[0]);
}

/* The i-th finding with a title that none before it has. */
static const struct cell_finding *distinct(const struct cell_view *v, size_t i)
{
	for (size_t at = 0; at < v->n_findings; at++) {
		const struct wire_span title = v->findings[at].title;
		size_t before = 0;

		while (before < at &&
		       (v->findings[before].title.len != title.len ||
			memcmp(v->findings[before].title.data, title.data, title.len) != 0))
			before++;
		if (before == at && v->findings[at].severity >= PARENT_UNUSUAL && i-- == 0)
			return &v->findings[at];
	}
	return NULL;
}

static json_object *recommendation(struct rj *j, const void *ctx, size_t i)
{
	const struct out *o = ctx;
	const struct cell_finding *f = distinct(o->v, i);
	struct buf *text = (struct buf *)&o->text;

	buf_clear(text);
	buf_addf(text, "%s (severity %u", f->severity >= PARENT_HIGH ? "Investigate" : "Review",
		 f->severity);
	if (f->technique.len) {
		buf_adds(text, ", ");
		buf_add(text, f->technique.data, f->technique.len);
	}
	buf_adds(text, "): ");
	buf_add(text, f->title.data, f->title.len);
	j->failed |= text->failed;
	return rj_span(j, (struct wire_span){ text->data, text->len });
}

static void put_recommendations(struct rj *j, json_object *report, const struct out *o)
{
	size_t n = 0;

	while (n < PARENT_RECOMMENDATIONS && distinct(o->v, n))
		n++;
	rj_put_rows(j, report, "recommendations",
		    &(struct rj_rows){ .n = n, .ctx = o, .value = recommendation });
}

/* ---- what each level has ---- */

static void put_daily(struct rj *j, json_object *report, const struct out *o)
{
	put_date(j, report, "date", o->p->window.start_ns);
	put_unusual(j, report, o);
}

static void put_risk(struct rj *j, json_object *report, const struct out *o)
{
	rj_put_u64(j, report, "risk_score", (edr_u64)RISK_STEP * o->analysis.severity);
}

static void put_weekly(struct rj *j, json_object *report, const struct out *o)
{
	put_date(j, report, "week_start_date", o->p->window.start_ns);
	put_date(j, report, "week_end_date", o->p->window.end_ns - 1);
	put_risk(j, report, o);
	put_incidents(j, report, o);
}

static void put_monthly(struct rj *j, json_object *report, const struct out *o)
{
	char t[RJ_TIME_SIZE];

	/* The first week's Thursday lies in it. */
	rj_time(t, o->p->window.start_ns + 3 * DAY_NS, false);
	rj_put_span(j, report, "month", (struct wire_span){ t, 7 });
	put_date(j, report, "start_date", o->p->window.start_ns);
	put_date(j, report, "end_date", o->p->window.end_ns - 1);
	put_risk(j, report, o);
	put_security_summary(j, report, o->v->totals);
	put_recommendations(j, report, o);
	cell_json_command_counts(j, report, "command_summary", o->v, PARENT_TREND_COMMANDS);
	put_top(j, report, "process_summary", o, PARENT_TREND_PROCESSES);
}

static void (*const put_level[N_LEVELS])(struct rj *, json_object *, const struct out *) = {
	[LEVEL_DAILY] = put_daily,
	[LEVEL_WEEKLY] = put_weekly,
	[LEVEL_MONTHLY] = put_monthly,
};

static void put_coverage(struct rj *j, json_object *report, const struct out *o)
{
	const struct parent *p = o->p;
	json_object *w = report_put_window(j, report, o->v->totals);

	put_ratio(j, w, "coverage", o->v->totals->watched_ns, length_ns(p->window));
	rj_put_u64(j, w, "missing", p->n_missing);
	rj_put_seconds(j, w, "missing_seconds", (edr_s64)p->missing_ns);
}

static json_object *parent_object(struct rj *j, const struct out *o, const char *id)
{
	const struct parent *p = o->p;
	json_object *report = json_object_new_object();

	report_put_head(j, report, report_levels[p->level].name, id, o->v);
	put_coverage(j, report, o);
	rj_put_u64(j, report, "total_events", o->v->totals->events);
	rj_put_u64(j, report, "severity", o->analysis.severity);
	report_put_severity(j, report, "severity_trend", p->trend);
	local_json(j, report, &o->analysis, o->v->totals);
	put_children(j, report, p);
	if (put_level[p->level])
		put_level[p->level](j, report, o);
	put_trends(j, report, o);
	report_put_sums(j, report, o->v);
	cell_json_command_counts(j, report, "command_counts", o->v, o->v->n_commands);
	put_top(j, report, "top_processes", o, PARENT_TOP);
	cell_json_executables(j, report, o->v);
	cell_json_connections(j, report, o->v);
	cell_json_syscalls(j, report, o->v);
	return report;
}

/* The first of the worst children. */
static int analyse(struct out *o)
{
	struct local_parent of = { .missing_ns = o->p->missing_ns };

	for (size_t i = 0; i < o->p->n_children; i++) {
		if (o->p->child[i].severity <= of.worst_child)
			continue;
		of.worst_child = o->p->child[i].severity;
		of.worst_child_number = i + 1;
		of.worst_child_id = o->p->child[i].id;
	}
	return local_analyse(&o->analysis, o->v, &of);
}

int parent_json(const struct parent *p, const char *id, struct buf *json)
{
	struct cell_view v;
	struct out o = { .p = p, .v = &v };
	struct rj j = { 0 };
	int err = cell_view_open(&v, p->sum);

	if (err)
		return err;
	err = analyse(&o);
	if (!err)
		err = make_top(&o);
	if (!err)
		err = rj_print(&j, parent_object(&j, &o, id), json);
	rj_free(&j);
	local_free(&o.analysis);
	buf_free(&o.text);
	free(o.top);
	cell_view_close(&v);
	return err;
}
