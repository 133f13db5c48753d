/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <nettle/sha2.h>
#include <nettle/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact/private.h"
#include "util/text.h"

_Static_assert(EDR_RECORD_MAX <= 0xffff, "a place in a block is 16 bits");
/* Its buffers grow by doubling, to what a record can hold at most. */
_Static_assert(sizeof(struct redact) + (size_t)3 * 65536 <= REDACT_MOST_BYTES, "REDACT_MOST_BYTES");

#define TAG_MAX 32 /* %secret:pattern:0123456789ab% */

static const char *const kinds[REDACT_KINDS] = { "key",	   "token", "url",     "header",
						 "option", "habit", "pattern", "random" };

const char *redact_kind_name(enum redact_kind kind)
{
	return kind < REDACT_KINDS ? kinds[kind] : NULL;
}

int redact_new(struct redact **out, const struct redact_config *cfg, char *err, size_t err_size)
{
	struct redact *r = calloc(1, sizeof(*r));
	int status = 0;

	*out = NULL;
	if (!r) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	r->off = cfg->off;
	seen_init(&r->clean);
	token_tables(r);
	tool_filter(r);
	r->keyed = cfg->key != NULL;
	if (r->keyed)
		hmac_sha256_set_key(&r->hmac, REDACT_KEY_BYTES, cfg->key);
	if (!r->off && cfg->patterns_file && *cfg->patterns_file)
		status = patterns_load(&r->patterns, cfg->patterns_file, err, err_size);
	if (status) {
		redact_free(r);
		return status;
	}
	*out = r;
	return 0;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	patterns_free(r->patterns);
	buf_free(&r->argv);
	buf_free(&r->name);
	buf_free(&r->record);
	explicit_bzero(&r->hmac, sizeof(r->hmac));
	free(r);
}

void redact_stats(const struct redact *r, struct redact_stats *out)
{
	*out = r->stats;
}

/* ---- marks ---- */

static size_t place(const struct word *w, size_t i)
{
	return w->map ? w->map[i] : w->at + i;
}

/* A tag that stands there already, which somebody looks for in the reports, is no secret. */
static bool in_tag(const struct word *w, size_t i)
{
	const size_t first = i > TAG_MAX ? i - TAG_MAX : 0;

	for (size_t at = first; at <= i && at + 8 <= w->len; at++) {
		const size_t rest = w->len - at - 8;
		const char *end;

		if (memcmp(w->data + at, "%secret:", 8) != 0)
			continue;
		end = memchr(w->data + at + 8, '%', rest < TAG_MAX ? rest : TAG_MAX);
		if (end && end >= w->data + i)
			return true;
	}
	return false;
}

void scan_mark(struct scan *s, const struct word *w, size_t from, size_t to, enum redact_kind kind)
{
	unsigned char *mark = s->r->mark, first;
	size_t begin, end;

	if (from >= to || in_tag(w, from))
		return;
	begin = place(w, from);
	end = place(w, to - 1) + 1;
	if (!s->marked)
		memset(mark, 0, s->block.len);
	s->marked++;
	first = mark[begin] ? mark[begin] : (unsigned char)(BEGINS | (kind + 1u));
	memset(mark + begin, (int)(kind + 1u), end - begin);
	mark[begin] = first;
}

/* What no record can hold is counted only: it will be cut. */
static void put(struct redact *r, struct buf *out, const char *data, size_t len)
{
	r->put_bytes += len;
	if (r->put_bytes <= EDR_RECORD_MAX)
		buf_add(out, data, len);
}

static void put_tag(struct redact *r, unsigned kind, const char *secret, size_t len,
		    struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx hmac = r->hmac;
	char hex[1 + REDACT_TAG_HEX] = ":";

	r->stats.secrets[kind]++;
	put(r, out, "%secret:", 8);
	put(r, out, kinds[kind], strlen(kinds[kind]));
	if (r->keyed) {
		hmac_sha256_update(&hmac, len, (const unsigned char *)secret);
#if NETTLE_VERSION_MAJOR >= 4
		hmac_sha256_digest(&hmac, digest);
#else
		hmac_sha256_digest(&hmac, sizeof(digest), digest);
#endif
		text_hex(hex + 1, digest, REDACT_TAG_HEX / 2);
		put(r, out, hex, sizeof(hex));
		explicit_bzero(&hmac, sizeof(hmac));
	}
	put(r, out, "%", 1);
}

size_t redact_put(struct scan *s, struct buf *out)
{
	const unsigned char *mark = s->r->mark;
	const char *text = s->block.data;
	size_t at = 0, n = 0;

	s->r->put_bytes = 0;
	while (at < s->block.len) {
		size_t to = at + 1;

		while (to < s->block.len && !(mark[to] & BEGINS) && !mark[to] == !mark[at])
			to++;
		if (mark[at]) {
			put_tag(s->r, (mark[at] & ~BEGINS) - 1u, text + at, to - at, out);
			n++;
		} else {
			put(s->r, out, text + at, to - at);
		}
		at = to;
	}
	return n;
}

size_t redact_changed(struct redact *r, struct wire_span argv, bool cut, struct by_file by_file,
		      struct buf *out)
{
	struct scan s = { .r = r, .block = argv, .by_file = by_file };
	uint64_t hash;

	/* No record holds more: what does is not a block of arguments of ours. */
	if (s.block.len > EDR_RECORD_MAX)
		s.block.len = EDR_RECORD_MAX;
	s.cut = cut || (s.block.len && s.block.data[s.block.len - 1] != '\0');
	if (r->off)
		return 0;
	hash = seen_hash(&r->clean, argv.data, s.block.len,
			 s.cut | tool_number(by_file.exe) << 1 |
				 tool_number(by_file.filename) << 16);
	if (seen_has(&r->clean, hash))
		return 0;
	scan_block(&s);
	if (s.marked)
		return redact_put(&s, out);
	seen_add(&r->clean, hash);
	return 0;
}

size_t redact_argv(struct redact *r, struct wire_span argv, bool cut, struct buf *out)
{
	const size_t n = redact_changed(r, argv, cut, (struct by_file){ 0 }, out);

	if (!n)
		buf_add(out, argv.data, argv.len);
	return n;
}
