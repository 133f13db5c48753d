/* SPDX-License-Identifier: MIT */
/*
 * util_hash() as tables need it, under keys that are the same in each run, so that the bounds on chance hold always or
 * never. tests/unit/test_util.c has the known values of SipHash, and that each process draws another key.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/hash.h"

#define ROUNDS 32     /* keys that are tried */
#define SMALL 64      /* every length up to here */
#define AROUND_LONG 9 /* from 256 bytes on, it is another function */
#define LONGEST (256 + AROUND_LONG)

static void use_key(uint64_t i)
{
	const uint64_t from[2] = { 0x243f6a8885a308d3u, 0x13198a2e03707344u }; /* digits of pi */
	const uint64_t key[2] = { util_siphash13(&i, sizeof(i), from),
				  ~util_siphash13(&i, sizeof(i), from) };

	util_hash_set_key(key);
}

static uint32_t hash(const void *data, size_t len)
{
	return (uint32_t)util_hash(data, len);
}

/* 0 to 64, then 248 to 265. */
static size_t next_length(size_t len)
{
	return len == SMALL ? 256 - AROUND_LONG + 1 : len + 1;
}

static int by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Texts of zeros only differ in their length. */
START_TEST(test_lengths)
{
	static const unsigned char zeros[LONGEST];
	uint32_t seen[LONGEST + 1];

	for (uint64_t k = 0; k < ROUNDS; k++) {
		use_key(k);
		for (size_t len = 0; len <= LONGEST; len++)
			seen[len] = hash(zeros, len);
		qsort(seen, LONGEST + 1, sizeof(seen[0]), by_value);
		for (size_t i = 1; i <= LONGEST; i++)
			if (seen[i - 1] == seen[i])
				ck_abort_msg("key %d: two lengths have one hash", (int)k);
	}
}
END_TEST

START_TEST(test_single_bits)
{
	unsigned char text[LONGEST];
	uint32_t before;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * 37);
	for (uint64_t k = 0; k < 4; k++) {
		use_key(k);
		for (size_t len = 0; len <= LONGEST; len = next_length(len)) {
			before = hash(text, len);
			for (size_t bit = 0; bit < 8 * len; bit++) {
				text[bit / 8] ^= (unsigned char)(1u << bit % 8);
				if (hash(text, len) == before) /* ck_assert writes each time */
					ck_abort_msg("key %d, length %zu, bit %zu", (int)k, len,
						     bit);
				text[bit / 8] ^= (unsigned char)(1u << bit % 8);
			}
		}
	}
}
END_TEST

/* Between two pages that cannot be read: at the first byte of what can, and up to the last. */
START_TEST(test_bounds)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *all =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *first = all + page, *exact;

	ck_assert_ptr_ne(all, MAP_FAILED);
	ck_assert_int_eq(mprotect(all, page, PROT_NONE), 0);
	ck_assert_int_eq(mprotect(all + 2 * page, page, PROT_NONE), 0);
	for (size_t len = 0; len <= LONGEST; len = next_length(len)) {
		unsigned char *last = all + 2 * page - len;

		for (size_t i = 0; i < len; i++)
			first[i] = last[i] = (unsigned char)(len + i);
		ck_assert_uint_eq(hash(first, len), hash(last, len));
		exact = malloc(len + 1); /* where AddressSanitizer looks on */
		ck_assert_ptr_nonnull(exact);
		memcpy(exact + 1, last, len);
		ck_assert_uint_eq(hash(exact + 1, len), hash(last, len));
		free(exact);
	}
	munmap(all, 3 * page);
}
END_TEST

/* What stands before and behind a text, and where in memory it lies, changes nothing. */
START_TEST(test_surroundings)
{
	unsigned char text[LONGEST], room[LONGEST + 32];
	uint32_t alone;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * 91 + 5);
	for (size_t len = 0; len <= LONGEST; len = next_length(len)) {
		alone = hash(text, len);
		for (size_t at = 8; at < 24; at++) {
			memset(room, (int)(at * 17), sizeof(room));
			memcpy(room + at, text, len);
			ck_assert_uint_eq(hash(room + at, len), alone);
		}
	}
}
END_TEST

/* ---- texts that somebody chose, alike but for one part ---- */

#define TEXTS 4096u
#define BUCKETS 4096u

static void put32(unsigned char *text, uint32_t x)
{
	memcpy(text, &x, sizeof(x));
}

static void low_half(unsigned char *text, uint32_t i)
{
	put32(text, i);
}

static void high_half(unsigned char *text, uint32_t i)
{
	put32(text + 4, i);
}

static void high_bits(unsigned char *text, uint32_t i)
{
	put32(text, i << 20);
}

static void both_alike(unsigned char *text, uint32_t i)
{
	put32(text, i);
	put32(text + 4, i);
}

static void both_opposed(unsigned char *text, uint32_t i)
{
	put32(text, i);
	put32(text + 4, 0u - i);
}

