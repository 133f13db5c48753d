/* SPDX-License-Identifier: MIT */
/*
 * Where lines and bytes go while the collector must not wait: a file, or standard output, fed through a bounded queue
 * by a thread of its own. Used for --output and --stdout (JSON lines) and for --record (a capture).
 */
#ifndef EDR_SINK_SINK_H
#define EDR_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct sink;

struct sink_config {
	const char *path;	 /* NULL: standard output */
	const char *name;	 /* for messages: "output", "record" */
	bool append;		 /* else the file must not exist, or force is set */
	size_t max_queue_bytes;	 /* beyond, a write is refused and counted */
	size_t max_file_bytes;	 /* 0: no limit; reaching it ends the file, said once */
	bool wait_for_room;	 /* replay: wait instead of refusing */
};

/* Opens with O_NOFOLLOW | O_CLOEXEC, mode 0600. -errno with one sentence in err. */
int sink_open(struct sink **out, const struct sink_config *cfg, char *err, size_t err_size);

/* Queues len bytes: all or nothing. 0; -ENOBUFS (queue full), -EFBIG (the limit was reached), -EIO (the file has failed;
 * it is opened again once a second). What is refused is counted in `lost`. A unit is never cut in half in the file. */
int sink_write(struct sink *s, const void *data, size_t len);

/* Hands what is buffered to the thread; called once a batch. */
void sink_flush(struct sink *s);

/* Closes and opens the path again: after log rotation (SIGHUP). Returns at once. */
void sink_reopen(struct sink *s);

struct sink_stats {
	unsigned long long written_bytes;
	unsigned long long lost; /* writes that were refused or failed */
};
void sink_stats(struct sink *s, struct sink_stats *out);

/* Writes what is queued (up to timeout_ms), then `tail` when it is not NULL, fsync, close. 0 or -errno. */
int sink_close(struct sink *s, const void *tail, size_t tail_len, unsigned timeout_ms);

#endif
