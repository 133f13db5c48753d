/* SPDX-License-Identifier: MIT */
#include "report/recover.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/build.h"
#include "cell/merge.h"
#include "cell/view.h"
#include "report/files.h"
#include "report/heads.h"
#include "report/parent.h"
#include "report/read.h"

#define NS_PER_S 1000000000ll
#define HOLE_NS NS_PER_S /* between two checkpoints; a clock that is being set makes smaller ones */
#define SAME_NS NS_PER_S /* a cell and its first checkpoint begin together, but for some ms */
/* Events may come that are older than a run's first record: then its parts began before its mark. */
#define PART_NS (NS_PER_S / 2)
#define KILLED "the agent was killed: what it saw since its last checkpoint is lost"
#define HOLE "the agent was killed, and checkpoints of it are missing: what they had is lost"
#define DOUBT                                                                                    \
	"the agent was killed, and checkpoints of it are damaged or not ours: what they had is " \
	"lost"

/* An interim part on disk. */
struct part {
	edr_u64 first, last; /* numbers: several may be in one file */
	edr_u64 events;
	edr_s64 from_ns; /* covered_from */
	edr_s64 first_event_ns;
	edr_u64 bytes;
};

/* What a cell on disk has of the window under way. */
struct spent {
	edr_s64 from_ns, to_ns;
};

/* A window under way. */
struct recovery {
	struct report_store *store;
	const struct recover_config *cfg;
	struct recovered *out;
	struct leftover **end; /* of the list */
	struct checkpoint_range files;
	struct cell *cell; /* NULL: nothing yet */
	struct cell *mark; /* what the run at hand began with, while nothing else of it came */
	unsigned run;
	unsigned interval_s; /* of that run */
	bool doubtful;	     /* since its last one that was used there was one that is not */
	edr_s64 to_ns;	     /* of that run, up to here nothing is missing */
	struct part *part;   /* NULL: not looked for yet */
	size_t n_parts;
	struct cell_resume resume; /* what was counted of the parts; */
	edr_u64 events;		   /* of the runs whose parts were counted */
	struct spent *spent;	   /* only with a key */
	size_t n_spent;
};

/* ---- gaps ---- */

/* Totals that add nothing to the cell's. */
static struct cell_totals nothing(const struct cell *cell)
{
	const struct cell_totals *t = cell_totals(cell);

	return (struct cell_totals){ .window_start_ns = t->window_start_ns,
				     .window_end_ns = t->window_end_ns,
				     .watched_from_ns = t->watched_from_ns,
				     .watched_to_ns = t->watched_to_ns,
				     .processes = t->processes };
}

static int settle(struct cell *cell, const struct cell_totals *t, const struct cell_blind *blind)
{
	struct cell_view whole, v;
	int err = cell_view_open(&whole, cell);

	if (err)
		return err;
	v = (struct cell_view){
		.totals = t, .host = whole.host, .blind = blind, .n_blind = blind ? 1 : 0
	};
	err = cell_settle(cell, &v);
	cell_view_close(&whole);
	return err;
}

static int note_gap(struct cell *cell, edr_s64 from_ns, edr_s64 to_ns, const char *why)
{
	struct cell_totals t = nothing(cell);
	struct cell_blind gap = { .from_ns = from_ns, .reason = { why, strlen(why) } };

	gap.to_ns = to_ns < t.window_end_ns ? to_ns : t.window_end_ns;
	if (gap.to_ns <= gap.from_ns)
		return 0;
	t.blind_ns = (edr_u64)(gap.to_ns - gap.from_ns);
	return settle(cell, &t, &gap);
}

/*
 * Up to next_ns; where that is unknown (0): what may be lost. Where it is earlier by a clock that was set
 * back a little, nobody knows how much: an instant, so that no time is both watched and blind.
 */
static int note_kill(struct cell *cell, edr_s64 next_ns, unsigned interval_s, bool doubtful)
{
	edr_s64 to_ns = cell_totals(cell)->watched_to_ns;
	const edr_s64 from_ns = to_ns;

	if (!next_ns)
		to_ns += interval_s * NS_PER_S;
	else
		to_ns = next_ns > to_ns ? next_ns : to_ns + 1;
	return note_gap(cell, from_ns, to_ns, doubtful ? DOUBT : KILLED);
}

/* ---- its interim parts ---- */

static bool read_part(const struct buf *text, struct part *p)
{
	struct wire_span root, v;

	return jr_document(text->data, text->len, &root) && jr_member(root, "covered_from", &v) &&
	       jr_time(v, &p->from_ns) && jr_member(root, "part", &v) && jr_u64(v, &p->first) &&
	       jr_member(root, "last_part", &v) && jr_u64(v, &p->last) &&
	       jr_member(root, "first_event", &v) && jr_time(v, &p->first_event_ns) &&
	       jr_member(root, "total", &v) && jr_u64(v, &p->events) && p->last >= p->first;
}

