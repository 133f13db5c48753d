// SPDX-License-Identifier: MIT
/*
 * For LD_PRELOAD: what no kernel can be made to do from outside.
 *
 *	EDR_FAIL_READ=FILE   when that file is there, the next read of a raw trace buffer fails
 *	                     with EIO, and the file is gone
 *	EDR_SLOW_MKDIR=1     an instance that was made is there for a while before anything is
 *	                     done with it
 *	EDR_SKIPPED=NAMES    the kernel says that it is 7.0, so there are second copies of BPF
 *	                     programs; those that are named, separated by blanks, never run
 */
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
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

int uname(struct utsname *u)
{
	static int (*next)(struct utsname * u);
	int ret;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "uname");
	ret = next(u);
	if (!ret && getenv("EDR_SKIPPED"))
		snprintf(u->release, sizeof(u->release), "7.0.0-not-really");
	return ret;
}

static int is_skipped(const char *program)
{
	const char *names = getenv("EDR_SKIPPED");
	const size_t len = strlen(program);

	while (names && *names) {
		const size_t n = strcspn(names, " ");

		if (n == len && !memcmp(names, program, n))
			return 1;
		names += n + strspn(names + n, " ");
	}
	return 0;
}

/* The descriptor is the attachment: another file in its place, and the program hangs on nothing. */
struct bpf_link *bpf_program__attach(const struct bpf_program *prog)
{
	static struct bpf_link *(*next)(const struct bpf_program *prog);
	struct bpf_link *link;
	int nothing;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "bpf_program__attach");
	link = next(prog);
	if (!link || !is_skipped(bpf_program__name(prog)))
		return link;
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, bpf_link__fd(link)) < 0)
		abort();
	close(nothing);
	return link;
}
