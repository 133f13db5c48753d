/* SPDX-License-Identifier: MIT */
/* Why a report has its severity: one table, docs/analysis.md has the same. */
#include <string.h>

#include "detect/baseline.h"
#include "detect/signal.h"
#include "report/cell_json.h"
#include "report/local_private.h"

#define NS_PER_S 1000000000ull

/* From here on a finding is one that should be looked at. */
#define OF_NOTE 3
#define SEVERAL 3

#define BLIND_NS (60 * NS_PER_S)
#define BLIND_HEAVY_NS (600 * NS_PER_S)
#define VOLUME_TIMES 8
#define VOLUME_MORE 1000

static struct local_sentence *hold(struct local *l, const char *reason, unsigned severity)
{
	struct local_analysis *a = l->out;
	struct local_sentence *s = local_add(a->reasons, &a->n_reasons, LOCAL_REASONS);

	if (severity > a->severity)
		a->severity = severity;
	if (!s)
		return NULL;
	s->reason = reason;
	s->severity = severity;
	return s;
}

/* ---- what was found ---- */

static bool same_id(const struct cell_finding *a, const struct cell_finding *b)
{
	return a->id.len == b->id.len && memcmp(a->id.data, b->id.data, a->id.len) == 0;
}

static void cite_id(struct local_sentence *s, const struct cell_view *v, size_t first)
{
	for (size_t i = first; i < v->n_findings; i++)
		if (same_id(&v->findings[i], &v->findings[first]))
			local_cite(s, 'f', i + 1);
}

/* They come by falling severity, so the first of an id is its worst. */
static void judge_findings(struct local *l)
{
	const struct cell_view *v = l->v;
	const unsigned worst = report_worst_finding(v->totals);
	struct local_sentence *s;
	size_t n = 0;

	for (size_t i = 0; i < v->n_findings && n < LOCAL_FINDING_REASONS; i++) {
		if (!local_first_of_id(v, i))
			continue;
		n++;
		s = hold(l, "finding", v->findings[i].severity);
		if (!s)
			return;
		buf_add(&s->text, v->findings[i].id.data, v->findings[i].id.len);
		buf_adds(&s->text, ": ");
		buf_add(&s->text, v->findings[i].title.data, v->findings[i].title.len);
		cite_id(s, v, i);
	}
	/* Counted only; a list that we wrote has the worst. */
	if (worst > (v->n_findings ? v->findings[0].severity : 0) &&
	    (s = hold(l, "finding", worst)) != NULL)
		buf_adds(&s->text, "findings that are counted and not listed");
}

static void judge_several(struct local *l)
{
	const struct cell_view *v = l->v;
	struct local_sentence *s;
	size_t n = 0, i;

	for (i = 0; i < v->n_findings && v->findings[i].severity >= OF_NOTE; i++)
		n += local_first_of_id(v, i);
	if (n < SEVERAL)
		return;
	s = hold(l, "several", v->findings[0].severity < 5 ? v->findings[0].severity + 1 : 5);
	if (!s)
		return;
	buf_addf(&s->text, "%zu different kinds of findings of severity %d or more came together",
		 n, OF_NOTE);
	for (i = 0; i < v->n_findings && v->findings[i].severity >= OF_NOTE; i++)
		if (local_first_of_id(v, i))
			local_cite(s, 'f', i + 1);
}

/* The first with one of these ids and that severity; n_findings: there is none. */
static size_t find_one_of(const struct cell_view *v, const char *const *ids, size_t n,
			  unsigned severity)
{
	for (size_t i = 0; i < v->n_findings; i++)
		for (size_t k = 0; k < n; k++)
			if (v->findings[i].severity >= severity &&
			    local_same(v->findings[i].id, ids[k]))
				return i;
	return v->n_findings;
}

static void judge_pair(struct local *l)
{
	const char *const runs[] = { detect_signals[DETECT_SERVER_SHELL].id,
				     detect_signals[DETECT_MEMFD].id,
				     detect_signals[DETECT_DELETED].id };
	const char *const speaks[] = { detect_signals[DETECT_NEW_CONNECTS].id };
	const struct cell_view *v = l->v;
	/* What is usual, a container's start or an upgraded daemon's, is no half of a pair. */
	const size_t run = find_one_of(v, runs, 3, OF_NOTE), connect = find_one_of(v, speaks, 1, 4);
	struct local_sentence *s;

	if (run == v->n_findings || connect == v->n_findings)
		return;
	s = hold(l, "critical-pair", 5);
	if (!s)
		return;
	buf_adds(&s->text, "what should not run here ran, and something new speaks to the network");
	local_cite(s, 'f', run + 1);
	local_cite(s, 'f', connect + 1);
}

/* ---- what was not seen ---- */

static bool more_than(edr_u64 part, edr_u64 whole, unsigned percent)
{
	return part && part > whole / 100 * percent + whole % 100 * percent / 100;
}

static void say_loss(struct local_sentence *s, const struct cell_type_counts *c, const char *name)
{
	buf_addf(&s->text, "%llu of %llu %s events were lost", c->counted.dropped,
		 c->counted.produced, name);
}

static void judge_loss(struct local *l)
{
	struct local_sentence *s = NULL;

	for (size_t i = 0; i < wire_n_events; i++) {
		const struct cell_type_counts *c = &l->v->totals->type[wire_events[i].type];

		if (!more_than(c->counted.dropped, c->counted.produced, 1))
			continue;
		if (s)
			buf_adds(&s->text, "; ");
		else
			s = hold(l, "loss", 2);
		if (!s)
			return;
		say_loss(s, c, wire_events[i].name);
	}
}

