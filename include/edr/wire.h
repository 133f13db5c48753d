/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The record, as it lies in a ring and in a capture file: a header, the event's fixed part, then its
 * strings, each named by (offset from the record's start, length without a closing NUL). Fixed-width
 * types, explicit padding, the byte order of the machine; the same header serves BPF and user space,
 * so nothing of libc or the kernel is included here.
 *
 * All times are CLOCK_BOOTTIME nanoseconds (bpf_ktime_get_boot_ns); pids are those of the initial pid
 * namespace. A process is (tgid, start_ns): a pid alone is reused.
 */
#ifndef EDR_WIRE_H
#define EDR_WIRE_H

typedef unsigned char edr_u8;
typedef unsigned short edr_u16;
typedef unsigned int edr_u32;
typedef int edr_s32;
typedef unsigned long long edr_u64;
typedef long long edr_s64;
typedef char edr_comm[16]; /* TASK_COMM_LEN, NUL-terminated by the kernel */
typedef char edr_name[32];
typedef edr_u64 edr_args[6];

#define EDR_WIRE_VERSION 1
#define EDR_ARGV_MAX 28000	 /* bytes of arguments that travel with an exec */
#define EDR_PATH_MAX 4096	 /* PATH_MAX, limits.h */
#define EDR_RECORD_MAX 40960	 /* no record is longer */
#define EDR_SOCKADDR_MAX 128	 /* sizeof(struct sockaddr_storage) */
#define EDR_ID_UNSET 0xffffffffu /* (uid_t)-1: no login uid, no audit session */
#define EDR_RESULT_UNKNOWN 1	 /* a result is 0 or -errno, so 1 is free */

struct edr_str {
	edr_u32 off;
	edr_u32 len;
};

struct edr_hdr {
	edr_u8 version;
	edr_u8 pad0;
	edr_u16 type;	  /* enum edr_type */
	edr_u32 len;	  /* bytes of the whole record */
	edr_u64 time_ns;  /* when it happened */
	edr_u64 start_ns; /* start of the process, with tgid its identity */
	edr_u32 tgid;
	edr_u32 tid;
	edr_u32 cpu;
	edr_u32 flags; /* EDR_F_* */
};

/* The names are in events.def, set record_flags. */
#define EDR_F_TRUNCATED 0x1u	   /* arguments were longer than EDR_ARGV_MAX */
#define EDR_F_ARGS_UNREADABLE 0x2u /* some arguments lay in memory that could not be read */
#define EDR_F_FILENAME_UNREADABLE 0x4u
#define EDR_F_PATH_TRUNCATED 0x8u /* more components or bytes than fit: its end is kept */
#define EDR_F_KTHREAD 0x10u
#define EDR_F_COARSE_START 0x20u    /* start_ns comes from /proc: a multiple of a clock tick */
#define EDR_F_ADDR_UNVERIFIED 0x40u /* address read from the caller's memory, open to a race */
#define EDR_F_FOREIGN_MOUNT \
	0x80u /* the path hangs in no mount, or another namespace's than the process's */
/* Sources other than the CO-RE object: */
#define EDR_F_ARGS_FROM_PROBE \
	0x100u /* arguments as the kernel laid them out, or as the caller had them */
#define EDR_F_ARGS_FROM_PROC 0x200u /* arguments as the process showed them after the event */
#define EDR_F_ADDR_UNKNOWN 0x400u   /* the hook does not show the address */
#define EDR_F_IDS_INHERITED \
	0x800u /* ids, cgroup and terminal are the parent's: the process was gone */
#define EDR_F_EXE_UNRESOLVED 0x1000u /* exe is the file name as given to exec */
#define EDR_F_CODE_UNKNOWN 0x2000u   /* nothing told the exit code */
#define EDR_F_UNTRUSTED_TEXT \
	0x4000u /* from the text of a trace_pipe, see src/source/trace_text.h */
#define EDR_F_ARGS_FROM_CALL \
	0x10000u /* arguments as the caller had them, open to a change before the kernel copied them */
#define EDR_F_REDACTED 0x20000u /* a secret was taken out of the arguments, see src/redact */
#define EDR_F_LATE \
	0x8000u /* it had happened before: the kernel skipped our hook then, or lost its event */

#define EDR_EXEC_SETUID 0x1u
#define EDR_EXEC_SETGID 0x2u
#define EDR_EXEC_MEMFD 0x4u
#define EDR_EXEC_DELETED 0x8u
#define EDR_EXEC_COMPAT32 0x10u
#define EDR_EXEC_BY_THREAD 0x20u
#define EDR_EXEC_SCRIPT 0x40u

enum edr_fork_op {
	EDR_FORK_UNKNOWN,
	EDR_FORK_FORK,
	EDR_FORK_VFORK,
	EDR_FORK_CLONE,
	EDR_FORK_CLONE3
};
enum edr_seen_by { EDR_SEEN_SYSCALL = 1, EDR_SEEN_CGROUP = 2, EDR_SEEN_SOCKET = 3 };
enum edr_clock_why { EDR_CLOCK_START, EDR_CLOCK_TICK, EDR_CLOCK_STEP, EDR_CLOCK_STOP };

/* How a field is printed. PAD is not; the rest are the kinds of src/wire/json.c. */
enum edr_kind {
	EDR_KIND_PAD,
	EDR_KIND_NUM,
	EDR_KIND_INT,
	EDR_KIND_HEX,
	EDR_KIND_HEXES,
	EDR_KIND_BOOL,
	EDR_KIND_ID,
	EDR_KIND_DEV,
	EDR_KIND_FLAGS,
	EDR_KIND_ENUM,
	EDR_KIND_ERRNO,
	EDR_KIND_RESULT,
	EDR_KIND_PROTO,
	EDR_KIND_EVENT,
	EDR_KIND_CHARS,
	EDR_KIND_STR,
	EDR_KIND_STRS,
	EDR_KIND_ARGV,
	EDR_KIND_SOCKADDR,
	EDR_KIND_TTY,	 /* CHARS, "pts3" as "pts/3"; not printed when empty */
	EDR_KIND_OPTSTR, /* STR, not printed when empty */
};

enum edr_ring { EDR_RING_NONE, EDR_RING_EXEC, EDR_RING_NOISY };

enum edr_type {
	EDR_NONE = 0,
#define EDR_EVENT(number, NAME, name, ring, group, programs) EDR_##NAME = number,
#include "edr/events.def"
	EDR_TYPE_MAX = 32 /* one past the highest number that may be given */
};

/* struct edr_exec, struct edr_fork, ...: the header and the fixed part of each event. */
#define EDR_EVENT(number, NAME, name, ring, group, programs) \
	struct edr_##name {                                  \
		struct edr_hdr hdr;
#define EDR_FIELD(event, offset, ctype, name, kind, key, unit) ctype name;
#define EDR_END(name, size) \
	}                   \
	;
#include "edr/events.def"

#define EDR_FIELD(event, offset, ctype, name, kind, key, unit)                   \
	_Static_assert(__builtin_offsetof(struct edr_##event, name) == (offset), \
		       #event "." #name " is not where events.def says");
#define EDR_END(name, size)                                 \
	_Static_assert(sizeof(struct edr_##name) == (size), \
		       #name " has another size than events.def says");
#include "edr/events.def"
_Static_assert(sizeof(struct edr_hdr) == 40, "the header's size is part of every capture file");

/* Counters that the BPF side keeps per CPU and type; user space adds them up. */
struct edr_counters {
	edr_u64 produced;
	edr_u64 filtered;
	edr_u64 dropped;
	edr_u64 truncated;
};

#endif
