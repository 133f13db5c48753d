// SPDX-License-Identifier: MIT
#include "loads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define REFUSED_PORT 1 /* tcpmux: nobody listens there */
#define ARGUMENT_BYTES 28000
#define BOMB_NAP_NS 1000000

volatile sig_atomic_t stop;

__attribute__((noreturn)) void die(const char *what)
{
	fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
	exit(2);
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
}

void run_program(const char *program, const char *argument)
{
	char *const argv[] = { (char *)program, (char *)argument, NULL };
	char *const none[] = { NULL };
	pid_t pid;

	errno = posix_spawn(&pid, program, NULL, NULL, argv, none);
	if (errno)
		die(program);
	reap(pid);
}

/* Until number i is due, counted from start. */
static void wait_turn(int64_t start, unsigned long i, double rate)
{
	int64_t due = start + (int64_t)((double)i * NS_PER_S / rate);
	struct timespec ts = { due / NS_PER_S, due % NS_PER_S };

	while (!stop && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static unsigned long exec_loop(const struct load_args *a)
{
	int64_t start = now_ns();
	unsigned long i;

	for (i = 0; i < a->n && !stop; i++) {
		if (a->rate > 0)
			wait_turn(start, i, a->rate);
		run_program(a->program, NULL);
	}
	return i;
}

/* Each under another name. The program is a file of its own for each worker, renamed from one to the next. */
static unsigned long names_loop(const struct load_args *a)
{
	char from[512], to[512];
	unsigned long i;

	snprintf(from, sizeof(from), "%s-%u", a->program, a->worker);
	unlink(from);
	if (link(a->program, from))
		die(from);
	for (i = 0; i < a->n && !stop; i++) {
		snprintf(to, sizeof(to), "%s-n%lu", a->program, a->first + i);
		if (rename(from, to))
			die(to);
		run_program(to, NULL);
		memcpy(from, to, sizeof(from));
	}
	unlink(from);
	return i;
}

/* Each with one argument of 28,000 bytes that no other has. */
static unsigned long arguments_loop(const struct load_args *a)
{
	static char argument[ARGUMENT_BYTES + 1];
	unsigned long i;

	memset(argument, 'x', ARGUMENT_BYTES);
	for (i = 0; i < a->n && !stop; i++) {
		memset(argument + snprintf(argument, 32, "%lu", a->first + i), '-', 1);
		run_program(a->program, argument);
	}
	return i;
}

static unsigned long fork_loop(const struct load_args *a)
{
	unsigned long i;

	for (i = 0; i < a->n && !stop; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			_exit(0);
		reap(pid);
	}
	return i;
}

static struct sockaddr_in local(unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static unsigned long connect_loop(const struct load_args *a)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long i;

	if (fd < 0)
		die("socket");
	for (i = 0; i < a->n && !stop; i++) {
		struct sockaddr_in to = local(1 + (unsigned)(i % 1000));

		if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
			die("connect");
	}
	close(fd);
	return i;
}

/* Refused before anything is done, and told all the same: what an unprivileged user can make most of. */
static unsigned long bad_connect_loop(const struct load_args *a)
{
	const struct sockaddr_in to = local(REFUSED_PORT);
	unsigned long i;

	for (i = 0; i < a->n && !stop; i++)
		(void)connect(-1, (const struct sockaddr *)&to, sizeof(to));
	return i;
}

/* Each to an address and port that no other has: 127.0.0.0/8, and nothing is sent. */
static unsigned long destinations_loop(const struct load_args *a)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long i;

	if (fd < 0)
		die("socket");
	for (i = 0; i < a->n && !stop; i++) {
		unsigned long k = a->first + i;
		struct sockaddr_in to = local(1 + (unsigned)(k % 60000));

		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(k / 16 % 0xfffff0));
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
			die("connect");
	}
	close(fd);
	return i;
}

static void connect_once(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS &&
	    errno != ECONNREFUSED)
		die("connect");
	close(fd);
}

static unsigned long refused_loop(const struct load_args *a)
{
	const struct sockaddr_in to = local(REFUSED_PORT);
	unsigned long i;

	for (i = 0; i < a->n && !stop; i++)
		connect_once(&to);
	return i;
}

/* The listener is our own. Both ends reset rather than wait, or a minute's ports would be used up. */
static unsigned long accepted_loop(const struct load_args *a)
{
	const struct linger reset = { 1, 0 };
	struct sockaddr_in to = local(0);
	socklen_t len = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, peer;
	unsigned long i;

	if (listener < 0 || bind(listener, (struct sockaddr *)&to, len) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&to, &len))
		die("listen");
	for (i = 0; i < a->n && !stop; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0 || (connect(fd, (struct sockaddr *)&to, len) && errno != EINPROGRESS))
			die("connect");
		peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			die("accept");
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(peer);
		close(fd);
	}
	close(listener);
	return i;
}

static unsigned long getpid_loop(const struct load_args *a)
{
	unsigned long i;

	for (i = 0; i < a->n && !stop; i++)
		syscall(SYS_getpid);
	return i;
}

static unsigned long open_loop(const struct load_args *a)
{
	unsigned long i;

	for (i = 0; i < a->n && !stop; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			die("/dev/null");
		close(fd);
	}
	return i;
}

/* A process, its children and theirs, each forking until the time is over. */
static void bomb(int64_t until_ns)
{
	const struct timespec nap = { 0, BOMB_NAP_NS };
	unsigned round = 0;

	while (!stop && now_ns() < until_ns) {
		pid_t pid = fork();

		if (pid < 0)
			nanosleep(&nap, NULL);
		else if (!pid && ++round % 3 == 0)
			_exit(0); /* so that it goes on at the limit */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	_exit(0);
}

static unsigned long pids_limit(const char *cgroup)
{
	unsigned long limit = 0;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/pids.max", cgroup);
	f = fopen(path, "re");
	if (f && fscanf(f, "%lu", &limit) != 1)
		limit = 0; /* "max" */
	if (f)
		fclose(f);
	return limit;
}

/* For n seconds, in the control group `program`, which must be limited to at most 5,000 processes. */
static unsigned long bomb_loop(const struct load_args *a)
{
	unsigned long limit = pids_limit(a->program);
	char path[512];
	FILE *f;

	errno = EINVAL;
	if (!limit || limit > 5000)
		die("fork bomb: a control group with pids.max of at most 5000 is needed");
	snprintf(path, sizeof(path), "%s/cgroup.procs", a->program);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%ld", (long)getpid()) < 0 || fclose(f))
		die(path);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!fork())
		bomb(now_ns() + (int64_t)a->n * NS_PER_S);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return a->n;
}

const struct load loads[] = {
	{ "exec", true, exec_loop },
	{ "names", true, names_loop },
	{ "arguments", true, arguments_loop },
	{ "bomb", true, bomb_loop },
	{ "fork", false, fork_loop },
	{ "connect", false, connect_loop },
	{ "bad_connect", false, bad_connect_loop },
	{ "destinations", false, destinations_loop },
	{ "accepted", false, accepted_loop },
	{ "refused", false, refused_loop },
	{ "getpid", false, getpid_loop },
	{ "open", false, open_loop },
	{ NULL, false, NULL },
};
