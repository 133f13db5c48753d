// SPDX-License-Identifier: MIT
/*
 * The ftrace source: an instance of its own in tracefs, its raw pages read in batches, sorted, translated. It tells losses
 * before the records that they count, and looks once a second whether all is still as it was set up.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "source/cgroup.h"
#include "source/clock.h"
#include "source/ftrace_fs.h"
#include "source/ftrace_misses.h"
#include "source/ftrace_probe.h"
#include "source/ftrace_read.h"
#include "source/ftrace_record.h"
#include "source/ftrace_switches.h"
#include "source/ftrace_watch.h"
#include "source/host.h"
#include "source/source.h"
#include "source/stream.h"
#include "util/log.h"

#define FIRST_GATHER_MS 50
#define GATHER_MS 100
#define HURRY_MS 10	     /* when a buffer was nearly an eighth full */
#define TOO_NEW_MS 1	     /* when half a batch is of events that older ones may follow */
#define SLACK_NS 10000000ULL /* an event may reach its buffer this much later than its time says */
#define SUBBUF_KB "16" /* pages of a buffer, where the kernel lets us choose: a longer event fits */
#define MIN_BUFFER_BYTES 65536
#define DRAIN_WAIT_US 20000
#define LATE_NS 2000000000ULL /* two ticks */

struct source {
	struct ft_fs fs;
	struct ft_formats *formats;
	struct ft_granted granted;
	struct ft_reader reader;
	struct ft_watch watch;
	struct ft_switches switches;
	struct ft_misses misses;
	struct ft_translate translate;
	struct source_stream stream;
	edr_u64 lost[FT_INSTANCES]; /* raw events, as told last */
	size_t buffer_bytes;	    /* of the smaller one, a CPU */
	bool lean, started, busy;
	bool behind; /* there is more to read at once */
	char *agent;
	edr_u64 sound_ns; /* when all was last seen to be as it must */
};

/*
 * The buffers count what they lose, not of what kind it was. In the one for execs each lost event
 * counts as an exec: that many were lost at most. In the other it counts as a syscall, an event
 * that this source never makes. -ESTALE: somebody has cleared one.
 */
static int read_losses(struct source *s)
{
	static const unsigned counted_as[FT_INSTANCES] = { EDR_EXEC, EDR_SYSCALL };
	edr_u64 lost[FT_INSTANCES], more;
	int i, e = ft_reader_lost(&s->reader, lost);

	for (i = 0; i < FT_INSTANCES; i++) {
		more = lost[i] > s->lost[i] ? lost[i] - s->lost[i] : 0;
		s->lost[i] += more;
		s->translate.count[counted_as[i]].produced += more;
		s->translate.count[counted_as[i]].dropped += more;
	}
	ft_misses_read(&s->misses, &s->fs, s->translate.count);
	return e;
}

static void tell_losses(struct source *s)
{
	memcpy(s->stream.totals.count, s->translate.count, sizeof(s->stream.totals.count));
	stream_losses(&s->stream);
}

static void tell_host(struct source *s)
{
	const struct source_config *cfg = &s->translate.cfg;
	static const char no_proc[] = "in a pid namespace of its own the agent cannot ask /proc, "
				      "and its own events are not left out";
	struct buf degraded = { 0 };

	buf_add(&degraded, cfg->refused, cfg->refused_len);
	ft_probe_degraded(&s->granted, cfg, &degraded);
	if (s->reader.proc < 0)
		buf_add(&degraded, no_proc, sizeof(no_proc));
	stream_clock(&s->stream, source_boot_ns(), EDR_CLOCK_START);
	source_emit_host(&s->stream.scratch, "ftrace", s->lean ? "lean" : "default", &degraded,
			 s->agent, stream_put, &s->stream);
	buf_free(&degraded);
	s->started = true;
}

/* What the translation has made, after what it counts. */
static void hand_out(struct source *s)
{
	struct buf *out = &s->translate.out;
	size_t at = 0;

	tell_losses(s);
	while (at + sizeof(struct edr_hdr) <= out->len) {
		const struct edr_hdr *rec = (const void *)(out->data + at);

		stream_put(&s->stream, rec);
		at += rec->len;
	}
	buf_clear(out);
}

