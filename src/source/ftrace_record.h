/* SPDX-License-Identifier: MIT */
/*
 * From raw ftrace events, in order of time, to records. It keeps what a later event needs: the processes
 * (ftrace_tasks.h) and the TCP sockets that are being connected. It reads no clock; /proc it asks for processes that it
 * has not seen begin.
 */
#ifndef EDR_SOURCE_FTRACE_RECORD_H
#define EDR_SOURCE_FTRACE_RECORD_H

#include "source/ftrace_format.h"
#include "source/ftrace_proc.h"
#include "source/ftrace_tasks.h"
#include "source/source.h"
#include "wire/build.h"

#define FT_LAST_EXECS 8192
#define FT_CGROUPS 512

struct ft_sock {
	edr_u64 key; /* the socket's address in the kernel */
	struct edr_hdr hdr;
	edr_comm comm;
	bool ended, reset;
	edr_s32 result;
	edr_u64 end_ns;
	UT_hash_handle hh;
};

/* A connect by io_uring, which passes the same probe once more when it is TCP: when a socket has begun to connect. */
#define FT_AGAIN 64
struct ft_again {
	edr_u32 tgid, tid, len;
	edr_u64 time_ns;
	bool begun;
	edr_u8 addr[28]; /* struct sockaddr_in6 */
};

/* A program that was ready to run, and its exec. */
#define FT_READY 64
#define FT_OVERDUE_NS 500000000ULL
struct ft_ready {
	edr_u32 tid;
	edr_u64 time_ns; /* 0: none */
};

struct ft_translate {
	struct source_config cfg; /* its lists are the caller's */
	edr_u32 self;		  /* our own tgid; 0: not known */
	bool has_newtask, has_rename;
	bool file_tells_protocol;	 /* then io_uring's TCP connects are told by their socket */
	struct ft_again again[FT_AGAIN]; /* the oldest goes first */
	size_t next_again;
	struct ft_ready ready[FT_READY]; /* the newest */
	size_t next_ready;
	bool last_code_counts; /* 5.19: of threads that end one by one, the last one's is the process's */
	struct ft_tasks tasks;
	struct ft_sock *socks;
	size_t n_socks;
	edr_u64 now_ns; /* of the event at hand */
	edr_u64 disordered_ns; /* up to it older events may come after newer ones: none is missed for not having come */
	struct buf out; /* records, one after the other */
	struct buf scratch;
	struct edr_counters count[EDR_TYPE_MAX];
	/* The newest exec of a pid that has been taken off a buffer: what /proc said later is not of an older one. */
	struct {
		edr_u32 tgid;
		edr_u64 time_ns;
	} last_exec[FT_LAST_EXECS];
	edr_u64 cgroups_told[FT_CGROUPS];
};

/* Tasks that memory_mb has room for: those bytes that a BPF source's kernel tables take. */
size_t ft_max_tasks(const struct source_config *cfg);
void ft_translate_init(struct ft_translate *t, const struct source_config *cfg, int proc,
		       edr_u32 self, size_t max_tasks);
void ft_translate_free(struct ft_translate *t);

/* An exec has come off a buffer; before it is its turn to be translated. */
void ft_translate_note_exec(struct ft_translate *t, edr_u32 tgid, edr_u64 time_ns);

/* Appends to t->out what the event makes. snap: of an exec, with its strings behind it, or NULL. */
void ft_translate(struct ft_translate *t, const struct ft_event *e, const struct ft_snapshot *snap);

/* The source ends at that time: what is under way is told as it is. */
void ft_translate_end(struct ft_translate *t, edr_u64 now_ns);

/* An event of that kind has come off a buffer and found no memory. */
void ft_translate_lost(struct ft_translate *t, enum ft_kind kind);

/*
 * Tells of execs whose own event has not come although the program was ready long before now_ns, up
 * to which all events have been translated: one that then does nothing else that is seen would not
 * be told of before its end.
 */
void ft_translate_overdue(struct ft_translate *t, edr_u64 now_ns);

/* ---- between the files of the translation ---- */

/* The process of that thread; NULL without memory. */
struct ft_task *ft_owner(struct ft_translate *t, struct ft_task *task);
struct edr_hdr ft_header(const struct ft_event *e, const struct ft_task *leader);
/* Is that process, under that name, left out by a filter, or ourselves? Counts it when it is. */
bool ft_filtered(struct ft_translate *t, unsigned type, const struct ft_task *leader,
		 const edr_comm comm);
void ft_emit(struct ft_translate *t, struct wire_build *b, unsigned type);
bool ft_list_has_prefix(const struct source_list *list, struct wire_span path, bool whole);
void ft_copy_comm(edr_comm to, struct wire_span from);

void ft_on_exec(struct ft_translate *t, const struct ft_event *e, const struct ft_snapshot *snap);
void ft_on_args(struct ft_translate *t, const struct ft_event *e);
void ft_on_args32(struct ft_translate *t, const struct ft_event *e);
void ft_on_ready32(struct ft_translate *t, const struct ft_event *e);
void ft_on_bprm(struct ft_translate *t, const struct ft_event *e);
void ft_on_creds(struct ft_translate *t, const struct ft_event *e);
void ft_on_exec_open(struct ft_translate *t, const struct ft_event *e);
void ft_on_exec_call(struct ft_translate *t, const struct ft_event *e);
void ft_on_exec_ret(struct ft_translate *t, const struct ft_event *e);
/* The path of the file that a process runs, found by looking where its name leads now; 0: not found. */
size_t ft_find_exe(int proc, edr_u32 ppid, struct wire_span filename, edr_u64 ino, edr_u32 dev,
		   char *out, size_t size);
/* An exec whose own event has not come: it was too long for the buffer. flags: of the record. */
void ft_exec_missed(struct ft_translate *t, const struct ft_event *e, struct ft_task *task,
		    edr_u32 flags);

void ft_count_dropped(struct ft_translate *t, unsigned type);

/*
 * How the connect under way of that thread ends, nobody will know: its return was missed, or the
 * thread is forgotten.
 */
void ft_connect_unfinished(struct ft_translate *t, struct ft_task *task);
void ft_on_connect(struct ft_translate *t, const struct ft_event *e);
void ft_on_connect_file(struct ft_translate *t, const struct ft_event *e);
void ft_on_connect_ret(struct ft_translate *t, const struct ft_event *e);
void ft_on_sock_reset(struct ft_translate *t, const struct ft_event *e);
void ft_on_sock_state(struct ft_translate *t, const struct ft_event *e);
void ft_socks_free(struct ft_translate *t);

#endif
