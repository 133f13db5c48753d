/* SPDX-License-Identifier: MIT */
/* Which reports are sent, in which form, and what becomes of the answers. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duty_made.h"
#include "report/files.h"
#include "suite.h"

/* ---- who is sent ---- */

START_TEST(each_policy_has_its_own)
{
	static const struct {
		unsigned severity;
		const char *finding;
		bool sent[4]; /* never, findings, changed, always */
	} cells[] = {
		{ 1, NULL, { false, false, true, true } },
		{ 1, NULL, { false, false, false, true } },
		{ 2, "discovery", { false, true, true, true } },
		{ 2, "discovery", { false, false, false, true } }, /* it was there today */
		{ 4, "run-memfd", { false, true, true, true } },
		{ 4, "run-memfd", { false, true, false, true } },
		{ 1, NULL, { false, false, true, true } },
	};
	struct duty_config cfg = config();

	for (size_t i = 0; i < 7; i++)
		put_cell((int)i, cells[i].severity, cells[i].finding);
	for (enum duty_when when = DUTY_NEVER; when <= DUTY_ALWAYS; when++) {
		struct duty *d;

		cfg.when[LEVEL_CELL] = when;
		d = open_duty(&cfg);
		for (int i = 0; i < 7; i++) {
			offer(d, i);
			d->look = false;
			turns(d);
			ck_assert_msg((verdict(i) != 0) == cells[i].sent[when], "when %d, cell %d",
				      when, i);
		}
		duty_close(d);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
		for (int i = 0; i < 7; i++) {
			char name[80];

			snprintf(name, sizeof(name), "%s.json", cell_id(i));
			report_file_remove(store, REPORT_ANALYSIS_DIR, name);
		}
	}
}
END_TEST

START_TEST(a_finding_is_news_again_after_a_day_without)
{
	struct duty_config cfg = config();
	struct duty *d;
	/* Cells of days 0, 1, 3 and 4. */
	static const int cell[] = { 0, 96, 3 * 96, 4 * 96 };
	static const bool sent[] = { true, false, true, false };

	cfg.when[LEVEL_CELL] = DUTY_FINDINGS;
	d = open_duty(&cfg);
	for (size_t i = 0; i < 4; i++) {
		put_cell(cell[i], 2, "discovery");
		offer(d, cell[i]);
		d->look = false;
		turns(d);
		ck_assert_int_eq(verdict(cell[i]) != 0, sent[i]);
	}
	duty_close(d);
}
END_TEST

START_TEST(the_worst_first_then_the_newest)
{
	static const int want[] = { 3, 1, 4, 2, 0 };
	static const unsigned severity[] = { 1, 4, 1, 5, 1 };
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	server->hangs = true; /* the first is under way */
	put_cell(9, 1, NULL);
	offer(d, 9);
	turns(d);
	for (int i = 0; i < 5; i++) {
		now_ns += 60 * S;
		put_cell(i, severity[i], NULL);
		offer(d, i);
		duty_turn(d);
	}
	server->hangs = false;
	turns(d);
	ck_assert_uint_eq(server->asked, 6);
	for (int i = 0; i < 5; i++)
		ck_assert_str_eq(server->ids[i + 1], cell_id(want[i]));
	duty_close(d);
}
END_TEST

/* ---- what an answer becomes ---- */

static void on_verdict(void *ctx, const char *id, unsigned severity, const char *text, size_t len)
{
	(void)ctx;
	(void)text;
	ck_assert_uint_gt(len, 0);
	ck_assert_str_eq(id, cell_id(0));
	ck_assert_uint_eq(severity, 4);
	now_ns += 1; /* it was called */
}

