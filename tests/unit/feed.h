/* SPDX-License-Identifier: MIT */
/*
 * Folds records into cells as `run` does, for the tests of what comes behind. Zeroed at the start,
 * feed_open(), then records at rising times; feed_close() closes the open cell as partial.
 */
#ifndef EDR_TESTS_FEED_H
#define EDR_TESTS_FEED_H

#include "cell/cell.h"
#include "proc/proc.h"
#include "rec.h"

#define FEED_S 1000000000ull
#define FEED_WINDOW 1795294800ull /* 2026-11-21T21:00:00Z */

struct feed {
	struct cell_config cfg; /* interval_min 0: the defaults of the configuration */
	struct cell_sinks sinks;
	struct cell_resume resume; /* zeroed: nothing */
	struct proc_table *table;
	struct cells *cells;
	edr_u64 now_ns; /* boot time of the next record */
	edr_u32 next_pid;
	struct buf rec, json;
};

/* Begins at that Unix time, with a host record and the clock. */
void feed_open(struct feed *f, edr_u64 unix_s);
void feed_close(struct feed *f);

void feed_fold(struct feed *f, const struct edr_hdr *rec);

/* A process of this run, now. */
struct rec_id feed_id(const struct feed *f, edr_u32 pid);

/* Says that it is now that Unix time. */
void feed_clock(struct feed *f, edr_u64 unix_s, enum edr_clock_why why);

/* A new process; args as a string literal with a NUL between two arguments. Gives its pid. */
#define feed_exec(f, uid, exe, args) feed_exec_args(f, uid, exe, args, sizeof(args))
edr_u32 feed_exec_args(struct feed *f, edr_u32 uid, const char *exe, const char *args, size_t len);

#endif
