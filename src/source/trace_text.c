// SPDX-License-Identifier: MIT
#include "source/trace_text.h"

#include <string.h>

#define COMM_COLUMN \
	16 /* "%16s": a comm has 15 bytes, so the column begins with a blank and never grows */
#define COMM_MAX 15
#define PID_DIGITS 7			   /* PID_MAX_LIMIT is 4194304 */
#define FILENAME_BYTES (EDR_PATH_MAX + 64) /* "/dev/fd/N/" and a path */
/* In a stream: longer than anything but a name may be, so that a record that does not fit now will never. */
#define FIXED_MAX 512
#define EXEC_REACH (FIXED_MAX + FILENAME_BYTES)
#define OTHER_REACH 131072 /* struct trace_seq, with pages of 64 KiB */

/* Its spans can be copied. */
static const struct trace_text_event nothing = { .filename = { "", 0 }, .comm = { "", 0 } };

/* What is left of the text. */
struct cursor {
	const char *at, *end;
	bool framed; /* the record ends where the text does */
	bool cut;    /* something was not there because the text ends */
	bool unsure; /* what was found may lie within a name */
};

static size_t left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static bool take(struct cursor *c, const char *word)
{
	const size_t len = strlen(word), n = left(c) < len ? left(c) : len;

	if (memcmp(c->at, word, n) != 0)
		return false;
	c->cut |= n < len;
	c->at += n;
	return n == len;
}

static void take_blanks(struct cursor *c)
{
	while (c->at < c->end && *c->at == ' ')
		c->at++;
	c->cut |= c->at == c->end;
}

static bool take_number(struct cursor *c, size_t max_digits, edr_u64 *out)
{
	size_t n = 0;

	*out = 0;
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && n++ < max_digits)
		*out = *out * 10 + (edr_u64)(*c->at++ - '0');
	c->cut |= c->at == c->end;
	return n > 0 && n <= max_digits;
}

static bool take_id(struct cursor *c, edr_u32 *out)
{
	edr_u64 v;
	bool taken = take_number(c, PID_DIGITS, &v);

	*out = (edr_u32)v;
	return taken;
}

static bool take_same_id(struct cursor *c, edr_u32 wanted)
{
	edr_u32 id;

	return take_id(c, &id) && id == wanted;
}

/* "(   1977) " or "(-------) ", with the option record-tgid. */
static bool take_tgid(struct cursor *c)
{
	edr_u32 tgid;

	if (!take(c, "("))
		return true;
	take_blanks(c);
	if (c->at < c->end && *c->at == '-') {
		while (c->at < c->end && *c->at == '-')
			c->at++;
	} else if (!take_id(c, &tgid)) {
		return false;
	}
	return take(c, ") ");
}

/* "d..2. ": 4 or 5 letters, digits and dots; none with the option irq-info off. */
static void take_irq_flags(struct cursor *c)
{
	struct cursor word = *c;

	while (word.at < word.end && *word.at != ' ' && *word.at != ':' && *word.at != '\n')
		word.at++;
	if (word.at - c->at < 16 && take(&word, " "))
		c->at = word.at;
	c->cut |= word.cut;
	take_blanks(c);
}

/* "35536.822862: ": only clocks that count nanoseconds are printed so. */
static bool take_time(struct cursor *c, edr_u64 *ns)
{
	const char *point;
	edr_u64 s, us;

	if (!take_number(c, 9, &s) || !take(c, "."))
		return false;
	point = c->at;
	if (!take_number(c, 6, &us) || c->at - point != 6 || !take(c, ": "))
		return false;
	*ns = s * 1000000000ULL + us * 1000;
	return true;
}

static bool take_header(struct cursor *c, struct trace_text_event *ev)
{
	edr_u64 cpu;

	if (left(c) < COMM_COLUMN) {
		c->cut = true;
		return false;
	}
	if (*c->at != ' ')
		return false;
	c->at += COMM_COLUMN;
	if (!take(c, "-") || !take_id(c, &ev->tid) || !take(c, " "))
		return false;
	take_blanks(c);
	if (!take_tgid(c) || !take(c, "[") || !take_number(c, 6, &cpu) || !take(c, "] "))
		return false;
	take_irq_flags(c);
	ev->cpu = (edr_u32)cpu;
	return take_time(c, &ev->time_ns);
}

static bool take_end(struct cursor *c)
{
	return take(c, "\n") && (!c->framed || c->at == c->end);
}

