/* SPDX-License-Identifier: MIT */
#include "capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "source/capture.h"

#define FLUSH_BYTES (1U << 20)

static void die(const struct capture *c, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", c->path, what, strerror(errno));
	exit(1);
}

static void put_bytes(struct capture *c, const void *data, size_t len)
{
	if (len && fwrite(data, 1, len, c->file) != len)
		die(c, "write");
}

void capture_open(struct capture *c, const char *path, bool header)
{
	struct capture_header h;

	c->path = path;
	c->file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	if (!c->file)
		die(c, "open");
	if (!header)
		return;
	capture_header_init(&h);
	put_bytes(c, &h, sizeof(h));
}

void capture_flush(struct capture *c)
{
	put_bytes(c, c->records.data, c->records.len);
	buf_clear(&c->records);
}

void capture_mark(struct capture *c)
{
	struct edr_hdr mark;

	capture_flush(c);
	capture_end_init(&mark, CAPTURE_END_CLEAN);
	put_bytes(c, &mark, sizeof(mark));
}

void capture_torn(struct capture *c)
{
	struct edr_hdr hdr = { .version = EDR_WIRE_VERSION, .type = EDR_EXIT, .len = 80 };

	capture_flush(c);
	put_bytes(c, &hdr, 13);
}

void capture_close(struct capture *c)
{
	capture_flush(c);
	if (c->file == stdout ? fflush(stdout) : fclose(c->file))
		die(c, "close");
	c->file = NULL;
	buf_free(&c->records);
}

static void end(struct capture *c, struct wire_build *b)
{
	const struct edr_hdr *rec = wire_build_end(b);

	if (!rec) {
		errno = ENOMEM;
		die(c, "a record");
	}
	if (c->on_record)
		c->on_record(c->ctx, rec);
	if (c->records.len >= FLUSH_BYTES)
		capture_flush(c);
}

static void put_fixed(struct capture *c, unsigned type, const void *fixed)
{
	struct wire_build b;

	wire_build_begin(&b, &c->records, type, fixed);
	end(c, &b);
}

static void text(struct wire_build *b, size_t field, const char *s)
{
	wire_build_str(b, field, s, strlen(s));
}

static struct edr_hdr header_of(const struct who *w, edr_u64 boot_ns)
{
	return (struct edr_hdr){
		.time_ns = boot_ns, .start_ns = w->start_ns, .tgid = w->tgid, .tid = w->tgid
	};
}

static void set_comm(edr_comm to, const char *from)
{
	memset(to, 0, sizeof(edr_comm));
	memcpy(to, from, strnlen(from, sizeof(edr_comm) - 1));
}

void put_host(struct capture *c, edr_u64 boot_ns, const char *kernel)
{
	struct edr_host r = { .hdr = { .time_ns = boot_ns } };
	struct wire_build b;

	wire_build_begin(&b, &c->records, EDR_HOST, &r);
	text(&b, offsetof(struct edr_host, hostname), "tree.example");
	text(&b, offsetof(struct edr_host, machine_id), "00112233445566778899aabbccddeeff");
	text(&b, offsetof(struct edr_host, kernel), kernel);
	text(&b, offsetof(struct edr_host, arch), "x86_64");
	text(&b, offsetof(struct edr_host, source), "bpf");
	text(&b, offsetof(struct edr_host, hooks), "default");
	text(&b, offsetof(struct edr_host, agent), "0.0-generated");
	end(c, &b);
}

void put_clock(struct capture *c, edr_u64 boot_ns, edr_s64 offset_ns, enum edr_clock_why why)
{
	struct edr_clock r = { .hdr = { .time_ns = boot_ns },
			       .wall_offset_ns = offset_ns,
			       .why = why };

	put_fixed(c, EDR_CLOCK, &r);
}

void put_cgroup(struct capture *c, edr_u64 boot_ns, edr_u64 id, const char *path)
{
	struct edr_cgroup r = { .hdr = { .time_ns = boot_ns }, .cgroup_id = id };
	struct wire_build b;

	wire_build_begin(&b, &c->records, EDR_CGROUP, &r);
	text(&b, offsetof(struct edr_cgroup, path), path);
	end(c, &b);
}

