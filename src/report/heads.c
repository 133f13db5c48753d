/* SPDX-License-Identifier: MIT */
#include "report/heads_private.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/files.h"
#include "util/log.h"

#define NS_PER_S 1000000000LL
#define MAX_REMOVED 4096 /* entries; beyond, neighbours are joined whatever they were removed for */

#define MAX_BYTES ((size_t)16 << 20) /* of either file; ours stay below 4 MiB */

#define KNOWN 256 /* more than a block has cells */

struct known {
	unsigned long long number;
	char sha256[CHAIN_HEX];
};

struct heads {
	struct report_store *store;
	struct chain_key key;
	struct heads_file file;
	struct known known[N_LEVELS][KNOWN]; /* the last that were written, by number */
	/* removed.jsonl has this digest if the last change of it got through */
	char removed_next[CHAIN_HEX];
	bool dirty; /* chain.json does not say all of `file` */
};

/* ---- reading ---- */

/* Something else has the file's name. */
static bool is_strange(int err)
{
	return err == -ELOOP || err == -EBADMSG || err == -EFBIG;
}

static int read_removed(struct heads_file *f, struct report_store *s, const char *next)
{
	char sha256[CHAIN_HEX] = "";
	struct buf text = { 0 };
	int err = report_file_read(s, NULL, HEADS_REMOVED, MAX_BYTES, &text);

	f->removed_ok = true;
	if (!err)
		chain_sha256(text.data, text.len, sha256);
	else if (err == -ENOENT)
		err = 0;
	if (!err && text.data)
		err = heads_parse_removed(&text, f, &f->removed_ok);
	buf_free(&text);
	if (err)
		return is_strange(err) ? (f->removed_ok = false, 0) : err;
	if (next[0] && strcmp(sha256, next) == 0)
		memcpy(f->removed_sha256, sha256, CHAIN_HEX);
	else if (strcmp(sha256, f->removed_sha256) != 0)
		f->removed_ok = false;
	return 0;
}

static int check_seal(struct heads_file *f, const struct buf *text, const struct chain_key *key)
{
	char sha256[CHAIN_HEX], hmac[CHAIN_HEX];
	struct chain_link link;
	int err;

	if (!chain_read(text->data, text->len, &link)) {
		f->damaged = true;
		return 0;
	}
	err = chain_digest(text->data, text->len, key, sha256, hmac);
	f->serial = link.number;
	f->damaged = !err && !chain_same(sha256, link.sha256);
	f->unsigned_ = key && key->len && !chain_same(hmac, link.hmac_sha256);
	return err;
}

static void owe_nothing(struct heads_file *f)
{
	f->owed_first_ns = INT64_MAX;
	f->owed_last_ns = INT64_MIN;
}

int heads_read(struct heads_file *out, struct report_store *s, const struct chain_key *key)
{
	char next[CHAIN_HEX] = "";
	struct buf text = { 0 };
	int err;

	memset(out, 0, sizeof(*out));
	owe_nothing(out);
	err = report_file_read(s, NULL, HEADS_FILE, MAX_BYTES, &text);
	out->there = err != -ENOENT;
	if (is_strange(err) || (!err && !text.len))
		out->damaged = true;
	else if (!err)
		err = check_seal(out, &text, key);
	if (!err && !out->damaged && !heads_parse(&text, out, next))
		out->damaged = true;
	buf_free(&text);
	if (err && err != -ENOENT && !is_strange(err))
		return err;
	if (out->damaged) {
		memset(out->head, 0, sizeof(out->head));
		memset(out->pending, 0, sizeof(out->pending));
		owe_nothing(out);
	}
	return read_removed(out, s, next);
}

void heads_file_free(struct heads_file *f)
{
	free(f->removed);
	memset(f, 0, sizeof(*f));
}

const struct removed *heads_find_removed(const struct heads_file *f, enum report_level level,
					 unsigned long long number)
{
	for (size_t i = 0; i < f->n_removed; i++)
		if (f->removed[i].level == level && f->removed[i].first <= number &&
		    number <= f->removed[i].last)
			return &f->removed[i];
	return NULL;
}

