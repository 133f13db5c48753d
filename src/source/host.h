/* SPDX-License-Identifier: MIT */
/* The housekeeping records that every live source makes: host, clock, loss, blind. */
#ifndef EDR_SOURCE_HOST_H
#define EDR_SOURCE_HOST_H

#include "source/source.h"
#include "util/buf.h"

/* Are our pids those of the kernel's events? Not in a container that has a pid namespace of its own. */
bool source_in_initial_pid_ns(void);

/* Our own process in the kernel's events; 0: in such a container it cannot be told, and nobody is left out. */
edr_u32 source_self_tgid(void);

/* machine-id(5): 32 hexadecimal digits; empty when the host has none. Gives the length. */
size_t source_machine_id(char out[33]);

/* Each builds its record in scratch and hands it to fn. degraded: NUL-separated sentences. */
void source_emit_host(struct buf *scratch, const char *source, const char *hooks,
		      const struct buf *degraded, const char *agent, source_record_fn fn,
		      void *ctx);
void source_emit_clock(struct buf *scratch, edr_u64 now_ns, edr_s64 wall_offset_ns,
		       enum edr_clock_why why, source_record_fn fn, void *ctx);
/* Nothing when no counter has moved. */
void source_emit_loss(struct buf *scratch, edr_u64 now_ns, unsigned type,
		      const struct edr_counters *delta, source_record_fn fn, void *ctx);
/* From from_ns to to_ns somebody may have done something that nobody saw. */
void source_emit_blind(struct buf *scratch, edr_u64 now_ns, edr_u64 from_ns, edr_u64 to_ns,
		       const char *reason, source_record_fn fn, void *ctx);

#endif
