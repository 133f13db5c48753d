// SPDX-License-Identifier: MIT
/*
 * The ftrace source where `trace_path` names a pipe: its text, with what /proc says right after. For a host whose tracefs we
 * may not write to: somebody else switches sched_process_exec, _fork and _exit on there. Nothing is changed, nothing made.
 *
 * tracefs gives a reader that asks for one byte the first byte of ONE record, and in the next read the rest of that
 * record and no more (tracing_read_pipe() stops when it has enough, and hands out what is left first; 5.10 to 7.3).
 * So the kernel itself says where a record ends, and no name can. Any other file is a copy, which does not say it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "source/cgroup.h"
#include "source/clock.h"
#include "source/ftrace_record.h"
#include "source/host.h"
#include "source/source.h"
#include "source/stream.h"
#include "source/trace_text.h"

#define READ_BYTES (256U << 10) /* more than a record can have: struct trace_seq is two pages */
#define ROUND 4096		/* reads a pump */
#define DRAIN_ROUNDS 256	/* at the end; somebody may write faster than we read */
#define NAP_MS 150
#define GUESS_NS 10000000ULL /* so much may our guess at the time of an event be late */

/* What the translation reads of an event, laid out as one of ftrace's: no field lies below 8. */
struct raw {
	edr_u32 common[2];
	edr_u32 name; /* place of the file name, as __data_loc has it */
	edr_u32 id, old_id;
	edr_u32 group_dead;
	edr_comm comm;
	char filename[EDR_PATH_MAX + 128];
};

struct item {
	const struct ft_format *format;
	edr_u64 time_ns;
	edr_u32 cpu, tid;
	edr_u32 raw_size, snapshot_size; /* multiples of 8 */
};

struct source {
	int fd;
	bool framed;	 /* tracefs: one record at a time */
	bool boot_clock; /* the pipe's clock is ours */
	bool pollable, started;
	char *path, *agent, *data;
	struct trace_text text;
	struct ft_translate translate;
	int proc, cgroup;
	struct buf queue; /* items, each with its raw event and snapshot behind it */
	struct source_stream stream;
	edr_u64 refused[TRACE_TEXT_KINDS]; /* of text.refused, what has been counted */
	edr_s64 offset_ns;		   /* boot time minus the pipe's, as far as is known */
	bool offset_known;
};

#define AT(member)                                                                             \
	{                                                                                      \
		.off = offsetof(struct raw, member), .size = sizeof(((struct raw *)0)->member) \
	}
static const struct ft_format exec_format = {
	.kind = FT_EXEC,
	.field = { [FT_EXEC_FILENAME] = { .off = offsetof(struct raw, name),
					  .size = 4,
					  .dynamic = true },
		   [FT_EXEC_PID] = AT(id),
		   [FT_EXEC_OLD_PID] = AT(old_id) },
};
static const struct ft_format fork_format = {
	.kind = FT_FORK,
	.field = { [FT_FORK_CHILD_COMM] = AT(comm), [FT_FORK_CHILD_PID] = AT(id) },
};
static const struct ft_format exit_format = {
	.kind = FT_EXIT,
	.field = { [FT_EXIT_COMM] = AT(comm),
		   [FT_EXIT_PID] = AT(id),
		   [FT_EXIT_GROUP_DEAD] = AT(group_dead) },
};
static const struct ft_format old_exit_format = {
	.kind = FT_EXIT,
	.field = { [FT_EXIT_COMM] = AT(comm), [FT_EXIT_PID] = AT(id) },
};

static const struct ft_format *format_of(const struct trace_text_event *ev)
{
	if (ev->kind == TRACE_TEXT_EXEC)
		return &exec_format;
	if (ev->kind == TRACE_TEXT_FORK)
		return &fork_format;
	return ev->group_known ? &exit_format : &old_exit_format;
}

static void lose(struct source *s, unsigned type, edr_u64 n)
{
	s->translate.count[type].produced += n;
	s->translate.count[type].dropped += n;
}

