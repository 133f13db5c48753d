/* SPDX-License-Identifier: MIT */
/* Is a file a report, and harmless where it is printed as it is? Another may have put anything there. */
#include "cli/report_cmd.h"
#include "report/read.h"

#define MAX_DEPTH 17 /* jr_document() takes no value that is deeper */

/* Reports have none of these: text_json() escapes them. A terminal would obey them. */
static bool has_controls(const struct buf *json)
{
	const unsigned char *s = (const unsigned char *)json->data;

	for (size_t i = 0; i < json->len; i++)
		if ((s[i] < 0x20 && s[i] != '\n') || s[i] == 0x7f ||
		    (s[i] == 0xc2 && i + 1 < json->len && s[i + 1] < 0xa0))
			return true;
	return false;
}

/* -12.5e+3 */
static bool is_number(struct wire_span v)
{
	const char *p = v.data, *end = p + v.len;
	const char *from;

	p += *p == '-';
	for (from = p; p < end && *p >= '0' && *p <= '9'; p++)
		;
	if (p == from || (*from == '0' && p - from > 1))
		return false;
	if (p < end && *p == '.') {
		for (from = ++p; p < end && *p >= '0' && *p <= '9'; p++)
			;
		if (p == from)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '-' || *p == '+');
		for (from = p; p < end && *p >= '0' && *p <= '9'; p++)
			;
		if (p == from)
			return false;
	}
	return p == end;
}

static bool is_scalar(struct wire_span v, struct buf *scratch)
{
	buf_clear(scratch);
	if (v.data[0] == '"')
		return jr_string(v, scratch);
	return jr_is(v, "null") || jr_is(v, "true") || jr_is(v, "false") || is_number(v);
}

static bool is_json(struct wire_span doc, struct buf *scratch)
{
	struct jr_iter at[MAX_DEPTH];
	struct wire_span key, value;
	size_t depth = 1;
	int n;

	if (!jr_begin(&at[0], doc, '{'))
		return false;
	while (depth) {
		n = jr_next(&at[depth - 1], &key, &value);
		if (n < 0)
			return false;
		buf_clear(scratch);
		if (n == 0) {
			depth--;
		} else if (!jr_key(key, scratch)) {
			return false;
		} else if (value.data[0] == '{' || value.data[0] == '[') {
			if (depth == MAX_DEPTH || !jr_begin(&at[depth++], value, value.data[0]))
				return false;
		} else if (!is_scalar(value, scratch)) {
			return false;
		}
	}
	return true;
}

bool report_sound(const struct buf *json)
{
	struct wire_span doc, v;
	struct buf scratch = { 0 };
	edr_u64 version;
	bool good;

	good = !has_controls(json) && jr_document(json->data, json->len, &doc) &&
	       is_json(doc, &scratch) && jr_member(doc, "schema_version", &v) &&
	       jr_u64(v, &version) && jr_member(doc, "level", &v) &&
	       jr_member(doc, "report_id", &v);
	buf_free(&scratch);
	return good;
}
