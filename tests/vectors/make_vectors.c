/* SPDX-License-Identifier: MIT */
/*
 * make_vectors FOLDER: writes the golden vectors, a record (.bin) and its line of JSON (.json) for
 * each function below. A new event needs one function and one row in `vectors`. Read the JSON
 * before you commit it: it is what ships.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vector.h"
#include "wire/build.h"

/* A header as the kernel's side fills it. */
#define HEADER(boot_ns, record_flags)    \
	.hdr = { .time_ns = (boot_ns),   \
		 .start_ns = 4000000000, \
		 .tgid = 4711,           \
		 .tid = 4712,            \
		 .cpu = 1,               \
		 .flags = (record_flags) }

#define STR(b, event, field, text) \
	wire_build_str(b, offsetof(struct edr_##event, field), text, sizeof(text) - 1)

/*
 * What an attacker would put there: other log lines, quotes, escapes, half UTF-8, text that runs
 * the other way.
 */
#define HOSTILE_ARGS                                    \
	"x [1] execve(a)\0"                             \
	"-c\0"                                          \
	"a\nb\r\n\"type\":\"exec\"\\\0"                 \
	"\033[2J\033]0;title\a\x7f\0"                   \
	"\0"                                            \
	"\xff\xfe caf\xc3\xa9 caf\xe9\0"                \
	"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80\0"      \
	"\xf4\x8f\xbe\x80 \xf0\x9f\x92\xa9\0"           \
	"exe\xe2\x80\xaegnp.txt \xe2\x80\x8b\xc2\x9b\0" \
	"<|im_end|>\0"

static void make_exec(struct wire_build *b, struct buf *out)
{
	struct edr_exec e = {
		HEADER(1234567890123, EDR_F_TRUNCATED | 0x80000000),
		.parent_start_ns = 3999999999,
		.cgroup_id = 18446744073709551615ULL,
		.exe_ino = 9007199254740993,
		.exe_dev = 8u << 20 | 1,
		.exec_flags = EDR_EXEC_SETUID | EDR_EXEC_SCRIPT | 0x8000,
		.ppid = 1,
		.uid = 1000,
		.gid = 1001,
		.euid = 0,
		.egid = 65534,
		.loginuid = 1000,
		.sessionid = 3,
		.argc = 10,
		.argv_bytes = 28001,
		.exec_tid = 4713,
		.comm = "x [1] execve(a)",
		.tty = "pts3",
	};

	wire_build_begin(b, out, EDR_EXEC, &e);
	STR(b, exec, exe, "/usr/bin/\"d\xe4sh\"\n (deleted)");
	STR(b, exec, filename, "./tools/x [1] execve(a)");
	STR(b, exec, interp, "/bin/sh");
	STR(b, exec, argv, HOSTILE_ARGS);
}

static void make_exec_plain(struct wire_build *b, struct buf *out)
{
	struct edr_exec e = {
		HEADER(86399999999999, 0),
		.exe_dev = 254u << 20 | 1048575,
		.loginuid = EDR_ID_UNSET,
		.sessionid = EDR_ID_UNSET,
		.argc = 2,
		.argv_bytes = 8,
		.exec_tid = 4711,
		.comm = "ls",
		.tty = "ttyS0",
	};

	wire_build_begin(b, out, EDR_EXEC, &e);
	STR(b, exec, exe, "/usr/bin/ls");
	STR(b, exec, filename, "/bin/ls");
	STR(b, exec, argv, "ls\0/tmp\0");
}

/* No argument at all, an empty file name, nothing known of the process. */
static void make_exec_empty(struct wire_build *b, struct buf *out)
{
	struct edr_exec e = { HEADER(0, EDR_F_ARGS_UNREADABLE | EDR_F_FILENAME_UNREADABLE),
			      .comm = "only-comm" };

	wire_build_begin(b, out, EDR_EXEC, &e);
}

static void make_exec_failed(struct wire_build *b, struct buf *out)
{
	struct edr_exec_failed e = {
		HEADER(1234567890123, EDR_F_ARGS_UNREADABLE),
		.error = -ENOENT,
		.uid = 1000,
		.euid = 1000,
		.argc = 3,
		.argv_bytes = 16,
		.dirfd = -100,
		.comm = "sh",
	};

	wire_build_begin(b, out, EDR_EXEC_FAILED, &e);
	STR(b, exec_failed, filename, "/no/such/\x01\x80");
	STR(b, exec_failed, argv,
	    "\0one\0\xe2\x82"); /* cut inside a character, and before its NUL */
}

static void make_fork(struct wire_build *b, struct buf *out)
{
	struct edr_fork e = {
		HEADER(1234567890123, 0), .child_start_ns = 1234567890000,
		.clone_flags = 0x1200011, .child_pid = 4720,
		.child_ppid = 4711,	  .fork_op = EDR_FORK_CLONE3,
		.uid = 4294967295u,	  .comm = "bash",
	};

	wire_build_begin(b, out, EDR_FORK, &e);
}

static void make_fork_unknown(struct wire_build *b, struct buf *out)
{
	struct edr_fork e = { HEADER(1234567890123, EDR_F_KTHREAD), .fork_op = 77,
			      .comm = "kthreadd" };

	wire_build_begin(b, out, EDR_FORK, &e);
}

static void make_thread(struct wire_build *b, struct buf *out)
{
	struct edr_thread e = {
		HEADER(1234567890123, 0),  .clone_flags = 0x3d0f00,	   .child_tid = 4721,
		.fork_op = EDR_FORK_CLONE, .comm = "\xe2\x80\xaethread\\",
	};

	wire_build_begin(b, out, EDR_THREAD, &e);
}

static void make_exit(struct wire_build *b, struct buf *out)
{
	struct edr_exit e = {
		HEADER(1234567890123, EDR_F_COARSE_START),
		.run_ns = 8639999999999999,
		.exit_code = 0,
		.signal = 11,
		.core_dumped = 1,
		.uid = 1000,
		.comm = "\"quoted\"\t\x01",
	};

	wire_build_begin(b, out, EDR_EXIT, &e);
}

static void begin_connect(struct wire_build *b, struct buf *out, edr_s32 result, edr_u32 protocol,
			  edr_u32 sock_type, const void *address, size_t len)
{
	struct edr_connect e = {
		HEADER(1234567890123, 0),
		.fd = 5,
		.result = result,
		.protocol = protocol,
		.sock_type = sock_type,
		.seen_by = EDR_SEEN_SYSCALL,
		.uid = 33,
		.comm = "curl",
	};

	wire_build_begin(b, out, EDR_CONNECT, &e);
	wire_build_str(b, offsetof(struct edr_connect, sockaddr), address, len);
}

static void make_connect(struct wire_build *b, struct buf *out)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(443) };

	sin.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, RFC 5737 */
	begin_connect(b, out, -ECONNREFUSED, IPPROTO_TCP, SOCK_STREAM, &sin, sizeof(sin));
}

