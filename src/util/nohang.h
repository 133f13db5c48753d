/* SPDX-License-Identifier: MIT */
/*
 * Two looks at a process that could wait for ever, for what that process has chosen: a file system whose server does not
 * answer (a user's own FUSE mount, an NFS server that is gone). These do not.
 */
#ifndef EDR_UTIL_NOHANG_H
#define EDR_UTIL_NOHANG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define NOHANG_MS 100	  /* that long a process may keep its arguments from us */
#define NOHANG_MOST 32768 /* bytes of it that are read */
#define NOHANG_STUCK 16	  /* so many at once; of others nothing is asked meanwhile */

/* stat(2) by what the kernel knows already: no server is asked. File, ids, mode and links only. 0 or -errno. */
int nohang_stat(int dir, const char *name, int flags, struct stat *out);

/*
 * The file `cmdline` of a directory of /proc, size bytes of it and NOHANG_MOST at most, and of a thread of its own: who reads it waits while
 * the process has its memory map locked, and it may stay so. -errno; -ETIMEDOUT: it is stuck, -EAGAIN: too many are.
 */
ssize_t nohang_cmdline(int dir, char *out, size_t size);

#endif
