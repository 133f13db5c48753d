/* SPDX-License-Identifier: MIT */
/*
 * What the cells of a generated capture must hold. The generator tells the model of each record that it writes and of
 * each thing that it did; the model says which window that belongs to, by the contract of cell/cell.h and by nothing of
 * the program's own code, and writes one line of JSON for each cell that must come, in the order in which they come.
 *
 * Strings in these lines are bytes: the code point U+00NN stands for the byte NN.
 */
#ifndef TREE_MODEL_H
#define TREE_MODEL_H

#include <stdbool.h>
#include <stdio.h>

#include "edr/wire.h"

/* Things that are counted by a key, which is an index here and a string in the output. */
enum tally {
	TALLY_LINE, /* of succeeded runs, by executable and arguments; the number is name * N_VARIANTS + variant */
	TALLY_USER,
	TALLY_STATUS,
	TALLY_SIGNAL,
	TALLY_ERROR,
	TALLY_FAILED, /* by file name */
	TALLY_ADDRESS,
	TALLY_SYSCALL,
	TALLY_CONTAINER,
	N_TALLIES
};
#define TALLY_MAX 10000 /* indexes */

struct model {
	FILE *out;
	unsigned interval_s;
	unsigned run; /* from 1, counts the starts */

	bool open, have_clock, had_window;
	edr_s64 offset_ns, now_boot_ns;
	edr_s64 start_ns, end_ns; /* of the open window */
	edr_s64 begin_boot_ns, from_boot_ns, last_boot_ns, last_end_ns;

	/* of the open cell */
	edr_u64 delivered[EDR_TYPE_MAX];
	struct edr_counters counted[EDR_TYPE_MAX];
	edr_u64 late, steps, skipped, blind_ns, blind_before_ns;
	edr_u64 cpu_ns, bpf_ns;
	edr_s64 blind_from_ns, blind_to_ns, ahead_from_ns, ahead_to_ns;
	unsigned tally[N_TALLIES][TALLY_MAX];
	unsigned touched[N_TALLIES][TALLY_MAX], n_touched[N_TALLIES];
};

/* Before anything else is said of that record. As capture.on_record. */
void model_record(void *model, const struct edr_hdr *rec);
void model_count(struct model *m, enum tally t, unsigned key);
/* The run ends here, whatever its reason. */
void model_end(struct model *m);

#endif
