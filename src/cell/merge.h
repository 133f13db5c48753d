/* SPDX-License-Identifier: MIT */
/*
 * Cells made otherwise than from records: by adding cells up, and by reading a report back. A parent
 * (block, day, week, month) is a cell whose window holds those of its children.
 *
 * All of a merge is sums, minima, maxima and the largest of a list, so that the order and the
 * grouping of the merges do not matter, and the children's numbers are those of all their cells. What
 * does depend on them is which rows a full table keeps: those with the largest counts when it is cut.
 * Totals are the same all the same, each row's true count lies within [count, count + short_by], and
 * no name that is not listed has more than other.at_most. A cut that takes out a row of n events
 * raises other.at_most by n at most, and n is no more than the table's events / (rows kept + 1); for
 * command lines, or that of executables, for with an executable go its lines. Only
 * of those lines one can have been larger than one that stayed.
 *
 *	counts, loss, watched and blind time    added
 *	first and last event, covered_from/to   the least and the greatest
 *	tables                                  rows by key; short_by as cell/view.h says
 *	clock steps                             counted; the first 16 listed
 *	redaction                               records added; off where it was off in any
 *	blind intervals                         the list joined where it touches; time added, for no two
 *	                                        cells share a moment, even where the clock was set back
 *	what watching cost                      times added, the largest of memory
 *	marks of rows                           of all
 *	what the baseline said                  learning if any, the most days, usual execs added
 *	host, process table                     of the cell that was watched latest; what was off, of all
 *	findings                                counted by severity; the worst are listed
 *	raw events                              not taken over: the cells have them; but cell_take_events()
 */
#ifndef EDR_CELL_MERGE_H
#define EDR_CELL_MERGE_H

#include "cell/view.h"

/* Rows that a cell keeps when it is cut; failed: names that an exec failed with. */
struct cell_limits {
	size_t executables, failed, command_lines, commands, connections, syscalls;
};

/*
 * An empty cell, cut to limits after each merge into it; NULL: never. NULL without memory. The caller
 * frees it with cell_free().
 */
struct cell *cell_new_window(edr_s64 start_ns, edr_s64 end_ns, unsigned interval_min,
			     const struct cell_limits *limits);

/*
 * Adds src to dst, which cell_new_window() made. 0; -ERANGE when src's window does not lie inside
 * dst's (nothing was added); -ENOMEM (dst is then good for cell_free() only).
 */
int cell_merge(struct cell *dst, const struct cell *src);

/* Cuts such a cell. 0 or -ENOMEM (as above). */
int cell_trim(struct cell *cell, const struct cell_limits *limits);

/* Moves src's list of raw events to dst, which has none. They are counted by cell_merge(). */
void cell_take_events(struct cell *dst, struct cell *src);

#endif
