/* SPDX-License-Identifier: MIT */
/* local_reasons.c judges, local.c says it, local_json.c prints it. */
#ifndef EDR_REPORT_LOCAL_PRIVATE_H
#define EDR_REPORT_LOCAL_PRIVATE_H

#include "report/local.h"

/* One analysis under way. */
struct local {
	const struct cell_view *v;
	const struct local_parent *parent; /* NULL: a cell */
	struct local_analysis *out;
};

#define LOCAL_NEW_MARKS (BASELINE_NEW | BASELINE_NEW_PARENT | BASELINE_NEW_USER)

/* All that hold, in the order of the table. */
void local_judge(struct local *l);

/* NULL: there is no room for one more. */
struct local_sentence *local_add(struct local_sentence *list, size_t *n, size_t max);
void local_cite(struct local_sentence *s, char kind, size_t number);
/* "1 executable", "2 executables" */
void local_count(struct buf *out, edr_u64 n, const char *one, const char *more);

bool local_same(struct wire_span a, const char *b);
/* The i-th finding is the first with its id. */
bool local_first_of_id(const struct cell_view *v, size_t i);
/* Rows in which something happened, with one of the marks. */
bool local_exe_is(const struct cell_exe *e, unsigned marks);
bool local_connection_is(const struct cell_connection *c, unsigned marks);

/* What to do about a finding, or about a reason; NULL: nothing is known. */
const char *local_advice(struct wire_span id);

#endif