static void make_connect_v6(struct wire_build *b, struct buf *out)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(53) };

	inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr); /* RFC 3849 */
	begin_connect(b, out, 0, IPPROTO_UDP, SOCK_DGRAM, &sin6, sizeof(sin6));
}

static void make_connect_unix(struct wire_build *b, struct buf *out)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/run/\x1b[1m\xff.sock" };

	begin_connect(b, out, -ERESTART, 0, SOCK_SEQPACKET, &sun, sizeof(sun));
}

static void make_connect_abstract(struct wire_build *b, struct buf *out)
{
	static const char name[] = "\0x\0y\n\xfe";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	memcpy(sun.sun_path, name, sizeof(name) - 1);
	begin_connect(b, out, EDR_RESULT_UNKNOWN, 0, SOCK_STREAM, &sun,
		      offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1);
}

static void make_connect_netlink(struct wire_build *b, struct buf *out)
{
	static const char raw[] = "\x10\0\0\0\x2a\0\0\0\0\0\0\0";

	begin_connect(b, out, -4095, 15, SOCK_RAW, raw, sizeof(raw) - 1);
}

static void make_connect_cut(struct wire_build *b, struct buf *out)
{
	static const char raw[] = "\x02\0\x01\xbb\x7f";

	begin_connect(b, out, -EINVAL, IPPROTO_TCP, 4, raw, sizeof(raw) - 1);
}

