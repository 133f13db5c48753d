// SPDX-License-Identifier: MIT
/* The text of a trace_pipe: its forms, and names that look like lines of it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fuzz/trace_lines.h"
#include "source/source.h"

static struct {
	struct trace_text_event ev[64];
	char filename[64][64];
	size_t n;
} got;
static struct trace_text text;

static void note(void *ctx, const struct trace_text_event *ev)
{
	(void)ctx;
	ck_assert_uint_lt(got.n, 64);
	got.ev[got.n] = *ev;
	memcpy(got.filename[got.n], ev->filename.data,
	       ev->filename.len < 63 ? ev->filename.len : 63);
	got.n++;
}

static void setup(void)
{
	memset(&got, 0, sizeof(got));
	trace_text_init(&text, true, note, NULL);
}

static void teardown(void)
{
	trace_text_free(&text);
}

static void frame(const char *s)
{
	trace_text_frame(&text, s, strlen(s));
}

static void stream(const char *s)
{
	trace_text_stream(&text, s, strlen(s));
}

/* As 5.10, 6.18 and 7.3 print it, with and without the thread group's id and the flags. */
START_TEST(forms_of_the_header)
{
	static const char *const lines[] = {
		"              sh-98      [000] ....     2.274175: sched_process_fork: comm=sh "
		"pid=98 "
		"child_comm=sh child_pid=100\n",
		"              sh-98      [000] .....     2.274175: sched_process_fork: comm=sh "
		"pid=98 "
		"child_comm=sh child_pid=100\n",
		"              sh-98      (     98) [000] d..2.     2.274175: sched_process_fork: "
		"comm=sh pid=98 child_comm=sh child_pid=100\n",
		"              sh-98      (-------) [000] d..2.     2.274175: sched_process_fork: "
		"comm=sh pid=98 child_comm=sh child_pid=100\n",
		"              sh-98      [000]     2.274175: sched_process_fork: comm=sh pid=98 "
		"child_comm=sh child_pid=100\n",
		"           <...>-98      [000] .N.1.     2.274175: sched_process_fork: comm=sh "
		"pid=98 "
		"child_comm=sh child_pid=100\n",
		" \n[001] .... 1.:-98      [000] .....     2.274175: sched_process_fork: comm=sh "
		"pid=98 "
		"child_comm=sh child_pid=100\n",
	};
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		frame(lines[i]);
		stream(lines[i]);
	}
	ck_assert_uint_eq(got.n, 2 * i);
	while (i-- > 0) {
		ck_assert_int_eq(got.ev[i].kind, TRACE_TEXT_FORK);
		ck_assert_uint_eq(got.ev[i].tid, 98);
		ck_assert_uint_eq(got.ev[i].child, 100);
		ck_assert_uint_eq(got.ev[i].time_ns, 2274175000);
	}
}
END_TEST

START_TEST(exec_and_exit)
{
	frame("              ls-77      [003] .....     3.000001: sched_process_exec: "
	      "filename=/bin/ls pid=77 old_pid=78\n");
	frame("              ls-77      [003] .....     3.000001: sched_process_exit: comm=ls "
	      "pid=77 "
	      "prio=120\n");
	frame("              ls-77      [003] .....     3.000001: sched_process_exit: comm=ls "
	      "pid=77 "
	      "prio=-1 group_dead=true\n");
	ck_assert_uint_eq(got.n, 3);
	ck_assert_str_eq(got.filename[0], "/bin/ls");
	ck_assert_uint_eq(got.ev[0].old_tid, 78);
	ck_assert_uint_eq(got.ev[0].cpu, 3);
	ck_assert(!got.ev[1].group_known);
	ck_assert(got.ev[2].group_known && got.ev[2].group_dead);
}
END_TEST

/* What is no record, or none of ours, is not believed; only what is nothing at all is counted as lost. */
START_TEST(other_frames)
{
	static const char *const others[] = {
		"              ls-77      [003] .....     3.000001: tracing_mark_write: "
		"sched_process_exec: filename=/f pid=77 old_pid=77\n",
		"              ls-77      [003] .....     3.000001: sched_switch: prev_comm=x\n",
	};
	static const char *const broken[] = {
		"[LINE TOO BIG]\n",
		"\n",
		" sched_process_exec: filename=/f pid=77 old_pid=77\n",
		"              ls-77777777 [003] .....     3.000001: sched_process_exec: "
		"filename=/f "
		"pid=77777777 old_pid=77777777\n",
		"              ls-77      [003] .....     3.0: sched_process_exec: filename=/f "
		"pid=77 "
		"old_pid=77\n",
	};
	static const char *const wrong[] = {
		"              ls-77      [003] .....     3.000001: sched_process_exec: "
		"filename=/f "
		"pid=78 old_pid=77\n",
		"              ls-77      [003] .....     3.000001: sched_process_exec: "
		"filename=/f",
		"              ls-77      [003] .....     3.000001: sched_process_exec: "
		"filename=\n",
	};
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		frame(others[i]);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_OTHER], 0);
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		frame(broken[i]);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_OTHER], i);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		frame(wrong[i]);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_EXEC], i);
	ck_assert_uint_eq(got.n, 0);
}
END_TEST

