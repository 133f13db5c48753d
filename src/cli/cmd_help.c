/* SPDX-License-Identifier: MIT */
/* The first page must fit a screen of 24 lines by 80 columns: a test counts. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void print_commands(void)
{
	puts("usage: " CLI_NAME " [COMMAND] [OPTION]...");
	puts("Watches a Linux host through BPF and writes what ran, by whom, as reports.\n");
	for (size_t i = 0; i < cli_n_commands; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s%s", cli_commands[i].name,
			 cli_commands[i].arguments);
		printf("  %-15s %s\n", name, cli_commands[i].summary);
	}
}

static void print_options(void)
{
	puts("\n"
	     "  -c, --config FILE      configuration file     -i, --interval MINUTES of a cell\n"
	     "  -o, --output FILE      append events as JSON      --stdout    print them\n"
	     "  -d, --debug            print events for people    --record FILE  for replay\n"
	     "      --reports-dir DIR  where reports go           --hooks default|lean\n"
	     "      --source auto|bpf|bpf-btf|bpf-plain|ftrace|replay  --fallback-ftrace\n"
	     "      --set SECTION.KEY=VALUE  any key of linux-edr.conf, see show-config\n"
	     "      --json  (check, show-config, version)         --sample  (show-config)\n"
	     "\n"
	     "More: `" CLI_NAME " help COMMAND`, " CLI_NAME "(8), linux-edr.conf(5).");
}

/* of: the sections whose keys matter to the command; NULL: all. */
static void print_conf_options(const char *of)
{
	const char *section, *key, *help;
	struct conf_option opt;
	char name[64];

	puts("\nOptions, and the keys of linux-edr.conf that they set:");
	puts("  -c, --config FILE            the configuration file; no other is read");
	for (size_t i = 0; conf_key(i, &section, &key, &opt, &help); i++) {
		if (!opt.name || (of && strcmp(section, of) != 0))
			continue;
		snprintf(name, sizeof(name), "--%s%s%s", opt.name, opt.arg ? " " : "",
			 opt.arg ? opt.arg : "");
		if (opt.letter)
			printf("  -%c, %-24s %s.%s\n", opt.letter, name, section, key);
		else
			printf("      %-24s %s.%s\n", name, section, key);
	}
	if (!of)
		puts("      --fallback-ftrace        SOURCE.source = ftrace");
	puts("      --set SECTION.KEY=VALUE  any key");
}

int cmd_help(const struct options *o)
{
	const struct command *cmd;

	if (o->n_arguments == 0) {
		print_commands();
		print_options();
		return 0;
	}
	cmd = cli_command(o->arguments[0]);
	if (!cmd)
		return cli_unknown_command(o->arguments[0]);
	printf("usage: " CLI_NAME " %s%s%s\n\n%s", cmd->name, cmd->arguments,
	       cmd->accepts ? " [OPTION]..." : "", cmd->help);
	if (cmd->accepts & OPTIONS_CONF)
		print_conf_options(cmd->accepts & OPTIONS_REPORT ? "REPORTS" : NULL);
	if (cmd->accepts & OPTIONS_JSON)
		puts("      --json                   for programs");
	if (cmd->accepts & OPTIONS_STATS)
		puts("      --stats                  what each BPF program costs\n"
		     "      --seconds N              how long that is measured; 5 if not given");
	if (cmd->accepts & OPTIONS_SAMPLE)
		puts("      --sample                 the sample linux-edr.conf");
	if (cmd->accepts & OPTIONS_REPORT)
		puts("      --level LEVEL            interim, cell, block, daily, weekly or "
		     "monthly\n"
		     "      --since TIME             windows that begin then or later; --until: "
		     "before\n"
		     "      --until TIME             2026-11-21, 2026-11-21T20:00 (UTC), 2d (mhdw) "
		     "ago\n"
		     "      --text                   show: for people\n"
		     "      --force                  rebuild: also when verify finds problems");
	return 0;
}
