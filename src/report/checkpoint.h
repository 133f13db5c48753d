/* SPDX-License-Identifier: MIT */
/*
 * What a crash must not cost. Every checkpoint_interval the collector hands over a small cell of what
 * was folded since the last time; it goes to the directory `checkpoint`, and away again when the
 * window's own cell is written. What is found there at a start is of a run that was killed: it is
 * added up to that window's cell, partial and with the gap noted, and written. So a kill costs at
 * most one interval of counts. Raw events are not in it: those that no interim part has are lost.
 *
 * The cells that are reported are not made of these, so they are the same with and without.
 */
#ifndef EDR_REPORT_CHECKPOINT_H
#define EDR_REPORT_CHECKPOINT_H

#include "report/report.h"

/* One more of the open window. serial: of this run, counted up. 0 or -errno. */
int checkpoint_write(struct report_store *s, unsigned *serial, const struct cell *delta);

/* The windows that end then or earlier have their cells. 0 or -errno. */
int checkpoint_clear(struct report_store *s, edr_s64 window_end_ns);

/*
 * Writes the cells of the windows that were open. interval_s: how much the last one may lack. Gives
 * the number of cells, or -errno; what could not be written stays for the next start.
 */
int checkpoint_recover(struct report_store *s, unsigned interval_s);

#endif
