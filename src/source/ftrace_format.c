// SPDX-License-Identifier: MIT
#include "source/ftrace_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <event-parse.h>

#include "util/buf.h"

#define MAX_FORMATS 48
#define MAX_FIELD 4096
#define COMMON_BYTES 8 /* type, flags, preempt count, pid: the same in every kernel */

#define ARGS_FIELDS "argc", "b0", "b1", "b2", "b3", "b4", "b5", "b6"
#define CALL_FIELDS                                                                                \
	"v", "f", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11", "a12", \
		"a13", "a14", "a15", "a16", "a17", "a18", "a19"

/* Every event that we can read, and the fields that we want of it. The first MUST of them have to be there. */
static const struct ft_row {
	enum ft_kind kind;
	unsigned must;
	const char *system, *name;
	const char *fields[FT_SLOTS];
} rows[] = {
	{ FT_EXEC, 3, "sched", "sched_process_exec", { "filename", "pid", "old_pid" } },
	{ FT_FORK, 2, "sched", "sched_process_fork", { "child_comm", "child_pid" } },
	{ FT_EXIT, 2, "sched", "sched_process_exit", { "comm", "pid", "group_dead" } },
	{ FT_NEWTASK, 3, "task", "task_newtask", { "pid", "comm", "clone_flags" } },
	{ FT_RENAME, 2, "task", "task_rename", { "pid", "newcomm" } },
	{ FT_SOCK_STATE,
	  8,
	  "sock",
	  "inet_sock_set_state",
	  { "skaddr", "oldstate", "newstate", "dport", "family", "protocol", "daddr",
	    "daddr_v6" } },
	{ FT_SOCK_RESET, 1, "tcp", "tcp_receive_reset", { "skaddr" } },
	{ FT_ARGS, 2, FTRACE_GROUP, "args", { ARGS_FIELDS } },
	{ FT_ARGS32, 2, FTRACE_GROUP, "args32", { ARGS_FIELDS } },
	{ FT_READY32, 0, FTRACE_GROUP, "ready32", { NULL } },
	{ FT_BPRM,
	  12,
	  FTRACE_GROUP,
	  "bprm",
	  { "argc", "ino", "dev", "mode", "uid", "gid", "nlink", "class", "filename", "interp",
	    "name", "interp_name" } },
	{ FT_CREDS, 4, FTRACE_GROUP, "creds", { "uid", "gid", "euid", "egid" } },
	{ FT_EXEC_OPEN, 2, FTRACE_GROUP, "open", { "fd", "name" } },
	{ FT_EXEC_CALL, 3, FTRACE_GROUP, "execve", { CALL_FIELDS } },
	{ FT_EXEC_CALL, 3, FTRACE_GROUP, "execveat", { CALL_FIELDS } },
	{ FT_EXEC_RET, 1, FTRACE_GROUP, "execve_ret", { "ret" } },
	{ FT_EXEC_RET, 1, FTRACE_GROUP, "execveat_ret", { "ret" } },
	{ FT_EXEC_RET, 1, FTRACE_GROUP, "execve32_ret", { "ret" } },
	{ FT_EXEC_RET, 1, FTRACE_GROUP, "execveat32_ret", { "ret" } },
	{ FT_EXEC_RET, 1, "syscalls", "sys_exit_execve", { "ret" } },
	{ FT_EXEC_RET, 1, "syscalls", "sys_exit_execveat", { "ret" } },
	{ FT_CONNECT, 4, FTRACE_GROUP, "connect", { "fd", "len", "proof", "b" } },
	{ FT_CONNECT, 2, "syscalls", "sys_enter_connect", { "fd", "addrlen" } },
	{ FT_CONNECT_FILE, 2, FTRACE_GROUP, "connect_file", { "len", "b", "type", "protocol" } },
	{ FT_CONNECT_RET, 1, FTRACE_GROUP, "connect_ret", { "ret" } },
	{ FT_CONNECT_RET, 1, "syscalls", "sys_exit_connect", { "ret" } },
	{ FT_CODE, 1, FTRACE_GROUP, "exit", { "code" } },
	{ FT_GROUP_CODE, 1, FTRACE_GROUP, "exit_group", { "code" } },
	{ FT_CALL_FORK, 0, FTRACE_GROUP, "fork", { NULL } },
	{ FT_CALL_VFORK, 0, FTRACE_GROUP, "vfork", { NULL } },
	{ FT_CALL_CLONE, 0, FTRACE_GROUP, "clone", { NULL } },
	{ FT_CALL_CLONE3, 0, FTRACE_GROUP, "clone3", { NULL } },
	{ FT_CALL_FORK, 0, "syscalls", "sys_enter_fork", { NULL } },
	{ FT_CALL_VFORK, 0, "syscalls", "sys_enter_vfork", { NULL } },
	{ FT_CALL_CLONE, 0, "syscalls", "sys_enter_clone", { NULL } },
	{ FT_CALL_CLONE3, 0, "syscalls", "sys_enter_clone3", { NULL } },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(N_ROWS <= MAX_FORMATS, "more rows than formats");

struct ft_formats {
	struct tep_handle *tep;
	size_t n;
	struct ft_format format[MAX_FORMATS];
	edr_u8 by_type[65536]; /* common_type: its place in format, plus one */
};

struct ft_formats *ft_formats_new(void)
{
	struct ft_formats *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->tep = tep_alloc();
	if (!f->tep) {
		free(f);
		return NULL;
	}
	tep_set_long_size(f->tep, sizeof(long));
	return f;
}

void ft_formats_free(struct ft_formats *f)
{
	if (!f)
		return;
	tep_free(f->tep);
	free(f);
}

static const struct ft_row *find_row(const char *system, const char *name)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (!strcmp(rows[i].system, system) && !strcmp(rows[i].name, name))
			return &rows[i];
	}
	return NULL;
}

