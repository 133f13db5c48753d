/* SPDX-License-Identifier: MIT */
/* What load.c and load_tables.c share; report_load() is in report/parent.h. */
#ifndef EDR_REPORT_LOAD_H
#define EDR_REPORT_LOAD_H

#include "cell/build.h"
#include "report/read.h"

#define LOAD_MAX_MEMBERS 80
#define LOAD_MAX_STEPS 16
#define LOAD_MAX_BLIND 64
#define LOAD_MAX_FINDINGS 256
/* Head, host and short lists take less: a report whose do not is none of ours. */
#define LOAD_REST_BYTES ((size_t)4 << 20)
#define LOAD_LISTS 9

struct load_name {
	const char *name;
	edr_s64 number;
};

struct load_list {
	struct cell_count *row;
	size_t n, cap;
};

struct load {
	bool bad; /* something was not what it must be */
	struct wire_span key[LOAD_MAX_MEMBERS], value[LOAD_MAX_MEMBERS];
	size_t n_members;
	struct buf arena; /* bytes of strings */
	struct cell *cell;
	struct cell_view view; /* all but rows */
	struct cell_totals totals;
	struct cell_host host;
	struct cell_step step[LOAD_MAX_STEPS];
	struct cell_blind blind[LOAD_MAX_BLIND];
	struct cell_finding finding[LOAD_MAX_FINDINGS];

	/* Of the row that is read. */
	struct load_list list[LOAD_LISTS];
	struct cell_command_line *line;
	size_t n_lines, cap_lines;

	struct load_name *errnos;
	size_t n_errnos;
};

/* Of the report; of an object. What is missing makes it bad. */
struct wire_span load_member(struct load *l, const char *name);
struct wire_span load_in(struct load *l, struct wire_span object, const char *name);
edr_u64 load_u64(struct load *l, struct wire_span object, const char *name);
edr_s64 load_time(struct load *l, struct wire_span object, const char *name);

/* Empties the arena and makes room for the strings of a value. 0 or -ENOMEM. */
int load_arena(struct load *l, struct wire_span value);
struct wire_span load_string(struct load *l, struct wire_span value);
struct wire_span load_key(struct load *l, struct wire_span key);
void *load_grow(void *array, size_t n, size_t *cap, size_t size);

int load_tables(struct load *l);
void load_free_tables(struct load *l);

#endif
