/* SPDX-License-Identifier: MIT */
/* A closed cell in the order of its report. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

/* All arrays of a view hang here. */
struct mem {
	struct mem *next;
	max_align_t data[];
};

/* n zeroed items; NULL without memory, a pointer that must not be read for none. */
static void *take(struct cell_view *v, size_t n, size_t size)
{
	struct mem *m = calloc(1, sizeof(*m) + n * size);

	if (!m)
		return NULL;
	m->next = v->mem;
	v->mem = m;
	return m->data;
}

static int by_bytes(struct wire_span a, struct wire_span b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	if (order == 0)
		order = (a.len > b.len) - (a.len < b.len);
	return order;
}

static int falling(edr_u64 a, edr_u64 b)
{
	return (a < b) - (a > b);
}

static int rising(edr_s64 a, edr_s64 b)
{
	return (a > b) - (a < b);
}

static int compare_counts(const void *x, const void *y)
{
	const struct cell_count *a = x, *b = y;
	int order = falling(a->count, b->count);

	if (order == 0)
		order = by_bytes(a->name, b->name);
	return order ? order : rising(a->number, b->number);
}

static int compare_lines(const void *x, const void *y)
{
	const struct cell_command_line *a = x, *b = y;
	int order = falling(a->count, b->count);

	if (order == 0)
		order = by_bytes(a->argv, b->argv);
	if (order == 0)
		order = by_bytes(a->command, b->command);
	if (order == 0)
		order = falling(b->argv_bytes, a->argv_bytes);
	return order ? order : falling(b->hash, a->hash);
}

static int compare_exes(const void *x, const void *y)
{
	const struct cell_exe *a = x, *b = y;
	int order = falling(a->counts.runs + a->counts.failed_runs,
			    b->counts.runs + b->counts.failed_runs);

	return order ? order : by_bytes(a->name, b->name);
}

static int compare_commands(const void *x, const void *y)
{
	const struct cell_command *a = x, *b = y;
	int order = falling(a->count, b->count);

	return order ? order : by_bytes(a->name, b->name);
}

static int compare_connections(const void *x, const void *y)
{
	const struct cell_connection *a = x, *b = y;
	int order = falling(a->connects + a->ends, b->connects + b->ends);

	if (order == 0)
		order = by_bytes(a->exe, b->exe);
	if (order == 0)
		order = rising(a->family, b->family);
	if (order == 0)
		order = by_bytes(a->address, b->address);
	if (order == 0)
		order = rising(a->port, b->port);
	return order ? order : rising(a->protocol, b->protocol);
}

static int compare_syscalls(const void *x, const void *y)
{
	const struct cell_syscall *a = x, *b = y;
	int order = falling(a->count, b->count);

	if (order == 0)
		order = by_bytes(a->exe, b->exe);
	return order ? order : by_bytes(a->name, b->name);
}

static void sort(void *rows, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	if (n > 1)
		qsort(rows, n, size, compare);
}

/*
 * The lists of an owner, each of its kind in an array; total[kind] is what they and their other
 * make.
 */
static int view_counts(struct cell_view *v, const struct owner *o,
		       struct cell_counts *to[COUNT_KINDS], const edr_u64 total[COUNT_KINDS])
{
	struct cell_count *row[COUNT_KINDS] = { 0 };
	const struct count *c;
	size_t i;

	for (i = 0; i < COUNT_KINDS; i++) {
		if (!to[i])
			continue;
		to[i]->other = total[i];
		if (o->n[i] == 0)
			continue;
		row[i] = take(v, o->n[i], sizeof(*row[i]));
		if (!row[i])
			return -ENOMEM;
		to[i]->row = row[i];
	}
	for (c = o->counts; c; c = c->next) {
		i = c->key.kind;
		if (!row[i])
			continue;
		row[i][to[i]->n++] = (struct cell_count){
			.name = { c->name, c->hh.keylen - sizeof(c->key) },
			.number = c->key.number,
			.count = c->n,
		};
		to[i]->other -= c->n;
	}
	for (i = 0; i < COUNT_KINDS; i++)
		if (row[i])
			sort(row[i], to[i]->n, sizeof(*row[i]), compare_counts);
	return 0;
}

