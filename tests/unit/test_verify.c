/* SPDX-License-Identifier: MIT */
/* What somebody may do to a tree of reports, and what report_verify() says of it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "collect.h"
#include "feed.h"
#include "report/files.h"
#include "report/heads.h"
#include "report/parent.h"
#include "report/retain.h"
#include "report/verify.h"
#include "suite.h"
#include "util/log.h"

#define N_CELLS 16
#define MAX_FOUND 32

static char base[32], dir[64];
static const struct chain_key the_key = { .len = 16, .bytes = "sixteen bytes ok" };
static const struct chain_key other_key = { .len = 16, .bytes = "another key is's" };
static const struct chain_key *key;

static struct {
	char kind[16], id[CHAIN_ID_MAX], text[512];
} found[MAX_FOUND];
static size_t n_found;
static void (*meanwhile)(void); /* once, at the first finding */
static char ids[N_CELLS][CHAIN_ID_MAX];
static char block[CHAIN_ID_MAX];

static void on_finding(void *ctx, const struct verify_finding *f)
{
	(void)ctx;
	ck_assert_uint_lt(n_found, MAX_FOUND);
	snprintf(found[n_found].kind, sizeof(found[0].kind), "%s", f->kind);
	snprintf(found[n_found].text, sizeof(found[0].text), "%s", f->text);
	snprintf(found[n_found++].id, sizeof(found[0].id), "%s", f->id);
	if (meanwhile) {
		void (*now)(void) = meanwhile;

		meanwhile = NULL;
		now();
	}
}

static struct verify_totals verify_with(const struct chain_key *k)
{
	const struct verify_config cfg = { .key = k, .on_finding = on_finding };
	struct verify_totals totals;
	struct report_store *s;
	char err[256];

	n_found = 0;
	ck_assert_int_eq(report_store_open_read(&s, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_verify(s, &cfg, &totals), 0);
	report_store_close(s);
	return totals;
}

/* That it is said of this report, among whatever else. */
static void says(const char *kind, const char *id)
{
	struct verify_totals t = verify_with(key);
	struct buf all = { 0 };

	ck_assert_uint_gt(t.problems, 0);
	for (size_t i = 0; i < n_found; i++) {
		if (strcmp(found[i].kind, kind) == 0 && (!id || strcmp(found[i].id, id) == 0)) {
			buf_free(&all);
			return;
		}
		buf_addf(&all, " %s:%s", found[i].kind, found[i].id);
	}
	ck_abort_msg("not '%s %s' but%s", kind, id ? id : "", all.data);
}

static void good(void)
{
	struct verify_totals t = verify_with(key);

	ck_assert_msg(t.problems == 0, "%s %s", found[0].kind, found[0].id);
}

static struct report_store *store;
static struct heads *heads;

static void open_tree(void)
{
	char err[256];

	ck_assert_msg(report_store_open(&store, dir, err, sizeof(err)) == 0, "%s", err);
	ck_assert_msg(heads_open(&heads, store, key, err, sizeof(err)) == 0, "%s", err);
	report_store_chain(store, heads);
}

static void close_tree(void)
{
	heads_close(heads);
	report_store_close(store);
}

static int read_child(void *ctx, enum report_level level, const char *id, struct buf *text)
{
	int err = report_read(ctx, report_levels[level].dir, id, text);

	if (!err)
		chain_unseal(text);
	return err;
}

static void write_block(void)
{
	const struct report_window w = report_level_window(
		LEVEL_BLOCK, (edr_s64)FEED_WINDOW / 14400 * 14400 * 1000000000ll, 0);
	struct report_files files;
	struct buf id = { 0 }, text = { 0 };
	const char **children;
	size_t n;

	ck_assert_int_eq(report_files_list(store, "cells", &files), 0);
	children = report_children(&files, LEVEL_BLOCK, w, &n);
	ck_assert_uint_eq(n, N_CELLS);
	ck_assert_int_eq(
		report_parent_make(read_child, store, LEVEL_BLOCK, w, children, n, &id, &text), 0);
	ck_assert_int_eq(report_store_write(store, "blocks", id.data, text.data, text.len), 0);
	snprintf(block, sizeof(block), "%s", id.data);
	free(children);
	report_files_free(&files);
	buf_free(&id);
	buf_free(&text);
}

/* Sixteen cells and their block. */
static void make_tree(const struct chain_key *k)
{
	struct feed f = { .sinks = collect };
	edr_u64 t = FEED_WINDOW / 14400 * 14400;

	key = k;
	f.cfg.interval_min = 0;
	feed_open(&f, t);
	for (int i = 0; i <= N_CELLS; i++, t += 900) {
		feed_clock(&f, t, EDR_CLOCK_TICK);
		feed_exec(&f, 0, "/usr/bin/true", "true\0--x");
	}
	feed_close(&f);
	open_tree();
	for (size_t i = 0; i < N_CELLS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%s", reports[i].id.data);
		ck_assert_int_eq(report_store_write(store, "cells", ids[i], reports[i].text.data,
						    reports[i].text.len),
				 0);
	}
	write_block();
	close_tree();
	collect_free();
	good();
}

static char *path_of(const char *level, const char *id)
{
	static char path[2][512];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[0]), "%s/%s/%s.json", dir, level, id);
	return path[turn];
}

