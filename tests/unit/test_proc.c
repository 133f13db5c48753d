/* SPDX-License-Identifier: MIT */
/* The process table: what records make of it, in order, out of order, and forged. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proc/proc.h"
#include "rec.h"

#define TICK 10000000ull
#define S 1000000000ull

static struct proc_table *t;
static struct buf b;

static void setup(void)
{
	t = proc_table_new(64);
	ck_assert_ptr_nonnull(t);
}

static void teardown(void)
{
	proc_table_free(t);
	buf_free(&b);
}

static struct rec_id id(edr_u32 tgid, edr_u64 start_ns, edr_u64 time_ns)
{
	return (struct rec_id){ tgid, start_ns, time_ns };
}

static struct proc_stats stats(void)
{
	struct proc_stats s;

	proc_table_stats(t, &s);
	return s;
}

static const struct proc_entry *do_exec(edr_u32 tgid, edr_u64 start_ns, edr_u64 time_ns,
					const char *exe)
{
	return proc_apply(t, rec_exec(&b, id(tgid, start_ns, time_ns),
				      (struct rec_exec){ .ppid = 1, .exe = exe, .comm = "c" }));
}

static const struct proc_entry *do_fork(edr_u32 tgid, edr_u64 start_ns, edr_u32 child,
					edr_u64 child_start_ns)
{
	return proc_apply(t,
			  rec_fork(&b, id(tgid, start_ns, child_start_ns), child, child_start_ns));
}

static const struct proc_entry *do_exit(edr_u32 tgid, edr_u64 start_ns, edr_u64 time_ns)
{
	return proc_apply(t, rec_exit(&b, id(tgid, start_ns, time_ns), 0, 0));
}

#define ck_span(span, text)                                                                 \
	do {                                                                                \
		const struct wire_span _s = (span);                                         \
		ck_assert_msg(_s.len == strlen(text) && memcmp(_s.data, text, _s.len) == 0, \
			      "\"%.*s\" is not \"%s\"", (int)_s.len, _s.data, text);        \
	} while (0)

START_TEST(test_life)
{
	const struct proc_entry *e, *child;
	struct proc_stats st;

	proc_apply(t, rec_cgroup(&b, 1, 77, "/lxc.payload.web/init.scope"));
	e = proc_apply(t, rec_exec(&b, id(100, 5 * S + 1, 6 * S),
				   (struct rec_exec){ .ppid = 1,
						      .parent_start_ns = 17,
						      .cgroup_id = 77,
						      .uid = 1000,
						      .exe = "/usr/bin/bash",
						      .filename = "/bin/bash",
						      .comm = "bash",
						      .args = "bash\0-c\0a b",
						      .args_len = 12 }));
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->tgid, 100);
	ck_assert_uint_eq(e->start_ns, 5 * S + 1);
	ck_assert_uint_eq(e->exec_ns, 6 * S);
	ck_assert_uint_eq(e->uid, 1000);
	ck_assert_str_eq(e->exe, "/usr/bin/bash");
	ck_assert_str_eq(e->filename, "/bin/bash");
	ck_assert_str_eq(e->cmdline, "bash -c a b");
	ck_assert_str_eq(e->cgroup, "/lxc.payload.web/init.scope");
	ck_assert_str_eq(e->container, "web");
	ck_span(proc_command(e), "bash");

	ck_assert_ptr_eq(do_fork(100, 5 * S + 1, 101, 7 * S + 1), e);
	child = proc_lookup(t, 101, 7 * S + 1);
	ck_assert_ptr_nonnull(child);
	ck_assert_str_eq(child->exe, "/usr/bin/bash");
	ck_assert_str_eq(child->cmdline, "bash -c a b");
	ck_assert_str_eq(child->container, "web");
	ck_assert_str_eq(child->comm, "parent");
	ck_assert_uint_eq(child->cgroup_id, 77);
	ck_assert_uint_eq(child->exec_ns, 0);
	ck_assert_ptr_eq(proc_parent(t, child), e);
	/* Shared, not copied. */
	ck_assert_ptr_eq(child->exe, e->exe);
	ck_assert_ptr_eq(child->cmdline, e->cmdline);

	ck_assert_ptr_eq(do_exit(101, 7 * S + 1, 8 * S), child);
	ck_assert(child->exited);
	ck_assert_ptr_eq(proc_lookup(t, 101, 7 * S + 1), child);
	ck_assert_ptr_eq(proc_lookup_tgid(t, 101), child);
	st = stats();
	ck_assert_uint_eq(st.entries, 2);
	ck_assert_uint_eq(st.alive, 1);
	ck_assert_uint_eq(st.unknown, 1); /* the first exec: nobody had told of its process */
	ck_assert_uint_eq(st.healed, 0);
}
END_TEST

