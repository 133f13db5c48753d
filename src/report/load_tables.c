/* SPDX-License-Identifier: MIT */
#include "report/load.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/merge.h"
#include "detect/baseline.h"

#define MAX_ERRNO 4095 /* linux/err.h */
#define MAX_NUMBER 255 /* families, protocols, signals that have a name */

/* ---- numbers that are written as names ---- */

static int load_errnos(struct load *l)
{
	l->errnos = calloc(MAX_ERRNO + 1, sizeof(*l->errnos));
	if (!l->errnos)
		return -ENOMEM;
	l->errnos[l->n_errnos++] = (struct load_name){ "unknown", CELL_RESULT_UNKNOWN };
	for (int i = 1; i <= MAX_ERRNO; i++)
		if (wire_errno_name(i))
			l->errnos[l->n_errnos++] = (struct load_name){ wire_errno_name(i), i };
	return 0;
}

static bool same(struct wire_span a, const char *b)
{
	return b && a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}

static bool number_of_result(const struct load *l, struct wire_span key, edr_s64 *out)
{
	for (size_t i = 0; i < l->n_errnos; i++)
		if (same(key, l->errnos[i].name)) {
			*out = l->errnos[i].number;
			return true;
		}
	return jr_s64(key, out);
}

static bool number_of_signal(struct wire_span key, edr_s64 *out)
{
	for (int i = 1; i <= MAX_NUMBER; i++)
		if (same(key, wire_signal_name(i))) {
			*out = i;
			return true;
		}
	return jr_s64(key, out);
}

/* A string that is a name, or a number. */
static bool number_of(struct wire_span v, const char *(*name)(int), int *out)
{
	edr_s64 n;

	if (v.len > 2 && v.data[0] == '"') {
		const struct wire_span text = { v.data + 1, v.len - 2 };

		for (int i = 0; i <= MAX_NUMBER; i++)
			if (same(text, name(i))) {
				*out = i;
				return true;
			}
		return false;
	}
	if (!jr_s64(v, &n) || n < -1 || n > INT32_MAX)
		return false;
	*out = (int)n;
	return true;
}

static const char *protocol_name(int n)
{
	return wire_protocol_name((unsigned)n);
}

/* ---- the small lists ---- */

enum key_of { KEY_NAME, KEY_NUMBER, KEY_SIGNAL, KEY_RESULT };

static bool load_count_key(struct load *l, enum key_of what, struct wire_span key,
			   struct cell_count *to)
{
	switch (what) {
	case KEY_NAME:
		to->name = load_key(l, key);
		return true;
	case KEY_SIGNAL:
		return number_of_signal(key, &to->number);
	case KEY_RESULT:
		return number_of_result(l, key, &to->number);
	default:
		return jr_s64(key, &to->number);
	}
}

/* i: which of the row's lists. What is in its `other` follows from the total. */
static void load_counts(struct load *l, struct wire_span row, const char *name, enum key_of what,
			size_t i, struct cell_counts *to)
{
	struct load_list *list = &l->list[i];
	struct wire_span key, value;
	struct jr_iter it;
	int n = -1;

	list->n = 0;
	if (jr_begin(&it, load_in(l, row, name), '{'))
		while ((n = jr_next(&it, &key, &value)) > 0) {
			struct cell_count *more =
				load_grow(list->row, list->n, &list->cap, sizeof(*more));

			if (!more) {
				l->arena.failed = true;
				return;
			}
			list->row = more;
			list->row[list->n] = (struct cell_count){ .name = { "", 0 } };
			if (!load_count_key(l, what, key, &list->row[list->n]) ||
			    !jr_u64(value, &list->row[list->n].count))
				l->bad = true;
			list->n++;
		}
	if (n)
		l->bad = true;
	*to = (struct cell_counts){ .row = list->row, .n = list->n };
}