static void judge_heavy_loss(struct local *l)
{
	const struct cell_type_counts *c = &l->v->totals->type[EDR_EXEC];
	struct local_sentence *s;

	if (!more_than(c->counted.dropped, c->counted.produced, 20))
		return;
	s = hold(l, "loss-heavy", 3);
	if (s)
		say_loss(s, c, "exec");
}

static void judge_blind(struct local *l)
{
	const struct cell_totals *t = l->v->totals;
	const bool heavy = t->watched_ns >= BLIND_HEAVY_NS && t->blind_ns > t->watched_ns / 2;
	struct local_sentence *s;

	if (t->blind_ns <= BLIND_NS)
		return;
	s = hold(l, "blind", heavy ? 3 : 2);
	if (!s)
		return;
	buf_addf(&s->text, "nothing was seen for %llu of %llu s", t->blind_ns / NS_PER_S,
		 t->watched_ns / NS_PER_S);
	for (size_t i = 0; i < l->v->n_blind; i++)
		local_cite(s, 'b', i + 1);
}

static void judge_coverage(struct local *l)
{
	const struct cell_totals *t = l->v->totals;
	const edr_u64 window = (edr_u64)t->window_end_ns - (edr_u64)t->window_start_ns;
	struct local_sentence *s;

	if (l->parent ? l->parent->missing_ns <= window / 4 : t->watched_ns >= window / 2)
		return;
	s = hold(l, "coverage", 2);
	if (s && l->parent)
		buf_addf(&s->text, "there are no reports of %llu of %llu s",
			 l->parent->missing_ns / NS_PER_S, window / NS_PER_S);
	else if (s)
		buf_addf(&s->text, "only %llu of %llu s were watched", t->watched_ns / NS_PER_S,
			 window / NS_PER_S);
}

/* ---- what is unlike other days ---- */

static size_t cite_marked(struct local_sentence *s, const struct cell_view *v, unsigned marks,
			  bool connections)
{
	size_t n = 0;

	for (size_t i = 0; i < (connections ? v->n_connections : v->n_exes); i++) {
		if (connections ? !local_connection_is(&v->connections[i], marks)
				: !local_exe_is(&v->exes[i], marks))
			continue;
		n++;
		if (s)
			local_cite(s, connections ? 'c' : 'x', i + 1);
	}
	return n;
}

static void judge_new(struct local *l)
{
	const unsigned pairs = BASELINE_NEW_PARENT | BASELINE_NEW_USER;
	const size_t exes = cite_marked(NULL, l->v, BASELINE_NEW, false),
		     connections = cite_marked(NULL, l->v, BASELINE_NEW, true),
		     paired = cite_marked(NULL, l->v, pairs, false);
	struct local_sentence *s;

	if (!exes && !connections && !paired)
		return;
	s = hold(l, "new", 2);
	if (!s)
		return;
	if (exes)
		local_count(&s->text, exes, "executable", "executables");
	if (exes && connections)
		buf_adds(&s->text, " and ");
	if (connections)
		local_count(&s->text, connections, "destination", "destinations");
	if (exes || connections)
		buf_adds(&s->text, " never seen here before");
	if (paired && (exes || connections))
		buf_adds(&s->text, "; ");
	if (paired) {
		local_count(&s->text, paired, "executable", "executables");
		buf_adds(&s->text, " with a parent or user that is new to it");
	}
	cite_marked(s, l->v, BASELINE_NEW, false);
	cite_marked(s, l->v, BASELINE_NEW, true);
	cite_marked(s, l->v, pairs, false);
}

static void judge_volume(struct local *l)
{
	const edr_u64 execs = l->v->totals->type[EDR_EXEC].delivered;
	const edr_u64 usual = l->v->totals->baseline.usual_execs;
	struct local_sentence *s;

	if (!usual || execs / VOLUME_TIMES < usual || execs < usual + VOLUME_MORE)
		return;
	s = hold(l, "volume", 2);
	if (s)
		buf_addf(&s->text, "%llu execs where %llu are usual", execs, usual);
}

static void judge_child(struct local *l)
{
	const struct local_parent *p = l->parent;
	struct local_sentence *s;

	if (!p || p->worst_child <= l->out->severity)
		return;
	s = hold(l, "child", p->worst_child);
	if (!s)
		return;
	buf_addf(&s->text, "%s is of severity %u", p->worst_child_id, p->worst_child);
	local_cite(s, 'r', p->worst_child_number);
}

/* ---- all of them ---- */

void local_judge(struct local *l)
{
	/* In this order; `child` compares with all before it. */
	static void (*const reasons[])(struct local * l) = {
		judge_findings, judge_several,	judge_pair, judge_loss,	  judge_heavy_loss,
		judge_blind,	judge_coverage, judge_new,  judge_volume, judge_child,
	};
	struct local_sentence *s;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		reasons[i](l);
	if (l->out->n_reasons)
		return;
	s = hold(l, "ordinary", 1);
	if (s)
		buf_adds(&s->text, "nothing of note");
}

/* ---- advice ---- */

static const struct {
	const char *id, *text;
} advice[] = {
	{ "critical-pair",
	  "Take the host off the network before anything else, then look at both findings." },
	{ "loss-heavy", "Raise memory_mb or ring_exec_kb: execs were lost." },
	{ "loss", "Raise memory_mb, or the ring's size: events were lost." },
	{ "blind", "Look in the log why the source was away." },
	{ "coverage", "Check that the agent was meant to be stopped." },
	{ "new", "Check that what is new was installed on purpose." },
	{ "volume", "Check what runs so often." },
};

const char *local_advice(struct wire_span id)
{
	for (size_t i = 0; i < DETECT_SIGNALS; i++)
		if (local_same(id, detect_signals[i].id))
			return detect_signals[i].advice;
	for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++)
		if (local_same(id, advice[i].id))
			return advice[i].text;
	return NULL;
}