bool heads_children_removed(const struct heads_file *f, enum report_level parent,
			    struct report_window w)
{
	edr_s64 first, last;

	for (size_t i = 0; i < f->n_removed; i++) {
		const struct removed *r = &f->removed[i];

		if (r->level + 1 != parent || strcmp(r->why, "rebuilt") == 0)
			continue;
		first = last = 0;
		report_level_of_id(r->first_id, &first);
		report_level_of_id(r->last_id, &last);
		if (first < w.end_ns && last >= w.start_ns)
			return true;
	}
	return false;
}

bool heads_owes(const struct heads_file *f, struct report_window w)
{
	return f->owed_first_ns < w.end_ns && f->owed_last_ns >= w.start_ns;
}

int heads_check_text(const struct heads_file *f, const struct chain_key *key,
		     enum report_level level, const struct buf *text, struct chain_link *link,
		     enum heads_doubt *doubt)
{
	const unsigned long long keyed_from = f->head[level].keyed_from;
	char sha256[CHAIN_HEX], hmac[CHAIN_HEX];
	enum heads_doubt found = HEADS_NO_DOUBT;
	int err = 0;

	if (!text->data || !chain_read(text->data, text->len, link))
		found = HEADS_NO_PLACE;
	else
		err = chain_digest(text->data, text->len, key, sha256, hmac);
	if (err)
		return err;
	if (!found && !chain_same(sha256, link->sha256))
		found = HEADS_CHANGED;
	if (!found && key && key->len && link->number >= keyed_from &&
	    !chain_same(hmac, link->hmac_sha256))
		found = HEADS_UNSIGNED;
	if (doubt)
		*doubt = found;
	return found ? -EBADMSG : 0;
}

/* Who has no key can make a digest that fits, but not take the place of a report that we wrote. */
static bool has_place(const struct heads *h, enum report_level level, const struct chain_link *link)
{
	const struct known *k = &h->known[level][link->number % KNOWN];

	return link->number <= h->file.head[level].number &&
	       (k->number != link->number || chain_same(k->sha256, link->sha256));
}

int heads_read_child(void *ctx, enum report_level level, const char *id, struct buf *text)
{
	const struct heads_reader *r = ctx;
	struct chain_link link;
	int err = report_read(r->store, report_levels[level].dir, id, text);

	if (!err)
		err = heads_check_text(r->file, r->key, level, text, &link, NULL);
	if (!err && r->heads && !has_place(r->heads, level, &link))
		err = -EBADMSG;
	if (!err)
		chain_unseal(text);
	return err;
}

struct heads_reader heads_reader(const struct heads *h)
{
	return (struct heads_reader){ h->store, &h->file, &h->key, h };
}

/* ---- writing ---- */

static int write_heads(struct heads *h)
{
	struct buf text = { 0 };
	int err;

	h->file.serial++;
	err = heads_text(&h->file, h->removed_next, &h->key, &text);
	if (!err)
		err = report_file_replace(h->store, NULL, HEADS_FILE,
					  (struct wire_span){ text.data, text.len });
	buf_free(&text);
	h->dirty = err != 0;
	return err;
}

int heads_settle(struct heads *h)
{
	return h->dirty ? write_heads(h) : 0;
}

/* A report that comes when its parent is there makes that one old. */
static void owe_parent(struct heads *h, enum report_level level, const char *id)
{
	struct report_window w;
	char parent[REPORT_ID_MAX];
	edr_s64 start_ns;

	if (level < LEVEL_CELL || level + 1 >= N_LEVELS ||
	    report_level_of_id(id, &start_ns) != level)
		return;
	w = report_level_window(level + 1, start_ns, 0);
	report_level_id(level + 1, w, parent);
	if (!report_is_there(h->store, report_levels[level + 1].dir, parent))
		return;
	if (start_ns < h->file.owed_first_ns)
		h->file.owed_first_ns = start_ns;
	if (start_ns > h->file.owed_last_ns)
		h->file.owed_last_ns = start_ns;
	h->dirty = true;
}

