/* SPDX-License-Identifier: MIT */
/* Text to value and back, by the key's type. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/table.h"

/* The words of Python's configparser. */
static const struct {
	const char *word;
	bool value;
} booleans[] = { { "true", true },   { "yes", true }, { "on", true },	{ "1", true },
		 { "false", false }, { "no", false }, { "off", false }, { "0", false } };

static int assign_bool(bool *out, const char *text, struct buf *why)
{
	for (size_t i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++) {
		if (strcasecmp(booleans[i].word, text) == 0) {
			*out = booleans[i].value;
			return 0;
		}
	}
	buf_adds(why, "must be true or false (or yes, no, on, off, 1, 0)");
	return -EINVAL;
}

static int assign_uint(unsigned *out, const struct conf_key *key, const char *text, struct buf *why)
{
	unsigned long long v;

	/* strtoull would take signs, white space and hexadecimal. */
	if (*text && strlen(text) <= 18 && strspn(text, "0123456789") == strlen(text)) {
		v = strtoull(text, NULL, 10);
		if (v >= key->min && v <= key->max && (!key->check || key->check(text, why))) {
			*out = (unsigned)v;
			return 0;
		}
	}
	if (why->len > 0)
		return -EINVAL;
	if (key->check)
		key->check("0", why);
	else
		buf_addf(why, "must be a number from %lu to %lu", key->min, key->max);
	return -EINVAL;
}

static int assign_choice(char **out, const struct conf_key *key, const char *text, struct buf *why)
{
	const char *nearest;
	size_t n = 0;

	for (; key->choices[n]; n++) {
		if (strcasecmp(key->choices[n], text) == 0) {
			*out = strdup(key->choices[n]);
			return *out ? 0 : -ENOMEM;
		}
	}
	buf_adds(why, "must be ");
	for (size_t i = 0; i < n; i++)
		buf_addf(why, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", key->choices[i]);
	nearest = conf_nearest(text, key->choices, n);
	if (nearest)
		buf_addf(why, "; did you mean %s?", nearest);
	return -EINVAL;
}

static int assign_string(char **out, const struct conf_key *key, const char *text, struct buf *why)
{
	if (!*text && !(key->flags & CONF_MAY_BE_EMPTY)) {
		buf_adds(why, "must not be empty");
		return -EINVAL;
	}
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static int assign_list(struct conf_list *out, const struct conf_key *key, const char *text,
		       struct buf *why)
{
	int err = conf_list_parse(text, out);

	if (err)
		return err;
	if (out->n > key->max) {
		buf_addf(why, "must hold at most %lu entries", key->max);
		conf_list_free(out);
		return -EINVAL;
	}
	for (size_t i = 0; i < out->n; i++) {
		if (key->check && !key->check(out->item[i], why)) {
			conf_list_free(out);
			return -EINVAL;
		}
	}
	return 0;
}

/* What no value may hold, whatever its type. */
static bool sane(const struct conf_key *key, const char *text, struct buf *why)
{
	size_t len = strlen(text);

	if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
		buf_adds(why, "must stand without quotes: they would be part of the value");
		return false;
	}
	for (; *text; text++) {
		if (*text == '\n' && key->type == CONF_LIST)
			continue;
		if (*text == '\n') {
			buf_adds(why, "must stand on one line: the next line is indented, and so "
				      "belongs to it");
			return false;
		}
		if ((unsigned char)*text < ' ' || *text == 0x7f) {
			buf_adds(why, "must not hold control characters");
			return false;
		}
	}
	return true;
}

int conf_assign(struct conf *out, const struct conf_key *key, const char *text, struct buf *why)
{
	void *field = conf_field(out, key);

	if (!sane(key, text, why))
		return -EINVAL;
	switch (key->type) {
	case CONF_BOOL:
		return assign_bool(field, text, why);
	case CONF_UINT:
		return assign_uint(field, key, text, why);
	case CONF_CHOICE:
		return assign_choice(field, key, text, why);
	case CONF_STRING:
		return assign_string(field, key, text, why);
	case CONF_LIST:
		return assign_list(field, key, text, why);
	}
	return -EINVAL;
}

static void list_text(const struct conf_list *list, struct buf *out)
{
	for (size_t i = 0; i < list->n; i++) {
		buf_adds(out, i ? ", " : "");
		for (const char *c = list->item[i]; *c; c++) {
			if (*c == ',' || *c == '\\')
				buf_addc(out, '\\');
			buf_addc(out, *c);
		}
	}
}

void conf_value_text(const struct conf *conf, const struct conf_key *key, struct buf *out)
{
	const void *field = conf_field(conf, key);

	switch (key->type) {
	case CONF_BOOL:
		buf_adds(out, *(const bool *)field ? "true" : "false");
		break;
	case CONF_UINT:
		buf_addu(out, *(const unsigned *)field);
		break;
	case CONF_CHOICE:
	case CONF_STRING:
		buf_adds(out, *(char *const *)field);
		break;
	case CONF_LIST:
		list_text(field, out);
		break;
	}
}

void conf_value_free(struct conf *conf, const struct conf_key *key)
{
	void *field = conf_field(conf, key);

	if (key->type == CONF_LIST) {
		conf_list_free(field);
	} else if (key->type == CONF_STRING || key->type == CONF_CHOICE) {
		char **text = field;

		if (*text && (key->flags & CONF_SECRET))
			explicit_bzero(*text, strlen(*text));
		free(*text);
		*text = NULL;
	}
}

bool conf_value_equal(const struct conf *a, const struct conf *b, const struct conf_key *key)
{
	struct buf ta = { 0 }, tb = { 0 };
	bool equal;

	conf_value_text(a, key, &ta);
	conf_value_text(b, key, &tb);
	equal = ta.len == tb.len && (ta.len == 0 || memcmp(ta.data, tb.data, ta.len) == 0);
	buf_free(&ta);
	buf_free(&tb);
	return equal;
}
