/* SPDX-License-Identifier: MIT */
/*
 * What a language model is told of a report: typed JSON, ranked by how odd it is, bounded in lines,
 * bytes and tokens; each row with an evidence id of the report (report/local.h). Made of the
 * report's text alone, which is redacted already.
 *
 * Strings have at most PROMPT_STRING_BYTES as they are written, escapes and all, cut at a character
 * with the number of bytes left out: what is hostile costs no more than what is not. They are JSON strings, with '<', '>', '[', ']', '|' and '`' as \uXXXX, so that no special token
 * of any model and none of our delimiters can stand in them. The data lie between two lines with a
 * nonce that is new each time.
 */
#ifndef EDR_ANALYZE_PROMPT_H
#define EDR_ANALYZE_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "report/chain.h"
#include "util/buf.h"

#define PROMPT_STRING_BYTES 400
#define PROMPT_NONCE_HEX 33    /* 128 bits and a NUL */
#define PROMPT_BYTES_A_TOKEN 3 /* an estimate; what the server says was used is what is paid */

#define PROMPT_BODY_MAX ((size_t)1 << 20)
/* Of the rows together; more cannot be in a request. */
#define PROMPT_MOST_TEXT(max_tokens)                                 \
	((size_t)(max_tokens)*PROMPT_BYTES_A_TOKEN < PROMPT_BODY_MAX \
		 ? (size_t)(max_tokens)*PROMPT_BYTES_A_TOKEN         \
		 : PROMPT_BODY_MAX)
/*
 * While one is made: the data, the same between the delimiters, and as a string in the
 * body, where each byte takes two at most. A row of the report takes PROMPT_ROW_BYTES beside that.
 */
#define PROMPT_MOST_BYTES(max_tokens) (5 * PROMPT_MOST_TEXT(max_tokens) + ((size_t)384 << 10))
#define PROMPT_ROW_BYTES 320

enum prompt_form { PROMPT_JSON_SCHEMA, PROMPT_JSON_OBJECT, PROMPT_TEXT, PROMPT_FORMS };
extern const char *const prompt_form_names[PROMPT_FORMS];

struct prompt_config {
	const char *model;
	unsigned max_lines; /* max_summary_lines: rows of all kinds together */
	unsigned
		full_lines; /* of a prompt that is not shrunk: fewer have less room. 0: max_lines */
	unsigned max_tokens; /* of the whole request, by PROMPT_BYTES_A_TOKEN */
	unsigned max_answer_tokens;
	bool unredacted; /* reports with secrets may be shown: the server is of this host */
	enum prompt_form form;
	bool completion_tokens; /* newer models know max_completion_tokens in place of max_tokens */
	bool no_temperature;	/* and no temperature but their own */
	char nonce[PROMPT_NONCE_HEX]; /* from getrandom(2); a test gives its own */
};

/* The ids that were sent, sorted by their bytes: all that an answer may cite. */
struct prompt_ids {
	char (*id)[16];
	size_t n;
};
bool prompt_ids_has(const struct prompt_ids *ids, const char *id, size_t len);
void prompt_ids_free(struct prompt_ids *ids);

struct prompt {
	struct buf body; /* of POST /chat/completions: one JSON object, UTF-8 */
	struct prompt_ids ids;
	size_t lines, lines_left_out;
	unsigned tokens; /* estimated */
	char report_id[CHAIN_ID_MAX];
	char report_sha256[CHAIN_HEX]; /* of the sealed report; "": it is not sealed */
	unsigned local_severity;       /* 1 to 5 */
	bool judged;		       /* false: the report has none, and 1 stands for it */
	/*
	 * Of what matters in it, without nonce, ids, counts and times: the same for "nothing has
	 * changed".
	 */
	char digest[CHAIN_HEX];
};

/*
 * json: the text of a report, sealed or not. 0; -EBADMSG: it is no report; -E2BIG: not even the frame and
 * one line fit the budget; -EREMOTE: nothing took secrets out of it; -ENOMEM. prompt_free() either
 * way.
 */
int prompt_make(struct prompt *out, const struct prompt_config *cfg, const char *json, size_t len);
/*
 * The same with half of the lines: the server said that its context is too small. -E2BIG when one
 * is left.
 */
int prompt_shrink(struct prompt *p, struct prompt_config *cfg, const char *json, size_t len);
void prompt_free(struct prompt *p); /* safe on a zeroed one */

#endif
