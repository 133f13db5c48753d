/* SPDX-License-Identifier: MIT */
/* Windows: where they begin and end, clock steps, late and unbelievable times, blind intervals. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "rec.h"

#define S 1000000000ll
#define MIN (60 * S)
#define MAX_CELLS 64

/* 2026-12-31T23:30:00Z: half an hour before a day's, month's and year's end. */
#define BASE_S 1798759800ll
#define BASE (BASE_S * S)
#define OFFSET (BASE - 100 * S) /* boot ns 100 s is BASE */
#define BOOT(unix_ns) ((edr_u64)((unix_ns)-OFFSET))

static struct cells *cells;
static struct cell_totals closed[MAX_CELLS];
static struct cell_view view[MAX_CELLS]; /* of cell[] */
static struct cell *cell[MAX_CELLS];
static size_t n_closed;
static struct buf b;

static void on_closed(void *ctx, struct cell *c)
{
	(void)ctx;
	ck_assert_uint_lt(n_closed, MAX_CELLS);
	cell[n_closed] = c;
	closed[n_closed] = *cell_totals(c);
	ck_assert_int_eq(cell_view_open(&view[n_closed], c), 0);
	n_closed++;
}

static const struct cell_config config = {
	.interval_min = 15, .max_executables = 100, .max_command_lines = 100, .max_connections = 100
};

static void setup(void)
{
	const struct cell_sinks sinks = { .on_closed = on_closed };

	n_closed = 0;
	cells = cells_new(&config, &sinks);
	ck_assert_ptr_nonnull(cells);
}

static void teardown(void)
{
	while (n_closed > 0) {
		cell_view_close(&view[--n_closed]);
		cell_free(cell[n_closed]);
	}
	cells_free(cells);
	buf_free(&b);
}

static void fold(const struct edr_hdr *rec)
{
	cells_fold(cells, rec, NULL, NULL, (struct wire_span){ 0 });
}

static void event_at(edr_s64 unix_ns)
{
	fold(rec_exit(&b, (struct rec_id){ 5, 1, BOOT(unix_ns) }, 0, 0));
}

static void clock_at(edr_s64 unix_ns, enum edr_clock_why why)
{
	fold(rec_clock(&b, BOOT(unix_ns), OFFSET, why));
}

static void close_all(void)
{
	cells_close_partial(cells, NULL);
}

START_TEST(test_align)
{
	static const unsigned intervals[] = { 1, 5, 15, 16, 60, 240 };
	struct cell_config cfg = config;
	edr_s64 length, now = BASE + 7 * MIN + 3 * S;

	cfg.interval_min = intervals[_i];
	length = cfg.interval_min * MIN;
	cells_reconfigure(cells, &cfg);
	clock_at(now, EDR_CLOCK_START);
	event_at(now + 1);
	close_all();
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_int_eq(closed[0].window_start_ns % length, 0);
	ck_assert_int_eq(closed[0].window_end_ns, closed[0].window_start_ns + length);
	ck_assert(closed[0].window_start_ns <= now && now < closed[0].window_end_ns);
	ck_assert_uint_eq(closed[0].interval_min, cfg.interval_min);
	ck_assert(closed[0].partial);
	ck_assert_uint_eq(closed[0].events, 1);
	ck_assert_int_eq(closed[0].first_ns, now + 1);
	ck_assert_int_eq(closed[0].last_ns, now + 1);
}
END_TEST

