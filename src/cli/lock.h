/* SPDX-License-Identifier: MIT */
/*
 * One writer a reports directory: opening the store removes what a killed run left, so a second agent
 * would take away what the first one is writing. The lock is on the directory itself; it leaves no
 * file behind and goes with the process, however that ends.
 */
#ifndef EDR_CLI_LOCK_H
#define EDR_CLI_LOCK_H

#include <stddef.h>

/* Makes dir (0700) when it is not there. The descriptor that holds the lock, -1 when there can be no lock (the store
 * will say why, or the file system knows none); or -EWOULDBLOCK and one sentence in err when another holds it. */
int lock_reports_dir(const char *dir, char *err, size_t err_size);

#endif
