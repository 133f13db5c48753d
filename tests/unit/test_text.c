/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

/* What a function makes of a literal, NULs inside included. */
#define SPAN(literal) literal, sizeof(literal) - 1

static void utf8_is(const char *in, size_t len, const char *want, bool want_clean)
{
	struct buf out = { 0 }, back = { 0 };
	bool clean = text_utf8(&out, in, len);

	ck_assert(clean == want_clean);
	ck_assert_str_eq(out.len ? out.data : "", want);
	ck_assert(text_unmap(&back, out.data, out.len));
	ck_assert_uint_eq(back.len, len);
	ck_assert(len == 0 || memcmp(back.data, in, len) == 0);
	buf_free(&out);
	buf_free(&back);
}

START_TEST(test_utf8)
{
	utf8_is(SPAN(""), "", true);
	utf8_is(SPAN("plain"), "plain", true);
	utf8_is(SPAN("\n\x7f\x01"), "\n\x7f\x01", true);
	/* The first and the last code point of each length, and both sides of the surrogates. */
	utf8_is(SPAN("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80"
		     "\x80"),
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80",
		true);
	/* The last one below ours, U+10FEFF, stays; U+10FF00 and U+10FFFF do not. */
	utf8_is(SPAN("\xf4\x8f\xbb\xbf"), "\xf4\x8f\xbb\xbf", true);
	utf8_is(SPAN("\xf4\x8f\xbc\x80"), "\U0010FFF4\U0010FF8F\U0010FFBC\U0010FF80", false);
	utf8_is(SPAN("\xf4\x8f\xbf\xbf"), "\U0010FFF4\U0010FF8F\U0010FFBF\U0010FFBF", false);
	/* Overlong, surrogate, too high, lone, cut. */
	utf8_is(SPAN("\xc0\xaf"), "\U0010FFC0\U0010FFAF", false);
	utf8_is(SPAN("\xc1\xbf"), "\U0010FFC1\U0010FFBF", false);
	utf8_is(SPAN("\xe0\x9f\xbf"), "\U0010FFE0\U0010FF9F\U0010FFBF", false);
	utf8_is(SPAN("\xf0\x8f\xbf\xbf"), "\U0010FFF0\U0010FF8F\U0010FFBF\U0010FFBF", false);
	utf8_is(SPAN("\xed\xa0\x80"), "\U0010FFED\U0010FFA0\U0010FF80", false);
	utf8_is(SPAN("\xed\xbf\xbf"), "\U0010FFED\U0010FFBF\U0010FFBF", false);
	utf8_is(SPAN("\xf4\x90\x80\x80"), "\U0010FFF4\U0010FF90\U0010FF80\U0010FF80", false);
	utf8_is(SPAN("\xf5\x80\x80\x80"), "\U0010FFF5\U0010FF80\U0010FF80\U0010FF80", false);
	utf8_is(SPAN("a\x80z"), "a\U0010FF80z", false);
	utf8_is(SPAN("\xe2\x82"), "\U0010FFE2\U0010FF82", false);
	utf8_is(SPAN("\xe2\x82z"), "\U0010FFE2\U0010FF82z", false);
	utf8_is(SPAN("\xf0\x9f\x92"), "\U0010FFF0\U0010FF9F\U0010FF92", false);
	/* A good one begins where a bad one breaks off. */
	utf8_is(SPAN("\xe2\xc3\xa9"), "\U0010FFE2\xc3\xa9", false);
}
END_TEST

/* Alone, every byte from 0x80 on is mapped, and every other one stays. */
START_TEST(test_every_byte)
{
	int byte;

	for (byte = 0; byte < 256; byte++) {
		struct buf out = { 0 }, back = { 0 };
		const char c = (char)byte;

		ck_assert(text_utf8(&out, &c, 1) == (byte < 0x80));
		ck_assert_uint_eq(out.len, byte < 0x80 ? 1 : 4);
		ck_assert(text_unmap(&back, out.data, out.len));
		ck_assert_uint_eq(back.len, 1);
		ck_assert(back.data[0] == c);
		buf_free(&out);
		buf_free(&back);
	}
}
END_TEST

