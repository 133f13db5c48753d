/* SPDX-License-Identifier: MIT */
/*
 * Where the chain of each level ends, in `chain.json`, and which reports were removed or replaced by
 * us, in `removed.jsonl`; both in the directory of reports, both written whole or not at all, and
 * both signed where there is a key: chain.json carries the digest of removed.jsonl.
 *
 * A report is announced in chain.json (`pending`) before it is written and confirmed by the next
 * announcement, or by heads_settle(). So after a crash it is known which of the two happened; a
 * report behind the end that was not announced is none of ours, and a missing end was cut off.
 *
 * One thread at a time: the report thread, or a command that holds the directory's lock.
 */
#ifndef EDR_REPORT_HEADS_H
#define EDR_REPORT_HEADS_H

#include "report/chain.h"
#include "wire/wire.h"

struct report_store;

struct head {
	unsigned long long number; /* of the last report; 0: none yet */
	char id[CHAIN_ID_MAX];
	char sha256[CHAIN_HEX];
	unsigned long long keyed_from; /* the first report that was signed; 0: none */
	/* chain.json was gone or broken when this one was the last that could be found; 0: never */
	unsigned long long restarted_at;
};

/* Reports that are not there any more, next to one another in the chain of a level. */
struct removed {
	enum report_level level;
	unsigned long long first, last; /* numbers */
	char first_id[CHAIN_ID_MAX], last_id[CHAIN_ID_MAX];
	char previous_sha256[CHAIN_HEX]; /* of the one before the first; "": none */
	char last_sha256[CHAIN_HEX];
	char why[64];
};

/* What the two files say. */
struct heads_file {
	bool there;	 /* chain.json is there */
	bool damaged;	 /* it is not as we wrote it */
	bool unsigned_;	 /* a key was given, and it is not signed with it */
	bool removed_ok; /* removed.jsonl is the one that chain.json tells of */
	struct head head[N_LEVELS];
	struct head pending[N_LEVELS]; /* number 0: none */
	unsigned long long serial;     /* of chain.json's writings */
	char removed_sha256[CHAIN_HEX];
	struct removed *removed; /* by level and number */
	size_t n_removed;
	/*
	 * Windows whose parents were there when a report below them was written: these are not what
	 * their children make until they are made anew. Starts of the first and the last of the
	 * children; first > last: none.
	 */
	edr_s64 owed_first_ns, owed_last_ns;
};
/* 0, or -errno when they cannot be read at all. key may be NULL: signatures are not looked at. */
int heads_read(struct heads_file *out, struct report_store *s, const struct chain_key *key);
void heads_file_free(struct heads_file *f);
/* Is a parent of that window to be made anew? */
bool heads_owes(const struct heads_file *f, struct report_window w);
/* The entry that covers the number, or NULL. */
const struct removed *heads_find_removed(const struct heads_file *f, enum report_level level,
					 unsigned long long number);

/* Were children of the parent's window removed by retention? Then nobody can make it again. */
bool heads_children_removed(const struct heads_file *f, enum report_level parent,
			    struct report_window w);

enum heads_doubt {
	HEADS_NO_DOUBT,
	HEADS_NO_PLACE, /* in the chain */
	HEADS_CHANGED,	/* its digest is another */
	HEADS_UNSIGNED, /* or signed with another key */
};
/*
 * Is the sealed text as it was written: its digest, and with a key the signature? 0 with its place in
 * link; -EBADMSG: no, for that reason (may be NULL); -ENOMEM, -EIO. That it is the one which the next
 * report names, only verify can tell.
 */
int heads_check_text(const struct heads_file *f, const struct chain_key *key,
		     enum report_level level, const struct buf *text, struct chain_link *link,
		     enum heads_doubt *doubt);

struct heads;
/* A report_read_fn (parent.h) that takes only such children, without their seal. ctx: this. */
struct heads_reader {
	struct report_store *store;
	const struct heads_file *file;
	const struct chain_key *key; /* may be NULL */
	/* Not NULL: nor those that lie behind the chain's end, or have the place of one of this run. */
	const struct heads *heads;
};
int heads_read_child(void *ctx, enum report_level level, const char *id, struct buf *text);

/* Valid as long as h. */
struct heads_reader heads_reader(const struct heads *h);

/*
 * Reads both and heals what a crash left; says so. key may be NULL, and is copied. -errno with one
 * sentence in err.
 */
int heads_open(struct heads **out, struct report_store *s, const struct chain_key *key, char *err,
	       size_t err_size);
/* Settles, if it can, and frees. */
void heads_close(struct heads *h);

/* Has the level (by directory) a chain? */
bool heads_has(const struct heads *h, const char *dir);

/*
 * Announces the next report; what takes the place of its end goes to member (chain_member()). Where
 * its parent is there already, that one is owed from then on.
 */
int heads_begin(struct heads *h, const char *dir, const char *id, const struct wire_span *piece,
		size_t n, struct buf *member);
/* It is written. */
void heads_done(struct heads *h, const char *dir);
/* It is there after all: when it is the one that was announced, it is written. */
void heads_confirm(struct heads *h, const char *dir, const struct chain_link *link);
/* Writes what is known and not yet in chain.json. 0 or -errno. */
int heads_settle(struct heads *h);

/* All parents that were owed are made. On disk with the next announcement, or heads_settle(). */
void heads_paid(struct heads *h);

/* The report is about to be written anew, elsewhere in the chain. */
int heads_replaced(struct heads *h, const char *dir, const char *id, const char *why);

/*
 * Before reports are removed: notes them. heads_settle() comes when they are gone. The entries may
 * be in any order. 0; -errno: none of them is noted.
 */
int heads_remove(struct heads *h, const struct removed *gone, size_t n);

/* What is known now; for those who look for what to remove. */
const struct heads_file *heads_now(const struct heads *h);

#endif
