/* SPDX-License-Identifier: MIT */
#include "report/json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/text.h"

#define LINE_FLAGS (JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)
#define PRETTY_FLAGS (LINE_FLAGS | JSON_C_TO_STRING_PRETTY)
#define INDENT 2 /* json-c's */
#define NS_PER_S 1000000000LL

void rj_free(struct rj *j)
{
	buf_free(&j->text);
	buf_free(&j->quoted);
}

/* False: it is freed. */
static bool put(json_object *to, const char *key, json_object *value)
{
	if (value && to &&
	    !json_object_object_add_ex(to, key, value, JSON_C_OBJECT_ADD_CONSTANT_KEY))
		return true;
	json_object_put(value);
	return false;
}

void rj_put(struct rj *j, json_object *to, const char *key, json_object *value)
{
	if (!put(to, key, value))
		j->failed = true;
}

void rj_put_null(struct rj *j, json_object *to, const char *key)
{
	if (!to || json_object_object_add_ex(to, key, NULL, JSON_C_OBJECT_ADD_CONSTANT_KEY))
		j->failed = true;
}

void rj_put_bool(struct rj *j, json_object *to, const char *key, bool v)
{
	rj_put(j, to, key, json_object_new_boolean(v));
}

json_object *rj_u64(edr_u64 v)
{
	return json_object_new_uint64(v);
}

void rj_put_u64(struct rj *j, json_object *to, const char *key, edr_u64 v)
{
	rj_put(j, to, key, json_object_new_uint64(v));
}

void rj_put_s64(struct rj *j, json_object *to, const char *key, edr_s64 v)
{
	rj_put(j, to, key, json_object_new_int64(v));
}

json_object *rj_put_object(struct rj *j, json_object *to, const char *key)
{
	json_object *o = json_object_new_object();

	if (put(to, key, o))
		return o;
	j->failed = true;
	return NULL;
}

/* ---- appending to json-c's buffer ---- */

static int append(struct rj *j, struct printbuf *pb, const char *data, size_t len)
{
	if (len > INT_MAX || printbuf_memappend(pb, data, (int)len) < 0) {
		j->failed = true;
		return -1;
	}
	return 0;
}

static int append_newline(struct rj *j, struct printbuf *pb, int level)
{
	static const char spaces[] = "                                ";
	size_t want = (size_t)level * INDENT;

	if (append(j, pb, "\n", 1))
		return -1;
	return append(j, pb, spaces, want < sizeof(spaces) ? want : sizeof(spaces) - 1);
}

/*
 * A text that was printed as if it stood alone. A string holds no newline of its own: it is
 * escaped.
 */
static int append_indented(struct rj *j, struct printbuf *pb, const char *text, size_t len,
			   int level)
{
	const char *end = text + len, *newline;

	while ((newline = memchr(text, '\n', (size_t)(end - text)))) {
		if (append(j, pb, text, (size_t)(newline - text)) || append_newline(j, pb, level))
			return -1;
		text = newline + 1;
	}
	return append(j, pb, text, (size_t)(end - text));
}

static int append_buf(struct rj *j, struct printbuf *pb, const struct buf *b)
{
	if (buf_failed(b)) {
		j->failed = true;
		return -1;
	}
	return append(j, pb, b->data, b->len);
}

/* ---- strings and numbers ---- */

static int print_span(json_object *o, struct printbuf *pb, int level, int flags)
{
	struct rj *j = json_object_get_userdata(o);

	(void)level;
	(void)flags;
	buf_clear(&j->text);
	text_json(&j->text, json_object_get_string(o), (size_t)json_object_get_string_len(o));
	return append_buf(j, pb, &j->text);
}

/* json-c keeps the bytes as they are; they become text only when they are printed. */
json_object *rj_span(struct rj *j, struct wire_span s)
{
	json_object *o = NULL;

	if (s.len <= INT_MAX)
		o = json_object_new_string_len(s.len ? s.data : "", (int)s.len);
	if (o)
		json_object_set_serializer(o, print_span, j, NULL);
	return o;
}

void rj_put_span(struct rj *j, json_object *to, const char *key, struct wire_span s)
{
	rj_put(j, to, key, rj_span(j, s));
}

void rj_put_text(struct rj *j, json_object *to, const char *key, const char *s)
{
	rj_put_span(j, to, key, (struct wire_span){ s, strlen(s) });
}

void rj_key(struct buf *out, struct wire_span s)
{
	static const char nul[] =
		"\xf4\x8f\xbc\x80"; /* U+10FF00: what text_utf8 would make of a bad byte 0 */
	const char *end = s.len ? memchr(s.data, '\0', s.len) : NULL;
	struct buf part = { 0 };

	if (!end) {
		text_json(out, s.data, s.len);
		return;
	}
	buf_addc(out, '"');
	for (;;) {
		size_t len = end ? (size_t)(end - s.data) : s.len;

		buf_clear(&part);
		text_json(&part, s.data, len);
		if (part.failed)
			out->failed = true;
		else
			buf_add(out, part.data + 1, part.len - 2);
		if (!end)
			break;
		buf_add(out, nul, sizeof(nul) - 1);
		s.data += len + 1;
		s.len -= len + 1;
		end = s.len ? memchr(s.data, '\0', s.len) : NULL;
	}
	buf_addc(out, '"');
	buf_free(&part);
}

/*
 * Exact, and without a decimal comma whatever the locale: an integer, a point, nine digits less the
 * zeros at the end.
 */
