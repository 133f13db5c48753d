/* SPDX-License-Identifier: MIT */
/*
 * A growable byte buffer. When memory is short it keeps what it has, refuses all that comes after it, and
 * remembers: look at `failed` before the content is used. data is always NUL-terminated once something
 * was added.
 */
#ifndef EDR_UTIL_BUF_H
#define EDR_UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

/* Room for more bytes; false (and failed) without memory. */
bool buf_reserve(struct buf *b, size_t more);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addu(struct buf *b, unsigned long long v); /* decimal, fast */
/* The caller frees it; never NULL ("" when empty) unless memory was short. b is empty again. */
char *buf_steal(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory, forgets a failure */
void buf_free(struct buf *b);

static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}

static inline void buf_add(struct buf *b, const void *data, size_t len)
{
	if (b->cap - b->len <= len && !buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

static inline void buf_addc(struct buf *b, char c)
{
	if (b->len + 1 < b->cap || buf_reserve(b, 1)) {
		b->data[b->len++] = c;
		b->data[b->len] = '\0';
	}
}

#endif
