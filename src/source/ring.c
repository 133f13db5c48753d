/* SPDX-License-Identifier: MIT */
#include "source/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* How much is taken before the kernel is told: its cache line is the producers' too. */
#define RELEASE_BYTES 16384

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int ring_open(struct ring_reader *r, int map_fd, size_t bytes, size_t max_record)
{
	const size_t page = page_bytes();
	void *consumer, *producer;

	memset(r, 0, sizeof(*r));
	r->wrapped = malloc(max_record);
	if (!r->wrapped)
		return -ENOMEM;
	/* One page with the consumer's position; one with the producer's, and the data behind it. */
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	producer = mmap(NULL, page + bytes, PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (consumer != MAP_FAILED)
		r->consumer = consumer;
	if (producer != MAP_FAILED) {
		r->producer = producer;
		r->data = (const char *)producer + page;
	}
	r->bytes = bytes;
	r->max_record = max_record;
	if (r->consumer && r->producer)
		return 0;
	ring_close(r);
	return -ENOMEM;
}

void ring_close(struct ring_reader *r)
{
	if (r->consumer)
		munmap(r->consumer, page_bytes());
	if (r->producer)
		munmap((void *)r->producer, page_bytes() + r->bytes);
	free(r->wrapped);
	memset(r, 0, sizeof(*r));
}

/* The record that begins at that offset; NULL when it is longer than any of ours. */
static const void *whole(struct ring_reader *r, size_t at, size_t len)
{
	const size_t first = r->bytes - at;

	if (len > r->max_record || !r->data) {
		r->oversize++;
		return NULL;
	}
	if (len <= first)
		return r->data + at;
	memcpy(r->wrapped, r->data + at, first);
	memcpy(r->wrapped + first, r->data, len - first);
	return r->wrapped;
}

enum ring_end ring_take(struct ring_reader *r, ring_fn fn, void *ctx)
{
	const size_t mask = r->bytes - 1;
	unsigned long from = __atomic_load_n(r->consumer, __ATOMIC_RELAXED), told = from;
	enum ring_end end = RING_EMPTY;

	while (end == RING_EMPTY && from < __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) {
		/* A header is 8 bytes at a multiple of 8: it never wraps. */
		const void *header = r->data + (from & mask);
		const unsigned len = __atomic_load_n((const unsigned *)header, __ATOMIC_ACQUIRE);
		const size_t size = len & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		const void *record;

		if (len & BPF_RINGBUF_BUSY_BIT) {
			end = RING_BUSY;
			break;
		}
		record = len & BPF_RINGBUF_DISCARD_BIT
				 ? NULL
				 : whole(r, (from + BPF_RINGBUF_HDR_SZ) & mask, size);
		if (record && !fn(ctx, record, size))
			end = RING_STOPPED;
		from += (size + BPF_RINGBUF_HDR_SZ + 7) & ~7UL;
		if (from - told >= RELEASE_BYTES) {
			__atomic_store_n(r->consumer, from, __ATOMIC_RELEASE);
			told = from;
		}
	}
	if (from != told)
		__atomic_store_n(r->consumer, from, __ATOMIC_RELEASE);
	return end;
}
