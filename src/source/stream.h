/* SPDX-License-Identifier: MIT */
/*
 * The end of a live source, where its records leave: in one order of time, counted, with the clock's ticks and the loss
 * records between them. What every live source does the same way, and none should do in one of its own.
 */
#ifndef EDR_SOURCE_STREAM_H
#define EDR_SOURCE_STREAM_H

#include "source/source.h"
#include "util/buf.h"

#define STREAM_TICK_NS 1000000000ULL /* a clock record at least this often */
#define STREAM_ROUNDS_NS \
	100000000ULL /* a pump begins no more rounds after this, however much there is */

struct source_stream {
	source_record_fn fn; /* of the pump or drain that runs */
	void *ctx;
	struct source_totals totals;		/* its counts are the source's to fill in */
	struct edr_counters told[EDR_TYPE_MAX]; /* what loss records have said so far */
	struct buf scratch;
	edr_s64 wall_offset_ns;
	edr_u64 last_ns; /* time of the last record handed on: the stream never goes back */
	edr_u64 ticked_ns;
};

void stream_to(struct source_stream *s, source_record_fn fn, void *ctx);
void stream_free(struct source_stream *s);

/* Every record leaves through here; a source_record_fn, whose context is the stream. */
void stream_put(void *stream, const struct edr_hdr *rec);

/* now_ns: up to where the stream is complete. A tick that finds the clock set tells a step. */
void stream_clock(struct source_stream *s, edr_u64 now_ns, enum edr_clock_why why);
bool stream_tick_due(const struct source_stream *s, edr_u64 now_ns);
/* A tick that is due at now_ns, of a stream that is complete up to complete_ns. */
void stream_tick(struct source_stream *s, edr_u64 now_ns, edr_u64 complete_ns);

/* What totals.count has more than was told. Before the records that it counts, so that downstream never counts more than was
 * produced. */
void stream_losses(struct source_stream *s);

#endif
