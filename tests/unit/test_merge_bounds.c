/* SPDX-License-Identifier: MIT */
/*
 * Cells are merged in random trees, in random orders, with room for all, for some and for few of the
 * names, and what comes out is compared with what happened: totals are the same in each; without a cut
 * all bytes are; with cuts each row and each name without a row lies within the bounds that are said,
 * and these within what cell/merge.h promises.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "collect.h"
#include "made.h"
#include "suite.h"

#define S 1000000000ll
#define START (1795276800ll * S) /* 2026-11-21T16:00:00Z */
#define BLOCK_NS (4 * 3600 * S)
#define CELLS 16
#define MAX_DEPTH 4

enum { EXES, FAILED, LINES, COMMANDS, CONNECTIONS, SYSCALLS, N_LISTS };

/* An assertion of Check's is a system call: here are millions. */
#define MUST(what)                                      \
	do {                                            \
		if (!(what))                            \
			ck_abort_msg("not so: " #what); \
	} while (0)

/* A table's rows, by key. */
struct flat {
	char *key;
	size_t len;
	edr_u64 count, short_by;
};

struct list {
	struct flat *row;
	size_t n;
	struct cell_other other;
};

struct lists {
	struct list of[N_LISTS];
	edr_u64 events;
};

static struct {
	unsigned long long trees, nodes, cut, files, rows, inexact, unlisted;
} did;

/* ---- a cell's tables, as lists ---- */

static void add_row(struct list *l, const struct buf *key, edr_u64 count, edr_u64 short_by)
{
	struct flat *f;

	if (l->n % 256 == 0)
		l->row = realloc(l->row, (l->n + 256) * sizeof(*l->row));
	MUST(l->row);
	f = &l->row[l->n++];
	*f = (struct flat){ malloc(key->len + 1), key->len, count, short_by };
	MUST(f->key);
	memcpy(f->key, key->data, key->len);
}

static void add_text(struct buf *key, struct wire_span text)
{
	buf_addf(key, "%zu:", text.len);
	buf_add(key, text.data, text.len);
}

static edr_u64 all_of(const struct cell_exe_counts *c)
{
	return c->runs + c->forks + c->threads + c->exits + c->connects + c->connect_ends +
	       c->syscalls;
}

static void list_exe(struct lists *to, const struct cell_exe *e, struct buf *key)
{
	buf_clear(key);
	add_text(key, e->name);
	if (all_of(&e->counts))
		add_row(&to->of[EXES], key, all_of(&e->counts), e->short_by);
	if (e->counts.failed_runs)
		add_row(&to->of[FAILED], key, e->counts.failed_runs, e->failed_short_by);
	for (size_t i = 0; i < e->n_command_lines; i++) {
		const struct cell_command_line *l = &e->command_lines[i];

		buf_clear(key);
		add_text(key, e->name);
		add_text(key, l->command);
		add_text(key, l->argv);
		buf_addf(key, "%d %llu %llu", l->cut, l->cut ? l->argv_bytes : 0, l->hash);
		add_row(&to->of[LINES], key, l->count, l->short_by);
	}
}

static void list_rest(struct lists *to, const struct cell_view *v, struct buf *key)
{
	for (size_t i = 0; i < v->n_commands; i++) {
		buf_clear(key);
		add_text(key, v->commands[i].name);
		add_row(&to->of[COMMANDS], key, v->commands[i].count, v->commands[i].short_by);
	}
	for (size_t i = 0; i < v->n_connections; i++) {
		const struct cell_connection *c = &v->connections[i];

		buf_clear(key);
		add_text(key, c->exe);
		add_text(key, c->address);
		buf_addf(key, "%d %u %u", c->family, c->port, c->protocol);
		add_row(&to->of[CONNECTIONS], key, c->connects + c->ends, c->short_by);
	}
	for (size_t i = 0; i < v->n_syscalls; i++) {
		buf_clear(key);
		add_text(key, v->syscalls[i].exe);
		add_text(key, v->syscalls[i].name);
		add_row(&to->of[SYSCALLS], key, v->syscalls[i].count, v->syscalls[i].short_by);
	}
}

static int by_key(const void *x, const void *y)
{
	const struct flat *a = x, *b = y;
	const int order = memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static struct lists lists_of(const struct cell *cell)
{
	struct lists to = { .events = cell_totals(cell)->events };
	struct buf key = { 0 };
	struct cell_view v;

	ck_assert_int_eq(cell_view_open(&v, cell), 0);
	for (size_t i = 0; i < v.n_exes; i++)
		list_exe(&to, &v.exes[i], &key);
	list_rest(&to, &v, &key);
	ck_assert(!buf_failed(&key));
	to.of[EXES].other = v.exes_other;
	to.of[FAILED].other = v.failed_other;
	to.of[LINES].other = v.command_lines_other;
	to.of[COMMANDS].other = v.commands_other;
	to.of[CONNECTIONS].other = v.connections_other;
	to.of[SYSCALLS].other = v.syscalls_other;
	cell_view_close(&v);
	buf_free(&key);
	for (unsigned i = 0; i < N_LISTS; i++)
		if (to.of[i].n)
			qsort(to.of[i].row, to.of[i].n, sizeof(*to.of[i].row), by_key);
	return to;
}

static void free_lists(struct lists *l)
{
	for (unsigned i = 0; i < N_LISTS; i++) {
		for (size_t k = 0; k < l->of[i].n; k++)
			free(l->of[i].row[k].key);
		free(l->of[i].row);
	}
}

/* ---- what must hold ---- */

static edr_u64 sum_of(const struct list *l)
{
	edr_u64 sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->row[i].count;
	return sum;
}

/* Both are in order: one walk. */
static void check_list(const struct list *l, const struct list *truth)
{
	size_t i = 0;

	ck_assert_uint_eq(sum_of(l) + l->other.events, sum_of(truth));
	ck_assert_uint_le(l->other.at_most, l->other.events);
	for (size_t k = 0; k < truth->n; k++) {
		const edr_u64 was = truth->row[k].count;

		if (i == l->n || by_key(&l->row[i], &truth->row[k]) != 0) {
			MUST(was <= l->other.at_most);
			did.unlisted++;
			continue;
		}
		MUST(l->row[i].count <= was);
		MUST(was <= l->row[i].count + l->row[i].short_by);
		MUST(l->row[i].short_by <= l->other.at_most);
		did.inexact += l->row[i].short_by != 0;
		did.rows++;
		i++;
	}
	ck_assert_uint_eq(i, l->n); /* no row of what never was */
}

static void check_all(const struct cell *cell, const struct lists *truth)
{
	struct lists got = lists_of(cell);

	ck_assert_uint_eq(got.events, truth->events);
	for (unsigned i = 0; i < N_LISTS; i++)
		check_list(&got.of[i], &truth->of[i]);
	free_lists(&got);
}

/* What the cuts of a merge of n can add, of a table of so many events. */
static edr_u64 cuts(edr_u64 events, size_t n, size_t rows)
{
	return events / (rows + 1) + (n > 2 ? n - 2 : 0) * (events / (2 * rows + 1));
}

/* before: what the merged ones said, together. */
static void check_promise(const struct cell *cell, const edr_u64 before[N_LISTS], size_t n,
			  const struct cell_limits *max)
{
	struct lists l = lists_of(cell);
	const size_t rows[N_LISTS] = { max->executables, max->failed,	   max->command_lines,
				       max->commands,	 max->connections, max->syscalls };
	edr_u64 most[N_LISTS];

	for (unsigned i = 0; i < N_LISTS; i++) {
		ck_assert_uint_le(l.of[i].n, rows[i]);
		most[i] = cuts(sum_of(&l.of[i]) + l.of[i].other.events, n, rows[i]);
	}
	/* With an executable go its lines. */
	if (most[EXES] > most[LINES])
		most[LINES] = most[EXES];
	for (unsigned i = 0; i < N_LISTS; i++) {
		ck_assert_uint_le(l.of[i].other.at_most, before[i] + most[i]);
		did.cut += l.of[i].other.at_most > before[i];
	}
	free_lists(&l);
}

/* ---- trees ---- */

static struct cell_limits twice(const struct cell_limits *l)
{
	return (struct cell_limits){ 2 * l->executables, 2 * l->failed,	     2 * l->command_lines,
				     2 * l->commands,	 2 * l->connections, 2 * l->syscalls };
}

static struct cell *through_a_file(struct cell *cell)
{
	struct buf id = { 0 }, text = { 0 };
	struct report_info info;
	struct cell *read;

	made_text(cell, &id, &text);
	read = made_load(&text, &info);
	buf_free(&id);
	buf_free(&text);
	cell_free(cell);
	did.files++;
	return read;
}

static void note_bounds(edr_u64 to[N_LISTS], const struct cell *cell)
{
	struct lists l = lists_of(cell);

	for (unsigned i = 0; i < N_LISTS; i++)
		to[i] += l.of[i].other.at_most;
	free_lists(&l);
}

/* As a parent is made: cut to twice the limits on the way, and to the limits at the end. */
static struct cell *random_tree(struct made_rng *r, struct cell *const *cell, size_t n,
				unsigned depth, const struct cell_limits *limits)
{
	const struct cell_limits most = twice(limits);
	struct cell *sum = cell_new_window(START, START + BLOCK_NS, 0, &most);
	edr_u64 before[N_LISTS] = { 0 };
	size_t children = 0;

	ck_assert_ptr_nonnull(sum);
	for (size_t at = 0, part; at < n; at += part, children++) {
		struct cell *child = NULL;

		part = depth > 1 ? 1 + made_random(r, (unsigned)(n - at)) : 1;
		if (part > 1 || (depth > 1 && made_random(r, 2)))
			child = random_tree(r, cell + at, part, depth - 1, limits);
		if (child && made_random(r, 2))
			child = through_a_file(child);
		note_bounds(before, child ? child : cell[at]);
		ck_assert_int_eq(cell_merge(sum, child ? child : cell[at]), 0);
		cell_free(child);
	}
	ck_assert_int_eq(cell_trim(sum, limits), 0);
	check_promise(sum, before, children, limits);
	did.nodes++;
	return sum;
}

static struct cell *shuffled_tree(struct made_rng *r, struct cell *const cell[CELLS],
				  const struct cell_limits *limits)
{
	struct cell *order[CELLS];

	for (unsigned i = 0; i < CELLS; i++) {
		const unsigned j = made_random(r, i + 1);

		order[i] = order[j];
		order[j] = cell[i];
	}
	did.trees++;
	return random_tree(r, order, CELLS, 1 + made_random(r, MAX_DEPTH), limits);
}

/* Sixteen cells, the same with little room of their own, and what happened in them. */
struct host {
	struct cell *cell[CELLS], *full[CELLS];
	struct lists truth;
	struct buf text;
};

static void make_host(struct host *h, unsigned long long seed, unsigned n, unsigned names)
{
	struct cell *sum = cell_new_window(START, START + BLOCK_NS, 0, NULL);
	struct made_rng r = { seed }, same;
	struct buf id = { 0 };

	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < CELLS; i++) {
		const edr_s64 at = START + i * 900 * S;

		same = r;
		h->cell[i] = through_a_file(made_cell(&r, at, 15, n, names, NULL));
		h->full[i] = through_a_file(made_full_cell(&same, at, n, names, 4 + names / 4));
		ck_assert_int_eq(cell_merge(sum, h->cell[i]), 0);
	}
	h->truth = lists_of(sum);
	made_text(sum, &id, &h->text);
	buf_free(&id);
	cell_free(sum);
}

static void free_host(struct host *h)
{
	for (unsigned i = 0; i < CELLS; i++) {
		cell_free(h->cell[i]);
		cell_free(h->full[i]);
	}
	free_lists(&h->truth);
	buf_free(&h->text);
}

static void say(const char *what)
{
	printf("%s: %llu trees of up to %d levels, %llu merges (%llu times a table was cut, %llu "
	       "through a file), %llu rows (%llu inexact), %llu names without one\n",
	       what, did.trees, MAX_DEPTH, did.nodes, did.cut, did.files, did.rows, did.inexact,
	       did.unlisted);
	memset(&did, 0, sizeof(did));
}

START_TEST(test_room_for_all)
{
	static const struct cell_limits ample = { 3000, 3000, 6000, 3000, 6000, 9000 };
	struct made_rng r = { 21 };
	struct host h;

	for (unsigned round = 0; round < 6; round++) {
		make_host(&h, round, 40 + 60 * round, 30 + 40 * round);
		for (unsigned i = 0; i < 12; i++) {
			struct cell *sum = shuffled_tree(&r, h.cell, &ample);
			struct buf id = { 0 }, text = { 0 };

			made_text(sum, &id, &text);
			ck_assert_str_eq(text.data, h.text.data);
			buf_free(&id);
			buf_free(&text);
			check_all(sum, &h.truth);
			cell_free(sum);
		}
		free_host(&h);
	}
	ck_assert_uint_eq(did.cut + did.inexact + did.unlisted, 0);
	say("room for all");
}
END_TEST

/* From a little less than there is to a hundredth of it. */
START_TEST(test_full_tables)
{
	struct made_rng r = { 22 };
	struct host h;

	for (unsigned round = 0; round < 5; round++) {
		make_host(&h, 100 + round, 200 + 100 * round, 60 + 60 * round);
		for (unsigned i = 0; i < 24; i++) {
			const size_t part = 1 + made_random(&r, i % 2 ? 100 : 8);
			const struct cell_limits few = {
				1 + h.truth.of[EXES].n / part,
				1 + h.truth.of[FAILED].n / part,
				1 + h.truth.of[LINES].n / part,
				1 + h.truth.of[COMMANDS].n / part,
				1 + h.truth.of[CONNECTIONS].n / part,
				1 + h.truth.of[SYSCALLS].n / part,
			};
			struct cell *sum = shuffled_tree(&r, i % 4 ? h.cell : h.full, &few);

			check_all(sum, &h.truth);
			cell_free(sum);
		}
		free_host(&h);
	}
	ck_assert_uint_gt(did.cut, 1000);
	ck_assert_uint_gt(did.inexact, 1000);
	ck_assert_uint_gt(did.unlisted, 1000);
	say("full tables");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_room_for_all, test_full_tables };

	return suite_run("merge_bounds", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 280);
}
