/* SPDX-License-Identifier: MIT */
/* chain.json and removed.jsonl as text, and back. */
#include "report/heads_private.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#define DEPTH 8

/* ---- to text ---- */

static void add_string(struct buf *out, const char *s)
{
	if (s[0])
		text_json(out, s, strlen(s));
	else
		buf_adds(out, "null");
}

static void add_level(struct buf *out, const struct heads_file *f, enum report_level level)
{
	const struct head *h = &f->head[level], *p = &f->pending[level];

	buf_addf(out, "    \"%s\": { \"number\": %llu, \"id\": ", report_levels[level].name,
		 h->number);
	add_string(out, h->id);
	buf_adds(out, ", \"sha256\": ");
	add_string(out, h->sha256);
	buf_addf(out,
		 ", \"keyed_from\": %llu, \"restarted_at\": %llu, \"pending\": ", h->keyed_from,
		 h->restarted_at);
	if (p->number) {
		buf_addf(out, "{ \"number\": %llu, \"id\": ", p->number);
		add_string(out, p->id);
		buf_adds(out, ", \"sha256\": ");
		add_string(out, p->sha256);
		buf_adds(out, " }");
	} else {
		buf_adds(out, "null");
	}
	buf_adds(out, level + 1 < N_LEVELS ? " },\n" : " }\n");
}

static void add_owed(struct buf *out, const struct heads_file *f)
{
	if (f->owed_first_ns <= f->owed_last_ns)
		buf_addf(out, "{ \"first_ns\": %lld, \"last_ns\": %lld }",
			 (long long)f->owed_first_ns, (long long)f->owed_last_ns);
	else
		buf_adds(out, "null");
}

int heads_text(const struct heads_file *f, const char *removed_next, const struct chain_key *key,
	       struct buf *out)
{
	struct chain_link link = { .number = f->serial };

	buf_adds(out, "{\n  \"version\": 1,\n  \"levels\": {\n");
	for (enum report_level i = 0; i < N_LEVELS; i++)
		add_level(out, f, i);
	buf_adds(out, "  },\n  \"removed_sha256\": ");
	add_string(out, f->removed_sha256);
	buf_adds(out, ",\n  \"removed_next_sha256\": ");
	add_string(out, removed_next);
	buf_adds(out, ",\n  \"owed\": ");
	add_owed(out, f);
	buf_adds(out, "\n}\n");
	return buf_failed(out) ? -ENOMEM : chain_seal(out, &link, key);
}

int heads_removed_text(const struct heads_file *f, struct buf *out)
{
	for (size_t i = 0; i < f->n_removed; i++) {
		const struct removed *r = &f->removed[i];

		buf_addf(out, "{ \"level\": \"%s\", \"first_number\": %llu, \"last_number\": %llu",
			 report_levels[r->level].name, r->first, r->last);
		buf_adds(out, ", \"first_id\": ");
		add_string(out, r->first_id);
		buf_adds(out, ", \"last_id\": ");
		add_string(out, r->last_id);
		buf_adds(out, ", \"previous_sha256\": ");
		add_string(out, r->previous_sha256);
		buf_adds(out, ", \"last_sha256\": ");
		add_string(out, r->last_sha256);
		buf_adds(out, ", \"why\": ");
		add_string(out, r->why);
		buf_adds(out, " }\n");
	}
	return buf_failed(out) ? -ENOMEM : 0;
}

/* ---- from text ---- */

static json_object *parse(const char *text, size_t len)
{
	struct json_tokener *t = json_tokener_new_ex(DEPTH);
	json_object *root = NULL;

	if (!t)
		return NULL;
	if (len < (1u << 30))
		root = json_tokener_parse_ex(t, text, (int)len);
	json_tokener_free(t);
	return root;
}

static bool get_number(json_object *o, const char *key, unsigned long long *out)
{
	json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int))
		return false;
	*out = json_object_get_uint64(v);
	return true;
}

