/* SPDX-License-Identifier: MIT */
/* linux-edr-bpf [COMMAND] [OPTION]...: finds the command, parses its options, runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/cli.h"
#include "cli/selftest.h"

static int too_many(const struct command *cmd, const struct options *o)
{
	char err[CLI_ERR_MAX];

	snprintf(err, sizeof(err),
		 "%s takes %s%zu argument%s; usage: " CLI_NAME " %s%s [OPTION]...", cmd->name,
		 cmd->max_arguments ? "at most " : "", cmd->max_arguments,
		 cmd->max_arguments == 1 ? "" : "s", cmd->name, cmd->arguments);
	(void)o;
	return cli_fail(EX_USAGE, err);
}

static int run_command(const struct command *cmd, int argc, char **argv)
{
	struct options o, of_help = { 0 };
	char *name = (char *)(size_t)cmd->name;
	char err[CLI_ERR_MAX];
	int status;

	status = options_parse(&o, argc, argv, cmd->accepts, err, sizeof(err));
	if (status != 0) {
		status = cli_fail(status == -ENOMEM ? EX_OSERR : EX_USAGE, err);
	} else if (o.help) {
		of_help.arguments = &name;
		of_help.n_arguments = argv[0] == cmd->name ? 0 : 1;
		status = cmd_help(&of_help);
	} else if (o.version) {
		status = cmd_version(&o);
	} else if (o.n_arguments > cmd->max_arguments) {
		status = too_many(cmd, &o);
	} else {
		status = cmd->run(&o);
	}
	options_free(&o);
	/* A full disk or a closed pipe behind `show-config >FILE` must not look like success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0)
		status = cli_fail(EX_IOERR, "standard output cannot be written");
	return status;
}

/*
 * glibc keeps what was large once: it learns a higher threshold for mmap from the first large block that
 * is freed, and a report's text would stay with the process for good.
 */
static void give_memory_back(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}

int main(int argc, char **argv)
{
	const struct command *cmd;

	give_memory_back();

	if (argc > 1 && strcmp(argv[1], SELFTEST_COMMAND) == 0)
		return 0;
	/* Without a command it is `run`; argv[0] stands where the command's name would. */
	if (argc < 2 || argv[1][0] == '-') {
		char *no_arguments[] = { (char *)(size_t)cli_commands[0].name, NULL };

		if (argc < 1)
			return run_command(&cli_commands[0], 1, no_arguments);
		argv[0] = no_arguments[0];
		return run_command(&cli_commands[0], argc, argv);
	}
	cmd = cli_command(argv[1]);
	if (!cmd)
		return cli_unknown_command(argv[1]);
	return run_command(cmd, argc - 1, argv + 1);
}
