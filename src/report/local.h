/* SPDX-License-Identifier: MIT */
/*
 * The local analyser: what a report of any level means, from what is in its cell and from nothing
 * else. So it lies in this room: a rebuild and a verification make the same judgement again, byte
 * for byte.
 *
 * The severity is that of the worst reason that holds, from one table (local_reasons.c); each is
 * written with its evidence. Evidence ids name rows of the same report, from 1, in its own order: f
 * = findings, x = executables, c = connections, b = loss.blind, r = children of a parent.
 */
#ifndef EDR_REPORT_LOCAL_H
#define EDR_REPORT_LOCAL_H

#include <stddef.h>

#include "cell/view.h"
#include "report/json.h"
#include "util/buf.h"

#define LOCAL_EVIDENCE 8 /* of one sentence, at most */
#define LOCAL_REASONS 32
#define LOCAL_FINDING_REASONS 20 /* of these: one for each id */
#define LOCAL_KEY_FINDINGS 10
#define LOCAL_CHANGES 10
#define LOCAL_RECOMMENDATIONS 5
#define LOCAL_ID_MAX 16 /* "x2000" and its NUL */

struct local_evidence {
	char kind;	/* 'f', 'x', 'c', 'b', 'r' */
	edr_u32 number; /* from 1 */
};
void local_evidence_text(struct local_evidence e, char out[LOCAL_ID_MAX]);

struct local_sentence {
	struct buf text; /* any bytes */
	unsigned severity;
	const char *reason; /* its id; NULL: a finding, a change or a recommendation */
	struct wire_span technique;
	struct local_evidence evidence[LOCAL_EVIDENCE];
	size_t n_evidence;
};

/* What a parent has beside its cell. */
struct local_parent {
	unsigned worst_child;	   /* severity; 0: none is known */
	size_t worst_child_number; /* from 1 */
	const char *worst_child_id;
	edr_u64 missing_ns; /* of windows without a report */
};

struct local_analysis {
	unsigned severity;  /* 1 to 5 */
	struct buf summary; /* two sentences */
	/* The worst first. */
	struct local_sentence reasons[LOCAL_REASONS], findings[LOCAL_KEY_FINDINGS],
		changes[LOCAL_CHANGES], recommendations[LOCAL_RECOMMENDATIONS];
	size_t n_reasons, n_findings, n_changes, n_recommendations;
	edr_u64 marked_new, marked_rare; /* rows */
};

/*
 * parent: NULL for a cell. 0 or -ENOMEM; local_free() either way. Spans live as long as the view.
 */
int local_analyse(struct local_analysis *out, const struct cell_view *v,
		  const struct local_parent *parent);
void local_free(struct local_analysis *a); /* safe on a zeroed one */

/* Puts the member `analysis` into the report; a must live until the text is made. */
void local_json(struct rj *j, json_object *report, const struct local_analysis *a,
		const struct cell_totals *t);

#endif