void rj_put_seconds(struct rj *j, json_object *to, const char *key, edr_s64 ns)
{
	edr_u64 v = ns < 0 ? 0 - (edr_u64)ns : (edr_u64)ns;
	char text[32];
	int n;

	n = snprintf(text, sizeof(text), "%s%llu.%09llu", ns < 0 ? "-" : "", v / NS_PER_S,
		     v % NS_PER_S);
	while (text[n - 1] == '0')
		text[--n] = '\0';
	if (text[n - 1] == '.')
		text[--n] = '\0';
	rj_put(j, to, key, json_object_new_double_s((double)ns / 1e9, text));
}

void rj_time(char out[RJ_TIME_SIZE], edr_s64 unix_ns, bool ns)
{
	edr_s64 part = unix_ns % NS_PER_S, second = unix_ns / NS_PER_S;
	struct tm tm = { .tm_mday = 1 };
	time_t t;
	int n;

	if (part < 0) {
		part += NS_PER_S;
		second--;
	}
	t = (time_t)second;
	gmtime_r(&t, &tm);
	n = snprintf(out, RJ_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (ns)
		n += snprintf(out + n, RJ_TIME_SIZE - (size_t)n, ".%09lld", part);
	snprintf(out + n, RJ_TIME_SIZE - (size_t)n, "Z");
}

void rj_put_time(struct rj *j, json_object *to, const char *key, edr_s64 unix_ns)
{
	char text[RJ_TIME_SIZE];

	if (!unix_ns) {
		rj_put_null(j, to, key);
		return;
	}
	rj_time(text, unix_ns, true);
	rj_put_text(j, to, key, text);
}

/*
 * Not all of json-c looks whether its buffer could grow: then a piece would be missing in the
 * middle. realloc(3) says so in errno, which rj_print() clears at the start and nothing afterwards.
 */
static const char *value_text(struct rj *j, json_object *value, int flags, size_t *len)
{
	const char *text;

	text = json_object_to_json_string_length(value, flags, len);
	if (!text || errno == ENOMEM)
		j->failed = true;
	return j->failed ? NULL : text;
}

/* ---- rows ---- */

static int print_row(struct rj_rows *r, struct printbuf *pb, int level, size_t i)
{
	struct rj *j = r->j;
	json_object *value;
	const char *text;
	size_t len = 0;

	if (r->key) {
		buf_clear(&j->text);
		r->key(&j->text, r->ctx, i);
		if (append_buf(j, pb, &j->text) || append(j, pb, ": ", 2))
			return -1;
	}
	value = r->value(j, r->ctx, i);
	text = value ? value_text(j, value, LINE_FLAGS, &len) : NULL;
	if (!text || append_indented(j, pb, text, len, level))
		j->failed = true;
	json_object_put(value);
	return j->failed ? -1 : 0;
}

/* Between rows, and between them and the brackets; what stands in a line stays in it. */
static int print_gap(struct rj_rows *r, struct printbuf *pb, int level, int flags)
{
	if (r->style == RJ_INLINE || !(flags & JSON_C_TO_STRING_PRETTY))
		return append(r->j, pb, " ", 1);
	return append_newline(r->j, pb, level);
}

static int print_rows(json_object *o, struct printbuf *pb, int level, int flags)
{
	struct rj_rows *r = json_object_get_userdata(o);

	if (append(r->j, pb, r->key ? "{" : "[", 1))
		return -1;
	for (size_t i = 0; i < r->n; i++) {
		if (i && append(r->j, pb, ",", 1))
			return -1;
		if (print_gap(r, pb, level + 1, flags) || print_row(r, pb, level + 1, i))
			return -1;
	}
	if (r->n && print_gap(r, pb, level, flags))
		return -1;
	return append(r->j, pb, r->key ? "}" : "]", 1);
}

static void free_userdata(json_object *o, void *userdata)
{
	(void)o;
	free(userdata);
}

/* The object is only there to have a serializer. */
json_object *rj_rows(struct rj *j, const struct rj_rows *rows)
{
	json_object *o = json_object_new_boolean(true);
	struct rj_rows *copy = malloc(sizeof(*copy));

	if (!o || !copy) {
		json_object_put(o);
		free(copy);
		return NULL;
	}
	*copy = *rows;
	copy->j = j;
	json_object_set_serializer(o, print_rows, copy, free_userdata);
	return o;
}

void rj_put_rows(struct rj *j, json_object *to, const char *key, const struct rj_rows *rows)
{
	rj_put(j, to, key, rj_rows(j, rows));
}

/* ---- the whole ---- */

static void add_indented(struct buf *out, const char *text, size_t len)
{
	const char *end = text + len, *newline;

	while ((newline = memchr(text, '\n', (size_t)(end - text)))) {
		buf_add(out, text, (size_t)(newline - text) + 1);
		buf_adds(out, "  ");
		text = newline + 1;
	}
	buf_add(out, text, (size_t)(end - text));
}

/*
 * Member by member, each freed when it is printed: json-c's own buffer doubles as it grows, and
 * would hold the whole report a second time.
 */
int rj_print(struct rj *j, json_object *root, struct buf *out)
{
	const char *comma = "";

	if (!root)
		j->failed = true;
	errno = 0;
	buf_adds(out, "{");
	while (!j->failed && json_object_object_length(root)) {
		struct json_object_iterator at = json_object_iter_begin(root);
		const char *key = json_object_iter_peek_name(&at);
		json_object *value = json_object_iter_peek_value(&at);
		size_t len = 4;
		const char *text = value ? value_text(j, value, PRETTY_FLAGS, &len) : "null";

		if (!text)
			break;
		buf_addf(out, "%s\n  \"%s\": ", comma, key);
		add_indented(out, text, len);
		comma = ",";
		json_object_object_del(root, key);
	}
	buf_adds(out, "\n}\n");
	json_object_put(root);
	return j->failed || buf_failed(out) ? -ENOMEM : 0;
}
