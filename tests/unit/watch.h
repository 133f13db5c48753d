/* SPDX-License-Identifier: MIT */
/* Records through the process table, a baseline and the signals, for the tests of these. */
#ifndef EDR_TESTS_WATCH_H
#define EDR_TESTS_WATCH_H

#include "detect/signal.h"
#include "rec.h"

#define WATCH_S 1000000000ull
#define WATCH_DAY (86400 * WATCH_S)
#define WATCH_WALL (20000 * WATCH_DAY) /* Unix minus boot, on a day */

struct watch {
	struct detect *detect;
	struct proc_table *table;
	struct baseline *baseline; /* learns for seven days */
	edr_u64 now;		   /* boot */
	edr_u32 next;		   /* pid */
	struct buf rec;
	struct baseline_found known;
	struct detect_result result; /* of the last record */
};
extern struct watch watch;

void watch_open(void);
void watch_close(void);
void watch_feed(const struct edr_hdr *rec);
struct rec_id watch_id(edr_u32 pid); /* of that process, now */

/* An exec as one wants it; what is NULL or 0 is usual. Gives its pid. */
struct run {
	edr_u32 pid, parent, uid, euid, gid, egid, exec_flags, flags;
	const char *exe, *filename, *argv0, *arg, *comm, *tty;
	bool logged_in;
};
edr_u32 watch_run(struct run r);
#define RUN(...) watch_run((struct run){ __VA_ARGS__ })

/* A process that was there before. Gives its pid. */
edr_u32 watch_runs_already(const char *exe, const char *cgroup, edr_u32 uid);
void watch_connect_inet(edr_u32 pid, const char *ip, edr_u32 flags);
void watch_connect_unix(edr_u32 pid, const char *path);
/* The process's own name, shown by an exit. */
void watch_exit(edr_u32 pid, const char *comm, edr_u32 flags);

/* Of the last record: NULL, 0 or false when the signal was not found. */
const struct detect_finding *watch_found(enum detect_signal s);
unsigned watch_level(enum detect_signal s);
bool watch_details_have(enum detect_signal s, const char *words);

/* So that new things are new. */
void watch_end_learning(void);

#endif
