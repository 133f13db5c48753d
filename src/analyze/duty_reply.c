/* SPDX-License-Identifier: MIT */
/* What becomes of an entry, by what came back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analyze/duty_private.h"

#define DISK_NS (60 * NS_PER_S)
#define SAID_MAX 512
#define LEAST_PART 4   /* of our estimate: less is not believed */
#define AGAIN_FAULTS 3 /* each form once */

/* ---- what it cost ---- */

static unsigned long long without(unsigned long long sum, unsigned long long part)
{
	return sum > part ? sum - part : 0;
}

void duty_refund(struct duty *d)
{
	if (!d->earlier) {
		d->state.tokens = without(d->state.tokens, d->tokens);
		d->state.micro_usd = without(d->state.micro_usd, d->micro_usd);
		d->state.dirty = true;
	}
	d->tokens = d->micro_usd = 0;
}

/* What the server says was used, when that can be; else what we thought. */
static void settle(struct duty *d, const struct answer_usage *used)
{
	if (!used->tokens_in)
		return;
	duty_refund(d);
	d->tokens = (unsigned long long)used->tokens_in + used->tokens_out;
	d->micro_usd = duty_price(&d->cfg, used->tokens_in, used->tokens_out);
	if (d->half)
		d->micro_usd = (d->micro_usd + 1) / 2;
	if (d->earlier)
		return;
	d->state.tokens += d->tokens;
	d->state.micro_usd += d->micro_usd;
}

/* ---- what becomes of an entry ---- */

const char *duty_hopeless(int err)
{
	static const struct {
		int err;
		const char *why;
	} table[] = {
		{ ENOENT, "it is gone" },
		{ EBADMSG, "no prompt can be made of it" },
		{ EFBIG, "no prompt can be made of it" },
		{ E2BIG, "prompt_tokens, or a day's budget, has no room for one row of it" },
		{ EREMOTE, "nothing took secrets out of it" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].err == -err)
			return table[i].why;
	return NULL;
}

void duty_not_sent(struct duty *d, const char *id, const char *why)
{
	d->stats.given_up++;
	duty_say(d, SAY_GIVEN_UP, "%s is not sent to the model: %s", id, why);
}

void duty_give_up(struct duty *d, struct duty_entry *e, const char *why)
{
	struct duty_level *l = &d->state.level[e->level];

	duty_not_sent(d, e->id, why);
	/* The next that looks the same has a chance of its own. */
	if (strcmp(l->digest, e->digest) == 0)
		l->digest[0] = '\0';
	duty_state_remove(&d->state, e);
}

void duty_later(struct duty *d, struct duty_entry *e, edr_s64 wait_ns)
{
	const edr_s64 backoff_ns = duty_backoff_ns(++e->tries);

	e->not_before_ns = duty_now(d) + (wait_ns > backoff_ns ? wait_ns : backoff_ns);
	d->state.dirty = true;
}

static void at_once(struct duty *d, struct duty_entry *e)
{
	e->not_before_ns = 0;
	d->state.dirty = true;
}

/* Half of the lines that it had. */
static void shrink(struct duty *d, struct duty_entry *e)
{
	const size_t half = d->prompt.lines / 2;

	if (!half) {
		duty_give_up(d, e, "the model has no room for it");
		return;
	}
	e->max_lines = (unsigned)half;
	at_once(d, e);
}

static bool is_last_form(const struct duty *d)
{
	return d->form + 1 == PROMPT_FORMS;
}

/* ---- what came back, but for an answer ---- */

static void do_retry(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	duty_breaker_fail(&d->state, duty_now(d));
	duty_later(d, e, (edr_s64)r->retry_after_s * NS_PER_S);
}

/* The server said when: that is for all. */
static void do_wait(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	do_retry(d, e, r);
	if (r->retry_after_s)
		duty_breaker_open(&d->state, duty_now(d) + (edr_s64)r->retry_after_s * NS_PER_S);
}

static void do_hour(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	do_retry(d, e, r);
	duty_breaker_hour(&d->state, duty_now(d));
}

static void do_shrink(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	(void)r;
	shrink(d, e);
}

/*
 * Too much for its context, or a member that it does not know; else it is the form, until there is no
 * lower one; and then it may have been too much after all.
 */
