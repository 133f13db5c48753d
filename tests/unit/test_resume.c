/* SPDX-License-Identifier: MIT */
/*
 * A window in which the agent was killed has one cell: what the next run sees of it is added, and the
 * gaps are noted. Each life folds records as the engine does; a kill leaves what is on disk then.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"
#include "full_dir.h"
#include "life.h"
#include "suite.h"
#include "util/log.h"

#define W FEED_WINDOW

static char base[32], dir[64];

static void setup(void)
{
	strcpy(base, "/tmp/edr-resume-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level((enum log_level) - 1);
	life_config = (struct life_config){ .dir = dir };
}

static void make_room(void)
{
	full = NULL;
}

static void shell(const char *command)
{
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): paths of ours */
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	shell(command);
}

/* ---- what lives do ---- */

static void begin(edr_u64 unix_s)
{
	life_begin(unix_s, unix_s);
}

/* Of 10 s, with one exec and a checkpoint each. */
static void intervals(unsigned n)
{
	while (n--) {
		life_execs(1);
		life_until(life.now_s + LIFE_INTERVAL_S);
		life_checkpoint();
	}
}

/* ---- what there is ---- */

static double seconds(json_object *root, const char *pointer)
{
	return json_object_get_double(at(root, pointer));
}

/* The i-th blind interval, by the times of day that it begins and ends at. */
static void blind_is(json_object *root, size_t i, const char *from, const char *to)
{
	json_object *row = json_object_array_get_idx(at(root, "/loss/blind"), i);

	ck_assert_ptr_nonnull(row);
	ck_assert_msg(strncmp(str(row, "/from") + 11, from, strlen(from)) == 0, "from %s, not %s",
		      str(row, "/from"), from);
	ck_assert_msg(strncmp(str(row, "/to") + 11, to, strlen(to)) == 0, "to %s, not %s",
		      str(row, "/to"), to);
	ck_assert_ptr_nonnull(strstr(str(row, "/reason"), "killed"));
}

/* ---- one cell ---- */

START_TEST(a_window_goes_on)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_execs(2); /* lost */
	life_kill();
	begin(W + 120);
	ck_assert_uint_eq(life_count("cells"), 0);
	ck_assert_uint_eq(life_count("checkpoint"), 5);
	intervals(4);
	life_until(W + 900);
	ck_assert_uint_eq(life_count("cells"), 1);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 7);
	ck_assert_int_eq(num(root, "/command_counts/true"), 7);
	ck_assert_int_eq(num(root, "/counts/exec/delivered"), 7);
	ck_assert_int_eq((long long)length(root, "/executables"), 1);
	ck_assert_int_eq(num(root, "/executables/0/runs"), 7);
	ck_assert(json_object_get_boolean(at(root, "/window/partial")));
	ck_assert(seconds(root, "/window/covered_seconds") == 30 + 780);
	ck_assert_str_eq(str(root, "/window/covered_from"), "2026-11-21T21:01:00.000000000Z");
	ck_assert_str_eq(str(root, "/window/covered_to"), "2026-11-21T21:15:00.000000000Z");
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 1);
	blind_is(root, 0, "21:01:30", "21:02:00");
	ck_assert(seconds(root, "/loss/blind_seconds") == 30);
	/* Of the last run there are raw events. */
	ck_assert_int_eq((long long)length(root, "/events"), 4);
	ck_assert_int_eq(num(root, "/interim/events_listed"), 4);
	ck_assert_int_eq(num(root, "/interim/events_unlisted"), 3);
	json_object_put(root);
	life_kill();
	life_verify();
}
END_TEST

/* It began with the window, so its name has no time, as if nobody had killed it. */
START_TEST(from_the_windows_begin)
{
	json_object *root;

	begin(W - 5);
	life_until(W + 1);
	intervals(2);
	life_kill();
	begin(W + 30);
	life_until(W + 901);
	root = life_report("cells", "cell-20261121T2100Z");
	ck_assert_int_eq(num(root, "/total"), 2);
	ck_assert(json_object_get_boolean(at(root, "/window/partial")));
	blind_is(root, 0, "21:00:21", "21:00:30");
	json_object_put(root);
	life_kill();
	ck_assert_uint_eq(life_count("cells"), 2); /* that of W - 5 */
}
END_TEST