/* Every code point there is: kept, and every one that UTF-8 must not hold: mapped. */
START_TEST(test_every_code_point)
{
	uint32_t cp;

	for (cp = 0x80; cp < 0x120000; cp++) {
		struct buf out = { 0 }, back = { 0 };
		const bool good = cp < 0x10ff00 && (cp < 0xd800 || cp > 0xdfff);
		char s[4];
		size_t n = 0;

		if (cp < 0x800) {
			s[n++] = (char)(0xc0 | cp >> 6);
		} else if (cp < 0x10000) {
			s[n++] = (char)(0xe0 | cp >> 12);
			s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		} else {
			s[n++] = (char)(0xf0 | cp >> 18);
			s[n++] = (char)(0x80 | (cp >> 12 & 0x3f));
			s[n++] = (char)(0x80 | (cp >> 6 & 0x3f));
		}
		s[n++] = (char)(0x80 | (cp & 0x3f));
		if (text_utf8(&out, s, n) != good || !text_unmap(&back, out.data, out.len) ||
		    back.len != n || memcmp(back.data, s, n) != 0)
			ck_abort_msg("U+%X", cp);
		buf_free(&out);
		buf_free(&back);
	}
}
END_TEST

static void json_is(const char *in, size_t len, const char *want)
{
	struct buf out = { 0 };

	text_json(&out, in, len);
	ck_assert_str_eq(out.data, want);
	buf_free(&out);
}

/* NOLINTBEGIN(misc-misleading-bidirectional): that is what these are about */
START_TEST(test_json)
{
	json_is(SPAN(""), "\"\"");
	json_is(SPAN("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
	json_is(SPAN("\0\n\x1f\x7f"), "\"\\u0000\\u000a\\u001f\\u007f\"");
	json_is(SPAN("\xc2\x9b\xe2\x80\xae\xf3\xa0\x81\x81"), "\"\\u009b\\u202e\\udb40\\udc41\"");
	json_is(SPAN("caf\xc3\xa9 \xe9"), "\"caf\xc3\xa9 \U0010FFE9\"");
}
END_TEST

/* Plain text is passed over eight bytes at a time: what is odd must be found at each place of them. */
START_TEST(test_every_byte_at_every_place)
{
	char text[19], plain = " !#[]~a"[_i];

	for (unsigned byte = 0; byte < 256; byte++) {
		const char one = (char)byte;
		struct buf alone = { 0 }, out = { 0 }, want = { 0 };

		text_json(&alone, &one, 1);
		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, plain, sizeof(text));
			text[at] = one;
			buf_clear(&out);
			buf_clear(&want);
			text_json(&out, text, sizeof(text));
			buf_addc(&want, '"');
			buf_add(&want, text, at);
			buf_add(&want, alone.data + 1, alone.len - 2); /* without its quotes */
			buf_add(&want, text + at + 1, sizeof(text) - at - 1);
			buf_addc(&want, '"');
			ck_assert_str_eq(out.data, want.data);
		}
		buf_free(&alone);
		buf_free(&out);
		buf_free(&want);
	}
}
END_TEST

static void term_is(const char *in, size_t len, const char *want)
{
	struct buf out = { 0 };

	text_term(&out, in, len);
	ck_assert_str_eq(out.data, want);
	buf_free(&out);
}

START_TEST(test_term)
{
	term_is(SPAN("plain \"text\" caf\xc3\xa9 \xf0\x9f\x92\xa9"),
		"plain \"text\" caf\xc3\xa9 \xf0\x9f\x92\xa9");
	term_is(SPAN("\033[2J\a\r\n\t\x7f\0"), "\\x1b[2J\\x07\\x0d\\x0a\\x09\\x7f\\x00");
	term_is(SPAN("\x9b\xff"), "\\x9b\\xff");
	term_is(SPAN("\xc2\x9b"), "\\u{9b}");
	term_is(SPAN("a\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf"),
		"a\\u{202e}\\u{2066}\\u{200b}\\u{feff}");
	term_is(SPAN("\xe2\x80\xa8\xe2\x80\xa9"), "\\u{2028}\\u{2029}");
	term_is(SPAN("\xf3\xa0\x80\xa0\xef\xb8\x8f\xe3\x85\xa4"), "\\u{e0020}\\u{fe0f}\\u{3164}");
	term_is(SPAN("\xf4\x8f\xbe\x80"), "\\u{10ff80}");
	term_is(SPAN("\\x1b"), "\\\\x1b");
}
END_TEST
/* NOLINTEND(misc-misleading-bidirectional) */