static int load_part(struct recovery *r, const struct report_file *file)
{
	struct part p = { .bytes = file->bytes };
	struct buf text = { 0 };
	const edr_s64 from_ns = cell_totals(r->cell)->watched_from_ns;
	int err = report_read(r->store, report_levels[LEVEL_INTERIM].dir, file->id, &text);

	if (!err && read_part(&text, &p) && p.from_ns > from_ns - PART_NS &&
	    p.from_ns < from_ns + PART_NS)
		r->part[r->n_parts++] = p;
	buf_free(&text);
	return err == -ENOMEM ? err : 0;
}

static int load_parts(struct recovery *r)
{
	const struct cell_totals *t = cell_totals(r->cell);
	struct report_files f;
	edr_s64 start_ns;
	int err = report_files_list(r->store, report_levels[LEVEL_INTERIM].dir, &f);

	if (err)
		return err;
	r->part = calloc(f.n + 1, sizeof(*r->part));
	err = r->part ? 0 : -ENOMEM;
	for (size_t i = 0; !err && i < f.n; i++)
		if (report_level_of_id(f.file[i].id, &start_ns) == LEVEL_INTERIM &&
		    start_ns == t->window_start_ns)
			err = load_part(r, &f.file[i]);
	report_files_free(&f);
	return err;
}

/* Those that would have been listed. */
static edr_u64 listed_events(const struct recovery *r)
{
	const struct cell_totals *t = cell_totals(r->cell);

	return t->events - (r->cfg->lists_threads ? 0 : t->type[EDR_THREAD].delivered);
}

/*
 * Of the run at hand, which ends before that. Those that a part on disk lists are in none of the
 * checkpoints.
 */
static int note_parts(struct recovery *r, edr_s64 before_ns)
{
	struct cell_totals more = nothing(r->cell);
	const edr_u64 events = listed_events(r) - r->events;
	unsigned last = r->resume.parts;
	int err = r->part ? 0 : load_parts(r);

	for (size_t i = 0; !err && i < r->n_parts; i++) {
		const struct part *p = &r->part[i];

		if (p->first <= r->resume.parts || p->first_event_ns >= before_ns)
			continue;
		more.parts += (unsigned)(p->last - p->first + 1);
		more.events_in_parts += p->events;
		r->resume.interim_bytes += p->bytes;
		/* They are named by it, and so is their cell. */
		if (p->from_ns < more.watched_from_ns)
			more.watched_from_ns = p->from_ns;
		if (p->last > last)
			last = (unsigned)p->last;
	}
	r->resume.parts = last;
	r->events += events;
	if ((r->n_parts || r->cfg->lists_events) && events > more.events_in_parts)
		more.events_unlisted = events - more.events_in_parts;
	if (err || (!more.parts && !more.events_unlisted))
		return err;
	return settle(r->cell, &more, NULL);
}

/* ---- was it written? ---- */

/* Just before the kill, which then kept its checkpoints from going. */
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

/* ---- adding up ---- */

static void reset(struct recovery *r)
{
	cell_free(r->cell);
	cell_free(r->mark);
	free(r->part);
	r->doubtful = false;
	r->cell = r->mark = NULL;
	r->part = NULL;
	r->n_parts = 0;
	r->events = 0;
	r->resume = (struct cell_resume){ 0 };
}

static int append(struct recovery *r)
{
	const struct cell_totals *t = cell_totals(r->cell);
	struct leftover *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	r->resume.window_start_ns = t->window_start_ns;
	r->resume.window_end_ns = t->window_end_ns;
	r->resume.watched_from_ns = t->watched_from_ns;
	r->resume.watched_to_ns = t->watched_to_ns;
	*l = (struct leftover){ .cell = r->cell,
				.resume = r->resume,
				.files = r->files,
				.interval_s = r->interval_s,
				.doubtful = r->doubtful };
	r->cell = NULL;
	*r->end = l;
	r->end = &l->next;
	return 0;
}

/*
 * What a run begins with: its first checkpoint, without events. It counts only where nothing else came of its run, for the next one has its records again.
 */
static int take_mark(struct recovery *r)
{
	int err = r->mark ? cell_merge(r->cell, r->mark) : 0;

	cell_free(r->mark);
	r->mark = NULL;
	return err;
}

static int end_window(struct recovery *r)
{
	bool written = true;
	int err = 0;

	if (r->cell)
		err = take_mark(r);
	if (!err && r->cell)
		err = note_parts(r, INT64_MAX);
	if (!err && r->cell)
		err = find_written(r, &written);
	if (!err)
		err = written ? checkpoint_clear(r->store, &r->files) : append(r);
	reset(r);
	return err;
}

