/* SPDX-License-Identifier: MIT */
/* What each kind of record adds to the open cell. */
#include <string.h>

#include "cell/cell_private.h"

/* A record with what is known about it. */
struct fold {
	struct cells *c;
	struct cell *cell;
	const struct proc_entry *who; /* may be NULL */
	const struct proc_table *table;
	edr_s64 t; /* Unix ns */
	unsigned marks;
};

static struct wire_span span(const char *s)
{
	return (struct wire_span){ s, strlen(s) };
}

static struct wire_span exe_of(const struct proc_entry *e)
{
	return e ? span(e->exe) : (struct wire_span){ "", 0 };
}

static const struct wire_span no_name = { "", 0 };

/* The row of an executable, or NULL when its counts go to other; *counts is where they go. */
static struct exe_row *count_exe(struct fold *f, struct wire_span name,
				 struct cell_exe_counts **counts)
{
	struct exe_row *row;

	if (name.len > EDR_PATH_MAX)
		name.len = EDR_PATH_MAX;
	row = (struct exe_row *)table_count(&f->cell->exes, f->cell, name.data, name.len, 1);
	*counts = row ? &row->counts : &f->cell->exes_other;
	if (!row)
		return NULL;
	if (row->id == 0)
		row->id = ++f->cell->next_id;
	span_note(&row->when, f->t);
	return row;
}

static void count_number(struct fold *f, struct owner *o, enum count_kind kind, edr_s64 number)
{
	counts_add(f->cell, o, kind, number, no_name, 1);
}

static void fold_exec(struct fold *f, const struct edr_exec *r)
{
	const bool contained = f->who && *f->who->container;
	struct cell_exe_counts *counts;
	struct exe_row *row = count_exe(f, wire_str(r, r->exe), &counts);
	const struct proc_entry *parent;

	counts->runs++;
	counts->contained += contained;
	counts->argv_bytes += r->argv_bytes;
	lines_count(f->c, row, r, f->t);
	if (!row)
		return;
	row->marks |= f->marks;
	parent = f->who && f->table ? proc_parent(f->table, f->who) : NULL;
	count_number(f, &row->owner, COUNT_USER, r->uid);
	counts_add(f->cell, &row->owner, COUNT_PARENT, 0, exe_of(parent), 1);
	if (contained)
		counts_add(f->cell, &row->owner, COUNT_CONTAINER, 0, span(f->who->container), 1);
}

static void fold_exec_failed(struct fold *f, const struct edr_exec_failed *r)
{
	struct wire_span name = wire_str(r, r->filename);
	struct cell *cell = f->cell;
	struct exe_row *row;

	if (name.len > EDR_PATH_MAX)
		name.len = EDR_PATH_MAX;
	row = (struct exe_row *)table_count(&cell->failed, cell, name.data, name.len, 1);
	if (!row) {
		cell->failed_other.failed_runs++;
		return;
	}
	row->counts.failed_runs++;
	span_note(&row->when, f->t);
	count_number(f, &row->owner, COUNT_ERROR, r->error < 0 ? -(edr_s64)r->error : r->error);
	counts_add(cell, &row->owner, COUNT_TRIED_BY, 0, exe_of(f->who), 1);
}

static void fold_fork(struct fold *f)
{
	struct cell_exe_counts *counts;

	count_exe(f, exe_of(f->who), &counts);
	counts->forks++;
}

static void fold_thread(struct fold *f)
{
	struct cell_exe_counts *counts;

	count_exe(f, exe_of(f->who), &counts);
	counts->threads++;
}

static void fold_exit(struct fold *f, const struct edr_exit *r)
{
	struct cell_exe_counts *counts;
	struct exe_row *row = count_exe(f, exe_of(f->who), &counts);

	counts->exits++;
	counts->killed += r->signal != 0;
	if (!row)
		return;
	if (r->signal)
		count_number(f, &row->owner, COUNT_SIGNAL, r->signal);
	else
		count_number(f, &row->owner, COUNT_STATUS, r->exit_code);
}

