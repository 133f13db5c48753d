// SPDX-License-Identifier: MIT
/* Connects to unix sockets. The lean hooks see none of them. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "connecting.h"
#include "uring.h"

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

struct unix_address {
	struct sockaddr_un un;
	socklen_t len;
};

static struct unix_address by_path(const char *path)
{
	struct unix_address a = { .un = { .sun_family = AF_UNIX } };
	size_t len = strlen(path);

	if (len > sizeof(a.un.sun_path))
		die("a path of %zu bytes is too long for a unix socket", len);
	memcpy(a.un.sun_path, path, len);
	/* At its longest it has no NUL. */
	a.len = (socklen_t)(PATH_AT + len + (len < sizeof(a.un.sun_path)));
	return a;
}

static struct unix_address abstract(const void *name, size_t len)
{
	struct unix_address a = { .un = { .sun_family = AF_UNIX },
				  .len = (socklen_t)(PATH_AT + 1 + len) };

	memcpy(a.un.sun_path + 1, name, len);
	return a;
}

static int listen_at(const struct unix_address *a, int type)
{
	int fd = (int)must("socket", socket(AF_UNIX, type, 0));

	must("bind", bind(fd, (const struct sockaddr *)&a->un, a->len));
	if (type != SOCK_DGRAM)
		must("listen", listen(fd, 16));
	return fd;
}

/* One connect; closed again, at both ends. */
static void do_connect(struct truth *t, const struct sockaddr *from, const struct unix_address *a,
		       int type, int error, int listener)
{
	static const char *const types[] = {
		[SOCK_STREAM] = "stream", [SOCK_DGRAM] = "dgram", [SOCK_SEQPACKET] = "seqpacket"
	};
	struct connecting c = { .family = "AF_UNIX", .type = types[type], .lean_unseen = true };
	char name[sizeof(a->un.sun_path)];

	c.abstract = !a->un.sun_path[0];
	c.address_len = a->len - PATH_AT;
	if (!c.abstract)
		c.address_len = strnlen(a->un.sun_path, c.address_len);
	memcpy(name, a->un.sun_path, c.address_len);
	if (c.abstract)
		name[0] = '@';
	c.address = name;

	c.fd = (int)must("socket", socket(AF_UNIX, type, 0));
	c.after = now_ns();
	c.error = connect(c.fd, from, a->len) ? errno : 0;
	c.before = now_ns();
	if (c.error != error)
		die("connect: %s, and not: %s", strerror(c.error), strerror(error));
	line_connect(t, &c);
	close(c.fd);
	if (listener >= 0 && type != SOCK_DGRAM)
		close((int)must("accept", accept(listener, NULL, NULL)));
}

static void run(struct truth *t, const struct unix_address *a, int type, int error, int listener)
{
	do_connect(t, (const struct sockaddr *)&a->un, a, type, error, listener);
}

static void run_listening(struct truth *t, const struct unix_address *a, int type)
{
	int fd = listen_at(a, type);

	EACH_RUN(t)
	run(t, a, type, 0, fd);
	close(fd);
}

static void scene_unix_stream(struct truth *t)
{
	struct unix_address a = by_path("./a socket \"named\"\n\xff");

	run_listening(t, &a, SOCK_STREAM);
}

static void scene_unix_dgram(struct truth *t)
{
	struct unix_address a = by_path("datagrams");

	run_listening(t, &a, SOCK_DGRAM);
}

static void scene_unix_seqpacket(struct truth *t)
{
	struct unix_address a = by_path("packets");

	run_listening(t, &a, SOCK_SEQPACKET);
}

static void scene_unix_full(struct truth *t)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	struct unix_address a;

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	a = by_path(path);
	EACH_RUN(t)
	run(t, &a, SOCK_STREAM, ENOENT, -1);
}