/* What there is, up to the time where nothing older can come any more. */
static size_t take_round(struct source *s, int *error)
{
	const size_t n = ft_reader_round(&s->reader, SLACK_NS, error);

	hand_out(s);
	return n;
}

/* All that has been read, and what is under way as far as it is known. */
static void deliver_rest(struct source *s)
{
	ft_reader_deliver(&s->reader, ~0ULL);
	ft_translate_end(&s->translate, source_boot_ns());
	hand_out(s);
}

/* Somebody has taken it away, or a read failed: what is in the batch goes out, then it is for others to open it again. */
static int give_up(struct source *s, int error, const char *why)
{
	log_error("source", "%s", why);
	read_losses(s);
	deliver_rest(s);
	source_emit_blind(&s->stream.scratch, s->stream.last_ns, s->sound_ns, source_boot_ns(), why,
			  stream_put, &s->stream);
	return error;
}

/* Late, not blind: the buffers have kept what happened, and counted what they had no room for. */
static void tell_late(const struct source *s)
{
	const edr_u64 ns = source_boot_ns() - s->sound_ns;

	if (ns > LATE_NS)
		log_warn("source", "stood still for %.1f s: what happened then comes late",
			 (double)ns / 1e9);
}

static int check(struct source *s, int losses)
{
	char why[256] = "";
	int e = ft_fs_check(&s->fs, why, sizeof(why));

	e = e ? e : ft_watch_check(&s->watch, &s->fs, why, sizeof(why));
	e = e ? e : ft_switches_check(&s->switches, why, sizeof(why));
	if (!e && losses) {
		e = losses;
		snprintf(why, sizeof(why), "%s",
			 e == -ESTALE ? "somebody has cleared our trace buffers"
				      : "the trace buffers do not say what they have lost");
	}
	if (!e && ft_reader_cpus(&s->reader)) {
		e = -EIO;
		snprintf(why, sizeof(why), "the trace buffer of another CPU cannot be opened");
	}
	if (!e && ft_probe_check(&s->fs, &s->granted)) {
		e = -EIO;
		snprintf(why, sizeof(why),
			 "somebody has switched our trace events off, or filters them");
	}
	e = e ? e : ft_watch_writes(&s->watch, &s->fs, why, sizeof(why));
	if (e)
		return give_up(s, e, why);
	tell_late(s);
	s->sound_ns = source_boot_ns();
	return 0;
}

static int nap(int ms)
{
	return poll(NULL, 0, ms) < 0 ? -errno : 0;
}

static int wait_events(struct source *s, int timeout_ms)
{
	struct epoll_event ev[8];
	int n = epoll_wait(s->reader.epoll, ev, 8, timeout_ms);

	return n < 0 ? -errno : n;
}

/*
 * Without a probe for the arguments /proc has them, for as long as the process lives: then nothing may gather, and each
 * event wakes us. Else as the BPF source does it.
 */
static int wait_batch(struct source *s, int timeout_ms)
{
	const int tick_ms = (int)(STREAM_TICK_NS / 1000000);
	int n, gather_ms = s->reader.fill > s->buffer_bytes / 8 ? HURRY_MS : GATHER_MS;

	if (timeout_ms < 0 || timeout_ms > tick_ms)
		timeout_ms = tick_ms;
	if (gather_ms > timeout_ms)
		gather_ms = timeout_ms;
	if (s->behind)
		return nap(s->busy ? 0 : TOO_NEW_MS);
	if (!s->granted.args)
		return wait_events(s, s->reader.batch.n ? gather_ms : timeout_ms);
	if (s->busy || s->reader.batch.n)
		return nap(gather_ms);
	n = wait_events(s, timeout_ms);
	return n <= 0 ? n : nap(FIRST_GATHER_MS);
}

/* A storm could feed rounds for ever: then the caller gets its turn, and the look at our own things is made. */
static size_t take_rounds(struct source *s, int *error)
{
	const edr_u64 until_ns = source_boot_ns() + STREAM_ROUNDS_NS;
	size_t n = 0, got;

	do {
		got = take_round(s, error);
		n += got;
		s->behind = !s->reader.drained;
	} while (got && s->behind && !*error && source_boot_ns() < until_ns);
	s->busy = n > 0;
	return n;
}

