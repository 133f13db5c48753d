// SPDX-License-Identifier: MIT
#include "source/formats.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "source/syscalls.h"

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* "	field:char comm[16];	offset:8;	size:16;	signed:0;": the name is the last word of the declaration. */
bool format_parse_line(const char *line, char *name, size_t name_size, struct format_field *out)
{
	const char *field = strstr(line, "field:"), *decl = field ? field + strlen("field:") : NULL;
	const char *end = decl ? strchr(decl, ';') : NULL, *begin;
	const char *bracket = decl ? memchr(decl, '[', end ? (size_t)(end - decl) : 0) : NULL;
	size_t len;

	if (!end || sscanf(end, "; offset:%u; size:%u;", &out->offset, &out->size) != 2)
		return false;
	/* "__data_loc char[] filename" has its brackets in front of the name. */
	if (bracket && end[-1] == ']')
		end = bracket;
	while (end > decl && !is_name(end[-1]))
		end--;
	for (begin = end; begin > decl && is_name(begin[-1]); begin--)
		;
	len = (size_t)(end - begin);
	if (!len || len >= name_size)
		return false;
	memcpy(name, begin, len);
	name[len] = '\0';
	return true;
}

int format_find(const char *group, const char *event, const char *field, struct format_field *out)
{
	char path[200], line[512], name[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/events/%s/%s/format", syscalls_tracefs(), group, event);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = format_parse_line(line, name, sizeof(name), out) && !strcmp(name, field);
	if (f)
		fclose(f);
	return found ? 0 : -ENOENT;
}