/*
 * Takes a comm, of any bytes, up to where `rest` follows. In a stream it could hold what looks like all of the rest, if
 * that is short enough; beginning in the comm and ending behind it, it could not: no rest goes on as another begins.
 */
static bool take_comm(struct cursor *c, struct wire_span *comm,
		      bool (*rest)(struct cursor *c, struct trace_text_event *ev),
		      struct trace_text_event *ev)
{
	const char *from = c->at;
	size_t i;

	for (i = 0; i <= COMM_MAX && from + i <= c->end; i++) {
		struct cursor behind = *c;

		behind.at = from + i;
		if (rest(&behind, ev)) {
			*comm = (struct wire_span){ from, i };
			c->at = behind.at;
			c->unsure = !c->framed && behind.at - from <= COMM_MAX;
			return !c->unsure;
		}
		c->cut |= behind.cut;
	}
	return false;
}

static bool fork_parent_rest(struct cursor *c, struct trace_text_event *ev)
{
	return take(c, " pid=") && take_same_id(c, ev->tid) && take(c, " child_comm=");
}

static bool fork_child_rest(struct cursor *c, struct trace_text_event *ev)
{
	return take(c, " child_pid=") && take_id(c, &ev->child) && take_end(c);
}

static bool take_fork(struct cursor *c, struct trace_text_event *ev)
{
	struct wire_span child;

	return take_comm(c, &ev->comm, fork_parent_rest, ev) &&
	       take_comm(c, &child, fork_child_rest, ev);
}

static bool exit_rest(struct cursor *c, struct trace_text_event *ev)
{
	edr_u64 prio;

	if (!take(c, " pid=") || !take_same_id(c, ev->tid) || !take(c, " prio="))
		return false;
	take(c, "-"); /* of the deadline class */
	if (!take_number(c, 4, &prio))
		return false;
	ev->group_known = take(c, " group_dead=");
	ev->group_dead = ev->group_known && take(c, "true");
	if (ev->group_known && !ev->group_dead && !take(c, "false"))
		return false;
	return take_end(c);
}

static bool take_exit(struct cursor *c, struct trace_text_event *ev)
{
	return take_comm(c, &ev->comm, exit_rest, ev);
}

/* Steps back over the digits at the end, and what stands before them. */
static bool untake_id(const char *from, const char **end, const char *word, edr_u32 *id)
{
	const size_t len = strlen(word);
	struct cursor digits = { .end = *end };
	const char *at = *end;

	while (at > from && at[-1] >= '0' && at[-1] <= '9')
		at--;
	digits.at = at;
	if (!take_id(&digits, id) || (size_t)(at - from) < len || memcmp(at - len, word, len) != 0)
		return false;
	*end = at - len;
	return true;
}

/* The name may hold anything: in a frame it is what is left before the ids, in a stream it is not to be told. */
static bool take_exec(struct cursor *c, struct trace_text_event *ev)
{
	const char *end = c->end - 1;
	edr_u32 tid;

	if (!c->framed)
		return true;
	if (end <= c->at || *end != '\n' || !untake_id(c->at, &end, " old_pid=", &ev->old_tid) ||
	    !untake_id(c->at, &end, " pid=", &tid) || tid != ev->tid ||
	    memchr(c->at, '\0', (size_t)(end - c->at)))
		return false;
	ev->filename = (struct wire_span){ c->at, (size_t)(end - c->at) };
	c->at = c->end;
	return ev->filename.len < FILENAME_BYTES;
}

