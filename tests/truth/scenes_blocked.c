// SPDX-License-Identifier: MIT
/*
 * TCP connects that are under way, more at once than a kernel notes the return of, when their
 * threads end: nobody answers, for the listener's queue is full. To this machine alone, each to an
 * address of its own in 127.64.0.0/10.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connecting.h"

#define IN_ALL 600
#define STACK_BYTES (64 * 1024)
#define TCP_SYN_SENT 2
#define WAIT_US 10000
#define WAITS_MAX 6000

enum ending { BY_EXIT, BY_EXEC, BY_KILL };

/* Of a thread, in memory that it shares with the scene. */
struct blocked {
	unsigned number;
	pid_t tid;
	int fd;
};

struct child_of_many {
	struct child c;
	struct blocked *blocked; /* n of them */
	unsigned n;
	enum ending ending;
	int go; /* of a pipe: it ends when that is closed */
};

static in_port_t port; /* of the listener; network order */

static struct sockaddr_in address_of(unsigned number)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = port };

	a.sin_addr.s_addr = htonl(0x7f400001 + number);
	return a;
}

static void *connect_for_ever(void *arg)
{
	struct blocked *b = arg;
	struct sockaddr_in a = address_of(b->number);

	b->tid = (pid_t)syscall(SYS_gettid);
	b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)connect(b->fd, (struct sockaddr *)&a, sizeof(a));
	return NULL;
}

static void many_child(struct truth *t, struct child_of_many *m)
{
	char *argv[] = { "noop", (char *)t->token, NULL };
	pthread_attr_t attr;
	pthread_t thread;
	char nothing;
	unsigned i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (i = 0; i < m->n; i++)
		if (pthread_create(&thread, &attr, connect_for_ever, &m->blocked[i]))
			_exit(1);
	if (read(m->go, &nothing, 1) != 0)
		_exit(2);
	if (m->ending == BY_KILL)
		pause();
	if (m->ending == BY_EXEC)
		execve("./noop", argv, environment);
	_exit(0);
}

/*
 * It takes one connection, and answers nobody after it: somebody who is not looked at has that one.
 */
static int listen_full(struct child *filler)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = (int)must("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), client;
	socklen_t len = sizeof(a);

	must("bind", bind(fd, (struct sockaddr *)&a, sizeof(a)));
	must("listen", listen(fd, 0));
	must("getsockname", getsockname(fd, (struct sockaddr *)&a, &len));
	port = a.sin_port;
	fflush(stdout);
	filler->after = now_ns();
	filler->pid = (pid_t)must("fork", fork());
	if (filler->pid)
		return fd;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	a = address_of(IN_ALL);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(client, (struct sockaddr *)&a, sizeof(a)))
		_exit(1);
	for (;;)
		pause();
}

/*
 * Connects to our port in that state. By address, for what comes while the kernel lists them may have
 * it list others twice.
 */
static unsigned count_connects(unsigned state)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	unsigned address, remote, is, number, n = 0;
	bool seen[IN_ALL + 1] = { false };
	char line[256];

	if (!f)
		cannot("/proc/net/tcp: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u: %*x:%*x %x:%x %x", &address, &remote, &is) != 3 ||
		    remote != ntohs(port) || is != state)
			continue;
		number = ntohl(address) - ntohl(address_of(0).sin_addr.s_addr);
		if (number > IN_ALL || seen[number])
			continue;
		seen[number] = true;
		n++;
	}
	fclose(f);
	return n;
}

static void wait_for_connects(unsigned state, unsigned wanted)
{
	unsigned waits;

	for (waits = 0; count_connects(state) < wanted; waits++) {
		if (waits == WAITS_MAX)
			die("%u of %u connects are under way", count_connects(state), wanted);
		usleep(WAIT_US);
	}
}

/*
 * For a person or a test that wants to do something while all are under way: until that file is
 * gone.
 */
static void wait_for_leave(void)
{
	const char *file = getenv("EDR_TRUTH_HOLD");
	unsigned waits;

	for (waits = 0; file && waits < WAITS_MAX && !access(file, F_OK); waits++)
		usleep(WAIT_US);
}

