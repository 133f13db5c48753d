/* SPDX-License-Identifier: MIT */
/*
 * A closed cell, and an interim part, as JSON. docs/report-schema.md says what each member means.
 * The order of members and rows is fixed, and nothing here looks at a clock, the host or the
 * locale: the same cell, the same bytes.
 */
#include "report/cell_json.h"
#include "report/chain.h"
#include "report/local.h"
#include "report/report.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000LL

/* ---- ids ---- */

/* "20261121T2100Z": a time without what a file name should not hold. */
static void add_compact(struct buf *out, edr_s64 unix_ns)
{
	char t[RJ_TIME_SIZE];

	rj_time(t, unix_ns, false);
	buf_addf(out, "%.4s%.2s%.2sT%.2s%.2sZ", t, t + 5, t + 8, t + 11, t + 14);
}

/*
 * A cell that began later than its window carries the time: an agent that was started twice within
 * a window makes two.
 */
static void cell_id(struct buf *out, edr_s64 window_start_ns, edr_s64 watched_from_ns)
{
	char from[RJ_TIME_SIZE];

	buf_adds(out, "cell-");
	add_compact(out, window_start_ns);
	if (watched_from_ns <= window_start_ns)
		return;
	rj_time(from, watched_from_ns, false);
	buf_addf(out, "-%.2s%.2s%.2s", from + 11, from + 14, from + 17);
}

static void interim_id(struct buf *out, const struct cell_events_view *v)
{
	cell_id(out, v->window_start_ns, v->watched_from_ns);
	buf_addf(out, ".part%04u", v->part);
}

/* ---- what every level begins with ---- */

static void put_window_time(struct rj *j, json_object *report, const char *key, edr_s64 unix_ns)
{
	char text[RJ_TIME_SIZE];

	rj_time(text, unix_ns, false);
	rj_put_text(j, report, key, text);
}

static void put_head(struct rj *j, json_object *report, const char *level, const char *id)
{
	rj_put_u64(j, report, "schema_version", REPORT_SCHEMA_VERSION);
	rj_put_text(j, report, "level", level);
	rj_put_text(j, report, "report_id", id);
}

static void put_degraded(struct rj *j, json_object *report, struct wire_span rest)
{
	json_object *list = json_object_new_array();
	struct wire_span reason;

	while (list && wire_next_arg(&rest, &reason)) {
		json_object *text = rj_span(j, reason);

		if (!text || json_object_array_add(list, text)) {
			json_object_put(text);
			j->failed = true;
			break;
		}
	}
	rj_put(j, report, "degraded", list);
}

static void put_host(struct rj *j, json_object *report, const struct cell_host *h)
{
	json_object *host = rj_put_object(j, report, "host");

	rj_put_span(j, host, "name", h->hostname);
	rj_put_span(j, host, "machine_id", h->machine_id);
	rj_put_span(j, host, "kernel", h->kernel);
	rj_put_span(j, host, "arch", h->arch);
	rj_put_span(j, report, "agent_version", h->agent);
	rj_put_span(j, report, "source", h->source);
	rj_put_span(j, report, "hooks", h->hooks);
	put_degraded(j, report, h->degraded);
}

/* ---- window, counts, loss ---- */

json_object *report_put_window(struct rj *j, json_object *report, const struct cell_totals *t)
{
	json_object *w;

	put_window_time(j, report, "window_start", t->window_start_ns);
	put_window_time(j, report, "window_end", t->window_end_ns);
	w = rj_put_object(j, report, "window");
	rj_put_u64(j, w, "interval_minutes", t->interval_min);
	rj_put_bool(j, w, "partial", t->partial);
	rj_put_seconds(j, w, "seconds", t->window_end_ns - t->window_start_ns);
	rj_put_time(j, w, "covered_from", t->watched_from_ns);
	rj_put_time(j, w, "covered_to", t->watched_to_ns);
	rj_put_seconds(j, w, "covered_seconds", (edr_s64)t->watched_ns);
	rj_put_time(j, w, "first_event", t->first_ns);
	rj_put_time(j, w, "last_event", t->last_ns);
	rj_put_u64(j, w, "windows_skipped_before", t->windows_skipped);
	return w;
}

/* The i-th event, or the i-th of the records that are no events; NULL behind the last. */
static const struct wire_event *nth(bool housekeeping, size_t i)
{
	for (size_t at = 0; at < wire_n_events; at++)
		if (!strcmp(wire_events[at].group, "always") == housekeeping && i-- == 0)
			return &wire_events[at];
	return NULL;
}

static size_t how_many(bool housekeeping)
{
	size_t n = 0;

	while (nth(housekeeping, n))
		n++;
	return n;
}

