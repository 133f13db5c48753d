/* SPDX-License-Identifier: MIT */
/*
 * What the kernel counts of our BPF programs: runs that it skipped, and, while its statistics are
 * on, run time and runs. Private to the source room.
 */
#ifndef EDR_SOURCE_BPF_STATS_H
#define EDR_SOURCE_BPF_STATS_H

#include "source/bpf_load.h"

struct btf;

struct bpf_runs {
	edr_u64 ns, runs;
};

/*
 * Adds to misses[type] how often the kernel has skipped a program that makes that event, since it
 * was loaded: a program does not run when another task is in it on the same CPU, which can be where
 * tracepoints are preemptible (7.x).
 */
void bpf_stats_misses(const struct bpf_load *l, edr_u64 misses[EDR_TYPE_MAX]);

/* The same of one program alone, without its second copy. */
edr_u64 bpf_stats_skipped(const struct bpf_load *l, const char *program);

/*
 * Does the kernel count when it skips a program at a plain tracepoint (not a typed one), because
 * another BPF program runs on that CPU? btf: the kernel's own, or NULL: then nobody knows, and it
 * is taken for one that does not.
 */
bool bpf_stats_counts_skipped(const struct btf *btf);
/* Notes in l->unresolved when it does not, and programs that are wanted hang there. */
void bpf_stats_judge(struct bpf_load *l, const struct btf *btf);

/*
 * Of one program, by its name. What was counted while the statistics were on, whoever had them on.
 */
struct bpf_runs bpf_stats_runs(const struct bpf_load *l, const char *program);

/* Bytes that programs, maps and rings take in the kernel, as it says itself; 0 when it does not. */
edr_u64 bpf_stats_memory(const struct bpf_load *l);

/*
 * Switches run time statistics on for all BPF programs of the host, until the descriptor is closed:
 * each run then costs two looks at a clock more. A descriptor; or -errno (5.8 and CAP_SYS_ADMIN are
 * needed).
 */
int bpf_stats_enable(void);
/* Has somebody switched them on for good (sysctl kernel.bpf_stats_enabled)? */
bool bpf_stats_enabled(void);

#endif
