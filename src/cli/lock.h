/* SPDX-License-Identifier: MIT */
/*
 * One writer a reports directory: the file ".lock" in it, for its owner alone (a lock on the directory itself could be held
 * by whoever may read it). It stays there, empty; the lock goes with the process, however that ends.
 */
#ifndef EDR_CLI_LOCK_H
#define EDR_CLI_LOCK_H

#include <stddef.h>

/*
 * Opens or makes dir as the store does, and locks it. The descriptor that holds the lock; or -errno and one sentence in err,
 * -EWOULDBLOCK when another holds it.
 */
int lock_reports_dir(const char *dir, char *err, size_t err_size);

#endif
