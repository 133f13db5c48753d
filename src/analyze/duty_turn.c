/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/duty_private.h"
#include "report/files.h"

#define HOUR_NS (3600 * NS_PER_S)
#define DISK_NS (60 * NS_PER_S)
#define BUSY_NS NS_PER_S

/* ---- a request ---- */

static unsigned prompt_lines(const struct duty *d, const struct duty_entry *e)
{
	const unsigned most = d->cfg.prompt.max_lines;

	return e->max_lines && e->max_lines < most ? e->max_lines : most;
}

enum prompt_form duty_form_for(struct duty *d, const struct duty_entry *e)
{
	const enum prompt_form known = duty_form(&d->state, &d->cfg, duty_now(d));

	return e->form > known ? e->form : known;
}

int duty_make_prompt_as(struct duty *d, const struct duty_entry *e, enum prompt_form form,
			const char *nonce)
{
	struct prompt_config cfg = d->cfg.prompt;
	struct buf json = { 0 };
	int err;

	prompt_free(&d->prompt);
	cfg.form = d->form = form;
	cfg.max_lines = prompt_lines(d, e);
	cfg.max_tokens = duty_prompt_tokens(&d->cfg, *nonce); /* a batch has drawn it already */
	duty_form_members(&d->state, &d->cfg, duty_now(d), &cfg);
	snprintf(cfg.nonce, sizeof(cfg.nonce), "%s", nonce);
	err = report_read(d->cfg.store, report_levels[e->level].dir, e->id, &json);
	if (!err)
		err = prompt_make(&d->prompt, &cfg, json.data, json.len);
	buf_free(&json);
	if (!err && strcmp(d->prompt.report_id, e->id) != 0)
		err = -EBADMSG;
	return err;
}

int duty_make_prompt(struct duty *d, const struct duty_entry *e)
{
	return duty_make_prompt_as(d, e, duty_form_for(d, e), "");
}

void duty_estimate(struct duty *d, bool half)
{
	const unsigned answer = d->cfg.prompt.max_answer_tokens;

	d->half = half;
	d->earlier = false;
	d->tokens = (unsigned long long)d->prompt.tokens + answer;
	d->micro_usd = duty_price(&d->cfg, d->prompt.tokens, answer);
	if (half)
		d->micro_usd = (d->micro_usd + 1) / 2;
}

int duty_set_aside(struct duty *d, bool half)
{
	int lock, err = duty_spent_lock(d, &lock);

	if (err)
		return err;
	duty_estimate(d, half);
	if (!d->cfg.over_budget && !duty_fits(&d->cfg, &d->state, d->tokens, d->micro_usd)) {
		err = -EDQUOT;
	} else {
		d->state.requests++;
		d->state.tokens += d->tokens;
		d->state.micro_usd += d->micro_usd;
		d->state.dirty = true;
		/* What the disk does not take is dirty still: nothing is sent before it does. */
		duty_spent_save(d);
	}
	if (lock >= 0)
		close(lock);
	return err;
}

void duty_unset_aside(struct duty *d)
{
	duty_refund(d);
	if (!d->earlier)
		d->state.requests -= d->state.requests > 0;
}

/* ---- a turn ---- */

static void expire(struct duty *d)
{
	const edr_s64 oldest = duty_now(d) - (edr_s64)d->cfg.max_age_h * HOUR_NS;
	size_t i = 0;

	while (i < d->state.n)
		if (d->state.entry[i].since_ns < oldest)
			duty_give_up(d, &d->state.entry[i], "it waited too long");
		else
			i++;
}

static edr_s64 next_day(edr_s64 now_ns)
{
	return (report_day(now_ns) + 1) * 24 * HOUR_NS;
}

edr_s64 duty_send(struct duty *d, struct duty_entry *e)
{
	const edr_s64 now_ns = duty_now(d);
	const struct duty_call call = { "POST", "/chat/completions", "application/json",
					d->prompt.body.data, d->prompt.body.len };
	int err = duty_save(d);

	/* What would be spent has to be known after a crash. */
	if (err) {
		duty_say(d, SAY_DISK, "the queue could not be written: %s", strerror(-err));
		duty_unset_aside(d);
		return now_ns + DISK_NS;
	}
	snprintf(d->asked_id, sizeof(d->asked_id), "%s", e->id);
	err = d->cfg.transport->send(d->cfg.transport_ctx, &call);
	if (!err) {
		d->asking = true;
		d->stats.asked++;
		return 0;
	}
	duty_unset_aside(d);
	if (err == -EBUSY)
		return now_ns + BUSY_NS;
	if (err == -E2BIG) {
		duty_give_up(d, e, "it is too large");
		return 1;
	}
	if (err == -EPIPE) {
		duty_lost(d);
		return 0;
	}
	duty_say(d, SAY_GONE, "the client cannot be asked: %s", strerror(-err));
	return now_ns + DISK_NS;
}

/* ---- who carries it ---- */

void duty_lost(struct duty *d)
{
	d->gone = true;
	d->again_ns = duty_now(d) + duty_backoff_ns(++d->lost);
}

