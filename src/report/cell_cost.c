/* SPDX-License-Identifier: MIT */
/* What watching cost, as JSON. */
#include "report/cell_json.h"

#include <stdint.h>
#include <stdio.h>

static void put_known(struct rj *j, json_object *to, const char *key, bool known, edr_u64 n)
{
	if (known)
		rj_put_u64(j, to, key, n);
	else
		rj_put_null(j, to, key);
}

static void put_known_seconds(struct rj *j, json_object *to, const char *key, bool known,
			      edr_u64 ns)
{
	if (known)
		rj_put_seconds(j, to, key, ns > INT64_MAX ? INT64_MAX : (edr_s64)ns);
	else
		rj_put_null(j, to, key);
}

/* A millisecond in a thousand events is a microsecond an event. */
static void put_cost_of_events(struct rj *j, json_object *to, edr_u64 ns, edr_u64 events)
{
	const edr_u64 each = events ? ns / events : 0;
	char text[32];

	if (!events) {
		rj_put_null(j, to, "agent_cpu_ms_per_1000_events");
		return;
	}
	snprintf(text, sizeof(text), "%llu.%03llu", each / 1000, each % 1000);
	rj_put(j, to, "agent_cpu_ms_per_1000_events",
	       json_object_new_double_s((double)each / 1e3, text));
}

static json_object *program_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_program *p = (const struct cell_program *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "name", p->name);
	rj_put_u64(j, row, "runs", p->runs);
	rj_put_seconds(j, row, "seconds", (edr_s64)p->run_ns);
	return row;
}

/* An older agent told the sum only. */
static void put_programs(struct rj *j, json_object *to, bool bpf, const struct cell_cost *c)
{
	if (c->n_programs || (bpf && !c->bpf_sampled_runs))
		rj_put_rows(j, to, "programs",
			    &(struct rj_rows){
				    .n = c->n_programs, .ctx = c->program, .value = program_row });
	else
		rj_put_null(j, to, "programs");
}

void cell_json_own_cost(struct rj *j, json_object *report, const struct cell_totals *t)
{
	const struct cell_cost *c = &t->cost;
	const bool known = t->type[EDR_COST].delivered > 0;
	const bool bpf = known && (c->bpf_sampled_ns || c->bpf_ns);
	json_object *o = rj_put_object(j, report, "own_cost");

	put_known_seconds(j, o, "agent_cpu_seconds", known, c->user_ns + c->system_ns);
	put_known_seconds(j, o, "agent_user_seconds", known, c->user_ns);
	put_known_seconds(j, o, "agent_system_seconds", known, c->system_ns);
	put_cost_of_events(j, o, c->user_ns + c->system_ns, known ? t->events : 0);
	put_known_seconds(j, o, "bpf_cpu_seconds", bpf, c->bpf_ns);
	put_known_seconds(j, o, "bpf_sampled_seconds", bpf, c->bpf_sampled_ns);
	put_known(j, o, "bpf_sampled_runs", bpf, c->bpf_sampled_runs);
	put_programs(j, o, bpf, c);
	put_known(j, o, "memory_bytes", known, c->memory_bytes);
	put_known(j, o, "memory_peak_bytes", known, c->memory_peak_bytes);
	put_known(j, o, "bpf_memory_bytes", c->bpf_memory_bytes > 0, c->bpf_memory_bytes);
}
