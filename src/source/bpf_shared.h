/* SPDX-License-Identifier: MIT */
/*
 * The BPF objects, bpf/edr.bpf.c, raw.bpf.c and plain.bpf.c, as the loader sees them: the same rings, maps and settings, other
 * programs. Private to the source room.
 */
#ifndef EDR_SOURCE_BPF_SHARED_H
#define EDR_SOURCE_BPF_SHARED_H

#include <bpf/libbpf.h>

#include "edr/control.h"
#include "source/bpf_btf.h"
#include "source/source.h"
#include "util/buf.h"

enum bpf_hook {
	HOOK_RAW, /* a tracepoint by its arguments, with types or without: needs the kernel's BTF */
	HOOK_EVENT, /* a tracepoint by its fields */
	HOOK_SYSCALL,
	HOOK_CGROUP,
	HOOK_ANY_SYSCALL
};

/* Each program: what it hangs on, which names in syscalls_to_trace ask for it (none: always), whether lean hooks have it,
 * and what is not seen without it. The first one must work. */
struct bpf_row {
	const char *name;
	enum bpf_hook hook;
	const char *asked_by;
	bool lean;
	const char *unseen;
	const char *group; /* HOOK_EVENT */
};

/* An object of either kind, opened. */
struct bpf_skel {
	void *skeleton;
	struct bpf_object *obj;
	struct bpf_map *ring_exec, *ring_noisy, *counters, *scratch_pool, *scratch_free,
		*skip_comms, *skip_uids, *skip_paths, *skip_cgroups, *skip_processes, *any_calls,
		*syscall_infos;
	/* Before it is loaded: */
	edr_u32 *self_tgid;
	edr_u64 *ring_exec_high, *ring_noisy_high;
	bool *filter_comms, *filter_uids, *remembers_any, *remembers_connects, *runs_again;
	edr_u32 *filter_n_paths, *filter_n_cgroups, *filter_mnt_ns;
	/* Afterwards: */
	struct edr_reader_state *reader_state;
};

/* From the skeleton that bpftool has made; after opening and after loading. */
#define BPF_SKEL_BIND(to, s)                                                 \
	do {                                                                 \
		(to)->skeleton = (s);                                        \
		(to)->obj = (s)->obj;                                        \
		(to)->ring_exec = (s)->maps.ring_exec;                       \
		(to)->ring_noisy = (s)->maps.ring_noisy;                     \
		(to)->counters = (s)->maps.counters;                         \
		(to)->scratch_pool = (s)->maps.scratch_pool;                 \
		(to)->scratch_free = (s)->maps.scratch_free;                 \
		(to)->skip_comms = (s)->maps.skip_comms;                     \
		(to)->skip_uids = (s)->maps.skip_uids;                       \
		(to)->skip_paths = (s)->maps.skip_paths;                     \
		(to)->skip_cgroups = (s)->maps.skip_cgroups;                 \
		(to)->skip_processes = (s)->maps.skip_processes;             \
		(to)->any_calls = (s)->maps.any_calls;                       \
		(to)->syscall_infos = (s)->maps.syscall_infos;               \
		(to)->self_tgid = &(s)->rodata->self_tgid;                   \
		(to)->ring_exec_high = &(s)->rodata->ring_exec_high;         \
		(to)->ring_noisy_high = &(s)->rodata->ring_noisy_high;       \
		(to)->filter_comms = &(s)->rodata->filter_comms;             \
		(to)->filter_uids = &(s)->rodata->filter_uids;               \
		(to)->filter_n_paths = &(s)->rodata->filter_n_paths;         \
		(to)->filter_n_cgroups = &(s)->rodata->filter_n_cgroups;     \
		(to)->filter_mnt_ns = &(s)->rodata->filter_mnt_ns;           \
		(to)->remembers_any = &(s)->rodata->remembers_any;           \
		(to)->remembers_connects = &(s)->rodata->remembers_connects; \
		(to)->runs_again = &(s)->rodata->runs_again;                 \
		(to)->reader_state = &(s)->bss->reader_state;                \
	} while (0)

struct bpf_kind {
	const char *name; /* of the source */
	bool by_file;	  /* fitted by the file of btf_path */
	const struct bpf_row *rows;
	size_t n_rows;
	/* May be NULL: what such a hook lacks here, though it is there; NULL: nothing. */
	const char *(*missing)(const struct bpf_row *row);
	/* 0; or -errno, maybe with a sentence in err. */
	int (*open)(struct bpf_skel *skel, const struct source_config *cfg,
		    const struct bpf_types *types, char *err, size_t err_size);
	int (*load)(struct bpf_skel *skel);
	void (*destroy)(struct bpf_skel *skel); /* safe on a zeroed one */
	/* May be NULL: when all hooks are in place. 0 or -errno. */
	int (*ready)(struct bpf_skel *skel, const struct source_config *cfg);
	/* May be NULL: what it can never see, NUL-separated. */
	void (*degraded)(const struct source_config *cfg, struct buf *out);
};

extern const struct bpf_kind bpf_kind_edr, bpf_kind_raw, bpf_kind_plain;

#define BPF_CORE_ROWS 12
extern const struct bpf_row bpf_core_rows[BPF_CORE_ROWS]; /* of the first two */

#endif