/* One of them at once, so that there is only its mark. The last is stopped. */
START_TEST(many_kills_in_one_window)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_kill();
	begin(W + 100);
	intervals(2);
	life_kill();
	begin(W + 130);
	life_kill();
	begin(W + 150);
	intervals(1);
	life_execs(5);
	life_kill();
	begin(W + 200);
	life_execs(3);
	life_until(W + 205);
	life_stop();
	ck_assert_uint_eq(life_count("cells"), 1);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 3 + 2 + 1 + 3);
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 4);
	blind_is(root, 0, "21:01:30", "21:01:40");
	blind_is(root, 1, "21:02:00", "21:02:10");
	blind_is(root, 2, "21:02:10.00004", "21:02:30");
	blind_is(root, 3, "21:02:40", "21:03:20");
	/* But for the instant of the mark. */
	ck_assert_double_eq_tol(seconds(root, "/loss/blind_seconds"), 10 + 30 + 40, 0.001);
	ck_assert_double_eq_tol(seconds(root, "/window/covered_seconds"), 30 + 20 + 10 + 5, 0.001);
	json_object_put(root);
	life_verify();
}
END_TEST

/* A third run finds what two left when the window is over. */
START_TEST(nobody_came_in_time)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_kill();
	begin(W + 100);
	intervals(2);
	life_kill();
	life_start(W + 901);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 5);
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 2);
	blind_is(root, 0, "21:01:30", "21:01:40");
	blind_is(root, 1, "21:02:00", "21:02:10");
	json_object_put(root);
}
END_TEST

/* ---- two cells ---- */

/* The window ends while the agent comes up. */
START_TEST(the_first_record_is_of_the_next_window)
{
	begin(W + 850);
	intervals(3);
	life_kill();
	life_begin(W + 899, W + 901);
	ck_assert_uint_eq(life_count("cells"), 1);
	ck_assert_uint_eq(life_count("checkpoint"), 1);
	intervals(1);
	life_stop();
	ck_assert_uint_eq(life_count("cells"), 2);
	json_object_put(life_report("cells", "cell-20261121T2100Z-211410"));
	json_object_put(life_report("cells", "cell-20261121T2115Z-211501"));
}
END_TEST

START_TEST(the_interval_is_another)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_kill();
	life_config.interval_min = 5;
	begin(W + 420);
	intervals(2);
	ck_assert_uint_eq(life_count("cells"), 1);
	life_until(W + 600);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 3);
	blind_is(root, 0, "21:01:30", "21:01:40");
	json_object_put(root);
	root = life_report("cells", "cell-20261121T2105Z-210700");
	ck_assert_int_eq(num(root, "/total"), 2);
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 0);
	json_object_put(root);
	life_kill();
	life_config.interval_min = 0;
}
END_TEST

/* Both end together, but they are two. */
START_TEST(windows_that_end_together)
{
	begin(W + 60);
	intervals(3);
	life_kill();
	life_config.interval_min = 5;
	begin(W + 620);
	intervals(2);
	life_kill();
	life_config.interval_min = 15;
	begin(W + 700);
	intervals(1);
	life_stop();
	life_config.interval_min = 0;
	ck_assert_uint_eq(life_count("cells"), 3);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	json_object_put(life_report("cells", "cell-20261121T2100Z-210100"));
	json_object_put(life_report("cells", "cell-20261121T2110Z-211020"));
	json_object_put(life_report("cells", "cell-20261121T2100Z-211140"));
}
END_TEST

