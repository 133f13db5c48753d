// SPDX-License-Identifier: MIT
#include "source/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/mount.h, for libcs that do not have it */
#define FSOPEN_CLOEXEC_ 1U
#define FSMOUNT_CLOEXEC_ 1U
#define FSCONFIG_CMD_CREATE_ 6U

/* fsopen(2), fsmount(2): attached to no directory, gone with the descriptor. */
static int open_detached(void)
{
	int fs = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC_), fd = -1;

	if (fs < 0)
		return -errno;
	if (!syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE_, NULL, NULL, 0))
		fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC_, 0);
	if (fd < 0)
		fd = -errno;
	close(fs);
	return fd;
}

/* kernfs gives the root of a hierarchy the first inode number (fs/kernfs/dir.c, kernfs_create_root). */
static bool is_root(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_ino == 1;
}

/* The whole where it is mounted, else in *part what part is. */
static int open_mounted(int *part)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent ent;
	char line[4096];
	int fd = -ENOENT;

	while (mounts && fd < 0 && getmntent_r(mounts, &ent, line, sizeof(line))) {
		if (strcmp(ent.mnt_type, "cgroup2"))
			continue;
		fd = open(ent.mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && !is_root(fd)) {
			if (*part >= 0)
				close(*part);
			*part = fd;
			fd = -ENOENT;
		}
	}
	if (mounts)
		endmntent(mounts);
	return fd;
}

int cgroup_open_root(bool *part)
{
	int some = -ENOENT, fd = open_mounted(&some);

	if (fd < 0)
		fd = open_detached();
	if (fd < 0)
		fd = some;
	else if (some >= 0)
		close(some);
	*part = fd >= 0 && !is_root(fd);
	return fd;
}
