/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What net.bpf.h wants to know of processes and sockets, read from them; and the TCP socket's changes of state. */
#ifndef EDR_SOCK_BPF_H
#define EDR_SOCK_BPF_H

#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* TCP sockets whose connect has been reported by the cgroup hook: by cookie, until they go to SYN_SENT, which most do
 * at once. So the last one of each slot costs an access to an array; what it pushes out goes to the table. (Of two CPUs
 * that write a slot in the same nanosecond one loses its own, and that connect is reported twice.) */
#define ANNOUNCED_SLOTS 1024
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ANNOUNCED_SLOTS);
	__type(key, u32);
	__type(value, u64);
} announced_last SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u32);
} announced SEC(".maps");

static __always_inline u64 *announced_slot(u64 cookie)
{
	u32 slot = cookie % ANNOUNCED_SLOTS;

	return bpf_map_lookup_elem(&announced_last, &slot);
}

static __always_inline void announce(struct bpf_sock_addr *ctx)
{
	u64 cookie = bpf_get_socket_cookie(ctx), *last = announced_slot(cookie), before;
	u32 tid = bpf_get_current_pid_tgid();

	if (!last)
		return;
	before = *last;
	*last = cookie;
	if (before && before != cookie)
		bpf_map_update_elem(&announced, &before, &tid, BPF_ANY);
}

/* Was it announced? Not any more, then. */
static __always_inline bool announced_take(u64 cookie)
{
	u64 *last = announced_slot(cookie);

	if (last && *last == cookie) {
		*last = 0;
		return true;
	}
	return !bpf_map_delete_elem(&announced, &cookie);
}

/* A number for a socket. Of pointers that have types it is their difference that the verifier lets us reckon with. */
static __always_inline u64 sock_key(struct sock *sk)
{
	u64 key = (u64)sk;

	if (TYPED)
		asm volatile("%0 -= %1" : "+r"(key) : "r"(&reader_state));
	return key;
}

static __always_inline void connect_identity(struct edr_connect *e, u64 ids)
{
	struct task_struct *task;

	if (TASK_TYPED) {
		task = bpf_get_current_task_btf();
		header_fill(&e->hdr, EDR_CONNECT, sizeof(*e), task->group_leader->start_boottime,
			    ids);
		e->uid = task->cred->uid.val;
	} else {
		header_fill(&e->hdr, EDR_CONNECT, sizeof(*e), current_start_ns(), ids);
		e->uid = bpf_get_current_uid_gid();
	}
}

/* The peer's address from the socket itself; its length. */
static __always_inline u32 sock_peer(struct sock *sk, u8 *to)
{
	if (FIELD(sk, __sk_common.skc_family) == AF_INET) {
		struct sockaddr_in_ *in = (void *)to;

		__builtin_memset(in, 0, sizeof(*in));
		in->family = AF_INET;
		in->port = FIELD(sk, __sk_common.skc_dport);
		in->addr = FIELD(sk, __sk_common.skc_daddr);
		return sizeof(*in);
	} else {
		struct sockaddr_in6_ *in6 = (void *)to;

		__builtin_memset(in6, 0, sizeof(*in6));
		in6->family = AF_INET6;
		in6->port = FIELD(sk, __sk_common.skc_dport);
		bpf_probe_read_kernel(in6->addr, sizeof(in6->addr), &sk->__sk_common.skc_v6_daddr);
		return sizeof(*in6);
	}
}

/* The socket behind a descriptor: its type and protocol. Another thread may have closed it since. */
static __always_inline void connect_socket(struct edr_connect *e, u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = 0;
	struct socket *socket;
	struct sock *sk;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	e->protocol = BPF_CORE_READ(sk, sk_protocol);
	e->sock_type = BPF_CORE_READ(sk, sk_type);
}

/* Has the first copy of our program noted this change to SYN_SENT? */
static __always_inline bool connect_has_begun(u64 key, const struct connect_call *call, u32 tid)
{
	struct pending_connect *p;

	if (call)
		return call->sk == key;
	p = pending_of(key);
	return p && p->hdr.tid == tid && !(p->marks & PENDING_ENDED);
}

/* In the context of the process that connects. */
static __always_inline void tcp_connect_begins(struct sock *sk, bool again)
{
	u64 cookie = FIELD(sk, __sk_common.skc_cookie.counter), key = sock_key(sk);
	u64 ids = bpf_get_current_pid_tgid();
	struct connect_call *call = connect_call_under_way(ids);
	struct pending_connect pending = {};
	struct connect_record r;

	if (again && connect_has_begun(key, call, ids))
		return;
	if (!connect_init(&r, ids, EDR_SEEN_SOCKET)) {
		pending_forget(key);
		return;
	}
	pending.hdr = r.e.hdr;
	__builtin_memcpy(pending.comm, r.e.comm, sizeof(pending.comm));
	pending.peer_len = sock_peer(sk, pending.peer);
	connect_begun(key, &pending, call);
	if (call) {
		call->sk = key;
		return;
	}
	if (cookie && announced_take(cookie))
		return;
	r.e.protocol = IPPROTO_TCP;
	r.e.sock_type = FIELD(sk, sk_type);
	connect_emit(&r, sock_peer(sk, r.addr));
}

/* In whatever context the answer came in: the process is the one that was noted. from: the state that the socket leaves. */
static __always_inline void tcp_connect_ends(struct sock *sk, int from, int state)
{
	u64 key = sock_key(sk);
	struct pending_connect *p = pending_of(key);
	u8 peer[sizeof(p->peer)] __attribute__((aligned(4))) = {};
	int err;

	if (!p || p->marks & PENDING_ENDED)
		return;
	if (from != TCP_SYN_SENT)
		sock_peer(sk, peer);
	if (!connect_ends(key, p, from, peer))
		return;
	err = FIELD(sk, sk_err);
	p->result = from == TCP_ESTABLISHED || state == TCP_ESTABLISHED ? 0
		    : err						? -err
									: EDR_RESULT_UNKNOWN;
	p->end_ns = bpf_ktime_get_boot_ns();
	connect_ended(key, p);
}

static __always_inline int socket_changes(struct bpf_raw_tracepoint_args *ctx, bool again)
{
	struct sock *sk = (void *)ctx->args[0];
	int from = ctx->args[1], to = ctx->args[2];

	if (to == TCP_SYN_SENT && FIELD(sk, sk_protocol) == IPPROTO_TCP)
		tcp_connect_begins(sk, again);
	else if (connect_may_end(from, to))
		tcp_connect_ends(sk, from, to);
	return 0;
}

SEC(TRACEPOINT "/inet_sock_set_state")
int inet_sock_set_state(struct bpf_raw_tracepoint_args *ctx)
{
	return socket_changes(ctx, false);
}

/* Finds what has ended already where the first copy has run. */
SEC(TRACEPOINT "/inet_sock_set_state")
int inet_sock_set_state_again(struct bpf_raw_tracepoint_args *ctx)
{
	return socket_changes(ctx, true);
}

#endif
