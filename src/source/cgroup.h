/* SPDX-License-Identifier: MIT */
#ifndef EDR_SOURCE_CGROUP_H
#define EDR_SOURCE_CGROUP_H

/* The root of the cgroup v2 hierarchy, which every process is below: where it is mounted, else by a mount of our own
 * that no other process sees. A descriptor, or -errno. */
int cgroup_open_root(void);

#endif
