// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>

#include "source/source.h"

static int no_open(struct source **out, const struct source_config *cfg, char *err, size_t err_size)
{
	(void)cfg;
	*out = NULL;
	snprintf(err, err_size, "this build has no ftrace source");
	return -ENOSYS;
}

const struct source_ops source_ftrace = { .name = "ftrace", .open = no_open };
