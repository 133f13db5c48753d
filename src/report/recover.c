/* SPDX-License-Identifier: MIT */
/* The cells of a run that was killed, from its checkpoints. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/build.h"
#include "cell/merge.h"
#include "cell/view.h"
#include "report/checkpoint.h"
#include "report/copy.h"
#include "report/files.h"
#include "report/parent.h"
#include "report/read.h"
#include "util/log.h"

#define NS_PER_S 1000000000ll
#define HOLE_NS NS_PER_S /* between two checkpoints; a clock that is being set makes smaller ones */
#define SAME_NS NS_PER_S /* a cell and its first checkpoint begin together, but for some ms */
#define KILLED "the agent was killed: what it saw since its last checkpoint is lost"
#define HOLE "the agent was killed, and checkpoints of it are missing: what they had is lost"

/* A window under way. */
struct recovery {
	struct report_store *store;
	unsigned interval_s;
	bool lists_events;
	struct cell *cell; /* NULL: nothing yet */
};

/* ---- adding up ---- */

static int note_gap(struct cell *cell, edr_s64 from_ns, edr_s64 to_ns, const char *why)
{
	const struct cell_totals *t = cell_totals(cell);
	struct cell_view host = { 0 };
	struct cell_totals none = { .window_start_ns = t->window_start_ns,
				    .window_end_ns = t->window_end_ns,
				    .watched_from_ns = t->watched_from_ns,
				    .watched_to_ns = t->watched_to_ns,
				    .processes = t->processes };
	struct cell_blind gap = { .from_ns = from_ns, .reason = { why, strlen(why) } };
	struct cell_view v;
	int err;

	gap.to_ns = to_ns < t->window_end_ns ? to_ns : t->window_end_ns;
	if (gap.to_ns <= gap.from_ns)
		return 0;
	err = cell_view_open(&host, cell);
	if (err)
		return err;
	none.blind_ns = (edr_u64)(gap.to_ns - gap.from_ns);
	v = (struct cell_view){ .totals = &none, .host = host.host, .blind = &gap, .n_blind = 1 };
	err = cell_settle(cell, &v);
	cell_view_close(&host);
	return err;
}

/* The one that is written when a run begins; the next one counts its records again. */
static bool is_mark(const struct cell *cell)
{
	const struct cell_totals *t = cell_totals(cell);

	return !t->events && !t->watched_ns;
}

static int merge(struct recovery *r, const struct cell *delta)
{
	const struct cell_totals *t = cell_totals(delta), *sum;
	int err = 0;

	if (r->cell && is_mark(r->cell)) {
		cell_free(r->cell);
		r->cell = NULL;
	}
	if (!r->cell)
		r->cell = cell_new_window(t->window_start_ns, t->window_end_ns, t->interval_min,
					  report_limits(LEVEL_CELL));
	if (!r->cell)
		return -ENOMEM;
	sum = cell_totals(r->cell);
	if (sum->watched_to_ns && t->watched_from_ns > sum->watched_to_ns + HOLE_NS &&
	    !t->clock_steps)
		err = note_gap(r->cell, sum->watched_to_ns, t->watched_from_ns, HOLE);
	if (!err)
		err = cell_merge(r->cell, delta);
	return err == -ERANGE ? 0 : err;
}

/* One that cannot be read is passed over. */
static int add(struct recovery *r, const char *id)
{
	struct report_info info;
	struct buf text = { 0 };
	struct cell *delta = NULL;
	int err = report_read(r->store, CHECKPOINT_DIR, id, &text);

	if (!err)
		err = report_load(text.data, text.len, &delta, &info);
	buf_free(&text);
	if (err)
		return err == -ENOMEM ? err : 0;
	err = merge(r, delta);
	cell_free(delta);
	return err;
}

/* ---- its interim parts ---- */

static bool read_part(const struct buf *text, edr_s64 *from_ns, edr_u64 *parts, edr_u64 *events)
{
	struct wire_span root, v;
	edr_u64 first, last;

	if (!jr_document(text->data, text->len, &root) || !jr_member(root, "covered_from", &v) ||
	    !jr_time(v, from_ns) || !jr_member(root, "part", &v) || !jr_u64(v, &first) ||
	    !jr_member(root, "last_part", &v) || !jr_u64(v, &last) ||
	    !jr_member(root, "total", &v) || !jr_u64(v, events) || last < first)
		return false;
	*parts = last - first + 1;
	return true;
}

/* Those that a part on disk lists are in none of the checkpoints. */
static int count_parts(struct recovery *r, const char *id, struct cell_totals *t)
{
	const size_t len = strlen(id);
	struct report_files f;
	edr_u64 parts, events;
	edr_s64 from_ns;
	int err = report_files_list(r->store, report_levels[LEVEL_INTERIM].dir, &f);

	for (size_t i = 0; !err && i < f.n; i++) {
		struct buf text = { 0 };

		if (strncmp(f.file[i].id, id, len) != 0 || f.file[i].id[len] != '.')
			continue;
		err = report_read(r->store, report_levels[LEVEL_INTERIM].dir, f.file[i].id, &text);
		if (!err && read_part(&text, &from_ns, &parts, &events) &&
		    from_ns == t->watched_from_ns) {
			t->parts += (unsigned)parts;
			t->events_in_parts += events;
		}
		buf_free(&text);
		err = err == -ENOMEM ? err : 0;
	}
	report_files_free(&f);
	return err;
}

