/* SPDX-License-Identifier: MIT */
/* SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; 1 and 3 rounds as in Rust's and Python's tables. */
#include "util/hash.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#define SHORT_BYTES 256 /* what has a word of key for each half of a word: most paths and lines */

static uint64_t process_key[2];
static uint64_t short_key[2 + SHORT_BYTES / 4]; /* made of that one */

static inline uint64_t rotl(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static inline uint64_t load_le64(const unsigned char *p, size_t n)
{
	uint64_t x = 0;

	if (n == 8) {
		memcpy(&x, p, 8);
		return le64toh(x);
	}

	while (n--)
		x = x << 8 | p[n];
	return x;
}

uint64_t util_siphash13(const void *data, size_t len, const uint64_t key[2])
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
			  key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
	const unsigned char *p = data;
	size_t left = len;
	uint64_t m;

	for (; left >= 8; left -= 8, p += 8) {
		m = load_le64(p, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)len << 56 | load_le64(p, left);
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void util_hash_set_key(const uint64_t key[2])
{
	memcpy(process_key, key, sizeof(process_key));
	for (size_t i = 0; i < sizeof(short_key) / sizeof(short_key[0]); i++)
		short_key[i] = util_siphash13(&i, sizeof(i), process_key);
}

/* Before main(): each hash would ask whether it was done. */
__attribute__((constructor)) static void draw_process_key(void)
{
	const void *at_random = (const void *)getauxval(AT_RANDOM);
	uint64_t key[2] = { 0 };

	/* Without waiting, early at boot; else the 16 random bytes that the kernel gives every program. */
	if (getrandom(key, sizeof(key), GRND_NONBLOCK) != sizeof(key) && at_random)
		memcpy(key, at_random, sizeof(key));
	util_hash_set_key(key);
}

static inline uint64_t multiply_pair(uint64_t word, const uint64_t key[2])
{
	return (key[0] + (uint32_t)word) * (key[1] + (word >> 32));
}

/* The last bytes of a text, fewer than eight. */
static inline uint64_t load_tail(const unsigned char *p, size_t n, bool more_before)
{
	return more_before ? load_le64(p + n - 8, 8) >> (64 - 8 * n) : load_le64(p, n);
}

/*
 * Pair-multiply-shift: two halves of a word, each plus a key of its own, are multiplied, and the upper 32 bits of the sum of
 * these products count. The method and its proof: Thorup, "High speed hashing for integers and strings", 2015, after
 * Dietzfelbinger, "Universal hashing and k-wise independence via integer arithmetic without primes", 1996.
 *
 * What is promised: any two texts that differ, chosen by somebody who does not know the key, have the same 32 bits with a
 * chance of 2^-32, and the same bucket of 2^b with one of 2^-b, whichever b of these bits say which; the length has a key
 * too, so this holds for texts of different lengths. So n texts make as many pairs that meet as chance would, on average
 * over the keys. What is not: that each key spreads each set of texts evenly (a few do not, and nobody knows which), nor
 * anything about three texts together, nor against one who can see hashes or who meets whom, and so learns of the key.
 * The proof wants keys drawn by lot; ours are SipHash's of one key of 128 bits. A fifth of SipHash's cost for a usual path.
 */
static uint64_t hash_short(const unsigned char *p, size_t len)
{
	uint64_t sum = short_key[0] + short_key[1] * len;
	const uint64_t *key = &short_key[2];
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8, key += 2)
		sum += multiply_pair(load_le64(p, 8), key);
	if (left)
		sum += multiply_pair(load_tail(p, left, len > left), key);
	return sum >> 32;
}

uint64_t util_hash(const void *data, size_t len)
{
	return len <= SHORT_BYTES ? hash_short(data, len) : util_siphash13(data, len, process_key);
}
