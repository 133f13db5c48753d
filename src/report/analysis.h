/* SPDX-License-Identifier: MIT */
/*
 * What was made of a report, as text for people: what --output writes to FILE.analysis. For now that
 * is its findings; nothing else judges.
 */
#ifndef EDR_REPORT_ANALYSIS_H
#define EDR_REPORT_ANALYSIS_H

#include "cell/cell.h"
#include "util/buf.h"

/*
 * Appends a paragraph, with an empty line behind it, in which nothing can act on a terminal; nothing
 * when there are no findings. 0 or -ENOMEM.
 */
int report_analysis(const char *id, unsigned severity, const struct cell *cell, struct buf *out);

#endif
