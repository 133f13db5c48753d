/* SPDX-License-Identifier: MIT */
/* Blocks, days, weeks and months made from made-up cells: fields, sums, missing children, severity. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "made.h"
#include "report/parent_private.h"
#include "suite.h"

#define S 1000000000ll
#define HOUR (3600 * S)
#define MONDAY (1793577600ll * S) /* 2026-11-02, the first of November's weeks */
#define MAX_MADE 400

static struct made_report {
	enum report_level level;
	struct buf id, text;
	edr_s64 start_ns;
} made[MAX_MADE];
static size_t n_made;

static const struct cell_finding critical = {
	.id = { "f-9", 3 },
	.title = { "a shell of a web server", 23 },
	.details = { "sh -i", 5 },
	.technique = { "T1059", 5 },
	.time_ns = MONDAY + 30 * HOUR,
	.severity = 5,
};

static int read_made(void *ctx, enum report_level level, const char *id, struct buf *text)
{
	(void)ctx;
	for (size_t i = 0; i < n_made; i++)
		if (made[i].level == level && strcmp(made[i].id.data, id) == 0) {
			buf_add(text, made[i].text.data, made[i].text.len);
			return 0;
		}
	return -ENOENT;
}

static struct made_report *next_made(enum report_level level, edr_s64 start_ns)
{
	ck_assert_uint_lt(n_made, MAX_MADE);
	made[n_made] = (struct made_report){ .level = level, .start_ns = start_ns };
	return &made[n_made++];
}

static void cell_at(struct made_rng *r, edr_s64 start_ns, const struct cell_finding *f)
{
	struct made_report *m = next_made(LEVEL_CELL, start_ns);

	made_cell_report(r, start_ns, 30, 20, f, &m->id, &m->text);
}

static json_object *parent(enum report_level level, edr_s64 at_ns)
{
	const struct report_window w = report_level_window(level, at_ns, 0);
	const char *ids[MAX_MADE];
	struct made_report *m;
	json_object *root;
	size_t n = 0;

	for (size_t i = 0; i < n_made; i++)
		if (made[i].level + 1 == level && made[i].start_ns >= w.start_ns &&
		    made[i].start_ns < w.end_ns)
			ids[n++] = made[i].id.data;
	m = next_made(level, w.start_ns);
	ck_assert_int_eq(report_parent_make(read_made, NULL, level, w, ids, n, &m->id, &m->text),
			 0);
	root = json_tokener_parse(m->text.data);
	ck_assert_ptr_nonnull(root);
	return root;
}

/* As if that report had said so; both are of one length. */
static void say(struct buf *text, const char *was, const char *is)
{
	char *at = strstr(text->data, was);

	ck_assert_ptr_nonnull(at);
	memcpy(at, is, strlen(is));
}

/* Of so many parts each, and what ran is all in them. */
static void check_trends(json_object *report, size_t parts)
{
	json_object_object_foreach(at(report, "/command_trends"), name, trend) {
		long long runs = 0;

		ck_assert_uint_eq(json_object_array_length(trend), parts);
		for (size_t i = 0; i < parts; i++)
			runs += json_object_get_int64(json_object_array_get_idx(trend, i));
		ck_assert_int_eq(runs, json_object_get_int64(json_object_object_get(
					       at(report, "/command_counts"), name)));
	}
	json_object_object_foreach(at(report, "/process_trends"), path, process) {
		ck_assert_ptr_nonnull(path);
		ck_assert_uint_eq(json_object_array_length(process), parts);
	}
	ck_assert_uint_gt(json_object_object_length(at(report, "/command_trends")), 0);
	ck_assert_uint_gt(json_object_object_length(at(report, "/process_trends")), 0);
}

/* Runs of all commands in that part. */
static long long in_part(json_object *report, size_t part)
{
	long long runs = 0;

	json_object_object_foreach(at(report, "/command_trends"), name, trend) {
		(void)name;
		runs += json_object_get_int64(json_object_array_get_idx(trend, part));
	}
	return runs;
}

static void forget(void)
{
	for (size_t i = 0; i < n_made; i++) {
		buf_free(&made[i].id);
		buf_free(&made[i].text);
	}
	n_made = 0;
}

