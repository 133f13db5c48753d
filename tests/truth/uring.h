/* SPDX-License-Identifier: MIT */
/* connect(2) by io_uring, with bare system calls: io_uring(7). */
#ifndef TRUTH_URING_H
#define TRUTH_URING_H

#include <sys/socket.h>

struct uring;

/* NULL with errno when this host has no io_uring. */
struct uring *uring_open(void);
/* 0 or -errno, as the completion has it. */
int uring_connect(struct uring *u, int fd, const struct sockaddr *to, socklen_t len);
void uring_close(struct uring *u);

#endif
