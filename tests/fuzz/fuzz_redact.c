/* SPDX-License-Identifier: MIT */
/*
 * Arbitrary bytes as arguments, and as a pattern. The first byte: 1 cut, 2 as an exec record, 4 the
 * bytes up to the first newline are a pattern for the rest. What comes out has as many arguments,
 * the record passes wire_check, and what was done is not done again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redact/redact.h"
#include "redact/regex.h"
#include "wire/build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct redact *redact(void)
{
	static struct redact *r;
	static const unsigned char key[REDACT_KEY_BYTES] = { 1 };
	const struct redact_config cfg = { .key = key };
	char err[100];

	if (!r && redact_new(&r, &cfg, err, sizeof(err)))
		abort();
	return r;
}

static size_t nuls(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '\0';
	return n;
}

static void as_block(const char *text, size_t len, bool cut)
{
	struct buf out = { 0 };
	const size_t n = redact_argv(redact(), (struct wire_span){ text, len }, cut, &out);

	if (out.failed)
		abort();
	if (!n && (out.len != len || (len && memcmp(out.data, text, len) != 0)))
		abort();
	if (out.len < EDR_RECORD_MAX / 2 && nuls(out.data, out.len) != nuls(text, len))
		abort();
	buf_free(&out);
}

static void as_record(const char *text, size_t len)
{
	const struct edr_exec_failed fixed = { .argv_bytes = (edr_u32)len };
	const struct edr_hdr *rec, *made;
	struct buf b = { 0 };
	struct wire_build w;

	if (len > EDR_ARGV_MAX)
		len = EDR_ARGV_MAX;
	wire_build_begin(&w, &b, EDR_EXEC_FAILED, &fixed);
	wire_build_str(&w, offsetof(struct edr_exec_failed, filename), text, len / 3);
	wire_build_str(&w, offsetof(struct edr_exec_failed, argv), text, len);
	rec = wire_build_end(&w);
	if (!rec)
		abort();
	made = redact_record(redact(), rec);
	if (wire_check(made, made->len) || (made == rec) != !(made->flags & EDR_F_REDACTED))
		abort();
	buf_free(&b);
}

static void as_pattern(const char *text, size_t len)
{
	const char *newline = memchr(text, '\n', len), *why;
	struct regex_work *w = regex_work_new();
	struct regex_match m;
	struct regex *re;

	if (newline && w) {
		const size_t rest = (size_t)(text + len - newline - 1);

		re = regex_new(text, (size_t)(newline - text), &why);
		if (re && regex_find(re, w, newline + 1, rest, 0, &m) &&
		    (m.from > m.to || m.to > m.end || m.end > rest || m.seen > rest))
			abort();
		regex_free(re);
	}
	regex_work_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size - 1 ? size - 1 : 1); /* of just its size: its end is watched */
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	if (*data & 4)
		as_pattern(text, size - 1);
	else if (*data & 2)
		as_record(text, size - 1);
	else
		as_block(text, size - 1 < EDR_RECORD_MAX ? size - 1 : EDR_RECORD_MAX, *data & 1);
	free(text);
	return 0;
}
