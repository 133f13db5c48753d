/* SPDX-License-Identifier: MIT */
#include "rec.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>

/* A string of a record, by its field. */
struct part {
	size_t field;
	const void *data;
	size_t len;
};

static struct edr_hdr hdr(struct rec_id id)
{
	return (struct edr_hdr){
		.time_ns = id.time_ns, .start_ns = id.start_ns, .tgid = id.tgid, .tid = id.tgid
	};
}

static const struct edr_hdr *make(struct buf *b, unsigned type, const void *fixed,
				  const struct part *part, size_t n)
{
	const struct edr_hdr *rec;
	struct wire_build w;
	size_t i;

	buf_clear(b);
	wire_build_begin(&w, b, type, fixed);
	for (i = 0; i < n; i++)
		wire_build_str(&w, part[i].field, part[i].data, part[i].len);
	rec = wire_build_end(&w);
	ck_assert_ptr_nonnull(rec);
	ck_assert_int_eq(wire_check(rec, b->len), 0);
	return rec;
}

static struct part text(size_t field, const char *s)
{
	return (struct part){ field, s ? s : "", s ? strlen(s) : 0 };
}

static void set_comm(edr_comm to, const char *comm)
{
	if (comm)
		memcpy(to, comm, strnlen(comm, sizeof(edr_comm) - 1));
}

const struct edr_hdr *rec_exec(struct buf *b, struct rec_id id, struct rec_exec e)
{
	struct edr_exec r = { .hdr = hdr(id),
			      .ppid = e.ppid,
			      .parent_start_ns = e.parent_start_ns,
			      .cgroup_id = e.cgroup_id,
			      .uid = e.uid,
			      .euid = e.uid,
			      .loginuid = EDR_ID_UNSET,
			      .sessionid = EDR_ID_UNSET,
			      .exec_tid = id.tgid,
			      .argv_bytes = e.argv_bytes ? e.argv_bytes : (edr_u32)e.args_len };
	const struct part parts[] = {
		text(offsetof(struct edr_exec, exe), e.exe),
		text(offsetof(struct edr_exec, filename), e.filename ? e.filename : e.exe),
		{ offsetof(struct edr_exec, argv), e.args ? e.args : "", e.args_len },
	};

	r.hdr.flags = e.flags;
	set_comm(r.comm, e.comm);
	return make(b, EDR_EXEC, &r, parts, 3);
}

const struct edr_hdr *rec_exec_failed(struct buf *b, struct rec_id id, const char *filename,
				      int error)
{
	struct edr_exec_failed r = { .hdr = hdr(id), .error = error, .dirfd = -100 };
	const struct part name = text(offsetof(struct edr_exec_failed, filename), filename);

	return make(b, EDR_EXEC_FAILED, &r, &name, 1);
}

const struct edr_hdr *rec_fork(struct buf *b, struct rec_id id, edr_u32 child,
			       edr_u64 child_start_ns)
{
	struct edr_fork r = { .hdr = hdr(id),
			      .child_start_ns = child_start_ns,
			      .child_pid = child,
			      .child_ppid = id.tgid,
			      .comm = "parent" };

	return make(b, EDR_FORK, &r, NULL, 0);
}

const struct edr_hdr *rec_thread(struct buf *b, struct rec_id id)
{
	struct edr_thread r = { .hdr = hdr(id), .child_tid = id.tgid + 1 };

	return make(b, EDR_THREAD, &r, NULL, 0);
}

const struct edr_hdr *rec_exit(struct buf *b, struct rec_id id, unsigned status, unsigned signal)
{
	struct edr_exit r = {
		.hdr = hdr(id), .exit_code = status, .signal = signal, .comm = "gone"
	};

	return make(b, EDR_EXIT, &r, NULL, 0);
}

static struct sockaddr_in inet(edr_u32 ip, unsigned port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(ip) };
}

const struct edr_hdr *rec_connect(struct buf *b, struct rec_id id, edr_u32 ip, unsigned port,
				  int result)
{
	struct edr_connect r = {
		.hdr = hdr(id), .fd = 3, .result = result, .protocol = IPPROTO_TCP, .seen_by = 1
	};
	const struct sockaddr_in sin = inet(ip, port);
	const struct part addr = { offsetof(struct edr_connect, sockaddr), &sin, sizeof(sin) };

	return make(b, EDR_CONNECT, &r, &addr, 1);
}