/* null gives "". */
static bool get_string(json_object *o, const char *key, char *out, size_t size)
{
	json_object *v;
	size_t len;

	if (!json_object_object_get_ex(o, key, &v))
		return false;
	out[0] = '\0';
	if (!v)
		return true;
	len = (size_t)json_object_get_string_len(v);
	if (!json_object_is_type(v, json_type_string) || len >= size)
		return false;
	memcpy(out, json_object_get_string(v), len);
	out[len] = '\0';
	return strlen(out) == len;
}

static bool get_head(json_object *o, struct head *h)
{
	return get_number(o, "number", &h->number) && get_string(o, "id", h->id, sizeof(h->id)) &&
	       get_string(o, "sha256", h->sha256, sizeof(h->sha256));
}

static bool get_level(json_object *levels, enum report_level i, struct heads_file *f)
{
	json_object *o, *pending;

	if (!json_object_object_get_ex(levels, report_levels[i].name, &o) ||
	    !json_object_object_get_ex(o, "pending", &pending))
		return false;
	return get_head(o, &f->head[i]) && get_number(o, "keyed_from", &f->head[i].keyed_from) &&
	       get_number(o, "restarted_at", &f->head[i].restarted_at) &&
	       (!pending || get_head(pending, &f->pending[i]));
}

/* One of a program that did not know the member owes nothing. */
static bool get_owed(json_object *root, struct heads_file *f)
{
	json_object *o, *first, *last;

	if (!json_object_object_get_ex(root, "owed", &o) || !o)
		return true;
	if (!json_object_object_get_ex(o, "first_ns", &first) ||
	    !json_object_object_get_ex(o, "last_ns", &last) ||
	    !json_object_is_type(first, json_type_int) || !json_object_is_type(last, json_type_int))
		return false;
	f->owed_first_ns = json_object_get_int64(first);
	f->owed_last_ns = json_object_get_int64(last);
	return true;
}

bool heads_parse(const struct buf *text, struct heads_file *f, char next[CHAIN_HEX])
{
	json_object *root = parse(text->data, text->len), *levels;
	bool good;

	good = root && json_object_object_get_ex(root, "levels", &levels) &&
	       json_object_is_type(levels, json_type_object) &&
	       get_string(root, "removed_sha256", f->removed_sha256, CHAIN_HEX) &&
	       get_string(root, "removed_next_sha256", next, CHAIN_HEX) && get_owed(root, f);
	for (enum report_level i = 0; good && i < N_LEVELS; i++)
		good = get_level(levels, i, f);
	json_object_put(root);
	return good;
}

static bool parse_removed(const char *line, size_t len, struct removed *r)
{
	json_object *o = parse(line, len);
	char level[16] = "";
	bool good;

	memset(r, 0, sizeof(*r));
	good = o && get_string(o, "level", level, sizeof(level)) &&
	       get_number(o, "first_number", &r->first) && get_number(o, "last_number", &r->last) &&
	       r->first && r->first <= r->last &&
	       get_string(o, "first_id", r->first_id, CHAIN_ID_MAX) &&
	       get_string(o, "last_id", r->last_id, CHAIN_ID_MAX) &&
	       get_string(o, "previous_sha256", r->previous_sha256, CHAIN_HEX) &&
	       get_string(o, "last_sha256", r->last_sha256, CHAIN_HEX) &&
	       get_string(o, "why", r->why, sizeof(r->why));
	r->level = report_level_by_name(level);
	json_object_put(o);
	return good && r->level < N_LEVELS;
}

int heads_add_removed(struct heads_file *f, const struct removed *r)
{
	struct removed *grown = realloc(f->removed, (f->n_removed + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	f->removed = grown;
	f->removed[f->n_removed++] = *r;
	return 0;
}

int heads_parse_removed(const struct buf *text, struct heads_file *f, bool *good)
{
	const char *at = text->data, *end = at + text->len, *newline;
	struct removed r;
	int err = 0;

	for (; !err && at < end; at = newline + 1) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (!newline)
			newline = end;
		if (parse_removed(at, (size_t)(newline - at), &r))
			err = heads_add_removed(f, &r);
		else
			*good = false;
	}
	return err;
}
