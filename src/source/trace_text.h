/* SPDX-License-Identifier: MIT */
/*
 * The text of a trace_pipe. Names of files and of processes stand in it as they are, newlines and all, so a line may be
 * of an attacker's making, and looking at the line does not show it. What is believed is what the text around it leaves no doubt about:
 *
 *   frames  One record at a time, as the kernel gives it (trace_pipe.c has the trick): the record ends where the frame does,
 *	     and is read from both ends, so that a name is what is left between, whatever it holds.
 *   stream  A copy of a trace_pipe, in pieces of any size. fork and exit hold names of 15 bytes, too short to hold a record:
 *	     behind them it is known where the next one begins. Behind all others, as many bytes are in doubt as they could hold:
 *	     what looks like a record there is refused, and counted. An exec's file name cannot be told from what follows, and is
 *	     left out.
 *
 * No clock, no file: bytes in, events out.
 */
#ifndef EDR_SOURCE_TRACE_TEXT_H
#define EDR_SOURCE_TRACE_TEXT_H

#include "util/buf.h"
#include "wire/wire.h"

enum trace_text_kind {
	TRACE_TEXT_OTHER,
	TRACE_TEXT_EXEC,
	TRACE_TEXT_FORK,
	TRACE_TEXT_EXIT,
	TRACE_TEXT_LOST,
	TRACE_TEXT_KINDS
};

struct trace_text_event {
	enum trace_text_kind kind;
	edr_u32 cpu;
	edr_u32 tid;		   /* 0 for LOST */
	edr_u32 child;		   /* fork: the new thread's id */
	edr_u32 old_tid;	   /* exec: the id of the thread before it became the leader */
	bool group_dead;	   /* exit: the last thread; known only with */
	bool group_known;	   /* (from 6.16 on) */
	edr_u64 time_ns;	   /* to a microsecond, by the pipe's clock */
	edr_u64 lost;		   /* LOST: records; 0 when the kernel does not know how many */
	struct wire_span filename; /* exec, of a frame */
	struct wire_span comm;	   /* fork: of the parent; exit */
};

/* The event's spans live until the callback returns. */
typedef void (*trace_text_fn)(void *ctx, const struct trace_text_event *ev);

struct trace_text {
	trace_text_fn fn;
	void *ctx;
	struct buf
		held; /* the stream's bytes that are not looked at yet, from the beginning of a line */
	edr_u64 offset;	  /* of the first of them in the stream */
	edr_u64 in_doubt; /* up to this offset a name could reach */
	bool in_line;	  /* the first of them is not at the beginning of a line */
	/* Looked like that and was not believed; OTHER: a frame that is no record. An upper bound for what was lost by it. */
	edr_u64 refused[TRACE_TEXT_KINDS];
};

/* from_start: the stream's first byte is the first of a record; else the beginning is in doubt. No meaning for frames. */
void trace_text_init(struct trace_text *t, bool from_start, trace_text_fn fn, void *ctx);
void trace_text_free(struct trace_text *t);

void trace_text_frame(struct trace_text *t, const char *data, size_t len);
void trace_text_stream(struct trace_text *t, const char *data, size_t len);

#endif
