/* SPDX-License-Identifier: MIT */
/* A record from a capture file that an attacker wrote; its seeds are the golden vectors. */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
	if (!truth)
		abort();
}

/* Text of any bytes: valid for a parser, harmless on a terminal, and the bytes come back. */
static void fuzz_text(const char *s, size_t len)
{
	struct buf utf8 = { 0 }, json = { 0 }, term = { 0 }, back = { 0 };
	json_object *parsed;
	size_t i;

	require(text_utf8(&utf8, s, len) == text_json(&json, s, len));
	require(text_unmap(&back, utf8.data, utf8.len));
	require(back.len == len && (len == 0 || memcmp(back.data, s, len) == 0));

	parsed = json_tokener_parse(json.data);
	require(json_object_is_type(parsed, json_type_string));
	require((size_t)json_object_get_string_len(parsed) == utf8.len);
	require(utf8.len == 0 || memcmp(json_object_get_string(parsed), utf8.data, utf8.len) == 0);
	json_object_put(parsed);

	text_term(&term, s, len);
	for (i = 0; i < term.len; i++)
		require((unsigned char)term.data[i] >= 0x20 && term.data[i] != 0x7f);

	buf_clear(&back);
	if (text_unmap(&back, s, len))
		require(back.len <= len);
	buf_free(&utf8);
	buf_free(&json);
	buf_free(&term);
	buf_free(&back);
}

static void fuzz_json(const struct edr_hdr *rec, const struct wire_process *proc)
{
	struct buf out = { 0 };
	json_object *parsed;

	wire_json(&out, rec, 1740787200000000000LL, proc);
	parsed = json_tokener_parse(out.data);
	require(json_object_is_type(parsed, json_type_object));
	json_object_put(parsed);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Aligned, and no byte longer than it is. */
	void *copy = malloc(size ? size : 1);
	const struct wire_span all = { copy, size };
	const struct wire_process proc = {
		.ppid = 1, .command = wire_basename(all), .exe = all, .container = all
	};

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	fuzz_text(copy, size);
	if (wire_check(copy, size) == 0) {
		fuzz_json(copy, NULL);
		fuzz_json(copy, &proc);
	}
	free(copy);
	return 0;
}
