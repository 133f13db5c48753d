/* SPDX-License-Identifier: MIT */
/*
 * Whoever names programs on the host also says how fat the rows about them are. So no row has more
 * than its share, fat rows are made shorter before any goes, and none goes from the top of its kind
 * while there are others.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/prompt_private.h"

/* Of those of the same weight the last kind first: it says the least. */
static int compare_weights(const void *x, const void *y)
{
	const struct prompt_weighed *a = x, *b = y;

	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	if (a->kind != b->kind)
		return (int)b->kind - (int)a->kind;
	return a->row > b->row ? -1 : a->row < b->row;
}

/* The fattest of the lowest rank first; the first of each kind weigh `first` times their length. */
static void weigh(const struct prompt_rows *r, struct prompt_weighed *order, size_t first)
{
	for (size_t i = 0; i < r->n; i++)
		order[i] = (struct prompt_weighed){ r->row[i].len * (r->row[i].place + first), i,
						    r->row[i].kind };
	qsort(order, r->n, sizeof(*order), compare_weights);
}

static int measure(struct prompt_row *row, enum report_level level)
{
	struct buf text = { 0 };
	const int err = prompt_row_text(row, level, &text);

	row->len = text.len;
	buf_free(&text);
	return err;
}

int prompt_fit_rows(struct prompt_rows *r, size_t share)
{
	int err = 0;

	for (size_t i = 0; i < r->n && !err; i++) {
		struct prompt_row *row = &r->row[i];

		err = measure(row, r->level);
		while (!err && row->len > share && row->shape + 1 < PROMPT_SHAPES) {
			row->shape++;
			err = measure(row, r->level);
		}
	}
	return err;
}

static int shorten(struct prompt_rows *r, const struct prompt_weighed *order, unsigned shape,
		   size_t fair, size_t *bytes)
{
	int err = 0;

	for (size_t i = 0; i < r->n && *bytes && !err; i++) {
		struct prompt_row *row = &r->row[order[i].row];
		const size_t before = row->len;
		size_t gone;

		if (before <= fair || row->shape >= shape)
			continue;
		row->shape = shape;
		err = measure(row, r->level);
		gone = before > row->len ? before - row->len : 0;
		*bytes -= gone < *bytes ? gone : *bytes;
	}
	return err;
}

static void drop(struct prompt_rows *r, const struct prompt_weighed *order, size_t bytes)
{
	size_t gone = 0, kept = 0;

	for (size_t i = 0; i < r->n && gone < bytes; i++) {
		struct prompt_row *row = &r->row[order[i].row];

		gone += row->len + 1;
		row->len = 0;
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->row[i].len)
			r->row[kept++] = r->row[i];
	r->n = kept;
}

size_t prompt_fit_bytes(const struct prompt_rows *r)
{
	size_t bytes = 0;

	for (size_t i = 0; i < r->n; i++)
		bytes += r->row[i].len + 1;
	return bytes;
}

int prompt_fit_cut(struct prompt_rows *r, size_t bytes, size_t fair)
{
	struct prompt_weighed *order;
	int err = 0;

	if (!bytes || !r->n)
		return 0;
	order = calloc(r->n, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (unsigned shape = 1; shape < PROMPT_SHAPES && bytes && !err; shape++) {
		weigh(r, order, 1);
		err = shorten(r, order, shape, fair, &bytes);
	}
	if (!err && bytes) {
		weigh(r, order, 0);
		drop(r, order, bytes);
	}
	free(order);
	return err;
}