static void read_text(const char *level, const char *id, struct buf *out)
{
	FILE *f = fopen(path_of(level, id), "re");

	ck_assert_ptr_nonnull(f);
	ck_assert(buf_reserve(out, 1 << 20));
	out->len = fread(out->data, 1, 1 << 20, f);
	fclose(f);
}

static void write_text(const char *level, const char *id, const struct buf *text)
{
	FILE *f = fopen(path_of(level, id), "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text->data, 1, text->len, f), text->len);
	fclose(f);
}

/* As an attacker who knows how digests are made, and has no key, or the wrong one. */
static void forge(const char *level, const char *id, const char *from, const char *to,
		  const struct chain_key *k)
{
	struct buf text = { 0 };
	struct chain_link link;
	char *at;

	read_text(level, id, &text);
	ck_assert(chain_read(text.data, text.len, &link));
	ck_assert(chain_unseal(&text));
	at = memmem(text.data, text.len, from, strlen(from));
	ck_assert_ptr_nonnull(at);
	memcpy(at, to, strlen(to));
	ck_assert_int_eq(chain_seal(&text, &link, k), 0);
	write_text(level, id, &text);
	buf_free(&text);
}

static void setup(void)
{
	strcpy(base, "/tmp/edr-verify-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level(LOG_LEVEL_ERROR);
	key = NULL;
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

START_TEST(each_byte_counts)
{
	struct buf text = { 0 };

	make_tree(NULL);
	read_text("cells", ids[3], &text);
	for (size_t i = 0; i < text.len; i += 97) {
		text.data[i] ^= 1;
		write_text("cells", ids[3], &text);
		ck_assert_uint_gt(verify_with(NULL).problems, 0);
		text.data[i] ^= 1;
	}
	text.data[text.len / 2] ^= 1;
	write_text("cells", ids[3], &text);
	says("changed", ids[3]);
	buf_free(&text);
}
END_TEST

START_TEST(a_report_is_removed)
{
	make_tree(NULL);
	unlink(path_of("cells", ids[5]));
	says("removed", ids[5]);
	says("differs", block);
}
END_TEST

START_TEST(the_end_is_cut)
{
	make_tree(NULL);
	unlink(path_of("cells", ids[N_CELLS - 1]));
	unlink(path_of("cells", ids[N_CELLS - 2]));
	says("cut", ids[N_CELLS - 1]);
}
END_TEST

START_TEST(two_are_swapped)
{
	make_tree(NULL);
	ck_assert_int_eq(rename(path_of("cells", ids[2]), path_of("cells", "x")), 0);
	ck_assert_int_eq(rename(path_of("cells", ids[7]), path_of("cells", ids[2])), 0);
	ck_assert_int_eq(rename(path_of("cells", "x"), path_of("cells", ids[7])), 0);
	says("reordered", ids[2]);
	says("reordered", ids[7]);
}
END_TEST

START_TEST(a_parent_is_edited)
{
	make_tree(NULL);
	forge("blocks", block, "\"delivered\": 16", "\"delivered\": 15", NULL);
	says("differs", block);
	says("forged", block);
}
END_TEST

START_TEST(a_cell_is_forged)
{
	make_tree(NULL);
	forge("cells", ids[4], "/usr/bin/true", "/usr/bin/xxxx", NULL);
	says("forged", ids[4]);
}
END_TEST

START_TEST(the_last_cell_is_forged)
{
	make_tree(NULL);
	forge("cells", ids[N_CELLS - 1], "/usr/bin/true", "/usr/bin/xxxx", NULL);
	says("forged", ids[N_CELLS - 1]);
}
END_TEST

START_TEST(one_is_put_behind_the_end)
{
	struct chain_link link;
	struct buf text = { 0 };

	make_tree(NULL);
	read_text("cells", ids[N_CELLS - 1], &text);
	ck_assert(chain_read(text.data, text.len, &link));
	chain_unseal(&text);
	link.number++;
	strcpy(link.previous_id, ids[N_CELLS - 1]);
	strcpy(link.previous_sha256, link.sha256);
	ck_assert_int_eq(chain_seal(&text, &link, NULL), 0);
	write_text("cells", "cell-20990101T0000Z", &text);
	buf_free(&text);
	says("forged", "cell-20990101T0000Z");
}
END_TEST

/* Beside the good one: all but verify would read the good one only. */
START_TEST(a_packed_one_is_put_beside)
{
	struct buf text = { 0 };
	edr_s64 saved;

	make_tree(NULL);
	read_text("cells", ids[6], &text);
	open_tree();
	ck_assert_int_eq(report_pack(store, "cells", ids[6], &saved), 0);
	write_text("cells", ids[6], &text);
	good(); /* as a kill leaves it */
	text.data[text.len / 2] ^= 1;
	write_text("cells", ids[6], &text);
	ck_assert_int_eq(report_pack(store, "cells", ids[6], &saved), 0);
	text.data[text.len / 2] ^= 1;
	write_text("cells", ids[6], &text);
	says("forged", ids[6]);
	ck_assert_uint_eq(n_found, 1);
	close_tree();
	buf_free(&text);
}
END_TEST

/* Interim parts have a chain of their own, and no parent. */
START_TEST(a_part_is_changed_or_removed)
{
	static const char *const parts[] = { "cell-20261121T2000Z.part0001",
					     "cell-20261121T2000Z.part0002" };
	struct buf text = { 0 };

	make_tree(NULL);
	open_tree();
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&text);
		buf_addf(&text,
			 "{\n  \"schema_version\": 1,\n  \"level\": \"interim\",\n"
			 "  \"report_id\": \"%s\",\n  \"total\": 0\n}\n",
			 parts[i]);
		ck_assert_int_eq(
			report_store_write(store, "interim", parts[i], text.data, text.len), 0);
	}
	close_tree();
	good();
	buf_clear(&text);
	read_text("interim", parts[0], &text);
	text.data[text.len / 2] ^= 1;
	write_text("interim", parts[0], &text);
	says("changed", parts[0]);
	text.data[text.len / 2] ^= 1;
	write_text("interim", parts[0], &text);
	good();
	unlink(path_of("interim", parts[0]));
	says("removed", parts[0]);
	write_text("interim", parts[0], &text);
	unlink(path_of("interim", parts[1]));
	says("cut", parts[1]);
	buf_free(&text);
}
END_TEST

START_TEST(chain_json_is_gone_or_changed)
{
	char path[128];

	make_tree(NULL);
	snprintf(path, sizeof(path), "%s/chain.json", dir);
	ck_assert_int_eq(truncate(path, 100), 0);
	says("chain", "");
	unlink(path);
	says("chain", "");
	/* The next start goes on, and it stays known. */
	open_tree();
	close_tree();
	says("chain", "");
}
END_TEST

/* What nobody can see without a key, and with one does. */
START_TEST(the_whole_chain_is_written_anew)
{
	char command[128];

	make_tree(&the_key);
	ck_assert_uint_gt(verify_with(&other_key).problems, 0);
	ck_assert_uint_eq(verify_with(NULL).problems, 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
	make_tree(NULL);		      /* by somebody else, who forges all of it */
	key = &the_key;
	says("forged", ids[0]);
	says("chain", "");
	/* Nor does the agent take it for its own when it starts again. */
	open_tree();
	close_tree();
}
END_TEST

START_TEST(signed_with_the_wrong_key)
{
	make_tree(&the_key);
	forge("cells", ids[9], "/usr/bin/true", "/usr/bin/xxxx", &other_key);
	says("forged", ids[9]);
}
END_TEST

START_TEST(killed_between_announcement_and_report)
{
	struct buf text = { 0 }, member = { 0 };
	struct wire_span whole;

	make_tree(NULL);
	read_text("cells", ids[0], &text);
	chain_unseal(&text);
	open_tree();
	whole = (struct wire_span){ text.data, text.len };
	ck_assert_int_eq(heads_begin(heads, "cells", "cell-20990101T0000Z", &whole, 1, &member), 0);
	good(); /* announced, never written */
	close_tree();
	open_tree();
	ck_assert_uint_eq(heads_now(heads)->head[LEVEL_CELL].number, N_CELLS);
	close_tree();
	good();
	buf_free(&text);
	buf_free(&member);
}
END_TEST

START_TEST(killed_between_report_and_confirmation)
{
	char from[128], to[128];

	make_tree(NULL);
	snprintf(from, sizeof(from), "%s/chain.json", dir);
	snprintf(to, sizeof(to), "%s/kept", base);
	open_tree();
	ck_assert_int_eq(
		report_store_write(store, "cells", "cell-20990101T0000Z", "{\n  \"a\": 1\n}\n", 13),
		0);
	/* What is on disk now is the announcement; what follows is lost. */
	ck_assert_int_eq(link(from, to), 0);
	close_tree();
	ck_assert_int_eq(rename(to, from), 0);
	open_tree();
	ck_assert_uint_eq(heads_now(heads)->head[LEVEL_CELL].number, N_CELLS + 1);
	close_tree();
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	char path[128];

	make_tree(NULL);
	snprintf(path, sizeof(path), "%s/moved", base);
	ck_assert_int_eq(rename(path_of("cells", ids[1]), path), 0);
	ck_assert_int_eq(symlink(path, path_of("cells", ids[1])), 0);
	says("removed", ids[1]);
	says("strange", "");
}
END_TEST

/* ---- what is no report, or not one of ours ---- */

static void plant(const char *level, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", dir, level, name);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

START_TEST(strange_names_are_told)
{
	static const char *const names[] = { "zz\033[2J", "b c", "notes", "a", "x.json.old" };

	make_tree(NULL);
	for (size_t i = 0; i < 5; i++) {
		plant("daily", names[i]);
		ck_assert_uint_eq(verify_with(NULL).problems, 1);
	}
	ck_assert_str_eq(found[0].text, "5 entries of the directory are no reports: 'a', 'b c', "
					"'notes' and 2 more");
}
END_TEST

static void write_newer(const char *level, const char *name, const char *id)
{
	struct buf text = { 0 };

	buf_addf(&text,
		 "{\n  \"schema_version\": 2,\n  \"level\": \"%s\",\n  \"report_id\": \"%s\",\n"
		 "  \"total\": 0\n}\n",
		 name, id);
	ck_assert_int_eq(report_store_replace(store, level, id, text.data, text.len, "rebuilt"), 0);
	buf_free(&text);
}

static void only_newer(const char *id)
{
	ck_assert_uint_eq(verify_with(NULL).problems, 1);
	ck_assert_str_eq(found[0].kind, "newer");
	ck_assert_str_eq(found[0].id, id);
	ck_assert_ptr_nonnull(strstr(found[0].text, "have schema_version 2 (1 of them"));
	ck_assert_uint_eq(n_found, 1);
}

/* Nothing but its chain can be judged; nor what is made of it. */
START_TEST(reports_of_a_newer_program)
{
	char id[CHAIN_ID_MAX + 8];

	make_tree(NULL);
	open_tree();
	write_newer("blocks", "block", block);
	only_newer(block);
	close_tree();
	teardown();
	setup();
	make_tree(NULL);
	open_tree();
	snprintf(id, sizeof(id), "%s-2", ids[2]);
	write_newer("cells", "cell", id);
	heads_paid(heads);
	close_tree();
	only_newer(id);
}
END_TEST

/* 40 MB of zeros in 40 KB. */
START_TEST(a_bomb)
{
	const size_t bytes = (size_t)40 << 20, most = report_levels[LEVEL_INTERIM].max_bytes;
	char path[512], *zeros = calloc(1, bytes);
	struct buf text = { 0 };
	gzFile f;

	make_tree(NULL);
	ck_assert_uint_lt(most, bytes);
	snprintf(path, sizeof(path), "%s/interim/%s.part0001.json.gz", dir, ids[0]);
	f = gzopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(gzwrite(f, zeros, (unsigned)bytes), (int)bytes);
	gzclose(f);
	free(zeros);
	open_tree();
	snprintf(path, sizeof(path), "%s.part0001", ids[0]);
	ck_assert_int_eq(report_read(store, "interim", path, &text), -EFBIG);
	ck_assert_uint_lt(text.len, most + (1 << 20));
	close_tree();
	buf_free(&text);
	says("unreadable", path);
	ck_assert_ptr_nonnull(strstr(found[0].text, "32 MiB"));
}
END_TEST

/* ---- an agent that runs meanwhile ---- */

static void remove_cells(void)
{
	const struct retain_config cfg = { .max_bytes = 1 };
	struct retain_totals done;

	open_tree();
	ck_assert_int_eq(report_retain(store, heads, &cfg,
				       (edr_s64)(FEED_WINDOW + 86400) * 1000000000, &done),
			 0);
	ck_assert_uint_eq(done.removed, N_CELLS);
	close_tree();
}

/* Before the cells are read; after that, and before the block is made again. */
START_TEST(retention_meanwhile)
{
	static const char *const first[] = { "interim", "monthly" };

	for (size_t i = 0; i < 2; i++) {
		make_tree(NULL);
		plant(first[i], "strange");
		meanwhile = remove_cells;
		ck_assert_msg(verify_with(NULL).problems == 1, "%s: %s %s: %s", first[i],
			      found[1].kind, found[1].id, found[1].text);
		ck_assert_str_eq(found[0].kind, "strange");
		ck_assert_uint_eq(n_found, 1);
		ck_assert_uint_eq(verify_with(NULL).removed, N_CELLS);
		teardown();
		setup();
	}
}
END_TEST

/* When some of them were read already. */
START_TEST(retention_halfway)
{
	char name[CHAIN_ID_MAX + 16];
	struct buf text = { 0 };

	make_tree(NULL);
	snprintf(name, sizeof(name), "%s-2", ids[N_CELLS / 2]);
	buf_adds(&text, "{}\n");
	write_text("cells", name, &text);
	buf_free(&text);
	log_set_level((enum log_level) - 1);
	meanwhile = remove_cells;
	verify_with(NULL);
	ck_assert_msg(n_found == 2, "%s %s: %s", found[2].kind, found[2].id, found[2].text);
	ck_assert_str_eq(found[0].id, name);
	ck_assert_str_eq(found[1].id, name);
	ck_assert_uint_eq(verify_with(NULL).removed, N_CELLS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_byte_counts,
		a_report_is_removed,
		the_end_is_cut,
		two_are_swapped,
		a_parent_is_edited,
		a_cell_is_forged,
		the_last_cell_is_forged,
		one_is_put_behind_the_end,
		a_packed_one_is_put_beside,
		a_part_is_changed_or_removed,
		chain_json_is_gone_or_changed,
		the_whole_chain_is_written_anew,
		signed_with_the_wrong_key,
		killed_between_announcement_and_report,
		killed_between_report_and_confirmation,
		a_link_is_not_followed,
		strange_names_are_told,
		reports_of_a_newer_program,
		a_bomb,
		retention_meanwhile,
		retention_halfway,
	};

	return suite_run("verify", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 200);
}
