/* SPDX-License-Identifier: MIT */
/* SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; 1 and 3 rounds as in Rust's and Python's tables. */
#include "util/hash.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void draw_process_key(void)
{
	const void *at_random;

	/* Without waiting, early at boot; then the 16 random bytes that the kernel gives every program. */
	if (getrandom(process_key, sizeof(process_key), GRND_NONBLOCK) == sizeof(process_key))
		return;
	at_random = (const void *)getauxval(AT_RANDOM);
	if (at_random)
		memcpy(process_key, at_random, sizeof(process_key));
}

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

uint64_t util_hash(const void *data, size_t len)
{
	uint32_t number;

	pthread_once(&process_key_once, draw_process_key);
	/* Multiply-shift (Dietzfelbinger et al., 1997): as good for one number, at a tenth of the cost. */
	if (len == sizeof(number)) {
		memcpy(&number, data, sizeof(number));
		return ((number + process_key[0]) * (process_key[1] | 1)) >> 32;
	}
	return util_siphash13(data, len, process_key);
}
