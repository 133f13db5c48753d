/* SPDX-License-Identifier: MIT */
/* The self-test: what it makes of a child whose exec is seen, is not seen, is seen again. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/event_line.h"
#include "cli/selftest.h"
#include "wire/build.h"
#include "wire/wire.h"

#define S 1000000000ull

static struct {
	unsigned n;
	edr_u64 from_ns, to_ns, time_ns;
} told;

static void take(void *ctx, const struct edr_hdr *rec)
{
	const struct edr_blind *blind = (const void *)rec;

	ck_assert_ptr_eq(ctx, &told);
	ck_assert_int_eq(wire_check(rec, rec->len), 0);
	ck_assert_uint_eq(rec->type, EDR_BLIND);
	ck_assert_uint_gt(wire_str(blind, blind->reason).len, 0);
	told.n++;
	told.from_ns = blind->from_ns;
	told.to_ns = blind->to_ns;
	told.time_ns = rec->time_ns;
}

static void see(struct selftest *t, unsigned type, pid_t tgid, edr_u64 time_ns)
{
	const struct edr_hdr rec = { .type = (edr_u16)type,
				     .tgid = (edr_u32)tgid,
				     .time_ns = time_ns };

	selftest_see(t, &rec);
}

/* Waits for the child to end, and leaves it to be reaped. */
static void child_ended(const struct selftest *t)
{
	siginfo_t info;

	ck_assert_int_gt(t->child, 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)t->child, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(info.si_status, 0);
}

static void no_children(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

START_TEST(test_seen)
{
	struct selftest t;

	selftest_init(&t, take, &told);
	selftest_turn(&t, 10 * S);
	child_ended(&t);
	see(&t, EDR_FORK, t.child, 10 * S + 1);
	see(&t, EDR_EXEC, t.child + 1, 10 * S + 1);
	see(&t, EDR_EXEC, t.child, 10 * S - 1); /* of someone who had that pid before */
	ck_assert(!t.seen);
	see(&t, EDR_EXEC, t.child, 10 * S + 2);
	selftest_turn(&t, 20 * S); /* late, but it came by */
	ck_assert_uint_eq(told.n, 0);
	no_children();
	/* Nothing happens until the next one is due. */
	selftest_turn(&t, 90 * S);
	ck_assert(!t.waiting);
	t.due = true;
	selftest_turn(&t, 91 * S);
	ck_assert(t.waiting);
	child_ended(&t);
	selftest_turn(&t, 91 * S);
	selftest_close(&t);
	no_children();
}
END_TEST

START_TEST(test_blind)
{
	struct selftest t;

	selftest_init(&t, take, &told);
	selftest_turn(&t, 10 * S);
	child_ended(&t);
	see(&t, EDR_CLOCK, 0, 10 * S + 5);
	selftest_turn(&t, 11 * S - 1);
	ck_assert_uint_eq(told.n, 0);
	selftest_turn(&t, 11 * S);
	ck_assert_uint_eq(told.n, 1);
	ck_assert_uint_eq(told.from_ns, 10 * S);
	ck_assert_uint_eq(told.to_ns, 11 * S);
	ck_assert_uint_eq(told.time_ns, 10 * S + 5); /* in order with the stream */

	/* It tries again by itself; the blind seconds go on without a gap. */
	selftest_turn(&t, 13 * S);
	ck_assert(t.waiting);
	child_ended(&t);
	selftest_turn(&t, 14 * S);
	ck_assert_uint_eq(told.n, 2);
	ck_assert_uint_eq(told.from_ns, 11 * S);
	ck_assert_uint_eq(told.to_ns, 14 * S);

	selftest_turn(&t, 16 * S);
	child_ended(&t);
	see(&t, EDR_EXEC, t.child, 16 * S + 1);
	selftest_turn(&t, 16 * S + 2);
	ck_assert_uint_eq(told.n, 3);
	ck_assert_uint_eq(told.from_ns, 14 * S);
	ck_assert_uint_eq(told.to_ns, 16 * S);
	ck_assert(!t.blind);
	selftest_turn(&t, 60 * S);
	ck_assert_uint_eq(told.n, 3);
	selftest_close(&t);
	no_children();
}
END_TEST

/* What --debug prints of a hostile exec moves no cursor and forges no line. */
START_TEST(test_event_line)
{
	static const char argv[] = "x\0\x1b[2J\n1 exec evil\0\0\xff";
	const struct edr_exec exec = { .hdr = { .tgid = 7, .tid = 7 }, .uid = 3, .argc = 4 };
	struct buf rec = { 0 }, line = { 0 };
	struct wire_build b;

	wire_build_begin(&b, &rec, EDR_EXEC, &exec);
	wire_build_str(&b, offsetof(struct edr_exec, exe), "/bin/x\r", 7);
	wire_build_str(&b, offsetof(struct edr_exec, argv), argv, sizeof(argv));
	event_line(&line, wire_build_end(&b), NULL);
	ck_assert_str_eq(line.data,
			 "exec  pid 7 uid 3 /bin/x\\x0d: x \\x1b[2J\\x0a1 exec evil '' \\xff");
	buf_free(&rec);
	buf_free(&line);
}
END_TEST

/* Every event has a line, whatever its fields are. */
START_TEST(test_event_lines)
{
	static const char zeros[512];

	for (size_t i = 0; i < wire_n_events; i++) {
		struct buf rec = { 0 }, line = { 0 };
		struct wire_build b;

		ck_assert_uint_le(wire_events[i].size, sizeof(zeros));
		wire_build_begin(&b, &rec, wire_events[i].type, zeros);
		event_line(&line, wire_build_end(&b), NULL);
		ck_assert_int_eq(
			strncmp(line.data, wire_events[i].name, strlen(wire_events[i].name)), 0);
		buf_free(&rec);
		buf_free(&line);
	}
}
END_TEST

int main(int argc, char **argv)
{
	SRunner *runner;
	Suite *suite;
	TCase *tc;
	int failed;

	/* The child is this program. */
	if (argc > 1 && strcmp(argv[1], SELFTEST_COMMAND) == 0)
		return 0;
	suite = suite_create("selftest");
	tc = tcase_create("selftest");
	tcase_add_test(tc, test_seen);
	tcase_add_test(tc, test_blind);
	tcase_add_test(tc, test_event_line);
	tcase_add_test(tc, test_event_lines);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
