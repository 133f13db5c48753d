// SPDX-License-Identifier: MIT
/*
 * The BPF source: two rings, drained in batches. Nothing wakes us while records gather: we wake
 * ourselves FIRST_GATHER_MS after the first one (bpf/emit.bpf.h wakes a sleeping reader once), each
 * GATHER_MS while there are more, and at once when a ring is a quarter full. A quiet host costs one
 * wake-up a second.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "edr/control.h"
#include "source/batch.h"
#include "source/bpf_after.h"
#include "source/bpf_cost.h"
#include "source/bpf_load.h"
#include "source/bpf_stats.h"
#include "source/clock.h"
#include "source/host.h"
#include "source/ring.h"
#include "source/stream.h"
#include "source/source.h"
#include "wire/wire.h"

#define FIRST_GATHER_MS 50
#define START_GATHER_MS 10
#define GATHER_MS 100 /* half of what an event may take to arrive, see tests/kernel/latency.sh */
#define SLACK_NS 10000000ULL   /* a record may reach its ring this much later than its time says */
#define BATCH_BYTES (2U << 20) /* where nobody says otherwise */
#define BATCH_LEAST (256U << 10)
#define DRAIN_WAIT_US \
	20000 /* programs that were running when the hooks were taken out end within this */

struct ring {
	struct ring_reader reader;
	struct source *owner;
	edr_u64 last_ns; /* time of the last record taken off */
	size_t held;	 /* bytes of its records in the batch */
	bool drained;	 /* empty, when it was last looked at */
};

struct source {
	struct bpf_load load;
	struct bpf_after *after; /* plain object only */
	struct bpf_cost cost;
	struct ring rings[2];
	struct batch batch;
	size_t batch_bytes;
	struct source_stream stream;
	edr_u64 missed[EDR_TYPE_MAX]; /* programs that the kernel skipped */
	edr_u64 made[EDR_TYPE_MAX];   /* records that we have added ourselves */
	struct edr_counters *per_cpu;
	int epoll;
	int n_cpus;
	bool lean;
	bool started;
	bool busy;   /* the last round brought records */
	bool behind; /* there are more, to be taken at once */
	bool any;    /* some round did */
	char *agent;
	struct buf degraded;
};

/* What the plain object could not know is added first. */
static void hand_on_made(void *ctx, const struct edr_hdr *rec)
{
	struct source *s = ctx;

	if (rec->type == EDR_CGROUP)
		s->made[EDR_CGROUP]++;
	stream_put(&s->stream, rec);
}

/* A record of the batch: its ring has room again. */
static void deliver(void *ctx, const struct edr_hdr *rec)
{
	const struct wire_event *ev = wire_event_by_type(rec->type);
	struct source *s = ctx;

	s->rings[ev->ring == EDR_RING_NOISY].held -= BATCH_ALIGN(rec->len);
	if (s->after && rec->type == EDR_EXEC)
		bpf_after_exec(s->after, (const void *)rec, hand_on_made, s);
	else
		stream_put(&s->stream, rec);
}

/*
 * Half of the batch is each ring's own. With one pool for both, a burst on one ring could fill it
 * with records that wait for older ones on the other, which then had no room to come in: a
 * standstill.
 */
static bool ring_has_room(const struct ring *r)
{
	return r->held + BATCH_ALIGN(EDR_RECORD_MAX) <= r->owner->batch_bytes / 2 &&
	       batch_has_room(&r->owner->batch);
}

static bool on_record(void *ctx, const void *data, size_t size)
{
	struct ring *r = ctx;
	struct source *s = r->owner;
	const struct edr_hdr *rec = data;

	if (wire_check(data, size)) {
		s->stream.totals.invalid++;
		return true;
	}
	batch_add(&s->batch, rec);
	r->last_ns = rec->time_ns;
	r->held += BATCH_ALIGN(rec->len);
	return ring_has_room(r);
}

static int open_rings(struct source *s)
{
	struct bpf_map *maps[2] = { s->load.skel.ring_exec, s->load.skel.ring_noisy };
	int i;

	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	for (i = 0; i < 2; i++) {
		/* Edge-triggered: what lies in a ring is no news, only a wake-up is. */
		struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
		int err;

		s->rings[i].owner = s;
		err = ring_open(&s->rings[i].reader, bpf_map__fd(maps[i]),
				bpf_map__max_entries(maps[i]), EDR_RECORD_MAX);
		if (err)
			return err;
		if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, bpf_map__fd(maps[i]), &ev))
			return -errno;
	}
	return 0;
}

