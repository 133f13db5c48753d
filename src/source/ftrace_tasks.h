/* SPDX-License-Identifier: MIT */
/*
 * Who is who for the ftrace source: raw events know a thread by its id and nothing else. A bounded table, by thread id, of
 * the processes with their start time, and of what their calls under way have told so far.
 */
#ifndef EDR_SOURCE_FTRACE_TASKS_H
#define EDR_SOURCE_FTRACE_TASKS_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "source/ftrace_proc.h"
#include "util/buf.h"
#include "util/htable.h"

/* What a call under way has told. */
struct ft_call {
	/* exec */
	bool args_seen;
	edr_u64 argc;
	struct buf args;  /* as the new program has them */
	bool args_whole;  /* all of them */
	edr_u64 ready_ns; /* when the new program was ready to run; 0: it is not */
	bool file_known;
	edr_u64 ino;
	edr_u32 dev, exec_flags, file_uid, file_gid, mode;
	edr_s32 bprm_argc;
	struct buf name;   /* of the file, the last part of its path */
	struct buf interp; /* of a script */
	bool creds_known;
	struct ft_creds creds;
	bool open_seen, call_seen;
	edr_s32 dirfd;
	struct buf filename; /* the file that is opened first */
	bool name_doubtful;  /* the caller's, and it may be the kernel's word for none */
	struct buf asked;    /* arguments as the caller has them, for an exec that fails */
	unsigned asked_n;
	bool asked_unreadable; /* one of them: it is "" or the kernel's word for that */
	bool asked_cut;
	/* connect */
	bool connecting, verified, address_known;
	edr_s32 fd;
	edr_u32 protocol, sock_type;
	edr_u32 addr_len;
	edr_u8 addr[EDR_SOCKADDR_MAX];
	edr_u64 sk; /* the TCP socket whose state it has changed */
	/* fork */
	edr_u32 fork_op;
};

struct ft_task {
	edr_u32 tid, tgid;
	edr_u64 start_ns; /* of the process; only in the leader's, as is all below */
	bool coarse;
	bool kthread;
	bool filtered; /* by cgroup or path */
	bool leader_gone;
	bool exec_told; /* the exec under way; its call has not come back yet */
	bool group_code_known, code_known;
	edr_u32 threads; /* alive */
	edr_u32 ppid;
	edr_u64 parent_start_ns;
	struct ft_creds creds;
	struct ft_session session;
	edr_u64 cgroup_id;
	edr_u32 code, last_code; /* as wait() has it; of the thread that ended last */
	edr_comm comm;		 /* the thread's own */
	/* of a thread that is being made */
	edr_u64 clone_flags;
	bool flags_known;
	struct ft_call *call; /* NULL: none under way */
	UT_hash_handle hh;
};

struct ft_tasks {
	struct ft_task *index;
	size_t n, max;
	edr_u64 evicted;
	edr_u64 refused; /* for want of memory */
	int proc;	 /* descriptor of /proc; -1: do not look */
	/*
	 * Of a task that is about to go and has a call under way: it may look tasks up. NULL:
	 * nobody asks.
	 */
	void (*goes)(void *ctx, struct ft_task *task);
	void *goes_ctx;
};

void ft_tasks_init(struct ft_tasks *t, size_t max, int proc);
void ft_tasks_free(struct ft_tasks *t);

/* NULL when it is not in the table. */
struct ft_task *ft_tasks_find(struct ft_tasks *t, edr_u32 tid);
/* Makes room. Between two events only, for it ends entries. */
void ft_tasks_trim(struct ft_tasks *t);
/* The thread's entry; when it is not there it is made from what /proc says now. NULL without memory. */
struct ft_task *ft_tasks_get(struct ft_tasks *t, edr_u32 tid);
/* That of its process. NULL without memory. */
struct ft_task *ft_tasks_leader(struct ft_tasks *t, struct ft_task *task);
/* A new one; one with the same tid is forgotten first. NULL without memory. */
struct ft_task *ft_tasks_new(struct ft_tasks *t, edr_u32 tid, edr_u32 tgid);
void ft_tasks_forget(struct ft_tasks *t, struct ft_task *task);

/* The call under way of that thread, made when there is none. NULL without memory. */
struct ft_call *ft_call_get(struct ft_task *task);
void ft_call_end(struct ft_task *task);

#endif