static edr_u64 load_or(struct load *l, struct wire_span row, const char *name, edr_u64 n)
{
	struct wire_span value;

	if (jr_member(row, name, &value) && !jr_u64(value, &n))
		l->bad = true;
	return n;
}

/* ---- command lines ---- */

/*
 * The inverse of quote() in cell_tables.c, in place: arguments that end with a NUL each. A shell
 * would read them so.
 */
static struct wire_span unquote(struct load *l, struct wire_span text)
{
	char *from = (char *)(size_t)text.data, *end = from + text.len;
	char *to = from, *begin = from;
	char in = '\0';

	if (text.len == 0)
		return text;
	for (; from < end; from++) {
		if (in ? *from == in : *from == '\'' || *from == '"')
			in = in ? '\0' : *from;
		else
			*to++ = !in && *from == ' ' ? '\0' : *from;
	}
	if (in)
		l->bad = true;
	*to++ = '\0'; /* the arena has a byte to spare behind each string */
	return (struct wire_span){ begin, (size_t)(to - begin) };
}

static bool hex64(struct wire_span v, edr_u64 *out)
{
	*out = 0;
	if (v.len != 18)
		return false;
	for (size_t i = 1; i < 17; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = memchr(digits, v.data[i], 16);

		if (!digit)
			return false;
		*out = *out << 4 | (edr_u64)(digit - digits);
	}
	return true;
}

static void load_line(struct load *l, struct wire_span row, struct cell_command_line *to)
{
	struct wire_span value;

	*to = (struct cell_command_line){ .command = load_string(l, load_in(l, row, "command")) };
	to->argv = load_string(l, load_in(l, row, "command_line"));
	buf_addc(&l->arena, '\0');
	to->argv = unquote(l, to->argv);
	to->argv_bytes = to->argv.len;
	to->count = load_u64(l, row, "count");
	to->first_ns = load_time(l, row, "first_seen");
	to->last_ns = load_time(l, row, "last_seen");
	to->short_by = load_or(l, row, "short_by", 0);
	if (!jr_member(row, "cut_from_bytes", &value))
		return;
	to->cut = true;
	if (!jr_u64(value, &to->argv_bytes) || !hex64(load_in(l, row, "hash"), &to->hash))
		l->bad = true;
}

static void load_lines(struct load *l, struct wire_span row, struct cell_exe *exe)
{
	struct wire_span key, value;
	struct jr_iter it;
	int n = -1;

	l->n_lines = 0;
	if (jr_begin(&it, load_in(l, row, "command_lines"), '['))
		while ((n = jr_next(&it, &key, &value)) > 0 && !l->bad) {
			struct cell_command_line *more =
				load_grow(l->line, l->n_lines, &l->cap_lines, sizeof(*more));

			if (!more) {
				l->arena.failed = true;
				return;
			}
			l->line = more;
			load_line(l, value, &l->line[l->n_lines++]);
		}
	if (n)
		l->bad = true;
	exe->command_lines = l->line;
	exe->n_command_lines = l->n_lines;
}

/* ---- rows ---- */

static unsigned load_mark(struct wire_span value)
{
	const struct wire_span name = { value.data + 1, value.len - 2 };

	for (unsigned i = 0; value.len > 2 && i < BASELINE_MARKS; i++)
		if (same(name, baseline_mark_name(i)))
			return 1u << i;
	return 0;
}

/* Only where there is something. */
static unsigned load_marks(struct load *l, struct wire_span row)
{
	struct wire_span list, key, value;
	struct jr_iter it;
	unsigned marks = 0, mark;
	int n = -1;

	if (!jr_member(row, "baseline", &list))
		return 0;
	if (jr_begin(&it, list, '['))
		while ((n = jr_next(&it, &key, &value)) > 0) {
			mark = load_mark(value);
			l->bad |= !mark;
			marks |= mark;
		}
	l->bad |= n != 0;
	return marks;
}

