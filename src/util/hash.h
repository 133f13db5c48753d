/* SPDX-License-Identifier: MIT */
/*
 * A hash for tables whose keys come from elsewhere, under a key drawn once a process, so that nobody can choose names that
 * all fall into one bucket; only its low 32 bits are always filled. It differs from run to run: nothing that is written may
 * depend on the order of a table.
 *
 * With uthash:  #define HASH_FUNCTION(key, len, hashv) UTIL_HASH_FUNCTION(key, len, hashv)
 * before uthash.h is included.
 */
#ifndef EDR_UTIL_HASH_H
#define EDR_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t util_hash(const void *data, size_t len);

#define UTIL_HASH_FUNCTION(key, len, hashv) ((hashv) = (unsigned)util_hash((key), (len)))

/* For tests: another key for util_hash(). No table may be in use that was filled under the one before. */
void util_hash_set_key(const uint64_t key[2]);

/* SipHash-1-3 under a key of the caller's. */
uint64_t util_siphash13(const void *data, size_t len, const uint64_t key[2]);

#endif
