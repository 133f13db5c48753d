/* SPDX-License-Identifier: MIT */
/* When a report is sent again, and for how much; by a clock that makes a day over at once. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duty_made.h"
#include "report/files.h"
#include "suite.h"

/* ---- when again ---- */

START_TEST(backoff_is_drawn_from_its_half)
{
	static const edr_s64 whole[] = { 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600 };
	bool differ = false;

	for (unsigned i = 0; i < 11; i++)
		for (int n = 0; n < 100; n++) {
			const edr_s64 a = duty_backoff_ns(i + 1);

			ck_assert_int_ge(a, whole[i] * S / 2);
			ck_assert_int_le(a, whole[i] * S);
			differ |= a != duty_backoff_ns(i + 1);
		}
	ck_assert(differ);
	ck_assert_int_le(duty_backoff_ns(4000000000u), 3600 * S);
}
END_TEST

START_TEST(a_server_that_fails_is_left_alone_for_longer_and_longer)
{
	static const struct said kinds[] = {
		{ .status = 500 },
		{ .status = 502 },
		{ .outcome = CLIENT_TIMEOUT },
		{ .outcome = CLIENT_NO_NAME },
		{ .outcome = CLIENT_NO_CONNECT },
		{ .outcome = CLIENT_TLS },
		{ .outcome = CLIENT_CUT },
		{ .outcome = CLIENT_DIED },
		{ .status = 200 },
	};
	const struct duty_config cfg = config();
	edr_s64 open_s = 600;

	for (size_t k = 0; k < 8; k++) {
		struct duty *d = open_duty(&cfg);
		edr_s64 at;

		says(&kinds[k], 1);
		put_cell((int)k, 1, NULL);
		offer(d, (int)k);
		for (unsigned n = 1; n <= 5; n++) {
			at = turns(d);
			ck_assert_uint_eq(server->asked, n);
			ck_assert_int_gt(at, now_ns);
			if (n < 5) {
				ck_assert_int_ge(at - now_ns, (5LL << (n - 1)) * S);
				ck_assert_int_le(at - now_ns, (10LL << (n - 1)) * S);
				now_ns = at - 1;
				turns(d);
				ck_assert_uint_eq(server->asked, n);
				now_ns = at;
			}
		}
		/* The breaker: one try each, also for what comes meanwhile, and over a restart. */
		for (open_s = 600; open_s < 21600; open_s *= 2) {
			ck_assert_int_ge(at - now_ns, (open_s - 1) * S);
			ck_assert_int_le(at - now_ns, open_s * S);
			ck_assert(stats_of(d).breaker_open);
			duty_close(d);
			d = open_duty(&cfg);
			put_cell(100 + (int)k, 1, NULL);
			offer(d, 100 + (int)k);
			now_ns = at - 2 * S;
			server->asked = 0;
			turns(d);
			ck_assert_uint_eq(server->asked, 0);
			now_ns = at;
			at = turns(d);
			ck_assert_uint_eq(server->asked, 1);
		}
		ck_assert_int_ge(at - now_ns, 21599 * S);
		SAYS(OK);
		now_ns = at;
		turns(d);
		ck_assert_uint_eq(server->asked, 2);
		ck_assert_uint_eq(stats_of(d).waiting, 0);
		ck_assert(!stats_of(d).breaker_open);
		ck_assert_uint_eq(d->state.failures, 0);
		duty_close(d);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
		for (size_t i = 0; i < 2; i++)
			ck_assert_int_eq(report_remove(store, "cells", cell_id((int)(k + 100 * i))),
					 0);
	}
}
END_TEST

START_TEST(the_server_may_say_how_long)
{
	static const unsigned status[] = { 429, 503 };
	const struct duty_config cfg = config();

	for (int i = 0; i < 2; i++) {
		struct duty *d = open_duty(&cfg);
		edr_s64 at;

		SAYS({ .status = status[i], .retry_after_s = 7200 }, OK);
		put_cell(2 * i, 1, NULL);
		offer(d, 2 * i);
		at = turns(d);
		ck_assert_int_eq(at, now_ns + 7200 * S);
		now_ns += 7199 * S;
		put_cell(2 * i + 1, 1, NULL); /* nor any other */
		offer(d, 2 * i + 1);
		turns(d);
		ck_assert_uint_eq(server->asked, 1);
		now_ns += S;
		turns(d);
		ck_assert_uint_eq(server->asked, 3);
		duty_close(d);
	}
}
END_TEST

