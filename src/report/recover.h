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
	unsigned interval_s; /* how much the last checkpoint of its last run may lack */
	bool doubtful;	     /* behind the last one that was used there are others */
};

struct heads;
struct recover_config {
	struct checkpoint_expect expect;
	const struct heads *heads; /* with a key: what is in no cell yet */
	bool lists_events; /* they kept raw events, and those that are in no interim part are unlisted */
	bool lists_threads;
};

struct recovered {
	struct leftover *list;
	struct report_files kept; /* not used, nor removed: they may be another's */
	size_t doubt[CHECKPOINT_DOUBTS];
	size_t windows_lost; /* of which all that there was is damaged */
	unsigned last_run;   /* of those that are used */
};

/*
 * By window; what has its cell already is removed, and so is what is damaged. What is there of a window
 * that a run began before the end of those before it (the clock was set back) is apart. Writes no cell
 * and removes no other checkpoint: that is for who has written the cell. out stays where it is, for its
 * leftovers point to it; its list is the caller's. 0 or -errno.
 */
int recover_all(struct report_store *s, const struct recover_config *cfg, struct recovered *out);

/*
 * The cell of it, to be freed by the caller: with what closed has, a cell of the same window that goes
 * on with it (cell_goes_on()) and whose list of raw events moves to *out; or alone, where closed is
 * NULL. Either way with the gap behind the last checkpoint. 0 or -ENOMEM, and nothing has changed.
 */
int recover_cell(const struct leftover *l, struct cell *closed, struct cell **out);

void leftover_free(struct leftover *l); /* one of them; safe on NULL */

#endif