START_TEST(test_exec_replaces)
{
	const struct proc_entry *e;
	const struct edr_hdr *rec;
	struct edr_exec *by_thread;

	do_exec(100, 5 * S + 1, 6 * S, "/bin/sh");
	/* By a thread: the kernel gives it the leader's pid and start, and so does the record. */
	rec = rec_exec(&b, id(100, 5 * S + 1, 7 * S),
		       (struct rec_exec){ .exe = "/usr/bin/id", .comm = "id", .ppid = 2 });
	by_thread = (struct edr_exec *)(void *)b.data;
	by_thread->exec_flags = EDR_EXEC_BY_THREAD;
	by_thread->exec_tid = 104;
	e = proc_apply(t, rec);
	ck_assert_uint_eq(stats().entries, 1);
	ck_assert_str_eq(e->exe, "/usr/bin/id");
	ck_assert_uint_eq(e->exec_flags, EDR_EXEC_BY_THREAD);
	ck_assert_uint_eq(e->ppid, 2);
	/* An exec that happened before the last one and comes after it. */
	e = do_exec(100, 5 * S + 1, 6 * S + 5, "/bin/older");
	ck_assert_str_eq(e->exe, "/usr/bin/id");
	ck_assert_uint_eq(e->exec_ns, 7 * S);
	ck_assert_str_eq(e->before.exe, "/bin/sh");
}
END_TEST

