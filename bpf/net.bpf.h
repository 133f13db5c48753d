/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * connect. With syscall tracepoints, one event when the call returns; the address is the kernel's own copy
 * where the cgroup hook saw the call (inet), else what was read from the caller's memory at entry (unix,
 * others). A connect without a call that we saw (io_uring, 32-bit, lean hooks) is reported by the cgroup
 * hook, with its result not known yet; a TCP connection that no hook announced (TCP fast open, MPTCP
 * subflow) by the socket's change to SYN_SENT.
 *
 * connect_result tells how a TCP connect ended whose call did not say it.
 */
#ifndef EDR_NET_BPF_H
#define EDR_NET_BPF_H

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define O_NONBLOCK 04000
#define EINPROGRESS 115
#define ERESTARTSYS 512 /* to 516: include/linux/errno.h; the caller sees EINTR, or nothing */
#define ERESTART_RESTARTBLOCK 516
#define EINTR 4
#define TCP_ESTABLISHED 1 /* include/net/tcp_states.h */
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3

struct sockaddr_in_ {
	u16 family;
	u16 port;
	u32 addr;
	u8 zero[8];
};
struct sockaddr_in6_ {
	u16 family;
	u16 port;
	u32 flowinfo;
	u32 addr[4];
	u32 scope;
};

/* What each object brings, for it knows processes and sockets in another way: header and uid; */
static void connect_identity(struct edr_connect *e, u64 ids);
/* type and protocol of the socket behind a descriptor, where they can be known; */
static void connect_socket(struct edr_connect *e, u32 fd);
/* a note that the cgroup hook has reported a TCP connect. */
static void announce(struct bpf_sock_addr *ctx);

/*
 * TCP connects under way whose result is not known: by a number for the socket, until it leaves SYN_SENT. In a slot, or in
 * the table when another socket has that slot. No LRU: what finds no room is counted, not pushed out in silence.
 *
 * The answer comes in by an interrupt, and one that interrupts a program at the same tracepoint is skipped: by 6.18 without
 * a count, 1 of 100 where the answers come to another CPU. Then the socket's next change tells what was missed, late. Where
 * there is none, the result counts as dropped when the socket's memory serves another connection. Neither, when the call
 * has said it.
 */
#define PENDING_SLOTS 1024
#define PENDING_ENDED 1u      /* the socket has a result, and the rest below is filled in */
#define PENDING_OPEN 0x100u   /* the call has returned without one */
#define PENDING_LEFT 0x10000u /* and will not look again */
struct pending_connect {
	struct edr_hdr hdr; /* of the process that connects; time_ns is the start */
	edr_comm comm;
	u32 marks; /* PENDING_* */
	u32 said;  /* the call returned 0: it is told, unless the SYN waits for data */
	s32 result;
	u64 end_ns;
	u32 peer_len;
	u8 peer[sizeof(struct sockaddr_in6_)] __attribute__((aligned(4))); /* zeros behind it */
};
struct pending_slot {
	u64 owner;
	struct pending_connect c;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PENDING_SLOTS);
	__type(key, u32);
	__type(value, struct pending_slot);
} pending_slots SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, struct pending_connect);
} pending_connects SEC(".maps");
edr_u32 pendings_in_table; /* nobody looks while there are none */

static __always_inline struct pending_slot *pending_slot_of(u64 key)
{
	u32 slot = key * 0x9e3779b97f4a7c15ULL >> 54; /* 2^64 by the golden ratio; 10 bits */

	return bpf_map_lookup_elem(&pending_slots, &slot);
}

static __always_inline struct pending_connect *pending_of(u64 key)
{
	struct pending_slot *slot = pending_slot_of(key);

	if (slot && slot_is_of(&slot->owner, key))
		return &slot->c;
	return pendings_in_table ? bpf_map_lookup_elem(&pending_connects, &key) : 0;
}

