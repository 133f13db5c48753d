/* SPDX-License-Identifier: MIT */
#include "report/retain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/files.h"
#include "report/reserve.h"
#include "util/log.h"

#define DAY_NS (86400LL * 1000000000LL)
#define MAX_REMOVED_AT_ONCE 1024
#define MAX_PACKED_AT_ONCE 128 /* a second or two of the report thread on a busy host */

struct retain {
	struct report_store *store;
	struct heads *heads;
	const struct retain_config *cfg;
	struct retain_totals *totals;
	edr_s64 now_ns;
	struct report_files files[N_LEVELS];
	unsigned long long bytes; /* that are left */
	bool changed;		  /* something was removed or packed since they were listed */
	struct removed *gone;
	size_t n_gone;
};

/* Is the parent written, or was it and is gone by now? */
static bool parent_done(const struct retain *r, enum report_level level, edr_s64 start_ns)
{
	const struct heads_file *f = heads_now(r->heads);
	struct report_window w;
	char id[REPORT_ID_MAX];
	edr_s64 first, last;

	if (level + 1 == N_LEVELS)
		return true;
	if (level == LEVEL_INTERIM) /* its cell is not written later than its block */
		return report_level_window(LEVEL_BLOCK, start_ns, 0).end_ns <= r->now_ns;
	w = report_level_window(level + 1, start_ns, 0);
	report_level_id(level + 1, w, id);
	if (report_files_has(&r->files[level + 1], id))
		return true;
	for (size_t i = 0; i < f->n_removed; i++) {
		const struct removed *gone = &f->removed[i];

		first = last = 0;
		report_level_of_id(gone->first_id, &first);
		report_level_of_id(gone->last_id, &last);
		if (gone->level == level + 1 && first <= w.start_ns && w.start_ns <= last)
			return true;
	}
	return false;
}

/* Notes it; what is not as it was written stays: with it would go what shows that. */
static int note(struct retain *r, enum report_level level, struct report_file *file,
		const char *why)
{
	struct removed *gone = &r->gone[r->n_gone];
	const struct heads_reader reader = heads_reader(r->heads);
	struct chain_link link;
	struct buf text = { 0 };
	int err = report_read(r->store, report_levels[level].dir, file->id, &text);

	if (!err)
		err = heads_check_text(reader.file, reader.key, level, &text, &link, NULL);
	if (err == -EBADMSG)
		log_error("report", "%s is not as it was written: it stays, see `report verify`",
			  file->id);
	if (!err) {
		*gone = (struct removed){ .level = level,
					  .first = link.number,
					  .last = link.number };
		memcpy(gone->first_id, file->id, sizeof(gone->first_id));
		memcpy(gone->last_id, file->id, sizeof(gone->last_id));
		memcpy(gone->previous_sha256, link.previous_sha256, CHAIN_HEX);
		memcpy(gone->last_sha256, link.sha256, CHAIN_HEX);
		snprintf(gone->why, sizeof(gone->why), "%s", why);
		r->n_gone++;
		r->bytes -= file->bytes;
		r->totals->freed += file->bytes;
	}
	buf_free(&text);
	return err == -ENOMEM ? err : 0;
}

/* Ids sort by time, so the oldest come first. */
static int choose(struct retain *r, enum report_level level, bool by_age)
{
	const edr_s64 keep_ns = (edr_s64)r->cfg->keep_days[level] * DAY_NS;
	struct report_files *f = &r->files[level];
	char why[64];
	int err = 0;

	if (by_age && !keep_ns)
		return 0;
	snprintf(why, sizeof(why), by_age ? "keep_%s_days" : "max_reports_mb",
		 report_levels[level == LEVEL_INTERIM ? LEVEL_CELL : level].dir);
	for (size_t i = 0; !err && i < f->n && r->n_gone < MAX_REMOVED_AT_ONCE; i++) {
		edr_s64 start_ns = 0;

		if (!by_age && r->bytes <= r->cfg->max_bytes)
			break;
		report_level_of_id(f->file[i].id, &start_ns);
		if (by_age && start_ns + keep_ns > r->now_ns)
			break;
		if (start_ns && parent_done(r, level, start_ns))
			err = note(r, level, &f->file[i], why);
	}
	return err;
}