static bool goes_on(const struct recovery *r, const struct cell_totals *t, unsigned run)
{
	const struct cell_totals *sum = cell_totals(r->cell);
	const struct cell_resume so_far = { .window_start_ns = sum->window_start_ns,
					    .window_end_ns = sum->window_end_ns,
					    .watched_to_ns =
						    run == r->run ? 0 : sum->watched_to_ns };

	return cell_goes_on(t, &so_far);
}

/* Of the run before that one. */
static int end_run(struct recovery *r, edr_s64 next_ns)
{
	int err = note_parts(r, next_ns);

	if (!err)
		err = note_kill(r->cell, next_ns, r->interval_s, r->doubtful);
	r->doubtful = false;
	return err;
}

/* Makes r->cell good for a checkpoint of that run. */
static int begin(struct recovery *r, const struct cell_totals *t, unsigned run)
{
	const bool next = r->cell && run != r->run;
	int err = next ? take_mark(r) : 0;

	if (!err && r->cell && !goes_on(r, t, run)) {
		err = end_window(r);
		r->files.first_run = run;
	}
	if (!err && r->cell && next)
		err = end_run(r, t->watched_from_ns);
	if (err)
		return err;
	if (!r->cell || run != r->run)
		r->to_ns = t->watched_from_ns;
	r->run = run;
	if (!r->cell)
		r->cell = cell_new_window(t->window_start_ns, t->window_end_ns, t->interval_min,
					  report_limits(LEVEL_CELL));
	return r->cell ? 0 : -ENOMEM;
}

/* Owns delta. */
static int add(struct recovery *r, struct cell *delta, const struct checkpoint_name *name,
	       unsigned interval_s)
{
	const struct cell_totals *t = cell_totals(delta);
	int err = begin(r, t, name->run);
	const edr_s64 hole_ns = r->doubtful ? 0 : HOLE_NS;

	r->interval_s = interval_s;
	if (!err && name->serial == 1 && !t->events) {
		cell_free(r->mark);
		r->mark = delta;
		r->to_ns = t->watched_from_ns;
		return 0;
	}
	/* The first one of the run is missing: its mark tells from when on. */
	if (!err && r->mark && t->watched_from_ns > r->to_ns + hole_ns)
		err = take_mark(r);
	cell_free(r->mark);
	r->mark = NULL;
	if (!err && cell_totals(r->cell)->watched_to_ns &&
	    t->watched_from_ns > r->to_ns + hole_ns && !t->clock_steps)
		err = note_gap(r->cell, r->to_ns, t->watched_from_ns, r->doubtful ? DOUBT : HOLE);
	if (!err)
		err = cell_merge(r->cell, delta);
	r->to_ns = t->watched_to_ns;
	r->doubtful = false;
	cell_free(delta);
	return err;
}

/* ---- what is used ---- */

static int load_spent(struct recovery *r, const char *id)
{
	struct report_info info;
	struct buf text = { 0 };
	struct cell *cell = NULL;
	int err = report_read(r->store, report_levels[LEVEL_CELL].dir, id, &text);

	if (!err)
		err = report_load(text.data, text.len, &cell, &info);
	if (!err)
		r->spent[r->n_spent++] = (struct spent){ cell_totals(cell)->watched_from_ns,
							 cell_totals(cell)->watched_to_ns };
	cell_free(cell);
	buf_free(&text);
	return err == -ENOMEM ? err : 0;
}

static int load_all_spent(struct recovery *r, edr_s64 window_start_ns)
{
	struct report_files f;
	edr_s64 start_ns;
	int err = report_files_names(r->store, report_levels[LEVEL_CELL].dir, &f);

	if (err)
		return err;
	r->n_spent = 0;
	r->spent = calloc(f.n + 1, sizeof(*r->spent));
	err = r->spent ? 0 : -ENOMEM;
	for (size_t i = 0; !err && i < f.n; i++)
		if (report_level_of_id(f.file[i].id, &start_ns) == LEVEL_CELL &&
		    start_ns == window_start_ns)
			err = load_spent(r, f.file[i].id);
	report_files_free(&f);
	return err;
}

/*
 * Who has no key cannot make one, but may bring back one of ours: so none is used of a window before that
 * of the last cell, nor of a time that a cell of its window has.
 */
static int check_spent(struct recovery *r, const struct cell_totals *t,
		       enum checkpoint_doubt *doubt)
{
	const struct chain_key *key = r->cfg->expect.key;
	const char *last = r->cfg->heads ? heads_now(r->cfg->heads)->head[LEVEL_CELL].id : "";
	edr_s64 start_ns;
	int err;

