/* SPDX-License-Identifier: MIT */
/* Windows and ids of the levels, against the calendar of the C library and known dates. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collect.h"
#include "report/level.h"
#include "suite.h"

#define S 1000000000ll
#define DAY (86400 * S)

static edr_s64 at_date(int year, int month, int day)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };

	return (edr_s64)timegm(&tm) * S;
}

static void check_tiles(enum report_level level, edr_s64 from, edr_s64 to)
{
	struct report_window w = report_level_window(level, from, 15), next, up;
	char id[REPORT_ID_MAX], before[REPORT_ID_MAX] = "";
	edr_s64 start;

	for (; w.start_ns < to; w = next) {
		ck_assert_int_lt(w.start_ns, w.end_ns);
		next = report_level_window(level, w.end_ns, 15);
		ck_assert_int_eq(next.start_ns, w.end_ns);
		ck_assert_int_eq(report_level_window(level, w.start_ns, 15).end_ns, w.end_ns);
		ck_assert_int_eq(report_level_window(level, w.end_ns - 1, 15).start_ns, w.start_ns);
		report_level_id(level, w, id);
		/* Ids rise with time, so none comes twice. */
		ck_assert_int_lt(strcmp(before, id), 0);
		strcpy(before, id);
		ck_assert_int_eq(report_level_of_id(id, &start), level);
		ck_assert_int_eq(start, w.start_ns);
		if (level == LEVEL_MONTHLY)
			continue;
		up = report_level_window(level + 1, w.start_ns, 15);
		ck_assert(up.start_ns <= w.start_ns && w.end_ns <= up.end_ns);
	}
}

START_TEST(test_tiles)
{
	check_tiles(LEVEL_CELL, at_date(2026, 12, 1), at_date(2027, 2, 1));
	for (enum report_level l = LEVEL_BLOCK; l < N_LEVELS; l++)
		check_tiles(l, at_date(1999, 12, 1), at_date(2031, 1, 1));
}
END_TEST

/* Against strftime's %G, %V and %Y%m%d for each day of 60 years. */
START_TEST(test_calendar)
{
	char expected[64], id[REPORT_ID_MAX];

	for (edr_s64 t = at_date(1969, 1, 1); t < at_date(2031, 1, 1); t += DAY) {
		time_t s = (time_t)(t / S);
		struct tm tm;

		gmtime_r(&s, &tm);
		strftime(expected, sizeof(expected), "daily-%Y%m%d", &tm);
		report_level_id(LEVEL_DAILY, report_level_window(LEVEL_DAILY, t + 5, 0), id);
		ck_assert_str_eq(id, expected);
		strftime(expected, sizeof(expected), "weekly-%GW%V", &tm);
		report_level_id(LEVEL_WEEKLY, report_level_window(LEVEL_WEEKLY, t + 5, 0), id);
		ck_assert_str_eq(id, expected);
		if (tm.tm_wday != 4)
			continue;
		strftime(expected, sizeof(expected), "monthly-%Y%m", &tm);
		report_level_id(LEVEL_MONTHLY, report_level_window(LEVEL_MONTHLY, t + 5, 0), id);
		ck_assert_str_eq(id, expected);
	}
}
END_TEST

/* ISO 8601: years that begin or end within a week. */
START_TEST(test_iso_weeks)
{
	static const struct {
		int year, month, day, iso_year, week;
	} known[] = {
		{ 2005, 1, 1, 2004, 53 },   { 2005, 1, 2, 2004, 53 },	{ 2005, 12, 31, 2005, 52 },
		{ 2007, 1, 1, 2007, 1 },    { 2007, 12, 30, 2007, 52 }, { 2007, 12, 31, 2008, 1 },
		{ 2008, 12, 28, 2008, 52 }, { 2008, 12, 29, 2009, 1 },	{ 2009, 12, 31, 2009, 53 },
		{ 2010, 1, 3, 2009, 53 },   { 2010, 1, 4, 2010, 1 },	{ 2020, 12, 31, 2020, 53 },
		{ 2021, 1, 3, 2020, 53 },   { 2026, 11, 21, 2026, 47 }, { 2026, 12, 31, 2026, 53 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct report_iso_week w = report_iso_week(
			at_date(known[i].year, known[i].month, known[i].day) + DAY - 1);

		ck_assert_int_eq(w.year, known[i].iso_year);
		ck_assert_int_eq(w.week, known[i].week);
	}
}
END_TEST

START_TEST(test_ends_of_time)
{
	static const edr_s64 hostile[] = { INT64_MIN, INT64_MIN + 1, -1,       0,
					   1,	      INT64_MAX - 1, INT64_MAX };
	char id[REPORT_ID_MAX];

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		for (enum report_level l = LEVEL_CELL; l < N_LEVELS; l++) {
			const struct report_window w = report_level_window(l, hostile[i], 240);

			ck_assert_int_le(w.start_ns, hostile[i]);
			ck_assert_int_ge(w.end_ns, hostile[i]);
			report_level_id(l, w, id);
			ck_assert_uint_gt(strlen(id), 8);
		}
}
END_TEST

START_TEST(test_names)
{
	static const char *const bad[] = {
		"",
		"block",
		"block-",
		"block-20261121T2000",
		"block-20261121T2100Z",
		"block-20261121T2000Z-2",
		"daily-20261131",
		"daily-20260229",
		"daily-2026112",
		"weekly-2026W54",
		"weekly-2026W00",
		"weekly-2025W53",
		"monthly-202613",
		"monthly-202600",
		"cell-20261121T2460Z",
		"cell-20261121T2100Z.json",
		"daily-99999999",
		"../daily-20261121",
	};
	edr_s64 t;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(report_level_of_id(bad[i], &t) == N_LEVELS, "%s", bad[i]);
	ck_assert_int_eq(report_level_of_id("cell-20261121T2100Z-000130", &t), LEVEL_CELL);
	ck_assert_int_eq(t, at_date(2026, 11, 21) + 21 * 3600 * S);
	ck_assert_int_eq(report_level_of_id("cell-20261121T2100Z-000130.part0001", &t),
			 LEVEL_INTERIM);
	ck_assert_int_eq(t, at_date(2026, 11, 21) + 21 * 3600 * S);
	ck_assert_int_eq(report_level_by_name("blocks"), LEVEL_BLOCK);
	ck_assert_int_eq(report_level_by_name("monthly"), LEVEL_MONTHLY);
	ck_assert_int_eq(report_level_by_name("yearly"), N_LEVELS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_tiles, test_calendar, test_iso_weeks, test_ends_of_time,
				       test_names };

	return suite_run("level", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
