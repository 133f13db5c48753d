/* SPDX-License-Identifier: MIT */
/*
 * Somebody puts something else where the agent's own files and directories are. It is refused with a
 * sentence, or survived; never followed, and nothing waits for it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "made.h"
#include "report/chain.h"
#include "report/files.h"
#include "report/rebuild.h"
#include "report/shelf.h"
#include "report/verify.h"
#include "util/log.h"

#define S 1000000000ll
#define BEGIN (20000 * 86400 * S)
#define WINDOW (900 * S)
#define N_CELLS 2
#define LATER 20 /* their block, and all above it, is written then */
#define WAIT_S 20

static char base[32], dir[64], outside[64], err[512];

static struct cell *cell_number(unsigned i)
{
	struct made_rng rng = { i + 1 };

	return made_cell(&rng, BEGIN + i * WINDOW, 15, 20, 5, NULL);
}

static int put(struct report_shelf *s, struct queue_item *i)
{
	char name[128];
	int status;

	ck_assert_ptr_nonnull(i);
	status = report_shelf_put(s, i, name, sizeof(name));
	queue_item_free(i);
	report_shelf_forget(s);
	return status;
}

/* A start, a checkpoint, a cell, the parents. 0, or what was refused first. */
static int run(unsigned from, unsigned n)
{
	const struct report_writer_config cfg = { .dir = dir, .checkpoint_s = 10 };
	struct report_shelf *s;
	int status = report_shelf_open(&s, &cfg, err, sizeof(err)), last;

	if (status)
		return status;
	for (unsigned i = from; i < from + n; i++) {
		put(s, queue_item_cell(cell_number(i), QUEUE_CHECKPOINT));
		last = put(s, queue_item_cell(cell_number(i), QUEUE_CELL));
		status = status ? status : last;
	}
	last = put(s, queue_item_time(BEGIN + 40 * 86400 * S));
	status = status ? status : last;
	report_shelf_settle(s);
	report_shelf_close(s);
	return status;
}

static struct verify_totals verify(void)
{
	const struct verify_config cfg = { .key = NULL };
	struct verify_totals totals = { .problems = 0 };
	struct report_store *s;

	if (report_store_open_read(&s, dir, err, sizeof(err)))
		return totals;
	report_verify(s, &cfg, &totals);
	report_store_close(s);
	return totals;
}

static void add_finding(void *ctx, const struct verify_finding *f)
{
	buf_addf(ctx, "%s: %s\n", f->kind, f->text);
}

