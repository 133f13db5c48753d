/* SPDX-License-Identifier: MIT */
/*
 * Reads a BPF ring buffer (kernel/bpf/ringbuf.c, BPF_MAP_TYPE_RINGBUF). libbpf's own reader maps the
 * data twice, one behind the other, so that no record is in two pieces: each page of a ring counts
 * twice in the process's memory. This one maps it once and copies the one record in a lap that wraps.
 * It also tells an empty ring from one whose next record is still being written.
 */
#ifndef EDR_SOURCE_RING_H
#define EDR_SOURCE_RING_H

#include <stdbool.h>
#include <stddef.h>

enum ring_end {
	RING_EMPTY,   /* all records were taken */
	RING_BUSY,    /* the next one is being written: nothing behind it can be read yet */
	RING_STOPPED, /* fn had enough */
};

/* A record, 8-byte aligned, valid during the call. False: no more; this one is taken. */
typedef bool (*ring_fn)(void *ctx, const void *data, size_t len);

struct ring_reader {
	const char *data; /* bytes of them, a power of two */
	size_t bytes;
	unsigned long *consumer;
	const unsigned long *producer;
	char *wrapped; /* the record that is in two pieces; max_record bytes */
	size_t max_record;
	unsigned long long oversize; /* records longer than that; left out */
};

/* 0 or -errno. bytes: the map's max_entries. */
int ring_open(struct ring_reader *r, int map_fd, size_t bytes, size_t max_record);
void ring_close(struct ring_reader *r); /* safe on a zeroed one */

enum ring_end ring_take(struct ring_reader *r, ring_fn fn, void *ctx);

#endif
