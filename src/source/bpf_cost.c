// SPDX-License-Identifier: MIT
#include "source/bpf_cost.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

#define KEEP 0.75	/* of the weight of older samples, a sample */
#define RUNS_AN_EVENT 6 /* the most that one event takes: a connect, with its states and its end */

void bpf_rates_learn(struct bpf_rates *r, const struct bpf_sample *s)
{
	double by_events;

	r->ns = r->ns * KEEP + (double)s->ns;
	r->runs = r->runs * KEEP + (double)s->runs;
	r->events = r->events * KEEP + (double)s->events;
	by_events = (double)bpf_rates_estimate(&(struct bpf_rates){ r->ns, r->runs, r->events, 0 },
					       s->events, 0);
	r->rest = 0;
	if (s->length_ns && (double)s->ns > by_events)
		r->rest = ((double)s->ns - by_events) / (double)s->length_ns;
}

edr_u64 bpf_rates_estimate(const struct bpf_rates *r, edr_u64 events, edr_u64 length_ns)
{
	double each = 0, most;

	if (r->events > 0 && r->runs > 0) {
		each = r->ns / r->events;
		most = RUNS_AN_EVENT * r->ns / r->runs;
		each = each < most ? each : most;
	}
	return (edr_u64)(each * (double)events + r->rest * (double)length_ns);
}

static void mark_programs(struct bpf_cost *c, const struct bpf_load *l)
{
	size_t i;

	for (i = 0; i < l->n_programs; i++)
		c->mark[i] = bpf_stats_runs(l, l->programs[i].name);
}

/* What each program has run since its mark: to its own sum, the sample and the sum of all. */
static void add_programs(struct bpf_cost *c, const struct bpf_load *l)
{
	size_t i;

	for (i = 0; i < l->n_programs; i++) {
		const struct bpf_runs before = c->mark[i];
		struct bpf_runs more = bpf_stats_runs(l, l->programs[i].name);

		c->mark[i] = more;
		more.ns -= before.ns;
		more.runs -= before.runs;
		c->sum.program[i].run_ns += more.ns;
		c->sum.program[i].runs += more.runs;
		c->sample.ns += more.ns;
		c->sample.runs += more.runs;
		c->sum.bpf_ns += more.ns;
		c->sum.bpf_sampled_runs += more.runs;
	}
}

/* Brings the sum up to now. */
static void settle(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns, edr_u64 events)
{
	const edr_u64 length_ns = now_ns - c->mark_ns, more = events - c->mark_events;

	c->mark_ns = now_ns;
	c->mark_events = events;
	if (!c->on) {
		c->sum.bpf_ns += bpf_rates_estimate(&c->rates, more, length_ns);
		return;
	}
	add_programs(c, l);
	c->sample.events += more;
	c->sample.length_ns += length_ns;
	c->sum.bpf_sampled_ns += length_ns;
}

static void begin(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns)
{
	c->stats_fd = bpf_stats_enable();
	if (c->stats_fd < 0 && !bpf_stats_enabled()) {
		log_info("source",
			 "what the BPF programs cost is not in the reports: the kernel does not "
			 "let us switch its statistics on (%s; Linux 5.8 and CAP_SYS_ADMIN are "
			 "needed, or the sysctl kernel.bpf_stats_enabled)",
			 strerror(-c->stats_fd));
		c->off_for_good = true;
		return;
	}
	memset(&c->sample, 0, sizeof(c->sample));
	mark_programs(c, l);
	c->from_ns = now_ns;
	c->on = true;
}

static void end(struct bpf_cost *c)
{
	if (c->stats_fd >= 0)
		close(c->stats_fd);
	c->stats_fd = -1;
	if (c->on)
		bpf_rates_learn(&c->rates, &c->sample);
	c->on = false;
}

void bpf_cost_open(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns)
{
	size_t i;

	memset(c, 0, sizeof(*c));
	c->stats_fd = -1;
	for (i = 0; i < l->n_programs; i++)
		snprintf(c->sum.program[i].name, sizeof(edr_name), "%.31s", l->programs[i].name);
	c->sum.n_programs = l->n_programs;
	c->mark_ns = now_ns;
	c->sum.bpf_memory_bytes = bpf_stats_memory(l);
	begin(c, l, now_ns);
}

void bpf_cost_tick(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns, edr_u64 events)
{
	if (c->off_for_good)
		return;
	settle(c, l, now_ns, events);
	if (c->on && now_ns - c->from_ns >= BPF_COST_SAMPLE_NS)
		end(c);
	else if (!c->on && now_ns - c->from_ns >= BPF_COST_EVERY_NS)
		begin(c, l, now_ns);
}

void bpf_cost_end(struct bpf_cost *c, const struct bpf_load *l, edr_u64 now_ns, edr_u64 events)
{
	if (c->off_for_good)
		return;
	settle(c, l, now_ns, events);
	end(c);
}

void bpf_cost_close(struct bpf_cost *c)
{
	if (c->stats_fd >= 0)
		close(c->stats_fd);
	c->stats_fd = -1;
}
