/* SPDX-License-Identifier: MIT */
/* What lies in checkpoint/ and is not what a run of this host left there gets into no cell, and is told. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"
#include "life.h"
#include "report/checkpoint.h"
#include "report/files.h"
#include "suite.h"
#include "util/log.h"

#define W FEED_WINDOW
#define NAME(run, serial) "open-001795295700-" run "-" serial
#define FIRST NAME("000001", "00000001")
#define SECOND NAME("000001", "00000002")

static const struct chain_key key = { 16, "0123456789abcde" },
			      other_key = { 16, "another key here" };

static char base[48], dir[64], said_path[64];

static void setup(void)
{
	strcpy(base, "/tmp/edr-forged-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	snprintf(said_path, sizeof(said_path), "%s/said", base);
	ck_assert_ptr_nonnull(freopen(said_path, "we", stderr));
	log_set_level(LOG_LEVEL_WARN);
	life_config = (struct life_config){ .dir = dir };
}

/* In base. */
static void shell(const char *what)
{
	char command[512];

	snprintf(command, sizeof(command), "cd '%s' && %s", base, what);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): paths of ours */
}

static void teardown(void)
{
	shell("rm -rf \"$PWD\"");
}

/* How often the log has it by now. */
static unsigned said(const char *what)
{
	FILE *file = fopen(said_path, "re");
	char line[1024];
	unsigned n = 0;

	fflush(stderr);
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, what) != NULL;
	fclose(file);
	return n;
}

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cd reports/checkpoint && cp %s.json %s.json", from, to);
	shell(command);
}

static void edit(const char *id, const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "sed -i 's/%s/%s/' reports/checkpoint/%s.json", from, to,
		 id);
	shell(command);
}

/* Of 10 s, with one exec and a checkpoint each; killed. */
static void killed_run(edr_u64 unix_s, unsigned n)
{
	life_begin(unix_s, unix_s);
	while (n--) {
		life_execs(1);
		life_until(life.now_s + LIFE_INTERVAL_S);
		life_checkpoint();
	}
	life_kill();
}

static json_object *only_cell(void)
{
	struct report_store *s = life_store();
	struct report_files f;
	json_object *root;

	ck_assert_int_eq(report_files_list(s, "cells", &f), 0);
	ck_assert_uint_eq(f.n, 1);
	root = life_report("cells", f.file[0].id);
	report_files_free(&f);
	report_store_close(s);
	return root;
}

static void cell_has(long long total, const char *reason)
{
	json_object *root = only_cell();

	ck_assert_int_eq(num(root, "/total"), total);
	ck_assert_msg(strstr(str(root, "/loss/blind/0/reason"), reason) != NULL, "%s",
		      str(root, "/loss/blind/0/reason"));
	json_object_put(root);
	life_verify();
}

/* ---- names ---- */

START_TEST(names)
{
	static const char *const bad[] = { "open-1795295700-000001-00000001",
					   "open-001795295700-1-00000001",
					   "open-001795295700-000001-1",
					   "open-001795295700-1000000-00000001",
					   "open-001795295700-000001-00000001x",
					   "open-001795295700--00001-00000001",
					   "open-001795295700-000001-99999999999",
					   "open-+01795295700-000001-00000001",
					   "open-",
					   "",
					   "cell-20261121T2100Z" };
	struct checkpoint_name name;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!checkpoint_parse(bad[i], &name), "%s", bad[i]);
	ck_assert(checkpoint_parse(NAME("999999", "4294967295"), &name));
	ck_assert_uint_eq(name.run, 999999);
	ck_assert_uint_eq(name.serial, 4294967295);
	ck_assert(name.end_ns == (edr_s64)((W + 900) * FEED_S));
}
END_TEST

/* Numbers that were planted do not make those of the next runs unreadable. */
START_TEST(planted_runs)
{
	life_start(W + 1);
	shell("cd reports/checkpoint && echo x > " NAME("999999", "00000001") ".json");
	shell("cd reports/checkpoint && echo x > " NAME("1000000", "00000001") ".json");
	shell("cd reports/checkpoint && echo x > " NAME("4294967295", "00000001") ".json");
	killed_run(W + 60, 3);
	killed_run(W + 100, 2);
	life_start(W + 901);
	/* They are no names of ours: verify says so, and they stay. */
	shell("cd reports/checkpoint && rm " NAME("1000000", "00000001") ".json " NAME(
		"4294967295", "00000001") ".json");
	cell_has(5, "killed");
}
END_TEST

