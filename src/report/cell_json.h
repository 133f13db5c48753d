/* SPDX-License-Identifier: MIT */
/* Between the files that make reports: cell_json.c, and cell_tables.c for the tables of a cell. */
#ifndef EDR_REPORT_CELL_JSON_H
#define EDR_REPORT_CELL_JSON_H

#include "cell/view.h"
#include "report/json.h"

/* Each puts its members into the report; v must live until the text is made. */
void cell_json_commands(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_executables(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_connections(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_syscalls(struct rj *j, json_object *report, const struct cell_view *v);
void cell_json_other(struct rj *j, json_object *report, const struct cell_view *v);

/* Interim parts with following numbers as one report, of the first one's name. 0 or -ENOMEM. */
int cell_json_parts(struct cell_events *const *part, size_t n, struct buf *id, struct buf *json);

#endif