START_TEST(a_verdict_is_written_and_never_below_the_local_one)
{
	static const char local[] = "local: severity 4\n";
	struct chain_key key = { .len = 16, .bytes = "0123456789abcdef" }, other, of_verdicts;
	struct duty_config cfg = config();
	char name[80], *text;
	struct duty *d;

	cfg.key = &key;
	cfg.on_verdict = on_verdict;
	d = open_duty(&cfg);
	put_cell(0, 4, "run-memfd");
	snprintf(name, sizeof(name), "%s.analysis", cell_id(0));
	ck_assert_int_eq(report_file_replace(store, "cells", name,
					     (struct wire_span){ local, strlen(local) }),
			 0);
	SAYS({ .status = 200, .severity = 1 });
	for (int i = 0; i < 2; i++) {
		offer(d, 0);
		turns(d);
		/* Its text is below the local one, once. */
		text = read_file("cells", name);
		ck_assert_int_eq(strncmp(text, local, strlen(local)), 0);
		ck_assert_ptr_nonnull(strstr(text, "severity 1, lower than the local 4; 4 counts"));
		ck_assert_ptr_null(strstr(strstr(text, "says") + 1, "says"));
		free(text);
		snprintf(err, sizeof(err), "%s.json", cell_id(0));
		if (!i)
			report_file_remove(store, REPORT_ANALYSIS_DIR, err);
	}
	ck_assert_int_eq(now_ns, START + 2);
	ck_assert_uint_eq(stats_of(d).disagreed, 2);
	ck_assert_uint_eq(stats_of(d).raised, 0);
	duty_verdict_key(&of_verdicts, &key);
	ck_assert_uint_eq(duty_verdict_severity(store, cell_id(0), "", &of_verdicts), 4);
	/* Another key, another report, another's name, a changed byte. */
	memset(&other, 7, sizeof(other));
	other.len = 16;
	ck_assert_uint_eq(duty_verdict_severity(store, cell_id(0), "", &other), 0);
	ck_assert_uint_eq(duty_verdict_severity(store, cell_id(0), "ab", &of_verdicts), 0);
	text = read_file(REPORT_ANALYSIS_DIR, err);
	snprintf(name, sizeof(name), "%s.json", cell_id(1));
	report_file_replace(store, REPORT_ANALYSIS_DIR, name,
			    (struct wire_span){ text, strlen(text) });
	ck_assert_uint_eq(duty_verdict_severity(store, cell_id(1), "", &of_verdicts), 0);
	*strstr(text, "odd") = 'O';
	report_file_replace(store, REPORT_ANALYSIS_DIR, err,
			    (struct wire_span){ text, strlen(text) });
	ck_assert_uint_eq(duty_verdict_severity(store, cell_id(0), "", &of_verdicts), 0);
	free(text);
	duty_close(d);
}
END_TEST

START_TEST(what_was_judged_is_not_asked_again)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	put_cell(0, 1, NULL);
	for (int i = 0; i < 3; i++) {
		offer(d, 0);
		turns(d);
	}
	duty_close(d);
	d = open_duty(&cfg);
	turns(d);
	ck_assert_uint_eq(server->asked, 1);
	duty_close(d);
}
END_TEST

/* ---- forms and sizes ---- */

START_TEST(a_lower_form_is_learned_and_remembered_for_a_week)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .status = 400, .body = "{\"error\":{\"message\":\"response_format\"}}" }, OK);
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	ck_assert_uint_eq(server->asked, 2);
	ck_assert_str_eq(asked_form(), "json_object");
	ck_assert_uint_ne(verdict(0), 0);
	duty_close(d);
	d = open_duty(&cfg);
	put_cell(1, 1, NULL);
	offer(d, 1);
	turns(d);
	ck_assert_uint_eq(server->asked, 3);
	ck_assert_str_eq(asked_form(), "json_object");
	now_ns += 8 * 24 * HOUR;
	put_cell(2, 1, NULL);
	offer(d, 2);
	turns(d);
	ck_assert_str_eq(asked_form(), "json_schema");
	duty_close(d);
}
END_TEST

START_TEST(a_400_for_all_forms_teaches_nothing)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .status = 400, .body = "no" });
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	ck_assert_uint_eq(server->asked, 4); /* and half of the lines */
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	ck_assert_uint_eq(stats_of(d).waiting, 0);
	/* Nor what is taken in the end, when it is half of the lines. */
	SAYS({ .status = 400, .body = "no" }, { .status = 400 }, { .status = 400 }, OK);
	for (int i = 1; i < 3; i++) {
		put_cell(i, 1, NULL);
		offer(d, i);
		turns(d);
		ck_assert_uint_ne(verdict(i), 0);
		ck_assert_uint_eq(server->asked, 3U + (unsigned)i);
		ck_assert_str_eq(asked_form(), i == 1 ? "text" : "json_schema");
	}
	duty_close(d);
}
END_TEST

