/* SPDX-License-Identifier: MIT */
/* The thread: takes chunks off the queue and gets them into the file, however long that takes. */
#include "sink/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/mono.h"

static bool out_of_time(const struct sink *s)
{
	return s->closing && mono_now_ms() >= s->deadline_ms;
}

static bool give_up(void *ctx)
{
	struct sink *s = ctx;
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = out_of_time(s);
	pthread_mutex_unlock(&s->lock);
	return yes;
}

static void pop(struct sink *s)
{
	struct sink_chunk *c = s->head;

	s->head = c->next;
	if (!s->head)
		s->last = NULL;
	s->queued_bytes -= c->len;
	s->sent = 0;
	free(c);
	if (!s->head && s->flush)
		sink_push(s);
}

static void drop_queue(struct sink *s)
{
	sink_push(s);
	while (s->head) {
		s->lost += s->head->n_units - sink_chunk_units(s->head, s->sent);
		pop(s);
	}
}

/*
 * With the lock held, and not while it is said: a log that nobody reads any more may block, and the
 * caller must not. Only this thread takes out of the queue, so what it is about to do stays right.
 */
#define say(s, level, ...) log_line_unlocked(&(s)->lock, level, "sink", __VA_ARGS__)

/* Nobody will ever read standard output again. */
static void end_for_good(struct sink *s)
{
	s->ended = true;
	drop_queue(s);
	pthread_cond_broadcast(&s->room);
	say(s, LOG_LEVEL_WARN,
	    "%s: nobody reads standard output any more; nothing more is written to it", s->name);
}

/* The file cannot be written now. What is queued stays, and callers that wait for room are told. */
static void fail(struct sink *s, int err, const char *why)
{
	unsigned long long now = mono_now_ms();

	s->last_error = err;
	if (err == -ETIMEDOUT)
		return; /* it was we who gave up */
	if (err == -EPIPE && !s->path) {
		end_for_good(s);
		return;
	}
	if (!s->failed)
		s->failing_since_ms = now;
	s->failed = true;
	s->retry_at_ms = now + SINK_RETRY_MS;
	if (s->file.reopens) {
		sink_file_close(&s->file);
		if (s->head)
			s->sent = sink_chunk_boundary(s->head, s->sent);
	}
	pthread_cond_broadcast(&s->room);
	if (!s->said_at_ms || now - s->said_at_ms >= SINK_SAY_MS) {
		s->said_at_ms = now;
		say(s, LOG_LEVEL_WARN, "%s: %s; tried again each second, %llu lost so far", s->name,
		    why, s->lost);
	}
}

static void fail_write(struct sink *s, int err)
{
	char why[512];

	snprintf(why, sizeof(why), "cannot write to %s: %s", s->shown, strerror(-err));
	fail(s, err, why);
}

static void works_again(struct sink *s)
{
	unsigned long long ms = mono_now_ms() - s->failing_since_ms;

	s->failed = false;
	s->said_at_ms = 0;
	s->last_error = 0;
	say(s, LOG_LEVEL_INFO, "%s: %s is written again after %llu.%01llu s; %llu lost so far",
	    s->name, s->shown, ms / 1000, ms % 1000 / 100, s->lost);
}

static void open_again(struct sink *s)
{
	char why[512];
	int err;

	pthread_mutex_unlock(&s->lock);
	err = sink_file_open(&s->file, false, false, why, sizeof(why));
	pthread_mutex_lock(&s->lock);
	if (err) {
		fail(s, err, why);
		return;
	}
	s->file_bytes = s->file.had_bytes + s->queued_bytes;
}

/* After log rotation the path is another file: an empty one, most likely. */
static void rotate(struct sink *s)
{
	s->reopen = false;
	s->full = false;
	s->file_bytes = s->queued_bytes;
	sink_file_close(&s->file);
	open_again(s);
}

static void write_head(struct sink *s)
{
	struct sink_chunk *c = s->head;
	size_t before = sink_chunk_boundary(c, s->sent);
	int err;

	/* Only this thread takes a chunk out of the list or touches one that is in it. */
	pthread_mutex_unlock(&s->lock);
	err = sink_file_write(&s->file, c, &s->sent, give_up, s);
	pthread_mutex_lock(&s->lock);
	s->written_bytes += sink_chunk_boundary(c, s->sent) - before;
	if (err) {
		fail_write(s, err);
		return;
	}
	pop(s);
	pthread_cond_broadcast(&s->room);
	if (s->failed)
		works_again(s);
}

static bool finished(const struct sink *s)
{
	return s->closing && (s->ended || !s->head || out_of_time(s));
}

static void wait_for_retry(struct sink *s)
{
	unsigned long long until = s->retry_at_ms;

	if (s->closing && s->deadline_ms < until)
		until = s->deadline_ms;
	mono_cond_wait(&s->work, &s->lock, until);
}

static void finish(struct sink *s)
{
	int err;

	if (s->head) {
		drop_queue(s);
		s->result = s->last_error ? s->last_error : -ETIMEDOUT;
		say(s, LOG_LEVEL_WARN, "%s: %s was closed before all was written, %llu lost",
		    s->name, s->shown, s->lost);
	} else if (s->ended) {
		s->result = -EPIPE;
	}
	pthread_mutex_unlock(&s->lock);
	err = sink_file_sync(&s->file);
	pthread_mutex_lock(&s->lock);
	if (!s->result)
		s->result = err;
	s->done = true;
	pthread_cond_broadcast(&s->room);
}

void *sink_thread(void *arg)
{
	struct sink *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!finished(s)) {
		if (s->reopen)
			rotate(s);
		else if (s->failed && mono_now_ms() < s->retry_at_ms)
			wait_for_retry(s);
		else if (s->file.fd < 0)
			open_again(s);
		else if (s->head)
			write_head(s);
		else
			pthread_cond_wait(&s->work, &s->lock);
	}
	finish(s);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}