static void bpf_close(struct source *s)
{
	int i;

	if (!s)
		return;
	for (i = 0; i < 2; i++)
		ring_close(&s->rings[i].reader);
	if (s->epoll >= 0)
		close(s->epoll);
	bpf_cost_close(&s->cost);
	bpf_after_free(s->after);
	bpf_load_close(&s->load);
	batch_free(&s->batch);
	stream_free(&s->stream);
	buf_free(&s->degraded);
	free(s->per_cpu);
	free(s->agent);
	free(s);
}

static int open_kind(struct source **out, const struct bpf_kind *kind,
		     const struct source_config *cfg, char *err, size_t err_size)
{
	struct source *s = calloc(1, sizeof(*s));
	int e;

	*out = NULL;
	if (!s) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	s->epoll = s->cost.stats_fd = -1;
	s->lean = cfg->lean;
	e = bpf_load_open(&s->load, kind, cfg, err, err_size);
	if (e)
		goto fail;
	buf_add(&s->degraded, cfg->refused, cfg->refused_len);
	bpf_load_degraded(&s->load, cfg, &s->degraded);
	s->n_cpus = libbpf_num_possible_cpus();
	s->per_cpu = calloc((size_t)s->n_cpus, sizeof(*s->per_cpu));
	s->agent = strdup(cfg->agent ? cfg->agent : "");
	s->batch_bytes = cfg->batch_bytes ? cfg->batch_bytes : BATCH_BYTES;
	if (s->batch_bytes < BATCH_LEAST)
		s->batch_bytes = BATCH_LEAST;
	e = s->per_cpu && s->agent ? batch_init(&s->batch, s->batch_bytes) : -ENOMEM;
	if (!e && kind == &bpf_kind_plain)
		e = bpf_after_new(&s->after, &s->load.skel);
	e = e ? e : open_rings(s);
	if (e) {
		snprintf(err, err_size, "the ring buffers cannot be opened: %s", strerror(-e));
		goto fail;
	}
	bpf_cost_open(&s->cost, &s->load, source_boot_ns());
	*out = s;
	return 0;
fail:
	bpf_close(s);
	return e;
}

static int bpf_open(struct source **out, const struct source_config *cfg, char *err,
		    size_t err_size)
{
	return open_kind(out, &bpf_kind_edr, cfg, err, err_size);
}

static int raw_open(struct source **out, const struct source_config *cfg, char *err,
		    size_t err_size)
{
	return open_kind(out, &bpf_kind_raw, cfg, err, err_size);
}

static int plain_open(struct source **out, const struct source_config *cfg, char *err,
		      size_t err_size)
{
	return open_kind(out, &bpf_kind_plain, cfg, err, err_size);
}

/* What the kernel skipped was never counted by a program: it counts as produced and dropped. */
static void read_misses(struct source *s)
{
	memset(s->missed, 0, sizeof(s->missed));
	bpf_stats_misses(&s->load, s->missed);
}

static void read_counters(struct source *s, unsigned type)
{
	struct edr_counters sum = { 0, 0, 0, 0 };
	int fd = bpf_map__fd(s->load.skel.counters), i;

	if (bpf_map_lookup_elem(fd, &type, s->per_cpu))
		return;
	for (i = 0; i < s->n_cpus; i++) {
		sum.produced += s->per_cpu[i].produced;
		sum.filtered += s->per_cpu[i].filtered;
		sum.dropped += s->per_cpu[i].dropped;
		sum.truncated += s->per_cpu[i].truncated;
	}
	sum.produced += s->missed[type] + s->made[type];
	sum.dropped += s->missed[type];
	s->stream.totals.count[type] = sum;
}

static void read_all_counters(struct source *s)
{
	size_t i;

	for (i = 0; i < wire_n_events; i++) {
		if (wire_events[i].ring != EDR_RING_NONE)
			read_counters(s, wire_events[i].type);
	}
}

static void tell_losses(struct source *s)
{
	read_all_counters(s);
	stream_losses(&s->stream);
}

/* As read last. */
static edr_u64 events_seen(const struct source *s)
{
	edr_u64 sum = 0;
	size_t i;

	for (i = 0; i < EDR_TYPE_MAX; i++)
		sum += s->stream.totals.count[i].produced + s->stream.totals.count[i].filtered;
	return sum;
}

static void tell_host(struct source *s)
{
	stream_clock(&s->stream, source_boot_ns(), EDR_CLOCK_START);
	source_emit_host(&s->stream.scratch, s->load.kind->name, s->lean ? "lean" : "default",
			 &s->degraded, s->agent, stream_put, &s->stream);
	s->started = true;
}

