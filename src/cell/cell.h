/* SPDX-License-Identifier: MIT */
/*
 * The open cell: per-executable aggregation tables over one window of UTC, bounded, with an honest
 * `other`. The collector folds every record into it; when the window ends (by the time of the
 * records: clock records come also when nothing happens) the cell is closed and handed to
 * on_closed, which owns it from then on and may read it from another thread.
 *
 * Windows are [k x interval, (k+1) x interval) since the Unix epoch. A first or last cell that
 * covers only a part of its window says so (coverage). If the wall clock is set back, the open cell
 * stays open until its window's end comes round again, but if it is set back by more than a window,
 * the cell is closed and one of the new time opened: a host that came up hours ahead would else
 * report nothing for hours, and windows then come twice. If it is set forward past the end, the
 * cell is closed. All are counted as clock_steps. A window in which no record came at all (suspend)
 * has no cell; the next one says so (windows_skipped). A clock record that says `start` begins a
 * new run: an open cell is closed as partial.
 */
#ifndef EDR_CELL_CELL_H
#define EDR_CELL_CELL_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "proc/proc.h"
#include "wire/wire.h"

struct cell_config {
	unsigned interval_min; /* a divisor of 240 */
	bool keep_events;      /* include_raw_events */
	bool list_threads;     /* threads among the events, not only counted */
	bool redact_off;       /* nothing took secrets out of the records: the report says so */
	size_t max_events;     /* a full buffer becomes an interim part at once */
	size_t max_events_bytes;
	/* Interim parts of a cell together, as text; what comes then is unlisted. 0: no limit. */
	size_t max_interim_bytes;
	unsigned max_events_age_s; /* 0: none; an interim part when the oldest event is older */
	/* Rows of a table, at least 4; beyond, `other` counts (see cell/view.h). */
	size_t max_executables;
	size_t max_command_lines; /* of the whole cell */
	size_t max_connections;
};

struct cell;	    /* a closed cell, or the open one inside struct cells */
struct cell_events; /* an interim part: the raw events taken out of an open cell */
struct cells;	    /* the room's state: the open cell, host, clock */

struct cell_sinks {
	void *ctx;
	void (*on_closed)(void *ctx, struct cell *closed); /* owns closed: cell_free() */
	/*
	 * Owns part in any case: cell_events_free(). 0 when it will be written; else the part does
	 * not count, and its events are unlisted.
	 */
	int (*on_interim)(void *ctx, struct cell_events *part);
	/*
	 * The event as JSON, asked for where cells_fold() was given none and it would be listed; an
	 * empty span: there is no memory. NULL: what comes without JSON is not wanted.
	 */
	struct wire_span (*json)(void *ctx, const struct edr_hdr *rec,
				 const struct proc_entry *who);
};

struct cells *cells_new(const struct cell_config *cfg, const struct cell_sinks *sinks);
void cells_free(struct cells *c); /* drops an open cell without closing it; safe on NULL */

/*
 * Folds one checked record. who: the entry that proc_apply gave for it, may be NULL. table: for the
 * parent's and child's names. json: the event as a JSON object without newline (wire_json), or an
 * empty span when it is not wanted or not made yet; it is copied. May call on_closed and on_interim
 * first.
 */
void cells_fold(struct cells *c, const struct edr_hdr *rec, const struct proc_entry *who,
		const struct proc_table *table, struct wire_span json);

/* BASELINE_* (detect/baseline.h) of the row that the next record is counted in. */
void cells_mark(struct cells *c, unsigned marks);

/*
 * Closes the open cell as partial (shutdown, end of a capture). Nothing happens when none is open.
 */
void cells_close_partial(struct cells *c, const struct proc_table *table);

/* 1: of note, ... 5: critical. */
#define CELL_SEVERITIES 6

struct cell_finding {
	struct wire_span id, title, details, technique; /* of each at most 1024 bytes are kept */
	edr_s64 time_ns;				/* Unix */
	unsigned severity;				/* 1 to 5 */
};

/*
 * Counts a finding in the open cell, or in a closed one, and lists it if it is among the 256 worst.
 * The texts are copied. 0; -EINVAL for another severity; -ENOENT when no cell is open; -ENOMEM.
 */
int cells_add_finding(struct cells *c, const struct cell_finding *f);
int cell_add_finding(struct cell *cell, const struct cell_finding *f);
/* One more that is not listed. The same errors. */
int cells_count_finding(struct cells *c, unsigned severity);

/* A window that is open, of which another run has a part: cells that share it are merged (cell/merge.h). */
struct cell_resume {
	edr_s64 window_start_ns, window_end_ns;
	edr_s64 watched_from_ns; /* by the other run: interim parts are named by it */
	edr_s64 watched_to_ns;	 /* what begins much before goes not on: the clock was set back */
	unsigned parts;		 /* it has so many, */
	size_t interim_bytes;	 /* of so many bytes: part of max_interim_bytes */
};

/*
 * Before the first record. If the first cell goes on with that window (cell_goes_on()), its interim
 * parts are numbered on; all that is counted in it is its own.
 */
void cells_resume(struct cells *c, const struct cell_resume *r);

/* The part will not be written after all: its events are unlisted. Nothing, when it is of another window. */
void cell_give_up(struct cell *cell, const struct cell_events *part);

/* What the baseline said when the cell closed; a parent's is added up from its children's. */
struct cell_baseline {
	bool learning;	     /* in any of them */
	unsigned days;	     /* on which anything was seen: the most */
	edr_u64 usual_execs; /* added; 0: not known */
	edr_u64 evicted;     /* the most */
};
void cell_set_baseline(struct cell *cell, const struct cell_baseline *baseline);

/* Takes new limits and interval from the next window on (SIGHUP). */
void cells_reconfigure(struct cells *c, const struct cell_config *cfg);

/* Unix ns minus boot ns, from the last clock record. */
edr_s64 cells_wall_offset(const struct cells *c);

/* Unix ns of the newest record; 0 before the first clock record. */
edr_s64 cells_now(const struct cells *c);

/* What a cell of that configuration takes at most, without raw events. */
size_t cell_most_bytes(const struct cell_config *cfg);

void cell_free(struct cell *cell); /* safe on NULL */
void cell_events_free(struct cell_events *part);

#endif