static struct ft_field find_field(const struct tep_event *event, const char *name)
{
	const struct tep_format_field *field = tep_find_field((struct tep_event *)event, name);
	const unsigned long dynamic = TEP_FIELD_IS_DYNAMIC | TEP_FIELD_IS_RELATIVE;

	if (!field || field->offset < COMMON_BYTES || field->offset > MAX_FIELD ||
	    field->size <= 0 || field->size > MAX_FIELD)
		return (struct ft_field){ 0 };
	/* Nothing that we read is relative; and a place that is told has 32 bits. */
	if ((field->flags & TEP_FIELD_IS_RELATIVE) ||
	    ((field->flags & dynamic) && field->size != sizeof(edr_u32)))
		return (struct ft_field){ 0 };
	return (struct ft_field){ .off = (edr_u16)field->offset,
				  .size = (edr_u16)field->size,
				  .dynamic = (field->flags & TEP_FIELD_IS_DYNAMIC) != 0,
				  .is_signed = (field->flags & TEP_FIELD_IS_SIGNED) != 0 };
}

/* The events' C expressions for printing are of no use to us, and the library knows not all of them. */
static struct tep_event *parse(struct ft_formats *f, const char *system, const char *name,
			       const char *text, size_t len)
{
	static const char print_fmt[] = "print fmt:";
	const char *cut = memmem(text, len, print_fmt, sizeof(print_fmt) - 1);
	struct tep_event *event = NULL;
	struct buf b = { 0 };

	buf_add(&b, text, cut ? (size_t)(cut - text) : len);
	buf_adds(&b, "print fmt: \"\"\n");
	if (!b.failed && tep_parse_event(f->tep, b.data, b.len, system) == 0)
		event = tep_find_event_by_name(f->tep, system, name);
	buf_free(&b);
	return event;
}