/* By a clock that was set back the next run begins before the one that was killed. */
START_TEST(the_clock_is_set_back)
{
	json_object *root;

	begin(W + 300);
	intervals(3);
	life_kill();
	begin(W + 60);
	intervals(2);
	life_kill();
	begin(W + 70); /* in what the second one watched */
	intervals(1);
	life_stop();
	ck_assert_uint_eq(life_count("cells"), 3);
	root = life_report("cells", "cell-20261121T2100Z-210500");
	ck_assert_int_eq(num(root, "/total"), 3);
	json_object_put(root);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 2);
	blind_is(root, 0, "21:01:20", "21:01:30");
	json_object_put(root);
	root = life_report("cells", "cell-20261121T2100Z-210110");
	ck_assert_int_eq(num(root, "/total"), 1);
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 0);
	json_object_put(root);
}
END_TEST

/* By some ms, as a clock is that is being set: it goes on, and no time is both watched and blind. */
START_TEST(the_clock_is_set_back_a_little)
{
	json_object *root;

	life_begin(W, W);
	intervals(89);
	life_kill();
	begin(W + 890);
	life_kill();
	begin(W + 890);
	life_until(W + 900);
	ck_assert_uint_eq(life_count("cells"), 1);
	root = life_report("cells", "cell-20261121T2100Z");
	ck_assert_int_eq(num(root, "/total"), 89);
	ck_assert(seconds(root, "/window/covered_seconds") + seconds(root, "/loss/blind_seconds") <
		  900.001);
	json_object_put(root);
	life_kill();
}
END_TEST

/* ---- its interim parts ---- */

START_TEST(parts_are_numbered_on)
{
	const char *const cell_id = "cell-20261121T2100Z-210100";
	char id[64];
	json_object *root;

	life_config.max_events = 2;
	begin(W + 60);
	life_execs(5); /* two parts, one in memory */
	life_until(W + 70);
	life_checkpoint();
	life_until(W + 71);
	life_execs(4); /* two parts after the last checkpoint */
	life_kill();
	begin(W + 90);
	life_execs(3);
	life_until(W + 100);
	life_checkpoint();
	life_kill();
	begin(W + 120);
	life_execs(3);
	life_until(W + 900);
	life_config.max_events = 0;
	for (unsigned part = 1; part <= 6; part++) {
		snprintf(id, sizeof(id), "%s.part%04u", cell_id, part);
		root = life_report("interim", id);
		ck_assert_int_eq(num(root, "/part"), part);
		ck_assert_str_eq(str(root, "/cell_id"), cell_id);
		ck_assert_str_eq(str(root, "/covered_from"), "2026-11-21T21:01:00.000000000Z");
		json_object_put(root);
	}
	ck_assert_uint_eq(life_count("interim"), 6);
	root = life_report("cells", cell_id);
	ck_assert_int_eq(num(root, "/total"), 5 + 3 + 3);
	ck_assert_int_eq(num(root, "/interim/parts"), 6);
	ck_assert_int_eq(num(root, "/interim/events_in_parts"), 12);
	ck_assert_int_eq(num(root, "/interim/events_listed"), 1);
	/* Of the second run; the first one has more in its parts than in its checkpoints. */
	ck_assert_int_eq(num(root, "/interim/events_unlisted"), 1);
	json_object_put(root);
	life_kill();
	life_verify();
}
END_TEST

/* The mark does not know that the first events were earlier than it. */
START_TEST(parts_that_begin_before_the_mark)
{
	json_object *root;

	life_config.max_events = 2;
	begin(W + 61);
	life.cells.now_ns -= FEED_S / 100;
	life_execs(4);
	life_kill();
	begin(W + 90);
	life_execs(2);
	life_stop();
	root = life_report("interim", "cell-20261121T2100Z-210100.part0003");
	ck_assert_str_eq(str(root, "/covered_from"), "2026-11-21T21:01:00.990000000Z");
	json_object_put(root);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_str_eq(str(root, "/window/covered_from"), "2026-11-21T21:01:00.990000000Z");
	ck_assert_int_eq(num(root, "/total"), 2);
	ck_assert_int_eq(num(root, "/interim/parts"), 3);
	ck_assert_int_eq(num(root, "/interim/events_unlisted"), 0);
	json_object_put(root);
}
END_TEST