static const struct {
	const char *lead;
	enum trace_text_kind kind;
	bool (*take)(struct cursor *c, struct trace_text_event *ev);
} kinds[] = {
	{ "sched_process_exec: filename=", TRACE_TEXT_EXEC, take_exec },
	{ "sched_process_fork: comm=", TRACE_TEXT_FORK, take_fork },
	{ "sched_process_exit: comm=", TRACE_TEXT_EXIT, take_exit },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Behind a header. False: another event (kind OTHER), or one that is not printed as it should be. */
static bool take_body(struct cursor *c, struct trace_text_event *ev)
{
	const char *from = c->at;
	size_t i;

	for (i = 0; i < N_KINDS; i++) {
		c->at = from;
		if (!take(c, kinds[i].lead))
			continue;
		ev->kind = kinds[i].kind;
		return kinds[i].take(c, ev);
	}
	return false;
}

/* "CPU:3 [LOST 5 EVENTS]", before a record of that CPU. No comm is long enough to hold it. */
static bool take_lost(struct cursor *c, struct trace_text_event *ev)
{
	edr_u64 cpu;

	ev->kind = TRACE_TEXT_LOST;
	if (!take(c, "CPU:") || !take_number(c, 6, &cpu) || !take(c, " [LOST "))
		return false;
	ev->cpu = (edr_u32)cpu;
	if (take(c, "EVENTS]\n"))
		return true;
	return take_number(c, 18, &ev->lost) && take(c, " EVENTS]\n");
}

void trace_text_init(struct trace_text *t, bool from_start, trace_text_fn fn, void *ctx)
{
	*t = (struct trace_text){ .fn = fn, .ctx = ctx, .in_line = !from_start };
	if (!from_start)
		t->in_doubt = OTHER_REACH;
}

void trace_text_free(struct trace_text *t)
{
	buf_free(&t->held);
}

void trace_text_frame(struct trace_text *t, const char *data, size_t len)
{
	struct cursor c = { .at = data, .end = data + len, .framed = true }, record = c;
	struct trace_text_event lost = nothing, ev = nothing;

	if (take_lost(&record, &lost)) {
		t->fn(t->ctx, &lost);
		c.at = record.at;
	}
	if (c.at == c.end)
		return;
	if (!take_header(&c, &ev))
		t->refused[TRACE_TEXT_OTHER]++;
	else if (take_body(&c, &ev))
		t->fn(t->ctx, &ev);
	else if (ev.kind != TRACE_TEXT_OTHER)
		t->refused[ev.kind]++;
}

static void reach(struct trace_text *t, edr_u64 bytes)
{
	if (t->in_doubt < t->offset + bytes)
		t->in_doubt = t->offset + bytes;
}

static void judge(struct trace_text *t, const struct trace_text_event *ev, bool whole)
{
	if (ev->kind == TRACE_TEXT_OTHER)
		return;
	if (whole && t->offset >= t->in_doubt)
		t->fn(t->ctx, ev);
	else
		t->refused[ev->kind]++;
}

/*
 * At the beginning of a line: how much of it has been looked at. 0: more is needed, or (in_line) nothing begins here. Every
 * record begins behind a newline, and no name of 15 bytes can hold a newline and a header: what has a header here is a
 * record, or lies within a name that is in doubt.
 */
static size_t stream_record(struct trace_text *t, const char *data, size_t len)
{
	struct cursor start = { .at = data, .end = data + len }, c = start, body;
	struct trace_text_event ev = nothing;
	const bool may_grow = len < FIXED_MAX;
	bool whole;

	if (take_lost(&c, &ev)) {
		judge(t, &ev, true);
		return (size_t)(c.at - data);
	}
	start.cut = c.cut;
	c = start;
	ev = nothing;
	if (!take_header(&c, &ev)) {
		t->in_line = !(c.cut && may_grow);
		return 0;
	}
	body = c;
	body.cut = false;
	whole = take_body(&body, &ev);
	if (!whole && body.cut && may_grow)
		return 0;
	judge(t, &ev, whole);
	if (whole && ev.kind != TRACE_TEXT_EXEC)
		return (size_t)(body.at - data);
	reach(t, whole ? EXEC_REACH : body.unsure ? FIXED_MAX : OTHER_REACH);
	t->in_line = true;
	return (size_t)(c.at - data);
}

static size_t stream_skip(struct trace_text *t, const char *data, size_t len)
{
	const char *newline = memchr(data, '\n', len);

	t->in_line = !newline;
	return newline ? (size_t)(newline + 1 - data) : len;
}

void trace_text_stream(struct trace_text *t, const char *data, size_t len)
{
	size_t at = 0, n;

	buf_add(&t->held, data, len);
	if (buf_failed(&t->held)) {
		t->offset += t->held.len + len;
		buf_clear(&t->held);
		t->refused[TRACE_TEXT_OTHER]++;
		t->in_line = true;
		reach(t, OTHER_REACH);
		return;
	}
	while (at < t->held.len) {
		bool skip = t->in_line;

		n = (skip ? stream_skip : stream_record)(t, t->held.data + at, t->held.len - at);
		if (n == 0 && !t->in_line)
			break;
		at += n;
		t->offset += n;
	}
	if (at > 0)
		memmove(t->held.data, t->held.data + at, t->held.len - at);
	t->held.len -= at;
}
