/* SPDX-License-Identifier: MIT */
/* What outlives the process, with a kill at each write; the thread; one report at once. */
#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/model.h"
#include "conf/conf.h"
#include "duty_made.h"
#include "kill_at_write.h"
#include "report/files.h"
#include "suite.h"
#include "util/mono.h"

/* ---- what outlives the process ---- */

START_TEST(what_was_written_while_nobody_looked_is_found)
{
	struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	put_cell(-4 * 24 * 4, 1, NULL); /* four days old */
	put_cell(-40, 1, NULL);
	put_cell(0, 1, NULL);
	turns(d);
	ck_assert_uint_eq(server->asked, 2);
	ck_assert_uint_eq(verdict(-4 * 24 * 4), 0);
	duty_close(d);
	put_cell(1, 1, NULL);
	d = open_duty(&cfg);
	turns(d);
	ck_assert_uint_ne(verdict(1), 0);
	/* More than there is room for between two turns. */
	for (int i = 2; i < 2 + 2 * DUTY_OFFERS; i++) {
		put_cell(i, 1, NULL);
		offer(d, i);
	}
	turns(d);
	for (int i = 2; i < 2 + 2 * DUTY_OFFERS; i++)
		ck_assert_uint_ne(verdict(i), 0);
	duty_close(d);
}
END_TEST

START_TEST(a_queue_that_is_damaged_is_begun_anew)
{
	const struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);
	char *whole;

	SAYS({ .outcome = CLIENT_NO_CONNECT });
	for (int i = 0; i < 3; i++) {
		put_cell(i, 3, "discovery");
		offer(d, i);
	}
	turns(d);
	duty_form_learn(&d->state, &cfg, PROMPT_TEXT, now_ns);
	ck_assert_int_eq(duty_state_save(&d->state, store), 0);
	duty_close(d);
	whole = read_file(REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
	for (size_t n = 0; n + 2 < strlen(whole); n++) {
		struct duty_state s;

		report_file_replace(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE,
				    (struct wire_span){ whole, n });
		ck_assert_int_eq(duty_state_load(&s, store), -EBADMSG);
		ck_assert_ptr_null(s.entry);
	}
	for (size_t n = 0; n < strlen(whole); n++) {
		struct duty_state s;
		const char was = whole[n];

		whole[n] = (char)(was ^ 1);
		report_file_replace(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE,
				    (struct wire_span){ whole, strlen(whole) });
		if (duty_state_load(&s, store) == 0)
			for (size_t i = 0; i < s.n; i++)
				ck_assert_int_lt(s.entry[i].level, N_LEVELS);
		duty_state_free(&s);
		whole[n] = was;
	}
	report_file_replace(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE,
			    (struct wire_span){ "{}", 2 });
	SAYS(OK);
	d = open_duty(&cfg);
	turns(d);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ne(verdict(i), 0);
	duty_close(d);
	free(whole);
}
END_TEST

START_TEST(a_full_queue_gives_up_the_least)
{
	struct duty_state s = { .dirty = false };
	struct duty_entry e = { .level = LEVEL_CELL };
	unsigned long long given_up = 0;

	for (int i = 0; i < DUTY_QUEUE_MAX; i++) {
		snprintf(e.id, sizeof(e.id), "cell-%d", i);
		e.severity = i == 7 ? 1 : 2;
		e.since_ns = i;
		ck_assert_ptr_nonnull(duty_state_add(&s, &e, &given_up));
	}
	snprintf(e.id, sizeof(e.id), "new");
	e.severity = 2;
	ck_assert_ptr_nonnull(duty_state_add(&s, &e, &given_up));
	ck_assert_ptr_null(duty_state_find(&s, "cell-7"));
	e.severity = 1;
	snprintf(e.id, sizeof(e.id), "less");
	ck_assert_ptr_null(duty_state_add(&s, &e, &given_up));
	ck_assert_uint_eq(s.n, DUTY_QUEUE_MAX);
	ck_assert_uint_eq(given_up, 2);
	duty_state_free(&s);
}
END_TEST