static void make_connect_nothing(struct wire_build *b, struct buf *out)
{
	begin_connect(b, out, -EFAULT, IPPROTO_TCP, SOCK_STREAM, NULL, 0);
}

static void make_connect_result(struct wire_build *b, struct buf *out)
{
	struct edr_connect_result e = {
		HEADER(1234567890123, 0), .latency_ns = 31400, .result = -ETIMEDOUT,
		.protocol = IPPROTO_TCP,  .comm = "swapper/0",
	};
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(65535) };

	inet_pton(AF_INET6, "::ffff:198.51.100.7", &sin6.sin6_addr);
	wire_build_begin(b, out, EDR_CONNECT_RESULT, &e);
	wire_build_str(b, offsetof(struct edr_connect_result, sockaddr), &sin6, sizeof(sin6));
}

static void make_syscall(struct wire_build *b, struct buf *out)
{
	struct edr_syscall e = {
		HEADER(1234567890123, 0),
		.result = -9223372036854775807LL - 1,
		.duration_ns = 1500,
		.args = { 0, 0x7ffc0000dead, 18446744073709551615ULL, 0x10, 5, 6 },
		.nr = 59,
		.nargs = 4,
		.uid = 0,
		.comm = "ptracer",
		.name = "process_vm_writev",
	};

	wire_build_begin(b, out, EDR_SYSCALL, &e);
}

static void make_syscall_many(struct wire_build *b, struct buf *out)
{
	struct edr_syscall e = {
		HEADER(1234567890123, 0), .nargs = 4000000000u, .no_return = 1, .comm = "a",
		.name = "exit_group",
	};

	wire_build_begin(b, out, EDR_SYSCALL, &e);
}

static void make_cgroup(struct wire_build *b, struct buf *out)
{
	struct edr_cgroup e = { HEADER(1234567890123, EDR_F_PATH_TRUNCATED), .cgroup_id = 4242 };

	wire_build_begin(b, out, EDR_CGROUP, &e);
	STR(b, cgroup, path, "/user.slice/a\\x2db\"\xf0\x28\x8c\x28");
}

static void make_process(struct wire_build *b, struct buf *out)
{
	struct edr_process e = {
		HEADER(1234567890123, EDR_F_COARSE_START),
		.cgroup_id = 77,
		.ppid = 4294967295u,
		.uid = 0,
		.loginuid = EDR_ID_UNSET,
		.sessionid = 0,
		.gone = 1,
		.comm = "kworker/0:1",
	};

	wire_build_begin(b, out, EDR_PROCESS, &e);
	STR(b, process, argv, HOSTILE_ARGS);
	STR(b, process, cgroup, "/");
}

static void make_host(struct wire_build *b, struct buf *out)
{
	struct edr_host e = { .hdr = { .time_ns = 1234567890123 } };

	wire_build_begin(b, out, EDR_HOST, &e);
	STR(b, host, hostname, "h\xc3\xb6st\xff");
	STR(b, host, machine_id, "0123456789abcdef0123456789abcdef");
	STR(b, host, kernel, "6.1.0-amd64");
	STR(b, host, arch, "x86_64");
	STR(b, host, source, "bpf");
	STR(b, host, hooks, "lean");
	STR(b, host, degraded, "sys_enter_connect: hooks = lean\0no cgroup2 tree\0");
	STR(b, host, agent, "0.1.0");
}

static void make_clock(struct wire_build *b, struct buf *out)
{
	struct edr_clock e = {
		.hdr = { .time_ns = 1234567890123 },
		.wall_offset_ns = VECTOR_WALL_OFFSET_NS,
		.why = EDR_CLOCK_STEP,
	};

	wire_build_begin(b, out, EDR_CLOCK, &e);
}

static void make_clock_before_1970(struct wire_build *b, struct buf *out)
{
	struct edr_clock e = { /* 1970-01-01 minus 1 ns, once the offset is added */
			       .hdr = { .time_ns = 0 - 1740787200000000001ULL },
			       .wall_offset_ns = -1,
			       .why = 9
	};

	wire_build_begin(b, out, EDR_CLOCK, &e);
}

