// SPDX-License-Identifier: MIT
/* The CO-RE object for kernels without BTF: the programs of bpf_edr.c on raw tracepoints, fitted by the file of btf_path. */
#include <errno.h>

#include "edr/control.h"
#include "raw.skel.h"
#include "source/bpf_shared.h"

static int open_raw(struct bpf_skel *skel, const struct source_config *cfg,
		    const struct bpf_types *types, char *err, size_t err_size)
{
	const struct bpf_object_open_opts opts = { .sz = sizeof(opts),
						   .btf_custom_path = types->path };
	struct raw_bpf *s = raw_bpf__open_opts(&opts);

	(void)cfg;
	(void)err;
	(void)err_size;
	if (!s)
		return -errno;
	BPF_SKEL_BIND(skel, s);
	s->rodata->exit_has_group_dead =
		bpf_types_tracepoint_args(types, "sched_process_exit") >= 2;
	return 0;
}

static int load_raw(struct bpf_skel *skel)
{
	int e = raw_bpf__load(skel->skeleton);

	if (!e)
		BPF_SKEL_BIND(skel, (struct raw_bpf *)skel->skeleton);
	return e;
}

static void destroy_raw(struct bpf_skel *skel)
{
	raw_bpf__destroy(skel->skeleton);
	skel->skeleton = NULL;
}

const struct bpf_kind bpf_kind_raw = {
	.name = "bpf-btf",
	.by_file = true,
	.rows = bpf_core_rows,
	.n_rows = BPF_CORE_ROWS,
	.open = open_raw,
	.load = load_raw,
	.destroy = destroy_raw,
};
