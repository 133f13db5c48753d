// SPDX-License-Identifier: MIT
/*
 * connect: the call (a probe on __sys_connect, which 32-bit programs and socketcall pass too, or the syscall's tracepoint),
 * the kernel's own copy of the address, the result, and for TCP what becomes of a connect that the call left open.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "source/ftrace_record.h"

#define MAX_SOCKS 4096
#define BEGINS_WITHIN_NS 1000000000 /* a connect its socket, in the same thread */
#define TCP_ESTABLISHED 1	    /* net/tcp_states.h */
#define TCP_SYN_SENT 2
#define ERESTARTSYS 512 /* linux/errno.h: the caller sees EINTR, or nothing of it */
#define ERESTART_RESTARTBLOCK 516

static void emit_connect(struct ft_translate *t, const struct ft_event *e,
			 const struct ft_task *task, const struct ft_task *leader,
			 struct edr_connect *r, const void *addr, edr_u32 addr_len)
{
	struct wire_build b;

	r->hdr.flags |= ft_header(e, leader).flags;
	r->hdr.time_ns = e->time_ns;
	r->hdr.start_ns = leader->start_ns;
	r->hdr.tgid = leader->tgid;
	r->hdr.tid = e->tid;
	r->hdr.cpu = e->cpu;
	r->uid = leader->creds.uid;
	memcpy(r->comm, task->comm, sizeof(r->comm));
	if (!addr_len)
		r->hdr.flags |= EDR_F_ADDR_UNKNOWN;
	if (ft_filtered(t, EDR_CONNECT, leader, r->comm))
		return;
	wire_build_begin(&b, &t->out, EDR_CONNECT, r);
	wire_build_str(&b, offsetof(struct edr_connect, sockaddr), addr, addr_len);
	ft_emit(t, &b, EDR_CONNECT);
}

static void emit_call(struct ft_translate *t, const struct ft_event *e, const struct ft_task *task,
		      const struct ft_task *leader, edr_s32 result)
{
	const struct ft_call *call = task->call;
	struct edr_connect r = { .fd = call->fd,
				 .result = result,
				 .protocol = call->protocol,
				 .sock_type = call->sock_type,
				 .seen_by = EDR_SEEN_SYSCALL };

	if (call->address_known && !call->verified)
		r.hdr.flags |= EDR_F_ADDR_UNVERIFIED;
	emit_connect(t, e, task, leader, &r, call->addr, call->address_known ? call->addr_len : 0);
}

static edr_u32 copy_address(edr_u8 *to, struct wire_span from, edr_s32 len)
{
	size_t n = len < 0 ? 0 : (size_t)len;

	if (n > from.len)
		n = from.len;
	if (n > EDR_SOCKADDR_MAX)
		n = EDR_SOCKADDR_MAX;
	memcpy(to, from.data, n);
	return (edr_u32)n;
}

void ft_on_connect(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	const struct ft_task *leader = ft_owner(t, task);
	struct ft_call *call;

	if (!leader)
		return;
	ft_call_end(task);
	call = ft_call_get(task);
	if (!call) {
		ft_count_dropped(t, EDR_CONNECT);
		return;
	}
	call->connecting = true;
	call->fd = (edr_s32)ft_number(e, FT_CONNECT_FD);
	/* Memory that cannot be read leaves in the event what lay there before. */
	if (!ft_has(e, FT_CONNECT_BYTES) || !ft_readable(e, FT_CONNECT_PROOF))
		return;
	call->addr_len = copy_address(call->addr, ft_bytes(e, FT_CONNECT_BYTES),
				      (edr_s32)ft_number(e, FT_CONNECT_LEN));
	call->address_known = call->addr_len > 0;
}

/*
 * io_uring comes to the same place again when a TCP connect that it has begun goes on. Where the event does not tell TCP from
 * UDP, the change to SYN_SENT that followed the first time does.
 */
static struct ft_again *again_of(struct ft_translate *t, edr_u32 tgid, const edr_u8 *addr,
				 edr_u32 len)
{
	for (size_t i = 0; i < FT_AGAIN; i++) {
		struct ft_again *a = &t->again[i];

		if (a->begun && a->tgid == tgid && a->len == len && !memcmp(a->addr, addr, len))
			return a;
	}
	return NULL;
}

/* Does that change belong to a connect which has been told? One of TCP fast open, by sendto(2), has not. */
static bool begun_by_connect(struct ft_translate *t, const struct ft_event *e)
{
	for (size_t i = 1; i <= FT_AGAIN; i++) {
		struct ft_again *a = &t->again[(t->next_again - i) % FT_AGAIN];

		if (a->tid != e->tid || a->begun)
			continue;
		if (e->time_ns - a->time_ns > BEGINS_WITHIN_NS)
			return false;
		return a->begun = true;
	}
	return false;
}

