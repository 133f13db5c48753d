// SPDX-License-Identifier: MIT
/* Connects over IPv4 and IPv6, to this machine alone: 127.0.0.0/8 and ::1. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connecting.h"
#include "uring.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define TEST_PORT 7 /* of UDP, where it does not matter whether anybody listens */
#define FIRST_FD 100
#define N_FDS 800

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The n-th address of 127.64.0.0/10: each run has its own, so that none is taken for another. */
static union address v4(unsigned n, unsigned port)
{
	union address a = { .in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) } };

	a.in.sin_addr.s_addr = htonl(0x7f400001 + (n & 0xffff));
	return a;
}

static union address v6(unsigned port)
{
	union address a = { .in6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)port) } };

	a.in6.sin6_addr = in6addr_loopback;
	return a;
}

static union address v4_in_v6(unsigned n, unsigned port)
{
	union address a = v6(port), b = v4(n, port);

	memset(&a.in6.sin6_addr, 0, 10);
	memset((char *)&a.in6.sin6_addr + 10, 0xff, 2);
	memcpy((char *)&a.in6.sin6_addr + 12, &b.in.sin_addr, 4);
	return a;
}

static void need_ipv6(void)
{
	union address a = v6(0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, &a.sa, sizeof(a.in6)))
		cannot("IPv6: %s", strerror(errno));
	close(fd);
}

static socklen_t length(const union address *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

static unsigned port_of(const union address *a)
{
	return ntohs(a->in.sin_port); /* at the same place for both */
}

/* A descriptor with another number for each run. */
static int open_socket(const struct truth *t, int family, int type)
{
	int fd = (int)must("socket", socket(family, type, 0));
	int to = FIRST_FD + (int)(t->i % N_FDS);

	must("dup2", dup2(fd, to));
	close(fd);
	return to;
}

static void tell(const struct truth *t, struct connecting *c, const union address *a)
{
	char ip[INET6_ADDRSTRLEN], address[INET6_ADDRSTRLEN + 16];
	bool six = a->sa.sa_family == AF_INET6;

	if (six)
		inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
	else
		inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip));
	snprintf(address, sizeof(address), six ? "[%s]:%u" : "%s:%u", ip, port_of(a));
	c->family = six ? "AF_INET6" : "AF_INET";
	c->address = address;
	c->address_len = strlen(address);
	c->ip = ip;
	c->port = port_of(a);
	line_connect(t, c);
}

static struct connecting udp(int fd)
{
	return (struct connecting){ .fd = fd, .protocol = "IPPROTO_UDP", .type = "dgram" };
}

static struct connecting tcp(int fd)
{
	return (struct connecting){
		.fd = fd, .protocol = "IPPROTO_TCP", .type = "stream", .has_result = true
	};
}

/* Connects, and waits for the end where the socket does not block. */
static void do_connect(struct connecting *c, const union address *a)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	socklen_t len = sizeof(c->later_error);

	c->after = now_ns();
	c->error = connect(c->fd, &a->sa, length(a)) ? errno : 0;
	if (c->error == EINPROGRESS) {
		must("poll", poll(&p, 1, 5000));
		must("getsockopt", getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->later_error, &len));
		c->result_later = true;
	}
	c->before = now_ns();
}

static void must_be(int error, int wanted)
{
	if (error != wanted)
		die("connect: %s, and not: %s", strerror(error), strerror(wanted));
}

static void udp4_by_call(struct truth *t)
{
	union address a = v4(t->i, TEST_PORT);
	struct connecting c = udp(open_socket(t, AF_INET, SOCK_DGRAM));

	do_connect(&c, &a);
	must_be(c.error, 0);
	tell(t, &c, &a);
	close(c.fd);
}

static void scene_udp4(struct truth *t)
{
	EACH_RUN(t)
	{
		udp4_by_call(t);
	}
}

static void scene_udp6(struct truth *t)
{
	need_ipv6();
	EACH_RUN(t)
	{
		union address a = v6(1 + t->i % 65535);
		struct connecting c = udp(open_socket(t, AF_INET6, SOCK_DGRAM));

		do_connect(&c, &a);
		must_be(c.error, 0);
		tell(t, &c, &a);
		close(c.fd);
	}
}

