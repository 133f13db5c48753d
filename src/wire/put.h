/* SPDX-License-Identifier: MIT */
/*
 * Writing into a buf with its end in a register: room is asked for once a piece, and the buf learns its length at the end.
 * When memory is short nothing more is written and the buf says `failed`, as with buf_add().
 */
#ifndef EDR_WIRE_PUT_H
#define EDR_WIRE_PUT_H

#include "util/buf.h"
#include "util/text.h"

struct put {
	char *at;   /* where the next byte goes */
	char *last; /* behind it there is only the place of the NUL */
	struct buf *out;
};

/* The buf is as if all had been added to it: for what writes to a buf itself. */
static inline struct buf *put_pause(struct put *p)
{
	if (p->at) {
		p->out->len = (size_t)(p->at - p->out->data);
		*p->at = '\0';
	}
	return p->out;
}

static inline void put_resume(struct put *p)
{
	p->at = p->last = p->out->data;
	if (p->at) {
		p->at += p->out->len;
		p->last += p->out->cap - 1;
	}
}

__attribute__((noinline)) static char *put_grow(struct put *p, size_t max)
{
	bool grown = buf_reserve(put_pause(p), max);

	put_resume(p);
	return grown ? p->at : NULL;
}

/* Where up to max bytes can be written; put_end() says how far they came. NULL: there is no memory. */
static inline char *put_room(struct put *p, size_t max)
{
	return (size_t)(p->last - p->at) >= max ? p->at : put_grow(p, max);
}

static inline void put_end(struct put *p, char *end)
{
	p->at = end;
}

static inline void put_char(struct put *p, char c)
{
	char *to = put_room(p, 1);

	if (to) {
		*to = c;
		put_end(p, to + 1);
	}
}

static inline void put_bytes(struct put *p, const char *data, size_t len)
{
	char *to = put_room(p, len);

	if (to) {
		memcpy(to, data, len);
		put_end(p, to + len);
	}
}

/* A literal, whose length the compiler knows. */
#define PUT(p, literal) put_bytes((p), (literal), sizeof(literal) - 1)

static inline void put_number(struct put *p, unsigned long long v)
{
	char *to = put_room(p, TEXT_DECIMAL);

	if (to)
		put_end(p, text_decimal(to, v));
}

/* Fewer than eight bytes: the first and the last half of them, which may overlap. */
static inline bool put_copy_few(char *to, const char *s, size_t len)
{
	uint64_t x = 0x2020202020202020u;
	uint32_t first, last;

	if (len >= sizeof(first)) {
		memcpy(&first, s, sizeof(first));
		memcpy(&last, s + len - sizeof(last), sizeof(last));
		memcpy(to, &first, sizeof(first));
		memcpy(to + len - sizeof(last), &last, sizeof(last));
		return text_plain_word((uint64_t)last << 32 | first);
	}
	for (size_t i = 0; i < len; i++) {
		to[i] = s[i];
		x = x << 8 | (unsigned char)s[i];
	}
	return text_plain_word(x);
}

/* Copies s where text_json() would leave each byte as it is; else false, and `to` may hold a part. */
static inline bool put_copy_plain(char *to, const char *s, size_t len)
{
	uint64_t x;
	size_t i;

	if (len < sizeof(x))
		return put_copy_few(to, s, len);
	for (i = 0; i + sizeof(x) <= len; i += sizeof(x)) {
		memcpy(&x, s + i, sizeof(x));
		if (!text_plain_word(x))
			return false;
		memcpy(to + i, &x, sizeof(x));
	}
	memcpy(&x, s + len - sizeof(x), sizeof(x));
	memcpy(to + len - sizeof(x), &x, sizeof(x));
	return text_plain_word(x);
}

#endif
