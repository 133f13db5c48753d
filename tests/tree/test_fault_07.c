/* SPDX-License-Identifier: MIT */
/*
 * Fault 7 of the original: one critical cell is severity 2 in its block and 1 in its day. Here a month of quiet cells with
 * one critical finding in one of them: severity 5 all the way up, the finding is named at each level, and the original's
 * blend is kept beside it.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"
#include "cell/merge.h"
#include "report/parent.h"
#include "report/report.h"

#define NS 1000000000LL
#define HOUR (3600 * NS)
#define MONDAY (1793577600LL * NS) /* 2026-11-02, with which the month of November begins */
#define WEEKS 4
#define MAX_REPORTS 4000

struct report {
	enum report_level level;
	edr_s64 start_ns;
	struct buf id, text;
};

static struct report reports[MAX_REPORTS];
static size_t n_reports;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "FAILED: %s\n", what);
	exit(1);
}

static struct wire_span span(const char *s)
{
	return (struct wire_span){ s, strlen(s) };
}

static void add_cell(edr_s64 start_ns, int critical)
{
	struct report *r = &reports[n_reports++];
	const struct cell_finding quiet = { .severity = 1,
					    .time_ns = start_ns,
					    .id = span("f1"),
					    .title = span("quiet"),
					    .details = span(""),
					    .technique = span("") };
	struct cell_finding loud = quiet;
	struct cell *cell = cell_new_window(start_ns, start_ns + HOUR, 60, NULL);

	need(cell != NULL, "a cell");
	cell->totals.watched_ns = HOUR; /* all of it: too little makes a severity of its own */
	need(cell_add_finding(cell, &quiet) == 0, "a finding");
	loud.severity = 5;
	loud.id = span("f5");
	loud.title = span("credentials read by a web server");
	if (critical)
		need(cell_add_finding(cell, &loud) == 0, "a critical finding");
	r->level = LEVEL_CELL;
	r->start_ns = start_ns;
	need(report_cell_json(cell, &r->id, &r->text) == 0, "a cell's report");
	cell_free(cell);
}

static int read_report(void *ctx, enum report_level level, const char *id, struct buf *text)
{
	size_t i;

	(void)ctx;
	for (i = 0; i < n_reports; i++) {
		const struct report *r = &reports[i];

		if (r->level == level && !strcmp(r->id.data, id)) {
			buf_add(text, r->text.data, r->text.len);
			return 0;
		}
	}
	return -2;
}

static struct report *make(enum report_level level, struct report_window w)
{
	const char *ids[MAX_REPORTS];
	struct report *r;
	size_t i, n = 0;

	for (i = 0; i < n_reports; i++)
		if (reports[i].level == level - 1 && reports[i].start_ns >= w.start_ns &&
		    reports[i].start_ns < w.end_ns)
			ids[n++] = reports[i].id.data;
	r = &reports[n_reports];
	r->level = level;
	r->start_ns = w.start_ns;
	need(report_parent_make(read_report, NULL, level, w, ids, n, &r->id, &r->text) == 0,
	     "a parent");
	n_reports++;
	return r;
}

static json_object *member(json_object *o, const char *key)
{
	json_object *v = NULL;

	need(json_object_object_get_ex(o, key, &v), key);
	return v;
}

static void check(const struct report *r, int severity, int trend)
{
	json_object *o = json_tokener_parse(r->text.data), *first;
	int s, t;

	need(o != NULL, "JSON");
	s = json_object_get_int(member(o, "severity"));
	t = json_object_get_int(member(o, "severity_trend"));
	printf("%-24s severity %d, severity_trend %d\n", r->id.data, s, t);
	need(s == severity, "its severity");
	need(t == trend, "its severity_trend");
	if (severity == 5) {
		first = json_object_array_get_idx(member(o, "findings"), 0);
		need(!strcmp(json_object_get_string(member(first, "id")), "f5"),
		     "the critical finding comes first");
		need(json_object_get_int(member(member(o, "finding_counts"), "5")) == 1,
		     "and is counted once");
	}
	if (r->level >= LEVEL_WEEKLY)
		need(json_object_get_int(member(o, "risk_score")) == 20 * severity, "risk_score");
	json_object_put(o);
}

int main(void)
{
	const edr_s64 critical =
		MONDAY + 9 * 24 * HOUR + 13 * HOUR; /* Wednesday of the second week */
	static const edr_s64 length[N_LEVELS] = { [LEVEL_BLOCK] = 4 * HOUR,
						  [LEVEL_DAILY] = 24 * HOUR,
						  [LEVEL_WEEKLY] = 168 * HOUR,
						  [LEVEL_MONTHLY] = WEEKS * 168 * HOUR };
	int checked = 0;
	enum report_level level;
	edr_s64 at;

	for (at = MONDAY; at < MONDAY + length[LEVEL_MONTHLY]; at += HOUR)
		add_cell(at, at == critical);
	for (level = LEVEL_BLOCK; level <= LEVEL_MONTHLY; level++) {
		for (at = MONDAY; at < MONDAY + length[LEVEL_MONTHLY]; at += length[level]) {
			struct report_window w = { at, at + length[level] };
			struct report *r = make(level, w);
			int holds = w.start_ns <= critical && critical < w.end_ns;

			/* round(0.7 * 1 + 0.3 * 5) = round(2.2) */
			checked += holds;
			if (holds)
				check(r, 5, 2);
			else if (at == MONDAY)
				check(r, 1, 1);
		}
	}
	need(checked == LEVEL_MONTHLY - LEVEL_CELL, "one parent a level holds it");
	puts("ok");
	return 0;
}