/* True when there was one. */
static __always_inline bool pending_end(u64 key)
{
	struct pending_slot *slot = pending_slot_of(key);

	if (slot && slot_is_of(&slot->owner, key)) {
		slot_release(&slot->owner, key);
		return true;
	}
	if (!pendings_in_table || bpf_map_delete_elem(&pending_connects, &key))
		return false;
	__sync_fetch_and_add(&pendings_in_table, -1);
	return true;
}

/* False when there is no room. */
static __always_inline bool pending_begin(u64 key, const struct pending_connect *p)
{
	struct pending_slot *slot = pending_slot_of(key);

	if (slot && slot_claim(&slot->owner, key)) {
		__builtin_memcpy(&slot->c, p, sizeof(slot->c));
		return true;
	}
	__sync_fetch_and_add(&pendings_in_table, 1);
	if (!bpf_map_update_elem(&pending_connects, &key, p, BPF_NOEXIST))
		return true;
	__sync_fetch_and_add(&pendings_in_table, -1);
	return false;
}

/* Fills all but address and result. False when filters leave it out. */
static __always_inline bool connect_init(struct connect_record *r, u64 ids, u32 seen_by)
{
	struct edr_connect *e = &r->e;

	connect_identity(e, ids);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->seen_by = seen_by;
	e->fd = -1;
	e->result = EDR_RESULT_UNKNOWN;
	e->protocol = 0;
	e->sock_type = 0;
	return !filtered(&e->hdr, e->comm, e->uid);
}

static __always_inline void connect_emit(struct connect_record *r, u32 addr_len)
{
	u32 len;

	OPAQUE(addr_len);
	if (addr_len > EDR_SOCKADDR_MAX)
		addr_len = EDR_SOCKADDR_MAX;
	r->e.sockaddr.off = sizeof(r->e);
	r->e.sockaddr.len = addr_len;
	len = sizeof(r->e) + addr_len;
	r->e.hdr.len = len;
	emit_noisy(r, len, EDR_CONNECT);
}

/* The result of a connect that was left open. */
static __always_inline void result_emit(struct pending_connect *p)
{
	struct {
		struct edr_connect_result e;
		u8 addr[sizeof(p->peer)];
	} r;
	u32 len = p->peer_len;

	OPAQUE(len);
	if (len > sizeof(r.addr))
		return;
	r.e.hdr = p->hdr;
	r.e.hdr.type = EDR_CONNECT_RESULT;
	r.e.hdr.time_ns = p->end_ns;
	r.e.hdr.cpu = bpf_get_smp_processor_id();
	r.e.latency_ns = p->end_ns - p->hdr.time_ns;
	__builtin_memcpy(r.e.comm, p->comm, sizeof(r.e.comm));
	r.e.result = p->result;
	r.e.protocol = IPPROTO_TCP;
	__builtin_memcpy(r.addr, p->peer, sizeof(r.addr));
	r.e.sockaddr.off = sizeof(r.e);
	r.e.sockaddr.len = len;
	r.e.hdr.len = sizeof(r.e) + len;
	emit_noisy(&r, sizeof(r.e) + len, EDR_CONNECT_RESULT);
}

/* Who finds that the other side has come at the same moment: the first takes it. Older kernels have no addition that
 * returns what it found. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u64[2]); /* socket, start of its connect */
	__type(value, u32);
} results_contested SEC(".maps");

static __always_inline bool result_is_ours(u64 key, u64 start_ns)
{
	u64 id[2] = { key, start_ns };
	u32 one = 1;

	return !bpf_map_update_elem(&results_contested, id, &one, BPF_NOEXIST);
}

/* All additions are to one word: of two sides that add and then look, one at least sees the other. */
static __always_inline u32 pending_mark(struct pending_connect *p, u32 mark)
{
	__sync_fetch_and_add(&p->marks, mark);
	return *(volatile u32 *)&p->marks;
}