/* What was refused counts as lost, by what it claims to be; what claims nothing, as exec: the worst that it can have been. */
static void count_refused(struct source *s)
{
	static const unsigned types[TRACE_TEXT_KINDS] = {
		[TRACE_TEXT_OTHER] = EDR_EXEC, [TRACE_TEXT_EXEC] = EDR_EXEC,
		[TRACE_TEXT_FORK] = EDR_FORK,  [TRACE_TEXT_EXIT] = EDR_EXIT,
		[TRACE_TEXT_LOST] = EDR_EXEC,
	};

	for (int kind = 0; kind < TRACE_TEXT_KINDS; kind++) {
		lose(s, types[kind], s->text.refused[kind] - s->refused[kind]);
		s->refused[kind] = s->text.refused[kind];
	}
}

/* By another clock than ours, an event happened at the latest when it is read: the least that we were behind is the guess. */
static edr_u64 boot_time(struct source *s, edr_u64 pipe_ns)
{
	const edr_s64 offset = (edr_s64)(source_boot_ns() - pipe_ns);

	if (s->boot_clock)
		return pipe_ns;
	if (!s->offset_known || offset < s->offset_ns)
		s->offset_ns = offset;
	s->offset_known = true;
	return pipe_ns + (edr_u64)s->offset_ns;
}

static size_t make_raw(struct raw *raw, const struct trace_text_event *ev)
{
	const size_t at = offsetof(struct raw, filename);

	memset(raw, 0, at);
	raw->id = ev->kind == TRACE_TEXT_FORK ? ev->child : ev->tid;
	raw->old_id = ev->old_tid ? ev->old_tid : ev->tid;
	raw->group_dead = ev->group_dead;
	ft_copy_comm(raw->comm, ev->comm);
	if (ev->filename.len >= sizeof(raw->filename) - 8)
		return 0;
	raw->name = (edr_u32)(at | ev->filename.len << 16);
	memcpy(raw->filename, ev->filename.data, ev->filename.len);
	memset(raw->filename + ev->filename.len, 0, 8);
	return (at + ev->filename.len + 7) & ~(size_t)7;
}

/* Whoever has not been seen to begin is asked for in /proc at once: it may be gone in a moment. */
static void on_text(void *ctx, const struct trace_text_event *ev)
{
	struct source *s = ctx;
	struct item item = { .format = format_of(ev), .cpu = ev->cpu, .tid = ev->tid };
	const size_t at = s->queue.len;
	size_t snapshot_at;
	struct raw raw;

	if (ev->kind == TRACE_TEXT_LOST) {
		lose(s, EDR_EXEC, ev->lost ? ev->lost : 1);
		return;
	}
	item.time_ns = boot_time(s, ev->time_ns);
	item.raw_size = (edr_u32)make_raw(&raw, ev);
	buf_add(&s->queue, &item, sizeof(item));
	buf_add(&s->queue, &raw, item.raw_size);
	snapshot_at = s->queue.len;
	if (ev->kind == TRACE_TEXT_EXEC && ev->tid != s->translate.self) {
		ft_translate_note_exec(&s->translate, ev->tid, item.time_ns);
		/* Our guess at the time is late: another exec may have been before this look. */
		ft_proc_snapshot(s->proc, s->cgroup, ev->tid,
				 source_boot_ns() + (s->boot_clock ? 0 : GUESS_NS), &s->queue);
	}
	if (buf_failed(&s->queue)) {
		s->text.refused[ev->kind]++;
		s->queue.len = at;
		return;
	}
	item.snapshot_size = (edr_u32)(s->queue.len - snapshot_at);
	memcpy(s->queue.data + at, &item, sizeof(item));
}

static void translate(struct source *s)
{
	size_t at = 0;

	while (at < s->queue.len) {
		const struct item *item = (const void *)(s->queue.data + at);
		const unsigned char *raw = (const void *)(item + 1);
		struct ft_event e = { .format = item->format,
				      .time_ns = item->time_ns,
				      .cpu = item->cpu,
				      .tid = item->tid,
				      .data = raw,
				      .size = item->raw_size };

		if (e.time_ns < s->stream.last_ns)
			e.time_ns = s->stream.last_ns;
		ft_translate(&s->translate, &e,
			     item->snapshot_size ? (const void *)(raw + item->raw_size) : NULL);
		at += sizeof(*item) + item->raw_size + item->snapshot_size;
	}
	buf_clear(&s->queue);
}

static void tell_losses(struct source *s)
{
	count_refused(s);
	memcpy(s->stream.totals.count, s->translate.count, sizeof(s->stream.totals.count));
	stream_losses(&s->stream);
}

static void say(struct buf *out, const char *sentence)
{
	buf_add(out, sentence, strlen(sentence) + 1);
}

