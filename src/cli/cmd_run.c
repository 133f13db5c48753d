/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/caps.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "source/ftrace_fs.h"
#include "source/ladder.h"
#include "util/buf.h"
#include "util/log.h"
#include "util/text.h"

/* Before anything is made: a clear word is better than the kernel's EPERM. */
static int check_permission(void)
{
	struct buf text = { 0 }, names = { 0 };
	unsigned long long set = 0;
	int status = 0;

	if (caps_effective(&set) == 0 && caps_missing(set, true, &names) > 0) {
		buf_addf(&text, "watching this host needs %s, which this process does not have: ",
			 names.data);
		caps_how_to_give(&text);
		status = cli_fail(EX_NOPERM, text.data ? text.data : "no permission");
	}
	buf_free(&text);
	buf_free(&names);
	return status;
}

static void say_file(const char *file)
{
	struct buf shown = { 0 };

	if (file)
		text_term(&shown, file, strlen(file));
	log_debug("run", "configuration file: %s", shown.data ? shown.data : "none");
	buf_free(&shown);
}

/* Without capabilities root may still have tracefs: then the ladder says what there is. */
static bool may_try(const char *source)
{
	return geteuid() == 0 && (!strcmp(source, "auto") || !strcmp(source, "ftrace"));
}

/* The default names what the ftrace source does better by itself. */
static bool reads_text(const struct conf *conf)
{
	return strcmp(conf->trace_path, CONF_TRACE_PATH) != 0;
}

static int run_source(const struct options *o, struct conf_set *set)
{
	const struct conf *conf = conf_get(set);
	const struct source_ops *step = source_by_name(conf->source);
	struct live_config live = { .options = o,
				    .set = set,
				    .source = step ? step : &source_auto };
	int status;

	if (o->n_arguments > 0)
		return cli_fail(EX_USAGE, "run takes a file only with --source replay");
	if (step == &source_ftrace && reads_text(conf))
		live.source = &source_trace_text;
	status = may_try(conf->source) ? 0 : check_permission();
	if (status)
		return status;
	if (live.source != &source_ftrace) /* which does that itself */
		ft_fs_sweep();
	return live_run(&live);
}

int cmd_run(const struct options *o)
{
	struct conf_set *set = NULL;
	char err[CLI_ERR_MAX];
	char *file = NULL;
	int status;

	status = options_conf(o, &set, &file, err, sizeof(err));
	if (status != 0)
		return cli_fail(status, err);
	if (strcmp(conf_get(set)->source, "replay") == 0) {
		status = cmd_replay(o);
	} else {
		log_set_level(conf_get(set)->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
		say_file(file);
		status = run_source(o, set);
	}
	conf_free(set);
	free(file);
	return status;
}
