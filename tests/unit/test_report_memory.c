/* SPDX-License-Identifier: MIT */
/*
 * Memory that is short at any one point makes a report fail; it never makes it say something else,
 * and nothing leaks. Every single allocation fails once, by a malloc of ours over glibc's.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "feed.h"
#include "suite.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t size);	    /* NOLINT: glibc's names */
void *__libc_calloc(size_t n, size_t size); /* NOLINT */
void *__libc_realloc(void *p, size_t size); /* NOLINT */
void __libc_free(void *p);		    /* NOLINT */

static bool counting;
static long until_failure; /* allocations that still succeed; -1: all */
static long made, balance;

static bool fails(void)
{
	if (!counting)
		return false;
	made++;
	if (until_failure < 0 || until_failure-- > 0)
		return false;
	until_failure = -1; /* one alone: what comes after it must cope */
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	void *p = fails() ? NULL : __libc_malloc(size);

	balance += counting && p;
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __libc_calloc(n, size);

	balance += counting && p;
	return p;
}

void *realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : __libc_realloc(old, size);

	balance += counting && p && !old;
	return p;
}

void free(void *p)
{
	balance -= counting && p;
	__libc_free(p);
}

/* One try with the allocation number `fail_at` failing; -1: none. */
static int one_try(const struct cell *cell, long fail_at, const struct buf *want)
{
	struct buf id = { 0 }, text = { 0 };
	int err;

	made = balance = 0;
	until_failure = fail_at;
	counting = true;
	err = report_cell_json(cell, &id, &text);
	counting = false;
	if (!err && want) {
		ck_assert_uint_eq(text.len, want->len);
		ck_assert_mem_eq(text.data, want->data, want->len);
	}
	counting = true;
	buf_free(&id);
	buf_free(&text);
	counting = false;
	ck_assert_msg(balance == 0, "%ld blocks left over after allocation %ld failed", balance,
		      fail_at);
	return err;
}

static void fail_everywhere(void *ctx, struct cell *cell)
{
	struct buf id = { 0 }, want = { 0 };
	long total, failed = 0, survived = 0;

	(void)ctx;
	ck_assert_int_eq(report_cell_json(cell, &id, &want), 0);
	ck_assert_int_eq(one_try(cell, -1, &want), 0);
	total = made;
	for (long i = 0; i < total; i++) {
		int err = one_try(cell, i, &want);

		ck_assert(err == 0 || err == -ENOMEM);
		if (err)
			failed++;
		else
			survived++;
	}
	printf("%ld allocations, each failed once: %ld times no report, %ld times the same one\n",
	       total, failed, survived);
	ck_assert_int_gt(failed, total / 2);
	buf_free(&id);
	buf_free(&want);
	cell_free(cell);
}

START_TEST(no_allocation_may_fail_unseen)
{
	struct feed f = { .sinks = { .on_closed = fail_everywhere } };
	char exe[64], args[64];

	feed_open(&f, FEED_WINDOW);
	for (unsigned i = 0; i < 40; i++) {
		edr_u32 pid;
		int len = snprintf(args, sizeof(args), "program%c%u%c%s", 0, i, 0, "an argument\n");

		snprintf(exe, sizeof(exe), "/usr/bin/program-%u", i % 7);
		pid = feed_exec_args(&f, i % 3, exe, args, (size_t)len + 1);
		feed_fold(&f, rec_connect(&f.rec, feed_id(&f, pid), i, 80, 0));
		feed_fold(&f, rec_syscall(&f.rec, feed_id(&f, pid), "ptrace", -1));
		feed_fold(&f, rec_exec_failed(&f.rec, feed_id(&f, pid), exe, -ENOENT));
		feed_fold(&f, rec_exit(&f.rec, feed_id(&f, pid), i % 2, i % 5));
	}
	feed_fold(&f, rec_blind(&f.rec, f.now_ns, f.now_ns - 5, f.now_ns, "self-test"));
	feed_close(&f);
}
END_TEST

#else

START_TEST(no_allocation_may_fail_unseen)
{
	fprintf(stderr, "left out: needs glibc's malloc, without a sanitizer's\n");
}
END_TEST

#endif

int main(void)
{
	const TTest *const tests[] = { no_allocation_may_fail_unseen };

	return suite_run("report_memory", tests, 1, NULL, NULL, 120);
}
