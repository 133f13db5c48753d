/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/parent_private.h"
#include "util/htable.h"

/* By a letter for what it is, and the name. */
struct trend {
	UT_hash_handle hh;
	edr_u64 runs[PARENT_TREND_DAYS];
	char key[];
};

#define KEY_MAX (EDR_PATH_MAX + 1)

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

static int count(struct parent *p, bool process, struct wire_span name, size_t day, edr_u64 runs)
{
	char key[KEY_MAX];
	const size_t len = make_key(key, process, name);
	struct trend *t = find(p, key, len);

	if (!t) {
		t = calloc(1, sizeof(*t) + len);
		if (!t)
			return -ENOMEM;
		memcpy(t->key, key, len);
		HASH_ADD_KEYPTR(hh, p->trends, t->key, len, t);
		if (!t->hh.tbl) {
			free(t);
			return -ENOMEM;
		}
	}
	t->runs[day] += runs;
	return 0;
}

int parent_trends_add(struct parent *p, const struct cell_view *v, edr_s64 start_ns)
{
	const size_t day = (size_t)(report_day(start_ns) - report_day(p->window.start_ns));
	int err = 0;
	size_t i;

	if (day >= PARENT_TREND_DAYS)
		return 0;
	for (i = 0; i < v->n_commands && !err; i++)
		err = count(p, false, v->commands[i].name, day, v->commands[i].count);
	for (i = 0; i < v->n_exes && !err; i++)
		if (v->exes[i].counts.runs)
			err = count(p, true, v->exes[i].name, day, v->exes[i].counts.runs);
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
