/* SPDX-License-Identifier: MIT */
/*
 * Does a text speak to a language model? It matters not for safety, which does not depend on what
 * is found here (docs/analysis.md), but because nobody does so by accident.
 *
 * The text is made plain (inject_plain.c): zero-width and bidi characters out, full-width,
 * mathematical and look-alike letters mapped, lower case. Then words and phrases of inject_words.c
 * are looked for in it; those that only together mean something have weights. What can hide a text
 * is undone, at most two deep (inject_hidden.c): percent, backslash and HTML escapes, base64,
 * base32, hex, character codes; rot13, backwards, and letters torn apart or replaced by digits
 * where there is a trace of it. The line that ends our data in a prompt is found as it is written.
 */
#ifndef EDR_DETECT_INJECT_H
#define EDR_DETECT_INJECT_H

#include <stddef.h>

#include "util/buf.h"
#include "util/seen.h"

enum inject_kind {
	INJECT_NONE,
	INJECT_OVERRIDE,  /* "ignore all previous instructions", in two dozen languages */
	INJECT_ROLE,	  /* <|im_start|>, [INST], <<SYS>>, "### Instruction:" */
	INJECT_DELIMITER, /* the words that our own prompt is framed with */
	INJECT_ANSWER,	  /* JSON with members of our answer's schema */
	INJECT_ADDRESS,	  /* tells an analyst or model what to say */
	INJECT_KINDS
};
const char *inject_kind_name(enum inject_kind kind);

#define INJECT_TEXT_MAX 4096 /* bytes of a text that are looked at: the rest would cost too much */
#define INJECT_DEPTH 2

struct inject_index;

/* Scratch, used again; zeroed at the start. */
struct inject {
	struct buf plain, turned, decoded[INJECT_DEPTH];
	struct inject_index *index;
	struct seen clean;
};

/*
 * The first kind that is found in the text, any bytes; NULs separate arguments. Time and memory are
 * linear in len. Without memory INJECT_NONE.
 */
enum inject_kind inject_find(struct inject *in, const char *text, size_t len);
void inject_free(struct inject *in); /* safe on a zeroed one */

#endif
