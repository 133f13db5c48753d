/* SPDX-License-Identifier: MIT */
/* print_events: docs/events.md, from the tables that events.def makes. tests/unit/test_docs.sh compares the two. */
#include <stdio.h>
#include <string.h>

#include "wire/wire.h"

static const char head[] =
	"<!-- Written by tests/tools/print_events.c from include/edr/events.def; do not edit. -->\n"
	"# Events\n"
	"\n"
	"`--output FILE` and `--stdout` write one JSON object a line for each event. Every event "
	"begins with\n"
	"\n"
	"| key | value |\n"
	"|---|---|\n"
	"| `type` | the event's name |\n"
	"| `timestamp` | when it happened: RFC 3339, UTC, nanoseconds |\n"
	"| `pid`, `tid` | process and thread, as the initial pid namespace numbers them |\n"
	"| `ppid` | parent of that process, `null` when not known |\n"
	"| `command` | last part of the file name given to exec; the thread's name (`comm`) where "
	"there was none |\n"
	"| `container` | id of the process's container; absent outside of one |\n"
	"| `exe` | resolved path of the file that the process runs; absent when not known |\n"
	"\n"
	"(`pid` to `exe` are absent in events that are about no process), goes on with the keys of "
	"its type, below, and\n"
	"ends with\n"
	"\n"
	"| key | value |\n"
	"|---|---|\n"
	"| `record_flags` | array of names, see [Names](#names); absent when there are none |\n"
	"| `non_utf8` | `true` when some string of the event was not UTF-8; else absent |\n"
	"\n"
	"A byte that is not UTF-8 is written as the code point U+10FF00 + byte, and so is every "
	"byte of such a code point\n"
	"itself: no two names give the same text, and the bytes can be got back (in Python:\n"
	"`re.sub('[\\U0010ff80-\\U0010ffff]', lambda m: chr(0xdc00 + ord(m[0]) - 0x10ff00), "
	"s).encode('utf-8', "
	"'surrogateescape')`).\n"
	"Control characters, and those that hide or reorder text, are escaped as `\\uXXXX`.\n"
	"\n"
	"Numbers are exact. A reader that keeps them as doubles (JavaScript, jq before 1.7) loses "
	"the last digits of those\n"
	"above 2^53, such as some `cgroup_id`.\n";

static const char *const rings[] = { "user space", "exec", "noisy" };

/* What a reader of the JSON finds for a kind. */
static const char *const looks[] = {
	[EDR_KIND_NUM] = "number",
	[EDR_KIND_INT] = "number",
	[EDR_KIND_HEX] = "string, `\"0x...\"`",
	[EDR_KIND_HEXES] = "array of strings, `\"0x...\"`",
	[EDR_KIND_BOOL] = "boolean",
	[EDR_KIND_ID] = "number or `null`",
	[EDR_KIND_DEV] = "string, `\"major:minor\"`",
	[EDR_KIND_FLAGS] = "array of names",
	[EDR_KIND_ENUM] = "name, or a number that has none",
	[EDR_KIND_ERRNO] = "string, `\"ENOENT\"`",
	[EDR_KIND_RESULT] = "0, `\"ECONNREFUSED\"` or `null`",
	[EDR_KIND_PROTO] = "string, `\"IPPROTO_TCP\"`, or a number",
	[EDR_KIND_EVENT] = "name of an event",
	[EDR_KIND_CHARS] = "string",
	[EDR_KIND_STR] = "string",
	[EDR_KIND_STRS] = "array of strings",
	[EDR_KIND_ARGV] = "array of strings",
	[EDR_KIND_SOCKADDR] = "string, `\"127.0.0.1:80\"`",
	[EDR_KIND_TTY] = "string, absent when empty",
	[EDR_KIND_OPTSTR] = "string, absent when empty",
};

static void print_index(void)
{
	size_t e;

	puts("\n## Types\n");
	puts("| number | type | group | ring | made by the BPF programs |");
	puts("|---:|---|---|---|---|");
	for (e = 0; e < wire_n_events; e++) {
		const struct wire_event *ev = &wire_events[e];

		printf("| %u | [`%s`](#%s) | %s | %s | %s |\n", ev->type, ev->name, ev->name,
		       ev->group, rings[ev->ring], ev->programs);
	}
}

static void print_field(const struct wire_field *f)
{
	/* ppid is in the head of every event. */
	if (f->kind == EDR_KIND_PAD || strcmp(f->key, "ppid") == 0)
		return;
	if (f->kind == EDR_KIND_ARGV)
		puts("| `argv0` | string, `null` without any argument | argv[0] |");
	if (f->kind == EDR_KIND_SOCKADDR)
		puts("| `family` | string, `\"AF_INET\"`, or `null` | |");
	printf("| `%s` | %s | %s |\n", f->key, looks[f->kind], f->unit);
	if (f->kind == EDR_KIND_SOCKADDR) {
		puts("| `ip`, `port` | string, number | AF_INET and AF_INET6 only |");
		puts("| `abstract` | `true` | only for an abstract unix address, whose NUL is "
		     "written as `@` |");
		puts("| `sockaddr` | string, hex | the bytes, for a family that has no text here "
		     "|");
	}
}

static void print_events(void)
{
	size_t e, f;

	for (e = 0; e < wire_n_events; e++) {
		printf("\n## %s\n\n", wire_events[e].name);
		puts("| key | value | unit or meaning |");
		puts("|---|---|---|");
		for (f = 0; f < wire_events[e].n_fields; f++)
			print_field(&wire_events[e].fields[f]);
	}
}

static void print_bits(const char *set, const struct wire_bit *bits, enum edr_kind kind)
{
	printf("| `%s` |", set);
	for (; bits->text; bits++)
		printf(kind == EDR_KIND_FLAGS ? " `%s` (%#x)%s" : " `%s` (%u)%s", bits->text,
		       bits->value, bits[1].text ? "," : "");
	puts(" |");
}

/* Whether an earlier field of the list has the same names. */
static bool seen_before(size_t event, size_t field)
{
	const struct wire_bit *bits = wire_events[event].fields[field].bits;
	size_t e, f;

	for (e = 0; e <= event; e++)
		for (f = 0; f < wire_events[e].n_fields && (e < event || f < field); f++)
			if (wire_events[e].fields[f].bits == bits)
				return true;
	return false;
}

static void print_names(void)
{
	size_t e, f;

	puts("\n## Names\n");
	puts("| key | names |");
	puts("|---|---|");
	print_bits("record_flags", wire_record_flags, EDR_KIND_FLAGS);
	for (e = 0; e < wire_n_events; e++) {
		for (f = 0; f < wire_events[e].n_fields; f++) {
			const struct wire_field *field = &wire_events[e].fields[f];

			if (field->bits && !seen_before(e, f))
				print_bits(field->key, field->bits, field->kind);
		}
	}
}

int main(void)
{
	fputs(head, stdout);
	print_index();
	print_events();
	print_names();
	return fflush(stdout) != 0 || ferror(stdout);
}
