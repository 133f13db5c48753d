/* SPDX-License-Identifier: MIT */
/* Findings reach FILE.analysis of --output FILE, of cells and of what is above them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/engine.h"
#include "collect.h"
#include "feed.h"
#include "suite.h"
#include "util/log.h"

static char base[32];

static void engine_with(struct engine *e, struct conf_set *set, const char *output)
{
	const struct engine_config cfg = { .conf = conf_get(set), .replay = true };
	char dir[64], err[512];

	snprintf(dir, sizeof(dir), "%s/reports", base);
	ck_assert_int_eq(conf_set_option(set, "REPORTS", "reports_dir", dir, "", err, sizeof(err)),
			 0);
	ck_assert_int_eq(conf_set_option(set, "OUTPUT", "output", output, "", err, sizeof(err)), 0);
	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_msg(engine_open(e, &cfg, err, sizeof(err)) == 0, "%s", err);
}

/* A cell with findings in a block that is over; nothing is found in the next one. */
static void watch(struct engine *e, unsigned findings)
{
	struct cell_finding f = { .id = { "rule-7", 6 },
				  .title = { "odd \x1b[2J shell", 14 },
				  .details = { "run by \xff", 8 },
				  .technique = { "T1059.004", 9 },
				  .time_ns = (edr_s64)(FEED_WINDOW * FEED_S) + 5,
				  .severity = 4 };
	const edr_u64 boot = 1000 * FEED_S;
	struct buf b = { 0 };

	for (unsigned h = 0; h < 10; h += 2) {
		const edr_u64 now = boot + h * 3600 * FEED_S;

		engine_record(e, rec_clock(&b, now, (edr_s64)(FEED_WINDOW * FEED_S - boot),
					   h ? EDR_CLOCK_TICK : EDR_CLOCK_START));
		for (unsigned i = 0; !h && i < findings; i++)
			ck_assert_int_eq(cells_add_finding(e->cells, &f), 0);
	}
	engine_flush(e);
	ck_assert_int_eq(engine_close(e), 0);
	buf_free(&b);
}

static size_t read_all(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return n;
}

static void begin(void)
{
	strcpy(base, "/tmp/edr-analysis-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
}

static void end(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

START_TEST(test_findings)
{
	static const char want[] =
		", 2026-11-21T21:00:00Z to 2026-11-21T21:15:00Z: severity 4\n"
		"Severity 4: rule-7: odd \\x1b[2J shell. 0 execs and 0 connects were seen in 900 "
		"s.\n"
		"  4  2026-11-21T21:00:00Z  odd \\x1b[2J shell: run by \\xff (T1059.004) [rule-7]\n"
		"Why\n"
		"  4  rule-7: odd \\x1b[2J shell [f1]\n"
		"What to do\n"
		"  Look at what was found, for no more is known of its kind.\n\n";
	struct conf_set *set = conf_new();
	char output[64], path[80], text[16384];
	struct engine e;
	char *at;

	begin();
	snprintf(output, sizeof(output), "%s/events", base);
	snprintf(path, sizeof(path), "%s.analysis", output);
	engine_with(&e, set, output);
	watch(&e, 1);
	ck_assert_uint_gt(read_all(path, text, sizeof(text)), 0);
	ck_assert_int_eq(strncmp(text, "cell-20261121T2100Z", 19), 0);
	ck_assert_ptr_nonnull(strstr(text, want));
	at = strstr(text, "block-20261121T2000Z, ");
	ck_assert_ptr_nonnull(at);
	at = strstr(at, "daily-20261121, ");
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_null(strstr(at + 1, "block-")); /* nothing was found in the next one */
	snprintf(path, sizeof(path), "%s/reports/cells/cell-20261121T2100Z.analysis", base);
	read_all(path, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, want));
	snprintf(path, sizeof(path), "%s/reports/daily/daily-20261121.analysis", base);
	ck_assert_uint_gt(read_all(path, text, sizeof(text)), 0);
	conf_free(set);
	end();
}
END_TEST

/* The rest is counted; nothing found, no file. */
START_TEST(test_many_and_none)
{
	char output[64], path[80], text[65536];

	for (unsigned findings = 0; findings <= 50; findings += 50) {
		struct conf_set *set = conf_new();
		struct engine e;

		begin();
		snprintf(output, sizeof(output), "%s/events", base);
		snprintf(path, sizeof(path), "%s.analysis", output);
		engine_with(&e, set, output);
		watch(&e, findings);
		if (findings) {
			read_all(path, text, sizeof(text));
			ck_assert_ptr_nonnull(strstr(text, "\n  and 30 more\nWhy\n"));
		} else {
			ck_assert_int_ne(access(path, F_OK), 0);
		}
		conf_free(set);
		end();
	}
}
END_TEST

START_TEST(test_not_beside_a_device)
{
	struct conf_set *set = conf_new();
	struct engine e;

	begin();
	engine_with(&e, set, "/dev/null");
	watch(&e, 1);
	ck_assert_int_ne(access("/dev/null.analysis", F_OK), 0);
	conf_free(set);
	end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_findings, test_many_and_none,
				       test_not_beside_a_device };

	return suite_run("analysis", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