START_TEST(test_block)
{
	struct made_rng r = { 5 };
	long long events = 0;
	json_object *block, *cell;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 3 || i == 4)
			continue;
		cell_at(&r, MONDAY + i * 900 * S, i == 7 ? &critical : NULL);
		cell = json_tokener_parse(made[n_made - 1].text.data);
		events += num(cell, "/total");
		json_object_put(cell);
	}
	block = parent(LEVEL_BLOCK, MONDAY);
	ck_assert_str_eq(str(block, "/report_id"), "block-20261102T0000Z");
	ck_assert_str_eq(str(block, "/window_end"), "2026-11-02T04:00:00Z");
	ck_assert_int_eq(num(block, "/total_events"), events);
	ck_assert_int_eq(column(at(block, "/children"), "/events"), events);
	ck_assert_uint_eq(length(block, "/cells"), 14);
	ck_assert_uint_eq(length(block, "/missing"), 2);
	ck_assert_str_eq(str(block, "/missing/0/report_id"), "cell-20261102T0045Z");
	ck_assert_int_eq(num(block, "/missing/1/seconds"), 900);
	ck_assert_int_eq(num(block, "/window/missing_seconds"), 1800);
	ck_assert_int_eq(num(block, "/severity"), 5);
	ck_assert_int_eq(num(block, "/finding_counts/5"), 1);
	ck_assert_str_eq(str(block, "/findings/0/id"), "f-9");
	ck_assert_int_eq(sum(at(block, "/command_counts")), num(block, "/counts/exec/delivered"));
	ck_assert_uint_le(json_object_object_length(at(block, "/top_processes")), PARENT_TOP);
	check_trends(block, 4);
	for (size_t hour = 0; hour < 4; hour++) {
		long long execs = 0;

		for (int i = 0; i < 14; i++) {
			json_object *c = json_object_array_get_idx(at(block, "/children"), i);
			const char *begin = str(c, "/window_start");

			if (begin[12] == '0' + (char)hour)
				execs += num(c, "/execs");
		}
		ck_assert_int_gt(execs, 0);
		ck_assert_int_eq(in_part(block, hour), execs);
	}
	json_object_put(block);
	forget();
}
END_TEST

/* Six weeks with some cells each day; the last block of each day is missing. */
static void fill(struct made_rng *r, unsigned days)
{
	for (unsigned d = 0; d < days; d++) {
		for (unsigned h = 0; h < 20; h += 7)
			cell_at(r, MONDAY + (d * 24ll + h) * HOUR,
				d == 1 && h == 7 ? &critical : NULL);
		for (unsigned b = 0; b < 5; b++)
			if (b == 0 || b == 1 || b == 3)
				json_object_put(
					parent(LEVEL_BLOCK, MONDAY + (d * 24ll + b * 4) * HOUR));
	}
}

