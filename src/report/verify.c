/* SPDX-License-Identifier: MIT */
#include "report/verify_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 512 /* the level and the id are within these */

/* What the chain needs of a report once its text is gone. */
struct entry {
	const char *id;
	struct chain_link link;
	bool changed; /* said already */
};

struct walk {
	struct verify *v;
	enum report_level level;
	struct entry *entry; /* by number */
	size_t n;
	unsigned long long next; /* the number that is expected */
	bool known;		 /* the digest before it is */
	char sha256[CHAIN_HEX];
	struct entry *before;		  /* whose digest that is, NULL when it was removed */
	size_t newer;			  /* of a later schema_version */
	unsigned long long newer_version; /* the latest */
	const char *newer_id;
};

void verify_say(struct verify *v, const char *kind, enum report_level level, const char *id,
		const char *fmt, ...)
{
	const bool note = strcmp(kind, "note") == 0;
	struct verify_finding f = { .kind = kind, .level = level, .id = id };
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	f.text = text;
	if (note)
		v->totals->notes++;
	else
		v->totals->problems++;
	if (v->cfg->on_finding)
		v->cfg->on_finding(v->cfg->ctx, &f);
}

/* ---- where the chains end ---- */

#define READ_TRIES 3

/* An agent may write the one file between our looks at the two. */
static int read_heads(const struct verify *v, struct heads_file *out)
{
	int err = heads_read(out, v->store, v->cfg->key);

	for (int i = 1; i < READ_TRIES && !err && out->there && !out->damaged && !out->removed_ok;
	     i++) {
		heads_file_free(out);
		err = heads_read(out, v->store, v->cfg->key);
	}
	return err;
}

int verify_read_again(struct verify *v)
{
	struct heads_file now;
	int err = read_heads(v, &now);

	if (err || !now.there || now.damaged || !now.removed_ok || now.serial == v->now.serial) {
		heads_file_free(&now);
		return err;
	}
	heads_file_free(&v->now);
	v->now = now;
	v->changed = true;
	return 1;
}

/* ---- one report ---- */

/* A member among the first ones, which come before any string from elsewhere. */
static bool head_says(const struct buf *text, const char *key, const char *value)
{
	char want[CHAIN_ID_MAX + 64];
	int n = snprintf(want, sizeof(want), "\n  \"%s\": \"%s\",", key, value);
	size_t len = text->len < HEAD_BYTES ? text->len : HEAD_BYTES;

	return memmem(text->data, len, want, (size_t)n) != NULL;
}

static void check_name(struct walk *w, const struct buf *text, const char *id)
{
	if (!head_says(text, "report_id", id))
		verify_say(w->v, "reordered", w->level, id,
			   "the report in this file says that it is another one");
	else if (!head_says(text, "level", report_levels[w->level].name))
		verify_say(w->v, "reordered", w->level, id, "it belongs to another level");
}

static int check_text(struct walk *w, const struct buf *text, struct entry *e)
{
	enum heads_doubt doubt;
	int err = heads_check_text(&w->v->heads, w->v->cfg->key, w->level, text, &e->link, &doubt);

	if (err && err != -EBADMSG)
		return err;
	if (doubt == HEADS_NO_PLACE)
		verify_say(w->v, "changed", w->level, e->id,
			   "it has no place in the chain: it is damaged, or none of ours");
	else if (doubt == HEADS_CHANGED)
		verify_say(w->v, "changed", w->level, e->id,
			   "its bytes do not have the digest that it carries");
	else if (doubt == HEADS_UNSIGNED)
		verify_say(w->v, "forged", w->level, e->id, "%s",
			   e->link.hmac_sha256[0] ? "it is signed with another key"
						  : "it is not signed");
	e->changed = doubt != HEADS_NO_DOUBT;
	w->n += doubt != HEADS_NO_PLACE;
	return 0;
}

/* Said once a level: after a step back to an older program it may be true of thousands. */
static void note_newer(struct walk *w, const struct buf *text, const char *id)
{
	const unsigned long long version = report_schema_version(text);

	if (version <= REPORT_SCHEMA_VERSION)
		return;
	if (!w->newer++)
		w->newer_id = id;
	if (version > w->newer_version)
		w->newer_version = version;
}