static void expect_again(struct ft_translate *t, const struct ft_event *e, edr_u32 tgid,
			 const edr_u8 *addr, edr_u32 len)
{
	struct ft_again *a = &t->again[t->next_again++ % FT_AGAIN];

	*a = (struct ft_again){ .tgid = tgid, .tid = e->tid, .len = len, .time_ns = e->time_ns };
	memcpy(a->addr, addr, len);
}

/* io_uring's: it comes here again and again while a TCP connect is under way. */
static void connect_without_call(struct ft_translate *t, const struct ft_event *e,
				 const struct ft_task *task, const struct ft_task *leader,
				 struct edr_connect *r, const edr_u8 *addr, edr_u32 len)
{
	const edr_u32 kept = len < sizeof(t->again->addr) ? len : sizeof(t->again->addr);
	struct ft_again *again;

	if (r->protocol == IPPROTO_TCP)
		return;
	if (!t->file_tells_protocol) {
		again = again_of(t, leader->tgid, addr, kept);
		if (again) {
			*again = (struct ft_again){ 0 };
			return;
		}
		expect_again(t, e, leader->tgid, addr, kept);
	}
	emit_connect(t, e, task, leader, r, addr, len);
}

void ft_on_connect_file(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	const struct ft_task *leader = ft_owner(t, task);
	edr_u8 addr[EDR_SOCKADDR_MAX];
	const edr_u32 len =
		copy_address(addr, ft_bytes(e, FT_FILE_BYTES), (edr_s32)ft_number(e, FT_FILE_LEN));
	struct edr_connect r = { .fd = -1,
				 .result = EDR_RESULT_UNKNOWN,
				 .protocol = (edr_u32)ft_number(e, FT_FILE_PROTOCOL),
				 .sock_type = (edr_u32)ft_number(e, FT_FILE_TYPE),
				 .seen_by = EDR_SEEN_SYSCALL };

	if (!leader)
		return;
	t->file_tells_protocol = ft_has(e, FT_FILE_PROTOCOL);
	if (!task->call || !task->call->connecting) {
		connect_without_call(t, e, task, leader, &r, addr, len);
		return;
	}
	task->call->protocol = r.protocol;
	task->call->sock_type = r.sock_type;
	memcpy(task->call->addr, addr, len);
	task->call->addr_len = len;
	task->call->address_known = task->call->verified = len > 0;
}

static struct ft_sock *find_sock(const struct ft_translate *t, edr_u64 key)
{
	struct ft_sock *s;

	HASH_FIND(hh, t->socks, &key, sizeof(key), s);
	return s;
}

static void forget_sock(struct ft_translate *t, struct ft_sock *s)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in this table */
	HASH_DEL(t->socks, s);
	t->n_socks--;
	free(s);
}

void ft_socks_free(struct ft_translate *t)
{
	while (t->socks)
		forget_sock(t, t->socks);
}

/* The peer, as the event has it. */
static edr_u32 peer_of(const struct ft_event *e, edr_u8 *to)
{
	const edr_u16 port = htons((edr_u16)ft_number(e, FT_SOCK_DPORT));
	struct wire_span addr;

	if (ft_number(e, FT_SOCK_FAMILY) == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };

		addr = ft_bytes(e, FT_SOCK_DADDR);
		if (addr.len != sizeof(in.sin_addr))
			return 0;
		memcpy(&in.sin_addr, addr.data, addr.len);
		memcpy(to, &in, sizeof(in));
		return sizeof(in);
	} else {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = port };

		addr = ft_bytes(e, FT_SOCK_DADDR6);
		if (addr.len != sizeof(in6.sin6_addr))
			return 0;
		memcpy(&in6.sin6_addr, addr.data, addr.len);
		memcpy(to, &in6, sizeof(in6));
		return sizeof(in6);
	}
}

static void emit_result(struct ft_translate *t, const struct ft_sock *s, edr_u64 time_ns,
			edr_u32 cpu, edr_s32 result, const edr_u8 *addr, edr_u32 addr_len)
{
	struct edr_connect_result r = { .hdr = s->hdr, .result = result, .protocol = IPPROTO_TCP };
	struct wire_build b;

	r.hdr.time_ns = time_ns;
	r.hdr.cpu = cpu;
	r.latency_ns = time_ns > s->hdr.time_ns ? time_ns - s->hdr.time_ns : 0;
	memcpy(r.comm, s->comm, sizeof(r.comm));
	wire_build_begin(&b, &t->out, EDR_CONNECT_RESULT, &r);
	wire_build_str(&b, offsetof(struct edr_connect_result, sockaddr), addr, addr_len);
	ft_emit(t, &b, EDR_CONNECT_RESULT);
}

/* As connect_settled() of bpf/net.bpf.h: what the call says is the result, unless it went away before there was one. */
static void settle(struct ft_translate *t, const struct ft_event *e, const struct ft_call *call,
		   edr_s32 ret)
{
	struct ft_sock *s = find_sock(t, call->sk);
	const bool open = ret == -EINPROGRESS || ret == -EINTR;

	if (!s || (!s->ended && (open || ret == 0)))
		return;
	if (s->ended && open)
		emit_result(t, s, s->end_ns, e->cpu, s->result, call->addr, call->addr_len);
	forget_sock(t, s);
}

