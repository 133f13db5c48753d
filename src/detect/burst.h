/* SPDX-License-Identifier: MIT */
/*
 * How many distinct names came from the children of one process within a time. A table of
 * DETECT_BURSTS; in a full one the burst gives way that had its last name longest ago. And how
 * often something was seen in a window, of up to DETECT_SUBJECTS things.
 */
#ifndef EDR_DETECT_BURST_H
#define EDR_DETECT_BURST_H

#include <stdbool.h>

#include "detect/signal.h"

#define BURST_MOST 20 /* names that are told apart */

struct burst {
	edr_u64 start_ns; /* of the process, with tgid */
	edr_u64 last_ns;  /* of the records; 0: empty */
	edr_u32 tgid;
	unsigned char signal, n;
	struct {
		edr_u64 name, ns;
	} item[BURST_MOST];
};

struct bursts {
	struct burst burst[DETECT_BURSTS];
	edr_u64 evicted;
};

/* True when it is the `most`-th distinct name within that time; then counting begins anew. */
bool burst_add(struct bursts *b, const struct proc_entry *of, enum detect_signal signal,
	       edr_u64 name, edr_u64 now_ns, unsigned most, edr_u64 within_ns);

struct subjects {
	struct {
		edr_u64 key; /* 0: empty */
		edr_u64 times;
	} of[DETECT_SUBJECTS];
	size_t n;
	edr_s64 window;
	edr_u64 full;
};

/* The how-manieth time of this window; 1 also when there is no room for one more. */
edr_u64 subject_count(struct subjects *s, edr_u64 key, edr_s64 window);

#endif
