/* SPDX-License-Identifier: MIT */
#include "cli/cost.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "wire/build.h"

#define NS_PER_S 1000000000LL
#define EVERY_NS (5ULL * NS_PER_S)
#define MINUTE_NS (60 * NS_PER_S)
#define BEFORE_NS (NS_PER_S + NS_PER_S / 10) /* an idle loop turns once a second, and some ms */

bool cost_due(struct cost *c, edr_u64 now_ns, edr_s64 unix_ns)
{
	const edr_s64 end_ns = unix_ns - unix_ns % MINUTE_NS + MINUTE_NS;

	if (!c->next_ns)
		c->next_ns = now_ns + EVERY_NS;
	if (unix_ns > 0 && end_ns - unix_ns <= BEFORE_NS && end_ns != c->minute_end_ns) {
		c->minute_end_ns = end_ns;
		return true;
	}
	return now_ns >= c->next_ns;
}

static edr_u64 time_ns(struct timeval a, struct timeval b)
{
	return (edr_u64)(a.tv_sec + b.tv_sec) * NS_PER_S + (edr_u64)(a.tv_usec + b.tv_usec) * 1000;
}

static edr_u64 resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (edr_u64)sysconf(_SC_PAGESIZE);
}

static edr_u64 since(edr_u64 *told, edr_u64 now)
{
	const edr_u64 more = now > *told ? now - *told : 0;

	*told += more;
	return more;
}

static void measure_self(struct cost *c, struct edr_cost *r)
{
	struct rusage self, children;

	memset(&self, 0, sizeof(self));
	memset(&children, 0, sizeof(children));
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	r->user_ns = since(&c->user_ns, time_ns(self.ru_utime, children.ru_utime));
	r->system_ns = since(&c->system_ns, time_ns(self.ru_stime, children.ru_stime));
	r->memory_bytes = resident_bytes();
	/* The kernel keeps both in counters by CPU, which it adds up now and then. */
	r->memory_peak_bytes = (edr_u64)self.ru_maxrss * 1024;
	if (r->memory_peak_bytes < r->memory_bytes)
		r->memory_peak_bytes = r->memory_bytes;
}

static void put(struct cost *c, enum edr_type type, const void *fixed, source_record_fn fn,
		void *ctx)
{
	const struct edr_hdr *rec;
	struct wire_build b;

	buf_clear(&c->scratch);
	wire_build_begin(&b, &c->scratch, type, fixed);
	rec = wire_build_end(&b);
	if (rec)
		fn(ctx, rec);
}

/* Only those that ran: a program that is not loaded, or not measured, says nothing. */
static void tell_programs(struct cost *c, const struct source_cost *source, edr_u64 now_ns,
			  source_record_fn fn, void *ctx)
{
	for (size_t i = 0; i < source->n_programs && i < SOURCE_PROGRAMS; i++) {
		const struct source_program_cost *p = &source->program[i];
		struct edr_program_cost r = { .hdr = { .time_ns = now_ns } };

		r.runs = since(&c->source.program[i].runs, p->runs);
		r.run_ns = since(&c->source.program[i].run_ns, p->run_ns);
		memcpy(r.name, p->name, sizeof(r.name));
		if (r.runs)
			put(c, EDR_PROGRAM_COST, &r, fn, ctx);
	}
}

void cost_tell(struct cost *c, const struct source_cost *source, edr_u64 now_ns,
	       source_record_fn fn, void *ctx)
{
	struct edr_cost r = { .hdr = { .time_ns = now_ns } };

	measure_self(c, &r);
	r.bpf_ns = since(&c->source.bpf_ns, source->bpf_ns);
	r.bpf_sampled_ns = since(&c->source.bpf_sampled_ns, source->bpf_sampled_ns);
	r.bpf_sampled_runs = since(&c->source.bpf_sampled_runs, source->bpf_sampled_runs);
	r.bpf_memory_bytes = source->bpf_memory_bytes;
	c->next_ns = now_ns + EVERY_NS;
	put(c, EDR_COST, &r, fn, ctx);
	tell_programs(c, source, now_ns, fn, ctx);
}

void cost_lose_source(struct cost *c)
{
	memset(&c->source, 0, sizeof(c->source));
}

void cost_close(struct cost *c)
{
	buf_free(&c->scratch);
}
