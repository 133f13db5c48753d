// SPDX-License-Identifier: MIT
/*
 * Which path a process runs from, when it is gone already: where the name that it gave leads now, if that is the very
 * file, by device and inode, that the kernel ran.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "source/ftrace_record.h"

/* The directory that a relative name most likely began at: a child has its parent's. */
static size_t parents_cwd(int proc, edr_u32 ppid, char *out, size_t size)
{
	char name[24];
	ssize_t n;

	snprintf(name, sizeof(name), "%u/cwd", ppid);
	n = proc < 0 ? -1 : readlinkat(proc, name, out, size);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

size_t ft_find_exe(int proc, edr_u32 ppid, struct wire_span filename, edr_u64 ino, edr_u32 dev,
		   char *out, size_t size)
{
	char path[EDR_PATH_MAX * 2], found[PATH_MAX];
	size_t at = 0, len;
	struct stat st;

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
	if (stat(path, &st) || st.st_ino != ino ||
	    (edr_u32)(major(st.st_dev) << 20 | minor(st.st_dev)) != dev || !realpath(path, found))
		return 0;
	len = strlen(found);
	if (len > size)
		return 0;
	memcpy(out, found, len);
	return len;
}
