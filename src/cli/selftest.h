/* SPDX-License-Identifier: MIT */
/*
 * Does the source still see? A child that we exec ourselves must come by as an exec record within a
 * second; else we are blind, and that is a record of its own, so that it reaches the reports and a
 * capture as any other. Nothing here waits: the child is started as by vfork (so the exec has
 * happened when that returns) and reaped when it has ended.
 */
#ifndef EDR_CLI_SELFTEST_H
#define EDR_CLI_SELFTEST_H

#include <stdbool.h>
#include <sys/types.h>

#include "edr/wire.h"
#include "util/buf.h"

/* The hidden command of the child: main() returns 0 at once. */
#define SELFTEST_COMMAND "self-test"

typedef void (*selftest_record_fn)(void *ctx, const struct edr_hdr *rec);

struct selftest {
	selftest_record_fn fn; /* gets the blind records */
	void *ctx;
	bool due;	    /* start one at the next turn */
	bool waiting, seen; /* for the child's exec; it came by */
	bool blind;
	bool said_cannot_start;
	pid_t child;	 /* whose exec is waited for */
	pid_t unreaped;	 /* 0: none */
	edr_u64 sent_ns; /* when the child was started */
	edr_u64 blind_since_ns;
	edr_u64 blind_from_ns; /* blind seconds are told up to here */
	edr_u64 next_ns;       /* while blind: when to try again */
	edr_u64 stream_ns;     /* time of the last record: ours must not run ahead of it */
	struct buf scratch;
};

void selftest_init(struct selftest *t, selftest_record_fn fn, void *ctx);
/* Looks at a record that passes by. */
void selftest_see(struct selftest *t, const struct edr_hdr *rec);
/* Starts, judges and reaps; called each turn of the loop, after all records that were there. */
void selftest_turn(struct selftest *t, edr_u64 now_ns);
/* A test that is under way is not judged any more. Safe on zeros. */
void selftest_close(struct selftest *t);

#endif
