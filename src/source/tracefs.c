// SPDX-License-Identifier: MIT
#include "source/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "source/syscalls.h"
#include "util/log.h"

#define MOUNT_POINT "/sys/kernel/tracing"
#define AUTOMOUNT "/sys/kernel/debug/tracing" /* by debugfs, when somebody looks for a file there */
#define MOUNT_MARK "linux-edr-bpf"	      /* the device's name, in place of "tracefs" */

int tracefs_mount(char *err, size_t err_size)
{
	int e;

	if (!mount(MOUNT_MARK, MOUNT_POINT, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return 0;
	e = errno;
	snprintf(err, err_size,
		 "tracefs is not mounted and cannot be (%s): mount -t tracefs tracefs "
		 "%s; a kernel without CONFIG_TRACING has none",
		 strerror(e), MOUNT_POINT);
	return -e;
}

bool tracefs_is_ours(const char *root)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent m;
	char line[8192];
	bool found = false;

	while (mounts && !found && getmntent_r(mounts, &m, line, sizeof(line)))
		found = !strcmp(m.mnt_fsname, MOUNT_MARK) && !strcmp(m.mnt_dir, root);
	if (mounts)
		endmntent(mounts);
	return found;
}

void tracefs_unmount(const char *root)
{
	/* EINVAL: somebody has done it already. */
	if (umount2(root, UMOUNT_NOFOLLOW) && errno != EINVAL && errno != EBUSY)
		log_warn("source", "%s stays mounted: %s", root, strerror(errno));
}

void tracefs_hold(struct tracefs_hold *h)
{
	const char *root = syscalls_tracefs();
	char why[256];

	*h = (struct tracefs_hold){ .dir = -1, .automount = !syscalls_is_tracefs(AUTOMOUNT) };
	h->found = *root;
	if (!*root && tracefs_mount(why, sizeof(why)))
		log_debug("source", "%s", why); /* each step says it for itself */
	root = syscalls_tracefs();
	if (!*root)
		return;
	h->dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tracefs_is_ours(root))
		snprintf(h->root, sizeof(h->root), "%s", root);
}

void tracefs_release(struct tracefs_hold *h)
{
	if (h->dir >= 0)
		close(h->dir);
	if (h->root[0])
		tracefs_unmount(h->root);
	/* libbpf looks there first. Whoever needs it next has it mounted again. */
	if (h->automount && syscalls_is_tracefs(AUTOMOUNT))
		tracefs_unmount(AUTOMOUNT);
	*h = (struct tracefs_hold){ .dir = -1 };
}
