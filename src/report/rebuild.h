/* SPDX-License-Identifier: MIT */
/*
 * Parents again from their children, lowest level first. The window of a parent must be over: there
 * is a report of its level, or one of the level below that lies behind it. One that comes out
 * otherwise than it was takes a new place at the end of its chain; removed.jsonl has the old one's.
 */
#ifndef EDR_REPORT_REBUILD_H
#define EDR_REPORT_REBUILD_H

#include "report/chain.h"
#include "report/level.h"

struct rebuild_totals {
	size_t made, added, changed, same;
	size_t skipped; /* children were removed by retention: nobody can make it again */
};

struct rebuild_config {
	const char *dir;
	const struct chain_key *key; /* NULL: none */
	bool force;		     /* also where the chains are not whole: else -EBADMSG */
	/* For each that is not as it was. what: "new" or "changed". */
	void (*on_rebuilt)(void *ctx, enum report_level level, const char *id, const char *what);
	void *ctx;
};

/* The caller holds the directory's lock. 0; -errno with one sentence in err. */
int report_rebuild(const struct rebuild_config *cfg, struct rebuild_totals *out, char *err,
		   size_t err_size);

#endif