void heads_paid(struct heads *h)
{
	if (h->file.owed_first_ns > h->file.owed_last_ns)
		return;
	owe_nothing(&h->file);
	h->dirty = true;
}

/* ---- what a crash leaves ---- */

static bool read_link(struct report_store *s, const char *dir, const char *id,
		      struct chain_link *link)
{
	struct buf text = { 0 };
	bool good = !report_read(s, dir, id, &text) && chain_read(text.data, text.len, link);

	buf_free(&text);
	return good;
}

/* Announced and not confirmed: it is there, or it never came to be. */
static void heal_pending(struct heads *h, enum report_level level)
{
	struct head *head = &h->file.head[level], *pending = &h->file.pending[level];
	struct chain_link link;

	if (!pending->number)
		return;
	if (read_link(h->store, report_levels[level].dir, pending->id, &link) &&
	    link.number == pending->number && chain_same(link.sha256, pending->sha256)) {
		head->number = pending->number;
		memcpy(head->id, pending->id, sizeof(head->id));
		memcpy(head->sha256, pending->sha256, sizeof(head->sha256));
		log_info("report",
			 "%s of a run that was killed is whole; it is now the end of "
			 "its chain",
			 head->id);
	}
	pending->number = 0;
	h->dirty = true;
}

/* Without chain.json the report of the highest number must do. Said, and kept: it may not be the last. */
static int restart(struct heads *h, enum report_level level)
{
	struct head *head = &h->file.head[level];
	struct report_files files;
	struct chain_link link;
	int err = report_files_names(h->store, report_levels[level].dir, &files);

	for (size_t i = 0; !err && i < files.n; i++) {
		if (!read_link(h->store, report_levels[level].dir, files.file[i].id, &link) ||
		    link.number <= head->number)
			continue;
		head->number = link.number;
		snprintf(head->id, sizeof(head->id), "%s", files.file[i].id);
		memcpy(head->sha256, link.sha256, CHAIN_HEX);
	}
	for (size_t i = 0; i < h->file.n_removed; i++)
		if (h->file.removed[i].level == level && h->file.removed[i].last > head->number) {
			const struct removed *r = &h->file.removed[i];

			head->number = r->last;
			memcpy(head->id, r->last_id, CHAIN_ID_MAX);
			memcpy(head->sha256, r->last_sha256, CHAIN_HEX);
		}
	head->restarted_at = head->number;
	if (head->number)
		log_warn("report",
			 HEADS_FILE " is gone or damaged: the chain of %s goes on behind "
				    "%s, whether or not that was its end",
			 report_levels[level].dir, head->id);
	if (!err)
		report_files_free(&files);
	/* The last that was written is the one that may have come late. */
	owe_parent(h, level, head->id);
	h->dirty = true;
	return err;
}

/* Signed reports from now on; those before are vouched for by the first one's link only. */
static void begin_signing(struct heads *h, enum report_level level)
{
	struct head *head = &h->file.head[level];
	struct chain_link link;

	if (!h->key.len)
		return;
	if (h->file.there && h->file.unsigned_ && head->number &&
	    (head->keyed_from || (read_link(h->store, report_levels[level].dir, head->id, &link) &&
				  link.hmac_sha256[0]))) {
		log_error("report",
			  HEADS_FILE " is not signed with this key, but %s are: it was "
				     "changed, or the key was",
			  report_levels[level].dir);
		head->restarted_at = head->number;
		head->keyed_from = 0;
	}
	if (!head->keyed_from)
		head->keyed_from = head->number + 1;
	h->dirty = true;
}