START_TEST(test_boundary)
{
	const edr_s64 end = BASE + 15 * MIN;

	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE);
	event_at(end - 1);
	ck_assert_uint_eq(n_closed, 0);
	event_at(end);
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_uint_eq(closed[0].events, 2);
	ck_assert(!closed[0].partial);
	ck_assert_int_eq(closed[0].watched_from_ns, BASE);
	ck_assert_int_eq(closed[0].watched_to_ns, end);
	ck_assert_uint_eq(closed[0].watched_ns, 15 * MIN);
	close_all();
	ck_assert_uint_eq(closed[1].events, 1);
	ck_assert_int_eq(closed[1].window_start_ns, end);
	ck_assert_int_eq(closed[1].watched_from_ns, end);
	ck_assert_uint_eq(closed[1].watched_ns, 0);
	ck_assert_uint_eq(closed[1].late, 0);
	ck_assert(closed[1].partial);
	close_all();
	ck_assert_uint_eq(n_closed, 2);
}
END_TEST

/* Through the end of a day, a month and a year, with only the clock ticking. */
START_TEST(test_idle_tiles)
{
	const edr_s64 from = BASE + 3 * MIN;
	edr_s64 t;
	size_t i;

	clock_at(from, EDR_CLOCK_START);
	for (t = from; t <= BASE + 90 * MIN; t += S)
		clock_at(t, EDR_CLOCK_TICK);
	close_all();
	ck_assert_uint_eq(n_closed, 7);
	for (i = 0; i < n_closed; i++) {
		ck_assert_int_eq(closed[i].window_start_ns, BASE + (edr_s64)i * 15 * MIN);
		ck_assert_uint_eq(closed[i].windows_skipped, 0);
		ck_assert_uint_eq(closed[i].events, 0);
		ck_assert_int_eq(closed[i].first_ns, 0);
		ck_assert_int_eq(closed[i].partial, i == 0 || i == 6);
		ck_assert_uint_eq(closed[i].clock_steps, 0);
	}
	ck_assert_int_eq(closed[0].watched_from_ns, from);
	ck_assert_uint_eq(closed[0].watched_ns, 12 * MIN);
	ck_assert_uint_eq(closed[6].watched_ns, 0);
	ck_assert_int_eq(closed[2].window_start_ns, (BASE_S + 1800) * S); /* 2027-01-01T00:00:00Z */
}
END_TEST

START_TEST(test_suspend)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	/* Boot time goes on in suspend; nothing came for four windows. */
	event_at(BASE + 80 * MIN);
	close_all();
	ck_assert_uint_eq(n_closed, 2);
	ck_assert_int_eq(closed[1].window_start_ns, BASE + 75 * MIN);
	ck_assert_uint_eq(closed[1].windows_skipped, 4);
	ck_assert_uint_eq(closed[1].events, 1);
	ck_assert_uint_eq(closed[1].ahead, 0);
}
END_TEST

START_TEST(test_step_forward_within)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	fold(rec_clock(&b, BOOT(BASE + 2 * MIN), OFFSET + 5 * MIN, EDR_CLOCK_STEP));
	fold(rec_exit(&b, (struct rec_id){ 5, 1, BOOT(BASE + 3 * MIN) }, 0, 0));
	ck_assert_int_eq(cells_wall_offset(cells), OFFSET + 5 * MIN);
	ck_assert_uint_eq(n_closed, 0);
	fold(rec_clock(&b, BOOT(BASE + 10 * MIN), OFFSET + 5 * MIN, EDR_CLOCK_TICK));
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_uint_eq(closed[0].clock_steps, 1);
	ck_assert_uint_eq(view[0].n_steps, 1);
	ck_assert_int_eq(view[0].steps[0].by_ns, 5 * MIN);
	ck_assert_int_eq(view[0].steps[0].at_ns, BASE + 7 * MIN);
	ck_assert_int_eq(closed[0].last_ns, BASE + 8 * MIN);
	ck_assert_uint_eq(closed[0].watched_ns, 10 * MIN); /* the clock jumped over the rest */
	ck_assert_uint_eq(closed[0].events, 2);
	close_all();
	ck_assert_uint_eq(closed[1].clock_steps, 0);
}
END_TEST

