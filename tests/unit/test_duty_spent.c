/* SPDX-License-Identifier: MIT */
/* One budget for the agent and for who asks by hand beside it. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duty_made.h"
#include "kill_at_write.h"
#include "report/files.h"
#include "suite.h"
#include "util/mono.h"

/* What one answer of the made server costs: it says 500 tokens in, 100 out. */
#define TOKENS 600u

/* ---- by hand ---- */

static int by_hand(const struct duty_config *cfg, int n)
{
	struct buf json = { 0 }, text = { 0 };
	int failure = duty_once(cfg, LEVEL_CELL, cell_id(n), false, &json, &text, err, sizeof(err));

	buf_free(&json);
	buf_free(&text);
	return failure;
}

/* A member of by-hand.json; 0 where there is no such file. */
static unsigned long long counted(const char *name)
{
	struct buf text = { 0 };
	unsigned long long n = 0;
	char *at;

	if (report_file_read(store, REPORT_ANALYSIS_DIR, DUTY_BY_HAND_FILE, 4096, &text) == 0) {
		at = strstr(text.data, name);
		ck_assert_ptr_nonnull(at);
		ck_assert_int_eq(sscanf(at + strlen(name), "\": %llu", &n), 1);
	}
	buf_free(&text);
	return n;
}

START_TEST(what_one_spends_the_other_has_not)
{
	struct duty_config cfg = config();
	struct duty *agent;

	cfg.requests_a_day = 4;
	agent = open_duty(&cfg);
	put_cell(0, 3, NULL);
	turns(agent);
	ck_assert_uint_eq(server->asked, 1);
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	ck_assert_uint_eq(counted("requests"), 2);
	ck_assert_uint_eq(counted("tokens"), 2 * TOKENS);
	ck_assert_uint_eq(counted("micro_usd"), 2 * 135);
	/* The agent's fourth; a fifth is nobody's. */
	put_cell(1, 3, NULL);
	offer(agent, 1);
	turns(agent);
	ck_assert_uint_eq(server->asked, 4);
	put_cell(2, 3, NULL);
	offer(agent, 2);
	turns(agent);
	ck_assert_int_eq(by_hand(&cfg, 0), -EDQUOT);
	ck_assert_ptr_nonnull(strstr(err, "--over-budget"));
	ck_assert_uint_eq(server->asked, 4);
	ck_assert_uint_eq(verdict(2), 0);
	/* Who insists is counted too. */
	cfg.over_budget = true;
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	ck_assert_uint_eq(counted("requests"), 3);
	ck_assert_uint_eq(stats_of(agent).requests_today, 2);
	cfg.over_budget = false;
	now_ns += 24 * HOUR;
	turns(agent);
	ck_assert_uint_ne(verdict(2), 0);
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	ck_assert_uint_eq(counted("requests"), 1);
	duty_close(agent);
}
END_TEST

START_TEST(tokens_and_money_are_one_too)
{
	for (int kind = 0; kind < 2; kind++) {
		struct duty_config cfg = config();
		unsigned asked = 0;
		struct duty *agent;

		/* Four answers, and what the next but one would have set aside. */
		cfg.tokens_a_day = kind ? 0 : 4 * TOKENS + 1500;
		cfg.micro_usd_a_day = kind ? 4 * 135 + 660 : 0;
		agent = open_duty(&cfg);
		put_cell(2 * kind, 3, NULL);
		offer(agent, 2 * kind);
		turns(agent);
		ck_assert_uint_ne(verdict(2 * kind), 0);
		while (asked < 10 && by_hand(&cfg, 2 * kind) == 0)
			asked++;
		ck_assert_uint_ge(asked, 1);
		ck_assert_uint_le(asked, 4);
		put_cell(2 * kind + 1, 3, NULL);
		offer(agent, 2 * kind + 1);
		turns(agent);
		ck_assert_uint_eq(verdict(2 * kind + 1), 0);
		duty_close(agent);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_BY_HAND_FILE);
	}
}
END_TEST

