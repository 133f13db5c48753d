/* SPDX-License-Identifier: MIT */
/*
 * Room that is kept for the moment when the disk is full to the last byte: before reports go it is
 * noted which, and that is a temporary file of its own. A file `reserve` in the directory, of blocks
 * that are really taken. Only retention gives it up: a report would eat it, and then nothing could go
 * any more.
 */
#ifndef EDR_REPORT_RESERVE_H
#define EDR_REPORT_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

#define RESERVE_FILE "reserve"
/*
 * removed.jsonl is written whole, beside the old one: some 500 bytes a line, and 1,024 lines come at a
 * time at most; chain.json is 4 KB, twice. Where removed.jsonl has more than half of this, the reserve
 * is twice as large as that.
 */
#define RESERVE_BYTES ((size_t)1 << 20)

struct report_store;

/* -ENOSPC, -EDQUOT */
bool report_disk_full(int err);

/*
 * Makes it unless it is there. 0; -ENOSPC: the disk has not twice as much to give, so that reports
 * would be what it is taken from; -EEXIST: something else has the name, and stays; -errno.
 */
int report_reserve_make(struct report_store *s);

/* True when err says that the disk is full and the reserve was given up for that: try again. */
bool report_reserve_give(struct report_store *s, int err);

#endif
