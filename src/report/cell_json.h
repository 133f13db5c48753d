/* SPDX-License-Identifier: MIT */
/* The parts of a cell's report that are tables: cell_tables.c. The rest is cell_json.c. */
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

#endif
