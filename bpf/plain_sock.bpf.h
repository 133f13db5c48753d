/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What net.bpf.h wants to know of sockets, from the tracepoint's own fields; and the TCP socket's changes of state. */
#ifndef EDR_PLAIN_SOCK_BPF_H
#define EDR_PLAIN_SOCK_BPF_H

/* Threads whose TCP connect the cgroup hook has reported, and to which port: until their socket goes to SYN_SENT, which
 * most do at once. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u32);
} announced SEC(".maps");

static __always_inline void announce(struct bpf_sock_addr *ctx)
{
	u32 tid = bpf_get_current_pid_tgid(), port = ctx->user_port;

	bpf_map_update_elem(&announced, &tid, &port, BPF_ANY);
}

/* Was it announced? Not any more, then. */
static __always_inline bool announced_take(u32 port)
{
	u32 tid = bpf_get_current_pid_tgid(), *to = bpf_map_lookup_elem(&announced, &tid);
	bool same = to && *to == port;

	if (to)
		bpf_map_delete_elem(&announced, &tid);
	return same;
}

/* Without the socket at hand: what the cgroup hook did not tell stays unknown. */
static __always_inline void connect_socket(struct edr_connect *e, u32 fd)
{
}

static __always_inline void connect_identity(struct edr_connect *e, u64 ids)
{
	header_of_current(&e->hdr, EDR_CONNECT, sizeof(*e));
	e->uid = bpf_get_current_uid_gid();
}

/* The port is in the order of the machine here. */
static __always_inline u16 network_order(u16 port)
{
	return port >> 8 | port << 8;
}

static __always_inline void peer_of_tracepoint(struct pending_connect *p, void *ctx)
{
	u16 family = field(ctx, fields.sock_family, 2),
	    port = network_order(field(ctx, fields.sock_dport, 2));
	struct sockaddr_in_ *in = (void *)p->peer;
	struct sockaddr_in6_ *in6 = (void *)p->peer;

	if (family == AF_INET) {
		in->family = AF_INET;
		in->port = port;
		bpf_probe_read_kernel(&in->addr, sizeof(in->addr), ctx + fields.sock_daddr);
		p->peer_len = sizeof(*in);
	} else {
		in6->family = AF_INET6;
		in6->port = port;
		bpf_probe_read_kernel(in6->addr, sizeof(in6->addr), ctx + fields.sock_daddr_v6);
		p->peer_len = sizeof(*in6);
	}
}

/* In the context of the process that connects. */
static __always_inline void tcp_connect_begins(void *ctx, u64 key)
{
	u64 ids = bpf_get_current_pid_tgid();
	struct connect_call *call = connect_call_under_way(ids);
	struct pending_connect pending = {};
	struct sockaddr_in_ *peer = (void *)pending.peer;
	struct connect_record r;

	if (!connect_init(&r, ids, EDR_SEEN_SOCKET)) {
		pending_forget(key);
		return;
	}
	pending.hdr = r.e.hdr;
	__builtin_memcpy(pending.comm, r.e.comm, sizeof(pending.comm));
	peer_of_tracepoint(&pending, ctx);
	connect_begun(key, &pending, call);
	if (call) {
		call->sk = key;
		return;
	}
	if (announced_take(peer->port))
		return;
	r.e.protocol = IPPROTO_TCP;
	r.e.sock_type = 1;
	__builtin_memcpy(r.addr, pending.peer, sizeof(pending.peer));
	connect_emit(&r, pending.peer_len);
}

/* In whatever context the answer came in: the process is the one that was noted. Why it failed the tracepoint does not
 * tell; the call may. */
static __always_inline void tcp_connect_ends(void *ctx, u64 key, u32 from, u32 state)
{
	struct pending_connect *p = pending_of(key);
	struct pending_connect now = {};

	if (!p || p->marks & PENDING_ENDED)
		return;
	if (from != TCP_SYN_SENT)
		peer_of_tracepoint(&now, ctx);
	if (!connect_ends(key, p, from, now.peer))
		return;
	p->result = from == TCP_ESTABLISHED || state == TCP_ESTABLISHED ? 0 : EDR_RESULT_UNKNOWN;
	p->end_ns = bpf_ktime_get_boot_ns();
	connect_ended(key, p);
}

SEC("tp/sock/inet_sock_set_state")
int inet_sock_set_state(void *ctx)
{
	u32 from = field(ctx, fields.sock_oldstate, sizeof(from)),
	    to = field(ctx, fields.sock_newstate, sizeof(to));
	u64 key;

	if (to != TCP_SYN_SENT && !connect_may_end(from, to))
		return 0;
	/* one byte before 5.6 */
	if ((u16)field(ctx, fields.sock_protocol, fields.sock_protocol_bytes == 1 ? 1 : 2) !=
	    IPPROTO_TCP)
		return 0;
	key = field(ctx, fields.sock_skaddr, sizeof(key));
	if (to == TCP_SYN_SENT)
		tcp_connect_begins(ctx, key);
	else
		tcp_connect_ends(ctx, key, from, to);
	return 0;
}

#endif
