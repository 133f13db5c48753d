/* SPDX-License-Identifier: MIT */
/*
 * The directory of reports. Everything goes through descriptors of directories that were checked
 * when they were opened, names are single components made here, and no link is followed: who can
 * write elsewhere on the host cannot make a root process write there.
 */
#include "report/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/heads.h"
#include "util/text.h"

#define STORE_TRIES 100
#define TEMP_PREFIX ".tmp-"

/* What a report or a level may be called: also the names that are written into other reports. */
bool store_good_name(const char *name, size_t max)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return name[0] && name[0] != '.' && strlen(name) <= max && !name[strspn(name, allowed)];
}

/* mkdir -p: a directory that was configured may lie deeper than what is there. */
static int make_dirs(const char *path)
{
	char *copy = strdup(path);
	int err = 0;

	if (!copy)
		return -ENOMEM;
	for (char *at = copy + 1; !err && (at = strchr(at, '/')); at++) {
		*at = '\0';
		if (mkdir(copy, 0700) && errno != EEXIST)
			err = -errno;
		*at = '/';
	}
	if (!err && mkdir(copy, 0700) && errno != EEXIST)
		err = -errno;
	free(copy);
	return err;
}

static int refuse_open(int parent, const char *name, const char *shown, int err, char *text,
		       size_t size)
{
	struct stat st;

	if (!fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
		snprintf(text, size,
			 "%s is a symbolic link, which is not followed: name the directory itself",
			 shown);
	else
		snprintf(text, size, "cannot open the directory %s: %s", shown, strerror(err));
	return -err;
}

/* Who else may write here may replace reports, or plant names for us to stumble over. */
static int check_dir(int fd, const char *shown, char *text, size_t size)
{
	struct stat st;

	if (fstat(fd, &st)) {
		snprintf(text, size, "cannot look at %s: %s", shown, strerror(errno));
		return -errno;
	}
	if (st.st_uid != geteuid()) {
		snprintf(text, size,
			 "%s belongs to uid %u, and this runs as uid %u: chown it, or name another "
			 "directory",
			 shown, st.st_uid, geteuid());
		return -EPERM;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		snprintf(text, size,
			 "others than its owner may write to %s (mode %04o): chmod go-w it, or "
			 "name another directory",
			 shown, st.st_mode & 07777);
		return -EPERM;
	}
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS)) {
		snprintf(text, size, "cannot write to the directory %s: %s", shown,
			 strerror(errno));
		return -errno;
	}
	return 0;
}

/* A descriptor or -errno. */
static int open_dir(const struct report_store *s, int parent, const char *name, const char *shown,
		    char *text, size_t size)
{
	int fd, err;

	fd = openat(parent, name, DIR_FLAGS);
	if (fd < 0)
		return refuse_open(parent, name, shown, errno, text, size);
	err = s->read_only ? 0 : check_dir(fd, shown, text, size);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_root(const struct report_store *s, char *text, size_t size)
{
	int err = s->read_only ? 0 : make_dirs(s->path);

	if (err) {
		snprintf(text, size, "cannot make the directory %s: %s", s->shown, strerror(-err));
		return err;
	}
	return open_dir(s, AT_FDCWD, s->path, s->shown, text, size);
}

/*
 * Who writes a temporary file holds its lock, so one that can be locked is a leftover: of a run
 * that was killed, whatever its pid was and in whichever pid namespace.
 */
static bool sweep_one(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool gone = false;

	if (fd < 0) {
		if (errno == ELOOP)
			gone = !unlinkat(dir, name, 0);
		return gone;
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    !(flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK))
		gone = !unlinkat(dir, name, 0);
	close(fd);
	return gone;
}

static size_t sweep(int dir)
{
	int fd = openat(dir, ".", DIR_FLAGS);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t swept = 0;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(list))) {
		const char *rest = entry->d_name + strlen(TEMP_PREFIX);

		if (!strncmp(entry->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) &&
		    !rest[strspn(rest, "0123456789-")])
			swept += sweep_one(dir, entry->d_name);
	}
	closedir(list);
	return swept;
}

