/* SPDX-License-Identifier: MIT */
/* The model's part of `report show --text`: from the verdict's file, whose seal is looked at. */
#include <errno.h>
#include <string.h>

#include "analyze/verdicts.h"
#include "cli/report_cmd.h"

#define COLUMNS 79
#define INDENT 4 /* of what a line goes on with */

int report_model_read(const struct report_cmd *c, const struct report_choice *one,
		      const struct buf *json, struct report_model *m)
{
	const struct chain_key *key = c->key.len ? &c->key : NULL;
	struct verdicts all = { .n = 0 };
	struct chain_link link = { .number = 0 };
	int err;

	memset(m, 0, sizeof(*m));
	if (one->level == LEVEL_INTERIM)
		return 0;
	chain_read(json->data, json->len, &link);
	m->why = verdict_read(c->store, one->file.id, link.sha256, key, &m->verdict, &m->current);
	err = verdicts_load(&all, c->store, key);
	if (!err)
		m->severity = verdicts_severity(&all, one->level, one->file.id);
	verdicts_free(&all);
	return err == -ENOMEM || m->why == -ENOMEM ? -ENOMEM : 0;
}

void report_model_free(struct report_model *m)
{
	buf_free(&m->verdict);
	memset(m, 0, sizeof(*m));
}

/* How much of it fits, up to a blank where there is one. Wide characters take two columns. */
static size_t fits(const char *s, size_t len, size_t width)
{
	size_t columns = 0, blank = 0, at = 0;

	while (at < len) {
		const unsigned char c = (unsigned char)s[at];

		columns += (c & 0xc0) == 0x80 ? 0 : c >= 0xe1 ? 2 : 1;
		if (columns > width)
			break;
		if (c == ' ' && at)
			blank = at;
		at++;
	}
	/* Not in the middle of a character. */
	while (at < len && at && ((unsigned char)s[at] & 0xc0) == 0x80)
		at--;
	return at == len || !blank ? at : blank;
}

static void print_wrapped(FILE *out, const char *s, size_t len)
{
	const size_t indent = strspn(s, " ");
	size_t n = indent + fits(s + indent, len - indent, COLUMNS - indent);

	fprintf(out, "%.*s\n", (int)n, s);
	for (s += n, len -= n; len; s += n, len -= n) {
		const size_t blanks = strspn(s, " ");

		s += blanks;
		len -= blanks;
		n = fits(s, len, COLUMNS - INDENT);
		if (n)
			fprintf(out, "%*s%.*s\n", INDENT, "", (int)n, s);
	}
}

static void print_lines(FILE *out, const char *s)
{
	while (*s) {
		const size_t len = strcspn(s, "\n");

		print_wrapped(out, s, len);
		s += len + (s[len] == '\n');
	}
}

int report_model_print(const struct report_model *m, FILE *out)
{
	struct buf text = { 0 };
	int err;

	if (m->why == -ENOENT)
		return 0;
	if (m->why || !m->verdict.len) {
		fputs("\nWhat a model added cannot be read: `report verify` says more\n", out);
		return 0;
	}
	fputs(m->current ? "\n" : "\nOf this report as it was before it was made again:\n", out);
	err = verdict_text((struct wire_span){ m->verdict.data, m->verdict.len }, &text);
	if (!err)
		print_lines(out, text.data);
	buf_free(&text);
	return err;
}
