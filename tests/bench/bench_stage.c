/* SPDX-License-Identifier: MIT */
/*
 * What an event costs in each stage behind the source, by records that are made up beforehand.
 *
 *	bench_stage [STREAM [STAGE [PROCESSES]]]    events a second, ns an event: CPU time of one core
 *	bench_stage --build                         what the instruction counts depend on
 *
 * STREAM   usual: processes that fork, exec, connect and exit; 50 executables, 500 command lines
 *          distinct: the same, and no executable, command line or destination comes twice
 * STAGE    decode: wire_check; table: the process table; cell: the table with the cell behind it;
 *          whole: all three, as in a replay without raw events; json: an event as a line of JSON
 *
 * Each stage runs in a function of its own, run_STAGE, whose instructions callgrind can count alone:
 * tests/bench/instructions.sh. Times are noisy: run it several times.
 */
#include <gnu/libc-version.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "cell/cell.h"
#include "wire/build.h"

#define SHELL 1000 /* the tgid that forks all others */
#define SHELL_START 12345678
#define FIRST_NS 20000000
#define PER_PROCESS 4 /* fork, exec, connect, exit */
#define PROCESSES 50000
#define TABLE_PROCESSES 32768
#define WALL_OFFSET_NS 1798759800000000000ll
#define LEAST_S 1.0

#if defined(__clang__)
#define COMPILER "clang"
#else
#define COMPILER "gcc"
#endif
#if defined(__SANITIZE_ADDRESS__)
#define KIND "sanitized"
#elif defined(__OPTIMIZE__)
#define KIND "optimised"
#else
#define KIND "not optimised"
#endif
#if defined(__x86_64__)
#define ARCH "x86_64"
#elif defined(__aarch64__)
#define ARCH "aarch64"
#else
#define ARCH "other"
#endif

/* Instead of the C library's: the key of the hash tables, and with it the moments at which they grow, is the same in each run. */
ssize_t getrandom(void *data, size_t len, unsigned flags)
{
	unsigned char *p = data;
	uint32_t x = 20261122;

	(void)flags;
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223; /* Knuth's; the upper bits are the better ones */
		p[i] = (unsigned char)(x >> 24);
	}
	return (ssize_t)len;
}

struct stream {
	const char *name;
	unsigned exes, lines, destinations; /* distinct ones */
};

static const struct stream streams[] = {
	{ "usual", 50, 500, 100 },
	{ "distinct", 1u << 30, 1u << 30, 1u << 24 },
};

struct bench {
	struct buf records;
	unsigned long n;
	struct proc_table *table;
	struct cells *cells;
	struct buf out;
	unsigned long long sum; /* of results, so that nothing is optimised away */
};

static const struct edr_hdr *record_at(const struct bench *b, size_t at)
{
	return (const struct edr_hdr *)(const void *)(b->records.data + at);
}

#define FOR_EACH(b, rec)                                                                      \
	for (size_t at_ = 0; at_ < (b)->records.len && ((rec) = record_at((b), at_)) != NULL; \
	     at_ += ((rec)->len + 7u) & ~7u)

static void fold(struct bench *b, const struct edr_hdr *rec)
{
	const struct proc_entry *who = proc_apply(b->table, rec);

	cells_fold(b->cells, rec, who, b->table, (struct wire_span){ "", 0 });
}

__attribute__((noinline)) static void run_decode(struct bench *b)
{
	const struct edr_hdr *rec;

	FOR_EACH(b, rec)
	b->sum += wire_check(rec, rec->len) == 0;
}

__attribute__((noinline)) static void run_table(struct bench *b)
{
	const struct edr_hdr *rec;

	FOR_EACH(b, rec)
	b->sum += proc_apply(b->table, rec) != NULL;
}

__attribute__((noinline)) static void run_cell(struct bench *b)
{
	const struct edr_hdr *rec;

	FOR_EACH(b, rec)
	fold(b, rec);
}

__attribute__((noinline)) static void run_whole(struct bench *b)
{
	const struct edr_hdr *rec;

	FOR_EACH(b, rec)
	if (wire_check(rec, rec->len) == 0)
		fold(b, rec);
}

__attribute__((noinline)) static void run_json(struct bench *b)
{
	static const struct wire_process who = { .ppid = SHELL,
						 .command = { "worker", 6 },
						 .exe = { "/usr/lib/app/worker", 19 } };
	const struct edr_hdr *rec;

	FOR_EACH(b, rec)
	{
		if (b->out.len > 65536)
			buf_clear(&b->out);
		wire_json(&b->out, rec, WALL_OFFSET_NS, &who);
		b->sum += b->out.len;
	}
}

static const struct stage {
	const char *name;
	void (*run)(struct bench *b);
} stages[] = {
	{ "decode", run_decode }, { "table", run_table }, { "cell", run_cell },
	{ "whole", run_whole },	  { "json", run_json },
};

static void put(struct bench *b, struct wire_build *w)
{
	if (!wire_build_end(w)) {
		fprintf(stderr, "bench_stage: a record cannot be made\n");
		exit(1);
	}
	b->n++;
}

