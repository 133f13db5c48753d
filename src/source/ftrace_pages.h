/* SPDX-License-Identifier: MIT */
/*
 * The raw pages of one CPU's buffer (per_cpu/cpuN/trace_pipe_raw), read page by page and taken apart with libtraceevent's
 * kbuffer.
 */
#ifndef EDR_SOURCE_FTRACE_PAGES_H
#define EDR_SOURCE_FTRACE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"

struct kbuffer;

struct ft_cpu {
	unsigned cpu, instance;
	int pipe;  /* trace_pipe_raw, not blocking; -1: none */
	int stats; /* -1: none */
	struct kbuffer *kbuffer;
	unsigned char *page;
	size_t page_size;    /* of a sub-buffer, header included */
	bool loaded;	     /* a page is being taken apart */
	edr_u64 last_ns;     /* time of the last event taken off */
	edr_u64 complete_ns; /* nothing older can come any more */
	bool drained;
	edr_u64 lost;	  /* events, by the buffer's own counters; those that another reader took */
	edr_u64 dropped;  /* of them, by the counters */
	edr_u64 taken;	  /* events that we have read */
	edr_u64 read_off; /* that anybody has */
	edr_u64 read_bytes; /* since somebody has set it to 0 */
	edr_u64 damaged;    /* pages that make no sense */
};

/* 0 or -ENOMEM; no descriptor is open yet. */
int ft_cpu_init(struct ft_cpu *c, unsigned cpu, size_t page_size);
void ft_cpu_close(struct ft_cpu *c); /* safe on one that init has refused */

/* The next event: 1; 0: the buffer is empty for now; -errno of a read that failed. */
int ft_cpu_next(struct ft_cpu *c, const void **data, size_t *size, edr_u64 *time_ns);

/* Takes that page apart next, as if it had been read: for tests. len up to page_size. */
void ft_cpu_load(struct ft_cpu *c, const void *page, size_t len);

/*
 * Asks the buffer what it has lost so far; -errno; -ESTALE: it counts from the start again,
 * somebody has cleared it.
 */
int ft_cpu_read_lost(struct ft_cpu *c);
/* The same from the text of its `stats`, for tests. */
int ft_cpu_count_lost(struct ft_cpu *c, const char *stats);

#endif
