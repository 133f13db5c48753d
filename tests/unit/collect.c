/* SPDX-License-Identifier: MIT */
#include "collect.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct collected reports[COLLECT_MAX];
size_t n_reports;

static struct collected *keep(struct buf *id, struct buf *text)
{
	struct collected *r = &reports[n_reports++];

	ck_assert_uint_le(n_reports, COLLECT_MAX);
	r->id = *id;
	r->text = *text;
	r->root = json_tokener_parse(r->text.data);
	ck_assert_msg(r->root != NULL, "%s does not parse", r->id.data);
	return r;
}

static void on_closed(void *ctx, struct cell *cell)
{
	struct buf id = { 0 }, text = { 0 }, id2 = { 0 }, text2 = { 0 };

	(void)ctx;
	ck_assert_int_eq(report_cell_json(cell, &id, &text), 0);
	ck_assert_int_eq(report_cell_json(cell, &id2, &text2), 0);
	ck_assert_str_eq(id.data, id2.data);
	ck_assert_uint_eq(text.len, text2.len);
	ck_assert_mem_eq(text.data, text2.data, text.len);
	buf_free(&id2);
	buf_free(&text2);
	report_cell_summary(cell, &keep(&id, &text)->summary);
	cell_free(cell);
}

static int on_interim(void *ctx, struct cell_events *part)
{
	struct buf id = { 0 }, text = { 0 };

	(void)ctx;
	ck_assert_int_eq(report_interim_json(part, &id, &text), 0);
	cell_events_free(part);
	keep(&id, &text)->interim = true;
	return 0;
}

const struct cell_sinks collect = { .on_closed = on_closed, .on_interim = on_interim };

void collect_free(void)
{
	for (size_t i = 0; i < n_reports; i++) {
		buf_free(&reports[i].id);
		buf_free(&reports[i].text);
		json_object_put(reports[i].root);
	}
	memset(reports, 0, sizeof(reports));
	n_reports = 0;
}

json_object *at(json_object *root, const char *pointer)
{
	json_object *o = NULL;

	ck_assert_msg(json_pointer_get(root, pointer, &o) == 0, "there is no %s", pointer);
	return o;
}

long long num(json_object *root, const char *pointer)
{
	json_object *o = at(root, pointer);

	ck_assert_msg(json_object_is_type(o, json_type_int), "%s is no integer", pointer);
	return json_object_get_int64(o);
}

const char *str(json_object *root, const char *pointer)
{
	json_object *o = at(root, pointer);

	ck_assert_msg(json_object_is_type(o, json_type_string), "%s is no string", pointer);
	return json_object_get_string(o);
}

size_t length(json_object *root, const char *pointer)
{
	json_object *o = at(root, pointer);

	ck_assert_msg(json_object_is_type(o, json_type_array), "%s is no array", pointer);
	return json_object_array_length(o);
}

long long opt(json_object *root, const char *pointer)
{
	json_object *o = NULL;

	return json_pointer_get(root, pointer, &o) ? 0 : json_object_get_int64(o);
}

long long sum(json_object *object)
{
	long long total = 0;

	ck_assert(json_object_is_type(object, json_type_object));
	json_object_object_foreach(object, key, value) {
		(void)key;
		total += json_object_get_int64(value);
	}
	return total;
}

long long column(json_object *rows, const char *pointer)
{
	long long total = 0;

	ck_assert(json_object_is_type(rows, json_type_array));
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		total += num(json_object_array_get_idx(rows, i), pointer);
	return total;
}