edr_u64 report_lost(const struct cell_totals *t)
{
	const struct wire_event *e;
	edr_u64 sum = 0;

	for (size_t i = 0; (e = nth(false, i)); i++)
		sum += t->type[e->type].counted.dropped;
	return sum;
}

static const struct cell_type_counts *counts_of(const void *totals, const struct wire_event *e)
{
	return &((const struct cell_totals *)totals)->type[e->type];
}

static void event_key(struct buf *out, const void *ctx, size_t i)
{
	(void)ctx;
	buf_addf(out, "\"%s\"", nth(false, i)->name);
}

static json_object *event_counts(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_type_counts *c = counts_of(ctx, nth(false, i));
	json_object *row = json_object_new_object();

	rj_put_u64(j, row, "produced", c->counted.produced);
	rj_put_u64(j, row, "delivered", c->delivered);
	rj_put_u64(j, row, "filtered", c->counted.filtered);
	rj_put_u64(j, row, "dropped", c->counted.dropped);
	rj_put_u64(j, row, "truncated", c->counted.truncated);
	rj_put_s64(j, row, "pending_before", c->pending_before);
	rj_put_s64(j, row, "pending_after", c->pending_after);
	return row;
}

static json_object *event_dropped(struct rj *j, const void *ctx, size_t i)
{
	(void)j;
	return rj_u64(counts_of(ctx, nth(false, i))->counted.dropped);
}

static void housekeeping_key(struct buf *out, const void *ctx, size_t i)
{
	(void)ctx;
	buf_addf(out, "\"%s\"", nth(true, i)->name);
}

static json_object *housekeeping_count(struct rj *j, const void *ctx, size_t i)
{
	(void)j;
	return rj_u64(counts_of(ctx, nth(true, i))->delivered);
}

static void put_type_counts(struct rj *j, json_object *report, const struct cell_totals *t)
{
	rj_put_rows(
		j, report, "counts",
		&(struct rj_rows){
			.n = how_many(false), .ctx = t, .value = event_counts, .key = event_key });
	rj_put_rows(j, report, "housekeeping",
		    &(struct rj_rows){ .n = how_many(true),
				       .ctx = t,
				       .value = housekeeping_count,
				       .key = housekeeping_key,
				       .style = RJ_INLINE });
}

static json_object *blind_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_blind *b = (const struct cell_blind *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_time(j, row, "from", b->from_ns);
	rj_put_time(j, row, "to", b->to_ns);
	rj_put_span(j, row, "reason", b->reason);
	return row;
}

static void put_loss(struct rj *j, json_object *report, const struct cell_view *v)
{
	const struct cell_totals *t = v->totals;
	json_object *loss = rj_put_object(j, report, "loss");

	rj_put_u64(j, loss, "total", report_lost(t));
	rj_put_rows(j, loss, "by_type",
		    &(struct rj_rows){ .n = how_many(false),
				       .ctx = t,
				       .value = event_dropped,
				       .key = event_key,
				       .style = RJ_INLINE });
	rj_put_seconds(j, loss, "blind_seconds", (edr_s64)t->blind_ns);
	rj_put_seconds(j, loss, "blind_seconds_before", (edr_s64)t->blind_ns_before);
	rj_put_bool(j, loss, "blind_rounded", t->blind_rounded);
	rj_put_rows(j, loss, "blind",
		    &(struct rj_rows){ .n = v->n_blind, .ctx = v->blind, .value = blind_row });
}

/* ---- how the agent itself fared ---- */

static json_object *step_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_step *s = (const struct cell_step *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_time(j, row, "at", s->at_ns);
	rj_put_seconds(j, row, "by_seconds", s->by_ns);
	return row;
}

static void put_clock(struct rj *j, json_object *report, const struct cell_view *v)
{
	json_object *clock = rj_put_object(j, report, "clock");

	rj_put_u64(j, clock, "steps", v->totals->clock_steps);
	rj_put_rows(j, clock, "step_list",
		    &(struct rj_rows){ .n = v->n_steps, .ctx = v->steps, .value = step_row });
	rj_put_u64(j, clock, "late_events", v->totals->late);
	rj_put_u64(j, clock, "ahead_events", v->totals->ahead);
}

static void put_processes(struct rj *j, json_object *report, const struct cell_totals *t)
{
	json_object *p = rj_put_object(j, report, "processes");

	rj_put_u64(j, p, "entries", t->processes.entries);
	rj_put_u64(j, p, "alive", t->processes.alive);
	rj_put_u64(j, p, "evicted_exited", t->processes.evicted_exited);
	rj_put_u64(j, p, "evicted_alive", t->processes.evicted_alive);
	rj_put_u64(j, p, "unknown", t->processes.unknown);
	rj_put_u64(j, p, "healed", t->processes.healed);
}

