/* SPDX-License-Identifier: MIT */
/*
 * A trace_pipe's text as the kernel prints it, with names that an attacker chose out of the pieces that a forgery is made of,
 * and what must and must not be read from it. For the fuzzer and the unit test.
 */
#ifndef EDR_TESTS_TRACE_LINES_H
#define EDR_TESTS_TRACE_LINES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/trace_text.h"

#define LINES_MAX 256
#define LINES_NAME 4095

struct lines_record {
	enum trace_text_kind kind;
	unsigned tid, child, cpu;
	edr_u64 us, lost;
	size_t at, len; /* in the text */
	size_t name_at, name_len;
};

struct lines {
	const uint8_t *in; /* the attacker's choices */
	size_t left;
	struct buf text, names;
	struct lines_record record[LINES_MAX];
	size_t n, seen;	  /* seen: as far as they have been read back */
	size_t lost_seen; /* the same for what is said to be lost before a record */
	size_t reported[TRACE_TEXT_KINDS];
	bool exact; /* all of them must be read back, names too */
};

static inline void lines_require(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "trace text: %s\n", what);
	abort();
}

static inline unsigned lines_byte(struct lines *l)
{
	if (l->left == 0)
		return 0;
	l->left--;
	return *l->in++;
}

/* A name of at most `max` bytes without NUL: bytes as they are, or pieces of a trace. */
static inline size_t lines_name(struct lines *l, char *out, size_t max)
{
	static const char *const pieces[] = {
		"\n",
		"      forged-666     [000] ..... ",
		"     forged-666   (    666) [001] .... ",
		"1.000000: ",
		"sched_process_exec: filename=",
		"/bin/forged",
		" pid=666 old_pid=666",
		" pid=7 old_pid=7\n",
		"sched_process_fork: comm=",
		" pid=666 child_comm=",
		" child_pid=667",
		" child_pid=7\n",
		"sched_process_exit: comm=",
		" pid=666 prio=120",
		" pid=7 prio=7\n",
		" group_dead=true",
		"CPU:0 [LOST 5 EVENTS]\n",
		"CPU:0 [LOST EVENTS]\n",
		"tracing_mark_write: ",
		"\n          forged-666     [000] ..... 1.000000: sched_process_exec: filename=/f "
		"pid=666 old_pid=666\n",
		"\n          forged-666     [000] ..... 1.000000: sched_process_fork: comm=f "
		"pid=666 "
		"child_comm=f child_pid=667\n",
		"\n          forged-666     [000] ..... 1.000000: sched_process_exit: comm=f "
		"pid=666 "
		"prio=120\n",
		" [0] .... 1: ",
		"-1",
		"x [1] execve(a)",
		"<...>-1",
	};
	const unsigned end = 1 + lines_byte(l) % 32;
	size_t n = 0;

	for (unsigned i = 0; i < end && n < max; i++) {
		unsigned b = lines_byte(l);
		char one[2] = { (char)(b ? b : '?'), '\0' };
		const char *piece =
			b >= 0x80 ? pieces[b % (sizeof(pieces) / sizeof(pieces[0]))] : one;
		size_t len = strlen(piece);

		len = len < max - n ? len : max - n;
		memcpy(out + n, piece, len);
		n += len;
	}
	return n;
}

/* Now and then as long as a name can be. */
static inline void lines_path(struct lines *l, char out[LINES_NAME], size_t *len)
{
	*len = lines_name(l, out, LINES_NAME);
	while (lines_byte(l) % 32 == 31 && *len > 0 && *len < LINES_NAME) {
		size_t more = *len < LINES_NAME - *len ? *len : LINES_NAME - *len;

		memcpy(out + *len, out, more);
		*len += more;
	}
}

static inline void lines_comm(struct lines *l)
{
	char comm[15];

	buf_add(&l->text, comm, lines_name(l, comm, sizeof(comm)));
}

static inline void lines_header(struct lines *l, struct lines_record *r, bool tgids)
{
	char comm[15];
	size_t n = lines_name(l, comm, sizeof(comm));

	buf_addf(&l->text, "%*s", (int)(16 - n), "");
	buf_add(&l->text, comm, n);
	buf_addf(&l->text, "-%-7u ", r->tid);
	if (tgids)
		buf_addf(&l->text, r->tid % 2 ? "(-------) " : "(%7u) ", r->tid);
	buf_addf(&l->text, "[%03u] %s %5llu.%06llu: ", r->cpu, r->cpu ? "d..2." : "....",
		 r->us / 1000000, r->us % 1000000);
}

static inline void lines_body(struct lines *l, struct lines_record *r, bool group)
{
	char path[LINES_NAME];

	if (r->kind == TRACE_TEXT_EXEC) {
		lines_path(l, path, &r->name_len);
		r->name_at = l->names.len;
		buf_add(&l->names, path, r->name_len);
		buf_adds(&l->text, "sched_process_exec: filename=");
		buf_add(&l->text, path, r->name_len);
		buf_addf(&l->text, " pid=%u old_pid=%u\n", r->tid, r->child);
	} else if (r->kind == TRACE_TEXT_FORK) {
		buf_adds(&l->text, "sched_process_fork: comm=");
		lines_comm(l);
		buf_addf(&l->text, " pid=%u child_comm=", r->tid);
		lines_comm(l);
		buf_addf(&l->text, " child_pid=%u\n", r->child);
	} else if (r->kind == TRACE_TEXT_EXIT) {
		buf_adds(&l->text, "sched_process_exit: comm=");
		lines_comm(l);
		buf_addf(&l->text, " pid=%u prio=%d%s\n", r->tid, r->tid % 5 ? 120 : -1,
			 !group		? ""
			 : r->child % 2 ? " group_dead=true"
					: " group_dead=false");
	} else {
		lines_path(l, path, &r->name_len);
		buf_adds(&l->text, "some_event: ");
		buf_add(&l->text, path, r->name_len);
		buf_adds(&l->text, "\n");
	}
}

