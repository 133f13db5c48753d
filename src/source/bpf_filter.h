/* SPDX-License-Identifier: MIT */
/* The configuration's filters into the BPF object. Private to the source room. */
#ifndef EDR_SOURCE_BPF_FILTER_H
#define EDR_SOURCE_BPF_FILTER_H

#include "source/source.h"

struct bpf_skel;

/* Before loading: what the programs take as constants. -EINVAL with a sentence in err. */
int bpf_filter_configure(struct bpf_skel *skel, const struct source_config *cfg, char *err,
			 size_t err_size);
/* After loading: the maps, and the processes that run already. 0 or -errno. */
int bpf_filter_fill(struct bpf_skel *skel, const struct source_config *cfg);

#endif
