/* SPDX-License-Identifier: MIT */
/* Command names and command lines. */
#include <string.h>

#include <utlist.h>

#include "cell/cell_private.h"

/* Not a secret one: the same line must have the same hash in every report. */
static const uint64_t line_hash_key[2] = { 0, 0 };

/* A line on its way to a key. */
struct line {
	struct wire_span command, argv;
	edr_u64 argv_bytes;
	edr_u64 hash;
	bool cut;
};

static struct wire_span command_of(const struct edr_exec *r)
{
	struct wire_span name = wire_basename(wire_str(r, r->filename));

	if (name.len == 0)
		name = (struct wire_span){ r->comm, strnlen(r->comm, sizeof(r->comm)) };
	if (name.len > EDR_PATH_MAX)
		name.len = EDR_PATH_MAX;
	return name;
}

static void line_of(struct line *l, const struct edr_exec *r)
{
	l->argv = wire_str(r, r->argv);
	l->argv_bytes = l->argv.len;
	l->hash = 0;
	l->cut = l->argv.len > CELL_LINE_BYTES || r->hdr.flags & EDR_F_TRUNCATED;
	if (!l->cut)
		return;
	l->argv_bytes = r->argv_bytes > l->argv.len ? r->argv_bytes : l->argv.len;
	l->hash = util_siphash13(l->argv.data, l->argv.len, line_hash_key);
	if (l->argv.len > CELL_LINE_BYTES)
		l->argv.len = CELL_LINE_BYTES;
}

/* Each is kept with a NUL behind its last argument, as reading a report gives it. */
static size_t kept_len(struct wire_span argv)
{
	return argv.len + (argv.len && argv.data[argv.len - 1] != '\0');
}

static size_t append(char *to, size_t at, const void *data, size_t len)
{
	memcpy(to + at, data, len);
	return at + len;
}

static size_t line_key(char *key, const struct exe_row *exe, const struct line *l)
{
	size_t len = append(key, 0, &exe->id, sizeof(exe->id));

	len = append(key, len, l->command.data, l->command.len);
	len = append(key, len, "", 1);
	len = append(key, len, l->argv.data, l->argv.len);
	if (kept_len(l->argv) > l->argv.len)
		key[len++] = '\0';
	if (l->cut) {
		len = append(key, len, &l->argv_bytes, sizeof(l->argv_bytes));
		len = append(key, len, &l->hash, sizeof(l->hash));
	}
	return len;
}

static void line_init(struct line_row *row, struct exe_row *exe, const struct line *l)
{
	row->exe = exe;
	row->argv_bytes = l->argv_bytes;
	row->hash = l->hash;
	row->command_len = (edr_u32)l->command.len;
	row->argv_len = (edr_u32)kept_len(l->argv);
	row->cut = l->cut;
	DL_APPEND(exe->lines, row);
}

void lines_count(struct cells *c, struct exe_row *exe, const struct edr_exec *r, edr_s64 t)
{
	struct cell *cell = c->open;
	struct line l = { .command = command_of(r) };
	struct line_row *row;

	table_count(&cell->commands, cell, l.command.data, l.command.len, 1);
	if (!exe) {
		table_to_other(&cell->lines, 1, 1);
		return;
	}
	line_of(&l, r);
	row = (struct line_row *)table_count(&cell->lines, cell, c->key, line_key(c->key, exe, &l),
					     1);
	if (!row)
		return;
	if (!row->exe)
		line_init(row, exe, &l);
	span_note(&row->when, t);
}

void lines_gone(struct cell *cell, struct row *gone)
{
	struct line_row *row = (struct line_row *)gone;

	(void)cell;
	DL_DELETE(row->exe->lines, row);
}

void lines_drop_all(struct cell *cell, struct exe_row *exe)
{
	while (exe->lines)
		table_drop(&cell->lines, cell, &exe->lines->row);
}
