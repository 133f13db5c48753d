/* SPDX-License-Identifier: MIT */
#include "util/read.h"

#include <errno.h>
#include <unistd.h>

ssize_t util_read_full(int fd, void *to, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, (char *)to + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}
