/* SPDX-License-Identifier: MIT */
#include "analyze/duty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/duty_private.h"
#include "util/log.h"
#include "util/mono.h"

#define SAY_NS (3600 * NS_PER_S)
#define LONGEST_MS 60000 /* a day may begin, or an entry be too old */

edr_s64 duty_now(const struct duty *d)
{
	return d->cfg.now_ns(d->cfg.ctx);
}

void duty_say(struct duty *d, unsigned kind, const char *fmt, ...)
{
	const edr_s64 now_ns = duty_now(d);
	char text[512];
	va_list args;

	if (d->said_ns[kind] && now_ns - d->said_ns[kind] < SAY_NS)
		return;
	d->said_ns[kind] = now_ns;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_warn("analyze", "%s", text);
}

/* ---- opening and closing ---- */

static void free_config(struct duty_config *cfg)
{
	free((char *)cfg->server);
	free((char *)cfg->prompt.model);
}

static int copy_config(struct duty *d, const struct duty_config *cfg)
{
	d->cfg = *cfg;
	d->cfg.key = NULL;
	d->cfg.prompt.nonce[0] = '\0';
	d->cfg.server = strdup(cfg->server);
	d->cfg.prompt.model = strdup(cfg->prompt.model);
	duty_verdict_key(&d->key, cfg->key);
	return d->cfg.server && d->cfg.prompt.model ? 0 : -ENOMEM;
}

int duty_open(struct duty **out, const struct duty_config *cfg, char *err, size_t err_size)
{
	struct duty *d = calloc(1, sizeof(*d));
	int failure = d ? copy_config(d, cfg) : -ENOMEM;

	*out = NULL;
	if (d) {
		d->wake[0] = d->wake[1] = -1;
		d->look = true;
		pthread_mutex_init(&d->lock, NULL);
	}
	if (!failure)
		failure = duty_state_load(&d->state, cfg->store);
	if (failure == -EBADMSG) {
		log_warn("analyze", "what waited for the model is lost: analysis/queue.json is "
				    "damaged; a new one is begun");
		failure = 0;
	}
	if (failure) {
		snprintf(err, err_size, "the queue for the model cannot be read: %s",
			 strerror(-failure));
		duty_close(d);
		return failure;
	}
	d->stats.given_up += duty_state_bound(&d->state, cfg->max_waiting);
	*out = d;
	return 0;
}

void duty_close(struct duty *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < 2; i++)
		if (d->wake[i] >= 0)
			close(d->wake[i]);
	pthread_mutex_destroy(&d->lock);
	duty_state_free(&d->state);
	prompt_free(&d->prompt);
	chain_key_wipe(&d->key);
	free_config(&d->cfg);
	free(d);
}

/* ---- the thread ---- */

bool duty_stopping(struct duty *d)
{
	bool stopping;

	pthread_mutex_lock(&d->lock);
	stopping = d->stopping;
	pthread_mutex_unlock(&d->lock);
	return stopping;
}

/* Until there is an offer, the client has something, or that time has come. */
static void wait_until(struct duty *d, edr_s64 at_ns)
{
	struct pollfd p[2] = { { .fd = d->wake[0], .events = POLLIN }, { .fd = -1 } };
	int timeout_ms = LONGEST_MS, theirs_ms = -1;
	char drained[64];

	if (at_ns) {
		const edr_s64 left_ms = (at_ns - duty_now(d)) / 1000000 + 1;

		timeout_ms = left_ms < 0 ? 0 : left_ms < LONGEST_MS ? (int)left_ms : LONGEST_MS;
	}
	/* Idle too: a client that ends is heard of, and reaped. */
	if (d->cfg.transport)
		p[1].fd = d->cfg.transport->fd(d->cfg.transport_ctx, &p[1].events, &theirs_ms);
	if (theirs_ms >= 0 && theirs_ms < timeout_ms)
		timeout_ms = theirs_ms;
	poll(p, 2, timeout_ms);
	while (read(d->wake[0], drained, sizeof(drained)) > 0)
		;
}

static void *run(void *arg)
{
	struct duty *d = arg;

	while (!duty_stopping(d))
		wait_until(d, duty_turn(d));
	if (d->asking)
		d->cfg.transport->cancel(d->cfg.transport_ctx);
	return NULL;
}

int duty_start(struct duty **out, const struct duty_config *cfg, char *err, size_t err_size)
{
	struct duty *d;
	int failure = duty_open(&d, cfg, err, err_size);

	*out = NULL;
	if (failure)
		return failure;
	failure = pipe2(d->wake, O_CLOEXEC | O_NONBLOCK) ? -errno : mono_thread(&d->thread, run, d);
	if (failure) {
		snprintf(err, err_size, "no thread for the model: %s", strerror(-failure));
		duty_close(d);
		return failure;
	}
	*out = d;
	return 0;
}

/* A full pipe wakes as well. */
static void wake(const struct duty *d)
{
	const ssize_t n = d->wake[1] >= 0 ? write(d->wake[1], "", 1) : 0;

	(void)n;
}

void duty_stop(struct duty *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_mutex_unlock(&d->lock);
	wake(d);
	pthread_join(d->thread, NULL);
	duty_close(d);
}

/* ---- from other threads ---- */

void duty_offer(struct duty *d, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const size_t len = strlen(name);

	if (len <= 5 || len - 5 >= CHAIN_ID_MAX || strcmp(name + len - 5, ".json") != 0)
		return;
	pthread_mutex_lock(&d->lock);
	if (d->n_offers < DUTY_OFFERS) {
		memcpy(d->offer[d->n_offers], name, len - 5);
		d->offer[d->n_offers++][len - 5] = '\0';
	} else {
		d->look = true;
	}
	pthread_mutex_unlock(&d->lock);
	wake(d);
}

void duty_stats(struct duty *d, struct duty_stats *out)
{
	pthread_mutex_lock(&d->lock);
	*out = d->shown;
	pthread_mutex_unlock(&d->lock);
}
