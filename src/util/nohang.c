// SPDX-License-Identifier: MIT
#include "util/nohang.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/log.h"
#include "util/mono.h"
#include "util/read.h"

int nohang_stat(int dir, const char *name, int flags, struct stat *out)
{
	const unsigned mask =
		STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_INO;
	struct statx st;

	if (statx(dir, name, flags | AT_STATX_DONT_SYNC, mask, &st))
		return -errno;
	memset(out, 0, sizeof(*out));
	out->st_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	out->st_ino = st.stx_ino;
	out->st_mode = st.stx_mode;
	out->st_nlink = st.stx_nlink;
	out->st_uid = st.stx_uid;
	out->st_gid = st.stx_gid;
	return 0;
}

/* A thread that reads, and what it has read. Given up by its owner, it frees itself when it comes back. */
struct reader {
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	int fd; /* -1: nothing to read */
	bool given_up;
	size_t size;
	ssize_t got;
	char data[NOHANG_MOST];
};

static _Thread_local struct reader *mine;
static atomic_int stuck;

static void free_reader(struct reader *r)
{
	pthread_cond_destroy(&r->asked);
	pthread_cond_destroy(&r->answered);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *run(void *arg)
{
	struct reader *r = arg;
	ssize_t got;

	pthread_mutex_lock(&r->lock);
	while (!r->given_up) {
		while (r->fd < 0)
			pthread_cond_wait(&r->asked, &r->lock);
		pthread_mutex_unlock(&r->lock);
		got = util_read_full(r->fd, r->data, r->size);
		close(r->fd);
		pthread_mutex_lock(&r->lock);
		r->fd = -1;
		r->got = got;
		pthread_cond_signal(&r->answered);
	}
	pthread_mutex_unlock(&r->lock);
	free_reader(r);
	atomic_fetch_sub(&stuck, 1);
	return NULL;
}

static struct reader *new_reader(void)
{
	struct reader *r = calloc(1, sizeof(*r));
	pthread_t thread;

	if (!r)
		return NULL;
	r->fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->asked, NULL);
	mono_cond_init(&r->answered);
	if (mono_thread(&thread, run, r)) {
		free_reader(r);
		return NULL;
	}
	pthread_detach(thread);
	return r;
}

static void give_up(struct reader *r)
{
	const int n = atomic_fetch_add(&stuck, 1) + 1;

	r->given_up = true;
	mine = NULL;
	log_warn("proc",
		 "the arguments of a process cannot be read: it keeps its memory map locked%s",
		 n < NOHANG_STUCK ? ""
				  : "; too many do, /proc is asked for no arguments meanwhile");
}

/* The descriptor is the reader's from here on. */
static ssize_t ask(struct reader *r, int fd, char *out, size_t size)
{
	const unsigned long long until_ms = mono_now_ms() + NOHANG_MS;
	ssize_t got = -ETIMEDOUT;

	pthread_mutex_lock(&r->lock);
	r->size = size < sizeof(r->data) ? size : sizeof(r->data);
	r->fd = fd;
	pthread_cond_signal(&r->asked);
	while (r->fd >= 0 && mono_now_ms() < until_ms)
		mono_cond_wait(&r->answered, &r->lock, until_ms);
	if (r->fd >= 0)
		give_up(r);
	else
		got = r->got;
	if (got > 0)
		memcpy(out, r->data, (size_t)got);
	pthread_mutex_unlock(&r->lock);
	return got;
}

ssize_t nohang_cmdline(int dir, char *out, size_t size)
{
	int fd;

	if (atomic_load(&stuck) >= NOHANG_STUCK)
		return -EAGAIN;
	if (!mine)
		mine = new_reader();
	if (!mine)
		return -ENOMEM;
	fd = openat(dir, "cmdline", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : ask(mine, fd, out, size);
}
