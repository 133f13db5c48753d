/* SPDX-License-Identifier: MIT */
/* What a host does when it is itself: learning, marks, bounds, the file. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "detect/baseline.h"
#include "proc/proc.h"
#include "rec.h"
#include "suite.h"

#define S 1000000000LL
#define HOUR (3600 * S)
#define DAY (24 * HOUR)
#define MONDAY (20000 * DAY) /* midnight, of any day */
#define WINDOW_MIN 15

static struct baseline *make(unsigned learning_days, size_t entries)
{
	const struct baseline_config cfg = { .learning_days = learning_days,
					     .window_min = WINDOW_MIN,
					     .max_entries = entries };
	struct baseline *b = baseline_new(&cfg);

	ck_assert_ptr_nonnull(b);
	return b;
}

static struct baseline_key exe_key(const char *path)
{
	return (struct baseline_key){ .kind = BASELINE_EXE,
				      .a = { path, strlen(path) },
				      .b = { "", 0 } };
}

static struct baseline_seen note(struct baseline *b, const char *path, edr_s64 t)
{
	const struct baseline_key key = exe_key(path);

	return baseline_note(b, &key, t);
}

static struct baseline_seen look(const struct baseline *b, const char *path, edr_s64 t)
{
	const struct baseline_key key = exe_key(path);

	return baseline_look(b, &key, t);
}

/* ---- entries ---- */

START_TEST(test_seen)
{
	struct baseline *b = make(2, 64);
	struct baseline_seen s = note(b, "/bin/a", MONDAY + 3 * HOUR);

	ck_assert(!s.known && s.learning);
	s = note(b, "/bin/a", MONDAY + 4 * HOUR);
	ck_assert(s.known && !s.here && s.hour && s.days == 1 && s.times == 1);
	/* The first of two in one window. */
	note(b, "/bin/w", MONDAY + 4 * HOUR);
	ck_assert(look(b, "/bin/w", MONDAY + 4 * HOUR + (WINDOW_MIN * 60 - 1) * S).here);
	ck_assert(!look(b, "/bin/w", MONDAY + 4 * HOUR + WINDOW_MIN * 60 * S).here);
	/* An hour beside one that was seen, and one that is not; midnight has neighbours too. */
	ck_assert(look(b, "/bin/a", MONDAY + 2 * HOUR).hour);
	ck_assert(look(b, "/bin/a", MONDAY + 5 * HOUR).hour);
	ck_assert(!look(b, "/bin/a", MONDAY + 6 * HOUR).hour);
	ck_assert(!look(b, "/bin/a", MONDAY + 1 * HOUR).hour);
	note(b, "/bin/n", MONDAY + 23 * HOUR);
	ck_assert(look(b, "/bin/n", MONDAY + DAY).hour);
	/* Days are counted once, and a late event of yesterday is none. */
	s = note(b, "/bin/a", MONDAY + DAY);
	ck_assert_uint_eq(s.days, 1);
	note(b, "/bin/a", MONDAY + DAY - 1);
	s = note(b, "/bin/a", MONDAY + DAY + 5);
	ck_assert_uint_eq(s.days, 2);
	ck_assert_int_eq(s.first_day, 20000);
	ck_assert_int_eq(s.last_day, 20001);
	ck_assert_uint_eq(s.times, 4);
	/* Nothing is known before 1970, nor without a baseline. */
	ck_assert(!note(b, "/bin/b", -1).known);
	ck_assert(!note(b, "/bin/b", MONDAY + DAY).known);
	ck_assert(note(NULL, "/bin/a", MONDAY).learning);
	baseline_free(b);
}
END_TEST

/* Kinds, both names and the number tell things apart. */
START_TEST(test_keys)
{
	static const struct baseline_key keys[] = {
		{ BASELINE_PAIR, { "ab", 2 }, { "c", 1 }, 0 },
		{ BASELINE_PAIR, { "a", 1 }, { "bc", 2 }, 0 },
		{ BASELINE_PAIR, { "", 0 }, { "abc", 3 }, 0 },
		{ BASELINE_EXE, { "ab", 2 }, { "c", 1 }, 0 },
		{ BASELINE_USER, { "ab", 2 }, { "c", 1 }, 0 },
		{ BASELINE_USER, { "ab", 2 }, { "c", 1 }, 1 },
	};
	struct baseline *b = make(0, 64);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_msg(!baseline_note(b, &keys[i], MONDAY).known, "%zu", i);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_msg(baseline_note(b, &keys[i], MONDAY).known, "%zu", i);
	baseline_free(b);
}
END_TEST

