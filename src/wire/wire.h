/* SPDX-License-Identifier: MIT */
/*
 * Decoding: the tables that events.def gives, the check that makes a record safe to read, access to its
 * strings, and one event as a line of JSON. Nothing here trusts a length or an offset that it has not
 * compared with the record's end.
 */
#ifndef EDR_WIRE_WIRE_H
#define EDR_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "util/buf.h"

struct wire_bit {
	edr_u32 value;
	const char *text;
};

#define WIRE_LEAD_MAX 32

struct wire_field {
	const char *name;
	const char *key;  /* in JSON */
	const char *unit; /* for people */
	edr_u16 offset;
	edr_u16 size;
	enum edr_kind kind;
	const struct wire_bit *bits; /* FLAGS and ENUM: ends with a NULL text */
	size_t lead_len;
	char lead[WIRE_LEAD_MAX]; /* the key as JSON has it: ,"key": */
};

struct wire_event {
	edr_u16 type;
	const char *name; /* "exec" */
	enum edr_ring ring;
	const char *group;
	const char *programs; /* separated by spaces */
	size_t size;	      /* of the fixed part, header included */
	const struct wire_field *fields;
	size_t n_fields;
};

extern const struct wire_event wire_events[]; /* by rising number */
extern const size_t wire_n_events;
extern const struct wire_bit *const wire_record_flags; /* EDR_F_*, in a record's header */

const struct wire_event *wire_event_by_type(unsigned type);	   /* NULL when there is none */
const struct wire_event *wire_event_by_name(const char *name);	   /* NULL when there is none */
const char *wire_bit_name(const struct wire_bit *bits, edr_u32 v); /* NULL when there is none */

/*
 * 0 when the len bytes at data begin with a record that is whole: known version and type, its length
 * within len, EDR_RECORD_MAX and at least its fixed part, every string between the fixed part and the
 * record's end (the offset of an empty one may be anywhere in the record), every CHARS field with its NUL. Else
 * -EBADMSG; -ENOENT for a well-formed record of a type this program does not know (skip hdr.len bytes).
 * data must be aligned to 8 bytes.
 */
int wire_check(const void *data, size_t len);

/* A string of a checked record: pointer into the record, not NUL-terminated. */
struct wire_span {
	const char *data;
	size_t len;
};
static inline struct wire_span wire_str(const void *rec, struct edr_str s)
{
	return (struct wire_span){ (const char *)rec + s.off, s.len };
}

/*
 * Takes the next argument off a block in which each argument ends with a NUL, as the kernel has it ("a\0\0": "a" and "");
 * the last one may lack its NUL when it was cut. False at its end.
 */
bool wire_next_arg(struct wire_span *rest, struct wire_span *arg);

/* The part behind the last '/'; the whole when there is none. */
struct wire_span wire_basename(struct wire_span path);

/*
 * text is empty for another family, for an address that was cut, and for a unix address without a name; family is
 * -1 when there are not even two bytes.
 */
struct wire_addr {
	int family;
	unsigned port; /* 0 when there is none */
	bool abstract; /* unix: the name is no path but in the abstract namespace, unix(7) */
	char text[EDR_SOCKADDR_MAX + 32]; /* the address alone: "1.2.3.4", "/run/x.sock", "@x" */
	size_t text_len;		  /* may hold any byte */
};
void wire_decode_sockaddr(struct wire_span raw, struct wire_addr *out);
/* With the port, raw bytes: "1.2.3.4:80", "[::1]:80", "/run/x.sock", "@abstract", nothing for another family. */
void wire_addr_text(const struct wire_addr *a, struct buf *out);

/* Names by number, NULL when there is none: "AF_INET", "IPPROTO_TCP" (0 has none), "ENOENT" (2, not -2), "SIGKILL". */
const char *wire_family_name(int family);
const char *wire_protocol_name(unsigned protocol);
const char *wire_errno_name(int err);
const char *wire_signal_name(int signal);

/* What the process table knows of the event's process; spans may be empty. */
struct wire_process {
	edr_u32 ppid;
	struct wire_span command; /* last part of the file name given to exec; else comm */
	struct wire_span exe;
	struct wire_span container;
};

/*
 * Appends the event as one JSON object, without a newline: type, timestamp (RFC 3339 UTC, ns), pid, tid,
 * ppid, command, container, then the event's fields in the order of events.def. proc may be NULL.
 */
void wire_json(struct buf *out, const struct edr_hdr *rec, edr_s64 wall_offset_ns,
	       const struct wire_process *proc);

#endif
