/* SPDX-License-Identifier: MIT */
/* A file with the kernel's BTF, given by the configuration. Private to the source room. */
#ifndef EDR_SOURCE_BPF_BTF_H
#define EDR_SOURCE_BPF_BTF_H

#include <bpf/btf.h>
#include <stddef.h>

/*
 * Is that file the BTF of the kernel that runs? Only a comparison with the kernel's own can tell: a file of another
 * kernel loads as well, and then every field is read at a wrong place, in silence. And where the kernel has none to compare
 * with, its programs of typed tracepoints cannot be attached, whatever a file says. 0; -EINVAL: it cannot be read; -ESTALE:
 * it is another's; -ESRCH: the kernel has none. Each with a sentence in err.
 */
int bpf_btf_matches(const char *path, const struct btf *kernel, char *err, size_t err_size);

#endif