START_TEST(too_long_is_asked_with_half_and_in_the_same_form)
{
	static const char *const errors[] = {
		"{\"error\":{\"type\":\"exceed_context_size_error\",\"n_ctx\":4096}}",
		"{\"error\":{\"code\":\"context_length_exceeded\"}}",
		"{\"message\":\"This model's maximum context length is 2048 tokens.\"}",
	};
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	for (int i = 0; i < 3; i++) {
		size_t first, second;

		server->hangs = true;
		SAYS({ .status = 400, .body = errors[i] }, OK);
		put_cell(i, 1, NULL);
		offer(d, i);
		turns(d);
		first = strlen(server->last);
		server->hangs = false;
		turns(d);
		second = strlen(server->last);
		ck_assert_uint_eq(server->asked, 2);
		ck_assert_uint_lt(second, first);
		ck_assert_str_eq(asked_form(), "json_schema");
		ck_assert_uint_ne(verdict(i), 0);
	}
	/* It has an end. */
	SAYS({ .status = 413 });
	put_cell(3, 1, NULL);
	offer(d, 3);
	turns(d);
	ck_assert_uint_eq(server->asked, 6); /* 40, 20, 10, 5, 2, 1 */
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	duty_close(d);
}
END_TEST

START_TEST(other_members_are_learned_and_outlive_a_restart)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .status = 400, .body = "Use 'max_completion_tokens' instead." },
	     { .status = 400, .body = "'temperature' does not support 0" }, OK);
	for (int i = 0; i < 2; i++) {
		put_cell(i, 1, NULL);
		offer(d, i);
		turns(d);
		ck_assert_uint_eq(server->asked, i ? 4 : 3);
		ck_assert_ptr_nonnull(strstr(server->last, "\"max_completion_tokens\":1000"));
		ck_assert_ptr_null(strstr(server->last, "\"max_tokens\""));
		ck_assert_ptr_null(strstr(server->last, "temperature"));
		ck_assert_str_eq(asked_form(), "json_schema");
		duty_close(d);
		d = open_duty(&cfg);
	}
	/* Whoever says it again and again is not asked again and again. */
	SAYS({ .status = 400, .body = "temperature, max_completion_tokens" });
	put_cell(2, 1, NULL);
	offer(d, 2);
	turns(d);
	ck_assert_uint_eq(server->asked, 4);
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	/* For a week. */
	now_ns += 8 * 24 * HOUR;
	SAYS(OK);
	put_cell(3, 1, NULL);
	offer(d, 3);
	turns(d);
	ck_assert_ptr_nonnull(strstr(server->last, "\"temperature\":0,\"max_tokens\":1000"));
	duty_close(d);
}
END_TEST

START_TEST(what_a_server_says_is_fit_for_the_log)
{
	static const struct {
		unsigned status;
		const char *body, *said;
	} t[] = {
		{ 400, "{\"error\":{\"message\":\"no\\u001b[2J\"}}", ": no\\x1b[2J" },
		{ 400, "{\"error\":\"no\"}", ": no" },
		{ 422, "{\"detail\":\"no\",\"x\":1}", ": no" },
		{ 400, "{\"object\":\"error\",\"message\":\"no\"}", ": no" },
		{ 400, "{\"error\":{\"message\":5}}", "" },
		{ 400, "{\"error\":[]}", "" },
		{ 400, "no", "" },
		{ 400, "", "" },
		{ 401, "{\"error\":\"wrong key: sk-1\"}", "" },
		{ 403, "{\"error\":\"wrong key: sk-1\"}", "" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct client_reply r = { .status = t[i].status };
		char said[64], want[64];

		buf_adds(&r.body, t[i].body);
		snprintf(want, sizeof(want), "the model's server says %u%s", t[i].status,
			 t[i].said);
		duty_said(&r, said, sizeof(said));
		ck_assert_str_eq(said, want);
		buf_free(&r.body);
	}
}
END_TEST

#define CONTENT(text) \
	"{\"choices\":[{\"message\":{\"content\":" text "},\"finish_reason\":\"stop\"}]}"

START_TEST(no_answer_is_asked_for_in_each_form_and_then_the_local_one_stands)
{
	static const char *const bad[] = {
		CONTENT("\"**Security Score:** 3\""),
		CONTENT("\"\""),
		CONTENT("\"{\\\"severity\\\":1}\""),
		"<html>",
		"{\"a\":\"\xff\"}",
		"",
	};
	struct duty_config cfg = config();
	struct duty *d;

	for (int i = 0; i < 6; i++) {
		d = open_duty(&cfg);
		SAYS({ .status = 200, .body = bad[i] });
		put_cell(i, 4, NULL);
		offer(d, i);
		turns(d);
		ck_assert_uint_eq(server->asked, 1);
		ck_assert_str_eq(asked_form(), "json_schema");
		now_ns += 11 * S;
		turns(d);
		ck_assert_str_eq(asked_form(), "json_object");
		/* The form is the entry's: it outlives a restart. */
		duty_close(d);
		d = open_duty(&cfg);
		now_ns += 11 * S;
		turns(d);
		ck_assert_str_eq(asked_form(), "text");
		ck_assert_uint_eq(server->asked, 3);
		ck_assert_uint_eq(stats_of(d).given_up, 1);
		ck_assert_uint_eq(stats_of(d).waiting, 0);
		ck_assert_uint_eq(verdict(i), 0);
		now_ns += 99 * S;
		turns(d);
		ck_assert_uint_eq(server->asked, 3);
		duty_close(d);
	}
}
END_TEST

#define FENCED                                                                                  \
	CONTENT("\"```json\\n{\\\"summary\\\":\\\"\\\",\\\"severity\\\":1,\\\"findings\\\":[]," \
		"\\\"recommendations\\\":[]}\\n```\"")

START_TEST(the_form_that_is_answered_in_is_learned_whatever_was_taken)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .status = 200, .body = FENCED });
	for (unsigned i = 0; i < 3; i++) {
		put_cell((int)i, 1, NULL);
		offer(d, (int)i);
		for (int j = 0; j < 3; j++, now_ns += 11 * S)
			turns(d);
		ck_assert_uint_ne(verdict((int)i), 0);
		ck_assert_str_eq(asked_form(), "text");
		ck_assert_uint_eq(server->asked, 3 + i);
	}
	/* The last form is tried twice when it was the first. */
	SAYS({ .status = 200, .body = CONTENT("\"no\"") });
	put_cell(3, 1, NULL);
	offer(d, 3);
	for (int j = 0; j < 4; j++, now_ns += 11 * S)
		turns(d);
	ck_assert_uint_eq(server->asked, 2);
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	duty_close(d);
}
END_TEST

