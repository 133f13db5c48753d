/* SPDX-License-Identifier: MIT */
/*
 * One event as one JSON object. Written by hand over a buf, for this runs once an event: a fork takes about 0.3 us.
 * What a field looks like is decided by its kind alone: `writers` below.
 */
#include <string.h>
#include <sys/socket.h>

#include "util/text.h"
#include "wire/wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LITERAL(s) (s), sizeof(s) - 1

struct json {
	struct buf *out;
	const struct edr_hdr *rec;
	bool mapped; /* some string was not UTF-8 */
};

typedef void (*field_writer)(struct json *j, const struct wire_field *f, const void *field);

/* ---- numbers and text ---- */

static void put_hex(struct json *j, edr_u64 v)
{
	char text[20] = "\"0x"; /* two quotes, 0x, 16 digits */
	unsigned digits = v ? (67 - (unsigned)__builtin_clzll(v)) / 4 : 1;
	unsigned i;

	for (i = digits; i > 0; i--, v >>= 4)
		text[2 + i] = "0123456789abcdef"[v & 0xf];
	text[3 + digits] = '"';
	buf_add(j->out, text, 4 + digits);
}

static void put_int(struct json *j, edr_s64 v)
{
	if (v < 0)
		buf_addc(j->out, '-');
	buf_addu(j->out, v < 0 ? 0 - (edr_u64)v : (edr_u64)v);
}

static void put_text(struct json *j, struct wire_span s)
{
	if (!text_json(j->out, s.data, s.len))
		j->mapped = true;
}

/* A name of ours, that needs no escaping; or the number when it is NULL. */
static void put_name(struct json *j, const char *name, edr_s64 number)
{
	if (!name) {
		put_int(j, number);
		return;
	}
	buf_addc(j->out, '"');
	buf_adds(j->out, name);
	buf_addc(j->out, '"');
}

static void put_lead(struct json *j, const struct wire_field *f)
{
	buf_add(j->out, f->lead, f->lead_len);
}

static edr_u64 load_unsigned(const struct wire_field *f, const void *field)
{
	edr_u32 v32;
	edr_u64 v64;

	if (f->size == sizeof(v32)) {
		memcpy(&v32, field, sizeof(v32));
		return v32;
	}
	memcpy(&v64, field, sizeof(v64));
	return v64;
}

static edr_s64 load_signed(const struct wire_field *f, const void *field)
{
	edr_u64 v = load_unsigned(f, field);

	return f->size == sizeof(edr_s32) ? (edr_s32)(edr_u32)v : (edr_s64)v;
}

static struct wire_span load_str(const struct json *j, const void *field)
{
	struct edr_str s;

	memcpy(&s, field, sizeof(s));
	return wire_str(j->rec, s);
}

/* ---- a writer a kind ---- */

static void write_num(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	buf_addu(j->out, load_unsigned(f, field));
}

static void write_int(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_int(j, load_signed(f, field));
}

static void write_hex(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_hex(j, load_unsigned(f, field));
}

/* The registers of a call: only those that it uses. */
static void write_hexes(struct json *j, const struct wire_field *f, const void *field)
{
	const struct edr_syscall *call = (const struct edr_syscall *)j->rec;
	edr_u64 values[6];
	size_t n = COUNT(values), i;

	memcpy(values, field, sizeof(values));
	if (j->rec->type == EDR_SYSCALL && call->nargs < n)
		n = call->nargs;
	put_lead(j, f);
	buf_addc(j->out, '[');
	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(j->out, ',');
		put_hex(j, values[i]);
	}
	buf_addc(j->out, ']');
}

static void write_bool(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	buf_adds(j->out, load_unsigned(f, field) ? "true" : "false");
}

static void write_id(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 id = load_unsigned(f, field);

	put_lead(j, f);
	if (id == EDR_ID_UNSET)
		buf_add(j->out, LITERAL("null"));
	else
		buf_addu(j->out, id);
}

/* The kernel's own dev_t: include/linux/kdev_t.h, MINORBITS. */
static void write_dev(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 dev = load_unsigned(f, field);

	put_lead(j, f);
	buf_addc(j->out, '"');
	buf_addu(j->out, dev >> 20);
	buf_addc(j->out, ':');
	buf_addu(j->out, dev & 0xfffff);
	buf_addc(j->out, '"');
}

