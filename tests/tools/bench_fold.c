/* SPDX-License-Identifier: MIT */
/*
 * bench_fold [PROCESSES]: how many records a second the process table alone manages, and the table
 * with the cell behind it; bytes a process and a cell, and how long its view takes. CPU time of one
 * core; run it several times.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cell/view.h"
#include "wire/build.h"

#define SHELL 1000 /* the tgid that forks all others */
#define SHELL_START 12345678

struct load {
	const char *name;
	bool fork, exec, exit, connect;
	unsigned exes, lines; /* distinct ones among the execs */
};

static const struct load loads[] = {
	{ "fork, exit", true, false, true, false, 0, 0 },
	{ "fork, exec, exit: 50 executables, 500 lines", true, true, true, false, 50, 500 },
	{ "fork, exec, exit: 500 executables, 5,000 lines", true, true, true, false, 500, 5000 },
	{ "exec alone: 500 executables, 5,000 lines", false, true, false, false, 500, 5000 },
	{ "exec alone: 2,000 executables, 50,000 lines", false, true, false, false, 2000, 50000 },
	{ "exec alone: a million executables and lines", false, true, false, false, 1000000,
	  1000000 },
	{ "connect", false, false, false, true, 0, 0 },
};

struct bench {
	struct proc_table *table;
	struct cells *cells; /* NULL: the process table alone */
	struct edr_fork fork;
	struct edr_exit exit;
	struct buf exec_buf, connect_buf;
	struct edr_exec *exec;
	struct edr_connect *connect;
	unsigned long n;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_closed(void *ctx, struct cell *cell)
{
	const struct cell_totals *t = cell_totals(cell);
	double start = now_s();
	struct cell_view v;

	(void)ctx;
	if (cell_view_open(&v, cell) == 0) {
		printf("    cell: %.2f MB, %zu executables, %llu lines in other, view %.1f ms\n",
		       (double)t->bytes / 1e6, v.n_exes,
		       (unsigned long long)v.command_lines_other.events, (now_s() - start) * 1e3);
		cell_view_close(&v);
	}
	cell_free(cell);
}

static void make_records(struct bench *b)
{
	const struct edr_exec exec = { .comm = "bench", .argv_bytes = 34 };
	const struct edr_connect connect = { .hdr = { .tgid = SHELL, .start_ns = SHELL_START },
					     .protocol = IPPROTO_TCP };
	const struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(443) };
	struct wire_build w;

	b->fork = (struct edr_fork){
		.hdr = { .type = EDR_FORK, .tgid = SHELL, .start_ns = SHELL_START },
		.child_ppid = SHELL,
		.comm = "sh"
	};
	b->exit = (struct edr_exit){ .hdr = { .type = EDR_EXIT } };
	wire_build_begin(&w, &b->exec_buf, EDR_EXEC, &exec);
	wire_build_str(&w, offsetof(struct edr_exec, exe), "/usr/bin/bench-0000000", 22);
	wire_build_str(&w, offsetof(struct edr_exec, filename), "/bin/bench-0000000", 18);
	wire_build_str(&w, offsetof(struct edr_exec, argv), "bash\0-c\0ls -l /etc/passwd 0000000",
		       34);
	b->exec = (struct edr_exec *)(uintptr_t)wire_build_end(&w);
	wire_build_begin(&w, &b->connect_buf, EDR_CONNECT, &connect);
	wire_build_str(&w, offsetof(struct edr_connect, sockaddr), &sin, sizeof(sin));
	b->connect = (struct edr_connect *)(uintptr_t)wire_build_end(&w);
}

static void put(struct bench *b, struct edr_hdr *rec, edr_u32 tgid, edr_u64 start_ns,
		edr_u64 time_ns)
{
	const struct proc_entry *who;

	rec->tgid = tgid;
	rec->start_ns = start_ns;
	rec->time_ns = time_ns;
	who = proc_apply(b->table, rec);
	if (b->cells)
		cells_fold(b->cells, rec, who, b->table, (struct wire_span){ "", 0 });
	b->n++;
}

/* Seven digits that end there. */
static void put_digits(struct edr_exec *r, struct edr_str s, size_t from_end, unsigned v)
{
	char *p = (char *)r + s.off + s.len - from_end;
	int i;

	for (i = 0; i < 7; i++, v /= 10)
		*--p = (char)('0' + v % 10);
}

static void one_exec(struct bench *b, const struct load *l, unsigned i, edr_u32 pid,
		     edr_u64 start_ns)
{
	put_digits(b->exec, b->exec->exe, 0, i % l->exes);
	put_digits(b->exec, b->exec->filename, 0, i % l->exes);
	put_digits(b->exec, b->exec->argv, 1, i % l->lines);
	b->exec->ppid = SHELL;
	b->exec->parent_start_ns = SHELL_START;
	put(b, &b->exec->hdr, pid, start_ns, start_ns + 100);
}

static double run(struct bench *b, const struct load *l)
{
	const double start = now_s();
	unsigned i;

	for (i = 0; i < 1000000; i++) {
		const edr_u64 t = 20000000 + i * 1000ull;
		const edr_u32 pid = 2000 + i % 30000;

		b->fork.child_pid = pid;
		b->fork.child_start_ns = t;
		if (l->fork)
			put(b, &b->fork.hdr, SHELL, SHELL_START, t);
		if (l->exec)
			one_exec(b, l, i, pid, t);
		if (l->connect)
			put(b, &b->connect->hdr, SHELL, SHELL_START, t);
		if (l->exit)
			put(b, &b->exit.hdr, pid, t, t + 500);
	}
	return (double)b->n / (now_s() - start) / 1e6;
}

static double bench(const struct load *l, size_t processes, bool with_cell)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .max_executables = 4096,
					 .max_command_lines = 16384,
					 .max_connections = 8192 };
	const struct cell_sinks sinks = { .on_closed = on_closed };
	struct edr_clock clock = { .hdr = { .type = EDR_CLOCK },
				   .wall_offset_ns = 1798759800000000000ll };
	struct bench b = { .table = proc_table_new(processes) };
	struct proc_stats stats;
	double rate;

	make_records(&b);
	if (with_cell) {
		b.cells = cells_new(&cfg, &sinks);
		cells_fold(b.cells, &clock.hdr, NULL, NULL, (struct wire_span){ "", 0 });
	}
	rate = run(&b, l);
	proc_table_stats(b.table, &stats);
	if (!with_cell)
		printf("    table: %zu processes of %zu bytes\n", stats.entries,
		       stats.bytes / stats.entries);
	else
		cells_close_partial(b.cells, b.table);
	cells_free(b.cells);
	proc_table_free(b.table);
	buf_free(&b.exec_buf);
	buf_free(&b.connect_buf);
	return rate;
}

int main(int argc, char **argv)
{
	const size_t processes = argc > 1 ? strtoul(argv[1], NULL, 10) : 32768;
	double alone, both;
	size_t i;

	for (i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		printf("%s\n", loads[i].name);
		alone = bench(&loads[i], processes, false);
		both = bench(&loads[i], processes, true);
		printf("    table alone %.2f M/s, with the cell %.2f M/s\n", alone, both);
	}
	return 0;
}
