/* SPDX-License-Identifier: MIT */
/*
 * Which window a record belongs to. Records carry boot time, which is never set; the clock records
 * say what to add for Unix time. A record past the end of the open window closes it. Only clock
 * records are believed when they jump by more than a day, and only they can go back.
 */
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

#define NS_PER_MIN (60 * NS_PER_S)
#define MAX_LEAP_NS (24LL * 60 * NS_PER_MIN) /* of an event ahead of the last clock record */
#define STEP_NS NS_PER_S /* a tick whose offset differs by so much was a step, whatever it says */

static edr_s64 boot_time(edr_u64 ns)
{
	return ns > CELL_TIME_MAX ? CELL_TIME_MAX : (edr_s64)ns;
}

static edr_s64 add(edr_s64 a, edr_s64 b)
{
	edr_s64 sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static edr_s64 subtract(edr_s64 a, edr_s64 b)
{
	edr_s64 difference;

	if (__builtin_sub_overflow(a, b, &difference))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return difference;
}

edr_s64 windows_unix(const struct cells *c, edr_u64 boot_ns)
{
	return clamp_time(add(boot_time(boot_ns), c->offset_ns));
}

/* [from, to) of the interval, cut to [start, end). False when nothing is left. */
static bool cut(edr_s64 *from, edr_s64 *to, edr_s64 start, edr_s64 end)
{
	if (*from < start)
		*from = start;
	if (*to > end)
		*to = end;
	return *from < *to;
}

/* Makes room in the full list: joins the two neighbours with the smallest gap between them. */
static void join_blind(struct blind_list *list)
{
	struct blind *row = list->row;
	size_t i, best = 0;
	edr_s64 gap, least = INT64_MAX;

	for (i = 0; i + 1 < list->n; i++) {
		gap = row[i + 1].from_ns - row[i].to_ns;
		if (gap < least) {
			least = gap;
			best = i;
		}
	}
	if (least > 0)
		list->rounded = true;
	if (row[best].to_ns < row[best + 1].to_ns)
		row[best].to_ns = row[best + 1].to_ns;
	memmove(&row[best + 1], &row[best + 2], (list->n - best - 2) * sizeof(*row));
	list->n--;
}

static void insert_blind(struct blind_list *list, size_t at, const struct blind *b)
{
	memmove(&list->row[at + 1], &list->row[at], (list->n - at) * sizeof(*b));
	list->row[at] = *b;
	if (++list->n == CELL_MAX_BLIND)
		join_blind(list);
}

void windows_append_blind(struct blind_list *list, const struct blind *b)
{
	insert_blind(list, list->n, b);
}

static bool same_reason(const struct blind *a, const struct blind *b)
{
	return a->reason_len == b->reason_len && memcmp(a->reason, b->reason, a->reason_len) == 0;
}

/* Enters the part of b that lies in [start, end). */
static void note_blind(struct blind_list *list, const struct blind *b, edr_s64 start, edr_s64 end)
{
	struct blind part = *b;
	struct blind *before;
	size_t i;

	if (!cut(&part.from_ns, &part.to_ns, start, end))
		return;
	for (i = list->n; i > 0 && list->row[i - 1].from_ns > part.from_ns; i--)
		;
	before = i > 0 ? &list->row[i - 1] : NULL;
	/* One that goes on, told in pieces. */
	if (before && same_reason(before, &part) && part.from_ns <= before->to_ns) {
		if (before->to_ns < part.to_ns)
			before->to_ns = part.to_ns;
		return;
	}
	insert_blind(list, i, &part);
}

static void note_in_window(struct cell *cell, const struct blind *b)
{
	note_blind(&cell->blind, b, cell->totals.window_start_ns, cell->totals.window_end_ns);
}

/* What was told while the stream stood still, before this window. */
static void note_ahead(struct cell *cell, struct blind_list *ahead)
{
	size_t i, kept = 0;

	for (i = 0; i < ahead->n; i++) {
		note_in_window(cell, &ahead->row[i]);
		if (ahead->row[i].to_ns > cell->totals.window_end_ns)
			ahead->row[kept++] = ahead->row[i];
	}
	cell->blind.rounded |= ahead->rounded;
	ahead->n = kept;
	ahead->rounded = ahead->rounded && kept > 0;
}

/* Length of the union of the list. */
static edr_u64 blind_ns(const struct blind_list *list)
{
	edr_s64 to = 0;
	edr_u64 sum = 0;
	size_t i;

	for (i = 0; i < list->n; i++) {
		const struct blind *b = &list->row[i];
		const edr_s64 from = b->from_ns > to ? b->from_ns : to;

		if (b->to_ns > from)
			sum += (edr_u64)(b->to_ns - from);
		if (b->to_ns > to)
			to = b->to_ns;
	}
	return sum;
}

/*
 * Before the record's time moves the window on: what lies in the window that is still open is
 * entered there, what lies behind it is kept for the next.
 */
void windows_blind(struct cells *c, const struct edr_blind *r)
{
	struct wire_span reason = wire_str(r, r->reason);
	struct blind b = { .from_ns = windows_unix(c, r->from_ns),
			   .to_ns = windows_unix(c, r->to_ns) };
	edr_s64 from = b.from_ns, to = b.to_ns;

	if (!c->have_clock || b.from_ns >= b.to_ns)
		return;
	b.reason_len = (edr_u32)(reason.len < sizeof(b.reason) ? reason.len : sizeof(b.reason));
	memcpy(b.reason, reason.data, b.reason_len);
	if (!c->open) {
		note_blind(&c->ahead, &b, INT64_MIN, INT64_MAX);
		return;
	}
	note_in_window(c->open, &b);
	note_blind(&c->ahead, &b, c->open->totals.window_end_ns, INT64_MAX);
	if (cut(&from, &to, INT64_MIN, c->open->totals.window_start_ns))
		c->open->totals.blind_ns_before += (edr_u64)(to - from);
}

void windows_close(struct cells *c, edr_s64 boot_ns, const struct proc_table *table)
{
	struct cell *cell = c->open;
	struct cell_totals *t = &cell->totals;
	edr_s64 end_boot_ns = subtract(t->window_end_ns, c->offset_ns);
	unsigned type;

	c->open = NULL;
	c->last.start_ns = t->window_start_ns;
	c->last.end_ns = t->window_end_ns;
	c->last.begin_boot_ns = cell->begin_boot_ns;
	c->last.interval_min = t->interval_min;
	c->last_boot_ns = end_boot_ns < boot_ns ? end_boot_ns : boot_ns;
	if (c->last_boot_ns < cell->from_boot_ns)
		c->last_boot_ns = cell->from_boot_ns;
	t->watched_ns = (edr_u64)(c->last_boot_ns - cell->from_boot_ns);
	t->watched_to_ns = clamp_time(add(c->last_boot_ns, c->offset_ns));
	if (t->watched_to_ns > t->window_end_ns)
		t->watched_to_ns = t->window_end_ns;
	t->partial = t->watched_from_ns > t->window_start_ns || t->watched_to_ns < t->window_end_ns;
	for (type = 0; type < EDR_TYPE_MAX; type++)
		t->type[type].pending_after = c->pending[type];
	t->blind_ns = blind_ns(&cell->blind);
	t->blind_rounded |= cell->blind.rounded;
	if (table)
		proc_table_stats(table, &t->processes);
	host_copy(&cell->host, &c->host);
	t->events_listed = cell->events ? cell->events->n : 0;
	t->bytes = cell_bytes(cell);
	if (c->sinks.on_closed)
		c->sinks.on_closed(c->sinks.ctx, cell);
	else
		cell_free(cell);
}

static void set_from(struct cell *cell, edr_s64 boot_ns, edr_s64 offset_ns)
{
	struct cell_totals *t = &cell->totals;

	cell->from_boot_ns = boot_ns;
	t->watched_from_ns = clamp_time(add(boot_ns, offset_ns));
	if (t->watched_from_ns < t->window_start_ns)
		t->watched_from_ns = t->window_start_ns;
	if (t->watched_from_ns < cell->resumed.watched_from_ns)
		t->watched_from_ns = cell->resumed.watched_from_ns;
}

/* A step that leaves the window: over its end, or so far back that it would stay open for long. */
static bool leaves(edr_s64 start_ns, edr_s64 end_ns, edr_s64 now)
{
	return now >= end_ns || now < start_ns - (end_ns - start_ns);
}

/*
 * Of the window closed last, when it was closed before its end: as long as it would still be open.
 * So the checkpoints of a cell have its window, whatever the clock and the configuration do.
 */
static bool same_window(const struct cells *c, struct cell *cell, edr_s64 now)
{
	struct cell_totals *t = &cell->totals;

	if (!c->last.end_ns || leaves(c->last.start_ns, c->last.end_ns, now))
		return false;
	t->interval_min = c->last.interval_min;
	t->window_start_ns = c->last.start_ns;
	t->window_end_ns = c->last.end_ns;
	cell->begin_boot_ns = c->last.begin_boot_ns;
	set_from(cell, c->last_boot_ns, c->offset_ns);
	return true;
}

static void new_window(struct cells *c, struct cell *cell, edr_s64 boot_ns, edr_s64 now)
{
	const edr_s64 interval_ns = (edr_s64)c->cfg.interval_min * NS_PER_MIN;
	struct cell_totals *t = &cell->totals;

	t->interval_min = c->cfg.interval_min;
	t->window_start_ns = now - now % interval_ns;
	t->window_end_ns = t->window_start_ns + interval_ns;

	cell->begin_boot_ns = subtract(t->window_start_ns, c->offset_ns);
	if (c->last.end_ns && cell->begin_boot_ns < c->last_boot_ns)
		cell->begin_boot_ns = c->last_boot_ns;
	/* Of the first window we have seen nothing before this record. */
	cell->first = !c->last.end_ns;
	set_from(cell, cell->first ? boot_ns : cell->begin_boot_ns, c->offset_ns);
	if (c->last.end_ns && t->window_start_ns > c->last.end_ns)
		t->windows_skipped = (edr_u64)((t->window_start_ns - c->last.end_ns) / interval_ns);
	note_ahead(cell, &c->ahead);
}

static void resume(struct cells *c, struct cell *cell)
{
	if (cell_goes_on(&cell->totals, &c->resume)) {
		cell->resumed = c->resume;
		cell->interim_bytes = c->resume.interim_bytes;
	}
	memset(&c->resume, 0, sizeof(c->resume));
}

static void open_at(struct cells *c, edr_s64 boot_ns)
{
	const edr_s64 now = clamp_time(add(boot_ns, c->offset_ns));
	struct cell *cell = cell_new(&c->cfg);
	struct cell_totals *t;
	unsigned type;

	if (!cell)
		return; /* the next record tries again */
	t = &cell->totals;
	t->redact_off = c->cfg.redact_off;
	if (!same_window(c, cell, now))
		new_window(c, cell, boot_ns, now);
	resume(c, cell);

	for (type = 0; type < EDR_TYPE_MAX; type++) {
		t->type[type].pending_before = c->pending[type];
		t->type[type].delivered = c->homeless[type];
		if (c->is_event[type]) {
			t->events += c->homeless[type];
			t->unattributed += c->homeless[type];
		}
		c->pending[type] -= (edr_s64)(c->of_kernel[type] ? c->homeless[type] : 0);
		c->homeless[type] = 0;
	}
	c->open = cell;
}

/*
 * At a start events may have happened some ms before the first record: then it was watched from
 * there on. Not once a part says from when, for the part and its cell are matched by that.
 */
static void watched_earlier(struct cells *c, edr_s64 boot_ns)
{
	struct cell *cell = c->open;

	if (!cell->first || cell->totals.parts || boot_ns >= cell->from_boot_ns)
		return;
	set_from(cell, boot_ns > cell->begin_boot_ns ? boot_ns : cell->begin_boot_ns, c->offset_ns);
}

edr_s64 windows_advance(struct cells *c, const struct edr_hdr *rec, const struct proc_table *table)
{
	const edr_s64 boot_ns = boot_time(rec->time_ns), now = windows_unix(c, rec->time_ns);

	if (!c->have_clock)
		return 0;
	if (boot_ns > add(c->clock_boot_ns, MAX_LEAP_NS)) {
		if (c->open && c->is_event[rec->type])
			c->open->totals.ahead++;
		return windows_unix(c, (edr_u64)c->now_boot_ns);
	}
	if (c->open && now >= c->open->totals.window_end_ns)
		windows_close(c, boot_ns, table);
	if (!c->open)
		open_at(c, boot_ns);
	if (boot_ns > c->now_boot_ns)
		c->now_boot_ns = boot_ns;
	if (c->open && c->is_event[rec->type])
		watched_earlier(c, boot_ns);
	if (c->open && boot_ns < c->open->begin_boot_ns && c->is_event[rec->type])
		c->open->totals.late++;
	return now;
}

static void note_step(struct cell *cell, edr_s64 at_ns, edr_s64 by_ns)
{
	cell->totals.clock_steps++;
	if (cell->n_steps < CELL_MAX_STEPS)
		cell->step[cell->n_steps++] = (struct cell_step){ at_ns, by_ns };
}

/* Another run of the agent, perhaps after another boot: nothing of the one before goes on. */
static void restart(struct cells *c, const struct proc_table *table)
{
	if (c->open)
		windows_close(c, c->now_boot_ns, table);
	memset(c->pending, 0, sizeof(c->pending));
	memset(&c->ahead, 0, sizeof(c->ahead));
	memset(&c->last, 0, sizeof(c->last));
	c->now_boot_ns = 0;
}

void windows_clock(struct cells *c, const struct edr_clock *r, const struct proc_table *table)
{
	const edr_s64 boot_ns = boot_time(r->hdr.time_ns);
	const edr_s64 by_ns = subtract(r->wall_offset_ns, c->offset_ns);
	const edr_s64 now = clamp_time(add(boot_ns, r->wall_offset_ns));
	const bool step = r->why == EDR_CLOCK_STEP || by_ns >= STEP_NS || by_ns <= -STEP_NS;

	if (r->why == EDR_CLOCK_START && c->have_clock)
		restart(c, table);
	if (c->open && step) {
		note_step(c->open, now, by_ns);
		/* By the clock that it was watched with: it says how far the window was seen. */
		if (leaves(c->open->totals.window_start_ns, c->open->totals.window_end_ns, now))
			windows_close(c, boot_ns, table);
	}
	c->have_clock = true;
	c->offset_ns = r->wall_offset_ns;
	c->clock_boot_ns = boot_ns;
}