/* ---- killed while it writes ---- */

static void save(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s/%s' && cp -a '%s/%s' '%s/%s'", base, to,
		 base, from, base, to);
	shell(command);
}

/* Its checkpoints are still there, all or those that it began with: nothing is counted twice. */
START_TEST(the_cell_is_there_already)
{
	json_object *root;
	char command[160];

	begin(W + 60);
	intervals(3);
	life_kill();
	begin(W + 120);
	intervals(4);
	save("reports/checkpoint", "kept");
	life_until(W + 200);
	life_stop();
	for (unsigned n = 5; n > 0; n--) { /* of the last run: its mark and four more */
		save("kept", "reports/checkpoint");
		begin(W + 300); /* in the same window */
		ck_assert_uint_eq(life_count("checkpoint"), 1);
		life_kill();
		snprintf(command, sizeof(command),
			 "rm '%s/kept/open-001795295700-000002-%08u.json'", base, n);
		shell(command);
	}
	save("kept", "reports/checkpoint");
	begin(W + 300);
	ck_assert_uint_eq(life_count("checkpoint"), 1);
	life_kill();
	ck_assert_uint_eq(life_count("cells"), 1);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 7);
	json_object_put(root);
}
END_TEST

/* ---- a disk that takes nothing ---- */

/* The merge is made once, however often the writing is tried. */
START_TEST(no_room_for_the_cell)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_kill();
	begin(W + 120);
	intervals(4);
	full = "/cells/";
	life_config.tries = 3;
	life_config.last_try = make_room;
	life_until(W + 901);
	ck_assert_uint_eq(life.refused, 3);
	ck_assert_uint_eq(life_count("cells"), 1);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 7);
	ck_assert_int_eq((long long)length(root, "/events"), 4);
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 1);
	json_object_put(root);
	life_kill();
	life_verify();
}
END_TEST

/* Nor for what was left of an earlier window: it is written when there is, before what is later. */
START_TEST(no_room_at_the_start)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_kill();
	begin(W + 880);
	intervals(1);
	life_until(W + 899);
	full = "/cells/";
	life_until(W + 901); /* its cell stays unwritten */
	ck_assert_uint_eq(life.refused, 1);
	intervals(1);
	life_kill();
	begin(W + 960);
	intervals(1);
	ck_assert_uint_eq(life.refused, 0);
	full = NULL;
	life_until(W + 1801);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 4);
	json_object_put(root);
	root = life_report("cells", "cell-20261121T2115Z");
	ck_assert_int_eq(num(root, "/total"), 2);
	json_object_put(root);
	ck_assert_uint_eq(life_count("cells"), 2);
	life_kill();
	life_verify();
}
END_TEST

/* Without a mark, and within a second: the runs' numbers tell that there was a kill. */
START_TEST(no_room_for_the_mark)
{
	json_object *root;

	begin(W + 60);
	intervals(3);
	life_kill();
	full = "/checkpoint/";
	begin(W + 91);
	life_execs(1);
	life_until(W + 100);
	life_checkpoint();
	full = NULL;
	life_execs(1);
	life_until(W + 105);
	life_checkpoint();
	life_kill();
	life_start(W + 901);
	root = life_report("cells", "cell-20261121T2100Z-210100");
	ck_assert_int_eq(num(root, "/total"), 5);
	blind_is(root, 0, "21:01:30", "21:01:31");
	json_object_put(root);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_window_goes_on,
		from_the_windows_begin,
		many_kills_in_one_window,
		nobody_came_in_time,
		the_first_record_is_of_the_next_window,
		the_interval_is_another,
		windows_that_end_together,
		the_clock_is_set_back,
		the_clock_is_set_back_a_little,
		parts_are_numbered_on,
		parts_that_begin_before_the_mark,
		the_cell_is_there_already,
		no_room_for_the_cell,
		no_room_at_the_start,
		no_room_for_the_mark,
	};

	return suite_run("resume", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 200);
}
