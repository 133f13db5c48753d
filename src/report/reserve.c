/* SPDX-License-Identifier: MIT */
#include "report/reserve.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "report/heads_private.h"
#include "report/store_private.h"

bool report_disk_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static size_t size_wanted(int dir)
{
	struct stat st;
	size_t bytes = RESERVE_BYTES;

	if (!fstatat(dir, HEADS_REMOVED, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
		while (bytes < 2 * (size_t)st.st_size && bytes < 16 * RESERVE_BYTES)
			bytes += RESERVE_BYTES;
	return bytes;
}

/* 1 with what it is; 0: nothing; -EEXIST: none of ours, or its blocks stay when it is unlinked. */
static int look(int dir, struct stat *st)
{
	if (fstatat(dir, RESERVE_FILE, st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 ? 1 : -EEXIST;
}

/* A kill leaves one that is too short; a copy of the directory may have one without blocks. */
static bool is_whole(const struct stat *st, size_t bytes)
{
	return (st->st_mode & 07777) == 0600 && (size_t)st->st_size >= bytes &&
	       (size_t)st->st_blocks * 512 >= bytes;
}

static bool has_room(int dir, size_t bytes)
{
	struct statvfs fs;

	return fstatvfs(dir, &fs) || (unsigned long long)fs.f_bavail * fs.f_frsize >= 2 * bytes;
}

/* Nothing that a filesystem could store in less room. */
static int write_noise(int fd, size_t bytes)
{
	unsigned char block[4096];
	unsigned x = 1;
	ssize_t n;

	for (; bytes; bytes -= (size_t)n) {
		for (size_t i = 0; i < sizeof(block); i++) {
			x = x * 1664525u + 1013904223u;
			block[i] = (unsigned char)(x >> 24);
		}
		n = write(fd, block, bytes < sizeof(block) ? bytes : sizeof(block));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			n = 0;
	}
	return 0;
}

/* Not posix_fallocate(): where the filesystem cannot do it, that writes zeros, which some do not store. */
static int take_blocks(int fd, size_t bytes)
{
	if (!fallocate(fd, 0, 0, (off_t)bytes))
		return 0;
	return errno == EOPNOTSUPP || errno == ENOSYS ? write_noise(fd, bytes) : -errno;
}

static int make(int dir, size_t bytes)
{
	int fd = openat(dir, RESERVE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int err;

	if (fd < 0)
		return -errno;
	err = fchmod(fd, 0600) ? -errno : take_blocks(fd, bytes); /* whatever the umask is */
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	if (err)
		unlinkat(dir, RESERVE_FILE, 0);
	return err;
}

static int make_in(int dir)
{
	const size_t bytes = size_wanted(dir);
	struct stat st;
	int there = look(dir, &st);

	if (there < 0 || (there && is_whole(&st, bytes)))
		return there < 0 ? there : 0;
	if (there && unlinkat(dir, RESERVE_FILE, 0))
		return -errno;
	return has_room(dir, bytes) ? make(dir, bytes) : -ENOSPC;
}

int report_reserve_make(struct report_store *s)
{
	int dir = store_dir(s, NULL, false), err;

	if (dir < 0)
		return dir;
	err = make_in(dir);
	close(dir);
	return err;
}

bool report_reserve_give(struct report_store *s, int err)
{
	struct stat st;
	bool given;
	int dir;

	if (!report_disk_full(err))
		return false;
	dir = store_dir(s, NULL, false);
	if (dir < 0)
		return false;
	given = look(dir, &st) == 1 && !unlinkat(dir, RESERVE_FILE, 0);
	close(dir);
	return given;
}
