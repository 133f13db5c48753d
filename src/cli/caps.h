/* SPDX-License-Identifier: MIT */
/* The capabilities that watching needs, and which of them this process lacks. */
#ifndef EDR_CLI_CAPS_H
#define EDR_CLI_CAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

struct cap_need {
	const char *name; /* CAP_BPF */
	unsigned bit;
	bool required;	 /* else the program works without, less well */
	const char *why; /* for people */
};

extern const struct cap_need cap_needs[];
extern const size_t cap_n_needs;

/* The effective set; 0 or -errno. */
int caps_effective(unsigned long long *set);
/* Does the set hold it, or another that includes it (CAP_SYS_ADMIN, on every kernel, includes CAP_BPF and CAP_PERFMON)? */
bool caps_has(unsigned long long set, const struct cap_need *need);
/* Names of the missing ones, separated by ", ": required or others. How many. */
size_t caps_missing(unsigned long long set, bool required, struct buf *names);
/* How to give them, one sentence. */
void caps_how_to_give(struct buf *out);

#endif
