/* SPDX-License-Identifier: MIT */
/*
 * How a report becomes text, on top of json-c. Long lists are rows that are made, printed and freed
 * one at a time: as json-c objects, 50,000 command lines alone would take 60 MB. Every string is
 * printed by text_json(), as keys too, so that two different byte strings never become one.
 *
 * Memory that is short at any point makes the whole report fail; it never makes it say something
 * else.
 */
#ifndef EDR_REPORT_JSON_H
#define EDR_REPORT_JSON_H

#include <json-c/json.h>
#include <stdbool.h>

#include "cell/view.h"
#include "util/buf.h"
#include "wire/wire.h"

/* One report under way. Zeroed at the start; rj_free() at the end. */
struct rj {
	bool failed;
	struct buf text;   /* scratch */
	struct buf quoted; /* the same, for those that build a string for `text` to escape */
};

void rj_free(struct rj *j);

/* Into an object, under a key of ours. Each takes what it is given; without memory j has failed. */
void rj_put(struct rj *j, json_object *to, const char *key, json_object *value);
void rj_put_null(struct rj *j, json_object *to, const char *key);
void rj_put_bool(struct rj *j, json_object *to, const char *key, bool v);
void rj_put_u64(struct rj *j, json_object *to, const char *key, edr_u64 v);
void rj_put_s64(struct rj *j, json_object *to, const char *key, edr_s64 v);
void rj_put_span(struct rj *j, json_object *to, const char *key, struct wire_span s);
void rj_put_text(struct rj *j, json_object *to, const char *key, const char *s);
void rj_put_seconds(struct rj *j, json_object *to, const char *key, edr_s64 ns);
/* RFC 3339 UTC with nanoseconds; null for 0, which is no time. */
void rj_put_time(struct rj *j, json_object *to, const char *key, edr_s64 unix_ns);
/* Gives the new object, which belongs to `to`; NULL without memory, which all of these take. */
json_object *rj_put_object(struct rj *j, json_object *to, const char *key);

json_object *rj_span(struct rj *j, struct wire_span s);
json_object *rj_u64(edr_u64 v);

enum rj_style {
	RJ_LINES,  /* one row a line */
	RJ_INLINE, /* all on one line */
};

/* Rows. What they point to must live until the text is made. */
struct rj_rows {
	size_t n;
	const void *ctx;
	json_object *(*value)(struct rj *j, const void *ctx, size_t i);
	/* The row's name, quoted, with rj_key(); NULL: an array. */
	void (*key)(struct buf *out, const void *ctx, size_t i);
	enum rj_style style;
	struct rj *j; /* set by rj_rows */
};
json_object *rj_rows(struct rj *j, const struct rj_rows *rows);
void rj_put_rows(struct rj *j, json_object *to, const char *key, const struct rj_rows *rows);

/*
 * A key from elsewhere, quoted. As text_json, but a NUL becomes the private code point U+10FF00,
 * for many a parser ends a key at \u0000.
 */
void rj_key(struct buf *out, struct wire_span s);

/* Appends an object's text and a newline, and frees the object. 0 or -ENOMEM. */
int rj_print(struct rj *j, json_object *root, struct buf *out);

/* "2026-11-21T21:00:00Z", with nine digits behind the second when ns is set. */
#define RJ_TIME_SIZE 40
void rj_time(char out[RJ_TIME_SIZE], edr_s64 unix_ns, bool ns);

#endif
