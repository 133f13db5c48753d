/* SPDX-License-Identifier: MIT */
/*
 * Which events this kernel has for us: its own tracepoints, and dynamic ones (kprobes, eprobes) that we define, found by
 * writing the definition and seeing whether the kernel takes it.
 */
#ifndef EDR_SOURCE_FTRACE_PROBE_H
#define EDR_SOURCE_FTRACE_PROBE_H

#include <stdbool.h>

#include "source/ftrace_format.h"
#include "source/ftrace_fs.h"
#include "source/source.h"
#include "util/buf.h"

#define FT_PROBE_ROWS 48

/* What the kernel has granted. */
struct ft_granted {
	bool row[FT_PROBE_ROWS]; /* of the table in ftrace_probe.c: switched on */
	bool kprobes;		 /* the host has them switched on: set before it is asked */
	bool exec, fork, exit, newtask, rename, sock_state, sock_reset;
	bool args;	   /* from the new program's stack */
	bool args32;	   /* the same of 32-bit programs */
	bool ready32;	   /* that a 32-bit program is ready to run */
	bool args_at_call; /* as the caller has them */
	bool bprm, creds;  /* the file that runs, and with what ids */
	bool connect, connect_address, connect_file, connect_ret;
	bool exec_ret, exec_ret32, codes, fork_calls;
	bool quick_threads; /* struct signal_struct has it: 5.19 */
};

/*
 * Defines and switches on all that cfg asks for and this kernel grants, and enters their formats. 0, or -errno and one
 * sentence: without sched_process_exec there is no start.
 */
int ft_probe(const struct ft_fs *fs, const struct source_config *cfg, struct ft_formats *formats,
	     struct ft_granted *out, char *err, size_t err_size);

/* NUL-separated sentences: what this way can't see here. */
void ft_probe_degraded(const struct ft_granted *g, const struct source_config *cfg,
		       struct buf *out);

/* The directory, below an instance's, of the next event from the i-th on that is switched on. What to ask next; 0: no more. */
size_t ft_probe_dirs(const struct ft_fs *fs, const struct ft_granted *g, size_t i,
		     enum ft_instance *in, char *out, size_t size);

/* Are the events that were switched on still on? 0 or -errno. */
int ft_probe_check(const struct ft_fs *fs, const struct ft_granted *g);

#endif
