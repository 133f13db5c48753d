/* SPDX-License-Identifier: MIT */
/*
 * Puts the records of several rings into one order of time. Records are copied in as they come off the
 * rings, sorted, and handed on up to a time that no ring can fall behind any more; the rest waits for the
 * next round.
 */
#ifndef EDR_SOURCE_BATCH_H
#define EDR_SOURCE_BATCH_H

#include <stdbool.h>

#include "source/source.h"

#define BATCH_ALIGN(n) (((n) + 7) & ~(size_t)7) /* the bytes that a record takes here */

struct batch_item {
	edr_u64 time_ns;
	edr_u32 seq; /* order of arrival, for equal times */
	edr_u32 off;
};

struct batch {
	char *data, *spare;
	size_t len, cap; /* of each */
	struct batch_item *items;
	size_t n, max;
};

int batch_init(struct batch *b, size_t bytes); /* 0 or -ENOMEM */
void batch_free(struct batch *b);

/* Room for one more of the largest records? */
bool batch_has_room(const struct batch *b);

/* Copies a checked record. Only after batch_has_room(). */
void batch_add(struct batch *b, const struct edr_hdr *rec);

/* The latest time of all records in it; 0: there are none. */
edr_u64 batch_newest(const struct batch *b);

/* Hands on all records up to and with that time, in order, and keeps the rest. How many. */
size_t batch_deliver(struct batch *b, edr_u64 until_ns, source_record_fn fn, void *ctx);

#endif
