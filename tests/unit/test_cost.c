/* SPDX-License-Identifier: MIT */
/*
 * What watching cost: measured, estimated, told, folded, printed, read back, added up; and from a
 * forged record.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/merge.h"
#include "cli/cost.h"
#include "collect.h"
#include "feed.h"
#include "made.h"
#include "source/bpf_cost.h"
#include "suite.h"

#define S 1000000000ull
#define START (FEED_WINDOW * S)

static const struct edr_cost some = { .user_ns = 1500000000,
				      .system_ns = 250000000,
				      .bpf_ns = 4000000,
				      .bpf_sampled_ns = 1000000000,
				      .bpf_sampled_runs = 900,
				      .memory_bytes = 6000000,
				      .memory_peak_bytes = 9000000,
				      .bpf_memory_bytes = 3000000 };

static json_object *cell_with(const struct edr_cost *const *cost, size_t n)
{
	struct feed f = { .sinks = collect };

	feed_open(&f, FEED_WINDOW + 1);
	for (unsigned i = 0; i < 7; i++)
		feed_exec(&f, 0, "/bin/true", "true");
	for (size_t i = 0; i < n; i++)
		feed_fold(&f, rec_cost(&f.rec, f.now_ns, cost[i]));
	feed_close(&f);
	ck_assert_uint_eq(n_reports, 1);
	return at(reports[0].root, "/own_cost");
}

static const char *text_of(json_object *o, const char *pointer)
{
	json_object *v = at(o, pointer);

	return v ? json_object_get_string(v) : "null";
}

/* In the order in which they are printed. */
static void check_cost(json_object *o, const char *const want[10])
{
	static const char *const member[10] = {
		"/agent_cpu_seconds",	 "/agent_user_seconds",
		"/agent_system_seconds", "/agent_cpu_ms_per_1000_events",
		"/bpf_cpu_seconds",	 "/bpf_sampled_seconds",
		"/bpf_sampled_runs",	 "/memory_bytes",
		"/memory_peak_bytes",	 "/bpf_memory_bytes",
	};

	for (size_t i = 0; i < 10; i++)
		ck_assert_msg(strcmp(text_of(o, member[i]), want[i]) == 0, "%s is %s, not %s",
			      member[i], text_of(o, member[i]), want[i]);
}

START_TEST(test_cell)
{
	const struct edr_cost less = {
		.user_ns = 1, .memory_bytes = 7000000, .memory_peak_bytes = 1, .bpf_memory_bytes = 1
	};
	const struct edr_cost *const both[] = { &some, &less };

	/* 1,750,000,001 ns by 7 events, cut. */
	check_cost(cell_with(both, 2),
		   (const char *const[]){ "1.750000001", "1.500000001", "0.25", "250000.000",
					  "0.004", "1", "900", "7000000", "9000000", "3000000" });
	ck_assert_int_eq(num(reports[0].root, "/housekeeping/cost"), 2);
	ck_assert_int_eq(num(reports[0].root, "/total"), 7);
	collect_free();
}
END_TEST

/* A source that does not tell, an old capture: nothing is not 0. */
START_TEST(test_not_known)
{
	const struct edr_cost agent = { .user_ns = 1000,
					.memory_bytes = 2,
					.memory_peak_bytes = 3 };
	const struct edr_cost *const one[] = { &agent };

	check_cost(cell_with(one, 1),
		   (const char *const[]){ "0.000001", "0.000001", "0", "0.142", "null", "null",
					  "null", "2", "3", "null" });
	collect_free();
	check_cost(cell_with(NULL, 0),
		   (const char *const[]){ "null", "null", "null", "null", "null", "null", "null",
					  "null", "null", "null" });
	collect_free();
}
END_TEST

static const char *const most[10] = { "9223372036.854775806", "4611686018.427387903",
				      "4611686018.427387903", "1317624576693539.400",
				      "9223372036.854775807", "9223372036.854775807",
				      "9223372036854775807",  "9223372036854775807",
				      "9223372036854775807",  "9223372036854775807" };

/* Whatever a forged record says, sums do not come round, and what was written can be read. */
START_TEST(test_forged)
{
	struct edr_cost all;
	const struct edr_cost *const three[] = { &all, &some, &all };
	struct cell *sum, *back;
	struct report_info info;
	struct buf id = { 0 }, text = { 0 };
	json_object *root;

	memset(&all, 0xff, sizeof(all));
	memset(&all.hdr, 0, sizeof(all.hdr));
	check_cost(cell_with(three, 3), most);
	back = made_load(&reports[0].text, &info);
	sum = cell_new_window((edr_s64)START, (edr_s64)(START + 4 * 3600 * S), 0, NULL);
	ck_assert_ptr_nonnull(sum);
	ck_assert_int_eq(cell_merge(sum, back), 0);
	ck_assert_int_eq(cell_merge(sum, back), 0);
	ck_assert_uint_eq(cell_totals(sum)->cost.user_ns, INT64_MAX / 2);
	made_text(sum, &id, &text);
	root = json_tokener_parse(text.data);
	ck_assert_str_eq(text_of(root, "/own_cost/agent_cpu_seconds"), most[0]);
	json_object_put(root);
	buf_free(&id);
	buf_free(&text);
	cell_free(sum);
	cell_free(back);
	collect_free();
}
END_TEST