START_TEST(who_is_turned_away_asks_after_an_hour)
{
	static const struct said kinds[] = { { .status = 401 }, { .status = 402 },
					     { .status = 403 }, { .status = 404 },
					     { .status = 301 }, { .outcome = CLIENT_REDIRECT } };
	const struct duty_config cfg = config();

	for (int i = 0; i < 6; i++) {
		struct duty *d = open_duty(&cfg);

		says(&kinds[i], 1);
		put_cell(i, 1, NULL);
		offer(d, i);
		ck_assert_int_eq(turns(d), now_ns + HOUR);
		now_ns += HOUR - 1;
		turns(d);
		ck_assert_uint_eq(server->asked, 1);
		now_ns += 1;
		SAYS(OK);
		turns(d);
		ck_assert_uint_eq(server->asked, 1);
		ck_assert_uint_ne(verdict(i), 0);
		duty_close(d);
	}
}
END_TEST

START_TEST(what_passes_is_asked_again)
{
	static const unsigned status[] = { 408, 409, 425, 502 };
	const struct duty_config cfg = config();

	for (int i = 0; i < 4; i++) {
		struct duty *d = open_duty(&cfg);

		SAYS({ .status = status[i] }, OK);
		put_cell(i, 1, NULL);
		offer(d, i);
		now_ns = turns(d);
		ck_assert_int_ne(now_ns, 0);
		turns(d);
		ck_assert_uint_ne(verdict(i), 0);
		duty_close(d);
	}
}
END_TEST

START_TEST(a_clock_that_was_wrong_does_not_stop_us)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .outcome = CLIENT_TIMEOUT }, OK);
	now_ns = START + 10 * 365 * 24 * HOUR;
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	now_ns = START;
	turns(d);
	now_ns += 24 * HOUR;
	turns(d);
	ck_assert_uint_ne(verdict(0), 0);
	duty_close(d);
}
END_TEST

START_TEST(what_waits_too_long_is_given_up)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .outcome = CLIENT_NO_CONNECT });
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	now_ns += 72 * HOUR;
	turns(d);
	ck_assert_uint_eq(stats_of(d).waiting, 1);
	now_ns += S;
	turns(d);
	ck_assert_uint_eq(stats_of(d).waiting, 0);
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	/* So is what was removed. */
	put_cell(400, 1, NULL);
	offer(d, 400);
	turns(d);
	ck_assert_uint_eq(stats_of(d).waiting, 1);
	ck_assert_int_eq(report_remove(store, "cells", cell_id(400)), 0);
	now_ns += HOUR;
	turns(d);
	ck_assert_uint_eq(stats_of(d).waiting, 0);
	ck_assert_uint_eq(stats_of(d).given_up, 2);
	duty_close(d);
}
END_TEST

/* ---- budgets ---- */

START_TEST(a_day_has_its_budget)
{
	struct duty_config cfg = config();

	for (int kind = 0; kind < 3; kind++) {
		struct duty *d;
		edr_s64 at;

		cfg.requests_a_day = kind == 0 ? 3 : 0;
		cfg.tokens_a_day = kind == 1 ? 3 * 600 + 3500 : 0; /* one is thought to take more */
		cfg.micro_usd_a_day = kind == 2 ? 3 * 135 + 900 : 0;
		d = open_duty(&cfg);
		says((const struct said[]){ OK }, 1);
		for (int i = 0; i < 30; i++) {
			put_cell(100 * kind + i, 1, NULL);
			offer(d, 100 * kind + i);
		}
		at = turns(d);
		ck_assert_int_ge(server->asked, 3);
		ck_assert_int_lt(server->asked, 12);
		if (cfg.requests_a_day)
			ck_assert_uint_eq(stats_of(d).requests_today, 3);
		if (cfg.tokens_a_day)
			ck_assert_uint_le(stats_of(d).tokens_today, cfg.tokens_a_day);
		if (cfg.micro_usd_a_day)
			ck_assert_uint_le(stats_of(d).micro_usd_today, cfg.micro_usd_a_day);
		ck_assert_int_eq(at, (report_day(now_ns) + 1) * 24 * HOUR);
		/* A restart is no new day, nor is a clock that goes back over midnight. */
		duty_close(d);
		d = open_duty(&cfg);
		server->asked = 0;
		turns(d);
		now_ns -= 24 * HOUR;
		turns(d);
		now_ns += 24 * HOUR;
		turns(d);
		ck_assert_uint_eq(server->asked, 0);
		now_ns = at;
		turns(d);
		ck_assert_int_ge(server->asked, 3);
		duty_close(d);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
		now_ns += 96 * HOUR;
	}
}
END_TEST

