/* SPDX-License-Identifier: MIT */
/*
 * What this host does when it is itself: which things were seen, on how many days, when first and
 * last, how often, and in which hours of the day (UTC). A fixed table of entries without names: a
 * thing is known by a keyed 64-bit hash, so that the file tells nobody what ran here, and nobody
 * can make a name that passes for another.
 *
 * The table has buckets of eight. In a full one the entry goes that was seen on the fewest days,
 * and among these the one that was not seen for longest: a flood of made-up names pushes out other
 * names of the same day, and nothing that this host does every day. Evictions are counted.
 *
 * Time is that of the events; a day is one of UTC. Nothing here reads a clock or a file.
 */
#ifndef EDR_DETECT_BASELINE_H
#define EDR_DETECT_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edr/wire.h"
#include "util/buf.h"
#include "wire/wire.h"

enum baseline_kind {
	BASELINE_EXE,  /* resolved path */
	BASELINE_PAIR, /* parent's path, path */
	BASELINE_USER, /* uid, path */
	/* Of the whole host: family, network (/24, /48; a unix path whole), port. */
	BASELINE_DESTINATION,
	BASELINE_CONNECTS, /* path: has ever connected beyond this host */
	/* Signal's id, parent's path, path: what is found here each day is usual. */
	BASELINE_SIGNAL,
	BASELINE_KINDS
};

/* What a row of a cell gets to be marked with; bits, so that cells add up by OR. */
#define BASELINE_NEW 0x1u	 /* first seen in this window, and learning was over */
#define BASELINE_RARE 0x2u	 /* known, and seen on less than BASELINE_RARE_DAYS days */
#define BASELINE_ODD_HOUR 0x4u	 /* seen on BASELINE_HOUR_DAYS days, never near this hour */
#define BASELINE_NEW_PARENT 0x8u /* of an executable: known, and this parent never ran it */
#define BASELINE_NEW_USER 0x10u	 /* of an executable: known, and this user never ran it */
#define BASELINE_MARKS 5
const char *baseline_mark_name(unsigned i); /* of bit 1 << i: "new"; NULL behind the last */

#define BASELINE_RARE_DAYS 3
#define BASELINE_HOUR_DAYS 7
#define BASELINE_USUAL_DAYS \
	3 /* a signal that came on so many days from one subject is usual here */

/* An entry's key is made of these, in order; number counts where it is a uid or a port. */
struct baseline_key {
	enum baseline_kind kind;
	struct wire_span a, b;
	edr_u64 number;
};

/* What was known of a thing before this moment. */
struct baseline_seen {
	bool known;
	bool learning; /* learning_days are not over, or there is no baseline */
	bool here;     /* known, but only since this window */
	bool hour;     /* seen in this one of the day, or in one beside it */
	unsigned days; /* on which it was seen */
	edr_u64 times;
	edr_s64 first_day, last_day; /* days since 1970-01-01 */
};

struct baseline;

struct baseline_config {
	unsigned learning_days; /* 0: nothing is ever new */
	unsigned window_min;	/* of a cell: what is new is so until its end */
	size_t max_entries;	/* of BASELINE_ENTRY_BYTES each, all made at once */
	/* Of the hash; zeros in a replay, so that the same events give the same bytes. */
	uint64_t key[2];
};
#define BASELINE_ENTRY_BYTES 32
#define BASELINE_HEAD_BYTES 2048 /* of the file, beside its entries; at most */

struct baseline *baseline_new(const struct baseline_config *cfg); /* NULL without memory */
void baseline_free(struct baseline *b);				  /* safe on NULL */
void baseline_set_window(struct baseline *b, unsigned window_min);

/* All below take NULL for a baseline that knows nothing and learns for ever. */

/* Notes one more, at that time, and says what was known before. Times before 1970 are not noted. */
struct baseline_seen baseline_note(struct baseline *b, const struct baseline_key *key,
				   edr_s64 unix_ns);
/* The same without noting. */
struct baseline_seen baseline_look(const struct baseline *b, const struct baseline_key *key,
				   edr_s64 unix_ns);

/*
 * From a report, when the file was lost: it was seen from first_ns to last_ns, n times. The hours
 * between count as seen when both are in one day, else only the two. Days come in their order.
 */
void baseline_learn(struct baseline *b, const struct baseline_key *key, edr_s64 first_ns,
		    edr_s64 last_ns, edr_u64 n);

/* All that happened up to then is noted. */
void baseline_watched(struct baseline *b, edr_s64 unix_ns);

/* Execs of the hour that holds the moment. */
void baseline_count_execs(struct baseline *b, edr_s64 unix_ns, edr_u64 n);

struct baseline_state {
	bool learning;
	unsigned days;	     /* on which anything was seen */
	edr_u64 usual_execs; /* from from_ns to to_ns; 0: not known */
	size_t entries, max_entries;
	edr_u64 evicted;
	edr_s64 noted_ns; /* all up to then */
};
/*
 * Usual is the median, hour by hour of the day, of the last 14 days but this one; not known while
 * there are less than three of them.
 */
void baseline_state(const struct baseline *b, edr_s64 from_ns, edr_s64 to_ns,
		    struct baseline_state *out);

/*
 * The file (baseline_file.c): magic, version, key, counters, entries, SHA-256. Appends it; 0 or
 * -ENOMEM. Reading gives -EBADMSG for anything that baseline_save() did not write (then b is as it
 * was), and takes the entries that fit when max_entries is another.
 */
int baseline_save(const struct baseline *b, struct buf *out);
int baseline_load(struct baseline *b, const void *data, size_t len);

/*
 * Notes what an exec or a connect shows (baseline_marks.c). who: its process, behind proc_apply(),
 * may be NULL; wall_offset_ns: Unix minus boot, 0 while it is not known: then nothing is noted.
 */
struct baseline_found {
	unsigned marks;		       /* of the executable that runs, or of the destination */
	struct baseline_seen exe;      /* of an exec: before it */
	struct baseline_seen connects; /* of a connect beyond this host: before it */
	bool beyond;		       /* it is one */
};
struct proc_entry;
struct proc_table;
void baseline_record(struct baseline *b, const struct edr_hdr *rec, const struct proc_entry *who,
		     const struct proc_table *table, edr_s64 wall_offset_ns,
		     struct baseline_found *out);

/*
 * The key of a destination: family, /24 or /48 (a unix path whole), port; all high ports of this
 * host itself are one. network: what it points into. False: it is none that can be told again.
 */
#define BASELINE_NETWORK 8
bool baseline_destination(struct baseline_key *key, const struct wire_addr *to,
			  char network[BASELINE_NETWORK]);
/* Does it lie beyond this host? */
bool baseline_beyond(const struct wire_addr *to);

#endif
