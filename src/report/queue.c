/* SPDX-License-Identifier: MIT */
#include "report/queue.h"

#include <stdlib.h>

#include "cell/view.h"

static struct queue_item *item_new(enum queue_kind kind)
{
	struct queue_item *i = calloc(1, sizeof(*i));

	if (i)
		i->kind = kind;
	return i;
}

struct queue_item *queue_item_cell(struct cell *cell, enum queue_kind kind)
{
	struct queue_item *i = item_new(kind);

	if (!i)
		return NULL;
	i->cell = cell;
	i->bytes = cell_totals(cell)->bytes;
	i->now_ns = cell_totals(cell)->watched_to_ns;
	return i;
}

struct queue_item *queue_item_time(edr_s64 now_ns)
{
	struct queue_item *i = item_new(QUEUE_TIME);

	if (i)
		i->now_ns = now_ns;
	return i;
}

struct queue_item *queue_item_part(struct cell_events *part)
{
	struct queue_item *i = item_new(QUEUE_PARTS);
	struct cell_events_view v;

	if (i)
		i->part = malloc(sizeof(*i->part));
	if (!i || !i->part) {
		free(i);
		return NULL;
	}
	i->part[i->n_parts++] = part;
	cell_events_view(part, &v);
	i->bytes = v.bytes;
	return i;
}

void queue_item_free(struct queue_item *i)
{
	if (!i)
		return;
	cell_free(i->cell);
	for (size_t k = 0; k < i->n_parts; k++)
		cell_events_free(i->part[k]);
	free(i->part);
	free(i);
}

/* How many reports a full disk keeps from being written. */
static size_t reports_of(const struct queue_item *i)
{
	return i->kind == QUEUE_CELL ? 1 : i->n_parts;
}

static size_t *bytes_of(struct queue *q, const struct queue_item *i)
{
	return i->kind == QUEUE_PARTS ? &q->part_bytes : &q->cell_bytes;
}

static struct queue_item *last_of(const struct queue *q)
{
	struct queue_item *i = q->head;

	while (i && i->next)
		i = i->next;
	return i;
}

/* Parts of one cell, without a gap. */
static bool follows(const struct queue_item *before, const struct queue_item *i)
{
	struct cell_events_view a, b;

	cell_events_view(before->part[before->n_parts - 1], &a);
	cell_events_view(i->part[0], &b);
	return a.window_start_ns == b.window_start_ns && a.part + 1 == b.part;
}

static struct queue_item *to_join(const struct queue *q, const struct queue_item *i)
{
	struct queue_item *last = last_of(q);

	if (!q->join || !i->n_parts || !last || last == q->head || !last->n_parts)
		return NULL;
	if (last->bytes + i->bytes > QUEUE_JOIN_BYTES || !follows(last, i))
		return NULL;
	return last;
}

bool queue_has_room(const struct queue *q, const struct queue_item *i)
{
	const enum queue_kind kind = i->kind;

	if (kind == QUEUE_PARTS && q->items[kind] && q->part_bytes + i->bytes > q->max_part_bytes)
		return false;
	if (i->cell && q->items[kind] && q->max_cell_bytes &&
	    q->cell_bytes + i->bytes > q->max_cell_bytes)
		return false;
	return q->items[kind] < q->max_items || to_join(q, i);
}

/* False without memory: then it can still go to the end. */
static bool join(struct queue_item *with, struct queue_item *i)
{
	struct cell_events **part = realloc(with->part, (with->n_parts + 1) * sizeof(*part));

	if (!part)
		return false;
	part[with->n_parts++] = i->part[0];
	with->part = part;
	with->bytes += i->bytes;
	i->n_parts = 0;
	queue_item_free(i);
	return true;
}

void queue_append(struct queue *q, struct queue_item *i)
{
	struct queue_item *last = last_of(q), *with = to_join(q, i);

	q->reports += reports_of(i);
	*bytes_of(q, i) += i->bytes;
	if (with && join(with, i))
		return;
	q->items[i->kind]++;
	if (last)
		last->next = i;
	else
		q->head = i;
}

struct queue_item *queue_pop(struct queue *q)
{
	struct queue_item *i = q->head;

	q->head = i->next;
	q->items[i->kind]--;
	*bytes_of(q, i) -= i->bytes;
	q->reports -= reports_of(i);
	return i;
}

/* Those before the cell are all its own, and the highest of its numbers: no gap is left. */
static size_t give_up_before(struct queue *q, struct queue_item *cell)
{
	size_t n = 0;

	while (q->head != cell) {
		struct queue_item *i = queue_pop(q);

		for (size_t k = 0; k < i->n_parts; k++)
			cell_give_up(cell->cell, i->part[k]);
		n += i->n_parts;
		queue_item_free(i);
	}
	return n;
}

size_t queue_pass_parts(struct queue *q, bool *passed)
{
	struct queue_item *before = q->head, *i;

	*passed = false;
	while (before && before->kind == QUEUE_PARTS && before->next &&
	       before->next->kind == QUEUE_PARTS)
		before = before->next;
	if (!before || before->kind != QUEUE_PARTS || !before->next)
		return 0;
	*passed = true;
	i = before->next;
	if (i->kind == QUEUE_CELL)
		return give_up_before(q, i);
	before->next = i->next;
	i->next = q->head;
	q->head = i;
	return 0;
}
