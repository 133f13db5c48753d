/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "analyze/duty_private.h"
#include "report/read.h"

#define DISK_NS (60 * NS_PER_S)
#define LISTED_NS (60 * NS_PER_S)
#define CLEAR_TRIES 8
#define STATUS_SIZE 32

/* ---- what it says ---- */

static bool take_id(struct wire_span object, const char *name, char out[DUTY_BATCH_ID])
{
	char id[DUTY_BATCH_ID];

	if (!duty_take_text(object, name, id, sizeof(id)) || !duty_batch_good_id(id))
		return false;
	memcpy(out, id, sizeof(id));
	return true;
}

/* Not there, or null: "". */
static bool take_optional_id(struct wire_span object, const char *name, char out[DUTY_BATCH_ID])
{
	struct wire_span v;

	return !jr_member(object, name, &v) || jr_is(v, "null") || take_id(object, name, out);
}

static bool says(struct wire_span object, const char *name, const char *want)
{
	char text[2 * DUTY_BATCH_ID];

	return duty_take_text(object, name, text, sizeof(text)) && strcmp(text, want) == 0;
}

static bool is_named(const struct duty_batch *b, struct wire_span object, const char *member,
		     const char *after)
{
	struct buf name = { 0 };
	bool named;

	duty_batch_name(&name, b, after);
	named = !name.failed && says(object, member, name.data);
	buf_free(&name);
	return named;
}

static bool is_our_file(const struct duty_batch *b, struct wire_span row)
{
	return is_named(b, row, "filename", ".jsonl");
}

static bool is_our_batch(const struct duty_batch *b, struct wire_span row)
{
	struct wire_span metadata;

	return says(row, "input_file_id", b->file) ||
	       (jr_member(row, "metadata", &metadata) && metadata.data[0] == '{' &&
		is_named(b, metadata, "custom_id", ""));
}

/* false: it is no list, or what is ours in it has no id. */
static bool find_in(const struct duty_batch *b, struct wire_span root,
		    bool (*is_ours)(const struct duty_batch *b, struct wire_span row),
		    char id[DUTY_BATCH_ID])
{
	struct wire_span list, key, row;
	struct jr_iter it;
	int more;

	if (!jr_member(root, "data", &list) || !jr_begin(&it, list, '['))
		return false;
	while ((more = jr_next(&it, &key, &row)) > 0)
		if (row.data[0] == '{' && is_ours(b, row))
			return take_id(row, "id", id);
	return more == 0;
}

/* ---- what is done with it; false: it is no such answer ---- */

static bool on_upload(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	if (!take_id(root, "id", b->file))
		return false;
	duty_batch_to(d, b, BATCH_CREATE, 0);
	return true;
}

static bool on_file_list(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	if (!find_in(b, root, is_our_file, b->file))
		return false;
	duty_batch_to(d, b, *b->file ? BATCH_CREATE : BATCH_UPLOAD, 0);
	return true;
}

static void begin_polls(struct duty *d, struct duty_batch *b)
{
	b->looks = 0;
	duty_batch_to(d, b, BATCH_POLL, duty_now(d) + duty_poll_ns(0));
}

static bool on_create(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	if (!take_id(root, "id", b->batch))
		return false;
	begin_polls(d, b);
	return true;
}

static bool on_batch_list(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	if (!find_in(b, root, is_our_batch, b->batch))
		return false;
	if (*b->batch) {
		begin_polls(d, b);
		return true;
	}
	/* What is not there is not paid for. */
	duty_batch_money(d, b);
	duty_refund(d);
	duty_batch_to(d, b, BATCH_CREATE, 0);
	return true;
}

static bool has_ended(const char *status)
{
	static const char *const ends[] = { "completed", "failed", "expired", "cancelled" };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(status, ends[i]) == 0)
			return true;
	return false;
}

static bool on_poll(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	char status[STATUS_SIZE];

	if (!says(root, "id", b->batch) ||
	    !duty_take_text(root, "status", status, sizeof(status)) ||
	    !take_optional_id(root, "output_file_id", b->output) ||
	    !take_optional_id(root, "error_file_id", b->errors))
		return false;
	if (!has_ended(status)) {
		duty_batch_to(d, b, BATCH_POLL, duty_now(d) + duty_poll_ns(++b->looks));
		return true;
	}
	if (*b->output && duty_batch_entry(&d->state, b)) {
		duty_batch_to(d, b, BATCH_FETCH, 0);
		return true;
	}
	if (!*b->output) {
		duty_batch_money(d, b);
		duty_refund(d);
	}
	duty_batch_over(d, b, "it ended without one");
	duty_batch_to(d, b, BATCH_DELETE, 0);
	return true;
}

