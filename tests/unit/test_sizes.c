/* SPDX-License-Identifier: MIT */
/* What memory_mb is shared out to: the worst case of all parts, added up, stays within it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyze/duty.h"
#include "cell/cell.h"
#include "conf/conf.h"
#include "detect/baseline.h"
#include "detect/signal.h"
#include "proc/proc.h"
#include "redact/redact.h"
#include "source/batch.h"
#include "suite.h"

#define MIB ((size_t)1 << 20)
#define UNSIZED (13 * MIB / 2) /* see docs/benchmarks.md */
#define RECORD_MIN 56	       /* as in batch.c */
#define KERNEL_ENTRY_BYTES \
	1900 /* of all tables that are sized, for each of table_entries: memlock in fdinfo */
#define MODEL_LEAST_MB 20
#define JSON_SHARE 2 /* a cell's text by its memory, at most */
/* Chunks of 64 KiB and a table, half full at least but for the last; two of them are open. */

#define SINK_CHUNKS ((size_t)144 << 10)
#define PART_CHUNK ((size_t)64 << 10)

static const unsigned limits_mb[] = { 16, 20, 32, 64, 128, 512 };
#define N_LIMITS (sizeof(limits_mb) / sizeof(*limits_mb))

static size_t cell_most(struct conf_rows rows)
{
	const struct cell_config cfg = { .max_executables = rows.executables,
					 .max_command_lines = rows.command_lines,
					 .max_connections = rows.connections };

	return cell_most_bytes(&cfg);
}

static size_t processes_most(size_t n)
{
	struct proc_table *t = proc_table_new(n);
	const size_t bytes = proc_table_most_bytes(t);

	proc_table_free(t);
	return bytes;
}

static struct conf_set *conf_of(unsigned mb, unsigned sinks)
{
	static const char *const sink_options[][3] = { { "OUTPUT", "output", "/tmp/a" },
						       { "OUTPUT", "stdout_events", "true" },
						       { "OUTPUT", "record", "/tmp/b" } };
	struct conf_set *set = conf_new();
	char value[16], err[256];

	snprintf(value, sizeof(value), "%u", mb);
	ck_assert_int_eq(
		conf_set_option(set, "LIMITS", "memory_mb", value, "--set", err, sizeof(err)), 0);
	for (unsigned i = 0; i < sinks && i < 3; i++)
		ck_assert_int_eq(conf_set_option(set, sink_options[i][0], sink_options[i][1],
						 sink_options[i][2], "--set", err, sizeof(err)),
				 0);
	return set;
}

static void add_up(const struct conf_set *set, unsigned mb, unsigned sinks, bool model)
{
	const struct conf_sizes s = conf_sizes(conf_get(set));
	const size_t cell = cell_most(s.cell), checkpoint = cell_most(s.checkpoint);
	const size_t most = conf_most_bytes(conf_get(set));
	const struct {
		const char *what;
		size_t bytes;
	} part[] = {
		{ "what has no size", UNSIZED },
		{ "rings", s.ring_exec + s.ring_noisy },
		{ "processes", processes_most(s.processes) },
		{ "cells: open, being written, of a killed run", 3 * cell },
		{ "its JSON", JSON_SHARE * cell },
		{ "checkpoints: open, being written, not written", 3 * checkpoint },
		{ "cells that wait", s.cells },
		{ "interim parts that wait", s.parts },
		{ "raw events of the open cell, of the closed one", 2 * (s.part + PART_CHUNK) },
		{ "sinks", sinks * (s.sink * 9 / 4 + SINK_CHUNKS) },
		{ "batch", 2 * s.batch + (s.batch / RECORD_MIN + 1) * sizeof(struct batch_item) },
		{ "kernel tables", s.kernel_entries * KERNEL_ENTRY_BYTES },
		{ "findings", detect_most_bytes() },
		{ "baseline: itself, waiting, being written",
		  3 * s.baseline * BASELINE_ENTRY_BYTES },
		{ "redaction", REDACT_MOST_BYTES },
		{ "an exchange with the model", model ? DUTY_EXCHANGE_BYTES : 0 },
		{ "reports that wait for it", s.waiting * DUTY_ENTRY_BYTES },
		{ "a prompt",
		  model ? PROMPT_MOST_BYTES(conf_get(set)->prompt_tokens) +
				  PROMPT_ROW_BYTES * (s.cell.executables + s.cell.connections)
			: 0 },
		{ "the report's text that it is made of", model ? JSON_SHARE * cell : 0 },
	};
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
		sum += part[i].bytes;
		printf("%u MiB, %u sinks: %-50s %9zu KiB\n", mb, sinks, part[i].what,
		       part[i].bytes >> 10);
	}
	printf("%u MiB, %u sinks: %-50s %9zu KiB, said to be %zu\n", mb, sinks, "all", sum >> 10,
	       most >> 10);
	fflush(stdout);
	ck_assert_uint_le(sum, most);
	ck_assert_int_eq(s.waiting > 0, model);
	/* A model has no room in the least: then it is told. */
	if (model && mb < MODEL_LEAST_MB)
		ck_assert_uint_gt(most, mb * MIB);
	else
		ck_assert_uint_le(most, mb * MIB);
}

static void ask_a_model(struct conf_set *set)
{
	char err[256];

	ck_assert_int_eq(conf_set_option(set, "OPENAI", "api_base", "http://[::1]:8080/v1", "--set",
					 err, sizeof(err)),
			 0);
}

START_TEST(all_parts_together)
{
	const unsigned mb = limits_mb[(unsigned)_i % N_LIMITS], sinks = (unsigned)_i / N_LIMITS % 4;
	const bool model = (unsigned)_i >= 4 * N_LIMITS;
	struct conf_set *set = conf_of(mb, sinks);

	if (model)
		ask_a_model(set);
	add_up(set, mb, sinks, model);
	conf_free(set);
}
END_TEST

/* What is set by hand may be more: then it is told. */
START_TEST(sizes_of_ones_own)
{
	static const char *const key[][2] = {
		{ "SOURCE", "ring_exec_kb" },	   { "SOURCE", "ring_noisy_kb" },
		{ "LIMITS", "max_processes" },	   { "LIMITS", "max_executables" },
		{ "LIMITS", "max_command_lines" }, { "LIMITS", "max_connections" },
		{ "LIMITS", "max_baseline" }
	};
	struct conf_set *set = conf_of(128, 0);
	char err[256];

	ck_assert_int_eq(
		conf_set_option(set, key[_i][0], key[_i][1], "1000", "--set", err, sizeof(err)), 0);
	ck_assert_uint_le(conf_most_bytes(conf_get(set)), 128 * MIB);
	ck_assert_int_eq(
		conf_set_option(set, key[_i][0], key[_i][1], "300000", "--set", err, sizeof(err)),
		0);
	ck_assert_uint_gt(conf_most_bytes(conf_get(set)), 128 * MIB);
	conf_free(set);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sizes");
	TCase *c = tcase_create("sizes");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(c, all_parts_together, 0, 8 * (int)N_LIMITS);
	tcase_add_loop_test(c, sizes_of_ones_own, 0, 7);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