/* Days with events count; those between do not. */
START_TEST(test_learning)
{
	struct baseline *b = make(3, 64);
	struct baseline_state state;

	for (unsigned day = 0; day < 3; day++)
		ck_assert(note(b, "/bin/a", MONDAY + day * 5 * DAY).learning);
	ck_assert(look(b, "/bin/new", MONDAY + 11 * DAY).learning);
	ck_assert(!note(b, "/bin/new", MONDAY + 15 * DAY).learning);
	baseline_state(b, MONDAY, MONDAY + DAY, &state);
	ck_assert(!state.learning);
	ck_assert_uint_eq(state.days, 4);
	ck_assert_uint_eq(state.entries, 2);
	baseline_free(b);
	b = make(0, 64);
	for (unsigned day = 0; day < 400; day++)
		ck_assert(note(b, "/bin/a", MONDAY + day * DAY).learning);
	baseline_free(b);
}
END_TEST

/* A million made-up names push out one another, and nothing that is seen each day. */
START_TEST(test_flood)
{
	struct baseline *b = make(3, 4096);
	struct baseline_state state;
	char path[64];
	unsigned lost = 0;

	for (unsigned day = 0; day < 5; day++)
		for (unsigned i = 0; i < 1000; i++) {
			snprintf(path, sizeof(path), "/usr/bin/usual-%u", i);
			note(b, path, MONDAY + day * DAY);
		}
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(path, sizeof(path), "/tmp/x/%u", i);
		note(b, path, MONDAY + 5 * DAY + i);
	}
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/usr/bin/usual-%u", i);
		lost += !look(b, path, MONDAY + 5 * DAY).known;
	}
	baseline_state(b, MONDAY, MONDAY, &state);
	printf("flood: %zu of %zu entries, %llu evicted, %u of 1000 usual ones lost\n",
	       state.entries, state.max_entries, state.evicted, lost);
	ck_assert_uint_le(lost, 2); /* where a bucket of eight has nine of them */
	ck_assert_uint_eq(state.entries, 4096);
	ck_assert_uint_ge(state.evicted, 1001000 - 4096);
	baseline_free(b);
}
END_TEST

/* ---- how much is usual ---- */

static edr_u64 usual(const struct baseline *b, edr_s64 from, edr_s64 to)
{
	struct baseline_state state;

	baseline_state(b, from, to, &state);
	return state.usual_execs;
}

START_TEST(test_usual)
{
	struct baseline *b = make(7, 64);

	for (unsigned day = 0; day < 5; day++) {
		if (day == 3)
			ck_assert_uint_eq(
				usual(b, MONDAY + 3 * DAY + 9 * HOUR, MONDAY + 3 * DAY + 10 * HOUR),
				400);
		if (day == 2)
			ck_assert_uint_eq(
				usual(b, MONDAY + 2 * DAY + 9 * HOUR, MONDAY + 2 * DAY + 10 * HOUR),
				0);
		baseline_count_execs(b, MONDAY + day * DAY + 9 * HOUR + 5, (day % 3) * 400);
		baseline_count_execs(b, MONDAY + day * DAY + 10 * HOUR, 40);
	}
	/* 0 400 800 0 400 at nine, 40 at ten; a day that is not over is not among them. */
	ck_assert_uint_eq(usual(b, MONDAY + 5 * DAY + 9 * HOUR, MONDAY + 5 * DAY + 10 * HOUR), 400);
	ck_assert_uint_eq(
		usual(b, MONDAY + 5 * DAY + 9 * HOUR, MONDAY + 5 * DAY + 9 * HOUR + 900 * S), 100);
	ck_assert_uint_eq(usual(b, MONDAY + 5 * DAY + 9 * HOUR + 1800 * S,
				MONDAY + 5 * DAY + 10 * HOUR + 1800 * S),
			  220);
	ck_assert_uint_eq(usual(b, MONDAY + 5 * DAY + 11 * HOUR, MONDAY + 5 * DAY + 12 * HOUR), 0);
	/* Two weeks later it is forgotten. */
	ck_assert_uint_eq(usual(b, MONDAY + 30 * DAY + 9 * HOUR, MONDAY + 30 * DAY + 10 * HOUR), 0);
	baseline_free(b);
}
END_TEST

