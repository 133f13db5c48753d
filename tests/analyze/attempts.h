/* SPDX-License-Identifier: MIT */
/* What somebody might try who has taken over a process. */
#ifndef EDR_TESTS_ATTEMPTS_H
#define EDR_TESTS_ATTEMPTS_H

#include <stddef.h>

/*
 * "done" in out, or "errno N" when the kernel refused, or "unknown"; a filter that kills never
 * comes back. argument: a path, or a pid.
 */
void attempt(const char *name, const char *argument, char *out, size_t size);

#endif
