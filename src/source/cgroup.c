// SPDX-License-Identifier: MIT
#include "source/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
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

int cgroup_open_root(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent ent;
	char line[4096];
	int fd = -ENOENT;

	while (mounts && fd < 0 && getmntent_r(mounts, &ent, line, sizeof(line))) {
		if (!strcmp(ent.mnt_type, "cgroup2"))
			fd = open(ent.mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (mounts)
		endmntent(mounts);
	return fd >= 0 ? fd : open_detached();
}
