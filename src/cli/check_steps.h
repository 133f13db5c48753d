/* SPDX-License-Identifier: MIT */
/* The steps of the ladder on this host, each found by trying: for `check`. */
#ifndef EDR_CLI_CHECK_STEPS_H
#define EDR_CLI_CHECK_STEPS_H

#include "source/ladder.h"
#include "source/probe.h"
#include "util/buf.h"

#define CHECK_MAX_STEPS 8
#define CHECK_MAX_PROGRAMS 64

enum step_state { STEP_TAKEN, STEP_OK, STEP_REFUSED, STEP_NOT_ASKED };

struct check_step {
	const struct source_ops *ops;
	enum step_state state;
	int error; /* -errno of one that is refused */
	char why[400];
};

struct check_steps {
	struct check_step step[CHECK_MAX_STEPS];
	size_t n;
	const struct source_ops *taken; /* NULL: none */
	size_t refused_above;		/* steps that see more than the one that is taken */
	/* Of the step that is taken, when it is one of BPF. */
	struct source_program programs[CHECK_MAX_PROGRAMS];
	int n_programs;
	edr_u64 measured_ns;
	char stats_error[400]; /* why --stats could not be had; "" */
};

/* name: as in the configuration, "auto" for all. seconds: of --stats, 0: without. */
void check_steps(struct check_steps *s, const char *name, const struct source_config *cfg,
		 unsigned seconds);

extern const char *const step_words[]; /* by enum step_state */

/* The error of those that were refused that says most of what to mend. */
int check_steps_error(const struct check_steps *s);

void check_steps_json(const struct check_steps *s, struct buf *out);
void check_steps_print(const struct check_steps *s);

#endif