static void put_flags(struct json *j, const struct wire_bit *bits, edr_u64 flags)
{
	const char *comma = "";

	buf_addc(j->out, '[');
	for (; flags && bits->text; bits++) {
		if (!(flags & bits->value))
			continue;
		buf_adds(j->out, comma);
		put_name(j, bits->text, 0);
		flags &= ~(edr_u64)bits->value;
		comma = ",";
	}
	if (flags) {
		buf_adds(j->out, comma);
		put_hex(j, flags);
	}
	buf_addc(j->out, ']');
}

static void write_flags(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_flags(j, f->bits, load_unsigned(f, field));
}

static void write_enum(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 v = load_unsigned(f, field);

	put_lead(j, f);
	put_name(j, wire_bit_name(f->bits, (edr_u32)v), (edr_s64)v);
}

static void put_errno(struct json *j, edr_s64 v)
{
	const edr_s64 err = v < 0 ? -v : v; /* v has 32 bits */

	put_name(j, err <= 0xffff ? wire_errno_name((int)err) : NULL, v);
}

static void write_errno(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_errno(j, load_signed(f, field));
}

static void write_result(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_s64 v = load_signed(f, field);

	put_lead(j, f);
	if (v == EDR_RESULT_UNKNOWN)
		buf_add(j->out, LITERAL("null"));
	else if (v > 0)
		put_int(j, v);
	else
		put_errno(j, v);
}

static void write_proto(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 v = load_unsigned(f, field);

	put_lead(j, f);
	put_name(j, wire_protocol_name((unsigned)v), (edr_s64)v);
}

static void write_event(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 v = load_unsigned(f, field);
	const struct wire_event *ev = wire_event_by_type((unsigned)v);

	put_lead(j, f);
	put_name(j, ev ? ev->name : NULL, (edr_s64)v);
}

static void write_chars(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_text(j, (struct wire_span){ field, strnlen(field, f->size) });
}

/* The kernel's name of a terminal (tty_name) is its driver's and a number; only the pseudo-terminals' differs in /dev. */
static void write_tty(struct json *j, const struct wire_field *f, const void *field)
{
	const char *tty = field;
	char path[32] = "pts/";

	if (!*tty)
		return;
	if (strncmp(tty, "pts", 3) != 0 || tty[3] < '0' || tty[3] > '9') {
		write_chars(j, f, field);
		return;
	}
	memcpy(path + 4, tty + 3, strnlen(tty + 3, f->size - 3u));
	put_lead(j, f);
	put_text(j, (struct wire_span){ path, strlen(path) });
}

static void write_str(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_text(j, load_str(j, field));
}

static void write_optstr(struct json *j, const struct wire_field *f, const void *field)
{
	if (load_str(j, field).len)
		write_str(j, f, field);
}

static void put_array(struct json *j, struct wire_span rest)
{
	struct wire_span one;
	bool first = true;

	buf_addc(j->out, '[');
	while (wire_next_arg(&rest, &one)) {
		if (!first)
			buf_addc(j->out, ',');
		put_text(j, one);
		first = false;
	}
	buf_addc(j->out, ']');
}

static void write_strs(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_array(j, load_str(j, field));
}

/* argv[0] apart from the rest: it need not be the program's name, and is no argument to people. */
static void write_argv(struct json *j, const struct wire_field *f, const void *field)
{
	struct wire_span rest = load_str(j, field), argv0;

	buf_add(j->out, LITERAL(",\"argv0\":"));
	if (wire_next_arg(&rest, &argv0))
		put_text(j, argv0);
	else
		buf_add(j->out, LITERAL("null"));
	put_lead(j, f);
	put_array(j, rest);
}

static void put_bytes_hex(struct json *j, struct wire_span s)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	buf_addc(j->out, '"');
	for (i = 0; i < s.len; i++) {
		buf_addc(j->out, digits[(unsigned char)s.data[i] >> 4]);
		buf_addc(j->out, digits[(unsigned char)s.data[i] & 0xf]);
	}
	buf_addc(j->out, '"');
}