START_TEST(test_cmdline)
{
	static char big[EDR_ARGV_MAX];
	const struct proc_entry *e;
	const struct {
		const char *args;
		size_t len;
		const char *line;
	} cases[] = {
		{ "", 0, "" },	       { "\0", 1, "" },		{ "a", 1, "a" },
		{ "a\0", 2, "a" },     { "a\0\0", 3, "a " },	{ "a\0b", 3, "a b" },
		{ "\0\0\0", 3, "  " }, { "a\nb\0", 4, "a\nb" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e = proc_apply(t, rec_exec(&b, id(100, 1 + i, 6 * S),
					   (struct rec_exec){ .exe = "/x",
							      .args = cases[i].args,
							      .args_len = cases[i].len }));
		ck_assert_str_eq(e->cmdline, cases[i].line);
	}
	memset(big, 'x', sizeof(big));
	e = proc_apply(t, rec_exec(&b, id(100, S, 6 * S),
				   (struct rec_exec){
					   .exe = "/x", .args = big, .args_len = sizeof(big) }));
	ck_assert_uint_eq(strlen(e->cmdline), PROC_CMDLINE_MAX);
}
END_TEST

START_TEST(test_command)
{
	const struct {
		const char *filename, *comm, *command;
	} cases[] = {
		{ "/usr/bin/ls", "x", "ls" }, { "ls", "x", "ls" },	{ "./a b", "x", "a b" },
		{ "", "comm", "comm" },	      { "a/", "comm", "comm" }, { "", "", "" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_span(proc_command(proc_apply(
				t, rec_exec(&b, id(100, 1 + i, S),
					    (struct rec_exec){ .exe = "/e",
							       .filename = cases[i].filename,
							       .comm = cases[i].comm }))),
			cases[i].command);
}
END_TEST

START_TEST(test_coarse_start)
{
	const struct proc_entry *e, *child;

	e = proc_apply(t, rec_process(&b, id(100, 50 * TICK, S), "/usr/bin/daemon",
				      "/system.slice/d", false));
	ck_assert(e->coarse_start);
	ck_assert_str_eq(e->exe, "/usr/bin/daemon");
	ck_assert_str_eq(e->comm, "scanned");
	/* Not in its tick: somebody else. */
	ck_assert_ptr_null(proc_lookup(t, 100, 51 * TICK));
	ck_assert_ptr_null(proc_lookup(t, 100, 50 * TICK - 1));
	ck_assert_ptr_eq(proc_lookup(t, 100, 51 * TICK - 1), e);
	/* The first event gives the exact time, and what was known stays. */
	ck_assert_ptr_eq(do_fork(100, 50 * TICK + 1234, 101, S + 5), e);
	ck_assert(!e->coarse_start);
	ck_assert_uint_eq(e->start_ns, 50 * TICK + 1234);
	ck_assert_ptr_null(proc_lookup(t, 100, 50 * TICK + 1235));
	child = proc_lookup(t, 101, S + 5);
	ck_assert_str_eq(child->exe, "/usr/bin/daemon");
	ck_assert_str_eq(child->cgroup, "/system.slice/d");
	ck_assert_uint_eq(stats().unknown, 0);
	/* The scan sees it too, later: the same one. */
	ck_assert_ptr_eq(
		proc_apply(t, rec_process(&b, id(100, 50 * TICK, 2 * S), "/other", "/c", false)),
		e);
	ck_assert_str_eq(e->exe, "/usr/bin/daemon");
	ck_assert_uint_eq(stats().entries, 2);
}
END_TEST

START_TEST(test_scan_before_fork)
{
	const struct proc_entry *e;

	/* A child is found in /proc; then its fork is read from the ring. */
	proc_apply(t, rec_process(&b, id(101, 50 * TICK, S), "/usr/bin/daemon", "/c", false));
	do_fork(100, 40 * TICK + 7, 101, 50 * TICK + 99);
	ck_assert_uint_eq(stats().entries, 2);
	e = proc_lookup(t, 101, 50 * TICK + 99);
	ck_assert_ptr_nonnull(e);
	ck_assert(!e->coarse_start);
	ck_assert_uint_eq(e->ppid, 100);
	ck_assert_uint_eq(e->parent_start_ns, 40 * TICK + 7);
	ck_assert_str_eq(e->exe, "/usr/bin/daemon");
}
END_TEST

START_TEST(test_parent_by_pid)
{
	const struct proc_entry *child, *old;

	/* /proc tells only the parent's pid: it is the newest that was there before the child. */
	old = do_exec(1, 10 * S + 1, 10 * S + 2, "/old");
	child = proc_apply(t, rec_process(&b, id(100, 20 * S, 21 * S), "/x", "/c", false));
	ck_assert_uint_eq(child->ppid, 1);
	ck_assert_ptr_eq(proc_parent(t, child), old);
	do_exit(1, 10 * S + 1, 22 * S);
	do_exec(1, 30 * S + 1, 31 * S, "/new");
	ck_assert_ptr_eq(proc_parent(t, child), old);
}
END_TEST

START_TEST(test_out_of_order)
{
	const struct proc_entry *e, *child;

	do_exec(100, S + 1, 2 * S, "/bin/sh");
	/* The child's exec, then its end, then its fork. */
	do_exec(101, 3 * S + 1, 4 * S, "/bin/true");
	do_exit(101, 3 * S + 1, 5 * S);
	do_fork(100, S + 1, 101, 3 * S + 1);
	child = proc_lookup(t, 101, 3 * S + 1);
	ck_assert_str_eq(child->exe, "/bin/true");
	ck_assert(child->exited);
	ck_assert_uint_eq(stats().entries, 2);
	/* End before exec, end twice. */
	do_exit(102, 6 * S + 1, 8 * S);
	do_exit(102, 6 * S + 1, 8 * S);
	e = do_exec(102, 6 * S + 1, 7 * S, "/bin/date");
	ck_assert(e->exited);
	ck_assert_str_eq(e->exe, "/bin/date");
	/* A child that did something before its fork was told, without an exec: inherits. */
	proc_apply(t, rec_connect(&b, id(103, 9 * S + 1, 9 * S + 5), 0x7f000001, 80, 0));
	do_fork(100, S + 1, 103, 9 * S + 1);
	child = proc_lookup(t, 103, 9 * S + 1);
	ck_assert_str_eq(child->exe, "/bin/sh");
	ck_assert_uint_eq(child->ppid, 100);
	ck_assert_uint_eq(stats().healed, 0);
	/* An exec after the end: the end was wrong. */
	e = do_exec(102, 6 * S + 1, 10 * S, "/bin/again");
	ck_assert(!e->exited);
	ck_assert_uint_eq(stats().entries, 4);
}
END_TEST

START_TEST(test_pid_reuse)
{
	const struct proc_entry *old, *young, *older;

	old = do_exec(100, 10 * S + 1, 11 * S, "/old");
	young = do_exec(100, 20 * S + 1, 21 * S, "/new");
	ck_assert_ptr_ne(old, young);
	ck_assert(old->exited);
	ck_assert(!young->exited);
	ck_assert_uint_eq(stats().healed, 1);
	ck_assert_ptr_eq(proc_lookup_tgid(t, 100), young);
	ck_assert_ptr_eq(proc_lookup(t, 100, 10 * S + 1), old);
	/* One that lived before both, told late. */
	older = do_exec(100, 5 * S + 1, 6 * S, "/older");
	ck_assert(older->exited);
	ck_assert_ptr_eq(proc_lookup_tgid(t, 100), young);
	ck_assert_ptr_eq(proc_lookup(t, 100, 10 * S + 1), old);
	ck_assert_ptr_eq(proc_lookup(t, 100, 20 * S + 1), young);
	/* The exit was late, not lost. */
	do_exit(100, 10 * S + 1, 19 * S);
	ck_assert_uint_eq(stats().healed, 0);
	do_exit(100, 10 * S + 1, 19 * S);
	ck_assert_uint_eq(stats().healed, 0);
	ck_assert_uint_eq(stats().alive, 1);
}
END_TEST

START_TEST(test_gone)
{
	const struct proc_entry *e = do_exec(100, 10 * S + 1, 11 * S, "/x");

	ck_assert_ptr_eq(
		proc_apply(t, rec_process(&b, id(100, 10 * S + 1, 12 * S), "/x", "", true)), e);
	ck_assert(e->exited);
	ck_assert_uint_eq(stats().healed, 1);
	proc_apply(t, rec_process(&b, id(100, 10 * S + 1, 13 * S), "/x", "", true));
	ck_assert_uint_eq(stats().healed, 1);
	/* Of nobody we know. */
	ck_assert_ptr_null(
		proc_apply(t, rec_process(&b, id(200, 10 * S + 1, 12 * S), "/x", "", true)));
	ck_assert_uint_eq(stats().entries, 1);
	/* It lives after all. */
	e = do_fork(100, 10 * S + 1, 101, 14 * S);
	ck_assert(!e->exited);
	ck_assert_uint_eq(stats().healed, 0);
}
END_TEST

START_TEST(test_clone_parent)
{
	const struct proc_entry *sister;
	struct edr_fork *f;

	do_exec(50, S + 1, S + 2, "/mother");
	do_fork(50, S + 1, 100, 2 * S + 1);
	rec_fork(&b, id(100, 2 * S + 1, 3 * S), 101, 3 * S + 1);
	f = (struct edr_fork *)(void *)b.data;
	f->child_ppid = 50;
	proc_apply(t, &f->hdr);
	sister = proc_lookup(t, 101, 3 * S + 1);
	ck_assert_uint_eq(sister->ppid, 50);
	ck_assert_uint_eq(sister->parent_start_ns, S + 1);
	ck_assert_str_eq(proc_parent(t, sister)->exe, "/mother");
}
END_TEST

START_TEST(test_nobody)
{
	static const unsigned char none[sizeof(struct edr_hdr)];

	ck_assert_ptr_null(do_exec(0, 0, S, "/swapper"));
	ck_assert_ptr_null(proc_apply(t, rec_host(&b, S, "h")));
	ck_assert_ptr_null(proc_apply(t, rec_loss(&b, S, EDR_EXEC, 1, 0)));
	ck_assert_ptr_null(proc_apply(t, rec_cgroup(&b, S, 1, "/x")));
	ck_assert_ptr_null(proc_apply(t, (const struct edr_hdr *)(const void *)none));
	ck_assert_ptr_null(proc_lookup(t, 1, 1));
	ck_assert_ptr_null(proc_lookup_tgid(t, 1));
	ck_assert_uint_eq(stats().entries, 0);
	/* Its own child, its own parent. */
	do_fork(100, S, 100, S);
	ck_assert_uint_eq(stats().entries, 1);
	proc_table_free(NULL);
}
END_TEST

/* A source that does not know start times. */
START_TEST(test_unknown_start)
{
	const struct proc_entry *e = do_exec(100, S + 1, 2 * S, "/x");

	ck_assert_ptr_eq(proc_apply(t, rec_connect(&b, id(100, 0, 3 * S), 1, 1, 0)), e);
	rec_fork(&b, id(100, 0, 4 * S), 101, 0);
	proc_apply(t, (const struct edr_hdr *)(void *)b.data);
	e = proc_lookup_tgid(t, 101);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->start_ns, 4 * S);
	ck_assert_ptr_eq(do_exit(101, 0, 5 * S), e);
	ck_assert(e->exited);
}
END_TEST

START_TEST(test_cgroup_late)
{
	const struct proc_entry *e;

	e = proc_apply(t, rec_exec(&b, id(100, S, 2 * S),
				   (struct rec_exec){ .exe = "/x", .cgroup_id = 5 }));
	ck_assert_str_eq(e->cgroup, "");
	proc_apply(t, rec_cgroup(&b, 3 * S, 5, "/docker/x"));
	e = proc_apply(t, rec_connect(&b, id(100, S, 4 * S), 1, 1, 0));
	ck_assert_str_eq(e->cgroup, "/docker/x");
	/* Renamed, as a kernel without 64-bit ids may do: counts for those who come. */
	proc_apply(t, rec_cgroup(&b, 3 * S, 5, "/lxc/c1"));
	e = proc_apply(t, rec_exec(&b, id(101, S, 2 * S),
				   (struct rec_exec){ .exe = "/x", .cgroup_id = 5 }));
	ck_assert_str_eq(e->container, "c1");
	/* Moved to where we know nothing of: better nothing than the old place. */
	e = proc_apply(t, rec_exec(&b, id(101, S, 3 * S),
				   (struct rec_exec){ .exe = "/x", .cgroup_id = 6 }));
	ck_assert_str_eq(e->cgroup, "");
	ck_assert_str_eq(e->container, "");
}
END_TEST

START_TEST(test_eviction_order)
{
	edr_u32 i;

	for (i = 1; i <= 64; i++)
		do_exec(i, i * S, i * S + 1, "/x");
	ck_assert_uint_eq(stats().entries, 64);
	/* 30 ended before 20: it goes first, then 20, then the oldest of the living. */
	do_exit(30, 30 * S, 100 * S);
	do_exit(20, 20 * S, 101 * S);
	do_exec(65, 65 * S, 66 * S, "/x");
	ck_assert_ptr_null(proc_lookup_tgid(t, 30));
	ck_assert_ptr_nonnull(proc_lookup_tgid(t, 20));
	do_exec(66, 66 * S, 67 * S, "/x");
	ck_assert_ptr_null(proc_lookup_tgid(t, 20));
	ck_assert_ptr_nonnull(proc_lookup_tgid(t, 1));
	do_exec(67, 67 * S, 68 * S, "/x");
	ck_assert_ptr_null(proc_lookup_tgid(t, 1));
	ck_assert_uint_eq(stats().evicted_exited, 2);
	ck_assert_uint_eq(stats().evicted_alive, 1);
	/* The parent of a fork never gives way to its child. */
	do_fork(2, 2 * S, 68, 68 * S);
	ck_assert_ptr_nonnull(proc_lookup_tgid(t, 2));
	ck_assert_ptr_nonnull(proc_lookup_tgid(t, 68));
	ck_assert_ptr_null(proc_lookup_tgid(t, 3));
	ck_assert_uint_eq(stats().entries, 64);
}
END_TEST

START_TEST(test_same_tgid)
{
	edr_u64 i;

	/* More lives of one pid than a pid can have: a few are kept, the newest among them. */
	for (i = 1; i <= 1000; i++)
		do_exec(100, i * S, i * S + 1, "/x");
	ck_assert_uint_le(stats().entries, 8);
	ck_assert_uint_eq(proc_lookup_tgid(t, 100)->start_ns, 1000 * S);
	/* And backwards. */
	for (i = 1000; i > 0; i--)
		do_exec(101, i * S, i * S + 1, "/x");
	ck_assert_uint_le(stats().entries, 16);
	ck_assert_uint_eq(proc_lookup_tgid(t, 101)->start_ns, 1000 * S);
	ck_assert(!proc_lookup_tgid(t, 101)->exited);
}
END_TEST

START_TEST(test_memory_bound)
{
	static char path[EDR_PATH_MAX + 1], args[EDR_ARGV_MAX];
	size_t most = 0;
	edr_u32 i;

	proc_table_free(t);
	t = proc_table_new(2048);
	memset(path, 'p', EDR_PATH_MAX);
	memset(args, 'a', sizeof(args));
	for (i = 1; i <= 5000; i++) {
		path[0] = args[0] = (char)('a' + i % 20);
		path[1] = args[1] = (char)('a' + i / 20 % 20);
		path[2] = args[2] = (char)('a' + i / 400 % 20);
		proc_apply(t, rec_cgroup(&b, i, i, path));
		proc_apply(t, rec_exec(&b, id(i, i * S, i * S + 1),
				       (struct rec_exec){ .exe = path,
							  .filename = path + 1,
							  .cgroup_id = i,
							  .args = args,
							  .args_len = sizeof(args) }));
		if (stats().bytes > most)
			most = stats().bytes;
	}
	/* 2 MiB of strings at most, less than 1 KiB each besides. */
	ck_assert_uint_lt(most, 2048 * 2048);
	ck_assert_ptr_nonnull(proc_lookup_tgid(t, 5000));
}
END_TEST

static edr_u64 next_random(edr_u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Records that contradict each other. Gives what the table says at the end. */
static struct proc_stats apply_random(struct proc_table *table, edr_u64 seed, int n)
{
	static const char *const names[] = { "/bin/a", "/bin/b", "", "/usr/lib/c d", "/x\ny" };
	const struct proc_entry *e;
	struct proc_stats s;
	edr_u64 r;
	int i;

	for (i = 0; i < n; i++) {
		struct rec_id who;
		const struct edr_hdr *rec;

		r = next_random(&seed);
		who = id(r % 40, r / 40 % 6 * TICK + r / 240 % 3, r / 720 % 1000 * TICK);
		switch (r / 1000000 % 8) {
		case 0:
			rec = rec_fork(&b, who, r / 11 % 40, r / 13 % 6 * TICK + r / 17 % 3);
			break;
		case 1:
		case 2:
			rec = rec_exit(&b, who, 0, SIGKILL);
			break;
		case 3:
			rec = rec_process(&b, who, names[r / 7 % 5], names[r / 19 % 5], r / 23 % 2);
			break;
		case 4:
			rec = rec_cgroup(&b, who.time_ns, r / 7 % 5, names[r / 19 % 5]);
			break;
		case 5:
			rec = rec_connect_result(&b, who, 1, 2, 0);
			break;
		default:
			rec = rec_exec(&b, who,
				       (struct rec_exec){ .exe = names[r / 7 % 5],
							  .cgroup_id = r / 29 % 5,
							  .ppid = r / 31 % 40,
							  .parent_start_ns = r / 37 % 6 * TICK });
		}
		e = proc_apply(table, rec);
		if (e) {
			ck_assert_uint_eq(e->tgid, rec->tgid);
			ck_assert_ptr_eq(proc_lookup(table, e->tgid, e->start_ns), e);
			proc_parent(table, e);
			ck_assert(strlen(e->exe) < 20 && strlen(e->cgroup) < 20);
		}
		proc_table_stats(table, &s);
		ck_assert_uint_le(s.entries, 32);
		ck_assert_uint_le(s.alive, s.entries);
		ck_assert_uint_le(s.healed, (edr_u64)i + 1);
	}
	return s;
}

START_TEST(test_contradictions)
{
	struct proc_table *one = proc_table_new(32), *two = proc_table_new(32);
	struct proc_stats a = apply_random(one, 88172645463325252ull + (edr_u64)_i, 20000);
	struct proc_stats c = apply_random(two, 88172645463325252ull + (edr_u64)_i, 20000);

	/* The same records, the same table: replay depends on it. */
	ck_assert_mem_eq(&a, &c, sizeof(a));
	proc_table_free(one);
	proc_table_free(two);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("proc");
	TCase *tc = tcase_create("table");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_life);
	tcase_add_test(tc, test_exec_replaces);
	tcase_add_test(tc, test_cmdline);
	tcase_add_test(tc, test_command);
	tcase_add_test(tc, test_coarse_start);
	tcase_add_test(tc, test_scan_before_fork);
	tcase_add_test(tc, test_parent_by_pid);
	tcase_add_test(tc, test_out_of_order);
	tcase_add_test(tc, test_pid_reuse);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_clone_parent);
	tcase_add_test(tc, test_nobody);
	tcase_add_test(tc, test_unknown_start);
	tcase_add_test(tc, test_cgroup_late);
	tcase_add_test(tc, test_eviction_order);
	tcase_add_test(tc, test_same_tgid);
	tcase_add_test(tc, test_memory_bound);
	tcase_add_loop_test(tc, test_contradictions, 0, 8);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