START_TEST(what_was_used_counts_and_what_failed_does_not)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	SAYS({ .outcome = CLIENT_NO_CONNECT }, OK);
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	ck_assert_uint_eq(stats_of(d).tokens_today, 0);
	ck_assert_uint_eq(stats_of(d).micro_usd_today, 0);
	ck_assert_uint_eq(stats_of(d).requests_today, 1);
	now_ns += 10 * S;
	turns(d);
	ck_assert_uint_eq(stats_of(d).tokens_today, 600);
	ck_assert_uint_eq(stats_of(d).micro_usd_today, (500 * 15 + 100 * 60) / 100);
	/* Nobody knows what a timeout cost: the estimate counts. */
	SAYS({ .outcome = CLIENT_TIMEOUT });
	put_cell(1, 1, NULL);
	offer(d, 1);
	turns(d);
	ck_assert_uint_gt(stats_of(d).tokens_today, 1600);
	duty_close(d);
}
END_TEST

#define USED(in, out)                                                                              \
	"{\"choices\":[{\"message\":{\"content\":\"{\\\"summary\\\":\\\"odd\\\",\\\"severity\\\":" \
	"1,"                                                                                       \
	"\\\"findings\\\":[],\\\"recommendations\\\":[]}\"},\"finish_reason\":\"stop\"}],"         \
	"\"usage\":{\"prompt_tokens\":" in ",\"completion_tokens\":" out "}}"

START_TEST(a_server_does_not_make_its_own_price)
{
	static const struct {
		const char *body;
		bool believed;
	} t[] = {
		{ USED("1", "0"), false },
		{ USED("1", "100"), false },
		{ USED("2000", "0"), false },
		{ USED("2000", "6"), true },
	};
	const struct duty_config cfg = config();

	for (int i = 0; i < 4; i++) {
		struct duty *d = open_duty(&cfg);
		unsigned long long used, estimate;

		SAYS({ .status = 200, .body = t[i].body });
		put_cell(i, 1, NULL);
		offer(d, i);
		server->hangs = true;
		turns(d);
		estimate = d->tokens;
		server->hangs = false;
		turns(d);
		ck_assert_uint_ne(verdict(i), 0);
		used = stats_of(d).tokens_today;
		ck_assert_msg((used == estimate) != t[i].believed, "%d: %llu of %llu", i, used,
			      estimate);
		ck_assert_uint_gt(stats_of(d).micro_usd_today, 0);
		duty_close(d);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
	}
}
END_TEST

