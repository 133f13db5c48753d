/* SPDX-License-Identifier: MIT */
/* What parent.c collects, parent_trends.c counts by child and parent_json.c prints. */
#ifndef EDR_REPORT_PARENT_PRIVATE_H
#define EDR_REPORT_PARENT_PRIVATE_H

#include "cell/view.h"
#include "report/parent.h"

#define PARENT_UNUSUAL 3 /* from this severity on a finding is unusual activity and an incident */
#define PARENT_HIGH 4	 /* from this one on its risk is high */
#define PARENT_TITLE 256
#define PARENT_TREND_PARTS 7 /* at most, of a window */
#define PARENT_TREND_BYTES ((size_t)8 << 20)
#define PARENT_TOP 20		  /* top_processes */
#define PARENT_TREND_COMMANDS 200 /* command_trends, command_summary */
#define PARENT_TREND_PROCESSES 50 /* process_trends, process_summary */
#define PARENT_RECOMMENDATIONS 10

struct parent_child {
	char id[128];
	struct report_window window;
	edr_s64 watched_from_ns;
	edr_u64 watched_ns;
	edr_u64 events, execs, lost, blind_ns;
	unsigned interval_min;
	unsigned severity; /* 0: not known */
	unsigned worst;	   /* of its findings */
	edr_u64 unusual;   /* findings from PARENT_UNUSUAL on */
	size_t title_len;
	char title[PARENT_TITLE]; /* of the worst */
};

struct parent_unusable {
	const char *id;
	const char *why;
};

struct trend;

struct parent {
	enum report_level level;
	struct report_window window;
	report_read_fn read;
	void *ctx;

	struct cell *sum;
	struct parent_child *child; /* by time */
	size_t n_children;
	struct parent_unusable *unusable; /* by id */
	size_t n_unusable;
	struct report_window *missing; /* by time */
	size_t n_missing, cap_missing;
	edr_u64 missing_ns;
	struct trend *trends;
	size_t trend_bytes,
		trend_most; /* most: from there on those of no row of the sum are forgotten */
	unsigned trend;	    /* of the severities; 0: not known */
};

void *load_grow(void *array, size_t n, size_t *cap, size_t size);

/* A window's parts: the hours of a block, blocks of a day, days of a week, weeks of a month. */
size_t parent_trend_parts(const struct parent *p);
/*
 * Counts the commands and executables of the child that begins then, which is in the sum. 0,
 * -ENOMEM.
 */
int parent_trends_add(struct parent *p, const struct cell_view *v, edr_s64 start_ns);
/* Runs by part, by time; NULL: none. */
const edr_u64 *parent_trend(const struct parent *p, bool process, struct wire_span name);
void parent_trends_free(struct parent *p);

/* Sorts `known`; 0 for none. */
unsigned parent_blend(unsigned *known, size_t n);

int parent_json(const struct parent *p, const char *id, struct buf *json);

#endif
