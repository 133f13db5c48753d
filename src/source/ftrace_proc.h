/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of a process after the event: for processes that were there before us, and for what an exec's event does
 * not tell. All files are opened below the descriptor of the process's directory, which dies with the process. What a
 * process can choose is taken as bytes and never as structure.
 */
#ifndef EDR_SOURCE_FTRACE_PROC_H
#define EDR_SOURCE_FTRACE_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "util/buf.h"

#define FT_TICK_NS 10000000ULL /* of /proc, on every architecture that we know */

struct ft_creds {
	edr_u32 uid, gid, euid, egid;
};

#define FT_NO_CREDS ((struct ft_creds){ EDR_ID_UNSET, EDR_ID_UNSET, EDR_ID_UNSET, EDR_ID_UNSET })

struct ft_session {
	edr_u32 loginuid, sessionid;
	edr_comm tty;
};

struct ft_proc_status {
	edr_u32 tgid, ppid, threads;
	bool kthread;
	edr_u64 start_ns; /* of that thread; a multiple of FT_TICK_NS */
	struct ft_creds creds;
	struct ft_session session;
	edr_comm comm;
};

/* proc: descriptor of /proc. False: there is no such thread, or proc is -1. */
bool ft_proc_status(int proc, edr_u32 tid, struct ft_proc_status *out);

/* Start of a process, to a tick; 0 when it is gone. */
edr_u64 ft_proc_start(int proc, edr_u32 tgid);

/* A process right after its exec; its strings follow, in this order. */
struct ft_snapshot {
	edr_u64 taken_ns;
	struct ft_proc_status status;
	edr_u64 exe_ino, cgroup_id;
	edr_u32 exe_dev, exec_flags;
	edr_u32 argv_bytes; /* in all; EDR_ARGV_MAX at most follow */
	edr_u32 exe_len, argv_len, cgroup_len;
};

/* Appends one to out, filled up to a multiple of 8 bytes; false: the process is gone. cgroup: see cgroup_open_root(). */
bool ft_proc_snapshot(int proc, int cgroup, edr_u32 tgid, edr_u64 now_ns, struct buf *out);

#endif
