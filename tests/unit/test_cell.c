/* SPDX-License-Identifier: MIT */
/* What a cell counts: each kind of event by hand, bounds, raw events, the same bytes each time. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cell/view.h"
#include "rec.h"

#define S 1000000000ull
#define OFFSET 1798759800000000000ll
#define MAX_CLOSED 16

#ifdef __SANITIZE_ADDRESS__
#define MANY 100000u
#else
#define MANY 1000000u
#endif

static struct cells *cells;
static struct proc_table *table;
static struct cell *cell; /* closed last */
static struct cell_view v;
static struct cell_events *part[MAX_CLOSED];
static size_t n_parts;
static edr_u64 now; /* boot ns */
static struct buf b, json;
static const struct wire_span no_json = { "", 0 };

static const struct cell_config config = {
	.interval_min = 15,
	.keep_events = true,
	.max_events = 10000,
	.max_events_bytes = 1 << 20,
	.max_executables = 1000,
	.max_command_lines = 1000,
	.max_connections = 1000,
};

static void on_closed(void *ctx, struct cell *c)
{
	(void)ctx;
	ck_assert_ptr_null(cell);
	cell = c;
}

static bool refuse; /* as a full queue does */

static int on_interim(void *ctx, struct cell_events *p)
{
	(void)ctx;
	if (refuse) {
		cell_events_free(p);
		return -ENOBUFS;
	}
	ck_assert_uint_lt(n_parts, MAX_CLOSED);
	part[n_parts++] = p;
	return 0;
}

static void begin(const struct cell_config *cfg)
{
	const struct cell_sinks sinks = { .on_closed = on_closed, .on_interim = on_interim };

	cells_free(cells);
	proc_table_free(table);
	cells = cells_new(cfg, &sinks);
	table = proc_table_new(4096);
	ck_assert_ptr_nonnull(cells);
	ck_assert_ptr_nonnull(table);
	now = 100 * S;
	cells_fold(cells, rec_clock(&b, now, OFFSET, EDR_CLOCK_START), NULL, table, no_json);
}

static void setup(void)
{
	begin(&config);
}

static void teardown(void)
{
	cell_view_close(&v);
	cell_free(cell);
	cell = NULL;
	cells_free(cells);
	cells = NULL;
	proc_table_free(table);
	table = NULL;
	while (n_parts > 0)
		cell_events_free(part[--n_parts]);
	buf_free(&b);
	buf_free(&json);
}

static void end(void)
{
	cells_close_partial(cells, table);
	ck_assert_ptr_nonnull(cell);
	ck_assert_int_eq(cell_view_open(&v, cell), 0);
}

static void fold(const struct edr_hdr *rec)
{
	cells_fold(cells, rec, proc_apply(table, rec), table, no_json);
}

static struct rec_id who(edr_u32 tgid)
{
	return (struct rec_id){ tgid, 50 * S + tgid, ++now };
}

static void exec_as(edr_u32 tgid, edr_u32 ppid, const char *exe, const char *args, size_t len)
{
	fold(rec_exec(&b, who(tgid),
		      (struct rec_exec){ .ppid = ppid,
					 .parent_start_ns = 50 * S + ppid,
					 .exe = exe,
					 .comm = "c",
					 .args = args,
					 .args_len = len }));
}

static void run(edr_u32 tgid, const char *exe)
{
	exec_as(tgid, 1, exe, "x", 2);
}

