/* SPDX-License-Identifier: MIT */
/* The list of commands, and what help says of each. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/text.h"

static const char run_help[] =
	"Watches this host and writes a report a cell, until SIGTERM or SIGINT. Needs root, or "
	"the\n"
	"capabilities that `check` names. SIGHUP reads the configuration again and reopens "
	"--output.\n"
	"\n"
	"Exit status: 0 stopped by a signal, 64 wrong usage, 69 this host cannot be watched,\n"
	"73 a file cannot be made, 74 reports could not be written, 75 another agent writes to "
	"the\n"
	"same reports directory, 77 no permission, 78 wrong configuration.\n";

static const char replay_help[] =
	"Makes the reports of a capture that `run --record FILE` wrote. Needs no root, no kernel\n"
	"feature and no clock: the same capture and configuration give the same bytes each time.\n"
	"\n"
	"Exit status: 0 the capture was whole, 65 it was cut or damaged (what could be read is\n"
	"reported), 66 it cannot be opened, and those of run.\n";

static const char show_config_help[] =
	"Prints each key's value and where it came from: default, file, environment or option.\n"
	"Secrets are masked. --json prints one JSON object, --sample the sample linux-edr.conf.\n";

static const char check_help[] =
	"Says what this host offers, what would be used, what is missing and how to mend it.\n"
	"With --stats the BPF programs run for some seconds, and it says what each of them costs.\n"
	"That needs CAP_SYS_ADMIN. An agent that runs goes on undisturbed: the programs are a\n"
	"second set, whose cost comes on top meanwhile.\n"
	"\n"
	"Exit status: 0 all is well, 1 it works with gaps that are named, 69 it cannot work here,\n"
	"77 it cannot work, or be looked at, without more permission.\n";

static const char report_help[] =
	"Looks into the directory of reports. Needs no agent that runs, and disturbs none.\n"
	"\n"
	"  report list             what there is, by time\n"
	"  report show ID|latest   one report: JSON, or --text for people\n"
	"  report verify           was a report changed, cut, removed, reordered or forged? Are\n"
	"                          parents what their children make? With chain_key_file: signed?\n"
	"  report rebuild          makes parents again from their children; says what changed\n"
	"  report export           reports as JSON lines, one a line\n"
	"\n"
	"Exit status: 0 all is well, 1 verify: something is wrong, 64 wrong usage, 65 a report is\n"
	"damaged, 66 there is no such report or directory, 73 it cannot be written, 75 an agent\n"
	"writes there (rebuild).\n";

static const char analyze_help[] =
	"Shows a report to the language model now, without the queue, and prints its answer; with\n"
	"--json the verdict. It is written to the reports when no agent runs there. `latest` is "
	"the\n"
	"newest cell.\n"
	"\n"
	"What it costs counts in the budget of the day, the agent's and this one's together;\n"
	"--over-budget asks all the same.\n"
	"\n"
	"--dry-run prints the request, byte for byte, and its price on standard error. It asks\n"
	"nobody, and needs neither key nor server.\n"
	"\n"
	"Exit status: 0, 64 wrong usage, 65 the report is damaged, 66 there is none, 69 no "
	"answer,\n"
	"75 what may be spent today is spent, 77 the reports are another's and what it costs\n"
	"cannot be counted, 78 wrong configuration.\n";

static const char version_help[] = "Prints the version, the commit and those of the libraries.\n";
static const char help_help[] = "Prints the commands and options, or what one command does.\n";

const struct command cli_commands[] = {
	{ "run", cmd_run, OPTIONS_CONF, 1, "", "watch this host and write reports (the default)",
	  run_help },
	{ "replay", cmd_replay, OPTIONS_CONF, 1, " FILE", "make the reports of a recorded capture",
	  replay_help },
	{ "check", cmd_check, OPTIONS_CONF | OPTIONS_JSON | OPTIONS_STATS, 0, "",
	  "what this host offers, what is missing, how to mend it", check_help },
	{ "show-config", cmd_show_config, OPTIONS_CONF | OPTIONS_JSON | OPTIONS_SAMPLE, 0, "",
	  "each setting and where it came from", show_config_help },
	{ "report", cmd_report, OPTIONS_CONF | OPTIONS_JSON | OPTIONS_REPORT, 2, " WHAT",
	  "list, show, verify, rebuild, export reports", report_help },
	{ "analyze", cmd_analyze, OPTIONS_CONF | OPTIONS_JSON | OPTIONS_ANALYZE, 1, " ID",
	  "show a report to the language model", analyze_help },
	{ "version", cmd_version, OPTIONS_JSON, 0, "", "versions of the program and libraries",
	  version_help },
	{ "help", cmd_help, 0, 1, " [COMMAND]", "this text, or what one command does", help_help },
};
const size_t cli_n_commands = sizeof(cli_commands) / sizeof(cli_commands[0]);

const struct command *cli_command(const char *name)
{
	for (size_t i = 0; i < cli_n_commands; i++)
		if (strcmp(cli_commands[i].name, name) == 0)
			return &cli_commands[i];
	return NULL;
}

int cli_fail(int status, const char *sentence)
{
	fprintf(stderr, CLI_NAME ": %s\n", sentence);
	return status;
}

int cli_unknown_command(const char *name)
{
	const char *names[sizeof(cli_commands) / sizeof(cli_commands[0])], *nearest;
	struct buf text = { 0 };

	for (size_t i = 0; i < cli_n_commands; i++)
		names[i] = cli_commands[i].name;
	nearest = conf_nearest(name, names, cli_n_commands);
	buf_adds(&text, "there is no command '");
	text_term(&text, name, strlen(name));
	if (nearest)
		buf_addf(&text, "'; did you mean %s?", nearest);
	else
		buf_adds(&text, "'; `" CLI_NAME " help` lists them");
	cli_fail(EX_USAGE, text.data ? text.data : "out of memory");
	buf_free(&text);
	return EX_USAGE;
}
