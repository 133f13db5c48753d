/* SPDX-License-Identifier: MIT */
/*
 * What waits to be written, in order. Cells and interim parts have room apart, parts also in bytes,
 * and what was taken is never dropped for another. No lock: the caller's.
 *
 * Parts that come faster than the disk takes them are joined with the one that waits, so that a
 * backlog becomes few large files and only their bytes can fill the queue.
 */
#ifndef EDR_REPORT_QUEUE_H
#define EDR_REPORT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "cell/cell.h"

#define QUEUE_JOIN_BYTES (16u << 20) /* parts are joined up to so many */

struct queue_item {
	struct queue_item *next;
	struct cell *cell; /* or parts, with following numbers */
	struct cell_events **part;
	size_t n_parts;
	size_t bytes; /* of the parts */
};

enum queue_kind { QUEUE_CELL, QUEUE_PARTS, QUEUE_KINDS };

struct queue {
	struct queue_item *head; /* being written: never joined with */
	size_t max_items;	 /* of each kind */
	size_t max_part_bytes;	 /* memory of the parts */
	bool join; /* false in a replay: what is joined depends on how fast the disk is */
	size_t items[QUEUE_KINDS];
	size_t part_bytes;
	size_t reports; /* a part counts as one, joined or not */
};

struct queue_item *queue_item_cell(struct cell *cell);	      /* NULL without memory */
struct queue_item *queue_item_part(struct cell_events *part); /* NULL without memory */
void queue_item_free(struct queue_item *i);

/* A part that is larger than max_part_bytes has room when no other waits. */
bool queue_has_room(const struct queue *q, const struct queue_item *i);

/* Takes i: at the end, or joined with what is there. */
void queue_append(struct queue *q, struct queue_item *i);

struct queue_item *queue_pop(struct queue *q);

#endif
