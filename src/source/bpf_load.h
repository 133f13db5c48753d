/* SPDX-License-Identifier: MIT */
/*
 * A BPF object in the kernel: which programs are wanted and possible, loading, attaching. Private
 * to the source room (bpf.c, probe.c).
 */
#ifndef EDR_SOURCE_BPF_LOAD_H
#define EDR_SOURCE_BPF_LOAD_H

#include <bpf/libbpf.h>

#include "source/bpf_shared.h"
#include "source/probe.h"
#include "util/buf.h"

#define BPF_LOAD_PROGRAMS SOURCE_PROGRAMS

struct bpf_load {
	const struct bpf_kind *kind;
	struct bpf_skel skel;
	struct bpf_link **links;
	size_t n_links;
	struct source_program programs[BPF_LOAD_PROGRAMS]; /* what became of each */
	size_t n_programs;
	bool preempted;				 /* in our programs: see bpf_again.h */
	bool again[BPF_LOAD_PROGRAMS];		 /* whose second copy is in place, too; */
	edr_u64 missed_alone[BPF_LOAD_PROGRAMS]; /* what the first had missed by then */
	bool part_of_cgroups; /* the cgroup tree that we reach is not the whole */
	/*
	 * Names in syscalls_to_trace that cannot be traced, a btf_path that is wrong, what is not
	 * counted: NUL-separated sentences.
	 */
	struct buf unresolved;
};

/*
 * Opens, loads and attaches. 0; or -errno with a sentence in err, and nothing stays in the kernel.
 */
int bpf_load_open(struct bpf_load *l, const struct bpf_kind *kind, const struct source_config *cfg,
		  char *err, size_t err_size);
void bpf_load_detach(struct bpf_load *l); /* the hooks; maps and rings stay */
void bpf_load_close(struct bpf_load *l);  /* safe on a zeroed one */

/* Appends what is off and why, NUL-separated. */
void bpf_load_degraded(const struct bpf_load *l, const struct source_config *cfg, struct buf *out);

#endif
