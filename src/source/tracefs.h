/* SPDX-License-Identifier: MIT */
/*
 * A tracefs of our own, where none is mounted: every way to watch needs its files. The mount bears
 * our name, so that who comes after an agent that was killed knows whose it is. (Where one is
 * mounted: syscalls_tracefs().)
 */
#ifndef EDR_SOURCE_TRACEFS_H
#define EDR_SOURCE_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>

/* 0, or -errno and one sentence. */
int tracefs_mount(char *err, size_t err_size);
/* Is that one of ours, which a killed agent may have left? */
bool tracefs_is_ours(const char *root);
/* Unless somebody is in it: another agent, or a check, that unmounts it at its own end. */
void tracefs_unmount(const char *root);

/* One that stays for as long as it is held: found, or mounted. */
struct tracefs_hold {
	char root[64]; /* to be unmounted at the end; "": not ours */
	int dir;       /* keeps others from unmounting it; -1: none */
	bool found, automount;
};

/* Where there is none and none can be mounted, it holds nothing. */
void tracefs_hold(struct tracefs_hold *h);
void tracefs_release(struct tracefs_hold *h);

#endif
