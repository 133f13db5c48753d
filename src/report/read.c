/* SPDX-License-Identifier: MIT */
#include "report/read.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "report/level.h"
#include "util/text.h"

#define MAX_DEPTH 16
#define NS_PER_S 1000000000LL
#define NS_PER_DAY (86400 * NS_PER_S)

/* ---- where a value ends ---- */

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* p is behind the opening quote; gives what is behind the closing one, or NULL. */
static const char *skip_string(const char *p, const char *end)
{
	while (p < end && *p != '"') {
		if ((unsigned char)*p < 0x20)
			return NULL;
		p += *p == '\\' ? 2 : 1;
	}
	return p < end ? p + 1 : NULL;
}

static bool in_scalar(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' ||
	       c == '.' || c == 'E';
}

/* What lies within is judged by who reads it. */
static const char *skip_scalar(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && in_scalar(*p))
		p++;
	return p > from ? p : NULL;
}

static const char *skip_nested(const char *p, const char *end)
{
	char open[MAX_DEPTH];
	size_t depth = 0;

	do {
		if (*p == '{' || *p == '[') {
			if (depth == MAX_DEPTH)
				return NULL;
			open[depth++] = *p++;
		} else if (*p == '}' || *p == ']') {
			if (open[--depth] != (*p == '}' ? '{' : '['))
				return NULL;
			p++;
		} else if (*p == '"') {
			p = skip_string(p + 1, end);
		} else {
			p++;
		}
	} while (p && depth && p < end);
	return p && !depth ? p : NULL;
}

static const char *skip_value(const char *p, const char *end)
{
	if (p >= end)
		return NULL;
	if (*p == '"')
		return skip_string(p + 1, end);
	if (*p == '{' || *p == '[')
		return skip_nested(p, end);
	return skip_scalar(p, end);
}

bool jr_document(const char *text, size_t len, struct wire_span *value)
{
	const char *end = text + len, *from = skip_space(text, end), *to;

	to = skip_value(from, end);
	if (!to || skip_space(to, end) != end)
		return false;
	*value = (struct wire_span){ from, (size_t)(to - from) };
	return true;
}

/* ---- members and elements ---- */

bool jr_begin(struct jr_iter *it, struct wire_span value, char open)
{
	if (value.len < 2 || value.data[0] != open)
		return false;
	*it = (struct jr_iter){ .at = value.data + 1,
				.end = value.data + value.len,
				.close = open == '{' ? '}' : ']' };
	return true;
}

static bool take_key(struct jr_iter *it, struct wire_span *key)
{
	const char *from = it->at, *to;

	if (from >= it->end || *from != '"')
		return false;
	to = skip_string(from + 1, it->end);
	if (!to)
		return false;
	*key = (struct wire_span){ from + 1, (size_t)(to - from) - 2 };
	to = skip_space(to, it->end);
	if (to >= it->end || *to != ':')
		return false;
	it->at = skip_space(to + 1, it->end);
	return true;
}

int jr_next(struct jr_iter *it, struct wire_span *key, struct wire_span *value)
{
	const char *to;

	*key = (struct wire_span){ "", 0 };
	it->at = skip_space(it->at, it->end);
	if (it->at < it->end && *it->at == it->close)
		return it->at + 1 == it->end ? 0 : -EBADMSG;
	if (it->begun) {
		if (it->at >= it->end || *it->at != ',')
			return -EBADMSG;
		it->at = skip_space(it->at + 1, it->end);
	}
	it->begun = true;
	if (it->close == '}' && !take_key(it, key))
		return -EBADMSG;
	to = skip_value(it->at, it->end);
	if (!to)
		return -EBADMSG;
	*value = (struct wire_span){ it->at, (size_t)(to - it->at) };
	it->at = to;
	return 1;
}

bool jr_member(struct wire_span object, const char *name, struct wire_span *value)
{
	const size_t len = strlen(name);
	struct jr_iter it;
	struct wire_span key;

	if (!jr_begin(&it, object, '{'))
		return false;
	while (jr_next(&it, &key, value) > 0)
		if (key.len == len && memcmp(key.data, name, len) == 0)
			return true;
	return false;
}

/* ---- numbers and times ---- */

bool jr_is(struct wire_span value, const char *literal)
{
	return value.len == strlen(literal) && memcmp(value.data, literal, value.len) == 0;
}

/* All of it digits, at least one. */
static bool digits(const char *p, size_t len, edr_u64 *out)
{
	edr_u64 n = 0;

	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (edr_u64)(p[i] - '0'), &n))
			return false;
	}
	*out = n;
	return len > 0;
}

bool jr_u64(struct wire_span v, edr_u64 *out)
{
	return digits(v.data, v.len, out);
}

bool jr_s64(struct wire_span v, edr_s64 *out)
{
	const bool minus = v.len && v.data[0] == '-';
	edr_u64 n;

	if (!digits(v.data + minus, v.len - minus, &n) || n > (edr_u64)INT64_MAX + minus)
		return false;
	*out = (edr_s64)(minus ? 0 - n : n);
	return true;
}

/* "5" behind the point is half a second. */
static bool fraction(const char *p, size_t len, edr_u64 *ns)
{
	if (len > 9 || !digits(p, len, ns))
		return false;
	while (len++ < 9)
		*ns *= 10;
	return true;
}

bool jr_seconds(struct wire_span v, edr_s64 *ns)
{
	const bool minus = v.len && v.data[0] == '-';
	const char *p = v.data + minus, *end = v.data + v.len, *point;
	edr_u64 s, part = 0;
	edr_s64 sum;

	point = v.len ? memchr(p, '.', (size_t)(end - p)) : NULL;
	if (point && !fraction(point + 1, (size_t)(end - point - 1), &part))
		return false;
	if (!digits(p, (size_t)((point ? point : end) - p), &s) || s > INT64_MAX)
		return false;
	if (__builtin_mul_overflow((edr_s64)s, NS_PER_S, &sum) ||
	    __builtin_add_overflow(sum, (edr_s64)part, &sum))
		return false;
	*ns = minus ? -sum : sum;
	return true;
}

