/* SPDX-License-Identifier: MIT */
/*
 * What the files of the prompt share.
 *
 *	prompt.c       the frame, the budget, the request's body
 *	prompt_rows.c  the rows of a report, ranked and chosen
 *	prompt_named.c which of them a finding is about
 *	prompt_row.c   a row, and a string, as the model gets it
 *	prompt_fit.c   shorter rows and fewer ones, until they fit
 */
#ifndef EDR_ANALYZE_PROMPT_PRIVATE_H
#define EDR_ANALYZE_PROMPT_PRIVATE_H

#include "analyze/prompt.h"
#include "report/level.h"
#include "wire/wire.h"

#define PROMPT_SHARE 10	  /* no row has more than this part of the budget, */
#define PROMPT_FAIR 40	  /* and none needs to be shorter than this one */
#define PROMPT_DETAILS 64 /* findings in whose details paths are looked for */

/* In the order in which they are written. */
enum prompt_kind {
	PROMPT_FINDING,
	PROMPT_CHILD,
	PROMPT_BLIND,
	PROMPT_EXECUTABLE,
	PROMPT_CONNECTION,
	PROMPT_TREND, /* has no evidence id */
	PROMPT_KINDS
};
extern const char *const prompt_kind_names[PROMPT_KINDS]; /* of the prompt's members */

/* How much a row may say: a fat one is written again in the next shape. */
#define PROMPT_SHAPES 5
struct prompt_shape {
	size_t string; /* bytes of a string as it is written, without quotes */
	int small;     /* members of a small list */
	int lines;     /* command lines of an executable */
};
extern const struct prompt_shape prompt_shapes[PROMPT_SHAPES];

struct prompt_row {
	enum prompt_kind kind;
	unsigned number; /* from 1, in the report's order */
	int points;
	size_t place;		     /* among those of its kind that were chosen, from 0 */
	unsigned shape;		     /* of prompt_shapes */
	edr_u64 like_it;	     /* findings of a parent: how many have this id */
	struct wire_span key, value; /* in the report */
	size_t len;		     /* of its text */
};

struct prompt_weighed {
	size_t weight, row;
	enum prompt_kind kind;
};

_Static_assert(2 * sizeof(struct prompt_row) + CHAIN_HEX + sizeof(struct prompt_weighed) <=
		       PROMPT_ROW_BYTES,
	       "twice while it grows, a fact, and its place in an order");

/* The programs and addresses that findings are about; what else their text holds names nothing. */
struct prompt_named {
	struct buf details[PROMPT_DETAILS];
	size_t object[PROMPT_DETAILS]; /* where what was started stands, or to whom; 0: nowhere */
	size_t n;
	bool failed;
};

struct prompt_rows {
	struct wire_span report;
	enum report_level level;
	struct prompt_row *row;
	size_t n, cap;
	size_t all[PROMPT_KINDS]; /* before some were chosen */
	char (*fact)[CHAIN_HEX];  /* what the digest is made of */
	size_t n_facts, cap_facts;
	struct prompt_named named;
	bool failed; /* no memory */
};

/* 0, -EBADMSG, -ENOMEM. prompt_rows_free() either way. */
int prompt_rows_read(struct prompt_rows *r, struct wire_span report);
/* The most telling first, and no more than that many. */
void prompt_rows_choose(struct prompt_rows *r, size_t max);
void prompt_rows_free(struct prompt_rows *r);
/* Of what matters in the whole report. 0 or -ENOMEM. */
int prompt_digest(struct prompt_rows *r, char out[CHAIN_HEX]);

/* The evidence id; false for a row that has none. */
bool prompt_row_id(const struct prompt_row *row, char out[16]);
/* Appends its text, in its shape. 0, -EBADMSG, -ENOMEM. */
int prompt_row_text(const struct prompt_row *row, enum report_level level, struct buf *out);

/* Gives each row the first shape in which it has no more than `share` bytes. As prompt_row_text(). */
int prompt_fit_rows(struct prompt_rows *r, size_t share);
/*
 * Takes that many bytes away: the fat and the low of rank first. Rows above `fair` bytes become
 * shorter, then rows go; the first of each kind last. 0, -EBADMSG, -ENOMEM.
 */
int prompt_fit_cut(struct prompt_rows *r, size_t bytes, size_t fair);
size_t prompt_fit_bytes(const struct prompt_rows *r); /* of all rows and their commas */

void prompt_named_add(struct prompt_named *n, struct wire_span details);
bool prompt_is_named(struct prompt_named *n, struct wire_span name);
void prompt_named_free(struct prompt_named *n);

/* Bytes as a JSON string in which nothing can stand that a model or our frame obeys. */
void prompt_string(struct buf *out, const char *s, size_t len, size_t most);
/* The same for a string, or a key, of the report. False: it is none. */
bool prompt_value(struct buf *out, struct wire_span value, size_t most);
bool prompt_key(struct buf *out, struct wire_span key, size_t most);

#endif
