/* SPDX-License-Identifier: MIT */
/*
 * A kill -9 of this process at its n-th fsync(2), renameat(2) or write(2) from now. Defines these three: in one file of a test
 * program only, and not among the helpers, which are in all of them.
 */
#ifndef EDR_TEST_KILL_AT_WRITE_H
#define EDR_TEST_KILL_AT_WRITE_H

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

static int writes_until_kill = -1; /* never */

static void written(void)
{
	if (writes_until_kill >= 0 && writes_until_kill-- == 0)
		raise(SIGKILL);
}

#define REAL(type, name, ...)             \
	static type (*real)(__VA_ARGS__); \
	if (!real)                        \
	*(void **)&real = dlsym(RTLD_NEXT, name)

int fsync(int fd)
{
	REAL(int, "fsync", int);
	written();
	return real(fd);
}

int renameat(int from, const char *old, int to, const char *name)
{
	REAL(int, "renameat", int, const char *, int, const char *);
	written();
	return real(from, old, to, name);
}

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(ssize_t, "write", int, const void *, size_t);
	written();
	return real(fd, data, len);
}

#undef REAL
#endif
