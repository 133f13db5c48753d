/* SPDX-License-Identifier: MIT */
/* What a model said: hostile until it has the one shape, and even then only a witness. */
#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/answer.h"
#include "analyze/verdicts.h"
#include "suite.h"
#include "util/text.h"

static char given[][16] = { "b1", "c2", "f1", "f3", "x4" };
static const struct prompt_ids ids = { given, 5 };

#define FINDING(evidence)                               \
	"{\"title\":\"a shell\",\"evidence\":" evidence \
	",\"technique\":\"T1505.003\",\"confidence\":80,\"why\":\"because\"}"
#define ANSWER(severity, findings)                                               \
	"{\"summary\":\"odd\",\"severity\":" severity ",\"findings\":[" findings \
	"],\"recommendations\":[\"look\"]}"
#define PLAIN ANSWER("3", FINDING("[\"f1\",\"x4\"]"))

static enum answer_fault read_as(const char *text, size_t len, enum prompt_form form,
				 struct answer *a)
{
	char *exact = malloc(len ? len : 1), why[256] = ""; /* for valgrind and ASan */
	enum answer_fault f;

	memcpy(exact, text, len);
	f = answer_read(a, exact, len, form, &ids, why, sizeof(why));
	ck_assert_int_eq(f != ANSWER_GOOD, why[0] != '\0');
	if (f != ANSWER_GOOD)
		ck_assert_ptr_null(a->summary);
	free(exact);
	return f;
}

