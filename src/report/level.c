/* SPDX-License-Identifier: MIT */
/*
 * Days are counted from 1970-01-01, in the proleptic Gregorian calendar. The arithmetic of
 * civil_from_days and its inverse is that of Howard Hinnant's "chrono-compatible low-level date
 * algorithms": years begin in March, so that the leap day is the last of its year. Unix time has
 * no leap seconds, and so has none of this.
 */
#include "report/level.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MIN 60000000000LL
#define NS_PER_HOUR (60 * NS_PER_MIN)
#define NS_PER_DAY (24 * NS_PER_HOUR)
#define BLOCK_NS (4 * NS_PER_HOUR)
#define DAYS_PER_ERA 146097 /* of 400 years */
#define MIB ((size_t)1 << 20)

const struct report_level_desc report_levels[N_LEVELS] = {
	[LEVEL_INTERIM] = { "interim", "interim", NULL, 32 * MIB },
	[LEVEL_CELL] = { "cell", "cells", NULL, 256 * MIB },
	[LEVEL_BLOCK] = { "block", "blocks", "cells", 128 * MIB },
	[LEVEL_DAILY] = { "daily", "daily", "blocks", 128 * MIB },
	[LEVEL_WEEKLY] = { "weekly", "weekly", "daily_reports", 64 * MIB },
	[LEVEL_MONTHLY] = { "monthly", "monthly", "weekly_reports", 64 * MIB },
};

enum report_level report_level_by_name(const char *name)
{
	enum report_level i;

	for (i = 0; i < N_LEVELS; i++)
		if (!strcmp(name, report_levels[i].name) || !strcmp(name, report_levels[i].dir))
			break;
	return i;
}

static edr_s64 floor_div(edr_s64 a, edr_s64 b)
{
	return a / b - (a % b < 0);
}

struct report_date report_date_of_day(edr_s64 day)
{
	const edr_s64 shifted = day + 719468; /* from 0000-03-01 */
	const edr_s64 era = floor_div(shifted, DAYS_PER_ERA);
	const edr_s64 doe = shifted - era * DAYS_PER_ERA;
	const edr_s64 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	const edr_s64 doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	const edr_s64 month = (5 * doy + 2) / 153; /* 0 is March */
	struct report_date d;

	d.day = (int)(doy - (153 * month + 2) / 5 + 1);
	d.month = (int)(month < 10 ? month + 3 : month - 9);
	d.year = (int)(yoe + era * 400 + (d.month <= 2));
	return d;
}

