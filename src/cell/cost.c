/* SPDX-License-Identifier: MIT */
/*
 * What watching cost. The sums stop at the largest length that a report can print, whatever a
 * forged record says.
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "cell/build.h"
#include "cell/cell_private.h"

#define HALF (INT64_MAX / 2) /* two of these are added up in a report */

static void add(edr_u64 *to, edr_u64 n, edr_u64 most)
{
	*to = *to > most || n > most - *to ? most : *to + n;
}

static void raise(edr_u64 *to, edr_u64 n)
{
	if (n > INT64_MAX)
		n = INT64_MAX;
	if (n > *to)
		*to = n;
}

/* As a C identifier: none of ours has another, and so it reads back as it was written. */
static bool is_program_name(struct wire_span name)
{
	size_t i;

	for (i = 0; i < name.len; i++)
		if (!isascii((unsigned char)name.data[i]) ||
		    (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_'))
			return false;
	return name.len > 0 && name.len < sizeof(edr_name);
}

/* The first that does not come before name. */
static size_t program_at(const struct cell_cost *c, const char *name)
{
	size_t i = 0;

	while (i < c->n_programs && strcmp(c->program[i].name, name) < 0)
		i++;
	return i;
}

static bool has_program(const struct cell_cost *c, size_t at, const char *name)
{
	return at < c->n_programs && strcmp(c->program[at].name, name) == 0;
}

/* NULL: all rows are taken. The last one is kept for CELL_OTHER_PROGRAMS. */
static struct cell_program *program_row(struct cell_cost *c, const char *name)
{
	const bool other = strcmp(name, CELL_OTHER_PROGRAMS) == 0;
	const size_t at = program_at(c, name);
	size_t named = c->n_programs;

	if (has_program(c, at, name))
		return &c->program[at];
	named -= has_program(c, program_at(c, CELL_OTHER_PROGRAMS), CELL_OTHER_PROGRAMS);
	if (!other && named == CELL_PROGRAMS - 1)
		return NULL;
	memmove(&c->program[at + 1], &c->program[at],
		(c->n_programs++ - at) * sizeof(c->program[0]));
	memset(&c->program[at], 0, sizeof(c->program[0]));
	memcpy(c->program[at].name, name, strlen(name) + 1);
	return &c->program[at];
}

bool cell_put_program(struct cell_cost *to, struct wire_span name, edr_u64 run_ns, edr_u64 runs)
{
	struct cell_program *row;
	edr_name text = "";

	if (!is_program_name(name))
		return false;
	memcpy(text, name.data, name.len);
	row = program_row(to, text);
	if (!row)
		row = program_row(to, CELL_OTHER_PROGRAMS);
	add(&row->run_ns, run_ns, INT64_MAX);
	add(&row->runs, runs, INT64_MAX);
	return true;
}

static void add_programs(struct cell_cost *to, const struct cell_cost *from)
{
	for (size_t i = 0; i < from->n_programs; i++) {
		const struct cell_program *p = &from->program[i];

		cell_put_program(to, (struct wire_span){ p->name, strlen(p->name) }, p->run_ns,
				 p->runs);
	}
}

void cost_fold_program(struct cell_cost *to, const struct edr_program_cost *r)
{
	cell_put_program(to, (struct wire_span){ r->name, strnlen(r->name, sizeof(r->name)) },
			 r->run_ns, r->runs);
}

void cost_add(struct cell_cost *to, const struct cell_cost *from)
{
	add(&to->user_ns, from->user_ns, HALF);
	add(&to->system_ns, from->system_ns, HALF);
	add(&to->bpf_ns, from->bpf_ns, INT64_MAX);
	add(&to->bpf_sampled_ns, from->bpf_sampled_ns, INT64_MAX);
	add(&to->bpf_sampled_runs, from->bpf_sampled_runs, INT64_MAX);
	raise(&to->memory_bytes, from->memory_bytes);
	raise(&to->memory_peak_bytes, from->memory_peak_bytes);
	raise(&to->bpf_memory_bytes, from->bpf_memory_bytes);
	add_programs(to, from);
}

void cost_fold(struct cell_cost *to, const struct edr_cost *r)
{
	const struct cell_cost more = {
		.user_ns = r->user_ns,
		.system_ns = r->system_ns,
		.bpf_ns = r->bpf_ns,
		.bpf_sampled_ns = r->bpf_sampled_ns,
		.bpf_sampled_runs = r->bpf_sampled_runs,
		.memory_bytes = r->memory_bytes,
		.memory_peak_bytes = r->memory_peak_bytes,
		.bpf_memory_bytes = r->bpf_memory_bytes,
	};

	cost_add(to, &more);
}
