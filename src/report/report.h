/* SPDX-License-Identifier: MIT */
/*
 * Reports: a closed cell as JSON (json-c; field names in docs/report-schema.md) and the store that
 * writes it, whole or not at all: a temporary file in the same directory, fsync, rename, fsync of
 * the directory, mode 0600.
 */
#ifndef EDR_REPORT_REPORT_H
#define EDR_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "cell/cell.h"
#include "util/buf.h"

/* Of the reports that are written, and the only one that report_load() understands. */
#define REPORT_ANALYSIS_DIR "analysis" /* in the reports directory: what is no report */
#define REPORT_SCHEMA_VERSION 1
/* What a report's text says that its version is; 0: nothing. */
unsigned long long report_schema_version(const struct buf *json);

/* 0 or -ENOMEM; the report's id and its text, with a newline at the end. Same cell, same bytes. */
int report_cell_json(const struct cell *cell, struct buf *id, struct buf *json);
int report_interim_json(struct cell_events *part, struct buf *id, struct buf *json);

/* A report in pieces. What `rest` points at is another's: raw events are written from where they lie. */
struct report_text {
	struct buf head;
	struct wire_span *rest;
	size_t n_rest;
};
void report_text_free(struct report_text *t);

struct report_store;

#define REPORT_LOCK ".lock" /* in the directory: cli/lock.h */

/*
 * Opens or makes dir (0700) and in it those of all levels; the path may be relative. Every later
 * access goes through the directory's descriptor, without following links. -errno with one sentence
 * in err: not a directory, owned by someone else, writable by others, read-only, no permission.
 */
int report_store_open(struct report_store **out, const char *dir, char *err, size_t err_size);
void report_store_close(struct report_store *s);

/*
 * What report_store_open() would say, without making anything: 0, 1 when dir is not there and can
 * be made, else -errno with one sentence in err.
 */
int report_store_judge(const char *dir, char *err, size_t err_size);

/*
 * Writes level/id.json. 0; -EEXIST when that name is taken by other content (the caller tries id-2,
 * id-3, ...); the same content again is 0; else -errno, with nothing left behind (or the whole
 * report, where only the directory could not be synced: the next try finds it and syncs again).
 */
int report_store_write(struct report_store *s, const char *level, const char *id, const char *data,
		       size_t len);
int report_store_write_text(struct report_store *s, const char *level, const char *id,
			    const struct report_text *t);

/*
 * The same name with other content: the old one goes, and removed.jsonl says so (heads.h). 0; 1: it
 * has that content, nothing was written; -errno.
 */
int report_store_replace(struct report_store *s, const char *level, const char *id,
			 const char *data, size_t len, const char *why);

/* For those who only read: nothing is made, swept or demanded of owner and mode. */
int report_store_open_read(struct report_store **out, const char *dir, char *err, size_t err_size);

/*
 * From now on what is written gets its place in the chain of its level (heads.h); NULL: no more. A
 * text that is there already is recognized whatever its place is.
 */
struct heads;
void report_store_chain(struct report_store *s, struct heads *heads);

/*
 * Appends the text of a report, packed or not. 0; -ENOENT; -EFBIG: it has more than its level's
 * max_bytes (level.h), and no more than these are held in memory; -EBADMSG (packing); -errno.
 */
int report_read(struct report_store *s, const char *level, const char *id, struct buf *out);

/* Temporary files that a killed run left are removed when a store is opened; how many. */
size_t report_store_swept(const struct report_store *s);

/*
 * The report thread: takes closed cells and interim parts off a bounded queue, makes the JSON,
 * writes it. A write that fails is kept and tried again, said once a minute. The collector never
 * waits for it.
 */
struct report_writer;
struct chain_key;
struct retain_config;
struct report_writer_config {
	const char *dir;
	size_t max_queue;	/* cells that wait, and as many interim parts and checkpoints */
	size_t max_queue_bytes; /* memory of the interim parts that wait; 0: a default */
	size_t max_cell_bytes; /* memory of the cells that wait, and of the checkpoints; 0: no limit */
	unsigned retry_ms;     /* between tries */
	bool wait_for_room; /* replay: the caller waits instead of dropping, unless writing fails */
	const struct chain_key *key;	    /* of the signatures; NULL: none; it is copied */
	const struct retain_config *retain; /* NULL: all is kept; it is copied */
	unsigned
		checkpoint_s; /* 0: none are written; those of a killed run are read but in a replay */
	const char *
		machine_id; /* of this host, as in its host records: theirs are the same; NULL: any; used at the start only */
	bool lists_events;  /* of a killed run: what is in no interim part is unlisted; */
	bool lists_threads; /* threads, too */
	edr_s64 now_ns; /* Unix: what a killed run left of the window that is open then is resumed; 0: none is */
	/* Called in the report thread after each report that was written; may be NULL. cell: NULL but for a cell */
	void (*on_written)(void *ctx, const char *path, const struct cell *cell);
	void *ctx;
	/* In the report thread, after each cell and parent that has findings: analysis.h; may be NULL */
	void (*on_analysis)(void *ctx, const char *text, size_t len);
	void *analysis_ctx;
};
int report_writer_start(struct report_writer **out, const struct report_writer_config *cfg,
			char *err, size_t err_size);
/* False: this run resumes no window. */
bool report_writer_resume(const struct report_writer *w, struct cell_resume *out);
/*
 * Take ownership in any case. 0, or -ENOBUFS when it was dropped (and counted). Cells and interim
 * parts have room apart: a flood of parts keeps no cell out, and what was taken is not dropped for
 * another, for the cell says that it is there. Unless wait_for_room is set, parts that wait are
 * joined into one file, so that only their bytes can fill the queue.
 */
int report_writer_cell(struct report_writer *w, struct cell *closed);
int report_writer_interim(struct report_writer *w, struct cell_events *part);
/* What was folded since the last one (checkpoint.h). */
int report_writer_checkpoint(struct report_writer *w, struct cell *delta);
/*
 * The newest content of a file that is kept beside the reports, REPORT_ANALYSIS_DIR/name: written
 * whole or not at all, behind what is queued. What was not yet written gives way to it. Takes data;
 * name: a constant.
 */
void report_writer_keep(struct report_writer *w, const char *name, struct buf *data);
/*
 * It is that time (Unix): parents whose window is over are written behind what was queued before.
 * For each clock record; cheap.
 */
void report_writer_time(struct report_writer *w, edr_s64 now_ns);
/*
 * Waits until all is written or timeout_ms has passed; gives the number of reports that could not
 * be written. A part that was refused is none of them: its cell counts its events as unlisted. Frees w.
 */
size_t report_writer_stop(struct report_writer *w, unsigned timeout_ms);

/* What a line for people says of a written cell. */
struct report_cell_summary {
	char window_start[40], window_end[40]; /* RFC 3339 UTC */
	unsigned long long events, execs, lost;
	double blind_s;
	bool partial;
};
void report_cell_summary(const struct cell *cell, struct report_cell_summary *out);

#endif
