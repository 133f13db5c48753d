/* SPDX-License-Identifier: MIT */
/* How the client comes and goes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyze/client_private.h"
#include "util/log.h"
#include "util/mono.h"
#include "util/trust.h"

#define PROGRAM "linux-edr-client"
#define CLIENT_FD 3
#define NOBODY 65534u
#define HELLO_MS 5000
#define STOP_MS 1000
#define NAP_MS 10

static const char *const steps[CLIENT_STEPS] = {
	[CLIENT_STEP_EXEC] = "be run",
	[CLIENT_STEP_ARGUMENTS] = "read its arguments",
	[CLIENT_STEP_LIBRARIES] = "prepare its libraries",
	[CLIENT_STEP_DESCRIPTORS] = "close descriptors",
	[CLIENT_STEP_IDS] = "change its uid",
	[CLIENT_STEP_CAPABILITIES] = "drop its capabilities",
	[CLIENT_STEP_LIMITS] = "set its limits",
	[CLIENT_STEP_NEW_PRIVILEGES] = "renounce new privileges",
	[CLIENT_STEP_FILTER] = "put its seccomp filter in force",
};

struct start {
	char *uid, *gid;
	const char *program; /* as asked for, NULL: PROGRAM of folder */
	int folder, socket, null;
};

/* Whoever made the program that runs is root already when root runs it. */
static const char *mistrust(const struct stat *st, uid_t maker)
{
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != maker)
		return "belongs neither to root, nor to the user of this process, nor to the "
		       "owner of this program";
	return st->st_mode & TRUST_NO_WRITERS ? "can be written by others" : NULL;
}

/* What nobody else can write into stays as it was looked at until it is run. */
int client_open_folder(const char *folder, const char **why)
{
	int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), err;
	struct stat of_folder, of_file, own;
	uid_t maker = stat("/proc/self/exe", &own) == 0 ? own.st_uid : 0;

	*why = NULL;
	if (fd < 0 || fstat(fd, &of_folder) != 0 ||
	    fstatat(fd, PROGRAM, &of_file, AT_SYMLINK_NOFOLLOW) != 0) {
		err = errno;
		if (fd >= 0)
			close(fd);
		errno = err;
		return -1;
	}
	*why = S_ISREG(of_file.st_mode) ? mistrust(&of_file, maker) : "is no file";
	if (!*why && mistrust(&of_folder, maker))
		*why = "is in a folder that others can write into";
	if (!*why)
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

/* Above all that the client gets, so that no dup2() of the child falls upon another. */
static int lift(int fd)
{
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, CLIENT_FD + 1);
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return high;
}

/* -ENOENT or another -errno, with the sentence. */
static int look_in(struct start *s, const char *folder, char *err, size_t err_size)
{
	const char *why;

	s->folder = lift(client_open_folder(folder, &why));
	if (s->folder >= 0)
		return 0;
	snprintf(err, err_size, "%s/" PROGRAM " is not run: %s%s", folder, why ? "it " : "",
		 why ? why : strerror(errno));
	return -errno;
}

/* Beside the program that runs, which is how a build folder has it; else where it was installed. */
static int find_program(struct start *s, char *err, size_t err_size)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;
	int beside;

	own[n > 0 ? n : 0] = '\0';
	slash = strrchr(own, '/');
	if (slash)
		*slash = '\0';
	beside = look_in(s, own, err, err_size);
	if (!beside)
		return 0;
	if (beside == -ENOENT)
		return look_in(s, EDR_CLIENT_DIR, err, err_size);
	log_warn("client", "%s", err);
	s->folder = lift(client_open_folder(EDR_CLIENT_DIR, &(const char *){ NULL }));
	return s->folder >= 0 ? 0 : beside;
}

static const char *find_user(struct client *c, const char *name)
{
	const struct passwd *user = name && *name ? getpwnam(name) : NULL;

	snprintf(c->uid, sizeof(c->uid), "%u", user ? user->pw_uid : NOBODY);
	snprintf(c->gid, sizeof(c->gid), "%u", user ? user->pw_gid : NOBODY);
	if (user && user->pw_uid == 0)
		return "the client's user is root, without capabilities";
	return user ? NULL : "the client has no user of its own and runs as uid 65534";
}

/* Between fork and exec: only what is safe there, for there may be other threads. */
static void become_client(const struct start *s)
{
	char *const argv[] = { (char *)(size_t)PROGRAM, s->uid, s->gid, NULL };
	char *const nothing[] = { NULL };
	struct {
		struct client_wire_header header;
		struct client_wire_hello hello;
	} failed = { { CLIENT_WIRE_MAGIC, CLIENT_WIRE_HELLO, sizeof(failed.hello), 0 },
		     { .step = CLIENT_STEP_EXEC } };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int fd = 0; fd < CLIENT_FD; fd++)
		if (dup2(s->null, fd) < 0)
			_exit(1);
	if (dup2(s->socket, CLIENT_FD) < 0)
		_exit(1);
	if (s->program)
		execve(s->program, argv, nothing);
	else
		syscall(SYS_execveat, s->folder, PROGRAM, argv, nothing, 0);
	failed.hello.error = (uint32_t)errno;
	if (write(CLIENT_FD, &failed, sizeof(failed)) < 0)
		_exit(1);
	_exit(127);
}

