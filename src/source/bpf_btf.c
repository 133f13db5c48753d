// SPDX-License-Identifier: MIT
#include "source/bpf_btf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "source/btf_file.h"

static int open_file(const char *path, char *why, size_t size)
{
	struct build_id kernel;
	int e = build_id_of_kernel(&kernel, why, size);

	return e ? e : btf_file_open(path, &kernel, why, size);
}

void bpf_types_read(struct bpf_types *t)
{
	t->btf = t->fd < 0 ? btf__load_vmlinux_btf() : btf__parse(t->path, NULL);
}

int bpf_types_open(struct bpf_types *t, const char *file, char *why, size_t size)
{
	int e = 0;

	t->btf = NULL;
	t->fd = file ? open_file(file, why, size) : -1;
	if (file && t->fd < 0)
		return t->fd;
	snprintf(t->path, sizeof(t->path), "/proc/self/fd/%d", t->fd);
	bpf_types_read(t);
	if (file && !t->btf) {
		e = -errno;
		snprintf(why, size, "btf_path: the BTF of the file cannot be read: %s",
			 strerror(-e));
		bpf_types_close(t);
	}
	return e;
}

void bpf_types_release(struct bpf_types *t)
{
	btf__free(t->btf);
	t->btf = NULL;
}

void bpf_types_close(struct bpf_types *t)
{
	bpf_types_release(t);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Its prototype has one parameter more: the first is its data. */
unsigned bpf_types_tracepoint_args(const struct bpf_types *types, const char *tracepoint)
{
	const struct btf *btf = types->btf;
	const struct btf_type *t;
	char name[80];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) : -ENOENT;
	t = id < 0 ? NULL : btf__type_by_id(btf, btf__type_by_id(btf, (unsigned)id)->type);
	t = t && btf_is_ptr(t) ? btf__type_by_id(btf, t->type) : NULL;
	return t && btf_is_func_proto(t) && btf_vlen(t) ? btf_vlen(t) - 1U : 0;
}

static bool is_vmlinux(const char *path)
{
	char ignored[8];
	int fd = open_file(path, ignored, sizeof(ignored));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int bpf_btf_matches(const char *path, const struct btf *kernel, char *why, size_t size)
{
	unsigned n_theirs = 0, n_ours = 0;
	const void *theirs, *ours;
	struct btf *btf;
	int e = 0;

	if (is_vmlinux(path))
		return 0;
	btf = btf__parse(path, NULL);
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