static void fold_program(struct feed *f, const char *name, edr_u64 runs, edr_u64 run_ns)
{
	feed_fold(f, rec_program_cost(&f->rec, f->now_ns, name, runs, run_ns));
}

static const char *programs(void)
{
	return text_of(reports[0].root, "/own_cost/programs");
}

/* By name, sums that do not come round, and nothing of what no program is called. */
START_TEST(test_programs)
{
	struct feed f = { .sinks = collect };
	struct report_info info;
	struct cell *sum, *back;
	struct buf id = { 0 }, text = { 0 };
	json_object *root;

	feed_open(&f, FEED_WINDOW + 1);
	fold_program(&f, "task_newtask", 2, 1000000000);
	fold_program(&f, "exec", 1, 500000000);
	fold_program(&f, "task_newtask", ~0ull, 1000000000);
	fold_program(&f, "no\nname", 1, 1);
	fold_program(&f, "", 1, 1);
	feed_fold(&f, rec_cost(&f.rec, f.now_ns, &some));
	feed_close(&f);
	ck_assert_str_eq(programs(),
			 "[ { \"name\": \"exec\", \"runs\": 1, \"seconds\": 0.5 }, { \"name\": "
			 "\"task_newtask\", \"runs\": 9223372036854775807, \"seconds\": 2 } ]");
	ck_assert_int_eq(num(reports[0].root, "/housekeeping/program_cost"), 5);
	back = made_load(&reports[0].text, &info);
	sum = cell_new_window((edr_s64)START, (edr_s64)(START + 4 * 3600 * S), 0, NULL);
	ck_assert_int_eq(cell_merge(sum, back), 0);
	ck_assert_int_eq(cell_merge(sum, back), 0);
	made_text(sum, &id, &text);
	root = json_tokener_parse(text.data);
	ck_assert_str_eq(text_of(root, "/own_cost/programs/0/runs"), "2");
	ck_assert_str_eq(text_of(root, "/own_cost/programs/1/seconds"), "4");
	json_object_put(root);
	buf_free(&id);
	buf_free(&text);
	cell_free(sum);
	cell_free(back);
	collect_free();
}
END_TEST

/*
 * More names than there are rows: the last row is for all others, and the text reads back as it
 * was.
 */
START_TEST(test_many_programs)
{
	const edr_u64 names = CELL_PROGRAMS + 20;
	struct feed f = { .sinks = collect };
	const struct cell_cost *c;
	struct report_info info;
	struct cell *back;
	char name[16];

	feed_open(&f, FEED_WINDOW + 1);
	for (edr_u64 i = 0; i < names; i++) {
		snprintf(name, sizeof(name), "%s%llu", i % 2 ? "a" : "z", i);
		fold_program(&f, name, 1, 10);
	}
	feed_close(&f);
	back = made_load(&reports[0].text, &info);
	c = &cell_totals(back)->cost;
	ck_assert_uint_eq(c->n_programs, CELL_PROGRAMS);
	for (size_t i = 0; i < c->n_programs; i++) {
		const bool other = strcmp(c->program[i].name, CELL_OTHER_PROGRAMS) == 0;

		ck_assert_uint_eq(c->program[i].runs, other ? names - CELL_PROGRAMS + 1 : 1);
		ck_assert_uint_eq(c->program[i].run_ns, c->program[i].runs * 10);
		ck_assert(i == 0 || strcmp(c->program[i - 1].name, c->program[i].name) < 0);
	}
	cell_free(back);
	collect_free();
}
END_TEST

