/* SPDX-License-Identifier: MIT */
/* What a killed run leaves in checkpoint/, and what the next start makes of it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cell/view.h"
#include "collect.h"
#include "feed.h"
#include "report/checkpoint.h"
#include "report/files.h"
#include "report/shelf.h"
#include "suite.h"
#include "util/log.h"

static char base[32], dir[64], err[256];
static struct report_store *store;
static struct checkpoints open_ones;
static bool killed, refused;

static void setup(void)
{
	strcpy(base, "/tmp/edr-checkpoint-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(report_store_open(&store, dir, err, sizeof(err)), 0);
	open_ones = (struct checkpoints){ .run = 1, .interval_s = 10 };
}

static void teardown(void)
{
	char command[128];

	report_store_close(store);
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

static void on_delta(void *ctx, struct cell *delta)
{
	(void)ctx;
	if (!killed)
		ck_assert_int_eq(checkpoint_write(store, &open_ones, delta) != 0, refused);
	cell_free(delta);
}

static size_t count(const char *level)
{
	struct report_files f;
	size_t n;

	ck_assert_int_eq(report_files_list(store, level, &f), 0);
	n = f.n;
	report_files_free(&f);
	return n;
}

/* A run of n intervals of 10 s with one exec in each, killed after the last checkpoint. */
static void run(edr_u64 from, unsigned n)
{
	struct feed f = { .sinks = { .on_closed = on_delta } };

	feed_open(&f, from);
	for (unsigned i = 0; i < n; i++) {
		feed_exec(&f, 0, "/usr/bin/true", "true\0--x");
		f.now_ns += 10 * FEED_S;
		feed_clock(&f, from + 10 * (i + 1), EDR_CLOCK_TICK);
		cells_close_partial(f.cells, f.table);
	}
	feed_exec(&f, 0, "/usr/bin/lost", "lost");
	killed = true;
	feed_close(&f);
	killed = false;
}

/* The next start, in another window. Gives how many cells there are then. */
static size_t recover(bool lists_events)
{
	const struct report_writer_config cfg = { .dir = dir,
						  .checkpoint_s = 10,
						  .lists_events = lists_events };
	struct report_shelf *shelf;

	log_set_level((enum log_level) - 1);
	ck_assert_msg(report_shelf_open(&shelf, &cfg, err, sizeof(err)) == 0, "%s", err);
	report_shelf_close(shelf);
	log_set_level(LOG_LEVEL_ERROR);
	return count("cells");
}

static json_object *only_cell(struct buf *text)
{
	struct report_files f;
	json_object *root;

	ck_assert_int_eq(report_files_list(store, "cells", &f), 0);
	ck_assert_uint_eq(f.n, 1);
	ck_assert_int_eq(report_read(store, "cells", f.file[0].id, text), 0);
	report_files_free(&f);
	root = json_tokener_parse(text->data);
	ck_assert_ptr_nonnull(root);
	return root;
}

START_TEST(a_killed_run_loses_no_more_than_an_interval)
{
	struct buf text = { 0 };
	json_object *root;

	run(FEED_WINDOW + 60, 12);
	ck_assert_uint_eq(count("checkpoint"), 12);
	ck_assert_uint_eq(recover(false), 1);
	ck_assert_uint_eq(count("checkpoint"), 0);
	root = only_cell(&text);
	ck_assert_int_eq(num(root, "/total"), 12);
	ck_assert(json_object_get_double(at(root, "/window/covered_seconds")) == 120.0);
	ck_assert_str_eq(str(root, "/window_start"), "2026-11-21T21:00:00Z");
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 1);
	ck_assert(json_object_get_double(at(root, "/loss/blind_seconds")) == 10.0);
	ck_assert_ptr_nonnull(strstr(str(root, "/loss/blind/0/reason"), "killed"));
	json_object_put(root);
	buf_free(&text);
}
END_TEST

