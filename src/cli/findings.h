/* SPDX-License-Identifier: MIT */
/*
 * Between `detect` and the cells: what is found in a record goes to the open cell, and to the log.
 */
#ifndef EDR_CLI_FINDINGS_H
#define EDR_CLI_FINDINGS_H

#include <stdbool.h>

#include "cell/cell.h"
#include "conf/conf.h"
#include "detect/signal.h"

struct findings {
	struct detect *detect;
	bool quiet;		   /* a replay's: they are in the reports */
	edr_s64 minute;		   /* Unix, of the last line of the log */
	unsigned said;		   /* lines in it */
	unsigned long long unsaid; /* since findings_tell() */
};

/* 0 or -ENOMEM. baseline: may be NULL. */
int findings_open(struct findings *f, const struct conf *conf, struct baseline *baseline,
		  bool replay);
void findings_configure(struct findings *f, const struct conf *conf, struct baseline *baseline,
			bool replay);
void findings_close(struct findings *f);

/* Behind cells_fold() of the record. deltas: of the checkpoints, may be NULL. */
void findings_record(struct findings *f, const struct edr_hdr *rec, const struct proc_entry *who,
		     const struct proc_table *table, const struct baseline_found *known,
		     struct cells *cells, struct cells *deltas);

/* What the log did not say. */
void findings_tell(struct findings *f);

#endif