/* conf_sizes() gives it a share of memory_mb, by DUTY_ENTRY_BYTES. */
START_TEST(a_queue_has_no_more_than_it_was_given)
{
	struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);
	struct duty_entry e = { .level = LEVEL_CELL, .severity = 5, .since_ns = now_ns };
	unsigned long long given_up = 0;
	char *text;

	/* As long as they can be. */
	memset(e.digest, 'f', sizeof(e.digest) - 1);
	e.max_lines = 1000000;
	for (int i = 0; i < 300; i++) {
		snprintf(e.id, sizeof(e.id), "cell-20261121T2100Z-%0*d", CHAIN_ID_MAX - 22, i);
		e.severity = 1 + (unsigned)i % 5;
		ck_assert_ptr_nonnull(duty_state_add(&d->state, &e, &given_up));
	}
	ck_assert_int_eq(duty_state_save(&d->state, store), 0);
	text = read_file(REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
	ck_assert_uint_le(strlen(text) + 2 * d->state.n * sizeof(e), 300 * DUTY_ENTRY_BYTES);
	free(text);
	duty_close(d);
	/* One that had more room has left more than there is now: the least severe go. */
	cfg.max_waiting = 60;
	d = open_duty(&cfg);
	ck_assert_uint_eq(d->state.n, 60);
	ck_assert_uint_eq(d->stats.given_up, 240);
	for (size_t i = 0; i < d->state.n; i++)
		ck_assert_uint_eq(d->state.entry[i].severity, 5);
	snprintf(e.id, sizeof(e.id), "cell-20261121T2115Z");
	e.severity = 5;
	e.since_ns++;
	ck_assert_ptr_nonnull(duty_state_add(&d->state, &e, &given_up));
	ck_assert_uint_eq(d->state.n, 60);
	ck_assert_uint_eq(given_up, 1);
	duty_close(d);
}
END_TEST

static void all_of_it(int kill_at)
{
	struct duty_config cfg = config();
	struct duty *d;

	cfg.keep_exchanges = true;
	if (report_store_open(&cfg.store, dir, err, sizeof(err)))
		_exit(3);
	d = open_duty(&cfg);
	writes_until_kill = kill_at;
	for (int i = 0; i < 20; i++) {
		turns(d);
		now_ns += 10 * S;
	}
	writes_until_kill = -1;
	duty_close(d);
	report_store_close(cfg.store);
}

/* False: it was not killed. */
static bool killed_at(int n)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		all_of_it(n);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