static void write_sockaddr(struct json *j, const struct wire_field *f, const void *field)
{
	const struct wire_span raw = load_str(j, field);
	struct wire_addr a;

	wire_decode_sockaddr(raw, &a);
	buf_add(j->out, LITERAL(",\"family\":"));
	if (a.family < 0)
		buf_add(j->out, LITERAL("null"));
	else
		put_name(j, wire_family_name(a.family), a.family);
	put_lead(j, f);
	if (a.text_len && (a.family == AF_INET || a.family == AF_INET6)) {
		buf_addc(j->out, '"');
		wire_addr_text(&a, j->out); /* of our making: nothing to escape */
		buf_add(j->out, LITERAL("\",\"ip\":"));
		put_text(j, (struct wire_span){ a.text, a.text_len });
		buf_add(j->out, LITERAL(",\"port\":"));
		buf_addu(j->out, a.port);
		return;
	}
	put_text(j, (struct wire_span){ a.text, a.text_len });
	if (a.abstract) {
		buf_add(j->out, LITERAL(",\"abstract\":true"));
	} else if (a.family != AF_UNIX && raw.len) {
		buf_add(j->out, LITERAL(",\"sockaddr\":"));
		put_bytes_hex(j, raw);
	}
}

static const field_writer writers[] = {
	[EDR_KIND_PAD] = NULL,
	[EDR_KIND_NUM] = write_num,
	[EDR_KIND_INT] = write_int,
	[EDR_KIND_HEX] = write_hex,
	[EDR_KIND_HEXES] = write_hexes,
	[EDR_KIND_BOOL] = write_bool,
	[EDR_KIND_ID] = write_id,
	[EDR_KIND_DEV] = write_dev,
	[EDR_KIND_FLAGS] = write_flags,
	[EDR_KIND_ENUM] = write_enum,
	[EDR_KIND_ERRNO] = write_errno,
	[EDR_KIND_RESULT] = write_result,
	[EDR_KIND_PROTO] = write_proto,
	[EDR_KIND_EVENT] = write_event,
	[EDR_KIND_CHARS] = write_chars,
	[EDR_KIND_STR] = write_str,
	[EDR_KIND_STRS] = write_strs,
	[EDR_KIND_ARGV] = write_argv,
	[EDR_KIND_SOCKADDR] = write_sockaddr,
	[EDR_KIND_TTY] = write_tty,
	[EDR_KIND_OPTSTR] = write_optstr,
};

/* ---- the head: what every event begins with ---- */

/* Where an event has the field of that name, by its place in wire_events; 0: it has none. */
#define OFFSET_IF(field, wanted, offset) (__builtin_strcmp(field, wanted) == 0 ? (offset) : 0)

static const edr_u16 comm_at[] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) 0
#define EDR_FIELD(event, off, ctype, name, kind, key, unit) +OFFSET_IF(#name, "comm", off)
#define EDR_END(name, size) ,
#include "edr/events.def"
};

static const edr_u16 filename_at[] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) 0
#define EDR_FIELD(event, off, ctype, name, kind, key, unit) +OFFSET_IF(#name, "filename", off)
#define EDR_END(name, size) ,
#include "edr/events.def"
};

static const edr_u16 ppid_at[] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) 0
#define EDR_FIELD(event, off, ctype, name, kind, key, unit) +OFFSET_IF(key, "ppid", off)
#define EDR_END(name, size) ,
#include "edr/events.def"
};

static const edr_u16 exe_at[] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) 0
#define EDR_FIELD(event, off, ctype, name, kind, key, unit) +OFFSET_IF(key, "exe", off)
#define EDR_END(name, size) ,
#include "edr/events.def"
};