void put_process(struct capture *c, edr_u64 boot_ns, const struct who *w, const char *exe,
		 edr_u64 cgroup_id, const char *cgroup)
{
	struct edr_process r = { .hdr = header_of(w, boot_ns),
				 .cgroup_id = cgroup_id,
				 .ppid = 1,
				 .loginuid = EDR_ID_UNSET,
				 .sessionid = EDR_ID_UNSET };
	struct wire_build b;

	set_comm(r.comm, w->comm);
	wire_build_begin(&b, &c->records, EDR_PROCESS, &r);
	text(&b, offsetof(struct edr_process, exe), exe);
	wire_build_str(&b, offsetof(struct edr_process, argv), exe, strlen(exe) + 1);
	text(&b, offsetof(struct edr_process, cgroup), cgroup);
	end(c, &b);
}

void put_fork(struct capture *c, edr_u64 boot_ns, const struct who *w, const struct who *child)
{
	struct edr_fork r = { .hdr = header_of(w, boot_ns),
			      .child_start_ns = child->start_ns,
			      .clone_flags = 17,
			      .child_pid = child->tgid,
			      .child_ppid = w->tgid,
			      .fork_op = EDR_FORK_CLONE };

	set_comm(r.comm, w->comm);
	put_fixed(c, EDR_FORK, &r);
}

void put_thread(struct capture *c, edr_u64 boot_ns, const struct who *w)
{
	struct edr_thread r = { .hdr = header_of(w, boot_ns),
				.clone_flags = 0x3d0f00,
				.child_tid = w->tgid + 1,
				.fork_op = EDR_FORK_CLONE3 };

	set_comm(r.comm, w->comm);
	put_fixed(c, EDR_THREAD, &r);
}

void put_exit(struct capture *c, edr_u64 boot_ns, const struct who *w, edr_u32 code, edr_u32 signal)
{
	struct edr_exit r = { .hdr = header_of(w, boot_ns),
			      .run_ns = boot_ns - w->start_ns,
			      .exit_code = code,
			      .signal = signal,
			      .uid = EDR_ID_UNSET };

	set_comm(r.comm, w->comm);
	put_fixed(c, EDR_EXIT, &r);
}

static void put_connect_to(struct capture *c, edr_u64 boot_ns, const struct who *w, const void *to,
			   size_t len, edr_u16 protocol, edr_s32 result)
{
	struct edr_connect r = { .hdr = header_of(w, boot_ns),
				 .fd = 3,
				 .result = result,
				 .protocol = protocol,
				 .sock_type = SOCK_STREAM,
				 .seen_by = EDR_SEEN_SYSCALL,
				 .uid = EDR_ID_UNSET };
	struct wire_build b;

	set_comm(r.comm, w->comm);
	wire_build_begin(&b, &c->records, EDR_CONNECT, &r);
	wire_build_str(&b, offsetof(struct edr_connect, sockaddr), to, len);
	end(c, &b);
}

void put_connect(struct capture *c, edr_u64 boot_ns, const struct who *w, edr_u32 ip, edr_u16 port,
		 edr_s32 result)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(port),
					.sin_addr.s_addr = htonl(ip) };

	put_connect_to(c, boot_ns, w, &to, sizeof(to), IPPROTO_TCP, result);
}

void put_connect_unix(struct capture *c, edr_u64 boot_ns, const struct who *w, const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const size_t len = strnlen(name, sizeof(to.sun_path));

	memcpy(to.sun_path, name, len);
	if (*name == '@')
		to.sun_path[0] = '\0';
	put_connect_to(c, boot_ns, w, &to, offsetof(struct sockaddr_un, sun_path) + len, 0, 0);
}

void put_syscall(struct capture *c, edr_u64 boot_ns, const struct who *w, const char *name,
		 edr_s64 result)
{
	struct edr_syscall r = { .hdr = header_of(w, boot_ns),
				 .result = result,
				 .duration_ns = 1500,
				 .nargs = 4,
				 .uid = EDR_ID_UNSET };

	set_comm(r.comm, w->comm);
	memcpy(r.name, name, strnlen(name, sizeof(r.name) - 1));
	put_fixed(c, EDR_SYSCALL, &r);
}

