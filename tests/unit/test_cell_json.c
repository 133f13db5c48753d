/* SPDX-License-Identifier: MIT */
/* The members of a cell's report and of an interim part. */
#include <check.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "feed.h"
#include "report/json.h"
#include "suite.h"

#define FEED(f, what, pid, ...) feed_fold(f, rec_##what(&(f)->rec, feed_id(f, pid), ##__VA_ARGS__))

START_TEST(members)
{
	struct feed f = { .sinks = collect };
	json_object *r, *exe;
	edr_u32 pid;

	feed_open(&f, FEED_WINDOW + 192);
	pid = feed_exec(&f, 0, "/usr/bin/ls", "ls\0-l\0a b");
	feed_exec(&f, 1000, "/usr/bin/ls", "ls\0-l\0a b");
	f.now_ns += FEED_S / 4;
	FEED(&f, fork, pid, 4000, 4000007);
	FEED(&f, connect, pid, 0x01020304, 443, 0);
	FEED(&f, connect, pid, 0x01020304, 443, -ECONNREFUSED);
	FEED(&f, connect, pid, 0x01020304, 443, EDR_RESULT_UNKNOWN);
	FEED(&f, exec_failed, pid, "/nowhere/x", -ENOENT);
	FEED(&f, exit, pid, 0, 9);
	feed_fold(&f, rec_loss(&f.rec, f.now_ns, EDR_EXEC, 3, 1));
	feed_fold(&f, rec_blind(&f.rec, f.now_ns, f.now_ns - FEED_S / 8, f.now_ns, "self-test"));
	feed_close(&f);

	ck_assert_uint_eq(n_reports, 1);
	ck_assert_str_eq(reports[0].id.data, "cell-20261121T2100Z-210312");
	r = reports[0].root;
	ck_assert_int_eq(num(r, "/schema_version"), 1);
	ck_assert_str_eq(str(r, "/level"), "cell");
	ck_assert_str_eq(str(r, "/report_id"), "cell-20261121T2100Z-210312");
	ck_assert_str_eq(str(r, "/host/name"), "host.example");
	ck_assert_str_eq(str(r, "/source"), "bpf");
	ck_assert_uint_eq(length(r, "/degraded"), 2);
	ck_assert_str_eq(str(r, "/window_start"), "2026-11-21T21:00:00Z");
	ck_assert_str_eq(str(r, "/window_end"), "2026-11-21T21:15:00Z");
	ck_assert_str_eq(str(r, "/window/covered_from"), "2026-11-21T21:03:12.000000000Z");
	ck_assert(json_object_get_boolean(at(r, "/window/partial")));
	ck_assert_str_eq(json_object_get_string(at(r, "/window/covered_seconds")), "0.25");
	ck_assert_int_eq(num(r, "/severity"), 3); /* an exec of three was lost */
	ck_assert_str_eq(str(r, "/analysis/reasons/0/id"), "loss-heavy");
	ck_assert_int_eq(num(r, "/total"), 8);
	ck_assert_int_eq(num(r, "/loss/total"), 1);
	ck_assert_int_eq(num(r, "/loss/by_type/exec"), 1);
	ck_assert_str_eq(json_object_get_string(at(r, "/loss/blind_seconds")), "0.125");
	ck_assert_str_eq(str(r, "/loss/blind/0/reason"), "self-test");
	ck_assert_int_eq(num(r, "/command_counts/ls"), 2);
	ck_assert_uint_eq(length(r, "/process_events/ls"), 1);
	ck_assert_str_eq(str(r, "/process_events/ls/0"), "ls -l 'a b'");
	ck_assert_uint_eq(length(r, "/events"), 8);
	ck_assert_str_eq(str(r, "/events/0/type"), "exec");

	ck_assert_uint_eq(length(r, "/executables"), 2);
	exe = at(r, "/executables/0");
	ck_assert_str_eq(str(exe, "/path"), "/usr/bin/ls");
	ck_assert_int_eq(num(exe, "/runs"), 2);
	ck_assert_int_eq(num(exe, "/forks"), 1);
	ck_assert_int_eq(num(exe, "/connects"), 3);
	ck_assert_int_eq(num(exe, "/users/0"), 1);
	ck_assert_int_eq(num(exe, "/users/1000"), 1);
	ck_assert_int_eq(num(exe, "/exits/by_signal/SIGKILL"), 1);
	ck_assert_int_eq(num(exe, "/connect_results/0"), 1);
	ck_assert_int_eq(num(exe, "/connect_results/ECONNREFUSED"), 1);
	ck_assert_int_eq(num(exe, "/connect_results/unknown"), 1);
	ck_assert_str_eq(str(exe, "/command_lines/0/command_line"), "ls -l 'a b'");
	ck_assert_int_eq(num(exe, "/command_lines/0/count"), 2);
	exe = at(r, "/executables/1");
	ck_assert_str_eq(str(exe, "/path"), "/nowhere/x");
	ck_assert_int_eq(num(exe, "/errors/ENOENT"), 1);
	ck_assert_str_eq(str(r, "/connections/0/address"), "1.2.3.4");
	ck_assert_int_eq(num(r, "/connections/0/port"), 443);
	ck_assert_str_eq(str(r, "/connections/0/protocol"), "IPPROTO_TCP");

	ck_assert_str_eq(reports[0].summary.window_start, "2026-11-21T21:00:00Z");
	ck_assert_str_eq(reports[0].summary.window_end, "2026-11-21T21:15:00Z");
	ck_assert_uint_eq(reports[0].summary.events, 8);
	ck_assert_uint_eq(reports[0].summary.execs, 2);
	ck_assert_uint_eq(reports[0].summary.lost, 1);
	ck_assert(reports[0].summary.partial && reports[0].summary.blind_s > 0.12 &&
		  reports[0].summary.blind_s < 0.13);
	collect_free();
}
END_TEST

