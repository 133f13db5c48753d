/* SPDX-License-Identifier: MIT */
/* What goes when, what is left, and that verify still holds. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/files.h"
#include "report/retain.h"
#include "report/verify.h"
#include "suite.h"
#include "util/log.h"

#define S 1000000000ll
#define DAY (86400 * S)
#define BEGIN (20000 * DAY)
#define DAYS 40

static char base[32], dir[64], err[256];
static struct report_store *store;
static struct heads *heads;

static size_t count(enum report_level level, size_t *packed)
{
	struct report_files f;
	size_t n;

	ck_assert_int_eq(report_files_list(store, report_levels[level].dir, &f), 0);
	n = f.n;
	if (packed)
		*packed = 0;
	for (size_t i = 0; packed && i < f.n; i++)
		*packed += f.file[i].packed;
	report_files_free(&f);
	return n;
}

/* A text that is no cell, but has all that retention and the chain look at. */
static void put(enum report_level level, edr_s64 start_ns)
{
	char id[REPORT_ID_MAX];
	struct buf text = { 0 };

	report_level_id(level, report_level_window(level, start_ns, 240), id);
	if (level <= LEVEL_CELL) {
		report_level_id(LEVEL_BLOCK, report_level_window(LEVEL_BLOCK, start_ns, 0), id);
		memmove(id, id + 1, strlen(id));
		memcpy(id, "cell", 4); /* cells of four hours */
		if (level == LEVEL_INTERIM)
			strcat(id, ".part0001");
	}
	buf_addf(&text,
		 "{\n  \"schema_version\": 1,\n  \"level\": \"%s\",\n  \"report_id\": \"%s\",\n",
		 report_levels[level].name, id);
	for (int i = 0; i < 100; i++)
		buf_addf(&text, "  \"m%d\": %d,\n", i, i);
	buf_adds(&text, "  \"end\": 0\n}\n");
	ck_assert_int_eq(
		report_store_write(store, report_levels[level].dir, id, text.data, text.len), 0);
	buf_free(&text);
}

static void setup(void)
{
	strcpy(base, "/tmp/edr-retain-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(report_store_open(&store, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(heads_open(&heads, store, NULL, err, sizeof(err)), 0);
	report_store_chain(store, heads);
	for (edr_s64 day = 0; day < DAYS; day++)
		for (edr_s64 h = 0; h < 6; h++)
			put(LEVEL_CELL, BEGIN + day * DAY + h * 4 * 3600 * S);
}

static void write_blocks(edr_s64 days)
{
	for (edr_s64 day = 0; day < days; day++)
		for (edr_s64 h = 0; h < 6; h++)
			put(LEVEL_BLOCK, BEGIN + day * DAY + h * 4 * 3600 * S);
}

static void teardown(void)
{
	char command[128];

	heads_close(heads);
	report_store_close(store);
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
	size_t *n = ctx;

	/* These are no cells: nothing can be made of them. The chain is what counts here. */
	if (strcmp(f->kind, "differs") != 0 && strcmp(f->kind, "note") != 0) {
		fprintf(stderr, "%s %s: %s\n", f->kind, f->id, f->text);
		(*n)++;
	}
}

static struct verify_totals good(void)
{
	struct verify_totals totals;
	size_t n = 0;
	const struct verify_config cfg = { .on_finding = on_finding, .ctx = &n };

	ck_assert_int_eq(report_verify(store, &cfg, &totals), 0);
	ck_assert_uint_eq(n, 0);
	return totals;
}

static struct retain_totals retain(struct retain_config cfg, edr_s64 now)
{
	struct retain_totals t;

	ck_assert_int_eq(report_retain(store, heads, &cfg, now, &t), 0);
	return t;
}

START_TEST(nothing_goes_before_its_parent_is_written)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30 }, .max_bytes = 1 };

	ck_assert_uint_eq(retain(cfg, BEGIN + DAYS * DAY).removed, 0);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), DAYS * 6);
	write_blocks(3);
	ck_assert_uint_eq(retain(cfg, BEGIN + DAYS * DAY).removed, 3 * 6);
	good();
}
END_TEST

