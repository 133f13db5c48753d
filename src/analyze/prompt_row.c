/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "analyze/prompt_private.h"
#include "report/json.h"
#include "report/read.h"
#include "util/text.h"

#define OURS 80 /* bytes of a string that the program itself wrote */

const struct prompt_shape prompt_shapes[PROMPT_SHAPES] = {
	{ PROMPT_STRING_BYTES, 5, 3 }, { 200, 5, 3 }, { 100, 3, 2 }, { 50, 2, 1 }, { 24, 1, 1 },
};

/* ---- strings ---- */

/* Not in the middle of a character; bytes that are no UTF-8 are cut anywhere. */
static size_t cut_at(const char *s, size_t max)
{
	size_t at = max;

	while (at > max - 4 && ((unsigned char)s[at] & 0xc0) == 0x80)
		at--;
	return ((unsigned char)s[at] & 0xc0) == 0x80 ? max : at;
}

/* What text_utf8() makes of a byte: as it would mark its own mark again, it is written in ASCII. */
static bool is_mapped(const char *p, const char *end)
{
	return end - p >= 4 && memcmp(p, "\xf4\x8f", 2) == 0 && (unsigned char)p[2] >= 0xbc;
}

static void add_harmless(struct buf *out, const char *p, const char *end)
{
	while (p < end) {
		if (is_mapped(p, end)) {
			buf_addf(out, "\\udbff\\udf%02x",
				 (((unsigned)p[2] & 3) << 6) | ((unsigned)p[3] & 0x3f));
			p += 4;
			continue;
		}
		if (strchr("<>[]|`", *p))
			buf_addf(out, "\\u%04x", (unsigned)*p);
		else
			buf_addc(out, *p);
		p++;
	}
}

static unsigned hex4(const char *p)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n = n << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
	return n;
}

/* What is written of one character, or byte, of the source; *from: how long that was. */
static size_t written(const char *p, size_t *from)
{
	const unsigned char c = (unsigned char)*p;
	unsigned unit;

	if (c != '\\' || p[1] != 'u') {
		*from = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		if (c != '\\')
			return *from;
		return 2;
	}
	unit = hex4(p + 2);
	if (unit < 0xd800 || unit > 0xdbff) {
		*from = unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
		return 6;
	}
	/* What stands for a byte, or a character beyond the 65,536 first. */
	*from = unit == 0xdbff && hex4(p + 8) >= 0xdf00 ? 1 : 4;
	return 12;
}

/* No more is written than is read, so that a part is enough. */
void prompt_string(struct buf *out, const char *s, size_t len, size_t most)
{
	const size_t part = len > most ? cut_at(s, most) : len;
	struct buf json = { 0 }, text = { 0 };
	size_t at = 1, kept = 0, from;

	text_json(&json, s, part);
	if (!json.failed)
		add_harmless(&text, json.data, json.data + json.len);
	if (json.failed || text.failed || !text.data) {
		out->failed = true;
	} else {
		while (text.data[at] != '"') {
			const size_t n = written(text.data + at, &from);

			if (at + n > most + 1)
				break;
			at += n;
			kept += from;
		}
		buf_add(out, text.data, at);
		if (kept < len)
			buf_addf(out, "... (+%zu bytes)", len - kept);
		buf_addc(out, '"');
	}
	buf_free(&json);
	buf_free(&text);
}

static bool decoded(struct buf *out, struct wire_span v, size_t most,
		    bool (*decode)(struct wire_span, struct buf *))
{
	struct buf bytes = { 0 };
	const bool good = decode(v, &bytes);

	if (good)
		prompt_string(out, bytes.len ? bytes.data : "", bytes.len, most);
	out->failed |= bytes.failed;
	buf_free(&bytes);
	return good;
}

bool prompt_value(struct buf *out, struct wire_span value, size_t most)
{
	return decoded(out, value, most, jr_string);
}

bool prompt_key(struct buf *out, struct wire_span key, size_t most)
{
	return decoded(out, key, most, jr_key);
}

