/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <string.h>

#include "redact/private.h"
#include "wire/build.h"

/* Where an event has its arguments; 0: it does not. */
struct places {
	size_t argv, argv_bytes;
	size_t filename;  /* in which a command line may stand */
	size_t exe, path; /* what says which program it is */
};

static bool places_of(unsigned type, struct places *out)
{
	switch (type) {
	case EDR_EXEC:
		*out = (struct places){ .argv = offsetof(struct edr_exec, argv),
					.argv_bytes = offsetof(struct edr_exec, argv_bytes),
					.exe = offsetof(struct edr_exec, exe),
					.path = offsetof(struct edr_exec, filename) };
		return true;
	case EDR_EXEC_FAILED:
		*out = (struct places){ .argv = offsetof(struct edr_exec_failed, argv),
					.argv_bytes = offsetof(struct edr_exec_failed, argv_bytes),
					.filename = offsetof(struct edr_exec_failed, filename),
					.path = offsetof(struct edr_exec_failed, filename) };
		return true;
	case EDR_PROCESS:
		*out = (struct places){ .argv = offsetof(struct edr_process, argv),
					.exe = offsetof(struct edr_process, exe) };
		return true;
	default:
		return false;
	}
}

static struct wire_span span_at(const struct edr_hdr *rec, size_t offset)
{
	struct edr_str s;

	memcpy(&s, (const char *)rec + offset, sizeof(s));
	return wire_str(rec, s);
}

/* A program that does not exist, for somebody gave its whole command line as its name. */
static size_t redact_name(struct redact *r, struct wire_span name, bool cut)
{
	struct scan s = { .r = r, .block = name, .cut = cut };
	const struct word w = { .data = name.data, .len = name.len, .cut = cut };

	buf_clear(&r->name);
	if (!memchr(name.data, ' ', name.len) && !memchr(name.data, '\t', name.len))
		return 0;
	scan_command_line(&s, &w, 0);
	return s.marked ? redact_put(&s, &r->name) : 0;
}

/* What of argv a record has room for; whole arguments, if it is not all of it. */
static size_t cut_argv(const struct wire_span *argv, size_t room)
{
	const char *nul;

	if (argv->len <= room)
		return argv->len;
	nul = room ? memrchr(argv->data, '\0', room) : NULL;
	return nul ? (size_t)(nul + 1 - argv->data) : 0;
}

static bool is_string(enum edr_kind kind)
{
	return kind == EDR_KIND_STR || kind == EDR_KIND_OPTSTR || kind == EDR_KIND_STRS ||
	       kind == EDR_KIND_ARGV || kind == EDR_KIND_SOCKADDR;
}

/* The strings of rec as they come to be in the new record. */
static struct wire_span new_string(const struct redact *r, const struct edr_hdr *rec,
				   const struct places *p, size_t offset)
{
	if (offset == p->argv)
		return (struct wire_span){ r->argv.data, r->argv.len };
	if (p->filename && offset == p->filename && r->name.len)
		return (struct wire_span){ r->name.data, r->name.len };
	return span_at(rec, offset);
}

static size_t other_bytes(const struct redact *r, const struct edr_hdr *rec,
			  const struct wire_event *ev, const struct places *p)
{
	size_t sum = ev->size + 8;

	for (size_t i = 0; i < ev->n_fields; i++)
		if (is_string(ev->fields[i].kind) && ev->fields[i].offset != p->argv)
			sum += new_string(r, rec, p, ev->fields[i].offset).len;
	return sum;
}

static void fix_argv_bytes(struct edr_hdr *out, const struct edr_hdr *rec, const struct places *p,
			   size_t before, size_t after)
{
	edr_u32 n;

	if (!p->argv_bytes)
		return;
	memcpy(&n, (const char *)rec + p->argv_bytes, sizeof(n));
	n = (edr_u32)(n + after - before);
	memcpy((char *)out + p->argv_bytes, &n, sizeof(n));
}

