/* SPDX-License-Identifier: MIT */
/* Cells added up in any order and grouping give the same; with full tables, the same totals. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "collect.h"
#include "made.h"
#include "suite.h"

#define S 1000000000ll
#define START (1795276800ll * S) /* 2026-11-21T16:00:00Z */
#define CELLS 16
#define BLOCK_NS (4 * 3600 * S)

static const struct cell_limits ample = { 2000, 2000, 5000, 2000, 5000, 8000 };

static struct cell *loaded(struct made_rng *r, unsigned i, unsigned n, unsigned names)
{
	const struct cell_finding f = { .id = { "f", 1 },
					.title = { "t", 1 },
					.details = { "", 0 },
					.technique = { "", 0 },
					.time_ns = START + i,
					.severity = 1 + i % 5 };
	struct buf id = { 0 }, text = { 0 };
	struct report_info info;
	struct cell *cell;

	made_cell_report(r, START + i * 900 * S, n, names, i % 3 ? &f : NULL, &id, &text);
	cell = made_load(&text, &info);
	buf_free(&id);
	buf_free(&text);
	return cell;
}

static struct cell *empty(const struct cell_limits *limits)
{
	struct cell *c = cell_new_window(START, START + BLOCK_NS, 0, limits);

	ck_assert_ptr_nonnull(c);
	return c;
}

static void add(struct cell *to, const struct cell *from)
{
	ck_assert_int_eq(cell_merge(to, from), 0);
}

