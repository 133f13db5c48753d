/* SPDX-License-Identifier: MIT */
/* The types that BPF programs are fitted to: the kernel's own BTF, or that of the file of btf_path. Private to the source room. */
#ifndef EDR_SOURCE_BPF_BTF_H
#define EDR_SOURCE_BPF_BTF_H

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>

struct bpf_types {
	struct btf *btf; /* NULL: there is none, or it is not held any more */
	int fd;		 /* of the file; -1: it is the kernel's own that is meant */
	char path[32];	 /* the file as it was judged, whatever has that name by now */
};

/*
 * file: NULL means the kernel's own BTF, and that it has none is no error. 0; or -errno with a sentence in why when the file
 * is not the one that fits.
 */
int bpf_types_open(struct bpf_types *t, const char *file, char *why, size_t size);
/* The types take memory, as much again while libbpf reads them itself: let go, and read anew. */
void bpf_types_release(struct bpf_types *t);
void bpf_types_read(struct bpf_types *t);
void bpf_types_close(struct bpf_types *t);

/* How many arguments the programs of that tracepoint get; 0: there is no such tracepoint. */
unsigned bpf_types_tracepoint_args(const struct bpf_types *t, const char *tracepoint);

/*
 * Is that file of the kernel that runs: its vmlinux, by the build-id, or its BTF, byte for byte? 0; or -EINVAL (cannot be
 * read), -ESTALE (another's), each with a sentence in why.
 */
int bpf_btf_matches(const char *path, const struct btf *kernel, char *why, size_t size);

#endif
