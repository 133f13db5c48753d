/* SPDX-License-Identifier: MIT */
#include "cell/merge.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cell/build.h"
#include "cell/cell_private.h"

/* Items of the small lists that a parent holds: 100 bytes or so each. */
#define COUNTS_PER_EXE 32
#define COUNTS_PER_CONNECTION 16

/* Every new row is kept: what is too much is taken out when a whole cell has been merged. */
static void lift(struct table *t)
{
	t->max_rows = t->max_bytes = SIZE_MAX / 2;
	t->merges = true;
}

struct cell *cell_new_window(edr_s64 start_ns, edr_s64 end_ns, unsigned interval_min,
			     const struct cell_limits *limits)
{
	const struct cell_config cfg = { .interval_min = interval_min };
	struct cell *c = cell_new(&cfg);

	if (!c)
		return NULL;
	lift(&c->exes);
	lift(&c->failed);
	lift(&c->lines);
	lift(&c->commands);
	lift(&c->connections);
	lift(&c->syscalls);
	c->counts.max_rows = c->counts.max_bytes = SIZE_MAX / 2;
	memset(&c->trim, 0xff, sizeof(c->trim)); /* none */
	if (limits) {
		c->trim = *limits;
		c->counts.max_rows = limits->executables * COUNTS_PER_EXE +
				     limits->connections * COUNTS_PER_CONNECTION;
	}
	c->totals.window_start_ns = start_ns;
	c->totals.window_end_ns = end_ns;
	c->totals.interval_min = interval_min;
	c->totals.partial = true;
	host_free(&c->host); /* its spans point to "" from here on */
	return c;
}

/* ---- tables ---- */

/* A row, and what decides whether it stays. */
struct rank {
	struct row *row;
	edr_u64 events;
	struct wire_span owner, key;
};

static int compare_ranks(const void *x, const void *y)
{
	const struct rank *a = x, *b = y;
	int order;

	if (a->events != b->events)
		return a->events > b->events ? -1 : 1;
	order = span_compare(a->owner, b->owner);
	return order ? order : span_compare(a->key, b->key);
}

static struct rank rank_of(const struct cell *cell, const struct table *t, struct row *r)
{
	struct rank rank = { .row = r, .events = r->events, .key = { row_key(t, r), r->key_len } };
	const struct exe_row *exe;

	if (t != &cell->lines)
		return rank;
	/* Its executable has a number, which is another in another run: the name instead. */
	exe = ((const struct line_row *)r)->exe;
	rank.owner = (struct wire_span){ row_key(&cell->exes, &exe->row), exe->row.key_len };
	rank.key.data += sizeof(exe->id);
	rank.key.len -= sizeof(exe->id);
	return rank;
}

/* Keeps the rows with the largest counts. */
static int trim(struct cell *cell, struct table *t, size_t max)
{
	const size_t n = HASH_COUNT(t->index);
	struct rank *rank;
	struct row *r;
	size_t i = 0;

	if (n <= max)
		return 0;
	rank = malloc(n * sizeof(*rank));
	if (!rank)
		return -ENOMEM;
	for (r = t->index; r; r = r->hh.next)
		rank[i++] = rank_of(cell, t, r);
	qsort(rank, n, sizeof(*rank), compare_ranks);
	for (i = max; i < n; i++)
		table_drop(t, cell, rank[i].row);
	free(rank);
	return 0;
}

/* Larger than all that is not listed it cannot be. */
static void cap(struct table *t)
{
	if (t->other.at_most > t->other.events)
		t->other.at_most = t->other.events;
}

int cell_trim(struct cell *c, const struct cell_limits *max)
{
	if (trim(c, &c->exes, max->executables) || trim(c, &c->failed, max->failed) ||
	    trim(c, &c->lines, max->command_lines) || trim(c, &c->commands, max->commands) ||
	    trim(c, &c->connections, max->connections) || trim(c, &c->syscalls, max->syscalls))
		return -ENOMEM;
	cap(&c->exes);
	cap(&c->failed);
	cap(&c->lines);
	cap(&c->commands);
	cap(&c->connections);
	cap(&c->syscalls);
	return 0;
}

/* A row that did not come now may have had events among those that were not listed. */
static void settle_table(struct table *t, const struct cell_other *other)
{
	struct row *r;

	for (r = t->index; r; r = r->hh.next) {
		if (!r->merged)
			r->short_by += other->at_most;
		r->merged = false;
	}
	t->other.rows += other->rows;
	t->other.events += other->events;
	t->other.at_most += other->at_most;
}

static void settle_tables(struct cell *c, const struct cell_view *v)
{
	settle_table(&c->exes, &v->exes_other);
	settle_table(&c->failed, &v->failed_other);
	settle_table(&c->lines, &v->command_lines_other);
	settle_table(&c->commands, &v->commands_other);
	settle_table(&c->connections, &v->connections_other);
	settle_table(&c->syscalls, &v->syscalls_other);
	cell_add_counts(&c->exes_other, &v->exes_other_counts);
	/* The view has them in one. */
	c->exes_other.failed_runs -= v->exes_other_counts.failed_runs;
	c->failed_other.failed_runs += v->exes_other_counts.failed_runs;
}

