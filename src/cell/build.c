/* SPDX-License-Identifier: MIT */
#include "cell/build.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "cell/cell_private.h"

/* Adds to the row of that key, which is made if needed: 0, -EBADMSG when it came twice. */
static int put_row(struct table *t, struct cell *cell, const void *key, size_t len, edr_u64 events,
		   edr_u64 short_by, struct row **out)
{
	struct row *r = table_count(t, cell, key, len, events);

	*out = r;
	if (!r)
		return -ENOMEM;
	if (r->merged)
		return -EBADMSG;
	r->merged = true;
	r->short_by += short_by;
	return 0;
}

static void add_span(struct span_ns *to, edr_s64 first_ns, edr_s64 last_ns)
{
	if (first_ns)
		span_note(to, first_ns);
	if (last_ns)
		span_note(to, last_ns);
}

static int put_counts(struct cell *cell, struct owner *o, enum count_kind kind,
		      const struct cell_counts *c, edr_u64 total)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		if (c->row[i].count > total)
			return -EBADMSG;
		total -= c->row[i].count;
		counts_add(cell, o, kind, c->row[i].number, c->row[i].name, c->row[i].count);
	}
	return 0;
}

struct kind_of {
	enum count_kind kind;
	const struct cell_counts *counts;
	edr_u64 total;
};

static int put_kinds(struct cell *cell, struct owner *o, const struct kind_of *k, size_t n)
{
	int err = 0;
	size_t i;

	for (i = 0; i < n && !err; i++)
		err = put_counts(cell, o, k[i].kind, k[i].counts, k[i].total);
	return err;
}

/* As lines.c makes it. */
static size_t line_key(char *key, const struct exe_row *exe, const struct cell_command_line *l)
{
	size_t len = sizeof(exe->id);

	memcpy(key, &exe->id, len);
	if (l->command.len)
		memcpy(key + len, l->command.data, l->command.len);
	len += l->command.len;
	key[len++] = '\0';
	if (l->argv.len)
		memcpy(key + len, l->argv.data, l->argv.len);
	len += l->argv.len;
	if (l->cut) {
		memcpy(key + len, &l->argv_bytes, sizeof(l->argv_bytes));
		len += sizeof(l->argv_bytes);
		memcpy(key + len, &l->hash, sizeof(l->hash));
		len += sizeof(l->hash);
	}
	return len;
}

static int put_line(struct cell *cell, struct exe_row *exe, const struct cell_command_line *l)
{
	char key[CELL_KEY_BYTES];
	struct line_row *row;
	struct row *r;
	int err;

	if (l->command.len > EDR_PATH_MAX || l->argv.len > CELL_LINE_BYTES + 1)
		return -EBADMSG;
	err = put_row(&cell->lines, cell, key, line_key(key, exe, l), l->count, l->short_by, &r);
	if (err)
		return err;
	row = (struct line_row *)r;
	if (!row->exe) {
		row->exe = exe;
		row->argv_bytes = l->argv_bytes;
		row->hash = l->hash;
		row->command_len = (edr_u32)l->command.len;
		row->argv_len = (edr_u32)l->argv.len;
		row->cut = l->cut;
		DL_APPEND(exe->lines, row);
	}
	add_span(&row->when, l->first_ns, l->last_ns);
	return 0;
}

static int put_lines(struct cell *cell, struct exe_row *exe, const struct cell_exe *e)
{
	edr_u64 rest = e->counts.runs;
	size_t i;
	int err = 0;

	for (i = 0; i < e->n_command_lines && !err; i++) {
		if (e->command_lines[i].count > rest)
			return -EBADMSG;
		rest -= e->command_lines[i].count;
		err = put_line(cell, exe, &e->command_lines[i]);
	}
	return err;
}

/* What the table of executables counted in it. */
static edr_u64 exe_events(const struct cell_exe_counts *c)
{
	return c->runs + c->forks + c->threads + c->exits + c->connects + c->connect_ends +
	       c->syscalls;
}

