/* SPDX-License-Identifier: MIT */
/*
 * A report's text back into a cell. A damaged file must not count as one in which less happened:
 * all members that the sums are made of have to be there. The rows of the tables: load_tables.c.
 */
#include "report/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/merge.h"
#include "report/parent.h"
#include "report/report.h"

/* ---- members ---- */

/* The top level is looked through once: it holds everything. */
static int index_members(struct load *l, struct wire_span report)
{
	struct wire_span key, value;
	struct jr_iter it;
	int n;

	if (!jr_begin(&it, report, '{'))
		return -EBADMSG;
	while ((n = jr_next(&it, &key, &value)) > 0) {
		if (l->n_members == LOAD_MAX_MEMBERS)
			return -EBADMSG;
		l->key[l->n_members] = key;
		l->value[l->n_members++] = value;
	}
	return n;
}

static bool find_member(const struct load *l, const char *name, struct wire_span *value)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i < l->n_members; i++) {
		if (l->key[i].len == len && memcmp(l->key[i].data, name, len) == 0) {
			*value = l->value[i];
			return true;
		}
	}
	return false;
}

struct wire_span load_member(struct load *l, const char *name)
{
	struct wire_span value = { "", 0 };

	if (!find_member(l, name, &value))
		l->bad = true;
	return value;
}

struct wire_span load_in(struct load *l, struct wire_span object, const char *name)
{
	struct wire_span value = { "", 0 };

	if (!jr_member(object, name, &value))
		l->bad = true;
	return value;
}

edr_u64 load_u64(struct load *l, struct wire_span object, const char *name)
{
	edr_u64 n = 0;

	if (!jr_u64(load_in(l, object, name), &n))
		l->bad = true;
	return n;
}

static edr_s64 load_s64(struct load *l, struct wire_span object, const char *name)
{
	edr_s64 n = 0;

	if (!jr_s64(load_in(l, object, name), &n))
		l->bad = true;
	return n;
}

edr_s64 load_time(struct load *l, struct wire_span object, const char *name)
{
	edr_s64 ns = 0;

	if (!jr_time(load_in(l, object, name), &ns) || ns < 0)
		l->bad = true;
	return ns;
}

static edr_s64 load_seconds(struct load *l, struct wire_span object, const char *name)
{
	edr_s64 ns = 0;

	if (!jr_seconds(load_in(l, object, name), &ns))
		l->bad = true;
	return ns;
}

/* Of time that only runs forward. */
static edr_u64 load_length(struct load *l, struct wire_span object, const char *name)
{
	const edr_s64 ns = load_seconds(l, object, name);

	if (ns < 0)
		l->bad = true;
	return ns < 0 ? 0 : (edr_u64)ns;
}

static bool load_bool(struct load *l, struct wire_span object, const char *name)
{
	const struct wire_span v = load_in(l, object, name);

	if (!jr_is(v, "true") && !jr_is(v, "false"))
		l->bad = true;
	return jr_is(v, "true");
}

/*
 * Into the arena, which has room for all that the value it was opened for can hold: no earlier span
 * moves.
 */
struct wire_span load_string(struct load *l, struct wire_span value)
{
	const size_t at = l->arena.len;

	if (!jr_string(value, &l->arena))
		l->bad = true;
	return (struct wire_span){ l->arena.data + at, l->arena.len - at };
}

struct wire_span load_key(struct load *l, struct wire_span key)
{
	const size_t at = l->arena.len;

	if (!jr_key(key, &l->arena))
		l->bad = true;
	return (struct wire_span){ l->arena.data + at, l->arena.len - at };
}

int load_arena(struct load *l, struct wire_span value)
{
	buf_clear(&l->arena);
	return buf_reserve(&l->arena, 2 * value.len + 64) ? 0 : -ENOMEM;
}

/* Grows an array to hold one more; NULL without memory. */
void *load_grow(void *array, size_t n, size_t *cap, size_t size)
{
	const size_t more = *cap ? 2 * *cap : 16;
	void *to;

	if (n < *cap)
		return array;
	to = realloc(array, more * size);
	if (to)
		*cap = more;
	return to;
}

/* ---- head, window, counts ---- */

unsigned long long report_schema_version(const struct buf *json)
{
	const struct wire_span doc = { json->data, json->len };
	struct wire_span v;
	edr_u64 version;

	return jr_member(doc, "schema_version", &v) && jr_u64(v, &version) ? version : 0;
}

