// SPDX-License-Identifier: MIT
#include "source/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MIN 56 /* no event is smaller: bounds the number of items in a full buffer */

int batch_init(struct batch *b, size_t bytes)
{
	memset(b, 0, sizeof(*b));
	b->cap = bytes;
	b->max = bytes / RECORD_MIN + 1;
	b->data = malloc(b->cap);
	b->spare = malloc(b->cap);
	b->items = malloc(b->max * sizeof(*b->items));
	if (b->data && b->spare && b->items)
		return 0;
	batch_free(b);
	return -ENOMEM;
}

void batch_free(struct batch *b)
{
	free(b->data);
	free(b->spare);
	free(b->items);
	memset(b, 0, sizeof(*b));
}

bool batch_has_room(const struct batch *b)
{
	return b->cap - b->len >= BATCH_ALIGN(EDR_RECORD_MAX) && b->n < b->max;
}

void batch_add(struct batch *b, const struct edr_hdr *rec)
{
	size_t padded = BATCH_ALIGN(rec->len);

	memset(b->data + b->len + padded - 8, 0, 8);
	memcpy(b->data + b->len, rec, rec->len);
	b->items[b->n] = (struct batch_item){ rec->time_ns, (edr_u32)b->n, (edr_u32)b->len };
	b->n++;
	b->len += padded;
}

edr_u64 batch_newest(const struct batch *b)
{
	edr_u64 newest = 0;
	size_t i;

	for (i = 0; i < b->n; i++) {
		if (b->items[i].time_ns > newest)
			newest = b->items[i].time_ns;
	}
	return newest;
}

static int by_time(const void *a, const void *b)
{
	const struct batch_item *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* What came off one ring is nearly sorted; two rings make two sorted runs. qsort() is a merge sort in glibc. */
static void sort_items(struct batch *b)
{
	size_t i;

	for (i = 1; i < b->n; i++) {
		if (b->items[i].time_ns < b->items[i - 1].time_ns) {
			qsort(b->items, b->n, sizeof(*b->items), by_time);
			return;
		}
	}
}

static const struct edr_hdr *record_at(const struct batch *b, size_t i)
{
	return (const struct edr_hdr *)(const void *)(b->data + b->items[i].off);
}

/* Moves what is left to the other buffer, in order of time. Pages that are never used cost nothing. */
static void keep_from(struct batch *b, size_t first)
{
	size_t left = b->n - first, i, len = 0;
	char *data = b->spare;

	for (i = 0; i < left; i++) {
		const struct edr_hdr *rec = record_at(b, first + i);
		size_t padded = BATCH_ALIGN(rec->len);

		memcpy(data + len, rec, padded);
		b->items[i] = (struct batch_item){ rec->time_ns, (edr_u32)i, (edr_u32)len };
		len += padded;
	}
	b->spare = b->data;
	b->data = data;
	b->n = left;
	b->len = len;
}

size_t batch_deliver(struct batch *b, edr_u64 until_ns, source_record_fn fn, void *ctx)
{
	size_t i;

	sort_items(b);
	for (i = 0; i < b->n && b->items[i].time_ns <= until_ns; i++)
		fn(ctx, record_at(b, i));
	if (i)
		keep_from(b, i);
	return i;
}