static int put_ran(struct cell *cell, const struct cell_exe *e)
{
	const struct cell_exe_counts *c = &e->counts;
	const struct kind_of kinds[] = {
		{ COUNT_STATUS, &e->exit_status, c->exits - c->killed },
		{ COUNT_SIGNAL, &e->exit_signals, c->killed },
		{ COUNT_USER, &e->users, c->runs },
		{ COUNT_PARENT, &e->parents, c->runs },
		{ COUNT_CONTAINER, &e->containers, c->contained },
		{ COUNT_RESULT, &e->connect_results, c->connects },
		{ COUNT_END_RESULT, &e->connect_end_results, c->connect_ends },
	};
	const edr_u64 failed = c->failed_runs;
	struct exe_row *row;
	struct row *r;
	int err;

	if (c->killed > c->exits || c->contained > c->runs)
		return -EBADMSG;
	err = put_row(&cell->exes, cell, e->name.data, e->name.len, exe_events(c), e->short_by, &r);
	if (err)
		return err;
	row = (struct exe_row *)r;
	if (row->id == 0)
		row->id = ++cell->next_id;
	cell_add_counts(&row->counts, c);
	row->marks |= e->marks;
	row->counts.failed_runs -= failed; /* they have a row of their own */
	add_span(&row->when, e->first_ns, e->last_ns);
	err = put_kinds(cell, &row->owner, kinds, sizeof(kinds) / sizeof(kinds[0]));
	return err ? err : put_lines(cell, row, e);
}

static int put_failed(struct cell *cell, const struct cell_exe *e)
{
	const struct kind_of kinds[] = {
		{ COUNT_ERROR, &e->errors, e->counts.failed_runs },
		{ COUNT_TRIED_BY, &e->tried_by, e->counts.failed_runs },
	};
	struct exe_row *row;
	struct row *r;
	int err;

	err = put_row(&cell->failed, cell, e->name.data, e->name.len, e->counts.failed_runs,
		      e->failed_short_by, &r);
	if (err)
		return err;
	row = (struct exe_row *)r;
	row->counts.failed_runs += e->counts.failed_runs;
	add_span(&row->when, e->first_ns, e->last_ns);
	return put_kinds(cell, &row->owner, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

/* The view has both in one row; where it has nothing of one, that one has no row. */
int cell_put_exe(struct cell *cell, const struct cell_exe *e)
{
	int err = 0;

	if (e->name.len > EDR_PATH_MAX || (!exe_events(&e->counts) && !e->counts.failed_runs))
		return -EBADMSG;
	if (exe_events(&e->counts))
		err = put_ran(cell, e);
	if (!err && e->counts.failed_runs)
		err = put_failed(cell, e);
	return err;
}

int cell_put_command(struct cell *cell, const struct cell_command *c)
{
	struct row *r;

	return put_row(&cell->commands, cell, c->name.data, c->name.len, c->count, c->short_by, &r);
}

int cell_put_connection(struct cell *cell, const struct cell_connection *c)
{
	const struct kind_of kinds[] = {
		{ COUNT_RESULT, &c->results, c->connects },
		{ COUNT_END_RESULT, &c->end_results, c->ends },
	};
	struct connection_key k = { .family = c->family,
				    .port = c->port,
				    .protocol = c->protocol,
				    .exe_len = (edr_u32)c->exe.len };
	char key[CELL_KEY_BYTES];
	struct connection_row *row;
	struct row *r;
	int err;

	if (c->exe.len > EDR_PATH_MAX || c->address.len > CELL_LINE_BYTES)
		return -EBADMSG;
	memcpy(key, &k, sizeof(k));
	if (c->exe.len)
		memcpy(key + sizeof(k), c->exe.data, c->exe.len);
	if (c->address.len)
		memcpy(key + sizeof(k) + c->exe.len, c->address.data, c->address.len);
	err = put_row(&cell->connections, cell, key, sizeof(k) + c->exe.len + c->address.len,
		      c->connects + c->ends, c->short_by, &r);
	if (err)
		return err;
	row = (struct connection_row *)r;
	row->connects += c->connects;
	row->ends += c->ends;
	row->marks |= c->marks;
	add_span(&row->when, c->first_ns, c->last_ns);
	return put_kinds(cell, &row->owner, kinds, sizeof(kinds) / sizeof(kinds[0]));
}

int cell_put_syscall(struct cell *cell, const struct cell_syscall *s)
{
	const struct kind_of kinds[] = { { COUNT_ERROR, &s->errors, s->failed } };
	char key[sizeof(edr_name) + EDR_PATH_MAX] = { 0 };
	struct syscall_row *row;
	struct row *r;
	int err;

	if (s->exe.len > EDR_PATH_MAX || s->name.len > sizeof(edr_name) || s->failed > s->count ||
	    memchr(s->name.data, '\0', s->name.len))
		return -EBADMSG;
	memcpy(key, s->name.data, s->name.len);
	memcpy(key + sizeof(edr_name), s->exe.data, s->exe.len);
	err = put_row(&cell->syscalls, cell, key, sizeof(edr_name) + s->exe.len, s->count,
		      s->short_by, &r);
	if (err)
		return err;
	row = (struct syscall_row *)r;
	row->failed += s->failed;
	add_span(&row->when, s->first_ns, s->last_ns);
	return put_kinds(cell, &row->owner, kinds, sizeof(kinds) / sizeof(kinds[0]));
}