/* Opens or makes the level's directory. A descriptor, which the store owns, or -errno. */
static int open_level(struct report_store *s, const char *name, char *text, size_t size)
{
	char shown[512];
	struct level *l;
	int fd;

	for (size_t i = 0; i < s->n_levels; i++)
		if (!strcmp(s->level[i].name, name))
			return s->level[i].fd;
	if (s->n_levels == STORE_LEVELS || !store_good_name(name, sizeof(l->name) - 1)) {
		snprintf(text, size, "no such level of reports");
		return -EINVAL;
	}
	snprintf(shown, sizeof(shown), "%s/%s", s->shown, name);
	if (s->read_only) {
		; /* it is there or it is not */
	} else if (!mkdirat(s->dir, name, 0700)) {
		fsync(s->dir);
	} else if (errno != EEXIST) {
		snprintf(text, size, "cannot make the directory %s: %s", shown, strerror(errno));
		return -errno;
	}
	fd = open_dir(s, s->dir, name, shown, text, size);
	if (fd < 0)
		return fd;
	if (!s->read_only)
		s->swept += sweep(fd);
	l = &s->level[s->n_levels++];
	strcpy(l->name, name);
	l->fd = fd;
	return fd;
}

static void close_dirs(struct report_store *s)
{
	for (size_t i = 0; i < s->n_levels; i++)
		close(s->level[i].fd);
	s->n_levels = 0;
	if (s->dir >= 0)
		close(s->dir);
	s->dir = -1;
}

void report_store_close(struct report_store *s)
{
	if (!s)
		return;
	close_dirs(s);
	pthread_mutex_destroy(&s->lock);
	free(s->shown);
	free(s->path);
	free(s);
}

static struct report_store *store_new(const char *dir)
{
	struct report_store *s = calloc(1, sizeof(*s));
	struct buf shown = { 0 };
	size_t len = strlen(dir);

	if (!s)
		return NULL;
	if (pthread_mutex_init(&s->lock, NULL)) {
		free(s);
		return NULL;
	}
	/* "dir/" would follow a link at dir, whatever O_NOFOLLOW says. */
	while (len > 1 && dir[len - 1] == '/')
		len--;
	text_term(&shown, dir, len);
	s->shown = buf_steal(&shown);
	s->path = strndup(dir, len);
	s->dir = -1;
	if (!s->shown || !s->path) {
		report_store_close(s);
		return NULL;
	}
	return s;
}

static int open_store(struct report_store **out, const char *dir, bool read_only, char *err,
		      size_t err_size)
{
	struct report_store *s;
	int failure = 0;

	*out = NULL;
	if (!dir[0]) {
		snprintf(err, err_size, "the directory of the reports has an empty name");
		return -EINVAL;
	}
	s = store_new(dir);
	if (!s) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	s->read_only = read_only;
	s->dir = open_root(s, err, err_size);
	if (s->dir < 0)
		failure = s->dir;
	else if (!read_only)
		failure = open_level(s, "cells", err, err_size);
	if (failure < 0) {
		report_store_close(s);
		return failure;
	}
	if (!read_only)
		s->swept += sweep(s->dir);
	*out = s;
	return 0;
}

int report_store_open(struct report_store **out, const char *dir, char *err, size_t err_size)
{
	return open_store(out, dir, false, err, err_size);
}

int report_store_open_read(struct report_store **out, const char *dir, char *err, size_t err_size)
{
	return open_store(out, dir, true, err, err_size);
}

size_t report_store_swept(const struct report_store *s)
{
	return s->swept;
}

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
		snprintf(name, size, TEMP_PREFIX "%d-%u", (int)getpid(), serial);
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

