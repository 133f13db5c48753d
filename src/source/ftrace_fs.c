// SPDX-License-Identifier: MIT
#include "source/ftrace_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "source/ftrace_format.h"
#include "source/syscalls.h"
#include "util/log.h"

#define MOUNT_POINT "/sys/kernel/tracing"
#define MOUNT_MARK "linux-edr-bpf" /* the device's name, in place of "tracefs" */
#define INSTANCE_PATH "instances/" FTRACE_INSTANCE
#define FILE_MAX (1U << 20)

static const char *const paths[FT_INSTANCES] = { INSTANCE_PATH, "instances/" FTRACE_NOISY };

static int write_file(int dir, const char *path, const char *text, int flags)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | flags), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int ft_fs_write(int dir, const char *path, const char *text)
{
	return write_file(dir, path, text, 0);
}

int ft_fs_write_all(const struct ft_fs *fs, const char *path, const char *text)
{
	int i, e = 0;

	for (i = 0; i < FT_INSTANCES; i++) {
		int one = ft_fs_write(fs->dir[i], path, text);

		e = one ? one : e;
	}
	return e;
}

/* A list of definitions loses all that others defined when it is opened with O_TRUNC: never do that. */
int ft_fs_append(int dir, const char *path, const char *text)
{
	return write_file(dir, path, text, O_APPEND);
}

int ft_fs_read(int dir, const char *path, struct buf *out)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && out->len < FILE_MAX) {
		if (!buf_reserve(out, 4096)) {
			err = -ENOMEM;
			break;
		}
		n = read(fd, out->data + out->len, 4095);
		if (n < 0)
			err = -errno;
		else
			out->len += (size_t)n;
		out->data[out->len] = '\0';
	}
	close(fd);
	return err;
}

