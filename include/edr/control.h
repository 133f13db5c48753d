/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the loader and the BPF programs share besides records: layouts of maps and of global variables. */
#ifndef EDR_CONTROL_H
#define EDR_CONTROL_H

#include "edr/wire.h"

/* The reader sets `sleeps` before it goes to sleep: the next record has to wake it. `hurry`: it has been woken for a
 * filling ring; it clears that when it begins to drain them. */
struct edr_reader_state {
	edr_u32 sleeps;
	edr_u32 hurry;
};

/* Filters by prefix, of paths and cgroups */
#define EDR_PREFIXES 32
#define EDR_PREFIX_MAX 128
struct edr_prefix {
	edr_u32 len;
	char text[EDR_PREFIX_MAX];
};

/* What the loader knows of a syscall that has no event of its own */
#define EDR_SYSCALL_NUMBERS 1024
struct edr_syscall_info {
	edr_u32 nargs;
	edr_u32 no_return;
	edr_name name; /* empty: not traced */
};

/* bpf/plain.bpf.c: where the kernel's tracepoints have their fields, as their format files say; 0: it has no such field. */
struct edr_tracepoint_fields {
	edr_u32 exec_filename, exec_old_pid;
	edr_u32 newtask_pid, newtask_comm, newtask_flags;
	edr_u32 exit_group_dead;
	edr_u32 signal_sig, signal_pid, signal_result;
	edr_u32 sock_skaddr, sock_oldstate, sock_newstate, sock_dport, sock_family, sock_protocol,
		sock_protocol_bytes, sock_daddr, sock_daddr_v6;
};

/* Where the registers of user space may lie: size of the kernel stack (with KASAN, or 64 KiB pages, it is larger), and how
 * far below its top they begin. */
struct edr_frame_place {
	edr_u32 stack, below;
};

/* A process, as the plain object knows it: by tgid. */
struct edr_plain_process {
	edr_u64 start_ns;
	edr_u64 exec_ns; /* of its last exec; 0: none that we saw */
	edr_u64 parent_start_ns;
	edr_u32 ppid;
	edr_u32 coarse; /* it was there before us: start_ns is from /proc, its threads are not counted */
	edr_u32 started, ended; /* threads */
	edr_u32 group_status;	/* EDR_PLAIN_ENDED and the code of exit_group(2), */
	edr_u32 leader_status;	/* the same of the leader's exit(2), */
	edr_u32 last_status;	/* and of the thread that came to it last */
	edr_u32 signal;		/* what has killed a thread; 0: not known */
};
#define EDR_PLAIN_ENDED 0x100u
#define EDR_PLAIN_UNSURE 0x200u

#endif
