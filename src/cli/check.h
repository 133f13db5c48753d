/* SPDX-License-Identifier: MIT */
/* What this host offers, found by trying wherever that leaves no trace; never by a version string. */
#ifndef EDR_CLI_CHECK_H
#define EDR_CLI_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "source/source.h"

enum check_state {
	CHECK_OK,
	CHECK_NOTE,	    /* worth knowing, nothing is missing */
	CHECK_GAP,	    /* it works, and sees less */
	CHECK_MISSING,	    /* it cannot work */
	CHECK_NO_PERMISSION /* it cannot work, or cannot be looked at, as this user */
};

struct check_item {
	const char *name;
	enum check_state state;
	char what[400]; /* one sentence */
	char mend[400]; /* how; "" when there is nothing to mend */
};

#define CHECK_MAX_ITEMS 32

struct check {
	struct check_item items[CHECK_MAX_ITEMS];
	size_t n;
	const struct conf *conf;
	struct source_config source;
	bool mounts_tracefs; /* it was not there, and is while we look, as while the agent runs */
};

/* All but the BPF programs, for which the source room has its own probe. */
void check_host(struct check *c);

/* The language model: what `run` would read and fork for it. */
void check_model(struct check *c);

/* Appends an item; what and mend are copied. */
void check_add(struct check *c, const char *name, enum check_state state, const char *what,
	       const char *mend);

#endif
