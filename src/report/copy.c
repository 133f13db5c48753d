/* SPDX-License-Identifier: MIT */
#include "report/copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Makes the text that says it is `to` from the one that says it is `from`. The id is the third
 * member of a report, before any string that comes from elsewhere.
 */
static int rename_text(struct buf *json, const char *from, const char *to)
{
	struct buf old = { 0 }, text = { 0 };
	char *at;
	int err = 0;

	buf_addf(&old, "\"report_id\": \"%s\"", from);
	at = buf_failed(&old) ? NULL : memmem(json->data, json->len, old.data, old.len);
	if (at) {
		buf_add(&text, json->data, (size_t)(at - json->data));
		buf_addf(&text, "\"report_id\": \"%s\"", to);
		at += old.len;
		buf_add(&text, at, (size_t)(json->data + json->len - at));
	}
	buf_free(&old);
	if (!at || buf_failed(&text)) {
		buf_free(&text);
		return -ENOMEM;
	}
	buf_free(json);
	*json = text;
	return err;
}

int report_write_copy_text(struct report_store *s, const char *level, const char *id,
			   struct report_text *text, char *name, size_t size)
{
	int err;

	snprintf(name, size, "%s", id);
	err = report_store_write_text(s, level, name, text);
	for (unsigned copy = 2; err == -EEXIST && copy <= REPORT_MAX_COPIES; copy++) {
		char old[128];

		snprintf(old, sizeof(old), "%s", name);
		snprintf(name, size, "%s-%u", id, copy);
		err = rename_text(&text->head, old, name);
		if (!err)
			err = report_store_write_text(s, level, name, text);
	}
	/* The next try begins with the first name again. */
	if (err && strcmp(name, id) != 0 && rename_text(&text->head, name, id) != 0)
		report_text_free(text);
	return err;
}

int report_write_copy(struct report_store *s, const char *level, const char *id, struct buf *json,
		      char *name, size_t size)
{
	struct report_text text = { .head = *json };
	int err = report_write_copy_text(s, level, id, &text, name, size);

	*json = text.head;
	return err;
}
