// SPDX-License-Identifier: MIT
/*
 * More connects under way at once than there are slots for them in the kernel (bpf/calls.bpf.h, bpf/net.bpf.h), so that
 * some are sure to want the same one.
 *
 *	crowd tcp N            N TCP connects that wait for an answer, in a network namespace of its own; half are
 *	                       closed, the others refused
 *	crowd unix N PATH      N threads in a connect to PATH, all refused in the end
 *	crowd exec N PATH PROGRAM
 *	                       the same, but all of them end because one more thread runs PROGRAM
 *
 * Prints what it did, as JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "truth.h"

#define CROWD_MAX 16384
#define STACK_BYTES 65536
#define WAIT_MS 10000
#define SETTLE_MS 300 /* from a thread's last step before its call until it sleeps in it */

static void sleep_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void allow_files(unsigned n)
{
	struct rlimit l;

	must("getrlimit", getrlimit(RLIMIT_NOFILE, &l));
	if (l.rlim_max < n + 64)
		cannot("%u descriptors are not allowed here", n + 64);
	l.rlim_cur = l.rlim_max;
	must("setrlimit", setrlimit(RLIMIT_NOFILE, &l));
}

/* ---- TCP ---- */

static void own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	if (unshare(CLONE_NEWNET))
		cannot("unshare(CLONE_NEWNET): %s", strerror(errno));
	fd = (int)must("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	must("SIOCSIFFLAGS", ioctl(fd, SIOCSIFFLAGS, &lo));
	close(fd);
}

/* A listener that accepts nobody: when its queue is full, no connect is answered any more. */
static int tcp_listener(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	*at = (struct sockaddr_in){ .sin_family = AF_INET };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must("bind", bind(fd, (struct sockaddr *)at, len));
	must("listen", listen(fd, 0));
	must("getsockname", getsockname(fd, (struct sockaddr *)at, &len));
	return fd;
}

static int tcp_begin(const struct sockaddr_in *to)
{
	int fd =
		(int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

	if (!connect(fd, (const struct sockaddr *)to, sizeof(*to)) || errno != EINPROGRESS)
		die("a connect that should wait: %s", strerror(errno));
	return fd;
}

/* The error that a connect ends with; EINPROGRESS: none within ms. */
static int tcp_end(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (poll(&p, 1, ms) == 0)
		return EINPROGRESS;
	must("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	return err;
}

static void crowd_tcp(unsigned n)
{
	static int fds[CROWD_MAX];
	unsigned waiting = 0, refused = 0, closed = 0;
	struct sockaddr_in at;
	int listener;

	own_network();
	listener = tcp_listener(&at);
	for (unsigned i = 0; i < n; i++)
		fds[i] = tcp_begin(&at);
	for (unsigned i = 0; i < n; i++) {
		if (tcp_end(fds[i], 0) == EINPROGRESS)
			fds[waiting++] = fds[i];
	}
	for (; closed < waiting / 2; closed++)
		close(fds[closed]);
	close(listener); /* who asks again, after a second, is refused */
	for (unsigned i = closed; i < waiting; i++)
		refused += tcp_end(fds[i], WAIT_MS) == ECONNREFUSED;
	printf("{\"pid\":%d,\"port\":%u,\"connects\":%u,\"waiting\":%u,\"refused\":%u,\"closed\":%"
	       "u}\n",
	       (int)getpid(), ntohs(at.sin_port), n, waiting, refused, closed);
}

/* ---- threads in a connect ---- */

static struct sockaddr_un crowd_at = { .sun_family = AF_UNIX };
static atomic_uint entering, returned, refused_threads;

static int unix_socket(int flags)
{
	return (int)must("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

static void *connect_and_wait(void *fd)
{
	int ret;

	entering++;
	ret = connect((int)(intptr_t)fd, (struct sockaddr *)&crowd_at, sizeof(crowd_at));
	refused_threads += ret && errno == ECONNREFUSED;
	returned++;
	return NULL;
}

/* Its queue is full. Gives the number of connects that this took. */
static unsigned unix_listener(int *listener, const char *path)
{
	unsigned n = 0;

	if (strlen(path) >= sizeof(crowd_at.sun_path))
		die("%s: too long", path);
	strcpy(crowd_at.sun_path, path);
	*listener = unix_socket(0);
	must("bind", bind(*listener, (struct sockaddr *)&crowd_at, sizeof(crowd_at)));
	must("listen", listen(*listener, 0));
	do
		n++;
	while (!connect(unix_socket(SOCK_NONBLOCK), (struct sockaddr *)&crowd_at,
			sizeof(crowd_at)));
	if (errno != EAGAIN)
		die("connect: %s", strerror(errno));
	return n;
}

static unsigned gather(pthread_t *threads, unsigned n)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned i = 0; i < n; i++) {
		void *fd = (void *)(intptr_t)unix_socket(0);
		const int err = pthread_create(&threads[i], &attr, connect_and_wait, fd);

		if (err)
			cannot("thread %u: %s", i, strerror(err));
	}
	pthread_attr_destroy(&attr);
	for (int ms = 0; entering < n && ms < WAIT_MS; ms++)
		sleep_ms(1);
	sleep_ms(SETTLE_MS);
	return n - returned;
}

static void crowd_threads(unsigned n, const char *path, const char *program)
{
	static pthread_t threads[CROWD_MAX];
	unsigned first, waiting;
	int listener;

	first = unix_listener(&listener, path);
	waiting = gather(threads, n);
	printf("{\"pid\":%d,\"connects\":%u,\"waiting\":%u", (int)getpid(), first + n, waiting);
	if (program) {
		printf("}\n");
		fflush(stdout);
		execl(program, program, "crowd", (char *)NULL);
		die("%s: %s", program, strerror(errno));
	}
	close(listener);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf(",\"refused\":%u}\n", refused_threads);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	const unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (n < 1 || n > CROWD_MAX)
		die("usage: crowd tcp N | unix N PATH | exec N PATH PROGRAM; N up to %d",
		    CROWD_MAX);
	allow_files((unsigned)n);
	if (strcmp(kind, "tcp") == 0 && argc == 3)
		crowd_tcp((unsigned)n);
	else if (strcmp(kind, "unix") == 0 && argc == 4)
		crowd_threads((unsigned)n, argv[3], NULL);
	else if (strcmp(kind, "exec") == 0 && argc == 5)
		crowd_threads((unsigned)n, argv[3], argv[4]);
	else
		die("crowd %s: no such crowd", kind);
	return 0;
}