static int compare_places(const void *a, const void *b)
{
	const struct removed *x = a, *y = b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/*
 * First they are noted, then they go, in the order of the chain: after a kill in between the rest of
 * them hangs together up to the last one's digest, which is noted. The next time mends it.
 */
static int remove_noted(struct retain *r)
{
	int err;

	if (!r->n_gone)
		return 0;
	r->changed = true;
	qsort(r->gone, r->n_gone, sizeof(r->gone[0]), compare_places);
	err = heads_remove(r->heads, r->gone, r->n_gone);
	if (report_reserve_give(r->store, err))
		err = heads_remove(r->heads, r->gone, r->n_gone);
	for (size_t i = 0; !err && i < r->n_gone; i++) {
		err = report_remove(r->store, report_levels[r->gone[i].level].dir,
				    r->gone[i].first_id);
		r->totals->removed += !err;
	}
	r->n_gone = 0;
	return err ? err : heads_settle(r->heads);
}

static int list_all(struct retain *r)
{
	int err = 0;

	if (!r->changed)
		return 0;
	r->changed = false;
	for (enum report_level i = 0; i < N_LEVELS; i++)
		report_files_free(&r->files[i]);
	r->bytes = 0;
	for (enum report_level i = 0; !err && i < N_LEVELS; i++) {
		err = report_files_list(r->store, report_levels[i].dir, &r->files[i]);
		for (size_t k = 0; !err && k < r->files[i].n; k++)
			r->bytes += r->files[i].file[k].bytes;
	}
	return err;
}

static int remove_all(struct retain *r, bool by_age)
{
	bool more;
	int err;

	do {
		err = list_all(r);
		for (enum report_level i = 0; !err && i < N_LEVELS; i++)
			err = choose(r, i, by_age);
		more = r->n_gone == MAX_REMOVED_AT_ONCE;
		if (!err)
			err = remove_noted(r);
	} while (!err && more);
	return err;
}

/* On a full disk too, for what is packed takes less; but there has to be room for both at first. */
static int pack_one(struct retain *r, enum report_level level, const char *id)
{
	const char *dir = report_levels[level].dir;
	edr_s64 saved;
	int err = report_pack(r->store, dir, id, &saved);

	if (report_reserve_give(r->store, err))
		err = report_pack(r->store, dir, id, &saved);
	if (err)
		return err;
	r->changed = true;
	r->totals->packed++;
	r->totals->saved_bytes += saved;
	return 0;
}

static int pack_old(struct retain *r, enum report_level level)
{
	const struct report_files *f = &r->files[level];
	edr_s64 start_ns;
	int err = 0;

	for (size_t i = 0; !err && i < f->n && r->totals->packed < MAX_PACKED_AT_ONCE; i++) {
		start_ns = 0;
		report_level_of_id(f->file[i].id, &start_ns);
		if (f->file[i].packed || start_ns + DAY_NS > r->now_ns)
			continue;
		err = pack_one(r, level, f->file[i].id);
		if (err == -EBADMSG || err == -ELOOP || err == -EFBIG)
			err = 0; /* not ours: verify names it */
	}
	/* What is too much has to go all the same. */
	return report_disk_full(err) ? 0 : err;
}

int report_retain(struct report_store *s, struct heads *heads, const struct retain_config *cfg,
		  edr_s64 now_ns, struct retain_totals *out)
{
	struct retain r = { .store = s,
			    .heads = heads,
			    .cfg = cfg,
			    .totals = out,
			    .now_ns = now_ns,
			    .changed = true };
	int err;

	memset(out, 0, sizeof(*out));
	r.gone = calloc(MAX_REMOVED_AT_ONCE, sizeof(*r.gone));
	err = r.gone ? list_all(&r) : -ENOMEM;
	out->bytes = r.bytes;
	if (!err)
		err = remove_all(&r, true);
	/* By size only after packing has done what it can. */
	if (!err)
		err = list_all(&r);
	for (enum report_level i = LEVEL_INTERIM; !err && i <= LEVEL_CELL; i++)
		err = pack_old(&r, i);
	if (!err && cfg->max_bytes && r.bytes > cfg->max_bytes)
		err = list_all(&r);
	if (!err && cfg->max_bytes)
		err = remove_all(&r, false);
	for (enum report_level i = 0; i < N_LEVELS; i++)
		report_files_free(&r.files[i]);
	free(r.gone);
	return err;
}
