/* SPDX-License-Identifier: MIT */
/* verify.c: each level's chain; verify_parents.c: parents from their children. */
#ifndef EDR_REPORT_VERIFY_PRIVATE_H
#define EDR_REPORT_VERIFY_PRIVATE_H

#include "report/files.h"
#include "report/heads.h"
#include "report/verify.h"

struct verify {
	struct report_store *store;
	const struct verify_config *cfg;
	struct verify_totals *totals;
	struct heads_file heads;
	bool broken; /* the chains tell of problems */
	struct report_files files[N_LEVELS];
};

void verify_say(struct verify *v, const char *kind, enum report_level level, const char *id,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));
int verify_parents(struct verify *v, enum report_level level);

#endif