static void make_loss(struct wire_build *b, struct buf *out)
{
	struct edr_loss e = {
		.hdr = { .time_ns = 1234567890123 },
		.produced = 18446744073709551615ULL,
		.filtered = 1,
		.dropped = 2,
		.truncated = 3,
		.of_type = EDR_CONNECT,
	};

	wire_build_begin(b, out, EDR_LOSS, &e);
}

static void make_loss_unknown(struct wire_build *b, struct buf *out)
{
	struct edr_loss e = { .of_type = 4000000000u };

	wire_build_begin(b, out, EDR_LOSS, &e);
}

static void make_blind(struct wire_build *b, struct buf *out)
{
	struct edr_blind e = { .hdr = { .time_ns = 1234567890123 },
			       .from_ns = 1234000000000,
			       .to_ns = 1234567890123 };

	wire_build_begin(b, out, EDR_BLIND, &e);
	STR(b, blind, reason, "the self-test's child was not seen\xe2\x80\xa8");
}

static void make_cost(struct wire_build *b, struct buf *out)
{
	struct edr_cost e = { .hdr = { .time_ns = 1234567890123 },
			      .user_ns = 1,
			      .system_ns = 2000000,
			      .bpf_ns = 3141592,
			      .bpf_sampled_ns = 1000123456,
			      .bpf_sampled_runs = 5,
			      .memory_bytes = 6 << 20,
			      .memory_peak_bytes = 7 << 20,
			      .bpf_memory_bytes = 18446744073709551615ULL };

	wire_build_begin(b, out, EDR_COST, &e);
}

static void make_program_cost(struct wire_build *b, struct buf *out)
{
	struct edr_program_cost e = { .hdr = { .time_ns = 1234567890123 },
				      .run_ns = 18446744073709551615ULL,
				      .runs = 7,
				      .name = "sys_enter_\033[2J\xff" };

	wire_build_begin(b, out, EDR_PROGRAM_COST, &e);
}

static const struct {
	const char *name;
	void (*make)(struct wire_build *b, struct buf *out);
} vectors[] = {
	{ "exec", make_exec },
	{ "exec-plain", make_exec_plain },
	{ "exec-empty-noproc", make_exec_empty },
	{ "exec_failed", make_exec_failed },
	{ "exec_failed-noproc", make_exec_failed },
	{ "fork", make_fork },
	{ "fork-unknown-noproc", make_fork_unknown },
	{ "thread", make_thread },
	{ "exit", make_exit },
	{ "connect", make_connect },
	{ "connect-v6", make_connect_v6 },
	{ "connect-unix", make_connect_unix },
	{ "connect-abstract", make_connect_abstract },
	{ "connect-netlink", make_connect_netlink },
	{ "connect-cut", make_connect_cut },
	{ "connect-nothing-noproc", make_connect_nothing },
	{ "connect_result", make_connect_result },
	{ "syscall", make_syscall },
	{ "syscall-many", make_syscall_many },
	{ "cgroup", make_cgroup },
	{ "process", make_process },
	{ "host", make_host },
	{ "clock", make_clock },
	{ "clock-before-1970", make_clock_before_1970 },
	{ "loss", make_loss },
	{ "loss-unknown", make_loss_unknown },
	{ "blind", make_blind },
	{ "cost", make_cost },
	{ "program_cost", make_program_cost },
};

static void write_file(const char *folder, const char *name, const char *suffix, const void *data,
		       size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct buf record = { 0 }, json = { 0 };
	struct wire_process room;
	struct wire_build b;
	const struct edr_hdr *rec;
	size_t i;

	if (argc != 2) {
		fprintf(stderr, "usage: make_vectors FOLDER\n");
		return 64;
	}
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		buf_clear(&record);
		buf_clear(&json);
		vectors[i].make(&b, &record);
		rec = wire_build_end(&b);
		if (!rec || wire_check(rec, rec->len) != 0) {
			fprintf(stderr, "%s: not a good record\n", vectors[i].name);
			return 1;
		}
		wire_json(&json, rec, VECTOR_WALL_OFFSET_NS,
			  vector_process(vectors[i].name, &room));
		buf_addc(&json, '\n');
		write_file(argv[1], vectors[i].name, "bin", rec, rec->len);
		write_file(argv[1], vectors[i].name, "json", json.data, json.len);
	}
	buf_free(&record);
	buf_free(&json);
	return 0;
}
