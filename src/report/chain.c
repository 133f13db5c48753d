/* SPDX-License-Identifier: MIT */
#include "report/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <nettle/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/text.h"
#include "util/trust.h"

#define DIGITS (CHAIN_HEX - 1)
#define MEMBER ",\n  \"chain\": { \"number\": "
#define END "\n}\n"
#define MEMBER_MAX 768 /* the longest that can be written */

/* sha256 or hmac_sha256. Nettle 4 always gives the whole digest and takes no length. */
#if NETTLE_VERSION_MAJOR >= 4
#define DIGEST(hash, ctx, out) hash##_digest(ctx, out)
#else
#define DIGEST(hash, ctx, out) hash##_digest(ctx, SHA256_DIGEST_SIZE, out)
#endif

static const char zeros[CHAIN_HEX] =
	"0000000000000000000000000000000000000000000000000000000000000000";

void chain_sha256(const void *data, size_t len, char out[CHAIN_HEX])
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	DIGEST(sha256, &ctx, digest);
	*text_hex(out, digest, sizeof(digest)) = '\0';
	/* data may be a key, whose end stays in ctx, and the digest another that is made of it. */
	explicit_bzero(&ctx, sizeof(ctx));
	explicit_bzero(digest, sizeof(digest));
}

bool chain_same(const char a[CHAIN_HEX], const char b[CHAIN_HEX])
{
	return a[0] && b[0] && memeql_sec(a, b, CHAIN_HEX);
}

static bool is_hex(const char *s)
{
	return strspn(s, "0123456789abcdef") == DIGITS && s[DIGITS] == '\0';
}

/* ---- the member as text ---- */

static void add_member(struct buf *out, const struct chain_link *l)
{
	buf_addf(out, MEMBER "%llu, ", l->number);
	if (l->previous_id[0])
		buf_addf(out, "\"previous_id\": \"%s\", \"previous_sha256\": \"%s\"",
			 l->previous_id, l->previous_sha256);
	else
		buf_adds(out, "\"previous_id\": null, \"previous_sha256\": null");
	buf_addf(out, ", \"sha256\": \"%s\"", l->sha256);
	if (l->hmac_sha256[0])
		buf_addf(out, ", \"hmac_sha256\": \"%s\"", l->hmac_sha256);
	buf_adds(out, " }" END);
}

/* The beginning of the member, which is at the text's end; NULL when there is none. */
static const char *find_member(const char *text, size_t len)
{
	const size_t window = len < MEMBER_MAX ? len : MEMBER_MAX;
	const char *from = text + len - window, *found = NULL, *at;
	size_t left = window;

	while ((at = memmem(from, left, MEMBER, strlen(MEMBER)))) {
		found = at;
		left -= (size_t)(at + 1 - from);
		from = at + 1;
	}
	return found;
}

/* `"name": "value"` or `"name": null` into out, which is as large as max. Gives what follows. */
static const char *take_string(const char *at, const char *name, char *out, size_t max)
{
	const size_t len = strlen(name);
	const char *end;

	if (strncmp(at, name, len) != 0)
		return NULL;
	at += len;
	out[0] = '\0';
	if (strncmp(at, "null", 4) == 0)
		return at + 4;
	end = *at == '"' ? strchr(at + 1, '"') : NULL;
	if (!end || (size_t)(end - at) > max)
		return NULL;
	memcpy(out, at + 1, (size_t)(end - at - 1));
	out[end - at - 1] = '\0';
	return end + 1;
}

static bool parse_member(const char *text, struct chain_link *l)
{
	const char *at = text + strlen(MEMBER);
	char *end;

	l->number = strtoull(at, &end, 10);
	at = take_string(end, ", \"previous_id\": ", l->previous_id, sizeof(l->previous_id));
	if (at)
		at = take_string(at, ", \"previous_sha256\": ", l->previous_sha256,
				 sizeof(l->previous_sha256));
	if (at)
		at = take_string(at, ", \"sha256\": ", l->sha256, sizeof(l->sha256));
	if (at && *at == ',')
		at = take_string(at, ", \"hmac_sha256\": ", l->hmac_sha256, sizeof(l->hmac_sha256));
	if (!at || !l->number || !is_hex(l->sha256))
		return false;
	return (!l->previous_id[0] || is_hex(l->previous_sha256)) &&
	       (!l->hmac_sha256[0] || is_hex(l->hmac_sha256));
}

