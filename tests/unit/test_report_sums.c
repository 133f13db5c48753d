/* SPDX-License-Identifier: MIT */
/*
 * The numbers of a report add up, whatever found no room, and the same events give the same bytes.
 */
#include <check.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect.h"
#include "feed.h"
#include "suite.h"

#define FEED(f, what, pid, ...) feed_fold(f, rec_##what(&(f)->rec, feed_id(f, pid), ##__VA_ARGS__))

static unsigned long long seed = 88172645463325252ull;

/* xorshift64 */
static unsigned rnd(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % below);
}

static const char *name_of(char *out, size_t size, const char *dir, unsigned i)
{
	snprintf(out, size, "/%s/%s%u", dir, i % 7 ? "n" : "\xff\xf4\x8f\xbf\xbf\"\n", i);
	return out;
}

static void random_event(struct feed *f, unsigned variety)
{
	static const int results[] = { 0, -ECONNREFUSED, -EINPROGRESS, EDR_RESULT_UNKNOWN, -4095 };
	static const char *const calls[] = { "openat", "ptrace", "bpf" };
	edr_u32 pid = 1000 + rnd(f->next_pid - 999);
	char name[64], args[64];
	int n;

	switch (rnd(9)) {
	case 0:
	case 1:
		name_of(name, sizeof(name), "bin", rnd(variety));
		n = snprintf(args, sizeof(args), "n%ca%u", 0, rnd(variety));
		feed_exec_args(f, rnd(400), name, args, (size_t)n + 1);
		break;
	case 2:
		FEED(f, exec_failed, pid, name_of(name, sizeof(name), "no", rnd(variety)),
		     -(int)rnd(300));
		break;
	case 3:
		FEED(f, fork, pid, 500000 + rnd(1000), 500000007ull);
		break;
	case 4:
		FEED(f, thread, pid);
		break;
	case 5:
		FEED(f, exit, pid, rnd(300), rnd(3) ? 0 : 1 + rnd(70));
		break;
	case 6:
		FEED(f, connect, pid, rnd(variety), rnd(100), results[rnd(5)]);
		break;
	case 7:
		FEED(f, connect_result, pid, rnd(variety), rnd(100), results[rnd(3)]);
		break;
	default:
		FEED(f, syscall, pid, calls[rnd(3)], -(long long)rnd(300));
	}
}

static void assert_exe_adds_up(json_object *e)
{
	ck_assert_int_eq(sum(at(e, "/users")) + opt(e, "/other/users"), num(e, "/runs"));
	ck_assert_int_eq(sum(at(e, "/parents")) + opt(e, "/other/parents"), num(e, "/runs"));
	ck_assert_int_eq(sum(at(e, "/containers")) + opt(e, "/other/containers"),
			 num(e, "/runs_in_containers"));
	ck_assert_int_eq(column(at(e, "/command_lines"), "/count") + opt(e, "/other/command_lines"),
			 num(e, "/runs"));
	ck_assert_int_eq(sum(at(e, "/errors")) + opt(e, "/other/errors"), num(e, "/failed_runs"));
	ck_assert_int_eq(sum(at(e, "/tried_by")) + opt(e, "/other/tried_by"),
			 num(e, "/failed_runs"));
	ck_assert_int_eq(sum(at(e, "/exits/by_signal")) + opt(e, "/other/exits_by_signal"),
			 num(e, "/exits/killed"));
	ck_assert_int_eq(sum(at(e, "/exits/by_status")) + opt(e, "/other/exits_by_status"),
			 num(e, "/exits/total") - num(e, "/exits/killed"));
	ck_assert_int_eq(sum(at(e, "/connect_results")) + opt(e, "/other/connect_results"),
			 num(e, "/connects"));
	ck_assert_int_eq(sum(at(e, "/connect_end_results")) + opt(e, "/other/connect_end_results"),
			 num(e, "/connect_ends"));
}

static long long counted(json_object *r, const char *type, const char *what)
{
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/counts/%s/%s", type, what);
	return num(r, pointer);
}

static void assert_types_add_up(json_object *r)
{
	long long delivered = 0, lost = 0;

	json_object_object_foreach(at(r, "/counts"), type, counts) {
		char pointer[64];

		delivered += num(counts, "/delivered");
		lost += num(counts, "/dropped");
		ck_assert_int_eq(num(counts, "/produced") + num(counts, "/pending_before"),
				 num(counts, "/delivered") + num(counts, "/dropped") +
					 num(counts, "/pending_after"));
		snprintf(pointer, sizeof(pointer), "/loss/by_type/%s", type);
		ck_assert_int_eq(num(r, pointer), num(counts, "/dropped"));
	}
	ck_assert_int_eq(num(r, "/total"), delivered);
	ck_assert_int_eq(num(r, "/loss/total"), lost);
}

static void assert_exes_add_up(json_object *r)
{
	static const struct {
		const char *type, *row, *other;
	} same[] = {
		{ "exec", "/runs", "/other/executables/runs" },
		{ "exec_failed", "/failed_runs", "/other/executables/failed_runs" },
		{ "fork", "/forks", "/other/executables/forks" },
		{ "thread", "/threads", "/other/executables/threads" },
		{ "exit", "/exits/total", "/other/executables/exits/total" },
		{ "connect", "/connects", "/other/executables/connects" },
		{ "connect_result", "/connect_ends", "/other/executables/connect_ends" },
		{ "syscall", "/syscalls", "/other/executables/syscalls" },
	};
	json_object *exes = at(r, "/executables");

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		ck_assert_int_eq(column(exes, same[i].row) + num(r, same[i].other),
				 counted(r, same[i].type, "delivered"));
	for (size_t i = 0; i < json_object_array_length(exes); i++)
		assert_exe_adds_up(json_object_array_get_idx(exes, i));
}

