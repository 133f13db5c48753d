/* SPDX-License-Identifier: MIT */
/* Who and what the generated host runs: some thousand executables, some of them hostile, with four command lines each. */
#ifndef TREE_NAMES_H
#define TREE_NAMES_H

#include <stddef.h>

#define N_NAMES 2500
#define N_HOSTILE 16 /* the first ones */
#define N_VARIANTS 4
#define N_USERS 11
#define N_ADDRESSES 64
#define N_CONTAINERS 3

struct name {
	char exe[320];
	const char *command; /* last part of exe */
};

void names_init(void);
const struct name *name_at(unsigned i);
/* Arguments of a command line, NUL behind each, into to; their length. */
size_t name_argv(unsigned i, unsigned variant, char to[640]);

extern const unsigned users[N_USERS];
extern const char *const syscall_names[4];
extern const unsigned errors[4], statuses[4], signals[4];
extern const char *const container_ids[N_CONTAINERS];

#endif
