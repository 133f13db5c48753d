/* SPDX-License-Identifier: MIT */
/*
 * What a crash must not cost. Every checkpoint_interval the collector hands over a small cell of what
 * was folded since the last time; it goes to the directory `checkpoint`, and away again when the
 * window's own cell is written. The first is written at the start, empty: so even a run that was
 * killed at once leaves a trace, and it is known from when on the next one watched. So a kill costs
 * at most one interval of counts. Raw events are not in it: those that no interim part has are lost.
 *
 * What is found there at a start is of runs that were killed, and is added up to one cell for each
 * window (recover.h). That of a window that is over is written; that of the open window is merged with
 * this run's cell of it when that comes, and its checkpoints stay until then: a run that is killed
 * later in the same window leaves those of all. So a window has one cell, however often the agent was
 * killed in it, with a blind interval for each time.
 *
 * Each is sealed (chain.h) over its text, in which its name and its run's interval are; with a key it
 * is signed. Only what was written so, under that name, on this host, becomes part of a cell.
 *
 * The cells of a run that is not killed are not made of these, so they are the same with and without.
 */
#ifndef EDR_REPORT_CHECKPOINT_H
#define EDR_REPORT_CHECKPOINT_H

#include "report/chain.h"
#include "report/files.h"
#include "report/report.h"

#define CHECKPOINT_DIR "checkpoint"

/* Of a run; zeroed at the start, but for the run. */
struct checkpoints {
	unsigned run;		/* more than that of all that are there */
	unsigned serial;	/* of the last one */
	unsigned interval_s;	/* how much the last one of a run may lack */
	struct chain_key key;	/* checkpoint_key(); len 0: none */
	struct cell *unwritten; /* what the disk did not take: it goes with the next one */
};

/* One more of the open window. 0; -errno: what it has is written with the next one. */
int checkpoint_write(struct report_store *s, struct checkpoints *c, const struct cell *delta);
void checkpoints_end(struct checkpoints *c);

/*
 * What checkpoints are signed with where reports are signed with key (may be NULL): another one, so that
 * none of them passes for a report, nor a report for one of them.
 */
void checkpoint_key(struct chain_key *out, const struct chain_key *key);

/*
 * Nobody is killed so often in a window: greater runs are planted. Names above the second count only where
 * they are used, so that the next run's own can always be told from theirs.
 */
#define CHECKPOINT_MAX_RUN 999999
#define CHECKPOINT_MAX_NAMED_RUN 899999
/* The greatest run of all names up to the second; 0: none. The next one's is above it. */
unsigned checkpoint_last_run(struct report_store *s);

/* What its name tells; false when it is not as we write them. */
struct checkpoint_name {
	edr_s64 end_ns; /* of the window */
	unsigned run, serial;
};
bool checkpoint_parse(const char *id, struct checkpoint_name *out);

/* Why one is not used. */
enum checkpoint_doubt {
	CHECKPOINT_GOOD,
	CHECKPOINT_DAMAGED,  /* or changed */
	CHECKPOINT_UNSIGNED, /* its digest fits, but not its signature */
	CHECKPOINT_RENAMED,
	CHECKPOINT_FOREIGN, /* of another machine id */
	CHECKPOINT_LATER,   /* its window has not begun */
	CHECKPOINT_SPENT,   /* a cell has that time already */
	CHECKPOINT_DOUBTS
};
struct checkpoint_expect {
	const struct chain_key *key; /* checkpoint_key() */
	const char *machine_id;	     /* NULL: any */
	edr_s64 now_ns;		     /* 0: any */
};
/* 0 with the cell (the caller's) if the doubt is CHECKPOINT_GOOD; -ENOMEM, -EIO. */
struct checkpoint_read {
	enum checkpoint_doubt doubt;
	struct cell *cell;
	unsigned interval_s; /* of its run */
};
int checkpoint_read(struct report_store *s, const char *id, const struct checkpoint_expect *want,
		    struct checkpoint_read *out);

/* Those of the windows that end, and of the runs, from the first to the last, both included. */
struct checkpoint_range {
	edr_s64 first_end_ns, last_end_ns;
	unsigned first_run, last_run;
	const struct report_files *keep; /* but not these; may be NULL */
};
/* Their cells are written. 0 or -errno. */
int checkpoint_clear(struct report_store *s, const struct checkpoint_range *which);

#endif
