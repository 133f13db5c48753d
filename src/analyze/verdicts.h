/* SPDX-License-Identifier: MIT */
/* The verdicts that there are, for who lists and shows reports: what severity counts, and why. */
#ifndef EDR_ANALYZE_VERDICTS_H
#define EDR_ANALYZE_VERDICTS_H

#include "report/chain.h"
#include "report/report.h"
#include "util/buf.h"
#include "wire/wire.h"

/* Stands before it in ID.analysis; the lines before that are the local analyser's. */
#define VERDICT_DIVIDER "---- what a model added ----\n"

struct verdicts {
	struct verdict *verdict; /* by id */
	size_t n;
};

/*
 * Those whose seal is good; key: chain_key_file's, or NULL. 0 with none when there are none;
 * -errno. They are not held against their reports: one of a report that was made again since can
 * only raise.
 */
int verdicts_load(struct verdicts *v, struct report_store *s, const struct chain_key *key);
void verdicts_free(struct verdicts *v); /* safe on a zeroed one */

/* The worst of the report's own and of those of all reports below it; 0: none. */
unsigned verdicts_severity(const struct verdicts *v, enum report_level level, const char *id);

/*
 * That of one report: its file's text, appended. *current: it was made of the report with that digest.
 * 0; -ENOENT: there is none; -EBADMSG: it is not as it was written, or of another report; -errno.
 */
int verdict_read(struct report_store *s, const char *id, const char *report_sha256,
		 const struct chain_key *key, struct buf *out, bool *current);

/*
 * A verdict (its document) for people, appended: what counts, summary, findings with their evidence,
 * recommendations. Nothing in it can act on a terminal, and a line is a line. 0 or -ENOMEM.
 */
int verdict_text(struct wire_span verdict, struct buf *out);

/*
 * Each against its seal and its report. forged: it is not as it was written, or of another report;
 * else it is of the report before that was made again. 0 or -errno.
 */
typedef void (*verdicts_say_fn)(void *ctx, enum report_level level, const char *id, bool forged);
int verdicts_check(struct report_store *s, const struct chain_key *key, verdicts_say_fn say,
		   void *ctx);

#endif
