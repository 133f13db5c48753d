/* SPDX-License-Identifier: MIT */
/*
 * The baseline in an engine: kept across restarts, learned again from reports when its file is lost
 * or damaged, marks in the reports, and a replay that knows nothing of all that.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/engine.h"
#include "cli/learn.h"
#include "detect/baseline.h"
#include "feed.h"
#include "suite.h"
#include "util/log.h"

#define DAY_S 86400ull
#define BOOT_S 1000ull

static char base[64], dir[96], file[128];

static void setup(void)
{
	strcpy(base, "/tmp/edr-learn-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	snprintf(file, sizeof(file), "%s/%s/%s", dir, REPORT_ANALYSIS_DIR, LEARN_FILE);
	log_set_level(LOG_LEVEL_ERROR);
}

static void teardown(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

static void engine_begin(struct engine *e, struct conf_set *set, bool replay, const char *days)
{
	const struct engine_config cfg = { .conf = conf_get(set), .replay = replay };
	char err[512];

	ck_assert_int_eq(conf_set_option(set, "REPORTS", "reports_dir", dir, "", err, sizeof(err)),
			 0);
	ck_assert_int_eq(
		conf_set_option(set, "ANALYSIS", "learning_days", days, "", err, sizeof(err)), 0);
	ck_assert_msg(engine_open(e, &cfg, err, sizeof(err)) == 0, "%s", err);
}

/* A run at noon of that day, in which these ran. */
static void live_day(unsigned day, bool replay, const char *days, const char *const *exe, size_t n)
{
	const edr_u64 noon_s = FEED_WINDOW / DAY_S * DAY_S + day * DAY_S + DAY_S / 2;
	const edr_u64 boot_ns = (BOOT_S + day * DAY_S) * FEED_S;
	const edr_s64 offset_ns = (edr_s64)(noon_s * FEED_S - boot_ns);
	struct conf_set *set = conf_new();
	struct buf b = { 0 };
	struct engine e;

	engine_begin(&e, set, replay, days);
	engine_record(&e, rec_host(&b, boot_ns, "h"));
	engine_record(&e, rec_clock(&b, boot_ns, offset_ns, EDR_CLOCK_START));
	for (size_t i = 0; i < n; i++) {
		const struct rec_id id = { (edr_u32)(100 + i), boot_ns + i,
					   boot_ns + FEED_S * (i + 1) };

		engine_record(&e,
			      rec_exec(&b, id, (struct rec_exec){ .exe = exe[i], .comm = "x" }));
	}
	engine_flush(&e);
	ck_assert_int_eq(engine_close(&e), 0);
	conf_free(set);
	buf_free(&b);
}

/* What the newest cell says of the executable: `"baseline": [...]`; "": nothing. */
static void marks_of(const char *exe, char *out, size_t size)
{
	char command[512];
	FILE *p;

	snprintf(command, sizeof(command),
		 "cat $(ls %s/cells/*.json | sort | tail -n 1) | grep '\"path\": \"%s\"' | "
		 "grep -o '\"baseline\": \\[[^]]*\\]'",
		 dir, exe);
	p = popen(command, "re"); /* NOLINT(cert-env33-c): a path of ours */
	ck_assert_ptr_nonnull(p);
	if (!fgets(out, (int)size, p))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	pclose(p);
}

static void check_marks(const char *exe, const char *want)
{
	char got[128];

	marks_of(exe, got, sizeof(got));
	ck_assert_str_eq(got, want);
}

static const char *const usual[] = { "/bin/a", "/bin/b" };
static const char *const more[] = { "/bin/a", "/bin/b", "/bin/c" };
#define NEW "\"baseline\": [ \"new\" ]"

static void learn_three_days(void)
{
	for (unsigned day = 0; day < 3; day++)
		live_day(day, false, "3", usual, 2);
	check_marks("/bin/a", "");
}

static void check_fourth_day(void)
{
	live_day(3, false, "3", more, 3);
	check_marks("/bin/a", "");
	check_marks("/bin/c", NEW);
}

START_TEST(test_kept)
{
	char command[512];
	struct stat st;

	learn_three_days();
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	/* Nothing is left to learn from but the file. */
	snprintf(command, sizeof(command), "rm -r %s/cells/* %s/daily %s/blocks", dir, dir, dir);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
	check_fourth_day();
	live_day(4, false, "3", more, 3);
	check_marks("/bin/c", "\"baseline\": [ \"rare\" ]");
}
END_TEST

START_TEST(test_lost)
{
	learn_three_days();
	ck_assert_int_eq(unlink(file), 0);
	check_fourth_day();
	ck_assert_int_eq(access(file, F_OK), 0);
}
END_TEST

static bool knows(const struct baseline *b, const char *exe)
{
	const struct baseline_key key = { BASELINE_EXE, { exe, strlen(exe) }, { "", 0 }, 0 };

	return baseline_look(b, &key, (edr_s64)(FEED_WINDOW * FEED_S)).known;
}

/* Without time the newest report alone, and all of them with it. */
START_TEST(test_no_time)
{
	static const char *const of_day[] = { "/bin/old", "/bin/mid", "/bin/late" };
	const struct baseline_config cfg = { .learning_days = 3,
					     .window_min = 15,
					     .max_entries = 1024 };

	for (unsigned day = 0; day < 3; day++)
		live_day(day, false, "3", &of_day[day], 1);
	ck_assert_int_eq(unlink(file), 0);
	for (unsigned most_ms = 0; most_ms <= 60000; most_ms += 60000) {
		struct baseline *b = baseline_new(&cfg);
		struct baseline_state state;

		ck_assert_ptr_nonnull(b);
		learn_baseline(b, dir, 1 << 20, most_ms);
		baseline_state(b, 0, 0, &state);
		ck_assert(knows(b, "/bin/late"));
		ck_assert_int_eq(knows(b, "/bin/mid"), most_ms > 0);
		ck_assert_int_eq(knows(b, "/bin/old"), most_ms > 0);
		ck_assert_uint_eq(state.days, most_ms ? 3 : 1);
		baseline_free(b);
	}
}
END_TEST

START_TEST(test_damaged)
{
	int fd;

	learn_three_days();
	fd = open(file, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, 100), 1);
	close(fd);
	check_fourth_day();
}
END_TEST

/* A run that was killed after it had written a cell, before the file was: here an older file. */
START_TEST(test_older_file)
{
	char command[512];

	learn_three_days();
	snprintf(command, sizeof(command), "cp %s %s/old", file, base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
	check_fourth_day();
	snprintf(command, sizeof(command), "cp %s/old %s", base, file);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
	live_day(4, false, "3", more, 3);
	check_marks("/bin/c", "\"baseline\": [ \"rare\" ]");
}
END_TEST

START_TEST(test_none)
{
	learn_three_days();
	ck_assert_int_eq(unlink(file), 0);
	live_day(3, false, "0", more, 3);
	check_marks("/bin/c", "");
	ck_assert_int_ne(access(file, F_OK), 0);
}
END_TEST

/* A replay neither reads nor writes one. */
START_TEST(test_replay)
{
	learn_three_days();
	ck_assert_int_eq(unlink(file), 0);
	live_day(3, true, "3", more, 3);
	check_marks("/bin/c", "");
	ck_assert_int_ne(access(file, F_OK), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_kept,	test_lost, test_no_time, test_damaged,
				       test_older_file, test_none, test_replay };

	return suite_run("learn", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 60);
}
