/* SPDX-License-Identifier: MIT */
#include "report/verify_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/parent.h"

/* The top-level member in which the two first differ. */
static void where(const struct buf *a, const struct buf *b, char *out, size_t size)
{
	size_t at = 0;

	while (at < a->len && at < b->len && a->data[at] == b->data[at])
		at++;
	while (at > 0 &&
	       (a->data[at] != '\n' || at + 4 > a->len || memcmp(a->data + at, "\n  \"", 4) != 0))
		at--;
	out[0] = '\0';
	for (size_t i = 0; at && i + 1 < size && at + 4 + i < a->len; i++) {
		out[i] = a->data[at + 4 + i];
		out[i + 1] = '\0';
		if (out[i] == '"') {
			out[i] = '\0';
			return;
		}
	}
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void compare(struct verify *v, enum report_level level, struct report_window w,
		    const char *id, const struct buf *made_id, const struct buf *made,
		    struct buf *text)
{
	char member[64];
	bool owed;

	if (strcmp(made_id->data ? made_id->data : "", id) != 0) {
		verify_say(v, "differs", level, id, "its window is that of %s", made_id->data);
	} else if (!same(text, made)) {
		where(text, made, member, sizeof(member));
		owed = heads_owes(&v->now, w);
		verify_say(
			v, owed ? "note" : "differs", level, id,
			"made again from its children it is another, from the member \"%s\" on; %s",
			member,
			owed	    ? "a report came for it later, and the next start of the agent "
				      "makes it new"
			: v->broken ? "see what the chains tell"
				    : "`report rebuild` makes it new");
	}
}

struct reader {
	struct heads_reader of;
	bool newer; /* one of them is */
};

static int read_child(void *ctx, enum report_level level, const char *id, struct buf *text)
{
	struct reader *r = ctx;
	int err = heads_read_child(&r->of, level, id, text);

	if (!err && report_schema_version(text) > REPORT_SCHEMA_VERSION)
		r->newer = true;
	return err;
}

/* By retention, before we began or since. */
static bool children_gone(struct verify *v, enum report_level level, struct report_window w)
{
	return heads_children_removed(&v->now, level, w) ||
	       (verify_read_again(v) == 1 && heads_children_removed(&v->now, level, w));
}

static int verify_parent(struct verify *v, enum report_level level, const char *id)
{
	struct reader reader = { { v->store, &v->heads, v->cfg->key, NULL }, false };
	struct buf text = { 0 }, made_id = { 0 }, made = { 0 };
	struct report_window w;
	const char **ids;
	edr_s64 start_ns;
	size_t n;
	bool skip;
	int err;

	if (report_level_of_id(id, &start_ns) != level) {
		verify_say(v, "strange", level, id, "no report of this level has such a name");
		return 0;
	}
	w = report_level_window(level, start_ns, 0);
	if (heads_children_removed(&v->now, level, w)) {
		v->totals->skipped++;
		return 0;
	}
	ids = report_children(&v->files[level - 1], level, w, &n);
	if (!ids)
		return -ENOMEM;
	err = report_parent_make(read_child, &reader, level, w, ids, n, &made_id, &made);
	free(ids);
	if (err == -ENOMEM)
		; /* nothing can be said */
	else if (err)
		verify_say(v, "differs", level, id, "it cannot be made from its children: %s",
			   strerror(-err));
	else if (!report_read_unsealed(v->store, level, id, &text)) {
		skip = reader.newer || report_schema_version(&text) > REPORT_SCHEMA_VERSION ||
		       (!same(&text, &made) && children_gone(v, level, w));
		v->totals->skipped += skip;
		v->totals->recomputed += !skip;
		if (!skip)
			compare(v, level, w, id, &made_id, &made, &text);
	}
	buf_free(&text);
	buf_free(&made_id);
	buf_free(&made);
	return err == -ENOMEM ? err : 0;
}

int verify_parents(struct verify *v, enum report_level level)
{
	int err = 0;

	for (size_t i = 0; !err && i < v->files[level].n; i++)
		err = verify_parent(v, level, v->files[level].file[i].id);
	return err;
}
