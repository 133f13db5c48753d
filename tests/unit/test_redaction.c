/* SPDX-License-Identifier: MIT */
/* What reports say of redaction, and the key in the reports directory. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell/merge.h"
#include "cli/redaction.h"
#include "rec.h"
#include "report/parent.h"
#include "report/report.h"
#include "suite.h"

#define WALL_NS 1700000000000000000ll
#define ARGV "x\0--password=hunter22"

static char dir[64], other[64], path[160], err[300];
static struct cell *closed;
static struct conf_set *conf;

static void setup(void)
{
	strcpy(dir, "/tmp/edr-redaction-XXXXXX");
	strcpy(other, "/tmp/edr-redaction-XXXXXX");
	ck_assert(mkdtemp(dir) && mkdtemp(other));
	conf = conf_new();
	ck_assert_int_eq(
		conf_set_option(conf, "REPORTS", "reports_dir", dir, "--set", err, sizeof(err)), 0);
}

static void teardown(void)
{
	static const char *const names[] = { "analysis/redact.key", "analysis", "key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(rmdir(other), 0); /* nothing was written there */
	conf_free(conf);
}

/* ---- in reports ---- */

static void on_closed(void *ctx, struct cell *cell)
{
	(void)ctx;
	closed = cell;
}

/* A cell of two execs; of `redacted` of them a secret was taken out. */
static struct cell *cell_of(unsigned redacted, bool off)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .max_executables = 10,
					 .max_command_lines = 10,
					 .max_connections = 10,
					 .redact_off = off };
	const struct cell_sinks sinks = { .on_closed = on_closed };
	struct cells *cells = cells_new(&cfg, &sinks);
	struct buf b = { 0 };

	cells_fold(cells, rec_clock(&b, 1000, WALL_NS, EDR_CLOCK_START), NULL, NULL,
		   (struct wire_span){ 0 });
	for (unsigned i = 0; i < 2; i++) {
		const struct rec_exec e = { .exe = "/x",
					    .flags = i < redacted ? EDR_F_REDACTED : 0 };

		cells_fold(cells, rec_exec(&b, (struct rec_id){ 7, 900, 2000 + i }, e), NULL, NULL,
			   (struct wire_span){ 0 });
	}
	cells_close_partial(cells, NULL);
	cells_free(cells);
	buf_free(&b);
	return closed;
}

static void says(const struct cell *cell, const char *mode, unsigned records)
{
	struct buf id = { 0 }, json = { 0 };
	char wanted[100];

	snprintf(wanted, sizeof(wanted),
		 "\"redaction\": {\n    \"mode\": \"%s\",\n    \"records\": %u\n", mode, records);
	ck_assert_int_eq(report_cell_json(cell, &id, &json), 0);
	ck_assert_msg(strstr(json.data, wanted) != NULL, "%s", json.data);
	buf_free(&id);
	buf_free(&json);
}

/* The same when it is read back; taken out of the text, it is that of an older program. */
static void read_back(const struct cell *cell, bool off, unsigned records)
{
	struct buf id = { 0 }, json = { 0 };
	struct report_info info;
	struct cell *again;
	char *at;

	ck_assert_int_eq(report_cell_json(cell, &id, &json), 0);
	ck_assert_int_eq(report_load(json.data, json.len, &again, &info), 0);
	ck_assert_uint_eq(cell_totals(again)->redacted, records);
	ck_assert_int_eq(cell_totals(again)->redact_off, off);
	cell_free(again);
	at = strstr(json.data, "\"redaction\"");
	memcpy(at, "\"redactioN\"", 11);
	ck_assert_int_eq(report_load(json.data, json.len, &again, &info), 0);
	ck_assert(cell_totals(again)->redact_off);
	ck_assert_uint_eq(cell_totals(again)->redacted, 0);
	cell_free(again);
	buf_free(&id);
	buf_free(&json);
}

START_TEST(test_in_reports)
{
	struct cell *one = cell_of(1, false), *two = cell_of(2, false), *off = cell_of(0, true);
	const struct cell_totals *t = cell_totals(one);
	struct cell *sum = cell_new_window(t->window_start_ns, t->window_end_ns, 15, NULL);

	says(one, "on", 1);
	says(two, "on", 2);
	says(off, "off", 0);
	read_back(two, false, 2);
	read_back(off, true, 0);
	ck_assert_int_eq(cell_merge(sum, one), 0);
	ck_assert_int_eq(cell_merge(sum, two), 0);
	says(sum, "on", 3);
	ck_assert_int_eq(cell_merge(sum, off), 0);
	says(sum, "off", 3);
	cell_free(one);
	cell_free(two);
	cell_free(off);
	cell_free(sum);
}
END_TEST

/* ---- the key ---- */

static struct redact *opened(bool replay)
{
	struct redact *r = NULL;

	ck_assert_msg(redaction_open(&r, conf_get(conf), replay, err, sizeof(err)) == 0, "%s", err);
	return r;
}

static bool has_digits(struct redact *r)
{
	struct buf out = { 0 };
	bool digits;

	ck_assert_uint_eq(redact_argv(r, (struct wire_span){ ARGV, sizeof(ARGV) }, false, &out), 1);
	digits = memmem(out.data, out.len, "%secret:option%", 15) == NULL;
	redact_free(r);
	buf_free(&out);
	return digits;
}

static int stat_key(struct stat *st)
{
	snprintf(path, sizeof(path), "%s/analysis/redact.key", dir);
	return lstat(path, st);
}

START_TEST(test_key)
{
	struct stat st;

	ck_assert(!has_digits(opened(true)));
	ck_assert_int_ne(stat_key(&st), 0);
	ck_assert(has_digits(opened(false)));
	ck_assert_int_eq(stat_key(&st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert(has_digits(opened(true)));
}
END_TEST

/* A directory that leads elsewhere gets no key, and secrets go all the same. */
START_TEST(test_hostile_dir)
{
	snprintf(path, sizeof(path), "%s/analysis", dir);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert(!has_digits(opened(false)));
}
END_TEST

static void set_key_file(const char *file)
{
	ck_assert_int_eq(conf_set_option(conf, "ANALYSIS", "redact_key_file", file, "--set", err,
					 sizeof(err)),
			 0);
}

/* One that is named must be there, and is never made. */
START_TEST(test_named_key)
{
	struct redact *r = NULL;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/key", dir);
	set_key_file(path);
	ck_assert_int_ne(redaction_open(&r, conf_get(conf), false, err, sizeof(err)), 0);
	ck_assert_ptr_nonnull(strstr(err, path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(dprintf(fd, "%064d\n", 5), 65);
	close(fd);
	ck_assert(has_digits(opened(false)));
	ck_assert(has_digits(opened(true)));
	ck_assert_int_ne(stat_key(&st), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_in_reports, test_key, test_hostile_dir,
				       test_named_key };

	return suite_run("redaction", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 30);
}