START_TEST(test_step_forward_past)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	fold(rec_clock(&b, BOOT(BASE + 2 * MIN), OFFSET + 60 * MIN, EDR_CLOCK_STEP));
	ck_assert_uint_eq(n_closed, 1);
	ck_assert(closed[0].partial);
	ck_assert_uint_eq(closed[0].clock_steps, 1);
	ck_assert_uint_eq(closed[0].watched_ns, 2 * MIN);
	ck_assert_int_eq(closed[0].watched_to_ns, BASE + 2 * MIN);
	/* An event of before the step that comes after it. */
	fold(rec_exit(&b, (struct rec_id){ 5, 1, BOOT(BASE + 2 * MIN - 1) }, 0, 0));
	close_all();
	ck_assert_uint_eq(n_closed, 2);
	ck_assert_int_eq(closed[1].window_start_ns, BASE + 60 * MIN);
	ck_assert_int_eq(closed[1].watched_from_ns, BASE + 62 * MIN);
	ck_assert_uint_eq(closed[1].late, 1);
	ck_assert_uint_eq(closed[1].events, 1);
	ck_assert_uint_eq(closed[1].windows_skipped, 3);
}
END_TEST

START_TEST(test_step_back)
{
	clock_at(BASE + 15 * MIN, EDR_CLOCK_START);
	event_at(BASE + 20 * MIN);
	/*
	 * Back by ten minutes, before the window's start: it stays open until its end comes again.
	 */
	fold(rec_clock(&b, BOOT(BASE + 21 * MIN), OFFSET - 10 * MIN, EDR_CLOCK_STEP));
	fold(rec_exit(&b, (struct rec_id){ 5, 1, BOOT(BASE + 22 * MIN) }, 0, 0));
	fold(rec_clock(&b, BOOT(BASE + 39 * MIN), OFFSET - 10 * MIN, EDR_CLOCK_TICK));
	ck_assert_uint_eq(n_closed, 0);
	fold(rec_clock(&b, BOOT(BASE + 40 * MIN), OFFSET - 10 * MIN, EDR_CLOCK_TICK));
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_int_eq(closed[0].window_start_ns, BASE + 15 * MIN);
	ck_assert_uint_eq(closed[0].events, 2);
	ck_assert_uint_eq(closed[0].late, 0);
	ck_assert_uint_eq(closed[0].clock_steps, 1);
	ck_assert_uint_eq(closed[0].watched_ns, 25 * MIN);
}
END_TEST

START_TEST(test_step_far_back)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	/* The host came up eight hours ahead; a cell that waited would be open for as long. */
	fold(rec_clock(&b, BOOT(BASE + 2 * MIN), OFFSET - 480 * MIN, EDR_CLOCK_STEP));
	ck_assert_uint_eq(n_closed, 1);
	ck_assert(closed[0].partial);
	ck_assert_uint_eq(closed[0].clock_steps, 1);
	fold(rec_exit(&b, (struct rec_id){ 5, 1, BOOT(BASE + 3 * MIN) }, 0, 0));
	close_all();
	ck_assert_int_eq(closed[1].window_start_ns, BASE - 480 * MIN);
	ck_assert_int_eq(closed[1].watched_from_ns, BASE - 478 * MIN);
	ck_assert_uint_eq(closed[1].windows_skipped, 0);
	ck_assert_uint_eq(closed[1].events, 1);
	ck_assert_uint_eq(closed[1].late, 0);
}
END_TEST

/*
 * A tick that differs by little is the clock being slewed; by much, a step that nobody called one.
 */
START_TEST(test_slew)
{
	clock_at(BASE, EDR_CLOCK_START);
	fold(rec_clock(&b, BOOT(BASE + S), OFFSET + 500, EDR_CLOCK_TICK));
	fold(rec_clock(&b, BOOT(BASE + 2 * S), OFFSET + 5 * S, EDR_CLOCK_TICK));
	close_all();
	ck_assert_uint_eq(closed[0].clock_steps, 1);
	ck_assert_int_eq(view[0].steps[0].by_ns, 5 * S - 500);
}
END_TEST

