/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/private.h"

struct string_head {
	uint32_t refs;
	uint32_t len : 31;
	uint32_t interned : 1;
	char data[];
};

/* An interned string lies right behind its node. */
struct string_node {
	UT_hash_handle hh;
};

const char strings_none[1] = "";

static struct string_head *head_of(const char *str)
{
	return (struct string_head *)(uintptr_t)(str - offsetof(struct string_head, data));
}

static struct string_node *node_of(struct string_head *h)
{
	return (struct string_node *)(void *)((char *)h - sizeof(struct string_node));
}

static size_t size_of(const struct string_head *h)
{
	return sizeof(*h) + h->len + 1 +
	       (h->interned ? sizeof(struct string_node) + PROC_SLOT_BYTES : 0);
}

static void fill(struct string_head *h, const char *data, size_t len, bool interned)
{
	h->refs = 1;
	h->len = (uint32_t)len;
	h->interned = interned;
	memcpy(h->data, data, len);
	h->data[len] = '\0';
}

const char *strings_intern(struct strings *s, const char *data, size_t len)
{
	struct string_node *node;
	struct string_head *h;
	unsigned hash;

	len = len ? strnlen(data, len) : 0;
	if (len == 0)
		return strings_none;
	hash = (unsigned)util_hash(data, len);
	HASH_FIND_BYHASHVALUE(hh, s->index, data, len, hash, node);
	if (node) {
		h = (struct string_head *)(void *)(node + 1);
		h->refs++;
		return h->data;
	}
	node = malloc(sizeof(*node) + sizeof(*h) + len + 1);
	if (!node)
		return strings_none;
	h = (struct string_head *)(void *)(node + 1);
	fill(h, data, len, true);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, s->index, h->data, len, hash, node);
	if (!node->hh.tbl) {
		free(node);
		return strings_none;
	}
	s->bytes += size_of(h);
	return h->data;
}

const char *strings_new(struct strings *s, const char *data, size_t len)
{
	struct string_head *h;

	if (len == 0)
		return strings_none;
	h = malloc(sizeof(*h) + len + 1);
	if (!h)
		return strings_none;
	fill(h, data, len, false);
	s->bytes += size_of(h);
	return h->data;
}

const char *strings_ref(const char *str)
{
	if (str != strings_none)
		head_of(str)->refs++;
	return str;
}

void strings_drop(struct strings *s, const char *str)
{
	struct string_head *h;
	struct string_node *node;

	if (str == strings_none)
		return;
	h = head_of(str);
	if (--h->refs)
		return;
	s->bytes -= size_of(h);
	if (!h->interned) {
		free(h);
		return;
	}
	node = node_of(h);
	HASH_DEL(s->index, node);
	free(node);
}
