/* SPDX-License-Identifier: MIT */
#include "report/checkpoint.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/merge.h"
#include "cell/view.h"
#include "report/files.h"
#include "report/parent.h"

#define DIR CHECKPOINT_DIR
#define NS_PER_S 1000000000LL

/* "open-<end of the window, Unix s>-<run>-<serial>": by name is by window and time. */
static void name_of(char out[CHAIN_ID_MAX], edr_s64 end_ns, const struct checkpoints *c)
{
	snprintf(out, CHAIN_ID_MAX, "open-%012lld-%06u-%08u", (long long)(end_ns / NS_PER_S),
		 c->run, c->serial);
}

bool checkpoint_parse(const char *id, struct checkpoint_name *out)
{
	long long s;

	if (sscanf(id, "open-%12lld-%6u-%8u", &s, &out->run, &out->serial) != 3)
		return false;
	out->end_ns = s * NS_PER_S;
	return true;
}

static int put(struct report_store *s, const struct checkpoints *c, const struct cell *delta)
{
	char name[CHAIN_ID_MAX];
	struct buf id = { 0 }, json = { 0 };
	int err = report_cell_json(delta, &id, &json);

	name_of(name, cell_totals(delta)->window_end_ns, c);
	if (!err)
		err = report_store_write(s, DIR, name, json.data, json.len);
	buf_free(&id);
	buf_free(&json);
	return err;
}

/* To what could not be written before; what is of another window has its cell by now. */
static int keep(struct checkpoints *c, const struct cell *delta)
{
	const struct cell_totals *t = cell_totals(delta);
	int err;

	if (c->unwritten && cell_totals(c->unwritten)->window_end_ns != t->window_end_ns)
		checkpoints_end(c);
	if (!c->unwritten)
		c->unwritten = cell_new_window(t->window_start_ns, t->window_end_ns,
					       t->interval_min, report_limits(LEVEL_CELL));
	err = c->unwritten ? cell_merge(c->unwritten, delta) : -ENOMEM;
	if (err)
		checkpoints_end(c);
	return err;
}

int checkpoint_write(struct report_store *s, struct checkpoints *c, const struct cell *delta)
{
	bool more = c->unwritten && !keep(c, delta);
	int err;

	c->serial++;
	err = put(s, c, more ? c->unwritten : delta);
	if (!err)
		checkpoints_end(c);
	else if (!more)
		keep(c, delta);
	return err;
}

void checkpoints_end(struct checkpoints *c)
{
	cell_free(c->unwritten);
	c->unwritten = NULL;
}

unsigned checkpoint_last_run(struct report_store *s)
{
	struct checkpoint_name name;
	struct report_files f;
	unsigned last = 0;

	if (report_files_list(s, DIR, &f))
		return 0;
	for (size_t i = 0; i < f.n; i++)
		if (checkpoint_parse(f.file[i].id, &name) && name.run > last)
			last = name.run;
	report_files_free(&f);
	return last;
}

static bool is_in(const char *id, const struct checkpoint_range *r)
{
	struct checkpoint_name name;

	return checkpoint_parse(id, &name) && name.end_ns >= r->first_end_ns &&
	       name.end_ns <= r->last_end_ns && name.run >= r->first_run && name.run <= r->last_run;
}

/* The latest first: a kill on the way leaves those that the cell begins with, by which it is known. */
int checkpoint_clear(struct report_store *s, const struct checkpoint_range *which)
{
	struct report_files f;
	int err = report_files_list(s, DIR, &f);

	for (size_t i = f.n; !err && i-- > 0;)
		if (is_in(f.file[i].id, which))
			err = report_remove(s, DIR, f.file[i].id);
	report_files_free(&f);
	return err;
}
