/* SPDX-License-Identifier: MIT */
/*
 * The seccomp filters, of one table. Filters add up: what a worker may, the launcher must be
 * allowed too, and the worker's takes away what only the launcher needs. What is not in the table
 * kills the process; what libraries ask for and do without is refused.
 */
#ifndef EDR_CLIENT_FILTER_H
#define EDR_CLIENT_FILTER_H

/* Makes both, and puts the launcher's in force. 0 or -errno. */
int filter_launcher(void);
/* Puts the worker's in force. 0 or -errno. */
int filter_worker(void);

#endif
