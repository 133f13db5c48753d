/* SPDX-License-Identifier: MIT */
/*
 * The caller's side: units are gathered into chunks, so that the lock is held for a memcpy and the
 * thread writes 64 KiB at a time. Nothing here waits for the file, but for wait_for_room.
 */
#include "sink/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/mono.h"
#include "util/text.h"

/* How long the thread has for its last system call when the time for closing is over. */
#define SINK_GRACE_MS 1000

void sink_push(struct sink *s)
{
	struct sink_chunk *c = s->filling;

	if (!c)
		return;
	s->filling = NULL;
	s->flush = false;
	if (s->last)
		s->last->next = c;
	else
		s->head = c;
	s->last = c;
	pthread_cond_signal(&s->work);
}

/*
 * While the thread is busy it takes what is being filled afterwards: else a file that hangs would make
 * each flush a chunk of its own, and a queue of few bytes would be a lot of memory.
 */
static void push_soon(struct sink *s)
{
	if (s->head)
		s->flush = true;
	else
		sink_push(s);
}

static struct sink_chunk *chunk_new(size_t at_least)
{
	size_t cap = at_least > SINK_CHUNK_BYTES ? at_least : SINK_CHUNK_BYTES;
	struct sink_chunk *c = malloc(sizeof(*c) + cap);

	if (!c)
		return NULL;
	c->next = NULL;
	c->len = 0;
	c->n_units = 0;
	c->cap = cap;
	return c;
}

static int add(struct sink *s, const void *data, size_t len)
{
	struct sink_chunk *c = s->filling;

	if (c && (c->cap - c->len < len || c->n_units == SINK_CHUNK_UNITS)) {
		sink_push(s);
		c = NULL;
	}
	if (!c) {
		c = chunk_new(len);
		if (!c)
			return -ENOBUFS;
		s->filling = c;
	}
	memcpy(c->data + c->len, data, len);
	c->len += len;
	c->end[c->n_units++] = c->len;
	s->queued_bytes += len;
	s->file_bytes += len;
	return 0;
}

static int admit(struct sink *s, size_t len)
{
	for (;;) {
		if (s->ended)
			return -EPIPE;
		if (s->full)
			return -EFBIG;
		if (s->max_file_bytes && s->file_bytes + len > s->max_file_bytes) {
			s->full = true;
			return -EFBIG;
		}
		if (len > s->max_queue_bytes)
			return -ENOBUFS;
		if (s->queued_bytes + len <= s->max_queue_bytes)
			return 0;
		push_soon(s);
		if (s->failed)
			return -EIO;
		if (!s->wait_for_room)
			return -ENOBUFS;
		pthread_cond_wait(&s->room, &s->lock);
	}
}

int sink_write(struct sink *s, const void *data, size_t len)
{
	bool was_full, is_full;
	int err;

	pthread_mutex_lock(&s->lock);
	was_full = s->full;
	err = admit(s, len);
	if (!err)
		err = add(s, data, len);
	if (err)
		s->lost++;
	is_full = s->full;
	pthread_mutex_unlock(&s->lock);
	if (is_full && !was_full)
		log_warn("sink",
			 "%s: %s has reached its limit of %zu bytes; nothing more is written to it",
			 s->name, s->shown, s->max_file_bytes);
	return err;
}

void sink_flush(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	push_soon(s);
	pthread_mutex_unlock(&s->lock);
}

void sink_reopen(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->path && s->append) {
		s->reopen = true;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
}

void sink_stats(struct sink *s, struct sink_stats *out)
{
	pthread_mutex_lock(&s->lock);
	out->written_bytes = s->written_bytes;
	out->lost = s->lost;
	pthread_mutex_unlock(&s->lock);
}

static void sink_free(struct sink *s)
{
	sink_file_close(&s->file);
	free(s->filling);
	while (s->head) {
		struct sink_chunk *next = s->head->next;

		free(s->head);
		s->head = next;
	}
	pthread_cond_destroy(&s->room);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s->shown);
	free(s->name);
	free(s->path);
	free(s);
}

static struct sink *sink_new(const struct sink_config *cfg)
{
	const char *path = cfg->path ? cfg->path : "standard output";
	struct sink *s = calloc(1, sizeof(*s));
	struct buf shown = { 0 };

	if (!s)
		return NULL;
	if (pthread_mutex_init(&s->lock, NULL) || mono_cond_init(&s->work) ||
	    mono_cond_init(&s->room)) {
		free(s);
		return NULL;
	}
	text_term(&shown, path, strlen(path));
	s->shown = buf_steal(&shown);
	s->path = cfg->path ? strdup(cfg->path) : NULL;
	s->name = strdup(cfg->name);
	s->append = cfg->append;
	s->wait_for_room = cfg->wait_for_room;
	s->max_queue_bytes = cfg->max_queue_bytes;
	s->max_file_bytes = cfg->max_file_bytes;
	s->file = (struct sink_file){
		.path = s->path, .shown = s->shown, .append = s->append, .fd = -1
	};
	if (!s->shown || !s->name || (cfg->path && !s->path)) {
		sink_free(s);
		return NULL;
	}
	return s;
}

int sink_open(struct sink **out, const struct sink_config *cfg, char *err, size_t err_size)
{
	struct sink *s = sink_new(cfg);
	int failure;

	*out = NULL;
	if (!s) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	failure = sink_file_open(&s->file, true, cfg->force, err, err_size);
	if (failure) {
		sink_free(s);
		return failure;
	}
	s->file_bytes = s->file.had_bytes;
	failure = mono_thread(&s->thread, sink_thread, s);
	if (failure) {
		snprintf(err, err_size, "cannot start a thread: %s", strerror(-failure));
		sink_free(s);
		return failure;
	}
	*out = s;
	return 0;
}

int sink_close(struct sink *s, const void *tail, size_t tail_len, unsigned timeout_ms)
{
	int err = 0;

	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	/* The last in the queue: it gets into the file when all before it has, and only then. */
	if (tail && !s->ended)
		err = add(s, tail, tail_len);
	sink_push(s);
	s->closing = true;
	s->deadline_ms = mono_now_ms() + timeout_ms;
	pthread_cond_signal(&s->work);
	while (!s->done && mono_now_ms() < s->deadline_ms + SINK_GRACE_MS)
		mono_cond_wait(&s->room, &s->lock, s->deadline_ms + SINK_GRACE_MS);
	if (!s->done) {
		/*
		 * It hangs in a system call that nothing can interrupt (a dead NFS server). It
		 * keeps its memory.
		 */
		log_error("sink", "%s: %s does not answer; what was not written yet is lost",
			  s->name, s->shown);
		pthread_mutex_unlock(&s->lock);
		pthread_detach(s->thread);
		return -ETIMEDOUT;
	}
	if (s->result)
		err = s->result;
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	sink_free(s);
	return err;
}
