/* SPDX-License-Identifier: MIT */
/*
 * Reports of many kinds fit docs/schema, which would notice if they did not, and
 * docs/report-schema.md names every member. Python's jsonschema judges (tests/unit/validate.py);
 * without it this is skipped.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect.h"
#include "feed.h"
#include "suite.h"

#define SKIPPED 77

#define FEED(f, what, pid, ...) feed_fold(f, rec_##what(&(f)->rec, feed_id(f, pid), ##__VA_ARGS__))

static const struct cell_config narrow = { .interval_min = 15,
					   .keep_events = true,
					   .max_events = 3000,
					   .max_events_bytes = 1 << 20,
					   .max_executables = 3,
					   .max_command_lines = 3,
					   .max_connections = 3 };

/*
 * Each kind of record with odd values, more names than there is room for, and some that come back.
 */
static void feed_all(struct feed *f)
{
	static const struct cell_finding finding = { .id = { "server-shell", 12 },
						     .title = { "a shell", 7 },
						     .details = { "\xff", 1 },
						     .technique = { "T1505.003", 9 },
						     .time_ns = (edr_s64)(FEED_WINDOW * FEED_S),
						     .severity = 4 };
	static char long_args[6000] = "echo";
	char exe[64];

	memset(long_args + 5, 'x', sizeof(long_args) - 6);
	for (unsigned i = 0; i < 1500; i++) {
		edr_u32 pid;

		f->now_ns += FEED_S / 10;
		snprintf(exe, sizeof(exe), "/usr/bin/%s%u", i % 3 ? "x" : "\xff\"", i % 11);
		cells_mark(f->cells, i % 32);
		pid = feed_exec(f, i % 300, exe, "x\0an argument");
		FEED(f, fork, pid, 90000 + i, 90000007ull + i * 1000);
		FEED(f, thread, pid);
		cells_mark(f->cells, i % 8);
		FEED(f, connect, pid, i % 7, 53, i % 2 ? -ECONNREFUSED : EDR_RESULT_UNKNOWN);
		FEED(f, connect_result, pid, i % 7, 53, -(int)(i % 400));
		FEED(f, syscall, pid, i % 2 ? "ptrace" : "bpf", -(long long)(i % 400));
		FEED(f, exec_failed, pid, exe, -(int)(i % 3));
		FEED(f, exit, pid, i, i % 90);
	}
	ck_assert_int_eq(cells_add_finding(f->cells, &finding), 0);
	feed_exec_args(f, 0, "/bin/echo", long_args, sizeof(long_args));
	feed_fold(f, rec_loss(&f->rec, f->now_ns, EDR_EXEC, 100000, 3));
	feed_fold(f, rec_blind(&f->rec, f->now_ns, f->now_ns - 7, f->now_ns, "self-test"));
	feed_clock(f, FEED_WINDOW + 400, EDR_CLOCK_STEP);
}

static void feed_reports(void)
{
	struct feed bounded = { .sinks = collect, .cfg = narrow }, all = { .sinks = collect };
	struct feed empty = { .sinks = collect };

	feed_open(&bounded, FEED_WINDOW + 5);
	feed_all(&bounded);
	feed_close(&bounded);
	feed_open(&all, FEED_WINDOW);
	feed_all(&all);
	feed_close(&all);
	feed_open(&empty, FEED_WINDOW);
	feed_close(&empty);
}

/* Gives the exit status of validate.py for all reports. */
static int validate(const char *dir, char *const env_python)
{
	char *argv[COLLECT_MAX + 6], names[COLLECT_MAX][128];
	int n = 0, status;
	pid_t pid;

	argv[n++] = env_python;
	argv[n++] = "tests/unit/validate.py";
	argv[n++] = "--strict";
	argv[n++] = "--unstored";
	for (size_t i = 0; i < n_reports; i++) {
		snprintf(names[i], sizeof(names[i]), "%s/%zu-%s.json", dir, i, reports[i].id.data);
		argv[n++] = names[i];
	}
	argv[n] = NULL;
	pid = fork();
	if (!pid) {
		execvp(argv[0], argv);
		_exit(SKIPPED);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void write_reports(const char *dir)
{
	char path[128];

	for (size_t i = 0; i < n_reports; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%zu-%s.json", dir, i, reports[i].id.data);
		f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(fwrite(reports[i].text.data, 1, reports[i].text.len, f),
				  reports[i].text.len);
		ck_assert_int_eq(fclose(f), 0);
	}
}

static void remove_reports(const char *dir)
{
	char path[128];

	for (size_t i = 0; i < n_reports; i++) {
		snprintf(path, sizeof(path), "%s/%zu-%s.json", dir, i, reports[i].id.data);
		unlink(path);
	}
	rmdir(dir);
}

START_TEST(reports_fit_their_schema)
{
	char dir[] = "/tmp/edr-schema-XXXXXX";
	int status;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	feed_reports();
	ck_assert_uint_gt(n_reports, 5);
	write_reports(dir);
	status = validate(dir, "python3");
	if (status == SKIPPED)
		status = validate(
			dir, "/usr/bin/python3"); /* a python3 of the user's own may come first */
	remove_reports(dir);
	collect_free();
	if (status == SKIPPED)
		exit(SKIPPED);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { reports_fit_their_schema };

	/* In this process, so that the exit status that means "skipped" gets out. */
	if (!getenv("CK_FORK"))
		setenv("CK_FORK", "no", 1);
	return suite_run("schema", tests, 1, NULL, NULL, 200);
}
