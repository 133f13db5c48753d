/* SPDX-License-Identifier: MIT */
/*
 * What a vector is: NAME.bin holds one record of the event NAME (or NAME-VARIANT.bin), NAME.json the line that wire_json
 * makes of it with the clock and the process below. make_vectors.c writes them, tests/unit/test_events.c reads them.
 */
#ifndef EDR_TESTS_VECTOR_H
#define EDR_TESTS_VECTOR_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define VECTOR_FOLDER "tests/vectors"

/* 2025-03-01T00:00:00Z at boot */
#define VECTOR_WALL_OFFSET_NS 1740787200000000000LL

/* A variant whose name ends so is printed without a process. */
#define VECTOR_NOPROC "-noproc"

static inline struct wire_span vector_span(const char *s)
{
	return (struct wire_span){ s, strlen(s) };
}

static inline const struct wire_process *vector_process(const char *name, struct wire_process *room)
{
	const size_t len = strlen(name), tail = sizeof(VECTOR_NOPROC) - 1;

	if (len > tail && strcmp(name + len - tail, VECTOR_NOPROC) == 0)
		return NULL;
	room->ppid = 812;
	room->command = vector_span("worker");
	room->exe = vector_span("/usr/lib/app/worker");
	room->container =
		vector_span("4f1d2c3b4a59687786a5b4c3d2e1f00f11223344556677889900aabbccddeeff");
	return room;
}

static inline int vector_is_record(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".bin") == 0;
}

/* The names of all vectors, sorted, without their suffix; the caller frees each and the list. Negative without any. */
static inline int vector_list(char ***names)
{
	struct dirent **entries;
	int n = scandir(VECTOR_FOLDER, &entries, vector_is_record, alphasort), i;

	if (n <= 0)
		return -1;
	*names = calloc((size_t)n, sizeof(**names));
	for (i = 0; i < n; i++) {
		if (*names)
			(*names)[i] = strndup(entries[i]->d_name, strlen(entries[i]->d_name) - 4);
		free(entries[i]);
	}
	free(entries);
	return *names ? n : -1;
}

/* The file NAME + suffix, in memory of just that size (so that a read behind its end shows), or NULL. */
static inline void *vector_load(const char *name, const char *suffix, size_t *len)
{
	char path[512];
	void *data = NULL;
	long size;
	FILE *f;

	*len = 0;
	snprintf(path, sizeof(path), VECTOR_FOLDER "/%s%s", name, suffix);
	f = fopen(path, "rb");
	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) > 0) {
		rewind(f);
		*len = (size_t)size;
		data = malloc(*len);
		if (data && fread(data, 1, *len, f) != *len) {
			free(data);
			data = NULL;
		}
	}
	fclose(f);
	return data;
}

#endif