START_TEST(lost_events)
{
	frame("CPU:3 [LOST 5 EVENTS]\n              ls-77      [003] .....     3.000001: "
	      "sched_process_exec: filename=/bin/ls pid=77 old_pid=77\n");
	frame("CPU:1 [LOST EVENTS]\n");
	stream("CPU:0 [LO");
	stream("ST 18446744073709551615 EVENTS]\nCPU:0 [LOST 7 EVENTS]\n");
	ck_assert_uint_eq(got.n, 4);
	ck_assert_int_eq(got.ev[0].kind, TRACE_TEXT_LOST);
	ck_assert_uint_eq(got.ev[0].lost, 5);
	ck_assert_uint_eq(got.ev[0].cpu, 3);
	ck_assert_int_eq(got.ev[1].kind, TRACE_TEXT_EXEC);
	ck_assert_uint_eq(got.ev[2].lost, 0);
	ck_assert_uint_eq(got.ev[3].lost, 7); /* a number that long is no number */
}
END_TEST

/* A file's name that holds whole lines: in a frame it is a name, in a stream what it says is refused. */
START_TEST(forged_by_a_file_name)
{
	static const char lines[] = "            evil-7       [000] .....     1.000001: "
				    "sched_process_exec: filename=/x "
				    "pid=7 old_pid=7\n"
				    "            bash-666     [000] .....     1.000002: "
				    "sched_process_fork: comm=a pid=666 "
				    "child_comm=b child_pid=667\n"
				    "CPU:0 [LOST 5 EVENTS]\n"
				    "            bash-666     [000] .....     1.000002: "
				    "sched_process_exec: filename=/y "
				    "pid=7 old_pid=7\n";

	frame(lines);
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(got.ev[0].tid, 7);
	ck_assert_uint_gt(got.ev[0].filename.len, 150);
	stream(lines);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_int_eq(got.ev[1].kind, TRACE_TEXT_EXEC);
	ck_assert_uint_eq(got.ev[1].tid, 7);
	ck_assert_uint_eq(got.ev[1].filename.len, 0);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_FORK], 1);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_EXEC], 1);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_LOST], 1);
}
END_TEST

/* The longest name that there can be, with all that an attacker could put in it; behind it things are sure again. */
START_TEST(doubt_ends)
{
	static const char fork[] =
		"            bash-666     [000] .....     1.000002: "
		"sched_process_fork: comm=a pid=666 child_comm=b child_pid=667\n";
	size_t i;

	stream("            evil-7       [000] .....     1.000001: sched_process_exec: "
	       "filename=/x ");
	for (i = 0; i < 4096 / (sizeof(fork) - 1); i++) /* the first is on the same line */
		stream(fork);
	ck_assert_uint_eq(got.n, 1);
	for (i = 0; i < 10; i++)
		stream(fork);
	ck_assert_uint_gt(got.n, 2);
	ck_assert_uint_eq(got.n - 1 + text.refused[TRACE_TEXT_FORK], 4096 / (sizeof(fork) - 1) + 9);
}
END_TEST

/* A copy that we came to late begins anywhere, within a name too. */
START_TEST(a_stream_that_is_joined)
{
	trace_text_init(&text, false, note, NULL);
	stream("x\n            bash-666     [000] .....     1.000002: sched_process_fork: comm=a "
	       "pid=666 child_comm=b child_pid=667\n");
	ck_assert_uint_eq(got.n, 0);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_FORK], 1);
}
END_TEST

/* "\n" alone in the child's name leaves two ways to read it only where the name could hold the rest. */
START_TEST(a_name_that_holds_the_end)
{
	static const char unsure[] = "            bash-7       [000] .....     1.000002: "
				     "sched_process_fork: comm=a pid=7 child_comm= child_pid=6\n";
	static const char tail[] = " child_pid=667\n";

	stream(unsure);
	stream(tail);
	ck_assert_uint_eq(got.n, 0);
	ck_assert_uint_eq(text.refused[TRACE_TEXT_FORK], 1);
	stream("            bash-7       [000] .....     1.000002: sched_process_fork: comm=a "
	       "pid=7 "
	       "child_comm=\n child_pid=667\n");
	ck_assert_uint_eq(got.n, 0); /* too near */
	frame("            bash-7       [000] .....     1.000002: sched_process_fork: comm=a pid=7 "
	      "child_comm= child_pid=6\n child_pid=667\n");
	ck_assert_uint_eq(got.n, 1);
	ck_assert_uint_eq(got.ev[0].child, 667);
}
END_TEST

static struct {
	unsigned n[EDR_TYPE_MAX];
	edr_u64 dropped[EDR_TYPE_MAX], produced[EDR_TYPE_MAX], time_ns;
	bool unmarked, named;
} told;

