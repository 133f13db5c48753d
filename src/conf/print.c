/* SPDX-License-Identifier: MIT */
/* The table for people: show-config, the sample file, the man page. */
#include <string.h>

#include "conf/table.h"
#include "util/text.h"

#define MASK "********"
#define SAMPLE_WIDTH 100

/* Of a URL the user and the password, which some proxies want there; if in doubt, more. */
static bool add_url(struct buf *out, const char *text)
{
	const char *host = strstr(text, "://"), *at = strrchr(text, '@');

	if (!at)
		return false;
	if (host && host < at)
		buf_add(out, text, (size_t)(host + 3 - text));
	buf_adds(out, MASK);
	buf_adds(out, at);
	return true;
}

void conf_mask(const struct conf_key *key, struct buf *text)
{
	struct buf masked = { 0 };

	if (text->len == 0)
		return;
	if (key->flags & CONF_SECRET)
		buf_adds(&masked, MASK);
	else if (!(key->flags & CONF_URL) || !add_url(&masked, text->data))
		return;
	explicit_bzero(text->data, text->len);
	buf_free(text);
	*text = masked;
}

static void value_shown(const struct conf_set *s, size_t i, struct buf *out)
{
	struct buf text = { 0 };

	conf_value_text(&s->conf, &conf_table[i], &text);
	conf_mask(&conf_table[i], &text);
	if (text.len > 0)
		text_term(out, text.data, text.len);
	buf_free(&text);
}

static const char *origin_name(enum conf_origin origin)
{
	static const char *const names[] = { "default", "file", "environment", "option" };

	return names[origin];
}

static void where_shown(const struct conf_where *where, struct buf *out)
{
	buf_adds(out, origin_name(where->origin));
	if (!where->text)
		return;
	buf_addc(out, ' ');
	text_term(out, where->text, strlen(where->text));
	if (where->line)
		buf_addf(out, ":%u", where->line);
}

/* Calls for a headline where a section begins. */
static bool new_section(size_t i)
{
	return i == 0 || strcmp(conf_table[i].section, conf_table[i - 1].section) != 0;
}

void conf_print(const struct conf_set *s, FILE *out)
{
	for (size_t i = 0; i < conf_table_size; i++) {
		struct buf value = { 0 }, where = { 0 };

		if (new_section(i))
			fprintf(out, "%s[%s]\n", i ? "\n" : "", conf_table[i].section);
		value_shown(s, i, &value);
		where_shown(&s->where[i], &where);
		fprintf(out, "%-25s = %-28s # %s\n", conf_table[i].key,
			value.data ? value.data : "", where.data ? where.data : "");
		buf_free(&value);
		buf_free(&where);
	}
}

static void json_value(const struct conf_set *s, const struct conf_key *key, struct buf *out)
{
	const struct conf_list *list = conf_field(&s->conf, key);
	struct buf text = { 0 };

	if (key->type == CONF_LIST) {
		buf_addc(out, '[');
		for (size_t i = 0; i < list->n; i++) {
			buf_adds(out, i ? ", " : "");
			text_json(out, list->item[i], strlen(list->item[i]));
		}
		buf_addc(out, ']');
		return;
	}
	conf_value_text(&s->conf, key, &text);
	conf_mask(key, &text);
	if (key->type == CONF_BOOL || key->type == CONF_UINT)
		buf_add(out, text.data, text.len);
	else
		text_json(out, text.data ? text.data : "", text.len);
	buf_free(&text);
}

void conf_print_json(const struct conf_set *s, FILE *out)
{
	struct buf json = { 0 };

	buf_adds(&json, "{");
	for (size_t i = 0; i < conf_table_size; i++) {
		const struct conf_where *where = &s->where[i];

		if (new_section(i))
			buf_addf(&json, "%s\n  \"%s\": {", i ? "\n  }," : "",
				 conf_table[i].section);
		buf_addf(&json, "%s\n    \"%s\": { \"value\": ", new_section(i) ? "" : ",",
			 conf_table[i].key);
		json_value(s, &conf_table[i], &json);
		buf_addf(&json, ", \"origin\": \"%s\"", origin_name(where->origin));
		if (where->text) {
			buf_adds(&json, ", \"where\": ");
			text_json(&json, where->text, strlen(where->text));
		}
		if (where->line)
			buf_addf(&json, ", \"line\": %u", where->line);
		buf_adds(&json, " }");
	}
	fprintf(out, "%s\n  }\n}\n", json.data ? json.data : "{");
	buf_free(&json);
}

/* Breaks text at spaces into lines that begin with prefix and are at most width wide. */
static void print_wrapped(FILE *out, const char *prefix, const char *text, size_t width)
{
	size_t used = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (used > 0 && used + 1 + word > width) {
			fputc('\n', out);
			used = 0;
		}
		if (used == 0)
			used = (size_t)fprintf(out, "%s", prefix);
		used += (size_t)fprintf(out, " %.*s", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void conf_print_sample(FILE *out)
{
	fputs("# Configuration of linux-edr-bpf. Each key stands here with its default: take the # "
	      "away to set it.\n"
	      "# Searched: ./linux-edr.conf, ~/.config/linux-edr/linux-edr.conf, "
	      "/etc/linux-edr/linux-edr.conf.\n"
	      "# Options win over the environment (LINUX_EDR_SECTION_KEY), that over this file.\n"
	      "# Made by `linux-edr-bpf show-config --sample`.\n",
	      out);
	for (size_t i = 0; i < conf_table_size; i++) {
		const struct conf_key *key = &conf_table[i];

		if (new_section(i))
			fprintf(out, "\n[%s]\n", key->section);
		fputc('\n', out);
		print_wrapped(out, "#", key->help, SAMPLE_WIDTH);
		fprintf(out, "#%s =%s%s\n", key->key, *key->fallback ? " " : "", key->fallback);
	}
}

/* '\' and '-' mean something to roff, and so do '.' and ''' at the start of a line. */
static void print_roff_text(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void print_roff_limits(FILE *out, const struct conf_key *key)
{
	static const char *const types[] = { "text", "boolean", "number", "choice", "list" };

	fprintf(out, "%s", types[key->type]);
	if (key->type == CONF_UINT)
		fprintf(out, " from %lu to %lu", key->min, key->max);
	for (size_t i = 0; key->choices && key->choices[i]; i++)
		fprintf(out, "%s%s", i ? ", " : ": ", key->choices[i]);
	fputs(key->choices ? "; default " : ", default ", out);
	print_roff_text(out, *key->fallback ? key->fallback : "empty");
	if (key->option.name) {
		fputs(", option ", out);
		if (key->option.letter)
			fprintf(out, "\\-%c, ", key->option.letter);
		fputs("\\-\\-", out);
		print_roff_text(out, key->option.name);
	}
}

void conf_print_roff(FILE *out)
{
	for (size_t i = 0; i < conf_table_size; i++) {
		const struct conf_key *key = &conf_table[i];

		if (new_section(i))
			fprintf(out, ".SS [%s]\n", key->section);
		fprintf(out, ".TP\n.B %s\n", key->key);
		print_roff_text(out, key->help);
		fputs("\n(", out);
		print_roff_limits(out, key);
		fputs(".)\n", out);
	}
}