/* With r->argv and r->name in the place of what was there. NULL without memory. */
static const struct edr_hdr *rebuild(struct redact *r, const struct edr_hdr *rec,
				     const struct places *p, edr_u32 flags)
{
	const struct wire_event *ev = wire_event_by_type(rec->type);
	const size_t before = span_at(rec, p->argv).len, after = r->argv_bytes;
	const size_t others = other_bytes(r, rec, ev, p);
	const struct edr_hdr *made;
	struct wire_build b;

	if (r->argv.failed || r->name.failed)
		return NULL;
	if (others + r->argv_bytes > EDR_RECORD_MAX) {
		const struct wire_span argv = { r->argv.data, r->argv.len };

		r->argv.len = cut_argv(&argv, EDR_RECORD_MAX - others);
		flags |= EDR_F_TRUNCATED;
	}
	buf_clear(&r->record);
	wire_build_begin(&b, &r->record, rec->type, rec);
	for (size_t i = 0; i < ev->n_fields; i++) {
		const size_t at = ev->fields[i].offset;

		if (is_string(ev->fields[i].kind)) {
			const struct wire_span s = new_string(r, rec, p, at);

			wire_build_str(&b, at, s.data, s.len);
		}
	}
	made = wire_build_end(&b);
	if (made) {
		struct edr_hdr *hdr = (struct edr_hdr *)(void *)r->record.data;

		hdr->flags |= flags;
		fix_argv_bytes(hdr, rec, p, before, after);
	}
	return made;
}

/* There is always room for this: the record as it is, without its arguments. */
static const struct edr_hdr *without_argv(struct redact *r, const struct edr_hdr *rec,
					  const struct places *p)
{
	const struct wire_event *ev = wire_event_by_type(rec->type);
	const struct edr_str none = { 0 };
	char *to = (char *)r->split;

	r->stats.no_memory++;
	memcpy(to, rec, rec->len);
	memset(to + ev->size, 0, rec->len - ev->size);
	for (size_t i = 0; i < ev->n_fields; i++) {
		const struct wire_span s = span_at(rec, ev->fields[i].offset);

		if (!is_string(ev->fields[i].kind))
			continue;
		if (ev->fields[i].offset == p->argv || ev->fields[i].offset == p->filename)
			memcpy(to + ev->fields[i].offset, &none, sizeof(none));
		else
			memcpy(to + (s.data - (const char *)rec), s.data, s.len);
	}
	((struct edr_hdr *)(void *)to)->flags |= EDR_F_REDACTED | EDR_F_ARGS_UNREADABLE;
	return (const struct edr_hdr *)(void *)to;
}

/* Nearly always both are the same path. */
static struct by_file by_file(const struct redact *r, const struct edr_hdr *rec,
			      const struct places *p)
{
	const struct wire_span none = { 0 };
	const struct wire_span exe = p->exe ? span_at(rec, p->exe) : none;
	const struct wire_span path = p->path ? span_at(rec, p->path) : none;
	struct by_file f = { .exe = tool_of_file(r, exe) };

	if (!f.exe && path.len &&
	    (path.len != exe.len || memcmp(path.data, exe.data, path.len) != 0))
		f.filename = tool_of_file(r, path);
	return f;
}

static bool is_cut(const struct edr_hdr *rec, const struct places *p, size_t len)
{
	edr_u32 n = 0;

	if (p->argv_bytes)
		memcpy(&n, (const char *)rec + p->argv_bytes, sizeof(n));
	return rec->flags & EDR_F_TRUNCATED || n > len;
}

const struct edr_hdr *redact_record(struct redact *r, const struct edr_hdr *rec)
{
	const struct edr_hdr *made;
	struct wire_span argv;
	struct places p;
	size_t argv_found, name_found = 0;
	bool cut;

	if (r->off || rec->flags & EDR_F_REDACTED || !places_of(rec->type, &p))
		return rec;
	argv = span_at(rec, p.argv);
	cut = is_cut(rec, &p, argv.len);
	r->stats.records++;
	buf_clear(&r->argv);
	buf_clear(&r->name);
	argv_found = redact_changed(r, argv, cut, by_file(r, rec, &p), &r->argv);
	r->argv_bytes = argv_found ? r->put_bytes : argv.len;
	if (p.filename)
		name_found =
			redact_name(r, span_at(rec, p.filename), rec->flags & EDR_F_PATH_TRUNCATED);
	if (!argv_found && !name_found)
		return rec;
	r->stats.changed++;
	if (!argv_found)
		buf_add(&r->argv, argv.data, argv.len);
	made = rebuild(r, rec, &p, EDR_F_REDACTED);
	return made ? made : without_argv(r, rec, &p);
}