/* The cells in a random order, added in up to four groups, and the groups in a random order. */
static struct cell *random_sum(struct made_rng *r, struct cell *const cell[CELLS],
			       const struct cell_limits *limits)
{
	struct cell *group[4], *sum = empty(limits);
	unsigned order[CELLS];

	for (unsigned i = 0; i < 4; i++)
		group[i] = empty(limits);
	for (unsigned i = 0; i < CELLS; i++) {
		const unsigned j = made_random(r, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned i = 0; i < CELLS; i++)
		add(group[made_random(r, 4)], cell[order[i]]);
	for (unsigned i = made_random(r, 4), n = 0; n < 4; n++, i = (i + 1) % 4)
		if (cell_totals(group[i])->events)
			add(sum, group[i]);
	for (unsigned i = 0; i < 4; i++)
		cell_free(group[i]);
	return sum;
}

static struct cell *plain_sum(struct cell *const cell[CELLS], const struct cell_limits *limits)
{
	struct cell *sum = empty(limits);

	for (unsigned i = 0; i < CELLS; i++)
		add(sum, cell[i]);
	return sum;
}

START_TEST(test_exact)
{
	struct made_rng r = { 10 };
	struct cell *cell[CELLS], *sum;
	struct buf id = { 0 }, text = { 0 };

	for (unsigned i = 0; i < CELLS; i++)
		cell[i] = loaded(&r, i, 50 + i * 20, 60);
	sum = plain_sum(cell, NULL);
	made_text(sum, &id, &text);
	for (unsigned round = 0; round < 30; round++) {
		struct cell *other = random_sum(&r, cell, round % 2 ? &ample : NULL);
		struct buf id2 = { 0 }, text2 = { 0 };

		made_text(other, &id2, &text2);
		ck_assert_str_eq(text.data, text2.data);
		buf_free(&id2);
		buf_free(&text2);
		cell_free(other);
	}
	buf_free(&id);
	buf_free(&text);
	cell_free(sum);
	for (unsigned i = 0; i < CELLS; i++)
		cell_free(cell[i]);
}
END_TEST

static bool same(struct wire_span a, struct wire_span b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void check_bound(edr_u64 count, edr_u64 short_by, edr_u64 truth)
{
	ck_assert_uint_le(count, truth);
	ck_assert_uint_le(truth, count + short_by);
}

static void check_lines(const struct cell_exe *e, const struct cell_exe *truth)
{
	for (size_t i = 0; i < e->n_command_lines; i++)
		for (size_t k = 0; k < truth->n_command_lines; k++)
			if (same(e->command_lines[i].argv, truth->command_lines[k].argv) &&
			    same(e->command_lines[i].command, truth->command_lines[k].command))
				check_bound(e->command_lines[i].count, e->command_lines[i].short_by,
					    truth->command_lines[k].count);
}

static edr_u64 all_of(const struct cell_exe_counts *c)
{
	return c->runs + c->forks + c->threads + c->exits + c->connects + c->connect_ends +
	       c->syscalls;
}

static void check_exes(const struct cell_view *v, const struct cell_view *truth)
{
	edr_u64 runs = v->exes_other_counts.runs, all = 0, lines = v->command_lines_other.events;

	for (size_t i = 0; i < v->n_exes; i++) {
		const struct cell_exe *e = &v->exes[i];
		size_t k = 0;

		while (k < truth->n_exes && !same(e->name, truth->exes[k].name))
			k++;
		ck_assert_uint_lt(k, truth->n_exes);
		check_bound(all_of(&e->counts), e->short_by, all_of(&truth->exes[k].counts));
		check_bound(e->counts.failed_runs, e->failed_short_by,
			    truth->exes[k].counts.failed_runs);
		check_lines(e, &truth->exes[k]);
		runs += e->counts.runs;
		for (size_t l = 0; l < e->n_command_lines; l++)
			lines += e->command_lines[l].count;
	}
	for (size_t k = 0; k < truth->n_exes; k++)
		all += truth->exes[k].counts.runs;
	ck_assert_uint_eq(runs, all);
	ck_assert_uint_eq(lines, all);
}

static void check_commands(const struct cell_view *v, const struct cell_view *truth)
{
	edr_u64 sum = v->commands_other.events;

	for (size_t i = 0; i < v->n_commands; i++) {
		size_t k = 0;

		while (!same(v->commands[i].name, truth->commands[k].name))
			ck_assert_uint_lt(++k, truth->n_commands);
		check_bound(v->commands[i].count, v->commands[i].short_by,
			    truth->commands[k].count);
		sum += v->commands[i].count;
	}
	ck_assert_uint_eq(sum, truth->totals->type[EDR_EXEC].delivered);
}

static void check_connections(const struct cell_view *v, const struct cell_view *truth)
{
	edr_u64 sum = v->connections_other.events;

	for (size_t i = 0; i < v->n_connections; i++) {
		const struct cell_connection *c = &v->connections[i];

		for (size_t k = 0; k < truth->n_connections; k++) {
			const struct cell_connection *t = &truth->connections[k];

			if (same(c->exe, t->exe) && same(c->address, t->address) &&
			    c->port == t->port && c->protocol == t->protocol)
				check_bound(c->connects + c->ends, c->short_by,
					    t->connects + t->ends);
		}
		sum += c->connects + c->ends;
	}
	ck_assert_uint_eq(sum, truth->totals->type[EDR_CONNECT].delivered);
}

START_TEST(test_full_tables)
{
	static const struct cell_limits small = { 40, 40, 60, 40, 30, 160 };
	struct made_rng r = { 11 };
	struct cell *cell[CELLS], *sum;
	struct cell_view truth, v;

	for (unsigned i = 0; i < CELLS; i++)
		cell[i] = loaded(&r, i, 300, 150);
	sum = plain_sum(cell, NULL);
	ck_assert_int_eq(cell_view_open(&truth, sum), 0);
	for (unsigned round = 0; round < 30; round++) {
		struct cell *other = random_sum(&r, cell, &small);

		ck_assert_int_eq(cell_view_open(&v, other), 0);
		ck_assert_uint_gt(v.exes_other.events, 0);
		ck_assert_uint_gt(v.command_lines_other.events, 0);
		ck_assert_uint_eq(v.totals->events, truth.totals->events);
		ck_assert_mem_eq(v.totals->type, truth.totals->type, sizeof(v.totals->type));
		ck_assert_uint_eq(v.totals->watched_ns, truth.totals->watched_ns);
		check_exes(&v, &truth);
		check_commands(&v, &truth);
		check_connections(&v, &truth);
		cell_view_close(&v);
		cell_free(other);
	}
	cell_view_close(&truth);
	cell_free(sum);
	for (unsigned i = 0; i < CELLS; i++)
		cell_free(cell[i]);
}
END_TEST

START_TEST(test_window)
{
	struct made_rng r = { 12 };
	struct cell *inside = loaded(&r, 0, 10, 5), *outside = loaded(&r, 16, 10, 5);
	struct cell *sum = empty(NULL);

	ck_assert_int_eq(cell_merge(sum, outside), -ERANGE);
	ck_assert_uint_eq(cell_totals(sum)->events, 0);
	ck_assert_int_eq(cell_merge(sum, inside), 0);
	ck_assert_uint_eq(cell_totals(sum)->events, cell_totals(inside)->events);
	ck_assert(cell_totals(sum)->partial);
	cell_free(sum);
	cell_free(inside);
	cell_free(outside);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_exact, test_full_tables, test_window };

	return suite_run("merge", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 280);
}
