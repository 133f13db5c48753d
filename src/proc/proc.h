/* SPDX-License-Identifier: MIT */
/*
 * Who did it: a bounded table of processes, keyed by (tgid, start time), kept up to date by the
 * records and filled once from /proc. An entry of a process that has ended stays until room is
 * needed, so that late events and children still find it; the ones that ended first go first, then
 * the oldest, and every eviction is counted. It reads no clock; the scan is the only part that
 * reads /proc.
 *
 * Events of a process that is not in the table make an entry from what the event itself says. An
 * entry from /proc has a start time in clock ticks (EDR_F_COARSE_START); the first kernel event of
 * the same tick gives it the exact one.
 */
#ifndef EDR_PROC_PROC_H
#define EDR_PROC_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "wire/wire.h"

/*
 * Read-only for other rooms; strings belong to the entry, NUL-terminated, may be "" but never NULL,
 * and may hold any byte but NUL. Valid until the next proc_apply().
 */
struct proc_entry {
	edr_u32 tgid;
	/* At the last exec or fork; re-parenting at the parent's end does not change it. */
	edr_u32 ppid;
	edr_u64 start_ns;
	edr_u64 parent_start_ns; /* 0 when not known */
	edr_u64 cgroup_id;
	edr_u64 exec_ns; /* time of the last exec seen, 0 when none */
	edr_u32 uid, gid, euid, egid;
	edr_u32 loginuid, sessionid;
	edr_u32 exec_flags;
	bool exited;
	bool coarse_start;
	edr_comm comm;
	const char *exe;       /* resolved path, "" when not known */
	const char *filename;  /* as given to exec, "" when not known */
	const char *cmdline;   /* argv joined by spaces, at most PROC_CMDLINE_MAX bytes */
	const char *container; /* id, "" when in none */
	const char *cgroup;    /* path, "" when not known */
	/* Of the program that the last exec replaced; the exec's own record may say otherwise. */
	struct proc_before {
		const char *exe; /* "" when not known */
		edr_u32 uid, loginuid;
	} before;
};

#define PROC_CMDLINE_MAX 4096

struct proc_stats {
	size_t entries;
	size_t alive;
	edr_u64 evicted_exited;
	edr_u64 evicted_alive; /* the table was too small: raise max_processes */
	edr_u64 unknown;       /* events whose process had to be made up from the event */
	/*
	 * Exits that were lost, and found by a look at /proc or by reuse of the pid; one that comes
	 * after all is taken off.
	 */
	edr_u64 healed;
	size_t bytes;
};

struct proc_table;

/* NULL without memory. max_entries at least 16. */
struct proc_table *proc_table_new(size_t max_entries);
void proc_table_free(struct proc_table *t); /* safe on NULL */
/* What it takes at most when it is full. */
size_t proc_table_most_bytes(const struct proc_table *t);

/*
 * Applies a checked record, in the order in which they come, and gives the entry of the process
 * that it is about (for a fork: the parent), as it is after the event. NULL for records that are
 * about no process and when there is no memory. Events out of order, doubled or contradicting (a
 * hostile or lossy stream) change an entry at worst, never the bounds.
 */
const struct proc_entry *proc_apply(struct proc_table *t, const struct edr_hdr *rec);

const struct proc_entry *proc_lookup(const struct proc_table *t, edr_u32 tgid, edr_u64 start_ns);
/* The living process with that tgid, or the last one that lived. */
const struct proc_entry *proc_lookup_tgid(const struct proc_table *t, edr_u32 tgid);
/*
 * NULL when not known. A forged stream can make a circle of parents: who walks up must count the
 * steps.
 */
const struct proc_entry *proc_parent(const struct proc_table *t, const struct proc_entry *e);
/* Last part of the file name given to exec, else comm. */
struct wire_span proc_command(const struct proc_entry *e);
void proc_table_stats(const struct proc_table *t, struct proc_stats *out);

/*
 * Calls fn for each process of the host with a PROCESS record of time now_ns. root: "/proc", or a
 * made-up one in tests. >= 0: processes found; -errno when root cannot be read. Processes that end
 * meanwhile are passed over.
 */
typedef void (*proc_record_fn)(void *ctx, const struct edr_hdr *rec);
int proc_scan(const char *root, edr_u64 now_ns, proc_record_fn fn, void *ctx);

/*
 * A look at /proc for exits that were lost: for up to `budget` entries that are held to be alive,
 * going round the table, calls fn with a PROCESS record with gone = 1 for each that is not there
 * any more (or whose start differs). fn may hand it to proc_apply. >= 0: records made; -errno when
 * root cannot be read.
 */
int proc_heal(struct proc_table *t, const char *root, edr_u64 now_ns, size_t budget,
	      proc_record_fn fn, void *ctx);

/*
 * Container id in a cgroup path: docker, containerd, cri-o, podman, systemd-nspawn, lxc,
 * kubernetes' pods, both cgroup layouts (v1 "/docker/<id>", v2 "/system.slice/docker-<id>.scope",
 * ...). An empty span when there is none. The span lies in path (so a machine's name is escaped as
 * in its unit's name). Of nested containers the outermost counts: the names within are given by
 * whoever is inside.
 */
struct wire_span proc_container_id(const char *path, size_t len);

#endif