/* Of two words: what one gains the other loses. */
static void words_opposed(unsigned char *text, uint32_t i)
{
	put32(text, i);
	put32(text + 8, 0u - i);
}

static void last_word(unsigned char *text, uint32_t i)
{
	put32(text + 16, i);
}

static void name(unsigned char *text, uint32_t i)
{
	char digits[5];

	snprintf(digits, sizeof(digits), "%04x", i);
	memset(text, 'a', 36);
	memcpy(text + 36, digits, 4);
}

static void two_bits(unsigned char *text, uint32_t i)
{
	text[i % 64] |= 1;
	text[i / 64] |= 2;
}

static const struct {
	const char *what;
	void (*make)(unsigned char *text, uint32_t i);
	size_t len;
} families[] = {
	{ "the low half of a word", low_half, 16 },
	{ "the high half of a word", high_half, 16 },
	{ "the high bits of a half", high_bits, 16 },
	{ "two halves, alike", both_alike, 16 },
	{ "two halves, opposed", both_opposed, 16 },
	{ "two words, opposed", words_opposed, 16 },
	{ "the last four bytes of 20", last_word, 20 },
	{ "the first three of 19", low_half, 19 },
	{ "three bytes that are all", low_half, 3 },
	{ "five bytes that are all", low_half, 5 },
	{ "the end of a name", name, 40 },
	{ "which two bits of 64 bytes are set", two_bits, 64 },
	{ "the first word of 256 bytes", low_half, 256 },
	{ "the first word of 257 bytes", low_half, 257 },
};

struct spread {
	unsigned long pairs; /* that share a bucket */
	unsigned fullest;
};

static struct spread spread_of(size_t family)
{
	static unsigned count[BUCKETS];
	unsigned char text[LONGEST];
	struct spread s = { 0, 0 };

	memset(count, 0, sizeof(count));
	for (uint32_t i = 0; i < TEXTS; i++) {
		unsigned *n;

		memset(text, 0, sizeof(text));
		families[family].make(text, i);
		n = &count[hash(text, families[family].len) % BUCKETS]; /* as uthash takes it */
		s.pairs += (*n)++;
		if (*n > s.fullest)
			s.fullest = *n;
	}
	return s;
}

/*
 * Of a hash that is drawn by lot, (TEXTS - 1) / 2 pairs share a bucket on average, as long as texts meet no more often than
 * by chance. No such promise holds for one key and one family: there are a few bad ones, which nobody can know.
 */
START_TEST(test_spread)
{
	const double expected = (double)TEXTS * (TEXTS - 1) / 2 / BUCKETS;
	unsigned long pairs = 0;
	unsigned crowded = 0, fullest = 0;

	for (uint64_t k = 0; k < ROUNDS; k++) {
		struct spread s;

		use_key(k);
		s = spread_of((size_t)_i);
		pairs += s.pairs;
		crowded += s.fullest > 16;
		if (s.fullest > fullest)
			fullest = s.fullest;
	}
	printf("%-36s pairs: x%.2f of chance, fullest: %u, keys with more than 16: %u\n",
	       families[_i].what, (double)pairs / ROUNDS / expected, fullest, crowded);
	ck_assert_double_lt((double)pairs / ROUNDS, 1.5 * expected);
	ck_assert_uint_le(crowded, ROUNDS / 8);
	ck_assert_uint_le(fullest, 64);
}
END_TEST

struct named {
	uint32_t hash, name;
};

static int by_hash(const void *a, const void *b)
{
	return by_value(&((const struct named *)a)->hash, &((const struct named *)b)->hash);
}

static void order_of(unsigned char *order, uint64_t key)
{
	struct named texts[SMALL];
	unsigned char text[40];

	use_key(key);
	for (uint32_t i = 0; i < SMALL; i++) {
		name(text, i);
		texts[i] = (struct named){ hash(text, sizeof(text)), i };
	}
	qsort(texts, SMALL, sizeof(texts[0]), by_hash);
	for (uint32_t i = 0; i < SMALL; i++)
		order[i] = (unsigned char)texts[i].name;
}

START_TEST(test_another_key)
{
	unsigned char order[ROUNDS][SMALL], again[SMALL];

	for (uint64_t k = 0; k < ROUNDS; k++) {
		order_of(order[k], k);
		for (uint64_t other = 0; other < k; other++)
			if (memcmp(order[k], order[other], SMALL) == 0)
				ck_abort_msg("keys %d and %d give one order", (int)k, (int)other);
	}
	order_of(again, 0);
	ck_assert_mem_eq(again, order[0], SMALL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *tc = tcase_create("hash");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_lengths);
	tcase_add_test(tc, test_single_bits);
	tcase_add_test(tc, test_bounds);
	tcase_add_test(tc, test_surroundings);
	tcase_add_loop_test(tc, test_spread, 0, (int)(sizeof(families) / sizeof(families[0])));
	tcase_add_test(tc, test_another_key);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
