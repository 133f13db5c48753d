/* SPDX-License-Identifier: MIT */
#include "life.h"

#include <check.h>
#include <string.h>

#include "report/files.h"
#include "report/verify.h"

struct life life;
struct life_config life_config;

static bool take(struct queue_item *i)
{
	char name[128];

	if (!report_shelf_put(life.shelf, i, name, sizeof(name)))
		return true;
	life.refused++;
	return false;
}

static void put(struct queue_item *i)
{
	ck_assert_ptr_nonnull(i);
	while (!life.dead && !take(i) && life_config.tries)
		if (!--life_config.tries)
			life_config.last_try();
	queue_item_free(i);
	report_shelf_forget(life.shelf);
}

static void on_cell(void *ctx, struct cell *cell)
{
	(void)ctx;
	put(queue_item_cell(cell, QUEUE_CELL));
}

static void on_delta(void *ctx, struct cell *cell)
{
	(void)ctx;
	if (life_config.no_checkpoints) {
		cell_free(cell);
		return;
	}
	put(queue_item_cell(cell, QUEUE_CHECKPOINT));
}

static int on_part(void *ctx, struct cell_events *part)
{
	(void)ctx;
	put(queue_item_part(part));
	return 0;
}

static struct cell_config config(bool keep_events)
{
	return (struct cell_config){
		.interval_min = life_config.interval_min ? life_config.interval_min : 15,
		.keep_events = keep_events,
		.list_threads = life_config.list_threads,
		.max_events = life_config.max_events ? life_config.max_events : 10000,
		.max_events_bytes = 16 << 20,
		.max_executables = 4096,
		.max_command_lines = 16384,
		.max_connections = 8192
	};
}

static void open_shelf(edr_u64 now_s)
{
	const unsigned interval_s =
		life_config.interval_s ? life_config.interval_s : LIFE_INTERVAL_S;
	const struct report_writer_config cfg = { .dir = life_config.dir,
						  .key = life_config.key,
						  .machine_id = life_config.machine_id,
						  .checkpoint_s = life_config.no_checkpoints
									  ? 0
									  : interval_s,
						  .lists_events = true,
						  .lists_threads = life_config.list_threads,
						  .now_ns = (edr_s64)(now_s * FEED_S) };

	char err[256];

	memset(&life, 0, sizeof(life));
	ck_assert_msg(report_shelf_open(&life.shelf, &cfg, err, sizeof(err)) == 0, "%s", err);
}

void life_begin(edr_u64 wall_s, edr_u64 unix_s)
{
	struct feed mark = { .cfg = config(false), .sinks = { .on_closed = on_delta } };

	open_shelf(wall_s);
	life.begin_s = life.now_s = unix_s;
	life.cells = (struct feed){ .cfg = config(true),
				    .sinks = { .on_closed = on_cell, .on_interim = on_part } };
	life.deltas = (struct feed){ .cfg = config(false), .sinks = { .on_closed = on_delta } };
	report_shelf_resume(life.shelf, &life.cells.resume);
	feed_open(&mark, unix_s);
	/* Some time between the host's record and the clock's, as there is. */
	feed_fold(&mark, rec_clock(&mark.rec, mark.now_ns + 40000,
				   (edr_s64)(unix_s * FEED_S - mark.now_ns), EDR_CLOCK_TICK));
	feed_close(&mark);
	feed_open(&life.deltas, unix_s);
	feed_open(&life.cells, unix_s);
}

void life_execs(unsigned n)
{
	life.execs += n;
	while (n--) {
		feed_exec(&life.deltas, 0, "/usr/bin/true", "true\0--x");
		feed_exec(&life.cells, 0, "/usr/bin/true", "true\0--x");
	}
}

void life_until(edr_u64 unix_s)
{
	const edr_u64 window_s = 60 * (edr_u64)config(false).interval_min;
	const edr_u64 boot_ns = 1000 * FEED_S + (unix_s - life.begin_s) * FEED_S;

	/* The window's last checkpoint comes with its end. */
	if (unix_s / window_s != life.now_s / window_s)
		life.execs = 0;
	life.now_s = unix_s;
	life.deltas.now_ns = life.cells.now_ns = boot_ns;
	feed_clock(&life.deltas, unix_s, EDR_CLOCK_TICK);
	feed_clock(&life.cells, unix_s, EDR_CLOCK_TICK);
}

void life_checkpoint(void)
{
	cells_close_partial(life.deltas.cells, life.deltas.table);
	life.execs = 0;
}

void life_kill(void)
{
	life.dead = true;
	feed_close(&life.deltas);
	feed_close(&life.cells);
	report_shelf_close(life.shelf);
}

void life_stop(void)
{
	cells_close_partial(life.cells.cells, life.cells.table);
	report_shelf_settle(life.shelf);
	life_kill();
}

void life_start(edr_u64 unix_s)
{
	open_shelf(unix_s);
	report_shelf_close(life.shelf);
}

/* ---- what there is ---- */

struct report_store *life_store(void)
{
	struct report_store *s;
	char err[256];

	ck_assert_int_eq(report_store_open_read(&s, life_config.dir, err, sizeof(err)), 0);
	return s;
}

size_t life_count(const char *level)
{
	struct report_store *s = life_store();
	struct report_files f;
	size_t n;

	ck_assert_int_eq(report_files_list(s, level, &f), 0);
	n = f.n;
	report_files_free(&f);
	report_store_close(s);
	return n;
}

json_object *life_report(const char *level, const char *id)
{
	struct report_store *s = life_store();
	struct buf text = { 0 };
	json_object *root;

	ck_assert_msg(report_read(s, level, id, &text) == 0, "there is no %s", id);
	root = json_tokener_parse(text.data);
	ck_assert_ptr_nonnull(root);
	buf_free(&text);
	report_store_close(s);
	return root;
}

void life_verify(void)
{
	const struct verify_config cfg = { .key = life_config.key };
	struct report_store *s = life_store();
	struct verify_totals totals;

	ck_assert_int_eq(report_verify(s, &cfg, &totals), 0);
	ck_assert_uint_eq(totals.problems, 0);
	report_store_close(s);
}
