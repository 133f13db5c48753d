/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

/* A key on its way: laid out as in struct count. */
struct scratch {
	struct count_key key;
	char name[EDR_PATH_MAX];
};
_Static_assert(offsetof(struct count, name) ==
		       offsetof(struct count, key) + sizeof(struct count_key),
	       "the name must follow its key: they are hashed as one");

static struct count *find(struct counts *cs, const struct scratch *s, size_t name_len,
			  unsigned *hash)
{
	const size_t len = sizeof(s->key) + name_len;
	struct count *c;

	*hash = (unsigned)util_hash(s, len);
	HASH_FIND_BYHASHVALUE(hh, cs->index, s, len, *hash, c);
	return c;
}

static struct count *insert(struct counts *cs, struct owner *o, const struct scratch *s,
			    size_t name_len, unsigned hash)
{
	const size_t len = sizeof(s->key) + name_len;
	const size_t bytes = sizeof(struct count) + name_len + TABLE_SLOT_BYTES;
	struct count *c;

	if (o->n[s->key.kind] >= COUNT_MAX_EACH || cs->rows >= cs->max_rows ||
	    cs->bytes + bytes > cs->max_bytes)
		return NULL;
	c = malloc(sizeof(*c) + name_len);
	if (!c)
		return NULL;
	c->key = s->key;
	memcpy(c->name, s->name, name_len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, cs->index, &c->key, len, hash, c);
	if (!c->hh.tbl) {
		free(c);
		return NULL;
	}
	c->n = 0;
	c->next = o->counts;
	o->counts = c;
	o->n[s->key.kind]++;
	cs->rows++;
	cs->bytes += bytes;
	return c;
}

void counts_add(struct cell *cell, struct owner *o, enum count_kind kind, edr_s64 number,
		struct wire_span name, edr_u64 n)
{
	struct scratch s;
	struct count *c;
	unsigned hash;

	s.key = (struct count_key){ .owner = o, .number = number, .kind = kind };
	if (name.len > sizeof(s.name))
		name.len = sizeof(s.name);
	if (name.len)
		memcpy(s.name, name.data, name.len);
	c = find(&cell->counts, &s, name.len, &hash);
	if (!c)
		c = insert(&cell->counts, o, &s, name.len, hash);
	if (c)
		c->n += n;
}

void counts_drop(struct cell *cell, struct owner *o)
{
	struct counts *cs = &cell->counts;
	struct count *c;

	while ((c = o->counts)) {
		o->counts = c->next;
		cs->rows--;
		cs->bytes -= sizeof(*c) + (c->hh.keylen - sizeof(c->key)) + TABLE_SLOT_BYTES;
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in there */
		HASH_DEL(cs->index, c);
		free(c);
	}
}
