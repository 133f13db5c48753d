/* SPDX-License-Identifier: MIT */
/*
 * The baseline at a start: from its file, else from the reports of the days before. From the cells
 * that are newer than the file, too: those of a run that was killed.
 */
#ifndef EDR_CLI_LEARN_H
#define EDR_CLI_LEARN_H

#include <stddef.h>
#include <stdint.h>

struct baseline;

#define LEARN_FILE "baseline.bin" /* in REPORT_ANALYSIS_DIR */
#define LEARN_MOST_MS 2000	  /* nothing is watched meanwhile */

/* Of a new baseline's hash: drawn by lot. */
void learn_key(uint64_t key[2]);

/*
 * max: bytes of the file that this configuration makes. What cannot be read is told in the log, and
 * is no reason not to watch. Reports are read for most_ms and one more, the newest first; what is
 * left then, or when a signal ends us, is given up and said.
 */
void learn_baseline(struct baseline *b, const char *dir, size_t max, unsigned most_ms);

#endif
