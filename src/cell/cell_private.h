/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share; other rooms read a closed cell through cell/view.h.
 *
 *	windows.c  which window a record belongs to; clock steps; blind intervals
 *	table.c    a bounded table with its `other`
 *	counts.c   the small lists within a row: by uid, status, errno, parent, ...
 *	lines.c    command names and command lines
 *	fold.c     what each kind of record adds
 *	cost.c     what watching cost
 *	events.c   the list of raw events and the interim parts
 *	cell.c     opening, closing, freeing
 *	host.c     who was watched, by what, and what was off
 *	view.c     sorted, for the report
 *	findings.c the worst of what was found
 *	build.c    rows that were counted elsewhere: of another cell, or of a report
 *	merge.c    cells added up
 */
#ifndef EDR_CELL_PRIVATE_H
#define EDR_CELL_PRIVATE_H

#include "cell/merge.h"
#include "cell/view.h"
#include "util/buf.h"
#include "util/htable.h"

/*
 * A table whose rows begin with struct row; the key lies right behind the row. What a row may not
 * keep is told to `gone` before it is freed, and counted.
 */
struct row {
	UT_hash_handle hh;
	struct row *prev, *next; /* among the newcomers */
	edr_u64 events;		 /* all that was counted in it */
	edr_u64 short_by;
	edr_u32 key_len;
	bool newcomer;
	bool again;  /* seen again since its last turn to give way */
	bool merged; /* in the cell that is being merged into this one */
};

struct table {
	struct row *index;
	struct row *newcomers; /* by their next turn to give way */
	size_t row_size;
	size_t max_rows, max_bytes;
	size_t kept, kept_bytes;   /* those who stay */
	size_t fresh, fresh_bytes; /* newcomers */
	struct cell_other other;
	bool merges; /* what is added to it has been counted elsewhere */
	void (*gone)(struct cell *cell, struct row *row);
};

/* What an item costs besides itself, on average, in the hash and in malloc; the exact figure would
 * differ from run to run with the seed of the hash. */
#define TABLE_SLOT_BYTES 48

void table_init(struct table *t, size_t row_size, size_t max_rows, size_t max_bytes,
		void (*gone)(struct cell *, struct row *));
/* Counts n events in the row with that key, which is made if needed. NULL: they are in other. */
struct row *table_count(struct table *t, struct cell *cell, const void *key, size_t len, edr_u64 n);
struct row *table_find(const struct table *t, const void *key, size_t len);
/* Events of a row that is not listed; most: what it can have had in all. */
void table_to_other(struct table *t, edr_u64 events, edr_u64 most);
/* Moves a row's events to other and frees it. */
void table_drop(struct table *t, struct cell *cell, struct row *row);
void table_free(struct table *t);
size_t table_bytes(const struct table *t);

static inline const char *row_key(const struct table *t, const struct row *r)
{
	return (const char *)r + t->row_size;
}

/* The small lists within rows. All of a cell's are in one hash, and in a list of their owner. */
enum count_kind {
	COUNT_ERROR,
	COUNT_TRIED_BY,
	COUNT_STATUS,
	COUNT_SIGNAL,
	COUNT_USER,
	COUNT_PARENT,
	COUNT_CONTAINER,
	COUNT_RESULT,
	COUNT_END_RESULT,
	COUNT_KINDS
};
#define COUNT_MAX_EACH 256 /* of one kind in one row */

struct count_key {
	const void *owner;
	edr_s64 number;
	edr_u64 kind;
}; /* then the name */

struct count {
	UT_hash_handle hh;
	struct count *next; /* of the same owner */
	edr_u64 n;
	struct count_key key;
	char name[];
};

struct owner {
	struct count *counts;
	edr_u32 n[COUNT_KINDS];
};

struct counts {
	struct count *index;
	size_t max_rows, max_bytes;
	size_t rows, bytes;
};

/* Beyond the bounds nothing happens: `other` is the owner's total less what is listed. */
void counts_add(struct cell *cell, struct owner *o, enum count_kind kind, edr_s64 number,
		struct wire_span name, edr_u64 n);
void counts_drop(struct cell *cell, struct owner *o);

