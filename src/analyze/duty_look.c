/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/duty_private.h"
#include "report/files.h"
#include "report/read.h"

#define FROM_SEVERITY 3 /* with `findings` */
#define LOOK_AGAIN_NS (60 * NS_PER_S)

/* ---- is it to be sent? ---- */

static struct duty_found *find_found(struct duty_level *l, const char *id)
{
	struct duty_found *oldest = l->found;

	for (size_t i = 0; i < l->n_found; i++) {
		if (strcmp(l->found[i].id, id) == 0)
			return &l->found[i];
		if (l->found[i].day < oldest->day)
			oldest = &l->found[i];
	}
	if (l->n_found < DUTY_FOUND)
		oldest = &l->found[l->n_found++];
	*oldest = (struct duty_found){ .day = 0 };
	snprintf(oldest->id, sizeof(oldest->id), "%s", id);
	return oldest;
}

/* Was nothing of that kind there on that day or the day before? It is now. */
static bool note_finding(struct duty_level *l, struct wire_span finding, edr_s64 day)
{
	struct wire_span id = { "\"\"", 2 };
	struct buf text = { 0 };
	struct duty_found *f;
	char name[DUTY_NAME];
	bool fresh;

	jr_member(finding, "id", &id);
	snprintf(name, sizeof(name), "%.*s",
		 jr_string(id, &text) && text.len < DUTY_NAME ? (int)text.len : 0,
		 text.data ? text.data : "");
	buf_free(&text);
	f = find_found(l, name);
	fresh = f->day + 1 < day;
	if (f->day < day)
		f->day = day;
	return fresh;
}

static bool note_findings(struct duty_level *l, const struct buf *json, edr_s64 day)
{
	struct wire_span root, list, key, row;
	bool fresh = false;
	struct jr_iter it;

	if (!jr_document(json->data, json->len, &root) || !jr_member(root, "findings", &list) ||
	    !jr_begin(&it, list, '['))
		return false;
	while (jr_next(&it, &key, &row) > 0)
		fresh |= note_finding(l, row, day);
	return fresh;
}

static bool is_wanted(struct duty *d, enum report_level level, const struct prompt *p,
		      const struct buf *json, edr_s64 start_ns)
{
	struct duty_level *l = &d->state.level[level];
	const bool fresh = note_findings(l, json, report_day(start_ns));

	switch (d->cfg.when[level]) {
	case DUTY_ALWAYS:
		return true;
	case DUTY_CHANGED:
		return strcmp(l->digest, p->digest) != 0;
	case DUTY_FINDINGS:
		return p->local_severity >= FROM_SEVERITY || fresh;
	default:
		return false;
	}
}

static void queue(struct duty *d, enum report_level level, const struct prompt *p)
{
	struct duty_entry e = { .level = level,
				.severity = p->local_severity,
				.since_ns = duty_now(d) };

	memcpy(e.id, p->report_id, sizeof(e.id));
	memcpy(e.digest, p->digest, sizeof(e.digest));
	if (duty_state_add(&d->state, &e, &d->stats.given_up))
		memcpy(d->state.level[level].digest, p->digest, sizeof(p->digest));
	else
		duty_say(d, SAY_GIVEN_UP, "no room for %s among what waits for the model", e.id);
}

/*
 * Of one window there may be several, in the order of their names: an agent that was started again.
 */
static bool is_newer(const char *id, const char *seen)
{
	edr_s64 a_ns, b_ns;

	if (!*seen)
		return true;
	report_level_of_id(id, &a_ns);
	if (report_level_of_id(seen, &b_ns) == N_LEVELS)
		return true;
	return a_ns != b_ns ? a_ns > b_ns : strcmp(id, seen) > 0;
}

/*
 * 1: it is to be sent; 0: it is not; -errno: that is not known. What does not fit the budget is known
 * all the same: when its turn comes it is given up, which is counted and said.
 */
static int weigh(struct duty *d, enum report_level level, edr_s64 start_ns, const char *id,
		 struct prompt *p)
{
	struct prompt_config cfg = d->cfg.prompt;
	struct buf json = { 0 };
	int err;

