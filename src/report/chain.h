/* SPDX-License-Identifier: MIT */
/*
 * The chain that reports form, level by level, in the order in which they were written. The last
 * member of each is
 *
 *	"chain": { "number": N, "previous_id": "...", "previous_sha256": "...", "sha256": "..." }
 *
 * and, where there is a key, "hmac_sha256" behind that. sha256 is taken over the whole text of the
 * report, its newline included, with the 64 digits of sha256 and of hmac_sha256 each replaced by 64
 * zeros; hmac_sha256 is HMAC-SHA-256 (RFC 2104) of the same bytes. previous_sha256 is the sha256 of
 * the report before. N counts from 1; the first report of a level has null for both of the others.
 *
 * Nothing here reads or writes files but chain_key_load(). Which report comes next is heads.h's.
 */
#ifndef EDR_REPORT_CHAIN_H
#define EDR_REPORT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "report/level.h"
#include "util/buf.h"
#include "wire/wire.h"

#define CHAIN_HEX 65	 /* 64 digits and a NUL */
#define CHAIN_ID_MAX 208 /* a report's id, with its NUL */
#define CHAIN_KEY_MIN 16
#define CHAIN_KEY_MAX 4096

struct chain_key {
	size_t len; /* 0: none */
	unsigned char bytes[CHAIN_KEY_MAX];
};

/* The place of a report in its level's chain. */
struct chain_link {
	unsigned long long number;	 /* 0: none */
	char previous_id[CHAIN_ID_MAX];	 /* "": none */
	char previous_sha256[CHAIN_HEX]; /* "": none */
	char sha256[CHAIN_HEX];
	char hmac_sha256[CHAIN_HEX]; /* "": none */
};

/*
 * Puts the member in, at the end of a report's text as rj_print() makes it, and fills in what of
 * link is to come: sha256, hmac_sha256. key may be NULL. 0; -EINVAL when the text is no report or
 * has the member already; -ENOMEM.
 */
int chain_seal(struct buf *text, struct chain_link *link, const struct chain_key *key);

/*
 * The same without touching the text, which may lie in pieces: *member is what takes the place of
 * the last CHAIN_END_LEN bytes of the last one. There must not be a member yet.
 */
#define CHAIN_END_LEN 3
int chain_member(const struct wire_span *piece, size_t n, struct chain_link *link,
		 const struct chain_key *key, struct buf *member);

/* Takes it out again: the text is as it was before chain_seal(). False when there is none. */
bool chain_unseal(struct buf *text);

/* Reads the member from a text. False when there is none that chain_seal() could have written. */
bool chain_read(const char *text, size_t len, struct chain_link *out);

/* What the text's digests must be: into sha256 and, with a key, hmac. 0, -EINVAL, -ENOMEM. */
int chain_digest(const char *text, size_t len, const struct chain_key *key, char sha256[CHAIN_HEX],
		 char hmac[CHAIN_HEX]);

/* Of bytes as they are. */
void chain_sha256(const void *data, size_t len, char out[CHAIN_HEX]);

/* In a time that does not tell where they differ. */
bool chain_same(const char a[CHAIN_HEX], const char b[CHAIN_HEX]);

/*
 * A line break at the file's end is no part of the key. 0; -errno with one sentence in err: no such
 * file, a link, not of root or of us, open to others, too short or too long.
 */
int chain_key_load(struct chain_key *key, const char *path, char *err, size_t err_size);
void chain_key_wipe(struct chain_key *key);
/*
 * A key of its own for what is sealed in the same way and is no report: what was signed as the one
 * is never good as the other. No key gives none; key may be NULL.
 */
void chain_key_derive(struct chain_key *out, const struct chain_key *key, const char *what);

#endif