/* ---- members ---- */

static size_t string_of(const struct prompt_row *row)
{
	return prompt_shapes[row->shape].string;
}

static bool put_string(struct buf *out, const char *as, struct wire_span row, const char *name,
		       size_t most)
{
	struct wire_span v;

	if (!jr_member(row, name, &v) || v.data[0] != '"')
		return false;
	buf_addf(out, ",\"%s\":", as);
	return prompt_value(out, v, most);
}

static bool put_number(struct buf *out, const char *as, struct wire_span row, const char *name)
{
	struct wire_span v;
	edr_u64 n;

	if (!jr_member(row, name, &v) || !jr_u64(v, &n))
		return false;
	buf_addf(out, ",\"%s\":%llu", as, n);
	return true;
}

static bool put_time(struct buf *out, const char *as, struct wire_span row, const char *name)
{
	char text[RJ_TIME_SIZE];
	struct wire_span v;
	edr_s64 ns;

	if (!jr_member(row, name, &v) || !jr_time(v, &ns))
		return false;
	rj_time(text, ns, false);
	buf_addf(out, ",\"%s\":\"%s\"", as, text);
	return true;
}

/* The first of an object's counts; nothing when there are none. */
static bool put_counts(struct buf *out, const char *as, const struct prompt_row *row,
		       const char *name)
{
	const int most = prompt_shapes[row->shape].small;
	struct wire_span v, key;
	struct jr_iter it;
	edr_u64 n;
	int i, more = 0;

	if (!jr_member(row->value, name, &v) || !jr_begin(&it, v, '{'))
		return false;
	for (i = 0; i < most && (more = jr_next(&it, &key, &v)) > 0; i++) {
		if (i)
			buf_addc(out, ',');
		else
			buf_addf(out, ",\"%s\":{", as);
		if (!jr_u64(v, &n) || !prompt_key(out, key, string_of(row)))
			return false;
		buf_addf(out, ":%llu", n);
	}
	if (i)
		buf_addc(out, '}');
	return more >= 0;
}

/* Strings of an array, or of a member of each of its rows. */
static bool put_list(struct buf *out, const char *as, const struct prompt_row *row,
		     const char *name, const char *member, int max)
{
	struct wire_span v, key;
	struct jr_iter it;
	int i, more = 0;

	if (!jr_member(row->value, name, &v))
		return true; /* it is there if any */
	if (!jr_begin(&it, v, '['))
		return false;
	for (i = 0; i < max && (more = jr_next(&it, &key, &v)) > 0; i++) {
		if (i)
			buf_addc(out, ',');
		else
			buf_addf(out, ",\"%s\":[", as);
		if ((member && !jr_member(v, member, &v)) ||
		    !prompt_value(out, v, member ? string_of(row) : OURS))
			return false;
	}
	if (i)
		buf_addc(out, ']');
	return more >= 0;
}

/* ---- rows ---- */

static bool finding_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	const bool good = put_string(out, "signal", row->value, "id", OURS) &&
			  put_string(out, "title", row->value, "title", OURS) &&
			  put_string(out, "technique", row->value, "technique", OURS) &&
			  put_number(out, "severity", row->value, "severity") &&
			  put_time(out, "time", row->value, "time");

	if (level == LEVEL_CELL)
		return good && put_string(out, "details", row->value, "details", string_of(row));
	buf_addf(out, ",\"n\":%llu", row->like_it);
	return good;
}

static bool child_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	(void)level;
	put_number(out, "severity", row->value, "severity"); /* null: not known */
	return put_string(out, "id", row->value, "report_id", OURS) &&
	       put_number(out, "execs", row->value, "execs") &&
	       put_number(out, "lost", row->value, "lost");
}

static bool blind_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	(void)level;
	return put_time(out, "from", row->value, "from") && put_time(out, "to", row->value, "to") &&
	       put_string(out, "reason", row->value, "reason", OURS);
}