static void scene_udp_mapped(struct truth *t)
{
	need_ipv6();
	EACH_RUN(t)
	{
		union address a = v4_in_v6(t->i, TEST_PORT);
		struct connecting c = udp(open_socket(t, AF_INET6, SOCK_DGRAM));

		do_connect(&c, &a);
		must_be(c.error, 0);
		tell(t, &c, &a);
		close(c.fd);
	}
}

/* A TCP port of ours: one that listens, or one where nobody will. */
static union address own_port(int family, bool listens, int *fd)
{
	union address a = family == AF_INET ? v4(0, 0) : v6(0);
	socklen_t len = sizeof(a);

	*fd = (int)must("socket", socket(family, SOCK_STREAM, 0));
	/* Bound everywhere but not listening, it refuses at every address of ours. */
	if (family == AF_INET)
		a.in.sin_addr.s_addr = htonl(listens ? INADDR_LOOPBACK : INADDR_ANY);
	must("bind", bind(*fd, &a.sa, length(&a)));
	if (listens)
		must("listen", listen(*fd, 16));
	must("getsockname", getsockname(*fd, &a.sa, &len));
	return a;
}

/* A reset instead of TIME_WAIT: a thousand runs must not use up the ports. */
static void close_hard(int fd)
{
	const struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void run_accepted(struct truth *t, int family, int type, int error)
{
	int listener;
	union address a = own_port(family, true, &listener);

	EACH_RUN(t)
	{
		struct connecting c = tcp(open_socket(t, family, type));

		do_connect(&c, &a);
		must_be(c.error, error);
		must_be(c.later_error, 0);
		tell(t, &c, &a);
		close_hard((int)must("accept", accept(listener, NULL, NULL)));
		close_hard(c.fd);
	}
	close(listener);
}

static void run_refused(struct truth *t, int family, int type, int error)
{
	int reserved;
	union address a = own_port(family, false, &reserved);

	EACH_RUN(t)
	{
		struct connecting c = tcp(open_socket(t, family, type));

		if (family == AF_INET)
			a = v4(t->i, port_of(&a));
		do_connect(&c, &a);
		must_be(c.error, error);
		if (error == EINPROGRESS)
			must_be(c.later_error, ECONNREFUSED);
		tell(t, &c, &a);
		close(c.fd);
	}
	close(reserved);
}

static void scene_tcp4(struct truth *t)
{
	run_accepted(t, AF_INET, SOCK_STREAM, 0);
}

static void scene_tcp6(struct truth *t)
{
	need_ipv6();
	run_accepted(t, AF_INET6, SOCK_STREAM, 0);
}

static void scene_tcp4_refused(struct truth *t)
{
	run_refused(t, AF_INET, SOCK_STREAM, ECONNREFUSED);
}

static void scene_tcp6_refused(struct truth *t)
{
	need_ipv6();
	run_refused(t, AF_INET6, SOCK_STREAM, ECONNREFUSED);
}

static void scene_tcp4_progress(struct truth *t)
{
	run_accepted(t, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, EINPROGRESS);
}

static void scene_tcp6_progress(struct truth *t)
{
	need_ipv6();
	run_accepted(t, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, EINPROGRESS);
}

static void scene_tcp4_progress_refused(struct truth *t)
{
	run_refused(t, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, EINPROGRESS);
}

static void scene_tcp_mapped(struct truth *t)
{
	int listener;
	union address four = own_port(AF_INET, true, &listener), a = v4_in_v6(0, port_of(&four));

	need_ipv6();
	memcpy((char *)&a.in6.sin6_addr + 12, &four.in.sin_addr, 4);
	EACH_RUN(t)
	{
		struct connecting c = tcp(open_socket(t, AF_INET6, SOCK_STREAM));

		do_connect(&c, &a);
		must_be(c.error, 0);
		tell(t, &c, &a);
		close_hard((int)must("accept", accept(listener, NULL, NULL)));
		close_hard(c.fd);
	}
	close(listener);
}

static struct uring *need_uring(void)
{
	struct uring *u = uring_open();

	if (!u)
		cannot("io_uring: %s", strerror(errno));
	return u;
}

static void udp4_by_uring(struct truth *t, struct uring *u)
{
	union address a = v4(t->i, TEST_PORT);
	struct connecting c = udp(open_socket(t, AF_INET, SOCK_DGRAM));

	c.cgroup_only = true;
	c.way_unseen = "ftrace-no-probes";
	c.after = now_ns();
	must_be(-uring_connect(u, c.fd, &a.sa, length(&a)), 0);
	c.before = now_ns();
	tell(t, &c, &a);
	close(c.fd);
}

static void scene_uring_udp(struct truth *t)
{
	struct uring *u = need_uring();

	EACH_RUN(t)
	{
		udp4_by_uring(t, u);
	}
	uring_close(u);
}

static void scene_uring_after(struct truth *t)
{
	struct uring *u = need_uring();

	EACH_RUN(t)
	{
		if (t->i % 2)
			udp4_by_uring(t, u);
		else
			udp4_by_call(t);
	}
	uring_close(u);
}

/* Every second one is refused. */
static void scene_uring_tcp(struct truth *t)
{
	struct uring *u = need_uring();
	union address a[2];
	int fd[2];

	a[0] = own_port(AF_INET, true, &fd[0]);
	a[1] = own_port(AF_INET, false, &fd[1]);
	EACH_RUN(t)
	{
		unsigned refused = t->i % 2;
		struct connecting c = tcp(open_socket(t, AF_INET, SOCK_STREAM));

		if (refused)
			a[1] = v4(t->i, port_of(&a[1]));
		c.cgroup_only = true;
		c.result_later = true;
		c.after = now_ns();
		c.later_error = -uring_connect(u, c.fd, &a[refused].sa, length(&a[refused]));
		c.before = now_ns();
		must_be(c.later_error, refused ? ECONNREFUSED : 0);
		tell(t, &c, &a[refused]);
		if (!refused)
			close_hard((int)must("accept", accept(fd[0], NULL, NULL)));
		close_hard(c.fd);
	}
	close(fd[0]);
	close(fd[1]);
	uring_close(u);
}

struct by_thread {
	struct connecting *c;
	const union address *a;
};

static void *connect_thread(void *arg)
{
	struct by_thread *b = arg;

	b->c->tid = (pid_t)syscall(SYS_gettid);
	do_connect(b->c, b->a);
	return NULL;
}

static void scene_by_thread(struct truth *t)
{
	EACH_RUN(t)
	{
		union address a = v4(t->i, TEST_PORT);
		struct connecting c = udp(open_socket(t, AF_INET, SOCK_DGRAM));
		struct by_thread b = { &c, &a };
		pthread_t thread;

		if (pthread_create(&thread, NULL, connect_thread, &b) || pthread_join(thread, NULL))
			die("pthread_create");
		must_be(c.error, 0);
		tell(t, &c, &a);
		close(c.fd);
	}
}

/*
 * The address lies in a page of a file that nobody has touched: not in memory when the call begins.
 */
static void scene_address_page(struct truth *t)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = (int)must("open", open("pages", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	EACH_RUN(t)
	{
		union address a = v4(t->i, TEST_PORT);

		if (pwrite(fd, &a, sizeof(a), page * (long)t->i) != sizeof(a))
			die("cannot write the addresses");
	}
	must("ftruncate", ftruncate(fd, page * (long)t->n));
	EACH_RUN(t)
	{
		union address a = v4(t->i, TEST_PORT);
		struct connecting c = udp(open_socket(t, AF_INET, SOCK_DGRAM));
		union address *mapped =
			mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE, fd, page * (long)t->i);

		if (mapped == MAP_FAILED)
			die("mmap: %s", strerror(errno));
		c.after = now_ns();
		c.error = connect(c.fd, &mapped->sa, sizeof(mapped->in)) ? errno : 0;
		c.before = now_ns();
		must_be(c.error, 0);
		tell(t, &c, &a);
		munmap(mapped, (size_t)page);
		close(c.fd);
	}
	close(fd);
}

/* Someone rewrites the port meanwhile; what counts is where the socket is connected. */
struct rewriter {
	union address a;
	volatile bool stop;
};

static void *rewrite(void *arg)
{
	struct rewriter *r = arg;

	while (!r->stop) {
		*(volatile in_port_t *)&r->a.in.sin_port = htons(1);
		*(volatile in_port_t *)&r->a.in.sin_port = htons(2);
	}
	return NULL;
}

static void scene_address_rewritten(struct truth *t)
{
	struct rewriter r = { .a = v4(0, 1) };
	pthread_t thread;

	if (pthread_create(&thread, NULL, rewrite, &r))
		die("pthread_create");
	EACH_RUN(t)
	{
		struct connecting c = udp(open_socket(t, AF_INET, SOCK_DGRAM));
		union address peer;
		socklen_t len = sizeof(peer);

		do_connect(&c, &r.a);
		must_be(c.error, 0);
		must("getpeername", getpeername(c.fd, &peer.sa, &len));
		tell(t, &c, &peer);
		close(c.fd);
	}
	r.stop = true;
	pthread_join(thread, NULL);
}

/* No call of connect at all: the first data go with the SYN. */
static void scene_fastopen(struct truth *t)
{
	int listener;
	union address a = own_port(AF_INET, true, &listener);

	EACH_RUN(t)
	{
		struct connecting c = tcp(open_socket(t, AF_INET, SOCK_STREAM));

		c.cgroup_only = true;
		c.result_later = true;
		c.after = now_ns();
		if (sendto(c.fd, "x", 1, MSG_FASTOPEN, &a.sa, length(&a)) < 0)
			cannot("TCP fast open: %s", strerror(errno));
		c.before = now_ns();
		tell(t, &c, &a);
		close_hard((int)must("accept", accept(listener, NULL, NULL)));
		close_hard(c.fd);
	}
	close(listener);
}

/*
 * Below the call, it is a TCP socket inside of the one that the program has: which protocol that
 * is, is a matter of taste.
 */
static void scene_mptcp(struct truth *t)
{
	int listener, fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	union address a;

	if (fd < 0)
		cannot("MPTCP: %s", strerror(errno));
	close(fd);
	a = own_port(AF_INET, true, &listener);
	EACH_RUN(t)
	{
		struct connecting c =
			tcp((int)must("socket", socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)));

		c.protocol = NULL;
		do_connect(&c, &a);
		must_be(c.error, 0);
		tell(t, &c, &a);
		close_hard((int)must("accept", accept(listener, NULL, NULL)));
		close_hard(c.fd);
	}
	close(listener);
}

