/* SPDX-License-Identifier: MIT */
/*
 * Arbitrary bytes as the reply of a model's server, and as the model's text itself, in each form.
 * What is taken must keep to the limits, cite only what was sent, and come out as JSON and text
 * again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/answer.h"
#include "analyze/verdicts.h"
#include "report/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char given[][16] = { "c2", "f1", "x4" };
static const struct prompt_ids ids = { given, 3 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_answer(const struct answer *a)
{
	static const struct prompt p = { .report_id = "cell-x",
					 .local_severity = 3,
					 .judged = true };
	static const struct answer_origin from = { .model = "m", .api_base = "b", .now = "n" };
	struct buf json = { 0 }, text = { 0 };
	struct wire_span root;

	must(a->severity >= 1 && a->severity <= 5 && answer_severity(3, a) >= 3);
	must(a->n_findings <= ANSWER_FINDINGS && a->n_recommendations <= ANSWER_RECOMMENDATIONS);
	must(strlen(a->summary) <= 4 * ANSWER_SUMMARY);
	for (size_t i = 0; i < a->n_findings; i++) {
		const struct answer_finding *f = &a->finding[i];

		must(f->n_evidence >= 1 && f->n_evidence <= 3 && f->confidence <= 100);
		must(strlen(f->title) <= 4 * ANSWER_TITLE && strlen(f->why) <= 4 * ANSWER_WHY);
		for (size_t k = 0; k < f->n_evidence; k++)
			must(prompt_ids_has(&ids, f->evidence[k], strlen(f->evidence[k])));
	}
	must(answer_json(a, &p, &from, &json) == 0);
	must(verdict_text((struct wire_span){ json.data, json.len }, &text) == 0);
	must(jr_document(json.data, json.len, &root));
	for (size_t i = 0; i < text.len; i++)
		must(text.data[i] == '\n' || (unsigned char)text.data[i] >= 0x20);
	buf_free(&json);
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_usage used;
	struct buf content = { 0 };
	struct answer a;
	char why[128];

	for (enum prompt_form form = 0; form < PROMPT_FORMS; form++) {
		if (answer_read(&a, (const char *)data, size, form, &ids, why, sizeof(why)) ==
		    ANSWER_GOOD)
			check_answer(&a);
		answer_free(&a);
	}
	if (answer_content(data, size, 100, &content, &used) == ANSWER_GOOD &&
	    answer_read(&a, content.data ? content.data : "", content.len, PROMPT_TEXT, &ids, NULL,
			0) == ANSWER_GOOD) {
		check_answer(&a);
		answer_free(&a);
	}
	must(used.tokens_in <= size + 100 && used.tokens_out <= size + 100);
	buf_free(&content);
	return 0;
}