static int load_head(struct load *l, struct report_info *info)
{
	struct wire_span name, id, severity;
	edr_u64 version = 0, n = 0;

	name = load_string(l, load_member(l, "level"));
	buf_addc(&l->arena, '\0');
	if (l->bad)
		return -EBADMSG;
	info->level = report_level_by_name(name.data);
	if (info->level == N_LEVELS || !jr_u64(load_member(l, "schema_version"), &version) ||
	    version != REPORT_SCHEMA_VERSION)
		return -EBADMSG;
	id = load_string(l, load_member(l, "report_id"));
	if (l->bad || id.len == 0 || id.len >= sizeof(info->id) || memchr(id.data, '\0', id.len))
		return -EBADMSG;
	memcpy(info->id, id.data, id.len);
	severity = load_member(l, "severity");
	if (!jr_is(severity, "null") && (!jr_u64(severity, &n) || n < 1 || n > 5))
		return -EBADMSG;
	info->severity = (unsigned)n;
	return l->bad ? -EBADMSG : 0;
}

static void load_host(struct load *l, struct cell_host *h)
{
	const struct wire_span host = load_member(l, "host");
	struct wire_span key, value;
	struct jr_iter it;
	size_t at;
	int n = -1;

	h->hostname = load_string(l, load_in(l, host, "name"));
	h->machine_id = load_string(l, load_in(l, host, "machine_id"));
	h->kernel = load_string(l, load_in(l, host, "kernel"));
	h->arch = load_string(l, load_in(l, host, "arch"));
	h->agent = load_string(l, load_member(l, "agent_version"));
	h->source = load_string(l, load_member(l, "source"));
	h->hooks = load_string(l, load_member(l, "hooks"));
	at = l->arena.len;
	if (jr_begin(&it, load_member(l, "degraded"), '['))
		while ((n = jr_next(&it, &key, &value)) > 0) {
			load_string(l, value);
			buf_addc(&l->arena, '\0');
		}
	if (n)
		l->bad = true;
	h->degraded = (struct wire_span){ l->arena.data + at, l->arena.len - at };
}

static void load_window(struct load *l, struct cell_totals *t)
{
	const struct wire_span w = load_member(l, "window");

	if (!jr_time(load_member(l, "window_start"), &t->window_start_ns) ||
	    !jr_time(load_member(l, "window_end"), &t->window_end_ns) || t->window_start_ns < 0 ||
	    t->window_start_ns >= t->window_end_ns)
		l->bad = true;
	t->interval_min = (unsigned)load_u64(l, w, "interval_minutes");
	t->partial = load_bool(l, w, "partial");
	t->watched_from_ns = load_time(l, w, "covered_from");
	t->watched_to_ns = load_time(l, w, "covered_to");
	t->watched_ns = load_length(l, w, "covered_seconds");
	t->first_ns = load_time(l, w, "first_event");
	t->last_ns = load_time(l, w, "last_event");
	t->windows_skipped = load_u64(l, w, "windows_skipped_before");
}

static void load_types(struct load *l, struct cell_totals *t)
{
	const struct wire_span counts = load_member(l, "counts");
	const struct wire_span housekeeping = load_member(l, "housekeeping");

	for (size_t i = 0; i < wire_n_events; i++) {
		const struct wire_event *e = &wire_events[i];
		struct cell_type_counts *c = &t->type[e->type];
		struct wire_span row;

		if (!strcmp(e->group, "always")) {
			if (jr_member(housekeeping, e->name, &row) || e->type <= EDR_BLIND)
				c->delivered = load_u64(l, housekeeping, e->name);
			continue;
		}
		/* A report of an older program: there was no such event. */
		if (!jr_member(counts, e->name, &row))
			continue;
		c->delivered = load_u64(l, row, "delivered");
		c->counted.produced = load_u64(l, row, "produced");
		c->counted.filtered = load_u64(l, row, "filtered");
		c->counted.dropped = load_u64(l, row, "dropped");
		c->counted.truncated = load_u64(l, row, "truncated");
		c->pending_before = load_s64(l, row, "pending_before");
		c->pending_after = load_s64(l, row, "pending_after");
		t->events += c->delivered;
	}
	if (counts.len == 0 || counts.data[0] != '{')
		l->bad = true;
}