edr_s64 report_day_of_date(struct report_date d)
{
	const edr_s64 year = (edr_s64)d.year - (d.month <= 2);
	const edr_s64 era = floor_div(year, 400);
	const edr_s64 yoe = year - era * 400;
	const edr_s64 doy = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;

	return era * DAYS_PER_ERA + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

edr_s64 report_day(edr_s64 unix_ns)
{
	return floor_div(unix_ns, NS_PER_DAY);
}

/* 1970-01-01 was a Thursday. */
static edr_s64 monday_of(edr_s64 day)
{
	return floor_div(day + 3, 7) * 7 - 3;
}

/* The Monday of the first week whose Thursday lies in the month, which may be 13. */
static edr_s64 first_monday(int year, int month)
{
	const struct report_date first = { year + (month > 12), month > 12 ? 1 : month, 1 };

	/* The first Thursday is in the week of the 4th, whichever weekday that is. */
	return monday_of(report_day_of_date(first) + 3);
}

struct report_iso_week report_iso_week(edr_s64 unix_ns)
{
	const edr_s64 monday = monday_of(report_day(unix_ns));
	const int year = report_date_of_day(monday + 3).year;

	return (struct report_iso_week){ year, (int)((monday - first_monday(year, 1)) / 7) + 1 };
}

/* The ends of time are ends of a window. */
static edr_s64 clamped(edr_s64 n, edr_s64 unit_ns)
{
	edr_s64 ns;

	if (__builtin_mul_overflow(n, unit_ns, &ns))
		return n < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static struct report_window window(edr_s64 from, edr_s64 to, edr_s64 unit_ns)
{
	return (struct report_window){ clamped(from, unit_ns), clamped(to, unit_ns) };
}

static struct report_window month_window(edr_s64 monday)
{
	const struct report_date d = report_date_of_day(monday + 3);

	return window(first_monday(d.year, d.month), first_monday(d.year, d.month + 1), NS_PER_DAY);
}

struct report_window report_level_window(enum report_level level, edr_s64 unix_ns,
					 unsigned interval_min)
{
	const edr_s64 day = report_day(unix_ns), monday = monday_of(day);
	edr_s64 unit = (edr_s64)(interval_min ? interval_min : 1) * NS_PER_MIN, n;

	switch (level) {
	case LEVEL_DAILY:
		return window(day, day + 1, NS_PER_DAY);
	case LEVEL_WEEKLY:
		return window(monday, monday + 7, NS_PER_DAY);
	case LEVEL_MONTHLY:
		return month_window(monday);
	case LEVEL_BLOCK:
		unit = BLOCK_NS;
		break;
	default:
		break;
	}
	n = floor_div(unix_ns, unit);
	return window(n, n + 1, unit);
}

/* Of the hour and minute within its day. */
static void compact_time(edr_s64 unix_ns, char *out, size_t size)
{
	const edr_s64 day = report_day(unix_ns);
	const struct report_date d = report_date_of_day(day);
	const edr_s64 minute = floor_div(unix_ns, NS_PER_MIN) - day * 24 * 60;

	snprintf(out, size, "%04d%02d%02dT%02lld%02lldZ", d.year, d.month, d.day, minute / 60,
		 minute % 60);
}

void report_level_id(enum report_level level, struct report_window w, char out[REPORT_ID_MAX])
{
	const edr_s64 day = report_day(w.start_ns);
	struct report_date d = report_date_of_day(day);
	struct report_iso_week week;
	char at[40];

	switch (level) {
	case LEVEL_DAILY:
		snprintf(out, REPORT_ID_MAX, "daily-%04d%02d%02d", d.year, d.month, d.day);
		return;
	case LEVEL_WEEKLY:
		week = report_iso_week(w.start_ns);
		snprintf(out, REPORT_ID_MAX, "weekly-%04dW%02d", week.year, week.week);
		return;
	case LEVEL_MONTHLY:
		d = report_date_of_day(monday_of(day) + 3);
		snprintf(out, REPORT_ID_MAX, "monthly-%04d%02d", d.year, d.month);
		return;
	default:
		compact_time(w.start_ns, at, sizeof(at));
		snprintf(out, REPORT_ID_MAX, "%s-%s", report_levels[level].name, at);
	}
}

/* n digits. */
static bool number(const char **s, int n, int *out)
{
	*out = 0;
	while (n--) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (*(*s)++ - '0');
	}
	return true;
}

static bool literal(const char **s, char c)
{
	return *(*s)++ == c;
}

static bool parse_date(const char **s, struct report_date *d)
{
	struct report_date again;

	if (!number(s, 4, &d->year) || !number(s, 2, &d->month) || !number(s, 2, &d->day) ||
	    d->month < 1 || d->month > 12 || d->day < 1)
		return false;
	again = report_date_of_day(report_day_of_date(*d));
	return again.month == d->month && again.day == d->day;
}

static bool parse_start(enum report_level level, const char **s, edr_s64 *day, edr_s64 *minute)
{
	struct report_date d = { 0, 0, 1 };
	int hour, min, week;

	*minute = 0;
	switch (level) {
	case LEVEL_WEEKLY:
		if (!number(s, 4, &d.year) || !literal(s, 'W') || !number(s, 2, &week))
			return false;
		*day = first_monday(d.year, 1) + 7 * ((edr_s64)week - 1);
		return true;
	case LEVEL_MONTHLY:
		if (!number(s, 4, &d.year) || !number(s, 2, &d.month) || d.month < 1 ||
		    d.month > 12)
			return false;
		*day = first_monday(d.year, d.month);
		return true;
	default:
		if (!parse_date(s, &d))
			return false;
		*day = report_day_of_date(d);
		if (level == LEVEL_DAILY)
			return true;
		if (!literal(s, 'T') || !number(s, 2, &hour) || !number(s, 2, &min) ||
		    !literal(s, 'Z') || hour > 23 || min > 59)
			return false;
		*minute = (edr_s64)hour * 60 + min;
		return true;
	}
}

enum report_level report_level_of_id(const char *id, edr_s64 *start_ns)
{
	char whole[REPORT_ID_MAX];
	enum report_level level;
	edr_s64 day, minute;
	const char *s;
	size_t len;

	for (level = 0; level < N_LEVELS; level++) {
		len = strlen(report_levels[level].name);
		if (!strncmp(id, report_levels[level].name, len) && id[len] == '-')
			break;
	}
	if (level == N_LEVELS)
		return N_LEVELS;
	s = id + strlen(report_levels[level].name) + 1;
	if (!parse_start(level, &s, &day, &minute) ||
	    __builtin_mul_overflow(day * 24 * 60 + minute, NS_PER_MIN, start_ns))
		return N_LEVELS;
	/* A cell's may go on: the second when it began, a copy's number. */
	if (level == LEVEL_CELL && *s != '\0' && *s != '-' && *s != '.')
		return N_LEVELS;
	if (level == LEVEL_CELL)
		return strstr(s, ".part") ? LEVEL_INTERIM : strchr(s, '.') ? N_LEVELS : level;
	report_level_id(level, report_level_window(level, *start_ns, 0), whole);
	return strcmp(whole, id) ? N_LEVELS : level;
}