/* Neither TCP nor UDP: the call alone tells. */
static void scene_raw_socket(struct truth *t)
{
	EACH_RUN(t)
	{
		union address a = v4(t->i, 0);
		struct connecting c = { .protocol = "IPPROTO_ICMP",
					.type = "raw",
					.lean_unseen = true };

		c.fd = (int)must("socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
		do_connect(&c, &a);
		must_be(c.error, 0);
		tell(t, &c, &a);
		close(c.fd);
	}
}

static void scene_netlink(struct truth *t)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK };

	EACH_RUN(t)
	{
		struct connecting c = {
			.family = "AF_NETLINK", .address = "", .type = "raw", .lean_unseen = true
		};

		c.fd = (int)must("socket", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
		c.after = now_ns();
		c.error = connect(c.fd, (struct sockaddr *)&nl, sizeof(nl)) ? errno : 0;
		c.before = now_ns();
		must_be(c.error, 0);
		line_connect(t, &c);
		close(c.fd);
	}
}

/* AF_UNSPEC takes a connected socket's peer away. No hook below the system call is asked. */
static void scene_disconnect(struct truth *t)
{
	EACH_RUN(t)
	{
		union address a = v4(t->i, TEST_PORT), none = { .sa = { .sa_family = AF_UNSPEC } };
		struct connecting c = udp(open_socket(t, AF_INET, SOCK_DGRAM)), d = c;

		do_connect(&c, &a);
		must_be(c.error, 0);
		tell(t, &c, &a);
		d.after = now_ns();
		d.error = connect(d.fd, &none.sa, sizeof(none.sa)) ? errno : 0;
		d.before = now_ns();
		must_be(d.error, 0);
		d.family = "AF_UNSPEC";
		d.address = "";
		d.lean_unseen = true;
		line_connect(t, &d);
		close(d.fd);
	}
}

