/* SPDX-License-Identifier: MIT */
/* events.def as plain tables: `print wire_events[0].fields[3]` works in a debugger. */
#include <string.h>

#include "wire/wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* bits_exec_flags[], ... */
#define EDR_BITS(set) static const struct wire_bit bits_##set[] = {
#define EDR_BIT(set, value, text) { value, text },
#define EDR_BITS_END(set) \
	{                 \
		0, NULL   \
	}                 \
	}                 \
	;
#include "edr/events.def"

const struct wire_bit *const wire_record_flags = bits_record_flags;

/* The names that belong to a field, by its kind: a FLAGS or ENUM field without a set fails to compile, and so does a kind
 * that is not here. */
#define BITS_PAD(name) NULL
#define BITS_NUM(name) NULL
#define BITS_INT(name) NULL
#define BITS_HEX(name) NULL
#define BITS_HEXES(name) NULL
#define BITS_BOOL(name) NULL
#define BITS_ID(name) NULL
#define BITS_DEV(name) NULL
#define BITS_FLAGS(name) bits_##name
#define BITS_ENUM(name) bits_##name
#define BITS_ERRNO(name) NULL
#define BITS_RESULT(name) NULL
#define BITS_PROTO(name) NULL
#define BITS_EVENT(name) NULL
#define BITS_CHARS(name) NULL
#define BITS_STR(name) NULL
#define BITS_STRS(name) NULL
#define BITS_ARGV(name) NULL
#define BITS_SOCKADDR(name) NULL
#define BITS_TTY(name) NULL
#define BITS_OPTSTR(name) NULL

#define EDR_FIELD(event, off, ctype, field, knd, text, what)      \
	_Static_assert(sizeof(",\"" text "\":") <= WIRE_LEAD_MAX, \
		       #event "." #field " has too long a key");
#include "edr/events.def"

/* fields_exec[], ... */
#define EDR_EVENT(number, NAME, name, ring, group, programs) \
	static const struct wire_field fields_##name[] = {
#define EDR_FIELD(event, off, ctype, field, knd, text, what) \
	{ .name = #field,                                    \
	  .key = text,                                       \
	  .unit = what,                                      \
	  .offset = off,                                     \
	  .size = sizeof(ctype),                             \
	  .kind = EDR_KIND_##knd,                            \
	  .bits = BITS_##knd(field),                         \
	  .lead = ",\"" text "\":",                          \
	  .lead_len = sizeof(",\"" text "\":") - 1 },
#define EDR_END(name, size) \
	}                   \
	;
#include "edr/events.def"

const struct wire_event wire_events[] = {
#define EDR_EVENT(number, NAME, evname, rng, grp, progs) \
	{ .type = number,                                \
	  .name = #evname,                               \
	  .ring = EDR_RING_##rng,                        \
	  .group = #grp,                                 \
	  .programs = progs,                             \
	  .size = sizeof(struct edr_##evname),           \
	  .fields = fields_##evname,                     \
	  .n_fields = COUNT(fields_##evname) },
#include "edr/events.def"
};

const size_t wire_n_events = COUNT(wire_events);

/* Where a type stands in wire_events, plus one. A number that is given twice shows as -Woverride-init. */
enum position {
#define EDR_EVENT(number, NAME, name, ring, group, programs) POSITION_##NAME,
#include "edr/events.def"
};

static const unsigned char positions[EDR_TYPE_MAX] = {
#define EDR_EVENT(number, NAME, name, ring, group, programs) [number] = POSITION_##NAME + 1,
#include "edr/events.def"
};

const struct wire_event *wire_event_by_type(unsigned type)
{
	return type < EDR_TYPE_MAX && positions[type] ? &wire_events[positions[type] - 1] : NULL;
}

const struct wire_event *wire_event_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < wire_n_events; i++)
		if (strcmp(wire_events[i].name, name) == 0)
			return &wire_events[i];
	return NULL;
}

const char *wire_bit_name(const struct wire_bit *bits, edr_u32 v)
{
	for (; bits && bits->text; bits++)
		if (bits->value == v)
			return bits->text;
	return NULL;
}
