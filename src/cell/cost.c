/* SPDX-License-Identifier: MIT */
/* What watching cost. The sums stop at the largest length that a report can print, whatever a forged record says. */
#include <stdint.h>

#include "cell/cell_private.h"

#define HALF (INT64_MAX / 2) /* two of these are added up in a report */

static void add(edr_u64 *to, edr_u64 n, edr_u64 most)
{
	*to = *to > most || n > most - *to ? most : *to + n;
}

static void raise(edr_u64 *to, edr_u64 n)
{
	if (n > INT64_MAX)
		n = INT64_MAX;
	if (n > *to)
		*to = n;
}

void cost_add(struct cell_cost *to, const struct cell_cost *from)
{
	add(&to->user_ns, from->user_ns, HALF);
	add(&to->system_ns, from->system_ns, HALF);
	add(&to->bpf_ns, from->bpf_ns, INT64_MAX);
	add(&to->bpf_sampled_ns, from->bpf_sampled_ns, INT64_MAX);
	add(&to->bpf_sampled_runs, from->bpf_sampled_runs, INT64_MAX);
	raise(&to->memory_bytes, from->memory_bytes);
	raise(&to->memory_peak_bytes, from->memory_peak_bytes);
	raise(&to->bpf_memory_bytes, from->bpf_memory_bytes);
}

void cost_fold(struct cell_cost *to, const struct edr_cost *r)
{
	const struct cell_cost more = {
		.user_ns = r->user_ns,
		.system_ns = r->system_ns,
		.bpf_ns = r->bpf_ns,
		.bpf_sampled_ns = r->bpf_sampled_ns,
		.bpf_sampled_runs = r->bpf_sampled_runs,
		.memory_bytes = r->memory_bytes,
		.memory_peak_bytes = r->memory_peak_bytes,
		.bpf_memory_bytes = r->bpf_memory_bytes,
	};

	cost_add(to, &more);
}
