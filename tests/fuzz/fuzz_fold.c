/* SPDX-License-Identifier: MIT */
/*
 * Arbitrary bytes as records, through the process table into cells, with every closed cell read to
 * the end. The input is a row of (16-bit length, that many bytes); the highest bit of the length
 * says that the record be mended first (version, type, length, strings), so that most get past
 * wire_check.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "wire/wire.h"

#define MEND 0x8000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink; /* what was read, so that it is read */

static void read_span(struct wire_span s)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < s.len; i++)
		sum += (unsigned char)s.data[i];
	sink += sum;
}

static void read_counts(struct cell_counts c, edr_u64 total)
{
	edr_u64 sum = c.other;
	size_t i;

	for (i = 0; i < c.n; i++) {
		read_span(c.row[i].name);
		sum += c.row[i].count;
	}
	if (sum != total)
		abort();
}

static void read_exe(const struct cell_exe *e)
{
	edr_u64 lines = e->command_lines_other;
	size_t i;

	read_span(e->name);
	read_counts(e->errors, e->counts.failed_runs);
	read_counts(e->tried_by, e->counts.failed_runs);
	read_counts(e->exit_status, e->counts.exits - e->counts.killed);
	read_counts(e->exit_signals, e->counts.killed);
	read_counts(e->users, e->counts.runs);
	read_counts(e->parents, e->counts.runs);
	read_counts(e->containers, e->counts.contained);
	read_counts(e->connect_results, e->counts.connects);
	read_counts(e->connect_end_results, e->counts.connect_ends);
	for (i = 0; i < e->n_command_lines; i++) {
		read_span(e->command_lines[i].command);
		read_span(e->command_lines[i].argv);
		lines += e->command_lines[i].count;
	}
	if (lines != e->counts.runs)
		abort();
}

static void read_host(const struct cell_host *h)
{
	read_span(h->hostname);
	read_span(h->degraded);
	read_span(h->agent);
}

static void read_totals(const struct cell_totals *t)
{
	size_t i;

	for (i = 0; i < EDR_TYPE_MAX; i++) {
		const struct cell_type_counts *c = &t->type[i];

		if (wire_event_by_type((unsigned)i) &&
		    wire_event_by_type((unsigned)i)->ring != EDR_RING_NONE &&
		    c->counted.produced + (edr_u64)c->pending_before !=
			    c->delivered + c->counted.dropped + (edr_u64)c->pending_after)
			abort();
	}
	if (t->window_end_ns <= t->window_start_ns || t->watched_from_ns < t->window_start_ns ||
	    t->watched_to_ns > t->window_end_ns ||
	    t->blind_ns > (edr_u64)(t->window_end_ns - t->window_start_ns))
		abort();
}

static void read_chunks(const struct cell_chunk *chunk)
{
	for (; chunk; chunk = chunk->next)
		read_span((struct wire_span){ chunk->text, chunk->len });
}

static void on_closed(void *ctx, struct cell *cell)
{
	struct cell_view v;
	size_t i;

	(void)ctx;
	if (cell_view_open(&v, cell) == 0) {
		read_totals(v.totals);
		read_host(v.host);
		for (i = 0; i < v.n_exes; i++)
			read_exe(&v.exes[i]);
		for (i = 0; i < v.n_commands; i++)
			read_span(v.commands[i].name);
		for (i = 0; i < v.n_connections; i++) {
			read_span(v.connections[i].exe);
			read_span(v.connections[i].address);
			read_counts(v.connections[i].results, v.connections[i].connects);
			read_counts(v.connections[i].end_results, v.connections[i].ends);
		}
		for (i = 0; i < v.n_syscalls; i++) {
			read_span(v.syscalls[i].name);
			read_counts(v.syscalls[i].errors, v.syscalls[i].failed);
		}
		for (i = 0; i < v.n_blind; i++)
			read_span(v.blind[i].reason);
		read_chunks(v.events);
		cell_view_close(&v);
	}
	cell_free(cell);
}

static int on_interim(void *ctx, struct cell_events *part)
{
	struct cell_events_view v;

	(void)ctx;
	cell_events_view(part, &v);
	read_host(&v.host);
	read_chunks(v.events);
	cell_events_free(part);
	return 0;
}

static void mend_field(struct edr_hdr *hdr, const struct wire_event *ev, const struct wire_field *f)
{
	char *at = (char *)hdr + f->offset;
	const edr_u32 room = hdr->len - (edr_u32)ev->size;
	struct edr_str s;

	switch (f->kind) {
	case EDR_KIND_CHARS:
	case EDR_KIND_TTY:
		at[f->size - 1] = '\0';
		break;
	case EDR_KIND_STR:
	case EDR_KIND_OPTSTR:
	case EDR_KIND_STRS:
	case EDR_KIND_ARGV:
	case EDR_KIND_SOCKADDR:
		memcpy(&s, at, sizeof(s));
		s.off = (edr_u32)ev->size + s.off % (room + 1);
		s.len = s.len % (hdr->len - s.off + 1);
		memcpy(at, &s, sizeof(s));
		break;
	default:
		break;
	}
}

static void mend(struct edr_hdr *hdr, size_t len)
{
	const struct wire_event *ev = &wire_events[hdr->type % wire_n_events];
	size_t i;

	if (len < ev->size)
		return;
	hdr->version = EDR_WIRE_VERSION;
	hdr->type = ev->type;
	hdr->len = (edr_u32)len;
	hdr->tgid %= 64;
	hdr->start_ns %= 0x40000000;
	for (i = 0; i < ev->n_fields; i++)
		mend_field(hdr, ev, &ev->fields[i]);
}

static void one_record(struct proc_table *table, struct cells *cells, const uint8_t *data,
		       size_t len, bool mended)
{
	static const struct wire_span json = { "{}", 2 };
	struct edr_hdr *hdr = malloc(len); /* of just its size: its end is watched */

	if (!hdr)
		return;
	memcpy(hdr, data, len);
	if (mended)
		mend(hdr, len);
	if (wire_check(hdr, len) == 0)
		cells_fold(cells, hdr, proc_apply(table, hdr), table, json);
	free(hdr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cell_config cfg = { .interval_min = 15,
					 .keep_events = true,
					 .max_events = 5,
					 .max_events_bytes = 100,
					 .max_events_age_s = 5,
					 .max_executables = 6,
					 .max_command_lines = 8,
					 .max_connections = 5 };
	const struct cell_sinks sinks = { .on_closed = on_closed, .on_interim = on_interim };
	struct proc_table *table = proc_table_new(16);
	struct cells *cells = cells_new(&cfg, &sinks);
	size_t head, len;
	bool mended;

	while (table && cells && size >= 2) {
		head = data[0] | (size_t)data[1] << 8;
		data += 2;
		size -= 2;
		mended = head & MEND;
		len = head & ~(size_t)MEND;
		if (len > size)
			len = size;
		if (len < sizeof(struct edr_hdr))
			break;
		one_record(table, cells, data, len, mended);
		data += len;
		size -= len;
	}
	if (cells)
		cells_close_partial(cells, table);
	cells_free(cells);
	proc_table_free(table);
	return 0;
}