/* Names of files, so neither ':' nor '+'; that of a cell that began late has the time. */
START_TEST(ids)
{
	static const struct {
		edr_u64 at;
		const char *id;
	} want[] = {
		{ FEED_WINDOW, "cell-20261121T2100Z" },
		{ FEED_WINDOW + 1, "cell-20261121T2100Z-210001" },
		{ FEED_WINDOW + 899, "cell-20261121T2100Z-211459" },
		{ 0, "cell-19700101T0000Z" },
		{ 951868799, "cell-20000229T2345Z-235959" },
		{ 4102444800, "cell-21000101T0000Z" },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct feed f = { .sinks = collect };

		feed_open(&f, want[i].at);
		feed_exec(&f, 0, "/bin/true", "true");
		feed_close(&f);
		ck_assert_uint_eq(n_reports, 1);
		ck_assert_str_eq(reports[0].id.data, want[i].id);
		collect_free();
	}
}
END_TEST

START_TEST(whole_windows_follow_each_other)
{
	struct feed f = { .sinks = collect };

	feed_open(&f, FEED_WINDOW + 1);
	for (int i = 0; i < 4; i++) {
		feed_exec(&f, 0, "/bin/true", "true");
		f.now_ns += 900 * FEED_S;
		feed_clock(&f, FEED_WINDOW + 1 + (edr_u64)(i + 1) * 900, EDR_CLOCK_TICK);
	}
	feed_close(&f);
	ck_assert_uint_eq(n_reports, 5);
	ck_assert_str_eq(reports[0].id.data, "cell-20261121T2100Z-210001");
	ck_assert_str_eq(reports[1].id.data, "cell-20261121T2115Z");
	for (int i = 1; i < 4; i++) {
		ck_assert(!json_object_get_boolean(at(reports[i].root, "/window/partial")));
		ck_assert_str_eq(
			json_object_get_string(at(reports[i].root, "/window/covered_seconds")),
			"900");
		ck_assert_str_eq(str(reports[i].root, "/window_start"),
				 str(reports[i - 1].root, "/window_end"));
	}
	collect_free();
}
END_TEST

