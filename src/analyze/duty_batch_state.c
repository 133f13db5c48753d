/* SPDX-License-Identifier: MIT */
/* The batches in analysis/queue.json. A file of before there were any has neither list. */
#include <string.h>

#include "analyze/duty_private.h"
#include "report/read.h"

#define LOOKS_MAX 1000000
#define DAY_MAX 3000000
#define SUM_MAX (~0ULL >> 1)

static const char *const step_names[BATCH_STEPS] = {
	[BATCH_UPLOAD] = "upload", [BATCH_FIND_FILE] = "find_file", [BATCH_CREATE] = "create",
	[BATCH_FIND] = "find",	   [BATCH_POLL] = "poll",	    [BATCH_FETCH] = "fetch",
	[BATCH_CANCEL] = "cancel", [BATCH_DELETE] = "delete",
};

bool duty_batch_good_id(const char *id)
{
	const size_t len = strlen(id);

	return len && len < DUTY_BATCH_ID &&
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
		       len;
}

/* ---- to disk ---- */

static json_object *batch_row(struct rj *j, const void *ctx, size_t i)
{
	const struct duty_batch *b = &((const struct duty_batches *)ctx)->batch[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "id", b->id);
	rj_put_text(j, row, "server", b->server);
	rj_put_text(j, row, "sha256", b->sha256);
	rj_put_text(j, row, "nonce", b->nonce);
	rj_put_text(j, row, "form", prompt_form_names[b->form]);
	rj_put_text(j, row, "step", step_names[b->step]);
	rj_put_bool(j, row, "cancelled", b->cancelled);
	rj_put_text(j, row, "file", b->file);
	rj_put_text(j, row, "batch", b->batch);
	rj_put_text(j, row, "output", b->output);
	rj_put_text(j, row, "errors", b->errors);
	rj_put_u64(j, row, "looks", b->looks);
	rj_put_u64(j, row, "tries", b->tries);
	rj_put_u64(j, row, "faults", b->faults);
	rj_put_s64(j, row, "since", b->since_ns / NS_PER_S);
	rj_put_s64(j, row, "next", b->next_ns / NS_PER_S);
	rj_put_s64(j, row, "day", b->day);
	rj_put_u64(j, row, "tokens", b->tokens);
	rj_put_u64(j, row, "micro_usd", b->micro_usd);
	return row;
}

static json_object *without_row(struct rj *j, const void *ctx, size_t i)
{
	const struct duty_without *w = &((const struct duty_batches *)ctx)->without[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "server", w->server);
	rj_put_s64(j, row, "since", w->since_ns / NS_PER_S);
	return row;
}

void duty_batch_print(const struct duty_state *s, struct rj *j, json_object *root)
{
	const struct duty_batches *b = &s->batches;

	rj_put_rows(j, root, "batches",
		    &(struct rj_rows){ .n = b->n, .ctx = b, .value = batch_row });
	rj_put_rows(j, root, "without_batches",
		    &(struct rj_rows){ .n = b->n_without, .ctx = b, .value = without_row });
}

/* ---- from disk ---- */

static bool take_id(struct wire_span row, const char *name, char out[DUTY_BATCH_ID])
{
	return duty_take_text(row, name, out, DUTY_BATCH_ID) && (!*out || duty_batch_good_id(out));
}

static bool take_step(struct wire_span row, enum batch_step *step)
{
	char name[16];

	if (!duty_take_text(row, "step", name, sizeof(name)))
		return false;
	for (*step = 0; *step < BATCH_STEPS; ++*step)
		if (strcmp(name, step_names[*step]) == 0)
			return true;
	return false;
}

static bool take_numbers(struct wire_span row, struct duty_batch *b)
{
	edr_u64 day;

	if (!duty_take_unsigned(row, "looks", LOOKS_MAX, &b->looks) ||
	    !duty_take_unsigned(row, "tries", LOOKS_MAX, &b->tries) ||
	    !duty_take_unsigned(row, "faults", LOOKS_MAX, &b->faults) ||
	    !duty_take_time(row, "since", &b->since_ns) ||
	    !duty_take_time(row, "next", &b->next_ns) ||
	    !duty_take_u64(row, "day", DAY_MAX, &day) ||
	    !duty_take_u64(row, "tokens", SUM_MAX, &b->tokens) ||
	    !duty_take_u64(row, "micro_usd", SUM_MAX, &b->micro_usd))
		return false;
	b->day = (edr_s64)day;
	return true;
}

/* What the step asks for is in its path: without it, the path would be another. */
static bool is_whole(const struct duty_batch *b)
{
	static const bool needs_file[BATCH_STEPS] = { [BATCH_CREATE] = true, [BATCH_FIND] = true },
			  needs_batch[BATCH_STEPS] = { [BATCH_POLL] = true, [BATCH_CANCEL] = true },
			  needs_output[BATCH_STEPS] = { [BATCH_FETCH] = true };

	return (!needs_file[b->step] || *b->file) && (!needs_batch[b->step] || *b->batch) &&
	       (!needs_output[b->step] || *b->output);
}

static bool batch_of(void *ctx, struct wire_span row)
{
	struct duty_batches *s = ctx;
	struct duty_batch *b = &s->batch[s->n];
	struct wire_span cancelled;

	if (s->n == DUTY_BATCHES || !duty_take_text(row, "id", b->id, sizeof(b->id)) ||
	    !duty_take_text(row, "server", b->server, sizeof(b->server)) ||
	    !duty_take_text(row, "sha256", b->sha256, sizeof(b->sha256)) ||
	    !duty_batch_good_id(b->sha256) ||
	    !duty_take_text(row, "nonce", b->nonce, sizeof(b->nonce)) ||
	    !duty_batch_good_id(b->nonce) || !duty_take_form(row, &b->form) ||
	    !take_step(row, &b->step) || !jr_member(row, "cancelled", &cancelled) ||
	    !take_id(row, "file", b->file) || !take_id(row, "batch", b->batch) ||
	    !take_id(row, "output", b->output) || !take_id(row, "errors", b->errors) ||
	    !take_numbers(row, b) || !is_whole(b))
		return false;
	b->cancelled = jr_is(cancelled, "true");
	s->n++;
	return true;
}

static bool without_of(void *ctx, struct wire_span row)
{
	struct duty_batches *s = ctx;
	struct duty_without *w = &s->without[s->n_without];

	if (s->n_without == DUTY_WITHOUT ||
	    !duty_take_text(row, "server", w->server, sizeof(w->server)) ||
	    !duty_take_time(row, "since", &w->since_ns))
		return false;
	s->n_without++;
	return true;
}

bool duty_batch_take(struct duty_state *s, struct wire_span root)
{
	struct wire_span list;

	if (jr_member(root, "batches", &list) &&
	    !duty_take_rows(&s->batches, root, "batches", batch_of))
		return false;
	return !jr_member(root, "without_batches", &list) ||
	       duty_take_rows(&s->batches, root, "without_batches", without_of);
}
