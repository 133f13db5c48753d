/* SPDX-License-Identifier: MIT */
/*
 * verify.c: each level's chain; verify_parents.c: parents from their children; verify_dirs.c: what lies
 * beside the reports, and who may write.
 */
#ifndef EDR_REPORT_VERIFY_PRIVATE_H
#define EDR_REPORT_VERIFY_PRIVATE_H

#include "report/files.h"
#include "report/heads.h"
#include "report/verify.h"

struct verify {
	struct report_store *store;
	const struct verify_config *cfg;
	struct verify_totals *totals;
	struct heads_file heads; /* the ends as they were at the start; without what was removed */
	struct heads_file now;	 /* as it was read last: an agent may write meanwhile */
	bool changed;		 /* that is not as it was at the start */
	bool broken;		 /* the chains tell of problems */
	struct report_files files[N_LEVELS];
};

void verify_say(struct verify *v, const char *kind, enum report_level level, const char *id,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* 1: there was something new, and v->now has it; 0; -errno. */
int verify_read_again(struct verify *v);
int verify_parents(struct verify *v, enum report_level level);
/* "3 entries of `where` `what`: 'a', 'b', 'c'", if there are any. */
void verify_say_names(struct verify *v, const char *kind, enum report_level level,
		      const struct report_names *names, const char *where, const char *what);
int verify_dirs(struct verify *v);

#endif