/* 0, an errno, or CELL_RESULT_UNKNOWN; on the wire it is 0, -errno or EDR_RESULT_UNKNOWN. */
static edr_s64 result_number(edr_s32 result)
{
	return result > 0 ? CELL_RESULT_UNKNOWN : -(edr_s64)result;
}

static struct connection_row *count_connection(struct fold *f, struct wire_span exe,
					       struct wire_span raw, edr_u32 protocol)
{
	struct connection_key key = { .protocol = protocol };
	struct wire_addr addr;
	char *to = f->c->key;
	struct connection_row *row;

	wire_decode_sockaddr(raw, &addr);
	if (exe.len > EDR_PATH_MAX)
		exe.len = EDR_PATH_MAX;
	key.family = addr.family;
	key.port = addr.port;
	key.exe_len = (edr_u32)exe.len;
	memcpy(to, &key, sizeof(key));
	memcpy(to + sizeof(key), exe.data, exe.len);
	memcpy(to + sizeof(key) + exe.len, addr.text, addr.text_len);
	row = (struct connection_row *)table_count(&f->cell->connections, f->cell, to,
						   sizeof(key) + exe.len + addr.text_len, 1);
	if (row)
		span_note(&row->when, f->t);
	return row;
}

static void fold_connect(struct fold *f, const struct edr_connect *r)
{
	const edr_s64 result = result_number(r->result);
	const struct wire_span exe = exe_of(f->who);
	struct cell_exe_counts *counts;
	struct exe_row *row = count_exe(f, exe, &counts);
	struct connection_row *connection;

	counts->connects++;
	if (row)
		count_number(f, &row->owner, COUNT_RESULT, result);
	connection = count_connection(f, exe, wire_str(r, r->sockaddr), r->protocol);
	if (!connection)
		return;
	connection->connects++;
	connection->marks |= f->marks;
	count_number(f, &connection->owner, COUNT_RESULT, result);
}

static void fold_connect_result(struct fold *f, const struct edr_connect_result *r)
{
	const edr_s64 result = result_number(r->result);
	const struct wire_span exe = exe_of(f->who);
	struct cell_exe_counts *counts;
	struct exe_row *row = count_exe(f, exe, &counts);
	struct connection_row *connection;

	counts->connect_ends++;
	if (row)
		count_number(f, &row->owner, COUNT_END_RESULT, result);
	connection = count_connection(f, exe, wire_str(r, r->sockaddr), r->protocol);
	if (!connection)
		return;
	connection->ends++;
	count_number(f, &connection->owner, COUNT_END_RESULT, result);
}

static void fold_syscall(struct fold *f, const struct edr_syscall *r)
{
	struct wire_span exe = exe_of(f->who);
	struct cell_exe_counts *counts;
	struct syscall_row *row;
	char *to = f->c->key;

	count_exe(f, exe, &counts);
	counts->syscalls++;
	if (exe.len > EDR_PATH_MAX)
		exe.len = EDR_PATH_MAX;
	/* What lies behind the name's NUL is whatever the sender left there. */
	memset(to, 0, sizeof(r->name));
	memcpy(to, r->name, strnlen(r->name, sizeof(r->name)));
	memcpy(to + sizeof(r->name), exe.data, exe.len);
	row = (struct syscall_row *)table_count(&f->cell->syscalls, f->cell, to,
						sizeof(r->name) + exe.len, 1);
	if (!row)
		return;
	span_note(&row->when, f->t);
	/*
	 * Only these are errors: mmap gives addresses with the highest bit set (MAX_ERRNO,
	 * linux/err.h).
	 */
	if (r->no_return || r->result >= 0 || r->result < -4095)
		return;
	row->failed++;
	count_number(f, &row->owner, COUNT_ERROR, -r->result);
}