	cfg.max_lines = 1;
	err = report_read(d->cfg.store, report_levels[level].dir, id, &json);
	if (!err)
		err = prompt_make(p, &cfg, json.data, json.len);
	if (err == -E2BIG && *p->digest)
		err = 0;
	if (!err && strcmp(p->report_id, id) != 0)
		err = -EBADMSG;
	if (!err)
		err = !duty_verdict_severity(d->cfg.store, id, p->report_sha256, &d->key) &&
		      is_wanted(d, level, p, &json, start_ns);
	buf_free(&json);
	return err;
}

/* Without a digest: it is looked at again when its turn comes. */
static void queue_unread(struct duty *d, enum report_level level, const char *id)
{
	struct duty_entry e = { .level = level, .severity = 1, .since_ns = duty_now(d) }, *at;

	snprintf(e.id, sizeof(e.id), "%s", id);
	at = duty_state_add(&d->state, &e, &d->stats.given_up);
	if (at)
		duty_later(d, at, LOOK_AGAIN_NS);
	else
		duty_say(d, SAY_GIVEN_UP, "no room for %s among what waits for the model", id);
}

static void look_at(struct duty *d, const char *id)
{
	struct prompt p = { .lines = 0 };
	enum report_level level;
	edr_s64 start_ns;
	bool fresh;
	int err;

	level = report_level_of_id(id, &start_ns);
	if (level == N_LEVELS || level == LEVEL_INTERIM || d->cfg.when[level] == DUTY_NEVER ||
	    duty_state_find(&d->state, id))
		return;
	fresh = is_newer(id, d->state.level[level].seen);
	err = weigh(d, level, start_ns, id, &p);
	if (err > 0)
		queue(d, level, &p);
	else if (err < 0 && !duty_hopeless(err))
		queue_unread(d, level, id);
	else if (err < 0 && err != -ENOENT && fresh)
		duty_not_sent(d, id, duty_hopeless(err));
	if (fresh)
		snprintf(d->state.level[level].seen, CHAIN_ID_MAX, "%s", id);
	d->state.dirty = true;
	prompt_free(&p);
}

void duty_look_again(struct duty *d, struct duty_entry *e)
{
	struct prompt p = { .lines = 0 };
	edr_s64 start_ns;
	const enum report_level level = report_level_of_id(e->id, &start_ns);
	const int err = weigh(d, level, start_ns, e->id, &p);

	if (err > 0) {
		memcpy(e->digest, p.digest, sizeof(e->digest));
		memcpy(d->state.level[level].digest, p.digest, sizeof(p.digest));
		e->severity = p.local_severity;
		e->tries = 0;
		d->state.dirty = true;
	} else if (err == 0) {
		duty_state_remove(&d->state, e);
	} else if (duty_hopeless(err)) {
		duty_give_up(d, e, duty_hopeless(err));
	} else {
		duty_later(d, e, LOOK_AGAIN_NS);
	}
	prompt_free(&p);
}

/* ---- what there is ---- */

/* What is newer than all that was looked at, and not older than what may wait. */
static void look_through(struct duty *d, enum report_level level)
{
	const edr_s64 oldest = duty_now(d) - (edr_s64)d->cfg.max_age_h * 3600 * NS_PER_S;
	char seen[CHAIN_ID_MAX];
	struct report_files files;
	edr_s64 start_ns;

	memcpy(seen, d->state.level[level].seen, sizeof(seen));
	if (report_files_names(d->cfg.store, report_levels[level].dir, &files) != 0)
		return;
	for (size_t i = 0; i < files.n && !duty_stopping(d); i++) {
		const char *id = files.file[i].id;

		if (report_level_of_id(id, &start_ns) == level && is_newer(id, seen) &&
		    report_level_window(level, start_ns, 240).end_ns >= oldest)
			look_at(d, id);
	}
	report_files_free(&files);
}

void duty_look(struct duty *d)
{
	char offer[DUTY_OFFERS][CHAIN_ID_MAX];
	size_t n;
	bool all;

	pthread_mutex_lock(&d->lock);
	n = d->n_offers;
	all = d->look;
	memcpy(offer, d->offer, n * sizeof(offer[0]));
	d->n_offers = 0;
	d->look = false;
	pthread_mutex_unlock(&d->lock);
	/* All first: an offer that is newer would hide those before it that found no room. */
	for (enum report_level i = LEVEL_CELL; all && i < N_LEVELS; i++)
		if (d->cfg.when[i] != DUTY_NEVER)
			look_through(d, i);
	for (size_t i = 0; i < n && !duty_stopping(d); i++)
		look_at(d, offer[i]);
}
