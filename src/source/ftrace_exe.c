// SPDX-License-Identifier: MIT
/*
 * Which path a process runs from, when it is gone already: where the name that it gave leads now, if that is the very
 * file, by device and inode, that the kernel ran.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "source/ftrace_record.h"
#include "util/nohang.h"

/* The directory that a relative name most likely began at: a child has its parent's. */
static size_t parents_cwd(int proc, edr_u32 ppid, char *out, size_t size)
{
	char name[24];
	ssize_t n;

	snprintf(name, sizeof(name), "%u/cwd", ppid);
	n = proc < 0 ? -1 : readlinkat(proc, name, out, size);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/*
 * Whoever runs a program chooses its name, and it may lead in our mount namespace to where a look never comes back: a
 * file system of a user's own, or one of the network. So the look leaves no mount. Since 5.6; before, there is no look.
 */
static int open_below(int dir, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve =
					RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static edr_u32 kernel_dev(dev_t dev)
{
	return (edr_u32)(major(dev) << 20 | minor(dev));
}

static int open_exe(const char *path)
{
	const int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const int fd = root < 0 ? -1 : open_below(root, path);

	if (root >= 0)
		close(root);
	return fd;
}

static bool is_file(int fd, edr_u64 ino, edr_u32 dev)
{
	struct stat st;

	return !nohang_stat(fd, "", AT_EMPTY_PATH, &st) && st.st_ino == ino &&
	       kernel_dev(st.st_dev) == dev && st.st_nlink;
}

size_t ft_find_exe(int proc, edr_u32 ppid, struct wire_span filename, edr_u64 ino, edr_u32 dev,
		   char *out, size_t size)
{
	char path[EDR_PATH_MAX * 2];
	size_t at = 0;
	ssize_t n;
	int fd;

	if (!filename.len || filename.len >= EDR_PATH_MAX)
		return 0;
	if (filename.data[0] != '/') {
		at = parents_cwd(proc, ppid, path, EDR_PATH_MAX);
		if (!at)
			return 0;
		path[at++] = '/';
	}
	memcpy(path + at, filename.data, filename.len);
	path[at + filename.len] = '\0';
	fd = open_exe(path);
	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = is_file(fd, ino, dev) ? readlink(path, out, size) : -1;
	close(fd);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