/* The socket has its result. While the call is under way, that is for connect_settled(). */
static __always_inline void connect_ended(u64 key, struct pending_connect *p)
{
	u64 start_ns =
		p->hdr.time_ns; /* before the mark: after it the slot may soon be another's */
	u32 marks = pending_mark(p, PENDING_ENDED);

	if (!(marks & PENDING_OPEN))
		return;
	if (marks & PENDING_LEFT || result_is_ours(key, start_ns)) {
		result_emit(p);
		pending_end(key);
	}
}

/*
 * A call on this TCP socket returns. What it says is the result, unless it went away before there was one:
 * EINPROGRESS (not blocking, or SO_SNDTIMEO ran out), EINTR, or 0 with a SYN that waits for data (TCP_FASTOPEN_CONNECT).
 */
static __always_inline void connect_settled(u64 key, s64 ret)
{
	struct pending_connect *p = pending_of(key);
	bool open = ret == -EINPROGRESS || ret == -EINTR;
	u64 start_ns;

	if (!p)
		return;
	start_ns = p->hdr.time_ns;
	p->said = ret == 0;
	if ((open || ret == 0) && !(*(volatile u32 *)&p->marks & PENDING_ENDED)) {
		if (!(pending_mark(p, PENDING_OPEN) & PENDING_ENDED)) {
			pending_mark(p, PENDING_LEFT);
			return; /* the socket will tell */
		}
		if (!result_is_ours(key, start_ns))
			return;
	}
	if (open) /* there is one, since the moment of its return */
		result_emit(p);
	pending_end(key);
}

