/* SPDX-License-Identifier: MIT */
/* The main job: a source of this host, until a signal says stop. */
#ifndef EDR_CLI_LIVE_H
#define EDR_CLI_LIVE_H

#include "cli/options.h"
#include "conf/conf.h"
#include "source/source.h"

struct live_config {
	const struct options *options; /* read again at SIGHUP */
	struct conf_set *set;	       /* as started; stays the caller's */
	const struct source_ops *source;
};

/* An exit status; what was wrong has been said. */
int live_run(const struct live_config *cfg);

/* What the configuration asks of a source; its lists point into conf. */
void live_source_config(const struct conf *conf, struct source_config *out);

#endif
