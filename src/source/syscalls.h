/* SPDX-License-Identifier: MIT */
/* Syscalls by name: their number on this architecture, and the tracepoint that shows them. */
#ifndef EDR_SOURCE_SYSCALLS_H
#define EDR_SOURCE_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>

struct syscall_target {
	unsigned nr;
	unsigned nargs;
	bool no_return;
	char tracepoint[48]; /* behind sys_enter_ and sys_exit_ */
};

/* tracefs' mount point, "" when it is not mounted. */
const char *syscalls_tracefs(void);
bool syscalls_is_tracefs(const char *place);

/* Does tracefs have events/<group>/<name>? */
bool syscalls_tracepoint_exists(const char *group, const char *name);

/* 0; -ENOENT: no such syscall on this architecture; -ENODEV: it has no tracepoint in this kernel. */
int syscalls_resolve(const char *name, struct syscall_target *out);

#endif
