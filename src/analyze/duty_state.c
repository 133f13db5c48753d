/* SPDX-License-Identifier: MIT */
/* analysis/queue.json: what must outlive the process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/duty_private.h"
#include "report/files.h"
#include "report/json.h"
#include "report/read.h"

#define VERSION 1
#define MAX_BYTES (8u << 20)
#define S_MAX 253402300799LL /* the year 9999 */

/* ---- entries ---- */

struct duty_entry *duty_state_find(struct duty_state *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entry[i].id, id) == 0)
			return &s->entry[i];
	return NULL;
}

void duty_state_remove(struct duty_state *s, struct duty_entry *e)
{
	const size_t behind = s->n - (size_t)(e - s->entry) - 1;

	memmove(e, e + 1, behind * sizeof(*e));
	s->n--;
	s->dirty = true;
}

/* Less worth keeping: less severe, of a lower level, waiting longer. */
static bool is_less(const struct duty_entry *a, const struct duty_entry *b)
{
	if (a->severity != b->severity)
		return a->severity < b->severity;
	return a->level != b->level ? a->level < b->level : a->since_ns < b->since_ns;
}

static struct duty_entry *find_least(struct duty_state *s)
{
	struct duty_entry *least = s->entry;

	for (size_t i = 1; i < s->n; i++)
		if (is_less(&s->entry[i], least))
			least = &s->entry[i];
	return least;
}

size_t duty_state_bound(struct duty_state *s, size_t max)
{
	size_t gone = 0;

	s->max = max;
	for (; max && s->n > max; gone++)
		duty_state_remove(s, find_least(s));
	return gone;
}

static bool make_room(struct duty_state *s, const struct duty_entry *e)
{
	struct duty_entry *least = find_least(s);

	if (is_less(e, least))
		return false;
	duty_state_remove(s, least);
	return true;
}

struct duty_entry *duty_state_add(struct duty_state *s, const struct duty_entry *e,
				  unsigned long long *given_up)
{
	if (s->n == (s->max ? s->max : DUTY_QUEUE_MAX)) {
		++*given_up;
		if (!make_room(s, e))
			return NULL;
	}
	if (s->n == s->cap) {
		const size_t cap = s->cap ? 2 * s->cap : 16;
		void *grown = realloc(s->entry, cap * sizeof(*s->entry));

		if (!grown)
			return NULL;
		s->entry = grown;
		s->cap = cap;
	}
	s->entry[s->n] = *e;
	s->dirty = true;
	return &s->entry[s->n++];
}

void duty_state_free(struct duty_state *s)
{
	free(s->entry);
	memset(s, 0, sizeof(*s));
}

/* ---- to disk ---- */

static json_object *entry_row(struct rj *j, const void *ctx, size_t i)
{
	const struct duty_entry *e = &((const struct duty_state *)ctx)->entry[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "id", e->id);
	rj_put_text(j, row, "digest", e->digest);
	rj_put_u64(j, row, "severity", e->severity);
	rj_put_u64(j, row, "tries", e->tries);
	rj_put_u64(j, row, "faults", e->faults);
	rj_put_u64(j, row, "max_lines", e->max_lines);
	rj_put_text(j, row, "form", prompt_form_names[e->form]);
	rj_put_s64(j, row, "since", e->since_ns / NS_PER_S);
	rj_put_s64(j, row, "not_before", e->not_before_ns / NS_PER_S);
	if (e->direct)
		rj_put_bool(j, row, "direct", true);
	return row;
}

static json_object *form_row(struct rj *j, const void *ctx, size_t i)
{
	const struct duty_form *f = &((const struct duty_state *)ctx)->form[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "server", f->server);
	rj_put_text(j, row, "form", prompt_form_names[f->form]);
	rj_put_s64(j, row, "since", f->since_ns / NS_PER_S);
	if (f->completion_tokens)
		rj_put_bool(j, row, "max_completion_tokens", true);
	if (f->no_temperature)
		rj_put_bool(j, row, "no_temperature", true);
	return row;
}

static json_object *found_row(struct rj *j, const void *ctx, size_t i)
{
	const struct duty_found *f = &((const struct duty_level *)ctx)->found[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "id", f->id);
	rj_put_s64(j, row, "day", f->day);
	return row;
}

static json_object *level_row(struct rj *j, const void *ctx, size_t i)
{
	const struct duty_level *l = &((const struct duty_state *)ctx)->level[i];
	json_object *row = json_object_new_object();

	rj_put_text(j, row, "digest", l->digest);
	rj_put_text(j, row, "seen", l->seen);
	rj_put_rows(j, row, "found",
		    &(struct rj_rows){ .n = l->n_found, .ctx = l, .value = found_row });
	return row;
}

