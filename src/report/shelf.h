/* SPDX-License-Identifier: MIT */
/*
 * What becomes of an item of the queue: its report, the parents whose windows are over by then, what
 * has to go for it. One thread at a time: the report thread, once it runs.
 */
#ifndef EDR_REPORT_SHELF_H
#define EDR_REPORT_SHELF_H

#include "report/queue.h"
#include "report/report.h"

struct report_shelf;

/*
 * Opens store, chain and tree, and writes out what killed runs left; what they left of the window that
 * is open (cfg->now_ns) is kept, and becomes one with this run's cell of that window. Of cfg it keeps copies, but the
 * queue's limits are none of its business. 0, or -errno with one sentence in err.
 */
int report_shelf_open(struct report_shelf **out, const struct report_writer_config *cfg, char *err,
		      size_t err_size);
void report_shelf_close(struct report_shelf *s); /* safe on NULL */

/* That window; false: there is none. */
bool report_shelf_resume(const struct report_shelf *s, struct cell_resume *out);

/* The directory of that item's report. */
const char *report_shelf_level(const struct queue_item *i);

/*
 * 0; -EEXIST when all names are taken; -errno: to be tried again. name: what was, or could not be,
 * written. The text that was made stays for the next try of the same item, until forget.
 */
int report_shelf_put(struct report_shelf *s, struct queue_item *i, char *name, size_t size);
void report_shelf_forget(struct report_shelf *s);

/* A file of REPORT_ANALYSIS_DIR, in place of what is there. 0 or -errno. */
int report_shelf_keep(struct report_shelf *s, const char *name, const struct buf *data);

/* Nothing is waiting: what the chain has not yet said on disk. */
void report_shelf_settle(struct report_shelf *s);

#endif