static bool on_cancel(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	(void)root;
	b->cancelled = true;
	begin_polls(d, b); /* its files are known when it has ended */
	return true;
}

static bool on_delete(struct duty *d, struct duty_batch *b, struct wire_span root)
{
	(void)root;
	duty_batch_file(b)[0] = '\0';
	duty_batch_to(d, b, BATCH_DELETE, 0);
	return true;
}

/* by_text: it has to be a JSON object. */
static const struct {
	bool (*take)(struct duty *d, struct duty_batch *b, struct wire_span root);
	bool by_text;
} on_step[BATCH_STEPS] = {
	[BATCH_UPLOAD] = { on_upload, true },  [BATCH_FIND_FILE] = { on_file_list, true },
	[BATCH_CREATE] = { on_create, true },  [BATCH_FIND] = { on_batch_list, true },
	[BATCH_POLL] = { on_poll, true },      [BATCH_FETCH] = { NULL, false },
	[BATCH_CANCEL] = { on_cancel, false }, [BATCH_DELETE] = { on_delete, false },
};

/* A step that has no other answer than "done" is not tried for ever. */
static void give_up_clearing(struct duty *d, struct duty_batch *b)
{
	if (d->asked_step == BATCH_CANCEL) {
		on_cancel(d, b, (struct wire_span){ 0 });
		return;
	}
	duty_say(d, SAY_LEFT, "what was uploaded for %s may still be at the model's server", b->id);
	on_delete(d, b, (struct wire_span){ 0 });
}

static void no_answer(struct duty *d, struct duty_batch *b, enum answer_fault fault)
{
	d->stats.faults[fault]++;
	duty_say(d, SAY_FAULT + fault, "an answer of the batch interface is %s",
		 answer_fault_name(fault));
	duty_batch_to(d, b, b->step, duty_now(d) + LISTED_NS);
	if (++b->faults < DUTY_BATCH_FAULTS)
		return;
	b->faults = 0;
	if (duty_batch_entry(&d->state, b))
		duty_batch_over(d, b, "the answers are none");
	else
		duty_batch_to(d, b, BATCH_DELETE, 0);
}

static void take_answer(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	struct wire_span root = { "", 0 };
	const bool is_object = r->outcome == CLIENT_DONE && r->body.len &&
			       jr_document(r->body.data, r->body.len, &root) && root.data[0] == '{';

	if (d->asked_step == BATCH_FETCH) {
		if (duty_batch_answer(d, b, r))
			duty_batch_to(d, b, BATCH_DELETE, 0);
		else
			duty_batch_to(d, b, BATCH_FETCH, duty_now(d) + DISK_NS);
	} else if (r->outcome == CLIENT_TOO_LARGE) {
		no_answer(d, b, ANSWER_TOO_LONG);
	} else if (on_step[d->asked_step].by_text && !is_object) {
		no_answer(d, b, r->body.len ? ANSWER_NOT_JSON : ANSWER_EMPTY);
	} else if (!on_step[d->asked_step].take(d, b, root)) {
		no_answer(d, b, ANSWER_WRONG_SHAPE);
	}
}

/* ---- no answer ---- */

static void do_later(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	const edr_s64 wait_ns = (edr_s64)r->retry_after_s * NS_PER_S;
	edr_s64 next_ns = duty_backoff_ns(++b->tries);

	next_ns = wait_ns > next_ns ? wait_ns : next_ns;
	/* What may have been made is not in the server's lists at once. */
	if (b->step != d->asked_step && next_ns < LISTED_NS)
		next_ns = LISTED_NS;
	duty_batch_to(d, b, b->step, duty_now(d) + next_ns);
	/* Clearing away says nothing of what else is asked. */
	if (d->asked_step < BATCH_CANCEL)
		duty_breaker_fail(&d->state, duty_now(d));
	else if (b->tries >= CLEAR_TRIES)
		give_up_clearing(d, b);
}

