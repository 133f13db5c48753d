/* SPDX-License-Identifier: MIT */
/* A connect as it must be reported; scenes_inet.c and scenes_unix.c fill it in. */
#ifndef TRUTH_CONNECTING_H
#define TRUTH_CONNECTING_H

#include "truth.h"

struct connecting {
	pid_t pid, tid; /* 0: the process that speaks, its leader */
	int fd;
	int error; /* 0: it succeeded */
	const char *family;
	const void *address; /* as printed, any byte */
	size_t address_len;
	const char *ip; /* with port; NULL for another family */
	unsigned port;
	bool abstract;
	const char *protocol; /* NULL: not compared */
	const char *type;     /* likewise */
	bool cgroup_only;     /* no tracepoint sees the call: 32 bits, io_uring */
	bool lean_unseen, default_unseen;
	const char *way_unseen; /* another way to watch that does not see it */
	bool has_result;	/* TCP: a connect_result where the call itself does not tell */
	bool result_later;	/* and so in the default mode too */
	int later_error;
	int64_t after, before;
};

void line_connect(const struct truth *t, const struct connecting *c);

#endif
