/* SPDX-License-Identifier: MIT */
/*
 * The local analysis as text for people: the file ID.analysis beside ID.json, the paragraph in
 * FILE.analysis of --output FILE, and a part of `report show --text`. It is made from the report's
 * text and from nothing else, and nothing in it can act on a terminal.
 */
#ifndef EDR_REPORT_ANALYSIS_H
#define EDR_REPORT_ANALYSIS_H

#include <stdbool.h>

#include "report/level.h"
#include "report/report.h"
#include "wire/wire.h"

#define REPORT_ANALYSIS ".analysis" /* behind the id */

/*
 * Appends a paragraph, with an empty line behind it. *notable: there are findings, or its severity
 * is 3 or more. 0; -EBADMSG: it is no report, or has no analysis; -ENOMEM.
 */
int report_analysis(struct wire_span json, struct buf *out, bool *notable);

/* Its reasons, changes and recommendations only, a line each; nothing where there are none. */
void report_analysis_lines(struct wire_span json, struct buf *out);

/* ID.analysis, whole or not at all while the host runs: only the report is synced. 0 or -errno. */
int report_analysis_write(struct report_store *s, enum report_level level, const char *id,
			  const struct buf *text);

#endif
