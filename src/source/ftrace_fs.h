/* SPDX-License-Identifier: MIT */
/*
 * tracefs: where it is mounted (we mount it when it is not), instances of our own, and the dynamic events of our own
 * group. Names are fixed, so that what a killed agent left is found and removed at the next start; a lock on the first
 * instance's directory tells the dead from the living.
 */
#ifndef EDR_SOURCE_FTRACE_FS_H
#define EDR_SOURCE_FTRACE_FS_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "util/buf.h"

/* As the BPF source has two rings: a storm of the noisy events loses no exec. */
#define FTRACE_INSTANCE "linux-edr-bpf"
#define FTRACE_NOISY "linux-edr-bpf-noisy"
enum ft_instance { FT_INSTANCE_EXEC, FT_INSTANCE_NOISY, FT_INSTANCES };

struct ft_fs {
	char root[64];	 /* of tracefs */
	bool mounted;	 /* by us */
	int root_dir;	 /* -1: not open */
	edr_u64 root_id; /* inode number */
	bool made[FT_INSTANCES];
	int dir[FT_INSTANCES]; /* the first one is locked; -1: not open */
	edr_u64 dir_id[FT_INSTANCES];
	char group
		[16]; /* of our dynamic events: another one while a dead agent's cannot be removed */
};

const char *ft_fs_name(int instance);

void ft_fs_init(struct ft_fs *fs); /* nothing open */

/* tracefs, lock, fresh instances that are switched off. 0, or -errno and one sentence. */
int ft_fs_open(struct ft_fs *fs, char *err, size_t err_size);

/* Takes all out again that is ours. Every file of the instances must be closed. Safe on one that open has refused. */
void ft_fs_close(struct ft_fs *fs);

/*
 * What an agent that was killed has left goes, for one that will watch in another way: else it would trace on for ever, into
 * buffers that nobody reads. A living agent's is left alone. Mounts tracefs for as long as it takes, where it is not.
 */
void ft_fs_sweep(void);

/* Below tracefs's root or an instance's directory: 0 or -errno. */
int ft_fs_write(int dir, const char *path, const char *text);
/* The same of every instance; -errno of the last that failed. */
int ft_fs_write_all(const struct ft_fs *fs, const char *path, const char *text);
int ft_fs_append(int dir, const char *path, const char *text);
int ft_fs_read(int dir, const char *path, struct buf *out);

/* Does that file begin with the text ("": is it empty)? One that this kernel does not have says nothing else. */
bool ft_fs_says(int dir, const char *path, const char *text);

/*
 * Are the mount and the instances still there, and the ones that we made? 0, or -errno and what is
 * wrong.
 */
int ft_fs_check(const struct ft_fs *fs, char *err, size_t err_size);

#endif
