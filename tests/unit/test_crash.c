/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL before each call that changes the directory, one after the other: report_verify() finds
 * nothing wrong then, and after the next start all is there that is there without a kill.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/view.h"
#include "made.h"
#include "report/checkpoint.h"
#include "report/files.h"
#include "report/rebuild.h"
#include "report/retain.h"
#include "report/shelf.h"
#include "report/verify.h"
#include "suite.h"
#include "util/log.h"

#define S 1000000000ll
#define WINDOW (900 * S)
#define DAY (86400 * S)
#define BEGIN (20000 * DAY) /* a Tuesday */
#define END (BEGIN + 40 * DAY)
#define N_CELLS 40 /* two blocks and a half */
#define LATE 5	   /* that one is missing at first */
#define MAX_KILLS 1000

static char base[32], template[64], dir[64];

/* ---- calls that change something ---- */

static unsigned calls, kill_at; /* 0: never */

static void count_call(void)
{
	if (kill_at && ++calls == kill_at)
		kill(getpid(), SIGKILL);
}

int fsync(int fd)
{
	count_call();
	return (int)syscall(SYS_fsync, fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	count_call();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int unlinkat(int at, const char *name, int flags)
{
	count_call();
	return (int)syscall(SYS_unlinkat, at, name, flags);
}

/* ---- a directory ---- */

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): paths of ours */
}

static struct cell *cell_number(unsigned i)
{
	struct made_rng rng = { i + 1 };

	return made_cell(&rng, BEGIN + i * WINDOW, 15, 20, 5, NULL);
}

/* As if it had been watched from, or to, that minute of the hour only. */
static struct cell *part_of_late(const char *member, const char *minute)
{
	struct cell *whole = cell_number(LATE), *part;
	struct buf id = { 0 }, text = { 0 };
	struct report_info info;
	char *at;

	made_text(whole, &id, &text);
	at = strstr(text.data, member);
	ck_assert_ptr_nonnull(at);
	memcpy(strchr(at, 'T') + strlen("T01:"), minute, 2);
	part = made_load(&text, &info);
	cell_free(whole);
	buf_free(&id);
	buf_free(&text);
	return part;
}

static const struct retain_config keep_little = {
	.keep_days = { [LEVEL_INTERIM] = 1, [LEVEL_CELL] = 1, [LEVEL_BLOCK] = 60 },
};

static struct report_shelf *open_shelf(const struct retain_config *retain)
{
	const struct report_writer_config cfg = { .dir = dir,
						  .checkpoint_s = 10,
						  .retain = retain };
	struct report_shelf *s;
	char err[256];

	ck_assert_msg(report_shelf_open(&s, &cfg, err, sizeof(err)) == 0, "%s", err);
	return s;
}

static void put(struct report_shelf *s, struct queue_item *i)
{
	char name[128];

	ck_assert_ptr_nonnull(i);
	ck_assert_int_eq(report_shelf_put(s, i, name, sizeof(name)), 0);
	queue_item_free(i);
	report_shelf_forget(s);
}

static void put_cell(struct report_shelf *s, unsigned i)
{
	put(s, queue_item_cell(cell_number(i), QUEUE_CELL));
}

static void make_cells(void)
{
	struct report_shelf *s = open_shelf(NULL);

	for (unsigned i = 0; i < N_CELLS; i++)
		if (i != LATE)
			put_cell(s, i);
	report_shelf_settle(s);
	report_shelf_close(s);
}

/* All levels up to the month. */
static void make_tree(void)
{
	struct report_shelf *s;

	make_cells();
	s = open_shelf(NULL);
	put(s, queue_item_time(END));
	report_shelf_settle(s);
	report_shelf_close(s);
}