static void tell_connects(struct truth *t, const struct child_of_many *m)
{
	struct connecting c = { .family = "AF_INET",
				.protocol = "IPPROTO_TCP",
				.type = "stream",
				.error = EINTR,
				.pid = m->c.pid,
				.after = m->c.after,
				.before = m->c.before };
	char ip[INET_ADDRSTRLEN], address[INET_ADDRSTRLEN + 16];
	struct sockaddr_in a;
	unsigned i;

	for (i = 0; i < m->n; i++) {
		a = address_of(m->blocked[i].number);
		inet_ntop(AF_INET, &a.sin_addr, ip, sizeof(ip));
		snprintf(address, sizeof(address), "%s:%u", ip, ntohs(port));
		c.tid = m->blocked[i].tid;
		c.fd = m->blocked[i].fd;
		c.ip = ip;
		c.port = ntohs(port);
		c.address = address;
		c.address_len = strlen(address);
		line_connect(t, &c);
		line_begin(t, "connect_result", c.pid, c.after, c.before);
		line_null("result");
		line_text("address", address);
		line_end();
	}
}

static void tell_child(struct truth *t, const struct child_of_many *m)
{
	char *argv[] = { "noop", (char *)t->token, NULL };
	const struct exec e = { .path = "./noop", .argv = argv };

	tell_connects(t, m);
	if (m->ending == BY_EXEC) {
		line_run(t, &e, &m->c);
		return;
	}
	line_fork(t, &m->c, t->pid, "truth");
	line_exit(t, &m->c, "truth", "truth");
	line_own(t, m->c.pid, m->c.after, m->c.before);
}

static void start_child(struct truth *t, struct child_of_many *m, int go[2])
{
	fflush(stdout);
	m->c.after = now_ns();
	m->go = go[0];
	m->c.pid = (pid_t)must("fork", fork());
	if (m->c.pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(go[1]);
	many_child(t, m);
}

/* As many processes as runs are wanted share the threads between them. */
static void run_blocked(struct truth *t, enum ending ending)
{
	const unsigned n = t->n < IN_ALL ? t->n : IN_ALL, each = IN_ALL / n;
	struct blocked *blocked = mmap(NULL, IN_ALL * sizeof(*blocked), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static struct child_of_many many[IN_ALL];
	struct child filler = { 0 };
	unsigned i;
	int go[2], listener;

	if (blocked == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	put_helper(t, "noop", "noop");
	listener = listen_full(&filler);
	wait_for_connects(1, 1); /* TCP_ESTABLISHED */
	must("pipe", pipe2(go, O_CLOEXEC));
	for (i = 0; i < IN_ALL; i++)
		blocked[i].number = i;
	for (i = 0; i < n; i++) {
		many[i] = (struct child_of_many){ .blocked = blocked + i * each,
						  .n = each,
						  .ending = ending };
		start_child(t, &many[i], go);
	}
	wait_for_connects(TCP_SYN_SENT, n * each);
	wait_for_leave();
	close(go[0]);
	close(go[1]);
	for (i = 0; i < n; i++) {
		if (ending == BY_KILL)
			must("kill", kill(many[i].c.pid, SIGKILL));
		child_wait(&many[i].c);
		if (ending != BY_KILL)
			child_must_exit(&many[i].c, 0);
		t->i = i;
		tell_child(t, &many[i]);
	}
	must("kill", kill(filler.pid, SIGKILL));
	child_wait(&filler);
	line_fork(t, &filler, t->pid, "truth");
	close(listener);
	munmap(blocked, IN_ALL * sizeof(*blocked));
}

static void scene_exit(struct truth *t)
{
	run_blocked(t, BY_EXIT);
}

static void scene_exec(struct truth *t)
{
	run_blocked(t, BY_EXEC);
}

static void scene_kill(struct truth *t)
{
	run_blocked(t, BY_KILL);
}

const struct scene scenes_blocked[] = {
	{ "connect_blocked_exit", scene_exit, "600 TCP connects under way at an exit" },
	{ "connect_blocked_exec", scene_exec, "600 TCP connects under way at an exec" },
	{ "connect_blocked_kill", scene_kill, "600 TCP connects under way at a SIGKILL" },
	{ NULL, NULL, NULL },
};
