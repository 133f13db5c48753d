/* SPDX-License-Identifier: MIT */
/* What killed runs left, from their checkpoints and interim parts. */
#ifndef EDR_REPORT_RECOVER_H
#define EDR_REPORT_RECOVER_H

#include "cell/cell.h"
#include "report/checkpoint.h"

/* Of one window. */
struct leftover {
	struct leftover *next;
	struct cell *cell; /* all of them, added up, with the gaps between them noted */
	struct cell_resume resume;
	struct checkpoint_range files;
};

struct recover_config {
	unsigned interval_s; /* how much the last checkpoint of a run may lack */
	bool lists_events; /* they kept raw events, and those that are in no interim part are unlisted */
};

/*
 * By window; what has its cell already is removed. What is there of a window that a run began before
 * those before it (the clock was set back) is apart. Writes no cell and removes no other checkpoint:
 * that is for who has written the cell. The list is the caller's. 0 or -errno.
 */
int recover_all(struct report_store *s, const struct recover_config *cfg, struct leftover **out);

/*
 * The cell of it, to be freed by the caller: with what closed has, a cell of the same window that goes
 * on with it (cell_goes_on()) and whose list of raw events moves to *out; or alone, where closed is
 * NULL. Either way with the gap behind the last checkpoint. 0 or -ENOMEM, and nothing has changed.
 */
int recover_cell(const struct leftover *l, struct cell *closed, unsigned interval_s,
		 struct cell **out);

void leftover_free(struct leftover *l); /* one of them; safe on NULL */

#endif
