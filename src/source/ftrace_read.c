// SPDX-License-Identifier: MIT
#include "source/ftrace_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "source/clock.h"
#include "util/log.h"

#define BATCH_BYTES (4U << 20) /* where nobody says otherwise */
#define BATCH_LEAST (256U << 10)
#define ONLINE "/sys/devices/system/cpu/online"
#define POSSIBLE "/sys/devices/system/cpu/possible"

static bool is_online(const char *list, unsigned cpu)
{
	unsigned long first, last;
	const char *at = list;
	char *end;

	while (*at >= '0' && *at <= '9') {
		first = last = strtoul(at, &end, 10);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (cpu >= first && cpu <= last)
			return true;
		at = *end == ',' ? end + 1 : end;
	}
	return false;
}

static int open_cpu(struct ft_reader *r, struct ft_cpu *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = c } };
	char path[64];
	int e;

	snprintf(path, sizeof(path), "per_cpu/cpu%u/stats", c->cpu);
	c->stats = openat(r->fs->dir[c->instance], path, O_RDONLY | O_CLOEXEC);
	if (c->stats < 0)
		return -errno;
	snprintf(path, sizeof(path), "per_cpu/cpu%u/trace_pipe_raw", c->cpu);
	c->pipe = openat(r->fs->dir[c->instance], path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (c->pipe >= 0 && !epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->pipe, &ev))
		return 0;
	e = -errno;
	if (c->pipe >= 0)
		close(c->pipe);
	close(c->stats);
	c->pipe = c->stats = -1;
	return e;
}

int ft_reader_cpus(struct ft_reader *r)
{
	struct buf list = { 0 };
	unsigned i;
	int e = ft_fs_read(AT_FDCWD, ONLINE, &list);

	for (i = 0; i < r->n_cpus && !e; i++) {
		if (r->cpus[i].pipe < 0 && is_online(list.data ? list.data : "", r->cpus[i].cpu))
			e = open_cpu(r, &r->cpus[i]);
	}
	buf_free(&list);
	return e;
}

unsigned ft_cpus_of(const char *list)
{
	const char *at = list + strlen(list);

	while (at > list && strchr("\n0123456789", at[-1]))
		at--;
	return *at ? (unsigned)strtoul(at, NULL, 10) + 1 : 0;
}

/* Their numbers may have holes: more than there are. */
static unsigned possible_cpus(void)
{
	const unsigned least = (unsigned)get_nprocs_conf();
	struct buf list = { 0 };
	unsigned n = 0;

	if (!ft_fs_read(AT_FDCWD, POSSIBLE, &list) && list.data)
		n = ft_cpus_of(list.data);
	buf_free(&list);
	return n > least ? n : least;
}

int ft_reader_open(struct ft_reader *r, const struct ft_fs *fs, size_t page_size,
		   size_t batch_bytes)
{
	const unsigned n = possible_cpus();
	unsigned i;
	int e;

	r->fs = fs;
	if (!batch_bytes)
		batch_bytes = BATCH_BYTES;
	if (batch_bytes < BATCH_LEAST)
		batch_bytes = BATCH_LEAST;
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return -errno;
	r->cpus = calloc((size_t)n * FT_INSTANCES, sizeof(*r->cpus));
	e = r->cpus ? batch_init(&r->batch, batch_bytes) : -ENOMEM;
	for (i = 0; i < n * FT_INSTANCES && !e; i++) {
		e = ft_cpu_init(&r->cpus[i], i % n, page_size);
		r->cpus[i].instance = i / n;
		r->n_cpus += !e;
	}
	return e ? e : ft_reader_cpus(r);
}

void ft_reader_close(struct ft_reader *r)
{
	unsigned i;

	for (i = 0; i < r->n_cpus; i++)
		ft_cpu_close(&r->cpus[i]);
	free(r->cpus);
	if (r->epoll >= 0)
		close(r->epoll);
	if (r->cgroup >= 0)
		close(r->cgroup);
	if (r->proc >= 0)
		close(r->proc);
	batch_free(&r->batch);
	buf_free(&r->scratch);
	r->cpus = NULL;
	r->n_cpus = 0;
	r->epoll = r->proc = r->cgroup = -1;
}

