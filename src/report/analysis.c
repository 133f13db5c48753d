/* SPDX-License-Identifier: MIT */
#include "report/analysis.h"

#include <errno.h>

#include "cell/view.h"
#include "report/json.h"
#include "util/text.h"

#define LISTED 20 /* the report has more */

static void add_text(struct buf *out, const char *before, struct wire_span text, const char *after)
{
	if (!text.len)
		return;
	buf_adds(out, before);
	text_term(out, text.data, text.len);
	buf_adds(out, after);
}

static void add_finding(struct buf *out, const struct cell_finding *f)
{
	char at[RJ_TIME_SIZE];

	rj_time(at, f->time_ns, false);
	buf_addf(out, "  %u  %s  ", f->severity, at);
	add_text(out, "", f->title, "");
	add_text(out, ": ", f->details, "");
	add_text(out, " (", f->technique, ")");
	add_text(out, " [", f->id, "]");
	buf_addc(out, '\n');
}

static void add_head(struct buf *out, const char *id, unsigned severity, const struct cell_view *v)
{
	char from[RJ_TIME_SIZE], to[RJ_TIME_SIZE];

	rj_time(from, v->totals->window_start_ns, false);
	rj_time(to, v->totals->window_end_ns, false);
	buf_addf(out, "%s, %s to %s", id, from, to);
	add_text(out, ", ", v->host->hostname, "");
	buf_addf(out, ": severity %u\n", severity);
}

int report_analysis(const char *id, unsigned severity, const struct cell *cell, struct buf *out)
{
	edr_u64 all = 0;
	struct cell_view v;
	size_t i;
	int err;

	for (i = 1; i < CELL_SEVERITIES; i++)
		all += cell_totals(cell)->findings[i];
	if (!all)
		return 0;
	err = cell_view_open(&v, cell);
	if (err)
		return err;
	add_head(out, id, severity, &v);
	for (i = 0; i < v.n_findings && i < LISTED; i++)
		add_finding(out, &v.findings[i]);
	if (all > i)
		buf_addf(out, "  and %llu more\n", all - i);
	buf_addc(out, '\n');
	cell_view_close(&v);
	return out->failed ? -ENOMEM : 0;
}
