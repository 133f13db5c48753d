/* SPDX-License-Identifier: MIT */
/* The baseline's file. It stays on its host: numbers are as this machine has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>
#include <nettle/version.h>

#include "detect/baseline_private.h"

#define MAGIC "EDRBASE" /* with its NUL eight bytes */
#define VERSION 1
#define ORDER 0x01020304u /* of a machine of another byte order it is none */

struct file_head {
	char magic[8];
	edr_u32 version, order;
	edr_u64 key[2];
	edr_u64 entries;
	struct counters counters;
};
_Static_assert(sizeof(struct file_head) + SHA256_DIGEST_SIZE <= BASELINE_HEAD_BYTES,
	       "as the header says");

/* Nettle 4 always gives the whole digest and takes no length. */
#if NETTLE_VERSION_MAJOR >= 4
#define DIGEST(ctx, to) sha256_digest(ctx, to)
#else
#define DIGEST(ctx, to) sha256_digest(ctx, SHA256_DIGEST_SIZE, to)
#endif

static void digest_of(const void *data, size_t len, uint8_t out[SHA256_DIGEST_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	DIGEST(&ctx, out);
}

int baseline_save(const struct baseline *b, struct buf *out)
{
	const size_t at = out->len;
	struct file_head head = { .magic = MAGIC, .version = VERSION, .order = ORDER };
	uint8_t digest[SHA256_DIGEST_SIZE];

	head.key[0] = b->cfg.key[0];
	head.key[1] = b->cfg.key[1];
	head.entries = b->entries;
	head.counters = b->counters;
	if (!buf_reserve(out, sizeof(head) + b->entries * sizeof(b->entry[0]) + sizeof(digest)))
		return -ENOMEM;
	buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < b->n_buckets * BUCKET; i++)
		if (b->entry[i].days)
			buf_add(out, &b->entry[i], sizeof(b->entry[i]));
	digest_of(out->data + at, out->len - at, digest);
	buf_add(out, digest, sizeof(digest));
	return buf_failed(out) ? -ENOMEM : 0;
}

/* Entries are copied out: the text may lie anywhere. */
static struct entry entry_at(const char *data, size_t i)
{
	struct entry e;

	memcpy(&e, data + sizeof(struct file_head) + i * sizeof(e), sizeof(e));
	return e;
}

static bool is_ours(const char *data, size_t len, struct file_head *head)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	size_t rest;

	if (len < sizeof(*head) + sizeof(digest))
		return false;
	memcpy(head, data, sizeof(*head));
	rest = len - sizeof(*head) - sizeof(digest);
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0 || head->version != VERSION ||
	    head->order != ORDER || rest % BASELINE_ENTRY_BYTES ||
	    head->entries != rest / BASELINE_ENTRY_BYTES)
		return false;
	digest_of(data, len - sizeof(digest), digest);
	if (memcmp(data + len - sizeof(digest), digest, sizeof(digest)) != 0)
		return false;
	for (size_t i = 0; i < head->entries; i++)
		if (!entry_at(data, i).days)
			return false;
	return true;
}

int baseline_load(struct baseline *b, const void *data, size_t len)
{
	struct file_head head;

	if (!is_ours(data, len, &head))
		return -EBADMSG;
	memset(b->entry, 0, b->n_buckets * BUCKET * sizeof(b->entry[0]));
	b->entries = 0;
	b->cfg.key[0] = head.key[0];
	b->cfg.key[1] = head.key[1];
	b->counters = head.counters;
	for (size_t i = 0; i < head.entries; i++) {
		const struct entry e = entry_at(data, i);
		struct entry *to = baseline_find(b, e.hash);

		if (!to)
			to = baseline_place(b, e.hash);
		if (!to->days)
			b->entries++;
		/* In a smaller table only the strong ones stay. */
		if (to->days < e.days || (to->days == e.days && to->last_s < e.last_s))
			*to = e;
	}
	return 0;
}