/* ---- marks ---- */

static const struct baseline_key a_pair = {
	BASELINE_PAIR, { "/sbin/init", 10 }, { "/bin/a", 6 }, 0
};

struct host {
	struct baseline *b;
	struct proc_table *table;
	struct buf rec;
	edr_u32 pid;
};

static void host_open(struct host *h, unsigned learning_days)
{
	h->b = make(learning_days, 1024);
	h->table = proc_table_new(256);
	h->rec = (struct buf){ 0 };
	h->pid = 100;
	ck_assert_ptr_nonnull(h->table);
	proc_apply(h->table,
		   rec_process(&h->rec, (struct rec_id){ 1, 1, 1 }, "/sbin/init", "", false));
	proc_apply(h->table,
		   rec_process(&h->rec, (struct rec_id){ 2, 2, 2 }, "/sbin/sshd", "", false));
}

static void host_close(struct host *h)
{
	baseline_free(h->b);
	proc_table_free(h->table);
	buf_free(&h->rec);
}

/* Boot time is Unix time less a second. */
static struct baseline_found run(struct host *h, edr_s64 t, const char *exe, edr_u32 uid,
				 edr_u32 parent)
{
	const struct rec_id id = { h->pid, (edr_u64)t - h->pid, (edr_u64)(t - S) };
	const struct rec_exec e = {
		.exe = exe, .uid = uid, .ppid = parent, .parent_start_ns = parent, .comm = "x"
	};
	const struct edr_hdr *r = rec_exec(&h->rec, id, e);
	struct baseline_found found;

	h->pid++;
	baseline_record(h->b, r, proc_apply(h->table, r), h->table, S, &found);
	return found;
}

START_TEST(test_exec_marks)
{
	struct host h;
	edr_s64 t = MONDAY + 9 * HOUR;

	host_open(&h, 7);
	for (unsigned day = 0; day < 7; day++, t += DAY)
		ck_assert_uint_eq(run(&h, t, "/bin/a", 0, 1).marks, 0);
	ck_assert(baseline_look(h.b, &a_pair, t).known);
	ck_assert_uint_eq(run(&h, t, "/bin/a", 0, 1).marks, 0);
	ck_assert_uint_eq(run(&h, t, "/bin/b", 0, 1).marks, BASELINE_NEW);
	ck_assert_uint_eq(run(&h, t + 1, "/bin/b", 0, 1).marks, BASELINE_NEW); /* this window */
	ck_assert_uint_eq(run(&h, t + HOUR, "/bin/b", 0, 1).marks, BASELINE_RARE);
	ck_assert_uint_eq(run(&h, t, "/bin/a", 0, 2).marks, BASELINE_NEW_PARENT);
	ck_assert_uint_eq(run(&h, t, "/bin/a", 33, 1).marks, BASELINE_NEW_USER);
	ck_assert_uint_eq(run(&h, t + HOUR, "/bin/a", 33, 1).marks, 0);
	ck_assert_uint_eq(run(&h, t + 2 * HOUR, "/bin/a", 0, 1).marks, 0);
	ck_assert_uint_eq(run(&h, t + 5 * HOUR, "/bin/a", 0, 1).marks, BASELINE_ODD_HOUR);
	ck_assert_uint_eq(run(&h, t + 5 * HOUR, "/bin/a", 0, 1).marks, 0);
	/* On its fourth day it is rare no more. */
	ck_assert_uint_eq(run(&h, t + DAY, "/bin/b", 0, 1).marks, BASELINE_RARE);
	ck_assert_uint_eq(run(&h, t + 2 * DAY, "/bin/b", 0, 1).marks, BASELINE_RARE);
	ck_assert_uint_eq(run(&h, t + 3 * DAY, "/bin/b", 0, 1).marks, 0);
	host_close(&h);
}
END_TEST

