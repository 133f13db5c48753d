/* SPDX-License-Identifier: MIT */
/*
 * `report WHAT`: cmd_report.c finds out what, and opens the directory; each of the others is one
 * WHAT and gives its exit status.
 */
#ifndef EDR_CLI_REPORT_CMD_H
#define EDR_CLI_REPORT_CMD_H

#include <stdio.h>

#include "cli/cli.h"
#include "report/files.h"
#include "report/level.h"

struct report_cmd {
	const struct options *o;
	const struct conf *conf;
	struct report_store *store;
	struct chain_key key;
	enum report_level level; /* N_LEVELS: all but interim parts */
	edr_s64 since_ns, until_ns;
	const char *id; /* the second argument, NULL when there is none */
};

/* A report that was asked for. */
struct report_choice {
	enum report_level level;
	edr_s64 start_ns;
	struct report_file file;
};

/* Those of the wanted levels and times, by time, then level, then id. The caller frees *out. 0 or -errno. */
int report_cmd_choose(const struct report_cmd *c, struct report_choice **out, size_t *n);

int report_cmd_list(const struct report_cmd *c);
int report_cmd_show(const struct report_cmd *c);
int report_cmd_export(const struct report_cmd *c);
int report_cmd_verify(const struct report_cmd *c);
int report_cmd_rebuild(const struct report_cmd *c);

/* Is it JSON of ours, all of it, without bytes that a terminal obeys? Not: is it what was written. */
bool report_sound(const struct buf *json);

/* What a model said of a report. */
struct report_model {
	struct buf verdict; /* its file */
	int why;	    /* there is none: -ENOENT, else it cannot be shown */
	bool current;	    /* it is of the report as it is now */
	unsigned severity;  /* the worst of its verdict's and of those below it; 0: none */
};
/* 0 or -ENOMEM; report_model_free() either way. */
int report_model_read(const struct report_cmd *c, const struct report_choice *one,
		      const struct buf *json, struct report_model *m);
/* At most 80 columns wide; nothing when there is none. 0 or -ENOMEM. */
int report_model_print(const struct report_model *m, FILE *out);
void report_model_free(struct report_model *m);

/*
 * A report for people, at most 80 columns wide. previous: the one before it on its level, to say
 * what is new; empty when there is none. 0 or -errno.
 */
int report_text(const struct buf *json, const struct buf *previous,
		const struct report_model *model, FILE *out);

#endif