static bool is(struct wire_span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static const struct cell_exe *exe(const char *name)
{
	size_t i;

	for (i = 0; i < v.n_exes; i++)
		if (is(v.exes[i].name, name))
			return &v.exes[i];
	ck_abort_msg("no row for %s", name);
	return NULL;
}

/* Count of a number or a name in a list; 0 when it is not there. */
static edr_u64 in(struct cell_counts list, edr_s64 number, const char *name)
{
	size_t i;

	for (i = 0; i < list.n; i++)
		if (list.row[i].number == number && is(list.row[i].name, name))
			return list.row[i].count;
	return 0;
}

START_TEST(test_runs)
{
	const struct cell_exe *e;
	size_t i;

	fold(rec_cgroup(&b, now, 9, "/lxc/web"));
	run(10, "/bin/sh");
	for (i = 0; i < 3; i++)
		exec_as(20, 10, "/bin/ls", "ls\0-l", 6);
	fold(rec_exec(&b, who(21),
		      (struct rec_exec){ .exe = "/bin/ls",
					 .filename = "./dir",
					 .uid = 1000,
					 .cgroup_id = 9,
					 .args = "dir",
					 .args_len = 4 }));
	end();
	ck_assert_uint_eq(v.n_exes, 2);
	e = exe("/bin/ls");
	ck_assert_ptr_eq(e, &v.exes[0]); /* more runs: first */
	ck_assert_uint_eq(e->counts.runs, 4);
	ck_assert_uint_eq(e->counts.contained, 1);
	ck_assert_uint_eq(e->counts.argv_bytes, 3 * 6 + 4);
	ck_assert_uint_eq(in(e->users, 0, ""), 3);
	ck_assert_uint_eq(in(e->users, 1000, ""), 1);
	ck_assert_uint_eq(in(e->parents, 0, "/bin/sh"), 3);
	ck_assert_uint_eq(in(e->parents, 0, ""), 1);
	ck_assert_uint_eq(in(e->containers, 0, "web"), 1);
	ck_assert_uint_eq(e->users.other + e->parents.other + e->containers.other, 0);
	ck_assert_uint_eq(e->n_command_lines, 2);
	ck_assert_uint_eq(e->command_lines[0].count, 3);
	ck_assert(is(e->command_lines[0].command, "ls"));
	ck_assert_mem_eq(e->command_lines[0].argv.data, "ls\0-l\0", 6);
	ck_assert_uint_eq(e->command_lines_other, 0);
	ck_assert_uint_eq(e->short_by, 0);
	ck_assert_uint_eq((edr_u64)e->first_ns, OFFSET + 100 * S + 2);
	ck_assert_uint_eq((edr_u64)e->last_ns, OFFSET + now);
	ck_assert_uint_eq(v.n_commands, 3);
	ck_assert(is(v.commands[0].name, "ls"));
	ck_assert_uint_eq(v.commands[0].count, 3);
	ck_assert(is(v.commands[1].name, "dir")); /* one run each: by name */
	ck_assert(is(v.commands[2].name, "sh"));
	ck_assert_uint_eq(v.commands[1].n_command_lines, 1);
	ck_assert_ptr_eq(v.commands[1].command_lines[0], &e->command_lines[1]);
	ck_assert_uint_eq(v.totals->events, 5);
	ck_assert_uint_eq(v.totals->type[EDR_EXEC].delivered, 5);
	ck_assert_uint_eq(v.totals->type[EDR_CGROUP].delivered, 1);
	ck_assert_uint_gt(v.totals->processes.entries, 2);
}
END_TEST

START_TEST(test_failed_runs)
{
	const struct cell_exe *e;
	int i;

	run(10, "/bin/sh");
	for (i = 0; i < 5; i++)
		fold(rec_exec_failed(&b, who(10), "/usr/local/bin/ls", ENOENT));
	fold(rec_exec_failed(&b, who(10), "/bin/ls", EACCES));
	run(11, "/bin/ls");
	end();
	ck_assert_uint_eq(v.n_exes, 3);
	e = exe("/usr/local/bin/ls");
	ck_assert_uint_eq(e->counts.failed_runs, 5);
	ck_assert_uint_eq(e->counts.runs, 0);
	ck_assert_uint_eq(in(e->errors, ENOENT, ""), 5);
	ck_assert_uint_eq(in(e->tried_by, 0, "/bin/sh"), 5);
	/* The same name ran too: one row. */
	e = exe("/bin/ls");
	ck_assert_uint_eq(e->counts.failed_runs, 1);
	ck_assert_uint_eq(e->counts.runs, 1);
	ck_assert_uint_eq(in(e->errors, EACCES, ""), 1);
	/* Steps of a search through PATH are no runs. */
	ck_assert_uint_eq(v.n_commands, 2);
}
END_TEST

START_TEST(test_process_events)
{
	const struct cell_exe *e;

	run(10, "/bin/sh");
	fold(rec_fork(&b, who(10), 11, 101 * S));
	fold(rec_fork(&b, who(10), 12, 102 * S));
	fold(rec_thread(&b, who(10)));
	fold(rec_exit(&b, (struct rec_id){ 11, 101 * S, 103 * S }, 3, 0));
	fold(rec_exit(&b, (struct rec_id){ 12, 102 * S, 104 * S }, 0, SIGKILL));
	fold(rec_exit(&b, who(10), 0, 0));
	fold(rec_syscall(&b, who(10), "ptrace", -EPERM));
	fold(rec_syscall(&b, who(10), "ptrace", 0));
	fold(rec_syscall(&b, who(10), "mmap", -4096));
	end();
	e = exe("/bin/sh");
	ck_assert_uint_eq(e->counts.forks, 2);
	ck_assert_uint_eq(e->counts.threads, 1);
	ck_assert_uint_eq(e->counts.exits, 3);
	ck_assert_uint_eq(e->counts.killed, 1);
	ck_assert_uint_eq(e->counts.syscalls, 3);
	ck_assert_uint_eq(in(e->exit_status, 3, ""), 1);
	ck_assert_uint_eq(in(e->exit_status, 0, ""), 1);
	ck_assert_uint_eq(in(e->exit_signals, SIGKILL, ""), 1);
	ck_assert_uint_eq(v.n_syscalls, 2);
	ck_assert(is(v.syscalls[0].name, "ptrace"));
	ck_assert(is(v.syscalls[0].exe, "/bin/sh"));
	ck_assert_uint_eq(v.syscalls[0].count, 2);
	ck_assert_uint_eq(v.syscalls[0].failed, 1);
	ck_assert_uint_eq(in(v.syscalls[0].errors, EPERM, ""), 1);
	ck_assert_uint_eq(v.syscalls[1].failed, 0); /* an address */
}
END_TEST

START_TEST(test_connects)
{
	const struct cell_connection *c;
	const struct cell_exe *e;

	run(10, "/bin/curl");
	fold(rec_connect(&b, who(10), 0x01020304, 443, 0));
	fold(rec_connect(&b, who(10), 0x01020304, 443, -ECONNREFUSED));
	fold(rec_connect(&b, who(10), 0x01020304, 443, EDR_RESULT_UNKNOWN));
	fold(rec_connect_result(&b, who(10), 0x01020304, 443, -ETIMEDOUT));
	fold(rec_connect(&b, who(10), 0x01020304, 80, -EINPROGRESS));
	end();
	ck_assert_uint_eq(v.n_connections, 2);
	c = &v.connections[0];
	ck_assert(is(c->exe, "/bin/curl"));
	ck_assert(is(c->address, "1.2.3.4"));
	ck_assert_int_eq(c->family, AF_INET);
	ck_assert_uint_eq(c->port, 443);
	ck_assert_uint_eq(c->protocol, IPPROTO_TCP);
	ck_assert_uint_eq(c->connects, 3);
	ck_assert_uint_eq(c->ends, 1);
	ck_assert_uint_eq(in(c->results, 0, ""), 1);
	ck_assert_uint_eq(in(c->results, ECONNREFUSED, ""), 1);
	ck_assert_uint_eq(in(c->results, CELL_RESULT_UNKNOWN, ""), 1);
	ck_assert_uint_eq(in(c->end_results, ETIMEDOUT, ""), 1);
	e = exe("/bin/curl");
	ck_assert_uint_eq(e->counts.connects, 4);
	ck_assert_uint_eq(e->counts.connect_ends, 1);
	ck_assert_uint_eq(in(e->connect_results, EINPROGRESS, ""), 1);
	ck_assert_uint_eq(in(e->connect_end_results, ETIMEDOUT, ""), 1);
}
END_TEST

START_TEST(test_loss)
{
	const struct cell_type_counts *t;
	edr_s64 pending = 0;
	edr_u64 last = 0;
	int window;

	run(10, "/bin/sh");
	fold(rec_loss(&b, ++now, EDR_EXEC, 10, 3));
	for (window = 0; window < 3; window++) {
		end();
		t = &v.totals->type[EDR_EXEC];
		ck_assert_int_eq(t->pending_before, pending);
		ck_assert_int_eq((edr_s64)t->counted.produced + t->pending_before,
				 (edr_s64)(t->delivered + t->counted.dropped) + t->pending_after);
		pending = t->pending_after;
		last = t->counted.produced;
		cell_view_close(&v);
		cell_free(cell);
		cell = NULL;
		now += 900 * S;
		run(11, "/bin/a");
		run(12, "/bin/b");
		fold(rec_loss(&b, ++now, EDR_EXEC, 2 + (edr_u64)window, 0));
		fold(rec_loss(&b, now, EDR_TYPE_MAX, 1, 1));
		fold(rec_loss(&b, now, 0xffffffffu, 1, 1));
	}
	ck_assert_uint_eq(last, 3);
	ck_assert_int_eq(pending, 10 - 3 - 1 + 0 + 1);
}
END_TEST

START_TEST(test_host)
{
	fold(rec_host(&b, now, "first"));
	fold(rec_host(&b, now, "second"));
	end();
	ck_assert(is(v.host->hostname, "second"));
	ck_assert(is(v.host->source, "bpf"));
	ck_assert_uint_eq(v.host->degraded.len, 4);
	ck_assert_uint_eq(v.host->machine_id.len, 0);
	ck_assert_uint_eq(v.totals->events, 0);
}
END_TEST

START_TEST(test_long_lines)
{
	char *args = malloc(EDR_ARGV_MAX);
	const struct cell_exe *e;
	struct rec_exec x = { .exe = "/bin/x", .args = args, .args_len = EDR_ARGV_MAX };

	memset(args, 'a', EDR_ARGV_MAX);
	fold(rec_exec(&b, who(10), x));
	fold(rec_exec(&b, who(10), x));
	args[EDR_ARGV_MAX - 1] = 'b'; /* differs far behind what is kept */
	fold(rec_exec(&b, who(10), x));
	x.flags = EDR_F_TRUNCATED; /* and where it was cut before it came */
	x.argv_bytes = 1000000;
	fold(rec_exec(&b, who(10), x));
	x = (struct rec_exec){ .exe = "/bin/x", .args = args, .args_len = 4096 };
	fold(rec_exec(&b, who(10), x));
	end();
	e = exe("/bin/x");
	ck_assert_uint_eq(e->n_command_lines, 4);
	ck_assert_uint_eq(e->command_lines[0].count, 2);
	ck_assert(e->command_lines[0].cut);
	ck_assert_uint_eq(e->command_lines[0].argv.len, 4097);
	ck_assert_uint_eq(e->command_lines[0].argv_bytes, EDR_ARGV_MAX);
	ck_assert(!e->command_lines[1].cut); /* 4096 bytes are whole: shortest first */
	ck_assert_uint_eq(e->command_lines[1].argv_bytes, 4096);
	ck_assert_uint_eq(e->command_lines[2].argv_bytes, EDR_ARGV_MAX);
	ck_assert_uint_ne(e->command_lines[2].hash, e->command_lines[0].hash);
	ck_assert_uint_eq(e->command_lines[3].argv_bytes, 1000000);
	free(args);
}
END_TEST

START_TEST(test_small_lists)
{
	const struct cell_exe *e;
	edr_u64 sum = 0;
	edr_u32 i;

	for (i = 0; i < 1000; i++) {
		fold(rec_exec(&b, who(10), (struct rec_exec){ .exe = "/bin/su", .uid = i % 600 }));
		fold(rec_exit(&b, who(10), i % 600, 0));
	}
	end();
	e = exe("/bin/su");
	ck_assert_uint_eq(e->users.n, 256);
	ck_assert_uint_eq(e->exit_status.n, 256);
	for (i = 0; i < e->users.n; i++)
		sum += e->users.row[i].count;
	ck_assert_uint_eq(sum + e->users.other, 1000);
	ck_assert_uint_eq(e->users.other, 1000 - 512);
}
END_TEST

/* A flood of made-up names: bounds, sums, and what ran busily or last is still there. */
START_TEST(test_flood)
{
	struct cell_config cfg = config;
	edr_u64 runs = 0, lines = 0, commands = 0;
	char name[64], args[64];
	unsigned i, n = 0;
	size_t at;

	cfg.max_executables = 400;
	cfg.max_command_lines = 2000;
	begin(&cfg);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "/tmp/%u", i);
		exec_as(i % 5000 + 10, 1, name, args,
			(size_t)snprintf(args, sizeof(args), "a%u", i));
		if (i % 50 == 49 && i > MANY / 2) {
			run(9, "/usr/bin/late-but-busy");
			n++;
		}
	}
	end();
	ck_assert_uint_eq(v.n_exes, 400);
	ck_assert_uint_le(v.n_commands, 400);
	for (at = 0; at < v.n_exes; at++) {
		runs += v.exes[at].counts.runs;
		for (i = 0; i < v.exes[at].n_command_lines; i++)
			lines += v.exes[at].command_lines[i].count;
	}
	for (at = 0; at < v.n_commands; at++)
		commands += v.commands[at].count;
	ck_assert_uint_eq(runs + v.exes_other.events, MANY + n);
	ck_assert_uint_eq(runs + v.exes_other_counts.runs, MANY + n);
	ck_assert_uint_eq(lines + v.command_lines_other.events, MANY + n);
	ck_assert_uint_eq(commands + v.commands_other.events, MANY + n);
	ck_assert_uint_ge(v.exes_other.rows, MANY - 400);
	ck_assert_uint_eq(exe("/tmp/0")->short_by, 0);
	ck_assert_uint_eq(exe("/tmp/299")->short_by, 0);
	snprintf(name, sizeof(name), "/tmp/%u", MANY - 1);
	ck_assert_uint_gt(exe(name)->short_by, 0);
	ck_assert_uint_eq(exe("/usr/bin/late-but-busy")->counts.runs, n);
	ck_assert_ptr_eq(exe("/usr/bin/late-but-busy"), &v.exes[0]);
	ck_assert_uint_lt(v.totals->bytes, 2 << 20);
}
END_TEST

