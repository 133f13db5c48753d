/* SPDX-License-Identifier: MIT */
/* A file with the kernel's BTF, given by the configuration. Private to the source room. */
#ifndef EDR_SOURCE_BPF_BTF_H
#define EDR_SOURCE_BPF_BTF_H

#include <bpf/btf.h>
#include <stddef.h>

/*
 * Is that file the BTF of the kernel that runs, byte for byte? Nothing less tells: a file of another build loads as well, and
 * then fields are read at wrong places, in silence. 0; or -EINVAL (cannot be read), -ESTALE (another's), each with a
 * sentence in why.
 */
int bpf_btf_matches(const char *path, const struct btf *kernel, char *why, size_t size);

#endif
