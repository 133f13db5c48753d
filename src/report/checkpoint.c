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
#include "report/read.h"

#define DIR CHECKPOINT_DIR
#define NS_PER_S 1000000000LL

/* "open-<end of the window, Unix s>-<run>-<serial>": by name is by window and time. */
static void name_of(char out[CHAIN_ID_MAX], edr_s64 end_ns, const struct checkpoints *c)
{
	snprintf(out, CHAIN_ID_MAX, "open-%012lld-%06u-%08u", (long long)(end_ns / NS_PER_S),
		 c->run, c->serial);
}

/* Digits up to `end`, which is passed over. */
static bool take_number(const char **at, char end, unsigned long long max, unsigned long long *out)
{
	char *next;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*out = strtoull(*at, &next, 10);
	*at = next + 1;
	return !errno && *out <= max && *next == end;
}

bool checkpoint_parse(const char *id, struct checkpoint_name *out)
{
	unsigned long long s, run, serial;
	struct checkpoints c = { .run = 0 };
	char again[CHAIN_ID_MAX];
	const char *at = id + strlen("open-");

	if (strncmp(id, "open-", strlen("open-")) != 0 ||
	    !take_number(&at, '-', INT64_MAX / NS_PER_S, &s) ||
	    !take_number(&at, '-', CHECKPOINT_MAX_RUN, &run) ||
	    !take_number(&at, '\0', UINT32_MAX, &serial))
		return false;
	*out = (struct checkpoint_name){ (edr_s64)s * NS_PER_S, (unsigned)run, (unsigned)serial };
	c.run = out->run;
	c.serial = out->serial;
	name_of(again, out->end_ns, &c);
	return strcmp(again, id) == 0;
}

/* ---- the seal ---- */

void checkpoint_key(struct chain_key *out, const struct chain_key *key)
{
	chain_key_derive(out, key, "checkpoint");
}

/* At the end of a report's text, which becomes that checkpoint's. */
static int seal(struct buf *text, const char *name, const struct checkpoints *c)
{
	struct chain_link link = { .number = c->serial };

	text->len -= CHAIN_END_LEN;
	buf_addf(text, ",\n  \"checkpoint\": { \"name\": \"%s\", \"interval_seconds\": %u }\n}\n",
		 name, c->interval_s);
	return buf_failed(text) ? -ENOMEM : chain_seal(text, &link, &c->key);
}

static enum checkpoint_doubt check_seal(const struct buf *text, const struct chain_key *key,
					int *err)
{
	char sha256[CHAIN_HEX], hmac[CHAIN_HEX];
	struct chain_link link;

	*err = 0;
	if (!text->data || !chain_read(text->data, text->len, &link))
		return CHECKPOINT_DAMAGED;
	*err = chain_digest(text->data, text->len, key, sha256, hmac);
	if (*err || !chain_same(sha256, link.sha256))
		return CHECKPOINT_DAMAGED;
	if (key && key->len && !chain_same(hmac, link.hmac_sha256))
		return CHECKPOINT_UNSIGNED;
	return CHECKPOINT_GOOD;
}

static bool has_name(struct wire_span value, const char *id)
{
	const size_t len = strlen(id);

	return value.len == len + 2 && memcmp(value.data + 1, id, len) == 0;
}

static enum checkpoint_doubt check_name(const struct buf *text, const char *id,
					unsigned *interval_s)
{
	struct wire_span root, own, v;
	edr_u64 s;

	if (!jr_document(text->data, text->len, &root))
		return CHECKPOINT_DAMAGED;
	if (!jr_member(root, "checkpoint", &own) || !jr_member(own, "name", &v) || !has_name(v, id))
		return CHECKPOINT_RENAMED;
	if (!jr_member(own, "interval_seconds", &v) || !jr_u64(v, &s) || s > UINT16_MAX)
		return CHECKPOINT_DAMAGED;
	*interval_s = (unsigned)s;
	return CHECKPOINT_GOOD;
}