static int fork_client(struct client *c, struct start *s)
{
	int ends[2], err;

	s->null = lift(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (s->null < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		err = -errno;
		close(s->null);
		return err;
	}
	c->fd = ends[0];
	s->socket = lift(ends[1]);
	c->pid = s->socket < 0 ? -1 : fork();
	if (c->pid == 0)
		become_client(s);
	err = c->pid < 0 ? -errno : 0;
	if (c->pid < 0)
		c->pid = 0;
	close(s->null);
	if (s->socket >= 0)
		close(s->socket);
	return err;
}

static int read_within(int fd, void *data, size_t len, unsigned long long until_ms)
{
	char *at = data;

	while (len > 0) {
		unsigned long long now_ms = mono_now_ms();
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (now_ms >= until_ms)
			return -ETIMEDOUT;
		if (poll(&ready, 1, (int)(until_ms - now_ms)) <= 0)
			continue;
		n = recv(fd, at, len, MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int hear_hello(const struct client *c, struct client_wire_hello *hello)
{
	const unsigned long long until_ms = mono_now_ms() + HELLO_MS;
	struct client_wire_header header;
	int err = read_within(c->fd, &header, sizeof(header), until_ms);

	if (!err && (header.magic != CLIENT_WIRE_MAGIC || header.type != CLIENT_WIRE_HELLO ||
		     header.length != sizeof(*hello) || header.sequence != 0))
		err = -EPROTO;
	if (!err)
		err = read_within(c->fd, hello, sizeof(*hello), until_ms);
	if (!err && hello->step >= CLIENT_STEPS)
		err = -EPROTO;
	return err;
}

static int start(struct client *c, struct client_wire_hello *hello, char *err, size_t err_size)
{
	struct start s = { c->uid, c->gid, c->program, -1, -1, -1 };
	const char *name = c->program ? c->program : PROGRAM;
	int status = c->program ? 0 : find_program(&s, err, err_size);

	if (status)
		return status;
	status = fork_client(c, &s);
	if (s.folder >= 0)
		close(s.folder);
	if (!status)
		status = hear_hello(c, hello);
	if (status) {
		snprintf(err, err_size, "%s did not start: %s", name, strerror(-status));
		return status;
	}
	if (hello->step) {
		snprintf(err, err_size, "%s could not %s: %s", name, steps[hello->step],
			 strerror((int)hello->error));
		return hello->error > 0 && hello->error < 4096 ? -(int)hello->error : -EPROTO;
	}
	return 0;
}

int client_start(struct client **out, const struct client_config *cfg, const char **degraded,
		 char *err, size_t err_size)
{
	struct client *c = calloc(1, sizeof(*c));
	struct client_wire_hello hello = { 0 };
	const char *said = NULL;
	int status;

	*out = NULL;
	if (c && cfg->program)
		c->program = strdup(cfg->program);
	if (!c || (cfg->program && !c->program)) {
		free(c);
		snprintf(err, err_size, "no memory for the client");
		return -ENOMEM;
	}
	c->fd = -1;
	said = find_user(c, cfg->user);
	status = start(c, &hello, err, err_size);
	if (status) {
		if (c->pid)
			kill(c->pid, SIGKILL);
		client_stop(c);
		return status;
	}
	c->kept_ids = hello.kept_ids;
	if (c->kept_ids)
		said = "the client may not change its uid, and has the agent's without "
		       "capabilities";
	if (degraded)
		*degraded = said;
	*out = c;
	return 0;
}

static void nap(void)
{
	poll(NULL, 0, NAP_MS);
}

/* 1 s to end by itself. */
static void wait_for_end(struct client *c)
{
	const unsigned long long until_ms = mono_now_ms() + STOP_MS;
	pid_t done = 0;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	while (c->pid && !done && mono_now_ms() < until_ms) {
		done = waitpid(c->pid, NULL, WNOHANG);
		if (!done)
			nap();
	}
	if (c->pid && !done) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	c->pid = 0;
}

int client_again(struct client *c, char *err, size_t err_size)
{
	struct client_wire_hello hello = { 0 };
	int status;

	if (c->fd >= 0)
		return 0;
	if (c->under_way)
		return -EBUSY;
	wait_for_end(c); /* it was killed: at once */
	status = start(c, &hello, err, err_size);
	if (!status && hello.kept_ids && !c->kept_ids) {
		snprintf(err, err_size, "linux-edr-client may not change its uid any more");
		status = -EPERM;
	}
	if (!status) {
		c->gone = NULL;
		return 0;
	}
	if (c->pid)
		kill(c->pid, SIGKILL);
	wait_for_end(c);
	return status;
}

void client_stop(struct client *c)
{
	if (!c)
		return;
	wait_for_end(c);
	if (c->out.data)
		explicit_bzero(c->out.data, c->out.cap);
	buf_free(&c->out);
	buf_free(&c->in);
	free(c->program);
	free(c);
}

pid_t client_pid(const struct client *c)
{
	return c->fd >= 0 ? c->pid : 0;
}
