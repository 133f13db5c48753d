/* SPDX-License-Identifier: MIT */
#include "report/cell_json.h"

#include <stdio.h>
#include <string.h>

#include "detect/baseline.h"

/* ---- command lines ---- */

/*
 * As in Python's shlex.quote(), which shlex.split() undoes: where one argument ends can't be
 * forged.
 */
static bool needs_quotes(struct wire_span arg)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_-+=:,./";

	for (size_t i = 0; i < arg.len; i++)
		if (!memchr(plain, arg.data[i], sizeof(plain) - 1))
			return true;
	return !arg.len;
}

static void quote(struct buf *out, struct wire_span arg)
{
	if (!needs_quotes(arg)) {
		buf_add(out, arg.data, arg.len);
		return;
	}
	buf_addc(out, '\'');
	for (size_t i = 0; i < arg.len; i++) {
		if (arg.data[i] == '\'')
			buf_adds(out, "'\"'\"'");
		else
			buf_addc(out, arg.data[i]);
	}
	buf_addc(out, '\'');
}

/* The bytes are in j->quoted until the next call; json-c copies them. */
static json_object *command_line(struct rj *j, const struct cell_command_line *line, bool mark_cut)
{
	struct wire_span rest = line->argv, arg;
	struct buf *out = &j->quoted;

	buf_clear(out);
	while (wire_next_arg(&rest, &arg)) {
		if (out->len)
			buf_addc(out, ' ');
		quote(out, arg);
	}
	/* An argument of that text would have quotes. */
	if (line->cut && mark_cut)
		buf_addf(out, " [%llu bytes]", line->argv_bytes);
	if (buf_failed(out))
		return NULL;
	return rj_span(j, (struct wire_span){ out->data, out->len });
}

static void put_short_by(struct rj *j, json_object *row, edr_u64 short_by)
{
	if (short_by)
		rj_put_u64(j, row, "short_by", short_by);
}

static json_object *command_line_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_command_line *line = (const struct cell_command_line *)ctx + i;
	json_object *row = json_object_new_object();
	char hash[24];

	rj_put(j, row, "command_line", command_line(j, line, false));
	rj_put_span(j, row, "command", line->command);
	rj_put_u64(j, row, "count", line->count);
	rj_put_time(j, row, "first_seen", line->first_ns);
	rj_put_time(j, row, "last_seen", line->last_ns);
	if (line->cut) {
		rj_put_u64(j, row, "cut_from_bytes", line->argv_bytes);
		snprintf(hash, sizeof(hash), "%016llx", line->hash);
		rj_put_text(j, row, "hash", hash);
	}
	put_short_by(j, row, line->short_by);
	return row;
}

/* ---- commands: the original's command_counts and process_events ---- */

static void command_key(struct buf *out, const void *ctx, size_t i)
{
	rj_key(out, ((const struct cell_command *)ctx)[i].name);
}

static json_object *command_count(struct rj *j, const void *ctx, size_t i)
{
	(void)j;
	return rj_u64(((const struct cell_command *)ctx)[i].count);
}

static json_object *one_command_line(struct rj *j, const void *ctx, size_t i)
{
	return command_line(j, ((const struct cell_command *)ctx)->command_lines[i], true);
}

static json_object *command_events(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_command *c = (const struct cell_command *)ctx + i;

	return rj_rows(j, &(struct rj_rows){
				  .n = c->n_command_lines, .ctx = c, .value = one_command_line });
}

void cell_json_command_counts(struct rj *j, json_object *report, const char *key,
			      const struct cell_view *v, size_t max)
{
	rj_put_rows(j, report, key,
		    &(struct rj_rows){ .n = v->n_commands < max ? v->n_commands : max,
				       .ctx = v->commands,
				       .value = command_count,
				       .key = command_key });
}

void cell_json_process_events(struct rj *j, json_object *report, const struct cell_view *v)
{
	rj_put_rows(j, report, "process_events",
		    &(struct rj_rows){ .n = v->n_commands,
				       .ctx = v->commands,
				       .value = command_events,
				       .key = command_key });
}

/* The i-th of the commands whose count is not exact. There are none, or not many. */
static const struct cell_command *lacking(const struct cell_view *v, size_t i)
{
	for (size_t at = 0; at < v->n_commands; at++)
		if (v->commands[at].short_by && i-- == 0)
			return &v->commands[at];
	return NULL;
}

static void lacking_key(struct buf *out, const void *ctx, size_t i)
{
	rj_key(out, lacking(ctx, i)->name);
}

static json_object *lacking_count(struct rj *j, const void *ctx, size_t i)
{
	(void)j;
	return rj_u64(lacking(ctx, i)->short_by);
}

static void put_commands_other(struct rj *j, json_object *commands, const struct cell_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_commands; i++)
		n += v->commands[i].short_by != 0;
	rj_put_rows(j, commands, "short_by",
		    &(struct rj_rows){ .n = n,
				       .ctx = v,
				       .value = lacking_count,
				       .key = lacking_key,
				       .style = RJ_INLINE });
}

/* ---- the small lists within a row ---- */