START_TEST(old_cells_go_and_verify_holds)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30, [LEVEL_BLOCK] = 35 } };
	struct retain_totals t;
	struct buf text = { 0 };

	write_blocks(DAYS);
	t = retain(cfg, BEGIN + DAYS * DAY);
	ck_assert_uint_eq(t.removed, (DAYS - 30) * 6 + 1);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), 30 * 6 - 1);
	ck_assert_uint_eq(good().removed, t.removed);
	/* Days later: still one entry. */
	t = retain(cfg, BEGIN + (DAYS + 2) * DAY);
	ck_assert_uint_gt(t.removed, 0);
	ck_assert_int_eq(report_file_read(store, NULL, "removed.jsonl", 1 << 20, &text), 0);
	ck_assert_ptr_eq(memchr(text.data, '\n', text.len), text.data + text.len - 1);
	buf_free(&text);
	good();
}
END_TEST

START_TEST(too_much_room_takes_the_oldest_cells)
{
	struct retain_config cfg = { .max_bytes = 0 };
	struct retain_totals t;
	size_t before;

	write_blocks(DAYS);
	t = retain(cfg, BEGIN); /* nothing is old enough to be packed */
	before = count(LEVEL_CELL, NULL);
	cfg.max_bytes = t.bytes * 3 / 4;
	t = retain(cfg, BEGIN);
	ck_assert_uint_gt(t.removed, before / 4);
	ck_assert_uint_lt(count(LEVEL_CELL, NULL), before);
	ck_assert_uint_eq(count(LEVEL_BLOCK, NULL), DAYS * 6);
	ck_assert_uint_le(retain(cfg, BEGIN).bytes, cfg.max_bytes);
	good();
}
END_TEST

START_TEST(what_was_removed_by_others_still_shows)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30 } };
	struct verify_totals totals;
	const struct verify_config verify = { .ctx = NULL };
	struct report_files f;

	write_blocks(DAYS);
	retain(cfg, BEGIN + DAYS * DAY);
	ck_assert_int_eq(report_files_list(store, "cells", &f), 0);
	ck_assert_int_eq(report_remove(store, "cells", f.file[0].id), 0);
	report_files_free(&f);
	ck_assert_int_eq(report_verify(store, &verify, &totals), 0);
	ck_assert_uint_gt(totals.problems, totals.recomputed);
}
END_TEST

static void count_forged(void *ctx, const struct verify_finding *f)
{
	*(size_t *)ctx += strcmp(f->kind, "forged") == 0;
}

/* Writes the fourth cell anew with another byte in it; with its digest made to fit, or not. */
static void forge(bool reseal)
{
	struct report_files f;
	struct buf text = { 0 };
	struct chain_link link;
	char name[CHAIN_ID_MAX + 8];
	char *at;

	ck_assert_int_eq(report_files_list(store, "cells", &f), 0);
	snprintf(name, sizeof(name), "%s.json", f.file[3].id);
	ck_assert_int_eq(report_read(store, "cells", f.file[3].id, &text), 0);
	ck_assert(chain_read(text.data, text.len, &link));
	at = memmem(text.data, text.len, "\"m50\": 50", 9);
	ck_assert_ptr_nonnull(at);
	at[7] = '9';
	if (reseal) {
		ck_assert(chain_unseal(&text));
		ck_assert_int_eq(chain_seal(&text, &link, NULL), 0);
	}
	ck_assert_int_eq(report_file_replace(store, "cells", name,
					     (struct wire_span){ text.data, text.len }),
			 0);
	report_files_free(&f);
	buf_free(&text);
}

