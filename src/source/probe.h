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
	/* By source_bpf_measure() only. */
	char hook[48]; /* what it hangs on, as libbpf names it */
	edr_u64 runs, run_ns;
};

/* ops: source_bpf, source_bpf_raw or source_bpf_plain. Loads and attaches the programs that cfg asks for, looks, takes them out again. >= 0: programs written to out (at most
 * max); -errno with one sentence in err when not even the BPF object can be loaded. */
int source_bpf_probe(const struct source_ops *ops, const struct source_config *cfg,
		     struct source_program *out, size_t max, char *err, size_t err_size);

/*
 * The same, and for so many seconds the kernel's statistics are on and the rings are read, so that runs and their time are
 * known. *measured_ns: how long it was.
 */
int source_bpf_measure(const struct source_ops *ops, const struct source_config *cfg,
		       unsigned seconds, struct source_program *out, size_t max,
		       edr_u64 *measured_ns, char *err, size_t err_size);

#endif