START_TEST(test_unmap_refuses)
{
	struct buf out = { 0 };

	buf_adds(&out, "kept");
	ck_assert(!text_unmap(&out, SPAN("a\xff")));
	ck_assert(!text_unmap(&out, SPAN("a\xe2\x82")));
	ck_assert(!text_unmap(&out, SPAN("a\U0010FF41"))); /* "A" is never mapped */
	ck_assert_str_eq(out.data, "kept");
	ck_assert(text_unmap(&out, SPAN("\U0010FF80")));
	ck_assert_str_eq(out.data, "kept\x80");
	buf_free(&out);
}
END_TEST

/* xorshift64*: the same strings in every run. */
static uint64_t rng = 88172645463325252u;

static unsigned draw(unsigned n)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (unsigned)((rng * 2685821657736338717u) >> 33) % n;
}

/* Short, and of few different bytes, so that two are often alike and sequences often nearly right. */
static size_t draw_string(char *s, size_t max)
{
	static const char bytes[] = "a\\x1b\"\x80\x8f\xbc\xbf\xf4\xe2\xc2\xed\xa0\n";
	size_t n = draw((unsigned)max), i;

	for (i = 0; i < n; i++) {
		if (draw(4) == 0 && n - i >= 4) {
			memcpy(s + i, "\xf4\x8f\xbc\x80", 4);
			i += 3;
		} else if (draw(8) == 0) {
			s[i] = (char)draw(256);
		} else {
			s[i] = bytes[draw(sizeof(bytes) - 1)];
		}
	}
	return n;
}

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void check_json_of(const struct buf *json, const char *bytes, size_t len)
{
	struct buf back = { 0 };
	json_object *parsed = json_tokener_parse(json->data);

	ck_assert_ptr_nonnull(parsed);
	ck_assert(text_unmap(&back, json_object_get_string(parsed),
			     (size_t)json_object_get_string_len(parsed)));
	ck_assert(same(back.data, back.len, bytes, len));
	json_object_put(parsed);
	buf_free(&back);
}

/* No two inputs give the same text, in any of the three forms; and the bytes can be got back. */
START_TEST(test_injective)
{
	struct buf u[2] = { 0 }, j[2] = { 0 }, t[2] = { 0 };
	char s[2][24];
	size_t len[2];
	int round, i;

	for (round = 0; round < 100000; round++) {
		for (i = 0; i < 2; i++) {
			len[i] = draw_string(s[i], sizeof(s[i]) - (draw(2) ? 20 : 0));
			buf_clear(&u[i]);
			buf_clear(&j[i]);
			buf_clear(&t[i]);
			text_utf8(&u[i], s[i], len[i]);
			text_json(&j[i], s[i], len[i]);
			text_term(&t[i], s[i], len[i]);
			if (round % 10 == 0)
				check_json_of(&j[i], s[i], len[i]);
		}
		if (same(s[0], len[0], s[1], len[1]))
			continue;
		ck_assert(!same(u[0].data, u[0].len, u[1].data, u[1].len));
		ck_assert(!same(j[0].data, j[0].len, j[1].data, j[1].len));
		ck_assert(!same(t[0].data, t[0].len, t[1].data, t[1].len));
	}
	for (i = 0; i < 2; i++) {
		buf_free(&u[i]);
		buf_free(&j[i]);
		buf_free(&t[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *tc = tcase_create("text");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 240); /* under valgrind */
	tcase_add_test(tc, test_utf8);
	tcase_add_test(tc, test_every_byte);
	tcase_add_loop_test(tc, test_every_byte_at_every_place, 0, 7);
	tcase_add_test(tc, test_every_code_point);
	tcase_add_test(tc, test_json);
	tcase_add_test(tc, test_term);
	tcase_add_test(tc, test_unmap_refuses);
	tcase_add_test(tc, test_injective);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
