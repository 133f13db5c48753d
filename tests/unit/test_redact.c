/* SPDX-License-Identifier: MIT */
/*
 * Redaction over the sets of tests/analysis: no byte of a secret stays, what is no secret stays
 * byte for byte, and both where the command line is cut anywhere.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "argset.h"
#include "rec.h"
#include "redact/redact.h"
#include "suite.h"

#define SECRETS "tests/analysis/secrets.jsonl"
#define HARMLESS "tests/analysis/harmless-args.jsonl"
#define LEAST 100 /* rows of each set */

static struct redact *r;
static struct buf out;
static struct argset_row *rows;
static size_t n_rows;

static struct redact *new_redact(unsigned char fill, bool keyed, const char *patterns)
{
	unsigned char key[REDACT_KEY_BYTES];
	const struct redact_config cfg = { .key = keyed ? key : NULL, .patterns_file = patterns };
	struct redact *made;
	char err[200] = "";

	memset(key, fill, sizeof(key));
	ck_assert_msg(redact_new(&made, &cfg, err, sizeof(err)) == 0, "%s", err);
	return made;
}

static void setup(void)
{
	r = new_redact(1, true, NULL);
}

static void teardown(void)
{
	redact_free(r);
	buf_free(&out);
	argset_free(rows, n_rows);
	rows = NULL;
	n_rows = 0;
}

static bool holds(const struct buf *in, const char *what, size_t len)
{
	return len && memmem(in->data, in->len, what, len);
}

static size_t run(const char *argv, size_t len, bool cut)
{
	buf_clear(&out);
	return redact_argv(r, (struct wire_span){ argv, len }, cut, &out);
}

/* With "|" between the arguments, for a message. */
static const char *shown(const struct buf *argv)
{
	static char text[4096];
	const size_t n = argv->len < sizeof(text) - 1 ? argv->len : sizeof(text) - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = argv->data[i] ? argv->data[i] : '|';
	text[n] = '\0';
	return text;
}

static size_t count_nuls(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '\0';
	return n;
}

START_TEST(test_secrets_go)
{
	size_t bad = 0, secrets = 0;

	n_rows = argset_load(SECRETS, &rows);
	for (size_t i = 0; i < n_rows; i++) {
		const struct argset_row *row = &rows[i];

		run(row->argv.data, row->argv.len, false);
		ck_assert_uint_eq(count_nuls(out.data, out.len),
				  count_nuls(row->argv.data, row->argv.len));
		for (size_t k = 0; k < row->n_secret; k++, secrets++) {
			if (!holds(&out, row->secret[k].data, row->secret[k].len))
				continue;
			printf("%s %s stays: %s\n", row->id, row->kind, shown(&out));
			bad++;
		}
		for (size_t k = 0; k < row->n_kept; k++) {
			if (holds(&out, row->kept[k].data, row->kept[k].len))
				continue;
			printf("%s %s: '%s' is gone: %s\n", row->id, row->kind, row->kept[k].data,
			       shown(&out));
			bad++;
		}
	}
	printf("%zu secrets in %zu command lines, %zu wrong\n", secrets, n_rows, bad);
	fflush(stdout);
	ck_assert_uint_ge(n_rows, LEAST);
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(test_harmless_stays)
{
	size_t bad = 0;

	n_rows = argset_load(HARMLESS, &rows);
	for (size_t i = 0; i < n_rows; i++) {
		const struct argset_row *row = &rows[i];

		if (run(row->argv.data, row->argv.len, false) == 0 && out.len == row->argv.len &&
		    !memcmp(out.data, row->argv.data, out.len))
			continue;
		printf("%s %s was changed: %s\n", row->id, row->kind, shown(&out));
		bad++;
	}
	printf("%zu harmless command lines, %zu changed\n", n_rows, bad);
	fflush(stdout);
	ck_assert_uint_ge(n_rows, LEAST);
	ck_assert_uint_eq(bad, 0);
}
END_TEST

#define LEFT 4 /* bytes that may be left of a secret, but where it has a known beginning: */
static const char *const beginnings[] = { "github_pat_", "sk_live_", "dop_v1_",
					  "EXAMPLE",	 "example",  "glpat-",
					  "xoxa-",	 "xoxb-",    "secret" };

static size_t may_be_left(const struct buf *secret)
{
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(secret->data, beginnings[i], strlen(beginnings[i])) == 0)
			return strlen(beginnings[i]);
	return LEFT;
}

/* What says that it is a secret stands behind it, or is its length: that was cut off. */
static const char *const unknowable[] = { "s010", "s136", "s179", "s189", "s190",
					  "s192", "s193", "s197", "s198", "s199" };

static bool is_unknowable(const char *id)
{
	for (size_t i = 0; i < sizeof(unknowable) / sizeof(unknowable[0]); i++)
		if (strcmp(id, unknowable[i]) == 0)
			return true;
	return false;
}

/* How much of the secret's beginning is still to be read. */
static size_t left_of(const struct buf *secret)
{
	size_t n = secret->len;

	while (n && !holds(&out, secret->data, n))
		n--;
	return n;
}