/* The same with names that only failed: they push out nothing that ran. */
START_TEST(test_flood_of_failures)
{
	struct cell_config cfg = config;
	char name[64];
	unsigned i;

	cfg.max_executables = 100;
	begin(&cfg);
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "/tmp/%u", i);
		fold(rec_exec_failed(&b, who(10), name, ENOENT));
	}
	run(11, "/bin/real");
	end();
	ck_assert_uint_eq(exe("/bin/real")->counts.runs, 1);
	ck_assert_uint_eq(exe("/bin/real")->short_by, 0);
	ck_assert_uint_eq(exe("/bin/real")->failed_short_by, MANY - 100);
	ck_assert_uint_eq(v.failed_other.events, MANY - 100);
	ck_assert_uint_eq(v.exes_other_counts.failed_runs, MANY - 100);
	ck_assert_uint_eq(v.exes_other.events, 0);
}
END_TEST

/* Bytes are bounded as well as rows: long names, long lines, long addresses. */
START_TEST(test_flood_of_bytes)
{
	static char name[4000], args[4096];
	unsigned i;

	memset(name, 'n', sizeof(name) - 1);
	name[0] = '/';
	memset(args, 'l', sizeof(args));
	for (i = 0; i < 3000; i++) {
		snprintf(name + sizeof(name) - 9, 9, "%08u", i);
		exec_as(10, 11, name, args, sizeof(args));
		fold(rec_exec_failed(&b, who(10), name, ENOENT));
		fold(rec_connect(&b, who(10), i, 1, 0));
		fold(rec_syscall(&b, who(10), "x", -1));
	}
	end();
	ck_assert_uint_gt(v.n_exes, 100);
	ck_assert_uint_gt(v.exes_other.events, 0);
	ck_assert_uint_lt(v.totals->bytes, 8 << 20);
}
END_TEST