static void load_agent(struct load *l, struct cell_totals *t)
{
	const struct wire_span p = load_member(l, "processes"), o = load_member(l, "interim");
	const struct wire_span clock = load_member(l, "clock");

	t->processes.entries = load_u64(l, p, "entries");
	t->processes.alive = load_u64(l, p, "alive");
	t->processes.evicted_exited = load_u64(l, p, "evicted_exited");
	t->processes.evicted_alive = load_u64(l, p, "evicted_alive");
	t->processes.unknown = load_u64(l, p, "unknown");
	t->processes.healed = load_u64(l, p, "healed");
	t->parts = (unsigned)load_u64(l, o, "parts");
	t->events_in_parts = load_u64(l, o, "events_in_parts");
	t->events_listed = load_u64(l, o, "events_listed");
	t->events_unlisted = load_u64(l, o, "events_unlisted");
	t->events_over_limit = load_u64(l, o, "events_over_limit");
	t->clock_steps = load_u64(l, clock, "steps");
	t->late = load_u64(l, clock, "late_events");
	t->ahead = load_u64(l, clock, "ahead_events");
	t->unattributed = load_u64(l, load_member(l, "other"), "unattributed");
}

/* Null: not known. */
static edr_u64 load_known(struct load *l, struct wire_span object, const char *name)
{
	return jr_is(load_in(l, object, name), "null") ? 0 : load_u64(l, object, name);
}

static edr_u64 load_known_length(struct load *l, struct wire_span object, const char *name)
{
	return jr_is(load_in(l, object, name), "null") ? 0 : load_length(l, object, name);
}

static void load_programs(struct load *l, struct wire_span list, struct cell_cost *c)
{
	struct wire_span key, value, name;
	struct jr_iter it;
	size_t rows = 0;
	int n = 0;

	if (!jr_begin(&it, list, '['))
		l->bad = true;
	while (!l->bad && (n = jr_next(&it, &key, &value)) > 0) {
		name = load_string(l, load_in(l, value, "name"));
		if (rows++ == CELL_PROGRAMS ||
		    !cell_put_program(c, name, load_length(l, value, "seconds"),
				      load_u64(l, value, "runs")))
			l->bad = true;
	}
	if (n < 0)
		l->bad = true;
}

/* A report of an older program has none, or none by program. */
static void load_cost(struct load *l, struct cell_cost *c)
{
	struct wire_span o, programs;

	if (!find_member(l, "own_cost", &o))
		return;
	if (jr_member(o, "programs", &programs) && !jr_is(programs, "null"))
		load_programs(l, programs, c);
	c->user_ns = load_known_length(l, o, "agent_user_seconds");
	c->system_ns = load_known_length(l, o, "agent_system_seconds");
	c->bpf_ns = load_known_length(l, o, "bpf_cpu_seconds");
	c->bpf_sampled_ns = load_known_length(l, o, "bpf_sampled_seconds");
	c->bpf_sampled_runs = load_known(l, o, "bpf_sampled_runs");
	c->memory_bytes = load_known(l, o, "memory_bytes");
	c->memory_peak_bytes = load_known(l, o, "memory_peak_bytes");
	c->bpf_memory_bytes = load_known(l, o, "bpf_memory_bytes");
}

/* A report of an older program has none. */
static void load_baseline(struct load *l, struct cell_baseline *b)
{
	struct wire_span analysis = load_member(l, "analysis"), o;

	if (jr_is(analysis, "null") || !jr_member(analysis, "baseline", &o))
		return;
	b->learning = load_bool(l, o, "learning");
	b->days = (unsigned)load_u64(l, o, "days");
	b->usual_execs = load_u64(l, o, "usual_execs");
	b->evicted = load_u64(l, o, "evicted");
}

/* An older program did not look for secrets. */
static void load_redaction(struct load *l, struct cell_totals *t)
{
	struct wire_span o, mode;

	t->redact_off = !find_member(l, "redaction", &o);
	if (t->redact_off)
		return;
	mode = load_in(l, o, "mode");
	if (!jr_is(mode, "\"on\"") && !jr_is(mode, "\"off\""))
		l->bad = true;
	t->redact_off = jr_is(mode, "\"off\"");
	t->redacted = load_u64(l, o, "records");
}

/* ---- short lists ---- */

static int load_steps(struct load *l)
{
	struct wire_span key, value;
	struct jr_iter it;
	int n;

	if (!jr_begin(&it, load_in(l, load_member(l, "clock"), "step_list"), '['))
		return -EBADMSG;
	while ((n = jr_next(&it, &key, &value)) > 0) {
		if (l->view.n_steps == LOAD_MAX_STEPS)
			return -EBADMSG;
		l->step[l->view.n_steps++] = (struct cell_step){
			.at_ns = load_time(l, value, "at"),
			.by_ns = load_seconds(l, value, "by_seconds"),
		};
	}
	l->view.steps = l->step;
	return n;
}

