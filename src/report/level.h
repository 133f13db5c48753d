/* SPDX-License-Identifier: MIT */
/*
 * The levels of the report tree, one table: interim, cell, block, daily, weekly, monthly. Windows are UTC and tile without overlap;
 * a window of one level lies in exactly one of the level above. Pure arithmetic on Unix time: no clock, no time zone.
 *
 *	level     window                                   made of            directory
 *	interim   a part of a cell's                       events, listed     interim/
 *	cell      report_interval minutes                  events, counted    cells/
 *	block     4 h from 00 04 08 12 16 20               its cells          blocks/
 *	daily     00:00 to 24:00                           its 6 blocks       daily/
 *	weekly    Monday to Sunday (ISO 8601)              its 7 days         weekly/
 *	monthly   the ISO weeks whose Thursday lies        its 4 or 5 weeks   monthly/
 *	          in the month
 */
#ifndef EDR_REPORT_LEVEL_H
#define EDR_REPORT_LEVEL_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"

enum report_level {
	LEVEL_INTERIM,
	LEVEL_CELL,
	LEVEL_BLOCK,
	LEVEL_DAILY,
	LEVEL_WEEKLY,
	LEVEL_MONTHLY,
	N_LEVELS
};

struct report_window {
	edr_s64 start_ns, end_ns; /* Unix; [start, end) */
};

struct report_level_desc {
	const char *name; /* "block": the report's `level` */
	const char *dir;  /* "blocks" */
	const char *
		children; /* the field that lists them: "cells", "blocks", "daily_reports", "weekly_reports"; NULL below the block */
	/*
	 * No report of the level is larger, unpacked: a small file can claim to be a huge one. Parents: 64 times what full
	 * tables of usual names take. Cells: memory_mb decides about their tables; at its default (128), names and arguments
	 * that were made to be long make 24 MB at most, and this is ten times that. Parts: 2 MiB of events joined, and one large one.
	 */
	size_t max_bytes;
};
extern const struct report_level_desc report_levels[N_LEVELS];

/* N_LEVELS when there is none of that name (or directory). */
enum report_level report_level_by_name(const char *name);

/* The window of that level that holds the moment. interval_min counts for cells only. */
struct report_window report_level_window(enum report_level level, edr_s64 unix_ns,
					 unsigned interval_min);

/* "block-20261121T2000Z", "daily-20261121", "weekly-2026W47", "monthly-202611"; a cell's id is made by cell_json.c. */
#define REPORT_ID_MAX 64
void report_level_id(enum report_level level, struct report_window w, char out[REPORT_ID_MAX]);

/*
 * The level that an id is of, and where its window starts; N_LEVELS for what is no id of a report. A cell's may have more
 * behind the time, and an interim part's has its number behind the cell's.
 */
enum report_level report_level_of_id(const char *id, edr_s64 *start_ns);

struct report_date {
	int year, month, day; /* from 1 */
};
edr_s64 report_day(edr_s64 unix_ns); /* days since 1970-01-01 */
struct report_date report_date_of_day(edr_s64 day);
edr_s64 report_day_of_date(struct report_date d);

struct report_iso_week {
	int year, week; /* the year of its Thursday; from 1 */
};
struct report_iso_week report_iso_week(edr_s64 unix_ns);

#endif
