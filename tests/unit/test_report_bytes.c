/* SPDX-License-Identifier: MIT */
/*
 * Names and arguments with any byte: none is lost, none becomes another, none reaches a terminal.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "collect.h"
#include "feed.h"
#include "report/json.h"
#include "suite.h"
#include "util/text.h"

#define FEED(f, what, pid, ...) feed_fold(f, rec_##what(&(f)->rec, feed_id(f, pid), ##__VA_ARGS__))

static const char *const hostile[] = {
	"/t/plain",
	"/t/a b",
	"/t/\xff",
	"/t/\xf4\x8f\xbf\xbf", /* U+10FFFF, what \xff alone is mapped to */
	"/t/\xc0\xaf",
	"/t/\xed\xa0\x80",
	"/t/x [1] execve(a)",
	"/t/\"quoted\"\\",
	"/t/line\nfeed\r\t",
	"/t/\x01\x1b[31m\x7f",
	"/t/\xc2\x9b"
	"31m", /* C1: CSI */
	"/t/\xe2\x80\xae"
	"txt.exe", /* right to left override */
	"/t/\xe2\x80\xa8",
	"/t/report_id\": \"x",
	"/t/../../etc",
	"/t/\xef\xbb\xbf",
	"/t/ok\xc3\xa9",
	"/t/",
};
#define N_HOSTILE (sizeof(hostile) / sizeof(hostile[0]))

static bool has_row(json_object *rows, const char *want)
{
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		const char *path = str(json_object_array_get_idx(rows, i), "/path");
		struct buf bytes = { 0 };
		bool same;

		ck_assert(text_unmap(&bytes, path, strlen(path)));
		same = bytes.len == strlen(want) && !memcmp(bytes.data, want, bytes.len);
		buf_free(&bytes);
		if (same)
			return true;
	}
	return false;
}

/* For a terminal that is shown the file, and for a reader that wants UTF-8. */
static void assert_safe_text(const struct buf *text)
{
	struct buf bytes = { 0 };

	ck_assert(text_unmap(&bytes, text->data, text->len));
	buf_free(&bytes);
	for (const char *p = text->data; *p; p++)
		ck_assert((unsigned char)*p >= 0x20 ? *p != 0x7f : *p == '\n');
	ck_assert_ptr_null(strstr(text->data, "\xc2\x9b"));
	ck_assert_ptr_null(strstr(text->data, "\xe2\x80\xae"));
}

START_TEST(hostile_names)
{
	struct feed f = { .sinks = collect };
	struct buf before = { 0 }, bytes = { 0 };
	json_object *r;

	feed_open(&f, FEED_WINDOW);
	for (size_t h = 0; h < N_HOSTILE; h++)
		feed_exec_args(&f, 0, hostile[h], hostile[h], strlen(hostile[h]) + 1);
	feed_close(&f);
	r = reports[0].root;
	ck_assert_str_eq(reports[0].id.data, "cell-20261121T2100Z");
	/* No two names became one: not as values and not as keys. */
	ck_assert_uint_eq(length(r, "/executables"), N_HOSTILE);
	ck_assert_int_eq(json_object_object_length(at(r, "/command_counts")), N_HOSTILE);
	ck_assert_int_eq(json_object_object_length(at(r, "/process_events")), N_HOSTILE);
	for (size_t h = 0; h < N_HOSTILE; h++)
		ck_assert_msg(has_row(at(r, "/executables"), hostile[h]), "name %zu is not there",
			      h);
	/* All have the same count, so they come in the order of their bytes. */
	json_object_object_foreach(at(r, "/command_counts"), key, value) {
		ck_assert_int_eq(json_object_get_int64(value), 1);
		buf_clear(&bytes);
		ck_assert(text_unmap(&bytes, key, strlen(key)));
		buf_addc(&bytes, '\0');
		if (before.len)
			ck_assert_int_lt(strcmp(before.data, bytes.data), 0);
		buf_clear(&before);
		buf_add(&before, bytes.data, bytes.len);
	}
	assert_safe_text(&reports[0].text);
	buf_free(&before);
	buf_free(&bytes);
	collect_free();
}
END_TEST

/* Undoes the quoting, as a shell does: NUL-separated arguments. */
static void unquote(const char *s, struct buf *out)
{
	while (*s) {
		for (; *s && *s != ' '; s++) {
			char q = *s;

			if (q != '\'' && q != '"') {
				buf_addc(out, *s);
				continue;
			}
			for (s++; *s && *s != q; s++)
				buf_addc(out, *s);
			ck_assert_int_eq(*s, q);
		}
		buf_addc(out, '\0');
		s += *s == ' ';
	}
}