static void do_refused(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	if (duty_too_much(r)) {
		shrink(d, e);
	} else if (duty_learn_refused(d, r)) {
		at_once(d, e);
	} else if (!is_last_form(d)) {
		e->form = d->form + 1;
		at_once(d, e);
	} else if (!e->max_lines) {
		shrink(d, e);
	} else {
		duty_give_up(d, e, "the server refuses the request");
	}
}

static void do_give_up(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	(void)r;
	duty_give_up(d, e, "the server refuses the request");
}

/* A server that cannot make its own schema's answer says 500: after some of these, a lower form. */
static void do_error(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	if (e->tries >= 2 && !is_last_form(d))
		e->form = d->form + 1;
	do_retry(d, e, r);
}

/* That is not the server's fault: the breaker does not count it. */
static void do_later(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	(void)r;
	duty_later(d, e, 0);
}

typedef void (*act)(struct duty *d, struct duty_entry *e, const struct client_reply *r);

/* The first row that a status is in; a 2xx that is not 200 is no answer of this interface. */
static const struct {
	unsigned from, to;
	act act;
} by_status[] = {
	{ 300, 399, do_hour },	{ 400, 400, do_refused }, { 401, 404, do_hour },
	{ 408, 409, do_retry }, { 413, 413, do_shrink },  { 422, 422, do_refused },
	{ 425, 425, do_retry }, { 429, 429, do_wait },	  { 405, 499, do_give_up },
	{ 500, 500, do_error }, { 503, 503, do_wait },	  { 0, ~0u, do_retry },
};

static const act by_outcome[CLIENT_OUTCOMES] = {
	[CLIENT_NO_NAME] = do_retry, [CLIENT_NO_CONNECT] = do_retry, [CLIENT_TLS] = do_retry,
	[CLIENT_TIMEOUT] = do_retry, [CLIENT_REDIRECT] = do_hour,    [CLIENT_CUT] = do_retry,
	[CLIENT_DIED] = do_retry,    [CLIENT_GONE] = do_later,
};

static act find_act(const struct client_reply *r)
{
	size_t i = 0;

	if (r->outcome != CLIENT_DONE)
		return by_outcome[r->outcome];
	while (r->status < by_status[i].from || r->status > by_status[i].to)
		i++;
	return by_status[i].act;
}

/* A request that got lost on its way there, or was turned away, is not paid for. */
static bool is_free(const struct client_reply *r)
{
	return r->outcome == CLIENT_DONE || r->outcome == CLIENT_NO_NAME ||
	       r->outcome == CLIENT_NO_CONNECT || r->outcome == CLIENT_TLS ||
	       r->outcome == CLIENT_REDIRECT;
}

static void fail(struct duty *d, struct duty_entry *e, const struct client_reply *r)
{
	char said[SAID_MAX];

	duty_said(r, said, sizeof(said));
	if (r->outcome == CLIENT_DONE)
		duty_say(d, SAY_STATUS, "%s", said);
	else
		duty_say(d, SAY_OUTCOME + r->outcome, "no answer of the model's server: %s",
			 client_outcome_name(r->outcome));
	if (is_free(r))
		duty_refund(d);
	if (e)
		find_act(r)(d, e, r);
}

/* ---- an answer ---- */

static void no_answer(struct duty *d, struct duty_entry *e, enum answer_fault fault)
{
	d->stats.faults[fault]++;
	duty_say(d, SAY_FAULT + fault, "the model's answer is %s; the local judgement stands",
		 answer_fault_name(fault));
	if (!e)
		return;
	if (fault == ANSWER_REFUSED) {
		duty_give_up(d, e, "the model declined");
	} else if (fault == ANSWER_CUT && e->faults < AGAIN_FAULTS - 1) {
		e->faults += AGAIN_FAULTS - 1;
		shrink(d, e);
	} else if (++e->faults >= AGAIN_FAULTS || (is_last_form(d) && e->faults > 1)) {
		duty_give_up(d, e, "the model's answers are none");
	} else {
		/* Whoever takes a form need not keep to it. */
		if (!is_last_form(d))
			e->form = d->form + 1;
		e->not_before_ns = duty_now(d) + duty_backoff_ns(1);
		d->state.dirty = true;
	}
}

