/* SPDX-License-Identifier: MIT */
/*
 * Writing a capture for the tests of the report tree: one function a record, over a buffer that goes to the file when it
 * is large. What fails ends the program: nobody waits for a generator's clean-up.
 */
#ifndef TREE_CAPTURE_H
#define TREE_CAPTURE_H

#include <stdbool.h>
#include <stdio.h>

#include "wire/build.h"

struct capture {
	FILE *file;
	const char *path; /* for messages */
	struct buf records;
	/* Told of each record that was made, before it is written; may be NULL. */
	void (*on_record)(void *ctx, const struct edr_hdr *rec);
	void *ctx;
};

/* path "-" is standard output. With header false, what comes goes on with a capture that was begun before. */
void capture_open(struct capture *c, const char *path, bool header);
void capture_flush(struct capture *c);
/* The mark of a clean end. */
void capture_mark(struct capture *c);
/* The first bytes of a record, and no more: a write that a power cut ended. */
void capture_torn(struct capture *c);
void capture_close(struct capture *c);

struct who {
	edr_u32 tgid;
	edr_u64 start_ns;
	const char *comm;
};

void put_host(struct capture *c, edr_u64 boot_ns, const char *kernel);
void put_clock(struct capture *c, edr_u64 boot_ns, edr_s64 offset_ns, enum edr_clock_why why);
void put_cgroup(struct capture *c, edr_u64 boot_ns, edr_u64 id, const char *path);
void put_process(struct capture *c, edr_u64 boot_ns, const struct who *w, const char *exe,
		 edr_u64 cgroup_id, const char *cgroup);
void put_fork(struct capture *c, edr_u64 boot_ns, const struct who *w, const struct who *child);
void put_thread(struct capture *c, edr_u64 boot_ns, const struct who *w);
void put_exit(struct capture *c, edr_u64 boot_ns, const struct who *w, edr_u32 code,
	      edr_u32 signal);
void put_connect(struct capture *c, edr_u64 boot_ns, const struct who *w, edr_u32 ip, edr_u16 port,
		 edr_s32 result);
/* "@" begins an abstract name. */
void put_connect_unix(struct capture *c, edr_u64 boot_ns, const struct who *w, const char *name);
void put_syscall(struct capture *c, edr_u64 boot_ns, const struct who *w, const char *name,
		 edr_s64 result);
void put_loss(struct capture *c, edr_u64 boot_ns, unsigned of_type, const struct edr_counters *n);
void put_blind(struct capture *c, edr_u64 boot_ns, edr_u64 from_ns, edr_u64 to_ns,
	       const char *reason);

void put_cost(struct capture *c, edr_u64 boot_ns, edr_u64 cpu_ns, edr_u64 bpf_ns);

struct run {
	const char *exe;
	const char *filename; /* as it was given to exec; NULL: exe */
	const char *argv;     /* each argument with its NUL */
	size_t argv_len;
	edr_u32 uid;
	edr_u32 exec_flags; /* with EDR_EXEC_SETUID it becomes root */
	edr_u64 cgroup_id;
	const struct who *parent;
	const char *tty; /* not empty: of an administrator, who logged in there; may be NULL */
};
void put_exec(struct capture *c, edr_u64 boot_ns, const struct who *w, const struct run *r);
void put_exec_failed(struct capture *c, edr_u64 boot_ns, const struct who *w, const struct run *r,
		     edr_s32 error);

#endif
