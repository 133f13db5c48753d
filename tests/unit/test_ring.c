/* SPDX-License-Identifier: MIT */
/* The reader of a BPF ring, on a file that is laid out like one. */
#include <check.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source/ring.h"

#define RING_BYTES 65536u
#define MAX_RECORD 4096u

static struct ring_reader reader;
static unsigned long *consumer, *producer;
static char *data;
static int fd;

static struct {
	size_t n, stop_at;
	size_t len[20000];
	unsigned char first[20000];
} seen;

static void setup(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *all;

	fd = memfd_create("ring", 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(2 * page + RING_BYTES)), 0);
	all = mmap(NULL, 2 * page + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(all, MAP_FAILED);
	consumer = (unsigned long *)(void *)all;
	producer = (unsigned long *)(void *)(all + page);
	data = all + 2 * page;
	ck_assert_int_eq(ring_open(&reader, fd, RING_BYTES, MAX_RECORD), 0);
	memset(&seen, 0, sizeof(seen));
}

static void teardown(void)
{
	ring_close(&reader);
	close(fd);
}

static bool note(void *ctx, const void *record, size_t len)
{
	const unsigned char *byte = record;
	size_t right = 0;

	(void)ctx;
	ck_assert_uint_eq((size_t)record % 8, 0);
	while (right < len && byte[right] == (unsigned char)(byte[0] + right))
		right++;
	ck_assert_uint_eq(right, len);
	seen.len[seen.n] = len;
	seen.first[seen.n++] = byte[0];
	return seen.n != seen.stop_at;
}

/* As the kernel writes: header, then the data, which may go on at the start. */
static unsigned *put(size_t len, unsigned char first, unsigned flags)
{
	unsigned *header = (unsigned *)(void *)(data + *producer % RING_BYTES);

	ck_assert_uint_le(*producer + len + 8 - *consumer, RING_BYTES);
	*header = (unsigned)len | flags;
	for (size_t i = 0; i < len; i++)
		data[(*producer + 8 + i) % RING_BYTES] = (char)(first + i);
	*producer += (len + 8 + 7) & ~7ul;
	return header;
}

START_TEST(laps_of_all_sizes)
{
	size_t wraps = 0;

	for (size_t i = 0; i < 20000; i++) {
		const size_t len = 1 + i * 7919 % MAX_RECORD, from = *producer % RING_BYTES + 8;

		put(len, (unsigned char)i, 0);
		wraps += from < RING_BYTES && from + len > RING_BYTES;
		if (i % 3 == 0)
			ck_assert_int_eq(ring_take(&reader, note, NULL), RING_EMPTY);
	}
	ck_assert_int_eq(ring_take(&reader, note, NULL), RING_EMPTY);
	ck_assert_uint_eq(seen.n, 20000);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_uint_eq(seen.len[i], 1 + i * 7919 % MAX_RECORD);
		ck_assert_uint_eq(seen.first[i], (unsigned char)i);
	}
	ck_assert_uint_gt(wraps, 100);
	ck_assert_uint_eq(*consumer, *producer);
}
END_TEST

START_TEST(what_is_being_written_holds_up_the_rest)
{
	unsigned *busy;

	put(100, 1, 0);
	busy = put(100, 2, BPF_RINGBUF_BUSY_BIT);
	put(100, 3, 0);
	ck_assert_int_eq(ring_take(&reader, note, NULL), RING_BUSY);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(*consumer, 112);
	*busy = 100;
	ck_assert_int_eq(ring_take(&reader, note, NULL), RING_EMPTY);
	ck_assert_uint_eq(seen.n, 3);
	ck_assert_uint_eq(seen.first[1], 2);
}
END_TEST

START_TEST(discarded_and_oversize_ones_are_passed_over)
{
	put(100, 1, BPF_RINGBUF_DISCARD_BIT);
	put(MAX_RECORD + 1, 2, 0);
	put(MAX_RECORD, 3, 0);
	ck_assert_int_eq(ring_take(&reader, note, NULL), RING_EMPTY);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.len[0], MAX_RECORD);
	ck_assert_uint_eq(reader.oversize, 1);
	ck_assert_uint_eq(*consumer, *producer);
}
END_TEST

START_TEST(it_stops_when_told)
{
	for (unsigned char i = 0; i < 10; i++)
		put(8, i, 0);
	seen.stop_at = 4;
	ck_assert_int_eq(ring_take(&reader, note, NULL), RING_STOPPED);
	ck_assert_uint_eq(seen.n, 4);
	ck_assert_uint_eq(*consumer, 4 * 16);
	ck_assert_int_eq(ring_take(&reader, note, NULL), RING_EMPTY);
	ck_assert_uint_eq(seen.n, 10);
}
END_TEST

START_TEST(no_ring)
{
	struct ring_reader none;

	ck_assert_int_lt(ring_open(&none, -1, RING_BYTES, MAX_RECORD), 0);
	ring_close(&none);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring");
	TCase *c = tcase_create("ring");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, laps_of_all_sizes);
	tcase_add_test(c, what_is_being_written_holds_up_the_rest);
	tcase_add_test(c, discarded_and_oversize_ones_are_passed_over);
	tcase_add_test(c, it_stops_when_told);
	tcase_add_test(c, no_ring);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