/* ---- numbers ---- */

static edr_s64 sum(edr_s64 a, edr_s64 b)
{
	return (edr_s64)((edr_u64)a + (edr_u64)b);
}

static void add_types(struct cell_totals *t, const struct cell_totals *s)
{
	size_t i;

	for (i = 0; i < EDR_TYPE_MAX; i++) {
		struct cell_type_counts *to = &t->type[i];
		const struct cell_type_counts *from = &s->type[i];

		to->delivered += from->delivered;
		to->counted.produced += from->counted.produced;
		to->counted.filtered += from->counted.filtered;
		to->counted.dropped += from->counted.dropped;
		to->counted.truncated += from->counted.truncated;
		to->pending_before = sum(to->pending_before, from->pending_before);
		to->pending_after = sum(to->pending_after, from->pending_after);
	}
}

static void add_times(struct cell_totals *t, const struct cell_totals *s, bool first)
{
	if (first || s->watched_from_ns < t->watched_from_ns)
		t->watched_from_ns = s->watched_from_ns;
	if (s->watched_to_ns > t->watched_to_ns)
		t->watched_to_ns = s->watched_to_ns;
	t->watched_ns += s->watched_ns;
	if (s->first_ns && (!t->first_ns || s->first_ns < t->first_ns))
		t->first_ns = s->first_ns;
	if (s->last_ns > t->last_ns)
		t->last_ns = s->last_ns;
	t->blind_ns += s->blind_ns;
	t->blind_ns_before += s->blind_ns_before;
	t->blind_rounded |= s->blind_rounded;
}

static void add_baseline(struct cell_baseline *to, const struct cell_baseline *from)
{
	to->learning |= from->learning;
	if (from->days > to->days)
		to->days = from->days;
	to->usual_execs += from->usual_execs;
	if (from->evicted > to->evicted)
		to->evicted = from->evicted;
}

static void add_totals(struct cell *dst, const struct cell_totals *s)
{
	struct cell_totals *t = &dst->totals;
	size_t i;

	add_types(t, s);
	add_times(t, s, dst->merged == 0);
	t->windows_skipped += s->windows_skipped;
	t->events += s->events;
	t->late += s->late;
	t->ahead += s->ahead;
	t->unattributed += s->unattributed;
	t->clock_steps += s->clock_steps;
	t->redacted += s->redacted;
	t->redact_off |= s->redact_off;
	t->events_listed += s->events_listed;
	t->events_in_parts += s->events_in_parts;
	t->events_unlisted += s->events_unlisted;
	t->events_over_limit += s->events_over_limit;
	t->parts += s->parts;
	cost_add(&t->cost, &s->cost);
	add_baseline(&t->baseline, &s->baseline);
	for (i = 0; i < CELL_SEVERITIES; i++)
		t->findings[i] += s->findings[i];
	if (dst->merged == 0 && s->window_start_ns == t->window_start_ns &&
	    s->window_end_ns == t->window_end_ns)
		t->partial = s->partial;
	else
		t->partial =
			t->watched_ns < (edr_u64)t->window_end_ns - (edr_u64)t->window_start_ns;
}

/* ---- lists ---- */

static int compare_steps(const void *x, const void *y)
{
	const struct cell_step *a = x, *b = y;

	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	return (a->by_ns > b->by_ns) - (a->by_ns < b->by_ns);
}

static void add_steps(struct cell *dst, const struct cell_view *v)
{
	const size_t n = v->n_steps < CELL_MAX_STEPS ? v->n_steps : CELL_MAX_STEPS;
	struct cell_step all[2 * CELL_MAX_STEPS];
	const size_t both = dst->n_steps + n;

	memcpy(all, dst->step, dst->n_steps * sizeof(*all));
	if (n)
		memcpy(all + dst->n_steps, v->steps, n * sizeof(*all));
	/* The first cell's stay as it had them, as they came. */
	if (dst->merged)
		qsort(all, both, sizeof(*all), compare_steps);
	dst->n_steps = both < CELL_MAX_STEPS ? both : CELL_MAX_STEPS;
	memcpy(dst->step, all, dst->n_steps * sizeof(*all));
}

static int compare_reasons(const struct blind *a, const struct blind *b)
{
	return span_compare((struct wire_span){ a->reason, a->reason_len },
			    (struct wire_span){ b->reason, b->reason_len });
}

