/* SPDX-License-Identifier: MIT */
/*
 * A verdict for people: the one place where what a model said becomes text, for ID.analysis,
 * `report show --text` and `analyze`. It is made from the verdict's file, which whoever can write there may
 * have written: every string goes through text_term(), every number is read as one.
 */
#include "analyze/verdicts.h"

#include <errno.h>

#include "analyze/answer.h"
#include "report/read.h"
#include "util/text.h"

/* The bytes that a string stands for, for a terminal; nothing where there are none. */
static void add_string(struct buf *out, const char *before, struct wire_span value,
		       const char *after)
{
	struct buf bytes = { 0 };

	if (jr_string(value, &bytes) && bytes.len) {
		buf_adds(out, before);
		text_term(out, bytes.data, bytes.len);
		buf_adds(out, after);
	}
	out->failed |= bytes.failed;
	buf_free(&bytes);
}

static void add_member(struct buf *out, struct wire_span object, const char *name,
		       const char *before, const char *after)
{
	struct wire_span value;

	if (jr_member(object, name, &value) && value.len && value.data[0] == '"')
		add_string(out, before, value, after);
}

static edr_u64 number(struct wire_span object, const char *name)
{
	struct wire_span value;
	edr_u64 n = 0;

	return jr_member(object, name, &value) && jr_u64(value, &n) ? n : 0;
}

/* Each row of a list, so many at most. */
static void each(struct buf *out, struct wire_span object, const char *name, size_t most,
		 void (*add)(struct buf *out, struct wire_span row, size_t i))
{
	struct wire_span list, key, row;
	struct jr_iter it;

	if (!jr_member(object, name, &list) || !jr_begin(&it, list, '['))
		return;
	for (size_t i = 0; i < most && jr_next(&it, &key, &row) > 0; i++)
		add(out, row, i);
}

static void add_evidence(struct buf *out, struct wire_span id, size_t i)
{
	add_string(out, i ? " " : "", id, "");
}

static void add_finding(struct buf *out, struct wire_span row, size_t i)
{
	buf_adds(out, i ? "" : "What the model found\n");
	add_member(out, row, "title", "  ", "");
	add_member(out, row, "technique", " (", ")");
	buf_addf(out, ", %llu %% sure [", number(row, "confidence"));
	each(out, row, "evidence", ANSWER_EVIDENCE, add_evidence);
	buf_addc(out, ']');
	add_member(out, row, "why", ": ", "");
	buf_addc(out, '\n');
}

static void add_recommendation(struct buf *out, struct wire_span text, size_t i)
{
	buf_adds(out, i ? "" : "What the model would do\n");
	add_string(out, "  ", text, "\n");
}

/* Both are written, whichever is worse: a reader must see that they disagree. */
static void add_severities(struct buf *out, struct wire_span verdict)
{
	const edr_u64 local = number(verdict, "local_severity"),
		      model = number(verdict, "model_severity");

	add_member(out, verdict, "model", "The model ", "");
	buf_addf(out, " says: severity %llu", model);
	if (!local)
		buf_adds(out, ", and there is no local one");
	else if (model == local)
		buf_adds(out, ", as the local one");
	else
		buf_addf(out, ", %s than the local %llu", model > local ? "higher" : "lower",
			 local);
	buf_addf(out, "; %llu counts\n", number(verdict, "severity"));
}

int verdict_text(struct wire_span verdict, struct buf *out)
{
	edr_u64 unknown = 0, without = 0;
	struct wire_span rejected;

	add_severities(out, verdict);
	add_member(out, verdict, "summary", "  ", "\n");
	each(out, verdict, "findings", ANSWER_FINDINGS, add_finding);
	each(out, verdict, "recommendations", ANSWER_RECOMMENDATIONS, add_recommendation);
	if (jr_member(verdict, "rejected", &rejected)) {
		unknown = number(rejected, "unknown_ids");
		without = number(rejected, "without_evidence");
	}
	if (unknown || without)
		buf_addf(out,
			 "  (left out: %llu ids that it was not given, %llu findings without "
			 "evidence)\n",
			 unknown, without);
	return out->failed ? -ENOMEM : 0;
}