static void put_exec(struct bench *b, const struct stream *s, unsigned i, struct edr_hdr hdr)
{
	const struct edr_exec exec = {
		.hdr = hdr, .comm = "bench", .ppid = SHELL, .parent_start_ns = SHELL_START
	};
	char exe[64], args[64];
	int exe_len = snprintf(exe, sizeof(exe), "/usr/bin/bench-%07u", i % s->exes);
	int args_len = snprintf(args, sizeof(args), "bash%c-c%cls -l /etc/passwd %07u%c", 0, 0,
				i % s->lines, 0);
	struct wire_build w;

	wire_build_begin(&w, &b->records, EDR_EXEC, &exec);
	wire_build_str(&w, offsetof(struct edr_exec, exe), exe, (size_t)exe_len);
	wire_build_str(&w, offsetof(struct edr_exec, filename), exe + 4, (size_t)exe_len - 4);
	wire_build_str(&w, offsetof(struct edr_exec, argv), args, (size_t)args_len);
	put(b, &w);
}

static void put_connect(struct bench *b, const struct stream *s, unsigned i, struct edr_hdr hdr)
{
	const struct edr_connect connect = { .hdr = hdr, .comm = "bench", .protocol = IPPROTO_TCP };
	const struct sockaddr_in sin = { .sin_family = AF_INET,
					 .sin_port = htons(443),
					 .sin_addr.s_addr =
						 htonl(0x0a000000 + i % s->destinations) };
	struct wire_build w;

	wire_build_begin(&w, &b->records, EDR_CONNECT, &connect);
	wire_build_str(&w, offsetof(struct edr_connect, sockaddr), &sin, sizeof(sin));
	put(b, &w);
}

static void put_process(struct bench *b, const struct stream *s, unsigned i)
{
	const edr_u64 t = FIRST_NS + i * 1000ull;
	const edr_u32 pid = 2000 + i % 30000;
	const struct edr_fork fork = {
		.hdr = { .tgid = SHELL, .tid = SHELL, .start_ns = SHELL_START, .time_ns = t },
		.child_pid = pid,
		.child_ppid = SHELL,
		.child_start_ns = t,
		.comm = "sh"
	};
	struct edr_hdr hdr = { .tgid = pid, .tid = pid, .start_ns = t, .time_ns = t + 100 };
	struct edr_exit end = { .comm = "bench" };
	struct wire_build w;

	wire_build_begin(&w, &b->records, EDR_FORK, &fork);
	put(b, &w);
	put_exec(b, s, i, hdr);
	hdr.time_ns += 100;
	put_connect(b, s, i, hdr);
	hdr.time_ns += 100;
	end.hdr = hdr;
	wire_build_begin(&w, &b->records, EDR_EXIT, &end);
	put(b, &w);
}

static void on_closed(void *ctx, struct cell *cell)
{
	(void)ctx;
	cell_free(cell);
}

static void open_rooms(struct bench *b)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .max_executables = 4096,
					 .max_command_lines = 16384,
					 .max_connections = 8192 };
	const struct cell_sinks sinks = { .on_closed = on_closed };
	const struct edr_clock clock = {
		.hdr = { .version = EDR_WIRE_VERSION, .type = EDR_CLOCK, .len = sizeof(clock) },
		.wall_offset_ns = WALL_OFFSET_NS
	};

	b->table = proc_table_new(TABLE_PROCESSES);
	b->cells = cells_new(&cfg, &sinks);
	if (!b->table || !b->cells) {
		fprintf(stderr, "bench_stage: no memory\n");
		exit(1);
	}
	cells_fold(b->cells, &clock.hdr, NULL, NULL, (struct wire_span){ "", 0 });
}

static void close_rooms(struct bench *b)
{
	cells_free(b->cells);
	proc_table_free(b->table);
	b->cells = NULL;
	b->table = NULL;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void time_stage(struct bench *b, const struct stream *s, const struct stage *stage,
		       bool once)
{
	double took = 0, start;
	unsigned long events = 0;

	do {
		open_rooms(b);
		start = now_s();
		stage->run(b);
		took += now_s() - start;
		events += b->n;
		close_rooms(b);
	} while (!once && took < LEAST_S);
	printf("%-9s %-7s %8.2f M events/s %8.1f ns an event %9lu events\n", s->name, stage->name,
	       (double)events / took / 1e6, took * 1e9 / (double)events, events);
}

static void run(const struct stream *s, const char *only, unsigned processes)
{
	const unsigned n = processes ? processes : PROCESSES;
	struct bench b = { 0 };

	for (unsigned i = 0; i < n; i++)
		put_process(&b, s, i);
	for (size_t k = 0; k < sizeof(stages) / sizeof(stages[0]); k++)
		if (!only || !strcmp(only, stages[k].name))
			time_stage(&b, s, &stages[k], processes != 0);
	buf_free(&b.records);
	buf_free(&b.out);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--build")) {
		printf("%s %s, %s, %s, libc %s\n", COMPILER, __VERSION__, ARCH, KIND,
		       gnu_get_libc_version());
		return 0;
	}
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (argc < 2 || !strcmp(argv[1], streams[i].name))
			run(&streams[i], argc > 2 ? argv[2] : NULL,
			    argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0);
	return 0;
}
