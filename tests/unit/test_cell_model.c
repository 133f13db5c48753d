/* SPDX-License-Identifier: MIT */
/*
 * Random streams, counted twice: by a cell and by a model that keeps everything in plain lists.
 * With room for all, both must agree to the last count; without, each row must lie within what it
 * claims (count <= truth <= count + short_by), what is not listed within `other`, and the sums must
 * hold.
 */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "rec.h"

#define S 1000000000ull
#define OFFSET 1798759800000000000ll
#define N_RECORDS 4000

/* name -> count, in no order. */
struct model {
	struct {
		char name[160];
		edr_u64 count;
		bool listed;
	} row[N_RECORDS];
	size_t n;
	edr_u64 sum;
};

enum {
	EXES,
	FAILED,
	COMMANDS,
	LINES,
	CONNECTIONS,
	SYSCALLS,
	USERS,
	PARENTS,
	STATUS,
	RESULTS,
	N_MODELS
};

static struct model *model[N_MODELS];
static struct proc_table *table;
static struct cells *cells;
static struct cell *cell;
static struct buf b;

static edr_u64 next_random(edr_u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void on_closed(void *ctx, struct cell *c)
{
	(void)ctx;
	ck_assert_ptr_null(cell);
	cell = c;
}

__attribute__((format(printf, 2, 3))) static void add(int which, const char *fmt, ...)
{
	struct model *m = model[which];
	char name[160];
	va_list args;
	size_t i;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	for (i = 0; i < m->n && strcmp(m->row[i].name, name) != 0; i++)
		;
	if (i == m->n)
		strcpy(m->row[m->n++].name, name);
	m->row[i].count++;
	m->sum++;
}

static void one_exec(edr_u64 r, struct rec_id who)
{
	struct rec_exec e = { .ppid = (edr_u32)(r / 3 % 40 + 1), .uid = r / 5 % 3, .comm = "c" };
	const struct proc_entry *p, *parent;
	const struct edr_hdr *rec;
	char exe[32], file[32], args[32];

	snprintf(exe, sizeof(exe), "/bin/%llu", (unsigned long long)(r / 7 % 60 * (r / 11 % 4)));
	snprintf(file, sizeof(file), "./cmd%llu", (unsigned long long)(r / 13 % 30));
	e.args_len =
		(size_t)snprintf(args, sizeof(args), "x%llu", (unsigned long long)(r / 17 % 20)) +
		1;
	e.exe = exe;
	e.filename = file;
	e.args = args;
	rec = rec_exec(&b, who, e);
	p = proc_apply(table, rec);
	parent = proc_parent(table, p);
	add(EXES, "%s", exe);
	add(COMMANDS, "%s", file + 2);
	add(LINES, "%s|%s|%s", exe, file + 2, args);
	add(USERS, "%s|%u", exe, e.uid);
	add(PARENTS, "%s|%s", exe, parent ? parent->exe : "");
	cells_fold(cells, rec, p, table, (struct wire_span){ "", 0 });
}

static void one_connect(edr_u64 r, struct rec_id who)
{
	const edr_u32 ip = r / 7 % 9, port = r / 11 % 6;
	const int result = r / 13 % 3 ? 0 : -ECONNREFUSED;
	const struct edr_hdr *rec = r / 17 % 4 ? rec_connect(&b, who, ip, port, result)
					       : rec_connect_result(&b, who, ip, port, result);
	const struct proc_entry *p = proc_apply(table, rec);

	add(EXES, "%s", p->exe);
	add(CONNECTIONS, "%s|0.0.0.%u|%u", p->exe, ip, port);
	if (rec->type == EDR_CONNECT)
		add(RESULTS, "%s|%d", p->exe, -result);
	cells_fold(cells, rec, p, table, (struct wire_span){ "", 0 });
}

static void one_other(edr_u64 r, struct rec_id who)
{
	const struct edr_hdr *rec;
	const struct proc_entry *p;
	char name[32];

	switch (r / 3 % 6) {
	case 0:
		snprintf(name, sizeof(name), "/bin/%llu", (unsigned long long)(r / 7 % 90));
		rec = rec_exec_failed(&b, who, name, ENOENT);
		add(FAILED, "%s", name);
		break;
	case 1:
		snprintf(name, sizeof(name), "call%llu", (unsigned long long)(r / 7 % 30));
		rec = rec_syscall(&b, who, name, 0);
		break;
	case 2:
		rec = rec_thread(&b, who);
		break;
	case 3:
		rec = rec_exit(&b, who, (unsigned)(r / 7 % 4), 0);
		break;
	default:
		rec = rec_fork(&b, who, (edr_u32)(r / 7 % 40 + 1), who.time_ns);
	}
	p = proc_apply(table, rec);
	if (rec->type != EDR_EXEC_FAILED)
		add(EXES, "%s", p->exe);
	if (rec->type == EDR_SYSCALL)
		add(SYSCALLS, "%s|%s", p->exe, name);
	if (rec->type == EDR_EXIT)
		add(STATUS, "%s|%u", p->exe, (unsigned)(r / 7 % 4));
	cells_fold(cells, rec, p, table, (struct wire_span){ "", 0 });
}

static void fold_stream(edr_u64 seed, const struct cell_config *cfg)
{
	const struct cell_sinks sinks = { .on_closed = on_closed };
	edr_u64 r;
	int i;

	cells = cells_new(cfg, &sinks);
	table = proc_table_new(64);
	cells_fold(cells, rec_clock(&b, S, OFFSET, EDR_CLOCK_START), NULL, table,
		   (struct wire_span){ "", 0 });
	for (i = 0; i < N_RECORDS; i++) {
		struct rec_id who = { .time_ns = 2 * S + (edr_u64)i };

		r = next_random(&seed);
		who.tgid = r % 40 + 1;
		who.start_ns = who.tgid;
		if (r / 1000 % 3 == 0)
			one_exec(r / 4000, who);
		else if (r / 1000 % 3 == 1)
			one_connect(r / 4000, who);
		else
			one_other(r / 4000, who);
	}
	cells_close_partial(cells, table);
}

/* A row of the cell against the model. Gives its count. */
static edr_u64 compare(int which, const char *name, edr_u64 count, edr_u64 short_by)
{
	struct model *m = model[which];
	size_t i;

	for (i = 0; i < m->n && strcmp(m->row[i].name, name) != 0; i++)
		;
	ck_assert_msg(i < m->n, "%d: no \"%s\" in the model", which, name);
	ck_assert_msg(!m->row[i].listed, "%d: \"%s\" twice", which, name);
	m->row[i].listed = true;
	ck_assert_msg(count <= m->row[i].count && m->row[i].count <= count + short_by,
		      "%d: \"%s\" %llu, short by %llu, truth %llu", which, name,
		      (unsigned long long)count, (unsigned long long)short_by,
		      (unsigned long long)m->row[i].count);
	return count;
}

/* All that is not listed. */
static void compare_other(int which, edr_u64 listed, struct cell_other other)
{
	const struct model *m = model[which];
	edr_u64 unlisted = 0;
	size_t i;

	ck_assert_uint_eq(listed + other.events, m->sum);
	for (i = 0; i < m->n; i++) {
		if (m->row[i].listed)
			continue;
		unlisted++;
		ck_assert_uint_le(m->row[i].count, other.events);
	}
	ck_assert_uint_le(unlisted, other.rows);
}

static const char *text(char *to, size_t size, struct wire_span a, const char *between,
			struct wire_span c)
{
	snprintf(to, size, "%.*s%s%.*s", (int)a.len, a.data, between, (int)c.len, c.data);
	return to;
}

/*
 * The small lists within a row: their sum is the row's; each count is right in a row that lacks
 * nothing.
 */
static void compare_list(int which, const struct cell_exe *e, struct cell_counts list,
			 edr_u64 total)
{
	edr_u64 sum = list.other;
	char name[160];
	size_t i;

	for (i = 0; i < list.n; i++) {
		sum += list.row[i].count;
		if (list.row[i].name.len || which == PARENTS)
			text(name, sizeof(name), e->name, "|", list.row[i].name);
		else
			snprintf(name, sizeof(name), "%.*s|%lld", (int)e->name.len, e->name.data,
				 (long long)list.row[i].number);
		compare(which, name, list.row[i].count, e->short_by + list.other);
		if (i > 0)
			ck_assert_uint_le(list.row[i].count, list.row[i - 1].count);
	}
	ck_assert_uint_eq(sum, total);
}

static edr_u64 kinds_sum(const struct cell_exe_counts *c)
{
	return c->runs + c->forks + c->threads + c->exits + c->connects + c->connect_ends +
	       c->syscalls;
}

static void compare_exes(const struct cell_view *v)
{
	edr_u64 exes = 0, failed = 0, lines = 0;
	char name[160], line[160];
	size_t i, j;

	for (i = 0; i < v->n_exes; i++) {
		const struct cell_exe *e = &v->exes[i];
		edr_u64 runs = e->command_lines_other;

		text(name, sizeof(name), e->name, "", (struct wire_span){ "", 0 });
		if (kinds_sum(&e->counts))
			exes += compare(EXES, name, kinds_sum(&e->counts), e->short_by);
		if (e->counts.failed_runs)
			failed += compare(FAILED, name, e->counts.failed_runs, e->failed_short_by);
		for (j = 0; j < e->n_command_lines; j++) {
			const struct cell_command_line *l = &e->command_lines[j];

			text(line, sizeof(line), e->name, "|", l->command);
			snprintf(line + strlen(line), sizeof(line) - strlen(line), "|%s",
				 l->argv.data);
			lines += compare(LINES, line, l->count, l->short_by);
			runs += l->count;
		}
		ck_assert_uint_eq(runs, e->counts.runs);
		compare_list(USERS, e, e->users, e->counts.runs);
		compare_list(PARENTS, e, e->parents, e->counts.runs);
		compare_list(STATUS, e, e->exit_status, e->counts.exits);
		compare_list(RESULTS, e, e->connect_results, e->counts.connects);
	}
	compare_other(EXES, exes, v->exes_other);
	compare_other(FAILED, failed, v->failed_other);
	compare_other(LINES, lines, v->command_lines_other);
	ck_assert_uint_eq(kinds_sum(&v->exes_other_counts), v->exes_other.events);
	ck_assert_uint_eq(v->exes_other_counts.failed_runs, v->failed_other.events);
}

static void compare_rest(const struct cell_view *v)
{
	edr_u64 sum = 0;
	char name[160];
	size_t i;

	for (i = 0; i < v->n_commands; i++) {
		text(name, sizeof(name), v->commands[i].name, "", (struct wire_span){ "", 0 });
		sum += compare(COMMANDS, name, v->commands[i].count, v->commands[i].short_by);
	}
	compare_other(COMMANDS, sum, v->commands_other);
	for (sum = 0, i = 0; i < v->n_connections; i++) {
		const struct cell_connection *c = &v->connections[i];

		text(name, sizeof(name), c->exe, "|", c->address);
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "|%u", c->port);
		sum += compare(CONNECTIONS, name, c->connects + c->ends, c->short_by);
	}
	compare_other(CONNECTIONS, sum, v->connections_other);
	for (sum = 0, i = 0; i < v->n_syscalls; i++) {
		text(name, sizeof(name), v->syscalls[i].exe, "|", v->syscalls[i].name);
		sum += compare(SYSCALLS, name, v->syscalls[i].count, v->syscalls[i].short_by);
	}
	compare_other(SYSCALLS, sum, v->syscalls_other);
}

