/* SPDX-License-Identifier: MIT */
#include "util/seen.h"

#include <string.h>
#include <sys/random.h>

#include "util/hash.h"

void seen_init(struct seen *s)
{
	memset(s, 0, sizeof(*s));
	s->keyed = getrandom(s->key, sizeof(s->key), GRND_NONBLOCK) == sizeof(s->key);
}

uint64_t seen_hash(const struct seen *s, const void *text, size_t len, unsigned how)
{
	const uint64_t key[2] = { s->key[0], s->key[1] ^ how };

	return s->keyed ? util_siphash13(text, len, key) : 0;
}
