/* SPDX-License-Identifier: MIT */
#include "util/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#define BUF_FIRST 256

/* So that the inline fast paths, which look at cap alone, come to buf_reserve() and are refused there. */
static bool buf_fail(struct buf *b)
{
	b->failed = true;
	if (b->data)
		b->cap = b->len + 1;
	return false;
}

bool buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	char *data;

	if (b->failed)
		return false;
	if (more > SIZE_MAX / 4 || b->len > SIZE_MAX / 4)
		return buf_fail(b);
	need = b->len + more + 1;
	if (need <= b->cap)
		return true;
	cap = b->cap < BUF_FIRST ? BUF_FIRST : b->cap;
	while (cap < need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		return buf_fail(b);
	if (!b->data)
		data[0] = '\0';
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!buf_reserve(b, 128))
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= b->cap - b->len) {
		b->data[b->len] = '\0';
		if (!buf_reserve(b, (size_t)n))
			return;
		va_start(ap, fmt);
		n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	if (n < 0) {
		b->data[b->len] = '\0';
		buf_fail(b);
		return;
	}
	b->len += (size_t)n;
}

void buf_addu(struct buf *b, unsigned long long v)
{
	if (!buf_reserve(b, TEXT_DECIMAL))
		return;
	b->len = (size_t)(text_decimal(b->data + b->len, v) - b->data);
	b->data[b->len] = '\0';
}

char *buf_steal(struct buf *b)
{
	char *data = NULL;

	if (buf_reserve(b, 0)) {
		data = b->data;
		b->data = NULL;
	}
	buf_free(b);
	return data;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}