static char *two_digits(char *p, unsigned v)
{
	*p++ = (char)('0' + v / 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

/*
 * RFC 3339. The calendar is Howard Hinnant's days_from_civil the other way round (years that begin in March, eras of 400
 * years): about 10 ns, so that there is nothing to remember from one event to the next. A 64-bit number of ns stays
 * between the years 1677 and 2262, whatever a hostile record says.
 */
static void put_timestamp(struct json *j, edr_s64 unix_ns)
{
	edr_s64 sec = unix_ns / 1000000000;
	edr_s64 ns = unix_ns % 1000000000;
	unsigned day_of_era, year_of_era, day_of_year, shifted_month, year, month, day, second, i;
	char text[48], *p = text;
	edr_u64 days;

	if (ns < 0) {
		ns += 1000000000;
		sec--;
	}
	sec += 719468LL * 86400; /* from 0000-03-01: positive from here on */
	days = (edr_u64)sec / 86400;
	second = (unsigned)((edr_u64)sec % 86400);
	day_of_era = (unsigned)(days % 146097);
	year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted_month = (5 * day_of_year + 2) / 153;
	day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
	month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	year = (unsigned)(days / 146097) * 400 + year_of_era + (month <= 2);

	*p++ = '"';
	p = two_digits(p, year / 100);
	p = two_digits(p, year % 100);
	*p++ = '-';
	p = two_digits(p, month);
	*p++ = '-';
	p = two_digits(p, day);
	*p++ = 'T';
	p = two_digits(p, second / 3600);
	*p++ = ':';
	p = two_digits(p, second / 60 % 60);
	*p++ = ':';
	p = two_digits(p, second % 60);
	*p++ = '.';
	for (i = 9; i > 0; i--, ns /= 10)
		p[i - 1] = (char)('0' + ns % 10);
	p += 9;
	*p++ = 'Z';
	*p++ = '"';
	buf_add(j->out, text, (size_t)(p - text));
}

/* The last part of the file name given to exec; else what the process table says; else comm. */
static struct wire_span command_of(const struct json *j, size_t position,
				   const struct wire_process *proc)
{
	const char *rec = (const char *)j->rec;
	struct wire_span command = { 0 };

	if (filename_at[position])
		command = wire_basename(load_str(j, rec + filename_at[position]));
	if (!command.len && proc)
		command = proc->command;
	if (!command.len && comm_at[position])
		command = (struct wire_span){ rec + comm_at[position],
					      strnlen(rec + comm_at[position], sizeof(edr_comm)) };
	return command;
}

static void put_process(struct json *j, size_t position, const struct wire_process *proc)
{
	const char *rec = (const char *)j->rec;
	edr_u32 ppid;

	buf_add(j->out, LITERAL(",\"pid\":"));
	buf_addu(j->out, j->rec->tgid);
	buf_add(j->out, LITERAL(",\"tid\":"));
	buf_addu(j->out, j->rec->tid);
	buf_add(j->out, LITERAL(",\"ppid\":"));
	if (ppid_at[position]) {
		memcpy(&ppid, rec + ppid_at[position], sizeof(ppid));
		buf_addu(j->out, ppid);
	} else if (proc) {
		buf_addu(j->out, proc->ppid);
	} else {
		buf_add(j->out, LITERAL("null"));
	}
	buf_add(j->out, LITERAL(",\"command\":"));
	put_text(j, command_of(j, position, proc));
	if (proc && proc->container.len) {
		buf_add(j->out, LITERAL(",\"container\":"));
		put_text(j, proc->container);
	}
	if (proc && proc->exe.len && !exe_at[position]) {
		buf_add(j->out, LITERAL(",\"exe\":"));
		put_text(j, proc->exe);
	}
}

void wire_json(struct buf *out, const struct edr_hdr *rec, edr_s64 wall_offset_ns,
	       const struct wire_process *proc)
{
	const struct wire_event *ev = wire_event_by_type(rec->type);
	struct json j = { .out = out, .rec = rec };
	size_t position, i;

	if (!ev)
		return;
	position = (size_t)(ev - wire_events);
	buf_add(out, LITERAL("{\"type\":\""));
	buf_adds(out, ev->name);
	buf_add(out, LITERAL("\",\"timestamp\":"));
	put_timestamp(&j, (edr_s64)(rec->time_ns + (edr_u64)wall_offset_ns));
	/* Not for what the agent says of the host and of itself. */
	if (rec->tgid || comm_at[position])
		put_process(&j, position, proc);
	for (i = 0; i < ev->n_fields; i++) {
		const struct wire_field *f = &ev->fields[i];

		if (writers[f->kind] && f->offset != ppid_at[position])
			writers[f->kind](&j, f, (const char *)rec + f->offset);
	}
	if (rec->flags) {
		buf_add(out, LITERAL(",\"record_flags\":"));
		put_flags(&j, wire_record_flags, rec->flags);
	}
	if (j.mapped)
		buf_add(out, LITERAL(",\"non_utf8\":true"));
	buf_addc(out, '}');
}
