/* SPDX-License-Identifier: MIT */
/*
 * What was found in a cell's window. All are counted, the worst are listed; which ones those are
 * does not depend on the order in which they came.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

struct cell_finding findings_get(const struct finding *f)
{
	struct cell_finding out = { .time_ns = f->time_ns, .severity = f->severity };
	struct wire_span *const to[CELL_FINDING_TEXTS] = { &out.id, &out.title, &out.details,
							   &out.technique };
	const char *at = f->text;
	size_t i;

	for (i = 0; i < CELL_FINDING_TEXTS; i++) {
		*to[i] = (struct wire_span){ at, f->len[i] };
		at += f->len[i];
	}
	return out;
}

static struct finding *copy(const struct cell_finding *f)
{
	const struct wire_span from[CELL_FINDING_TEXTS] = { f->id, f->title, f->details,
							    f->technique };
	struct finding *to = malloc(sizeof(*to) + (size_t)CELL_FINDING_TEXTS * CELL_FINDING_BYTES);
	struct finding *less;
	size_t i, len, at = 0;

	if (!to)
		return NULL;
	to->time_ns = f->time_ns;
	to->severity = f->severity;
	for (i = 0; i < CELL_FINDING_TEXTS; i++) {
		len = from[i].len < CELL_FINDING_BYTES ? from[i].len : CELL_FINDING_BYTES;
		to->len[i] = (edr_u32)len;
		if (len)
			memcpy(to->text + at, from[i].data, len);
		at += len;
	}
	less = realloc(to, sizeof(*to) + at);
	return less ? less : to;
}

static int compare_text(const struct finding *a, const struct finding *b)
{
	const char *x = a->text, *y = b->text;
	size_t i, len;
	int order;

	for (i = 0; i < CELL_FINDING_TEXTS; i++) {
		len = a->len[i] < b->len[i] ? a->len[i] : b->len[i];
		order = memcmp(x, y, len);
		if (order == 0)
			order = (a->len[i] > b->len[i]) - (a->len[i] < b->len[i]);
		if (order)
			return order;
		x += a->len[i];
		y += b->len[i];
	}
	return 0;
}

static bool before(const struct finding *a, const struct finding *b)
{
	if (a->severity != b->severity)
		return a->severity > b->severity;
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return compare_text(a, b) < 0;
}

int findings_list(struct cell *cell, const struct cell_finding *f)
{
	struct finding *new = copy(f);
	size_t i;

	if (!new)
		return -ENOMEM;
	for (i = cell->n_findings; i > 0 && before(new, cell->finding[i - 1]); i--)
		cell->finding[i] = cell->finding[i - 1];
	cell->finding[i] = new;
	if (++cell->n_findings > CELL_MAX_FINDINGS)
		free(cell->finding[--cell->n_findings]);
	return 0;
}

int cell_add_finding(struct cell *cell, const struct cell_finding *f)
{
	if (f->severity < 1 || f->severity >= CELL_SEVERITIES)
		return -EINVAL;
	cell->totals.findings[f->severity]++;
	return findings_list(cell, f);
}

int cells_add_finding(struct cells *c, const struct cell_finding *f)
{
	return c->open ? cell_add_finding(c->open, f) : -ENOENT;
}

int cells_count_finding(struct cells *c, unsigned severity)
{
	if (severity < 1 || severity >= CELL_SEVERITIES)
		return -EINVAL;
	if (!c->open)
		return -ENOENT;
	c->open->totals.findings[severity]++;
	return 0;
}

void findings_free(struct cell *cell)
{
	while (cell->n_findings)
		free(cell->finding[--cell->n_findings]);
}