/* Nobody can launder a report by waiting until it is old. */
START_TEST(what_was_changed_stays)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30 } };
	const struct verify_config chains = { .chains_only = true };
	struct verify_totals totals;

	write_blocks(DAYS);
	forge(false);
	log_set_level((enum log_level) - 1);
	ck_assert_uint_eq(retain(cfg, BEGIN + DAYS * DAY).removed, (DAYS - 30) * 6);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), 30 * 6);
	ck_assert_int_eq(report_verify(store, &chains, &totals), 0);
	ck_assert_uint_gt(totals.problems, 0);
}
END_TEST

START_TEST(what_was_forged_shows_when_it_is_gone)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30 } };
	size_t forged = 0;
	const struct verify_config look = { .on_finding = count_forged, .ctx = &forged };
	struct verify_totals totals;

	write_blocks(DAYS);
	forge(true);
	for (edr_s64 day = 0; day < 3; day++)
		ck_assert_uint_gt(retain(cfg, BEGIN + (DAYS + day) * DAY).removed, 0);
	ck_assert_int_eq(report_verify(store, &look, &totals), 0);
	ck_assert_uint_eq(forged, 1);
}
END_TEST

/* Of a clock that was ahead for a while: what lies in between was not removed. */
START_TEST(what_was_removed_is_no_longer_than_it_was)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30 } };
	static const struct {
		edr_s64 day;
		bool removed;
	} days[] = { { 10, true }, { 41, true }, { 42, false }, { 60, false }, { 100, true } };

	put(LEVEL_CELL, BEGIN + 100 * DAY);
	put(LEVEL_BLOCK, BEGIN + 100 * DAY);
	for (edr_s64 h = 0; h < 12; h++)
		put(LEVEL_CELL, BEGIN + DAYS * DAY + h * 4 * 3600 * S);
	write_blocks(DAYS + 2);
	retain(cfg, BEGIN + 140 * DAY);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), 0);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		const struct report_window w =
			report_level_window(LEVEL_BLOCK, BEGIN + days[i].day * DAY, 0);

		ck_assert_msg(heads_children_removed(heads_now(heads), LEVEL_BLOCK, w) ==
				      days[i].removed,
			      "day %lld", (long long)days[i].day);
	}
	good();
}
END_TEST

/* One that was removed is put back. */
START_TEST(what_was_removed_does_not_come_back)
{
	const struct retain_config cfg = { .keep_days = { [LEVEL_CELL] = 30 } };
	size_t forged = 0;
	const struct verify_config look = { .on_finding = count_forged, .ctx = &forged };
	struct verify_totals totals;
	struct report_files f;
	struct buf text = { 0 };
	char name[CHAIN_ID_MAX + 8];

	write_blocks(DAYS);
	ck_assert_int_eq(report_files_list(store, "cells", &f), 0);
	snprintf(name, sizeof(name), "%s.json", f.file[3].id);
	ck_assert_int_eq(report_read(store, "cells", f.file[3].id, &text), 0);
	report_files_free(&f);
	ck_assert_uint_gt(retain(cfg, BEGIN + DAYS * DAY).removed, 10);
	good();
	ck_assert_int_eq(report_file_replace(store, "cells", name,
					     (struct wire_span){ text.data, text.len }),
			 0);
	ck_assert_int_eq(report_verify(store, &look, &totals), 0);
	ck_assert_uint_eq(forged, 1);
	buf_free(&text);
}
END_TEST