START_TEST(test_many_steps)
{
	int i;

	clock_at(BASE, EDR_CLOCK_START);
	for (i = 0; i < 100; i++)
		fold(rec_clock(&b, BOOT(BASE + i * S), OFFSET + i % 2 * S, EDR_CLOCK_STEP));
	close_all();
	ck_assert_uint_eq(closed[0].clock_steps, 100);
	ck_assert_uint_eq(view[0].n_steps, 16);
}
END_TEST

START_TEST(test_late)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + 14 * MIN);
	clock_at(BASE + 15 * MIN, EDR_CLOCK_TICK);
	event_at(BASE + 15 * MIN - 1);
	event_at(BASE + 15 * MIN);
	event_at(OFFSET + 1);
	close_all();
	ck_assert_uint_eq(closed[0].events, 1);
	ck_assert_uint_eq(closed[0].late, 0);
	ck_assert_uint_eq(closed[1].events, 3);
	ck_assert_uint_eq(closed[1].late, 2);
}
END_TEST

/* Only clock records are believed when they leap by more than a day. */
START_TEST(test_unbelievable)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	fold(rec_exit(&b, (struct rec_id){ 5, 1, UINT64_MAX }, 0, 0));
	fold(rec_exit(&b, (struct rec_id){ 5, 1, INT64_MAX }, 0, 0));
	event_at(BASE + 25 * 60 * MIN);
	fold(rec_loss(&b, UINT64_MAX, EDR_EXEC, 1, 1));
	event_at(BASE + 2 * MIN);
	close_all();
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_uint_eq(closed[0].events, 5);
	ck_assert_uint_eq(closed[0].ahead, 3);
	ck_assert_uint_eq(closed[0].late, 0);
	ck_assert_int_eq(closed[0].last_ns, BASE + 2 * MIN);
	ck_assert_uint_eq(closed[0].type[EDR_EXEC].counted.dropped, 1);
}
END_TEST

/* Clock records may say anything: no overflow, no endless loop, windows that can be printed. */
START_TEST(test_forged_clock)
{
	static const edr_s64 offsets[] = { INT64_MIN, INT64_MIN + 1, -1,       0,
					   1,	      INT64_MAX - 1, INT64_MAX };
	static const edr_u64 times[] = { 0, 1, INT64_MAX, (edr_u64)INT64_MAX + 1, UINT64_MAX };
	size_t i, j, n = 0;

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		for (j = 0; j < sizeof(times) / sizeof(times[0]); j++) {
			fold(rec_clock(&b, times[j], offsets[i],
				       (enum edr_clock_why)((i + j) % 5)));
			fold(rec_exit(&b, (struct rec_id){ 5, 1, times[4 - j] }, 0, 0));
			fold(rec_blind(&b, times[j], times[j / 2], times[4 - j], "x"));
		}
		close_all();
		for (; n_closed > 0; n_closed--, n++) {
			const struct cell_totals *t = &closed[n_closed - 1];

			ck_assert_int_ge(t->window_start_ns, 0);
			ck_assert_int_gt(t->window_end_ns, t->window_start_ns);
			ck_assert(t->watched_from_ns >= t->window_start_ns &&
				  t->watched_to_ns <= t->window_end_ns);
			ck_assert_uint_le(t->blind_ns, 15 * MIN);
			cell_view_close(&view[n_closed - 1]);
			cell_free(cell[n_closed - 1]);
		}
	}
	ck_assert_uint_gt(n, 0);
}
END_TEST

