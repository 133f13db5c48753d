/* SPDX-License-Identifier: MIT */
/* --debug: an event as a line for people, on the log. */
#ifndef EDR_CLI_EVENT_LINE_H
#define EDR_CLI_EVENT_LINE_H

#include "proc/proc.h"
#include "util/buf.h"

/* "exec pid 12 ppid 3 uid 0 /usr/bin/ls: ls -la /tmp"; everything from elsewhere made safe for a terminal. */
void event_line(struct buf *out, const struct edr_hdr *rec, const struct proc_entry *who);
void event_line_print(const struct edr_hdr *rec, const struct proc_entry *who);

#endif