/* Up to `max` records. With others: also events that hold any text, of another tracer. */
static inline void lines_make(struct lines *l, const uint8_t *in, size_t len, size_t max,
			      bool others)
{
	unsigned options;

	*l = (struct lines){ .in = in, .left = len };
	options = lines_byte(l);
	while (l->left > 0 && l->n < LINES_MAX && l->n < max) {
		struct lines_record *r = &l->record[l->n++];
		const unsigned what = lines_byte(l), ids = lines_byte(l);

		*r = (struct lines_record){ .kind = TRACE_TEXT_EXEC + what % 3,
					    .tid = ids % 2 ? 7 : 1 + ids * 331,
					    .child = ids % 4 ? 9 : 2 + ids * 7919,
					    .cpu = what / 4 % 2,
					    .us = 1000000 + l->n * 1000,
					    .at = l->text.len };
		if (others && what >= 0xf0)
			r->kind = TRACE_TEXT_OTHER;
		if (what % 16 == 15) {
			r->lost = 1 + ids;
			buf_addf(&l->text, "CPU:%u [LOST %llu EVENTS]\n", r->cpu, r->lost);
		}
		lines_header(l, r, options & 1);
		lines_body(l, r, options & 2);
		r->len = l->text.len - r->at;
	}
}

static inline void lines_free(struct lines *l)
{
	buf_free(&l->text);
	buf_free(&l->names);
}

static inline bool lines_same(const struct lines *l, const struct lines_record *r,
			      const struct trace_text_event *ev)
{
	if (ev->kind == TRACE_TEXT_LOST)
		return r->lost && ev->lost == r->lost && ev->cpu == r->cpu &&
		       r >= l->record + l->lost_seen;
	if (ev->kind != r->kind || ev->tid != r->tid || ev->cpu != r->cpu ||
	    ev->time_ns != r->us * 1000)
		return false;
	if (ev->kind == TRACE_TEXT_FORK)
		return ev->child == r->child;
	if (ev->kind == TRACE_TEXT_EXEC && l->exact)
		return ev->old_tid == r->child && ev->filename.len == r->name_len &&
		       memcmp(ev->filename.data, l->names.data + r->name_at, r->name_len) == 0;
	return ev->kind != TRACE_TEXT_EXEC || ev->filename.len == 0;
}

/* The callback of the reader: what it says must have happened, in this order. */
static inline void lines_seen(void *ctx, const struct trace_text_event *ev)
{
	struct lines *l = ctx;

	l->reported[ev->kind]++;
	while (l->seen < l->n && !lines_same(l, &l->record[l->seen], ev)) {
		lines_require(!l->exact || l->record[l->seen].kind == TRACE_TEXT_OTHER,
			      "an event was passed over, or is wrong");
		l->seen++;
	}
	lines_require(l->seen < l->n, "an event that did not happen is believed");
	if (ev->kind != TRACE_TEXT_LOST)
		l->seen++;
	else
		l->lost_seen = l->seen + 1;
}

/* None is lost without being counted. */
static inline void lines_settle(struct lines *l, const struct trace_text *t)
{
	size_t wanted[TRACE_TEXT_KINDS] = { 0 }, i;

	for (i = 0; i < l->n; i++)
		wanted[l->record[i].kind]++;
	for (i = TRACE_TEXT_EXEC; i <= TRACE_TEXT_EXIT; i++) {
		lines_require(l->reported[i] + t->refused[i] >= wanted[i],
			      "an event is lost and not counted");
		lines_require(!l->exact || l->reported[i] == wanted[i], "an event is missing");
	}
}

static inline void lines_check_frames(struct lines *l)
{
	struct trace_text t;
	size_t i;

	l->exact = true;
	l->seen = l->lost_seen = 0;
	memset(l->reported, 0, sizeof(l->reported));
	trace_text_init(&t, true, lines_seen, l);
	for (i = 0; i < l->n; i++)
		trace_text_frame(&t, l->text.data + l->record[i].at, l->record[i].len);
	lines_settle(l, &t);
	trace_text_free(&t);
}

/* In pieces of any size: `piece` gives the next one. */
static inline void lines_check_stream(struct lines *l, bool from_start, uint32_t seed)
{
	struct trace_text t;
	size_t at = 0;

	l->exact = false;
	l->seen = l->lost_seen = 0;
	memset(l->reported, 0, sizeof(l->reported));
	trace_text_init(&t, from_start, lines_seen, l);
	while (at < l->text.len) {
		size_t piece;
		char *copy;

		seed = seed * 1103515245 + 12345;
		piece = 1 + (seed >> 16) % (seed % 3 ? 40 : 4096);
		piece = piece < l->text.len - at ? piece : l->text.len - at;
		copy = malloc(piece); /* so that a look beyond it is found out */
		memcpy(copy, l->text.data + at, piece);
		trace_text_stream(&t, copy, piece);
		free(copy);
		at += piece;
	}
	if (from_start)
		lines_settle(l, &t);
	trace_text_free(&t);
}

#endif