/* ---- seals ---- */

static void forge(const struct chain_key *k)
{
	life_config.key = k;
	killed_run(W + 60, 3);
	edit(SECOND, "\"total\": 1,", "\"total\": 7,");
	life_start(W + 901);
	ck_assert_uint_eq(said("1 files in"), 1);
	ck_assert_uint_eq(said("1 damaged or changed"), 1);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	cell_has(2, "damaged or not ours");
}

START_TEST(edited)
{
	forge(NULL);
}
END_TEST

START_TEST(edited_with_a_key)
{
	forge(&key);
}
END_TEST

/* It counts once, and the copy stays, but as nothing. */
START_TEST(copied_under_another_name)
{
	life_config.key = &key;
	killed_run(W + 60, 3);
	copy(SECOND, NAME("000001", "00000009"));
	copy(SECOND, "open-001795297500-000001-00000002");
	life_start(W + 901);
	ck_assert_uint_eq(said("2 written under another name"), 1);
	ck_assert_uint_eq(life_count("checkpoint"), 2);
	cell_has(3, "killed");
	life_start(W + 902);
	ck_assert_uint_eq(said("2 written under another name"), 2);
	cell_has(3, "killed");
}
END_TEST

static void not_ours(const struct chain_key *from, const struct chain_key *to, bool taken)
{
	life_config.key = from;
	killed_run(W + 60, 3);
	life_config.key = to;
	life_start(W + 901);
	ck_assert_uint_eq(life_count("cells"), taken);
	ck_assert_uint_eq(said("4 not signed with this key"), !taken);
	ck_assert_uint_eq(life_count("checkpoint"), taken ? 0 : 4);
}

START_TEST(of_no_key)
{
	not_ours(NULL, &key, false);
	/* They block nothing. */
	killed_run(W + 910, 2);
	life_start(W + 1801);
	ck_assert_uint_eq(life_count("checkpoint"), 4);
	cell_has(2, "killed");
}
END_TEST

START_TEST(of_another_key)
{
	not_ours(&other_key, &key, false);
}
END_TEST

START_TEST(of_this_key)
{
	not_ours(&key, &key, true);
}
END_TEST

/* A signed report is no checkpoint, nor the other way round. */
START_TEST(reports_are_none)
{
	struct report_store *s;
	struct buf text = { 0 };
	char sha256[CHAIN_HEX], hmac[CHAIN_HEX];
	struct chain_link link;

	life_config.key = &key;
	killed_run(W + 60, 3);
	s = life_store();
	ck_assert_int_eq(report_read(s, "checkpoint", SECOND, &text), 0);
	ck_assert(chain_read(text.data, text.len, &link));
	ck_assert_int_eq(chain_digest(text.data, text.len, &key, sha256, hmac), 0);
	ck_assert(chain_same(sha256, link.sha256));
	ck_assert(!chain_same(hmac, link.hmac_sha256));
	buf_free(&text);
	report_store_close(s);
	life_start(W + 901);
	shell("cp reports/cells/*.json reports/checkpoint/" SECOND ".json");
	life_start(W + 902);
	ck_assert_uint_eq(said("1 not signed"), 1);
	ck_assert_uint_eq(life_count("cells"), 1);
}
END_TEST

/* ---- other places and times ---- */

START_TEST(of_another_host)
{
	life_config.machine_id = "";
	killed_run(W + 60, 3);
	life_config.machine_id = "0123456789abcdef0123456789abcdef";
	life_start(W + 901);
	ck_assert_uint_eq(said("4 of another machine id"), 1);
	ck_assert_uint_eq(life_count("checkpoint"), 4);
	ck_assert_uint_eq(life_count("cells"), 0);
	life_config.machine_id = "";
	life_start(W + 902);
	cell_has(3, "killed");
}
END_TEST

