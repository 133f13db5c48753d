/* SPDX-License-Identifier: MIT */
/* Reports of cells made from random records, for the tests of merge, load and parents. */
#ifndef EDR_TESTS_MADE_H
#define EDR_TESTS_MADE_H

#include "cell/merge.h"
#include "report/parent.h"
#include "util/buf.h"

/* A generator of its own: the same numbers for the same seed. */
struct made_rng {
	unsigned long long state;
};
unsigned made_random(struct made_rng *r, unsigned below);

/* One closed cell of the window that begins then, with n random events over `names` names. */
struct cell *made_cell(struct made_rng *r, edr_s64 start_ns, unsigned interval_min, unsigned n,
		       unsigned names, const struct cell_finding *finding);
/* The same events and room for so many rows of each table only. */
struct cell *made_full_cell(struct made_rng *r, edr_s64 start_ns, unsigned n, unsigned names,
			    unsigned rows);
/* Its report. */
void made_text(const struct cell *cell, struct buf *id, struct buf *text);
/* There and back; fails the test when the text is not one. */
struct cell *made_load(const struct buf *text, struct report_info *info);
void made_cell_report(struct made_rng *r, edr_s64 start_ns, unsigned n, unsigned names,
		      const struct cell_finding *finding, struct buf *id, struct buf *text);

#endif
