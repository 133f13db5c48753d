/* SPDX-License-Identifier: MIT */
/*
 * Texts that were looked at and nothing was found in: the same command lines come again and again, and to know one again is
 * cheaper than to look. By 64 bits of SipHash under a key of this process, so that nobody can make a text that passes for
 * another. A newer one takes the place of an older one.
 */
#ifndef EDR_UTIL_SEEN_H
#define EDR_UTIL_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_SLOTS 2048

struct seen {
	bool keyed; /* without a key none is known again */
	uint64_t key[2], slot[SEEN_SLOTS];
};

void seen_init(struct seen *s);
/* `how`: what else the finding depends on. 0: it cannot be kept. */
uint64_t seen_hash(const struct seen *s, const void *text, size_t len, unsigned how);

static inline bool seen_has(const struct seen *s, uint64_t hash)
{
	return hash && s->slot[hash % SEEN_SLOTS] == hash;
}

static inline void seen_add(struct seen *s, uint64_t hash)
{
	s->slot[hash % SEEN_SLOTS] = hash;
}

#endif
