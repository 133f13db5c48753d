/* SPDX-License-Identifier: MIT */
/* The file with the answer: one line, ours, and behind that an answer as any other. */
#include <errno.h>
#include <string.h>

#include "analyze/duty_private.h"
#include "report/read.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_ours(const struct duty_batch *b, struct wire_span root)
{
	struct buf name = { 0 }, text = { 0 };
	struct wire_span v;
	bool ours;

	duty_batch_name(&name, b, "");
	ours = jr_member(root, "custom_id", &v) && jr_string(v, &text) && !name.failed &&
	       text.len == name.len && memcmp(text.data, name.data, name.len) == 0;
	buf_free(&name);
	buf_free(&text);
	return ours;
}

/* out: as if the server had given the answer itself. */
static enum answer_fault read_file(const struct duty_batch *b, const struct client_reply *r,
				   struct client_reply *out)
{
	struct wire_span root, response, status, body;
	size_t len = r->body.len;
	edr_u64 code;

	if (r->outcome == CLIENT_TOO_LARGE)
		return ANSWER_TOO_LONG;
	while (len && is_space(r->body.data[len - 1]))
		len--;
	if (!len)
		return ANSWER_EMPTY;
	/* More lines than one are more values than one. */
	if (!jr_document(r->body.data, len, &root))
		return ANSWER_NOT_JSON;
	if (!is_ours(b, root) || !jr_member(root, "response", &response) ||
	    !jr_member(response, "status_code", &status) || !jr_u64(status, &code) || code < 200 ||
	    code > 599 || !jr_member(response, "body", &body) || body.data[0] != '{')
		return ANSWER_WRONG_SHAPE;
	out->outcome = CLIENT_DONE;
	out->status = (unsigned)code;
	out->milliseconds = r->milliseconds;
	buf_add(&out->body, body.data, body.len);
	return out->body.failed ? ANSWER_TOO_LONG : ANSWER_GOOD;
}

/* What was set aside stays with the batch until the verdict is on the disk. */
static int judge(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	const edr_u64 tokens = b->tokens, micro_usd = b->micro_usd;
	struct client_reply inner = { .status = 0 };
	const enum answer_fault fault = read_file(b, r, &inner);
	int err;

	duty_batch_money(d, b);
	err = duty_judge(d, fault == ANSWER_GOOD ? &inner : r, fault);
	if (err) {
		b->tokens = tokens;
		b->micro_usd = micro_usd;
	}
	buf_free(&inner.body);
	return err;
}

bool duty_batch_answer(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	struct duty_entry *e = duty_batch_entry(&d->state, b);
	const unsigned long long answered = d->stats.answered;
	int err = e ? duty_batch_prompt(d, b, e) : 0;

	if (err == -ENOMEM)
		return false;
	if (err)
		duty_batch_over(d, b, "the report or the settings changed");
	if (!e || err)
		return true;
	memcpy(d->asked_id, b->id, sizeof(d->asked_id));
	/* If it is asked for again, that is without a batch. */
	e->direct = d->state.dirty = true;
	if (judge(d, b, r) != 0) {
		e = duty_state_find(&d->state, b->id);
		if (e)
			e->direct = false;
		return false;
	}
	d->stats.batch_failed += d->stats.answered == answered;
	return true;
}
