// SPDX-License-Identifier: MIT
/*
 * For LD_PRELOAD: what no kernel can be made to do from outside.
 *
 *	EDR_FAIL_READ=FILE   when that file is there, the next read of a raw trace buffer fails
 *	                     with EIO, and the file is gone
 *	EDR_SLOW_MKDIR=1     an instance that was made is there for a while before anything is
 *	                     done with it
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOW_US 300000

static int is_buffer(int fd)
{
	static const char name[] = "/trace_pipe_raw";
	char link[64], path[256];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	return n >= (ssize_t)sizeof(name) &&
	       !memcmp(path + n - (sizeof(name) - 1), name, sizeof(name) - 1);
}

ssize_t read(int fd, void *data, size_t size)
{
	static ssize_t (*next)(int fd, void *data, size_t size);
	const char *file = getenv("EDR_FAIL_READ");

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "read");
	if (file && is_buffer(fd) && !unlink(file)) {
		errno = EIO;
		return -1;
	}
	return next(fd, data, size);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	static int (*next)(int dir, const char *path, mode_t mode);
	int ret;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "mkdirat");
	ret = next(dir, path, mode);
	if (getenv("EDR_SLOW_MKDIR") && !strncmp(path, "instances/", 10))
		usleep(SLOW_US);
	return ret;
}
