/* SPDX-License-Identifier: MIT */
/*
 * Closing of parents, in the report thread: every window that is over by the time of the newest
 * record, and has children, gets its report, lower levels and earlier windows first; so does what an
 * agent that was away has left. Each once: a cell that comes for a window whose block is written
 * (the clock was set forward by mistake, and back again; or it was recovered after a kill) makes that
 * block and what is above it anew, which the chain records. That they are owed is in chain.json
 * before the cell is there, so that a kill in between leaves it to the next start.
 */
#ifndef EDR_REPORT_TREE_H
#define EDR_REPORT_TREE_H

#include "report/level.h"

struct report_store;
struct heads;
struct report_tree;

/* Store and heads must outlive it. on_written: after each parent; may be NULL. NULL without memory. */
struct report_tree *
report_tree_new(struct report_store *s, struct heads *heads,
		void (*on_written)(void *ctx, enum report_level level, const char *id), void *ctx);
void report_tree_free(struct report_tree *t); /* safe on NULL */

/* Each cell that is written, by its id: the directory is looked through once, at the start. */
void report_tree_cell(struct report_tree *t, const char *id);

/*
 * It is that time, which may be earlier than before. Cheap while it stays in the same four hours.
 * 0, or -errno of what could not be written: call it again.
 */
int report_tree_advance(struct report_tree *t, edr_s64 now_ns);

#endif
