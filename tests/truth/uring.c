// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uring.h"

#define ENTRIES 4

struct uring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	size_t sq_size, cq_size;
	struct io_uring_sqe *sqes;
};

static void *map(const struct uring *u, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, what);
}

struct uring *uring_open(void)
{
	struct uring *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &u->params);
	if (u->fd < 0) {
		free(u);
		return NULL;
	}
	u->sq_size = u->params.sq_off.array + u->params.sq_entries * sizeof(uint32_t);
	u->cq_size = u->params.cq_off.cqes + u->params.cq_entries * sizeof(struct io_uring_cqe);
	u->sq = map(u, u->sq_size, IORING_OFF_SQ_RING);
	u->cq = map(u, u->cq_size, IORING_OFF_CQ_RING);
	u->sqes = map(u, u->params.sq_entries * sizeof(*u->sqes), IORING_OFF_SQES);
	if (u->sq == MAP_FAILED || u->cq == MAP_FAILED || (void *)u->sqes == MAP_FAILED) {
		uring_close(u);
		errno = ENOMEM;
		return NULL;
	}
	return u;
}

int uring_connect(struct uring *u, int fd, const struct sockaddr *to, socklen_t len)
{
	uint32_t *sq_tail = (uint32_t *)(void *)(u->sq + u->params.sq_off.tail);
	uint32_t *sq_mask = (uint32_t *)(void *)(u->sq + u->params.sq_off.ring_mask);
	uint32_t *array = (uint32_t *)(void *)(u->sq + u->params.sq_off.array);
	uint32_t *cq_head = (uint32_t *)(void *)(u->cq + u->params.cq_off.head);
	uint32_t *cq_mask = (uint32_t *)(void *)(u->cq + u->params.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(u->cq + u->params.cq_off.cqes);
	uint32_t at = *sq_tail & *sq_mask;
	int result;

	memset(&u->sqes[at], 0, sizeof(u->sqes[at]));
	u->sqes[at].opcode = IORING_OP_CONNECT;
	u->sqes[at].fd = fd;
	u->sqes[at].addr = (uintptr_t)to;
	u->sqes[at].off = len;
	array[at] = at;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	result = cqes[*cq_head & *cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return result;
}

void uring_close(struct uring *u)
{
	if (!u)
		return;
	if (u->sq && u->sq != MAP_FAILED)
		munmap(u->sq, u->sq_size);
	if (u->cq && u->cq != MAP_FAILED)
		munmap(u->cq, u->cq_size);
	if (u->sqes && (void *)u->sqes != MAP_FAILED)
		munmap(u->sqes, u->params.sq_entries * sizeof(*u->sqes));
	close(u->fd);
	free(u);
}