const struct edr_hdr *rec_connect_result(struct buf *b, struct rec_id id, edr_u32 ip, unsigned port,
					 int result)
{
	struct edr_connect_result r = { .hdr = hdr(id), .result = result, .protocol = IPPROTO_TCP };
	const struct sockaddr_in sin = inet(ip, port);
	const struct part addr = { offsetof(struct edr_connect_result, sockaddr), &sin,
				   sizeof(sin) };

	return make(b, EDR_CONNECT_RESULT, &r, &addr, 1);
}

const struct edr_hdr *rec_syscall(struct buf *b, struct rec_id id, const char *name,
				  long long result)
{
	struct edr_syscall r = { .hdr = hdr(id), .result = result };

	memcpy(r.name, name, strnlen(name, sizeof(r.name) - 1));
	return make(b, EDR_SYSCALL, &r, NULL, 0);
}

const struct edr_hdr *rec_cgroup(struct buf *b, edr_u64 time_ns, edr_u64 id, const char *path)
{
	struct edr_cgroup r = { .hdr = { .time_ns = time_ns }, .cgroup_id = id };
	const struct part parts = text(offsetof(struct edr_cgroup, path), path);

	return make(b, EDR_CGROUP, &r, &parts, 1);
}

const struct edr_hdr *rec_process(struct buf *b, struct rec_id id, const char *exe,
				  const char *cgroup, bool gone)
{
	struct edr_process r = { .hdr = hdr(id),
				 .ppid = 1,
				 .uid = 7,
				 .loginuid = EDR_ID_UNSET,
				 .sessionid = EDR_ID_UNSET,
				 .gone = gone,
				 .comm = "scanned" };
	const struct part parts[] = {
		text(offsetof(struct edr_process, exe), exe),
		text(offsetof(struct edr_process, cgroup), cgroup),
	};

	r.hdr.flags = EDR_F_COARSE_START;
	return make(b, EDR_PROCESS, &r, parts, 2);
}

const struct edr_hdr *rec_host_off(struct buf *b, edr_u64 time_ns, const char *hostname,
				   const char *source, const char *degraded, size_t degraded_len)
{
	struct edr_host r = { .hdr = { .time_ns = time_ns } };
	const struct part parts[] = {
		text(offsetof(struct edr_host, hostname), hostname),
		text(offsetof(struct edr_host, source), source),
		{ offsetof(struct edr_host, degraded), degraded, degraded_len },
	};

	return make(b, EDR_HOST, &r, parts, 3);
}

const struct edr_hdr *rec_host(struct buf *b, edr_u64 time_ns, const char *hostname)
{
	return rec_host_off(b, time_ns, hostname, "bpf", "a\0b", 4);
}

const struct edr_hdr *rec_clock(struct buf *b, edr_u64 time_ns, edr_s64 offset_ns,
				enum edr_clock_why why)
{
	struct edr_clock r = { .hdr = { .time_ns = time_ns },
			       .wall_offset_ns = offset_ns,
			       .why = why };

	return make(b, EDR_CLOCK, &r, NULL, 0);
}

const struct edr_hdr *rec_loss(struct buf *b, edr_u64 time_ns, unsigned type, edr_u64 produced,
			       edr_u64 dropped)
{
	struct edr_loss r = { .hdr = { .time_ns = time_ns },
			      .produced = produced,
			      .dropped = dropped,
			      .of_type = type };

	return make(b, EDR_LOSS, &r, NULL, 0);
}

const struct edr_hdr *rec_blind(struct buf *b, edr_u64 time_ns, edr_u64 from_ns, edr_u64 to_ns,
				const char *reason)
{
	struct edr_blind r = { .hdr = { .time_ns = time_ns }, .from_ns = from_ns, .to_ns = to_ns };
	const struct part parts = text(offsetof(struct edr_blind, reason), reason);

	return make(b, EDR_BLIND, &r, &parts, 1);
}

const struct edr_hdr *rec_cost(struct buf *b, edr_u64 time_ns, const struct edr_cost *cost)
{
	struct edr_cost r = *cost;

	r.hdr.time_ns = time_ns;
	return make(b, EDR_COST, &r, NULL, 0);
}

const struct edr_hdr *rec_program_cost(struct buf *b, edr_u64 time_ns, const char *program,
				       edr_u64 runs, edr_u64 run_ns)
{
	struct edr_program_cost r = { .hdr = { .time_ns = time_ns },
				      .run_ns = run_ns,
				      .runs = runs };
	const size_t len = strnlen(program, sizeof(r.name));

	memcpy(r.name, program, len);
	return make(b, EDR_PROGRAM_COST, &r, NULL, 0);
}
