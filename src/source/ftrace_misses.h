/* SPDX-License-Identifier: MIT */
/*
 * Calls that the kernel let pass our probes without an event: of a call's return, when more calls
 * of that kind are under way than it has room to note (the number behind the r of the definition).
 * kprobe_profile counts them.
 */
#ifndef EDR_SOURCE_FTRACE_MISSES_H
#define EDR_SOURCE_FTRACE_MISSES_H

#include "source/ftrace_fs.h"

#define FT_MISSES 12

struct ft_misses {
	edr_u64 told[FT_MISSES];
	const char *group; /* of our dynamic events; NULL: the usual one */
};

/*
 * Adds what has come since to produced and dropped, by type: of a return, what it would have told,
 * at most.
 */
void ft_misses_read(struct ft_misses *m, const struct ft_fs *fs, struct edr_counters *count);

/* The same from the text of kprobe_events and kprobe_profile, which it takes apart: for tests. */
void ft_misses_parse(struct ft_misses *m, char *events, char *profile, struct edr_counters *count);

#endif
