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

#define N_DIRS (sizeof(dirs) / sizeof(dirs[0]))
#define N_NEEDED 2 /* the first ones */
/* All at the start: something else of that name is refused then, and not in the middle of the night. */
static const char *const dirs[] = { "cells",  "interim", "blocks",    "daily",
				    "weekly", "monthly", "checkpoint" };

/* What a report or a level may be called: also the names that are written into other reports. */
bool store_good_name(const char *name, size_t max)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	return name[0] && name[0] != '.' && strlen(name) <= max && !name[strspn(name, allowed)];
}

bool store_is_temp(const char *name)
{
	const size_t len = strlen(STORE_TEMP_PREFIX);

	return !strncmp(name, STORE_TEMP_PREFIX, len) &&
	       !name[len + strspn(name + len, "0123456789-")];
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
	while ((entry = readdir(list)))
		if (store_is_temp(entry->d_name))
			swept += sweep_one(dir, entry->d_name);
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
	snprintf(l->name, sizeof(l->name), "%s", name);
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
	for (size_t i = 0; failure >= 0 && !read_only && i < N_DIRS; i++) {
		failure = open_level(s, dirs[i], err, err_size);
		/* A full disk may have room again by the time that this one is needed. */
		if (i >= N_NEEDED && (failure == -ENOSPC || failure == -EDQUOT))
			failure = 0;
	}
	if (failure < 0) {
		report_store_close(s);
		return failure;
	}
	if (!read_only)
		s->swept += sweep(s->dir);
	*out = s;
	return 0;
}

/* Of a path that is not there: may it be made in the nearest directory that is? */
static int judge_missing(const struct report_store *s, char *text, size_t size)
{
	char *copy = strdup(s->path), *slash;
	int err = -ENOMEM;

	while (copy && (err == -ENOMEM || err == -ENOENT)) {
		slash = strrchr(copy, '/');
		if (slash)
			slash[slash == copy] = '\0';
		else
			memcpy(copy, ".", 2); /* a name has a letter at least */
		err = faccessat(AT_FDCWD, copy, W_OK | X_OK, AT_EACCESS) ? -errno : 1;
		if (!slash || slash == copy)
			break;
	}
	free(copy);
	if (err < 0)
		snprintf(text, size, "cannot make the directory %s: %s", s->shown, strerror(-err));
	return err;
}

static int judge(const struct report_store *s, char *text, size_t size)
{
	char shown[512];
	struct stat st;
	int fd, level = 0;

	if (lstat(s->path, &st) && errno == ENOENT)
		return judge_missing(s, text, size);
	fd = open_dir(s, AT_FDCWD, s->path, s->shown, text, size);
	if (fd < 0)
		return fd;
	for (size_t i = 0; level >= 0 && i < N_DIRS; i++) {
		snprintf(shown, sizeof(shown), "%s/%s", s->shown, dirs[i]);
		if (fstatat(fd, dirs[i], &st, AT_SYMLINK_NOFOLLOW))
			continue;
		level = open_dir(s, fd, dirs[i], shown, text, size);
		if (level >= 0)
			close(level);
	}
	close(fd);
	return level < 0 ? level : 0;
}

int report_store_judge(const char *dir, char *err, size_t err_size)
{
	struct report_store *s = dir[0] ? store_new(dir) : NULL;
	int status = s ? judge(s, err, err_size) : -EINVAL;

	if (!s)
		snprintf(err, err_size, "the directory of the reports has no name");
	report_store_close(s);
	return status;
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

void report_store_chain(struct report_store *s, struct heads *heads)
{
	s->heads = heads;
}