static int by_reason(const void *x, const void *y)
{
	const struct blind *a = x, *b = y;
	int order = compare_reasons(a, b);

	if (order == 0)
		order = (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
	return order ? order : (a->to_ns > b->to_ns) - (a->to_ns < b->to_ns);
}

static int by_time(const void *x, const void *y)
{
	const struct blind *a = x, *b = y;

	if (a->from_ns != b->from_ns)
		return a->from_ns < b->from_ns ? -1 : 1;
	if (a->to_ns != b->to_ns)
		return a->to_ns < b->to_ns ? -1 : 1;
	return compare_reasons(a, b);
}

/* Joins what goes on over the border of two windows. Gives how many are left. */
static size_t join_touching(struct blind *b, size_t n)
{
	size_t i, to = 0;

	qsort(b, n, sizeof(*b), by_reason);
	for (i = 1; i < n; i++) {
		if (compare_reasons(&b[to], &b[i]) == 0 && b[i].from_ns <= b[to].to_ns) {
			if (b[i].to_ns > b[to].to_ns)
				b[to].to_ns = b[i].to_ns;
		} else {
			b[++to] = b[i];
		}
	}
	n = n ? to + 1 : 0;
	qsort(b, n, sizeof(*b), by_time);
	return n;
}

static struct blind blind_of(const struct cell_blind *b)
{
	struct blind to = { .from_ns = b->from_ns, .to_ns = b->to_ns };

	to.reason_len =
		(edr_u32)(b->reason.len < sizeof(to.reason) ? b->reason.len : sizeof(to.reason));
	if (to.reason_len)
		memcpy(to.reason, b->reason.data, to.reason_len);
	return to;
}

static int add_blind(struct cell *dst, const struct cell_view *v)
{
	size_t i, n = dst->blind.n;
	struct blind *all = malloc((n + v->n_blind + 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	memcpy(all, dst->blind.row, n * sizeof(*all));
	for (i = 0; i < v->n_blind; i++)
		all[n++] = blind_of(&v->blind[i]);
	if (dst->merged)
		n = join_touching(all, n);
	dst->blind.n = 0;
	for (i = 0; i < n; i++)
		windows_append_blind(&dst->blind, &all[i]);
	dst->totals.blind_rounded |= dst->blind.rounded;
	free(all);
	return 0;
}

static int compare_processes(const struct proc_stats *a, const struct proc_stats *b)
{
	const edr_u64 x[] = { a->entries,	a->alive,   a->evicted_exited,
			      a->evicted_alive, a->unknown, a->healed };
	const edr_u64 y[] = { b->entries,	b->alive,   b->evicted_exited,
			      b->evicted_alive, b->unknown, b->healed };
	size_t i;

	for (i = 0; i < sizeof(x) / sizeof(x[0]); i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

/* Of two that ended together any one will do, if only it is always the same. */
static int take_latest(struct cell *dst, const struct cell_view *v)
{
	const bool later = !dst->merged || v->totals->watched_to_ns > dst->latest_ns;
	const bool same = !later && v->totals->watched_to_ns == dst->latest_ns;

	if (later || (same && compare_processes(&dst->totals.processes, &v->totals->processes) < 0))
		dst->totals.processes = v->totals->processes;
	if (later)
		dst->latest_ns = v->totals->watched_to_ns;
	if (!dst->merged)
		return host_set(&dst->host, v->host);
	return host_merge(&dst->host, v->host,
			  later || (same && host_compare(&dst->host.spans, v->host) < 0));
}

int cell_settle(struct cell *cell, const struct cell_view *v)
{
	size_t i;
	int err;

	settle_tables(cell, v);
	err = cell_trim(cell, &cell->trim);
	if (err)
		return err;
	err = take_latest(cell, v);
	if (!err)
		err = add_blind(cell, v);
	for (i = 0; i < v->n_findings && !err; i++)
		err = findings_list(cell, &v->findings[i]);
	if (err)
		return err;
	add_totals(cell, v->totals);
	add_steps(cell, v);
	cell->merged++;
	return 0;
}

/* ---- the whole ---- */

static int put_all(struct cell *dst, const struct cell_view *v)
{
	int err = 0;
	size_t i;

	for (i = 0; i < v->n_exes && !err; i++)
		err = cell_put_exe(dst, &v->exes[i]);
	for (i = 0; i < v->n_commands && !err; i++)
		err = cell_put_command(dst, &v->commands[i]);
	for (i = 0; i < v->n_connections && !err; i++)
		err = cell_put_connection(dst, &v->connections[i]);
	for (i = 0; i < v->n_syscalls && !err; i++)
		err = cell_put_syscall(dst, &v->syscalls[i]);
	return err ? err : cell_settle(dst, v);
}

int cell_merge(struct cell *dst, const struct cell *src)
{
	struct cell_view v;
	int err;

	if (src->totals.window_start_ns < dst->totals.window_start_ns ||
	    src->totals.window_end_ns > dst->totals.window_end_ns)
		return -ERANGE;
	err = cell_view_open(&v, src);
	if (err)
		return err;
	err = put_all(dst, &v);
	cell_view_close(&v);
	return err;
}

void cell_take_events(struct cell *dst, struct cell *src)
{
	dst->events = src->events;
	src->events = NULL;
}