static void level_key(struct buf *out, const void *ctx, size_t i)
{
	(void)ctx;
	buf_addf(out, "\"%s\"", report_levels[i].name);
}

static int print(const struct duty_state *s, struct buf *out)
{
	json_object *root = json_object_new_object(), *o;
	struct rj j = { 0 };
	int err;

	rj_put_u64(&j, root, "version", VERSION);
	rj_put_rows(&j, root, "waiting",
		    &(struct rj_rows){ .n = s->n, .ctx = s, .value = entry_row });
	o = rj_put_object(&j, root, "day");
	rj_put_s64(&j, o, "day", s->day);
	rj_put_u64(&j, o, "requests", s->requests);
	rj_put_u64(&j, o, "tokens", s->tokens);
	rj_put_u64(&j, o, "micro_usd", s->micro_usd);
	o = rj_put_object(&j, root, "breaker");
	rj_put_u64(&j, o, "failures", s->failures);
	rj_put_s64(&j, o, "open_until", s->open_until_ns / NS_PER_S);
	rj_put_rows(&j, root, "forms",
		    &(struct rj_rows){ .n = s->n_forms, .ctx = s, .value = form_row });
	duty_batch_print(s, &j, root);
	rj_put_rows(
		&j, root, "last",
		&(struct rj_rows){ .n = N_LEVELS, .ctx = s, .value = level_row, .key = level_key });
	err = rj_print(&j, root, out);
	rj_free(&j);
	return err;
}

int duty_state_save(struct duty_state *s, struct report_store *store)
{
	struct buf text = { 0 };
	int err;

	if (!s->dirty)
		return 0;
	err = print(s, &text);
	if (!err)
		err = report_file_replace(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE,
					  (struct wire_span){ text.data, text.len });
	buf_free(&text);
	if (!err)
		s->dirty = false;
	return err;
}

/* ---- from disk: whoever can write there may have ---- */

bool duty_take_text(struct wire_span o, const char *name, char *out, size_t size)
{
	struct buf text = { 0 };
	struct wire_span v;
	bool good = jr_member(o, name, &v) && jr_string(v, &text) && !text.failed &&
		    text.len < size && (!text.len || !memchr(text.data, '\0', text.len));

	if (good)
		snprintf(out, size, "%s", text.len ? text.data : "");
	buf_free(&text);
	return good;
}

bool duty_take_u64(struct wire_span o, const char *name, edr_u64 max, edr_u64 *out)
{
	struct wire_span v;

	return jr_member(o, name, &v) && jr_u64(v, out) && *out <= max;
}

