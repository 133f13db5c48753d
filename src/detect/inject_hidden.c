/* SPDX-License-Identifier: MIT */
/* Escapes and codes that a text may be hidden in, undone one deep. */
#include <string.h>

#include "detect/inject_private.h"

#define DECODED_LEAST 8 /* bytes: what is shorter says nothing */
#define DECODED_SURE 12 /* so many are no chance */
#define CODES_LEAST 8	/* character codes in a row */
#define RUN_LEAST 12	/* letters of base64 */
#define TRIES 4		/* base64 in one run: at its begin, and behind parts of a path */

struct unhide {
	struct buf *out;
	const struct inject_index *ix;
	const char *s;
	size_t len;
	size_t run_end; /* of the letters that may be of a code */
	unsigned tries; /* left in this run */
	bool done;	/* something was undone */
};

static int digit(char c, unsigned base)
{
	const unsigned v = c >= '0' && c <= '9' ? (unsigned)(c - '0')
			   : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
				   ? (unsigned)((c | 0x20) - 'a') + 10
				   : 99;

	return v < base ? (int)v : -1;
}

/* Up to n digits at i: how many there are, and the number. */
static size_t number(const struct unhide *u, size_t i, size_t n, unsigned base, uint32_t *v)
{
	size_t k;

	*v = 0;
	for (k = 0; k < n && i + k < u->len && digit(u->s[i + k], base) >= 0; k++)
		*v = *v * base + (uint32_t)digit(u->s[i + k], base);
	return k;
}