/* Each child, and the parent, is somebody else who asks. */
START_TEST(killed_at_each_write_all_is_counted)
{
	const struct duty_config cfg = config();
	bool killed = true;
	int n, status;

	put_cell(0, 3, NULL);
	for (n = 0; killed; n++) {
		const unsigned long long before = counted("requests");
		const unsigned asked = server->asked;
		pid_t pid = fork();

		if (pid == 0) {
			writes_until_kill = n;
			_exit(by_hand(&cfg, 0) != 0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		killed = WIFSIGNALED(status);
		ck_assert(killed || WEXITSTATUS(status) == 0);
		server->under_way = false;
		/* Whole or not there, and never less than what was sent. */
		ck_assert_uint_ge(counted("requests"), before + server->asked - asked);
		ck_assert_uint_le(counted("requests"), before + 1);
		ck_assert_int_eq(by_hand(&cfg, 0), 0);
	}
	ck_assert_int_gt(n, 5);
	ck_assert_uint_ge(counted("tokens"), (unsigned long long)server->asked * TOKENS);
	printf("killed at each of %d writes\n", n - 1);
}
END_TEST

#define ASKERS 4
#define EACH 6

static bool answer_is_due;

static int count_send(void *ctx, const struct duty_call *call)
{
	(void)ctx;
	(void)call;
	__atomic_add_fetch(&server->asked, 1, __ATOMIC_RELAXED);
	answer_is_due = true;
	return 0;
}

/* Nothing of use: it costs what was set aside. */
static bool count_take(void *ctx, struct client_reply *out)
{
	(void)ctx;
	memset(out, 0, sizeof(*out));
	if (!answer_is_due)
		return false;
	answer_is_due = false;
	out->outcome = CLIENT_TIMEOUT;
	return true;
}

/* Many at once: no request more than there is a budget for, and none that is lost by waiting. */
START_TEST(many_at_once_spend_no_more)
{
	const struct duty_transport counting = { count_send, count_take, transport.cancel,
						 transport.fd, NULL };
	struct duty_config cfg = config();
	pid_t pid[ASKERS];
	int status;

	cfg.transport = &counting;
	cfg.requests_a_day = 13;
	put_cell(0, 3, NULL);
	for (int i = 0; i < ASKERS; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		ck_assert_int_eq(report_store_open(&cfg.store, dir, err, sizeof(err)), 0);
		for (int k = 0; k < EACH; k++) {
			const int failure = by_hand(&cfg, 0);

			if (failure != -EAGAIN && failure != -EDQUOT)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < ASKERS; i++) {
		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(server->asked, 13);
	ck_assert_uint_eq(counted("requests"), 13);
}
END_TEST

START_TEST(the_thread_does_not_wait_for_who_holds_the_lock)
{
	const struct duty_config cfg = config();
	struct duty *agent = open_duty(&cfg);
	int lock = report_dir_lock(store, REPORT_ANALYSIS_DIR);
	unsigned long long began_ms = mono_now_ms();
	edr_s64 at;

	ck_assert_int_ge(lock, 0);
	put_cell(0, 3, NULL);
	at = turns(agent);
	ck_assert_uint_lt(mono_now_ms() - began_ms, 1000);
	ck_assert_uint_eq(server->asked, 0);
	ck_assert_int_gt(at, now_ns);
	ck_assert_int_le(at, now_ns + S);
	/* By hand it is waited for, but not for ever. */
	began_ms = mono_now_ms();
	ck_assert_int_eq(by_hand(&cfg, 0), -EBUSY);
	ck_assert_uint_gt(mono_now_ms() - began_ms, 1000);
	close(lock);
	turns(agent);
	ck_assert_uint_eq(server->asked, 1);
	duty_close(agent);
}
END_TEST

START_TEST(one_that_is_damaged_is_begun_anew)
{
	struct duty_config cfg = config();
	struct duty *agent;
	char *whole;

	cfg.requests_a_day = 100;
	put_cell(0, 3, NULL);
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	whole = read_file(REPORT_ANALYSIS_DIR, DUTY_BY_HAND_FILE);
	for (size_t n = 0; n + 2 < strlen(whole); n += 7) {
		report_file_replace(store, REPORT_ANALYSIS_DIR, DUTY_BY_HAND_FILE,
				    (struct wire_span){ whole, n });
		agent = open_duty(&cfg);
		offer(agent, 0);
		turns(agent);
		duty_close(agent);
		ck_assert_int_eq(by_hand(&cfg, 0), 0);
		ck_assert_uint_eq(counted("requests"), 1);
	}
	free(whole);
}
END_TEST

START_TEST(what_cannot_be_counted_is_not_asked)
{
	struct duty_config cfg = config();

	put_cell(0, 3, NULL);
	cfg.requests_a_day = 5;
	ck_assert_int_eq(report_store_open_read(&cfg.store, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(by_hand(&cfg, 0), -EACCES);
	ck_assert_uint_eq(server->asked, 0);
	cfg.over_budget = true;
	SAYS({ .status = 400, .body = "form" }, OK);
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	cfg.over_budget = false;
	cfg.requests_a_day = 0;
	ck_assert_int_eq(by_hand(&cfg, 0), 0);
	ck_assert_uint_eq(counted("requests"), 0);
	report_store_close(cfg.store);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_one_spends_the_other_has_not,
		tokens_and_money_are_one_too,
		killed_at_each_write_all_is_counted,
		many_at_once_spend_no_more,
		the_thread_does_not_wait_for_who_holds_the_lock,
		one_that_is_damaged_is_begun_anew,
		what_cannot_be_counted_is_not_asked,
	};

	return suite_run("duty_spent", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 120);
}
