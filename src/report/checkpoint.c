/* SPDX-License-Identifier: MIT */
#include "report/checkpoint.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/build.h"
#include "cell/merge.h"
#include "cell/view.h"
#include "report/files.h"
#include "report/parent.h"
#include "util/log.h"

#define DIR "checkpoint"
#define NS_PER_S 1000000000LL
#define GAP "the agent was killed: what it saw since its last checkpoint is lost"

/* "open-<end of the window, Unix s>-<serial>": by name is by window and time. */
static void name_of(char out[CHAIN_ID_MAX], edr_s64 end_ns, unsigned serial)
{
	snprintf(out, CHAIN_ID_MAX, "open-%012lld-%08u", (long long)(end_ns / NS_PER_S), serial);
}

static bool parse_name(const char *id, edr_s64 *end_ns)
{
	long long s;
	unsigned serial;

	if (sscanf(id, "open-%12lld-%8u", &s, &serial) != 2)
		return false;
	*end_ns = s * NS_PER_S;
	return true;
}

int checkpoint_write(struct report_store *s, unsigned *serial, const struct cell *delta)
{
	char name[CHAIN_ID_MAX];
	struct buf id = { 0 }, json = { 0 };
	int err = report_cell_json(delta, &id, &json);

	name_of(name, cell_totals(delta)->window_end_ns, ++*serial);
	if (!err)
		err = report_store_write(s, DIR, name, json.data, json.len);
	buf_free(&id);
	buf_free(&json);
	return err;
}

static int clear(struct report_store *s, const struct report_files *f, edr_s64 from_ns,
		 edr_s64 to_ns)
{
	edr_s64 end_ns;
	int err = 0;

	for (size_t i = 0; !err && i < f->n; i++)
		if (parse_name(f->file[i].id, &end_ns) && end_ns >= from_ns && end_ns <= to_ns)
			err = report_remove(s, DIR, f->file[i].id);
	return err;
}

int checkpoint_clear(struct report_store *s, edr_s64 window_end_ns)
{
	struct report_files f;
	int err = report_files_list(s, DIR, &f);

	if (!err)
		err = clear(s, &f, INT64_MIN, window_end_ns);
	report_files_free(&f);
	return err;
}

/* ---- after a kill ---- */

/* Adds one; makes *to with the first. One that cannot be read is passed over. */
static int add(struct report_store *s, const char *id, struct cell **to)
{
	const struct cell_totals *t;
	struct report_info info;
	struct buf text = { 0 };
	struct cell *delta = NULL;
	int err = report_read(s, DIR, id, &text);

	if (!err)
		err = report_load(text.data, text.len, &delta, &info);
	buf_free(&text);
	if (err)
		return err == -ENOMEM ? err : 0;
	t = cell_totals(delta);
	if (!*to)
		*to = cell_new_window(t->window_start_ns, t->window_end_ns, t->interval_min, NULL);
	err = *to ? cell_merge(*to, delta) : -ENOMEM;
	cell_free(delta);
	return err == -ERANGE ? 0 : err;
}

/* The kill was some time within the interval behind the last one. */
static int note_gap(struct cell *cell, unsigned interval_s)
{
	const struct cell_totals *t = cell_totals(cell);
	struct cell_view host = { 0 };
	struct cell_totals none = { .window_start_ns = t->window_start_ns,
				    .window_end_ns = t->window_end_ns,
				    .watched_from_ns = t->watched_from_ns,
				    .watched_to_ns = t->watched_to_ns };
	struct cell_blind gap = { .from_ns = t->watched_to_ns,
				  .to_ns = t->watched_to_ns + interval_s * NS_PER_S,
				  .reason = { GAP, strlen(GAP) } };
	struct cell_view v;
	int err;

	if (gap.to_ns > t->window_end_ns)
		gap.to_ns = t->window_end_ns;
	if (gap.to_ns <= gap.from_ns)
		return 0;
	err = cell_view_open(&host, cell);
	if (err)
		return err;
	none.blind_ns = (edr_u64)(gap.to_ns - gap.from_ns);
	none.processes = t->processes;
	v = (struct cell_view){ .totals = &none, .host = host.host, .blind = &gap, .n_blind = 1 };
	err = cell_settle(cell, &v);
	cell_view_close(&host);
	return err;
}

static int write_cell(struct report_store *s, struct cell *cell, unsigned interval_s)
{
	struct buf id = { 0 }, json = { 0 };
	int err = note_gap(cell, interval_s);

	if (!err)
		err = report_cell_json(cell, &id, &json);
	if (!err)
		err = report_store_write(s, "cells", id.data, json.data, json.len);
	if (!err)
		log_warn("report",
			 "a run was killed: what it had of %s is written; at most %u s of it are "
			 "lost",
			 id.data, interval_s);
	buf_free(&id);
	buf_free(&json);
	/* It was written just before the kill, which then kept its checkpoints from going. */
	return err == -EEXIST ? 0 : err;
}

int checkpoint_recover(struct report_store *s, unsigned interval_s)
{
	struct report_files f;
	edr_s64 end_ns, now_ns = 0;
	int err = report_files_list(s, DIR, &f), n = 0;
	size_t i = 0;

	while (!err && i < f.n) {
		struct cell *cell = NULL;

		if (!parse_name(f.file[i].id, &end_ns)) {
			i++;
			continue;
		}
		for (now_ns = end_ns; !err && i < f.n && end_ns == now_ns; i++) {
			err = add(s, f.file[i].id, &cell);
			if (i + 1 < f.n && !parse_name(f.file[i + 1].id, &end_ns))
				end_ns = INT64_MIN;
		}
		if (!err && cell) {
			err = write_cell(s, cell, interval_s);
			n++;
		}
		cell_free(cell);
		if (!err)
			err = clear(s, &f, now_ns, now_ns);
	}
	report_files_free(&f);
	return err ? err : n;
}
