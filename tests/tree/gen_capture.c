/* SPDX-License-Identifier: MIT */
/*
 * A host's life as captures, with what the reports must say of it.
 *
 *	gen_capture [-d DAYS] [-s UNIX_SECONDS] [-r JOBS] [-i MINUTES] [-1] [-q] DIR
 *
 * Writes DIR/run-1.cap, ... (one a start of the agent) and DIR/cells.jsonl (model.h); with -1, all runs into one capture
 * DIR/all.cap, as if one recording had gone on. JOBS: processes a minute in the busy hours. The same arguments give the
 * same bytes. DAYS: at least 23, for what happens below; with -q, nothing of it does.
 *
 * In these days: the clock is set forward by 37 minutes and back by 52, within a block; the host sleeps for 100 minutes;
 * the agent is stopped for more than two hours; killed, and back after 40 seconds in the same window; the host loses
 * power and comes back after 31 hours with a new boot clock. Records are lost, the agent is blind within a window and
 * across two, records come late, and there are hours in which nothing happens at all.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "model.h"
#include "names.h"

#define MS 1000000LL
#define NS 1000000000LL
#define MINUTE (60 * NS)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define N_DAEMONS 12
#define N_TYPES 9

enum what { STEP, SLEEP, BLIND, STOP, KILL, POWER };

/* By true time since the start's midnight; in the order of time. */
struct happening {
	enum what what;
	edr_s64 at_ns;
	edr_s64 ns; /* of a step, or how long */
};

struct gen {
	struct capture cap;
	struct model model;
	const char *dir;
	bool one, quiet;
	unsigned days, jobs;
	edr_s64 start_ns; /* Unix */
	edr_u64 random;
	unsigned run, boots;

	edr_s64 now_ns;	   /* true time, Unix */
	edr_s64 origin_ns; /* of the boot clock, Unix */
	edr_s64 error_ns;  /* of the wall clock */
	edr_u32 pid;
	struct who daemons[N_DAEMONS];
	char daemon_comm[N_DAEMONS][16];
	edr_u64 told[N_TYPES]; /* records since the last loss records */
	edr_u64 made[N_TYPES];
	edr_u64 costed; /* events whose cost was told */
	bool late_due;
};

static edr_u64 next(struct gen *g)
{
	g->random ^= g->random >> 12;
	g->random ^= g->random << 25;
	g->random ^= g->random >> 27;
	return (g->random * 2685821657736338717ULL) >> 16;
}

static unsigned below(struct gen *g, unsigned n)
{
	return (unsigned)(next(g) % n);
}

static edr_u64 boot(const struct gen *g)
{
	return (edr_u64)(g->now_ns - g->origin_ns);
}

static edr_s64 offset(const struct gen *g)
{
	return g->origin_ns + g->error_ns;
}