struct span_ns {
	edr_s64 first_ns, last_ns;
};

struct exe_row {
	struct row row; /* key: the path, or the name that an exec failed with */
	struct owner owner;
	struct cell_exe_counts counts;
	struct span_ns when;
	struct line_row *lines;
	edr_u32 id; /* within the cell */
	unsigned marks;
};

struct line_row {
	/* key: exe->id, command name, NUL, argv, and what tells long ones apart */
	struct row row;
	struct exe_row *exe;
	struct line_row *prev, *next; /* of the same executable */
	struct span_ns when;
	edr_u64 argv_bytes;
	edr_u64 hash;
	edr_u32 command_len, argv_len;
	bool cut;
};

struct command_row {
	struct row row; /* key: the name */
};

struct connection_key {
	edr_s32 family;
	edr_u32 port;
	edr_u32 protocol;
	edr_u32 exe_len;
}; /* then exe and address */

struct connection_row {
	struct row row;
	struct owner owner;
	struct span_ns when;
	unsigned marks;
	edr_u64 connects, ends;
};

struct syscall_row {
	struct row row; /* key: edr_name, then exe */
	struct owner owner;
	struct span_ns when;
	edr_u64 failed;
};

#define CELL_LINE_BYTES 4096
#define CELL_MAX_BLIND 64
#define CELL_MAX_STEPS 16
#define CELL_REASON_BYTES 120
/* Longest key: a command name and a line; two paths would be shorter. */
#define CELL_KEY_BYTES (EDR_PATH_MAX + CELL_LINE_BYTES + 64)

struct blind {
	edr_s64 from_ns, to_ns;
	edr_u32 reason_len;
	char reason[CELL_REASON_BYTES];
};

/* In order of from_ns. */
struct blind_list {
	struct blind row[CELL_MAX_BLIND];
	size_t n;
	bool rounded; /* it was full: near ones were joined */
};

/* Of each text as much as fits is kept. */
#define CELL_MAX_FINDINGS 256
#define CELL_FINDING_TEXTS 4
#define CELL_FINDING_BYTES 1024

struct finding {
	edr_s64 time_ns;
	unsigned severity;
	edr_u32 len[CELL_FINDING_TEXTS]; /* id, title, details, technique */
	char text[];
};

struct host {
	struct cell_host spans; /* into text */
	struct buf text;
};

struct cell_events {
	struct host host;
	edr_s64 window_start_ns, window_end_ns;
	edr_s64 watched_from_ns; /* of the cell: this is part of its name */
	unsigned interval_min;
	unsigned part;
	const char *why;
	struct cell_chunk *chunks, *last;
	size_t text_bytes; /* in all chunks */
	size_t bytes;	   /* memory of all chunks */
	size_t n;
	edr_u64 first_boot_ns;
	struct span_ns when;
};

struct cell {
	struct cell_totals totals;
	struct cell_config cfg;
	struct host host;
	struct blind_list blind;
	struct cell_step step[CELL_MAX_STEPS];
	size_t n_steps;

	struct table exes;
	struct table failed; /* names that an exec failed with: apart, so that made-up ones push out
			      * nothing that ran */
	struct table lines;
	struct table commands;
	struct table connections;
	struct table syscalls;
	struct counts counts;
	struct cell_exe_counts exes_other, failed_other;
	edr_u32 next_id;
	struct cell_events *events; /* the open part, NULL while it is empty */
	size_t interim_bytes;	    /* text of the parts that were taken */
	bool interim_full;	    /* the next part would have been too much: there is none */

	struct finding *finding[CELL_MAX_FINDINGS + 1]; /* the worst first */
	size_t n_findings;

	/* Of a cell that others are merged into. */
	struct cell_limits trim;
	edr_u64 merged;	   /* how many */
	edr_s64 latest_ns; /* end of the one that host and processes are of */

	struct cell_resume resumed; /* zeroed: it goes on with none */

	/*
	 * Boot time at which the window began: what happened before is late; and from when it was
	 * watched.
	 */
	edr_s64 begin_boot_ns, from_boot_ns;
	bool first; /* of its run: from_boot_ns is when the first record said */
};