START_TEST(test_merge)
{
	struct edr_cost other = some;
	const struct edr_cost *const a[] = { &some }, *const b[] = { &other };
	struct cell *one, *two, *sum;
	struct report_info info;
	const struct cell_cost *c;

	other.memory_bytes = 8000000;
	other.memory_peak_bytes = 8500000;
	other.bpf_memory_bytes = 0;
	cell_with(a, 1);
	one = made_load(&reports[0].text, &info);
	collect_free();
	cell_with(b, 1);
	two = made_load(&reports[0].text, &info);
	collect_free();
	sum = cell_new_window((edr_s64)START, (edr_s64)(START + 4 * 3600 * S), 0, NULL);
	ck_assert_int_eq(cell_merge(sum, one), 0);
	ck_assert_int_eq(cell_merge(sum, two), 0);
	c = &cell_totals(sum)->cost;
	ck_assert_uint_eq(cell_totals(sum)->type[EDR_COST].delivered, 2);
	ck_assert_uint_eq(c->user_ns, 3000000000);
	ck_assert_uint_eq(c->system_ns, 500000000);
	ck_assert_uint_eq(c->bpf_ns, 8000000);
	ck_assert_uint_eq(c->bpf_sampled_ns, 2000000000);
	ck_assert_uint_eq(c->bpf_sampled_runs, 1800);
	ck_assert_uint_eq(c->memory_bytes, 8000000);
	ck_assert_uint_eq(c->memory_peak_bytes, 9000000);
	ck_assert_uint_eq(c->bpf_memory_bytes, 3000000);
	cell_free(one);
	cell_free(two);
	cell_free(sum);
}
END_TEST

/* Takes a member of the text away, to its end on the same line or, of an object, to its brace. */
static void take_away(struct buf *text, const char *from, const char *to)
{
	char *at = strstr(text->data, from), *end = at ? strstr(at, to) : NULL;

	ck_assert_ptr_nonnull(end);
	end += strlen(to);
	memmove(at, end, strlen(end) + 1);
	text->len = strlen(text->data);
}

/* A report of a program that had no such record is read; one that lost a part of it is not. */
START_TEST(test_older_report)
{
	const struct edr_cost *const one[] = { &some };
	struct report_info info;
	struct buf text = { 0 };
	struct cell *cell = NULL;

	cell_with(one, 1);
	buf_adds(&text, reports[0].text.data);
	take_away(&text, "\"agent_user_seconds\"", ",");
	ck_assert_int_eq(report_load(text.data, text.len, &cell, &info), -EBADMSG);
	buf_clear(&text);
	buf_adds(&text, reports[0].text.data);
	/* None by program; none at all. */
	take_away(&text, "\"programs\"", "null,");
	ck_assert_int_eq(report_load(text.data, text.len, &cell, &info), 0);
	ck_assert_uint_eq(cell_totals(cell)->cost.n_programs, 0);
	cell_free(cell);
	take_away(&text, ", \"program_cost\": 0", "0");
	take_away(&text, "\"own_cost\"", "},");
	take_away(&text, ", \"cost\": 1", "1");
	ck_assert_int_eq(report_load(text.data, text.len, &cell, &info), 0);
	ck_assert_uint_eq(cell_totals(cell)->type[EDR_COST].delivered, 0);
	ck_assert_uint_eq(cell_totals(cell)->cost.user_ns, 0);
	cell_free(cell);
	buf_free(&text);
	collect_free();
}
END_TEST

/* ---- telling ---- */

START_TEST(test_due)
{
	struct cost c = { 0 };
	const edr_s64 minute = (edr_s64)START;

	ck_assert(!cost_due(&c, 100 * S, minute + 5 * (edr_s64)S));
	ck_assert(!cost_due(&c, 104 * S, minute + 9 * (edr_s64)S));
	ck_assert(cost_due(&c, 105 * S, minute + 10 * (edr_s64)S));
	c.next_ns = 1000 * S;
	ck_assert(!cost_due(&c, 150 * S, minute + 55 * (edr_s64)S));
	ck_assert(cost_due(&c, 154 * S, minute + 59 * (edr_s64)S));
	ck_assert(!cost_due(&c, 154 * S + 1, minute + 59 * (edr_s64)S + 1));
	ck_assert(!cost_due(&c, 155 * S, minute + 60 * (edr_s64)S));
	ck_assert(cost_due(&c, 214 * S, minute + 119 * (edr_s64)S));
	/* Before the first clock record. */
	ck_assert(!cost_due(&c, 215 * S, 0));
}
END_TEST

static struct edr_cost told;
static struct edr_program_cost told_program[4];
static size_t n_told_programs;

static void keep(void *ctx, const struct edr_hdr *rec)
{
	(void)ctx;
	ck_assert_int_eq(wire_check(rec, rec->len), 0);
	if (rec->type == EDR_PROGRAM_COST) {
		ck_assert_uint_lt(n_told_programs, 4);
		memcpy(&told_program[n_told_programs++], rec, sizeof(told_program[0]));
		return;
	}
	ck_assert_uint_eq(rec->type, EDR_COST);
	memcpy(&told, rec, sizeof(told));
}

