/* SPDX-License-Identifier: MIT */
/*
 * Is the tree of reports as it was written? Every digest, every link of the chains, every signature
 * where there is a key; and every parent is made again from its children and compared.
 */
#ifndef EDR_REPORT_VERIFY_H
#define EDR_REPORT_VERIFY_H

#include "report/chain.h"
#include "report/level.h"
#include "report/report.h"

/* What is wrong with a report, or with what is told of it. */
struct verify_finding {
	/*
	 * changed, removed, cut, reordered, forged, unsigned, unreadable, differs (a parent from its
	 * children), chain (chain.json), removals (removed.jsonl), newer (of a later schema_version:
	 * only its chain can be judged), strange (none of the agent's), open (others may write to it);
	 * note: nothing wrong, but worth knowing.
	 */
	const char *kind;
	enum report_level level; /* N_LEVELS: of none */
	const char *id;		 /* "": none */
	const char *text;	 /* a clause; may hold bytes from elsewhere */
};

struct verify_totals {
	size_t reports[N_LEVELS];
	size_t removed;	   /* by retention, by the record of it */
	size_t recomputed; /* parents that were made again */
	size_t skipped;	   /* parents whose children are gone by retention, or are newer */
	size_t problems, notes;
	char head[N_LEVELS]
		 [CHAIN_HEX]; /* to be kept elsewhere: what a later check must still find */
};

struct verify_config {
	const struct chain_key *key; /* NULL: signatures are not checked */
	bool chains_only;	     /* neither parents nor what lies beside the reports */
	void (*on_finding)(void *ctx, const struct verify_finding *f);
	void *ctx;
};

/* 0 (look at out->problems), -ENOMEM, or -errno when the directory cannot be read. */
int report_verify(struct report_store *s, const struct verify_config *cfg,
		  struct verify_totals *out);

#endif
