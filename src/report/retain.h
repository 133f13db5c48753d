/* SPDX-License-Identifier: MIT */
/*
 * What is kept for how long. A report goes when it is older than its level's days, or when all
 * together take too much room (the oldest cells first, then the oldest blocks, and so on), but never
 * before the report above it is written. removed.jsonl says what went and why, so that verify still
 * holds; on a full disk the reserve (reserve.h) is given up for that. Cells older than a day are packed (gzip): they take a tenth.
 */
#ifndef EDR_REPORT_RETAIN_H
#define EDR_REPORT_RETAIN_H

#include "report/heads.h"
#include "report/level.h"
#include "report/report.h"

struct retain_config {
	unsigned keep_days[N_LEVELS]; /* 0: for ever */
	unsigned long long max_bytes; /* 0: no limit */
};

struct retain_totals {
	size_t removed, packed;
	long long saved_bytes;		 /* by packing */
	unsigned long long bytes, freed; /* on disk before; by removal */
};

/*
 * now_ns: Unix, by the time of the records. Bounded: what is left over goes the next time. 0 or
 * -errno; *out says what was done before it failed.
 */
int report_retain(struct report_store *s, struct heads *heads, const struct retain_config *cfg,
		  edr_s64 now_ns, struct retain_totals *out);

#endif