static struct baseline_found speak(struct host *h, edr_s64 t, const char *ip, unsigned port)
{
	const struct rec_id id = { 2, 2, (edr_u64)(t - S) };
	const struct edr_hdr *r = rec_connect(&h->rec, id, ntohl(inet_addr(ip)), port, 0);
	struct baseline_found found;

	baseline_record(h->b, r, proc_apply(h->table, r), h->table, S, &found);
	return found;
}

START_TEST(test_connect_marks)
{
	struct baseline_found f;
	struct host h;
	edr_s64 t = MONDAY;

	host_open(&h, 7);
	for (unsigned day = 0; day < 7; day++, t += DAY) {
		ck_assert_uint_eq(speak(&h, t, "192.0.2.7", 443).marks, 0);
		speak(&h, t, "127.0.0.1", 40000 + day);
	}
	f = speak(&h, t, "192.0.2.200", 443); /* its neighbour in the /24 */
	ck_assert_uint_eq(f.marks, 0);
	ck_assert(f.beyond && f.connects.known);
	ck_assert_uint_eq(speak(&h, t, "192.0.3.7", 443).marks, BASELINE_NEW);
	ck_assert_uint_eq(speak(&h, t, "192.0.2.7", 80).marks, BASELINE_NEW);
	f = speak(&h, t, "127.0.0.1", 60000); /* one of those that the kernel gives out */
	ck_assert_uint_eq(f.marks, 0);
	ck_assert(!f.beyond);
	ck_assert_uint_eq(speak(&h, t, "127.0.0.1", 25).marks, BASELINE_NEW);
	host_close(&h);
}
END_TEST

START_TEST(test_mapped_addresses)
{
	struct wire_addr four = { .family = AF_INET, .port = 25, .text = "192.0.2.7" },
			 six = { .family = AF_INET6, .port = 25, .text = "::ffff:192.0.2.9" },
			 other = { .family = AF_INET6, .port = 25, .text = "2001:db8:1::1" },
			 near = { .family = AF_INET6, .port = 25, .text = "2001:db8:1:2::1" },
			 far = { .family = AF_INET6, .port = 25, .text = "2001:db8:2::1" };
	const struct wire_addr *const all[] = { &four, &six, &other, &near, &far };
	char network[5][BASELINE_NETWORK];
	struct baseline_key key[5];
	struct baseline *b = make(1, 64);
	bool known[5];

	for (size_t i = 0; i < 5; i++) {
		ck_assert(baseline_destination(&key[i], all[i], network[i]));
		ck_assert(baseline_beyond(all[i]));
		known[i] = baseline_note(b, &key[i], MONDAY).known;
	}
	ck_assert(!known[0] && known[1] && !known[2] && known[3] && !known[4]);
	baseline_free(b);
}
END_TEST

/* ---- the file ---- */

static void fill(struct baseline *b, unsigned n)
{
	char path[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/usr/bin/%u", i);
		note(b, path, MONDAY + i % 5 * DAY);
		baseline_count_execs(b, MONDAY + i % 5 * DAY, 1);
	}
}

static bool same(const struct baseline *a, const struct baseline *b)
{
	struct buf x = { 0 }, y = { 0 };
	bool equal;

	ck_assert_int_eq(baseline_save(a, &x), 0);
	ck_assert_int_eq(baseline_save(b, &y), 0);
	equal = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	buf_free(&x);
	buf_free(&y);
	return equal;
}

START_TEST(test_kept)
{
	struct baseline *b = make(7, 1024), *back = make(7, 1024), *small = make(7, 64);
	struct baseline_state state;
	struct buf file = { 0 };

	fill(b, 300);
	ck_assert_int_eq(baseline_save(b, &file), 0);
	ck_assert_uint_le(file.len, 300 * BASELINE_ENTRY_BYTES + BASELINE_HEAD_BYTES);
	ck_assert_int_eq(baseline_load(back, file.data, file.len), 0);
	ck_assert(same(b, back));
	ck_assert(look(back, "/usr/bin/299", MONDAY).known);
	/* In a smaller table what was seen on most days stays. */
	note(b, "/usr/bin/0", MONDAY + 9 * DAY);
	buf_clear(&file);
	ck_assert_int_eq(baseline_save(b, &file), 0);
	ck_assert_int_eq(baseline_load(small, file.data, file.len), 0);
	baseline_state(small, MONDAY, MONDAY, &state);
	ck_assert_uint_eq(state.entries, 64);
	ck_assert(look(small, "/usr/bin/0", MONDAY).known);
	buf_free(&file);
	baseline_free(b);
	baseline_free(back);
	baseline_free(small);
}
END_TEST