static void put_code(struct unhide *u, uint32_t c)
{
	char utf8[4];
	size_t n = 0;

	if (c < 0x80) {
		utf8[n++] = (char)c;
	} else if (c < 0x800) {
		utf8[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		utf8[n++] = (char)(0xe0 | c >> 12);
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		utf8[n++] = (char)(0xf0 | (c >> 18 & 7));
		utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		utf8[n++] = (char)(0x80 | (c & 0x3f));
	buf_add(u->out, utf8, n);
	u->done = true;
}

static size_t percent(struct unhide *u, size_t i)
{
	uint32_t v;

	if (number(u, i + 1, 2, 16, &v) != 2)
		return 0;
	buf_addc(u->out, (char)v);
	u->done = true;
	return 3;
}

/* \xNN, \NNN, \uNNNN, \UNNNNNNNN, and those of one letter. */
static size_t backslash(struct unhide *u, size_t i)
{
	static const char letters[] = "nrtbaefv";
	const char c = i + 1 < u->len ? u->s[i + 1] : '\0';
	uint32_t v;
	size_t n;

	if (c == 'x' && (n = number(u, i + 2, 2, 16, &v))) {
		buf_addc(u->out, (char)v);
		u->done = true;
		return 2 + n;
	}
	n = c == 'u' ? 4 : c == 'U' ? 8 : 0;
	if (n && number(u, i + 2, n, 16, &v) == n) {
		put_code(u, v);
		return 2 + n;
	}
	n = number(u, i + 1, 3, 8, &v);
	if (n > 1) {
		buf_addc(u->out, (char)v);
		u->done = true;
		return 1 + n;
	}
	if (c == '\0' || (!strchr(letters, c) && c != '"' && c != '\\'))
		return 0;
	buf_addc(u->out, c == '"' || c == '\\' ? c : ' ');
	u->done = true;
	return 2;
}

static size_t entity(struct unhide *u, size_t i)
{
	static const struct {
		const char *name;
		char is;
	} names[] = { { "&lt;", '<' },	  { "&gt;", '>' },  { "&quot;", '"' },
		      { "&apos;", '\'' }, { "&amp;", '&' }, { "&nbsp;", ' ' } };
	const bool hex = i + 2 < u->len && (u->s[i + 2] | 0x20) == 'x';
	const size_t at = i + 2 + hex;
	uint32_t v;
	size_t n;

	for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		const size_t len = strlen(names[n].name);

		if (u->len - i >= len && memcmp(u->s + i, names[n].name, len) == 0) {
			put_code(u, (unsigned char)names[n].is);
			return len;
		}
	}
	if (i + 1 >= u->len || u->s[i + 1] != '#')
		return 0;
	n = number(u, at, 7, hex ? 16 : 10, &v);
	if (!n)
		return 0;
	put_code(u, v);
	n += at - i;
	return n + (i + n < u->len && u->s[i + n] == ';');
}

static bool is_control(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f;
}

/* Is what was added since `from` text? What is none behind it is cut off. */
static bool keep_text(struct unhide *u, size_t from)
{
	const char *s = u->out->data + from;
	const size_t len = u->out->len - from;
	uint32_t code;
	size_t i = 0, n;

	while (i < len) {
		n = inject_utf8(s + i, len - i, &code);
		if (!n || is_control(code))
			break;
		i += n;
	}
	u->out->len = from + i;
	return i >= DECODED_LEAST && (i + 4 >= len || i >= DECODED_SURE);
}

/*
 * Digits of `bits` bits each: how many are read until there are no more, or what comes out is no
 * text.
 */
static size_t radix(struct unhide *u, size_t i, size_t end, const signed char *value, unsigned bits)
{
	const size_t from = u->out->len, at = i;
	uint32_t v = 0;
	unsigned have = 0;

	for (; i < end && value[(unsigned char)u->s[i]] >= 0; i++) {
		v = v << bits | (uint32_t)value[(unsigned char)u->s[i]];
		have += bits;
		if (have < 8)
			continue;
		have -= 8;
		buf_addc(u->out, (char)(v >> have));
		if (is_control(
			    (unsigned char)(v >> have))) /* most runs are no code, and end here */
			break;
	}
	if (keep_text(u, from)) {
		u->done = true;
		return i - at;
	}
	u->out->len = from;
	return 0;
}

/* Letters and digits of each, by byte; -1: none. Made at each call: it is called seldom. */
static void alphabet(signed char value[256], const char *digits)
{
	memset(value, -1, 256);
	for (int i = 0; digits[i]; i++)
		value[(unsigned char)digits[i]] = (signed char)i;
}

static size_t hex(struct unhide *u, size_t i, size_t end)
{
	signed char value[256];

	alphabet(value, "0123456789abcdef");
	for (int c = 'A'; c <= 'F'; c++)
		value[c] = (signed char)(c - 'A' + 10);
	return radix(u, i, end, value, 4);
}

static size_t base(struct unhide *u, size_t i, size_t end)
{
	signed char value[256];
	size_t n;

	alphabet(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	n = radix(u, i, end, value, 6);
	if (n)
		return n;
	alphabet(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
	return radix(u, i, end, value, 5);
}

/* What lies at i, if it may be the begin of a code: how much of it was one. */
static size_t run(struct unhide *u, size_t i)
{
	const unsigned char *s = (const unsigned char *)u->s;
	size_t hexes = 0, n = 0;

	if (i >= u->run_end) {
		for (u->run_end = i; u->run_end < u->len; u->run_end++) {
			if (!(u->ix->byte[s[u->run_end]] & BYTE_BASE64))
				break;
			hexes += !!(u->ix->byte[s[u->run_end]] & BYTE_HEX);
		}
		u->tries = TRIES;
		if (hexes == u->run_end - i && hexes >= (size_t)2 * DECODED_LEAST)
			n = hex(u, i, u->run_end);
	} else if (s[i - 1] != '/') {
		return 0;
	}
	if (n || u->run_end - i < RUN_LEAST || !u->tries)
		return n;
	u->tries--;
	return base(u, i, u->run_end);
}

/* One code of a character at i: 2 hex digits, or 2 or 3 decimal ones; its length. */
static size_t code(const struct unhide *u, size_t i, unsigned radix, uint32_t *v)
{
	const size_t n = number(u, i, 4, radix, v);

	if (n < 2 || n > (radix == 16 ? 2 : 3) || *v < 0x20 || *v > 0x7e)
		return 0;
	return i + n < u->len && u->ix->byte[(unsigned char)u->s[i + n]] & BYTE_WORD ? 0 : n;
}

/* A row of them, with one byte between two. */
static size_t codes(struct unhide *u, size_t i, unsigned radix)
{
	const size_t from = u->out->len, at = i;
	size_t end = i, n;
	unsigned count = 0;
	uint32_t v;

	while (i < u->len && (n = code(u, i, radix, &v)) != 0) {
		buf_addc(u->out, (char)v);
		count++;
		end = i + n;
		i = end + 1;
	}
	if (count < CODES_LEAST) {
		u->out->len = from;
		return 0;
	}
	u->done = true;
	return end - at;
}

static size_t undo(struct unhide *u, size_t i)
{
	const unsigned byte = u->ix->byte[(unsigned char)u->s[i]];
	size_t n = 0;

	if (byte & BYTE_ESCAPE)
		return u->s[i] == '%'	 ? percent(u, i)
		       : u->s[i] == '\\' ? backslash(u, i)
					 : entity(u, i);
	if (!(byte & BYTE_BASE64))
		return 0;
	if (byte & BYTE_HEX && (!i || !(u->ix->byte[(unsigned char)u->s[i - 1]] & BYTE_WORD))) {
		n = codes(u, i, 10);
		if (!n)
			n = codes(u, i, 16);
	}
	return n ? n : run(u, i);
}

bool inject_unhide(struct buf *out, const struct inject_index *ix, const char *s, size_t len)
{
	struct unhide u = { .out = out, .ix = ix, .s = s, .len = len };
	size_t i, n;

	buf_clear(out);
	if (!buf_reserve(out, len + 1))
		return false;
	for (i = 0; i < len; i += n) {
		n = undo(&u, i);
		if (!n) {
			buf_addc(out, s[i]);
			n = 1;
		}
	}
	return u.done && !out->failed;
}
