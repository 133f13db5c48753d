/* SPDX-License-Identifier: MIT */
/*
 * What the bytes of a raw ftrace event mean, by the `format` files of this kernel, read with libtraceevent. A field that
 * a kernel does not have reads as 0 or as empty; nothing is read outside of the event.
 */
#ifndef EDR_SOURCE_FTRACE_FORMAT_H
#define EDR_SOURCE_FTRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "wire/wire.h"

#define FTRACE_GROUP "linux_edr" /* of our own dynamic events */

enum ft_kind {
	FT_OTHER, /* none of ours */
	FT_EXEC,
	FT_FORK,
	FT_EXIT,
	FT_NEWTASK,
	FT_RENAME,
	FT_SOCK_STATE,
	FT_SOCK_RESET,	 /* the peer has refused */
	FT_ARGS,	 /* what the new program finds on its stack; it is ready to run */
	FT_ARGS32,	 /* the same of a 32-bit one, which may still fail to start */
	FT_READY32,	 /* a 32-bit program is ready to run */
	FT_BPRM,	 /* the file that an exec runs */
	FT_CREDS,	 /* the ids that an exec gives */
	FT_EXEC_OPEN,	 /* the file that an exec opens */
	FT_EXEC_CALL,	 /* arguments as the caller of execve has them */
	FT_EXEC_RET,	 /* of an execve that came back */
	FT_CONNECT,	 /* the call */
	FT_CONNECT_FILE, /* the kernel's own copy of the address */
	FT_CONNECT_RET,
	FT_CODE,       /* what a thread ends with */
	FT_GROUP_CODE, /* what a process ends with */
	FT_CALL_FORK,
	FT_CALL_VFORK,
	FT_CALL_CLONE,
	FT_CALL_CLONE3,
	FT_KINDS
};

#define FT_CALL_ARGS 20
#define FT_SLOTS (FT_CALL_ARGS + 2)

/* The fields that we read, by their place in the event's row of ftrace_format.c. */
enum ft_slot {
	FT_EXEC_FILENAME = 0,
	FT_EXEC_PID,
	FT_EXEC_OLD_PID,

	FT_FORK_CHILD_COMM = 0,
	FT_FORK_CHILD_PID,

	FT_EXIT_COMM = 0,
	FT_EXIT_PID,
	FT_EXIT_GROUP_DEAD,

	FT_NEWTASK_PID = 0,
	FT_NEWTASK_COMM,
	FT_NEWTASK_FLAGS,

	FT_RENAME_PID = 0,
	FT_RENAME_COMM,

	FT_SOCK_ADDR = 0,
	FT_SOCK_OLD,
	FT_SOCK_NEW,
	FT_SOCK_DPORT,
	FT_SOCK_FAMILY,
	FT_SOCK_PROTOCOL,
	FT_SOCK_DADDR,
	FT_SOCK_DADDR6,

	FT_ARGS_ARGC = 0,
	FT_ARGS_BYTES, /* and the slots behind it: one run of memory */

	FT_OPEN_DIRFD = 0,
	FT_OPEN_NAME,

	FT_CALL_POINTERS = 0, /* argv itself */
	FT_CALL_NAME,	      /* of the file */
	FT_CALL_FIRST,	      /* argv[0], and the slots behind it */

	FT_BPRM_ARGC = 0,
	FT_BPRM_INO,
	FT_BPRM_DEV,
	FT_BPRM_MODE,
	FT_BPRM_UID,
	FT_BPRM_GID,
	FT_BPRM_NLINK,
	FT_BPRM_CLASS, /* of an ELF file */
	FT_BPRM_FILENAME,
	FT_BPRM_INTERP, /* the same pointer when the file is no script */
	FT_BPRM_NAME,
	FT_BPRM_INTERP_NAME,

	FT_CREDS_UID = 0,
	FT_CREDS_GID,
	FT_CREDS_EUID,
	FT_CREDS_EGID,

	FT_CONNECT_FD = 0,
	FT_CONNECT_LEN,
	FT_CONNECT_PROOF, /* a string at the address: "(fault)" when the memory cannot be read */
	FT_CONNECT_BYTES,

	FT_FILE_LEN = 0,
	FT_FILE_BYTES,
	FT_FILE_TYPE,
	FT_FILE_PROTOCOL,

	FT_VALUE = 0, /* a result, an exit code */
};

struct ft_field {
	edr_u16 off, size; /* size 0: this kernel does not have it */
	bool dynamic;	   /* what lies there says where the bytes are */
	bool is_signed;
};

struct ft_format {
	enum ft_kind kind;
	const char *system, *name;
	struct ft_field field[FT_SLOTS];
};

struct ft_formats;

struct ft_formats *ft_formats_new(void); /* NULL without memory */
void ft_formats_free(struct ft_formats *f);

/*
 * Enters an event by the text of its format file. 0; -ENOENT: not an event that we read; -EBADMSG: its fields are not as
 * they must be.
 */
int ft_formats_add(struct ft_formats *f, const char *system, const char *name, const char *text,
		   size_t len);

/* A raw event. */
struct ft_event {
	const struct ft_format *format;
	edr_u64 time_ns;
	edr_u32 cpu, tid;
	const unsigned char *data;
	size_t size;
};

/* Fills format, tid, data, size from raw bytes; false: not one of ours, or too short. */
bool ft_event_parse(const struct ft_formats *f, const void *data, size_t size,
		    struct ft_event *out);

bool ft_has(const struct ft_event *e, unsigned slot);
edr_u64 ft_number(const struct ft_event *e, unsigned slot);
/* The bytes of the field, all of them. */
struct wire_span ft_bytes(const struct ft_event *e, unsigned slot);
/* Up to the first NUL. */
struct wire_span ft_string(const struct ft_event *e, unsigned slot);
/* A string of a probe: was its memory read for sure? What was read may be the very word that stands for "no". */
bool ft_readable(const struct ft_event *e, unsigned slot);

#endif