/* len: a multiple of 4, and known to the compiler. */
static __always_inline bool same_address(const void *one, const void *other, u32 len)
{
	const u32 *a = one, *b = other;

	for (u32 i = 0; i < len / sizeof(*a); i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Is it still the connection that was begun? Memory of a socket that was not seen to end may serve one that others opened. */
static __always_inline bool same_peer(const struct pending_connect *p, const u8 *peer)
{
	return same_address(p->peer, peer, sizeof(p->peer));
}

/* Both ends may have sent a SYN (SYN_RECV). */
static __always_inline bool connect_may_end(u32 from, u32 to)
{
	return (from == TCP_SYN_SENT && to != TCP_SYN_RECV) || from == TCP_SYN_RECV ||
	       from == TCP_ESTABLISHED;
}

/* The socket's memory serves another connection now. One that was not seen to end has no result. */
static __always_inline void pending_forget(u64 key)
{
	struct pending_connect *before = pending_of(key);
	bool lost = before && !before->said;

	if (before && pending_end(key) && lost)
		emit_lost(EDR_CONNECT_RESULT);
}

/* A socket goes to SYN_SENT. */
static __always_inline void connect_begun(u64 key, struct pending_connect *p, bool in_call)
{
	pending_forget(key);
	p->marks = in_call ? 0 : PENDING_OPEN | PENDING_LEFT;
	if (!pending_begin(key, p))
		emit_lost(EDR_CONNECT_RESULT);
}

/* Is this change of a socket, which leaves that state, the end of what was begun? Forgets what it is not. */
static __always_inline bool connect_ends(u64 key, struct pending_connect *p, u32 from,
					 const u8 *peer)
{
	if (from != TCP_SYN_SENT && !same_peer(p, peer)) {
		pending_forget(key);
		return false;
	}
	if (from != TCP_ESTABLISHED)
		return true;
	if (p->said) {
		pending_end(key);
		return false;
	}
	p->hdr.flags |= EDR_F_LATE;
	return true;
}

/* Who begins it, for the thread may be at something else, or be something else, before it is told. */
static __always_inline void connect_note(struct connect_call *call, bool again)
{
	if (!runs_again || !call)
		return;
	connect_identity(&call->r.e, bpf_get_current_pid_tgid());
	bpf_get_current_comm(call->r.e.comm, sizeof(call->r.e.comm));
	call->half = !again;
}

/* For the second copy: has the first one run for this call? */
static __always_inline bool connect_noted(u32 tid)
{
	struct connect_call *call = connect_call_of(tid);

	if (!call || !call->half)
		return false;
	call->half = 0;
	return true;
}

/*
 * A connect of a thread that cannot be in it any more, for it is at something else: its return was skipped, with the copy
 * (again.bpf.h). It is told now, by what was noted when it began, for memory and descriptors may be others' by now. The socket
 * may know its result.
 */
static __always_inline void connect_left(u32 tid)
{
	struct connect_call *call = runs_again ? connect_call_of(tid) : 0;
	struct pending_connect *p;
	struct edr_connect *e;

	if (!call)
		return;
	e = &call->r.e;
	e->hdr.time_ns = bpf_ktime_get_boot_ns();
	e->hdr.cpu = bpf_get_smp_processor_id();
	e->hdr.flags |= EDR_F_LATE | (call->verified ? 0 : EDR_F_ADDR_UNVERIFIED);
	e->seen_by = EDR_SEEN_SYSCALL;
	e->result = EDR_RESULT_UNKNOWN;
	if (!filtered(&e->hdr, e->comm, e->uid))
		connect_emit(&call->r, call->addr_len);
	p = call->sk ? pending_of(call->sk) : 0;
	if (p && p->hdr.tid == tid && p->hdr.start_ns == e->hdr.start_ns)
		connect_settled(call->sk, -EINTR);
	connect_call_end(tid);
}

/* There are more connects under way than we can remember: what is known at entry has to do. The cgroup hook tells of
 * inet ones itself when it finds no call. */
static __always_inline void connect_at_entry(u32 fd, u64 uaddr, u32 len)
{
	struct connect_record r;
	u16 family = 0;

	if (len && bpf_probe_read_user(r.addr, len, (void *)uaddr))
		len = 0;
	if (len >= sizeof(family))
		__builtin_memcpy(&family, r.addr, sizeof(family));
	if (family == AF_INET || family == AF_INET6)
		return;
	if (!connect_init(&r, bpf_get_current_pid_tgid(), EDR_SEEN_SYSCALL))
		return;
	r.e.fd = fd;
	r.e.hdr.flags |= EDR_F_ADDR_UNVERIFIED;
	connect_emit(&r, len);
}

static __always_inline int connect_enters(struct syscall_enter_ctx *ctx, bool again)
{
	u32 fd = ctx->args[0], asked_len = ctx->args[2], len = asked_len;
	u64 uaddr = ctx->args[1], head[4] = {};
	struct connect_call *call;

	if (again && connect_noted(bpf_get_current_pid_tgid()))
		return 0;
	connect_left(bpf_get_current_pid_tgid());
	call = connect_call_begin();
	connect_note(call, again);
	OPAQUE(len);
	if (len > EDR_SOCKADDR_MAX)
		len = EDR_SOCKADDR_MAX; /* the kernel refuses longer ones */
	if (!call && again) {
		emit_lost(EDR_CONNECT); /* if the first copy was skipped, which nobody knows */
		return 0;
	}
	if (!call) {
		connect_at_entry(fd, uaddr, len);
		return 0;
	}
	call->r.e.fd = fd;
	call->uaddr = uaddr;
	call->asked_len = asked_len;
	/* To the stack, if it may: there the kernel is quickest in finding that it may be written to. */
	if (len && len <= sizeof(head)) {
		if (bpf_probe_read_user(head, len, (void *)uaddr))
			return 0;
		__builtin_memcpy(call->r.addr, head, sizeof(head));
		call->addr_len = len;
	} else if (len && !bpf_probe_read_user(call->r.addr, len, (void *)uaddr)) {
		call->addr_len = len;
	}
	return 0;
}

SEC("tp/syscalls/sys_enter_connect")
int sys_enter_connect(struct syscall_enter_ctx *ctx)
{
	return connect_enters(ctx, false);
}

SEC("tp/syscalls/sys_enter_connect")
int sys_enter_connect_again(struct syscall_enter_ctx *ctx)
{
	return connect_enters(ctx, true);
}

/* The address that the call was given; its length. */
static __always_inline u32 connect_address(struct connect_record *r, struct connect_call *call)
{
	u32 len = call->addr_len;

	__builtin_memcpy(r->addr, call->r.addr, EDR_SOCKADDR_MAX);
	if (len)
		return len;
	len = call->asked_len; /* not resident at entry; the call has fetched it since */
	if (len > EDR_SOCKADDR_MAX)
		len = EDR_SOCKADDR_MAX;
	if (len && bpf_probe_read_user(r->addr, len, (void *)call->uaddr))
		len = 0;
	return len;
}

static __always_inline int connect_returns(struct syscall_exit_ctx *ctx)
{
	u64 ids = bpf_get_current_pid_tgid();
	struct connect_call *call = connect_call_under_way(ids);
	struct connect_record r;
	s64 ret = ctx->ret;

	if (!call)
		return 0;
	if (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK)
		ret = -EINTR;
	if (connect_init(&r, ids, EDR_SEEN_SYSCALL)) {
		r.e.fd = call->r.e.fd;
		r.e.result = ret;
		r.e.protocol = call->r.e.protocol;
		r.e.sock_type = call->r.e.sock_type;
		if (!call->r.e.sock_type)
			connect_socket(&r.e, call->r.e.fd);
		if (!call->verified)
			r.e.hdr.flags |= EDR_F_ADDR_UNVERIFIED;
		connect_emit(&r, connect_address(&r, call));
	}
	if (call->sk)
		connect_settled(call->sk, ret);
	connect_call_end(ids);
	return 0;
}

SEC("tp/syscalls/sys_exit_connect")
int sys_exit_connect(struct syscall_exit_ctx *ctx)
{
	return connect_returns(ctx);
}

/* Finds no call any more where the first copy has run. */
SEC("tp/syscalls/sys_exit_connect")
int sys_exit_connect_again(struct syscall_exit_ctx *ctx)
{
	return connect_returns(ctx);
}

/* The kernel's copy of the address, into the call under way, or out as an event of its own. */
static __always_inline void connect_seen(struct bpf_sock_addr *ctx, void *addr, u32 len)
{
	u64 ids = bpf_get_current_pid_tgid();
	struct connect_call *call = connect_call_under_way(ids);
	u32 protocol = ctx->protocol;
	struct connect_record r;

	/* A call has one address. So this is a connect that we did not see begin, after one that we did not see return. */
	if (runs_again && call && call->verified && !same_address(call->r.addr, addr, len)) {
		call->left = 1;
		call = 0;
	}
	if (call) {
		__builtin_memcpy(call->r.addr, addr, len);
		call->addr_len = len;
		call->verified = 1;
		call->r.e.protocol = protocol;
		call->r.e.sock_type = ctx->type;
		return;
	}
	if (protocol == IPPROTO_TCP)
		announce(ctx);
	if (!connect_init(&r, ids, EDR_SEEN_CGROUP))
		return;
	r.e.protocol = protocol;
	r.e.sock_type = ctx->type;
	__builtin_memcpy(r.addr, addr, len);
	connect_emit(&r, len);
}

/* Both let every connect pass: 1 is "allow". */
SEC("cgroup/connect4")
int cgroup_connect4(struct bpf_sock_addr *ctx)
{
	struct sockaddr_in_ addr = { .family = AF_INET };

	addr.port = ctx->user_port;
	addr.addr = ctx->user_ip4;
	connect_seen(ctx, &addr, sizeof(addr));
	return 1;
}

SEC("cgroup/connect6")
int cgroup_connect6(struct bpf_sock_addr *ctx)
{
	struct sockaddr_in6_ addr = { .family = AF_INET6 };

	addr.port = ctx->user_port;
	addr.addr[0] = ctx->user_ip6[0];
	addr.addr[1] = ctx->user_ip6[1];
	addr.addr[2] = ctx->user_ip6[2];
	addr.addr[3] = ctx->user_ip6[3];
	connect_seen(ctx, &addr, sizeof(addr));
	return 1;
}

#endif
