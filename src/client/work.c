/* SPDX-License-Identifier: MIT */
/* The worker, and what it shares with the launcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"

int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPIPE;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool bytes_add(struct bytes *b, const void *data, size_t len)
{
	if (len > b->max - b->len)
		return false;
	if (b->len + len > b->cap) {
		size_t cap = b->cap ? b->cap : 4096;
		char *grown;

		while (cap < b->len + len)
			cap *= 2;
		grown = realloc(b->data, cap);
		if (!grown)
			return false;
		b->data = grown;
		b->cap = cap;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return true;
}

bool request_parse(struct request *r, const void *message, size_t len)
{
	const char *at = message;
	size_t left = len;

	if (left < sizeof(r->fixed))
		return false;
	memcpy(&r->fixed, at, sizeof(r->fixed));
	at += sizeof(r->fixed);
	left -= sizeof(r->fixed);
	for (int i = 0; i < CLIENT_PARTS; i++) {
		size_t part = r->fixed.length[i];

		if (part >= left || at[part] != '\0')
			return false;
		r->part[i] = at;
		r->length[i] = part;
		at += part + 1;
		left -= part + 1;
	}
	return left == 0;
}

void work(const void *message, size_t len, int out)
{
	struct request request;
	struct exchange x = { 0 };

	if (lock_worker() != 0 || !request_parse(&request, message, len))
		_exit(1);
	http_exchange(&request, &x);
	x.reply.body_length = (uint32_t)x.body.len;
	if (write_all(out, &x.reply, sizeof(x.reply)) != 0 ||
	    write_all(out, x.body.data, x.body.len) != 0)
		_exit(1);
	_exit(0);
}