static void load_exe_counts(struct load *l, struct wire_span row, struct cell_exe_counts *c)
{
	const struct wire_span exits = load_in(l, row, "exits");

	c->runs = load_u64(l, row, "runs");
	c->failed_runs = load_u64(l, row, "failed_runs");
	c->contained = load_u64(l, row, "runs_in_containers");
	c->forks = load_u64(l, row, "forks");
	c->threads = load_u64(l, row, "threads");
	c->exits = load_u64(l, exits, "total");
	c->killed = load_u64(l, exits, "killed");
	c->connects = load_u64(l, row, "connects");
	c->connect_ends = load_u64(l, row, "connect_ends");
	c->syscalls = load_u64(l, row, "syscalls");
	c->argv_bytes = load_u64(l, row, "argv_bytes");
}

static int load_exe(struct load *l, struct wire_span row)
{
	const struct wire_span exits = load_in(l, row, "exits");
	struct cell_exe e = { .name = load_string(l, load_in(l, row, "path")) };

	load_exe_counts(l, row, &e.counts);
	e.first_ns = load_time(l, row, "first_seen");
	e.last_ns = load_time(l, row, "last_seen");
	e.short_by = load_or(l, row, "short_by", 0);
	e.failed_short_by = load_or(l, row, "failed_short_by", 0);
	load_counts(l, exits, "by_status", KEY_NUMBER, 0, &e.exit_status);
	load_counts(l, exits, "by_signal", KEY_SIGNAL, 1, &e.exit_signals);
	load_counts(l, row, "users", KEY_NUMBER, 2, &e.users);
	load_counts(l, row, "parents", KEY_NAME, 3, &e.parents);
	load_counts(l, row, "containers", KEY_NAME, 4, &e.containers);
	load_counts(l, row, "errors", KEY_RESULT, 5, &e.errors);
	load_counts(l, row, "tried_by", KEY_NAME, 6, &e.tried_by);
	load_counts(l, row, "connect_results", KEY_RESULT, 7, &e.connect_results);
	load_counts(l, row, "connect_end_results", KEY_RESULT, 8, &e.connect_end_results);
	load_lines(l, row, &e);
	e.marks = load_marks(l, row);
	return l->bad ? -EBADMSG : cell_put_exe(l->cell, &e);
}

static int load_connection(struct load *l, struct wire_span row)
{
	struct cell_connection c = { .exe = load_string(l, load_in(l, row, "executable")),
				     .address = load_string(l, load_in(l, row, "address")) };
	int protocol = 0;

	if (!number_of(load_in(l, row, "family"), wire_family_name, &c.family) ||
	    !number_of(load_in(l, row, "protocol"), protocol_name, &protocol))
		return -EBADMSG;
	c.protocol = (unsigned)protocol;
	c.port = (unsigned)load_u64(l, row, "port");
	c.connects = load_u64(l, row, "connects");
	c.ends = load_u64(l, row, "connect_ends");
	load_counts(l, row, "results", KEY_RESULT, 0, &c.results);
	load_counts(l, row, "end_results", KEY_RESULT, 1, &c.end_results);
	c.first_ns = load_time(l, row, "first_seen");
	c.last_ns = load_time(l, row, "last_seen");
	c.short_by = load_or(l, row, "short_by", 0);
	c.marks = load_marks(l, row);
	return l->bad ? -EBADMSG : cell_put_connection(l->cell, &c);
}

static int load_syscall(struct load *l, struct wire_span row)
{
	struct cell_syscall s = { .exe = load_string(l, load_in(l, row, "executable")),
				  .name = load_string(l, load_in(l, row, "syscall")) };

	s.count = load_u64(l, row, "count");
	s.failed = load_u64(l, row, "failed");
	load_counts(l, row, "errors", KEY_RESULT, 0, &s.errors);
	s.first_ns = load_time(l, row, "first_seen");
	s.last_ns = load_time(l, row, "last_seen");
	s.short_by = load_or(l, row, "short_by", 0);
	return l->bad ? -EBADMSG : cell_put_syscall(l->cell, &s);
}

