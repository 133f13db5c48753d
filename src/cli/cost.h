/* SPDX-License-Identifier: MIT */
/*
 * What watching costs, as records of their own, so that it reaches the reports and a capture as any
 * other: CPU time of this process and its children, its memory, and what the source says of the
 * kernel's side, in sum and by program.
 */
#ifndef EDR_CLI_COST_H
#define EDR_CLI_COST_H

#include <stdbool.h>

#include "source/source.h"
#include "util/buf.h"

struct cost {
	edr_u64 user_ns, system_ns; /* told so far */
	struct source_cost source;  /* the same */
	edr_u64 next_ns;	    /* boot: when at the latest to tell again */
	edr_s64 minute_end_ns;	    /* Unix: of the last minute that was told of at its end */
	struct buf scratch;
};

/*
 * Is it time? Every five seconds, and once in the last second of a minute: windows end there, and
 * each is to have its share. now_ns, unix_ns: the time of the last record.
 */
bool cost_due(struct cost *c, edr_u64 now_ns, edr_s64 unix_ns);

/* Hands on what came since it was told last. */
void cost_tell(struct cost *c, const struct source_cost *source, edr_u64 now_ns,
	       source_record_fn fn, void *ctx);

/* The source is gone: another one counts from 0. */
void cost_lose_source(struct cost *c);
void cost_close(struct cost *c); /* safe on zeros */

#endif