START_TEST(test_before_clock)
{
	fold(rec_host(&b, 1, "early"));
	event_at(BASE);
	event_at(BASE + 1);
	fold(rec_loss(&b, 5, EDR_EXIT, 3, 1));
	ck_assert_uint_eq(n_closed, 0);
	clock_at(BASE + 2, EDR_CLOCK_START);
	event_at(BASE + 3);
	close_all();
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_uint_eq(closed[0].events, 3);
	ck_assert_uint_eq(closed[0].unattributed, 2);
	ck_assert_uint_eq(closed[0].type[EDR_EXIT].delivered, 3);
	ck_assert_int_eq(closed[0].type[EDR_EXIT].pending_after, -3);
	ck_assert_uint_eq(view[0].host->hostname.len, 5);
}
END_TEST

/* A second start is another run of the agent: perhaps of another boot. */
START_TEST(test_restart)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	fold(rec_loss(&b, BOOT(BASE + MIN), EDR_EXIT, 5, 0));
	fold(rec_clock(&b, 3 * S, BASE + 5 * MIN, EDR_CLOCK_START));
	fold(rec_exit(&b, (struct rec_id){ 5, 1, 4 * S }, 0, 0));
	close_all();
	ck_assert_uint_eq(n_closed, 2);
	ck_assert(closed[0].partial);
	ck_assert_int_eq(closed[0].type[EDR_EXIT].pending_after, 4);
	ck_assert_int_eq(closed[1].window_start_ns, BASE);
	ck_assert_int_eq(closed[1].watched_from_ns, BASE + 5 * MIN + 3 * S);
	ck_assert_int_eq(closed[1].type[EDR_EXIT].pending_before, 0);
	ck_assert_uint_eq(closed[1].late, 0);
	ck_assert_uint_eq(closed[1].clock_steps, 0);
}
END_TEST

static void blind(edr_s64 at, edr_s64 from, edr_s64 to, const char *reason)
{
	fold(rec_blind(&b, BOOT(at), BOOT(from), BOOT(to), reason));
}

START_TEST(test_blind)
{
	clock_at(BASE, EDR_CLOCK_START);
	blind(BASE + MIN, BASE + 10 * S, BASE + 20 * S, "selftest");
	blind(BASE + MIN, BASE + 15 * S, BASE + 25 * S, "ring"); /* overlaps */
	blind(BASE + MIN, BASE + 40 * S, BASE + 50 * S, "selftest");
	blind(BASE + MIN, BASE + 50 * S, BASE + 55 * S, "selftest"); /* goes on */
	blind(BASE + MIN, BASE + 70 * S, BASE + 60 * S, "backwards");
	blind(BASE + MIN, BASE + 5 * S, BASE + 7 * S, "told late");
	close_all();
	ck_assert_uint_eq(closed[0].blind_ns, (15 + 15 + 2) * S);
	ck_assert_uint_eq(view[0].n_blind, 4);
	ck_assert_int_eq(view[0].blind[0].from_ns, BASE + 5 * S);
	ck_assert_int_eq(view[0].blind[3].to_ns, BASE + 55 * S);
	ck_assert_uint_eq(view[0].blind[2].reason.len, 4);
	ck_assert_mem_eq(view[0].blind[2].reason.data, "ring", 4);
	ck_assert(!closed[0].blind_rounded);
}
END_TEST

/* One that is told when it is over belongs to each window that it touched. */
START_TEST(test_blind_over_the_end)
{
	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	blind(BASE + 15 * MIN + 5 * S, BASE + 14 * MIN, BASE + 15 * MIN + 3 * S, "x");
	ck_assert_uint_eq(n_closed, 1);
	ck_assert_uint_eq(closed[0].blind_ns, MIN);
	/* Two windows too late for the rest. */
	blind(BASE + 35 * MIN, BASE + 10 * MIN, BASE + 31 * MIN, "y");
	close_all();
	ck_assert_uint_eq(n_closed, 3);
	ck_assert_uint_eq(closed[1].blind_ns, 15 * MIN);
	ck_assert_uint_eq(closed[1].blind_ns_before, 5 * MIN);
	ck_assert_uint_eq(closed[2].blind_ns, MIN);
	ck_assert_uint_eq(closed[2].blind_ns_before, 0);
	ck_assert_uint_eq(view[1].n_blind, 2);
}
END_TEST

