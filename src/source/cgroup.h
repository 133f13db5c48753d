/* SPDX-License-Identifier: MIT */
#ifndef EDR_SOURCE_CGROUP_H
#define EDR_SOURCE_CGROUP_H

#include <stdbool.h>

/* The root of the cgroup v2 hierarchy, which every process is below: where it is mounted, else by a mount of our own
 * that no other process sees. A descriptor, or -errno. *part: in a cgroup namespace only the namespace's part can be had. */
int cgroup_open_root(bool *part);

#endif