START_TEST(killed_at_each_write_nothing_is_lost_nor_spent_unseen)
{
	unsigned again = 0;
	bool killed = true;
	int n;

	for (n = 0; killed; n++) {
		struct duty_state s;
		const edr_s64 began_ns = now_ns;

		for (int i = 0; i < 3; i++)
			put_cell(n * 4 + i, 1 + (unsigned)i, NULL);
		SAYS({ .outcome = CLIENT_TIMEOUT }, OK);
		killed = killed_at(n);
		server->under_way = false;
		ck_assert_int_eq(duty_state_load(&s, store), 0);
		ck_assert_uint_ge(s.requests, server->asked);
		duty_state_free(&s);
		now_ns += 60 * S;
		all_of_it(-1);
		for (int i = 0; i < 3; i++)
			ck_assert_msg(verdict(n * 4 + i) == 1 + (unsigned)i, "killed at %d", n);
		ck_assert_int_eq(duty_state_load(&s, store), 0);
		ck_assert_uint_eq(s.n, 0);
		ck_assert_uint_ge(s.requests, server->asked);
		ck_assert_uint_le(s.requests, server->asked + 1);
		duty_state_free(&s);
		/* Three, one that timed out, and the one that was under way at most. */
		ck_assert_uint_ge(server->asked, 4);
		ck_assert_uint_le(server->asked, 5);
		again += server->asked == 5;
		report_file_remove(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(report_remove(store, "cells", cell_id(n * 4 + i)), 0);
		now_ns = began_ns;
	}
	ck_assert_int_gt(n, 20);
	ck_assert_uint_gt(again, 0);
	printf("killed at each of %d writes; %u times a request was repeated\n", n - 1, again);
}
END_TEST

/* ---- the thread ---- */

static void wait_for(struct duty *d, size_t waiting, unsigned answered)
{
	for (int i = 0; i < 5000; i++) {
		const struct duty_stats s = stats_of(d);

		if (s.waiting == waiting && s.answered == answered)
			return;
		usleep(1000);
	}
	ck_abort_msg("it did not happen");
}

START_TEST(nobody_waits_for_the_thread)
{
	const struct duty_config cfg = config();
	struct duty *d;
	unsigned long long from;

	ck_assert_int_eq(duty_start(&d, &cfg, err, sizeof(err)), 0);
	put_cell(0, 1, NULL);
	offer(d, 0);
	wait_for(d, 0, 1);
	server->hangs = true;
	put_cell(1, 1, NULL);
	offer(d, 1);
	wait_for(d, 1, 1);
	from = mono_now_ms();
	for (int i = 0; i < 100000; i++)
		offer(d, 1);
	ck_assert_uint_lt(mono_now_ms() - from, 5000);
	from = mono_now_ms();
	duty_stop(d);
	ck_assert_uint_lt(mono_now_ms() - from, 2000);
	ck_assert(server->cancelled);
	/* It stays in the queue. */
	server->hangs = false;
	d = open_duty(&cfg);
	turns(d);
	ck_assert_uint_ne(verdict(1), 0);
	duty_close(d);
	duty_stop(NULL);
}
END_TEST

static struct duty *stopped;
static size_t stopped_with;

/* Each report that is queued asks for the time. */
static edr_s64 now_and_stop(void *ctx)
{
	if (stopped && stopped->state.n == stopped_with)
		stopped->stopping = true;
	return now(ctx);
}

/* In the directory, as offers, and when requests are made of what waits. */
START_TEST(a_stop_waits_for_no_round)
{
	struct duty_config cfg = config();
	struct duty *d;

	for (int i = 0; i < 10; i++)
		put_cell(i, 1, NULL);
	cfg.now_ns = now_and_stop;
	for (int way = 0; way < 2; way++) {
		d = open_duty(&cfg);
		if (way) {
			d->look = false;
			for (int i = 0; i < 10; i++)
				offer(d, i);
		}
		stopped_with = 2 + 2 * (size_t)way;
		stopped = d;
		duty_turn(d);
		stopped = NULL;
		ck_assert_uint_ge(d->state.n, stopped_with);
		ck_assert_uint_le(d->state.n, stopped_with + 1);
		ck_assert_uint_eq(server->asked, 0);
		duty_close(d);
	}
	/* Nothing is lost by it. */
	d = open_duty(&cfg);
	turns(d);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_ne(verdict(i), 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(report_remove(store, "cells", cell_id(i)), 0);
	now_ns += 24 * HOUR;
	d->stopping = true;
	duty_turn(d);
	ck_assert_uint_ne(verdict(9), 0);
	duty_close(d);
}
END_TEST

START_TEST(a_client_that_is_gone_leaves_all_in_the_queue)
{
	struct duty_config cfg = config();
	struct duty *d = open_duty(&cfg);

	server->send_error = server->again_error = -EPIPE;
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	now_ns += HOUR;
	turns(d);
	ck_assert_uint_eq(stats_of(d).waiting, 1);
	ck_assert_uint_eq(stats_of(d).requests_today, 0);
	duty_close(d);
	cfg.transport = NULL;
	d = open_duty(&cfg);
	turns(d);
	ck_assert_uint_eq(stats_of(d).waiting, 1);
	duty_close(d);
	cfg.transport = &transport;
	server->send_error = -EBUSY;
	d = open_duty(&cfg);
	ck_assert_int_eq(turns(d), now_ns + S);
	server->send_error = 0;
	turns(d);
	ck_assert_uint_ne(verdict(0), 0);
	duty_close(d);
}
END_TEST

/* ---- what is kept, and one at once ---- */

START_TEST(exchanges_are_kept_as_long_as_wanted)
{
	struct duty_config cfg = config();
	struct duty *d;
	json_object *line, *v;
	char *text;

	cfg.keep_exchanges = true;
	cfg.keep_days = 30;
	d = open_duty(&cfg);
	SAYS({ .status = 200, .body = "\xff\"\n\x01" }, OK);
	put_cell(0, 1, NULL);
	offer(d, 0);
	turns(d);
	now_ns += 10 * S;
	turns(d);
	text = read_file(REPORT_ANALYSIS_DIR, "exchanges-20261121.jsonl");
	*strchr(text, '\n') = '\0';
	line = json_tokener_parse(text);
	ck_assert_ptr_nonnull(line);
	ck_assert(json_object_object_get_ex(line, "fault", &v));
	ck_assert_str_eq(json_object_get_string(v), "not UTF-8");
	json_object_put(line);
	line = json_tokener_parse(text + strlen(text) + 1);
	ck_assert_ptr_nonnull(line);
	ck_assert(json_object_object_get_ex(line, "request", &v));
	/* Byte for byte what was sent. */
	ck_assert_ptr_nonnull(strstr(text + strlen(text) + 1, server->last));
	ck_assert(json_object_object_get_ex(line, "tokens_in", &v));
	ck_assert_int_eq(json_object_get_int(v), 500);
	json_object_put(line);
	free(text);
	now_ns += 31 * 24 * HOUR;
	turns(d);
	ck_assert_int_eq(report_file_read(store, REPORT_ANALYSIS_DIR, "exchanges-20261121.jsonl",
					  1 << 20, &(struct buf){ 0 }),
			 -ENOENT);
	/* And a verdict no longer than its report. */
	ck_assert_uint_ne(verdict(0), 0);
	report_remove(store, "cells", cell_id(0));
	now_ns += 24 * HOUR;
	turns(d);
	ck_assert_uint_eq(verdict(0), 0);
	duty_close(d);
}
END_TEST

/* At a start without a model, and with each day's report. */
START_TEST(what_a_model_left_goes_without_one_too)
{
	const struct duty_config cfg = config();
	struct conf_set *set = conf_new();
	struct model m = { .client = NULL };
	struct duty *d = open_duty(&cfg);

	ck_assert_int_eq(conf_set_option(set, "REPORTS", "reports_dir", dir, "", err, sizeof(err)),
			 0);
	for (int i = 0; i < 3; i++) {
		put_cell(i, 1, NULL);
		offer(d, i);
	}
	turns(d);
	duty_close(d);
	ck_assert_int_eq(report_remove(store, "cells", cell_id(0)), 0);
	ck_assert_int_eq(model_start(&m, conf_get(set), err, sizeof(err)), 0);
	ck_assert_uint_eq(verdict(0), 0);
	ck_assert_uint_ne(verdict(1), 0);
	ck_assert_int_eq(report_remove(store, "cells", cell_id(1)), 0);
	model_offer(&m, "cells/cell-20261121T2100Z.json");
	ck_assert_uint_ne(verdict(1), 0);
	model_offer(&m, "daily/daily-20261121.json");
	ck_assert_uint_eq(verdict(1), 0);
	ck_assert_uint_ne(verdict(2), 0);
	model_close(&m);
	conf_free(set);
}
END_TEST

START_TEST(one_at_once)
{
	struct duty_config cfg = config();
	struct buf json = { 0 }, text = { 0 };

	put_cell(0, 3, NULL);
	cfg.keep_exchanges = true;
	SAYS({ .status = 400, .body = "form" }, { .status = 200, .severity = 5 });
	ck_assert_int_eq(
		duty_once(&cfg, LEVEL_CELL, cell_id(0), false, &json, &text, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(json.data, "\"severity\": 5"));
	ck_assert_ptr_nonnull(strstr(text.data, "severity 5, higher than the local 3"));
	/* Nothing of it is on disk. */
	ck_assert_uint_eq(verdict(0), 0);
	ck_assert_int_eq(
		report_file_read(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE, 1 << 20, &json),
		-ENOENT);
	ck_assert_int_eq(report_file_read(store, REPORT_ANALYSIS_DIR, "exchanges-20261121.jsonl",
					  1 << 20, &json),
			 -ENOENT);
	buf_clear(&json);
	buf_clear(&text);
	SAYS(OK);
	ck_assert_int_eq(
		duty_once(&cfg, LEVEL_CELL, cell_id(0), true, &json, &text, err, sizeof(err)), 0);
	ck_assert_uint_eq(verdict(0), 3);
	SAYS({ .status = 401 });
	ck_assert_int_eq(
		duty_once(&cfg, LEVEL_CELL, cell_id(0), true, &json, &text, err, sizeof(err)),
		-EAGAIN);
	ck_assert_str_eq(err, "the model's server says 401");
	cfg.requests_a_day = 1;
	ck_assert_int_eq(
		duty_once(&cfg, LEVEL_CELL, cell_id(0), true, &json, &text, err, sizeof(err)),
		-EDQUOT);
	ck_assert_int_eq(
		duty_once(&cfg, LEVEL_CELL, cell_id(77), true, &json, &text, err, sizeof(err)),
		-ENOENT);
	buf_free(&json);
	buf_free(&text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_was_written_while_nobody_looked_is_found,
		a_queue_that_is_damaged_is_begun_anew,
		a_full_queue_gives_up_the_least,
		a_queue_has_no_more_than_it_was_given,
		killed_at_each_write_nothing_is_lost_nor_spent_unseen,
		nobody_waits_for_the_thread,
		a_stop_waits_for_no_round,
		a_client_that_is_gone_leaves_all_in_the_queue,
		exchanges_are_kept_as_long_as_wanted,
		what_a_model_left_goes_without_one_too,
		one_at_once,
	};

	return suite_run("duty_disk", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 120);
}
