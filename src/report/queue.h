/* SPDX-License-Identifier: MIT */
/*
 * What waits to be written, in order. Each kind has room apart, parts also in bytes, and what was
 * taken is never dropped for another. No lock: the caller's.
 *
 * Parts that come faster than the disk takes them are joined with the one that waits, so that a
 * backlog becomes few large files and only their bytes can fill the queue.
 */
#ifndef EDR_REPORT_QUEUE_H
#define EDR_REPORT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "cell/cell.h"

#define QUEUE_JOIN_BYTES (2u << 20) /* parts are joined up to so many */

enum queue_kind { QUEUE_CELL, QUEUE_PARTS, QUEUE_CHECKPOINT, QUEUE_TIME, QUEUE_KINDS };

struct queue_item {
	struct queue_item *next;
	enum queue_kind kind;
	struct cell *cell;	   /* of a cell and of a checkpoint */
	struct cell_events **part; /* with following numbers */
	size_t n_parts;
	size_t bytes; /* of the parts, or of the cell */
	edr_s64 now_ns; /* Unix; 0 of parts. Of a cell and of the time: windows that end by then are over */
	bool written; /* but the parents that it closes may not be */
};

struct queue {
	struct queue_item *head; /* being written: never joined with */
	size_t max_items;	 /* of each kind */
	size_t max_part_bytes;	 /* memory of the parts */
	size_t max_cell_bytes;	 /* of cells and checkpoints; 0: no limit */
	bool join; /* false in a replay: what is joined depends on how fast the disk is */
	size_t items[QUEUE_KINDS];
	size_t part_bytes, cell_bytes;
	size_t reports; /* cells and parts; a part counts as one, joined or not */
};

/* NULL without memory. kind: QUEUE_CELL or QUEUE_CHECKPOINT. */
struct queue_item *queue_item_cell(struct cell *cell, enum queue_kind kind);
struct queue_item *queue_item_part(struct cell_events *part);
struct queue_item *queue_item_time(edr_s64 now_ns);
void queue_item_free(struct queue_item *i);

/* The first of its kind has room, however large it is. */
bool queue_has_room(const struct queue *q, const struct queue_item *i);

/* Takes i: at the end, or joined with what is there. */
void queue_append(struct queue *q, struct queue_item *i);

struct queue_item *queue_pop(struct queue *q);

/*
 * The parts at the head cannot be written: what comes behind them goes first. A cell does not wait for its parts: they are
 * given up, and it says so. How many were, or 0; *passed: is something else at the head now?
 */
size_t queue_pass_parts(struct queue *q, bool *passed);

#endif
