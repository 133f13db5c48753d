/* SPDX-License-Identifier: MIT */
/*
 * The command line. Options that set a key of the configuration come from the configuration's own
 * table; they are kept as they are, so that SIGHUP can put the same options over a changed file.
 */
#ifndef EDR_CLI_OPTIONS_H
#define EDR_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define OPTIONS_CONF 0x1u /* those of the configuration, -c, --set */
#define OPTIONS_JSON 0x2u
#define OPTIONS_SAMPLE 0x4u
#define OPTIONS_STATS 0x10u   /* --stats, --seconds */
#define OPTIONS_REPORT 0x8u   /* --level, --since, --until, --text */
#define OPTIONS_ANALYZE 0x20u /* --dry-run, --over-budget */

struct option_setting {
	char *section, *key, *value;
	char *option; /* as the user calls it, for messages: "--interval" */
};

struct options {
	const char *config; /* -c, NULL when not given */
	struct option_setting *settings;
	size_t n_settings;
	bool json, sample, roff, text, force, stats, dry_run, over_budget;
	unsigned seconds;		   /* 0: not given */
	const char *level, *since, *until; /* NULL when not given */
	bool help, version;
	char **arguments; /* what is no option; points into argv */
	size_t n_arguments;
};

/*
 * argv[0] is the command's name. Permutes argv. 0; -EINVAL with one sentence in err (an unknown
 * option with the nearest one); -ENOMEM.
 */
int options_parse(struct options *o, int argc, char **argv, unsigned accepts, char *err,
		  size_t err_size);
void options_free(struct options *o);

/*
 * The configuration that these options, the environment and the file give. *file is the file that
 * was read, or NULL; the caller frees both. 0 or an exit status (EX_USAGE, EX_CONFIG, EX_OSERR)
 * with one sentence in err.
 */
int options_conf(const struct options *o, struct conf_set **set, char **file, char *err,
		 size_t err_size);

#endif