/* Nothing but that, and chains that are well. */
static void verify_says(const char *expected)
{
	struct buf said = { 0 };
	const struct verify_config cfg = { .on_finding = add_finding, .ctx = &said };
	struct verify_totals totals;
	struct report_store *s;

	ck_assert_int_eq(report_store_open_read(&s, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_verify(s, &cfg, &totals), 0);
	report_store_close(s);
	ck_assert_str_eq(said.data ? said.data : "", expected);
	ck_assert_int_eq(totals.problems > 0, expected[0] != '\0');
	buf_free(&said);
}

static void rebuild(void)
{
	const struct rebuild_config cfg = { .dir = dir };
	struct rebuild_totals totals;

	report_rebuild(&cfg, &totals, err, sizeof(err));
}

static void in_dir(char path[256], const char *name)
{
	snprintf(path, 256, "%s/%s", dir, name);
}

static void clear(const char *name)
{
	char path[256], command[300];

	in_dir(path, name);
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

/* ---- what is planted ---- */

static void plant_file(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static void plant_link_to_dir(const char *path)
{
	ck_assert_int_eq(symlink(outside, path), 0);
}

static void plant_link_to_file(const char *path)
{
	char target[96];

	snprintf(target, sizeof(target), "%s/kept", outside);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void plant_link_to_nothing(const char *path)
{
	char target[96];

	snprintf(target, sizeof(target), "%s/new", outside);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void plant_fifo(const char *path)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void plant_dir(const char *path)
{
	ck_assert_int_eq(mkdir(path, 0777), 0);
	ck_assert_int_eq(chmod(path, 0777), 0);
}

static void plant_device(const char *path)
{
	if (geteuid() == 0)
		ck_assert_int_eq(mknod(path, S_IFCHR | 0600, 0x105), 0); /* /dev/zero */
}

static void plant_huge(const char *path)
{
	plant_file(path);
	ck_assert_int_eq(truncate(path, (off_t)1 << 40), 0);
}

static void plant_deep(const char *path)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	fputs("{\n  \"schema_version\": 1,\n  \"level\": ", f);
	for (int i = 0; i < 1000000; i++)
		putc('[', f);
	fclose(f);
}

static void (*const plants[])(const char *path) = {
	plant_file, plant_link_to_dir, plant_link_to_file, plant_link_to_nothing,
	plant_fifo, plant_dir,	       plant_device,	   plant_huge,
	plant_deep,
};

static const char *const places[] = {
	"chain.json",
	"removed.jsonl",
	"cells",
	"interim",
	"blocks",
	"daily",
	"weekly",
	"monthly",
	"checkpoint",
	"cells/cell-20241004T0500Z.json",
	"cells/cell-20241004T0015Z.json",
	"interim/cell-20241004T0500Z.part0001.json",
	"blocks/block-20241004T0000Z.json",
	"blocks/block-20241004T0400Z.json.gz",
	"daily/daily-20241004.json",
	"monthly/monthly-202410.json.gz",
	"checkpoint/open-001728019800-000001-00000001.json",
};

/* Nothing outside was changed, and nothing came there. */
static void outside_is_untouched(const char *place)
{
	char path[96], text[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/new", outside);
	ck_assert_msg(access(path, F_OK) != 0, "%s: a link was followed", place);
	snprintf(path, sizeof(path), "%s/kept", outside);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	ck_assert_msg(strcmp(text, "of value") == 0, "%s: a link was followed", place);
	snprintf(text, sizeof(text), "%s", "");
	ck_assert_msg(rmdir(outside) != 0 && errno == ENOTEMPTY, "%s", place);
}

static unsigned outside_has(void)
{
	char command[128], text[16] = "";
	FILE *f;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", outside);
	f = popen(command, "re"); /* NOLINT(cert-env33-c): a path of ours */
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	pclose(f);
	return (unsigned)strtoul(text, NULL, 10);
}

/* Everything that reads or writes there, in a process of its own: it must come to an end. */
static void meet(const char *place, size_t plant)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(WAIT_S);
		verify();
		err[0] = '\0';
		_exit(run(LATER, 2) && !err[0] ? 2 : (rebuild(), verify(), 0));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "%s, plant %zu: signal %d", place, plant,
		      WTERMSIG(status));
	outside_is_untouched(place);
	ck_assert_uint_eq(outside_has(), 1);
}

START_TEST(something_else_is_there)
{
	const char *place = places[_i];
	char path[256];

	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		clear("");
		ck_assert_int_eq(run(0, N_CELLS), 0);
		ck_assert_uint_eq(verify().problems, 0);
		clear(place);
		in_dir(path, place);
		plants[i](path);
		meet(place, i);
		/* When it is gone, all goes on. */
		clear(place);
		ck_assert_msg(run(LATER + 2, 2) == 0, "%s, plant %zu: %s", place, i, err);
	}
}
END_TEST

/* Of somebody else, though the directory above is ours. */
START_TEST(a_directory_of_another)
{
	const char *const names[] = { "blocks", "daily", "weekly", "monthly", "checkpoint" };
	char path[256];

	if (geteuid()) {
		fprintf(stderr, "left out: needs root\n");
		return;
	}
	ck_assert_int_eq(run(0, N_CELLS), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		in_dir(path, names[i]);
		ck_assert_int_eq(chown(path, 12345, 12345), 0);
		ck_assert_int_eq(run(LATER, 1), -EPERM);
		ck_assert_ptr_nonnull(strstr(err, "belongs to uid 12345"));
		ck_assert_int_eq(chown(path, 0, 0), 0);
	}
	ck_assert_int_eq(run(LATER, 1), 0);
	ck_assert_uint_eq(verify().problems, 0);
}
END_TEST

/* ---- beside the reports ---- */

START_TEST(what_lies_beside_the_reports_is_told)
{
	static const struct {
		const char *name, *said;
		size_t plant;
	} beside[] = {
		{ "notes.txt",
		  "strange: 1 entries of the directory are none of the agent's: 'notes.txt'\n", 0 },
		{ ".hidden",
		  "strange: 1 entries of the directory are none of the agent's: '.hidden'\n", 0 },
		{ "link", "strange: 1 entries of the directory are none of the agent's: 'link'\n",
		  1 },
		{ ".tmp-x",
		  "strange: 1 entries of the directory are none of the agent's: '.tmp-x'\n", 0 },
		{ ".tmp-1-2",
		  "strange: 1 entries of the directory are none of the agent's: '.tmp-1-2'\n", 3 },
		{ ".tmp-1-2", "", 0 },
		{ "cells/.tmp-1-2", "", 0 },
		{ "cells/.hidden",
		  "strange: 1 entries of the directory are no reports: '.hidden'\n", 0 },
		{ "checkpoint/.hidden",
		  "strange: 1 entries of checkpoint/ are no checkpoints: '.hidden'\n", 0 },
		{ "checkpoint/x.json",
		  "strange: 1 entries of checkpoint/ are no checkpoints: 'x.json'\n", 0 },
		{ "checkpoint/open-001728019800-000001-00000001.json", "", 0 },
		{ "checkpoint/open-001728019800-000001-00000001.json",
		  "strange: 1 entries of checkpoint/ are no checkpoints: "
		  "'open-001728019800-000001-00000001.json'\n",
		  1 },
		{ "dir",
		  "strange: 1 entries of the directory are none of the agent's: 'dir'\n"
		  "open: 1 entries of the directory belong to others, or others may write to them: "
		  "'dir'\n",
		  5 },
	};
	char path[256];

	ck_assert_int_eq(run(0, N_CELLS), 0);
	verify_says("");
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		in_dir(path, beside[i].name);
		plants[beside[i].plant](path);
		verify_says(beside[i].said);
		clear(beside[i].name);
	}
	for (char name[] = "many-0"; name[5] < '5'; name[5]++) {
		in_dir(path, name);
		plant_file(path);
	}
	verify_says("strange: 5 entries of the directory are none of the agent's: "
		    "'many-0', 'many-1', 'many-2' and 2 more\n");
}
END_TEST

START_TEST(a_checkpoint_that_is_a_link_is_told)
{
	char path[256];

	ck_assert_int_eq(run(0, N_CELLS), 0);
	clear("checkpoint");
	verify_says("");
	in_dir(path, "checkpoint");
	plant_link_to_dir(path);
	verify_says("strange: 1 entries of the directory are none of the agent's: 'checkpoint'\n");
}
END_TEST

#define OPEN "belong to others, or others may write to them: "

START_TEST(what_others_may_write_is_told)
{
	static const struct {
		const char *name, *said;
		mode_t mode;
	} open[] = {
		{ "", "open: 1 entries of the directory " OPEN "'.'\n", 0770 },
		{ "chain.json", "open: 1 entries of the directory " OPEN "'chain.json'\n", 0602 },
		{ "checkpoint", "open: 1 entries of the directory " OPEN "'checkpoint'\n", 0777 },
		{ "daily", "open: 1 entries of the directory " OPEN "'daily'\n", 0720 },
		{ "cells/cell-20241004T0500Z.json",
		  "open: 1 entries of the directory " OPEN "'cell-20241004T0500Z.json'\n", 0620 },
		{ "cells/cell-20241004T0500Z.json", "", 0644 },
	};
	char path[256];
	struct stat st;

	ck_assert_int_eq(run(LATER, N_CELLS), 0);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		in_dir(path, open[i].name);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(chmod(path, open[i].mode), 0);
		verify_says(open[i].said);
		ck_assert_int_eq(chmod(path, st.st_mode & 07777), 0);
		if (geteuid() || !open[i].said[0] || !open[i].name[0])
			continue;
		ck_assert_int_eq(chown(path, 12345, 12345), 0);
		verify_says(open[i].said);
		ck_assert_int_eq(chown(path, 0, 0), 0);
	}
	in_dir(path, "checkpoint/open-001728019800-000001-00000001.json");
	plant_file(path);
	ck_assert_int_eq(chmod(path, 0666), 0);
	verify_says("open: 1 entries of checkpoint/ " OPEN
		    "'open-001728019800-000001-00000001.json'\n");
}
END_TEST

