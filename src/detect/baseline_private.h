/* SPDX-License-Identifier: MIT */
/* What baseline.c and baseline_file.c share. */
#ifndef EDR_DETECT_BASELINE_PRIVATE_H
#define EDR_DETECT_BASELINE_PRIVATE_H

#include "detect/baseline.h"

#define BUCKET 8
#define EXEC_DAYS 14
#define HOURS 24
#define DAY_S 86400
#define HOUR_S 3600

/* Seconds are Unix, up to the year 2106. */
struct entry {
	edr_u64 hash;
	edr_u32 first_s, last_s;
	edr_u32 days; /* 0: empty */
	edr_u32 times;
	edr_u32 hours; /* bits */
	edr_u32 unused;
};
_Static_assert(sizeof(struct entry) == BASELINE_ENTRY_BYTES, "as the header says");

/* All that the file holds beside the entries. */
struct counters {
	edr_u64 evicted;
	edr_s64 noted_ns;
	edr_u32 days, last_day;
	edr_u32 exec_day[EXEC_DAYS]; /* 0: none */
	edr_u32 execs[EXEC_DAYS][HOURS];
};

struct baseline {
	struct baseline_config cfg;
	size_t n_buckets;
	size_t entries;
	struct counters counters;
	struct entry entry[];
};

struct entry *baseline_find(const struct baseline *b, edr_u64 hash);
/* Of its bucket: an empty one, else the weakest. */
struct entry *baseline_place(struct baseline *b, edr_u64 hash);

#endif