START_TEST(each_window_is_a_cell_of_its_own)
{
	run(FEED_WINDOW + 890, 4);
	ck_assert_uint_eq(recover(false), 2);
	ck_assert_uint_eq(count("checkpoint"), 0);
}
END_TEST

static void clear(edr_u64 end_s, unsigned run_number)
{
	const struct checkpoint_range which = { .last_end_ns = (edr_s64)(end_s * FEED_S),
						.first_run = run_number,
						.last_run = run_number };

	ck_assert_int_eq(checkpoint_clear(store, &which), 0);
}

START_TEST(a_window_that_is_written_leaves_none)
{
	run(FEED_WINDOW, 3);
	clear(FEED_WINDOW, 1);
	ck_assert_uint_eq(count("checkpoint"), 3);
	clear(FEED_WINDOW + 900, 2);
	ck_assert_uint_eq(count("checkpoint"), 3);
	clear(FEED_WINDOW + 900, 1);
	ck_assert_uint_eq(count("checkpoint"), 0);
	ck_assert_uint_eq(recover(false), 0);
}
END_TEST

/* Killed between the cell and the clearing, or while it cleared: it is not written twice. */
START_TEST(the_cell_is_there_already)
{
	run(FEED_WINDOW + 60, 5);
	ck_assert_uint_eq(recover(false), 1);
	open_ones.serial = 0;
	run(FEED_WINDOW + 60, 3);
	ck_assert_uint_eq(recover(false), 1);
	ck_assert_uint_eq(count("checkpoint"), 0);
}
END_TEST

/* Two runs that began within a second have cells of one name, and both are kept. */
START_TEST(another_run_of_that_second)
{
	struct buf text = { 0 };

	run(FEED_WINDOW + 60, 2);
	ck_assert_uint_eq(recover(false), 1);
	run(FEED_WINDOW + 60, 4);
	ck_assert_uint_eq(recover(false), 2);
	ck_assert_int_eq(report_read(store, "cells", "cell-20261121T2100Z-210100-2", &text), 0);
	buf_free(&text);
}
END_TEST

/* It was killed at once: there is a cell that says nothing but that. */
START_TEST(a_mark_alone)
{
	struct feed f = { .sinks = { .on_closed = on_delta } };
	struct buf text = { 0 };
	json_object *root;

	feed_open(&f, FEED_WINDOW + 60);
	feed_clock(&f, FEED_WINDOW + 60, EDR_CLOCK_TICK);
	feed_close(&f);
	ck_assert_uint_eq(count("checkpoint"), 1);
	ck_assert_uint_eq(recover(true), 1);
	root = only_cell(&text);
	ck_assert_int_eq(num(root, "/total"), 0);
	ck_assert(json_object_get_double(at(root, "/window/covered_seconds")) == 0.0);
	ck_assert(json_object_get_double(at(root, "/loss/blind_seconds")) == 10.0);
	ck_assert_ptr_nonnull(strstr(str(root, "/loss/blind/0/reason"), "killed"));
	json_object_put(root);
	buf_free(&text);
}
END_TEST

START_TEST(a_missing_one_is_told)
{
	struct buf text = { 0 };
	json_object *root;

	run(FEED_WINDOW + 60, 6);
	ck_assert_int_eq(report_remove(store, "checkpoint", "open-001795295700-000001-00000003"),
			 0);
	ck_assert_uint_eq(recover(false), 1);
	root = only_cell(&text);
	ck_assert_int_eq(num(root, "/total"), 5);
	ck_assert_int_eq((long long)length(root, "/loss/blind"), 2);
	ck_assert_str_eq(str(root, "/loss/blind/0/from"), "2026-11-21T21:01:20.000000000Z");
	ck_assert_str_eq(str(root, "/loss/blind/0/to"), "2026-11-21T21:01:30.000000000Z");
	ck_assert(json_object_get_double(at(root, "/loss/blind_seconds")) == 20.0);
	json_object_put(root);
	buf_free(&text);
}
END_TEST

