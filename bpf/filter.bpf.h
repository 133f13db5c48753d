/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the configuration asks not to be told (docs/filters.md). By command and uid: looked up for each
 * event. By cgroup and path of the executable: decided once, at exec, and kept by process, for a fork
 * inherits it. Whatever is left out is counted as filtered.
 */
#ifndef EDR_FILTER_BPF_H
#define EDR_FILTER_BPF_H

const volatile bool filter_comms = false;
const volatile bool filter_uids = false;
const volatile edr_u32 filter_n_paths = 0;
const volatile edr_u32 filter_mnt_ns = 0; /* inode of the mount namespace whose paths are meant */
const volatile edr_u32 filter_n_cgroups = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, edr_comm);
	__type(value, u8);
} skip_comms SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u8);
} skip_uids SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDR_PREFIXES);
	__type(key, u32);
	__type(value, struct edr_prefix);
} skip_paths SEC(".maps"), skip_cgroups SEC(".maps");
/* tgid -> start of the process, for those that are left out by cgroup or path */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} skip_processes SEC(".maps");

/* Does the path in s begin with the prefix? With whole set, only at the end of a component: /a matches /a/b, not /ab. */
static __always_inline bool prefix_matches(struct scratch *s, const struct edr_prefix *p,
					   bool whole)
{
	u32 at = *(volatile u32 *)&s->path_at, n = p->len, i;
	const char *path;

	if (at > EDR_PATH_MAX || n == 0 || n >= EDR_PREFIX_MAX || EDR_PATH_MAX - at < n)
		return false;
	path = &s->path[at];
	for (i = 0; i < EDR_PREFIX_MAX && i < n; i++) {
		if (p->text[i] != path[i])
			return false;
	}
	return !whole || EDR_PATH_MAX - at == n || path[n] == '/';
}

/* Any of the first n prefixes in the map? */
static __always_inline bool any_prefix_matches(struct scratch *s, void *prefixes, u32 n, bool whole)
{
	struct edr_prefix *p;
	u32 i, key;

	for (i = 0; i < EDR_PREFIXES && i < n; i++) {
		key = i;
		p = bpf_map_lookup_elem(prefixes, &key);
		if (p && prefix_matches(s, p, whole))
			return true;
	}
	return false;
}

static __always_inline bool filter_by_id(const char *comm, u32 uid)
{
	if (filter_comms && bpf_map_lookup_elem(&skip_comms, comm))
		return true;
	return filter_uids && bpf_map_lookup_elem(&skip_uids, &uid);
}

static __always_inline bool filter_by_process(u32 tgid, u64 start_ns)
{
	u64 *start;

	if (!filter_n_paths && !filter_n_cgroups)
		return false;
	start = bpf_map_lookup_elem(&skip_processes, &tgid);
	return start && (*start == 0 || *start == start_ns); /* 0: it ran before us */
}

static __always_inline void filter_remember(u32 tgid, u64 start_ns, bool skip)
{
	if (!filter_n_paths && !filter_n_cgroups)
		return;
	if (skip)
		bpf_map_update_elem(&skip_processes, &tgid, &start_ns, BPF_ANY);
	else
		bpf_map_delete_elem(&skip_processes, &tgid);
}

/* True when the event of this process is not to be reported; counts it. */
static __always_inline bool filtered(const struct edr_hdr *h, const char *comm, u32 uid)
{
	if (h->tgid == self_tgid)
		return true;
	if (!filter_by_id(comm, uid) && !filter_by_process(h->tgid, h->start_ns))
		return false;
	COUNT(h->type, filtered);
	return true;
}

#endif
