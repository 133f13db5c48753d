/* SPDX-License-Identifier: MIT */
#include "report/rebuild.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/files.h"
#include "report/heads.h"
#include "report/parent.h"
#include "report/verify.h"

struct rebuild {
	const struct rebuild_config *cfg;
	struct rebuild_totals *totals;
	struct report_store *store;
	struct heads *heads;
};

/* What the writer makes again, with the place in the chain that it had. */
static int write_parent(struct rebuild *r, enum report_level level, const char *id, bool there,
			const struct buf *made)
{
	const char *dir = report_levels[level].dir;
	struct buf old = { 0 };
	int err = there ? report_read_unsealed(r->store, level, id, &old) : 0;
	bool same = there && !err && old.len == made->len &&
		    memcmp(old.data, made->data, made->len) == 0;

	buf_free(&old);
	if (err == -ENOMEM)
		return err;
	if (same) {
		r->totals->same++;
		return 0;
	}
	err = report_store_replace(r->store, dir, id, made->data, made->len, "rebuilt");
	if (err)
		return err;
	if (there)
		r->totals->changed++;
	else
		r->totals->added++;
	if (r->cfg->on_rebuilt)
		r->cfg->on_rebuilt(r->cfg->ctx, level, id, there ? "changed" : "new");
	return 0;
}

static int make_parent(struct rebuild *r, enum report_level level, struct report_window w,
		       const struct report_files *children, const struct report_files *parents)
{
	struct heads_reader reader = heads_reader(r->heads);
	struct buf id = { 0 }, made = { 0 };
	const char **ids;
	size_t n;
	int err;

	if (heads_children_removed(heads_now(r->heads), level, w)) {
		r->totals->skipped++;
		return 0;
	}
	ids = report_children(children, level, w, &n);
	if (!ids)
		return -ENOMEM;
	err = report_parent_make(heads_read_child, &reader, level, w, ids, n, &id, &made);
	free(ids);
	if (!err) {
		r->totals->made++;
		err = write_parent(r, level, id.data, report_files_has(parents, id.data), &made);
	}
	buf_free(&id);
	buf_free(&made);
	return err;
}

/* Ids sort by time, so the windows come in order; a window without children has no parent here. */
static int make_level(struct rebuild *r, enum report_level level)
{
	struct report_files children = { .n = 0 }, parents = { .n = 0 };
	struct report_window w = { 0, 0 };
	char id[REPORT_ID_MAX];
	edr_s64 start_ns, latest_ns = 0;
	int err = report_files_names(r->store, report_levels[level - 1].dir, &children);

	if (!err)
		err = report_files_names(r->store, report_levels[level].dir, &parents);
	for (size_t i = 0; !err && i < children.n; i++)
		if (report_level_of_id(children.file[i].id, &start_ns) + 1 == level &&
		    start_ns > latest_ns)
			latest_ns = start_ns;
	for (size_t i = 0; !err && i < children.n; i++) {
		if (report_level_of_id(children.file[i].id, &start_ns) + 1 != level ||
		    (start_ns >= w.start_ns && start_ns < w.end_ns))
			continue;
		w = report_level_window(level, start_ns, 0);
		report_level_id(level, w, id);
		if (report_files_has(&parents, id) || latest_ns >= w.end_ns)
			err = make_parent(r, level, w, &children, &parents);
	}
	report_files_free(&children);
	report_files_free(&parents);
	return err;
}

/* Parents made of what somebody changed would look as good as the genuine ones that they replace. */
static int check_chains(const struct rebuild *r, char *err, size_t err_size)
{
	const struct verify_config cfg = { .key = r->cfg->key, .chains_only = true };
	struct verify_totals totals;
	int status = report_verify(r->store, &cfg, &totals);

	if (status || !totals.problems || r->cfg->force)
		return status;
	snprintf(
		err, err_size,
		"nothing is made: %zu problems in the chains, so what parents would be made of may "
		"be changed or missing; `report verify` names them, --force makes them all the "
		"same",
		totals.problems);
	return -EBADMSG;
}

int report_rebuild(const struct rebuild_config *cfg, struct rebuild_totals *out, char *err,
		   size_t err_size)
{
	struct rebuild r = { .cfg = cfg, .totals = out };
	int status;

	memset(out, 0, sizeof(*out));
	status = report_store_open(&r.store, cfg->dir, err, err_size);
	if (status)
		return status;
	status = check_chains(&r, err, err_size);
	if (!status)
		status = heads_open(&r.heads, r.store, cfg->key, err, err_size);
	if (!status) {
		report_store_chain(r.store, r.heads);
		for (enum report_level i = LEVEL_BLOCK; !status && i < N_LEVELS; i++)
			status = make_level(&r, i);
		if (!status) {
			heads_paid(r.heads);
			status = heads_settle(r.heads);
		}
		if (status)
			snprintf(err, err_size, "the parents cannot be made again: %s",
				 strerror(-status));
	}
	heads_close(r.heads);
	report_store_close(r.store);
	return status;
}
