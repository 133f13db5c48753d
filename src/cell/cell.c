/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

/* What a row's key and itself take, on average; more only where others take less. */
#define EXE_BYTES 512
#define COMMAND_BYTES 256
#define LINE_BYTES 512
#define CONNECTION_BYTES 384
#define SYSCALL_BYTES 320
#define COUNT_BYTES 160

#define SYSCALLS_PER_EXE 4
#define COUNTS_PER_EXE 8
#define COUNTS_PER_CONNECTION 4

void cell_add_counts(struct cell_exe_counts *to, const struct cell_exe_counts *from)
{
	to->runs += from->runs;
	to->failed_runs += from->failed_runs;
	to->contained += from->contained;
	to->forks += from->forks;
	to->threads += from->threads;
	to->exits += from->exits;
	to->killed += from->killed;
	to->connects += from->connects;
	to->connect_ends += from->connect_ends;
	to->syscalls += from->syscalls;
	to->argv_bytes += from->argv_bytes;
}

static void exe_gone(struct cell *cell, struct row *gone)
{
	struct exe_row *row = (struct exe_row *)gone;

	cell_add_counts(&cell->exes_other, &row->counts);
	counts_drop(cell, &row->owner);
	lines_drop_all(cell, row);
}

static void failed_gone(struct cell *cell, struct row *gone)
{
	struct exe_row *row = (struct exe_row *)gone;

	cell_add_counts(&cell->failed_other, &row->counts);
	counts_drop(cell, &row->owner);
}

static void connection_gone(struct cell *cell, struct row *gone)
{
	counts_drop(cell, &((struct connection_row *)gone)->owner);
}

static void syscall_gone(struct cell *cell, struct row *gone)
{
	counts_drop(cell, &((struct syscall_row *)gone)->owner);
}

struct cell *cell_new(const struct cell_config *cfg)
{
	const size_t exes = cfg->max_executables, lines = cfg->max_command_lines,
		     connections = cfg->max_connections;
	struct cell *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->cfg = *cfg;
	table_init(&c->exes, sizeof(struct exe_row), exes, exes * EXE_BYTES, exe_gone);
	table_init(&c->failed, sizeof(struct exe_row), exes, exes * EXE_BYTES, failed_gone);
	table_init(&c->commands, sizeof(struct command_row), exes, exes * COMMAND_BYTES, NULL);
	table_init(&c->lines, sizeof(struct line_row), lines, lines * LINE_BYTES, lines_gone);
	table_init(&c->connections, sizeof(struct connection_row), connections,
		   connections * CONNECTION_BYTES, connection_gone);
	table_init(&c->syscalls, sizeof(struct syscall_row), exes * SYSCALLS_PER_EXE,
		   exes * SYSCALLS_PER_EXE * SYSCALL_BYTES, syscall_gone);
	c->counts.max_rows = exes * COUNTS_PER_EXE + connections * COUNTS_PER_CONNECTION;
	c->counts.max_bytes = c->counts.max_rows * COUNT_BYTES;
	return c;
}

size_t cell_most_bytes(const struct cell_config *cfg)
{
	struct cell *c = cell_new(cfg);
	size_t bytes = sizeof(*c);

	if (!c)
		return 0;
	bytes += c->exes.max_bytes + c->failed.max_bytes + c->commands.max_bytes +
		 c->lines.max_bytes + c->connections.max_bytes + c->syscalls.max_bytes +
		 c->counts.max_bytes;
	cell_free(c);
	return bytes;
}

static void free_counts(struct counts *cs)
{
	struct count *c = cs->index, *next;

	HASH_CLEAR(hh, cs->index); /* the items keep their order */
	for (; c; c = next) {
		next = c->hh.next;
		free(c);
	}
}

void cell_free(struct cell *cell)
{
	if (!cell)
		return;
	table_free(&cell->exes);
	table_free(&cell->failed);
	table_free(&cell->commands);
	table_free(&cell->lines);
	table_free(&cell->connections);
	table_free(&cell->syscalls);
	free_counts(&cell->counts);
	cell_events_free(cell->events);
	findings_free(cell);
	host_free(&cell->host);
	free(cell);
}

size_t cell_bytes(const struct cell *cell)
{
	return sizeof(*cell) + table_bytes(&cell->exes) + table_bytes(&cell->failed) +
	       table_bytes(&cell->commands) + table_bytes(&cell->lines) +
	       table_bytes(&cell->connections) + table_bytes(&cell->syscalls) + cell->counts.bytes +
	       cell->host.text.len +
	       (cell->events ? sizeof(*cell->events) + cell->events->bytes : 0);
}

const struct cell_totals *cell_totals(const struct cell *cell)
{
	return &cell->totals;
}

void cell_set_baseline(struct cell *cell, const struct cell_baseline *baseline)
{
	cell->totals.baseline = *baseline;
}

#define SLACK_NS 1000000000ll /* of two clocks that say the same */

bool cell_goes_on(const struct cell_totals *t, const struct cell_resume *r)
{
	return t->window_start_ns == r->window_start_ns && t->window_end_ns == r->window_end_ns &&
	       t->watched_from_ns >= r->watched_to_ns - SLACK_NS;
}

struct cells *cells_new(const struct cell_config *cfg, const struct cell_sinks *sinks)
{
	struct cells *c = calloc(1, sizeof(*c));
	size_t i;

	if (!c)
		return NULL;
	cells_reconfigure(c, cfg);
	c->sinks = *sinks;
	host_free(&c->host);
	for (i = 0; i < wire_n_events; i++) {
		c->is_event[wire_events[i].type] = strcmp(wire_events[i].group, "always") != 0;
		c->of_kernel[wire_events[i].type] = wire_events[i].ring != EDR_RING_NONE;
	}
	return c;
}

void cells_free(struct cells *c)
{
	if (!c)
		return;
	cell_free(c->open);
	host_free(&c->host);
	free(c);
}

void cells_close_partial(struct cells *c, const struct proc_table *table)
{
	if (c->open)
		windows_close(c, c->now_boot_ns, table);
}

void cells_resume(struct cells *c, const struct cell_resume *r)
{
	c->resume = *r;
}

void cells_reconfigure(struct cells *c, const struct cell_config *cfg)
{
	c->cfg = *cfg;
	if (c->cfg.interval_min == 0)
		c->cfg.interval_min = 1;
}

edr_s64 cells_wall_offset(const struct cells *c)
{
	return c->offset_ns;
}

edr_s64 cells_now(const struct cells *c)
{
	return c->have_clock ? windows_unix(c, (edr_u64)c->now_boot_ns) : 0;
}