START_TEST(of_a_window_to_come)
{
	killed_run(W + 960, 3);
	life_start(W + 60);
	ck_assert_uint_eq(said("4 of a window that has not begun"), 1);
	ck_assert_uint_eq(life_count("cells"), 0);
	life_start(W + 1900);
	cell_has(3, "killed");
}
END_TEST

/* Kept, and brought back when its time is in a cell. */
START_TEST(replayed)
{
	life_config.key = &key;
	killed_run(W + 60, 3);
	shell("cp -a reports/checkpoint kept");
	life_begin(W + 100, W + 100);
	life_execs(1);
	life_until(W + 120);
	life_stop();
	cell_has(4, "killed");
	shell("cp kept/*2.json reports/checkpoint");
	life_start(W + 200); /* in the same window */
	ck_assert_uint_eq(said("1 of a time that cells have already"), 1);
	cell_has(4, "killed");
	killed_run(W + 960, 1);
	life_start(W + 1900);
	ck_assert_uint_eq(life_count("cells"), 2);
	shell("cp kept/*2.json reports/checkpoint");
	shell("rm reports/cells/*T2100Z-*");
	life_start(W + 1901);
	ck_assert_uint_eq(said("1 of a time that cells have already"), 2);
	ck_assert_uint_eq(life_count("cells"), 1);
}
END_TEST

/* ---- what is told ---- */

START_TEST(all_are_damaged)
{
	killed_run(W + 60, 2);
	shell("for f in reports/checkpoint/*; do echo > $f; done");
	life_start(W + 901);
	ck_assert_uint_eq(said("3 damaged or changed"), 1);
	ck_assert_uint_eq(said("of 1 windows in which a run was killed no checkpoint can be read"),
			  1);
	ck_assert_uint_eq(life_count("cells"), 0);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
}
END_TEST

/* It tells how long the killed run's was, not this one's. */
START_TEST(another_interval)
{
	json_object *root;

	killed_run(W + 60, 3);
	life_config.interval_s = 300;
	life_start(W + 901);
	ck_assert_uint_eq(said("(one every 10 s"), 1);
	root = only_cell();
	ck_assert(json_object_get_double(at(root, "/loss/blind_seconds")) == 10.0);
	json_object_put(root);
}
END_TEST

START_TEST(no_more_checkpoints)
{
	killed_run(W + 60, 3);
	life_config.no_checkpoints = true;
	life_begin(W + 100, W + 100);
	ck_assert_uint_eq(said("goes on if"), 1);
	life_execs(2);
	life_until(W + 901);
	cell_has(5, "killed");
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	life_kill();
}
END_TEST

/* Raw events that died with a run are no fault of the disk; threads would not have been listed. */
static void raw_events(bool list_threads, unsigned unlisted)
{
	json_object *root;
	char text[128];

	life_config.list_threads = list_threads;
	life_begin(W + 60, W + 60);
	life_execs(3);
	feed_fold(&life.deltas,
		  rec_thread(&life.deltas.rec, feed_id(&life.deltas, life.deltas.next_pid)));
	life_until(W + 70);
	life_checkpoint();
	life_kill();
	life_begin(W + 100, W + 100);
	life_execs(2);
	life_until(W + 901);
	root = only_cell();
	ck_assert_int_eq(num(root, "/interim/events_unlisted"), unlisted);
	json_object_put(root);
	snprintf(text, sizeof(text), ": %u raw events of runs that were killed", unlisted);
	ck_assert_uint_eq(said(text), 1);
	ck_assert_uint_eq(said("the disk could not keep up"), 0);
	life_kill();
}

START_TEST(raw_events_of_threads)
{
	raw_events(true, 4);
}
END_TEST

START_TEST(raw_events_without_threads)
{
	raw_events(false, 3);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		names,
		planted_runs,
		edited,
		edited_with_a_key,
		copied_under_another_name,
		of_no_key,
		of_another_key,
		of_this_key,
		reports_are_none,
		of_another_host,
		of_a_window_to_come,
		replayed,
		all_are_damaged,
		another_interval,
		no_more_checkpoints,
		raw_events_of_threads,
		raw_events_without_threads,
	};

	return suite_run("checkpoint_forged", tests, sizeof(tests) / sizeof(tests[0]), setup,
			 teardown, 200);
}