static int load_rows(struct load *l, const char *name,
		     int (*row)(struct load *l, struct wire_span value))
{
	struct wire_span key, value;
	struct jr_iter it;
	int n, err = 0;

	if (!jr_begin(&it, load_member(l, name), '['))
		return -EBADMSG;
	while (!err && (n = jr_next(&it, &key, &value)) != 0) {
		if (n < 0)
			return n;
		err = load_arena(l, value);
		if (!err)
			err = row(l, value);
		if (!err && l->arena.failed)
			err = -ENOMEM;
	}
	return err;
}

/* The next of those that lack something; they come in the order of all. */
static bool next_lack(struct load *l, struct jr_iter *it, struct wire_span *key,
		      struct wire_span *value)
{
	const int n = jr_next(it, key, value);

	if (n < 0)
		l->bad = true;
	return n > 0;
}

static int load_command(struct load *l, struct wire_span key, struct wire_span count,
			const struct wire_span *lacks)
{
	struct cell_command c = { .short_by = 0 };
	int err = load_arena(l, key);

	if (err)
		return err;
	c.name = load_key(l, key);
	if (!jr_u64(count, &c.count) || (lacks && !jr_u64(*lacks, &c.short_by)) || l->bad)
		return -EBADMSG;
	return cell_put_command(l->cell, &c);
}

static int load_commands(struct load *l, struct wire_span other)
{
	struct wire_span key, value, lack_key, lack;
	struct jr_iter it, lacks;
	bool more, this;
	int n, err = 0;

	if (!jr_begin(&it, load_member(l, "command_counts"), '{') ||
	    !jr_begin(&lacks, load_in(l, other, "short_by"), '{'))
		return -EBADMSG;
	more = next_lack(l, &lacks, &lack_key, &lack);
	while (!err && (n = jr_next(&it, &key, &value)) != 0) {
		if (n < 0)
			return n;
		this = more && key.len == lack_key.len &&
		       memcmp(key.data, lack_key.data, key.len) == 0;
		err = load_command(l, key, value, this ? &lack : NULL);
		if (this)
			more = next_lack(l, &lacks, &lack_key, &lack);
	}
	return !err && more ? -EBADMSG : err;
}

/* at_most: a report of an older program has none. */
static void load_other(struct load *l, struct wire_span table, const char *unit,
		       struct cell_other *to)
{
	to->rows = load_u64(l, table, "rows");
	to->events = load_u64(l, table, unit);
	to->at_most = load_or(l, table, "at_most", to->events);
}

int load_tables(struct load *l)
{
	const struct wire_span other = load_member(l, "other");
	const struct wire_span exes = load_in(l, other, "executables");
	const struct wire_span commands = load_in(l, other, "commands");
	struct cell_view *v = &l->view;
	int err = load_errnos(l);

	load_other(l, exes, "events", &v->exes_other);
	load_exe_counts(l, exes, &v->exes_other_counts);
	v->failed_other.rows = load_u64(l, exes, "failed_rows");
	v->failed_other.events = v->exes_other_counts.failed_runs;
	v->failed_other.at_most = load_or(l, exes, "failed_at_most", v->failed_other.events);
	load_other(l, load_in(l, other, "command_lines"), "runs", &v->command_lines_other);
	load_other(l, commands, "runs", &v->commands_other);
	load_other(l, load_in(l, other, "connections"), "events", &v->connections_other);
	load_other(l, load_in(l, other, "syscalls"), "events", &v->syscalls_other);
	if (!err)
		err = load_rows(l, "executables", load_exe);
	if (!err)
		err = load_commands(l, commands);
	if (!err)
		err = load_rows(l, "connections", load_connection);
	if (!err)
		err = load_rows(l, "syscalls", load_syscall);
	return err;
}

void load_free_tables(struct load *l)
{
	for (size_t i = 0; i < LOAD_LISTS; i++)
		free(l->list[i].row);
	free(l->line);
	free(l->errnos);
}