START_TEST(command_lines_tell_where_an_argument_ends)
{
	static const struct {
		const char *args;
		size_t len;
		const char *line;
	} want[] = {
#define ARGS(s) s, sizeof(s)
		{ ARGS("ls"), "ls" },
		{ ARGS("a\0b c"), "a 'b c'" },
		{ ARGS("a\0b\0c"), "a b c" },
		{ ARGS("a b\0c"), "'a b' c" },
		{ ARGS("a\0"), "a ''" },
		{ ARGS("a\0\0b"), "a '' b" },
		{ ARGS("it's"), "'it'\"'\"'s'" },
		{ ARGS("'\0\"\0\\\0$x\0`y`\0*"), "''\"'\"'' '\"' '\\' '$x' '`y`' '*'" },
		{ ARGS("--key=/a/b:c,d@e%f_g+h.i"), "--key=/a/b:c,d@e%f_g+h.i" },
		{ ARGS("a\nb"), "'a\nb'" },
		{ ARGS("a [9 bytes]"), "'a [9 bytes]'" },
	};
	struct feed f = { .sinks = collect };
	json_object *lines;

	feed_open(&f, FEED_WINDOW);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		for (size_t n = sizeof(want) / sizeof(want[0]); n > i;
		     n--) /* the first most often */
			feed_exec_args(&f, 0, "/bin/x", want[i].args, want[i].len);
	feed_close(&f);
	lines = at(reports[0].root, "/executables/0/command_lines");
	ck_assert_uint_eq(json_object_array_length(lines), sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const char *line = str(json_object_array_get_idx(lines, i), "/command_line");
		struct buf args = { 0 };

		ck_assert_str_eq(line, want[i].line);
		unquote(line, &args);
		ck_assert_uint_eq(args.len, want[i].len);
		ck_assert_mem_eq(args.data, want[i].args, args.len);
		buf_free(&args);
	}
	collect_free();
}
END_TEST

START_TEST(long_command_lines_are_cut_and_say_so)
{
	static char args[EDR_ARGV_MAX];
	struct feed f = { .sinks = collect };
	json_object *lines;
	const char *text;

	memset(args, 'a', sizeof(args));
	memcpy(args, "echo", 5);
	args[sizeof(args) - 1] = '\0';
	feed_open(&f, FEED_WINDOW);
	feed_exec_args(&f, 0, "/bin/echo", args, sizeof(args));
	args[sizeof(args) - 2] = 'b'; /* differs far behind the cut */
	feed_exec_args(&f, 0, "/bin/echo", args, sizeof(args));
	feed_close(&f);
	lines = at(reports[0].root, "/executables/0/command_lines");
	ck_assert_uint_eq(json_object_array_length(lines), 2);
	ck_assert_int_eq(num(lines, "/0/cut_from_bytes"), EDR_ARGV_MAX);
	ck_assert_str_ne(str(lines, "/0/hash"), str(lines, "/1/hash"));
	text = str(reports[0].root, "/process_events/echo/0");
	ck_assert_str_eq(text + strlen(text) - strlen(" [28000 bytes]"), " [28000 bytes]");
	collect_free();
}
END_TEST

static void connect_abstract(struct feed *f, edr_u32 pid, const char *name, size_t len)
{
	struct edr_connect r = { .hdr = { .time_ns = f->now_ns, .tgid = pid, .tid = pid },
				 .seen_by = 1 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct wire_build b;

	memcpy(un.sun_path, name, len);
	buf_clear(&f->rec);
	wire_build_begin(&b, &f->rec, EDR_CONNECT, &r);
	wire_build_str(&b, offsetof(struct edr_connect, sockaddr), &un,
		       offsetof(struct sockaddr_un, sun_path) + len);
	feed_fold(f, wire_build_end(&b));
}

START_TEST(addresses_with_any_byte)
{
	struct feed f = { .sinks = collect };
	json_object *a;

	feed_open(&f, FEED_WINDOW);
	connect_abstract(&f, 5, "\0a\0b\xff", 5);
	connect_abstract(&f, 5, "\0a\0c\xff", 5);
	feed_close(&f);
	ck_assert_uint_eq(length(reports[0].root, "/connections"), 2);
	a = at(reports[0].root, "/connections/0/address");
	ck_assert_int_eq(json_object_get_string_len(a),
			 4 + 4); /* @ a NUL b, and four bytes of U+10FFFF */
	ck_assert_mem_eq(json_object_get_string(a), "@a\0b\xf4\x8f\xbf\xbf", 8);
	collect_free();
}
END_TEST

/* Keys that hold a NUL, as only a made-up capture could have. */
START_TEST(keys_with_nul)
{
	static const struct wire_span in[] = { { "a\0b", 3 },
					       { "a\xf4\x8f\xbc\x80"
						 "b",
						 6 },
					       { "a", 1 },
					       { "\0", 1 },
					       { "\0\0", 2 },
					       { "", 0 },
					       { "a\0", 2 },
					       { "\0\xff", 2 } };
	const size_t n = sizeof(in) / sizeof(in[0]);
	struct buf out[8] = { 0 };

	for (size_t i = 0; i < n; i++) {
		rj_key(&out[i], in[i]);
		ck_assert_ptr_null(strstr(out[i].data, "\\u0000"));
		ck_assert_uint_eq(strlen(out[i].data), out[i].len);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(out[i].data, out[k].data);
	}
	ck_assert_str_eq(out[0].data, "\"a\xf4\x8f\xbc\x80"
				      "b\"");
	for (size_t i = 0; i < n; i++)
		buf_free(&out[i]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hostile_names,
		command_lines_tell_where_an_argument_ends,
		long_command_lines_are_cut_and_say_so,
		addresses_with_any_byte,
		keys_with_nul,
	};

	return suite_run("report_bytes", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 60);
}