static bool field(const char *p, size_t len, edr_u64 min, edr_u64 max, int *out)
{
	edr_u64 n;

	if (!digits(p, len, &n) || n < min || n > max)
		return false;
	*out = (int)n;
	return true;
}

/* "2026-11-21T21:00:00Z", with quotes, or with a point and nine digits before the Z. */
bool jr_time(struct wire_span v, edr_s64 *ns)
{
	const char *p = v.data + 1;
	struct report_date d;
	int h, m, s;
	edr_u64 part = 0;
	edr_s64 t;

	*ns = 0;
	if (jr_is(v, "null"))
		return true;
	if ((v.len != 22 && v.len != 32) || v.data[0] != '"' || p[4] != '-' || p[7] != '-' ||
	    p[10] != 'T' || p[13] != ':' || p[16] != ':' || p[v.len - 3] != 'Z')
		return false;
	if (!field(p, 4, 0, 9999, &d.year) || !field(p + 5, 2, 1, 12, &d.month) ||
	    !field(p + 8, 2, 1, 31, &d.day) || !field(p + 11, 2, 0, 23, &h) ||
	    !field(p + 14, 2, 0, 59, &m) || !field(p + 17, 2, 0, 59, &s))
		return false;
	if (v.len == 32 && (p[19] != '.' || !fraction(p + 20, 9, &part)))
		return false;
	if (__builtin_mul_overflow(report_day_of_date(d), NS_PER_DAY, &t) ||
	    __builtin_add_overflow(t, (((edr_s64)h * 60 + m) * 60 + s) * NS_PER_S + (edr_s64)part,
				   &t))
		return false;
	*ns = t;
	return true;
}

/* ---- strings ---- */

static bool hex4(const char *p, const char *end, uint32_t *out)
{
	*out = 0;
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		const char c = p[i];

		*out <<= 4;
		if (c >= '0' && c <= '9')
			*out |= (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out |= (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*out |= (uint32_t)(c - 'A' + 10);
		else
			return false;
	}
	return true;
}

static void add_utf8(struct buf *out, uint32_t cp)
{
	char b[4];

	if (cp < 0x80) {
		buf_addc(out, (char)cp);
	} else if (cp < 0x800) {
		b[0] = (char)(0xc0 | cp >> 6);
		b[1] = (char)(0x80 | (cp & 0x3f));
		buf_add(out, b, 2);
	} else if (cp < 0x10000) {
		b[0] = (char)(0xe0 | cp >> 12);
		b[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[2] = (char)(0x80 | (cp & 0x3f));
		buf_add(out, b, 3);
	} else {
		b[0] = (char)(0xf0 | cp >> 18);
		b[1] = (char)(0x80 | (cp >> 12 & 0x3f));
		b[2] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[3] = (char)(0x80 | (cp & 0x3f));
		buf_add(out, b, 4);
	}
}

/* *p is behind "\u". */
static bool add_unicode(struct buf *out, const char **p, const char *end)
{
	uint32_t cp, low;

	if (!hex4(*p, end, &cp) || (cp >= 0xdc00 && cp <= 0xdfff))
		return false;
	*p += 4;
	if (cp >= 0xd800 && cp <= 0xdbff) {
		if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || !hex4(*p + 2, end, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return false;
		*p += 6;
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(out, cp);
	return true;
}

static bool add_escape(struct buf *out, const char **p, const char *end)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (*p == end)
		return false;
	if (**p == 'u') {
		++*p;
		return add_unicode(out, p, end);
	}
	found = memchr(from, *(*p)++, sizeof(from) - 1);
	if (found)
		buf_addc(out, to[found - from]);
	return found;
}

/* UTF-8 as the string has it. */
static bool unescape(struct wire_span text, struct buf *out)
{
	const char *p = text.data, *end = p + text.len, *plain;

	while (p < end) {
		plain = memchr(p, '\\', (size_t)(end - p));
		plain = plain ? plain : end;
		buf_add(out, p, (size_t)(plain - p));
		p = plain;
		if (p < end && (p++, !add_escape(out, &p, end)))
			return false;
	}
	return true;
}

static bool decode(struct wire_span text, struct buf *out, bool nul)
{
	static const char mapped_nul[] = "\xf4\x8f\xbc\x80"; /* see rj_key() */
	struct buf utf8 = { 0 };
	const char *p, *end, *stop;
	bool good;

	if (!text.len)
		return true;
	if (!memchr(text.data, '\\', text.len) && !nul)
		return text_unmap(out, text.data, text.len);
	good = unescape(text, &utf8);
	for (p = utf8.data, end = p + utf8.len; good && p < end;) {
		stop = nul ? memmem(p, (size_t)(end - p), mapped_nul, 4) : NULL;
		good = text_unmap(out, p, (size_t)((stop ? stop : end) - p));
		if (stop)
			buf_addc(out, '\0');
		p = stop ? stop + 4 : end;
	}
	good = good && !utf8.failed && !out->failed;
	buf_free(&utf8);
	return good;
}

bool jr_string(struct wire_span v, struct buf *out)
{
	if (v.len < 2 || v.data[0] != '"')
		return false;
	return decode((struct wire_span){ v.data + 1, v.len - 2 }, out, false);
}

bool jr_key(struct wire_span key, struct buf *out)
{
	return decode(key, out, true);
}
