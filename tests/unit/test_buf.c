/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

START_TEST(test_empty)
{
	struct buf b = { 0 };
	char *s;

	buf_add(&b, NULL, 0);
	buf_adds(&b, "");
	ck_assert_uint_eq(b.len, 0);
	buf_clear(&b);
	s = buf_steal(&b);
	ck_assert_str_eq(s, "");
	free(s);
	ck_assert_ptr_null(b.data);
	buf_free(&b);
	buf_free(&b);
}
END_TEST

START_TEST(test_add)
{
	struct buf b = { 0 };
	char *s;

	buf_adds(&b, "one");
	buf_addc(&b, ' ');
	buf_add(&b, "t\0o", 3);
	buf_addf(&b, " %d%s", 3, "!");
	ck_assert_uint_eq(b.len, 10);
	ck_assert_mem_eq(b.data, "one t\0o 3!", 11);
	buf_clear(&b);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_str_eq(b.data, "");
	buf_adds(&b, "again");
	s = buf_steal(&b);
	ck_assert_str_eq(s, "again");
	free(s);
	ck_assert_uint_eq(b.cap, 0);
}
END_TEST

/* Every length around the first sizes of the buffer, by each of the ways in. */
START_TEST(test_growth)
{
	static char big[2000];
	size_t n;

	memset(big, 'x', sizeof(big) - 1);
	for (n = 0; n < sizeof(big) - 1; n++) {
		struct buf added = { 0 }, one_by_one = { 0 }, printed = { 0 };
		size_t i;

		buf_add(&added, big, n);
		buf_addc(&added, '!');
		for (i = 0; i < n; i++)
			buf_addc(&one_by_one, 'x');
		buf_addf(&one_by_one, "%c", '!');
		buf_addf(&printed, "%.*s", (int)n, big);
		buf_adds(&printed, "!");
		ck_assert_uint_eq(added.len, n + 1);
		ck_assert_str_eq(added.data, one_by_one.data);
		ck_assert_str_eq(added.data, printed.data);
		buf_free(&added);
		buf_free(&one_by_one);
		buf_free(&printed);
	}
}
END_TEST

START_TEST(test_decimal)
{
	static const unsigned long long values[] = {
		0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 4294967295u, 4294967296u
	};
	unsigned long long v;
	struct buf b = { 0 };
	char want[32];
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		buf_clear(&b);
		buf_addu(&b, values[i]);
		snprintf(want, sizeof(want), "%llu", values[i]);
		ck_assert_str_eq(b.data, want);
	}
	/* Each number of digits, and both sides of each power of ten. */
	for (v = 1; v <= UINT64_MAX / 10; v *= 10) {
		unsigned long long near;

		for (near = v - 1; near <= v + 1; near++) {
			buf_clear(&b);
			buf_addu(&b, near);
			snprintf(want, sizeof(want), "%llu", near);
			ck_assert_str_eq(b.data, want);
		}
	}
	buf_clear(&b);
	buf_addu(&b, UINT64_MAX);
	ck_assert_str_eq(b.data, "18446744073709551615");
	buf_free(&b);
}
END_TEST

/* Without memory: what is there stays, nothing comes after it, and it is remembered. */
START_TEST(test_no_memory)
{
	struct buf b = { 0 };

	buf_adds(&b, "kept");
	ck_assert(!buf_reserve(&b, SIZE_MAX / 2));
	ck_assert(buf_failed(&b));
	buf_addc(&b, 'x');
	buf_adds(&b, "x");
	buf_addf(&b, "%d", 1);
	buf_addu(&b, 1);
	buf_add(&b, "", 0);
	ck_assert_str_eq(b.data, "kept");
	ck_assert_uint_eq(b.len, 4);
	ck_assert_ptr_null(buf_steal(&b));
	ck_assert(!buf_failed(&b));

	ck_assert(!buf_reserve(&b, SIZE_MAX));
	buf_addc(&b, 'x');
	buf_add(&b, "", 0);
	ck_assert_ptr_null(b.data);
	buf_clear(&b);
	ck_assert(!buf_failed(&b));
	buf_addc(&b, 'y');
	ck_assert_str_eq(b.data, "y");
	buf_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = tcase_create("buf");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_empty);
	tcase_add_test(tc, test_add);
	tcase_add_test(tc, test_growth);
	tcase_add_test(tc, test_decimal);
	tcase_add_test(tc, test_no_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
