/* SPDX-License-Identifier: MIT */
/*
 * The one place where bytes from elsewhere become text. Everything that another process may have written
 * goes through here before it reaches JSON or a terminal.
 *
 * Bytes that are not UTF-8 (RFC 3629: no surrogates, no overlong forms) are written as the private code
 * point U+10FF00 + byte, and so are the bytes of any such code point in the input: the mapping loses
 * nothing and no two inputs give the same text.
 *
 * "Tricky" below are the code points that move the cursor, hide or reorder text: C1, bidi and zero-width
 * controls, line and paragraph separators, fillers, variation selectors and tags.
 */
#ifndef EDR_UTIL_TEXT_H
#define EDR_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/buf.h"

/* Appends s as UTF-8. True when it was UTF-8 already; false when some bytes had to be mapped. */
bool text_utf8(struct buf *out, const char *s, size_t len);

/*
 * Appends s as a JSON string, quotes included (RFC 8259). C0, DEL and what is tricky is written as \uXXXX, so that
 * JSON lines are harmless on a terminal too. Same result.
 */
bool text_json(struct buf *out, const char *s, size_t len);

/*
 * Appends s for a terminal or a log line: C0, DEL and bytes that are not UTF-8 as \xNN, what is tricky as \u{N}, a
 * backslash as two. No two inputs give the same text.
 */
void text_term(struct buf *out, const char *s, size_t len);

/* The inverse of text_utf8 for one string: bytes back. False, and nothing appended, when s is not what text_utf8 writes. */
bool text_unmap(struct buf *out, const char *s, size_t len);

/*
 * Would text_json() and text_term() leave these eight bytes as they are? All of what is usual. The
 * highest bit of a byte comes to be set when the byte is odd, or when one beside it is.
 */
static inline bool text_plain_word(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101u, tops = ones << 7;

	return !((x | (x - ones * 0x20) | ((x ^ ones * '"') - ones) | ((x ^ ones * '\\') - ones) |
		  (x + ones)) &
		 tops);
}

/* v in decimal, without a NUL; gives the end. */
#define TEXT_DECIMAL 20 /* 2^64 has as many digits */
char *text_decimal(char *to, unsigned long long v);

/* Two digits for each byte, 0-9 a-f, without a NUL; gives the end. */
char *text_hex(char *to, const void *bytes, size_t n);

extern const char text_pairs[200]; /* "000102..." */

/* Of a number below 100. */
static inline char *text_two_digits(char *to, unsigned v)
{
	memcpy(to, text_pairs + (size_t)2 * v, 2);
	return to + 2;
}

static inline char *text_eight_digits(char *to, unsigned v)
{
	const unsigned high = v / 10000, low = v % 10000;

	to = text_two_digits(to, high / 100);
	to = text_two_digits(to, high % 100);
	to = text_two_digits(to, low / 100);
	return text_two_digits(to, low % 100);
}

#endif