static int mount_tracefs(struct ft_fs *fs, char *err, size_t err_size)
{
	if (mount(MOUNT_MARK, MOUNT_POINT, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) {
		int e = errno;

		snprintf(err, err_size,
			 "tracefs is not mounted and cannot be (%s): mount -t tracefs tracefs "
			 "%s; a kernel without CONFIG_TRACING has none",
			 strerror(e), MOUNT_POINT);
		return -e;
	}
	fs->mounted = true;
	return 0;
}

/* A mount with our mark is that of an agent that was killed, once we hold the lock. */
static bool mounted_by_us(const char *root)
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

static int find_tracefs(struct ft_fs *fs, char *err, size_t err_size)
{
	struct stat st;
	int e = 0;

	if (!*syscalls_tracefs())
		e = mount_tracefs(fs, err, err_size);
	if (e)
		return e;
	snprintf(fs->root, sizeof(fs->root), "%s", syscalls_tracefs());
	fs->root_dir = open(fs->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->root_dir < 0 || fstat(fs->root_dir, &st)) {
		e = -errno;
		snprintf(err, err_size, "%s cannot be opened: %s", fs->root, strerror(-e));
		return e;
	}
	fs->root_id = st.st_ino;
	if (faccessat(fs->root_dir, "instances", F_OK, AT_EACCESS)) {
		snprintf(err, err_size,
			 "%s is empty or has no instances: the kernel is locked down to "
			 "confidentiality (see /sys/kernel/security/lockdown), or built without "
			 "them",
			 fs->root);
		return -EPERM;
	}
	return 0;
}

/* Each line of dynamic_events that names our group: "p:linux_edr/args start_thread ...". */
static void remove_dynamic_events(const struct ft_fs *fs)
{
	static const char mark[] = ":" FTRACE_GROUP "/";
	struct buf list = { 0 };
	char *line, *rest, *at, *end, text[160];

	if (ft_fs_read(fs->root_dir, "dynamic_events", &list) || !list.data) {
		buf_free(&list);
		return;
	}
	for (line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		end = strchr(line, ' ');
		if (end)
			*end = '\0';
		at = strstr(line, mark);
		if (!at)
			continue;
		snprintf(text, sizeof(text), "-%s\n", at);
		if (ft_fs_append(fs->root_dir, "dynamic_events", text))
			log_warn("source", "the dynamic event %s stays: it cannot be removed", at);
	}
	buf_free(&list);
}

/* Their events must be off before the dynamic ones can go; rmdir does that. EBUSY: somebody reads from it. */
static int remove_instances(const struct ft_fs *fs)
{
	int i, e = 0;

	for (i = FT_INSTANCES - 1; i >= 0; i--) {
		/* ENODEV: somebody else is just removing it. */
		if (unlinkat(fs->root_dir, paths[i], AT_REMOVEDIR) && errno != ENOENT &&
		    errno != ENODEV)
			e = -errno;
	}
	return e;
}

/* The lock lies on the directory and goes with the process, however that ends. */
static int lock_instance(const struct ft_fs *fs, char *err, size_t err_size)
{
	int dir = openat(fs->root_dir, INSTANCE_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e;

	if (dir < 0)
		return -errno;
	if (flock(dir, LOCK_EX | LOCK_NB) == 0)
		return dir;
	e = -errno;
	close(dir);
	snprintf(err, err_size,
		 "another linux-edr-bpf uses %s/" INSTANCE_PATH
		 ": stop it first, one agent a host traces this way",
		 fs->root);
	return e == -EWOULDBLOCK ? -EBUSY : e;
}

static int take_over(const struct ft_fs *fs, char *err, size_t err_size)
{
	int left = lock_instance(fs, err, err_size), e;

	if (left < 0 && left != -ENOENT)
		return left;
	if (left >= 0)
		log_info("source", "removing what an agent that was killed has left in tracefs");
	e = remove_instances(fs);
	if (left >= 0)
		close(left);
	if (e)
		snprintf(err, err_size,
			 "%s/" INSTANCE_PATH ", left by an agent that was killed, cannot be "
			 "removed (%s): whoever still reads from it must stop",
			 fs->root, strerror(-e));
	else
		remove_dynamic_events(fs);
	return e;
}

static int make_instance(struct ft_fs *fs, int i, char *err, size_t err_size)
{
	struct stat st;
	int e;

	if (mkdirat(fs->root_dir, paths[i], 0700)) {
		e = -errno;
		snprintf(err, err_size, "%s/%s cannot be made: %s", fs->root, paths[i],
			 strerror(-e));
		return e;
	}
	fs->made[i] = true;
	if (i == FT_INSTANCE_EXEC)
		fs->dir[i] = lock_instance(fs, err, err_size);
	else
		fs->dir[i] = openat(fs->root_dir, paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->dir[i] < 0)
		return i == FT_INSTANCE_EXEC ? fs->dir[i] : -errno;
	e = fstat(fs->dir[i], &st) ? -errno : ft_fs_write(fs->dir[i], "tracing_on", "0");
	fs->dir_id[i] = st.st_ino;
	if (e)
		snprintf(err, err_size, "%s/%s/tracing_on: %s", fs->root, paths[i], strerror(-e));
	return e;
}

void ft_fs_init(struct ft_fs *fs)
{
	*fs = (struct ft_fs){ .root_dir = -1, .dir = { -1, -1 } };
}

int ft_fs_open(struct ft_fs *fs, char *err, size_t err_size)
{
	int i, e;

	ft_fs_init(fs);
	e = find_tracefs(fs, err, err_size);
	e = e ? e : take_over(fs, err, err_size);
	for (i = 0; i < FT_INSTANCES && !e; i++)
		e = make_instance(fs, i, err, err_size);
	fs->mounted |= !e && mounted_by_us(fs->root);
	return e;
}

void ft_fs_close(struct ft_fs *fs)
{
	int i, e;

	if (fs->made[FT_INSTANCE_EXEC]) {
		e = remove_instances(fs);
		if (e)
			log_warn("source", "%s/" INSTANCE_PATH " stays: %s", fs->root,
				 strerror(-e));
		remove_dynamic_events(fs);
	}
	for (i = 0; i < FT_INSTANCES; i++) {
		if (fs->dir[i] >= 0)
			close(fs->dir[i]);
	}
	if (fs->root_dir >= 0)
		close(fs->root_dir);
	/* EINVAL: somebody has done it already. */
	if (fs->mounted && umount2(fs->root, UMOUNT_NOFOLLOW) && errno != EINVAL)
		log_warn("source", "%s stays mounted: %s", fs->root, strerror(errno));
	ft_fs_init(fs);
}

/* The path must still lead to the directory that we hold. */
static bool same_place(const struct ft_fs *fs, const char *below, edr_u64 id)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", fs->root, below);
	return stat(path, &st) == 0 && st.st_ino == id;
}

bool ft_fs_says(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char is[16];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, is, sizeof(is));
	close(fd);
	return *text ? n >= (ssize_t)strlen(text) && !memcmp(is, text, strlen(text)) : n == 0;
}

int ft_fs_check(const struct ft_fs *fs, char *err, size_t err_size)
{
	int i;

	if (!same_place(fs, "", fs->root_id)) {
		snprintf(err, err_size, "%s has been unmounted", fs->root);
		return -ENODEV;
	}
	for (i = 0; i < FT_INSTANCES; i++) {
		if (!same_place(fs, paths[i], fs->dir_id[i])) {
			snprintf(err, err_size, "%s/%s has been removed", fs->root, paths[i]);
			return -ENODEV;
		}
		if (!ft_fs_says(fs->dir[i], "tracing_on", "1")) {
			snprintf(err, err_size, "%s/%s has been switched off", fs->root, paths[i]);
			return -EIO;
		}
		if (!ft_fs_says(fs->dir[i], "set_event_pid", "") ||
		    !ft_fs_says(fs->dir[i], "set_event_notrace_pid", "")) {
			snprintf(err, err_size, "%s/%s has been limited to some processes",
				 fs->root, paths[i]);
			return -EIO;
		}
	}
	return 0;
}