int ft_formats_add(struct ft_formats *f, const char *system, const char *name, const char *text,
		   size_t len)
{
	const struct ft_row *row = find_row(system, name);
	struct ft_format *to = &f->format[f->n];
	struct tep_event *event;
	unsigned i;
	int err = 0;

	if (!row)
		return -ENOENT;
	if (f->n >= MAX_FORMATS)
		return -ENOMEM;
	event = parse(f, system, name, text, len);
	if (!event)
		return -EBADMSG;
	memset(to, 0, sizeof(*to));
	to->kind = row->kind;
	to->system = row->system;
	to->name = row->name;
	for (i = 0; i < FT_SLOTS && row->fields[i]; i++) {
		to->field[i] = find_field(event, row->fields[i]);
		if (i < row->must && !to->field[i].size)
			err = -EBADMSG;
	}
	if (event->id <= 0 || event->id > 65535)
		err = -EBADMSG;
	if (!err)
		f->by_type[event->id] = (edr_u8)++f->n;
	return err;
}

bool ft_event_parse(const struct ft_formats *f, const void *data, size_t size, struct ft_event *out)
{
	edr_u16 type;
	edr_s32 pid;

	if (size < COMMON_BYTES)
		return false;
	memcpy(&type, data, sizeof(type));
	memcpy(&pid, (const char *)data + 4, sizeof(pid));
	if (!f->by_type[type])
		return false;
	out->format = &f->format[f->by_type[type] - 1];
	out->tid = (edr_u32)pid;
	out->data = data;
	out->size = size;
	return true;
}

bool ft_has(const struct ft_event *e, unsigned slot)
{
	const struct ft_field *f = &e->format->field[slot];

	return f->size && (size_t)f->off + f->size <= e->size;
}

edr_u64 ft_number(const struct ft_event *e, unsigned slot)
{
	const struct ft_field *f = &e->format->field[slot];
	const unsigned char *at = e->data + f->off;
	union {
		edr_u8 u8;
		edr_u16 u16;
		edr_u32 u32;
		edr_u64 u64;
	} v = { .u64 = 0 };

	if (!ft_has(e, slot) || f->dynamic)
		return 0;
	switch (f->size) {
	case 1:
		memcpy(&v.u8, at, 1);
		return f->is_signed ? (edr_u64)(signed char)v.u8 : v.u8;
	case 2:
		memcpy(&v.u16, at, 2);
		return f->is_signed ? (edr_u64)(short)v.u16 : v.u16;
	case 4:
		memcpy(&v.u32, at, 4);
		return f->is_signed ? (edr_u64)(edr_s32)v.u32 : v.u32;
	case 8:
		memcpy(&v.u64, at, 8);
		return v.u64;
	default:
		return 0;
	}
}

struct wire_span ft_bytes(const struct ft_event *e, unsigned slot)
{
	const struct ft_field *f = &e->format->field[slot];
	size_t off = f->off, len = f->size;
	edr_u32 place;

	if (!ft_has(e, slot))
		return (struct wire_span){ "", 0 };
	if (f->dynamic) {
		memcpy(&place, e->data + f->off, sizeof(place));
		off = place & 0xffff;
		len = place >> 16;
		if (off < COMMON_BYTES || off > e->size || len > e->size - off)
			return (struct wire_span){ "", 0 };
	}
	return (struct wire_span){ (const char *)e->data + off, len };
}

struct wire_span ft_string(const struct ft_event *e, unsigned slot)
{
	struct wire_span s = ft_bytes(e, slot);

	s.len = strnlen(s.data, s.len);
	return s;
}

/* Older kernels give such a string no byte, not even a NUL; newer ones this word. kernel/trace/trace_probe_kernel.h */
bool ft_readable(const struct ft_event *e, unsigned slot)
{
	static const char fault[] = "(fault)";
	const struct wire_span s = ft_bytes(e, slot);

	return s.len && (s.len != sizeof(fault) || memcmp(s.data, fault, sizeof(fault)) != 0);
}