/* Every byte changed, every length but the right one: refused, and nothing is touched. */
START_TEST(test_damaged)
{
	struct baseline *b = make(7, 64), *to = make(7, 64), *before = make(7, 64);
	struct buf file = { 0 };

	fill(b, 20);
	note(to, "/bin/mine", MONDAY);
	note(before, "/bin/mine", MONDAY);
	ck_assert_int_eq(baseline_save(b, &file), 0);
	for (size_t i = 0; i < file.len; i++) {
		file.data[i] ^= (char)(1 << i % 8);
		ck_assert_int_eq(baseline_load(to, file.data, file.len), -EBADMSG);
		file.data[i] ^= (char)(1 << i % 8);
	}
	for (size_t len = 0; len < file.len; len++)
		ck_assert_int_eq(baseline_load(to, file.data, len), -EBADMSG);
	buf_addc(&file, 'x');
	ck_assert_int_eq(baseline_load(to, file.data, file.len), -EBADMSG);
	ck_assert(same(to, before));
	ck_assert_int_eq(baseline_load(to, file.data, file.len - 1), 0);
	ck_assert(same(to, b));
	buf_free(&file);
	baseline_free(b);
	baseline_free(to);
	baseline_free(before);
}
END_TEST

/* What reports tell makes the same as what was seen. */
START_TEST(test_learned)
{
	struct baseline *b = make(2, 64);
	const struct baseline_key a = exe_key("/bin/a");
	struct baseline_seen s;

	for (unsigned day = 0; day < 3; day++)
		baseline_learn(b, &a, MONDAY + day * DAY + 8 * HOUR, MONDAY + day * DAY + 10 * HOUR,
			       5);
	s = look(b, "/bin/a", MONDAY + 3 * DAY + 9 * HOUR);
	ck_assert(s.known && !s.learning && s.hour);
	ck_assert_uint_eq(s.days, 3);
	ck_assert_uint_eq(s.times, 15);
	ck_assert(!look(b, "/bin/a", MONDAY + 3 * DAY + 12 * HOUR).hour);
	ck_assert(!look(b, "/bin/b", MONDAY + 3 * DAY).known);
	baseline_free(b);
}
END_TEST

/* ---- what it costs ---- */

START_TEST(test_price)
{
	enum { EVENTS = 300000 };
	struct timespec begin, end;
	struct host h;
	double ns;
	char exe[64];

	host_open(&h, 7);
	baseline_free(h.b);
	h.b = make(7, 30464);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(exe, sizeof(exe), "/usr/lib/some/program-%u", i);
		note(h.b, exe, MONDAY);
	}
	{
		const struct rec_id id = { 500, 500, (edr_u64)(MONDAY - S) };
		const struct rec_exec e = { .exe = "/usr/lib/some/program-77",
					    .ppid = 1,
					    .parent_start_ns = 1,
					    .comm = "x" };
		const struct edr_hdr *r = rec_exec(&h.rec, id, e);
		const struct proc_entry *who = proc_apply(h.table, r);
		struct baseline_found found;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
		for (unsigned i = 0; i < EVENTS; i++)
			baseline_record(h.b, r, who, h.table, S, &found);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	}
	ns = ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
	     EVENTS;
	printf("an exec: %.0f ns\n", ns);
	ck_assert_double_lt(ns, 5000); /* of an instrumented build on a busy machine */
	host_close(&h);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_seen,	    test_keys,
		test_learning,	    test_flood,
		test_usual,	    test_exec_marks,
		test_connect_marks, test_kept,
		test_damaged,	    test_mapped_addresses,
		test_learned,	    test_price,
	};

	return suite_run("baseline", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