static void put_interim(struct rj *j, json_object *report, const struct cell_totals *t)
{
	json_object *o = rj_put_object(j, report, "interim");

	rj_put_u64(j, o, "parts", t->parts);
	rj_put_u64(j, o, "events_in_parts", t->events_in_parts);
	rj_put_u64(j, o, "events_listed", t->events_listed);
	rj_put_u64(j, o, "events_unlisted", t->events_unlisted);
	rj_put_u64(j, o, "events_over_limit", t->events_over_limit);
}

static void put_redaction(struct rj *j, json_object *report, const struct cell_totals *t)
{
	json_object *o = rj_put_object(j, report, "redaction");

	rj_put_text(j, o, "mode", t->redact_off ? "off" : "on");
	rj_put_u64(j, o, "records", t->redacted);
}

/* ---- findings ---- */

unsigned report_worst_finding(const struct cell_totals *t)
{
	unsigned severity = CELL_SEVERITIES - 1;

	while (severity && !t->findings[severity])
		severity--;
	return severity;
}

void report_put_severity(struct rj *j, json_object *report, const char *key, unsigned severity)
{
	if (severity)
		rj_put_u64(j, report, key, severity);
	else
		rj_put_null(j, report, key);
}

static json_object *finding_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_finding *f = (const struct cell_finding *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_span(j, row, "id", f->id);
	rj_put_time(j, row, "time", f->time_ns);
	rj_put_u64(j, row, "severity", f->severity);
	rj_put_span(j, row, "title", f->title);
	rj_put_span(j, row, "details", f->details);
	rj_put_span(j, row, "technique", f->technique);
	return row;
}

static void put_findings(struct rj *j, json_object *report, const struct cell_view *v)
{
	static const char *const key[CELL_SEVERITIES] = { NULL, "1", "2", "3", "4", "5" };
	json_object *counts = rj_put_object(j, report, "finding_counts");

	for (size_t i = CELL_SEVERITIES - 1; i > 0; i--)
		rj_put_u64(j, counts, key[i], v->totals->findings[i]);
	rj_put_rows(
		j, report, "findings",
		&(struct rj_rows){ .n = v->n_findings, .ctx = v->findings, .value = finding_row });
}

/* ---- the reports ---- */

void report_put_head(struct rj *j, json_object *report, const char *level, const char *id,
		     const struct cell_view *v)
{
	put_head(j, report, level, id);
	put_host(j, report, v->host);
}

void report_put_sums(struct rj *j, json_object *report, const struct cell_view *v)
{
	const struct cell_totals *t = v->totals;

	put_findings(j, report, v);
	put_loss(j, report, v);
	put_type_counts(j, report, t);
	put_clock(j, report, v);
	put_processes(j, report, t);
	put_interim(j, report, t);
	put_redaction(j, report, t);
	cell_json_own_cost(j, report, t);
	cell_json_other(j, report, v);
}

/* ---- the raw events, the last member ---- */

#define EVENTS ",\n  \"events\": ["
#define EVENTS_END "\n  ]\n}\n"

/* In place of the end that rj_print() has made. */
static int open_events(struct buf *json)
{
	json->len -= CHAIN_END_LEN;
	buf_adds(json, EVENTS);
	return buf_failed(json) ? -ENOMEM : 0;
}

static int add_events(struct buf *json, const struct cell_chunk *c)
{
	int err = open_events(json);

	if (!err && c) {
		buf_add(json, c->text + 1, c->len - 1); /* without the comma */
		while ((c = c->next))
			buf_add(json, c->text, c->len);
		buf_adds(json, EVENTS_END);
	} else if (!err) {
		buf_adds(json, "]\n}\n");
	}
	return buf_failed(json) ? -ENOMEM : err;
}

static json_object *cell_object(struct rj *j, const struct cell_view *v,
				const struct local_analysis *a, const struct buf *id)
{
	const struct cell_totals *t = v->totals;
	json_object *report = json_object_new_object();

	report_put_head(j, report, "cell", id->data, v);
	report_put_window(j, report, t);
	rj_put_u64(j, report, "total", t->events);
	rj_put_u64(j, report, "severity", a->severity);
	local_json(j, report, a, t);
	report_put_sums(j, report, v);
	cell_json_command_counts(j, report, "command_counts", v, v->n_commands);
	cell_json_process_events(j, report, v);
	cell_json_executables(j, report, v);
	cell_json_connections(j, report, v);
	cell_json_syscalls(j, report, v);
	return report;
}

int report_cell_json(const struct cell *cell, struct buf *id, struct buf *json)
{
	struct local_analysis analysis;
	struct cell_view v = { 0 };
	struct rj j = { 0 };
	int err;

	err = cell_view_open(&v, cell);
	if (err)
		return err;
	cell_id(id, v.totals->window_start_ns, v.totals->watched_from_ns);
	err = local_analyse(&analysis, &v, NULL);
	if (!err)
		err = buf_failed(id) ? -ENOMEM
				     : rj_print(&j, cell_object(&j, &v, &analysis, id), json);
	if (!err)
		err = add_events(json, v.events);
	local_free(&analysis);
	rj_free(&j);
	cell_view_close(&v);
	return err;
}

