/* SPDX-License-Identifier: MIT */
/*
 * Facts that an event shows by itself, one table: each has an id, a technique, a level and a
 * function that looks at the event, its process and the baseline. What is found is a finding, at
 * once. Rules (a later room of the same kind) make findings of the same shape; nothing downstream
 * tells them apart.
 *
 * Levels are those of cell.h: 1 of note, ... 5 critical. A subject (signal, parent's path, path)
 * that was found on BASELINE_USUAL_DAYS days before is usual here and has the usual level instead:
 * a server that runs a shell script each night.
 *
 * Each subject is listed DETECT_LISTED_EACH times in a window, the rest is only counted: a flood of
 * one finding pushes no other out of a cell's list.
 */
#ifndef EDR_DETECT_SIGNAL_H
#define EDR_DETECT_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detect/baseline.h"
#include "proc/proc.h"

#define DETECT_LISTED_EACH 3
#define DETECT_SUBJECTS 4096 /* remembered of a window; beyond, findings are listed as if new */
#define DETECT_BURSTS 256

/* In the order of detect_signals[]. */
enum detect_signal {
	DETECT_MEMFD,
	DETECT_DELETED,
	DETECT_WRITABLE_DIR,
	DETECT_KERNEL_NAME,
	DETECT_SERVER_SHELL,
	DETECT_SETUID_NEW,
	DETECT_FAILED_EXECS,
	DETECT_DISCOVERY,
	DETECT_NEW_CONNECTS,
	DETECT_LOSS,
	DETECT_INJECTION,
	DETECT_SIGNALS
};

struct detect_signal_desc {
	const char *id;	       /* "run-memfd" */
	const char *title;     /* a sentence, without its stop */
	const char *technique; /* "T1620"; of MITRE ATLAS where ATT&CK has none: "AML.T0051" */
	const char *advice;    /* what to look at: a recommendation of the local analyser */
	unsigned level;	       /* at most: the deciding function may say less */
	unsigned usual_level;  /* 0: never usual */
};
extern const struct detect_signal_desc detect_signals[DETECT_SIGNALS];

/*
 * Spans live until the next detect_record(). Texts are redacted, for that is all that is seen
 * here.
 */
struct detect_finding {
	struct wire_span id, title, details, technique;
	edr_s64 time_ns; /* Unix */
	unsigned severity;
	bool listed; /* false: to be counted only */
};

struct detect_result {
	const struct detect_finding *finding; /* by falling severity, then in the table's order */
	size_t n;
};

struct detect_config {
	struct baseline *baseline; /* not ours; NULL: all is new to us, and nothing usual */
	unsigned window_min;	   /* report_interval */
	bool off;		   /* include_security_findings = false */
	uint64_t key[2]; /* of hashes; zeros in a replay, so that it gives the same bytes */
};

struct detect;

struct detect *detect_new(const struct detect_config *cfg); /* NULL without memory */
void detect_free(struct detect *d);			    /* safe on NULL */
void detect_configure(struct detect *d, const struct detect_config *cfg);

/*
 * One checked record, behind proc_apply(): who is its entry, may be NULL. wall_offset_ns: Unix
 * minus boot; 0 (not known yet): nothing is found. known: what baseline_record() said of the
 * record; NULL: the baseline learns. Bounded memory, no system call; a record that contradicts
 * others gives wrong findings at worst.
 */
void detect_record(struct detect *d, const struct edr_hdr *rec, const struct proc_entry *who,
		   const struct proc_table *table, edr_s64 wall_offset_ns,
		   const struct baseline_found *known, struct detect_result *out);

/* What one takes at most, with the texts that it looks at. */
size_t detect_most_bytes(void);

struct detect_stats {
	edr_u64 found[DETECT_SIGNALS];
	edr_u64 unlisted;      /* of these */
	edr_u64 subjects_full; /* times that there was no room for one more subject */
	edr_u64 bursts_evicted;
};
void detect_stats(const struct detect *d, struct detect_stats *out);

#endif