START_TEST(test_tell)
{
	struct source_cost source = {
		.bpf_ns = 100, .bpf_sampled_ns = 50, .bpf_sampled_runs = 7, .bpf_memory_bytes = 4096
	};
	struct cost c = { 0 };
	volatile unsigned spin = 0;
	edr_u64 first_ns;

	while (spin < 20000000)
		spin = spin + 1;
	cost_tell(&c, &source, 5 * S, keep, NULL);
	first_ns = told.user_ns + told.system_ns;
	ck_assert_uint_gt(first_ns, 1000000);
	ck_assert_uint_lt(first_ns, 100 * S);
	ck_assert_uint_eq(told.hdr.time_ns, 5 * S);
	ck_assert_uint_eq(told.bpf_ns, 100);
	ck_assert_uint_eq(told.bpf_memory_bytes, 4096);
	ck_assert_uint_gt(told.memory_bytes, 100000);
	ck_assert_uint_ge(told.memory_peak_bytes, told.memory_bytes);
	source.bpf_ns = 130;
	source.bpf_sampled_ns = 60;
	source.bpf_sampled_runs = 9;
	cost_tell(&c, &source, 6 * S, keep, NULL);
	ck_assert_uint_eq(told.bpf_ns, 30);
	ck_assert_uint_eq(told.bpf_sampled_ns, 10);
	ck_assert_uint_eq(told.bpf_sampled_runs, 2);
	ck_assert_uint_lt(told.user_ns + told.system_ns, first_ns);
	/* Another source begins anew; one that goes back gives nothing. */
	cost_lose_source(&c);
	source.bpf_ns = 20;
	cost_tell(&c, &source, 7 * S, keep, NULL);
	ck_assert_uint_eq(told.bpf_ns, 20);
	source.bpf_ns = 10;
	cost_tell(&c, &source, 8 * S, keep, NULL);
	ck_assert_uint_eq(told.bpf_ns, 0);
	cost_close(&c);
}
END_TEST

/* By program: what came since, of those that ran. */
START_TEST(test_tell_programs)
{
	struct source_cost source = {
		.n_programs = 3,
		.program = { { "idle", 0, 0 }, { "one", 500, 5 }, { "two", 70, 7 } }
	};
	struct cost c = { 0 };

	n_told_programs = 0;
	cost_tell(&c, &source, 5 * S, keep, NULL);
	ck_assert_uint_eq(n_told_programs, 2);
	ck_assert_str_eq(told_program[0].name, "one");
	ck_assert_uint_eq(told_program[0].run_ns, 500);
	ck_assert_uint_eq(told_program[0].runs, 5);
	ck_assert_uint_eq(told_program[0].hdr.time_ns, 5 * S);
	source.program[2].runs++;
	source.program[2].run_ns += 11;
	cost_tell(&c, &source, 6 * S, keep, NULL);
	ck_assert_uint_eq(n_told_programs, 3);
	ck_assert_str_eq(told_program[2].name, "two");
	ck_assert_uint_eq(told_program[2].run_ns, 11);
	ck_assert_uint_eq(told_program[2].runs, 1);
	cost_lose_source(&c);
	source.n_programs = 2;
	cost_tell(&c, &source, 7 * S, keep, NULL);
	ck_assert_uint_eq(n_told_programs, 4);
	ck_assert_uint_eq(told_program[3].run_ns, 500);
	cost_close(&c);
}
END_TEST

/* ---- the estimate ---- */

static void about(edr_u64 got, edr_u64 want)
{
	ck_assert_msg(got + got / 1000 + 1 >= want && want + want / 1000 + 1 >= got,
		      "%llu, not about %llu", got, want);
}

START_TEST(test_rates)
{
	struct bpf_rates r = { 0 };

	ck_assert_uint_eq(bpf_rates_estimate(&r, 1000, S), 0);
	/* Two runs of 1 us an event. */
	bpf_rates_learn(&r, &(struct bpf_sample){ 2000000, 2000, 1000, S });
	about(bpf_rates_estimate(&r, 5, 0), 10000);
	about(bpf_rates_estimate(&r, 5000, 9 * S), 10000000);
	/* A quiet sample changes nothing of that. */
	bpf_rates_learn(&r, &(struct bpf_sample){ 0, 0, 0, S });
	about(bpf_rates_estimate(&r, 5, 9 * S), 10000);
}
END_TEST

/* Runs that make no events count by time, and never make an event look dear. */
START_TEST(test_rates_without_events)
{
	struct bpf_rates r = { 0 };

	bpf_rates_learn(&r, &(struct bpf_sample){ 50000000, 100000, 0, S });
	about(bpf_rates_estimate(&r, 0, 9 * S), 450000000);
	bpf_rates_learn(&r, &(struct bpf_sample){ 50000000, 100000, 1, S });
	/* 500 ns a run, six at most. */
	about(bpf_rates_estimate(&r, 1000000, 0), 3000000000);
	about(bpf_rates_estimate(&r, 0, 9 * S), 9 * (50000000 - 3000));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_cell,	    test_not_known,	test_forged,
		test_programs,	    test_many_programs, test_merge,
		test_older_report,  test_due,		test_tell,
		test_tell_programs, test_rates,		test_rates_without_events,
	};

	return suite_run("cost", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