START_TEST(what_fits_is_asked_before_what_does_not)
{
	struct duty_config cfg = config();
	unsigned long long all, few;
	struct duty *d;

	cfg.prompt.max_answer_tokens = 100;
	d = open_duty(&cfg);
	server->hangs = true;
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	all = d->tokens;
	duty_close(d);
	server->under_way = server->hangs = false;
	report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
	/* What is left when one was asked: room for a few rows, not for all. */
	cfg.tokens_a_day = all + 10;
	SAYS({ .status = 200, .body = USED("300", "10") });
	d = open_duty(&cfg);
	d->look = false;
	for (int i = 1; i < 4; i++) {
		cell_rows = i == 2 ? 40 : 1;
		put_cell(i, i == 2 ? 5 : 1, NULL);
	}
	offer(d, 1);
	turns(d);
	few = stats_of(d).tokens_today;
	ck_assert_uint_eq(few, 310);
	offer(d, 2);
	offer(d, 3);
	ck_assert_int_eq(turns(d), (report_day(now_ns) + 1) * 24 * HOUR);
	ck_assert_uint_eq(verdict(2), 0);
	ck_assert_uint_ne(verdict(3), 0);
	ck_assert_uint_le(stats_of(d).tokens_today, cfg.tokens_a_day);
	/* Its turn is first on the next day. */
	now_ns += 24 * HOUR;
	turns(d);
	ck_assert_uint_ne(verdict(2), 0);
	ck_assert_uint_eq(stats_of(d).waiting, 0);
	duty_close(d);
}
END_TEST

START_TEST(a_prompt_is_not_larger_than_a_days_budget)
{
	for (int kind = 0; kind < 4; kind++) {
		struct duty_config cfg = config();
		const bool never = kind > 1;
		struct duty *d;

		if (kind % 2)
			cfg.micro_usd_a_day = never ? 600 : 600 + 170;
		else
			cfg.tokens_a_day = never ? 1000 : 2100;
		d = open_duty(&cfg);
		d->look = false;
		put_cell(kind, 1, NULL);
		offer(d, kind);
		turns(d);
		ck_assert_msg((verdict(kind) != 0) == !never, "%d", kind);
		ck_assert_uint_eq(stats_of(d).given_up, never);
		ck_assert_uint_eq(stats_of(d).waiting, 0);
		duty_close(d);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
	}
}
END_TEST

/* ---- a client that is gone ---- */

START_TEST(a_client_that_is_gone_is_started_again)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	for (int i = 0; i < 2; i++) {
		/* In the middle of a request, or before it. */
		if (i)
			server->send_error = -EPIPE;
		SAYS({ .outcome = i ? CLIENT_DONE : CLIENT_GONE, .status = 200 }, OK);
		put_cell(i, 1, NULL);
		offer(d, i);
		ck_assert_int_gt(turns(d), now_ns);
		ck_assert_uint_eq(server->agains, (unsigned)i);
		ck_assert_uint_eq(stats_of(d).waiting, 1);
		now_ns += 10 * S;
		turns(d);
		ck_assert_uint_eq(server->agains, (unsigned)i + 1);
		ck_assert_uint_eq(stats_of(d).restarts, (unsigned)i + 1);
		ck_assert_uint_ne(verdict(i), 0);
	}
	ck_assert_uint_eq(stats_of(d).given_up, 0);
	duty_close(d);
}
END_TEST

START_TEST(a_client_that_does_not_start_is_tried_less_and_less)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);
	const edr_s64 end_ns = now_ns + 24 * HOUR;

	server->send_error = -EPIPE;
	server->again_error = -EPERM;
	put_cell(0, 1, NULL);
	offer(d, 0);
	while (now_ns < end_ns) {
		const edr_s64 at_ns = turns(d);

		ck_assert_int_gt(at_ns, now_ns);
		now_ns = at_ns;
	}
	/* 8 doublings of at least 5 s; then from half an hour to an hour. */
	ck_assert_uint_ge(server->agains, 8 + 22);
	ck_assert_uint_le(server->agains, 10 + 48);
	ck_assert_uint_eq(stats_of(d).restarts, 0);
	ck_assert_uint_eq(stats_of(d).requests_today, 0);
	ck_assert(!stats_of(d).breaker_open);
	server->again_error = 0;
	now_ns += HOUR;
	turns(d);
	ck_assert_uint_ne(verdict(0), 0);
	/* One that kills it each time does not keep others from it, nor open the breaker. */
	SAYS({ .outcome = CLIENT_GONE });
	put_cell(1, 1, NULL);
	offer(d, 1);
	for (int i = 0; i < 20; i++, now_ns += HOUR)
		turns(d);
	ck_assert(!stats_of(d).breaker_open);
	SAYS(OK);
	put_cell(2, 1, NULL);
	offer(d, 2);
	turns(d);
	ck_assert_uint_ne(verdict(2), 0);
	duty_close(d);
}
END_TEST

