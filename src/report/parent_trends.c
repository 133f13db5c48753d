/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/parent_private.h"
#include "util/htable.h"

/* By a letter for what it is, and the name. */
struct trend {
	UT_hash_handle hh;
	edr_u64 runs[PARENT_TREND_PARTS];
	size_t len;
	bool kept;
	char key[];
};

#define KEY_MAX (EDR_PATH_MAX + 1)
#define HOUR_NS 3600000000000LL

static const edr_s64 part_ns[N_LEVELS] = {
	[LEVEL_BLOCK] = HOUR_NS,
	[LEVEL_DAILY] = 4 * HOUR_NS,
	[LEVEL_WEEKLY] = 24 * HOUR_NS,
	[LEVEL_MONTHLY] = 168 * HOUR_NS,
};

static size_t make_key(char key[KEY_MAX], bool process, struct wire_span name)
{
	const size_t len = name.len < EDR_PATH_MAX ? name.len : EDR_PATH_MAX;

	key[0] = process ? 'p' : 'c';
	if (len)
		memcpy(key + 1, name.data, len);
	return len + 1;
}

static struct trend *find(const struct parent *p, const char *key, size_t len)
{
	struct trend *t;

	HASH_FIND(hh, p->trends, key, len, t);
	return t;
}

static int count(struct parent *p, bool process, struct wire_span name, size_t part, edr_u64 runs)
{
	char key[KEY_MAX];
	const size_t len = make_key(key, process, name);
	struct trend *t = find(p, key, len);

	if (!t) {
		t = calloc(1, sizeof(*t) + len);
		if (!t)
			return -ENOMEM;
		memcpy(t->key, key, len);
		t->len = len;
		HASH_ADD_KEYPTR(hh, p->trends, t->key, len, t);
		if (!t->hh.tbl) {
			free(t);
			return -ENOMEM;
		}
		p->trend_bytes += sizeof(*t) + len;
	}
	t->runs[part] += runs;
	return 0;
}

static void keep(const struct parent *p, bool process, struct wire_span name)
{
	char key[KEY_MAX];
	struct trend *t = find(p, key, make_key(key, process, name));

	if (t)
		t->kept = true;
}

/*
 * A sum has so many rows and no more, but a block has up to 240 cells, each with names of its own.
 * What has no row is not printed; if it comes again, its row begins anew too.
 */
static int forget(struct parent *p)
{
	struct trend *t, *next;
	struct cell_view v;
	int err = cell_view_open(&v, p->sum);

	if (err)
		return err;
	for (size_t i = 0; i < v.n_commands; i++)
		keep(p, false, v.commands[i].name);
	for (size_t i = 0; i < v.n_exes; i++)
		keep(p, true, v.exes[i].name);
	cell_view_close(&v);
	for (t = p->trends; t; t = next) {
		next = t->hh.next;
		if (!t->kept) {
			/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the next one is the head then */
			HASH_DEL(p->trends, t);
			p->trend_bytes -= sizeof(*t) + t->len;
			free(t);
			continue;
		}
		t->kept = false;
	}
	p->trend_most = 2 * p->trend_bytes;
	return 0;
}

size_t parent_trend_parts(const struct parent *p)
{
	const edr_u64 n =
		(edr_u64)(p->window.end_ns - p->window.start_ns) / (edr_u64)part_ns[p->level];

	return n < PARENT_TREND_PARTS ? (size_t)n : PARENT_TREND_PARTS;
}

int parent_trends_add(struct parent *p, const struct cell_view *v, edr_s64 start_ns)
{
	const size_t part = (size_t)((start_ns - p->window.start_ns) / part_ns[p->level]);
	int err = 0;
	size_t i;

	if (part >= parent_trend_parts(p))
		return 0;
	for (i = 0; i < v->n_commands && !err; i++)
		err = count(p, false, v->commands[i].name, part, v->commands[i].count);
	for (i = 0; i < v->n_exes && !err; i++)
		if (v->exes[i].counts.runs)
			err = count(p, true, v->exes[i].name, part, v->exes[i].counts.runs);
	if (!err && p->trend_bytes > PARENT_TREND_BYTES && p->trend_bytes > p->trend_most)
		err = forget(p);
	return err;
}

const edr_u64 *parent_trend(const struct parent *p, bool process, struct wire_span name)
{
	char key[KEY_MAX];
	const struct trend *t = find(p, key, make_key(key, process, name));

	return t ? t->runs : NULL;
}

void parent_trends_free(struct parent *p)
{
	struct trend *t = p->trends, *next;

	HASH_CLEAR(hh, p->trends);
	for (; t; t = next) {
		next = t->hh.next;
		free(t);
	}
}