static void count_answer(struct duty *d, const struct answer *a)
{
	d->stats.answered++;
	d->stats.raised += a->severity > d->prompt.local_severity;
	d->stats.disagreed += a->severity < d->prompt.local_severity;
	d->stats.unknown_ids += a->unknown_ids;
	d->stats.without_evidence += a->without_evidence;
}

static int take_answer(struct duty *d, struct duty_entry *e, const struct duty_exchange *x)
{
	struct buf verdict = { 0 }, text = { 0 };
	int err = duty_verdict_make(d, x, &verdict, &text);

	if (!err && d->once) {
		buf_add(d->once->verdict, verdict.data, verdict.len);
		buf_add(d->once->text, text.data, text.len);
	}
	if (!err && !(d->once && !d->once->write))
		err = duty_verdict_write(d, x->prompt, &verdict, &text);
	if (!err) {
		count_answer(d, x->answer);
		/* With fewer lines it may have been those. */
		if (d->form != duty_form(&d->state, &d->cfg, duty_now(d)) && !(e && e->max_lines))
			duty_form_learn(&d->state, &d->cfg, d->form, duty_now(d));
		if (d->cfg.on_verdict)
			d->cfg.on_verdict(d->cfg.ctx, x->prompt->report_id,
					  answer_severity(x->prompt->local_severity, x->answer),
					  text.data, text.len);
		if (e)
			duty_state_remove(&d->state, e);
	} else {
		duty_say(d, SAY_DISK, "a verdict could not be written: %s", strerror(-err));
		if (e)
			duty_later(d, e, DISK_NS);
	}
	buf_free(&verdict);
	buf_free(&text);
	return err ? -EAGAIN : 0;
}

static enum answer_fault read_answer(struct duty *d, const struct client_reply *r, struct answer *a,
				     struct answer_usage *used)
{
	struct buf content = { 0 };
	enum answer_fault fault;

	memset(a, 0, sizeof(*a));
	memset(used, 0, sizeof(*used));
	if (r->outcome == CLIENT_TOO_LARGE)
		return ANSWER_TOO_LONG;
	fault = answer_content(r->body.data, r->body.len, d->prompt.body.len, &content, used);
	/* A server must not make its own price: no text has so few tokens. */
	if (used->tokens_in < d->prompt.tokens / LEAST_PART ||
	    used->tokens_out < content.len / PROMPT_BYTES_A_TOKEN / LEAST_PART)
		memset(used, 0, sizeof(*used));
	if (fault == ANSWER_GOOD)
		fault = answer_read(a, content.data ? content.data : "", content.len, d->form,
				    &d->prompt.ids, NULL, 0);
	buf_free(&content);
	return fault;
}

int duty_judge(struct duty *d, const struct client_reply *r, enum answer_fault fault)
{
	const bool answered =
		(r->outcome == CLIENT_DONE && r->status == 200) || r->outcome == CLIENT_TOO_LARGE;
	struct duty_entry *e = duty_state_find(&d->state, d->asked_id);
	struct duty_exchange x = { .prompt = &d->prompt, .form = d->form, .reply = r };
	struct answer a = { .severity = 0 };
	int err = 0;

	if (answered) {
		if (fault == ANSWER_GOOD)
			fault = read_answer(d, r, &a, &x.used);
		settle(d, &x.used);
		duty_breaker_close(&d->state);
		x.fault = fault == ANSWER_GOOD ? NULL : answer_fault_name(fault);
	}
	x.answer = answered && fault == ANSWER_GOOD ? &a : NULL;
	x.micro_usd = d->micro_usd;
	duty_keep(d, &x);
	if (!answered)
		fail(d, e, r);
	else if (fault == ANSWER_GOOD)
		err = take_answer(d, e, &x);
	else
		no_answer(d, e, fault);
	answer_free(&a);
	prompt_free(&d->prompt);
	return err;
}

void duty_finish(struct duty *d, struct client_reply *r)
{
	d->asking = false;
	d->stats.outcomes[r->outcome]++;
	duty_judge(d, r, ANSWER_GOOD);
}