START_TEST(test_cut_anywhere)
{
	size_t cuts = 0, left = 0, expected = 0;

	n_rows = argset_load(SECRETS, &rows);
	for (size_t i = 0; i < n_rows; i++) {
		const struct argset_row *row = &rows[i];
		size_t of_row = 0;

		for (size_t len = 1; len < row->argv.len; len++) {
			/* Of just its size, for tools that watch its end. */
			char *cut = memcpy(malloc(len), row->argv.data, len);

			run(cut, len, true);
			free(cut);
			for (size_t k = 0; k < row->n_secret; k++) {
				cuts++;
				of_row += left_of(&row->secret[k]) > may_be_left(&row->secret[k]);
			}
		}
		*(is_unknowable(row->id) ? &expected : &left) += of_row;
		if (of_row && !is_unknowable(row->id))
			printf("%s %s: %zu cuts\n", row->id, row->kind, of_row);
	}
	printf("%zu cuts of secrets, %zu leave more than %d bytes; %zu where nothing told yet\n",
	       cuts, left, LEFT, expected);
	fflush(stdout);
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_gt(expected, 0);
}
END_TEST

/* ---- tags ---- */

static const char *tag_of(struct redact *with, const char *argv, size_t len)
{
	static char tag[64];
	const char *begin, *end;

	buf_clear(&out);
	ck_assert_uint_eq(redact_argv(with, (struct wire_span){ argv, len }, false, &out), 1);
	begin = strstr(out.data + strlen(out.data) + 1, "%secret:");
	ck_assert_ptr_nonnull(begin);
	end = strchr(begin + 1, '%');
	ck_assert_ptr_nonnull(end);
	snprintf(tag, sizeof(tag), "%.*s", (int)(end + 1 - begin), begin);
	return tag;
}
#define TAG(with, argv) tag_of(with, argv, sizeof(argv))

START_TEST(test_tags)
{
	struct redact *other = new_redact(2, true, NULL), *none = new_redact(0, false, NULL);
	char tag[64];

	strcpy(tag, TAG(r, "x\0--password=hunter22"));
	ck_assert_uint_eq(strlen(tag), strlen("%secret:option:0123456789ab%"));
	ck_assert_str_eq(TAG(r, "y\0--password=hunter22"), tag);
	ck_assert_str_eq(TAG(r, "x\0PGPASSWORD=hunter22"), tag);
	ck_assert_str_ne(TAG(r, "x\0--password=hunter23"), tag);
	ck_assert_str_ne(TAG(other, "x\0--password=hunter22"), tag);
	/* Another shape is another kind, and the same digits. */
	ck_assert_str_eq(TAG(r, "curl\0https://a:hunter22@b/") + strlen("%secret:url"),
			 tag + strlen("%secret:option"));
	ck_assert_str_eq(TAG(none, "x\0--password=hunter22"), "%secret:option%");
	redact_free(other);
	redact_free(none);
}
END_TEST

/* HMAC-SHA-256 with a key of 32 bytes 0x01, made with Python's hmac. */
START_TEST(test_known_tag)
{
	ck_assert_str_eq(TAG(r, "x\0--password=hunter22"), "%secret:option:1b2c7939dad7%");
}
END_TEST

/* What a block is known by is all that its finding depends on. */
START_TEST(test_known_block)
{
	static const char url[] = "psql\0postgres://app:hunter2";
	static const char plain[] = "ls\0-l\0/srv";

	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(run(url, sizeof(url), false), 0);
		ck_assert_uint_eq(run(url, sizeof(url), true), 1);
		ck_assert_uint_eq(run(plain, sizeof(plain), false), 0);
		ck_assert_uint_eq(out.len, sizeof(plain));
		ck_assert_mem_eq(out.data, plain, sizeof(plain));
	}
}
END_TEST

/* Each header's value ends at its own quote, and a value that stands elsewhere ends no other's. */
START_TEST(test_headers_in_one_word)
{
	static const char argv[] = "sh\0Authorization: Bearer $T 'Cookie: one1one1' left "
				   "\"X-Api-Key: two2two2\" alone \"Authorization: Bearer $U\" "
				   "'Cookie: three3three3'";
	static const char *const secrets[] = { "one1one1", "two2two2", "three3three3" };
	static const char *const harmless[] = { "Bearer $T", "' left \"", "\" alone \"",
						"Bearer $U" };

	run(argv, sizeof(argv), false);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		ck_assert_msg(!holds(&out, secrets[i], strlen(secrets[i])), "%s is left",
			      secrets[i]);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		ck_assert_msg(holds(&out, harmless[i], strlen(harmless[i])), "%s is gone",
			      harmless[i]);
}
END_TEST

START_TEST(test_off)
{
	const struct redact_config cfg = { .off = true };
	static const char argv[] = "x\0--password=hunter22";
	struct redact *off;
	char err[100];

	ck_assert_int_eq(redact_new(&off, &cfg, err, sizeof(err)), 0);
	ck_assert_uint_eq(redact_argv(off, (struct wire_span){ argv, sizeof(argv) }, false, &out),
			  0);
	ck_assert_mem_eq(out.data, argv, sizeof(argv));
	redact_free(off);
}
END_TEST

START_TEST(test_again)
{
	struct buf once = { 0 };

	n_rows = argset_load(SECRETS, &rows);
	for (size_t i = 0; i < n_rows; i++) {
		run(rows[i].argv.data, rows[i].argv.len, false);
		buf_clear(&once);
		buf_add(&once, out.data, out.len);
		run(once.data, once.len, false);
		ck_assert_msg(out.len == once.len && !memcmp(out.data, once.data, out.len),
			      "%s: %s", rows[i].id, shown(&out));
	}
	buf_free(&once);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_secrets_go, test_harmless_stays, test_cut_anywhere,	test_tags,
		test_known_tag,	 test_known_block,    test_headers_in_one_word, test_off,
		test_again
	};

	return suite_run("redact", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 60);
}