static void tell_host(struct source *s)
{
	struct buf degraded = { 0 };

	buf_addf(&degraded,
		 "trace_path: the text of %s is read, and with it taken from others who read there",
		 s->path);
	buf_addc(&degraded, '\0');
	say(&degraded, "text: only execs, forks and exits are seen, and only while somebody has "
		       "switched sched_process_exec, sched_process_fork and sched_process_exit on");
	say(&degraded,
	    "text: arguments, ids and the executable come from /proc after the event, and "
	    "are missing when the process was gone");
	if (!s->framed)
		say(&degraded,
		    "text: a copy of a trace_pipe does not show where a record ends: what "
		    "a file name can have forged is refused and counted as dropped, and "
		    "file names are not believed");
	stream_clock(&s->stream, source_boot_ns(), EDR_CLOCK_START);
	source_emit_host(&s->stream.scratch, "ftrace", "text", &degraded, s->agent, stream_put,
			 &s->stream);
	buf_free(&degraded);
	s->started = true;
}

static size_t hand_out(struct source *s)
{
	struct buf *out = &s->translate.out;
	size_t at = 0, n = 0;

	tell_losses(s);
	while (at + sizeof(struct edr_hdr) <= out->len) {
		struct edr_hdr *rec = (void *)(out->data + at);

		rec->flags |= EDR_F_UNTRUSTED_TEXT;
		stream_put(&s->stream, rec);
		at += rec->len;
		n++;
	}
	buf_clear(out);
	return n;
}

/* One record, or 0: there is none now. */
static ssize_t read_frame(struct source *s)
{
	ssize_t n = read(s->fd, s->data, 1), more = 0, last;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (s->data[0] != '\n') {
		more = read(s->fd, s->data + 1, READ_BYTES - 1);
		more = more < 0 ? 0 : more;
	}
	/* Longer than any record is: what follows is not the beginning of one. */
	for (last = more; last == READ_BYTES - 1;)
		last = read(s->fd, s->data + 1, READ_BYTES - 1);
	if (more == READ_BYTES - 1)
		s->text.refused[TRACE_TEXT_OTHER]++;
	else
		trace_text_frame(&s->text, s->data, (size_t)(1 + more));
	return 1;
}

static ssize_t read_piece(struct source *s)
{
	ssize_t n = read(s->fd, s->data, READ_BYTES);

	if (n > 0)
		trace_text_stream(&s->text, s->data, (size_t)n);
	return n < 0 ? -errno : n;
}

/* 0: all is read for now; 1: there may be more; -errno. */
static int take_round(struct source *s)
{
	const unsigned rounds = s->framed ? ROUND : ROUND / 256;
	ssize_t n = 1;

	for (unsigned i = 0; i < rounds && n > 0; i++)
		n = s->framed ? read_frame(s) : read_piece(s);
	translate(s);
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	return n > 0 ? 1 : (int)n;
}

static int wait_text(struct source *s, int timeout_ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	if (timeout_ms < 0 || timeout_ms > NAP_MS)
		timeout_ms = NAP_MS;
	return poll(&p, s->pollable, timeout_ms) < 0 ? -errno : 0;
}

static int text_pump(struct source *s, int timeout_ms, source_record_fn fn, void *ctx)
{
	edr_u64 now;
	size_t n;
	int e;

	stream_to(&s->stream, fn, ctx);
	if (!s->started)
		tell_host(s);
	e = wait_text(s, timeout_ms);
	if (e < 0)
		return e;
	now = source_boot_ns();
	e = take_round(s);
	n = hand_out(s);
	/* With more to read, all is known only up to what has been read. */
	if (stream_tick_due(&s->stream, now)) {
		stream_tick(&s->stream, now,
			    e > 0 || now < s->stream.last_ns ? s->stream.last_ns : now);
		s->offset_known = false; /* a suspended host has moved the clocks apart */
	}
	return e < 0 ? e : (int)n;
}

static int text_drain(struct source *s, source_record_fn fn, void *ctx)
{
	int rounds = DRAIN_ROUNDS;

	stream_to(&s->stream, fn, ctx);
	if (!s->started)
		tell_host(s);
	while (take_round(s) > 0 && --rounds)
		hand_out(s);
	hand_out(s);
	stream_clock(&s->stream, source_boot_ns(), EDR_CLOCK_STOP);
	return 0;
}