static int note_parts(struct recovery *r, const char *id)
{
	const struct cell_totals *t = cell_totals(r->cell);
	struct cell_totals more = { .window_start_ns = t->window_start_ns,
				    .window_end_ns = t->window_end_ns,
				    .watched_from_ns = t->watched_from_ns,
				    .watched_to_ns = t->watched_to_ns,
				    .processes = t->processes };
	struct cell_view host = { 0 }, v;
	int err = count_parts(r, id, &more);

	if (err)
		return err;
	if ((more.parts || r->lists_events) && t->events > more.events_in_parts)
		more.events_unlisted = t->events - more.events_in_parts;
	if (!more.parts && !more.events_unlisted)
		return 0;
	err = cell_view_open(&host, r->cell);
	if (err)
		return err;
	v = (struct cell_view){ .totals = &more, .host = host.host };
	err = cell_settle(r->cell, &v);
	cell_view_close(&host);
	return err;
}

/* ---- the cell ---- */

/* Was it written just before the kill, which then kept its checkpoints from going? */
static bool same_run(struct recovery *r, const char *id)
{
	const struct cell_totals *t = cell_totals(r->cell), *there;
	struct report_info info;
	struct buf text = { 0 };
	struct cell *cell = NULL;
	bool same = false;

	if (!report_read(r->store, report_levels[LEVEL_CELL].dir, id, &text) &&
	    !report_load(text.data, text.len, &cell, &info)) {
		there = cell_totals(cell);
		same = there->window_end_ns == t->window_end_ns &&
		       there->watched_to_ns >= t->watched_to_ns &&
		       there->watched_from_ns < t->watched_from_ns + SAME_NS &&
		       there->watched_from_ns > t->watched_from_ns - SAME_NS;
	}
	cell_free(cell);
	buf_free(&text);
	return same;
}

static int find_written(struct recovery *r, bool *found)
{
	const struct cell_totals *t = cell_totals(r->cell);
	struct report_files f;
	edr_s64 start_ns;
	int err = report_files_list(r->store, report_levels[LEVEL_CELL].dir, &f);

	*found = false;
	for (size_t i = 0; !err && i < f.n && !*found; i++)
		if (report_level_of_id(f.file[i].id, &start_ns) == LEVEL_CELL &&
		    start_ns == t->window_start_ns)
			*found = same_run(r, f.file[i].id);
	report_files_free(&f);
	return err;
}

static int cell_text(struct recovery *r, struct buf *id, struct buf *json)
{
	const edr_s64 to_ns = cell_totals(r->cell)->watched_to_ns;
	int err = note_gap(r->cell, to_ns, to_ns + r->interval_s * NS_PER_S, KILLED);

	if (!err)
		err = report_cell_json(r->cell, id, json);
	if (!err)
		err = note_parts(r, id->data);
	if (err)
		return err;
	buf_free(id);
	buf_free(json);
	return report_cell_json(r->cell, id, json);
}

static int write_cell(struct recovery *r)
{
	struct buf id = { 0 }, json = { 0 };
	char name[CHAIN_ID_MAX];
	bool found;
	int err = find_written(r, &found);

	if (err || found)
		return err;
	err = cell_text(r, &id, &json);
	if (!err)
		err = report_write_copy(r->store, report_levels[LEVEL_CELL].dir, id.data, &json,
					name, sizeof(name));
	if (!err)
		log_warn("report",
			 "a run was killed: what it had of %s is written; at most %u s of it are "
			 "lost",
			 name, r->interval_s);
	buf_free(&id);
	buf_free(&json);
	return err;
}

/* The checkpoints from *i on that are of one window. 1 when it has a cell now, 0, -errno. */
static int recover_window(struct recovery *r, const struct report_files *f, size_t *i)
{
	edr_s64 window_ns, end_ns;
	unsigned serial;
	size_t from = *i;
	int err = 0, n;

	if (!checkpoint_parse(f->file[*i].id, &window_ns, &serial)) {
		++*i;
		return 0;
	}
	for (; !err && *i < f->n && checkpoint_parse(f->file[*i].id, &end_ns, &serial) &&
	       end_ns == window_ns;
	     ++*i)
		err = add(r, f->file[*i].id);
	if (!err && r->cell)
		err = write_cell(r);
	n = r->cell != NULL;
	cell_free(r->cell);
	r->cell = NULL;
	/* The latest first, as checkpoint_clear(). */
	for (size_t k = *i; !err && k-- > from;)
		err = report_remove(r->store, CHECKPOINT_DIR, f->file[k].id);
	return err ? err : n;
}

int checkpoint_recover(struct report_store *s, unsigned interval_s, bool lists_events)
{
	struct recovery r = { .store = s, .interval_s = interval_s, .lists_events = lists_events };
	struct report_files f;
	int err = report_files_list(s, CHECKPOINT_DIR, &f), n = 0;

	for (size_t i = 0; err >= 0 && i < f.n;) {
		err = recover_window(&r, &f, &i);
		n += err > 0;
	}
	report_files_free(&f);
	return err < 0 ? err : n;
}