static void say_newer(const struct walk *w)
{
	if (w->newer)
		verify_say(w->v, "newer", w->level, w->newer_id,
			   "reports in %s have schema_version %llu (%zu of them, this one first), "
			   "and this program reads %d: nothing but their chain is checked here, so "
			   "verify with the program that wrote them",
			   report_levels[w->level].dir, w->newer_version, w->newer,
			   REPORT_SCHEMA_VERSION);
}

/* Packing that was cut short leaves both forms, with the same content. */
static int check_packed(struct walk *w, const struct buf *text, const char *id)
{
	struct buf packed = { 0 };
	int err = report_read_packed(w->v->store, report_levels[w->level].dir, id, &packed);

	if (err != -ENOMEM && err != -ENOENT &&
	    (err || packed.len != text->len || memcmp(packed.data, text->data, text->len) != 0))
		verify_say(w->v, "forged", w->level, id, "its packed form has other content");
	buf_free(&packed);
	return err == -ENOMEM ? err : 0;
}

static void say_unreadable(struct walk *w, const char *id, int err)
{
	if (err == -ENOENT)
		return; /* gone since it was listed: its number in the chain tells whether we did it */
	if (err == -EFBIG)
		verify_say(w->v, "unreadable", w->level, id,
			   "it is larger than the %zu MiB that a report of its level may have",
			   report_levels[w->level].max_bytes >> 20);
	else
		verify_say(w->v, "unreadable", w->level, id, "it cannot be read: %s",
			   strerror(-err));
}

static int check_report(struct walk *w, const struct report_file *file)
{
	const char *id = file->id;
	struct entry *e = &w->entry[w->n];
	struct buf text = { 0 };
	int err = report_read(w->v->store, report_levels[w->level].dir, id, &text);

	*e = (struct entry){ .id = id };
	if (err) {
		buf_free(&text);
		if (err == -ENOMEM)
			return err;
		say_unreadable(w, id, err);
		return 0;
	}
	w->v->totals->reports[w->level]++;
	check_name(w, &text, id);
	note_newer(w, &text, id);
	err = check_text(w, &text, e);
	if (!err && file->both)
		err = check_packed(w, &text, id);
	buf_free(&text);
	return err;
}

/* ---- the chain ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->link.number < y->link.number ? -1 : x->link.number > y->link.number;
}

/* The digest that the report of that number must have, by who comes behind it; NULL: not known. */
static const char *wanted(const struct walk *w, size_t behind, unsigned long long number)
{
	const struct head *head = &w->v->heads.head[w->level];

	if (behind < w->n && w->entry[behind].link.number == number + 1)
		return w->entry[behind].link.previous_sha256;
	return head->number == number ? head->sha256 : NULL;
}

/* Several claim one number: the one that the next report tells of stays. */
static void drop_doubles(struct walk *w)
{
	size_t kept = 0, i, end;

	for (i = 0; i < w->n; i = end) {
		const unsigned long long number = w->entry[i].link.number;
		const char *want;
		size_t good = i;

		for (end = i + 1; end < w->n && w->entry[end].link.number == number; end++)
			;
		want = wanted(w, end, number);
		for (size_t at = i; want && at < end; at++)
			if (chain_same(w->entry[at].link.sha256, want))
				good = at;
		for (size_t at = i; at < end; at++)
			if (at != good)
				verify_say(w->v, "forged", w->level, w->entry[at].id,
					   "it claims the place of %s", w->entry[good].id);
		w->entry[kept++] = w->entry[good];
	}
	w->n = kept;
}

static void say_gap(struct walk *w, unsigned long long first, unsigned long long last,
		    const char *last_id)
{
	if (first == last)
		verify_say(w->v, "removed", w->level, last_id, "number %llu of the chain is gone",
			   first);
	else
		verify_say(w->v, "removed", w->level, last_id,
			   "numbers %llu to %llu of the chain are gone; this was the last of them",
			   first, last);
}

/*
 * Removed by us, up to `number` at most: a retention that was killed leaves the end of what it had
 * noted.
 */
