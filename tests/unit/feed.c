/* SPDX-License-Identifier: MIT */
#include "feed.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

void feed_fold(struct feed *f, const struct edr_hdr *rec)
{
	const struct proc_entry *who = proc_apply(f->table, rec);
	struct wire_process p = { 0 };

	buf_clear(&f->json);
	if (who) {
		p.ppid = who->ppid;
		p.command = proc_command(who);
		p.exe = (struct wire_span){ who->exe, strlen(who->exe) };
		p.container = (struct wire_span){ who->container, strlen(who->container) };
	}
	if (rec->type < EDR_CGROUP && rec->type != EDR_THREAD)
		wire_json(&f->json, rec, cells_wall_offset(f->cells), who ? &p : NULL);
	cells_fold(f->cells, rec, who, f->table, (struct wire_span){ f->json.data, f->json.len });
}

struct rec_id feed_id(const struct feed *f, edr_u32 pid)
{
	return (struct rec_id){ .tgid = pid, .start_ns = pid * 1000ull + 7, .time_ns = f->now_ns };
}

void feed_clock(struct feed *f, edr_u64 unix_s, enum edr_clock_why why)
{
	feed_fold(f, rec_clock(&f->rec, f->now_ns, (edr_s64)(unix_s * FEED_S - f->now_ns), why));
}

void feed_open(struct feed *f, edr_u64 unix_s)
{
	static const struct cell_config defaults = { .interval_min = 15,
						     .keep_events = true,
						     .max_events = 10000,
						     .max_events_bytes = 16 << 20,
						     .max_executables = 4096,
						     .max_command_lines = 16384,
						     .max_connections = 8192 };

	if (!f->cfg.interval_min)
		f->cfg = defaults;
	f->table = proc_table_new(16384);
	f->cells = cells_new(&f->cfg, &f->sinks);
	ck_assert(f->table && f->cells);
	cells_resume(f->cells, &f->resume);
	f->now_ns = 1000 * FEED_S;
	f->next_pid = 1000;
	feed_fold(f, rec_host(&f->rec, f->now_ns, "host.example"));
	feed_clock(f, unix_s, EDR_CLOCK_START);
}

void feed_close(struct feed *f)
{
	cells_close_partial(f->cells, f->table);
	cells_free(f->cells);
	proc_table_free(f->table);
	buf_free(&f->rec);
	buf_free(&f->json);
}

edr_u32 feed_exec_args(struct feed *f, edr_u32 uid, const char *exe, const char *args, size_t len)
{
	struct rec_id id = feed_id(f, f->next_pid++);

	feed_fold(f, rec_exec(&f->rec, id,
			      (struct rec_exec){ .ppid = 1,
						 .uid = uid,
						 .exe = exe,
						 .comm = "comm",
						 .args = args,
						 .args_len = len }));
	return id.tgid;
}
