/* SPDX-License-Identifier: MIT */
/* One report, now, for who waits. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "analyze/duty_private.h"

#define ONCE_POLL_MS 1000
#define ONCE_TRIES 8

static void wait_for_reply(struct duty *d)
{
	struct client_reply reply = { .status = 0 };

	while (!d->cfg.transport->take(d->cfg.transport_ctx, &reply)) {
		struct pollfd p = { .fd = -1 };
		int timeout_ms = -1;

		p.fd = d->cfg.transport->fd(d->cfg.transport_ctx, &p.events, &timeout_ms);
		poll(&p, 1,
		     timeout_ms >= 0 && timeout_ms < ONCE_POLL_MS ? timeout_ms : ONCE_POLL_MS);
	}
	snprintf(d->once->why, d->once->why_size, "%s", "the model's answer is of no use");
	if (reply.outcome != CLIENT_DONE)
		snprintf(d->once->why, d->once->why_size, "no answer of the model's server: %s",
			 client_outcome_name(reply.outcome));
	else if (reply.status != 200)
		duty_said(&reply, d->once->why, d->once->why_size);
	duty_finish(d, &reply);
	buf_free(&reply.body);
}

/* As often as there is something else to try at once: another form, fewer lines, another answer. */
static int ask_once(struct duty *d, const struct duty_entry *wanted)
{
	const unsigned long long answered = d->stats.answered;
	struct duty_entry *e = duty_state_find(&d->state, wanted->id);
	int err;

	e = e ? e : duty_state_add(&d->state, wanted, &d->stats.given_up);
	if (!e)
		return -ENOMEM;
	e->faults = 0;
	for (int i = 0; e && i < ONCE_TRIES; i++) {
		const unsigned tries = e->tries;

		err = duty_make_prompt(d, e);
		if (!err)
			err = duty_set_aside(d, false);
		if (err)
			return err;
		if (duty_send(d, e) != 0)
			return -EIO;
		wait_for_reply(d);
		e = duty_state_find(&d->state, wanted->id);
		if (d->stats.answered > answered)
			return 0;
		if (e && e->tries > tries)
			break; /* to be tried later, which nobody waits for here */
	}
	return -EAGAIN;
}

int duty_once(const struct duty_config *cfg, enum report_level level, const char *id, bool write,
	      struct buf *verdict, struct buf *text, char *err, size_t err_size)
{
	struct duty_once once = { write, verdict, text, err, err_size };
	struct duty_entry e = { .level = level };
	struct duty *d;
	bool had;
	int failure = duty_open(&d, cfg, err, err_size);

	if (failure)
		return failure;
	d->once = &once;
	snprintf(e.id, sizeof(e.id), "%s", id);
	e.since_ns = duty_now(d);
	duty_new_day(&d->state, e.since_ns);
	duty_spent_by_hand(d);
	had = duty_state_find(&d->state, id);
	failure = ask_once(d, &e);
	if (failure == -EDQUOT)
		snprintf(
			err, err_size,
			"what may be spent on the model today is spent; --over-budget asks all the "
			"same");
	else if (failure == -EACCES)
		snprintf(err, err_size,
			 "what it costs cannot be counted there: these reports are another's");
	else if (failure == -EBUSY)
		snprintf(err, err_size,
			 "what it costs cannot be counted now: analysis/ is locked by another "
			 "program");
	else if (failure == -EREMOTE)
		snprintf(err, err_size, "%s", DUTY_UNREDACTED);
	else if (failure && failure != -EAGAIN)
		snprintf(err, err_size, "the model could not be asked: %s", strerror(-failure));
	if (failure && duty_state_find(&d->state, id) && !had)
		duty_state_remove(&d->state, duty_state_find(&d->state, id));
	duty_save(d);
	duty_close(d);
	return failure;
}
