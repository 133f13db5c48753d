/* SPDX-License-Identifier: MIT */
/*
 * uthash as this program wants it: keys hashed by util_hash, which nobody outside can steer, and no
 * exit() without memory: after a HASH_ADD... that found none, the item's hh.tbl is NULL and the
 * table is as it was.
 *
 * uthash would let a bucket grow to ten items before it doubles their number; each is a cache miss,
 * so that a table of 65,536 processes answered half as fast. Six cost 30 bytes more an item.
 */
#ifndef EDR_UTIL_HTABLE_H
#define EDR_UTIL_HTABLE_H

#include "util/hash.h"

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, len, hashv) UTIL_HASH_FUNCTION(key, len, hashv)
#include <uthash.h>

#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U

#endif
