/* SPDX-License-Identifier: MIT */
/*
 * What the object without CO-RE relocations cannot know of an exec is read from /proc after the fact: while the process
 * lives, and only when that exec is still its last, which the object's own table of processes tells. Private to the
 * source room.
 */
#ifndef EDR_SOURCE_BPF_AFTER_H
#define EDR_SOURCE_BPF_AFTER_H

#include "source/bpf_shared.h"

struct bpf_after;

int bpf_after_new(struct bpf_after **out, const struct bpf_skel *skel); /* 0 or -ENOMEM */
void bpf_after_free(struct bpf_after *a);				/* safe on NULL */

/* Hands on the exec, completed as far as it can be; before it, its control group when that is a new one. */
void bpf_after_exec(struct bpf_after *a, const struct edr_exec *e, source_record_fn fn, void *ctx);

#endif