bool duty_take_unsigned(struct wire_span o, const char *name, unsigned max, unsigned *out)
{
	edr_u64 n;

	if (!duty_take_u64(o, name, max, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

bool duty_take_time(struct wire_span o, const char *name, edr_s64 *ns)
{
	edr_u64 s;

	if (!duty_take_u64(o, name, S_MAX, &s) || s > (edr_u64)(INT64_MAX / NS_PER_S))
		return false;
	*ns = (edr_s64)s * NS_PER_S;
	return true;
}

bool duty_take_form(struct wire_span row, enum prompt_form *form)
{
	char name[16];

	if (!duty_take_text(row, "form", name, sizeof(name)))
		return false;
	for (*form = 0; *form < PROMPT_FORMS; ++*form)
		if (strcmp(name, prompt_form_names[*form]) == 0)
			return true;
	return false;
}

/* Not in a file of an older program, nor where it is false. */
static bool take_true(struct wire_span row, const char *name)
{
	struct wire_span v;

	return jr_member(row, name, &v) && jr_is(v, "true");
}

static bool take_entry(struct duty_state *s, struct wire_span row)
{
	unsigned long long none = 0;
	struct duty_entry e = { .tries = 0 };
	edr_s64 start;

	if (!duty_take_text(row, "id", e.id, sizeof(e.id)) ||
	    !duty_take_text(row, "digest", e.digest, sizeof(e.digest)) ||
	    !duty_take_unsigned(row, "severity", 5, &e.severity) ||
	    !duty_take_unsigned(row, "tries", 1000000, &e.tries) ||
	    !duty_take_unsigned(row, "faults", 100, &e.faults) ||
	    !duty_take_unsigned(row, "max_lines", 1000000, &e.max_lines) ||
	    !duty_take_form(row, &e.form) || !duty_take_time(row, "since", &e.since_ns) ||
	    !duty_take_time(row, "not_before", &e.not_before_ns))
		return false;
	e.direct = take_true(row, "direct");
	e.level = report_level_of_id(e.id, &start);
	if (e.level == N_LEVELS || e.level == LEVEL_INTERIM || strchr(e.id, '/') ||
	    s->n == DUTY_QUEUE_MAX)
		return false;
	return duty_state_find(s, e.id) || duty_state_add(s, &e, &none);
}

static bool take_form(struct duty_state *s, struct wire_span row)
{
	struct duty_form *f = &s->form[s->n_forms];

	if (s->n_forms == DUTY_FORMS ||
	    !duty_take_text(row, "server", f->server, sizeof(f->server)) ||
	    !duty_take_form(row, &f->form) || !duty_take_time(row, "since", &f->since_ns))
		return false;
	f->completion_tokens = take_true(row, "max_completion_tokens");
	f->no_temperature = take_true(row, "no_temperature");
	s->n_forms++;
	return true;
}

bool duty_take_rows(void *ctx, struct wire_span o, const char *name,
		    bool (*take)(void *ctx, struct wire_span row))
{
	struct wire_span list, key, row;
	struct jr_iter it;
	int more;

	if (!jr_member(o, name, &list) || !jr_begin(&it, list, '['))
		return false;
	while ((more = jr_next(&it, &key, &row)) > 0)
		if (!take(ctx, row))
			return false;
	return more == 0;
}

static bool entry_of(void *ctx, struct wire_span row)
{
	return take_entry(ctx, row);
}

static bool form_of(void *ctx, struct wire_span row)
{
	return take_form(ctx, row);
}

static bool found_of(void *ctx, struct wire_span row)
{
	struct duty_level *l = ctx;
	struct duty_found *f = &l->found[l->n_found];
	edr_u64 day;

	if (l->n_found == DUTY_FOUND || !duty_take_text(row, "id", f->id, sizeof(f->id)) ||
	    !duty_take_u64(row, "day", S_MAX / 86400, &day))
		return false;
	f->day = (edr_s64)day;
	l->n_found++;
	return true;
}

static bool take_levels(struct duty_state *s, struct wire_span root)
{
	struct wire_span last, row;

	if (!jr_member(root, "last", &last))
		return false;
	for (size_t i = 0; i < N_LEVELS; i++) {
		struct duty_level *l = &s->level[i];

		if (!jr_member(last, report_levels[i].name, &row) ||
		    !duty_take_text(row, "digest", l->digest, sizeof(l->digest)) ||
		    !duty_take_text(row, "seen", l->seen, sizeof(l->seen)) ||
		    !duty_take_rows(l, row, "found", found_of))
			return false;
	}
	return true;
}

static bool take_state(struct duty_state *s, struct wire_span root)
{
	struct wire_span day, breaker;
	edr_u64 n;

	if (!duty_take_u64(root, "version", VERSION, &n) || n != VERSION ||
	    !jr_member(root, "day", &day) || !duty_take_u64(day, "day", S_MAX / 86400, &n) ||
	    !jr_member(root, "breaker", &breaker))
		return false;
	s->day = (edr_s64)n;
	return duty_take_u64(day, "requests", ~0ULL >> 1, &s->requests) &&
	       duty_take_u64(day, "tokens", ~0ULL >> 1, &s->tokens) &&
	       duty_take_u64(day, "micro_usd", ~0ULL >> 1, &s->micro_usd) &&
	       duty_take_unsigned(breaker, "failures", 1000000, &s->failures) &&
	       duty_take_time(breaker, "open_until", &s->open_until_ns) &&
	       duty_take_rows(s, root, "waiting", entry_of) &&
	       duty_take_rows(s, root, "forms", form_of) && duty_batch_take(s, root) &&
	       take_levels(s, root);
}

int duty_state_load(struct duty_state *s, struct report_store *store)
{
	struct buf text = { 0 };
	struct wire_span root;
	int err;

	memset(s, 0, sizeof(*s));
	err = report_file_read(store, REPORT_ANALYSIS_DIR, DUTY_QUEUE_FILE, MAX_BYTES, &text);
	if (!err && (!text.len || !jr_document(text.data, text.len, &root) || !take_state(s, root)))
		err = -EBADMSG;
	buf_free(&text);
	if (err)
		duty_state_free(s);
	s->dirty = false;
	return err == -ENOENT ? 0 : err;
}