START_TEST(old_cells_are_packed_and_read_as_before)
{
	const struct retain_config cfg = { .max_bytes = 0 };
	struct buf before = { 0 }, after = { 0 };
	struct report_files f;
	size_t packed, rounds = 0;

	ck_assert_int_eq(report_files_list(store, "cells", &f), 0);
	ck_assert_int_eq(report_read(store, "cells", f.file[0].id, &before), 0);
	while (retain(cfg, BEGIN + DAYS * DAY).packed)
		ck_assert_uint_lt(++rounds, 10);
	ck_assert_uint_eq(count(LEVEL_CELL, &packed), DAYS * 6);
	ck_assert_uint_eq(packed, (DAYS - 1) * 6 + 1);
	ck_assert_int_eq(report_read(store, "cells", f.file[0].id, &after), 0);
	ck_assert_uint_eq(before.len, after.len);
	ck_assert_mem_eq(before.data, after.data, before.len);
	report_files_free(&f);
	/* Writing it again is still the same report. */
	put(LEVEL_CELL, BEGIN);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), DAYS * 6);
	good();
	buf_free(&before);
	buf_free(&after);
}
END_TEST

/* Of the first days, one a cell. */
static void write_parts(edr_s64 days)
{
	for (edr_s64 day = 0; day < days; day++)
		for (edr_s64 h = 0; h < 6; h++)
			put(LEVEL_INTERIM, BEGIN + day * DAY + h * 4 * 3600 * S);
}

START_TEST(parts_go_as_cells_do)
{
	const struct retain_config cfg = { .keep_days = {
						   [LEVEL_INTERIM] = 30, [LEVEL_CELL] = 30 } };

	write_blocks(DAYS);
	write_parts(DAYS);
	ck_assert_uint_eq(retain(cfg, BEGIN + DAYS * DAY).removed, 2 * ((DAYS - 30) * 6 + 1));
	ck_assert_uint_eq(count(LEVEL_INTERIM, NULL), 30 * 6 - 1);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), 30 * 6 - 1);
	good();
}
END_TEST

START_TEST(too_much_room_takes_parts_first)
{
	struct retain_config cfg = { .max_bytes = 0 };
	write_blocks(DAYS);
	write_parts(1);
	/* Nothing is a day old, and packed; of the last part the block is not over. */
	cfg.max_bytes = retain(cfg, BEGIN + DAY - 1).bytes - 1;
	ck_assert_uint_eq(retain(cfg, BEGIN + DAY - 1).removed, 1);
	ck_assert_uint_eq(count(LEVEL_INTERIM, NULL), 5);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), DAYS * 6);
	good();
	cfg.max_bytes = 1;
	retain(cfg, BEGIN + DAY - 1);
	ck_assert_uint_eq(count(LEVEL_INTERIM, NULL), 1);
	ck_assert_uint_eq(count(LEVEL_CELL, NULL), 0);
	good();
}
END_TEST

START_TEST(old_parts_are_packed)
{
	const struct retain_config cfg = { .max_bytes = 0 };
	struct buf before = { 0 }, after = { 0 };
	struct report_files f;
	size_t packed, rounds = 0;

	write_parts(3);
	ck_assert_int_eq(report_files_list(store, "interim", &f), 0);
	ck_assert_int_eq(report_read(store, "interim", f.file[0].id, &before), 0);
	while (retain(cfg, BEGIN + 2 * DAY).packed)
		ck_assert_uint_lt(++rounds, 10);
	ck_assert_uint_eq(count(LEVEL_INTERIM, &packed), 18);
	ck_assert_uint_eq(packed, 7);
	ck_assert_int_eq(report_read(store, "interim", f.file[0].id, &after), 0);
	ck_assert_uint_eq(before.len, after.len);
	ck_assert_mem_eq(before.data, after.data, before.len);
	report_files_free(&f);
	good();
	buf_free(&before);
	buf_free(&after);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nothing_goes_before_its_parent_is_written,
		old_cells_go_and_verify_holds,
		too_much_room_takes_the_oldest_cells,
		what_was_removed_by_others_still_shows,
		what_was_removed_does_not_come_back,
		what_was_changed_stays,
		what_was_forged_shows_when_it_is_gone,
		what_was_removed_is_no_longer_than_it_was,
		old_cells_are_packed_and_read_as_before,
		parts_go_as_cells_do,
		too_much_room_takes_parts_first,
		old_parts_are_packed,
	};

	return suite_run("retention", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 200);
}