START_TEST(cut_short_and_refused)
{
	static const char cut[] =
		"{\"choices\":[{\"message\":{\"content\":\"{\"},\"finish_reason\":"
		"\"length\"}]}";
	static const char refused[] = "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":"
				      "\"no\"}}]}";
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .status = 200, .body = cut }, OK);
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	ck_assert_uint_eq(server->asked, 2);
	ck_assert_uint_ne(verdict(0), 0);
	SAYS({ .status = 200, .body = cut });
	put_cell(1, 1, NULL);
	offer(d, 1);
	turns(d);
	ck_assert_uint_eq(server->asked, 2);
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	SAYS({ .status = 200, .body = refused });
	put_cell(2, 1, NULL);
	offer(d, 2);
	turns(d);
	ck_assert_uint_eq(server->asked, 1);
	ck_assert_uint_eq(stats_of(d).given_up, 2);
	SAYS({ .outcome = CLIENT_TOO_LARGE });
	put_cell(3, 1, NULL);
	offer(d, 3);
	turns(d);
	ck_assert_uint_eq(stats_of(d).faults[ANSWER_TOO_LONG], 1);
	duty_close(d);
}
END_TEST

START_TEST(a_client_that_ends_idle_is_looked_at)
{
	struct duty_config cfg = config();
	struct duty *d;
	unsigned before;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	server->fd = ends[0];
	ck_assert_int_eq(duty_start(&d, &cfg, err, sizeof(err)), 0);
	poll(NULL, 0, 100);
	before = __atomic_load_n(&server->idle, __ATOMIC_RELAXED);
	close(ends[1]);
	for (int i = 0; i < 50 && __atomic_load_n(&server->idle, __ATOMIC_RELAXED) <= before; i++)
		poll(NULL, 0, 10);
	ck_assert_uint_gt(__atomic_load_n(&server->idle, __ATOMIC_RELAXED), before);
	duty_stop(d);
	close(ends[0]);
	server->fd = 0;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_policy_has_its_own,
		a_finding_is_news_again_after_a_day_without,
		the_worst_first_then_the_newest,
		a_verdict_is_written_and_never_below_the_local_one,
		what_was_judged_is_not_asked_again,
		a_lower_form_is_learned_and_remembered_for_a_week,
		a_400_for_all_forms_teaches_nothing,
		a_client_that_ends_idle_is_looked_at,
		too_long_is_asked_with_half_and_in_the_same_form,
		other_members_are_learned_and_outlive_a_restart,
		what_a_server_says_is_fit_for_the_log,
		no_answer_is_asked_for_in_each_form_and_then_the_local_one_stands,
		the_form_that_is_answered_in_is_learned_whatever_was_taken,
		cut_short_and_refused,
	};

	return suite_run("duty", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 120);
}
