/* SPDX-License-Identifier: MIT */
/* A verdict, as its file has it. */
#include <errno.h>
#include <string.h>

#include "analyze/answer.h"
#include "report/json.h"

/* It is written, whichever of the two is worse; only a higher one counts. */
static const char *disagreement(const struct answer *a, const struct prompt *p)
{
	return !p->judged			 ? NULL
	       : a->severity > p->local_severity ? "higher"
	       : a->severity < p->local_severity ? "lower"
						 : NULL;
}

static json_object *evidence_row(struct rj *j, const void *ctx, size_t i)
{
	const struct answer_finding *f = ctx;

	return rj_span(j, (struct wire_span){ f->evidence[i], strlen(f->evidence[i]) });
}

static json_object *finding_row(struct rj *j, const void *ctx, size_t i)
{
	const struct answer_finding *f = &((const struct answer *)ctx)->finding[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "title", f->title);
	rj_put_rows(
		j, row, "evidence",
		&(struct rj_rows){
			.n = f->n_evidence, .ctx = f, .value = evidence_row, .style = RJ_INLINE });
	rj_put_text(j, row, "technique", f->technique);
	rj_put_u64(j, row, "confidence", f->confidence);
	rj_put_text(j, row, "why", f->why);
	return row;
}

static json_object *recommendation_row(struct rj *j, const void *ctx, size_t i)
{
	const char *text = ((const struct answer *)ctx)->recommendation[i];

	return rj_span(j, (struct wire_span){ text, strlen(text) });
}

static void put_text_or_null(struct rj *j, json_object *to, const char *key, const char *text)
{
	if (text && *text)
		rj_put_text(j, to, key, text);
	else
		rj_put_null(j, to, key);
}

static void put_origin(struct rj *j, json_object *v, const struct prompt *p,
		       const struct answer_origin *from)
{
	rj_put_u64(j, v, "schema_version", 1);
	rj_put_text(j, v, "report_id", p->report_id);
	put_text_or_null(j, v, "report_sha256", p->report_sha256);
	rj_put_text(j, v, "model", from->model);
	rj_put_text(j, v, "api_base", from->api_base);
	rj_put_text(j, v, "time", from->now);
}

static void put_rejected(struct rj *j, json_object *v, const struct answer *a)
{
	json_object *rejected = rj_put_object(j, v, "rejected");

	rj_put_u64(j, rejected, "unknown_ids", a->unknown_ids);
	rj_put_u64(j, rejected, "without_evidence", a->without_evidence);
}

int answer_json(const struct answer *a, const struct prompt *p, const struct answer_origin *from,
		struct buf *out)
{
	json_object *v = json_object_new_object();
	struct rj j = { 0 };
	int err;

	put_origin(&j, v, p, from);
	if (p->judged)
		rj_put_u64(&j, v, "local_severity", p->local_severity);
	else
		put_text_or_null(&j, v, "local_severity", NULL);
	rj_put_u64(&j, v, "model_severity", a->severity);
	rj_put_u64(&j, v, "severity", answer_severity(p->local_severity, a));
	put_text_or_null(&j, v, "disagreement", disagreement(a, p));
	rj_put_text(&j, v, "summary", a->summary);
	rj_put_rows(&j, v, "findings",
		    &(struct rj_rows){ .n = a->n_findings, .ctx = a, .value = finding_row });
	rj_put_rows(&j, v, "recommendations",
		    &(struct rj_rows){
			    .n = a->n_recommendations, .ctx = a, .value = recommendation_row });
	put_rejected(&j, v, a);
	rj_put_u64(&j, v, "tokens_in", from->tokens_in);
	rj_put_u64(&j, v, "tokens_out", from->tokens_out);
	rj_put_u64(&j, v, "micro_usd", from->micro_usd);
	err = rj_print(&j, v, out);
	rj_free(&j);
	return err;
}