static void on_record(void *ctx, const struct edr_hdr *rec)
{
	const struct edr_loss *loss = (const void *)rec;
	const struct edr_exec *exec = (const void *)rec;

	(void)ctx;
	ck_assert_int_eq(wire_check(rec, rec->len), 0);
	ck_assert_uint_ge(rec->time_ns, told.time_ns);
	told.time_ns = rec->time_ns;
	told.n[rec->type]++;
	if (rec->type == EDR_LOSS) {
		told.dropped[loss->of_type] += loss->dropped;
		told.produced[loss->of_type] += loss->produced;
	} else if (rec->type != EDR_HOST && rec->type != EDR_CLOCK) {
		told.unmarked |= !(rec->flags & EDR_F_UNTRUSTED_TEXT);
		told.named |= rec->type == EDR_EXEC && exec->filename.len > 0;
	}
}

/* The whole source, on a file: what it tells, and that it adds up. Nobody has these pids. */
START_TEST(the_source)
{
	static const char lines[] =
		"            bash-4194301 [000] .....     1.000001: sched_process_fork: comm=bash "
		"pid=4194301 child_comm=bash child_pid=4194302\n"
		"CPU:1 [LOST 3 EVENTS]\n"
		"              ls-4194302 [000] .....     1.000002: sched_process_exec: "
		"filename=/bin/ls "
		"pid=4194302 old_pid=4194302\n"
		"              ls-4194302 [000] .....     1.000003: sched_process_exit: comm=ls "
		"pid=4194302 prio=120 group_dead=true\n";
	char path[] = "/tmp/edr-test-text-XXXXXX", err[256];
	struct source_config cfg = { .trace_path = path, .agent = "test" };
	struct source_totals totals;
	struct source *s;
	int fd = mkstemp(path);

	memset(&told, 0, sizeof(told));
	ck_assert_int_eq(write(fd, lines, sizeof(lines) - 1), sizeof(lines) - 1);
	close(fd);
	ck_assert_int_eq(source_trace_text.open(&s, &cfg, err, sizeof(err)), 0);
	unlink(path);
	ck_assert_int_ge(source_trace_text.pump(s, 0, on_record, NULL), 2);
	ck_assert_int_eq(source_trace_text.drain(s, on_record, NULL), 0);
	ck_assert_int_eq(source_trace_text.totals(s, &totals), 0);
	source_trace_text.close(s);
	ck_assert_uint_eq(told.n[EDR_HOST], 1);
	ck_assert_uint_eq(told.n[EDR_FORK], 1);
	ck_assert_uint_eq(told.n[EDR_EXEC], 1);
	ck_assert_uint_eq(told.dropped[EDR_EXEC], 3);
	ck_assert_uint_eq(told.dropped[EDR_EXIT], 1); /* the exec's name could hold it */
	ck_assert(!told.unmarked && !told.named);
	for (size_t i = 0; i < EDR_TYPE_MAX; i++) {
		ck_assert_uint_eq(told.produced[i], totals.count[i].produced);
		if (i < EDR_CGROUP)
			ck_assert_uint_eq(totals.count[i].produced,
					  totals.delivered[i] + totals.count[i].dropped);
	}
}
END_TEST

START_TEST(what_cannot_be_read)
{
	struct source_config cfg = { .trace_path = "/tmp" };
	struct source *s;
	char err[256];

	ck_assert_int_eq(source_trace_text.open(&s, &cfg, err, sizeof(err)), SOURCE_BAD_CONFIG);
	cfg.trace_path = "/tmp/there-is-no-such-file";
	ck_assert_int_eq(source_trace_text.open(&s, &cfg, err, sizeof(err)), -ENOENT);
	ck_assert_ptr_null(s);
}
END_TEST

/* The bytes between 0 and 255 say nothing to it that makes it stumble, whatever the pieces. */
START_TEST(random_names)
{
	static uint8_t in[4096];
	uint32_t state = (uint32_t)_i + 1;
	struct lines l;

	for (int round = 0; round < 400; round++) {
		size_t len = 0;

		while (len < sizeof(in)) {
			state = state * 1664525 + 1013904223;
			in[len++] = (uint8_t)(state >> 24);
		}
		lines_make(&l, in, (state >> 8) % sizeof(in), 1 + state % 60, round % 4 == 3);
		lines_check_frames(&l);
		lines_check_stream(&l, true, state);
		lines_check_stream(&l, false, state);
		lines_free(&l);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace_text");
	const TTest *const tests[] = {
		forms_of_the_header,
		exec_and_exit,
		other_frames,
		lost_events,
		forged_by_a_file_name,
		doubt_ends,
		a_stream_that_is_joined,
		a_name_that_holds_the_end,
		the_source,
		what_cannot_be_read,
	};
	TCase *tc = tcase_create("text"), *random = tcase_create("random");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(random, random_names, 0, 8);
	tcase_set_timeout(random, 120);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, random);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
