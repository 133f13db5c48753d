/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/table.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the item that ends at the next comma or line break; its escapes are resolved, its ends trimmed. */
static const char *next_item(const char *text, struct buf *item)
{
	size_t keep = 0; /* an escaped byte at the end is no white space to trim */

	while (is_space(*text))
		text++;
	for (; *text && *text != ',' && *text != '\n'; text++) {
		bool escaped = *text == '\\' && (text[1] == ',' || text[1] == '\\');

		text += escaped;
		buf_addc(item, *text);
		if (escaped || !is_space(*text))
			keep = item->len;
	}
	if (item->data)
		item->data[keep] = '\0';
	item->len = keep;
	return *text ? text + 1 : text;
}

static int append(struct conf_list *list, struct buf *item)
{
	char **grown = realloc(list->item, (list->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->item = grown;
	list->item[list->n] = buf_steal(item);
	if (!list->item[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

int conf_list_parse(const char *text, struct conf_list *out)
{
	*out = (struct conf_list){ 0 };
	while (*text) {
		struct buf item = { 0 };
		int err = 0;

		text = next_item(text, &item);
		if (item.failed)
			err = -ENOMEM;
		else if (item.len > 0)
			err = append(out, &item);
		buf_free(&item);
		if (err) {
			conf_list_free(out);
			return err;
		}
	}
	return 0;
}

void conf_list_free(struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->item[i]);
	free(list->item);
	*list = (struct conf_list){ 0 };
}