	if (!key || !key->len)
		return 0;
	if (report_level_of_id(last, &start_ns) == LEVEL_CELL && t->window_end_ns <= start_ns)
		*doubt = CHECKPOINT_SPENT;
	err = r->spent ? 0 : load_all_spent(r, t->window_start_ns);
	for (size_t i = 0; !err && i < r->n_spent; i++)
		if (t->watched_from_ns > r->spent[i].from_ns - SAME_NS &&
		    t->watched_to_ns <= r->spent[i].to_ns)
			*doubt = CHECKPOINT_SPENT;
	return err;
}

/* What cannot be read is of nobody; all the rest may be of a host or a key that comes back. */
static int pass_over(struct recovery *r, const char *id, const struct checkpoint_name *name,
		     enum checkpoint_doubt doubt)
{
	r->out->doubt[doubt]++;
	if (doubt == CHECKPOINT_SPENT)
		return 0;
	r->doubtful = true;
	if (doubt == CHECKPOINT_DAMAGED && name->run > CHECKPOINT_MAX_NAMED_RUN)
		report_remove(r->store, CHECKPOINT_DIR, id);
	return doubt == CHECKPOINT_DAMAGED ? 0 : report_files_add(&r->out->kept, id);
}

static int add_file(struct recovery *r, const char *id, const struct checkpoint_name *name)
{
	struct checkpoint_read c;
	int err = checkpoint_read(r->store, id, &r->cfg->expect, &c);

	if (!err && !c.doubt)
		err = check_spent(r, cell_totals(c.cell), &c.doubt);
	if (!err && !c.doubt) {
		r->out->doubt[CHECKPOINT_GOOD]++;
		if (name->run > r->out->last_run)
			r->out->last_run = name->run;
		return add(r, c.cell, name, c.interval_s);
	}
	cell_free(c.cell);
	return err ? err : pass_over(r, id, name, c.doubt);
}

/* The checkpoints from *i on that are of one window. */
static int recover_window(struct recovery *r, const struct report_files *f, size_t *i)
{
	const size_t used = r->out->doubt[CHECKPOINT_GOOD],
		     damaged = r->out->doubt[CHECKPOINT_DAMAGED];
	struct checkpoint_name first, name;
	int err = 0;

	if (!checkpoint_parse(f->file[*i].id, &first)) {
		++*i;
		return 0;
	}
	r->files = (struct checkpoint_range){ first.end_ns, first.end_ns, first.run, first.run,
					      &r->out->kept };
	for (; !err && *i < f->n && checkpoint_parse(f->file[*i].id, &name) &&
	       name.end_ns == first.end_ns;
	     ++*i) {
		err = add_file(r, f->file[*i].id, &name);
		if (name.run <= CHECKPOINT_MAX_NAMED_RUN || name.run <= r->out->last_run)
			r->files.last_run = name.run;
	}
	free(r->spent);
	r->spent = NULL;
	if (r->out->doubt[CHECKPOINT_GOOD] == used && r->out->doubt[CHECKPOINT_DAMAGED] > damaged)
		r->out->windows_lost++;
	return err ? err : end_window(r);
}

int recover_all(struct report_store *s, const struct recover_config *cfg, struct recovered *out)
{
	struct recovery r = { .store = s, .cfg = cfg, .out = out, .end = &out->list };
	struct report_files f;
	int err = report_files_list(s, CHECKPOINT_DIR, &f);

	*out = (struct recovered){ .list = NULL };
	for (size_t i = 0; !err && i < f.n;)
		err = recover_window(&r, &f, &i);
	reset(&r);
	report_files_free(&f);
	for (struct leftover *next; err && out->list; out->list = next) {
		next = out->list->next;
		leftover_free(out->list);
	}
	return err;
}

/* ---- its cell ---- */

/* Nothing is trimmed: what both have is bounded already. */
int recover_cell(const struct leftover *l, struct cell *closed, struct cell **out)
{
	const struct cell_totals *t = cell_totals(l->cell);
	struct cell *sum =
		cell_new_window(t->window_start_ns, t->window_end_ns, t->interval_min, NULL);
	int err = sum ? cell_merge(sum, l->cell) : -ENOMEM;

	*out = NULL;
	if (!err)
		err = note_kill(sum, closed ? cell_totals(closed)->watched_from_ns : 0,
				l->interval_s, l->doubtful);
	if (!err && closed)
		err = cell_merge(sum, closed);
	if (err) {
		cell_free(sum);
		return err;
	}
	if (closed)
		cell_take_events(sum, closed);
	*out = sum;
	return 0;
}

void leftover_free(struct leftover *l)
{
	if (!l)
		return;
	cell_free(l->cell);
	free(l);
}