/* Known to last into the next window, and into the one after that. */
START_TEST(test_blind_ahead)
{
	clock_at(BASE, EDR_CLOCK_START);
	blind(BASE + MIN, BASE + 14 * MIN, BASE + 32 * MIN, "planned");
	clock_at(BASE + 16 * MIN, EDR_CLOCK_TICK);
	clock_at(BASE + 31 * MIN, EDR_CLOCK_TICK);
	clock_at(BASE + 46 * MIN, EDR_CLOCK_TICK);
	close_all();
	ck_assert_uint_eq(closed[0].blind_ns, MIN);
	ck_assert_uint_eq(closed[1].blind_ns, 15 * MIN);
	ck_assert_uint_eq(closed[2].blind_ns, 2 * MIN);
	ck_assert_uint_eq(closed[3].blind_ns, 0);
}
END_TEST

/* Told in pieces while nothing else comes, and the stream's time stands still before the window's end. */
START_TEST(test_blind_in_pieces)
{
	const edr_s64 stands = BASE + 14 * MIN;

	clock_at(BASE, EDR_CLOCK_START);
	event_at(stands);
	blind(stands, BASE + 14 * MIN + 30 * S, BASE + 15 * MIN + 10 * S, "away");
	blind(stands, BASE + 15 * MIN + 10 * S, BASE + 15 * MIN + 40 * S, "away");
	blind(stands, BASE + 15 * MIN + 40 * S, BASE + 16 * MIN, "away");
	clock_at(BASE + 17 * MIN, EDR_CLOCK_TICK);
	close_all();
	ck_assert_uint_eq(closed[0].blind_ns, 30 * S);
	ck_assert_uint_eq(closed[1].blind_ns, MIN);
	ck_assert_uint_eq(view[1].n_blind, 1);
}
END_TEST

/* The source fails, is away, and fails again, and the windows turn meanwhile: each has its part of each. */
START_TEST(test_blind_of_several_kinds)
{
	const edr_s64 stands = BASE + 14 * MIN, later = BASE + 46 * MIN;

	clock_at(BASE, EDR_CLOCK_START);
	event_at(stands);
	blind(stands, BASE + 14 * MIN + 30 * S, BASE + 15 * MIN + 10 * S, "failed");
	blind(stands, BASE + 15 * MIN + 10 * S, BASE + 15 * MIN + 40 * S, "away");
	blind(stands, BASE + 15 * MIN + 40 * S, BASE + 16 * MIN, "failed");
	blind(stands, BASE + 17 * MIN, BASE + 31 * MIN, "away");
	clock_at(BASE + 18 * MIN, EDR_CLOCK_TICK);
	blind(later, BASE + 44 * MIN, BASE + 46 * MIN, "failed");
	clock_at(BASE + 62 * MIN, EDR_CLOCK_TICK);
	close_all();
	ck_assert_uint_eq(closed[0].blind_ns, 30 * S);
	ck_assert_uint_eq(closed[1].blind_ns, 14 * MIN);
	ck_assert_uint_eq(view[1].n_blind, 4);
	ck_assert_uint_eq(closed[2].blind_ns,
			  MIN); /* of the window between nothing was seen: no cell */
}
END_TEST

/* More than can be listed: never too little. */
START_TEST(test_many_blind)
{
	int i;

	clock_at(BASE, EDR_CLOCK_START);
	for (i = 0; i < 300; i++)
		blind(BASE + 14 * MIN, BASE + i * 2 * S, BASE + i * 2 * S + S, i % 2 ? "a" : "b");
	close_all();
	ck_assert_uint_lt(view[0].n_blind, 64);
	ck_assert(closed[0].blind_rounded);
	ck_assert_uint_ge(closed[0].blind_ns, 300 * S);
	ck_assert_uint_le(closed[0].blind_ns, 600 * S);
}
END_TEST

