/* SPDX-License-Identifier: MIT */
/* Who names programs on the host does not say what else the model is told of it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prompt_made.h"
#include "suite.h"

/* The data, parsed; *text: as they were written, to be freed. */
static json_object *data_of(const struct prompt *p, char **text)
{
	json_object *body = json_tokener_parse(p->body.data), *data;
	json_object *user = json_object_array_get_idx(prompt_made_at(body, "messages"), 1);
	const char *line =
		strchr(json_object_get_string(prompt_made_at(user, "content")), '\n') + 1;

	*text = strndup(line, strcspn(line, "\n"));
	data = json_tokener_parse(*text);
	ck_assert_ptr_nonnull(data);
	json_object_put(body);
	return data;
}

static size_t rows_of(json_object *data, const char *kind)
{
	return json_object_array_length(prompt_made_at(data, kind));
}

static const char *id_of(json_object *data, const char *kind, size_t i)
{
	json_object *row = json_object_array_get_idx(prompt_made_at(data, kind), i);

	return json_object_get_string(prompt_made_at(row, "e"));
}

/* ---- strings ---- */

START_TEST(a_string_is_cut_by_what_is_written)
{
	static const struct {
		const char *unit;
		size_t written;
	} units[] = {
		{ "a", 1 },
		{ "\"", 2 },
		{ "\\", 2 },
		{ "<", 6 },
		{ "\x01", 6 },
		{ "\xff", 12 },
		{ "\xe2\x82\xac", 3 },
		{ "\xc3\xa4", 2 },
		{ "\xf0\x9f\x92\xa9", 4 },
		{ "\xc2\x9b", 6 },
		{ "\xe2\x80\xae", 6 },
		{ "\xf3\xa0\x81\x81", 12 },
		{ "\xf4\x8f\xbc\x80", 48 },
	};
	struct prompt_config cfg = prompt_made_config();

	cfg.max_tokens = 200000; /* no row is too fat here */
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		const size_t len = strlen(units[i].unit), n = 600;
		struct prompt_made r = { .level = "cell" };
		char *said = calloc(n + 1, len), *text;
		const char *from, *mark;
		struct prompt p;
		size_t kept, left;

		for (size_t at = 0; at < n; at++)
			memcpy(said + at * len, units[i].unit, len);
		prompt_made_finding(&r, "x", 4, said);
		ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
		json_object_put(data_of(&p, &text));
		from = strstr(text, "\"details\":\"") + 11;
		mark = strstr(from, "... (+");
		ck_assert_ptr_nonnull(mark);
		ck_assert_uint_le((size_t)(mark - from), PROMPT_STRING_BYTES);
		/* Byte for byte where they are no character. */
		kept = (size_t)(mark - from) * len / units[i].written;
		ck_assert_uint_gt((size_t)(mark - from), PROMPT_STRING_BYTES - units[i].written);
		left = strtoul(mark + 6, NULL, 10);
		ck_assert_msg(kept + left == n * len, "%s: %zu + %zu", units[i].unit, kept, left);
		prompt_free(&p);
		prompt_made_free(&r);
		free(text);
		free(said);
	}
}
END_TEST

/* ---- fat rows ---- */

static char fat[5000];

static void fill(struct prompt_made *r, int n_fat, int n_usual)
{
	char path[64];

	memset(fat, '\xff', sizeof(fat) - 1);
	for (int i = 0; i < n_fat; i++) {
		prompt_made_finding(r, "run-world-writable", 4, fat);
		prompt_made_executable(r, fat, 1, "[ \"new\", \"odd_hour\" ]", fat);
	}
	for (int i = 0; i < n_usual; i++) {
		snprintf(path, sizeof(path), "/usr/bin/usual%d", i);
		prompt_made_executable(r, path, 9, "", "usual --option");
	}
	for (int i = 0; i < 5; i++)
		prompt_made_connection(r, "203.0.113.9", "");
}