static int heal(struct heads *h)
{
	const bool lost = !h->file.there || h->file.damaged;
	int err = 0;

	for (enum report_level i = 0; !err && i < N_LEVELS; i++) {
		if (lost)
			err = restart(h, i);
		heal_pending(h, i);
		begin_signing(h, i);
		if (!lost && !h->file.removed_ok)
			h->file.head[i].restarted_at = h->file.head[i].number;
	}
	if (!lost && !h->file.removed_ok) {
		log_error("report", HEADS_REMOVED " is not the file that this program wrote");
		h->dirty = true;
	}
	return err;
}

int heads_open(struct heads **out, struct report_store *s, const struct chain_key *key, char *err,
	       size_t err_size)
{
	struct heads *h = calloc(1, sizeof(*h));
	int status = h ? 0 : -ENOMEM;

	*out = NULL;
	if (h) {
		h->store = s;
		if (key)
			h->key = *key;
		status = heads_read(&h->file, s, key);
	}
	if (!status)
		status = heal(h);
	if (status) {
		snprintf(err, err_size, "cannot read the chain of the reports: %s",
			 strerror(-status));
		if (h)
			heads_file_free(&h->file);
		free(h);
		return status;
	}
	*out = h;
	return 0;
}

void heads_close(struct heads *h)
{
	if (!h)
		return;
	heads_settle(h);
	heads_file_free(&h->file);
	chain_key_wipe(&h->key);
	free(h);
}

const struct heads_file *heads_now(const struct heads *h)
{
	return &h->file;
}

/* ---- the next report ---- */

bool heads_has(const struct heads *h, const char *dir)
{
	(void)h;
	return report_level_by_name(dir) < N_LEVELS;
}

int heads_begin(struct heads *h, const char *dir, const char *id, const struct wire_span *piece,
		size_t n, struct buf *member)
{
	const enum report_level level = report_level_by_name(dir);
	const struct head *head = &h->file.head[level];
	struct head *pending = &h->file.pending[level];
	struct chain_link link = { .number = head->number + 1 };
	int err;

	if (head->number && head->sha256[0]) {
		memcpy(link.previous_id, head->id, sizeof(head->id));
		memcpy(link.previous_sha256, head->sha256, CHAIN_HEX);
	}
	err = chain_member(piece, n, &link, &h->key, member);
	if (err)
		return err;
	pending->number = link.number;
	snprintf(pending->id, sizeof(pending->id), "%s", id);
	memcpy(pending->sha256, link.sha256, CHAIN_HEX);
	owe_parent(h, level, id);
	return write_heads(h);
}

void heads_done(struct heads *h, const char *dir)
{
	const enum report_level level = report_level_by_name(dir);
	struct head *head = &h->file.head[level], *pending = &h->file.pending[level];
	struct known *k = &h->known[level][pending->number % KNOWN];

	head->number = k->number = pending->number;
	memcpy(head->id, pending->id, sizeof(head->id));
	memcpy(head->sha256, pending->sha256, CHAIN_HEX);
	memcpy(k->sha256, pending->sha256, CHAIN_HEX);
	pending->number = 0;
	h->dirty = true;
}

void heads_confirm(struct heads *h, const char *dir, const struct chain_link *link)
{
	const enum report_level level = report_level_by_name(dir);

	if (level < N_LEVELS && h->file.pending[level].number == link->number &&
	    chain_same(h->file.pending[level].sha256, link->sha256))
		heads_done(h, dir);
}

/* ---- what goes ---- */