static bool executable_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	bool good = put_string(out, "path", row->value, "path", string_of(row)) &&
		    put_number(out, "runs", row->value, "runs") &&
		    put_list(out, "marks", row, "baseline", NULL, 8);

	if (level != LEVEL_CELL)
		return good;
	good = good && put_number(out, "failed", row->value, "failed_runs");
	good = good && put_counts(out, "users", row, "users") &&
	       put_counts(out, "parents", row, "parents");
	return good && put_list(out, "lines", row, "command_lines", "command_line",
				prompt_shapes[row->shape].lines);
}

static bool put_target(struct buf *out, const struct prompt_row *row)
{
	struct buf to = { 0 };
	struct wire_span v;
	edr_u64 port = 0;
	bool good = jr_member(row->value, "address", &v) && jr_string(v, &to);

	good = good && jr_member(row->value, "port", &v) && jr_u64(v, &port);
	if (port)
		buf_addf(&to, ":%llu", port);
	buf_adds(out, ",\"to\":");
	prompt_string(out, to.len ? to.data : "", to.len, string_of(row));
	out->failed |= to.failed;
	buf_free(&to);
	return good;
}

static bool connection_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	(void)level;
	put_string(out, "proto", row->value, "protocol", OURS); /* a number has no name to tell */
	return put_string(out, "exe", row->value, "executable", string_of(row)) &&
	       put_target(out, row) && put_number(out, "n", row->value, "connects") &&
	       put_list(out, "marks", row, "baseline", NULL, 8);
}

/* What the numbers of a trend are of. */
static const char *const parts[N_LEVELS] = {
	[LEVEL_CELL] = "parts",	 [LEVEL_BLOCK] = "hours",   [LEVEL_DAILY] = "blocks",
	[LEVEL_WEEKLY] = "days", [LEVEL_MONTHLY] = "weeks",
};

static bool trend_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	struct wire_span key, v;
	struct jr_iter it;
	int i, more = 0;
	edr_u64 n;

	buf_adds(out, ",\"command\":");
	if (!prompt_key(out, row->key, string_of(row)) || !jr_begin(&it, row->value, '['))
		return false;
	buf_addf(out, ",\"%s\":[", parts[level]);
	for (i = 0; i < 7 && (more = jr_next(&it, &key, &v)) > 0; i++) {
		if (!jr_u64(v, &n))
			return false;
		buf_addf(out, i ? ",%llu" : "%llu", n);
	}
	buf_addc(out, ']');
	return more >= 0;
}

static const struct {
	char letter;
	bool (*text)(const struct prompt_row *row, enum report_level level, struct buf *out);
} kinds[PROMPT_KINDS] = {
	[PROMPT_FINDING] = { 'f', finding_text },
	[PROMPT_CHILD] = { 'r', child_text },
	[PROMPT_BLIND] = { 'b', blind_text },
	[PROMPT_EXECUTABLE] = { 'x', executable_text },
	[PROMPT_CONNECTION] = { 'c', connection_text },
	[PROMPT_TREND] = { '\0', trend_text },
};

bool prompt_row_id(const struct prompt_row *row, char out[16])
{
	const char letter = kinds[row->kind].letter;

	snprintf(out, 16, "%c%u", letter ? letter : '-', row->number);
	return letter;
}

int prompt_row_text(const struct prompt_row *row, enum report_level level, struct buf *out)
{
	struct buf members = { 0 };
	char id[16];
	bool good = kinds[row->kind].text(row, level, &members), has_id = prompt_row_id(row, id);

	buf_addc(out, '{');
	if (has_id)
		buf_addf(out, "\"e\":\"%s\"", id);
	/* Each begins with a comma. */
	if (members.len)
		buf_add(out, members.data + !has_id, members.len - !has_id);
	buf_addc(out, '}');
	out->failed |= members.failed;
	buf_free(&members);
	return out->failed ? -ENOMEM : good ? 0 : -EBADMSG;
}