/* NULs belong to an abstract name, at its end too. */
static void scene_unix_abstract(struct truth *t)
{
	EACH_RUN(t)
	{
		char name[64];
		int len = snprintf(name, sizeof(name), "%s%c%u%cx\xff%c", t->token, 0, t->i, 0, 0);
		struct unix_address a = abstract(name, (size_t)len);
		int fd = listen_at(&a, SOCK_STREAM);

		run(t, &a, SOCK_STREAM, 0, fd);
		close(fd);
	}
}

static void scene_unix_missing(struct truth *t)
{
	EACH_RUN(t)
	{
		struct unix_address a = by_path(format("./missing-%u", t->i)), b;

		run(t, &a, SOCK_STREAM, ENOENT, -1);
		b = abstract(t->token, strlen(t->token));
		run(t, &b, SOCK_STREAM, ECONNREFUSED, -1);
	}
}

/* The file is there, and nobody listens. */
static void scene_unix_refused(struct truth *t)
{
	struct unix_address a = by_path("left behind");

	close(listen_at(&a, SOCK_STREAM));
	EACH_RUN(t)
	run(t, &a, SOCK_STREAM, ECONNREFUSED, -1);
}

/* A file's path where an abstract name is written with an @. */
static void scene_unix_at(struct truth *t)
{
	struct unix_address a = by_path("@not-abstract");

	run_listening(t, &a, SOCK_STREAM);
}

static void scene_unix_page(struct truth *t)
{
	long page = sysconf(_SC_PAGESIZE);
	struct unix_address a = by_path("listener");
	int listener = listen_at(&a, SOCK_STREAM);
	int fd = (int)must("open", open("pages", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	EACH_RUN(t)
	if (pwrite(fd, &a.un, sizeof(a.un), page * (long)t->i) != sizeof(a.un))
		die("cannot write the addresses");
	must("ftruncate", ftruncate(fd, page * (long)t->n));
	EACH_RUN(t)
	{
		void *mapped =
			mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE, fd, page * (long)t->i);

		if (mapped == MAP_FAILED)
			die("mmap: %s", strerror(errno));
		do_connect(t, mapped, &a, SOCK_STREAM, 0, listener);
		munmap(mapped, (size_t)page);
	}
	close(fd);
	close(listener);
}

/* No hook sees these: docs/hooks.md. */
static void scene_unix_uring(struct truth *t)
{
	struct unix_address a = by_path("listener");
	int listener = listen_at(&a, SOCK_STREAM);
	struct uring *u = uring_open();

	if (!u)
		cannot("io_uring: %s", strerror(errno));
	EACH_RUN(t)
	{
		struct connecting c = { .family = "AF_UNIX",
					.address = "listener",
					.address_len = 8,
					.cgroup_only = true,
					.lean_unseen = true,
					.default_unseen = true };

		c.fd = (int)must("socket", socket(AF_UNIX, SOCK_STREAM, 0));
		c.after = now_ns();
		if (uring_connect(u, c.fd, (struct sockaddr *)&a.un, a.len))
			die("a connect by io_uring failed");
		c.before = now_ns();
		line_connect(t, &c);
		close(c.fd);
		close((int)must("accept", accept(listener, NULL, NULL)));
	}
	uring_close(u);
	close(listener);
}

const struct scene scenes_unix[] = {
	{ "unix_stream", scene_unix_stream, "a path with blanks, quotes, a newline" },
	{ "unix_dgram", scene_unix_dgram, "datagrams" },
	{ "unix_seqpacket", scene_unix_seqpacket, "packets in sequence" },
	{ "unix_full", scene_unix_full, "a path of 108 bytes, without a NUL" },
	{ "unix_abstract", scene_unix_abstract, "an abstract name with NULs in it" },
	{ "unix_missing", scene_unix_missing, "nobody there" },
	{ "unix_refused", scene_unix_refused, "a socket that nobody listens at" },
	{ "unix_at", scene_unix_at, "a path that begins with an @" },
	{ "unix_uring", scene_unix_uring, "by io_uring" },
	{ "unix_page", scene_unix_page, "an address that is not in memory yet" },
	{ NULL, NULL, NULL },
};