static int view_exe_counts(struct cell_view *v, struct cell_exe *e, const struct owner *o)
{
	struct cell_counts *to[COUNT_KINDS] = {
		[COUNT_STATUS] = &e->exit_status,
		[COUNT_SIGNAL] = &e->exit_signals,
		[COUNT_USER] = &e->users,
		[COUNT_PARENT] = &e->parents,
		[COUNT_CONTAINER] = &e->containers,
		[COUNT_RESULT] = &e->connect_results,
		[COUNT_END_RESULT] = &e->connect_end_results,
	};
	const edr_u64 total[COUNT_KINDS] = {
		[COUNT_STATUS] = e->counts.exits - e->counts.killed,
		[COUNT_SIGNAL] = e->counts.killed,
		[COUNT_USER] = e->counts.runs,
		[COUNT_PARENT] = e->counts.runs,
		[COUNT_CONTAINER] = e->counts.contained,
		[COUNT_RESULT] = e->counts.connects,
		[COUNT_END_RESULT] = e->counts.connect_ends,
	};

	return view_counts(v, o, to, total);
}

static int view_failed_counts(struct cell_view *v, struct cell_exe *e, const struct owner *o)
{
	struct cell_counts *to[COUNT_KINDS] = {
		[COUNT_ERROR] = &e->errors,
		[COUNT_TRIED_BY] = &e->tried_by,
	};
	const edr_u64 total[COUNT_KINDS] = {
		[COUNT_ERROR] = e->counts.failed_runs,
		[COUNT_TRIED_BY] = e->counts.failed_runs,
	};

	return view_counts(v, o, to, total);
}

static int view_lines(struct cell_view *v, struct cell_exe *e, const struct cell *cell,
		      const struct exe_row *row)
{
	struct cell_command_line *line;
	const struct line_row *l;
	const char *key;
	size_t n = 0;

	e->command_lines_other = e->counts.runs;
	for (l = row->lines; l; l = l->next)
		n++;
	if (n == 0)
		return 0;
	line = take(v, n, sizeof(*line));
	if (!line)
		return -ENOMEM;
	e->command_lines = line;
	for (l = row->lines; l; l = l->next) {
		key = row_key(&cell->lines, &l->row) + sizeof(row->id);
		line[e->n_command_lines++] = (struct cell_command_line){
			.command = { key, l->command_len },
			.argv = { key + l->command_len + 1, l->argv_len },
			.cut = l->cut,
			.argv_bytes = l->argv_bytes,
			.hash = l->hash,
			.count = l->row.events,
			.first_ns = l->when.first_ns,
			.last_ns = l->when.last_ns,
			.short_by = l->row.short_by,
		};
		e->command_lines_other -= l->row.events;
	}
	sort(line, n, sizeof(*line), compare_lines);
	return 0;
}

static int view_exe(struct cell_view *v, struct cell_exe *e, const struct cell *cell,
		    const struct exe_row *row)
{
	int err;

	e->name = (struct wire_span){ row_key(&cell->exes, &row->row), row->row.key_len };
	e->counts = row->counts;
	e->first_ns = row->when.first_ns;
	e->last_ns = row->when.last_ns;
	e->short_by = row->row.short_by;
	e->marks = row->marks;
	err = view_exe_counts(v, e, &row->owner);
	return err ? err : view_lines(v, e, cell, row);
}

/*
 * Adds the failures of the same name. A name that only failed has a row of its own, which begins
 * empty.
 */
static int view_failed(struct cell_view *v, struct cell_exe *e, const struct cell *cell,
		       const struct exe_row *row)
{
	struct span_ns when = { e->first_ns, e->last_ns };

	e->name = (struct wire_span){ row_key(&cell->failed, &row->row), row->row.key_len };
	e->counts.failed_runs = row->counts.failed_runs;
	e->failed_short_by = row->row.short_by;
	span_note(&when, row->when.first_ns);
	span_note(&when, row->when.last_ns);
	e->first_ns = when.first_ns;
	e->last_ns = when.last_ns;
	return view_failed_counts(v, e, &row->owner);
}