/* Off in one of its cells is off in the block; a source that changed is told. */
START_TEST(test_degraded)
{
	static const char *const want[] = { "a", "b", "c", "source: abc for a part of the window",
					    "source: bpf for a part of the window" };
	struct made_rng r = { 13 };
	json_object *block, *list;

	for (unsigned i = 0; i < 3; i++)
		cell_at(&r, MONDAY + i * 900 * S, NULL);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(strstr(made[i].text.data, "\"source\": \"bpf\""));
	say(&made[1].text, "\"source\": \"bpf\"", "\"source\": \"abc\"");
	say(&made[1].text, "\"b\"", "\"c\"");
	say(&made[0].text, "\"events_over_limit\": 0", "\"events_over_limit\": 5");
	say(&made[2].text, "\"events_over_limit\": 0", "\"events_over_limit\": 3");
	block = parent(LEVEL_BLOCK, MONDAY);
	ck_assert_str_eq(str(block, "/source"), "bpf");
	ck_assert_int_eq(num(block, "/interim/events_over_limit"), 8);
	list = at(block, "/degraded");
	ck_assert_uint_eq(json_object_array_length(list), sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_str_eq(json_object_get_string(json_object_array_get_idx(list, i)),
				 want[i]);
	json_object_put(block);
	forget();
}
END_TEST

START_TEST(test_levels)
{
	struct made_rng r = { 6 };
	long long events = 0, runs = 0;
	json_object *day, *week, *month;

	fill(&r, 28);
	for (unsigned d = 0; d < 28; d++) {
		day = parent(LEVEL_DAILY, MONDAY + d * 24ll * HOUR);
		ck_assert_uint_eq(length(day, "/blocks"), 3);
		ck_assert_uint_eq(length(day, "/missing"), 3);
		ck_assert_uint_eq(length(day, "/unusual_activity"), d == 1);
		events += num(day, "/total_events");
		check_trends(day, 6);
		/* Cells at 0, 7 and 14 h. */
		for (size_t b = 0; b < 6; b++)
			ck_assert_int_eq(in_part(day, b) > 0, b == 0 || b == 1 || b == 3);
		if (d == 1) {
			ck_assert_str_eq(str(day, "/date"), "2026-11-03");
			ck_assert_int_eq(num(day, "/severity"), 5);
			ck_assert_int_eq(num(day, "/unusual_activity/0/severity"), 5);
			ck_assert_str_eq(str(day, "/unusual_activity/0/time_window"),
					 "2026-11-03T04:00:00Z/2026-11-03T08:00:00Z");
			ck_assert_str_eq(str(day, "/unusual_activity/0/summary"),
					 "1 finding, the worst: a shell of a web server");
		}
		json_object_put(day);
	}
	for (unsigned w = 0; w < 4; w++) {
		week = parent(LEVEL_WEEKLY, MONDAY + w * 168ll * HOUR);
		ck_assert_uint_eq(length(week, "/daily_reports"), 7);
		ck_assert_int_eq(num(week, "/risk_score"), w ? 40 : 100);
		ck_assert_uint_eq(length(week, "/security_incidents"), !w);
		check_trends(week, 7);
		runs += sum(at(week, "/command_counts"));
		for (size_t d = 0; d < 7; d++)
			ck_assert_int_gt(in_part(week, d), 0);
		if (w == 0) {
			ck_assert_str_eq(str(week, "/week_start_date"), "2026-11-02");
			ck_assert_str_eq(str(week, "/week_end_date"), "2026-11-08");
			ck_assert_str_eq(str(week, "/security_incidents/0/date"), "2026-11-03");
			ck_assert_str_eq(str(week, "/security_incidents/0/risk_level"), "high");
		}
		json_object_put(week);
	}
	month = parent(LEVEL_MONTHLY, MONDAY + 400 * HOUR);
	ck_assert_str_eq(str(month, "/report_id"), "monthly-202611");
	ck_assert_str_eq(str(month, "/month"), "2026-11");
	ck_assert_str_eq(str(month, "/start_date"), "2026-11-02");
	ck_assert_str_eq(str(month, "/end_date"), "2026-11-29");
	ck_assert_int_eq(num(month, "/total_events"), events);
	ck_assert_int_eq(num(month, "/counts/exec/delivered"), runs);
	/* Fault 7: one critical cell stays critical; the original's blend says otherwise. */
	ck_assert_int_eq(num(month, "/severity"), 5);
	ck_assert_int_eq(num(month, "/risk_score"), 100);
	ck_assert_int_eq(num(month, "/security_summary/total_incidents"), 1);
	ck_assert_int_eq(num(month, "/security_summary/high_risk_incidents"), 1);
	ck_assert_str_eq(str(month, "/recommendations/0"),
			 "Investigate (severity 5, T1059): a shell of a web server");
	ck_assert_uint_eq(length(month, "/weekly_reports"), 4);
	check_trends(month, 4);
	for (size_t w = 0; w < 4; w++)
		ck_assert_int_gt(in_part(month, w), 0);
	json_object_put(month);
	forget();
}
END_TEST

START_TEST(test_blend)
{
	unsigned quiet[16] = { 1, 1, 1, 1, 1, 1, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1 };
	unsigned two[2] = { 4, 1 }, one[1] = { 3 }, half[2] = { 1, 2 };

	ck_assert_uint_eq(parent_blend(quiet, 16), 2); /* 2.2 */
	ck_assert_uint_eq(parent_blend(two, 2), 3);    /* 2.95 */
	ck_assert_uint_eq(parent_blend(one, 1), 3);
	ck_assert_uint_eq(parent_blend(half, 2), 2); /* 1.65 */
	ck_assert_uint_eq(parent_blend(half, 0), 0);
}
END_TEST

START_TEST(test_unusable)
{
	const struct report_window w = report_level_window(LEVEL_BLOCK, MONDAY, 0);
	const char *const ids[] = { "cell-20261102T0000Z", "cell-20261102T0015Z",
				    "cell-20261102T0030Z", "cell-20261102T0400Z" };
	struct buf id = { 0 }, text = { 0 }, id2 = { 0 }, text2 = { 0 };
	const char *const back[] = { ids[3], ids[2], ids[1], ids[0] };
	struct made_rng r = { 7 };
	json_object *block;

	cell_at(&r, MONDAY, NULL);
	cell_at(&r, MONDAY + 900 * S, NULL);
	cell_at(&r, MONDAY + 4 * HOUR, NULL);
	made[1].text.data[made[1].text.len / 2] = '\x01';
	ck_assert_int_eq(report_parent_make(read_made, NULL, LEVEL_BLOCK, w, ids, 4, &id, &text),
			 0);
	ck_assert_int_eq(report_parent_make(read_made, NULL, LEVEL_BLOCK, w, back, 4, &id2, &text2),
			 0);
	ck_assert_str_eq(text.data, text2.data);
	block = json_tokener_parse(text.data);
	ck_assert_uint_eq(length(block, "/cells"), 1);
	ck_assert_uint_eq(length(block, "/missing"), 15);
	ck_assert_uint_eq(length(block, "/unusable"), 3);
	ck_assert_str_eq(str(block, "/unusable/1/why"), "removed");
	ck_assert_str_eq(str(block, "/unusable/2/why"), "belongs elsewhere");
	ck_assert(!json_object_is_type(at(block, "/unusable/0/why"), json_type_null));
	json_object_put(block);
	ck_assert_int_eq(report_parent_make(read_made, NULL, LEVEL_CELL, w, ids, 4, &id, &text),
			 -EINVAL);
	buf_free(&id);
	buf_free(&text);
	buf_free(&id2);
	buf_free(&text2);
	forget();
}
END_TEST

/* A block of many cells, each with names of its own. */
START_TEST(test_trends_are_bounded)
{
	enum { CELLS = 240, NAMES = 1000, LEN = 200 };
	struct made_rng r = { 11 };
	struct parent p = { .level = LEVEL_BLOCK,
			    .window = report_level_window(LEVEL_BLOCK, MONDAY, 0) };
	struct report_info info;
	struct cell_command *command = calloc(NAMES, sizeof(*command));
	char(*name)[LEN] = calloc(NAMES, LEN);
	struct cell_view v = { .commands = command, .n_commands = NAMES }, sum;
	const edr_u64 *runs;

	cell_at(&r, MONDAY, NULL);
	ck_assert_int_eq(report_load(made[0].text.data, made[0].text.len, &p.sum, &info), 0);
	ck_assert_int_eq(cell_view_open(&sum, p.sum), 0);
	ck_assert_uint_gt(sum.n_commands, 0);
	for (int c = 0; c < CELLS; c++) {
		for (int i = 0; i < NAMES; i++) {
			snprintf(name[i], LEN, "%0190d", c * NAMES + i);
			command[i] = (struct cell_command){ .name = { name[i], LEN }, .count = 1 };
		}
		command[0].name = sum.commands[0].name;
		ck_assert_int_eq(parent_trends_add(&p, &v, MONDAY + c * 60 * S), 0);
		ck_assert_uint_le(p.trend_bytes, PARENT_TREND_BYTES + NAMES * 2 * LEN);
	}
	ck_assert_uint_lt(p.trend_bytes, (size_t)CELLS * NAMES * LEN / 2);
	runs = parent_trend(&p, false, sum.commands[0].name);
	ck_assert_ptr_nonnull(runs);
	for (size_t hour = 0; hour < 4; hour++)
		ck_assert_uint_eq(runs[hour], CELLS / 4);
	parent_trends_free(&p);
	cell_view_close(&sum);
	cell_free(p.sum);
	free(command);
	free(name);
	forget();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_block, test_degraded, test_levels,
				       test_blend, test_unusable, test_trends_are_bounded };

	return suite_run("parent", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 120);
}