struct cells {
	struct cell_config cfg; /* for the next cell */
	struct cell_sinks sinks;
	struct cell *open;
	struct host host;

	bool is_event[EDR_TYPE_MAX];  /* of a type that is not housekeeping */
	bool of_kernel[EDR_TYPE_MAX]; /* comes out of a ring, where it can be lost */

	bool have_clock;
	edr_s64 offset_ns;     /* boot ns + this = Unix ns */
	edr_s64 clock_boot_ns; /* of the last clock record */
	edr_s64 now_boot_ns;   /* latest time that was believed */
	edr_s64 pending[EDR_TYPE_MAX];
	struct {
		edr_s64 start_ns, end_ns; /* of the window closed last; 0 when none */
		edr_s64 begin_boot_ns;
		unsigned interval_min;
	} last;
	edr_s64 last_boot_ns;	 /* how far it was watched */
	struct blind_list ahead; /* of the stream: blind times that reach behind the open window */

	struct cell_resume resume;	/* for the first cell */
	unsigned marks;			/* of the next record */
	edr_u64 homeless[EDR_TYPE_MAX]; /* records that came before a cell could be opened */
	char key[CELL_KEY_BYTES];
};

/* Unix ns that a report can print: up to the year 2255. Hostile times end here. */
#define CELL_TIME_MAX 9000000000000000000LL
#define NS_PER_S 1000000000LL

static inline edr_s64 clamp_time(edr_s64 t)
{
	return t < 0 ? 0 : t > CELL_TIME_MAX ? CELL_TIME_MAX : t;
}

static inline void span_note(struct span_ns *s, edr_s64 t)
{
	if (s->first_ns == 0 || t < s->first_ns)
		s->first_ns = t;
	if (t > s->last_ns)
		s->last_ns = t;
}

/* cell.c */
struct cell *cell_new(const struct cell_config *cfg);
void cell_add_counts(struct cell_exe_counts *to, const struct cell_exe_counts *from);
int host_set(struct host *h, const struct cell_host *from);
size_t cell_bytes(const struct cell *cell);
int host_copy(struct host *to, const struct host *from);
void host_free(struct host *h);
int host_compare(const struct cell_host *a, const struct cell_host *b);
/*
 * later: the members are those of from; `degraded` is what was off in either, and says where their
 * sources and hooks differ.
 */
int host_merge(struct host *to, const struct cell_host *from, bool later);
int span_compare(struct wire_span a, struct wire_span b);
void host_learn(struct host *h, const struct edr_host *r);

/* windows.c */
edr_s64 windows_unix(const struct cells *c, edr_u64 boot_ns);
/* Closes and opens what the record's time demands. Gives the time to count it under. */
edr_s64 windows_advance(struct cells *c, const struct edr_hdr *rec, const struct proc_table *table);
void windows_clock(struct cells *c, const struct edr_clock *r, const struct proc_table *table);
void windows_blind(struct cells *c, const struct edr_blind *r);
/* Closes the open cell, which was watched to its window's end, or to boot_ns if that is earlier. */
void windows_close(struct cells *c, edr_s64 boot_ns, const struct proc_table *table);

/* lines.c */
void lines_count(struct cells *c, struct exe_row *exe, const struct edr_exec *r, edr_s64 t);
void lines_gone(struct cell *cell, struct row *row);
void lines_drop_all(struct cell *cell, struct exe_row *exe);

/* cost.c */
void cost_fold(struct cell_cost *to, const struct edr_cost *r);
void cost_fold_program(struct cell_cost *to, const struct edr_program_cost *r);
void cost_add(struct cell_cost *to, const struct cell_cost *from);

/* As the last of the list, which must not be full. When it is then, two neighbours are joined. */
void windows_append_blind(struct blind_list *list, const struct blind *b);

/* findings.c */
int findings_list(struct cell *cell, const struct cell_finding *f); /* without counting it */
struct cell_finding findings_get(const struct finding *f);
void findings_free(struct cell *cell);

/* events.c */
bool events_full(struct cells *c); /* and counts one that is not listed for it */
void events_keep(struct cells *c, edr_u64 boot_ns, edr_s64 t, struct wire_span json);
void events_age(struct cells *c);

#endif
