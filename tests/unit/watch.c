/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

struct watch watch;

void watch_open(void)
{
	const struct baseline_config cfg = { .learning_days = 7,
					     .window_min = 15,
					     .max_entries = 4096 };
	struct detect_config config = { .window_min = 15 };

	memset(&watch, 0, sizeof(watch));
	watch.table = proc_table_new(4096);
	watch.now = 1000 * WATCH_S;
	watch.next = 100;
	watch.baseline = baseline_new(&cfg);
	config.baseline = watch.baseline;
	watch.detect = detect_new(&config);
	ck_assert(watch.table && watch.baseline && watch.detect);
}

void watch_close(void)
{
	detect_free(watch.detect);
	baseline_free(watch.baseline);
	proc_table_free(watch.table);
	buf_free(&watch.rec);
}

void watch_feed(const struct edr_hdr *r)
{
	const struct proc_entry *who = proc_apply(watch.table, r);

	baseline_record(watch.baseline, r, who, watch.table, WATCH_WALL, &watch.known);
	detect_record(watch.detect, r, who, watch.table, WATCH_WALL, &watch.known, &watch.result);
}

static edr_u64 start_of(edr_u32 pid)
{
	return pid * 1000ull + 7;
}

static void put(struct wire_build *w, size_t field, const char *s)
{
	wire_build_str(w, field, s, strlen(s));
}

edr_u32 watch_run(struct run r)
{
	struct edr_exec e = { .exec_flags = r.exec_flags,
			      .uid = r.uid,
			      .gid = r.gid,
			      .euid = r.euid,
			      .egid = r.egid };
	struct wire_build w;
	struct buf argv = { 0 };
	const char *slash;

	r.pid = r.pid ? r.pid : watch.next++;
	e.hdr.tgid = e.hdr.tid = r.pid;
	e.hdr.start_ns = start_of(r.pid);
	e.hdr.time_ns = watch.now;
	e.hdr.flags = r.flags;
	e.ppid = r.parent;
	e.parent_start_ns = r.parent ? start_of(r.parent) : 0;
	e.loginuid = r.logged_in ? 1000 : EDR_ID_UNSET;
	e.sessionid = EDR_ID_UNSET;
	if (r.tty)
		memcpy(e.tty, r.tty, strlen(r.tty));
	r.filename = r.filename ? r.filename : r.exe;
	slash = strrchr(r.filename, '/');
	snprintf(e.comm, sizeof(e.comm), "%.15s", r.comm ? r.comm : slash ? slash + 1 : "x");
	buf_adds(&argv, r.argv0 ? r.argv0 : slash ? slash + 1 : r.filename);
	buf_addc(&argv, '\0');
	if (r.arg) {
		buf_adds(&argv, r.arg);
		buf_addc(&argv, '\0');
	}
	buf_clear(&watch.rec);
	wire_build_begin(&w, &watch.rec, EDR_EXEC, &e);
	put(&w, offsetof(struct edr_exec, exe), r.exe);
	put(&w, offsetof(struct edr_exec, filename), r.filename);
	wire_build_str(&w, offsetof(struct edr_exec, argv), argv.data, argv.len);
	buf_free(&argv);
	watch_feed(wire_build_end(&w));
	return r.pid;
}

static void connect_to(edr_u32 pid, const void *addr, size_t len, edr_u32 flags)
{
	struct edr_connect c = { .hdr = { .tgid = pid,
					  .tid = pid,
					  .start_ns = start_of(pid),
					  .time_ns = watch.now,
					  .flags = flags },
				 .fd = 3 };
	struct wire_build w;

	buf_clear(&watch.rec);
	wire_build_begin(&w, &watch.rec, EDR_CONNECT, &c);
	wire_build_str(&w, offsetof(struct edr_connect, sockaddr), addr, len);
	watch_feed(wire_build_end(&w));
}

void watch_connect_inet(edr_u32 pid, const char *ip, edr_u32 flags)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(443) };

	ck_assert_int_eq(inet_pton(AF_INET, ip, &sin.sin_addr), 1);
	connect_to(pid, &sin, sizeof(sin), flags);
}

void watch_connect_unix(edr_u32 pid, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path, path, strlen(path));
	connect_to(pid, &sun, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1, 0);
}

struct rec_id watch_id(edr_u32 pid)
{
	return (struct rec_id){ .tgid = pid, .start_ns = start_of(pid), .time_ns = watch.now };
}

/* The process's own name, shown by an exit. */
void watch_exit(edr_u32 pid, const char *comm, edr_u32 flags)
{
	struct edr_exit x = { .hdr = { .tgid = pid,
				       .tid = pid,
				       .start_ns = start_of(pid),
				       .time_ns = watch.now,
				       .flags = flags } };
	struct wire_build w;

	memcpy(x.comm, comm, strlen(comm));
	buf_clear(&watch.rec);
	wire_build_begin(&w, &watch.rec, EDR_EXIT, &x);
	watch_feed(wire_build_end(&w));
}

/* ---- what came of it ---- */

const struct detect_finding *watch_found(enum detect_signal s)
{
	for (size_t i = 0; i < watch.result.n; i++) {
		if (watch.result.finding[i].id.len == strlen(detect_signals[s].id) &&
		    !memcmp(watch.result.finding[i].id.data, detect_signals[s].id,
			    watch.result.finding[i].id.len))
			return &watch.result.finding[i];
	}
	return NULL;
}

unsigned watch_level(enum detect_signal s)
{
	const struct detect_finding *f = watch_found(s);

	return f ? f->severity : 0;
}

bool watch_details_have(enum detect_signal s, const char *words)
{
	const struct detect_finding *f = watch_found(s);

	return f && memmem(f->details.data, f->details.len, words, strlen(words));
}

/* An entry of the watch.table with a control group, as the look at /proc finds it. */
edr_u32 watch_runs_already(const char *exe, const char *cgroup, edr_u32 uid)
{
	struct edr_process p = { .ppid = 1,
				 .uid = uid,
				 .euid = uid,
				 .loginuid = EDR_ID_UNSET,
				 .sessionid = EDR_ID_UNSET };
	struct wire_build w;

	p.hdr.tgid = p.hdr.tid = watch.next;
	p.hdr.start_ns = start_of(watch.next);
	p.hdr.time_ns = watch.now;
	buf_clear(&watch.rec);
	wire_build_begin(&w, &watch.rec, EDR_PROCESS, &p);
	put(&w, offsetof(struct edr_process, exe), exe);
	put(&w, offsetof(struct edr_process, cgroup), cgroup);
	watch_feed(wire_build_end(&w));
	return watch.next++;
}

/* So that new things are new. */
void watch_end_learning(void)
{
	for (unsigned day = 0; day < 8; day++) {
		watch.now += WATCH_DAY;
		RUN(.exe = "/usr/bin/true");
	}
}
