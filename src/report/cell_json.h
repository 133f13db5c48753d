/* SPDX-License-Identifier: MIT */
/* The parts of a report of any level that are tables: cell_tables.c. The rest is cell_json.c. */
#ifndef EDR_REPORT_CELL_JSON_H
#define EDR_REPORT_CELL_JSON_H

#include "cell/view.h"
#include "report/json.h"
#include "report/report.h"

/* Each puts its members into the report; v must live until the text is made. */
void cell_json_command_counts(struct rj *j, json_object *report, const char *key,
			      const struct cell_view *v, size_t max);
void cell_json_process_events(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_executables(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_connections(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_syscalls(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_own_cost(struct rj *j, json_object *report,
			const struct cell_totals *t); /* cell_cost.c */
void cell_json_other(struct rj *j, json_object *report, const struct cell_view *v);

/*
 * Interim parts with following numbers as one report, of the first one's name. The text points at
 * their events. 0 or -ENOMEM; free the text either way.
 */
int cell_json_parts(struct cell_events *const *part, size_t n, struct buf *id,
		    struct report_text *out);

/* What the reports of all levels share, in cell_json.c. */
void report_put_head(struct rj *j, json_object *report, const char *level, const char *id,
		     const struct cell_view *v);
/* Gives the member `window`, for more. */
json_object *report_put_window(struct rj *j, json_object *report, const struct cell_totals *t);
/* Loss, counts, the agent's own, findings. */
void report_put_sums(struct rj *j, json_object *report, const struct cell_view *v);
unsigned report_worst_finding(const struct cell_totals *t); /* 0: none */
/* null for 0 */
void report_put_severity(struct rj *j, json_object *report, const char *key, unsigned severity);
edr_u64 report_lost(const struct cell_totals *t);

#endif