/* ---- a cell whose digest fits ---- */

/* In place of the one that was written; `behind`: beside it, as if it had come next. */
static void forge(const char *id, bool behind)
{
	char name[CHAIN_ID_MAX + 8];
	struct report_store *store;
	struct chain_link link;
	struct buf text = { 0 };
	char *at;

	ck_assert_int_eq(report_store_open(&store, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_read(store, "cells", id, &text), 0);
	ck_assert(chain_read(text.data, text.len, &link));
	ck_assert(chain_unseal(&text));
	at = memmem(text.data, text.len, "\"entries\": ", 11);
	ck_assert_ptr_nonnull(at);
	at[11] = at[11] == '9' ? '8' : '9';
	snprintf(name, sizeof(name), "%s.json", id);
	if (behind) {
		at = memmem(text.data, text.len, id, strlen(id));
		ck_assert_ptr_nonnull(at);
		at[strlen(id) - 2] ^= 1; /* another minute */
		snprintf(name, sizeof(name), "%.*s.json", (int)strlen(id), at);
		link.number = 100;
	}
	ck_assert_int_eq(chain_seal(&text, &link, NULL), 0);
	ck_assert_int_eq(report_file_replace(store, "cells", name,
					     (struct wire_span){ text.data, text.len }),
			 0);
	buf_free(&text);
	report_store_close(store);
}

static void block_refuses(const char *id)
{
	struct report_store *store;
	struct buf text = { 0 };
	char row[128];

	ck_assert_int_eq(report_store_open_read(&store, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_read(store, "blocks", "block-20241004T0000Z", &text), 0);
	report_store_close(store);
	snprintf(row, sizeof(row), "\"report_id\": \"%s\", \"why\": \"damaged\"", id);
	ck_assert_ptr_nonnull(strstr(text.data, row));
	buf_free(&text);
	ck_assert_uint_gt(verify().problems, 0);
}

/* In the block that is open; `restart`: and the agent starts anew before it is over. */
static void forge_in_block(bool behind, bool restart)
{
	const struct report_writer_config cfg = { .dir = dir };
	struct report_shelf *s;

	ck_assert_int_eq(report_shelf_open(&s, &cfg, err, sizeof(err)), 0);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(put(s, queue_item_cell(cell_number(i), QUEUE_CELL)), 0);
	forge("cell-20241004T0015Z", behind);
	if (restart) {
		report_shelf_close(s);
		ck_assert_int_eq(report_shelf_open(&s, &cfg, err, sizeof(err)), 0);
	}
	ck_assert_int_eq(put(s, queue_item_time(BEGIN + 5 * 3600 * S)), 0);
	report_shelf_close(s);
}

START_TEST(a_forged_cell_gets_into_no_block)
{
	forge_in_block(false, false);
	block_refuses("cell-20241004T0015Z");
}
END_TEST

START_TEST(a_cell_behind_the_end_gets_into_no_block)
{
	forge_in_block(true, true);
	block_refuses("cell-20241004T0014Z");
}
END_TEST

static void setup(void)
{
	char path[96];
	FILE *f;

	strcpy(base, "/tmp/edr-planted-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	snprintf(outside, sizeof(outside), "%s/outside", base);
	ck_assert_int_eq(mkdir(outside, 0700), 0);
	snprintf(path, sizeof(path), "%s/kept", outside);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fputs("of value", f);
	fclose(f);
	log_set_level((enum log_level) - 1);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

int main(void)
{
	Suite *suite = suite_create("planted");
	SRunner *runner = srunner_create(suite);
	TCase *tc = tcase_create("something_else_is_there");
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 200);
	tcase_add_loop_test(tc, something_else_is_there, 0,
			    (int)(sizeof(places) / sizeof(places[0])));
	suite_add_tcase(suite, tc);
	tc = tcase_create("a_directory_of_another");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_directory_of_another);
	suite_add_tcase(suite, tc);
	tc = tcase_create("beside_the_reports");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_lies_beside_the_reports_is_told);
	tcase_add_test(tc, a_checkpoint_that_is_a_link_is_told);
	tcase_add_test(tc, what_others_may_write_is_told);
	suite_add_tcase(suite, tc);
	tc = tcase_create("a_forged_cell");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_forged_cell_gets_into_no_block);
	tcase_add_test(tc, a_cell_behind_the_end_gets_into_no_block);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
