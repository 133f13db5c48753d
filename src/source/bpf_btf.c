// SPDX-License-Identifier: MIT
#include "source/bpf_btf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int bpf_btf_matches(const char *path, const struct btf *kernel, char *why, size_t size)
{
	struct btf *btf = btf__parse(path, NULL);
	unsigned n_theirs = 0, n_ours = 0;
	const void *theirs, *ours;
	int e = 0;

	if (!btf) {
		snprintf(why, size, "btf_path: no BTF can be read from the file (%s)",
			 strerror(errno));
		return -EINVAL;
	}
	theirs = btf__raw_data(btf, &n_theirs);
	ours = btf__raw_data(kernel, &n_ours);
	if (!theirs || !ours || n_theirs != n_ours || memcmp(theirs, ours, n_ours) != 0) {
		snprintf(why, size,
			 "btf_path: the file is of another kernel than the one that runs");
		e = -ESTALE;
	}
	btf__free(btf);
	return e;
}