static void have_client(struct duty *d)
{
	const struct duty_transport *t = d->cfg.transport;
	char err[256] = "";

	if (!d->gone || !t->again || duty_now(d) < d->again_ns)
		return;
	if (t->again(d->cfg.transport_ctx, err, sizeof(err)) != 0) {
		duty_say(d, SAY_GONE, "the client cannot be started again: %s", err);
		duty_lost(d);
		return;
	}
	d->gone = false;
	d->stats.restarts++;
	duty_say(d, SAY_AGAIN, "the client was started again; %llu times since the agent began",
		 d->stats.restarts);
}

/* 0: never. */
static edr_s64 earlier(edr_s64 a_ns, edr_s64 b_ns)
{
	return !a_ns || (b_ns && b_ns < a_ns) ? b_ns : a_ns;
}

static void publish(struct duty *d)
{
	pthread_mutex_lock(&d->lock);
	d->shown = d->stats;
	d->shown.requests_today = d->state.requests;
	d->shown.tokens_today = d->state.tokens;
	d->shown.micro_usd_today = d->state.micro_usd;
	d->shown.waiting = d->state.n;
	d->shown.breaker_open = d->state.open_until_ns > duty_now(d);
	pthread_mutex_unlock(&d->lock);
}

/* ---- what is asked ---- */

/* Its request, and what it may cost set aside. */
static int prepare(struct duty *d, const struct duty_entry *e)
{
	int err = duty_make_prompt(d, e);

	if (!err && duty_verdict_severity(d->cfg.store, e->id, d->prompt.report_sha256, &d->key))
		return -EALREADY;
	return err ? err : duty_set_aside(d, false);
}

/* What did not fit may, when an answer was shorter than we thought. */
static size_t count_dear(struct duty *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->state.n; i++) {
		struct duty_entry *e = &d->state.entry[i];

		e->dear = e->dear && !duty_fits(&d->cfg, &d->state, e->tokens, e->micro_usd);
		n += e->dear;
	}
	return n;
}

/* Not even an answer fits: nothing else need be tried. */
static bool is_spent(const struct duty *d)
{
	const unsigned answer = d->cfg.prompt.max_answer_tokens;

	return !duty_fits(&d->cfg, &d->state, answer, duty_price(&d->cfg, 0, answer));
}

/* false: it is not asked, and no longer is the next. */
static bool ask(struct duty *d, struct duty_entry *e, int err, edr_s64 *at_ns)
{
	if (err == -EALREADY) {
		duty_state_remove(&d->state, e);
	} else if (duty_hopeless(err)) {
		duty_give_up(d, e, duty_hopeless(err));
	} else if (err) {
		duty_later(d, e, DISK_NS);
	} else {
		*at_ns = duty_send(d, e);
		return *at_ns != 1;
	}
	return false;
}

static edr_s64 ask_next(struct duty *d)
{
	const edr_s64 now_ns = duty_now(d);
	struct duty_entry *e;
	edr_s64 at_ns = 0, sent;

	count_dear(d);
	while (!d->gone && !duty_stopping(d) && (e = duty_next(&d->state, now_ns, &at_ns))) {
		int err;

		if (!*e->digest) {
			duty_look_again(d, e);
			continue;
		}
		err = prepare(d, e);
		if (err == -EBUSY)
			return now_ns + BUSY_NS;
		if (err != -EDQUOT) {
			if (ask(d, e, err, &sent))
				return sent;
			continue;
		}
		/* A smaller one may fit. */
		e->dear = true;
		e->tokens = d->tokens;
		e->micro_usd = d->micro_usd;
		if (is_spent(d))
			break;
	}
	if (d->gone)
		return 0;
	if (!count_dear(d))
		return at_ns;
	duty_say(d, SAY_BUDGET, "what may be spent on the model today is spent; %zu reports wait",
		 d->state.n);
	return earlier(at_ns, next_day(now_ns));
}

static void hear(struct duty *d)
{
	struct client_reply reply = { .status = 0 };

	if (!d->cfg.transport->take(d->cfg.transport_ctx, &reply))
		return;
	if (reply.outcome == CLIENT_GONE)
		duty_lost(d);
	else
		d->lost = 0;
	if (d->asking && d->asking_batch)
		duty_batch_finish(d, &reply);
	else if (d->asking)
		duty_finish(d, &reply);
	buf_free(&reply.body);
}

edr_s64 duty_turn(struct duty *d)
{
	edr_s64 at_ns = 0;
	int err;

	duty_new_day(&d->state, duty_now(d));
	if (d->cfg.transport) {
		hear(d);
		have_client(d);
	}
	duty_forget(d);
	duty_look(d);
	expire(d);
	if (!d->asking && d->cfg.transport)
		at_ns = duty_batch_turn(d);
	if (!d->asking && d->cfg.transport)
		at_ns = earlier(at_ns, ask_next(d));
	if (d->cfg.transport && d->gone && d->cfg.transport->again)
		at_ns = earlier(at_ns, d->again_ns);
	err = duty_save(d);
	if (err) {
		duty_say(d, SAY_DISK, "the queue could not be written: %s", strerror(-err));
		at_ns = duty_now(d) + DISK_NS;
	}
	publish(d);
	return at_ns;
}