static int load_blind(struct load *l, struct cell_totals *t)
{
	const struct wire_span loss = load_member(l, "loss");
	struct wire_span key, value;
	struct jr_iter it;
	int n;

	t->blind_ns = load_length(l, loss, "blind_seconds");
	t->blind_ns_before = load_length(l, loss, "blind_seconds_before");
	t->blind_rounded = load_bool(l, loss, "blind_rounded");
	if (!jr_begin(&it, load_in(l, loss, "blind"), '['))
		return -EBADMSG;
	while ((n = jr_next(&it, &key, &value)) > 0) {
		if (l->view.n_blind == LOAD_MAX_BLIND)
			return -EBADMSG;
		l->blind[l->view.n_blind++] = (struct cell_blind){
			.from_ns = load_time(l, value, "from"),
			.to_ns = load_time(l, value, "to"),
			.reason = load_string(l, load_in(l, value, "reason")),
		};
	}
	l->view.blind = l->blind;
	return n;
}

static int load_findings(struct load *l, struct cell_totals *t)
{
	const struct wire_span counts = load_member(l, "finding_counts");
	struct wire_span key, value;
	char name[2] = "1";
	struct jr_iter it;
	int n;

	for (size_t i = 1; i < CELL_SEVERITIES; i++, name[0]++)
		t->findings[i] = load_u64(l, counts, name);
	if (!jr_begin(&it, load_member(l, "findings"), '['))
		return -EBADMSG;
	while ((n = jr_next(&it, &key, &value)) > 0) {
		struct cell_finding *f = &l->finding[l->view.n_findings];

		if (l->view.n_findings == LOAD_MAX_FINDINGS)
			return -EBADMSG;
		f->id = load_string(l, load_in(l, value, "id"));
		f->time_ns = load_time(l, value, "time");
		f->severity = (unsigned)load_u64(l, value, "severity");
		f->title = load_string(l, load_in(l, value, "title"));
		f->details = load_string(l, load_in(l, value, "details"));
		f->technique = load_string(l, load_in(l, value, "technique"));
		if (f->severity < 1 || f->severity >= CELL_SEVERITIES)
			return -EBADMSG;
		l->view.n_findings++;
	}
	l->view.findings = l->finding;
	return n;
}

/* ---- the whole ---- */

/* What is in the arena by then is needed to the end: the rows use another. */
static int load_rest(struct load *l, struct report_info *info)
{
	struct cell_totals *t = &l->totals;
	int err;

	err = load_head(l, info);
	if (err)
		return err;
	load_host(l, &l->host);
	load_window(l, t);
	load_types(l, t);
	load_agent(l, t);
	load_cost(l, &t->cost);
	load_baseline(l, &t->baseline);
	load_redaction(l, t);
	if (load_steps(l) || load_blind(l, t) || load_findings(l, t) || l->bad)
		return -EBADMSG;
	l->view.totals = t;
	l->view.host = &l->host;
	return 0;
}

static int load_all(struct load *l, const char *json, size_t len, struct report_info *info)
{
	struct wire_span report;
	struct buf rest;
	int err;

	if (!jr_document(json, len, &report) || index_members(l, report))
		return -EBADMSG;
	/* Raw events are far larger than what is read here, and are not. */
	err = load_arena(l,
			 (struct wire_span){ json, len < LOAD_REST_BYTES ? len : LOAD_REST_BYTES });
	if (!err)
		err = load_rest(l, info);
	if (err)
		return err;
	l->cell = cell_new_window(l->totals.window_start_ns, l->totals.window_end_ns,
				  l->totals.interval_min, NULL);
	rest = l->arena;
	l->arena = (struct buf){ 0 };
	err = l->cell ? load_tables(l) : -ENOMEM;
	if (!err && l->bad)
		err = -EBADMSG;
	if (!err)
		err = cell_settle(l->cell, &l->view);
	buf_free(&rest);
	return err;
}

int report_load(const char *json, size_t len, struct cell **out, struct report_info *info)
{
	struct load *l = calloc(1, sizeof(*l));
	int err;

	*out = NULL;
	memset(info, 0, sizeof(*info));
	if (!l)
		return -ENOMEM;
	err = load_all(l, json, len, info);
	if (!err && l->arena.failed)
		err = -ENOMEM;
	if (err)
		cell_free(l->cell);
	else
		*out = l->cell;
	load_free_tables(l);
	buf_free(&l->arena);
	free(l);
	return err;
}
