/* SPDX-License-Identifier: MIT */
/*
 * Secrets out of arguments. The first room behind the source's records: what comes out of it is all
 * that anything else sees, the process table, the capture of --record, --output, cells, reports,
 * the log and the language model alike. So nothing later has to remember to redact, and a replayed
 * capture is the same bytes again.
 *
 * A secret becomes a tag, %secret:KIND:0123456789ab%, whose digits are the first 48 bits of
 * HMAC-SHA-256 (RFC 2104) of the secret under a key of this host's: equal secrets have equal
 * digits, here and in all reports, and without the key nobody can try passwords against them.
 * Without a key (a replay in a directory that has none) there are no digits: %secret:KIND%.
 *
 * A record in which something was replaced carries EDR_F_REDACTED and is never redacted again.
 * docs/analysis.md has the shapes, and what is not looked at: paths, addresses, names.
 */
#ifndef EDR_REDACT_REDACT_H
#define EDR_REDACT_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "edr/wire.h"
#include "util/buf.h"
#include "wire/wire.h"

#define REDACT_KEY_BYTES 32
#define REDACT_TAG_HEX 12      /* digits of a tag */
#define REDACT_PATTERNS 256    /* of the user's file, at most */
#define REDACT_PATTERN_MAX 512 /* bytes of one */

/* The name is the KIND of the tag. */
enum redact_kind {
	REDACT_PRIVATE_KEY, /* "key": -----BEGIN ... PRIVATE KEY----- */
	REDACT_TOKEN,	    /* "token": AKIA..., ghp_..., xoxb-..., eyJ...: known beginnings */
	REDACT_URL,	    /* "url": the password in scheme://user:password@ */
	REDACT_HEADER,	    /* "header": Authorization:, Cookie:, X-Api-Key: */
	REDACT_OPTION,	    /* "option": the value of --password, --token, NAME_SECRET=, ... */
	REDACT_HABIT,	    /* "habit": mysql -pX, sshpass -p X, curl -u user:X */
	REDACT_USER,	    /* "pattern": of the user's file */
	REDACT_ENTROPY,	    /* "random": looks random, and like none of the harmless things */
	REDACT_KINDS
};
const char *redact_kind_name(enum redact_kind kind);

struct redact;

struct redact_config {
	bool off;		   /* everything passes; the caller says so, loudly */
	const unsigned char *key;  /* REDACT_KEY_BYTES, copied; NULL: tags without digits */
	const char *patterns_file; /* NULL or "": none */
};

/*
 * patterns_file: one extended regular expression a line (redact/regex.h), matched against each
 * argument by itself; what its first group matches is the secret, else the whole match; '#' begins
 * a comment. The file must be of root or of us and be writable by no one else. -errno with one
 * sentence in err: the file, its line and what is wrong with it; -ENOMEM.
 */
int redact_new(struct redact **out, const struct redact_config *cfg, char *err, size_t err_size);
void redact_free(struct redact *r); /* wipes the key; safe on NULL */

/* What one takes at most: it does not grow with what it sees. */
#define REDACT_MOST_BYTES ((size_t)512 << 10)
#define REDACT_PATTERNS_MOST_BYTES ((size_t)288 << 10) /* besides, with a file of them */

/*
 * The record as all others may see it: rec itself where nothing had to be replaced (nearly always),
 * else one that lies in r until the next call. Looked at are the arguments of exec, exec_failed and
 * process records, and the file name of exec_failed, in which a whole command line may stand. argc
 * stays; argv_bytes changes by as much as argv does, so that what says how much was cut stays
 * right. What makes a record longer than EDR_RECORD_MAX is cut at an argument, and EDR_F_TRUNCATED
 * is set. Without memory all arguments go, and EDR_F_ARGS_UNREADABLE is set: never NULL, never the
 * secret.
 */
const struct edr_hdr *redact_record(struct redact *r, const struct edr_hdr *rec);

/*
 * The same for one block of arguments, each with its NUL (wire_next_arg()). Appends what is left of
 * it. How many secrets were replaced. argv[0]'s last part decides whose habits count. cut: more
 * followed, so that a secret at the end may lack its end.
 */
size_t redact_argv(struct redact *r, struct wire_span argv, bool cut, struct buf *out);

struct redact_stats {
	edr_u64 records, changed; /* with arguments; of these */
	edr_u64 secrets[REDACT_KINDS];
	edr_u64 no_memory; /* records whose arguments all went */
};
void redact_stats(const struct redact *r, struct redact_stats *out);

/*
 * The key of this host, from a file of exactly 64 hex digits and a newline, of root or of us, that
 * no one else can read. make: where there is none, one is drawn with getrandom(2) and the file
 * made, 0600, whole or not at all. dir: an open directory or AT_FDCWD. 0; -ENOENT (only without
 * make); -errno with one sentence in err.
 */
int redact_key_load(int dir, const char *name, bool make, unsigned char key[REDACT_KEY_BYTES],
		    char *err, size_t err_size);

#endif
