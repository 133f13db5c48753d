/* SPDX-License-Identifier: MIT */
/*
 * Reading JSON (RFC 8259) without building it up: a value is the span of its text, and what is asked
 * for is decoded from there. A report may hold 64 MiB of raw events that nobody who adds cells up
 * wants; as json-c objects they would take a gigabyte. Anything may be damaged: each function gives
 * false, or -EBADMSG, for text that is not what was asked for.
 */
#ifndef EDR_REPORT_READ_H
#define EDR_REPORT_READ_H

#include <stdbool.h>

#include "util/buf.h"
#include "wire/wire.h"

/* The one value that the text is, without the space around it. */
bool jr_document(const char *text, size_t len, struct wire_span *value);

/* The members of an object, or the elements of an array (key is empty). */
struct jr_iter {
	const char *at, *end;
	char close;
	bool begun;
};
bool jr_begin(struct jr_iter *it, struct wire_span value, char open); /* '{' or '[' */
/* 1 with the next, 0 at the end, -EBADMSG. The key is as it is written, without its quotes. */
int jr_next(struct jr_iter *it, struct wire_span *key, struct wire_span *value);

/* The first member of that name, or false. */
bool jr_member(struct wire_span object, const char *key, struct wire_span *value);

bool jr_is(struct wire_span value, const char *literal); /* "null", "true", ... */
bool jr_u64(struct wire_span value, edr_u64 *out);
bool jr_s64(struct wire_span value, edr_s64 *out);
bool jr_seconds(struct wire_span value, edr_s64 *ns); /* as rj_put_seconds() writes it */
bool jr_time(struct wire_span value, edr_s64 *ns);    /* as rj_time(); null is 0 */

/* Appends the bytes that a string, or a key, stands for: the inverse of text_json() and rj_key(). */
bool jr_string(struct wire_span value, struct buf *out);
bool jr_key(struct wire_span key, struct buf *out);

#endif
