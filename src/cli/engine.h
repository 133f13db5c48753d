/* SPDX-License-Identifier: MIT */
/*
 * What a record goes through once the source has handed it on, the same in a live run and in a
 * replay: secrets out, the capture, the process table, the baseline, its JSON (only when someone
 * wants it), the sinks, the cell, what is found in it.
 * Closed cells go to the report thread.
 */
#ifndef EDR_CLI_ENGINE_H
#define EDR_CLI_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "cell/cell.h"
#include "cli/findings.h"
#include "cli/redaction.h"
#include "conf/conf.h"
#include "proc/proc.h"
#include "report/report.h"
#include "sink/sink.h"
#include "util/buf.h"

struct engine_config {
	const struct conf *conf;
	bool replay;	/* nothing is recorded, and a slow disk is waited for */
	edr_s64 now_ns; /* Unix, when it begins: a window that is open then is resumed; 0: none */
	/* In the report thread, after each report that was written; may be NULL. */
	void (*on_written)(void *ctx, const char *path, const struct cell *cell);
	void *ctx;
};

struct engine {
	struct redact *redact;
	bool redact_off;
	struct redaction_off off;
	struct proc_table *table;
	struct cells *cells;
	struct cells *deltas;		 /* of checkpoints; NULL: none */
	struct cells *start;		 /* of the first one; NULL once it is written */
	edr_u64 delta_ns, next_delta_ns; /* boot */
	struct baseline *baseline;	 /* NULL: none */
	struct findings findings;
	struct report_writer *writer;
	struct sink *output, *events_stdout, *record;
	char *analysis;	 /* FILE.analysis of --output FILE; NULL: none. The report thread's */
	struct buf line; /* the event as JSON, reused */
	bool replay;
	bool list_threads, print_events;
	bool record_full;   /* record_max_mb was reached */
	bool out_of_memory; /* some event's JSON was lost for it */
	unsigned long long cells_closed;
	unsigned long long said_lost[3]; /* by sink: what has been told */
};

/* 0 or an exit status with one sentence in err; engine_close() is safe either way. */
int engine_open(struct engine *e, const struct engine_config *cfg, char *err, size_t err_size);

/* A source's callback; ctx is the engine. */
void engine_record(void *ctx, const struct edr_hdr *rec);

/* After each batch. */
void engine_flush(struct engine *e);

/* Takes what can change while running; sinks that are appended to are opened anew. */
void engine_reconfigure(struct engine *e, const struct conf *conf);

/* Says what sinks and reports have lost since the last time; once a minute will do. */
void engine_tell_losses(struct engine *e);

/*
 * Closes the open cell as partial, waits for reports and sinks (bounded, but for a replay's) and
 * frees all. 0, or EX_IOERR when something could not be written.
 */
int engine_close(struct engine *e);

#endif
