/* SPDX-License-Identifier: MIT */
/* Records made by hand, one at a time, for the tests of the process table and the cells. */
#ifndef EDR_TESTS_REC_H
#define EDR_TESTS_REC_H

#include "util/buf.h"
#include "wire/build.h"

/* Who and when. */
struct rec_id {
	edr_u32 tgid;
	edr_u64 start_ns;
	edr_u64 time_ns;
};

/* What rec_exec wants; strings may be NULL. args: NUL-separated, of args_len bytes. */
struct rec_exec {
	edr_u32 ppid;
	edr_u64 parent_start_ns;
	edr_u64 cgroup_id;
	edr_u32 uid;
	const char *exe, *filename, *comm;
	const char *args;
	size_t args_len;
	edr_u32 flags; /* of the record */
	edr_u32 argv_bytes;
};

/* Each gives a checked record in b, which lives until the next one is made there. */
const struct edr_hdr *rec_exec(struct buf *b, struct rec_id id, struct rec_exec e);
const struct edr_hdr *rec_exec_failed(struct buf *b, struct rec_id id, const char *filename,
				      int error);
const struct edr_hdr *rec_fork(struct buf *b, struct rec_id id, edr_u32 child,
			       edr_u64 child_start_ns);
const struct edr_hdr *rec_thread(struct buf *b, struct rec_id id);
const struct edr_hdr *rec_exit(struct buf *b, struct rec_id id, unsigned status, unsigned signal);
const struct edr_hdr *rec_connect(struct buf *b, struct rec_id id, edr_u32 ip, unsigned port,
				  int result);
const struct edr_hdr *rec_connect_result(struct buf *b, struct rec_id id, edr_u32 ip, unsigned port,
					 int result);
const struct edr_hdr *rec_syscall(struct buf *b, struct rec_id id, const char *name,
				  long long result);
const struct edr_hdr *rec_cgroup(struct buf *b, edr_u64 time_ns, edr_u64 id, const char *path);
const struct edr_hdr *rec_process(struct buf *b, struct rec_id id, const char *exe,
				  const char *cgroup, bool gone);
/* degraded: NUL-separated */
const struct edr_hdr *rec_host_off(struct buf *b, edr_u64 time_ns, const char *hostname,
				   const char *source, const char *degraded, size_t degraded_len);
const struct edr_hdr *rec_host(struct buf *b, edr_u64 time_ns, const char *hostname);
const struct edr_hdr *rec_clock(struct buf *b, edr_u64 time_ns, edr_s64 offset_ns,
				enum edr_clock_why why);
const struct edr_hdr *rec_loss(struct buf *b, edr_u64 time_ns, unsigned type, edr_u64 produced,
			       edr_u64 dropped);
const struct edr_hdr *rec_blind(struct buf *b, edr_u64 time_ns, edr_u64 from_ns, edr_u64 to_ns,
				const char *reason);
const struct edr_hdr *rec_program_cost(struct buf *b, edr_u64 time_ns, const char *program,
				       edr_u64 runs, edr_u64 run_ns);
const struct edr_hdr *rec_cost(struct buf *b, edr_u64 time_ns, const struct edr_cost *cost);

#endif