static void pass_removed(struct walk *w, const struct removed *r, unsigned long long number)
{
	const unsigned long long last = r->last < number ? r->last : number - 1;

	if (w->before && r->first < w->next && !w->v->changed)
		verify_say(w->v, "forged", w->level, w->before->id,
			   "it lies among reports that were removed");
	else if (r->first < w->next)
		; /* they went while we looked, the first of them after we had read it */
	else if (w->before && w->known && r->previous_sha256[0] &&
		 strcmp(r->previous_sha256, w->sha256) != 0)
		verify_say(w->v, "forged", w->level, w->before->id,
			   "its digest is not the one that the next report named");
	else if (!w->before && w->known && r->first == w->next && r->previous_sha256[0] &&
		 strcmp(r->previous_sha256, w->sha256) != 0)
		verify_say(w->v, "forged", w->level, r->first_id,
			   "it was removed, and what was removed before it is not what it named");
	w->v->totals->removed += last - w->next + 1;
	w->next = last + 1;
	w->known = last == r->last;
	memcpy(w->sha256, r->last_sha256, CHAIN_HEX);
	w->before = NULL;
}

/* The first number behind `from` that was removed by us; none: `end`. */
static unsigned long long next_removed(const struct walk *w, unsigned long long from,
				       unsigned long long end)
{
	const struct heads_file *f = &w->v->now;

	for (size_t i = 0; i < f->n_removed; i++)
		if (f->removed[i].level == w->level && f->removed[i].first > from &&
		    f->removed[i].first < end)
			end = f->removed[i].first;
	return end;
}

/* Also one that went while we looked. */
static const struct removed *find_removed(struct walk *w, unsigned long long number)
{
	const struct removed *r = heads_find_removed(&w->v->now, w->level, number);

	return r || verify_read_again(w->v) != 1 ? r
						 : heads_find_removed(&w->v->now, w->level, number);
}

/* Up to `number`, which is there: what is missing was removed by us, or it was taken away. */
static void pass_gap(struct walk *w, unsigned long long number, const char *previous_id)
{
	while (w->next < number) {
		const struct removed *r = find_removed(w, w->next);
		unsigned long long first = w->next;

		if (r) {
			pass_removed(w, r, number);
			continue;
		}
		w->next = next_removed(w, w->next, number);
		say_gap(w, first, w->next - 1, w->next == number ? previous_id : "");
		w->known = false;
		w->before = NULL;
	}
}

/* One that was to go and is still there must be the one that was noted. */
static void check_noted(struct walk *w, const struct entry *e)
{
	const struct removed *r = heads_find_removed(&w->v->now, w->level, e->link.number);

	if (r && r->last == e->link.number && !e->changed &&
	    strcmp(r->last_sha256, e->link.sha256) != 0)
		verify_say(w->v, "forged", w->level, e->id,
			   "it has the place of a report that was removed");
}

static void check_link(struct walk *w, struct entry *e)
{
	if (w->known && strcmp(w->sha256, e->link.previous_sha256) != 0) {
		if (w->before && !w->before->changed)
			verify_say(w->v, "forged", w->level, w->before->id,
				   "its digest is not the one that the next report, %s, names",
				   e->id);
		else if (!w->before)
			verify_say(w->v, "forged", w->level, e->id,
				   "the report before it is not the one that it names");
	}
	check_noted(w, e);
	w->known = true;
	w->before = e;
	memcpy(w->sha256, e->link.sha256, CHAIN_HEX);
	w->next = e->link.number + 1;
}

static void check_end(struct walk *w)
{
	const struct head *head = &w->v->heads.head[w->level];

	if (w->next <= head->number) {
		const unsigned long long first = w->next;

		pass_gap(w, head->number + 1, head->id);
		if (!w->known)
			verify_say(w->v, "cut", w->level, head->id,
				   "the chain ends before number %llu; it ended at %llu", first,
				   head->number);
	} else if (w->before && w->known && head->number == w->before->link.number &&
		   !w->before->changed && strcmp(head->sha256, w->sha256) != 0) {
		verify_say(w->v, "forged", w->level, w->before->id,
			   "its digest is not the one that chain.json names");
	}
}

/* Behind the end there may be one report, which was announced when the agent was killed. */
static int behind_end(struct walk *w, struct entry *e)
{
	const struct head *pending = &w->v->heads.pending[w->level];
	const struct heads_file *now = &w->v->now;
	int err;

	if (pending->number == e->link.number && chain_same(pending->sha256, e->link.sha256)) {
		check_link(w, e);
		return 0;
	}
	/* Or an agent that runs has written it since we began. */
	err = verify_read_again(w->v);
	if (err < 0)
		return err;
	if (now->head[w->level].number >= e->link.number ||
	    now->pending[w->level].number == e->link.number)
		check_link(w, e);
	else
		verify_say(w->v, "forged", w->level, e->id,
			   "it lies behind the end of the chain: nobody announced it");
	return 0;
}