static void fold_json(const struct edr_hdr *rec)
{
	buf_clear(&json);
	buf_addf(&json, "{\"n\":%llu}", (unsigned long long)now);
	cells_fold(cells, rec, proc_apply(table, rec), table,
		   (struct wire_span){ json.data, json.len });
}

/* Numbers of the events in a list, in order from *next on. */
static void check_list(const struct cell_chunk *chunk, size_t n, edr_u64 *next)
{
	size_t i, len, at = 0;
	char want[64];

	for (i = 0; i < n; i++) {
		len = (size_t)snprintf(want, sizeof(want), CELL_EVENT_LEAD "{\"n\":%llu}",
				       (unsigned long long)++*next);
		if (chunk && at == chunk->len) {
			chunk = chunk->next;
			at = 0;
		}
		ck_assert_ptr_nonnull(chunk);
		ck_assert(chunk->len - at >= len);
		ck_assert_mem_eq(chunk->text + at, want, len);
		at += len;
	}
	ck_assert(!chunk || (at == chunk->len && !chunk->next));
}

/* Over many chunks, one of which is larger than the others for an event that is. */
START_TEST(test_chunks)
{
	static char big[600000];
	struct cell_config cfg = config;
	const struct cell_chunk *chunk;
	edr_u64 next = 100 * S;
	size_t n = 0, len = 0;

	cfg.max_events = 1000000;
	cfg.max_events_bytes = 8 << 20;
	begin(&cfg);
	for (n = 0; n < 50000; n++)
		fold_json(rec_exit(&b, who(10), 0, 0));
	end();
	check_list(v.events, v.n_events, &next);
	for (n = 0, chunk = v.events; chunk; chunk = chunk->next, n++)
		len += chunk->len;
	/* The first of 64 KiB, the others of 192; what does not fit at a chunk's end begins the next. */
	ck_assert_uint_ge(n, 1 + (len - 65536 + 196607) / 196608);
	ck_assert_uint_le(n, 2 + (len - 65536 + 196607) / 196608);
	ck_assert_uint_ge(n, 4);
	ck_assert_uint_gt(v.totals->bytes, len);
	teardown();

	begin(&cfg);
	fold_json(rec_exit(&b, who(10), 0, 0));
	memset(big, ' ', sizeof(big));
	cells_fold(cells, rec_exit(&b, who(10), 0, 0), NULL, table,
		   (struct wire_span){ big, sizeof(big) });
	fold_json(rec_exit(&b, who(10), 0, 0));
	end();
	ck_assert_uint_eq(v.n_events, 3);
	ck_assert_uint_eq(v.events->next->len, sizeof(big) + CELL_EVENT_LEAD_LEN);
	ck_assert_ptr_nonnull(v.events->next->next);
	ck_assert_ptr_null(v.events->next->next->next);
}
END_TEST

