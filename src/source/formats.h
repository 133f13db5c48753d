/* SPDX-License-Identifier: MIT */
/* Where a tracepoint has its fields: from its format file in tracefs. Private to the source room. */
#ifndef EDR_SOURCE_FORMATS_H
#define EDR_SOURCE_FORMATS_H

#include <stdbool.h>
#include <stddef.h>

struct format_field {
	unsigned offset, size;
};

/* One line of such a file: the field's name (not longer than name_size lets it be), and where it is. False: no field. */
bool format_parse_line(const char *line, char *name, size_t name_size, struct format_field *out);

/* 0; -ENOENT: no such tracepoint, or no such field in it. */
int format_find(const char *group, const char *event, const char *field, struct format_field *out);

#endif