static int check_cell(const struct cell *cell, const char *id, const struct checkpoint_expect *want,
		      enum checkpoint_doubt *doubt)
{
	const struct cell_totals *t = cell_totals(cell);
	struct checkpoint_name name;
	struct cell_view v;
	int err = cell_view_open(&v, cell);

	if (err)
		return err;
	if (!checkpoint_parse(id, &name) || name.end_ns != t->window_end_ns)
		*doubt = CHECKPOINT_RENAMED;
	else if (want->machine_id &&
		 (v.host->machine_id.len != strlen(want->machine_id) ||
		  (v.host->machine_id.len &&
		   memcmp(v.host->machine_id.data, want->machine_id, v.host->machine_id.len) != 0)))
		*doubt = CHECKPOINT_FOREIGN;
	else if (want->now_ns && t->window_start_ns > want->now_ns)
		*doubt = CHECKPOINT_LATER;
	cell_view_close(&v);
	return 0;
}

static int load(const struct buf *text, const char *id, const struct checkpoint_expect *want,
		struct checkpoint_read *out)
{
	struct report_info info;
	int err;

	out->doubt = check_seal(text, want->key, &err);
	if (!err && !out->doubt)
		out->doubt = check_name(text, id, &out->interval_s);
	if (err || out->doubt)
		return err;
	err = report_load(text->data, text->len, &out->cell, &info);
	if (err == -ENOMEM)
		return err;
	if (err || info.level != LEVEL_CELL) {
		out->doubt = CHECKPOINT_DAMAGED;
		return 0;
	}
	return check_cell(out->cell, id, want, &out->doubt);
}

int checkpoint_read(struct report_store *s, const char *id, const struct checkpoint_expect *want,
		    struct checkpoint_read *out)
{
	struct buf text = { 0 };
	int err = report_read(s, DIR, id, &text);

	*out = (struct checkpoint_read){ .doubt = CHECKPOINT_DAMAGED };
	if (!err)
		err = load(&text, id, want, out);
	else if (err != -ENOMEM)
		err = 0;
	buf_free(&text);
	if (!err && !out->doubt)
		return 0;
	cell_free(out->cell);
	out->cell = NULL;
	return err;
}

/* ---- writing ---- */

/* What has the name already is none of a run before, for this one's number is above theirs. */
static int put_text(struct report_store *s, const char *name, const struct buf *json)
{
	char file[CHAIN_ID_MAX + 8];
	int err = report_store_write(s, DIR, name, json->data, json->len);

	if (err != -EEXIST)
		return err;
	snprintf(file, sizeof(file), "%s.json", name);
	return report_file_replace(s, DIR, file, (struct wire_span){ json->data, json->len });
}

static int put(struct report_store *s, const struct checkpoints *c, const struct cell *delta)
{
	char name[CHAIN_ID_MAX];
	struct buf id = { 0 }, json = { 0 };
	int err = report_cell_json(delta, &id, &json);

	name_of(name, cell_totals(delta)->window_end_ns, c);
	if (!err)
		err = seal(&json, name, c);
	if (!err)
		err = put_text(s, name, &json);
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

/* ---- those that are there ---- */

unsigned checkpoint_last_run(struct report_store *s)
{
	struct checkpoint_name name;
	struct report_files f;
	unsigned last = 0;

	if (report_files_list(s, DIR, &f))
		return 0;
	for (size_t i = 0; i < f.n; i++)
		if (checkpoint_parse(f.file[i].id, &name) && name.run > last &&
		    name.run <= CHECKPOINT_MAX_NAMED_RUN)
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
		if (is_in(f.file[i].id, which) &&
		    !(which->keep && report_files_has(which->keep, f.file[i].id)))
			err = report_remove(s, DIR, f.file[i].id);
	report_files_free(&f);
	return err;
}