bool chain_read(const char *text, size_t len, struct chain_link *out)
{
	const char *member = find_member(text, len);
	struct buf again = { 0 };
	char copy[MEMBER_MAX + 1];
	size_t n;
	bool same;

	memset(out, 0, sizeof(*out));
	if (!member)
		return false;
	n = (size_t)(text + len - member);
	memcpy(copy, member, n);
	copy[n] = '\0';
	if (!parse_member(copy, out))
		return false;
	/* Only what we would write ourselves: nothing may hide in a looser reading. */
	add_member(&again, out);
	same = !buf_failed(&again) && again.len == n && memcmp(again.data, member, n) == 0;
	buf_free(&again);
	if (!same)
		memset(out, 0, sizeof(*out));
	return same;
}

bool chain_unseal(struct buf *text)
{
	struct chain_link link;

	if (!text->data || !chain_read(text->data, text->len, &link))
		return false;
	text->len = (size_t)(find_member(text->data, text->len) - text->data);
	buf_adds(text, END); /* shorter than what was there: needs no memory */
	return true;
}

/* ---- digests ---- */

/* A report's text without its last `cut` bytes, which are the member's or make place for it. */
struct body {
	const struct wire_span *piece;
	size_t n, cut;
};

/* The text up to the member in n pieces, and as the last the member. */
static struct wire_span piece(const struct body *b, const struct buf *member, size_t i)
{
	if (i == b->n)
		return (struct wire_span){ member->data, member->len };
	return (struct wire_span){ b->piece[i].data,
				   b->piece[i].len - (i + 1 == b->n ? b->cut : 0) };
}

static void digest_of(const struct body *b, const struct buf *member, char out[CHAIN_HEX])
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	for (size_t i = 0; i <= b->n; i++) {
		const struct wire_span p = piece(b, member, i);

		sha256_update(&ctx, p.len, (const unsigned char *)p.data);
	}
	DIGEST(sha256, &ctx, digest);
	*text_hex(out, digest, sizeof(digest)) = '\0';
}

static void hmac_of(const struct chain_key *key, const struct body *b, const struct buf *member,
		    char out[CHAIN_HEX])
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, key->len, key->bytes);
	for (size_t i = 0; i <= b->n; i++) {
		const struct wire_span p = piece(b, member, i);

		hmac_sha256_update(&ctx, p.len, (const unsigned char *)p.data);
	}
	DIGEST(hmac_sha256, &ctx, digest);
	explicit_bzero(&ctx, sizeof(ctx));
	*text_hex(out, digest, sizeof(digest)) = '\0';
}

/* link->sha256 and, with a key, ->hmac_sha256, over the text with both blank. */
static int digest_link(const struct body *b, struct chain_link *link, bool with_hmac,
		       const struct chain_key *key)
{
	struct buf blank = { 0 };
	int err;

	memcpy(link->sha256, zeros, sizeof(zeros));
	link->hmac_sha256[0] = '\0';
	if (with_hmac)
		memcpy(link->hmac_sha256, zeros, sizeof(zeros));
	add_member(&blank, link);
	link->hmac_sha256[0] = '\0';
	err = buf_failed(&blank) ? -ENOMEM : 0;
	if (!err)
		digest_of(b, &blank, link->sha256);
	if (!err && key && key->len)
		hmac_of(key, b, &blank, link->hmac_sha256);
	buf_free(&blank);
	return err;
}