static int walk_chain(struct walk *w)
{
	const struct head *head = &w->v->heads.head[w->level];
	size_t i;
	int err = 0;

	w->next = 1;
	w->known = true;
	for (i = 0; i < w->n && w->entry[i].link.number <= head->number; i++) {
		pass_gap(w, w->entry[i].link.number, w->entry[i].link.previous_id);
		check_link(w, &w->entry[i]);
	}
	check_end(w);
	for (; !err && i < w->n; i++)
		err = behind_end(w, &w->entry[i]);
	if (head->restarted_at && w->n && head->restarted_at >= w->entry[0].link.number)
		verify_say(w->v, "chain", w->level, "",
			   "up to number %llu the chain rests on the reports alone: chain.json or "
			   "removed.jsonl was lost or changed there",
			   head->restarted_at);
	if (w->v->cfg->key && w->v->cfg->key->len && w->n &&
	    head->keyed_from > w->entry[0].link.number)
		verify_say(
			w->v, "unsigned", w->level, "",
			"reports before number %llu are not signed: anybody may have written them",
			head->keyed_from);
	return err;
}

static int check_level(struct verify *v, enum report_level level)
{
	const struct report_files *files = &v->files[level];
	struct walk w = { .v = v, .level = level };
	int err = 0;

	verify_say_names(v, "strange", level, &files->strange, "the directory", "are no reports");
	w.entry = calloc(files->n + 1, sizeof(*w.entry));
	if (!w.entry)
		return -ENOMEM;
	for (size_t i = 0; !err && i < files->n; i++)
		err = check_report(&w, &files->file[i]);
	if (!err) {
		say_newer(&w);
		qsort(w.entry, w.n, sizeof(*w.entry), compare_entries);
		drop_doubles(&w);
		if (v->heads.there && !v->heads.damaged)
			err = walk_chain(&w);
		memcpy(v->totals->head[level], v->heads.head[level].sha256, CHAIN_HEX);
	}
	free(w.entry);
	return err;
}

/* ---- all ---- */

static void check_heads(struct verify *v)
{
	size_t n = 0;

	for (enum report_level i = 0; i < N_LEVELS; i++)
		n += v->files[i].n;
	if (!n && !v->heads.there)
		verify_say(v, "note", N_LEVELS, "", "there are no reports yet");
	else if (!v->heads.there)
		verify_say(v, "chain", N_LEVELS, "",
			   "chain.json is gone: a cut end would not show");
	else if (v->heads.damaged)
		verify_say(v, "chain", N_LEVELS, "", "chain.json was changed");
	else if (v->heads.unsigned_)
		verify_say(v, "chain", N_LEVELS, "", "chain.json is not signed with this key");
	if (v->heads.there && !v->heads.damaged && !v->heads.removed_ok)
		verify_say(v, "removals", N_LEVELS, "",
			   "removed.jsonl is not the file that chain.json tells of");
}

int report_verify(struct report_store *s, const struct verify_config *cfg,
		  struct verify_totals *out)
{
	struct verify v = { .store = s, .cfg = cfg, .totals = out };
	int err;

	memset(out, 0, sizeof(*out));
	/* First, so that what a running agent adds meanwhile lies behind it, not before. */
	err = read_heads(&v, &v.now);
	v.heads = v.now;
	v.heads.removed = NULL;
	v.heads.n_removed = 0;
	for (enum report_level i = 0; !err && i < N_LEVELS; i++)
		err = report_files_names(s, report_levels[i].dir, &v.files[i]);
	if (!err)
		check_heads(&v);
	for (enum report_level i = 0; !err && i < N_LEVELS; i++)
		err = check_level(&v, i);
	v.broken = out->problems > 0;
	for (enum report_level i = LEVEL_BLOCK; !err && !cfg->chains_only && i < N_LEVELS; i++)
		err = verify_parents(&v, i);
	if (!err && !cfg->chains_only)
		err = verify_dirs(&v);
	for (enum report_level i = 0; i < N_LEVELS; i++)
		report_files_free(&v.files[i]);
	heads_file_free(&v.now);
	return err;
}
