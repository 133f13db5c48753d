/* SPDX-License-Identifier: MIT */
/* A report read back is the cell that it was made of; a damaged one is refused, or another one. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "feed.h"
#include "made.h"
#include "suite.h"

#define START (1795294800ll * 1000000000) /* 2026-11-21T21:00:00Z */

static const struct cell_finding finding = {
	.id = { "f-1", 3 },
	.title = { "odd \xff title", 11 },
	.details = { "", 0 },
	.technique = { "T1059", 5 },
	.time_ns = START + 5,
	.severity = 4,
};

/* What the loaded cell prints under the cell's own id is the same text. */
static void there_and_back(const struct cell *cell)
{
	struct buf id = { 0 }, text = { 0 }, id2 = { 0 }, text2 = { 0 };
	struct report_info info;
	struct cell *back;

	made_text(cell, &id, &text);
	back = made_load(&text, &info);
	ck_assert_int_eq(info.level, LEVEL_CELL);
	ck_assert_str_eq(info.id, id.data);
	made_text(back, &id2, &text2);
	ck_assert_str_eq(id.data, id2.data);
	ck_assert_str_eq(text.data, text2.data);
	cell_free(back);
	buf_free(&id);
	buf_free(&id2);
	buf_free(&text);
	buf_free(&text2);
}

START_TEST(test_round_trip)
{
	struct made_rng r = { 1 };

	for (unsigned i = 0; i < 40; i++) {
		struct cell *cell =
			made_cell(&r, START, 15, i * 40, 1 + i * 3, i % 2 ? &finding : NULL);

		there_and_back(cell);
		cell_free(cell);
	}
}
END_TEST

static void give(struct made_rng *r, size_t *n, const char *text, size_t len)
{
	struct report_info info;
	struct cell *cell;
	char *copy = malloc(len + !len);
	int err;

	(void)r;
	memcpy(copy, text,
	       len); /* of that size to the byte: a sanitizer sees a step over its end */
	err = report_load(copy, len, &cell, &info);
	ck_assert_msg(err == 0 || err == -EBADMSG, "%d", err);
	*n += err == 0;
	if (!err) {
		struct buf id = { 0 }, again = { 0 };

		made_text(cell, &id, &again);
		buf_free(&id);
		buf_free(&again);
	}
	cell_free(cell);
	free(copy);
}

START_TEST(test_truncated)
{
	struct made_rng r = { 2 };
	struct buf id = { 0 }, text = { 0 };
	size_t good = 0;

	made_cell_report(&r, START, 25, 6, &finding, &id, &text);
	/* Without its last newline it is whole. */
	for (size_t len = 0; len + 1 < text.len; len++)
		give(&r, &good, text.data, len);
	ck_assert_uint_eq(good, 0);
	buf_free(&id);
	buf_free(&text);
}
END_TEST

START_TEST(test_changed)
{
	static const char with[] = {
		'"', '\\', '0', '9', '{', '}', ',', ' ', '\0', '\xff', 'u', '-'
	};
	struct made_rng r = { 3 };
	struct buf id = { 0 }, text = { 0 };
	size_t good = 0;

	made_cell_report(&r, START, 9, 3, &finding, &id, &text);
	for (size_t i = 0; i < text.len; i++) {
		const char was = text.data[i];

		for (size_t c = i % 3; c < sizeof(with); c += 3 + i % 3) {
			text.data[i] = with[c];
			give(&r, &good, text.data, text.len);
		}
		text.data[i] = was;
	}
	buf_free(&id);
	buf_free(&text);
}
END_TEST

START_TEST(test_other)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"level\":\"cell\"}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[",
		"{\"a\":",
		"{\"level\": \"cell\", \"schema_version\": 2, \"report_id\": \"x\", \"severity\": "
		"null}",
	};
	struct made_rng r = { 0 };
	size_t good = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		give(&r, &good, bad[i], strlen(bad[i]));
	ck_assert_uint_eq(good, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_round_trip, test_truncated, test_changed, test_other };

	return suite_run("load", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 280);
}