static int view_exes(struct cell_view *v, const struct cell *cell)
{
	const size_t n = HASH_COUNT(cell->exes.index) + HASH_COUNT(cell->failed.index);
	struct cell_exe *e = take(v, n, sizeof(*e));
	const struct row *r, *same;
	int err = e ? 0 : -ENOMEM;

	v->exes = e;
	for (r = cell->exes.index; r && !err; r = r->hh.next) {
		same = table_find(&cell->failed, row_key(&cell->exes, r), r->key_len);
		e[v->n_exes].failed_short_by = cell->failed.other.at_most;
		err = view_exe(v, &e[v->n_exes], cell, (const struct exe_row *)r);
		if (!err && same)
			err = view_failed(v, &e[v->n_exes], cell, (const struct exe_row *)same);
		v->n_exes++;
	}
	for (r = cell->failed.index; r && !err; r = r->hh.next) {
		if (table_find(&cell->exes, row_key(&cell->failed, r), r->key_len))
			continue;
		e[v->n_exes].short_by = cell->exes.other.at_most;
		err = view_failed(v, &e[v->n_exes++], cell, (const struct exe_row *)r);
	}
	if (err)
		return err;
	sort(e, v->n_exes, sizeof(*e), compare_exes);
	v->exes_other = cell->exes.other;
	v->failed_other = cell->failed.other;
	v->exes_other_counts = cell->exes_other;
	v->exes_other_counts.failed_runs += cell->failed_other.failed_runs;
	return 0;
}

/* Those of one command side by side, by falling count. */
static int compare_line_pointers(const void *x, const void *y)
{
	const struct cell_command_line *a = *(const struct cell_command_line *const *)x;
	const struct cell_command_line *b = *(const struct cell_command_line *const *)y;
	int order = by_bytes(a->command, b->command);

	return order ? order : compare_lines(a, b);
}