/* With nobody who makes its parents anew. */
static void add_late_cell(void)
{
	struct buf id = { 0 }, text = { 0 };
	struct cell *cell = cell_number(LATE);
	struct report_store *store;
	struct heads *heads;
	char err[256];

	ck_assert_int_eq(report_store_open(&store, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(heads_open(&heads, store, NULL, err, sizeof(err)), 0);
	report_store_chain(store, heads);
	made_text(cell, &id, &text);
	ck_assert_int_eq(report_store_write(store, "cells", id.data, text.data, text.len), 0);
	heads_close(heads);
	report_store_close(store);
	cell_free(cell);
	buf_free(&id);
	buf_free(&text);
}

static void make_checkpoints(void)
{
	struct checkpoints c = { .run = 1 };
	struct cell *cell = part_of_late("\"covered_to\": ", "20");
	struct report_store *store;
	char err[256];

	make_tree();
	ck_assert_int_eq(report_store_open(&store, dir, err, sizeof(err)), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(checkpoint_write(store, &c, cell), 0);
	report_store_close(store);
	cell_free(cell);
}

static void make_late(void)
{
	make_tree();
	add_late_cell();
}

/* ---- what is killed ---- */

static void only_start(const struct retain_config *retain)
{
	struct report_shelf *s = open_shelf(retain);

	put(s, queue_item_time(END));
	report_shelf_settle(s);
	report_shelf_close(s);
}

static void late_cell(const struct retain_config *retain)
{
	struct report_shelf *s = open_shelf(retain);

	put(s, queue_item_time(END));
	put_cell(s, LATE);
	report_shelf_settle(s);
	report_shelf_close(s);
}

/* What a killed run left of the window is merged with this run's cell. */
static void resumed_cell(const struct retain_config *retain)
{
	const struct report_writer_config cfg = { .dir = dir,
						  .checkpoint_s = 10,
						  .now_ns = BEGIN + LATE * WINDOW + 421 * S };
	struct report_shelf *s;
	char err[256];

	(void)retain;
	ck_assert_msg(report_shelf_open(&s, &cfg, err, sizeof(err)) == 0, "%s", err);
	put(s, queue_item_cell(part_of_late("\"covered_from\": ", "22"), QUEUE_CHECKPOINT));
	put(s, queue_item_cell(part_of_late("\"covered_from\": ", "22"), QUEUE_CELL));
	report_shelf_settle(s);
	report_shelf_close(s);
}

/* Its window has one cell, of three checkpoints and, once it was on disk, of what this run had. */
static void check_resumed(unsigned n)
{
	const edr_s64 start_ns = BEGIN + LATE * WINDOW;
	struct cell *one = cell_number(LATE);
	const edr_u64 events = cell_totals(one)->events;
	struct report_store *s;
	struct report_files f;
	struct report_info info;
	edr_u64 total = 0;
	unsigned cells = 0;
	edr_s64 at_ns;
	char err[256];

	ck_assert_int_eq(report_store_open_read(&s, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_files_list(s, "cells", &f), 0);
	for (size_t i = 0; i < f.n; i++) {
		struct buf text = { 0 };
		struct cell *cell;

		if (report_level_of_id(f.file[i].id, &at_ns) != LEVEL_CELL || at_ns != start_ns)
			continue;
		ck_assert_int_eq(report_read(s, "cells", f.file[i].id, &text), 0);
		ck_assert_int_eq(report_load(text.data, text.len, &cell, &info), 0);
		total += cell_totals(cell)->events;
		cells++;
		cell_free(cell);
		buf_free(&text);
	}
	report_files_free(&f);
	report_store_close(s);
	cell_free(one);
	ck_assert_msg(cells == 1 && (total == 4 * events || (n && total == 3 * events)),
		      "killed before call %u: %u cells with %llu events, of %llu each", n, cells,
		      (unsigned long long)total, (unsigned long long)events);
}

static void rebuild(const struct retain_config *retain)
{
	const struct rebuild_config cfg = { .dir = dir };
	struct rebuild_totals totals;
	char err[256];

	(void)retain;
	ck_assert_msg(report_rebuild(&cfg, &totals, err, sizeof(err)) == 0, "%s", err);
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
	(void)ctx;
	if (strcmp(f->kind, "note") != 0)
		fprintf(stderr, "%s %s: %s\n", f->kind, f->id, f->text);
}

static void verify(const char *when, unsigned n, bool all_done, size_t reports[N_LEVELS])
{
	const struct verify_config cfg = { .on_finding = on_finding };
	struct verify_totals totals;
	struct report_store *s;
	char err[256];

	ck_assert_int_eq(report_store_open_read(&s, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_verify(s, &cfg, &totals), 0);
	report_store_close(s);
	ck_assert_msg(totals.problems == 0, "killed before call %u: %zu problems %s", n,
		      totals.problems, when);
	if (all_done)
		ck_assert_msg(totals.notes == 0, "killed before call %u: %zu notes %s", n,
			      totals.notes, when);
	memcpy(reports, totals.reports, sizeof(totals.reports));
}

/* True when it was killed before it was through. */
static bool killed(void (*work)(const struct retain_config *), const struct retain_config *retain,
		   unsigned n)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		log_set_level((enum log_level) - 1);
		kill_at = n;
		work(retain);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void each_moment(void (*make)(void), void (*work)(const struct retain_config *),
			const struct retain_config *retain)
{
	/* The sanitizers look at every so many moments, for each takes them six times as long. */
	const char *every = getenv("EDR_CRASH_EVERY");
	const unsigned step = every ? (unsigned)strtoul(every, NULL, 10) : 1;
	size_t want[N_LEVELS], got[N_LEVELS];
	unsigned n;

	ck_assert_uint_ge(step, 1);
	make();
	copy(dir, template);
	work(retain);
	verify("without a kill", 0, true, want);
	if (work == resumed_cell)
		check_resumed(0);
	for (n = 1; n < MAX_KILLS; n += step) {
		copy(template, dir);
		if (!killed(work, retain, n))
			break;
		verify("at once", n, false, got);
		only_start(retain);
		verify("after the next start", n, true, got);
		if (work == late_cell) /* it may have died with the run */
			got[LEVEL_CELL] = want[LEVEL_CELL];
		if (work == resumed_cell)
			check_resumed(n);
		ck_assert_msg(memcmp(want, got, sizeof(want)) == 0,
			      "killed before call %u: not all is there", n);
	}
	printf("killed before each of %u calls, in steps of %u\n", n - 1, step);
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_lt(n, MAX_KILLS);
}

START_TEST(a_tree_is_made)
{
	each_moment(make_cells, only_start, NULL);
}
END_TEST

START_TEST(a_late_cell)
{
	each_moment(make_tree, late_cell, NULL);
}
END_TEST

START_TEST(a_killed_run_is_recovered)
{
	each_moment(make_checkpoints, only_start, NULL);
}
END_TEST

START_TEST(a_window_is_resumed)
{
	each_moment(make_checkpoints, resumed_cell, NULL);
}
END_TEST

START_TEST(old_reports_go_and_are_packed)
{
	each_moment(make_tree, only_start, &keep_little);
}
END_TEST

START_TEST(parents_are_rebuilt)
{
	each_moment(make_late, rebuild, NULL);
}
END_TEST

static void setup(void)
{
	strcpy(base, "/tmp/edr-crash-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	snprintf(template, sizeof(template), "%s/template", base);
	log_set_level((enum log_level) - 1);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

int main(void)
{
	const TTest *const tests[] = {
		a_tree_is_made,
		a_late_cell,
		a_killed_run_is_recovered,
		a_window_is_resumed,
		old_reports_go_and_are_packed,
		parents_are_rebuilt,
	};

	return suite_run("crash", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 600);
}