static int write_all(int fd, struct wire_span piece)
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
	if (!renameat2(dir, temp, dir, name, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return -errno;
	if (linkat(dir, temp, dir, name, 0))
		return -errno;
	unlinkat(dir, temp, 0);
	return 0;
}

/* Makes the file of that name, in place of one that is there if `replace`. 0, -EEXIST, -errno. */
int store_put(struct report_store *s, int dir, const char *name, const struct wire_span piece[2],
	      bool replace)
{
	char temp[64];
	int fd, err;

	fd = temp_open(s, dir, temp, sizeof(temp));
	if (fd < 0)
		return fd;
	err = write_all(fd, piece[0]);
	if (!err)
		err = write_all(fd, piece[1]);
	if (!err && fsync(fd))
		err = -errno;
	if (!err && replace)
		err = renameat(dir, temp, dir, name) ? -errno : 0;
	else if (!err)
		err = rename_new(dir, temp, name);
	if (err)
		unlinkat(dir, temp, 0);
	if (close(fd) && !err && errno != EINTR)
		err = -errno;
	return err ? err : store_sync(dir);
}

int store_dir(struct report_store *s, const char *level, bool again)
{
	char why[512];
	int fd;

	pthread_mutex_lock(&s->lock);
	if (again)
		close_dirs(s);
	if (s->dir < 0)
		s->dir = open_root(s, why, sizeof(why));
	fd = s->dir;
	if (fd >= 0 && level)
		fd = open_level(s, level, why, sizeof(why));
	if (fd >= 0) {
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fd = -errno;
	}
	pthread_mutex_unlock(&s->lock);
	return fd;
}

/* 0: a report with this text, whatever its place in the chain; -EEXIST: another, or no report. */
static int compare(struct report_store *s, const char *level, const char *id,
		   struct wire_span piece)
{
	struct chain_link link = { .number = 0 };
	struct buf there = { 0 };
	int err = report_read(s, level, id, &there);

	if (!err && chain_read(there.data, there.len, &link))
		chain_unseal(&there);
	if (err != -ENOMEM)
		err = !err && there.len == piece.len && !memcmp(there.data, piece.data, piece.len)
			      ? 0
			      : -EEXIST;
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
		    const struct wire_span piece[2], bool replace)
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
			err = store_put(s, dir, name, piece, replace);
		if (!err && replace)
			unlinkat(dir, packed, 0);
		close(dir);
	}
	return err;
}

/* Is that name taken, packed or not? */
static bool taken(struct report_store *s, const char *level, const char *id)
{
	char name[STORE_NAME_MAX + 16];
	int dir = store_dir(s, level, false);
	bool found = false;

	if (dir < 0)
		return false;
	for (int i = 0; i < 2 && !found; i++) {
		snprintf(name, sizeof(name), "%s.json%s", id, i ? ".gz" : "");
		found = !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
	}
	close(dir);
	return found;
}

void report_store_chain(struct report_store *s, struct heads *heads)
{
	s->heads = heads;
}

/* The report with its place in the chain, which is announced before and confirmed after. */
static int write_chained(struct report_store *s, const char *level, const char *id,
			 struct wire_span text, bool replace)
{
	struct wire_span piece[2] = { text, { "", 0 } };
	struct buf member = { 0 };
	int err = 0;

	if (s->heads && heads_has(s->heads, level)) {
		err = heads_begin(s->heads, level, id, text, &member);
		if (!err) {
			piece[0].len = text.len - CHAIN_END_LEN;
			piece[1] = (struct wire_span){ member.data, member.len };
		}
	}
	if (!err)
		err = write_as(s, level, id, piece, replace);
	if (!err && member.len)
		heads_done(s->heads, level);
	buf_free(&member);
	return err;
}

int report_store_write(struct report_store *s, const char *level, const char *id, const char *data,
		       size_t len)
{
	const struct wire_span text = { data, len };
	int err = -EEXIST;

	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	if (!taken(s, level, id))
		err = write_chained(s, level, id, text, false);
	if (err == -EEXIST)
		err = compare(s, level, id, text);
	else
		return err;
	return err ? err : sync_level(s, level);
}

int report_store_replace(struct report_store *s, const char *level, const char *id,
			 const char *data, size_t len, const char *why)
{
	const struct wire_span text = { data, len };
	int err;

	if (!store_good_name(id, STORE_NAME_MAX))
		return -EINVAL;
	if (!taken(s, level, id))
		return report_store_write(s, level, id, data, len);
	if (!compare(s, level, id, text))
		return 0;
	err = s->heads ? heads_replaced(s->heads, level, id, why) : 0;
	return err ? err : write_chained(s, level, id, text, true);
}
