/* SPDX-License-Identifier: MIT */
/*
 * The commands: one file each. A command gets what stood on the command line and gives its exit
 * status, one of sysexits.h.
 */
#ifndef EDR_CLI_CLI_H
#define EDR_CLI_CLI_H

#include <stddef.h>
#include <sysexits.h>

#include "cli/options.h"

#define CLI_NAME "linux-edr-bpf"
#define CLI_ERR_MAX 1024 /* one sentence */

struct command {
	const char *name;
	int (*run)(const struct options *o);
	unsigned accepts; /* OPTIONS_*, beside those of the configuration */
	size_t max_arguments;
	const char *arguments; /* as in the usage line: " FILE" */
	const char *summary;   /* for the list of commands */
	const char *help;      /* for `help COMMAND` */
};

extern const struct command cli_commands[];
extern const size_t cli_n_commands;

const struct command *cli_command(const char *name); /* NULL when there is none */
/* Says that there is no such command, and which one is near. EX_USAGE. */
int cli_unknown_command(const char *name);
/* "linux-edr-bpf: SENTENCE" on stderr; gives status back. */
int cli_fail(int status, const char *sentence);

int cmd_run(const struct options *o);
int cmd_replay(const struct options *o);
int cmd_show_config(const struct options *o);
int cmd_check(const struct options *o);
int cmd_version(const struct options *o);
int cmd_report(const struct options *o);
int cmd_analyze(const struct options *o);
int cmd_help(const struct options *o);

#endif
