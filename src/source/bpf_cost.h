/* SPDX-License-Identifier: MIT */
/*
 * What our BPF programs cost. The kernel measures that only while its statistics are on, which
 * itself makes each run slower: so they are on for a second of each ten, and what happens in
 * between is estimated from it. Events are counted all the time, and most runs make one; so the
 * estimate is so much an event, as the samples show it, and so much a second for what an event's
 * own runs do not explain. A burst between two samples is therefore not missed. Private to the
 * source room. Nothing here wakes anybody: it is done at the ticks that come anyway.
 */
#ifndef EDR_SOURCE_BPF_COST_H
#define EDR_SOURCE_BPF_COST_H

#include "source/bpf_stats.h"

#define BPF_COST_SAMPLE_NS 1000000000ULL
#define BPF_COST_EVERY_NS 10000000000ULL

/* What was measured, and while how much happened. */
struct bpf_sample {
	edr_u64 ns, runs, events, length_ns;
};

/* Samples so far, the older ones weigh less. */
struct bpf_rates {
	double ns, runs, events;
	double rest; /* ns a ns, of the last sample: what its events do not explain */
};
void bpf_rates_learn(struct bpf_rates *r, const struct bpf_sample *s);
/* For so many events in so long a time: ns. */
edr_u64 bpf_rates_estimate(const struct bpf_rates *r, edr_u64 events, edr_u64 length_ns);

struct bpf_cost {
	int stats_fd; /* -1: not ours */
	bool on, off_for_good;
	edr_u64 from_ns; /* of the sample under way, or of the last one */
	/* Up to here all is in sum. */
	edr_u64 mark_ns, mark_events;
	struct bpf_runs mark[BPF_LOAD_PROGRAMS];
	struct bpf_sample sample; /* under way */
	struct bpf_rates rates;
	struct source_cost sum;
};

/* Programs are loaded. Begins with a sample; when that cannot be, says so in the log, once. */
void bpf_cost_open(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns);
/* events: produced and filtered since the programs were loaded. */
void bpf_cost_tick(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns, edr_u64 events);
/* Ends the sample under way. */
void bpf_cost_end(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns, edr_u64 events);
void bpf_cost_close(struct bpf_cost *c);

#endif
