/* SPDX-License-Identifier: MIT */
#include "source/stream.h"

#include "source/clock.h"
#include "source/host.h"
#include "wire/wire.h"

#define DRIFT_NS 1000000    /* of the wall clock against the boot clock, before a tick tells it */
#define STEP_NS 100000000LL /* more than that between two looks is a step, not a drift */

void stream_to(struct source_stream *s, source_record_fn fn, void *ctx)
{
	s->fn = fn;
	s->ctx = ctx;
}

void stream_free(struct source_stream *s)
{
	buf_free(&s->scratch);
}

void stream_put(void *stream, const struct edr_hdr *rec)
{
	struct source_stream *s = stream;

	if (rec->type < EDR_TYPE_MAX)
		s->totals.delivered[rec->type]++;
	if (rec->time_ns > s->last_ns)
		s->last_ns = rec->time_ns;
	s->fn(s->ctx, rec);
}

void stream_clock(struct source_stream *s, edr_u64 now_ns, enum edr_clock_why why)
{
	edr_s64 offset = source_wall_offset_ns(), moved = offset - s->wall_offset_ns;

	if (why == EDR_CLOCK_TICK && (moved > STEP_NS || moved < -STEP_NS))
		why = EDR_CLOCK_STEP;
	if (why != EDR_CLOCK_TICK || moved > DRIFT_NS || moved < -DRIFT_NS)
		s->wall_offset_ns = offset;
	source_emit_clock(&s->scratch, now_ns, s->wall_offset_ns, why, stream_put, s);
	s->ticked_ns = now_ns;
}

bool stream_tick_due(const struct source_stream *s, edr_u64 now_ns)
{
	return now_ns - s->ticked_ns >= STREAM_TICK_NS;
}

void stream_tick(struct source_stream *s, edr_u64 now_ns, edr_u64 complete_ns)
{
	stream_clock(s, complete_ns, EDR_CLOCK_TICK);
	s->ticked_ns = now_ns;
}

void stream_losses(struct source_stream *s)
{
	for (size_t i = 0; i < wire_n_events; i++) {
		const unsigned type = wire_events[i].type;
		const struct edr_counters *now = &s->totals.count[type];
		struct edr_counters *told = &s->told[type];
		const struct edr_counters delta = { .produced = now->produced - told->produced,
						    .filtered = now->filtered - told->filtered,
						    .dropped = now->dropped - told->dropped,
						    .truncated = now->truncated - told->truncated };

		*told = *now;
		source_emit_loss(&s->scratch, s->last_ns, type, &delta, stream_put, s);
	}
}
