// SPDX-License-Identifier: MIT
#include "source/clock.h"

#include <time.h>

#define PAIRS 4

static edr_u64 read_ns(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(id, &ts);
	return (edr_u64)ts.tv_sec * 1000000000ULL + (edr_u64)ts.tv_nsec;
}

edr_u64 source_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

edr_s64 source_wall_offset_ns(void)
{
	edr_u64 best_gap = ~0ULL;
	edr_s64 offset = 0;
	int i;

	/* We may be preempted between two readings: the pair that took least time is the truest. */
	for (i = 0; i < PAIRS; i++) {
		edr_u64 before = source_boot_ns(), wall = read_ns(CLOCK_REALTIME),
			after = source_boot_ns();

		if (after - before < best_gap) {
			best_gap = after - before;
			offset = (edr_s64)(wall - before - best_gap / 2);
		}
	}
	return offset;
}
