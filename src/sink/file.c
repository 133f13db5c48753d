/* SPDX-License-Identifier: MIT */
#include "sink/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIVE_UP_POLL_MS 100

size_t sink_chunk_units(const struct sink_chunk *c, size_t at)
{
	size_t low = 0, high = c->n_units;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->end[mid] <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t sink_chunk_boundary(const struct sink_chunk *c, size_t at)
{
	size_t units = sink_chunk_units(c, at);

	return units ? c->end[units - 1] : 0;
}

/* What open(2) says, for the person who named the file. */
static void explain_open(const struct sink_file *f, int err, char *text, size_t size)
{
	switch (err) {
	case EEXIST:
		snprintf(text, size, "%s exists already: name another file, or remove it",
			 f->shown);
		break;
	case ELOOP:
		snprintf(text, size,
			 "%s is a symbolic link, which is not followed: name the file itself",
			 f->shown);
		break;
	case ENXIO:
		snprintf(text, size, "%s is a FIFO or socket that nobody reads", f->shown);
		break;
	case ENOENT:
		snprintf(text, size, "%s: the directory it should be in does not exist", f->shown);
		break;
	default:
		snprintf(text, size, "cannot open %s for writing: %s", f->shown, strerror(err));
	}
}

/* A run that was killed may have left half a line; the next one must not be glued to it. */
static bool ends_in_half_line(const struct sink_file *f, const struct stat *st)
{
	struct stat again;
	bool half = false;
	char last;
	int fd;

	if (!S_ISREG(st->st_mode) || st->st_size == 0)
		return false;
	fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!fstat(fd, &again) && again.st_dev == st->st_dev && again.st_ino == st->st_ino &&
	    pread(fd, &last, 1, st->st_size - 1) == 1)
		half = last != '\n';
	close(fd);
	return half;
}

static int open_fd(const struct sink_file *f, bool first, bool force)
{
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	if (!f->path)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (f->append)
		flags |= O_APPEND;
	else if (first && force)
		flags |= O_TRUNC;
	else if (first)
		flags |= O_EXCL;
	return open(f->path, flags, 0600);
}

int sink_file_open(struct sink_file *f, bool first, bool force, char *err, size_t err_size)
{
	struct stat st;
	int fd, failure = 0;

	fd = open_fd(f, first, force);
	if (fd < 0) {
		failure = errno;
		explain_open(f, failure, err, err_size);
		return -failure;
	}
	if (fstat(fd, &st))
		failure = errno;
	else if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		failure = EINVAL; /* open(2) refuses the one, and nobody means the other */
	if (failure) {
		snprintf(err, err_size, "%s is nothing to write lines to", f->shown);
		close(fd);
		return -failure;
	}
	f->fd = fd;
	f->regular = S_ISREG(st.st_mode);
	f->reopens = f->path && f->append;
	f->had_bytes = f->regular && f->path ? (size_t)st.st_size : 0;
	f->half_line = f->reopens && ends_in_half_line(f, &st);
	f->had_bytes += f->half_line;
	return 0;
}

void sink_file_close(struct sink_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int sink_file_sync(struct sink_file *f)
{
	if (f->fd < 0 || !f->regular || !fsync(f->fd))
		return 0;
	return errno == EINVAL || errno == EROFS ? 0 : -errno;
}

/*
 * Waits until a pipe, socket or terminal takes PIPE_BUF bytes: a write of more could block for
 * ever, and O_NONBLOCK on standard output would change it for the shell and its other children too.
 */
static int wait_writable(int fd, bool (*give_up)(void *ctx), void *ctx)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	for (;;) {
		int n = poll(&p, 1, GIVE_UP_POLL_MS);

		if (n > 0)
			return 0; /* also for POLLERR: write(2) knows the reason */
		if (n < 0 && errno != EINTR)
			return -errno;
		if (give_up(ctx))
			return -ETIMEDOUT;
	}
}

static int write_all(const struct sink_file *f, const char *data, size_t len, size_t *sent,
		     bool (*give_up)(void *ctx), void *ctx)
{
	while (*sent < len) {
		size_t most = len - *sent;
		ssize_t n;

		if (!f->regular) {
			int err = wait_writable(f->fd, give_up, ctx);

			if (err)
				return err;
			if (most > PIPE_BUF)
				most = PIPE_BUF;
		}
		n = write(f->fd, data + *sent, most);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n > 0)
			*sent += (size_t)n;
	}
	return 0;
}

/* Takes what there is of a unit out of the file, unless others have written behind it. */
static void cut_back(const struct sink_file *f, const struct sink_chunk *c, size_t *sent)
{
	size_t boundary = sink_chunk_boundary(c, *sent);
	struct stat st;
	off_t at, to;

	if (!f->regular || boundary == *sent)
		return;
	at = lseek(f->fd, 0, SEEK_CUR);
	to = at - (off_t)(*sent - boundary);
	if (at < 0 || to < 0 || fstat(f->fd, &st) || st.st_size != at)
		return;
	if (ftruncate(f->fd, to))
		return;
	/* Without O_APPEND the next write would leave a hole. */
	if (lseek(f->fd, to, SEEK_SET) == to)
		*sent = boundary;
}

int sink_file_write(struct sink_file *f, const struct sink_chunk *c, size_t *sent,
		    bool (*give_up)(void *ctx), void *ctx)
{
	int err;

	if (f->half_line) {
		size_t newline = 0;

		err = write_all(f, "\n", 1, &newline, give_up, ctx);
		if (err)
			return err;
		f->half_line = false;
	}
	err = write_all(f, c->data, c->len, sent, give_up, ctx);
	if (err)
		cut_back(f, c, sent);
	return err;
}
