/* SPDX-License-Identifier: MIT */
/*
 * The list of raw events. A full one becomes an interim part at once; what is left goes with the
 * cell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

/* Most parts are small; of a large one, all but the first are so large that malloc gives them back to the kernel. */
#define FIRST_CHUNK_BYTES ((size_t)64 * 1024 - sizeof(struct cell_chunk))
#define CHUNK_BYTES ((size_t)192 * 1024 - sizeof(struct cell_chunk))

static int hand_over(struct cells *c, struct cell_events *part)
{
	if (c->sinks.on_interim)
		return c->sinks.on_interim(c->sinks.ctx, part);
	cell_events_free(part);
	return -ENOBUFS;
}

static void over_limit(struct cell *cell, size_t n)
{
	cell->totals.events_unlisted += n;
	cell->totals.events_over_limit += n;
}

static void flush(struct cells *c, const char *why)
{
	struct cell *cell = c->open;
	struct cell_events *part = cell->events;
	const size_t n = part->n, bytes = part->text_bytes;

	cell->events = NULL;
	if (cell->cfg.max_interim_bytes &&
	    cell->interim_bytes + bytes > cell->cfg.max_interim_bytes) {
		cell->interim_full = true;
		over_limit(cell, n);
		cell_events_free(part);
		return;
	}
	part->part = cell->resumed.parts + cell->totals.parts + 1;
	part->why = why;
	part->watched_from_ns = cell->resumed.window_end_ns ? cell->resumed.watched_from_ns
							    : cell->totals.watched_from_ns;
	host_copy(&part->host, &c->host);
	/* It is another's from here on, and may be gone already. */
	if (hand_over(c, part) != 0) {
		cell->totals.events_unlisted += n;
		return;
	}
	cell->totals.parts++;
	cell->interim_bytes += bytes;
	cell->totals.events_in_parts += n;
}

static struct cell_events *begin(struct cells *c, edr_u64 boot_ns)
{
	const struct cell_totals *t = &c->open->totals;
	struct cell_events *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	part->window_start_ns = t->window_start_ns;
	part->window_end_ns = t->window_end_ns;
	part->interval_min = t->interval_min;
	part->first_boot_ns = boot_ns;
	c->open->events = part;
	return part;
}

/*
 * Room for len bytes in one piece. The collector is in here: it never copies what it has, and the
 * kernel need not find more than one chunk's pages at a time, or a ring would overflow meanwhile.
 */
static char *chunk_room(struct cell_events *part, size_t len)
{
	struct cell_chunk *chunk = part->last;
	size_t room;

	if (!chunk || chunk->room - chunk->len < len) {
		room = chunk ? CHUNK_BYTES : FIRST_CHUNK_BYTES;
		if (room < len)
			room = len;
		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct cell_chunk){ .room = room };
		if (part->last)
			part->last->next = chunk;
		else
			part->chunks = chunk;
		part->last = chunk;
		part->bytes += sizeof(*chunk) + room;
	}
	chunk->len += len;
	part->text_bytes += len;
	return chunk->text + chunk->len - len;
}

bool events_full(struct cells *c)
{
	if (c->open->interim_full)
		over_limit(c->open, 1);
	return c->open->interim_full;
}

void events_keep(struct cells *c, edr_u64 boot_ns, edr_s64 t, struct wire_span json)
{
	const struct cell_config *cfg = &c->open->cfg;
	const size_t len = CELL_EVENT_LEAD_LEN + json.len;
	struct cell_events *part = c->open->events;
	char *to;

	if (part && part->n && part->text_bytes + len > cfg->max_events_bytes) {
		flush(c, "bytes");
		part = NULL;
	}
	if (!part && json.len)
		part = begin(c, boot_ns);
	to = part && json.len ? chunk_room(part, len) : NULL;
	if (!to) {
		c->open->totals.events_unlisted++;
		return;
	}
	memcpy(to, CELL_EVENT_LEAD, CELL_EVENT_LEAD_LEN);
	memcpy(to + CELL_EVENT_LEAD_LEN, json.data, json.len);
	part->n++;
	span_note(&part->when, t);
	if (part->n >= cfg->max_events)
		flush(c, "count");
}

void events_age(struct cells *c)
{
	const struct cell_events *part = c->open->events;
	const edr_u64 age_ns = (edr_u64)c->open->cfg.max_events_age_s * NS_PER_S;

	if (age_ns && part && part->n && (edr_u64)c->now_boot_ns > part->first_boot_ns &&
	    (edr_u64)c->now_boot_ns - part->first_boot_ns >= age_ns)
		flush(c, "age");
}

void cell_give_up(struct cell *cell, const struct cell_events *part)
{
	struct cell_totals *t = &cell->totals;

	if (part->window_start_ns != t->window_start_ns || !t->parts)
		return;
	t->parts--;
	t->events_in_parts -= part->n;
	t->events_unlisted += part->n;
}

void cell_events_free(struct cell_events *part)
{
	if (!part)
		return;
	host_free(&part->host);
	for (struct cell_chunk *chunk = part->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(part);
}

void cell_events_view(const struct cell_events *part, struct cell_events_view *out)
{
	*out = (struct cell_events_view){
		.host = part->host.spans,
		.window_start_ns = part->window_start_ns,
		.window_end_ns = part->window_end_ns,
		.watched_from_ns = part->watched_from_ns,
		.interval_min = part->interval_min,
		.part = part->part,
		.why = part->why,
		.first_ns = part->when.first_ns,
		.last_ns = part->when.last_ns,
		.events = part->chunks,
		.n_events = part->n,
		.bytes = sizeof(*part) + part->bytes,
	};
}
