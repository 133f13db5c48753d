/* SPDX-License-Identifier: MIT */
#include "cli/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/log.h"
#include "util/text.h"

int lock_reports_dir(const char *dir, char *err, size_t err_size)
{
	struct buf shown = { 0 };
	int fd;

	/* Whether that worked is for the store to say, which does the same. */
	(void)!mkdir(dir, 0700);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno != EWOULDBLOCK) {
		log_warn("run",
			 "the reports directory cannot be locked (%s): see to it that no other "
			 "agent writes there",
			 strerror(errno));
		return fd;
	}
	close(fd);
	text_term(&shown, dir, strlen(dir));
	snprintf(err, err_size,
		 "another "
		 "linux-edr-bpf writes its reports to %s: stop it, or give another directory with "
		 "--reports-dir",
		 shown.data ? shown.data : "");
	buf_free(&shown);
	return -EWOULDBLOCK;
}