START_TEST(fat_rows_take_no_others_with_them)
{
	struct prompt_made r = { .level = "cell" };
	struct prompt_config cfg = prompt_made_config();
	json_object *data;
	struct prompt p;
	char *text;

	fill(&r, 6, 30);
	ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
	data = data_of(&p, &text);
	ck_assert_uint_eq(p.lines_left_out, 0);
	ck_assert_uint_eq(rows_of(data, "findings"), 6);
	ck_assert_uint_eq(rows_of(data, "executables"), 36);
	ck_assert_uint_eq(rows_of(data, "connections"), 5);
	ck_assert_str_eq(id_of(data, "executables", 0), "x1");
	json_object_put(data);
	free(text);
	prompt_free(&p);
	prompt_made_free(&r);
}
END_TEST

START_TEST(the_first_of_each_kind_go_last)
{
	static const unsigned tokens[] = { 1300, 1500, 2000, 3000 };
	struct prompt_made r = { .level = "cell" };
	struct prompt_config cfg = prompt_made_config();
	size_t before = 0;

	fill(&r, 20, 200);
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		json_object *data, *left;
		struct prompt p;
		char *text;

		cfg.max_tokens = tokens[i];
		ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
		data = data_of(&p, &text);
		ck_assert_uint_le(p.tokens, tokens[i]);
		ck_assert_str_eq(id_of(data, "findings", 0), "f1");
		ck_assert_str_eq(id_of(data, "executables", 0), "x1");
		ck_assert_str_eq(id_of(data, "connections", 0), "c1");
		/* What is harmless and short stays beside what is odd and fat. */
		ck_assert_uint_gt(p.lines, before);
		before = p.lines;
		left = prompt_made_at(data, "left_out");
		ck_assert_uint_eq(20 - rows_of(data, "findings"),
				  json_object_get_uint64(prompt_made_at(left, "findings")));
		ck_assert_uint_eq(220 - rows_of(data, "executables"),
				  json_object_get_uint64(prompt_made_at(left, "executables")));
		ck_assert_uint_eq(p.lines + p.lines_left_out, 245);
		json_object_put(data);
		free(text);
		prompt_free(&p);
	}
	prompt_made_free(&r);
}
END_TEST

/* Whatever its strings are, one finding is told with the least budget that can be set. */
START_TEST(one_row_always_fits)
{
	struct prompt_made r = { .level = "cell" };
	struct prompt_config cfg = prompt_made_config();
	struct prompt p;

	fill(&r, 31, 0);
	cfg.max_tokens = 1000;
	for (cfg.form = 0; cfg.form < PROMPT_FORMS; cfg.form++) {
		ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
		ck_assert_uint_ge(p.lines, 1);
		ck_assert(prompt_ids_has(&p.ids, "f1", 2));
		prompt_free(&p);
	}
	prompt_made_free(&r);
}
END_TEST

/* Though there is room for more. */
START_TEST(no_row_has_more_than_its_share)
{
	struct prompt_made r = { .level = "cell" };
	struct prompt_config cfg = prompt_made_config();
	struct prompt p;
	char *text, *row;

	fill(&r, 1, 0);
	cfg.max_tokens = 3300;
	ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
	json_object_put(data_of(&p, &text));
	ck_assert_uint_eq(p.lines_left_out, 0);
	row = strstr(text, "{\"e\":\"x1\"");
	ck_assert_int_le(strstr(row, "\"]}") + 3 - row, 3300 * 3 / 10);
	ck_assert_uint_lt(p.tokens, 3000);
	free(text);
	prompt_free(&p);
	prompt_made_free(&r);
}
END_TEST

/* "Too long": fewer lines must be fewer bytes, though each could say more now. */
START_TEST(shrunk_is_shorter)
{
	struct prompt_made r = { .level = "cell" };
	struct prompt_config cfg = prompt_made_config();
	struct buf text = { 0 };
	struct prompt p;
	unsigned before, frame;

	ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
	frame = p.tokens;
	prompt_free(&p);
	fill(&r, 60, 0);
	prompt_made_text(&r, &text);
	ck_assert_int_eq(prompt_make(&p, &cfg, text.data, text.len), 0);
	for (int i = 0; i < 4; i++) {
		before = p.tokens - frame;
		ck_assert_int_eq(prompt_shrink(&p, &cfg, text.data, text.len), 0);
		ck_assert_uint_le(p.tokens - frame, before * 2 / 3);
	}
	prompt_free(&p);
	prompt_made_free(&r);
	buf_free(&text);
}
END_TEST