void put_loss(struct capture *c, edr_u64 boot_ns, unsigned of_type, const struct edr_counters *n)
{
	struct edr_loss r = { .hdr = { .time_ns = boot_ns },
			      .produced = n->produced,
			      .filtered = n->filtered,
			      .dropped = n->dropped,
			      .truncated = n->truncated,
			      .of_type = of_type };

	put_fixed(c, EDR_LOSS, &r);
}

void put_blind(struct capture *c, edr_u64 boot_ns, edr_u64 from_ns, edr_u64 to_ns,
	       const char *reason)
{
	struct edr_blind r = { .hdr = { .time_ns = boot_ns }, .from_ns = from_ns, .to_ns = to_ns };
	struct wire_build b;

	wire_build_begin(&b, &c->records, EDR_BLIND, &r);
	text(&b, offsetof(struct edr_blind, reason), reason);
	end(c, &b);
}

void put_cost(struct capture *c, edr_u64 boot_ns, edr_u64 cpu_ns, edr_u64 bpf_ns)
{
	struct edr_cost r = { .hdr = { .time_ns = boot_ns },
			      .user_ns = cpu_ns / 3,
			      .system_ns = cpu_ns - cpu_ns / 3,
			      .bpf_ns = bpf_ns,
			      .bpf_sampled_ns = 1000000000,
			      .bpf_sampled_runs = bpf_ns / 1000,
			      .memory_bytes = 20000000 + cpu_ns % 1000000,
			      .memory_peak_bytes = 22000000,
			      .bpf_memory_bytes = 9000000 };

	put_fixed(c, EDR_COST, &r);
}

static edr_u32 count_args(const struct run *r)
{
	edr_u32 n = 0;
	size_t i;

	for (i = 0; i < r->argv_len; i++)
		n += r->argv[i] == '\0';
	return n;
}

void put_exec(struct capture *c, edr_u64 boot_ns, const struct who *w, const struct run *run)
{
	const bool logged_in = run->tty && *run->tty;
	struct edr_exec r = { .hdr = header_of(w, boot_ns),
			      .parent_start_ns = run->parent->start_ns,
			      .cgroup_id = run->cgroup_id,
			      .exe_ino = 1,
			      .ppid = run->parent->tgid,
			      .uid = run->uid,
			      .gid = run->uid,
			      .euid = run->exec_flags & EDR_EXEC_SETUID ? 0 : run->uid,
			      .egid = run->uid,
			      .loginuid = logged_in ? run->uid : EDR_ID_UNSET,
			      .sessionid = logged_in ? 1 : EDR_ID_UNSET,
			      .exec_flags = run->exec_flags,
			      .argc = count_args(run),
			      .argv_bytes = (edr_u32)run->argv_len,
			      .exec_tid = w->tgid };
	struct wire_build b;

	set_comm(r.comm, w->comm);
	if (logged_in)
		set_comm(r.tty, run->tty);
	wire_build_begin(&b, &c->records, EDR_EXEC, &r);
	text(&b, offsetof(struct edr_exec, exe), run->exe);
	text(&b, offsetof(struct edr_exec, filename), run->filename ? run->filename : run->exe);
	wire_build_str(&b, offsetof(struct edr_exec, argv), run->argv, run->argv_len);
	end(c, &b);
}

void put_exec_failed(struct capture *c, edr_u64 boot_ns, const struct who *w, const struct run *run,
		     edr_s32 error)
{
	struct edr_exec_failed r = { .hdr = header_of(w, boot_ns),
				     .error = -error,
				     .uid = run->uid,
				     .euid = run->uid,
				     .argc = count_args(run),
				     .argv_bytes = (edr_u32)run->argv_len,
				     .dirfd = -100 };
	struct wire_build b;

	set_comm(r.comm, w->comm);
	wire_build_begin(&b, &c->records, EDR_EXEC_FAILED, &r);
	text(&b, offsetof(struct edr_exec_failed, filename), run->exe);
	wire_build_str(&b, offsetof(struct edr_exec_failed, argv), run->argv, run->argv_len);
	end(c, &b);
}