static const struct cell_count *count_row(const void *ctx, size_t i)
{
	return ((const struct cell_counts *)ctx)->row + i;
}

static json_object *count_value(struct rj *j, const void *ctx, size_t i)
{
	(void)j;
	return rj_u64(count_row(ctx, i)->count);
}

static void key_name(struct buf *out, const void *ctx, size_t i)
{
	rj_key(out, count_row(ctx, i)->name);
}

static void add_key(struct buf *out, const char *name, edr_s64 number)
{
	if (name)
		buf_addf(out, "\"%s\"", name);
	else
		buf_addf(out, "\"%lld\"", number);
}

static void key_number(struct buf *out, const void *ctx, size_t i)
{
	add_key(out, NULL, count_row(ctx, i)->number);
}

/* Numbers that no table of names knows, for a hostile record may hold any. */
static bool is_small(edr_s64 n)
{
	return n > 0 && n < 0x10000;
}

static void key_signal(struct buf *out, const void *ctx, size_t i)
{
	edr_s64 n = count_row(ctx, i)->number;

	add_key(out, is_small(n) ? wire_signal_name((int)n) : NULL, n);
}

static void key_result(struct buf *out, const void *ctx, size_t i)
{
	edr_s64 n = count_row(ctx, i)->number;

	if (n == CELL_RESULT_UNKNOWN)
		add_key(out, "unknown", n);
	else
		add_key(out, is_small(n) ? wire_errno_name((int)n) : NULL, n);
}

typedef void (*key_fn)(struct buf *out, const void *ctx, size_t i);

static void put_counts(struct rj *j, json_object *to, const char *key, const struct cell_counts *c,
		       key_fn name)
{
	rj_put_rows(j, to, key,
		    &(struct rj_rows){ .n = c->n,
				       .ctx = c,
				       .value = count_value,
				       .key = name,
				       .style = RJ_INLINE });
}

/* What the small lists have no room for: a member of that name, only where there is something. */
static void put_other(struct rj *j, json_object *row, const char *key, edr_u64 count)
{
	json_object *other;

	if (!count)
		return;
	if (!json_object_object_get_ex(row, "other", &other))
		other = rj_put_object(j, row, "other");
	rj_put_u64(j, other, key, count);
}

/* ---- what is new or rare ---- */

static json_object *mark(struct rj *j, const void *ctx, size_t i)
{
	unsigned rest = *(const unsigned *)ctx;
	const char *name;

	for (; i; i--)
		rest &= rest - 1;
	name = baseline_mark_name((unsigned)__builtin_ctz(rest));
	return rj_span(j, (struct wire_span){ name, name ? strlen(name) : 0 });
}

static void put_marks(struct rj *j, json_object *row, const unsigned *marks)
{
	if (*marks)
		rj_put_rows(j, row, "baseline",
			    &(struct rj_rows){ .n = (size_t)__builtin_popcount(*marks),
					       .ctx = marks,
					       .value = mark,
					       .style = RJ_INLINE });
}

/* ---- executables ---- */

static void put_exe_counts(struct rj *j, json_object *to, const struct cell_exe_counts *c)
{
	rj_put_u64(j, to, "runs", c->runs);
	rj_put_u64(j, to, "failed_runs", c->failed_runs);
	rj_put_u64(j, to, "runs_in_containers", c->contained);
	rj_put_u64(j, to, "forks", c->forks);
	rj_put_u64(j, to, "threads", c->threads);
	rj_put_u64(j, to, "connects", c->connects);
	rj_put_u64(j, to, "connect_ends", c->connect_ends);
	rj_put_u64(j, to, "syscalls", c->syscalls);
	rj_put_u64(j, to, "argv_bytes", c->argv_bytes);
}

static json_object *put_exits(struct rj *j, json_object *to, const struct cell_exe_counts *c)
{
	json_object *exits = rj_put_object(j, to, "exits");

	rj_put_u64(j, exits, "total", c->exits);
	rj_put_u64(j, exits, "killed", c->killed);
	return exits;
}

static json_object *executable_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_exe *exe = (const struct cell_exe *)ctx + i;
	json_object *row = json_object_new_object(), *exits;

	rj_put_span(j, row, "path", exe->name);
	put_exe_counts(j, row, &exe->counts);
	rj_put_time(j, row, "first_seen", exe->first_ns);
	rj_put_time(j, row, "last_seen", exe->last_ns);
	exits = put_exits(j, row, &exe->counts);
	put_counts(j, exits, "by_status", &exe->exit_status, key_number);
	put_counts(j, exits, "by_signal", &exe->exit_signals, key_signal);
	put_counts(j, row, "users", &exe->users, key_number);
	put_counts(j, row, "parents", &exe->parents, key_name);
	put_counts(j, row, "containers", &exe->containers, key_name);
	put_counts(j, row, "errors", &exe->errors, key_result);
	put_counts(j, row, "tried_by", &exe->tried_by, key_name);
	put_counts(j, row, "connect_results", &exe->connect_results, key_result);
	put_counts(j, row, "connect_end_results", &exe->connect_end_results, key_result);
	rj_put_rows(j, row, "command_lines",
		    &(struct rj_rows){ .n = exe->n_command_lines,
				       .ctx = exe->command_lines,
				       .value = command_line_row });
	put_other(j, row, "exits_by_status", exe->exit_status.other);
	put_other(j, row, "exits_by_signal", exe->exit_signals.other);
	put_other(j, row, "users", exe->users.other);
	put_other(j, row, "parents", exe->parents.other);
	put_other(j, row, "containers", exe->containers.other);
	put_other(j, row, "errors", exe->errors.other);
	put_other(j, row, "tried_by", exe->tried_by.other);
	put_other(j, row, "connect_results", exe->connect_results.other);
	put_other(j, row, "connect_end_results", exe->connect_end_results.other);
	put_other(j, row, "command_lines", exe->command_lines_other);
	put_short_by(j, row, exe->short_by);
	if (exe->failed_short_by)
		rj_put_u64(j, row, "failed_short_by", exe->failed_short_by);
	put_marks(j, row, &exe->marks);
	return row;
}

