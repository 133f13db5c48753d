/* SPDX-License-Identifier: MIT */
/* What a server says when it refuses: hostile, and of no fixed shape. */
#include <stdio.h>
#include <string.h>

#include "analyze/duty_private.h"
#include "report/read.h"
#include "util/text.h"

#define MESSAGE_MAX 200 /* bytes of it, in a line of the log */

static bool has(const struct client_reply *r, const char *what)
{
	return r->body.len && memmem(r->body.data, r->body.len, what, strlen(what));
}

bool duty_too_much(const struct client_reply *r)
{
	static const char *const says[] = {
		"exceed_context_size",	   /* llama.cpp */
		"context_length_exceeded", /* OpenAI */
		"maximum context length",  /* OpenAI, vLLM */
		"maximum model length",	   /* vLLM */
		"context window",	   /* LiteLLM */
		"prompt is too long",
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (has(r, says[i]))
			return true;
	return false;
}

bool duty_learn_refused(struct duty *d, const struct client_reply *r)
{
	struct prompt_config known;
	struct duty_form *f;
	bool tokens, temperature;

	duty_form_members(&d->state, &d->cfg, duty_now(d), &known);
	tokens = !known.completion_tokens && has(r, "max_completion_tokens");
	temperature = !known.no_temperature && has(r, "temperature");
	if (!tokens && !temperature)
		return false;
	f = duty_form_of(&d->state, &d->cfg, duty_now(d));
	f->completion_tokens |= tokens;
	f->no_temperature |= temperature;
	d->state.dirty = true;
	return true;
}

/* {"error":{"message":""}}, {"error":""}, {"message":""}, {"detail":""} */
static bool find_message(const struct client_reply *r, struct wire_span *v)
{
	struct wire_span root, error;

	if (!r->body.len || !jr_document(r->body.data, r->body.len, &root))
		return false;
	if (!jr_member(root, "error", &error))
		return jr_member(root, "message", v) || jr_member(root, "detail", v);
	*v = error;
	return error.data[0] != '{' || jr_member(error, "message", v);
}

/* Who is turned away is told his key by some. */
static bool may_have_key(const struct client_reply *r)
{
	return r->status == 401 || r->status == 403;
}

void duty_said(const struct client_reply *r, char *out, size_t size)
{
	struct buf text = { 0 }, shown = { 0 };
	struct wire_span v;

	if (!may_have_key(r) && find_message(r, &v) && v.data[0] == '"' && jr_string(v, &text) &&
	    text.len) {
		buf_adds(&shown, ": ");
		text_term(&shown, text.data, text.len < MESSAGE_MAX ? text.len : MESSAGE_MAX);
	}
	snprintf(out, size, "the model's server says %u%s", r->status,
		 shown.data && !shown.failed ? shown.data : "");
	buf_free(&text);
	buf_free(&shown);
}