static void fold_loss(struct cells *c, const struct edr_loss *r)
{
	struct edr_counters *to;

	if (r->of_type >= EDR_TYPE_MAX)
		return;
	to = &c->open->totals.type[r->of_type].counted;
	to->produced += r->produced;
	to->filtered += r->filtered;
	to->dropped += r->dropped;
	to->truncated += r->truncated;
	/* Unsigned, for a forged record may say anything: the sum holds all the same. */
	c->pending[r->of_type] =
		(edr_s64)((edr_u64)c->pending[r->of_type] + r->produced - r->dropped);
}

/* A record of that type; its size has been checked. */
#define AS(name) ((const struct edr_##name *)(const void *)rec)

static void fold_event(struct fold *f, const struct edr_hdr *rec)
{
	switch (rec->type) {
	case EDR_EXEC:
		fold_exec(f, AS(exec));
		break;
	case EDR_EXEC_FAILED:
		fold_exec_failed(f, AS(exec_failed));
		break;
	case EDR_FORK:
		fold_fork(f);
		break;
	case EDR_THREAD:
		fold_thread(f);
		break;
	case EDR_EXIT:
		fold_exit(f, AS(exit));
		break;
	case EDR_CONNECT:
		fold_connect(f, AS(connect));
		break;
	case EDR_CONNECT_RESULT:
		fold_connect_result(f, AS(connect_result));
		break;
	case EDR_SYSCALL:
		fold_syscall(f, AS(syscall));
		break;
	default:
		break;
	}
}

static void fold_housekeeping(struct cells *c, const struct edr_hdr *rec)
{
	if (rec->type == EDR_LOSS)
		fold_loss(c, AS(loss));
	else if (rec->type == EDR_COST)
		cost_fold(&c->open->totals.cost, AS(cost));
	else if (rec->type == EDR_PROGRAM_COST)
		cost_fold_program(&c->open->totals.cost, AS(program_cost));
}

static void keep_json(struct fold *f, const struct edr_hdr *rec, struct wire_span json)
{
	const struct cell_config *cfg = &f->cell->cfg;
	const struct cell_sinks *sinks = &f->c->sinks;

	if (!cfg->keep_events || (rec->type == EDR_THREAD && !cfg->list_threads))
		return;
	if (!json.len && !sinks->json)
		return;
	if (events_full(f->c))
		return;
	if (!json.len)
		json = sinks->json(sinks->ctx, rec, f->who);
	events_keep(f->c, (edr_u64)f->c->now_boot_ns, f->t, json);
}

void cells_mark(struct cells *c, unsigned marks)
{
	c->marks = marks;
}

void cells_fold(struct cells *c, const struct edr_hdr *rec, const struct proc_entry *who,
		const struct proc_table *table, struct wire_span json)
{
	struct fold f = { .c = c, .who = who, .table = table, .marks = c->marks };

	c->marks = 0;
	if (rec->type >= EDR_TYPE_MAX)
		return;
	if (rec->type == EDR_CLOCK)
		windows_clock(c, AS(clock), table);
	else if (rec->type == EDR_BLIND)
		windows_blind(c, AS(blind));
	else if (rec->type == EDR_HOST)
		host_learn(&c->host, AS(host));
	f.t = windows_advance(c, rec, table);
	f.cell = c->open;
	if (!f.cell) {
		c->homeless[rec->type]++;
		return;
	}
	f.cell->totals.type[rec->type].delivered++;
	f.cell->totals.redacted += (rec->flags & EDR_F_REDACTED) != 0;
	c->pending[rec->type] -= c->of_kernel[rec->type];
	events_age(c);
	if (!c->is_event[rec->type]) {
		fold_housekeeping(c, rec);
		return;
	}
	f.cell->totals.events++;
	if (f.cell->totals.first_ns == 0 || f.t < f.cell->totals.first_ns)
		f.cell->totals.first_ns = f.t;
	if (f.t > f.cell->totals.last_ns)
		f.cell->totals.last_ns = f.t;
	fold_event(&f, rec);
	keep_json(&f, rec, json);
}
