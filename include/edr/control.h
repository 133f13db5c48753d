/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the loader and the BPF programs share besides records: layouts of maps and of global variables. */
#ifndef EDR_CONTROL_H
#define EDR_CONTROL_H

#include "edr/wire.h"

/* The reader sets `sleeps` before it goes to sleep: the next record has to wake it. `hurry`: it has been woken for a
 * filling ring; it clears that when it has drained the rings. */
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

#endif
