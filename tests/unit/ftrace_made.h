/* SPDX-License-Identifier: MIT */
/*
 * Events of ftrace as a kernel describes them, and pages of its buffers, made up: for the unit test and the fuzzer.
 */
#ifndef EDR_TESTS_FTRACE_MADE_H
#define EDR_TESTS_FTRACE_MADE_H

#include <string.h>

#include "source/ftrace_format.h"

#define FIELD(type, name, offset, size, sign) \
	"\tfield:" type " " name ";\toffset:" #offset ";\tsize:" #size ";\tsigned:" #sign ";\n"
#define COMMON                                                                  \
	"format:\n" FIELD("unsigned short", "common_type", 0, 2, 0)             \
		FIELD("unsigned char", "common_flags", 2, 1, 0)                 \
			FIELD("unsigned char", "common_preempt_count", 3, 1, 0) \
				FIELD("int", "common_pid", 4, 4, 1) "\n"
#define PRINT "\nprint fmt: \"%s\", __get_str(nothing)\n"
#define STRINGS(a, o1, o2) FIELD("__data_loc char[]", a #o1, o2, 4, 1)

enum made_id {
	MADE_EXEC = 301,
	MADE_FORK,
	MADE_EXIT,
	MADE_NEWTASK,
	MADE_RENAME,
	MADE_SOCK,
	MADE_RESET,
	MADE_ARGS,
	MADE_BPRM,
	MADE_CREDS,
	MADE_OPEN,
	MADE_EXECVE,
	MADE_EXECVE_RET,
	MADE_CONNECT,
	MADE_CONNECT_FILE,
	MADE_CONNECT_RET,
	MADE_CODE,
	MADE_GROUP_CODE,
	MADE_CLONE,
	MADE_ARGS32,
	MADE_READY32,
	MADE_END
};

static const struct {
	const char *system, *name, *fields;
} made_events[MADE_END - MADE_EXEC] = {
	{ "sched", "sched_process_exec",
	  FIELD("__data_loc char[]", "filename", 8, 4, 0) FIELD("pid_t", "pid", 12, 4, 1)
		  FIELD("pid_t", "old_pid", 16, 4, 1) },
	{ "sched", "sched_process_fork",
	  FIELD("char", "parent_comm[16]", 8, 16, 0) FIELD("pid_t", "parent_pid", 24, 4, 1) FIELD(
		  "char", "child_comm[16]", 28, 16, 0) FIELD("pid_t", "child_pid", 44, 4, 1) },
	{ "sched", "sched_process_exit",
	  FIELD("char", "comm[16]", 8, 16, 0) FIELD("pid_t", "pid", 24, 4, 1)
		  FIELD("bool", "group_dead", 28, 1, 0) },
	{ "task", "task_newtask",
	  FIELD("pid_t", "pid", 8, 4, 1) FIELD("char", "comm[16]", 12, 16, 0)
		  FIELD("unsigned long", "clone_flags", 32, 8, 0) },
	{ "task", "task_rename",
	  FIELD("pid_t", "pid", 8, 4, 1) FIELD("char", "newcomm[16]", 12, 16, 0) },
	{ "sock", "inet_sock_set_state",
	  FIELD("const void *", "skaddr", 8, 8, 0) FIELD("int", "oldstate", 16, 4, 1)
		  FIELD("int", "newstate", 20, 4, 1) FIELD("__u16", "dport", 26, 2, 0)
			  FIELD("__u16", "family", 28, 2, 0) FIELD("__u16", "protocol", 30, 2, 0)
				  FIELD("__u8", "daddr[4]", 36, 4, 0)
					  FIELD("__u8", "daddr_v6[16]", 56, 16, 0) },
	{ "tcp", "tcp_receive_reset", FIELD("const void *", "skaddr", 8, 8, 0) },
	{ "linux_edr", "args",
	  FIELD("u64", "argc", 16, 8, 0) FIELD("u64", "b0[8]", 24, 64, 0)
		  FIELD("u64", "b1[8]", 88, 64, 0) },
	{ "linux_edr", "bprm",
	  FIELD("s32", "argc", 8, 4, 1) FIELD("u64", "ino", 12, 8, 0) FIELD("u32", "dev", 20, 4, 0)
		  FIELD("u16", "mode", 24, 2, 0) FIELD("u32", "uid", 26, 4, 0)
			  FIELD("u32", "gid", 30, 4, 0) FIELD("u32", "nlink", 34, 4, 0)
				  FIELD("u8", "class", 38, 1, 0) FIELD("u64", "filename", 39, 8, 0)
					  FIELD("u64", "interp", 47, 8,
						0) FIELD("__data_loc char[]", "name", 55, 4, 1)
						  FIELD("u64", "interp_name[32]", 59, 256, 0) },
	{ "linux_edr", "creds",
	  FIELD("u32", "uid", 8, 4, 0) FIELD("u32", "gid", 12, 4, 0) FIELD("u32", "euid", 16, 4, 0)
		  FIELD("u32", "egid", 20, 4, 0) },
	{ "linux_edr", "open",
	  FIELD("s32", "fd", 8, 4, 1) FIELD("__data_loc char[]", "name", 12, 4, 1) },
	{ "linux_edr", "execve",
	  FIELD("u64", "v[20]", 8, 160, 0) FIELD("__data_loc char[]", "f", 168, 4, 1)
		  FIELD("__data_loc char[]", "a0", 172, 4, 1)
			  FIELD("__data_loc char[]", "a1", 176, 4, 1) },
	{ "linux_edr", "execve_ret", FIELD("s32", "ret", 8, 4, 1) },
	{ "linux_edr", "connect",
	  FIELD("s32", "fd", 8, 4, 1) FIELD("s32", "len", 12, 4, 1)
		  FIELD("__data_loc char[]", "proof", 16, 4, 1) FIELD("u64", "b[16]", 20, 128, 0) },
	{ "linux_edr", "connect_file",
	  FIELD("s32", "len", 8, 4, 1) FIELD("u64", "b[16]", 12, 128, 0)
		  FIELD("s16", "type", 140, 2, 1) FIELD("u16", "protocol", 142, 2, 0) },
	{ "linux_edr", "connect_ret", FIELD("s32", "ret", 8, 4, 1) },
	{ "linux_edr", "exit", FIELD("s64", "code", 8, 8, 1) },
	{ "linux_edr", "exit_group", FIELD("s32", "code", 8, 4, 1) },
	{ "linux_edr", "clone", "" },
	{ "linux_edr", "args32",
	  FIELD("s32", "argc", 8, 4, 1) FIELD("u64", "b0[8]", 12, 64, 0)
		  FIELD("u64", "b1[8]", 76, 64, 0) },
	{ "linux_edr", "ready32", "" },
};

