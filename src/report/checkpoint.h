/* SPDX-License-Identifier: MIT */
/*
 * What a crash must not cost. Every checkpoint_interval the collector hands over a small cell of what
 * was folded since the last time; it goes to the directory `checkpoint`, and away again when the
 * window's own cell is written. The first is written at the start, empty: so even a run that was
 * killed at once leaves a trace. What is found there at a start is of a run that was killed: it is
 * added up to that window's cell, partial and with the gap noted, and written. So a kill costs at
 * most one interval of counts. Raw events are not in it: those that no interim part has are lost.
 *
 * The cells that are reported are not made of these, so they are the same with and without.
 */
#ifndef EDR_REPORT_CHECKPOINT_H
#define EDR_REPORT_CHECKPOINT_H

#include "report/report.h"

#define CHECKPOINT_DIR "checkpoint"

/* Of a run; zeroed at the start. */
struct checkpoints {
	unsigned serial;	/* of the last one */
	struct cell *unwritten; /* what the disk did not take: it goes with the next one */
};

/* One more of the open window. 0; -errno: what it has is written with the next one. */
int checkpoint_write(struct report_store *s, struct checkpoints *c, const struct cell *delta);
void checkpoints_end(struct checkpoints *c);

/* The greatest serial of all that are there; 0: none. */
unsigned checkpoint_last(struct report_store *s);

/* The window's end and the serial that a name tells; false when it is none. */
bool checkpoint_parse(const char *id, edr_s64 *end_ns, unsigned *serial);

/* The windows that end then or earlier have their cells. 0 or -errno. */
int checkpoint_clear(struct report_store *s, edr_s64 window_end_ns);

/*
 * Writes the cells of the windows that were open. interval_s: how much the last one may lack.
 * lists_events: that run kept raw events, and those that are in no interim part are unlisted. Gives
 * the number of windows, or -errno; what could not be written stays for the next start.
 */
int checkpoint_recover(struct report_store *s, unsigned interval_s, bool lists_events);

#endif
