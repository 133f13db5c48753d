/* SPDX-License-Identifier: MIT */
#include "report/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "detect/baseline.h"
#include "report/cell_json.h"
#include "report/local_private.h"

#define NS_PER_S 1000000000ull
#define ADVISE_FROM 3 /* a finding of this severity gets advice of its own */

/* ---- what the others use ---- */

void local_evidence_text(struct local_evidence e, char out[LOCAL_ID_MAX])
{
	snprintf(out, LOCAL_ID_MAX, "%c%u", e.kind, e.number);
}

struct local_sentence *local_add(struct local_sentence *list, size_t *n, size_t max)
{
	return *n < max ? &list[(*n)++] : NULL;
}

void local_cite(struct local_sentence *s, char kind, size_t number)
{
	if (s->n_evidence < LOCAL_EVIDENCE)
		s->evidence[s->n_evidence++] = (struct local_evidence){ kind, (edr_u32)number };
}

void local_count(struct buf *out, edr_u64 n, const char *one, const char *more)
{
	buf_addf(out, "%llu %s", n, n == 1 ? one : more);
}

bool local_same(struct wire_span a, const char *b)
{
	return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}

static bool same(struct wire_span a, struct wire_span b)
{
	return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

bool local_first_of_id(const struct cell_view *v, size_t i)
{
	for (size_t before = 0; before < i; before++)
		if (same(v->findings[before].id, v->findings[i].id))
			return false;
	return true;
}

bool local_exe_is(const struct cell_exe *e, unsigned marks)
{
	return e->counts.runs && (e->marks & marks);
}

bool local_connection_is(const struct cell_connection *c, unsigned marks)
{
	return c->connects && (c->marks & marks);
}

/* ---- key findings ---- */

static bool same_finding(const struct cell_finding *a, const struct cell_finding *b)
{
	return same(a->id, b->id) && same(a->details, b->details);
}

static bool said_before(const struct cell_view *v, size_t i)
{
	for (size_t before = 0; before < i; before++)
		if (same_finding(&v->findings[before], &v->findings[i]))
			return true;
	return false;
}

static void say_findings(struct local *l)
{
	const struct cell_view *v = l->v;
	struct local_analysis *a = l->out;

	for (size_t i = 0; i < v->n_findings; i++) {
		const struct cell_finding *f = &v->findings[i];
		struct local_sentence *s;

		if (said_before(v, i))
			continue;
		s = local_add(a->findings, &a->n_findings, LOCAL_KEY_FINDINGS);
		if (!s)
			return;
		s->severity = f->severity;
		s->technique = f->technique;
		buf_add(&s->text, f->title.data, f->title.len);
		if (f->details.len) {
			buf_adds(&s->text, ": ");
			buf_add(&s->text, f->details.data, f->details.len);
		}
		for (size_t k = i; k < v->n_findings; k++)
			if (same_finding(f, &v->findings[k]))
				local_cite(s, 'f', k + 1);
	}
}

/* ---- changes ---- */

#define VOLUME_ROOM 1 /* kept for the one about the number of execs */

static struct local_sentence *add_change(struct local *l, char kind, size_t number)
{
	struct local_analysis *a = l->out;
	struct local_sentence *s =
		local_add(a->changes, &a->n_changes, LOCAL_CHANGES - VOLUME_ROOM);

	if (s)
		local_cite(s, kind, number);
	return s;
}

static const struct {
	unsigned mark;
	const char *text;
} exe_changes[] = {
	{ BASELINE_NEW, " is new" },
	{ BASELINE_NEW_PARENT, " has a parent that is new to it" },
	{ BASELINE_NEW_USER, " is run by a user that is new to it" },
	{ BASELINE_ODD_HOUR, " runs at an hour that is odd for it" },
};

static void say_exes(struct local *l, unsigned mark, const char *text)
{
	const struct cell_view *v = l->v;

	for (size_t i = 0; i < v->n_exes; i++) {
		struct local_sentence *s;

		if (!local_exe_is(&v->exes[i], mark))
			continue;
		s = add_change(l, 'x', i + 1);
		if (!s)
			return;
		buf_add(&s->text, v->exes[i].name.data, v->exes[i].name.len);
		buf_adds(&s->text, text);
	}
}

static void say_connections(struct local *l)
{
	const struct cell_view *v = l->v;

	for (size_t i = 0; i < v->n_connections; i++) {
		const struct cell_connection *c = &v->connections[i];
		struct local_sentence *s;

		if (!local_connection_is(c, BASELINE_NEW))
			continue;
		s = add_change(l, 'c', i + 1);
		if (!s)
			return;
		buf_add(&s->text, c->address.data, c->address.len);
		if (c->port)
			buf_addf(&s->text, " port %u", c->port);
		buf_adds(&s->text, " is a new destination, of ");
		buf_add(&s->text, c->exe.data, c->exe.len);
	}
}

static void say_changes(struct local *l)
{
	const struct cell_totals *t = l->v->totals;
	struct local_analysis *a = l->out;
	struct local_sentence *s;

	say_exes(l, exe_changes[0].mark, exe_changes[0].text);
	say_connections(l);
	for (size_t i = 1; i < sizeof(exe_changes) / sizeof(exe_changes[0]); i++)
		say_exes(l, exe_changes[i].mark, exe_changes[i].text);
	if (!t->baseline.usual_execs)
		return;
	s = local_add(a->changes, &a->n_changes, LOCAL_CHANGES);
	if (s)
		buf_addf(&s->text, "%llu execs; %llu are usual at this time",
			 t->type[EDR_EXEC].delivered, t->baseline.usual_execs);
}

static void count_marks(struct local *l)
{
	const struct cell_view *v = l->v;
	struct local_analysis *a = l->out;

	for (size_t i = 0; i < v->n_exes; i++) {
		a->marked_new += local_exe_is(&v->exes[i], LOCAL_NEW_MARKS);
		a->marked_rare += local_exe_is(&v->exes[i], BASELINE_RARE);
	}
	for (size_t i = 0; i < v->n_connections; i++) {
		a->marked_new += local_connection_is(&v->connections[i], LOCAL_NEW_MARKS);
		a->marked_rare += local_connection_is(&v->connections[i], BASELINE_RARE);
	}
}

/* ---- recommendations ---- */

static void advise(struct local *l, const char *text)
{
	struct local_analysis *a = l->out;
	struct local_sentence *s;

	if (!text)
		return;
	s = local_add(a->recommendations, &a->n_recommendations, LOCAL_RECOMMENDATIONS);
	if (!s)
		return;
	buf_adds(&s->text, text);
}

/* A rule that nobody has advice for is one to be looked at all the same. */
static void advise_finding(struct local *l, const struct local_sentence *why)
{
	const size_t i = why->n_evidence ? why->evidence[0].number - 1 : l->v->n_findings;
	const char *text;

	if (why->severity < ADVISE_FROM || i >= l->v->n_findings)
		return;
	text = local_advice(l->v->findings[i].id);
	advise(l, text ? text : "Look at what was found, for no more is known of its kind.");
}

/* Reasons are in their order by now. */
static void recommend(struct local *l)
{
	for (size_t i = 0; i < l->out->n_reasons; i++) {
		const struct local_sentence *why = &l->out->reasons[i];

		if (strcmp(why->reason, "finding") == 0)
			advise_finding(l, why);
		else
			advise(l, local_advice(
					  (struct wire_span){ why->reason, strlen(why->reason) }));
	}
}

/* ---- the whole ---- */

/* The worst first; those that are alike stay as they are. */
static void sort_reasons(struct local_analysis *a)
{
	for (size_t i = 1; i < a->n_reasons; i++) {
		const struct local_sentence s = a->reasons[i];
		size_t at = i;

		for (; at > 0 && a->reasons[at - 1].severity < s.severity; at--)
			a->reasons[at] = a->reasons[at - 1];
		a->reasons[at] = s;
	}
}

static void summarize(struct local *l)
{
	const struct cell_totals *t = l->v->totals;
	struct local_analysis *a = l->out;
	struct buf *out = &a->summary;

	buf_addf(out, "Severity %u: ", a->severity);
	buf_add(out, a->reasons[0].text.data, a->reasons[0].text.len);
	buf_adds(out, ". ");
	local_count(out, t->type[EDR_EXEC].delivered, "exec", "execs");
	buf_adds(out, " and ");
	local_count(out, t->type[EDR_CONNECT].delivered, "connect", "connects");
	buf_addf(out, " were seen in %llu s", t->watched_ns / NS_PER_S);
	if (report_lost(t)) {
		buf_adds(out, ", and ");
		local_count(out, report_lost(t), "event was", "events were");
		buf_adds(out, " lost");
	}
	buf_addc(out, '.');
}

static bool failed(const struct local_sentence *s, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= s[i].text.failed;
	return any;
}

int local_analyse(struct local_analysis *out, const struct cell_view *v,
		  const struct local_parent *parent)
{
	struct local l = { .v = v, .parent = parent, .out = out };

	memset(out, 0, sizeof(*out));
	local_judge(&l);
	sort_reasons(out);
	say_findings(&l);
	say_changes(&l);
	count_marks(&l);
	recommend(&l);
	summarize(&l);
	return out->summary.failed || failed(out->reasons, out->n_reasons) ||
			       failed(out->findings, out->n_findings) ||
			       failed(out->changes, out->n_changes) ||
			       failed(out->recommendations, out->n_recommendations)
		       ? -ENOMEM
		       : 0;
}

static void free_list(struct local_sentence *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_free(&s[i].text);
}

void local_free(struct local_analysis *a)
{
	buf_free(&a->summary);
	free_list(a->reasons, a->n_reasons);
	free_list(a->findings, a->n_findings);
	free_list(a->changes, a->n_changes);
	free_list(a->recommendations, a->n_recommendations);
	memset(a, 0, sizeof(*a));
}
