/* SPDX-License-Identifier: MIT */
/*
 * Second copies of programs. From 7.0 on a task may be preempted inside of a program at a tracepoint,
 * and until it runs again the kernel skips that program for everybody else on that CPU, but not its
 * copy, but when others are in both. A copy does what the first one has not done. Private to the source room.
 */
#ifndef EDR_SOURCE_BPF_AGAIN_H
#define EDR_SOURCE_BPF_AGAIN_H

#include <bpf/libbpf.h>
#include <stdbool.h>

/* Does this kernel skip so? */
bool bpf_again_is_wanted(void);
/* The copy of that program; NULL: there is none. */
struct bpf_program *bpf_again_of(const struct bpf_object *obj, const char *program);

/* Before the object is loaded where none is wanted: what only copies need takes no memory. 0 or -errno. */
int bpf_again_without(struct bpf_object *obj);

#endif
