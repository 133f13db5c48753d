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

/* "open-<end of the window, Unix s>-<serial>": by name is by window and time. */
static void name_of(char out[CHAIN_ID_MAX], edr_s64 end_ns, unsigned serial)
{
	snprintf(out, CHAIN_ID_MAX, "open-%012lld-%08u", (long long)(end_ns / NS_PER_S), serial);
}

bool checkpoint_parse(const char *id, edr_s64 *end_ns, unsigned *serial)
{
	long long s;

	if (sscanf(id, "open-%12lld-%8u", &s, serial) != 2)
		return false;
	*end_ns = s * NS_PER_S;
	return true;
}

static int put(struct report_store *s, unsigned serial, const struct cell *delta)
{
	char name[CHAIN_ID_MAX];
	struct buf id = { 0 }, json = { 0 };
	int err = report_cell_json(delta, &id, &json);

	name_of(name, cell_totals(delta)->window_end_ns, serial);
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
	int err = put(s, ++c->serial, more ? c->unwritten : delta);

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

unsigned checkpoint_last(struct report_store *s)
{
	struct report_files f;
	unsigned last = 0, serial;
	edr_s64 end_ns;

	if (report_files_list(s, DIR, &f))
		return 0;
	for (size_t i = 0; i < f.n; i++)
		if (checkpoint_parse(f.file[i].id, &end_ns, &serial) && serial > last)
			last = serial;
	report_files_free(&f);
	return last;
}

/* The latest first: a kill on the way leaves those that the cell begins with, by which it is known. */
static int clear(struct report_store *s, const struct report_files *f, edr_s64 to_ns)
{
	unsigned serial;
	edr_s64 end_ns;
	int err = 0;

	for (size_t i = f->n; !err && i-- > 0;)
		if (checkpoint_parse(f->file[i].id, &end_ns, &serial) && end_ns <= to_ns)
			err = report_remove(s, DIR, f->file[i].id);
	return err;
}

int checkpoint_clear(struct report_store *s, edr_s64 window_end_ns)
{
	struct report_files f;
	int err = report_files_list(s, DIR, &f);

	if (!err)
		err = clear(s, &f, window_end_ns);
	report_files_free(&f);
	return err;
}