/* 0 when all were taken. */
static inline int made_formats(struct ft_formats *f)
{
	struct buf b = { 0 };
	int i, e = 0;

	for (i = 0; i < MADE_END - MADE_EXEC && !e; i++) {
		buf_clear(&b);
		buf_addf(&b, "name: %s\nID: %d\n" COMMON, made_events[i].name, MADE_EXEC + i);
		buf_adds(&b, made_events[i].fields);
		buf_adds(&b, PRINT);
		e = ft_formats_add(f, made_events[i].system, made_events[i].name, b.data, b.len);
	}
	buf_free(&b);
	return e;
}

/* A page of a ring buffer: linux/ring_buffer.h. */
struct made_page {
	unsigned char data[4096];
	size_t at;
	edr_u64 time_ns;
};

static inline void made_page_begin(struct made_page *p, edr_u64 time_ns)
{
	memset(p->data, 0, sizeof(p->data));
	memcpy(p->data, &time_ns, sizeof(time_ns));
	p->at = 16;
	p->time_ns = time_ns;
}

static inline void made_put(struct made_page *p, const void *data, size_t len)
{
	const unsigned long commit = p->at + len - 16;

	memcpy(p->data + p->at, data, len);
	p->at += len;
	memcpy(p->data + 8, &commit, sizeof(commit));
}

static inline void made_event(struct made_page *p, edr_u64 time_ns, const void *data, size_t len)
{
	const edr_u64 delta = time_ns - p->time_ns;
	const edr_u32 words = (edr_u32)(len + 3) / 4, zero = 0;
	edr_u32 head[2];

	if (delta >> 27) {
		head[0] = 30u | (edr_u32)(delta & 0x7ffffff) << 5;
		head[1] = (edr_u32)(delta >> 27);
		made_put(p, head, 8);
	}
	p->time_ns = time_ns;
	head[0] = (words <= 28 ? words : 0) | (delta >> 27 ? 0 : (edr_u32)delta << 5);
	head[1] = words * 4 + 4;
	made_put(p, head, words <= 28 ? 4 : 8);
	made_put(p, data, len);
	made_put(p, &zero, words * 4 - len);
}

#endif