static void pad(struct buf *b)
{
	static const char zeros[8];

	buf_add(b, zeros, (8 - b->len % 8) % 8);
}

/* What /proc has of a new program is asked for at once: it may be gone in a moment. */
static void put_item(struct ft_reader *r, const struct ft_event *e)
{
	struct ft_item item = { .hdr = { .time_ns = e->time_ns, .cpu = e->cpu },
				.raw_size = (edr_u32)e->size };
	struct buf *b = &r->scratch;
	size_t at;

	buf_clear(b);
	buf_add(b, &item, sizeof(item));
	buf_add(b, e->data, e->size);
	pad(b);
	at = b->len;
	if (e->format->kind == FT_EXEC && e->tid != r->translate->self) {
		ft_translate_note_exec(r->translate, e->tid, e->time_ns);
		ft_proc_snapshot(r->proc, r->cgroup, e->tid, source_boot_ns(), b);
	}
	if (b->failed || b->len > EDR_RECORD_MAX) {
		ft_translate_lost(r->translate, e->format->kind);
		return;
	}
	item.snapshot_size = (edr_u32)(b->len - at);
	item.hdr.len = (edr_u32)b->len;
	memcpy(b->data, &item, sizeof(item));
	batch_add(&r->batch, (const struct edr_hdr *)(const void *)b->data);
}

static bool is_half_full(const struct ft_reader *r)
{
	return r->batch.len >= r->batch.cap / 2;
}

/* How far the least far of the others has been read, settled_ns at most. */
static edr_u64 least_of_others(const struct ft_reader *r, const struct ft_cpu *c,
			       edr_u64 settled_ns)
{
	edr_u64 least = settled_ns;
	unsigned i;

	for (i = 0; i < r->n_cpus; i++) {
		const struct ft_cpu *other = &r->cpus[i];

		if (other != c && other->pipe >= 0 && !other->drained && other->last_ns < least)
			least = other->last_ns;
	}
	return least;
}

/* A page of that CPU, or what there is room for; of what is newer than settled_ns half a batch. False when the batch is full. */
static bool read_cpu(struct ft_reader *r, struct ft_cpu *c, edr_u64 settled_ns, int *error)
{
	struct ft_event e = { .cpu = c->cpu };
	const edr_u64 before = source_boot_ns(), others_ns = least_of_others(r, c, settled_ns);
	const void *data;
	size_t size;
	int n;

	do {
		if (!batch_has_room(&r->batch))
			return false;
		n = ft_cpu_next(c, &data, &size, &e.time_ns);
		if (n == 1 && ft_event_parse(r->formats, data, size, &e))
			put_item(r, &e);
	} while (n == 1 && c->loaded && (c->last_ns <= others_ns || !is_half_full(r)));
	if (n < 0)
		*error = n;
	c->drained = n <= 0;
	c->complete_ns = c->drained ? before : c->last_ns;
	return true;
}

static struct ft_cpu *least_far(struct ft_reader *r)
{
	struct ft_cpu *found = NULL;
	unsigned i;

	for (i = 0; i < r->n_cpus; i++) {
		struct ft_cpu *c = &r->cpus[i];

		if (c->pipe >= 0 && !c->drained && (!found || c->last_ns < found->last_ns))
			found = c;
	}
	return found;
}

