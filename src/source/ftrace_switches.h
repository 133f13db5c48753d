/* SPDX-License-Identifier: MIT */
/*
 * The host's own switches for kprobes: kernel.ftrace_enabled, and kprobes/enabled of debugfs. Either one silences all of
 * our probes, while tracefs goes on saying that they are on.
 */
#ifndef EDR_SOURCE_FTRACE_SWITCHES_H
#define EDR_SOURCE_FTRACE_SWITCHES_H

#include <stdbool.h>
#include <stddef.h>

#define FT_SWITCHES 2

struct ft_switches {
	int fd[FT_SWITCHES]; /* -1: this kernel does not have it, or it is not for us to read */
	char was[FT_SWITCHES];
};

void ft_switches_init(struct ft_switches *sw); /* nothing open */

/* Notes how they stand. */
void ft_switches_open(struct ft_switches *sw);

/* Did kprobes work when they were opened? */
bool ft_switches_on(const struct ft_switches *sw);

/* Do they stand as they did? 0, or -EIO and what is wrong. */
int ft_switches_check(const struct ft_switches *sw, char *err, size_t err_size);

void ft_switches_close(struct ft_switches *sw);

#endif