START_TEST(test_reconfigure)
{
	struct cell_config cfg = config;

	clock_at(BASE, EDR_CLOCK_START);
	cfg.interval_min = 5;
	cells_reconfigure(cells, &cfg);
	event_at(BASE + 14 * MIN);
	ck_assert_uint_eq(n_closed, 0); /* from the next cell on */
	event_at(BASE + 16 * MIN);
	event_at(BASE + 20 * MIN);
	close_all();
	ck_assert_uint_eq(n_closed, 3);
	ck_assert_uint_eq(closed[0].interval_min, 15);
	ck_assert_uint_eq(closed[1].interval_min, 5);
	ck_assert_int_eq(closed[1].window_start_ns, BASE + 15 * MIN);
	ck_assert_int_eq(closed[1].window_end_ns, BASE + 20 * MIN);
}
END_TEST

/* What checkpoints are made of: the window stays that of the cell, which is still open. */
START_TEST(test_closed_early)
{
	struct cell_config cfg = config;

	clock_at(BASE, EDR_CLOCK_START);
	event_at(BASE + MIN);
	blind(BASE + 2 * MIN, BASE + MIN, BASE + 2 * MIN, "once");
	close_all();
	cfg.interval_min = 5;
	cells_reconfigure(cells, &cfg);
	event_at(BASE + 90 * S); /* not late: it is of that window */
	clock_at(BASE + 3 * MIN, EDR_CLOCK_TICK);
	close_all();
	/* Set back to before the window, but not so far that the cell would be closed. */
	fold(rec_clock(&b, BOOT(BASE + 4 * MIN), OFFSET - 10 * MIN, EDR_CLOCK_STEP));
	close_all();
	fold(rec_clock(&b, BOOT(BASE + 16 * MIN), OFFSET, EDR_CLOCK_STEP));
	close_all();
	ck_assert_uint_eq(n_closed, 4);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(closed[i].window_start_ns, BASE);
		ck_assert_int_eq(closed[i].window_end_ns, BASE + 15 * MIN);
		ck_assert_uint_eq(closed[i].interval_min, 15);
		ck_assert_uint_eq(closed[i].late, 0);
		ck_assert_uint_eq(closed[i].windows_skipped, 0);
		ck_assert_uint_eq(closed[i].blind_ns, i ? 0 : MIN);
	}
	ck_assert_int_eq(closed[1].watched_from_ns, BASE + 2 * MIN);
	ck_assert_uint_eq(closed[0].watched_ns + closed[1].watched_ns, 3 * MIN);
	ck_assert_uint_eq(closed[3].interval_min, 5);
	ck_assert_int_eq(closed[3].window_start_ns, BASE + 15 * MIN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("windows");
	TCase *tc = tcase_create("windows");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_align, 0, 6);
	tcase_add_test(tc, test_boundary);
	tcase_add_test(tc, test_idle_tiles);
	tcase_add_test(tc, test_suspend);
	tcase_add_test(tc, test_step_forward_within);
	tcase_add_test(tc, test_step_forward_past);
	tcase_add_test(tc, test_step_back);
	tcase_add_test(tc, test_step_far_back);
	tcase_add_test(tc, test_slew);
	tcase_add_test(tc, test_many_steps);
	tcase_add_test(tc, test_late);
	tcase_add_test(tc, test_unbelievable);
	tcase_add_test(tc, test_forged_clock);
	tcase_add_test(tc, test_before_clock);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_blind);
	tcase_add_test(tc, test_blind_over_the_end);
	tcase_add_test(tc, test_blind_ahead);
	tcase_add_test(tc, test_blind_in_pieces);
	tcase_add_test(tc, test_blind_of_several_kinds);
	tcase_add_test(tc, test_many_blind);
	tcase_add_test(tc, test_reconfigure);
	tcase_add_test(tc, test_closed_early);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
