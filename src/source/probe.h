/* SPDX-License-Identifier: MIT */
/*
 * What the BPF source can do on this host, found by trying: for `check`, and for the message when a start fails.
 */
#ifndef EDR_SOURCE_PROBE_H
#define EDR_SOURCE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "source/source.h"

enum source_program_state { SOURCE_PROGRAM_USED, SOURCE_PROGRAM_NOT_ASKED, SOURCE_PROGRAM_MISSING };

struct source_program {
	char name[48];	 /* the BPF program's function, e.g. sched_process_exec */
	char events[96]; /* events that it produces, separated by spaces */
	enum source_program_state state;
	char why[200]; /* for MISSING: what the kernel lacks, what is not seen without it and how to mend it */
};

/* Loads and attaches the programs that cfg asks for, looks, takes them out again. >= 0: programs written to out (at most
 * max); -errno with one sentence in err when not even the BPF object can be loaded. */
int source_bpf_probe(const struct source_config *cfg, struct source_program *out, size_t max,
		     char *err, size_t err_size);

#endif
