/* SPDX-License-Identifier: MIT */
/* How a table keeps its bounds is told in cell/view.h, for whoever reads its numbers. */
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "cell/cell_private.h"

#define MAX_TURNS 16	/* newcomers passed over for one that gives way */
#define MIN_BYTES 40960 /* a quarter of it holds the longest key */

void table_init(struct table *t, size_t row_size, size_t max_rows, size_t max_bytes,
		void (*gone)(struct cell *, struct row *))
{
	memset(t, 0, sizeof(*t));
	t->row_size = row_size;
	t->max_rows = max_rows < 4 ? 4 : max_rows;
	t->max_bytes = max_bytes < MIN_BYTES ? MIN_BYTES : max_bytes;
	t->gone = gone;
}

static size_t row_bytes(const struct table *t, size_t key_len)
{
	return t->row_size + key_len + TABLE_SLOT_BYTES;
}

static void unlink_row(struct table *t, struct row *r)
{
	const size_t bytes = row_bytes(t, r->key_len);

	HASH_DEL(t->index, r);
	if (r->newcomer) {
		DL_DELETE(t->newcomers, r);
		t->fresh--;
		t->fresh_bytes -= bytes;
	} else {
		t->kept--;
		t->kept_bytes -= bytes;
	}
}

/* What gives way in an open cell may come back and do so again, each time with another count. */
void table_to_other(struct table *t, edr_u64 events, edr_u64 most)
{
	t->other.rows++;
	t->other.events += events;
	if (!t->merges)
		t->other.at_most = t->other.events;
	else if (most > t->other.at_most)
		t->other.at_most = most;
}

void table_drop(struct table *t, struct cell *cell, struct row *row)
{
	table_to_other(t, row->events, row->events + row->short_by);
	if (t->gone)
		t->gone(cell, row);
	unlink_row(t, row);
	free(row);
}

/* One newcomer gives way. */
static void make_room(struct table *t, struct cell *cell)
{
	struct row *r = t->newcomers;
	int turns;

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): a freed row is in no list */
	for (turns = 0; r->again && turns < MAX_TURNS; turns++) {
		r->again = false;
		DL_DELETE(t->newcomers, r);
		DL_APPEND(t->newcomers, r);
		r = t->newcomers;
	}
	table_drop(t, cell, r);
}

/* Whether a new row may stay for good; if not, room for it among the newcomers, or false. */
static bool place(struct table *t, struct cell *cell, size_t bytes, bool *newcomer)
{
	const size_t rows = t->max_rows / 4, room = t->max_bytes / 4;

	*newcomer = t->kept >= t->max_rows - rows || t->kept_bytes + bytes > t->max_bytes - room;
	if (!*newcomer)
		return true;
	if (bytes > room)
		return false;
	while (t->fresh >= rows || t->fresh_bytes + bytes > room)
		make_room(t, cell);
	return true;
}

static struct row *insert(struct table *t, struct cell *cell, const void *key, size_t len,
			  unsigned hash)
{
	const size_t bytes = row_bytes(t, len);
	bool newcomer;
	struct row *r;

	if (!place(t, cell, bytes, &newcomer))
		return NULL;
	r = calloc(1, t->row_size + len);
	if (!r)
		return NULL;
	r->key_len = (edr_u32)len;
	r->newcomer = newcomer;
	r->short_by = t->other.at_most;
	memcpy((char *)r + t->row_size, key, len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, t->index, (char *)r + t->row_size, len, hash, r);
	if (!r->hh.tbl) {
		free(r);
		return NULL;
	}
	if (newcomer) {
		DL_APPEND(t->newcomers, r);
		t->fresh++;
		t->fresh_bytes += bytes;
	} else {
		t->kept++;
		t->kept_bytes += bytes;
	}
	return r;
}

struct row *table_count(struct table *t, struct cell *cell, const void *key, size_t len, edr_u64 n)
{
	const unsigned hash = (unsigned)util_hash(key, len);
	struct row *r;

	HASH_FIND_BYHASHVALUE(hh, t->index, key, len, hash, r);
	if (r) {
		r->again = true;
		r->events += n;
		return r;
	}
	r = insert(t, cell, key, len, hash);
	if (r) {
		r->events = n;
		return r;
	}
	table_to_other(t, n, n);
	return NULL;
}

struct row *table_find(const struct table *t, const void *key, size_t len)
{
	struct row *r;

	HASH_FIND(hh, t->index, key, len, r);
	return r;
}

void table_free(struct table *t)
{
	struct row *r = t->index, *next;

	HASH_CLEAR(hh, t->index); /* the rows keep their order */
	for (; r; r = next) {
		next = r->hh.next;
		free(r);
	}
}

size_t table_bytes(const struct table *t)
{
	return t->kept_bytes + t->fresh_bytes;
}