/* ---- what a finding is about ---- */

#define LONG50 "/a-path-of-fifty-bytes/that-goes-on/and/on-and-on/"
#define LONG200 LONG50 LONG50 LONG50 LONG50

START_TEST(only_what_a_finding_is_about_is_lifted)
{
	static const struct {
		const char *details, *name;
		bool address, lifted;
	} cases[] = {
		{ "/bin/a (uid 33) started /bin/x: x", "/bin/x", false, true },
		{ "/bin/a (uid 33) started /bin/x", "/bin/x", false, true },
		{ "/bin/a (uid 33) started /bin/x; 2 times", "/bin/x", false, true },
		{ "/bin/x (uid 33) started /bin/a: a", "/bin/x", false, true },
		{ "/bin/x (uid 33) calls itself kworker", "/bin/x", false, true },
		{ "/bin/a (uid 33) tried /bin/x: x", "/bin/x", false, true },
		{ "/bin/a (uid 33) started " LONG200 "...: x", LONG200 "/end", false, true },
		{ LONG200 "... (uid 33) started /bin/a: x", LONG200 "/end", false, true },
		{ "/bin/a (uid 33) started " LONG200 ": x", LONG200 "/end", false, false },
		{ "/bin/a (uid 33) started /bin/a: /bin/x", "/bin/x", false, false },
		{ "/bin/a (uid 33) started /bin/a: a (uid 33) started /bin/x: x", "/bin/x", false,
		  false },
		{ "/bin/a (uid 33) started /bin/xy: x", "/bin/x", false, false },
		{ "/bin/xy (uid 33) started /bin/a: a", "/bin/x", false, false },
		{ "/bin/a/bin/x (uid 33) started /bin/a: a", "/bin/x", false, false },
		{ "/bin/a (uid 0) connects to 203.0.113.9:443, of a", "203.0.113.9", true, true },
		{ "/bin/a (uid 0) connects to [2001:db8::1]:443, of a", "2001:db8::1", true, true },
		{ "/bin/a (uid 0) connects to 203.0.113.99:443, of a", "203.0.113.9", true, false },
		{ "/bin/a (uid 0) connects to 192.0.2.1:443, of a 203.0.113.9:443", "203.0.113.9",
		  true, false },
		{ "", "/bin/x", false, false },
		{ "/bin/a (uid 33) started ", "/bin/x", false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *kind = cases[i].address ? "connections" : "executables";
		struct prompt_made r = { .level = "cell" };
		struct prompt_config cfg = prompt_made_config();
		json_object *data;
		struct prompt p;
		char *text;

		prompt_made_finding(&r, "x", 4, cases[i].details);
		prompt_made_executable(&r, "/bin/new", 1, "[ \"new\" ]", "");
		prompt_made_connection(&r, "192.0.2.7", "[ \"new\" ]");
		if (cases[i].address)
			prompt_made_connection(&r, cases[i].name, "");
		else
			prompt_made_executable(&r, cases[i].name, 1, "", "");
		ck_assert_int_eq(prompt_made_make(&r, &cfg, &p), 0);
		data = data_of(&p, &text);
		ck_assert_msg((id_of(data, kind, 0)[1] == '2') == cases[i].lifted, "%s",
			      cases[i].details);
		json_object_put(data);
		free(text);
		prompt_free(&p);
		prompt_made_free(&r);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_string_is_cut_by_what_is_written,	fat_rows_take_no_others_with_them,
		the_first_of_each_kind_go_last,		one_row_always_fits,
		no_row_has_more_than_its_share,		shrunk_is_shorter,
		only_what_a_finding_is_about_is_lifted,
	};

	return suite_run("prompt_fit", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