static void put_cell_id(struct rj *j, json_object *report, const struct cell_events_view *v)
{
	struct buf id = { 0 };

	cell_id(&id, v->window_start_ns, v->watched_from_ns);
	if (buf_failed(&id))
		j->failed = true;
	else
		rj_put_span(j, report, "cell_id", (struct wire_span){ id.data, id.len });
	buf_free(&id);
}

/* v is the first part's, with the totals of all n. */
static json_object *interim_object(struct rj *j, const struct cell_events_view *v, size_t n,
				   const struct buf *id)
{
	json_object *report = json_object_new_object();

	put_head(j, report, "interim", id->data);
	put_host(j, report, &v->host);
	put_window_time(j, report, "window_start", v->window_start_ns);
	put_window_time(j, report, "window_end", v->window_end_ns);
	rj_put_u64(j, report, "interval_minutes", v->interval_min);
	put_cell_id(j, report, v);
	rj_put_time(j, report, "covered_from", v->watched_from_ns);
	rj_put_u64(j, report, "part", v->part);
	rj_put_u64(j, report, "last_part", v->part + n - 1);
	rj_put_text(j, report, "why", v->why);
	rj_put_time(j, report, "first_event", v->first_ns);
	rj_put_time(j, report, "last_event", v->last_ns);
	rj_put_u64(j, report, "total", v->n_events);
	return report;
}

static void add_part(struct cell_events_view *all, const struct cell_events_view *v)
{
	if (v->first_ns < all->first_ns)
		all->first_ns = v->first_ns;
	if (v->last_ns > all->last_ns)
		all->last_ns = v->last_ns;
	all->n_events += v->n_events;
}

static struct cell_events_view view_parts(struct cell_events *const *part, size_t n)
{
	struct cell_events_view all, v;

	cell_events_view(part[0], &all);
	for (size_t i = 1; i < n; i++) {
		cell_events_view(part[i], &v);
		add_part(&all, &v);
	}
	return all;
}

/* A part has at least one event. */
static int list_chunks(struct cell_events *const *part, size_t n, struct report_text *out)
{
	const struct cell_chunk *c;
	struct cell_events_view v;
	size_t chunks = 0;

	for (size_t i = 0; i < n; i++) {
		cell_events_view(part[i], &v);
		for (c = v.events; c; c = c->next)
			chunks++;
	}
	out->rest = calloc(chunks + 1, sizeof(*out->rest));
	if (!out->rest)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		cell_events_view(part[i], &v);
		for (c = v.events; c; c = c->next)
			out->rest[out->n_rest++] = (struct wire_span){ c->text, c->len };
	}
	if (chunks) {
		out->rest[0].data++; /* without the comma */
		out->rest[0].len--;
	}
	out->rest[out->n_rest++] = (struct wire_span){ EVENTS_END, sizeof(EVENTS_END) - 1 };
	return 0;
}

int cell_json_parts(struct cell_events *const *part, size_t n, struct buf *id,
		    struct report_text *out)
{
	const struct cell_events_view all = view_parts(part, n);
	struct rj j = { 0 };
	int err;

	interim_id(id, &all);
	err = buf_failed(id) ? -ENOMEM : rj_print(&j, interim_object(&j, &all, n, id), &out->head);
	if (!err)
		err = open_events(&out->head);
	if (!err)
		err = list_chunks(part, n, out);
	rj_free(&j);
	return err;
}

void report_text_free(struct report_text *t)
{
	buf_free(&t->head);
	free(t->rest);
	*t = (struct report_text){ .n_rest = 0 };
}

int report_interim_json(struct cell_events *part, struct buf *id, struct buf *json)
{
	struct report_text text = { .n_rest = 0 };
	int err = cell_json_parts(&part, 1, id, &text);

	if (!err) {
		buf_add(json, text.head.data, text.head.len);
		for (size_t i = 0; i < text.n_rest; i++)
			buf_add(json, text.rest[i].data, text.rest[i].len);
	}
	report_text_free(&text);
	return buf_failed(json) ? -ENOMEM : err;
}

void report_cell_summary(const struct cell *cell, struct report_cell_summary *out)
{
	const struct cell_totals *t = cell_totals(cell);

	rj_time(out->window_start, t->window_start_ns, false);
	rj_time(out->window_end, t->window_end_ns, false);
	out->events = t->events;
	out->execs = t->type[EDR_EXEC].delivered;
	out->lost = report_lost(t);
	out->blind_s = (double)t->blind_ns / (double)NS_PER_S;
	out->partial = t->partial;
}