/* Few names often, all of them now and then. */
static unsigned pick_name(struct gen *g)
{
	const unsigned a = below(g, N_NAMES), b = below(g, N_NAMES), c = below(g, N_NAMES);

	if (below(g, 64) == 0)
		return below(g, N_HOSTILE + 1);
	return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

static void count_record(void *ctx, const struct edr_hdr *rec)
{
	struct gen *g = ctx;

	model_record(&g->model, rec);
	if (rec->type < N_TYPES)
		g->made[rec->type]++;
}

/* ---- a run of the agent ---- */

static void tell_losses(struct gen *g)
{
	unsigned t;

	for (t = 1; t < N_TYPES; t++) {
		struct edr_counters n = { .produced = g->made[t] - g->told[t] };

		if (n.produced && below(g, 400) == 0) {
			n.dropped = 1 + below(g, 50);
			n.filtered = below(g, 9);
			n.truncated = below(g, 3);
			n.produced += n.dropped;
		}
		g->told[t] = g->made[t];
		if (n.produced)
			put_loss(&g->cap, boot(g), t, &n);
	}
}

/* As if each event cost so much. */
static void tell_cost(struct gen *g)
{
	edr_u64 events = 0;
	unsigned t;

	for (t = 1; t < N_TYPES; t++)
		events += g->made[t];
	put_cost(&g->cap, boot(g), (events - g->costed) * 1001 + 99, (events - g->costed) * 777);
	g->costed = events;
}

static void begin_run(struct gen *g)
{
	char path[4096], cgroup[128], kernel[32];
	unsigned i;

	g->run++;
	snprintf(path, sizeof(path), "%s/run-%u.cap", g->dir, g->run);
	if (!g->one)
		capture_open(&g->cap, path, true);
	g->cap.path = "capture";
	memset(g->told, 0, sizeof(g->told));
	memset(g->made, 0, sizeof(g->made));
	g->costed = 0;
	snprintf(kernel, sizeof(kernel), "6.1.0-%u-amd64", g->boots);
	put_host(&g->cap, boot(g), kernel);
	put_clock(&g->cap, boot(g), offset(g), EDR_CLOCK_START);
	for (i = 0; i < N_CONTAINERS; i++) {
		snprintf(cgroup, sizeof(cgroup), "/system.slice/docker-%s.scope", container_ids[i]);
		put_cgroup(&g->cap, boot(g), 100 + i, cgroup);
	}
	for (i = 0; i < N_DAEMONS; i++) {
		char exe[64];

		snprintf(g->daemon_comm[i], sizeof(g->daemon_comm[i]), "daemon-%u", i);
		snprintf(exe, sizeof(exe), "/usr/sbin/daemon-%u", i);
		g->daemons[i] = (struct who){ .tgid = 100 + i,
					      .start_ns = 1000000 * (i + 1),
					      .comm = g->daemon_comm[i] };
		put_process(&g->cap, boot(g), &g->daemons[i], exe, 50, "/system.slice/d.service");
	}
}

static void end_run(struct gen *g, enum what how)
{
	if (how == STOP) {
		tell_losses(g);
		put_clock(&g->cap, boot(g), offset(g), EDR_CLOCK_STOP);
	}
	if (how == STOP && !g->one)
		capture_mark(&g->cap);
	else if (how == POWER && !g->one)
		capture_torn(&g->cap);
	if (!g->one)
		capture_close(&g->cap);
	if (!g->one)
		model_end(&g->model);
}

static void reboot(struct gen *g)
{
	g->boots++;
	g->origin_ns = g->now_ns - 17 * NS - (edr_s64)g->boots * 1234567;
	g->pid = 1000;
}

/* ---- what a process does ---- */

static void connects(struct gen *g, const struct who *w)
{
	static const edr_s32 results[4] = { 0, 0, -111, EDR_RESULT_UNKNOWN };
	const unsigned i = below(g, N_ADDRESSES);

	put_connect(&g->cap, boot(g), w, 0x0a000000U | (i / 8) << 8 | i, (edr_u16)(8000 + i),
		    results[below(g, 4)]);
	model_count(&g->model, TALLY_ADDRESS, i);
}

static void calls(struct gen *g, const struct who *w)
{
	const unsigned i = below(g, 4);

	put_syscall(&g->cap, boot(g), w, syscall_names[i], below(g, 3) ? 3 : -2);
	model_count(&g->model, TALLY_SYSCALL, i);
}

static void fails(struct gen *g, const struct who *w)
{
	const unsigned name = pick_name(g), error = errors[below(g, 4)];
	struct run r = { .exe = name_at(name)->exe, .argv = "x", .argv_len = 2 };

	put_exec_failed(&g->cap, boot(g), w, &r, (edr_s32)error);
	model_count(&g->model, TALLY_FAILED, name);
	model_count(&g->model, TALLY_ERROR, error);
}

static void runs(struct gen *g, const struct who *w, const struct who *parent, unsigned name,
		 edr_s64 ago_ns)
{
	const unsigned variant = below(g, N_VARIANTS), user = below(g, N_USERS);
	const unsigned in = below(g, 10);
	char argv[640];
	struct run r = { .exe = name_at(name)->exe,
			 .argv = argv,
			 .argv_len = name_argv(name, variant, argv),
			 .uid = users[user],
			 .cgroup_id = in < N_CONTAINERS ? 100 + in : 50,
			 .parent = parent };

	put_exec(&g->cap, boot(g) - (edr_u64)ago_ns, w, &r);
	model_count(&g->model, TALLY_LINE, name * N_VARIANTS + variant);
	model_count(&g->model, TALLY_USER, user);
	if (in < N_CONTAINERS)
		model_count(&g->model, TALLY_CONTAINER, in);
}

static void ends(struct gen *g, const struct who *w)
{
	const unsigned how = below(g, 16);
	unsigned code = 0, signal = 0;

	if (how < 4)
		code = statuses[how];
	else if (how < 6)
		signal = signals[below(g, 4)];
	put_exit(&g->cap, boot(g), w, code, signal);
	model_count(&g->model, signal ? TALLY_SIGNAL : TALLY_STATUS, signal ? signal : code);
}

/* All within some 20 ms. */
static void job(struct gen *g)
{
	const struct who *parent = &g->daemons[below(g, N_DAEMONS)];
	const unsigned name = pick_name(g);
	struct who w = { .tgid = g->pid++, .start_ns = boot(g), .comm = name_at(name)->command };
	unsigned n;

	put_fork(&g->cap, boot(g), parent, &w);
	for (n = below(g, 3) == 0 ? 1 + below(g, 3) : 0; n > 0; n--) {
		g->now_ns += MS / 4;
		fails(g, &w);
	}
	g->now_ns += MS;
	/* On another CPU's ring, and found only now: up to five seconds old. */
	runs(g, &w, parent, name, g->late_due ? 5 * NS : 0);
	g->late_due = false;
	for (n = below(g, 4); n > 0; n--) {
		g->now_ns += 2 * MS;
		switch (below(g, 3)) {
		case 0:
			connects(g, &w);
			break;
		case 1:
			calls(g, &w);
			break;
		default:
			put_thread(&g->cap, boot(g), &w);
			break;
		}
	}
	g->now_ns += 3 * MS;
	ends(g, &w);
}

/* ---- time ---- */

static unsigned jobs_of(const struct gen *g, edr_s64 at_ns)
{
	const unsigned hour = (unsigned)(at_ns / HOUR % 24), day = (unsigned)(at_ns / DAY % 7);

	if (hour == 3 || hour == 4)
		return 0;
	if (hour >= 8 && hour < 18 && day != 2 && day != 3) /* 1970-01-01 was a Thursday */
		return g->jobs;
	return (unsigned)(at_ns / MINUTE % 3 == 0);
}

/* Up to a moment that is not behind the end of this minute. */
static void live_until(struct gen *g, edr_s64 until_ns)
{
	const unsigned n = jobs_of(g, g->now_ns);
	const edr_s64 from_ns = g->now_ns, gap_ns = (until_ns - from_ns) / (edr_s64)(n + 1);
	unsigned i;

	for (i = 0; i < n && gap_ns > 50 * MS; i++) {
		g->now_ns = from_ns + (edr_s64)i * gap_ns + 1 + (edr_s64)below(g, 1000000);
		job(g);
	}
	g->now_ns = until_ns;
}

static void happen(struct gen *g, const struct happening *h)
{
	static const char *const reasons[] = { "hooks taken away", "ring unreadable" };

	switch (h->what) {
	case STEP:
		g->error_ns += h->ns;
		put_clock(&g->cap, boot(g), offset(g), EDR_CLOCK_STEP);
		return;
	case SLEEP:
		g->now_ns += h->ns;
		put_clock(&g->cap, boot(g), offset(g), EDR_CLOCK_TICK);
		return;
	case BLIND:
		g->now_ns += h->ns;
		put_blind(&g->cap, boot(g), boot(g) - (edr_u64)h->ns, boot(g),
			  reasons[below(g, 2)]);
		return;
	default:
		end_run(g, h->what);
		g->now_ns += h->ns;
		if (h->what == POWER)
			reboot(g);
		begin_run(g);
		return;
	}
}

/* A record of each minute's end, by true time: what a quiet host's clock records are, but rarer. */
static void minute(struct gen *g)
{
	live_until(g, (g->now_ns / MINUTE + 1) * MINUTE);
	tell_losses(g);
	tell_cost(g);
	put_clock(&g->cap, boot(g), offset(g), EDR_CLOCK_TICK);
	g->late_due = below(g, 20) == 0;
}

static void generate(struct gen *g)
{
	const edr_s64 midnight = g->start_ns - g->start_ns % DAY, d = g->days * DAY / 90;
	const struct happening script[] = {
		{ STEP, 10 * d / DAY * DAY + 10 * HOUR + 5 * MINUTE + 7 * NS,
		  37 * MINUTE + 13 * NS },
		{ STEP, 12 * d / DAY * DAY + 13 * HOUR + 40 * MINUTE + 30 * NS, -52 * MINUTE },
		{ BLIND, 15 * d / DAY * DAY + 2 * HOUR + 10 * NS, 45 * NS },
		{ BLIND, 16 * d / DAY * DAY + 14 * HOUR + 29 * MINUTE + 30 * NS, 100 * NS },
		{ STOP, 20 * d / DAY * DAY + 9 * HOUR + 10 * MINUTE + 20 * NS,
		  2 * HOUR + 20 * MINUTE + 45 * NS },
		{ SLEEP, 33 * d / DAY * DAY + 22 * HOUR + 3 * MINUTE, 100 * MINUTE },
		{ KILL, 41 * d / DAY * DAY + 16 * HOUR + 20 * MINUTE + 30 * NS, 40 * NS },
		{ POWER, 60 * d / DAY * DAY + 21 * HOUR + 41 * MINUTE + NS / 3,
		  31 * HOUR + 8 * MINUTE + 700 * MS },
	};
	const size_t n = g->quiet ? 0 : sizeof(script) / sizeof(script[0]);
	const edr_s64 end_ns = midnight + g->days * DAY + 7 * HOUR + 23 * MINUTE + 45 * NS;
	size_t i = 0;

	g->now_ns = g->start_ns;
	reboot(g);
	begin_run(g);
	while (g->now_ns < end_ns) {
		if (i < n && g->now_ns / MINUTE >= (midnight + script[i].at_ns) / MINUTE) {
			live_until(g, midnight + script[i].at_ns);
			happen(g, &script[i++]);
		}
		minute(g);
	}
	end_run(g, STOP);
}

static _Noreturn void usage(void)
{
	fputs("usage: gen_capture [-d DAYS] [-s UNIX_SECONDS] [-r JOBS] [-i MINUTES] [-1] [-q] "
	      "DIR\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static struct gen g = { .days = 90, .jobs = 6, .random = 88172645463325252ULL };
	char path[4096];
	int opt;

	g.start_ns = 1791962625 * NS; /* Wednesday 2026-10-14 07:23:45 UTC */
	g.model.interval_s = 900;
	while ((opt = getopt(argc, argv, "d:s:r:i:1q")) != -1) {
		switch (opt) {
		case 'd':
			g.days = (unsigned)atoi(optarg);
			break;
		case 's':
			g.start_ns = atoll(optarg) * NS;
			break;
		case 'r':
			g.jobs = (unsigned)atoi(optarg);
			break;
		case 'i':
			g.model.interval_s = 60 * (unsigned)atoi(optarg);
			break;
		case 'q':
			g.quiet = true;
			break;
		case '1':
			g.one = true;
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || g.days < (g.quiet ? 1 : 23) || g.model.interval_s == 0 ||
	    g.jobs > 600)
		usage();
	names_init();
	g.dir = argv[optind];
	g.cap.on_record = count_record;
	g.cap.ctx = &g;
	snprintf(path, sizeof(path), "%s/cells.jsonl", g.dir);
	g.model.out = fopen(path, "we");
	if (!g.model.out) {
		perror(path);
		return 1;
	}
	snprintf(path, sizeof(path), "%s/all.cap", g.dir);
	if (g.one)
		capture_open(&g.cap, path, true);
	generate(&g);
	if (g.one) {
		capture_mark(&g.cap);
		capture_close(&g.cap);
		model_end(&g.model);
	}
	if (fclose(g.model.out)) {
		perror("cells.jsonl");
		return 1;
	}
	return 0;
}