START_TEST(a_full_buffer_becomes_a_part)
{
	struct feed f = { .sinks = collect,
			  .cfg = { .interval_min = 15,
				   .keep_events = true,
				   .max_events = 3,
				   .max_events_bytes = 1 << 20,
				   .max_executables = 16,
				   .max_command_lines = 16,
				   .max_connections = 16 } };
	json_object *r;

	feed_open(&f, FEED_WINDOW + 60);
	for (int i = 0; i < 8; i++)
		feed_exec(&f, 0, "/bin/true", "true");
	feed_close(&f);
	ck_assert_uint_eq(n_reports, 3);
	ck_assert_str_eq(reports[0].id.data, "cell-20261121T2100Z-210100.part0001");
	ck_assert_str_eq(reports[1].id.data, "cell-20261121T2100Z-210100.part0002");
	r = reports[1].root;
	ck_assert_int_eq(num(r, "/schema_version"), 1);
	ck_assert_str_eq(str(r, "/level"), "interim");
	ck_assert_str_eq(str(r, "/report_id"), "cell-20261121T2100Z-210100.part0002");
	ck_assert_str_eq(str(r, "/cell_id"), reports[2].id.data);
	ck_assert_str_eq(str(r, "/covered_from"), str(reports[2].root, "/window/covered_from"));
	ck_assert_str_eq(str(r, "/host/name"), "host.example");
	ck_assert_int_eq(num(r, "/part"), 2);
	ck_assert_str_eq(str(r, "/why"), "count");
	ck_assert_int_eq(num(r, "/total"), 3);
	ck_assert_uint_eq(length(r, "/events"), 3);
	ck_assert_str_eq(str(r, "/window_start"), "2026-11-21T21:00:00Z");
	r = reports[2].root;
	ck_assert_int_eq(num(r, "/interim/parts"), 2);
	ck_assert_int_eq(num(r, "/interim/events_in_parts"), 6);
	ck_assert_uint_eq(length(r, "/events"), 2);
	ck_assert_int_eq(num(r, "/total"), 8);
	collect_free();
}
END_TEST

START_TEST(seconds_and_times)
{
	static const struct {
		edr_s64 ns;
		const char *seconds, *time;
	} want[] = {
		{ 1, "0.000000001", "1970-01-01T00:00:00.000000001Z" },
		{ -1, "-0.000000001", "1969-12-31T23:59:59.999999999Z" },
		{ 900000000000, "900", "1970-01-01T00:15:00.000000000Z" },
		{ 1500000000, "1.5", "1970-01-01T00:00:01.500000000Z" },
		{ -306000000000, "-306", "1969-12-31T23:54:54.000000000Z" },
		{ INT64_MAX, "9223372036.854775807", "2262-04-11T23:47:16.854775807Z" },
		{ INT64_MIN, "-9223372036.854775808", "1677-09-21T00:12:43.145224192Z" },
	};

	/* Where there is such a locale: a comma in a number would be no JSON. */
	setlocale(LC_ALL, "de_DE.UTF-8");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		json_object *o = json_object_new_object();
		struct rj j = { 0 };

		rj_put_seconds(&j, o, "s", want[i].ns);
		rj_put_time(&j, o, "t", want[i].ns);
		ck_assert_str_eq(json_object_get_string(at(o, "/s")), want[i].seconds);
		ck_assert_str_eq(str(o, "/t"), want[i].time);
		json_object_put(o);
		rj_free(&j);
	}
	setlocale(LC_ALL, "C");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		members,
		ids,
		whole_windows_follow_each_other,
		a_full_buffer_becomes_a_part,
		seconds_and_times,
	};

	return suite_run("cell_json", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
