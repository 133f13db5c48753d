/* SPDX-License-Identifier: MIT */
/* The reports that a feed makes, as text and parsed, and what the tests look up in them. */
#ifndef EDR_TESTS_COLLECT_H
#define EDR_TESTS_COLLECT_H

#include <json-c/json.h>

#include "cell/cell.h"
#include "report/report.h"

#define COLLECT_MAX 64

struct collected {
	bool interim;
	struct buf id, text;
	json_object *root;
	struct report_cell_summary summary; /* of a cell */
};

/* In order. Each cell was made twice, and was the same. */
extern struct collected reports[COLLECT_MAX];
extern size_t n_reports;
extern const struct cell_sinks collect; /* for struct feed */

void collect_free(void);

/* By JSON pointer (RFC 6901); a test fails where there is nothing, or something of another type. */
json_object *at(json_object *root, const char *pointer);
long long num(json_object *root, const char *pointer);
const char *str(json_object *root, const char *pointer);
size_t length(json_object *root, const char *pointer);
/* A number that is only there when it is not 0. */
long long opt(json_object *root, const char *pointer);

/* Of all values of an object; of a member of all rows of an array. */
long long sum(json_object *object);
long long column(json_object *rows, const char *pointer);

#endif
