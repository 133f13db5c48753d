/* SPDX-License-Identifier: MIT */
/*
 * Room for reports: what is too old, or too much, goes once an hour by the time of the records, and
 * at once when the disk is full. Never what the configuration says to keep: then it is said what to do.
 */
#ifndef EDR_REPORT_SPACE_H
#define EDR_REPORT_SPACE_H

#include <stdbool.h>

#include "report/retain.h"

struct space {
	struct report_store *store; /* not ours, as heads and shown are not */
	struct heads *heads;
	const char *shown; /* the directory, for people */
	struct retain_config retain;
	bool retains;	/* false: all is kept, and there is no reserve */
	edr_s64 now_ns; /* of the latest records */
	edr_s64 hour;	/* of the last time */
	bool reserved;
	/* These only space tries and messages. 0: never */
	unsigned long long full_at_ms, said_at_ms, reserve_at_ms;
};

/* retain: NULL keeps all. */
void space_open(struct space *s, struct report_store *store, struct heads *heads, const char *shown,
		const struct retain_config *retain);

void space_hourly(struct space *s, edr_s64 now_ns);

/*
 * A write failed with err: true when the disk is full and something went for it, so that the next try
 * may do better. At most once a minute: others may fill what is freed.
 */
bool space_make(struct space *s, int err);

/* Nothing is waiting: the reserve again, if it was given up. Cheap. */
void space_idle(struct space *s);

#endif