void cell_json_executables(struct rj *j, json_object *report, const struct cell_view *v)
{
	rj_put_rows(j, report, "executables",
		    &(struct rj_rows){ .n = v->n_exes, .ctx = v->exes, .value = executable_row });
}

/* ---- connections and system calls ---- */

static void put_name(struct rj *j, json_object *to, const char *key, const char *name,
		     edr_s64 number)
{
	if (name)
		rj_put_text(j, to, key, name);
	else
		rj_put_s64(j, to, key, number);
}

static json_object *connection_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_connection *c = (const struct cell_connection *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_span(j, row, "executable", c->exe);
	put_name(j, row, "family", wire_family_name(c->family), c->family);
	rj_put_span(j, row, "address", c->address);
	rj_put_u64(j, row, "port", c->port);
	put_name(j, row, "protocol", wire_protocol_name(c->protocol), c->protocol);
	rj_put_u64(j, row, "connects", c->connects);
	rj_put_u64(j, row, "connect_ends", c->ends);
	put_counts(j, row, "results", &c->results, key_result);
	put_counts(j, row, "end_results", &c->end_results, key_result);
	rj_put_time(j, row, "first_seen", c->first_ns);
	rj_put_time(j, row, "last_seen", c->last_ns);
	put_other(j, row, "results", c->results.other);
	put_other(j, row, "end_results", c->end_results.other);
	put_short_by(j, row, c->short_by);
	put_marks(j, row, &c->marks);
	return row;
}

void cell_json_connections(struct rj *j, json_object *report, const struct cell_view *v)
{
	rj_put_rows(j, report, "connections",
		    &(struct rj_rows){ .n = v->n_connections,
				       .ctx = v->connections,
				       .value = connection_row });
}

static json_object *syscall_row(struct rj *j, const void *ctx, size_t i)
{
	const struct cell_syscall *c = (const struct cell_syscall *)ctx + i;
	json_object *row = json_object_new_object();

	rj_put_span(j, row, "executable", c->exe);
	rj_put_span(j, row, "syscall", c->name);
	rj_put_u64(j, row, "count", c->count);
	rj_put_u64(j, row, "failed", c->failed);
	put_counts(j, row, "errors", &c->errors, key_result);
	rj_put_time(j, row, "first_seen", c->first_ns);
	rj_put_time(j, row, "last_seen", c->last_ns);
	put_other(j, row, "errors", c->errors.other);
	put_short_by(j, row, c->short_by);
	return row;
}

void cell_json_syscalls(struct rj *j, json_object *report, const struct cell_view *v)
{
	rj_put_rows(
		j, report, "syscalls",
		&(struct rj_rows){ .n = v->n_syscalls, .ctx = v->syscalls, .value = syscall_row });
}

/* ---- what found no room ---- */

static json_object *put_table_other(struct rj *j, json_object *to, const char *key,
				    const struct cell_other *o, const char *unit)
{
	json_object *table = rj_put_object(j, to, key);

	rj_put_u64(j, table, "rows", o->rows);
	rj_put_u64(j, table, unit, o->events);
	rj_put_u64(j, table, "at_most", o->at_most);
	return table;
}

void cell_json_other(struct rj *j, json_object *report, const struct cell_view *v)
{
	json_object *other = rj_put_object(j, report, "other");
	json_object *exes = put_table_other(j, other, "executables", &v->exes_other, "events");

	rj_put_u64(j, exes, "failed_rows", v->failed_other.rows);
	rj_put_u64(j, exes, "failed_at_most", v->failed_other.at_most);
	put_exe_counts(j, exes, &v->exes_other_counts);
	put_exits(j, exes, &v->exes_other_counts);
	put_table_other(j, other, "command_lines", &v->command_lines_other, "runs");
	put_commands_other(j, put_table_other(j, other, "commands", &v->commands_other, "runs"), v);
	put_table_other(j, other, "connections", &v->connections_other, "events");
	put_table_other(j, other, "syscalls", &v->syscalls_other, "events");
	rj_put_u64(j, other, "unattributed", v->totals->unattributed);
}
