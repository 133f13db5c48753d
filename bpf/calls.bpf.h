/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Calls under way: what the entry of a syscall knows and its exit needs. One entry a thread, keyed by tid, taken out
 * when the call returns (of connect: kept for the next), execs or the thread ends. A map a kind, so that thousands of threads that somebody leaves
 * blocked in one kind of call take no room from the others.
 */
#ifndef EDR_CALLS_BPF_H
#define EDR_CALLS_BPF_H

const volatile bool remembers_any = true; /* is sys_enter_any loaded? sys_enter_connect? */
const volatile bool remembers_connects = true;

/* Syscalls that have no event of their own */
struct call {
	u32 nr;
	u32 pad;
	u64 enter_ns;
	u64 args[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct call);
} any_calls SEC(".maps");

/* The entry of a thread that connects is kept for its next call, for so many of them: to put one in and to take it out
 * costs more than all else that a connect does with it. */
#define CONNECTS_KEPT 2048

struct connect_call {
	u32 under_way;
	u32 kept;
	u64 uaddr;
	u64 sk; /* TCP: the socket, once it has gone to SYN_SENT */
	u32 fd;
	u32 asked_len; /* of the address, as the caller says */
	u32 addr_len;  /* 0: could not be read at entry */
	u32 verified;  /* addr is the kernel's own copy */
	u32 protocol, sock_type;
	u8 addr[EDR_SOCKADDR_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096 + CONNECTS_KEPT);
	__type(key, u32);
	__type(value, struct connect_call);
} connect_calls SEC(".maps");
edr_u32 connects_kept;

/* The connect that the thread is in. */
static __always_inline struct connect_call *connect_call_of(u32 tid)
{
	struct connect_call *call = 0;

	if (remembers_connects)
		call = bpf_map_lookup_elem(&connect_calls, &tid);
	return call && call->under_way ? call : 0;
}

/* An entry for a call that begins; 0 when there is no room. */
static __always_inline struct connect_call *connect_call_begin(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct connect_call *call = bpf_map_lookup_elem(&connect_calls, &tid), none = {};

	if (!call) {
		if (bpf_map_update_elem(&connect_calls, &tid, &none, BPF_ANY))
			return 0;
		call = bpf_map_lookup_elem(&connect_calls, &tid);
		if (!call)
			return 0;
	}
	call->sk = 0;
	call->addr_len = 0;
	call->verified = 0;
	call->protocol = 0;
	call->sock_type = 0;
	call->under_way = 1;
	return call;
}

static __always_inline void connect_call_end(struct connect_call *call)
{
	u32 tid = bpf_get_current_pid_tgid();

	call->under_way = 0;
	call->sk = 0;
	if (call->kept)
		return;
	if (connects_kept < CONNECTS_KEPT) {
		call->kept = 1;
		__sync_fetch_and_add(&connects_kept, 1);
		return;
	}
	bpf_map_delete_elem(&connect_calls, &tid);
}

static __always_inline void connect_call_forget(u32 tid)
{
	struct connect_call *call = bpf_map_lookup_elem(&connect_calls, &tid);

	if (!call)
		return;
	if (call->kept)
		__sync_fetch_and_add(&connects_kept, -1);
	bpf_map_delete_elem(&connect_calls, &tid);
}

/* False when there is no room to remember it. */
static __always_inline bool call_begin(void *calls, const void *call)
{
	u32 tid = bpf_get_current_pid_tgid();

	return !bpf_map_update_elem(calls, &tid, call, BPF_ANY);
}

static __always_inline void *call_of(void *calls)
{
	u32 tid = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(calls, &tid);
}

static __always_inline void call_end(void *calls)
{
	u32 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(calls, &tid);
}

/* The thread is gone: by its end, or because its exec has given it another tid. */
static __always_inline void calls_forget(u32 tid)
{
	if (remembers_any)
		bpf_map_delete_elem(&any_calls, &tid);
	if (remembers_connects)
		connect_call_forget(tid);
}

#endif
