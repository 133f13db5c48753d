// SPDX-License-Identifier: MIT
#include "source/ftrace_pages.h"

#include <errno.h>
#include <kbuffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMIT_MASK 0x7ffffffu /* linux/ring_buffer.c: above it are the marks of missed events */
#define SPARE 64 /* zeros behind a page, for whoever looks at the next event's head too soon */

int ft_cpu_init(struct ft_cpu *c, unsigned cpu, size_t page_size)
{
	memset(c, 0, sizeof(*c));
	c->cpu = cpu;
	c->pipe = c->stats = -1;
	c->page_size = page_size;
	c->page = calloc(1, page_size + SPARE);
	c->kbuffer = kbuffer_alloc(KBUFFER_LSIZE_SAME_AS_HOST, KBUFFER_ENDIAN_SAME_AS_HOST);
	if (c->page && c->kbuffer)
		return 0;
	ft_cpu_close(c);
	return -ENOMEM;
}

void ft_cpu_close(struct ft_cpu *c)
{
	if (c->pipe >= 0)
		close(c->pipe);
	if (c->stats >= 0)
		close(c->stats);
	if (c->kbuffer)
		kbuffer_free(c->kbuffer);
	free(c->page);
	memset(c, 0, sizeof(*c));
	c->pipe = c->stats = -1;
}

/* The page must not claim more than was read. */
static bool fits(const struct ft_cpu *c, size_t len)
{
	const size_t head = sizeof(edr_u64) + sizeof(long);
	unsigned long commit;

	if (len < head)
		return false;
	memcpy(&commit, c->page + sizeof(edr_u64), sizeof(commit));
	return (commit & COMMIT_MASK) <= len - head;
}

static void begin(struct ft_cpu *c, size_t len)
{
	memset(c->page + len, 0, c->page_size + SPARE - len);
	c->read_bytes += len;
	c->loaded = fits(c, len) && kbuffer_load_subbuffer(c->kbuffer, c->page) == 0;
	c->damaged += !c->loaded;
}

void ft_cpu_load(struct ft_cpu *c, const void *page, size_t len)
{
	if (len > c->page_size)
		len = c->page_size;
	memcpy(c->page, page, len);
	begin(c, len);
}

static int read_page(struct ft_cpu *c)
{
	ssize_t n = c->pipe < 0 ? 0 : read(c->pipe, c->page, c->page_size);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return 0;
	begin(c, (size_t)n);
	return 1;
}

/* An event of the page at hand; false at its end. */
static bool take(struct ft_cpu *c, const void **data, size_t *size, edr_u64 *time_ns)
{
	unsigned long long ts = 0;
	unsigned char *at = kbuffer_read_event(c->kbuffer, &ts);
	int len = at ? kbuffer_event_size(c->kbuffer) : 0;

	if (!at)
		return false;
	if (len < 0 || at < c->page || at > c->page + c->page_size ||
	    (size_t)len > (size_t)(c->page + c->page_size - at)) {
		c->damaged++;
		return false;
	}
	*data = at;
	*size = (size_t)len;
	*time_ns = ts;
	kbuffer_next_event(c->kbuffer, NULL);
	return true;
}

int ft_cpu_next(struct ft_cpu *c, const void **data, size_t *size, edr_u64 *time_ns)
{
	int n;

	for (;;) {
		if (c->loaded && take(c, data, size, time_ns)) {
			c->last_ns = *time_ns;
			c->taken++;
			return 1;
		}
		c->loaded = false;
		n = read_page(c);
		if (n <= 0)
			return n;
	}
}

/* At the start of a line: "overrun" is also the end of "commit overrun". */
static edr_u64 stat_of(const char *stats, const char *name)
{
	char line[32];
	const char *at;

	snprintf(line, sizeof(line), "\n%s: ", name);
	at = strstr(stats, line);
	return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}

/*
 * The kernel's count of what was read may differ from ours a little, never by what a cleared buffer
 * had.
 */
static bool was_cleared(const struct ft_cpu *c, edr_u64 dropped, edr_u64 read_off)
{
	return dropped < c->dropped || read_off < c->read_off ||
	       (!c->loaded && read_off + c->taken / 8 < c->taken);
}

int ft_cpu_count_lost(struct ft_cpu *c, const char *stats)
{
	const edr_u64 dropped = stat_of(stats, "overrun") + stat_of(stats, "commit overrun") +
				stat_of(stats, "dropped events");
	const edr_u64 read_off = stat_of(stats, "read events");
	edr_u64 lost = dropped;

	if (was_cleared(c, dropped, read_off))
		return -ESTALE;
	c->dropped = dropped;
	c->read_off = read_off;
	if (read_off > c->taken && !c->loaded)
		lost += read_off - c->taken;
	if (lost > c->lost)
		c->lost = lost;
	return 0;
}

int ft_cpu_read_lost(struct ft_cpu *c)
{
	char text[1024];
	ssize_t n = c->stats < 0 ? -1 : pread(c->stats, text, sizeof(text) - 1, 0);

	if (n < 0)
		return c->stats < 0 ? -EBADF : -errno;
	text[n] = '\0';
	return ft_cpu_count_lost(c, text);
}
