/* SPDX-License-Identifier: MIT */
/*
 * What an instance of ours must look like for as long as we run, file by file: whoever changes one
 * of them takes events away that no counter tells of.
 */
#ifndef EDR_SOURCE_FTRACE_WATCH_H
#define EDR_SOURCE_FTRACE_WATCH_H

#include "source/ftrace_fs.h"
#include "source/ftrace_probe.h"
#include "source/ftrace_switches.h"

#define FT_WATCHED 9
#define FT_WATCHED_BYTES 96 /* the beginning of a file has to do */

/*
 * What is changed and changed back before we look is seen too: a write to one of our files raises inotify. It goes by the
 * inode, which tracefs may forget while nobody has it open: so each event's directory stays open, and with it those above.
 */
struct ft_watch {
	int inotify; /* -1: there is none to be had */
	int dirs[FT_PROBE_ROWS + FT_INSTANCES];
	size_t n_dirs;
	char was[FT_INSTANCES][FT_WATCHED][FT_WATCHED_BYTES];
};

void ft_watch_init(struct ft_watch *w); /* nothing open */

/* Notes how the instances look; when they are as they must be and tracing is on. */
void ft_watch_begin(struct ft_watch *w, const struct ft_fs *fs, const struct ft_granted *g,
		    const struct ft_switches *sw);

/* Are they still like that? 0, or -EIO and what is wrong. */
int ft_watch_check(const struct ft_watch *w, const struct ft_fs *fs, char *err, size_t err_size);

/* Has nobody written to any of it since this was asked last? 0, or -EIO and to what. */
int ft_watch_writes(const struct ft_watch *w, const struct ft_fs *fs, char *err, size_t err_size);

void ft_watch_close(struct ft_watch *w);

#endif
