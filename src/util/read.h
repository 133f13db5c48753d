/* SPDX-License-Identifier: MIT */
/* Reading a file that the caller has opened, and judged, itself. */
#ifndef EDR_UTIL_READ_H
#define EDR_UTIL_READ_H

#include <stddef.h>
#include <sys/types.h>

/*
 * read(2) until size bytes are there or the file ends: how many there are, or -errno. An interrupted
 * call goes on.
 */
ssize_t util_read_full(int fd, void *to, size_t size);

#endif
