/* SPDX-License-Identifier: MIT */
#include "argset.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A string, or {"parts": [...]} whose parts follow each other. */
static void add_text(struct buf *out, json_object *v)
{
	json_object *parts;

	if (json_object_object_get_ex(v, "parts", &parts)) {
		for (size_t i = 0; i < json_object_array_length(parts); i++)
			add_text(out, json_object_array_get_idx(parts, i));
		return;
	}
	ck_assert(json_object_is_type(v, json_type_string));
	buf_add(out, json_object_get_string(v), (size_t)json_object_get_string_len(v));
}

static size_t load_texts(json_object *row, const char *key, struct buf *out)
{
	json_object *list;
	size_t n;

	if (!json_object_object_get_ex(row, key, &list))
		return 0;
	n = json_object_array_length(list);
	ck_assert_uint_le(n, ARGSET_TEXTS);
	for (size_t i = 0; i < n; i++)
		add_text(&out[i], json_object_array_get_idx(list, i));
	return n;
}

static void load_name(json_object *row, const char *key, char *out, size_t size)
{
	json_object *v;

	ck_assert(json_object_object_get_ex(row, key, &v));
	snprintf(out, size, "%s", json_object_get_string(v));
}

static void load_row(struct argset_row *to, const char *line)
{
	json_object *row = json_tokener_parse(line), *argv;

	ck_assert_msg(row != NULL, "%s", line);
	load_name(row, "id", to->id, sizeof(to->id));
	load_name(row, "kind", to->kind, sizeof(to->kind));
	ck_assert(json_object_object_get_ex(row, "argv", &argv));
	for (size_t i = 0; i < json_object_array_length(argv); i++) {
		add_text(&to->argv, json_object_array_get_idx(argv, i));
		buf_addc(&to->argv, '\0');
	}
	to->n_secret = load_texts(row, "secret", to->secret);
	to->n_kept = load_texts(row, "kept", to->kept);
	json_object_put(row);
}

size_t argset_load(const char *path, struct argset_row **out)
{
	struct argset_row *rows = calloc(ARGSET_MAX, sizeof(*rows));
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t n = 0, size = 0;

	ck_assert_msg(f && rows, "%s", path);
	while (getline(&line, &size, f) > 0) {
		ck_assert_uint_lt(n, ARGSET_MAX);
		load_row(&rows[n++], line);
	}
	free(line);
	fclose(f);
	*out = rows;
	return n;
}

void argset_free(struct argset_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_free(&rows[i].argv);
		for (size_t k = 0; k < ARGSET_TEXTS; k++) {
			buf_free(&rows[i].secret[k]);
			buf_free(&rows[i].kept[k]);
		}
	}
	free(rows);
}
