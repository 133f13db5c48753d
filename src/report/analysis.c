/* SPDX-License-Identifier: MIT */
#include "report/analysis.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cell/cell.h"
#include "report/chain.h"
#include "report/read.h"
#include "report/store_private.h"
#include "util/text.h"

#define LISTED 20   /* the report has more */
#define NOTABLE 3   /* from this severity on */
#define TIME_LEN 19 /* "2026-11-21T21:00:00" */

/* The bytes that a member is, for a terminal. False: there is none, or it is no string. */
static bool add_string(struct buf *out, struct wire_span object, const char *name,
		       const char *before, const char *after)
{
	struct buf bytes = { 0 };
	struct wire_span value;
	bool ok = jr_member(object, name, &value) && jr_string(value, &bytes);

	if (ok && bytes.len) {
		buf_adds(out, before);
		text_term(out, bytes.data, bytes.len);
		buf_adds(out, after);
	}
	out->failed |= bytes.failed;
	buf_free(&bytes);
	return ok;
}

/* Strings as they are: ids of ours. */
static void add_evidence(struct buf *out, struct wire_span row)
{
	struct wire_span list, key, value;
	struct jr_iter it;
	size_t n = 0;

	if (!jr_member(row, "evidence", &list) || !jr_begin(&it, list, '['))
		return;
	while (jr_next(&it, &key, &value) > 0 && value.len > 2) {
		buf_adds(out, n++ ? " " : " [");
		text_term(out, value.data + 1, value.len - 2);
	}
	if (n)
		buf_addc(out, ']');
}

static edr_u64 number(struct wire_span object, const char *name)
{
	struct wire_span value;
	edr_u64 n = 0;

	return jr_member(object, name, &value) && jr_u64(value, &n) ? n : 0;
}

/* ---- findings ---- */

static void add_finding(struct buf *out, struct wire_span row)
{
	char at[TIME_LEN + 1] = "";
	struct wire_span value;

	if (jr_member(row, "time", &value) && value.len > TIME_LEN + 1)
		snprintf(at, sizeof(at), "%.*s", TIME_LEN, value.data + 1);
	buf_addf(out, "  %llu  ", number(row, "severity"));
	text_term(out, at, strlen(at));
	buf_adds(out, *at ? "Z  " : "");
	add_string(out, row, "title", "", "");
	add_string(out, row, "details", ": ", "");
	add_string(out, row, "technique", " (", ")");
	add_string(out, row, "id", " [", "]");
	buf_addc(out, '\n');
}

static edr_u64 count_findings(struct wire_span report)
{
	struct wire_span counts, key, value;
	struct jr_iter it;
	edr_u64 all = 0, n;

	if (jr_member(report, "finding_counts", &counts) && jr_begin(&it, counts, '{'))
		while (jr_next(&it, &key, &value) > 0)
			all += jr_u64(value, &n) ? n : 0;
	return all;
}

static void add_findings(struct buf *out, struct wire_span report, edr_u64 all)
{
	struct wire_span list, key, row;
	struct jr_iter it;
	edr_u64 n = 0;

	if (jr_member(report, "findings", &list) && jr_begin(&it, list, '['))
		for (; n < LISTED && jr_next(&it, &key, &row) > 0; n++)
			add_finding(out, row);
	if (all > n)
		buf_addf(out, "  and %llu more\n", all - n);
}

/* ---- the judgement ---- */

static void add_reason(struct buf *out, struct wire_span row)
{
	buf_addf(out, "  %llu  ", number(row, "severity"));
	add_string(out, row, "text", "", "");
	add_evidence(out, row);
}

static void add_change(struct buf *out, struct wire_span row)
{
	buf_adds(out, "  ");
	add_string(out, row, "text", "", "");
	add_evidence(out, row);
}

static void add_advice(struct buf *out, struct wire_span value)
{
	struct buf bytes = { 0 };

	buf_adds(out, "  ");
	if (jr_string(value, &bytes))
		text_term(out, bytes.data ? bytes.data : "", bytes.len);
	out->failed |= bytes.failed;
	buf_free(&bytes);
}

void report_analysis_lines(struct wire_span json, struct buf *out)
{
	static const struct {
		const char *key, *head;
		void (*add)(struct buf *out, struct wire_span row);
	} lists[] = {
		{ "reasons", "Why\n", add_reason },
		{ "changes", "What changed\n", add_change },
		{ "recommendations", "What to do\n", add_advice },
	};
	struct wire_span analysis, list, key, row;
	struct jr_iter it;

	if (!jr_member(json, "analysis", &analysis) || analysis.data[0] != '{')
		return;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		size_t n = 0;

		if (!jr_member(analysis, lists[i].key, &list) || !jr_begin(&it, list, '['))
			continue;
		while (jr_next(&it, &key, &row) > 0) {
			buf_adds(out, n++ ? "" : lists[i].head);
			lists[i].add(out, row);
			buf_addc(out, '\n');
		}
	}
}

static bool add_head(struct buf *out, struct wire_span report, edr_u64 severity)
{
	struct wire_span host;
	bool ok = add_string(out, report, "report_id", "", "") &&
		  add_string(out, report, "window_start", ", ", "") &&
		  add_string(out, report, "window_end", " to ", "") &&
		  jr_member(report, "host", &host) && add_string(out, host, "name", ", ", "");

	buf_addf(out, ": severity %llu\n", severity);
	return ok;
}

int report_analysis(struct wire_span json, struct buf *out, bool *notable)
{
	const edr_u64 severity = number(json, "severity"), findings = count_findings(json);
	struct wire_span analysis;

	*notable = findings || severity >= NOTABLE;
	if (!jr_member(json, "analysis", &analysis) || !add_head(out, json, severity) ||
	    !add_string(out, analysis, "summary", "", "\n"))
		return buf_failed(out) ? -ENOMEM : -EBADMSG;
	add_findings(out, json, findings);
	report_analysis_lines(json, out);
	buf_addc(out, '\n');
	return buf_failed(out) ? -ENOMEM : 0;
}

int report_analysis_write(struct report_store *s, enum report_level level, const char *id,
			  const struct buf *text)
{
	char name[CHAIN_ID_MAX + sizeof(REPORT_ANALYSIS)];
	int dir = store_dir(s, report_levels[level].dir, false), err;

	if (dir < 0)
		return dir;
	snprintf(name, sizeof(name), "%s%s", id, REPORT_ANALYSIS);
	err = store_put_derived(s, dir, name, (struct wire_span){ text->data, text->len });
	close(dir);
	return err;
}