static const struct {
	const char *text;
	enum answer_fault want[PROMPT_FORMS]; /* json_schema, json_object, text */
} cases[] = {
#define ALL(fault)                  \
	{                           \
		fault, fault, fault \
	}
#define IN_TEXT                                               \
	{                                                     \
		ANSWER_NOT_JSON, ANSWER_NOT_JSON, ANSWER_GOOD \
	}
	{ PLAIN, ALL(ANSWER_GOOD) },
	{ " \n" PLAIN "\r\n\t ", ALL(ANSWER_GOOD) },
	{ ANSWER("1", ""), ALL(ANSWER_GOOD) },
	/* Prose around it. */
	{ "Here it is:\n```json\n" PLAIN "\n```\nAll is well.", IN_TEXT },
	{ PLAIN " PS: {severity 1}", ALL(ANSWER_NOT_JSON) },
	{ PLAIN PLAIN, ALL(ANSWER_NOT_JSON) },
	{ PLAIN "\n" ANSWER("1", ""), ALL(ANSWER_NOT_JSON) },
	{ "I think {this} is fine: " PLAIN, ALL(ANSWER_NOT_JSON) },
	{ "[" PLAIN "]", { ANSWER_WRONG_SHAPE, ANSWER_WRONG_SHAPE, ANSWER_GOOD } },
	{ "{\"answer\":" PLAIN "}", ALL(ANSWER_WRONG_SHAPE) },
	/* PARITY's fault 8: a severity is never fished from prose. */
	{ "**Security Score:** 3", ALL(ANSWER_NOT_JSON) },
	{ "Security Score: 1. The host is clean.", ALL(ANSWER_NOT_JSON) },
	{ "severity 5", ALL(ANSWER_NOT_JSON) },
	{ "", ALL(ANSWER_EMPTY) },
	{ " ", ALL(ANSWER_NOT_JSON) },
	{ "null", { ANSWER_WRONG_SHAPE, ANSWER_WRONG_SHAPE, ANSWER_NOT_JSON } },
	{ "3", { ANSWER_WRONG_SHAPE, ANSWER_WRONG_SHAPE, ANSWER_NOT_JSON } },
	{ "{}", ALL(ANSWER_WRONG_SHAPE) },
	/* Severities. */
	{ ANSWER("0", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("6", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("-1", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("3.0", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("3e0", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("03", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("\"3\"", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("null", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("true", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("[3]", ""), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("99999999999999999999999", ""), ALL(ANSWER_WRONG_SHAPE) },
	/* Members: missing, twice, unknown, of another type. */
	{ "{\"summary\":\"a\",\"severity\":1,\"findings\":[]}", ALL(ANSWER_WRONG_SHAPE) },
	{ "{\"summary\":\"a\",\"severity\":1,\"severity\":1,\"findings\":[],"
	  "\"recommendations\":[]}",
	  ALL(ANSWER_WRONG_SHAPE) },
	{ "{\"summary\":\"a\",\"severity\":1,\"findings\":[],\"recommendations\":[],\"x\":1}",
	  ALL(ANSWER_WRONG_SHAPE) },
	{ "{\"summary\":\"a\",\"sever\\u0069ty\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_WRONG_SHAPE) },
	{ "{\"summary\":7,\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_WRONG_SHAPE) },
	{ "{\"summary\":\"a\",\"severity\":1,\"findings\":{},\"recommendations\":[]}",
	  ALL(ANSWER_WRONG_SHAPE) },
	{ "{\"summary\":\"a\",\"severity\":1,\"findings\":[],\"recommendations\":[1]}",
	  ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("3", "7"), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("3", FINDING("\"f1\"")), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("3", FINDING("[1]")), ALL(ANSWER_WRONG_SHAPE) },
	{ ANSWER("3", FINDING("[\"f1\"],\"evidence\":[\"x4\"]")), ALL(ANSWER_WRONG_SHAPE) },
	/* Broken inside. */
	{ "{\"summary\":\"a\",\"severity\":1,\"findings\":[],\"recommendations\":[],}",
	  ALL(ANSWER_NOT_JSON) },
	{ "{\"summary\":\"a\" \"severity\":1}", ALL(ANSWER_NOT_JSON) },
	{ "{\"summary\":\"\\ud800\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_NOT_JSON) },
	{ "{\"summary\":\"\\x\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_NOT_JSON) },
	{ "{\"summary\":\"a\nb\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_NOT_JSON) },
	{ "{\"summary\":\"\\u0000\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_WRONG_SHAPE) },
	/* Not text, plainly or by an escape that our own reading would make into a byte. */
	{ "{\"summary\":\"\xff\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_NOT_UTF8) },
	{ "{\"summary\":\"\xed\xa0\x80\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_NOT_UTF8) },
	{ "{\"summary\":\"\\udbff\\udfff\",\"severity\":1,\"findings\":[],\"recommendations\":[]}",
	  ALL(ANSWER_NOT_UTF8) },
};

START_TEST(one_shape_and_no_other)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum prompt_form form = 0; form < PROMPT_FORMS; form++) {
			struct answer a;
			enum answer_fault f =
				read_as(cases[i].text, strlen(cases[i].text), form, &a);

			ck_assert_msg(f == cases[i].want[form], "%s, form %d: %s, not %s",
				      cases[i].text, form, answer_fault_name(f),
				      answer_fault_name(cases[i].want[form]));
			answer_free(&a);
		}
}
END_TEST

START_TEST(cut_anywhere_it_is_none)
{
	const size_t len = strlen(PLAIN);
	struct answer a;

	for (size_t n = 0; n < len; n++)
		for (enum prompt_form form = 0; form < PROMPT_FORMS; form++) {
			ck_assert_int_ne(read_as(PLAIN, n, form, &a), ANSWER_GOOD);
			answer_free(&a);
		}
}
END_TEST

static char *repeated(const char *before, const char *what, size_t n, const char *after)
{
	struct buf b = { 0 };

	buf_adds(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_adds(&b, what);
	buf_adds(&b, after);
	return buf_steal(&b);
}

START_TEST(bounded)
{
	static const struct {
		const char *before, *what, *after;
		size_t most, more;
		enum answer_fault fault;
	} limits[] = {
		{ "{\"severity\":1,\"findings\":[],\"recommendations\":[],\"summary\":\"",
		  "\xe2\x82\xac", "\"}", 900, 901, ANSWER_WRONG_SHAPE },
		{ "{\"summary\":\"\",\"severity\":1,\"findings\":[],\"recommendations\":[\"",
		  "\\u00e9", "\"]}", 600, 601, ANSWER_WRONG_SHAPE },
		{ "{\"summary\":\"\",\"severity\":1,\"findings\":[],\"recommendations\":[\"\"",
		  ",\"\"", "]}", 9, 10, ANSWER_WRONG_SHAPE },
		{ "{\"summary\":\"\",\"severity\":1,\"recommendations\":[],\"findings\":[" FINDING(
			  "[\"f1\"]"),
		  "," FINDING("[\"f1\"]"), "]}", 19, 20, ANSWER_WRONG_SHAPE },
		{ "{\"summary\":\"\",\"severity\":1,\"recommendations\":[],\"findings\":[" FINDING(
			  "[\"zz\"]"),
		  "," FINDING("[\"zz\"]"), "]}", 19, 20, ANSWER_WRONG_SHAPE },
		{ "", " ", PLAIN, 65536 - sizeof(PLAIN) + 1, 65536 - sizeof(PLAIN) + 2,
		  ANSWER_TOO_LONG },
		{ "", " ", PLAIN, 1, 1 << 20, ANSWER_TOO_LONG },
	};
	struct answer a;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char *most =
			repeated(limits[i].before, limits[i].what, limits[i].most, limits[i].after);
		char *more =
			repeated(limits[i].before, limits[i].what, limits[i].more, limits[i].after);

		if (*limits[i].what)
			ck_assert_msg(read_as(most, strlen(most), PROMPT_TEXT, &a) == ANSWER_GOOD,
				      "limit %zu", i);
		answer_free(&a);
		ck_assert_msg(read_as(more, strlen(more), PROMPT_TEXT, &a) == limits[i].fault,
			      "limit %zu", i);
		answer_free(&a);
		free(most);
		free(more);
	}
}
END_TEST

START_TEST(deep_ones_end)
{
	static const char *const open[] = { "[", "{\"a\":", "{\"summary\":[" };
	struct answer a;

	for (size_t i = 0; i < 3; i++)
		for (size_t depth = 1; depth < 9000; depth = depth * 3 + 1) {
			char *text = repeated("{\"summary\":", open[i], depth, "");
			char *with_end = repeated(text, "}", depth, "");

			ck_assert_int_ne(read_as(text, strlen(text), PROMPT_TEXT, &a), ANSWER_GOOD);
			ck_assert_int_ne(read_as(with_end, strlen(with_end), PROMPT_TEXT, &a),
					 ANSWER_GOOD);
			free(text);
			free(with_end);
		}
}
END_TEST

START_TEST(what_was_thought_aloud_is_passed_over)
{
	static const struct {
		const char *before, *behind;
		bool good;
	} t[] = {
		{ "<think>the row {x4} is odd</think>", "", true },
		{ " \n<think>{</think>\n```json\n", "\n```", true },
		{ "{x4} is odd</think>", "", false },
		{ "the row {x4}\n</think>", "", true },
		{ "<think>{x4}", "", false },
		{ "", "\n</think>", true },
		{ "`{x4}</think>", "", false },
	};
	struct answer a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s" ANSWER("1", "") "%s", t[i].before, t[i].behind);
		ck_assert_msg((read_as(text, strlen(text), PROMPT_TEXT, &a) == ANSWER_GOOD) ==
				      t[i].good,
			      "%s", text);
		answer_free(&a);
		if (*t[i].before)
			ck_assert_int_ne(read_as(text, strlen(text), PROMPT_JSON_OBJECT, &a),
					 ANSWER_GOOD);
	}
}
END_TEST

START_TEST(invented_evidence_is_taken_out_and_counted)
{
	static const char text[] = ANSWER(
		"5",
		FINDING("[\"f1\",\"f2\",\"f1\",\"x99\",\"F1\",\"\",\"f1 \",\"x4\"]") "," FINDING(
			"[\"f2\",\"c77\"]") "," FINDING("[]") "," FINDING("[\"c2\"]"));
	struct answer a;

	ck_assert_int_eq(read_as(text, strlen(text), PROMPT_JSON_SCHEMA, &a), ANSWER_GOOD);
	ck_assert_uint_eq(a.n_findings, 2);
	ck_assert_uint_eq(a.finding[0].n_evidence, 2);
	ck_assert_str_eq(a.finding[0].evidence[0], "f1");
	ck_assert_str_eq(a.finding[0].evidence[1], "x4");
	ck_assert_str_eq(a.finding[1].evidence[0], "c2");
	ck_assert_uint_eq(a.unknown_ids, 5 + 2);
	ck_assert_uint_eq(a.without_evidence, 2);
	ck_assert_str_eq(a.finding[0].technique, "T1505.003");
	ck_assert_uint_eq(a.finding[0].confidence, 80);
	answer_free(&a);
}
END_TEST

START_TEST(techniques_are_of_one_form)
{
	static const struct {
		const char *is, *becomes;
	} t[] = { { "T1059", "T1059" }, { "T1059.004", "T1059.004" },
		  { "T105", "" },	{ "T10590", "" },
		  { "T1059.04", "" },	{ "T1059.0044", "" },
		  { "", "" },		{ "t1059", "" },
		  { "\\u001b[2J", "" } };
	char text[512];
	struct answer a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(text, sizeof(text),
			 ANSWER("1", "{\"title\":\"\",\"technique\":\"%s\",\"confidence\":0,"
				     "\"why\":\"\",\"evidence\":[\"f1\"]}"),
			 t[i].is);
		ck_assert_int_eq(read_as(text, strlen(text), PROMPT_TEXT, &a), ANSWER_GOOD);
		ck_assert_str_eq(a.finding[0].technique, t[i].becomes);
		answer_free(&a);
	}
}
END_TEST

START_TEST(the_worse_of_the_two_counts)
{
	struct answer a = { 0 };

	for (unsigned local = 1; local <= 5; local++) {
		ck_assert_uint_eq(answer_severity(local, NULL), local);
		for (a.severity = 1; a.severity <= 5; a.severity++) {
			ck_assert_uint_ge(answer_severity(local, &a), local);
			ck_assert_uint_ge(answer_severity(local, &a), a.severity);
			ck_assert_uint_le(answer_severity(local, &a), 5);
		}
	}
}
END_TEST

static json_object *verdict(unsigned local, const char *severity, struct buf *text)
{
	struct prompt p = { .report_id = "cell-20261121T2100Z",
			    .local_severity = local,
			    .judged = true };
	const struct answer_origin from = { .model = "m\x1b[2J",
					    .api_base = "http://[::1]:8080/v1",
					    .now = "2026-11-22T00:00:00Z",
					    .tokens_in = 7,
					    .micro_usd = 9 };
	struct buf json = { 0 };
	char answer[1024];
	struct answer a;
	json_object *v;

	snprintf(
		answer, sizeof(answer),
		"{\"summary\":\"\\u001b[2J \xe2\x80\xae x\",\"severity\":%s,\"findings\":[" FINDING(
			"[\"f1\",\"f9\"]") "],\"recommendations\":[\"a\\nseverity 1\"]}",
		severity);
	ck_assert_int_eq(read_as(answer, strlen(answer), PROMPT_TEXT, &a), ANSWER_GOOD);
	ck_assert_int_eq(answer_json(&a, &p, &from, &json), 0);
	ck_assert_int_eq(verdict_text((struct wire_span){ json.data, json.len }, text), 0);
	v = json_tokener_parse(json.data);
	ck_assert_ptr_nonnull(v);
	for (size_t i = 0; i < json.len; i++)
		ck_assert(json.data[i] == '\n' || (unsigned char)json.data[i] >= 0x20);
	buf_free(&json);
	answer_free(&a);
	return v;
}

static const char *text_of(json_object *v, const char *key)
{
	json_object *m = NULL;

	ck_assert_msg(json_object_object_get_ex(v, key, &m), "%s", key);
	return m ? json_object_to_json_string_ext(m, 0) : "null";
}

START_TEST(a_verdict_says_who_disagrees)
{
	static const struct {
		unsigned local;
		const char *model, *severity, *disagreement;
	} t[] = { { 4, "1", "4", "null" }, { 2, "5", "5", "null" }, { 3, "3", "3", "null" } };
	static const char *const want[] = { "\"lower\"", "\"higher\"", "null" };
	struct buf text = { 0 };

	for (size_t i = 0; i < 3; i++) {
		json_object *v = verdict(t[i].local, t[i].model, &text);

		ck_assert_str_eq(text_of(v, "severity"), t[i].severity);
		ck_assert_str_eq(text_of(v, "model_severity"), t[i].model);
		ck_assert_str_eq(text_of(v, "disagreement"), want[i]);
		ck_assert_str_eq(text_of(v, "rejected"),
				 "{\"unknown_ids\":1,\"without_evidence\":0}");
		ck_assert_int_eq(strstr(text.data, "than the local") != NULL, i < 2);
		for (size_t k = 0; k < text.len; k++)
			ck_assert(text.data[k] == '\n' || (unsigned char)text.data[k] >= 0x20);
		ck_assert_ptr_null(strstr(text.data, "\xe2\x80\xae"));
		ck_assert_ptr_null(strstr(text.data, "\nseverity 1"));
		buf_clear(&text);
		json_object_put(v);
	}
	buf_free(&text);
}
END_TEST

#define REPLY(choice)                        \
	"{\"id\":\"x\",\"choices\":[" choice \
	"],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":10,\"total_tokens\":30}}"
#define MESSAGE(m, finish) \
	"{\"index\":0,\"message\":{\"role\":\"assistant\"," m "},\"finish_reason\":" finish "}"

START_TEST(the_content_of_a_reply)
{
	static const struct {
		const char *body;
		enum answer_fault want;
	} t[] = {
		{ REPLY(MESSAGE("\"content\":\"a\\n\\\"b\"", "\"stop\"")), ANSWER_GOOD },
		{ REPLY(MESSAGE("\"content\":\"\"", "\"stop\"")), ANSWER_EMPTY },
		{ REPLY(MESSAGE("\"content\":null", "\"stop\"")), ANSWER_EMPTY },
		{ REPLY(MESSAGE("\"content\":null,\"refusal\":\"no\"", "\"stop\"")),
		  ANSWER_REFUSED },
		{ REPLY(MESSAGE("\"content\":\"a\",\"refusal\":null", "\"content_filter\"")),
		  ANSWER_REFUSED },
		{ REPLY(MESSAGE("\"content\":\"a\"", "\"length\"")), ANSWER_CUT },
		{ REPLY(MESSAGE("\"content\":[]", "\"stop\"")), ANSWER_WRONG_SHAPE },
		{ REPLY(MESSAGE("\"tool\":1", "\"stop\"")), ANSWER_WRONG_SHAPE },
		{ REPLY(""), ANSWER_WRONG_SHAPE },
		{ REPLY("7"), ANSWER_WRONG_SHAPE },
		{ "{\"error\":{}}", ANSWER_WRONG_SHAPE },
		{ "[]", ANSWER_WRONG_SHAPE },
		{ "<html>", ANSWER_NOT_JSON },
		{ "", ANSWER_EMPTY },
		{ "{\"a\":\"\xff\"}", ANSWER_NOT_UTF8 },
		{ REPLY(MESSAGE("\"content\":\"\\ud800\"", "\"stop\"")), ANSWER_NOT_JSON },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct answer_usage used;
		struct buf content = { 0 };

		ck_assert_msg(answer_content(t[i].body, strlen(t[i].body), 0, &content, &used) ==
				      t[i].want,
			      "%s", t[i].body);
		if (i == 0) {
			ck_assert_str_eq(content.data, "a\n\"b");
			ck_assert_uint_eq(used.tokens_in, 20);
			ck_assert_uint_eq(used.tokens_out, 10);
		}
		buf_free(&content);
	}
}
END_TEST

START_TEST(a_use_that_cannot_be_is_not_believed)
{
	static const char *const usage[] = { "{\"prompt_tokens\":5000000,\"completion_tokens\":1}",
					     "{\"prompt_tokens\":1,\"completion_tokens\":5000000}",
					     "{\"prompt_tokens\":0,\"completion_tokens\":1}",
					     "{\"prompt_tokens\":-1,\"completion_tokens\":1}",
					     "{\"prompt_tokens\":1}",
					     "null",
					     "[]" };
	char body[512];

	for (size_t i = 0; i < sizeof(usage) / sizeof(usage[0]); i++) {
		struct answer_usage used;
		struct buf content = { 0 };

		snprintf(
			body, sizeof(body),
			"{\"choices\":[" MESSAGE("\"content\":\"a\"", "\"stop\"") "],\"usage\":%s}",
			usage[i]);
		ck_assert_int_eq(answer_content(body, strlen(body), 3000, &content, &used),
				 ANSWER_GOOD);
		ck_assert_uint_eq(used.tokens_in, 0);
		ck_assert_uint_eq(used.tokens_out, 0);
		buf_free(&content);
	}
}
END_TEST

START_TEST(the_schema_is_what_is_read)
{
	json_object *schema = json_tokener_parse(answer_schema), *required;

	ck_assert_ptr_nonnull(schema);
	ck_assert(json_object_object_get_ex(schema, "required", &required));
	ck_assert_str_eq(json_object_to_json_string_ext(required, 0),
			 "[\"summary\",\"severity\",\"findings\",\"recommendations\"]");
	ck_assert_ptr_null(strchr(answer_schema, '\n'));
	json_object_put(schema);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_shape_and_no_other,
		cut_anywhere_it_is_none,
		bounded,
		deep_ones_end,
		what_was_thought_aloud_is_passed_over,
		invented_evidence_is_taken_out_and_counted,
		techniques_are_of_one_form,
		the_worse_of_the_two_counts,
		a_verdict_says_who_disagrees,
		the_content_of_a_reply,
		a_use_that_cannot_be_is_not_believed,
		the_schema_is_what_is_read,
	};

	return suite_run("answer", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