START_TEST(test_parts)
{
	struct cell_config cfg = config;
	struct cell_events_view e;
	edr_u64 next = 100 * S, first;
	size_t i, n = 0;

	cfg.max_events = 10;
	cfg.max_events_bytes = 175; /* 7 events of 25 bytes */
	begin(&cfg);
	cells_fold(cells, rec_host(&b, now, "box"), NULL, table, no_json);
	for (i = 0; i < 25; i++)
		fold_json(rec_exit(&b, who(10), 0, 0));
	ck_assert_uint_eq(n_parts, 3);
	end();
	for (i = 0; i < n_parts; i++) {
		cell_events_view(part[i], &e);
		ck_assert_uint_eq(e.part, i + 1);
		ck_assert_str_eq(e.why, "bytes");
		ck_assert(is(e.host.hostname, "box"));
		ck_assert_int_eq(e.window_start_ns, v.totals->window_start_ns);
		first = next + 1;
		check_list(e.events, e.n_events, &next);
		ck_assert_uint_eq((edr_u64)e.first_ns, OFFSET + first);
		ck_assert_uint_eq((edr_u64)e.last_ns, OFFSET + next);
		n += e.n_events;
	}
	check_list(v.events, v.n_events, &next);
	ck_assert_uint_eq(n + v.n_events, 25);
	ck_assert_uint_eq(v.totals->parts, 3);
	ck_assert_uint_eq(v.totals->events_in_parts, n);
	ck_assert_uint_eq(v.totals->events_listed, v.n_events);
	ck_assert_uint_eq(v.totals->events_unlisted, 0);
}
END_TEST