/* Refused before any hook below sees them. */
static void scene_bad_descriptor(struct truth *t)
{
	int file;

	put_file("file", "x", 1, 0600);
	file = (int)must("open", open("file", O_RDONLY | O_CLOEXEC));
	EACH_RUN(t)
	{
		union address a = v4(t->i, TEST_PORT);
		struct connecting bad = { .fd = 9999, .lean_unseen = true };
		struct connecting no_socket = { .fd = file, .lean_unseen = true };

		do_connect(&bad, &a);
		must_be(bad.error, EBADF);
		tell(t, &bad, &a);
		do_connect(&no_socket, &a);
		must_be(no_socket.error, ENOTSOCK);
		tell(t, &no_socket, &a);
	}
	close(file);
}

/* Too short, and out of reach: there is no address to tell. */
static void scene_bad_address(struct truth *t)
{
	EACH_RUN(t)
	{
		union address a = v4(t->i, TEST_PORT);
		struct connecting s = udp(open_socket(t, AF_INET, SOCK_DGRAM)), f;

		s.lean_unseen = true;
		s.family = "AF_INET";
		s.address = "";
		f = s;
		s.after = now_ns();
		s.error = connect(s.fd, &a.sa, sizeof(a.sa.sa_family)) ? errno : 0;
		s.before = now_ns();
		must_be(s.error, EINVAL);
		line_connect(t, &s);
		f.after = now_ns();
		f.error = connect(f.fd, (const struct sockaddr *)8, sizeof(a.in)) ? errno : 0;
		f.before = now_ns();
		must_be(f.error, EFAULT);
		f.family = NULL;
		line_connect(t, &f);
		close(f.fd);
	}
}

