/* SPDX-License-Identifier: MIT */
#include "made.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"
#include "report/report.h"

unsigned made_random(struct made_rng *r, unsigned below)
{
	r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(r->state >> 33) % below;
}

struct made {
	struct made_rng *r;
	struct feed f;
	const struct cell_finding *finding;
	struct cell *closed;
	unsigned names;
};

static void on_closed(void *ctx, struct cell *cell)
{
	struct made *m = ctx;

	if (m->finding)
		ck_assert_int_eq(cell_add_finding(cell, m->finding), 0);
	ck_assert_ptr_null(m->closed);
	m->closed = cell;
}

static int on_interim(void *ctx, struct cell_events *part)
{
	(void)ctx;
	cell_events_free(part);
	return 0;
}

/* Some with bytes that are no text, quotes, spaces, newlines. */
static void name(struct made *m, char *to, size_t size, const char *kind)
{
	static const char *const odd[] = { "",
					   " ",
					   "'",
					   "\"",
					   "\xff\xfe",
					   "\n",
					   "\xe2\x80\xae",
					   "\xf4\x8f\xbc\x80",
					   "\\",
					   "\xf4\x8f\xbf\xbf" };
	const unsigned i = made_random(m->r, m->names);

	snprintf(to, size, "/%s/%s%u", kind, odd[i % 10], i);
}

/* As a capture file may hold them: cut anywhere, or with nothing in them. */
static size_t odd_args(struct made *m, char *args, size_t len, size_t size)
{
	switch (made_random(m->r, 12)) {
	case 0:
		return len - 1; /* no NUL at the end */
	case 1:
		return 0;
	case 2:
		return made_random(m->r, (unsigned)len); /* any beginning of it */
	case 3:
		memset(args, 0, 3);
		return 1 + made_random(m->r, 3); /* empty arguments only */
	case 4: /* about as long as what is kept, with and without a NUL there */
		memset(args + len, 'x', size - len);
		args[4095] = made_random(m->r, 2) ? '\0' : 'y';
		return 4094 + made_random(m->r, 6);
	case 5:
		args[len++] = '\0';
		return len;
	default:
		return len;
	}
}

static void one_exec(struct made *m)
{
	char exe[64], arg[64], args[5000];
	size_t len;

	name(m, exe, sizeof(exe), "bin");
	name(m, arg, sizeof(arg), "arg");
	len = (size_t)snprintf(args, sizeof(args), "%s%c%s%c", exe, 0, arg, 0);
	len = odd_args(m, args, len, sizeof(args));
	feed_exec_args(&m->f, made_random(m->r, 5), exe, args, len);
}

static void one(struct made *m)
{
	const struct rec_id id = feed_id(&m->f, 1000 + made_random(m->r, 50));
	char file[64];

	if (!made_random(m->r, 8)) /* which only some records take */
		cells_mark(m->f.cells, 1u << made_random(m->r, 5));
	switch (made_random(m->r, 12)) {
	case 0:
		feed_fold(&m->f, rec_exit(&m->f.rec, id, made_random(m->r, 3), 0));
		break;
	case 1:
		feed_fold(&m->f, rec_exit(&m->f.rec, id, 0, 1 + made_random(m->r, 40)));
		break;
	case 2:
		name(m, file, sizeof(file), "no");
		feed_fold(&m->f,
			  rec_exec_failed(&m->f.rec, id, file, -1 - (int)made_random(m->r, 140)));
		break;
	case 3:
		feed_fold(&m->f,
			  rec_connect(&m->f.rec, id, 0x7f000001 + made_random(m->r, m->names), 443,
				      made_random(m->r, 2) ? 0 : -111));
		break;
	case 4:
		feed_fold(&m->f, rec_syscall(&m->f.rec, id, made_random(m->r, 2) ? "openat" : "x",
					     made_random(m->r, 3) - 2ll));
		break;
	case 5:
		feed_fold(&m->f, rec_fork(&m->f.rec, id, 2000 + made_random(m->r, 50), 1));
		break;
	default:
		one_exec(m);
	}
}

/* Mostly as it should be; else another source, or more that is off than a parent lists. */
static void odd_host(struct made *m)
{
	char off[1024];
	size_t len = 0;

	if (made_random(m->r, 4))
		return;
	for (unsigned i = made_random(m->r, 2) ? 2 : 50; i > 0; i--)
		len += (size_t)snprintf(off + len, sizeof(off) - len, "off %u",
					made_random(m->r, 100)) +
		       1;
	len -= made_random(m->r, 2); /* with and without the last NUL */
	feed_fold(&m->f, rec_host_off(&m->f.rec, m->f.now_ns, "host.example",
				      made_random(m->r, 3) ? "ftrace" : "", off, len));
}

