/* SPDX-License-Identifier: MIT */
/*
 * One event as one JSON object. Written by hand, for this runs once an event: a fork takes about 0.15 us.
 * What a field looks like is decided by its kind alone: `writers` below.
 */
#include <string.h>
#include <sys/socket.h>

#include "util/text.h"
#include "wire/put.h"
#include "wire/wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct json {
	struct put put;
	const struct edr_hdr *rec;
	bool mapped; /* some string was not UTF-8 */
};

typedef void (*field_writer)(struct json *j, const struct wire_field *f, const void *field);

/* ---- numbers and text ---- */

static void put_hex(struct json *j, edr_u64 v)
{
	unsigned digits = v ? (67 - (unsigned)__builtin_clzll(v)) / 4 : 1;
	char *to = put_room(&j->put, 20); /* two quotes, 0x, 16 digits */
	unsigned i;

	if (!to)
		return;
	memcpy(to, "\"0x", 3);
	for (i = digits; i > 0; i--, v >>= 4)
		to[2 + i] = "0123456789abcdef"[v & 0xf];
	to[3 + digits] = '"';
	put_end(&j->put, to + 4 + digits);
}

static void put_int(struct json *j, edr_s64 v)
{
	if (v < 0)
		put_char(&j->put, '-');
	put_number(&j->put, v < 0 ? 0 - (edr_u64)v : (edr_u64)v);
}

static void put_text(struct json *j, struct wire_span s)
{
	char *to = put_room(&j->put, s.len + 2);

	if (to && put_copy_plain(to + 1, s.data, s.len)) {
		*to = '"';
		to[s.len + 1] = '"';
		put_end(&j->put, to + s.len + 2);
		return;
	}
	if (!text_json(put_pause(&j->put), s.data, s.len))
		j->mapped = true;
	put_resume(&j->put);
}

/* A name of ours, that needs no escaping; or the number when it is NULL. */
static void put_name(struct json *j, const char *name, edr_s64 number)
{
	size_t len = name ? strlen(name) : 0;
	char *to;

	if (!name) {
		put_int(j, number);
		return;
	}
	to = put_room(&j->put, len + 2);
	if (!to)
		return;
	*to = '"';
	memcpy(to + 1, name, len);
	to[len + 1] = '"';
	put_end(&j->put, to + len + 2);
}

static void put_lead(struct json *j, const struct wire_field *f)
{
	char *to = put_room(&j->put, sizeof(f->lead));

	if (!to)
		return;
	memcpy(to, f->lead, sizeof(f->lead)); /* all of it, for a length that is known costs less */
	put_end(&j->put, to + f->lead_len);
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

static void write_nothing(struct json *j, const struct wire_field *f, const void *field)
{
	(void)j;
	(void)f;
	(void)field;
}

static void write_num(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	put_number(&j->put, load_unsigned(f, field));
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
	put_char(&j->put, '[');
	for (i = 0; i < n; i++) {
		if (i)
			put_char(&j->put, ',');
		put_hex(j, values[i]);
	}
	put_char(&j->put, ']');
}

static void write_bool(struct json *j, const struct wire_field *f, const void *field)
{
	put_lead(j, f);
	if (load_unsigned(f, field))
		PUT(&j->put, "true");
	else
		PUT(&j->put, "false");
}

static void write_id(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 id = load_unsigned(f, field);

	put_lead(j, f);
	if (id == EDR_ID_UNSET)
		PUT(&j->put, "null");
	else
		put_number(&j->put, id);
}

/* The kernel's own dev_t: include/linux/kdev_t.h, MINORBITS. */
static void write_dev(struct json *j, const struct wire_field *f, const void *field)
{
	const edr_u64 dev = load_unsigned(f, field);

	put_lead(j, f);
	put_char(&j->put, '"');
	put_number(&j->put, dev >> 20);
	put_char(&j->put, ':');
	put_number(&j->put, dev & 0xfffff);
	put_char(&j->put, '"');
}

static void put_flags(struct json *j, const struct wire_bit *bits, edr_u64 flags)
{
	bool first = true;

	put_char(&j->put, '[');
	for (; flags && bits->text; bits++) {
		if (!(flags & bits->value))
			continue;
		if (!first)
			put_char(&j->put, ',');
		put_name(j, bits->text, 0);
		flags &= ~(edr_u64)bits->value;
		first = false;
	}
	if (flags) {
		if (!first)
			put_char(&j->put, ',');
		put_hex(j, flags);
	}
	put_char(&j->put, ']');
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
		PUT(&j->put, "null");
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

	put_char(&j->put, '[');
	while (wire_next_arg(&rest, &one)) {
		if (!first)
			put_char(&j->put, ',');
		put_text(j, one);
		first = false;
	}
	put_char(&j->put, ']');
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

	PUT(&j->put, ",\"argv0\":");
	if (wire_next_arg(&rest, &argv0))
		put_text(j, argv0);
	else
		PUT(&j->put, "null");
	put_lead(j, f);
	put_array(j, rest);
}

static void put_bytes_hex(struct json *j, struct wire_span s)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	put_char(&j->put, '"');
	for (i = 0; i < s.len; i++) {
		put_char(&j->put, digits[(unsigned char)s.data[i] >> 4]);
		put_char(&j->put, digits[(unsigned char)s.data[i] & 0xf]);
	}
	put_char(&j->put, '"');
}

