/* SPDX-License-Identifier: MIT */
#include "util/text.h"

#include <stdint.h>

#define MAPPED 0x10ff00u /* + byte */

static const char hex[] = "0123456789abcdef";

const char text_pairs[200] = "0001020304050607080910111213141516171819"
			     "2021222324252627282930313233343536373839"
			     "4041424344454647484950515253545556575859"
			     "6061626364656667686970717273747576777879"
			     "8081828384858687888990919293949596979899";

/* How many decimal digits a number has. */
static unsigned digits_of(unsigned long long v)
{
	static const unsigned long long power[] = {
		0ull, /* a number has at least one */
		10ull,
		100ull,
		1000ull,
		10000ull,
		100000ull,
		1000000ull,
		10000000ull,
		100000000ull,
		1000000000ull,
		10000000000ull,
		100000000000ull,
		1000000000000ull,
		10000000000000ull,
		100000000000000ull,
		1000000000000000ull,
		10000000000000000ull,
		100000000000000000ull,
		1000000000000000000ull,
		10000000000000000000ull,
	};
	/* Bits times log10(2): right, or one too few. */
	const unsigned guess = (unsigned)(64 - __builtin_clzll(v | 1)) * 1233 >> 12;

	return guess + (v >= power[guess]);
}

char *text_hex(char *to, const void *bytes, size_t n)
{
	const unsigned char *from = bytes;

	for (size_t i = 0; i < n; i++) {
		*to++ = hex[from[i] >> 4];
		*to++ = hex[from[i] & 15];
	}
	return to;
}

char *text_decimal(char *to, unsigned long long v)
{
	uint32_t rest;
	char *end, *p;

	if (v < 10) {
		*to = (char)('0' + v);
		return to + 1;
	}
	end = p = to + digits_of(v);
	for (; v >= 100000000; v /= 100000000) {
		p -= 8;
		text_eight_digits(p, (uint32_t)(v % 100000000));
	}
	/* A division of 32 bits costs half. */
	for (rest = (uint32_t)v; rest >= 100; rest /= 100) {
		p -= 2;
		text_two_digits(p, rest % 100);
	}
	if (rest >= 10)
		text_two_digits(p - 2, rest);
	else
		p[-1] = (char)('0' + rest);
	return end;
}

/*
 * Length of the UTF-8 sequence that s begins with and its code point; 0 when there is none. The ranges are those of
 * RFC 3629, section 4: they leave out overlong forms, surrogates and what is above U+10FFFF.
 */
static size_t utf8_next(const unsigned char *s, size_t len, uint32_t *cp)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n, i;

	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		*cp = s[0] & 0x1fu;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		*cp = s[0] & 0x0fu;
		if (s[0] == 0xe0)
			lo = 0xa0;
		if (s[0] == 0xed)
			hi = 0x9f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		*cp = s[0] & 0x07u;
		if (s[0] == 0xf0)
			lo = 0x90;
		if (s[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (len < n)
		return 0;
	for (i = 1; i < n; i++) {
		if (s[i] < lo || s[i] > hi)
			return 0;
		*cp = *cp << 6 | (s[i] & 0x3fu);
		lo = 0x80;
		hi = 0xbf;
	}
	return n;
}

static bool is_mapped(uint32_t cp)
{
	return cp >= MAPPED;
}

/* What a terminal must not be given: see text.h. Unicode 15, DerivedCoreProperties Default_Ignorable and Bidi_Control. */
static bool is_tricky(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x80, 0x9f },	      { 0xad, 0xad },	    { 0x34f, 0x34f },
		{ 0x61c, 0x61c },     { 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },
		{ 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e },
		{ 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && cp >= ranges[i].first; i++)
		if (cp <= ranges[i].last)
			return true;
	return false;
}

static void add_mapped(struct buf *out, unsigned char byte)
{
	const uint32_t cp = MAPPED + byte;
	const char utf8[4] = { (char)0xf4, (char)(0x80 | (cp >> 12 & 0x3f)),
			       (char)(0x80 | (cp >> 6 & 0x3f)), (char)(0x80 | (cp & 0x3f)) };

	buf_add(out, utf8, sizeof(utf8));
}

/* The next thing that must go out in another form than it came in. */
struct odd {
	size_t plain; /* bytes before it that may be copied */
	size_t len;   /* of the code point; 0 for a byte that has to be mapped */
	uint32_t cp;  /* the code point, or the byte */
};