static void assert_adds_up(json_object *r)
{
	json_object *rows;
	long long lines = 0;

	assert_types_add_up(r);
	assert_exes_add_up(r);
	ck_assert_int_eq(sum(at(r, "/command_counts")) + num(r, "/other/commands/runs"),
			 counted(r, "exec", "delivered"));
	rows = at(r, "/executables");
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		lines += column(at(json_object_array_get_idx(rows, i), "/command_lines"), "/count");
	ck_assert_int_eq(lines + num(r, "/other/command_lines/runs"),
			 counted(r, "exec", "delivered"));
	rows = at(r, "/connections");
	ck_assert_int_eq(column(rows, "/connects") + column(rows, "/connect_ends") +
				 num(r, "/other/connections/events"),
			 counted(r, "connect", "delivered") +
				 counted(r, "connect_result", "delivered"));
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *c = json_object_array_get_idx(rows, i);

		ck_assert_int_eq(sum(at(c, "/results")) + opt(c, "/other/results"),
				 num(c, "/connects"));
		ck_assert_int_eq(sum(at(c, "/end_results")) + opt(c, "/other/end_results"),
				 num(c, "/connect_ends"));
	}
	rows = at(r, "/syscalls");
	ck_assert_int_eq(column(rows, "/count") + num(r, "/other/syscalls/events"),
			 counted(r, "syscall", "delivered"));
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *c = json_object_array_get_idx(rows, i);

		ck_assert_int_eq(sum(at(c, "/errors")) + opt(c, "/other/errors"),
				 num(c, "/failed"));
	}
	ck_assert_int_eq((long long)length(r, "/events"), num(r, "/interim/events_listed"));
}

static void feed_random(struct feed *f, unsigned n, unsigned variety)
{
	feed_open(f, FEED_WINDOW);
	for (unsigned i = 0; i < n; i++) {
		f->now_ns += 20000000; /* 50 a second: some windows are gone through */
		random_event(f, variety);
		if (i % 500 == 0) {
			feed_fold(f, rec_loss(&f->rec, f->now_ns, EDR_EXEC, 120, rnd(5)));
			feed_fold(f, rec_loss(&f->rec, f->now_ns, EDR_CONNECT, 60, rnd(3)));
			feed_fold(f, rec_blind(&f->rec, f->now_ns, f->now_ns - 300000000, f->now_ns,
					       "self-test"));
		}
	}
	feed_close(f);
}

static void sums(struct cell_config cfg, unsigned variety)
{
	struct feed f = { .cfg = cfg, .sinks = collect };
	long long in_parts = 0, parts = 0, events = 0;

	feed_random(&f, 60000, variety);
	for (size_t i = 0; i < n_reports; i++) {
		json_object *r = reports[i].root;

		if (reports[i].interim) {
			ck_assert_int_eq(num(r, "/part"), ++parts);
			ck_assert_int_eq((long long)length(r, "/events"), num(r, "/total"));
			in_parts += num(r, "/total");
			continue;
		}
		assert_adds_up(r);
		ck_assert_int_eq(num(r, "/interim/parts"), parts);
		ck_assert_int_eq(num(r, "/interim/events_in_parts"), in_parts);
		if (cfg.interval_min && cfg.keep_events)
			ck_assert_int_eq(in_parts + num(r, "/interim/events_listed") +
						 num(r, "/interim/events_unlisted"),
					 num(r, "/total") - counted(r, "thread", "delivered"));
		events += num(r, "/total");
		in_parts = parts = 0;
	}
	ck_assert_int_eq(events, 60000);
	collect_free();
}

START_TEST(numbers_add_up)
{
	sums((struct cell_config){ 0 }, 50);
}
END_TEST

/* A tenth of what comes has room. */
START_TEST(numbers_add_up_where_there_is_no_room)
{
	sums((struct cell_config){ .interval_min = 5,
				   .keep_events = true,
				   .max_events = 2000,
				   .max_events_bytes = 1 << 20,
				   .max_executables = 20,
				   .max_command_lines = 40,
				   .max_connections = 30 },
	     1000);
}
END_TEST

/*
 * In a process of its own, for the hash tables' seed is drawn once a process; the digest comes
 * through a pipe.
 */
static unsigned long long digest_of_a_run(const char *locale)
{
	unsigned long long digest = 14695981039346656037ull; /* FNV-1a */
	int ends[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		struct feed f = { .sinks = collect };

		setlocale(LC_ALL, locale);
		seed = 88172645463325252ull;
		feed_random(&f, 30000, 300);
		for (size_t i = 0; i < n_reports; i++)
			for (size_t k = 0; k < reports[i].text.len; k++)
				digest = (digest ^ (unsigned char)reports[i].text.data[k]) *
					 1099511628211ull;
		collect_free();
		_exit(write(ends[1], &digest, sizeof(digest)) != sizeof(digest));
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &digest, sizeof(digest)), sizeof(digest));
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	return digest;
}

START_TEST(same_events_same_bytes)
{
	unsigned long long first = digest_of_a_run("C");

	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(digest_of_a_run(i ? "de_DE.UTF-8" : "C"), first);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers_add_up,
		numbers_add_up_where_there_is_no_room,
		same_events_same_bytes,
	};

	return suite_run("report_sums", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 200);
}