static int compare_removed(const void *a, const void *b)
{
	const struct removed *x = a, *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/*
 * An entry is a stretch of the chain that hangs together, and a stretch of time: what a forged report
 * was linked to stays visible, and so does where the clock went back or was ahead.
 */
static bool follows(const struct removed *a, const struct removed *b)
{
	static const edr_s64 gap_h[N_LEVELS] = {
		[LEVEL_INTERIM] = 4,	  [LEVEL_CELL] = 4,	      [LEVEL_BLOCK] = 24,
		[LEVEL_DAILY] = 24LL * 7, [LEVEL_WEEKLY] = 24LL * 35, [LEVEL_MONTHLY] = 24LL * 70,
	};
	edr_s64 from_ns = 0, to_ns = 0;

	if (a->last_sha256[0] && b->previous_sha256[0] &&
	    strcmp(a->last_sha256, b->previous_sha256) != 0)
		return false;
	report_level_of_id(a->last_id, &from_ns);
	report_level_of_id(b->first_id, &to_ns);
	return to_ns >= from_ns && to_ns - from_ns <= gap_h[a->level] * 3600 * NS_PER_S;
}

static bool join(struct removed *a, const struct removed *b, bool any_reason)
{
	const bool same = strcmp(a->why, b->why) == 0;

	if (a->level != b->level || b->first > a->last + 1 || (!same && !any_reason))
		return false;
	if (b->last <= a->last)
		return true; /* noted already */
	if (b->first == a->last + 1 && !follows(a, b))
		return false;
	a->last = b->last;
	memcpy(a->last_id, b->last_id, CHAIN_ID_MAX);
	memcpy(a->last_sha256, b->last_sha256, CHAIN_HEX);
	if (!same)
		strcpy(a->why, "several reasons");
	return true;
}

static void fold_removed(struct heads_file *f, bool any_reason)
{
	size_t kept = 0;

	if (f->n_removed)
		qsort(f->removed, f->n_removed, sizeof(f->removed[0]), compare_removed);
	for (size_t i = 0; i < f->n_removed; i++)
		if (!kept || !join(&f->removed[kept - 1], &f->removed[i], any_reason))
			f->removed[kept++] = f->removed[i];
	f->n_removed = kept;
}

/*
 * chain.json tells of both states while one turns into the other, and until the next change where that
 * failed: it may have got as far as the disk.
 */
static int write_removed(struct heads *h)
{
	struct buf text = { 0 };
	int err = heads_removed_text(&h->file, &text);

	if (!err) {
		chain_sha256(text.data, text.len, h->removed_next);
		err = write_heads(h);
	}
	if (!err)
		err = report_file_replace(h->store, NULL, HEADS_REMOVED,
					  (struct wire_span){ text.data, text.len });
	if (!err) {
		memcpy(h->file.removed_sha256, h->removed_next, CHAIN_HEX);
		h->removed_next[0] = '\0';
		h->dirty = true;
	}
	buf_free(&text);
	return err;
}

/* What cannot be noted does not go: nothing may take it for gone. */
int heads_remove(struct heads *h, const struct removed *gone, size_t n)
{
	struct heads_file *f = &h->file;
	struct removed *const before = f->removed;
	const size_t n_before = f->n_removed;
	int err;

	f->removed = malloc((n_before + n) * sizeof(*before));
	if (!f->removed) {
		f->removed = before;
		return -ENOMEM;
	}
	if (n_before)
		memcpy(f->removed, before, n_before * sizeof(*before));
	memcpy(f->removed + n_before, gone, n * sizeof(*gone));
	f->n_removed = n_before + n;
	fold_removed(f, false);
	if (f->n_removed > MAX_REMOVED)
		fold_removed(f, true);
	err = write_removed(h);
	free(err ? f->removed : before);
	if (err) {
		f->removed = before;
		f->n_removed = n_before;
	}
	return err;
}

int heads_replaced(struct heads *h, const char *dir, const char *id, const char *why)
{
	struct removed r = { .level = report_level_by_name(dir) };
	struct chain_link link;

	if (r.level >= N_LEVELS || !read_link(h->store, dir, id, &link))
		return 0; /* it had no place in the chain */
	r.first = r.last = link.number;
	snprintf(r.first_id, sizeof(r.first_id), "%s", id);
	snprintf(r.last_id, sizeof(r.last_id), "%s", id);
	memcpy(r.previous_sha256, link.previous_sha256, CHAIN_HEX);
	memcpy(r.last_sha256, link.sha256, CHAIN_HEX);
	snprintf(r.why, sizeof(r.why), "%s", why);
	return heads_remove(h, &r, 1);
}