/* Both rings into the batch; the time up to which it is complete. */
static edr_u64 gather(struct source *s)
{
	edr_u64 complete = source_boot_ns() - SLACK_NS;
	int i;

	s->load.skel.reader_state->hurry = 0;
	for (i = 0; i < 2; i++) {
		struct ring *r = &s->rings[i];

		r->drained = ring_has_room(r) && ring_take(&r->reader, on_record, r) == RING_EMPTY;
		/*
		 * Stopped for want of room, or by a record that is still being written: what the
		 * other ring holds beyond this time has to wait.
		 */
		if (!r->drained && r->last_ns < complete)
			complete = r->last_ns;
	}
	return complete;
}

static int wait_events(struct source *s, int timeout_ms)
{
	struct epoll_event ev[2];
	int n = epoll_wait(s->epoll, ev, 2, timeout_ms);

	return n < 0 ? -errno : n;
}

/* The first record of all is not kept waiting for others. */
static int at_most(const struct source *s, int ms)
{
	return s->any || ms < START_GATHER_MS ? ms : START_GATHER_MS;
}

/* Sleeps until there is something, then until a batch has gathered. */
static int wait_batch(struct source *s, int timeout_ms)
{
	struct edr_reader_state *state = s->load.skel.reader_state;
	int n, tick_ms = (int)(STREAM_TICK_NS / 1000000);

	if (timeout_ms < 0 || timeout_ms > tick_ms)
		timeout_ms = tick_ms;
	if (s->behind)
		return wait_events(s, 0);
	if (s->busy || s->batch.n)
		return wait_events(s, at_most(s, timeout_ms < GATHER_MS ? timeout_ms : GATHER_MS));
	__atomic_store_n(&state->sleeps, 1, __ATOMIC_SEQ_CST);
	__sync_synchronize();
	/*
	 * What came in before the flag was up. What comes later finds the flag and wakes us
	 * (wake_reader() in bpf/emit.bpf.h). Who has taken the flag down by now may have been
	 * waking an earlier sleep, and what he woke us with is taken: nobody else would.
	 */
	gather(s);
	n = s->batch.n || !__atomic_load_n(&state->sleeps, __ATOMIC_SEQ_CST)
		    ? 0
		    : wait_events(s, timeout_ms);
	__atomic_store_n(&state->sleeps, 0, __ATOMIC_RELAXED);
	if (n <= 0)
		return n;
	return wait_events(s, at_most(s, FIRST_GATHER_MS));
}

/* A storm could feed rounds for ever: then the caller gets its turn. The time up to which all is complete. */
static edr_u64 take_rounds(struct source *s, size_t *n)
{
	const edr_u64 until_ns = source_boot_ns() + STREAM_ROUNDS_NS;
	edr_u64 complete;
	size_t got;

	do {
		complete = gather(s);
		if (s->batch.n)
			tell_losses(s);
		got = batch_deliver(&s->batch, complete, deliver, s);
		*n += got;
		s->behind = got && !(s->rings[0].drained && s->rings[1].drained);
	} while (s->behind && source_boot_ns() < until_ns);
	s->busy = *n > 0;
	s->any = s->any || s->busy;
	return complete;
}

static int bpf_pump(struct source *s, int timeout_ms, source_record_fn fn, void *ctx)
{
	edr_u64 complete, now;
	size_t n = 0;
	int e;

	stream_to(&s->stream, fn, ctx);
	if (!s->started)
		tell_host(s);
	e = wait_batch(s, timeout_ms);
	if (e < 0)
		return e;
	complete = take_rounds(s, &n);
	now = source_boot_ns();
	if (stream_tick_due(&s->stream, now)) {
		read_misses(s);
		tell_losses(s);
		/* The stream is complete only up to here: a later tick could close a window too early. */
		stream_tick(&s->stream, now,
			    complete > s->stream.last_ns ? complete : s->stream.last_ns);
		bpf_cost_tick(&s->cost, &s->load, source_boot_ns(), events_seen(s));
	}
	return (int)n;
}

static int bpf_drain(struct source *s, source_record_fn fn, void *ctx)
{
	edr_u64 complete;
	size_t got;
	bool all;

	stream_to(&s->stream, fn, ctx);
	if (!s->started)
		tell_host(s);
	bpf_load_detach(&s->load);
	usleep(DRAIN_WAIT_US);
	read_misses(s);
	do {
		complete = gather(s);
		all = s->rings[0].drained && s->rings[1].drained;
		tell_losses(s);
		got = batch_deliver(&s->batch, all ? ~0ULL : complete, deliver, s);
	} while (got || !all);
	bpf_cost_end(&s->cost, &s->load, source_boot_ns(), events_seen(s));
	stream_clock(&s->stream, source_boot_ns(), EDR_CLOCK_STOP);
	return 0;
}