/* ---- what cannot be looked at ---- */

START_TEST(what_has_no_prompt_is_counted)
{
	static const char damaged[] = "{ \"level\": \"cell\"";
	struct duty_config cfg = config();
	struct duty *d;

	for (enum duty_when when = DUTY_FINDINGS; when <= DUTY_ALWAYS; when++) {
		cfg.when[LEVEL_CELL] = when;
		cfg.prompt.max_tokens = 500;
		d = open_duty(&cfg);
		put_cell(0, 4, "run-memfd");
		ck_assert_int_eq(
			report_store_write(store, "cells", cell_id(1), damaged, strlen(damaged)),
			0);
		for (int i = 0; i < 2; i++)
			offer(d, i);
		turns(d);
		ck_assert_uint_eq(stats_of(d).given_up, 2);
		ck_assert_uint_eq(stats_of(d).waiting, 0);
		duty_close(d);
		ck_assert_uint_eq(server->asked, 0);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
	}
}
END_TEST

/* What is opened there is no file, until it is mended. */
static void break_cell(int n, bool broken)
{
	char path[160], away[180];

	snprintf(path, sizeof(path), "%s/cells/%s.json", dir, cell_id(n));
	snprintf(away, sizeof(away), "%s.away", path);
	if (broken) {
		ck_assert_int_eq(rename(path, away), 0);
		ck_assert_int_eq(symlink("/dev/null", path), 0);
	} else {
		ck_assert_int_eq(rename(away, path), 0);
	}
}

START_TEST(what_cannot_be_read_now_is_looked_at_again)
{
	struct duty_config cfg = config();
	struct duty *d;

	cfg.when[LEVEL_CELL] = DUTY_FINDINGS;
	d = open_duty(&cfg);
	for (int i = 0; i < 2; i++) {
		put_cell(i, i ? 1 : 4, i ? NULL : "run-memfd");
		break_cell(i, true);
		offer(d, i);
		turns(d);
	}
	/* A newer one is not held up by them, and does not hide them. */
	put_cell(2, 5, "run-deleted");
	offer(d, 2);
	turns(d);
	ck_assert_uint_ne(verdict(2), 0);
	ck_assert_uint_eq(stats_of(d).waiting, 2);
	ck_assert_uint_eq(stats_of(d).given_up, 0);
	duty_close(d);
	d = open_duty(&cfg);
	for (int i = 0; i < 2; i++)
		break_cell(i, false);
	now_ns += HOUR;
	turns(d);
	/* By the policy: the second is nothing. */
	ck_assert_uint_ne(verdict(0), 0);
	ck_assert_uint_eq(verdict(1), 0);
	ck_assert_uint_eq(server->asked, 2);
	ck_assert_uint_eq(stats_of(d).waiting, 0);
	/* What never can be read is given up in the end. */
	put_cell(3, 4, "run-memfd");
	break_cell(3, true);
	offer(d, 3);
	for (int i = 0; i < 80; i++, now_ns += HOUR)
		turns(d);
	ck_assert_uint_eq(stats_of(d).given_up, 1);
	ck_assert_uint_eq(stats_of(d).waiting, 0);
	duty_close(d);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		backoff_is_drawn_from_its_half,
		a_server_that_fails_is_left_alone_for_longer_and_longer,
		the_server_may_say_how_long,
		who_is_turned_away_asks_after_an_hour,
		what_passes_is_asked_again,
		a_clock_that_was_wrong_does_not_stop_us,
		what_waits_too_long_is_given_up,
		a_day_has_its_budget,
		what_was_used_counts_and_what_failed_does_not,
		a_server_does_not_make_its_own_price,
		what_fits_is_asked_before_what_does_not,
		a_prompt_is_not_larger_than_a_days_budget,
		a_client_that_is_gone_is_started_again,
		a_client_that_does_not_start_is_tried_less_and_less,
		what_has_no_prompt_is_counted,
		what_cannot_be_read_now_is_looked_at_again,
	};

	return suite_run("duty_when", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 120);
}