static int text_totals(struct source *s, struct source_totals *out)
{
	count_refused(s);
	memcpy(s->stream.totals.count, s->translate.count, sizeof(s->stream.totals.count));
	*out = s->stream.totals;
	return 0;
}

static void text_close(struct source *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (s->proc >= 0)
		close(s->proc);
	if (s->cgroup >= 0)
		close(s->cgroup);
	trace_text_free(&s->text);
	ft_translate_free(&s->translate);
	buf_free(&s->queue);
	stream_free(&s->stream);
	free(s->path);
	free(s->agent);
	free(s->data);
	free(s);
}

/* trace_clock beside the pipe, or two folders up (per_cpu/cpu0/trace_pipe), has the clock in brackets. */
static bool has_boot_clock(const char *path)
{
	static const char *const beside[] = { "trace_clock", "../../trace_clock" };
	const char *slash = strrchr(path, '/');
	char name[PATH_MAX], text[512];
	ssize_t n = -1;

	for (size_t i = 0; slash && n < 0 && i < sizeof(beside) / sizeof(beside[0]); i++) {
		int fd;

		snprintf(name, sizeof(name), "%.*s/%s", (int)(slash - path), path, beside[i]);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, text, sizeof(text) - 1);
			close(fd);
		}
	}
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "[boot]") != NULL;
}

/* Which reads give one record is known of tracefs's own trace_pipe alone. */
static int look_at_file(struct source *s, char *err, size_t err_size)
{
	const char *slash = strrchr(s->path, '/');
	struct statfs fs;
	struct stat st;

	if (fstat(s->fd, &st) || fstatfs(s->fd, &fs) || S_ISDIR(st.st_mode)) {
		snprintf(err, err_size, "trace_path: %s is nothing that text can be read from",
			 s->path);
		return SOURCE_BAD_CONFIG;
	}
	s->framed = fs.f_type == TRACEFS_MAGIC;
	s->pollable = !S_ISREG(st.st_mode) || s->framed;
	if (s->framed && strcmp(slash ? slash + 1 : s->path, "trace_pipe") != 0) {
		snprintf(err, err_size,
			 "trace_path: of tracefs only a trace_pipe can be read, %s is none",
			 s->path);
		return SOURCE_BAD_CONFIG;
	}
	s->boot_clock = s->framed && has_boot_clock(s->path);
	trace_text_init(&s->text, S_ISREG(st.st_mode), on_text, s);
	return 0;
}

static int open_file(struct source *s, const char *path, char *err, size_t err_size)
{
	struct stat st;
	int flags = O_RDONLY;

	/* A FIFO that we may write to has always a writer, and never ends. */
	if (stat(path, &st) == 0 && S_ISFIFO(st.st_mode) && access(path, W_OK) == 0)
		flags = O_RDWR;
	s->fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (s->fd < 0) {
		const int e = -errno;

		snprintf(err, err_size, "trace_path: %s: %s%s", path, strerror(-e),
			 e == -EBUSY ? ", somebody else reads it" : "");
		return e;
	}
	s->path = realpath(path, NULL);
	return s->path ? look_at_file(s, err, err_size) : -ENOMEM;
}

static int text_open(struct source **out, const struct source_config *cfg, char *err,
		     size_t err_size)
{
	struct source *s = calloc(1, sizeof(*s));
	int e = -ENOMEM;
	bool part;

	*out = NULL;
	snprintf(err, err_size, "no memory");
	if (!s)
		return e;
	s->fd = s->proc = s->cgroup = -1;
	ft_translate_init(&s->translate, cfg, -1, source_self_tgid(), ft_max_tasks(cfg));
	s->agent = strdup(cfg->agent ? cfg->agent : "");
	s->data = malloc(READ_BYTES);
	if (s->agent && s->data)
		e = open_file(s, cfg->trace_path, err, err_size);
	if (e) {
		text_close(s);
		return e;
	}
	if (source_in_initial_pid_ns())
		s->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->translate.tasks.proc = s->proc;
	s->cgroup = cgroup_open_root(&part);
	*out = s;
	return 0;
}

const struct source_ops source_trace_text = {
	.name = "ftrace",
	.open = text_open,
	.pump = text_pump,
	.drain = text_drain,
	.totals = text_totals,
	.close = text_close,
};
