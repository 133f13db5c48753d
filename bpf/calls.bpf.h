/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Calls under way: what the entry of a syscall knows and its exit needs. One entry a thread, for a thread
 * is in one call at a time; keyed by tid, and taken out when the call returns, execs or the thread ends.
 */
#ifndef EDR_CALLS_BPF_H
#define EDR_CALLS_BPF_H

enum call_kind { CALL_EXEC = 1, CALL_FORK, CALL_CONNECT, CALL_ANY };

struct call {
	u32 kind;
	u32 sub; /* CALL_FORK: enum edr_fork_op; CALL_ANY: the syscall's number */
	u64 enter_ns;
	u64 args[6];
	/* CALL_CONNECT: the address, and how much of it is known */
	u32 addr_len;	   /* 0: could not be read at entry */
	u32 addr_verified; /* it is the kernel's own copy */
	u32 protocol, sock_type;
	u8 addr[EDR_SOCKADDR_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct call);
} inflight SEC(".maps");

/* False when there is no room to remember it: the caller counts its event as dropped. */
static __always_inline bool inflight_put(struct call *call)
{
	u32 tid = bpf_get_current_pid_tgid();

	return !bpf_map_update_elem(&inflight, &tid, call, BPF_ANY);
}

static __always_inline struct call *inflight_get(u32 kind)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&inflight, &tid);

	return call && call->kind == kind ? call : 0;
}

static __always_inline void inflight_end(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&inflight, &tid);
}

#endif