static void scene_connect32(struct truth *t)
{
	put_helper(t, "connect32", "connect32");
	EACH_RUN(t)
	{
		unsigned port = 1024 + t->i % 60000;
		char *argv[] = { "connect32", format("%u", port), (char *)t->token, NULL };
		struct exec e = { .path = "./connect32", .argv = argv, .flags = "compat32" };
		struct connecting connect = udp(-1);
		union address a = v4(0, port);
		struct child c;

		child_run(t, &c, exec_child, &e);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
		connect.cgroup_only = true;
		connect.way_unseen = "ftrace-no-probes";
		connect.pid = c.pid;
		connect.after = c.after;
		connect.before = c.before;
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		tell(t, &connect, &a);
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
		tell(t, &connect, &a);
		connect.family = "AF_UNIX";
		connect.address = "";
		connect.ip = NULL;
		connect.lean_unseen = connect.default_unseen = true;
		line_connect(t, &connect);
	}
}

const struct scene scenes_inet[] = {
	{ "udp4", scene_udp4, "UDP over IPv4" },
	{ "udp6", scene_udp6, "UDP over IPv6" },
	{ "udp_mapped", scene_udp_mapped, "UDP over IPv6, to a mapped IPv4 address" },
	{ "tcp4", scene_tcp4, "TCP over IPv4, accepted" },
	{ "tcp6", scene_tcp6, "TCP over IPv6, accepted" },
	{ "tcp4_refused", scene_tcp4_refused, "TCP over IPv4, refused" },
	{ "tcp6_refused", scene_tcp6_refused, "TCP over IPv6, refused" },
	{ "tcp4_progress", scene_tcp4_progress, "TCP over IPv4, in progress, then accepted" },
	{ "tcp6_progress", scene_tcp6_progress, "TCP over IPv6, in progress, then accepted" },
	{ "tcp4_progress_refused", scene_tcp4_progress_refused,
	  "TCP over IPv4, in progress, then refused" },
	{ "tcp_mapped", scene_tcp_mapped, "TCP over IPv6, to a mapped IPv4 address" },
	{ "uring_udp", scene_uring_udp, "UDP by io_uring" },
	{ "uring_after", scene_uring_after, "UDP by turns: by the call, by io_uring" },
	{ "uring_tcp", scene_uring_tcp, "TCP by io_uring, accepted and refused" },
	{ "connect_thread", scene_by_thread, "by a thread that is not the leader" },
	{ "address_page", scene_address_page, "an address that is not in memory yet" },
	{ "address_rewritten", scene_address_rewritten, "an address that is rewritten meanwhile" },
	{ "fastopen", scene_fastopen, "TCP fast open, without a connect" },
	{ "mptcp", scene_mptcp, "multipath TCP" },
	{ "raw_socket", scene_raw_socket, "a raw socket" },
	{ "netlink", scene_netlink, "netlink" },
	{ "disconnect", scene_disconnect, "AF_UNSPEC" },
	{ "bad_descriptor", scene_bad_descriptor, "no descriptor, or not a socket" },
	{ "bad_address", scene_bad_address, "an address that is too short, or out of reach" },
	{ "connect32", scene_connect32, "by a static 32-bit program: socketcall and connect" },
	{ NULL, NULL, NULL },
};