int chain_digest(const char *text, size_t len, const struct chain_key *key, char sha256[CHAIN_HEX],
		 char hmac[CHAIN_HEX])
{
	const struct wire_span whole = { text, len };
	struct body body = { &whole, 1, 0 };
	struct chain_link link;
	int err;

	hmac[0] = sha256[0] = '\0';
	if (!chain_read(text, len, &link))
		return -EINVAL;
	body.cut = (size_t)(text + len - find_member(text, len));
	err = digest_link(&body, &link, link.hmac_sha256[0] != '\0', key);
	if (err)
		return err;
	memcpy(sha256, link.sha256, CHAIN_HEX);
	memcpy(hmac, link.hmac_sha256, CHAIN_HEX);
	return 0;
}

int chain_member(const struct wire_span *piece, size_t n, struct chain_link *link,
		 const struct chain_key *key, struct buf *member)
{
	const struct wire_span *last = &piece[n - 1];
	const struct body body = { piece, n, CHAIN_END_LEN };
	struct chain_link there;
	int err;

	if (last->len <= CHAIN_END_LEN ||
	    memcmp(last->data + last->len - CHAIN_END_LEN, END, CHAIN_END_LEN) != 0 ||
	    chain_read(last->data, last->len, &there))
		return -EINVAL;
	err = digest_link(&body, link, key && key->len, key);
	if (err)
		return err;
	add_member(member, link);
	return buf_failed(member) ? -ENOMEM : 0;
}

int chain_seal(struct buf *text, struct chain_link *link, const struct chain_key *key)
{
	const struct wire_span whole = { text->data, text->len };
	struct buf member = { 0 };
	int err;

	if (!text->data)
		return -EINVAL;
	err = chain_member(&whole, 1, link, key, &member);
	if (!err && !buf_reserve(text, member.len)) {
		text->failed = false;
		err = -ENOMEM;
	}
	if (!err) {
		text->len -= CHAIN_END_LEN;
		buf_add(text, member.data, member.len);
	}
	buf_free(&member);
	return err;
}

/* ---- the key ---- */

static int refuse(char *err, size_t size, const char *path, const char *why, int status)
{
	struct buf shown = { 0 };

	text_term(&shown, path, strlen(path));
	snprintf(err, size, "chain_key_file %s: %s", shown.data ? shown.data : "", why);
	buf_free(&shown);
	return status;
}

/* NULL when it is as a secret should lie. */
static const char *check_key_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? "is no file" : trust_why_not(&st, TRUST_NO_READERS);
}

int chain_key_load(struct chain_key *key, const char *path, char *err, size_t err_size)
{
	unsigned char block[CHAIN_KEY_MAX + 2];
	const char *why;
	ssize_t n;
	int fd;

	memset(key, 0, sizeof(*key));
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return refuse(err, err_size, path, strerror(errno), -errno);
	why = check_key_file(fd);
	n = why ? 0 : read(fd, block, sizeof(block));
	close(fd);
	if (why)
		return refuse(err, err_size, path, why, -EPERM);
	if (n > 0 && block[n - 1] == '\n')
		n--;
	if (n < CHAIN_KEY_MIN || n > CHAIN_KEY_MAX) {
		explicit_bzero(block, sizeof(block));
		return refuse(err, err_size, path, "must hold a key of 16 to 4096 bytes", -EINVAL);
	}
	memcpy(key->bytes, block, (size_t)n);
	key->len = (size_t)n;
	explicit_bzero(block, sizeof(block));
	return 0;
}

void chain_key_wipe(struct chain_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

void chain_key_derive(struct chain_key *out, const struct chain_key *key, const char *what)
{
	char hex[CHAIN_HEX];
	int n;

	memset(out, 0, sizeof(*out));
	if (!key || !key->len)
		return;
	chain_sha256(key->bytes, key->len, hex);
	n = snprintf((char *)out->bytes, sizeof(out->bytes), "%s %s", what, hex);
	out->len = (size_t)n;
	explicit_bzero(hex, sizeof(hex));
}