/* What the writer has no room for is claimed by nobody; the numbers have no gap. */
START_TEST(test_parts_refused)
{
	struct cell_config cfg = config;
	struct cell_events_view e;
	size_t i;

	cfg.max_events = 10;
	begin(&cfg);
	for (i = 0; i < 55; i++) {
		refuse = i >= 10 && i < 40;
		fold_json(rec_exit(&b, who(10), 0, 0));
	}
	end();
	ck_assert_uint_eq(n_parts, 2);
	for (i = 0; i < n_parts; i++) {
		cell_events_view(part[i], &e);
		ck_assert_uint_eq(e.part, i + 1);
	}
	ck_assert_uint_eq(v.totals->parts, 2);
	ck_assert_uint_eq(v.totals->events_in_parts, 20);
	ck_assert_uint_eq(v.totals->events_unlisted, 30);
	ck_assert_uint_eq(v.totals->events_listed, 5);
	ck_assert_uint_eq(v.totals->events, 55);
}
END_TEST

/* 10 events of 25 bytes are a part; there is room for 3 of these. */
START_TEST(test_parts_beyond_the_limit)
{
	struct cell_config cfg = config;
	size_t i;

	cfg.max_events = 10;
	cfg.max_interim_bytes = 750;
	begin(&cfg);
	for (i = 0; i < 55; i++)
		fold_json(rec_exit(&b, who(10), 0, 0));
	end();
	ck_assert_uint_eq(n_parts, 3);
	ck_assert_uint_eq(v.totals->parts, 3);
	ck_assert_uint_eq(v.totals->events_in_parts, 30);
	ck_assert_uint_eq(v.totals->events_unlisted, 25);
	ck_assert_uint_eq(v.totals->events_over_limit, 25);
	ck_assert_uint_eq(v.totals->events_listed, 0);
	ck_assert_uint_eq(v.totals->events, 55);
}
END_TEST

/* An event that happened a little before the first record was watched, too. */
START_TEST(test_covered_from_the_first_event)
{
	fold_json(rec_exit(&b, who(10), 0, 0));
	now -= 3000000;
	fold_json(rec_exit(&b, who(10), 0, 0));
	end();
	ck_assert_int_lt(v.totals->first_ns, OFFSET + 100 * (edr_s64)S);
	ck_assert_int_eq(v.totals->watched_from_ns, v.totals->first_ns);
	ck_assert_int_eq(v.totals->watched_to_ns - v.totals->watched_from_ns,
			 (edr_s64)v.totals->watched_ns);
}
END_TEST

START_TEST(test_part_at_once)
{
	struct cell_config cfg = config;
	struct cell_events_view e;
	size_t i;

	cfg.max_events = 10;
	begin(&cfg);
	for (i = 0; i < 9; i++)
		fold_json(rec_exit(&b, who(10), 0, 0));
	ck_assert_uint_eq(n_parts, 0);
	fold_json(rec_exit(&b, who(10), 0, 0));
	ck_assert_uint_eq(n_parts, 1);
	cell_events_view(part[0], &e);
	ck_assert_uint_eq(e.n_events, 10);
	ck_assert_str_eq(e.why, "count");
	end();
	ck_assert_uint_eq(v.n_events, 0);
	ck_assert_uint_eq(v.totals->events, 10);
}
END_TEST

START_TEST(test_part_by_age)
{
	struct cell_config cfg = config;
	struct cell_events_view e;

	cfg.max_events_age_s = 60;
	begin(&cfg);
	fold_json(rec_exit(&b, who(10), 0, 0));
	now += 59 * S;
	fold_json(rec_exit(&b, who(10), 0, 0));
	ck_assert_uint_eq(n_parts, 0);
	/* A tick of the clock is enough. */
	cells_fold(cells, rec_clock(&b, now += 2 * S, OFFSET, EDR_CLOCK_TICK), NULL, table,
		   no_json);
	ck_assert_uint_eq(n_parts, 1);
	cell_events_view(part[0], &e);
	ck_assert_str_eq(e.why, "age");
	ck_assert_uint_eq(e.n_events, 2);
	end();
}
END_TEST

