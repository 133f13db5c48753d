/* SPDX-License-Identifier: MIT */
/* Writing into the directory of reports: whole or not at all, and in the chain of the level. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "report/files.h"
#include "report/heads.h"
#include "report/store_private.h"

#define STORE_TRIES 100

/* A new file that nobody else has, locked; its descriptor or -errno, its name into name. */
static int temp_open(struct report_store *s, int dir, char *name, size_t size)
{
	for (int i = 0; i < STORE_TRIES; i++) {
		struct stat st;
		unsigned serial;
		int fd;

		pthread_mutex_lock(&s->lock);
		serial = s->serial++;
		pthread_mutex_unlock(&s->lock);
		snprintf(name, size, STORE_TEMP_PREFIX "%d-%u", (int)getpid(), serial);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return -errno;
		if (fd < 0)
			continue;
		/*
		 * Between the two calls another run's sweep may have taken it. A filesystem without
		 * locks has no sweep that respects them either; then rename fails, and the report
		 * is tried again.
		 */
		if (!(flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) && !fstat(fd, &st) &&
		    st.st_nlink)
			return fd;
		close(fd);
	}
	return -EEXIST;
}

int store_write_all(int fd, struct wire_span piece)
{
	while (piece.len) {
		ssize_t n = write(fd, piece.data, piece.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		piece.data += n;
		piece.len -= (size_t)n;
	}
	return 0;
}

/* A directory that cannot be synced is one of a filesystem that needs none. */
int store_sync(int dir)
{
	return fsync(dir) && errno != EINVAL && errno != ENOTSUP ? -errno : 0;
}

/*
 * Gives the temporary file its name unless that is taken; on some filesystems only link(2) can do
 * that.
 */
static int rename_new(int dir, const char *temp, const char *name)
{
	/* By number: not every C library has a function for it. */
	if (!syscall(SYS_renameat2, dir, temp, dir, name, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return -errno;
	if (linkat(dir, temp, dir, name, 0))
		return -errno;
	unlinkat(dir, temp, 0);
	return 0;
}

static int put(struct report_store *s, int dir, const char *name, const struct wire_span *piece,
	       size_t n, bool replace, bool sync)
{
	char temp[64];
	int fd, err = 0;

	fd = temp_open(s, dir, temp, sizeof(temp));
	if (fd < 0)
		return fd;
	for (size_t i = 0; !err && i < n; i++)
		err = store_write_all(fd, piece[i]);
	if (!err && sync && fsync(fd))
		err = -errno;
	if (!err && replace)
		err = renameat(dir, temp, dir, name) ? -errno : 0;
	else if (!err)
		err = rename_new(dir, temp, name);
	if (err)
		unlinkat(dir, temp, 0);
	if (close(fd) && !err && errno != EINTR)
		err = -errno;
	return err || !sync ? err : store_sync(dir);
}

int store_put(struct report_store *s, int dir, const char *name, const struct wire_span *piece,
	      size_t n, bool replace)
{
	return put(s, dir, name, piece, n, replace, true);
}

int store_put_derived(struct report_store *s, int dir, const char *name, struct wire_span data)
{
	return put(s, dir, name, &data, 1, true, false);
}

static bool same_text(const struct buf *there, const struct wire_span *piece, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; at += piece[i++].len)
		if (there->len - at < piece[i].len ||
		    (piece[i].len && memcmp(there->data + at, piece[i].data, piece[i].len) != 0))
			return false;
	return at == there->len;
}

/* 0: a report with this text, whatever its place in the chain; -EEXIST: another, or no report. */
static int compare(struct report_store *s, const char *level, const char *id,
		   const struct wire_span *piece, size_t n)
{
	struct chain_link link = { .number = 0 };
	struct buf there = { 0 };
	int err = report_read(s, level, id, &there);

	if (!err && chain_read(there.data, there.len, &link))
		chain_unseal(&there);
	if (err != -ENOMEM)
		err = !err && same_text(&there, piece, n) ? 0 : -EEXIST;
	/* Ours, whose last sync failed. */
	if (!err && s->heads && link.number)
		heads_confirm(s->heads, level, &link);
	buf_free(&there);
	return err;
}

static int sync_level(struct report_store *s, const char *level)
{
	int dir = store_dir(s, level, false), err;

	if (dir < 0)
		return dir;
	err = store_sync(dir);
	close(dir);
	return err;
}

/* A directory that was removed under us is made again, by its path and with all the checks. */
static int write_as(struct report_store *s, const char *level, const char *id,
		    const struct wire_span *piece, size_t n, bool replace)
{
	char name[STORE_NAME_MAX + 8], packed[STORE_NAME_MAX + 16];
	int err = -ENOENT;

	snprintf(name, sizeof(name), "%s.json", id);
	snprintf(packed, sizeof(packed), "%s.gz", name);
	for (int i = 0; i < 2 && (err == -ENOENT || err == -ESTALE); i++) {
		int dir = store_dir(s, level, i > 0);

		if (dir < 0)
			return dir;
		if (!replace && !faccessat(dir, packed, F_OK, AT_SYMLINK_NOFOLLOW))
			err = -EEXIST;
		else
			err = store_put(s, dir, name, piece, n, replace);
		if (!err && replace)
			unlinkat(dir, packed, 0);
		close(dir);
	}
	return err;
}

/*
 * The report with its place in the chain, which is announced before and confirmed after. There is
 * room for one piece more.
 */
static int write_chained(struct report_store *s, const char *level, const char *id,
			 struct wire_span *piece, size_t n, bool replace)
{
	const bool chained = s->heads && heads_has(s->heads, level);
	struct wire_span *last = &piece[n - 1];
	struct buf member = { 0 };
	int err;

	if (!chained)
		return write_as(s, level, id, piece, n, replace);
	err = heads_begin(s->heads, level, id, piece, n, &member);
	if (!err) {
		last->len -= CHAIN_END_LEN;
		piece[n] = (struct wire_span){ member.data, member.len };
		err = write_as(s, level, id, piece, n + 1, replace);
		last->len += CHAIN_END_LEN;
	}
	if (!err)
		heads_done(s->heads, level);
	buf_free(&member);
	return err;
}

/* As write_chained. */
static int write_pieces(struct report_store *s, const char *level, const char *id,
			struct wire_span *piece, size_t n)
{
	int err = -EEXIST;

	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	if (!report_is_there(s, level, id))
		err = write_chained(s, level, id, piece, n, false);
	if (err == -EEXIST)
		err = compare(s, level, id, piece, n);
	else
		return err;
	return err ? err : sync_level(s, level);
}

int report_store_write(struct report_store *s, const char *level, const char *id, const char *data,
		       size_t len)
{
	struct wire_span piece[2] = { { data, len } };

	return write_pieces(s, level, id, piece, 1);
}

int report_store_write_text(struct report_store *s, const char *level, const char *id,
			    const struct report_text *t)
{
	struct wire_span *piece = malloc((t->n_rest + 2) * sizeof(*piece));
	int err;

	if (!piece)
		return -ENOMEM;
	piece[0] = (struct wire_span){ t->head.data, t->head.len };
	for (size_t i = 0; i < t->n_rest; i++)
		piece[i + 1] = t->rest[i];
	err = write_pieces(s, level, id, piece, t->n_rest + 1);
	free(piece);
	return err;
}

int report_store_replace(struct report_store *s, const char *level, const char *id,
			 const char *data, size_t len, const char *why)
{
	struct wire_span piece[2] = { { data, len } };
	int err;

	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	if (!report_is_there(s, level, id))
		return report_store_write(s, level, id, data, len);
	if (!compare(s, level, id, piece, 1))
		return 1;
	err = s->heads ? heads_replaced(s->heads, level, id, why) : 0;
	return err ? err : write_chained(s, level, id, piece, 1, true);
}
