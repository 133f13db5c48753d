// SPDX-License-Identifier: MIT
#include "source/bpf_btf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int bpf_btf_matches(const char *path, const struct btf *kernel, char *err, size_t err_size)
{
	const void *theirs, *ours;
	unsigned n_theirs = 0, n_ours = 0;
	struct btf *btf = btf__parse(path, NULL);
	int e = 0;

	if (!btf) {
		snprintf(err, err_size, "btf_path: no BTF can be read from the file: %s",
			 strerror(errno));
		return -EINVAL;
	}
	if (!kernel) {
		snprintf(err, err_size,
			 "btf_path: the kernel has no BTF of its own, so the file cannot be compared "
			 "with it, and the kernel would not attach the programs");
		e = -ESRCH;
	} else {
		theirs = btf__raw_data(btf, &n_theirs);
		ours = btf__raw_data(kernel, &n_ours);
		if (!theirs || !ours || n_theirs != n_ours || memcmp(theirs, ours, n_ours) != 0) {
			snprintf(err, err_size,
				 "btf_path: the file is of another kernel than the one that runs");
			e = -ESTALE;
		}
	}
	btf__free(btf);
	return e;
}
