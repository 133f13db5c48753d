/* SPDX-License-Identifier: MIT */
#include "cli/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/report.h"
#include "util/buf.h"
#include "util/text.h"

/* A descriptor or -errno. */
static int open_lock(int dir)
{
	int fd = openat(dir, REPORT_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			0600);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return -errno;
	/* The umask may have made it less than 0600, and who was here before us more. */
	if (fstat(fd, &st) != 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		err = -EPERM;
	else if (((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) != 0) ||
		 flock(fd, LOCK_EX | LOCK_NB) != 0)
		err = -errno;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

static int lock_dir(const char *dir)
{
	/* The path once more: the store has looked at it, and said no to a link. */
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock;

	if (fd < 0)
		return -errno;
	lock = open_lock(fd);
	close(fd);
	return lock;
}

int lock_reports_dir(const char *dir, char *err, size_t err_size)
{
	struct report_store *store = NULL;
	struct buf shown = { 0 };
	int lock;

	/* It sweeps what a killed run left, and nothing that a living one writes. */
	lock = report_store_open(&store, dir, err, err_size);
	report_store_close(store);
	if (lock != 0)
		return lock == -EWOULDBLOCK ? -EIO : lock;
	lock = lock_dir(dir);
	if (lock >= 0)
		return lock;
	text_term(&shown, dir, strlen(dir));
	if (lock == -EWOULDBLOCK)
		snprintf(err, err_size,
			 "another linux-edr-bpf writes its reports to %s: stop it, or give another "
			 "directory with --reports-dir",
			 shown.data ? shown.data : "");
	else
		snprintf(err, err_size,
			 "%s/" REPORT_LOCK " cannot be locked (%s), so another agent could write "
			 "there too: give another directory with --reports-dir",
			 shown.data ? shown.data : "",
			 lock == -EPERM ? "it is not a file of ours alone" : strerror(-lock));
	buf_free(&shown);
	return lock;
}