static void do_wait(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	do_later(d, b, r);
	if (r->retry_after_s)
		duty_breaker_open(&d->state, duty_now(d) + (edr_s64)r->retry_after_s * NS_PER_S);
}

static void do_hour(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	do_later(d, b, r);
	duty_breaker_hour(&d->state, duty_now(d));
}

static void do_without(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	if (r->status != 413)
		duty_batch_without(d);
	duty_batch_over(d, b, "the server has no such interface");
}

static void do_upload(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	(void)r;
	duty_batch_to(d, b, BATCH_UPLOAD, 0);
}

static void do_over(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	(void)r;
	duty_batch_over(d, b, "the server does not know it");
	duty_batch_to(d, b, BATCH_DELETE, 0);
}

static void do_clear(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	if (r->status == 404 || r->status == 410)
		on_step[d->asked_step].take(d, b, (struct wire_span){ 0 });
	else
		give_up_clearing(d, b);
}

typedef void (*act)(struct duty *d, struct duty_batch *b, const struct client_reply *r);

static void do_refused(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	static const act by_step[BATCH_STEPS] = {
		[BATCH_UPLOAD] = do_without, [BATCH_FIND_FILE] = do_upload,
		[BATCH_CREATE] = do_without, [BATCH_FIND] = do_over,
		[BATCH_POLL] = do_over,	     [BATCH_FETCH] = do_over,
		[BATCH_CANCEL] = do_clear,   [BATCH_DELETE] = do_clear,
	};

	by_step[d->asked_step](d, b, r);
}

/* The first row that a status is in. */
static const struct {
	unsigned from, to;
	act act;
} by_status[] = {
	{ 300, 399, do_hour },	{ 401, 403, do_hour },	  { 408, 409, do_later },
	{ 425, 425, do_later }, { 429, 429, do_wait },	  { 400, 499, do_refused },
	{ 503, 503, do_wait },	{ 501, 501, do_refused }, { 0, ~0u, do_later },
};

static act find_act(const struct client_reply *r)
{
	size_t i = 0;

	if (r->outcome != CLIENT_DONE)
		return r->outcome == CLIENT_REDIRECT ? do_hour : do_later;
	while (r->status < by_status[i].from || r->status > by_status[i].to)
		i++;
	return by_status[i].act;
}

/* Nothing was made there: it was turned away, or did not arrive. A 500 may have made something. */
static bool is_free(const struct client_reply *r)
{
	if (r->outcome == CLIENT_DONE)
		return r->status < 500 || r->status == 501;
	return r->outcome == CLIENT_NO_NAME || r->outcome == CLIENT_NO_CONNECT ||
	       r->outcome == CLIENT_TLS || r->outcome == CLIENT_REDIRECT;
}

static void fail(struct duty *d, struct duty_batch *b, const struct client_reply *r)
{
	if (r->outcome == CLIENT_DONE)
		duty_say(d, SAY_STATUS, "the model's server says %u of a batch", r->status);
	else
		duty_say(d, SAY_OUTCOME + r->outcome, "no answer of the model's server: %s",
			 client_outcome_name(r->outcome));
	if (is_free(r)) {
		b->step = d->asked_step;
		if (b->step == BATCH_CREATE) {
			duty_batch_money(d, b);
			duty_refund(d);
		}
	}
	find_act(r)(d, b, r);
}

static struct duty_batch *find_asked(struct duty *d)
{
	for (size_t i = 0; i < d->state.batches.n; i++)
		if (strcmp(d->state.batches.batch[i].sha256, d->asked_batch) == 0)
			return &d->state.batches.batch[i];
	return NULL;
}

void duty_batch_finish(struct duty *d, struct client_reply *r)
{
	struct duty_batch *b = find_asked(d);
	const bool answered = r->outcome == CLIENT_TOO_LARGE ||
			      (r->outcome == CLIENT_DONE && r->status >= 200 && r->status < 300);

	d->asking = d->asking_batch = false;
	d->stats.outcomes[r->outcome]++;
	if (!b)
		return;
	if (answered) {
		duty_breaker_close(&d->state);
		b->tries = 0;
		take_answer(d, b, r);
	} else {
		fail(d, b, r);
	}
}
