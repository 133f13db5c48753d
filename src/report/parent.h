/* SPDX-License-Identifier: MIT */
/*
 * Blocks, days, weeks and months: each is made from the files of its children, and from nothing else,
 * so that a rebuild and a verification give the same bytes.
 */
#ifndef EDR_REPORT_PARENT_H
#define EDR_REPORT_PARENT_H

#include "report/level.h"
#include "util/buf.h"

struct cell;
struct cell_limits;

/* Of the rows of a report's tables. */
const struct cell_limits *report_limits(enum report_level level);

/*
 * Appends the text of a child's report, plain JSON. 0; -errno: the child counts as missing, and the
 * parent says so (but -ENOMEM, -EIO and -EINTR end the making of the parent).
 */
typedef int (*report_read_fn)(void *ctx, enum report_level level, const char *id, struct buf *text);

/*
 * Makes the report of the window at a level above cells. ids: the reports of the level below whose
 * windows lie in w, in any order; those that belong elsewhere are named among `unusable`. Memory:
 * one child, the parent under way, and the text. 0 with id and json, or -errno.
 */
int report_parent_make(report_read_fn read, void *ctx, enum report_level level,
		       struct report_window w, const char *const *ids, size_t n, struct buf *id,
		       struct buf *json);

/*
 * A report of any level back into a cell: json -> *out, which the caller frees with cell_free().
 * Members that are not known are passed over. 0, -EBADMSG for anything that is no report, -ENOMEM.
 */
struct report_info {
	enum report_level level;
	char id[128];
	unsigned severity; /* 0: not known */
};
int report_load(const char *json, size_t len, struct cell **out, struct report_info *info);

#endif
