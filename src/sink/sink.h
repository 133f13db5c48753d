/* SPDX-License-Identifier: MIT */
/*
 * Where lines and bytes go while the collector must not wait: a file, or standard output, fed
 * through a bounded queue by a thread of its own. Used for --output and --stdout (JSON lines) and
 * for --record (a capture).
 */
#ifndef EDR_SINK_SINK_H
#define EDR_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct sink;

struct sink_config {
	const char *path;	/* NULL: standard output */
	const char *name;	/* for messages: "output", "record" */
	bool append;		/* else the file must not exist, or force is set */
	bool force;		/* without append: what the file held is gone */
	size_t max_queue_bytes; /* beyond, a write is refused and counted */
	size_t max_file_bytes;	/* 0: no limit; reaching it ends the file, said once */
	bool wait_for_room;	/* replay: wait instead of refusing */
};

/*
 * Opens with O_NOFOLLOW | O_CLOEXEC, mode 0600; never waits, a FIFO must have its reader. -errno
 * with one sentence in err. A file to append to that does not end with a newline (a killed run's
 * half line) gets one first.
 */
int sink_open(struct sink **out, const struct sink_config *cfg, char *err, size_t err_size);

/*
 * Queues len bytes: all or nothing. 0; -ENOBUFS (queue full), -EFBIG (the limit was reached), -EIO
 * (the queue is full because the file has failed; it is tried again once a second), -EPIPE (nobody
 * reads standard output any more: that is for good). What is refused is counted in `lost`. A unit
 * is never cut in half in the file.
 */
int sink_write(struct sink *s, const void *data, size_t len);

/* Hands what is buffered to the thread; called once a batch. */
void sink_flush(struct sink *s);

/*
 * Closes and opens the path again: after log rotation (SIGHUP). Returns at once. Only for a file
 * that is appended to: a capture would have no header in its second half, and standard output has
 * no path.
 */
void sink_reopen(struct sink *s);

struct sink_stats {
	unsigned long long written_bytes;
	unsigned long long lost; /* units that were refused, or left over at the end */
};
void sink_stats(struct sink *s, struct sink_stats *out);

/*
 * Writes what is queued (up to timeout_ms), then `tail` when it is not NULL, fsync, close. 0;
 * -errno when something that was queued is not in the file (then there is no tail either). The tail
 * may go beyond max_file_bytes. Frees s; safe on NULL.
 */
int sink_close(struct sink *s, const void *tail, size_t tail_len, unsigned timeout_ms);

#endif