START_TEST(test_what_is_listed)
{
	struct cell_config cfg = config;

	fold_json(rec_thread(&b, who(10)));
	fold_json(rec_host(&b, now, "no event"));
	fold_json(rec_exit(&b, who(10), 0, 0));
	end();
	ck_assert_uint_eq(v.n_events, 1);
	ck_assert_uint_eq(exe("")->counts.threads, 1);
	teardown();

	cfg.list_threads = true;
	begin(&cfg);
	fold_json(rec_thread(&b, who(10)));
	fold(rec_exit(&b, who(10), 0, 0)); /* not wanted */
	end();
	ck_assert_uint_eq(v.n_events, 1);
	teardown();

	cfg.keep_events = false;
	begin(&cfg);
	fold_json(rec_exit(&b, who(10), 0, 0));
	end();
	ck_assert_uint_eq(v.n_events, 0);
	ck_assert_uint_eq(v.totals->events, 1);
	ck_assert_uint_eq(v.totals->events_unlisted, 0);
}
END_TEST

static unsigned n_asked;
static bool no_memory;

static struct wire_span on_json(void *ctx, const struct edr_hdr *rec, const struct proc_entry *who)
{
	(void)ctx;
	(void)who;
	ck_assert_uint_ne(rec->type, EDR_CLOCK);
	n_asked++;
	return no_memory ? no_json : (struct wire_span){ "{\"a\":1}", 7 };
}

/* JSON is asked for only where it is missing and will be listed. */
START_TEST(test_json_on_demand)
{
	struct cell_config cfg = config;
	const struct cell_sinks sinks = { .on_closed = on_closed,
					  .on_interim = on_interim,
					  .json = on_json };
	int i;

	cfg.max_events = 2;
	cfg.max_interim_bytes = 2 * 2 * (7 + CELL_EVENT_LEAD_LEN);
	cells_free(cells);
	cells = cells_new(&cfg, &sinks);
	n_asked = 0;
	cells_fold(cells, rec_clock(&b, now, OFFSET, EDR_CLOCK_START), NULL, table, no_json);
	fold(rec_thread(&b, who(10))); /* not listed */
	cells_fold(cells, rec_exit(&b, who(10), 0, 0), NULL, NULL, (struct wire_span){ "{}", 2 });
	ck_assert_uint_eq(n_asked, 0);
	no_memory = true;
	fold(rec_exit(&b, who(10), 0, 0));
	no_memory = false;
	ck_assert_uint_eq(n_asked, 1);
	/* Two parts, a third that is too much, and what is not even asked for. */
	for (i = 0; i < 25; i++)
		fold(rec_exit(&b, who(10), 0, 0));
	ck_assert_uint_eq(n_asked, 1 + 5);
	end();
	ck_assert_uint_eq(n_parts, 2);
	ck_assert_uint_eq(v.totals->events_in_parts, 4);
	ck_assert_uint_eq(v.totals->events_over_limit, 22);
	ck_assert_uint_eq(v.totals->events_unlisted, 23);
	ck_assert_uint_eq(v.totals->events, 28);
}
END_TEST

/* Nobody takes the reports: nothing leaks, what is not kept is counted. */
START_TEST(test_no_sinks)
{
	struct cell_config cfg = config;
	struct cells *alone;
	int i;

	cfg.max_events = 2;
	alone = cells_new(&cfg, &(struct cell_sinks){ .on_closed = on_closed });
	cells_fold(alone, rec_clock(&b, now, OFFSET, EDR_CLOCK_START), NULL, NULL, no_json);
	for (i = 0; i < 5; i++)
		cells_fold(alone, rec_exit(&b, who(10), 0, 0), NULL, NULL,
			   (struct wire_span){ "{}", 2 });
	cells_close_partial(alone, NULL);
	cells_free(alone);
	ck_assert_uint_eq(cell_totals(cell)->events_unlisted, 4);
	ck_assert_uint_eq(cell_totals(cell)->events_listed, 1);

	alone = cells_new(&cfg, &(struct cell_sinks){ 0 });
	cells_fold(alone, rec_clock(&b, now, OFFSET, EDR_CLOCK_START), NULL, NULL, no_json);
	cells_fold(alone, rec_clock(&b, now + 3600 * S, OFFSET, EDR_CLOCK_TICK), NULL, NULL,
		   no_json);
	cells_fold(alone, rec_exit(&b, who(10), 0, 0), NULL, NULL, (struct wire_span){ "{}", 2 });
	cells_free(alone);
	cells_free(NULL);
	cell_free(NULL);
	cell_events_free(NULL);
}
END_TEST