static void write_sockaddr(struct json *j, const struct wire_field *f, const void *field)
{
	const struct wire_span raw = load_str(j, field);
	struct wire_addr a;

	wire_decode_sockaddr(raw, &a);
	PUT(&j->put, ",\"family\":");
	if (a.family < 0)
		PUT(&j->put, "null");
	else
		put_name(j, wire_family_name(a.family), a.family);
	put_lead(j, f);
	if (a.text_len && (a.family == AF_INET || a.family == AF_INET6)) {
		put_char(&j->put, '"');
		wire_addr_text(&a, put_pause(&j->put)); /* of our making: nothing to escape */
		put_resume(&j->put);
		PUT(&j->put, "\",\"ip\":");
		put_text(j, (struct wire_span){ a.text, a.text_len });
		PUT(&j->put, ",\"port\":");
		put_number(&j->put, a.port);
		return;
	}
	put_text(j, (struct wire_span){ a.text, a.text_len });
	if (a.abstract) {
		PUT(&j->put, ",\"abstract\":true");
	} else if (a.family != AF_UNIX && raw.len) {
		PUT(&j->put, ",\"sockaddr\":");
		put_bytes_hex(j, raw);
	}
}

static const field_writer writers[] = {
	[EDR_KIND_PAD] = write_nothing,
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

/* Up to the time. */
struct head {
	char text[48];
	size_t len;
};

#define HEAD(name) "{\"type\":\"" #name "\",\"timestamp\":\""

static const struct head heads[] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) { HEAD(name), sizeof(HEAD(name)) - 1 },
#include "edr/events.def"
};

static char *date(char *to, unsigned days)
{
	const unsigned day_of_era = days % 146097;
	const unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const unsigned shifted_month = (5 * day_of_year + 2) / 153;
	const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
	const unsigned year = days / 146097 * 400 + year_of_era + (month <= 2);

	to = text_two_digits(to, year / 100);
	to = text_two_digits(to, year % 100);
	*to++ = '-';
	to = text_two_digits(to, month);
	*to++ = '-';
	return text_two_digits(to, day_of_year - (153 * shifted_month + 2) / 5 + 1);
}

/*
 * RFC 3339. The calendar is Howard Hinnant's days_from_civil the other way round (years that begin in March, eras of 400
 * years): about 10 ns, so that there is nothing to remember from one event to the next. A 64-bit number of ns stays
 * between the years 1677 and 2262, whatever a hostile record says.
 */
static char *rfc3339(char *to, edr_s64 unix_ns)
{
	edr_s64 sec = unix_ns / 1000000000, ns = unix_ns % 1000000000;
	unsigned second;

	if (ns < 0) {
		ns += 1000000000;
		sec--;
	}
	sec += 719468LL * 86400; /* from 0000-03-01: positive from here on */
	second = (unsigned)((edr_u64)sec % 86400);
	to = date(to, (unsigned)((edr_u64)sec / 86400));
	*to++ = 'T';
	to = text_two_digits(to, second / 3600);
	*to++ = ':';
	to = text_two_digits(to, second / 60 % 60);
	*to++ = ':';
	to = text_two_digits(to, second % 60);
	*to++ = '.';
	*to++ = (char)('0' + ns / 100000000);
	to = text_eight_digits(to, (unsigned)(ns % 100000000));
	*to++ = 'Z';
	return to;
}

static void put_head(struct json *j, size_t position, edr_s64 unix_ns)
{
	const struct head *head = &heads[position];
	char *to = put_room(&j->put, sizeof(head->text) + 64);

	if (!to)
		return;
	memcpy(to, head->text, sizeof(head->text));
	to = rfc3339(to + head->len, unix_ns);
	*to++ = '"';
	put_end(&j->put, to);
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

	PUT(&j->put, ",\"pid\":");
	put_number(&j->put, j->rec->tgid);
	PUT(&j->put, ",\"tid\":");
	put_number(&j->put, j->rec->tid);
	PUT(&j->put, ",\"ppid\":");
	if (ppid_at[position]) {
		memcpy(&ppid, rec + ppid_at[position], sizeof(ppid));
		put_number(&j->put, ppid);
	} else if (proc) {
		put_number(&j->put, proc->ppid);
	} else {
		PUT(&j->put, "null");
	}
	PUT(&j->put, ",\"command\":");
	put_text(j, command_of(j, position, proc));
	if (proc && proc->container.len) {
		PUT(&j->put, ",\"container\":");
		put_text(j, proc->container);
	}
	if (proc && proc->exe.len && !exe_at[position]) {
		PUT(&j->put, ",\"exe\":");
		put_text(j, proc->exe);
	}
}

void wire_json(struct buf *out, const struct edr_hdr *rec, edr_s64 wall_offset_ns,
	       const struct wire_process *proc)
{
	const struct wire_event *ev = wire_event_by_type(rec->type);
	struct json j = { .put.out = out, .rec = rec };
	const struct wire_field *f, *end;
	size_t position;
	edr_u16 ppid;

	if (!ev)
		return;
	put_resume(&j.put);
	position = (size_t)(ev - wire_events);
	put_head(&j, position, (edr_s64)(rec->time_ns + (edr_u64)wall_offset_ns));
	/* Not for what the agent says of the host and of itself. */
	if (rec->tgid || comm_at[position])
		put_process(&j, position, proc);
	ppid = ppid_at[position]; /* is written already */
	for (f = ev->fields, end = f + ev->n_fields; f < end; f++)
		if (f->offset != ppid)
			writers[f->kind](&j, f, (const char *)rec + f->offset);
	if (rec->flags) {
		PUT(&j.put, ",\"record_flags\":");
		put_flags(&j, wire_record_flags, rec->flags);
	}
	if (j.mapped)
		PUT(&j.put, ",\"non_utf8\":true");
	put_char(&j.put, '}');
	put_pause(&j.put);
}