edr_u64 ft_reader_gather(struct ft_reader *r, edr_u64 slack_ns, int *error)
{
	edr_u64 complete = source_boot_ns() - slack_ns;
	struct ft_cpu *c;
	unsigned i;

	for (i = 0; i < r->n_cpus; i++) {
		r->cpus[i].drained = false;
		r->cpus[i].read_bytes = 0;
	}
	*error = 0;
	/* What is too new would only wait here: with a full batch no buffer could be looked into, and all would stand still. */
	while ((c = least_far(r)) && !(is_half_full(r) && c->last_ns > complete) &&
	       read_cpu(r, c, complete, error))
		;
	r->drained = true;
	r->fill = 0;
	for (i = 0; i < r->n_cpus; i++) {
		c = &r->cpus[i];
		if (c->read_bytes > r->fill)
			r->fill = c->read_bytes;
		if (c->pipe < 0 || c->drained)
			continue;
		r->drained = false;
		if (c->last_ns < complete)
			complete = c->last_ns;
	}
	/* A buffer that this round had no room to look into counts as far as it was read last: long ago, if it is quiet. */
	if (complete > r->complete_ns)
		r->complete_ns = complete;
	return r->complete_ns;
}

static const struct ft_snapshot *snapshot_of(const struct ft_item *item)
{
	const char *raw = (const char *)(item + 1);

	if (!item->snapshot_size)
		return NULL;
	return (const void *)(raw + BATCH_ALIGN(item->raw_size));
}

edr_u64 ft_reader_settled(const struct ft_reader *r)
{
	edr_u64 until = r->complete_ns;
	size_t i;

	for (i = 0; i < r->batch.n; i++) {
		const struct batch_item *in = &r->batch.items[i];
		const struct ft_snapshot *s = snapshot_of((const void *)(r->batch.data + in->off));

		if (s && s->taken_ns > r->complete_ns && in->time_ns <= until)
			until = in->time_ns - 1;
	}
	return until;
}

static void translate_item(void *ctx, const struct edr_hdr *rec)
{
	struct ft_reader *r = ctx;
	const struct ft_item *item = (const void *)rec;
	const struct ft_snapshot *snapshot = snapshot_of(item);
	struct ft_event e = { .time_ns = rec->time_ns, .cpu = rec->cpu };

	/* Had to go before that was settled: nobody knows whose arguments these are. */
	if (snapshot && snapshot->taken_ns > r->complete_ns)
		snapshot = NULL;
	if (ft_event_parse(r->formats, item + 1, item->raw_size, &e))
		ft_translate(r->translate, &e, snapshot);
}

size_t ft_reader_deliver(struct ft_reader *r, edr_u64 until_ns)
{
	return batch_deliver(&r->batch, until_ns, translate_item, r);
}

size_t ft_reader_round(struct ft_reader *r, edr_u64 slack_ns, int *error)
{
	edr_u64 newest_ns;
	bool full;
	size_t n;

	ft_reader_gather(r, slack_ns, error);
	full = !r->drained && !batch_has_room(&r->batch);
	r->settled_ns = full ? r->complete_ns : ft_reader_settled(r);
	n = ft_reader_deliver(r, r->settled_ns);
	if (full)
		log_debug("source", "ftrace: the batch was full, %zu events", n);
	if (n || !full)
		return n;
	newest_ns = batch_newest(&r->batch);
	if (newest_ns > r->translate->disordered_ns)
		r->translate->disordered_ns = newest_ns;
	n = ft_reader_deliver(r, ~0ULL);
	log_debug("source", "ftrace: out of order, %zu events", n);
	return n;
}

int ft_reader_lost(struct ft_reader *r, edr_u64 lost[FT_INSTANCES])
{
	unsigned i;
	int e = 0, one;

	memset(lost, 0, sizeof(*lost) * FT_INSTANCES);
	for (i = 0; i < r->n_cpus; i++) {
		struct ft_cpu *c = &r->cpus[i];

		one = c->pipe >= 0 ? ft_cpu_read_lost(c) : 0;
		e = one ? one : e;
		lost[c->instance] += c->lost;
	}
	return e;
}

edr_u64 ft_reader_damaged(const struct ft_reader *r)
{
	edr_u64 n = 0;
	unsigned i;

	for (i = 0; i < r->n_cpus; i++)
		n += r->cpus[i].damaged;
	return n;
}