enum wants {
	WANT_UTF8 = 1,
	WANT_JSON = 2,
	WANT_TERM = 4,
};

/* For each ASCII byte, who wants it in another form. */
static const unsigned char odd_ascii[128] = {
	[0x00 ... 0x1f] = WANT_JSON | WANT_TERM,
	['"'] = WANT_JSON,
	['\\'] = WANT_JSON | WANT_TERM,
	[0x7f] = WANT_JSON | WANT_TERM,
};

static bool plain8(const unsigned char *s)
{
	uint64_t x;

	memcpy(&x, s, sizeof(x));
	return text_plain_word(x);
}

/* False when the whole rest is plain. */
static bool next_odd(const unsigned char *s, size_t len, enum wants who, struct odd *odd)
{
	size_t i = 0;

	while (i < len) {
		if (len - i >= 8 && plain8(s + i)) {
			i += 8;
			continue;
		}
		if (s[i] < 0x80) {
			if (odd_ascii[s[i]] & who) {
				*odd = (struct odd){ i, 1, s[i] };
				return true;
			}
			i++;
			continue;
		}
		odd->len = utf8_next(s + i, len - i, &odd->cp);
		if (odd->len == 0 || (is_mapped(odd->cp) && who != WANT_TERM)) {
			*odd = (struct odd){ i, 0, s[i] };
			return true;
		}
		if (who != WANT_UTF8 && (is_tricky(odd->cp) || is_mapped(odd->cp))) {
			odd->plain = i;
			return true;
		}
		i += odd->len;
	}
	return false;
}

bool text_utf8(struct buf *out, const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;
	bool clean = true;
	struct odd odd;

	while (next_odd(s, len, WANT_UTF8, &odd)) {
		buf_add(out, s, odd.plain);
		add_mapped(out, (unsigned char)odd.cp);
		s += odd.plain + 1;
		len -= odd.plain + 1;
		clean = false;
	}
	buf_add(out, s, len);
	return clean;
}

static void json_escape(struct buf *out, uint32_t cp)
{
	char u[6] = { '\\', 'u', '0', '0', '0', '0' };
	unsigned unit;
	int i;

	if (cp == '"' || cp == '\\') {
		buf_addc(out, '\\');
		buf_addc(out, (char)cp);
		return;
	}
	if (cp > 0xffff) { /* a surrogate pair, RFC 8259 section 7 */
		json_escape(out, 0xd800 + ((cp - 0x10000) >> 10));
		cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
	}
	for (unit = cp, i = 5; i > 1; i--, unit >>= 4)
		u[i] = hex[unit & 0xf];
	buf_add(out, u, sizeof(u));
}

bool text_json(struct buf *out, const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;
	bool clean = true;
	struct odd odd;

	buf_addc(out, '"');
	while (next_odd(s, len, WANT_JSON, &odd)) {
		size_t used = odd.plain + (odd.len ? odd.len : 1);

		buf_add(out, s, odd.plain);
		if (odd.len) {
			json_escape(out, odd.cp);
		} else {
			add_mapped(out, (unsigned char)odd.cp);
			clean = false;
		}
		s += used;
		len -= used;
	}
	buf_add(out, s, len);
	buf_addc(out, '"');
	return clean;
}

void text_term(struct buf *out, const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;
	struct odd odd;

	while (next_odd(s, len, WANT_TERM, &odd)) {
		size_t used = odd.plain + (odd.len ? odd.len : 1);

		buf_add(out, s, odd.plain);
		if (odd.len > 1)
			buf_addf(out, "\\u{%x}", odd.cp);
		else if (odd.cp == '\\')
			buf_add(out, "\\\\", 2);
		else
			buf_addf(out, "\\x%02x", odd.cp);
		s += used;
		len -= used;
	}
	buf_add(out, s, len);
}

bool text_unmap(struct buf *out, const char *str, size_t len)
{
	const unsigned char *s = (const unsigned char *)str;
	const size_t before = out->len;
	size_t i, n;
	uint32_t cp;

	for (i = 0; i < len; i += n) {
		n = utf8_next(s + i, len - i, &cp);
		/* A byte below 0x80 is never mapped. */
		if (n == 0 || (cp >= MAPPED && cp < MAPPED + 0x80)) {
			out->len = before;
			if (out->data)
				out->data[before] = '\0';
			return false;
		}
		if (is_mapped(cp))
			buf_addc(out, (char)(cp - MAPPED));
		else
			buf_add(out, s + i, n);
	}
	return true;
}
