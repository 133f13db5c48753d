/* SPDX-License-Identifier: MIT */
/*
 * Inside the room sink: sink.c is the caller's side of the queue, thread.c the other side, file.c
 * the file.
 */
#ifndef EDR_SINK_INTERNAL_H
#define EDR_SINK_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "sink/sink.h"

#define SINK_CHUNK_BYTES 65536 /* what one write(2) gets; larger units travel alone */
#define SINK_CHUNK_UNITS 1024
#define SINK_RETRY_MS 1000
#define SINK_SAY_MS 60000 /* between complaints about a file that stays broken */

/*
 * Units that are written together. The thread must know where each ends, to cut a broken write
 * back.
 */
struct sink_chunk {
	struct sink_chunk *next;
	size_t len;
	size_t cap;
	size_t n_units;
	size_t end[SINK_CHUNK_UNITS];
	char data[];
};

struct sink_file {
	const char *path;  /* NULL: standard output */
	const char *shown; /* for people */
	bool append;
	int fd; /* -1: not open */
	bool regular;
	bool half_line;	  /* it does not end with a newline, and should */
	bool reopens;	  /* a failure is mended by opening the path again */
	size_t had_bytes; /* when it was opened */
};

/* Opens f->path (or standard output). first: create, refuse or empty what is there. */
int sink_file_open(struct sink_file *f, bool first, bool force, char *err, size_t err_size);
void sink_file_close(struct sink_file *f);

/*
 * Writes c from byte *sent on and moves *sent. 0 when it is all in the file, else -errno, and what
 * there is of the last unit has been cut away where the file can be cut. -ETIMEDOUT when
 * give_up(ctx) said so while nobody was reading.
 */
int sink_file_write(struct sink_file *f, const struct sink_chunk *c, size_t *sent,
		    bool (*give_up)(void *ctx), void *ctx);

/* 0 or -errno; what cannot be synced (a pipe) needs no sync. */
int sink_file_sync(struct sink_file *f);

/* The last end of a unit at or before `at`. */
size_t sink_chunk_boundary(const struct sink_chunk *c, size_t at);
/* How many units end at or before `at`. */
size_t sink_chunk_units(const struct sink_chunk *c, size_t at);

struct sink {
	char *path;
	char *name;
	char *shown;
	bool append;
	bool wait_for_room;
	size_t max_queue_bytes;
	size_t max_file_bytes;

	pthread_t thread;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t work;  /* to the thread: a chunk, reopen, closing */
	pthread_cond_t room;  /* to the caller: there is room, or it failed, or it is done */

	struct sink_chunk *head; /* the oldest; while the thread writes it, it stays here */
	struct sink_chunk *last;
	struct sink_chunk *filling; /* what the caller adds to; not in the list yet */
	bool flush;		    /* it is to be written, too */
	size_t queued_bytes;
	unsigned long long file_bytes; /* what the file holds when the queue is written */
	unsigned long long written_bytes;
	unsigned long long lost;
	bool full;   /* max_file_bytes was reached */
	bool failed; /* the last try did not succeed */
	bool ended;  /* EPIPE on standard output */
	bool reopen;
	bool closing;
	bool done; /* the thread touches nothing any more */
	int last_error;
	int result;
	unsigned long long deadline_ms;

	/* The thread's own. */
	struct sink_file file;
	size_t sent; /* of head */
	unsigned long long retry_at_ms;
	unsigned long long failing_since_ms;
	unsigned long long said_at_ms; /* 0: nothing was said since it last worked */
};

void *sink_thread(void *arg);

/* With the lock held: puts s->filling into the list. */
void sink_push(struct sink *s);

#endif