/* None, as in an old capture; what there can be; or more than there can be. */
static void odd_cost(struct made *m)
{
	const struct edr_cost few = { .user_ns = made_random(m->r, 1000000000),
				      .system_ns = made_random(m->r, 1000000000),
				      .bpf_ns = made_random(m->r, 2) * 7777,
				      .bpf_sampled_ns = made_random(m->r, 2) * 1000000000,
				      .bpf_sampled_runs = made_random(m->r, 1000),
				      .memory_bytes = made_random(m->r, 50000000),
				      .memory_peak_bytes = made_random(m->r, 50000000),
				      .bpf_memory_bytes = made_random(m->r, 2) * 4096 };
	struct edr_cost most;

	for (unsigned n = made_random(m->r, 3) * made_random(m->r, 8); n > 0; n--) {
		char name[sizeof(edr_name)];

		snprintf(name, sizeof(name), "%s%u", made_random(m->r, 2) ? "program_" : "",
			 made_random(m->r, 15));
		feed_fold(&m->f,
			  rec_program_cost(&m->f.rec, m->f.now_ns, name, made_random(m->r, 1000),
					   made_random(m->r, 1000000)));
	}
	memset(&most, 0xff, sizeof(most));
	memset(&most.hdr, 0, sizeof(most.hdr));
	for (unsigned n = made_random(m->r, 3); n > 0; n--)
		feed_fold(&m->f,
			  rec_cost(&m->f.rec, m->f.now_ns, made_random(m->r, 16) ? &few : &most));
}

static struct cell *make(struct made_rng *r, edr_s64 start_ns, const struct cell_config *cfg,
			 unsigned n, unsigned names, const struct cell_finding *finding)
{
	const edr_u64 length_ns = cfg->interval_min * 60ull * FEED_S;
	struct made m = { .r = r, .names = names, .finding = finding };
	edr_u64 from_ns;

	m.f.cfg = *cfg;
	m.f.sinks =
		(struct cell_sinks){ .ctx = &m, .on_closed = on_closed, .on_interim = on_interim };
	feed_open(&m.f, (edr_u64)start_ns / FEED_S);
	odd_host(&m);
	from_ns = m.f.now_ns;
	for (unsigned i = 0; i < n; i++) {
		m.f.now_ns = from_ns + length_ns / (n + 1) * (i + 1);
		one(&m);
	}
	if (made_random(r, 3) == 0) {
		const edr_u64 at = from_ns + made_random(r, 100) * FEED_S;

		feed_fold(&m.f, rec_blind(&m.f.rec, m.f.now_ns, at, at + 7 * FEED_S, "a test"));
	}
	odd_cost(&m);
	m.f.now_ns = from_ns + length_ns - 1;
	feed_clock(&m.f, ((edr_u64)start_ns + length_ns - 1) / FEED_S, EDR_CLOCK_TICK);
	feed_close(&m.f);
	ck_assert_ptr_nonnull(m.closed);
	cell_set_baseline(m.closed, &(struct cell_baseline){ .learning = made_random(r, 4) == 0,
							     .days = made_random(r, 20),
							     .usual_execs = made_random(r, 3),
							     .evicted = made_random(r, 5) });
	return m.closed;
}

struct cell *made_cell(struct made_rng *r, edr_s64 start_ns, unsigned interval_min, unsigned n,
		       unsigned names, const struct cell_finding *finding)
{
	const struct cell_config cfg = { .interval_min = interval_min,
					 .max_executables = 4096,
					 .max_command_lines = 16384,
					 .max_connections = 8192 };

	return make(r, start_ns, &cfg, n, names, finding);
}

struct cell *made_full_cell(struct made_rng *r, edr_s64 start_ns, unsigned n, unsigned names,
			    unsigned rows)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .max_executables = rows,
					 .max_command_lines = rows,
					 .max_connections = rows };

	return make(r, start_ns, &cfg, n, names, NULL);
}

void made_text(const struct cell *cell, struct buf *id, struct buf *text)
{
	ck_assert_int_eq(report_cell_json(cell, id, text), 0);
}

struct cell *made_load(const struct buf *text, struct report_info *info)
{
	struct cell *cell;

	ck_assert_int_eq(report_load(text->data, text->len, &cell, info), 0);
	return cell;
}

void made_cell_report(struct made_rng *r, edr_s64 start_ns, unsigned n, unsigned names,
		      const struct cell_finding *finding, struct buf *id, struct buf *text)
{
	struct cell *cell = made_cell(r, start_ns, 15, n, names, finding);

	made_text(cell, id, text);
	cell_free(cell);
}