/* The first line that belongs to no command before name. */
static size_t first_line(const struct cell_command_line *const *line, size_t n,
			 struct wire_span name)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (by_bytes(line[mid]->command, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int view_commands(struct cell_view *v, const struct cell *cell)
{
	const size_t n_lines = HASH_COUNT(cell->lines.index);
	struct cell_command *command = take(v, HASH_COUNT(cell->commands.index), sizeof(*command));
	const struct cell_command_line **line = take(v, n_lines, sizeof(*line));
	const struct row *r;
	size_t i, j, n = 0;

	if (!command || !line)
		return -ENOMEM;
	for (i = 0; i < v->n_exes; i++)
		for (j = 0; j < v->exes[i].n_command_lines; j++)
			line[n++] = &v->exes[i].command_lines[j];
	sort((void *)line, n, sizeof(*line), compare_line_pointers);

	v->commands = command;
	for (r = cell->commands.index; r; r = r->hh.next, command++) {
		command->name = (struct wire_span){ row_key(&cell->commands, r), r->key_len };
		command->count = r->events;
		command->short_by = r->short_by;
		i = first_line(line, n, command->name);
		command->command_lines = line + i;
		while (i < n && by_bytes(line[i]->command, command->name) == 0)
			i++;
		command->n_command_lines = (size_t)(line + i - command->command_lines);
		v->n_commands++;
	}
	sort((void *)v->commands, v->n_commands, sizeof(*v->commands), compare_commands);
	v->commands_other = cell->commands.other;
	v->command_lines_other = cell->lines.other;
	return 0;
}

static int view_connection(struct cell_view *v, struct cell_connection *to, const struct cell *cell,
			   const struct connection_row *row)
{
	struct cell_counts *counts[COUNT_KINDS] = {
		[COUNT_RESULT] = &to->results,
		[COUNT_END_RESULT] = &to->end_results,
	};
	const edr_u64 total[COUNT_KINDS] = {
		[COUNT_RESULT] = row->connects,
		[COUNT_END_RESULT] = row->ends,
	};
	const char *bytes = row_key(&cell->connections, &row->row);
	struct connection_key key;

	memcpy(&key, bytes, sizeof(key));
	bytes += sizeof(key);
	*to = (struct cell_connection){
		.exe = { bytes, key.exe_len },
		.address = { bytes + key.exe_len, row->row.key_len - sizeof(key) - key.exe_len },
		.family = key.family,
		.port = key.port,
		.protocol = key.protocol,
		.marks = row->marks,
		.connects = row->connects,
		.ends = row->ends,
		.first_ns = row->when.first_ns,
		.last_ns = row->when.last_ns,
		.short_by = row->row.short_by,
	};
	return view_counts(v, &row->owner, counts, total);
}

static int view_connections(struct cell_view *v, const struct cell *cell)
{
	struct cell_connection *c = take(v, HASH_COUNT(cell->connections.index), sizeof(*c));
	const struct row *r;
	int err = c ? 0 : -ENOMEM;

	v->connections = c;
	for (r = cell->connections.index; r && !err; r = r->hh.next)
		err = view_connection(v, &c[v->n_connections++], cell,
				      (const struct connection_row *)r);
	if (err)
		return err;
	sort(c, v->n_connections, sizeof(*c), compare_connections);
	v->connections_other = cell->connections.other;
	return 0;
}

static int view_syscall(struct cell_view *v, struct cell_syscall *to, const struct cell *cell,
			const struct syscall_row *row)
{
	struct cell_counts *counts[COUNT_KINDS] = { [COUNT_ERROR] = &to->errors };
	const edr_u64 total[COUNT_KINDS] = { [COUNT_ERROR] = row->failed };
	const char *key = row_key(&cell->syscalls, &row->row);

	*to = (struct cell_syscall){
		.exe = { key + sizeof(edr_name), row->row.key_len - sizeof(edr_name) },
		.name = { key, strnlen(key, sizeof(edr_name)) },
		.count = row->row.events,
		.failed = row->failed,
		.first_ns = row->when.first_ns,
		.last_ns = row->when.last_ns,
		.short_by = row->row.short_by,
	};
	return view_counts(v, &row->owner, counts, total);
}

static int view_syscalls(struct cell_view *v, const struct cell *cell)
{
	struct cell_syscall *s = take(v, HASH_COUNT(cell->syscalls.index), sizeof(*s));
	const struct row *r;
	int err = s ? 0 : -ENOMEM;

	v->syscalls = s;
	for (r = cell->syscalls.index; r && !err; r = r->hh.next)
		err = view_syscall(v, &s[v->n_syscalls++], cell, (const struct syscall_row *)r);
	if (err)
		return err;
	sort(s, v->n_syscalls, sizeof(*s), compare_syscalls);
	v->syscalls_other = cell->syscalls.other;
	return 0;
}

static int view_blind(struct cell_view *v, const struct cell *cell)
{
	struct cell_blind *b = take(v, cell->blind.n, sizeof(*b));
	size_t i;

	if (!b)
		return -ENOMEM;
	for (i = 0; i < cell->blind.n; i++)
		b[i] = (struct cell_blind){ cell->blind.row[i].from_ns,
					    cell->blind.row[i].to_ns,
					    { cell->blind.row[i].reason,
					      cell->blind.row[i].reason_len } };
	v->blind = b;
	v->n_blind = cell->blind.n;
	return 0;
}

static int view_findings(struct cell_view *v, const struct cell *cell)
{
	struct cell_finding *f = take(v, cell->n_findings, sizeof(*f));
	size_t i;

	if (!f)
		return -ENOMEM;
	for (i = 0; i < cell->n_findings; i++)
		f[i] = findings_get(cell->finding[i]);
	v->findings = f;
	v->n_findings = cell->n_findings;
	return 0;
}

int cell_view_open(struct cell_view *v, const struct cell *cell)
{
	*v = (struct cell_view){
		.totals = &cell->totals,
		.host = &cell->host.spans,
		.steps = cell->step,
		.n_steps = cell->n_steps,
	};
	if (cell->events) {
		v->events = cell->events->chunks;
		v->n_events = cell->events->n;
	}
	if (view_blind(v, cell) || view_exes(v, cell) || view_commands(v, cell) ||
	    view_connections(v, cell) || view_syscalls(v, cell) || view_findings(v, cell)) {
		cell_view_close(v);
		return -ENOMEM;
	}
	return 0;
}

void cell_view_close(struct cell_view *v)
{
	struct mem *m;

	while ((m = v->mem)) {
		v->mem = m->next;
		free(m);
	}
	memset(v, 0, sizeof(*v));
}