void ft_connect_unfinished(struct ft_translate *t, struct ft_task *task)
{
	const struct ft_event e = { .time_ns = t->now_ns, .tid = task->tid };
	const struct ft_task *leader;

	if (!task->call->connecting)
		return;
	leader = ft_owner(t, task);
	if (leader) {
		emit_call(t, &e, task, leader, EDR_RESULT_UNKNOWN);
		if (task->call->sk)
			settle(t, &e, task->call, -EINPROGRESS);
	} else {
		ft_count_dropped(t, EDR_CONNECT);
	}
	ft_call_end(task);
}

void ft_on_connect_ret(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	const struct ft_task *leader = ft_owner(t, task);
	edr_s32 ret = (edr_s32)ft_number(e, FT_VALUE);

	if (!leader || !task->call || !task->call->connecting)
		return;
	if (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK)
		ret = -EINTR;
	emit_call(t, e, task, leader, ret);
	if (task->call->sk)
		settle(t, e, task->call, ret);
	ft_call_end(task);
}

static bool add_sock(struct ft_translate *t, const struct ft_event *e, edr_u64 key,
		     const struct ft_task *task, const struct ft_task *leader)
{
	struct ft_sock *s = calloc(1, sizeof(*s));

	if (!s)
		return false;
	s->key = key;
	s->hdr = ft_header(e, leader);
	memcpy(s->comm, task->comm, sizeof(s->comm));
	HASH_ADD(hh, t->socks, key, sizeof(s->key), s);
	if (s->hh.tbl) {
		t->n_socks++;
		return true;
	}
	free(s);
	return false;
}

/* In the context of the process that connects. */
static void begins(struct ft_translate *t, const struct ft_event *e, edr_u64 key)
{
	struct ft_task *task = ft_tasks_get(&t->tasks, e->tid);
	const struct ft_task *leader = ft_owner(t, task);
	struct edr_connect r = { .fd = -1,
				 .result = EDR_RESULT_UNKNOWN,
				 .protocol = IPPROTO_TCP,
				 .sock_type = SOCK_STREAM,
				 .seen_by = EDR_SEEN_SOCKET };
	struct ft_sock *s = find_sock(t, key);
	edr_u8 addr[EDR_SOCKADDR_MAX];
	const edr_u32 len = peer_of(e, addr);

	if (!leader || ft_filtered(t, EDR_CONNECT_RESULT, leader, task->comm))
		return;
	if (s)
		forget_sock(t, s);
	if (t->n_socks >= MAX_SOCKS) {
		forget_sock(t, t->socks); /* the oldest */
		ft_count_dropped(t, EDR_CONNECT_RESULT);
	}
	if (!add_sock(t, e, key, task, leader))
		ft_count_dropped(t, EDR_CONNECT_RESULT);
	if (!task->call || !task->call->connecting) {
		if (!begun_by_connect(t, e))
			emit_connect(t, e, task, leader, &r, addr, len);
		return;
	}
	task->call->sk = key;
	task->call->protocol = IPPROTO_TCP;
	task->call->sock_type = SOCK_STREAM;
	if (!task->call->verified && len) {
		memcpy(task->call->addr, addr, len);
		task->call->addr_len = len;
		task->call->address_known = task->call->verified = true;
	}
}

/* In whatever context the answer came in: the process is the one that was noted. */
static void ends(struct ft_translate *t, const struct ft_event *e, edr_u64 key, edr_u64 state)
{
	struct ft_sock *s = find_sock(t, key);
	const struct ft_task *task;
	edr_u8 addr[EDR_SOCKADDR_MAX];

	if (!s)
		return;
	s->result = state == TCP_ESTABLISHED ? 0 : s->reset ? -ECONNREFUSED : EDR_RESULT_UNKNOWN;
	s->end_ns = e->time_ns;
	task = ft_tasks_find(&t->tasks, s->hdr.tid);
	if (task && task->call && task->call->sk == key) {
		s->ended = true; /* settle() knows whether the call has said it */
		return;
	}
	emit_result(t, s, e->time_ns, e->cpu, s->result, addr, peer_of(e, addr));
	forget_sock(t, s);
}

void ft_on_sock_reset(struct ft_translate *t, const struct ft_event *e)
{
	struct ft_sock *s = find_sock(t, ft_number(e, FT_SOCK_ADDR));

	if (s)
		s->reset = true;
}

void ft_on_sock_state(struct ft_translate *t, const struct ft_event *e)
{
	const edr_u64 key = ft_number(e, FT_SOCK_ADDR), from = ft_number(e, FT_SOCK_OLD),
		      to = ft_number(e, FT_SOCK_NEW);

	if (ft_number(e, FT_SOCK_PROTOCOL) != IPPROTO_TCP)
		return;
	if (to == TCP_SYN_SENT)
		begins(t, e, key);
	else if (from == TCP_SYN_SENT)
		ends(t, e, key, to);
}