/* A stream with evictions in every table, as text. */
static void dump_stream(FILE *out)
{
	struct cell_config cfg = config;
	char name[64];
	size_t i, j;
	unsigned n;

	cfg.max_executables = 40;
	cfg.max_command_lines = 50;
	cfg.max_connections = 30;
	begin(&cfg);
	for (n = 0; n < 20000; n++) {
		snprintf(name, sizeof(name), "/bin/%u", n * 7919 % 97);
		exec_as(n % 300 + 10, n % 290 + 10, name, name, strlen(name) + 1);
		fold(rec_connect(&b, who(n % 200 + 10), n % 77, n % 3, n % 2 ? 0 : -ECONNREFUSED));
		fold(rec_exit(&b, who(n % 100 + 10), n % 5, n % 7));
	}
	end();
	fprintf(out, "%zu %zu\n", v.totals->bytes, v.totals->processes.bytes);
	for (i = 0; i < v.n_exes; i++) {
		fprintf(out, "%.*s %llu %llu\n", (int)v.exes[i].name.len, v.exes[i].name.data,
			(unsigned long long)v.exes[i].counts.runs,
			(unsigned long long)v.exes[i].short_by);
		for (j = 0; j < v.exes[i].n_command_lines; j++)
			fprintf(out, " %s %llu\n", v.exes[i].command_lines[j].argv.data,
				(unsigned long long)v.exes[i].command_lines[j].count);
		for (j = 0; j < v.exes[i].parents.n; j++)
			fprintf(out, " %.*s %llu\n", (int)v.exes[i].parents.row[j].name.len,
				v.exes[i].parents.row[j].name.data,
				(unsigned long long)v.exes[i].parents.row[j].count);
		for (j = 0; j < v.exes[i].exit_status.n; j++)
			fprintf(out, " %lld %llu\n", (long long)v.exes[i].exit_status.row[j].number,
				(unsigned long long)v.exes[i].exit_status.row[j].count);
	}
	for (i = 0; i < v.n_connections; i++)
		fprintf(out, "%.*s %.*s %u %llu\n", (int)v.connections[i].exe.len,
			v.connections[i].exe.data, (int)v.connections[i].address.len,
			v.connections[i].address.data, v.connections[i].port,
			(unsigned long long)v.connections[i].connects);
}

/* In processes of their own, each with its own seed of the hash. */
START_TEST(test_same_bytes)
{
	char *text[2] = { NULL, NULL };
	size_t len[2], i;

	teardown(); /* nothing may have drawn the seed in this process */
	for (i = 0; i < 2; i++) {
		FILE *file = tmpfile();
		pid_t child = fork();
		int status;

		if (child == 0) {
			dump_stream(file);
			teardown();
			fclose(file);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		fseek(file, 0, SEEK_END);
		len[i] = (size_t)ftell(file);
		rewind(file);
		text[i] = malloc(len[i] + 1);
		ck_assert_uint_eq(fread(text[i], 1, len[i], file), len[i]);
		fclose(file);
	}
	ck_assert_uint_gt(len[0], 1000);
	ck_assert_uint_eq(len[0], len[1]);
	ck_assert_mem_eq(text[0], text[1], len[0]);
	free(text[0]);
	free(text[1]);
}
END_TEST

/* Without memory counts go to `other`, and nothing breaks. */
START_TEST(test_short_of_memory)
{
	const char *preload = getenv("LD_PRELOAD");
	struct cell_config cfg = config;
	struct rlimit limit;
	edr_u64 sum = 0;
	size_t i;
	unsigned n;
	char name[64];

#ifdef __SANITIZE_ADDRESS__
	return; /* it needs address space for itself */
#endif
	if (preload && strstr(preload, "valgrind"))
		return;
	cfg.max_executables = cfg.max_command_lines = cfg.max_connections = 1000000;
	begin(&cfg);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = 60 << 20;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	for (n = 0; n < 200000; n++) {
		snprintf(name, sizeof(name), "/bin/%u", n);
		exec_as(n % 3000 + 10, 10, name, name, strlen(name) + 1);
		fold_json(rec_connect(&b, who(n % 200 + 10), n, 1, 0));
	}
	cells_close_partial(cells, table);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(cell_view_open(&v, cell), 0);
	for (i = 0; i < v.n_exes; i++)
		sum += v.exes[i].counts.runs;
	ck_assert_uint_gt(v.exes_other_counts.runs, 0); /* else this tested nothing */
	ck_assert_uint_eq(sum + v.exes_other_counts.runs, 200000);
	ck_assert_uint_eq(v.totals->events, 400000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cell");
	TCase *tc = tcase_create("cell");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_runs);
	tcase_add_test(tc, test_failed_runs);
	tcase_add_test(tc, test_process_events);
	tcase_add_test(tc, test_connects);
	tcase_add_test(tc, test_loss);
	tcase_add_test(tc, test_host);
	tcase_add_test(tc, test_long_lines);
	tcase_add_test(tc, test_small_lists);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_flood_of_failures);
	tcase_add_test(tc, test_flood_of_bytes);
	tcase_add_test(tc, test_chunks);
	tcase_add_test(tc, test_parts);
	tcase_add_test(tc, test_parts_refused);
	tcase_add_test(tc, test_covered_from_the_first_event);
	tcase_add_test(tc, test_parts_beyond_the_limit);
	tcase_add_test(tc, test_part_at_once);
	tcase_add_test(tc, test_part_by_age);
	tcase_add_test(tc, test_what_is_listed);
	tcase_add_test(tc, test_json_on_demand);
	tcase_add_test(tc, test_no_sinks);
	tcase_add_test(tc, test_same_bytes);
	tcase_add_test(tc, test_short_of_memory);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