static int ftrace_pump(struct source *s, int timeout_ms, source_record_fn fn, void *ctx)
{
	const struct ft_reader *r = &s->reader;
	edr_u64 now;
	size_t n;
	int e, error = 0;

	stream_to(&s->stream, fn, ctx);
	if (!s->started)
		tell_host(s);
	e = wait_batch(s, timeout_ms);
	if (e < 0)
		return e;
	n = take_rounds(s, &error);
	if (error)
		return give_up(s, error, "the trace buffers cannot be read any more");
	now = source_boot_ns();
	if (stream_tick_due(&s->stream, now)) {
		e = read_losses(s);
		tell_losses(s);
		ft_translate_overdue(&s->translate, r->settled_ns);
		hand_out(s);
		stream_tick(&s->stream, now,
			    r->batch.n || !r->drained ? r->settled_ns : now - SLACK_NS);
		e = check(s, e);
	}
	return e < 0 ? e : (int)n;
}

static int ftrace_drain(struct source *s, source_record_fn fn, void *ctx)
{
	size_t got;
	int error;

	stream_to(&s->stream, fn, ctx);
	if (!s->started)
		tell_host(s);
	ft_fs_write_all(&s->fs, "tracing_on", "0");
	usleep(DRAIN_WAIT_US);
	do {
		got = take_round(s, &error);
	} while ((got || !s->reader.drained) && !error);
	s->reader.complete_ns = source_boot_ns(); /* nothing is traced any more */
	read_losses(s);
	deliver_rest(s);
	stream_clock(&s->stream, source_boot_ns(), EDR_CLOCK_STOP);
	return 0;
}

static int ftrace_totals(struct source *s, struct source_totals *out)
{
	read_losses(s);
	memcpy(s->stream.totals.count, s->translate.count, sizeof(s->stream.totals.count));
	s->stream.totals.invalid = ft_reader_damaged(&s->reader);
	*out = s->stream.totals;
	return 0;
}

static void ftrace_close(struct source *s)
{
	if (!s)
		return;
	ft_reader_close(&s->reader);
	ft_switches_close(&s->switches);
	ft_watch_close(&s->watch);
	ft_fs_close(&s->fs);
	ft_translate_free(&s->translate);
	ft_formats_free(s->formats);
	stream_free(&s->stream);
	free(s->agent);
	free(s);
}

static size_t page_size(const struct source *s)
{
	struct buf kb = { 0 };
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	if (!ft_fs_read(s->fs.dir[0], "buffer_subbuf_size_kb", &kb) && kb.data)
		size = strtoul(kb.data, NULL, 10) * 1024;
	buf_free(&kb);
	return size >= 4096 && size <= 1 << 20 ? size : 4096;
}

static int set_size(struct source *s, enum ft_instance which, size_t bytes)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t each = bytes / (size_t)(cpus > 0 ? cpus : 1);
	char kb[32];

	if (each < MIN_BUFFER_BYTES)
		each = MIN_BUFFER_BYTES;
	if (!s->buffer_bytes || each < s->buffer_bytes)
		s->buffer_bytes = each;
	snprintf(kb, sizeof(kb), "%zu", each / 1024);
	return ft_fs_write(s->fs.dir[which], "buffer_size_kb", kb);
}

/* "7 (expanded: 1408)": what the global buffer grows to when somebody first uses it; 0: it has grown, or says nothing. */
static unsigned long global_grows_to(const struct source *s)
{
	struct buf kb = { 0 };
	const char *at = NULL;
	unsigned long n = 0;

	if (!ft_fs_read(s->fs.root_dir, "buffer_size_kb", &kb) && kb.data)
		at = strstr(kb.data, "(expanded: ");
	if (at)
		n = strtoul(at + strlen("(expanded: "), NULL, 10);
	buf_free(&kb);
	return n;
}