static int bpf_totals(struct source *s, struct source_totals *out)
{
	size_t i;

	read_misses(s);
	read_all_counters(s);
	*out = s->stream.totals;
	for (i = 0; i < 2; i++)
		out->invalid += s->rings[i].reader.oversize;
	return 0;
}

static void bpf_cost(struct source *s, struct source_cost *out)
{
	*out = s->cost.sum;
}

const struct source_ops source_bpf = {
	.name = "bpf",
	.open = bpf_open,
	.pump = bpf_pump,
	.drain = bpf_drain,
	.totals = bpf_totals,
	.close = bpf_close,
	.cost = bpf_cost,
};

const struct source_ops source_bpf_raw = {
	.name = "bpf-btf",
	.open = raw_open,
	.pump = bpf_pump,
	.drain = bpf_drain,
	.totals = bpf_totals,
	.close = bpf_close,
	.cost = bpf_cost,
};

const struct source_ops source_bpf_plain = {
	.name = "bpf-plain",
	.open = plain_open,
	.pump = bpf_pump,
	.drain = bpf_drain,
	.totals = bpf_totals,
	.close = bpf_close,
	.cost = bpf_cost,
};

static const struct bpf_kind *kind_of(const struct source_ops *ops)
{
	return ops == &source_bpf_plain ? &bpf_kind_plain
	       : ops == &source_bpf_raw ? &bpf_kind_raw
					: &bpf_kind_edr;
}

int source_bpf_probe(const struct source_ops *ops, const struct source_config *cfg,
		     struct source_program *out, size_t max, char *err, size_t err_size)
{
	struct bpf_load load;
	int e = bpf_load_open(&load, kind_of(ops), cfg, err, err_size);
	size_t i;

	if (e)
		return e;
	for (i = 0; i < load.n_programs && i < max; i++)
		out[i] = load.programs[i];
	bpf_load_close(&load);
	return (int)i;
}

/* ---- for check --stats ---- */

static void pass_over(void *ctx, const struct edr_hdr *rec)
{
	(void)ctx;
	(void)rec;
}

static int pump_for(struct source *s, edr_u64 from_ns, edr_u64 length_ns)
{
	edr_u64 past_ns = 0;
	int n = 0;

	while (past_ns < length_ns && (n >= 0 || n == -EINTR)) {
		n = bpf_pump(s, (int)((length_ns - past_ns) / 1000000) + 1, pass_over, NULL);
		past_ns = source_boot_ns() - from_ns;
	}
	return n == -EINTR ? 0 : n;
}

static void note_runs(struct source *s, struct source_program *p)
{
	const struct bpf_program *prog =
		bpf_object__find_program_by_name(s->load.skel.obj, p->name);
	const struct bpf_runs now = bpf_stats_runs(&s->load, p->name);

	snprintf(p->hook, sizeof(p->hook), "%s", prog ? bpf_program__section_name(prog) : "");
	p->runs = now.runs - p->runs;
	p->run_ns = now.ns - p->run_ns;
}

static int measure(struct source *s, unsigned seconds, edr_u64 *measured_ns)
{
	const edr_u64 from_ns = source_boot_ns();
	size_t i;
	int n;

	for (i = 0; i < s->load.n_programs; i++)
		note_runs(s, &s->load.programs[i]);
	n = pump_for(s, from_ns, seconds * 1000000000ULL);
	for (i = 0; i < s->load.n_programs; i++)
		note_runs(s, &s->load.programs[i]);
	*measured_ns = source_boot_ns() - from_ns;
	return n < 0 ? n : 0;
}

int source_bpf_measure(const struct source_ops *ops, const struct source_config *cfg,
		       unsigned seconds, struct source_program *out, size_t max,
		       edr_u64 *measured_ns, char *err, size_t err_size)
{
	struct source *s;
	int e = open_kind(&s, kind_of(ops), cfg, err, err_size), fd;
	size_t i;

	if (e)
		return e;
	fd = bpf_stats_enable();
	if (fd < 0 && !bpf_stats_enabled()) {
		e = fd;
		snprintf(err, err_size,
			 "the kernel's statistics of BPF programs cannot be switched on: %s "
			 "(Linux 5.8 and CAP_SYS_ADMIN are needed)",
			 strerror(-e));
	} else {
		e = measure(s, seconds, measured_ns);
		if (e)
			snprintf(err, err_size, "the rings cannot be read: %s", strerror(-e));
	}
	for (i = 0; !e && i < s->load.n_programs && i < max; i++)
		out[i] = s->load.programs[i];
	if (fd >= 0)
		close(fd);
	bpf_close(s);
	return e ? e : (int)i;
}
