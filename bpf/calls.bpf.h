/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Calls under way: what the entry of a syscall knows and its exit needs. One entry a thread, keyed by tid, taken out
 * when the call returns, execs or the thread ends. A map a kind, so that thousands of threads that somebody leaves
 * blocked in one kind of call take no room from the others.
 */
#ifndef EDR_CALLS_BPF_H
#define EDR_CALLS_BPF_H

const volatile bool remembers_any = true; /* is sys_enter_any loaded? sys_enter_connect? */
const volatile bool remembers_connects = true;

/*
 * A slot of an array belongs to the key in its owner: 48 bits of it, above 16 that count claims. Of those who claim a free
 * slot at once one, or none, finds a count of 1. An addition that returns nothing is all that 5.10 has for it.
 */
#define CLAIM_BITS 16

static __always_inline bool slot_is_of(const u64 *owner, u64 key)
{
	return *owner >> CLAIM_BITS == key << CLAIM_BITS >> CLAIM_BITS;
}

static __always_inline bool slot_claim(u64 *owner, u64 key)
{
	if (*owner)
		return false;
	__sync_fetch_and_add(owner, 1);
	if (*(volatile u64 *)owner == 1) {
		__sync_fetch_and_add(owner, key << CLAIM_BITS);
		return true;
	}
	__sync_fetch_and_add(owner, -1);
	return false;
}

static __always_inline void slot_release(u64 *owner, u64 key)
{
	__sync_fetch_and_add(owner, -((key << CLAIM_BITS) + 1));
}

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

/*
 * A thread in a connect has a slot, for a table costs more than all else that a connect does with its entry. Who finds his
 * slot taken goes to the table. It is given back when the call returns and not kept for the next one: where the kernel skips
 * programs (7.x) a thread's end may not be seen, and its slot would stay taken. Now that takes two of its programs, skipped
 * one after the other with their copies (again.bpf.h); and then until another thread with the same tid connects or ends.
 */
#define CONNECT_SLOTS 2048

/* A connect event with the longest address behind it. */
struct connect_record {
	struct edr_connect e;
	u8 addr[EDR_SOCKADDR_MAX] __attribute__((aligned(4)));
};

struct connect_call {
	u64 uaddr;
	u64 sk;	       /* TCP: the socket, once it has gone to SYN_SENT */
	u32 asked_len; /* of the address, as the caller says */
	u32 addr_len;  /* 0: could not be read at entry */
	u32 verified;  /* the address is the kernel's own copy */
	u32 half;      /* the first copy of sys_enter_connect has run, the second not yet */
	u32 left;      /* the thread has been seen in another */
	u32 pad;
	struct connect_record r; /* fd, protocol, sock_type, addr; for connect_left() the rest */
};
struct connect_slot {
	u64 owner;
	struct connect_call call;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNECT_SLOTS);
	__type(key, u32);
	__type(value, struct connect_slot);
} connect_slots SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct connect_call);
} connect_calls SEC(".maps");
edr_u32 connects_in_table; /* nobody looks while there are none */

static __always_inline struct connect_slot *connect_slot_of(u32 tid)
{
	/* Workers of one program have tids in a row: apart, so that two CPUs do not write to one cache line. */
	u32 slot = tid * 37 % CONNECT_SLOTS;

	return bpf_map_lookup_elem(&connect_slots, &slot);
}

/* The connect that the thread is in, or was in when its return was skipped. */
static __always_inline struct connect_call *connect_call_of(u32 tid)
{
	struct connect_slot *slot;

	if (!remembers_connects)
		return 0;
	slot = connect_slot_of(tid);
	if (slot && slot_is_of(&slot->owner, tid))
		return &slot->call;
	return connects_in_table ? bpf_map_lookup_elem(&connect_calls, &tid) : 0;
}

static __always_inline struct connect_call *connect_call_under_way(u32 tid)
{
	struct connect_call *call = connect_call_of(tid);

	return runs_again && call && call->left ? 0 : call;
}

static __always_inline struct connect_call *connect_call_in_table(u32 tid)
{
	struct connect_call *call = bpf_map_lookup_elem(&connect_calls, &tid), none = {};

	if (call)
		return call;
	__sync_fetch_and_add(&connects_in_table, 1);
	if (!bpf_map_update_elem(&connect_calls, &tid, &none, BPF_NOEXIST))
		return bpf_map_lookup_elem(&connect_calls, &tid);
	__sync_fetch_and_add(&connects_in_table, -1);
	return 0;
}

static __always_inline void connect_call_from_table(u32 tid)
{
	if (connects_in_table && !bpf_map_delete_elem(&connect_calls, &tid))
		__sync_fetch_and_add(&connects_in_table, -1);
}

/* An entry for a call that begins; 0 when there is no room. */
static __always_inline struct connect_call *connect_call_begin(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct connect_slot *slot = connect_slot_of(tid);
	struct connect_call *call;

	if (slot && (slot_is_of(&slot->owner, tid) || slot_claim(&slot->owner, tid)))
		call = &slot->call;
	else
		call = connect_call_in_table(tid);
	if (!call)
		return 0;
	call->sk = 0;
	call->addr_len = 0;
	call->verified = 0;
	call->r.e.protocol = 0;
	call->r.e.sock_type = 0;
	call->left = 0;
	return call;
}

static __always_inline void connect_call_end(u32 tid)
{
	struct connect_slot *slot = connect_slot_of(tid);

	if (slot && slot_is_of(&slot->owner, tid))
		slot_release(&slot->owner, tid);
	else
		connect_call_from_table(tid);
}

/* Of a thread whose exit from a call was skipped there may be both. */
static __always_inline void connect_call_forget(u32 tid)
{
	connect_call_end(tid);
	connect_call_from_table(tid);
}

/* A connect that the thread has come back from, unseen; net.bpf.h */
static __always_inline void connect_left(u32 tid);

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
