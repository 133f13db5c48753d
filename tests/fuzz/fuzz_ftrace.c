/* SPDX-License-Identifier: MIT */
/*
 * Raw pages of ftrace, and raw events with strings that an attacker wrote. Whatever they are, what comes out are records
 * that wire_check takes, and the bounds hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/ftrace_made.h"
#include "source/ftrace_pages.h"
#include "source/ftrace_record.h"

#define TASKS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ft_formats *formats;
static const struct source_config cfg;

static void require(int truth)
{
	if (!truth)
		abort();
}

static void check_out(struct ft_translate *t)
{
	size_t at = 0;

	while (at < t->out.len) {
		const struct edr_hdr *rec = (const void *)(t->out.data + at);

		require(wire_check(rec, t->out.len - at) == 0);
		at += rec->len;
	}
	require(t->tasks.n <= TASKS + 8);
	buf_clear(&t->out);
}

/* The input as a page. */
static void fuzz_page(struct ft_translate *t, const uint8_t *data, size_t size)
{
	struct ft_event e = { .cpu = 1 };
	const void *raw;
	struct ft_cpu c;
	size_t len;

	require(ft_cpu_init(&c, 1, 4096) == 0);
	ft_cpu_load(&c, data, size);
	while (c.loaded && ft_cpu_next(&c, &raw, &len, &e.time_ns) == 1) {
		if (ft_event_parse(formats, raw, len, &e))
			ft_translate(t, &e, NULL);
		check_out(t);
	}
	ft_cpu_close(&c);
}

/* The input as events: which, who, how long, its bytes behind the common ones. */
static void fuzz_events(struct ft_translate *t, const uint8_t *data, size_t size)
{
	struct ft_event e = { .time_ns = 1000000007 };

	while (size > 4) {
		const size_t want = (size_t)data[2] | (size_t)(data[3] & 3) << 8;
		const size_t len = want < size - 4 ? want : size - 4;
		edr_u16 type = (edr_u16)(MADE_EXEC + data[0] % (MADE_END - MADE_EXEC));
		edr_s32 tid = data[1] % 16;
		unsigned char *raw = calloc(1, len + 8);

		require(raw != NULL);
		memcpy(raw, &type, 2);
		memcpy(raw + 4, &tid, 4);
		memcpy(raw + 8, data + 4, len);
		require(ft_event_parse(formats, raw, len + 8, &e));
		ft_translate(t, &e, NULL);
		check_out(t);
		free(raw);
		data += len + 4;
		size -= len + 4;
		e.time_ns += 1000;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ft_translate t; /* too large for a stack */

	if (!formats) {
		formats = ft_formats_new();
		require(formats && made_formats(formats) == 0);
	}
	ft_translate_init(&t, &cfg, -1, 7, TASKS);
	t.has_newtask = t.has_rename = true;
	if (size && data[0] & 1)
		fuzz_page(&t, data + 1, size - 1);
	else if (size)
		fuzz_events(&t, data + 1, size - 1);
	ft_translate_free(&t);
	return 0;
}