/* What a full disk refused comes with the next one. */
START_TEST(what_was_refused_comes_later)
{
	struct buf text = { 0 };
	char path[128];
	json_object *root;
	FILE *file;

	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	ck_assert_int_eq(rmdir(path), 0);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	refused = true;
	run(FEED_WINDOW + 60, 3);
	ck_assert_ptr_nonnull(open_ones.unwritten);
	ck_assert_int_eq(unlink(path), 0);
	refused = false;
	run(FEED_WINDOW + 90, 1);
	ck_assert_ptr_null(open_ones.unwritten);
	ck_assert_uint_eq(count("checkpoint"), 1);
	ck_assert_uint_eq(recover(false), 1);
	root = only_cell(&text);
	ck_assert_int_eq(num(root, "/total"), 4);
	json_object_put(root);
	buf_free(&text);
}
END_TEST

static void put_part(const char *id, const char *from, unsigned first, unsigned last,
		     unsigned events)
{
	struct buf text = { 0 };

	buf_addf(&text,
		 "{\n  \"covered_from\": \"%s\",\n  \"part\": %u,\n  \"last_part\": %u,\n"
		 "  \"first_event\": \"%s\",\n  \"total\": %u\n}\n",
		 from, first, last, from, events);
	ck_assert_int_eq(report_store_write(store, "interim", id, text.data, text.len), 0);
	buf_free(&text);
}

START_TEST(the_parts_of_a_killed_run_are_named)
{
	const char *const from = "2026-11-21T21:01:00.000000000Z";
	struct buf text = { 0 };
	json_object *root;

	put_part("cell-20261121T2100Z-210100.part0001", from, 1, 1, 2);
	/* A first event that is older than the first record makes a difference of some ms. */
	put_part("cell-20261121T2100Z-210100.part0002", "2026-11-21T21:01:00.005000000Z", 2, 4, 3);
	put_part("cell-20261121T2100Z-210100.part0005", "2026-11-21T21:01:00.500000000Z", 5, 5, 9);
	put_part("cell-20261121T2100Z.part0001", "2026-11-21T21:00:00.000000000Z", 1, 1, 9);
	run(FEED_WINDOW + 60, 12);
	ck_assert_uint_eq(recover(true), 1);
	root = only_cell(&text);
	ck_assert_int_eq(num(root, "/interim/parts"), 4);
	ck_assert_int_eq(num(root, "/interim/events_in_parts"), 5);
	ck_assert_int_eq(num(root, "/interim/events_unlisted"), 7);
	ck_assert_int_eq(num(root, "/total"), 12);
	ck_assert(json_object_get_double(at(root, "/loss/blind_seconds")) == 10.0);
	json_object_put(root);
	buf_free(&text);
}
END_TEST

START_TEST(damaged_ones_are_passed_over)
{
	const struct wire_span junk = { "{\"level\":", 9 };
	struct buf text = { 0 };
	json_object *root;

	run(FEED_WINDOW, 3);
	ck_assert_int_eq(report_file_replace(store, "checkpoint",
					     "open-001795295700-000001-00000002.json", junk),
			 0);
	ck_assert_int_eq(report_file_replace(store, "checkpoint", "zzz.json", junk), 0);
	ck_assert_int_eq(report_file_replace(store, "checkpoint", "open-x.json", junk), 0);
	ck_assert_uint_eq(recover(false), 1);
	root = only_cell(&text);
	ck_assert_int_eq(num(root, "/total"), 2);
	json_object_put(root);
	buf_free(&text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_killed_run_loses_no_more_than_an_interval,
		each_window_is_a_cell_of_its_own,
		a_window_that_is_written_leaves_none,
		the_cell_is_there_already,
		another_run_of_that_second,
		a_mark_alone,
		a_missing_one_is_told,
		what_was_refused_comes_later,
		the_parts_of_a_killed_run_are_named,
		damaged_ones_are_passed_over,
	};

	return suite_run("checkpoint", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 200);
}
