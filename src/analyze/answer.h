/* SPDX-License-Identifier: MIT */
/*
 * What a language model said: hostile until it is proven to be of the one shape that we asked for,
 * and even then only a witness. Everything that is kept is text of bounded length, and numbers of a
 * range. docs/analysis.md has the schema and each rule.
 */
#ifndef EDR_ANALYZE_ANSWER_H
#define EDR_ANALYZE_ANSWER_H

#include <stddef.h>

#include "analyze/prompt.h"
#include "util/buf.h"

#define ANSWER_MAX_BYTES (64u << 10) /* of the model's text; more is no answer */
#define ANSWER_FINDINGS 20
#define ANSWER_RECOMMENDATIONS 10
#define ANSWER_EVIDENCE 16
/* Characters, as the schema counts them. */
#define ANSWER_SUMMARY 900
#define ANSWER_TITLE 200
#define ANSWER_WHY 600
#define ANSWER_TECHNIQUE 16

enum answer_fault {
	ANSWER_GOOD,
	ANSWER_EMPTY,
	ANSWER_TOO_LONG,
	ANSWER_NOT_UTF8,
	ANSWER_NOT_JSON,    /* cut, too deep, or followed by something */
	ANSWER_WRONG_SHAPE, /* a member is missing, doubled, unknown, or of another type or range */
	ANSWER_CUT,	    /* finish_reason is "length" */
	ANSWER_REFUSED,	    /* the model or its provider declined */
	ANSWER_FAULTS
};
const char *answer_fault_name(enum answer_fault f);

/* Strings are UTF-8, the answer's own, never NULL. */
struct answer_finding {
	char *title, *why, *technique;	    /* technique: "" or T1059, T1059.004 */
	char evidence[ANSWER_EVIDENCE][16]; /* ids that we had sent, each once */
	size_t n_evidence;		    /* at least 1 */
	unsigned confidence;		    /* percent */
};

struct answer {
	char *summary;
	unsigned severity; /* 1 to 5, as the model said */
	struct answer_finding finding[ANSWER_FINDINGS];
	size_t n_findings;
	char *recommendation[ANSWER_RECOMMENDATIONS];
	size_t n_recommendations;
	/* What was taken out of it. */
	size_t unknown_ids;	 /* evidence that we had not sent */
	size_t without_evidence; /* findings that had none left */
};

/*
 * The content of the model's message out of the server's reply, a JSON object of the chat
 * completions interface, any bytes: ANSWER_GOOD, or why there is none. sent: bytes of the request.
 * What was used is taken over only when it is plausible: 0 else, and then the estimate counts.
 */
struct answer_usage {
	unsigned tokens_in, tokens_out;
};
enum answer_fault answer_content(const void *body, size_t len, size_t sent, struct buf *content,
				 struct answer_usage *used);

/*
 * text: that content, any bytes. form: what was asked for; with PROMPT_TEXT one object is looked
 * for, from the first '{' to the last '}', and it must be the only one. ANSWER_GOOD with out
 * filled; else out is zeroed and why (may be NULL) has one sentence without any of the model's
 * text. answer_free() either way.
 */
enum answer_fault answer_read(struct answer *out, const char *text, size_t len,
			      enum prompt_form form, const struct prompt_ids *ids, char *why,
			      size_t why_size);
void answer_free(struct answer *a); /* safe on a zeroed one */

/*
 * The worse of the two: a model warns, and is never listened to when it soothes. a: NULL for none.
 */
unsigned answer_severity(unsigned local, const struct answer *a);

/* The schema, as response_format wants it. NUL-terminated, one line. */
extern const char answer_schema[];

/* Of a verdict. */
struct answer_origin {
	const char *model, *api_base;
	const char *now; /* RFC 3339 */
	unsigned tokens_in, tokens_out;
	unsigned long long micro_usd;
};
/* analysis/ID.json of a report, before it is sealed. Appends it. 0 or -ENOMEM. */
int answer_json(const struct answer *a, const struct prompt *p, const struct answer_origin *from,
		struct buf *out);

#endif
