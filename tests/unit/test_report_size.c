/* SPDX-License-Identifier: MIT */
/* What a large cell costs: figures only, for a time is no property of the code. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "collect.h"
#include "feed.h"
#include "suite.h"

static size_t cell_bytes, part_bytes, n_parts;
static double json_s;

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void big_closed(void *ctx, struct cell *cell)
{
	struct buf id = { 0 }, text = { 0 };
	double before = cpu_s();

	(void)ctx;
	ck_assert_int_eq(report_cell_json(cell, &id, &text), 0);
	json_s = cpu_s() - before;
	cell_bytes = text.len;
	buf_free(&id);
	buf_free(&text);
	cell_free(cell);
}

static int big_interim(void *ctx, struct cell_events *part)
{
	struct buf id = { 0 }, text = { 0 };

	(void)ctx;
	ck_assert_int_eq(report_interim_json(part, &id, &text), 0);
	part_bytes += text.len;
	n_parts++;
	buf_free(&id);
	buf_free(&text);
	cell_events_free(part);
	return 0;
}

static long peak_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BIG_EVENTS 100000
#else
#define BIG_EVENTS 1000000
#endif

static void big(const char *what, bool events, unsigned max_lines)
{
	const char *wanted = getenv("EDR_TEST_EVENTS"); /* fewer under valgrind */
	unsigned n = wanted ? (unsigned)atoi(wanted) : BIG_EVENTS;
	struct feed f = { .sinks = { .on_closed = big_closed, .on_interim = big_interim },
			  .cfg = { .interval_min = 15,
				   .keep_events = events,
				   .max_events = 10000,
				   .max_events_bytes = 16 << 20,
				   .max_executables = 4096,
				   .max_command_lines = max_lines,
				   .max_connections = 8192 } };
	char exe[64], args[128];
	double before;
	long peak;

	cell_bytes = part_bytes = n_parts = 0;
	feed_open(&f, FEED_WINDOW);
	for (unsigned i = 0; i < n; i++) {
		int len;

		f.now_ns += 800000;
		snprintf(exe, sizeof(exe), "/usr/lib/package/program-%u", i % 2000);
		len = snprintf(args, sizeof(args),
			       "program-%u%c--number%c%u%c--output=/var/tmp/some/file/%u", i % 2000,
			       0, 0, i % 50000, 0, i % 50000);
		feed_exec_args(&f, i % 10, exe, args, (size_t)len + 1);
	}
	peak = peak_kib();
	before = cpu_s();
	feed_close(&f);
	printf("%s: %u execs, 50,000 command lines (room for %u): cell %.1f MB, closed and made in "
	       "%.2f s of CPU (JSON "
	       "%.2f s), %zu parts of %.1f MB together, peak RSS %ld MiB before the close and %ld "
	       "after\n",
	       what, n, max_lines, (double)cell_bytes / 1e6, cpu_s() - before, json_s, n_parts,
	       (double)part_bytes / 1e6, peak / 1024, peak_kib() / 1024);
	fflush(stdout);
}

START_TEST(large_with_default_limits)
{
	big("default limits", false, 16384);
}
END_TEST

START_TEST(large_with_room_for_all)
{
	big("room for all", false, 65536);
}
END_TEST

START_TEST(large_with_raw_events)
{
	big("raw events", true, 65536);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		large_with_default_limits,
		large_with_room_for_all,
		large_with_raw_events,
	};

	return suite_run("report_size", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 280);
}
