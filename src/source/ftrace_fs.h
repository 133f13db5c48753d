/* SPDX-License-Identifier: MIT */
/*
 * tracefs: where it is mounted (we mount it when it is not), an instance of our own, the events in it, and the dynamic
 * events of our own group. Names are fixed, so that what a killed agent left is found and removed at the next start; a
 * lock on the instance's directory tells the dead from the living.
 */
#ifndef EDR_SOURCE_FTRACE_FS_H
#define EDR_SOURCE_FTRACE_FS_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "util/buf.h"

#define FTRACE_INSTANCE "linux-edr-bpf"

struct ft_fs {
	char root[64];		 /* of tracefs */
	bool mounted;		 /* by us */
	bool made;		 /* the instance */
	int root_dir;		 /* -1: not open */
	int dir;		 /* of the instance, locked; -1: not open */
	edr_u64 root_id, dir_id; /* inode numbers */
};

/* tracefs, lock, a fresh instance that is switched off. 0, or -errno and one sentence. */
int ft_fs_open(struct ft_fs *fs, char *err, size_t err_size);

/* Takes all out again that is ours. Every file of the instance must be closed. Safe on one that open has refused. */
void ft_fs_close(struct ft_fs *fs);

/* Below tracefs's root or the instance's directory: 0 or -errno. */
int ft_fs_write(int dir, const char *path, const char *text);
int ft_fs_append(int dir, const char *path, const char *text);
int ft_fs_read(int dir, const char *path, struct buf *out);

/* Is all as we left it: the mount, the instance, tracing_on? 0, or -errno and what is wrong. */
int ft_fs_check(const struct ft_fs *fs, char *err, size_t err_size);

#endif