/*
 * Old kernels (5.10) hold the global buffer for grown once any instance's has been sized: it would stay at 7 KiB for
 * whoever uses it next. Then it gets the size that it would have had.
 */
static void grow_global(const struct source *s, unsigned long was_to_be)
{
	char kb[24];

	if (!was_to_be || global_grows_to(s))
		return;
	snprintf(kb, sizeof(kb), "%lu", was_to_be);
	ft_fs_write(s->fs.root_dir, "buffer_size_kb", kb);
}

/* Not all kernels have all of these; what must be is checked. */
static int set_up(struct source *s, const struct source_config *cfg, char *err, size_t err_size)
{
	int e;

	ft_fs_write_all(&s->fs, "buffer_subbuf_size_kb", SUBBUF_KB);
	ft_fs_write_all(&s->fs, "buffer_percent", "0");
	/* Else the kernel keeps a table of names, at every switch of a task. */
	ft_fs_write_all(&s->fs, "options/record-cmd", "0");
	ft_fs_write_all(&s->fs, "options/overwrite", "0");
	e = ft_fs_write_all(&s->fs, "trace_clock", "boot");
	if (e) {
		snprintf(err, err_size, "trace_clock does not take \"boot\": %s", strerror(-e));
		return e;
	}
	e = set_size(s, FT_INSTANCE_EXEC, cfg->ring_exec_bytes);
	e = e ? e : set_size(s, FT_INSTANCE_NOISY, cfg->ring_noisy_bytes);
	if (e)
		snprintf(err, err_size, "the trace buffers cannot be made so large: %s",
			 strerror(-e));
	return e;
}

static int open_rest(struct source *s, const struct source_config *cfg, char *err, size_t err_size)
{
	const unsigned long global_kb = global_grows_to(s);
	bool part;
	int e = set_up(s, cfg, err, err_size);

	ft_switches_open(&s->switches);
	s->granted.kprobes = ft_switches_on(&s->switches);
	e = e ? e : ft_probe(&s->fs, cfg, s->formats, &s->granted, err, err_size);
	grow_global(s, global_kb);
	if (e)
		return e;
	if (source_in_initial_pid_ns())
		s->reader.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->reader.cgroup = cgroup_open_root(&part);
	ft_translate_init(&s->translate, cfg, s->reader.proc, source_self_tgid(),
			  ft_max_tasks(cfg));
	s->translate.has_newtask = s->granted.newtask;
	s->translate.last_code_counts = s->granted.quick_threads;
	s->translate.has_rename = s->granted.rename;
	s->reader.formats = s->formats;
	s->reader.translate = &s->translate;
	e = ft_reader_open(&s->reader, &s->fs, page_size(s), cfg->batch_bytes);
	e = e ? e : ft_fs_write_all(&s->fs, "tracing_on", "1");
	if (e)
		snprintf(err, err_size, "the trace buffers cannot be opened: %s", strerror(-e));
	ft_watch_begin(&s->watch, &s->fs, &s->granted, &s->switches);
	s->sound_ns = source_boot_ns();
	return e;
}

static int ftrace_open(struct source **out, const struct source_config *cfg, char *err,
		       size_t err_size)
{
	struct source *s = calloc(1, sizeof(*s));
	int e = -ENOMEM;

	*out = NULL;
	snprintf(err, err_size, "no memory");
	if (!s)
		return e;
	ft_fs_init(&s->fs);
	ft_switches_init(&s->switches);
	ft_watch_init(&s->watch);
	s->reader.epoll = s->reader.proc = s->reader.cgroup = -1;
	s->lean = cfg->lean;
	s->formats = ft_formats_new();
	s->agent = strdup(cfg->agent ? cfg->agent : "");
	if (s->formats && s->agent) {
		e = ft_fs_open(&s->fs, err, err_size);
		e = e ? e : open_rest(s, cfg, err, err_size);
	}
	if (e) {
		ftrace_close(s);
		return e;
	}
	*out = s;
	return 0;
}

const struct source_ops source_ftrace = {
	.name = "ftrace",
	.open = ftrace_open,
	.pump = ftrace_pump,
	.drain = ftrace_drain,
	.totals = ftrace_totals,
	.close = ftrace_close,
};