static void run(edr_u64 seed, const struct cell_config *cfg, bool exact)
{
	struct cell_view v;
	size_t i;

	for (i = 0; i < N_MODELS; i++)
		model[i] = calloc(1, sizeof(*model[i]));
	fold_stream(seed, cfg);
	ck_assert_int_eq(cell_view_open(&v, cell), 0);
	compare_exes(&v);
	compare_rest(&v);
	ck_assert_uint_eq(v.totals->events, N_RECORDS);
	if (exact)
		ck_assert_uint_eq(v.exes_other.rows + v.failed_other.rows +
					  v.connections_other.rows + v.command_lines_other.rows +
					  v.syscalls_other.rows,
				  0);
	else
		ck_assert_uint_gt(v.exes_other.rows, 0);
	cell_view_close(&v);
	cell_free(cell);
	cell = NULL;
	cells_free(cells);
	proc_table_free(table);
	buf_free(&b);
	for (i = 0; i < N_MODELS; i++)
		free(model[i]);
}

START_TEST(test_with_room)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .max_executables = 2000,
					 .max_command_lines = 10000,
					 .max_connections = 10000 };

	run(0x9e3779b97f4a7c15ull * (edr_u64)(_i + 1), &cfg, true);
}
END_TEST

START_TEST(test_without)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .max_executables = 8 + (unsigned)_i * 5,
					 .max_command_lines = 50 + (unsigned)_i * 30,
					 .max_connections = 1 + (unsigned)_i * 20 };

	run(0x9e3779b97f4a7c15ull * (edr_u64)(_i + 101), &cfg, false);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cell_model");
	TCase *tc = tcase_create("random");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_with_room, 0, 10);
	tcase_add_loop_test(tc, test_without, 0, 10);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
