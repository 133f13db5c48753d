/* SPDX-License-Identifier: MIT */
/* The member `analysis`. */
#include "report/local.h"

#include <string.h>

static struct wire_span text_of(const struct buf *b)
{
	return (struct wire_span){ b->data ? b->data : "", b->len };
}

static json_object *evidence(struct rj *j, const void *ctx, size_t i)
{
	const struct local_sentence *s = ctx;
	char id[LOCAL_ID_MAX];

	local_evidence_text(s->evidence[i], id);
	return rj_span(j, (struct wire_span){ id, strlen(id) });
}

static void put_evidence(struct rj *j, json_object *row, const struct local_sentence *s)
{
	rj_put_rows(j, row, "evidence",
		    &(struct rj_rows){
			    .n = s->n_evidence, .ctx = s, .value = evidence, .style = RJ_INLINE });
}

static json_object *reason_row(struct rj *j, const void *ctx, size_t i)
{
	const struct local_sentence *s = (const struct local_sentence *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "id", s->reason);
	rj_put_u64(j, row, "severity", s->severity);
	rj_put_span(j, row, "text", text_of(&s->text));
	put_evidence(j, row, s);
	return row;
}

static json_object *finding_row(struct rj *j, const void *ctx, size_t i)
{
	const struct local_sentence *s = (const struct local_sentence *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_span(j, row, "text", text_of(&s->text));
	rj_put_u64(j, row, "severity", s->severity);
	rj_put_span(j, row, "technique", s->technique);
	put_evidence(j, row, s);
	return row;
}

static json_object *change_row(struct rj *j, const void *ctx, size_t i)
{
	const struct local_sentence *s = (const struct local_sentence *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_span(j, row, "text", text_of(&s->text));
	put_evidence(j, row, s);
	return row;
}

static json_object *advice_row(struct rj *j, const void *ctx, size_t i)
{
	return rj_span(j, text_of(&((const struct local_sentence *)ctx)[i].text));
}

static void put_baseline(struct rj *j, json_object *to, const struct local_analysis *a,
			 const struct cell_baseline *b)
{
	json_object *o = rj_put_object(j, to, "baseline");

	rj_put_bool(j, o, "learning", b->learning);
	rj_put_u64(j, o, "days", b->days);
	rj_put_u64(j, o, "new", a->marked_new);
	rj_put_u64(j, o, "rare", a->marked_rare);
	rj_put_u64(j, o, "usual_execs", b->usual_execs);
	rj_put_u64(j, o, "evicted", b->evicted);
}

void local_json(struct rj *j, json_object *report, const struct local_analysis *a,
		const struct cell_totals *t)
{
	json_object *o = rj_put_object(j, report, "analysis");
	const struct {
		const char *key;
		const struct local_sentence *list;
		size_t n;
		json_object *(*row)(struct rj *j, const void *ctx, size_t i);
	} lists[] = {
		{ "reasons", a->reasons, a->n_reasons, reason_row },
		{ "key_findings", a->findings, a->n_findings, finding_row },
		{ "changes", a->changes, a->n_changes, change_row },
		{ "recommendations", a->recommendations, a->n_recommendations, advice_row },
	};

	rj_put_span(j, o, "summary", text_of(&a->summary));
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		rj_put_rows(j, o, lists[i].key,
			    &(struct rj_rows){
				    .n = lists[i].n, .ctx = lists[i].list, .value = lists[i].row });
	put_baseline(j, o, a, &t->baseline);
}
