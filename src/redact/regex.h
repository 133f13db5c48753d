/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions over hostile text: each byte is looked at once for all states at the same
 * time (Thompson 1968; Pike's way with groups), so the time is bytes x size of the expression,
 * whatever the text, and no memory is taken while matching. What regexec(3), PCRE2 and others do
 * not promise.
 *
 *	. [abc] [^a-z] [[:alpha:]]    a byte; . is any
 *	x* x+ x? x{2} x{2,} x{2,5}    at most 255 times
 *	x|y (x) (?:x) ^ $             the first group says what is meant
 *	\. \\ ...                     the byte itself; \d \w \s \t and \D \W \S as in Perl
 *	(?i) at the beginning         upper and lower case are the same
 *
 * Bytes, not characters. The leftmost match, of these the first that the expression tries.
 */
#ifndef EDR_REDACT_REGEX_H
#define EDR_REDACT_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#define REGEX_MAX 1024	   /* instructions of one */
#define REGEX_TEXT_MAX 512 /* bytes of one */

struct regex;
struct regex_work; /* for matching, one for all expressions */

struct regex_match {
	size_t from, to; /* of the first group if it took part, else of the whole */
	size_t end;	 /* of the whole */
	size_t seen;	 /* up to here bytes were looked at, also where there is no match */
};

/* NULL and *why: what is wrong with it; "no memory". */
struct regex *regex_new(const char *text, size_t len, const char **why);
void regex_free(struct regex *re); /* safe on NULL */
size_t regex_bytes(const struct regex *re);
struct regex_work *regex_work_new(void);
void regex_work_free(struct regex_work *w);

/* The first match that begins at `at` or behind. */
bool regex_find(const struct regex *re, struct regex_work *w, const char *text, size_t len,
		size_t at, struct regex_match *out);

#endif
