/* SPDX-License-Identifier: MIT */
/* From an event to the report: what is found is listed, and counted beyond. */
#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "feed.h"
#include "suite.h"
#include "util/log.h"

static char base[40];

static void setup(void)
{
	strcpy(base, "/tmp/edr-findings-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	log_set_level(LOG_LEVEL_ERROR);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

static void run_in_shm(struct engine *e, struct buf *b, edr_u64 now, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		const struct rec_id id = { .tgid = 100 + i, .start_ns = 7, .time_ns = now + i };
		const struct rec_exec exec = {
			.ppid = 1, .uid = 33, .exe = "/dev/shm/x", .args = "x\0-v", .args_len = 5
		};

		engine_record(e, rec_exec(b, id, exec));
	}
}

/* The report of a cell in which it ran so often. */
static json_object *report_of(bool findings_wanted, unsigned times)
{
	struct conf_set *set = conf_new();
	struct engine_config cfg = { .conf = conf_get(set), .replay = true };
	const edr_u64 boot = 1000 * FEED_S;
	char dir[64], path[128], err[256];
	struct buf b = { 0 };
	json_object *report;
	struct engine e;

	snprintf(dir, sizeof(dir), "%s/reports", base);
	ck_assert_int_eq(conf_set_option(set, "REPORTS", "reports_dir", dir, "", err, sizeof(err)),
			 0);
	ck_assert_int_eq(conf_set_option(set, "ADVANCED", "include_security_findings",
					 findings_wanted ? "true" : "false", "", err, sizeof(err)),
			 0);
	ck_assert_msg(engine_open(&e, &cfg, err, sizeof(err)) == 0, "%s", err);
	run_in_shm(&e, &b, boot - 5, 1); /* nobody knows when */
	engine_record(&e,
		      rec_clock(&b, boot, (edr_s64)(FEED_WINDOW * FEED_S - boot), EDR_CLOCK_START));
	run_in_shm(&e, &b, boot + 1, times);
	engine_flush(&e);
	ck_assert_int_eq(engine_close(&e), 0);
	snprintf(path, sizeof(path), "%s/cells/cell-20261121T2100Z.json", dir);
	report = json_object_from_file(path);
	ck_assert_msg(report != NULL, "%s", path);
	conf_free(set);
	buf_free(&b);
	return report;
}

static json_object *member(json_object *o, const char *name)
{
	json_object *m = json_object_object_get(o, name);

	ck_assert_msg(m != NULL, "%s", name);
	return m;
}

START_TEST(test_listed_and_counted)
{
	json_object *report = report_of(true, 10), *findings = member(report, "findings");
	json_object *first = json_object_array_get_idx(findings, 0);

	ck_assert_uint_eq(json_object_array_length(findings), DETECT_LISTED_EACH);
	ck_assert_int_eq(json_object_get_int(member(member(report, "finding_counts"), "3")), 10);
	ck_assert_str_eq(json_object_get_string(member(first, "id")), "run-world-writable");
	ck_assert_str_eq(json_object_get_string(member(first, "technique")), "T1036");
	ck_assert_str_eq(json_object_get_string(member(first, "details")),
			 "? (uid 33) started /dev/shm/x: x -v");
	ck_assert_int_eq(json_object_get_int(member(report, "severity")), 3);
	json_object_put(report);
}
END_TEST

START_TEST(test_switched_off)
{
	json_object *report = report_of(false, 10);

	ck_assert_uint_eq(json_object_array_length(member(report, "findings")), 0);
	ck_assert_int_eq(json_object_get_int(member(member(report, "finding_counts"), "3")), 0);
	json_object_put(report);
}
END_TEST

START_TEST(test_counting)
{
	struct feed f = { 0 };

	feed_open(&f, FEED_WINDOW);
	ck_assert_int_eq(cells_count_finding(f.cells, 0), -EINVAL);
	ck_assert_int_eq(cells_count_finding(f.cells, CELL_SEVERITIES), -EINVAL);
	ck_assert_int_eq(cells_count_finding(f.cells, 5), 0);
	feed_close(&f);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_listed_and_counted, test_switched_off, test_counting };

	return suite_run("findings", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 60);
}
