// SPDX-License-Identifier: MIT
/*
 * Replay of a capture. The file is read in large blocks, never mapped: it may be cut while we read it, and
 * that must not end us with SIGBUS. Everything in it is taken for hostile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/capture.h"
#include "source/source.h"
#include "util/read.h"
#include "wire/wire.h"

#define BLOCK_BYTES (1U << 20)
#define ROUND 4096 /* records a pump at most: the caller looks at signals in between */

struct source {
	int fd;
	char *block; /* aligned to 8 */
	size_t len, at;
	unsigned long long size, taken; /* of the file, and of it what has been handed on */
	bool eof, ended, bad;
	struct source_totals totals;
};

/* Fails with a sentence that names what the file is instead. */
static int check_header(const struct capture_header *h, size_t got, const char *path, char *err,
			size_t err_size)
{
	if (got < sizeof(*h) || memcmp(h->magic, CAPTURE_MAGIC, sizeof(h->magic)))
		snprintf(err, err_size,
			 "%s: not a capture of linux-edr-bpf (run --record writes them)", path);
	else if (h->byte_order != CAPTURE_BYTE_ORDER)
		snprintf(err, err_size,
			 "%s: recorded on a machine of the other byte order: replay it there",
			 path);
	else if (h->version != CAPTURE_VERSION || h->wire_version != EDR_WIRE_VERSION)
		snprintf(err, err_size,
			 "%s: capture version %u with wire version %u, this program reads %d with "
			 "%d: use the "
			 "version that recorded it",
			 path, h->version, h->wire_version, CAPTURE_VERSION, EDR_WIRE_VERSION);
	else if (h->header_size < sizeof(*h) || h->header_size > 4096 || h->header_size % 8)
		snprintf(err, err_size, "%s: the capture's header is damaged", path);
	else
		return 0;
	return -EBADMSG;
}

static void replay_close(struct source *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->block);
	free(s);
}

static int replay_open(struct source **out, const struct source_config *cfg, char *err,
		       size_t err_size)
{
	struct source *s = calloc(1, sizeof(*s));
	struct capture_header h;
	struct stat st;
	ssize_t got;
	int e = -ENOMEM;

	*out = NULL;
	if (!s || !(s->block = malloc(BLOCK_BYTES))) {
		snprintf(err, err_size, "no memory");
		free(s);
		return -ENOMEM;
	}
	s->fd = open(cfg->replay_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (s->fd < 0 || fstat(s->fd, &st)) {
		e = -errno;
		snprintf(err, err_size, "%s: %s", cfg->replay_path, strerror(errno));
		goto fail;
	}
	got = S_ISDIR(st.st_mode) ? -EISDIR : util_read_full(s->fd, &h, sizeof(h));
	if (got < 0) {
		e = (int)got;
		snprintf(err, err_size, "%s: %s", cfg->replay_path, strerror(-e));
		goto fail;
	}
	e = check_header(&h, (size_t)got, cfg->replay_path, err, err_size);
	if (!e && h.header_size > sizeof(h) &&
	    util_read_full(s->fd, s->block, h.header_size - sizeof(h)) < 0)
		e = -EIO;
	if (e)
		goto fail;
	s->size = S_ISREG(st.st_mode) ? (unsigned long long)st.st_size : 0;
	s->taken = h.header_size;
	*out = s;
	return 0;
fail:
	replay_close(s);
	return e;
}

/* Moves what is left to the front and reads on behind it. */
static int refill(struct source *s)
{
	size_t left = s->len - s->at;
	ssize_t n;

	memmove(s->block, s->block + s->at, left);
	s->at = 0;
	s->len = left;
	n = util_read_full(s->fd, s->block + left, BLOCK_BYTES - left);
	if (n < 0)
		return (int)n;
	s->eof = (size_t)n < BLOCK_BYTES - left;
	s->len += (size_t)n;
	return 0;
}

/* The next whole record in the block, or NULL: with s->ended, s->bad, or the end of the file without a mark. */
static const struct edr_hdr *next_record(struct source *s)
{
	const struct edr_hdr *rec;
	size_t left;

	if (s->len - s->at < EDR_RECORD_MAX + 8 && !s->eof && refill(s)) {
		s->bad = true;
		return NULL;
	}
	left = s->len - s->at;
	rec = (const struct edr_hdr *)(const void *)(s->block + s->at);
	if (left < sizeof(*rec)) {
		s->bad = true; /* no mark: the recording was cut */
		return NULL;
	}
	if (rec->type == CAPTURE_END_TYPE && rec->len == sizeof(*rec)) {
		s->ended = true;
		s->totals.capture_end = rec->flags;
		return NULL;
	}
	if (rec->len < sizeof(*rec) || rec->len > EDR_RECORD_MAX || capture_padded(rec) > left) {
		s->bad =
			true; /* the chain of lengths is broken: nothing behind can be told apart */
		return NULL;
	}
	s->at += capture_padded(rec);
	s->taken += capture_padded(rec);
	return rec;
}

static int replay_pump(struct source *s, int timeout_ms, source_record_fn fn, void *ctx)
{
	const struct edr_hdr *rec;
	int n = 0;

	(void)timeout_ms;
	while (n < ROUND && !s->ended && !s->bad && (rec = next_record(s))) {
		if (wire_check(rec, rec->len)) {
			s->totals.invalid++;
			continue;
		}
		s->totals.delivered[rec->type]++;
		fn(ctx, rec);
		n++;
	}
	if (n)
		return n;
	return s->bad ? -EBADMSG : s->ended ? -ENODATA : 0;
}

static int replay_drain(struct source *s, source_record_fn fn, void *ctx)
{
	(void)s;
	(void)fn;
	(void)ctx;
	return 0;
}

static int replay_totals(struct source *s, struct source_totals *out)
{
	*out = s->totals;
	return 0;
}

static double replay_progress(struct source *s)
{
	return s->size ? (double)s->taken / (double)s->size : -1;
}

const struct source_ops source_replay = {
	.name = "replay",
	.open = replay_open,
	.pump = replay_pump,
	.drain = replay_drain,
	.totals = replay_totals,
	.progress = replay_progress,
	.close = replay_close,
};
