/* SPDX-License-Identifier: MIT */
/*
 * What a closed cell and an interim part hold, read-only, for the report room. The order of every
 * list is fixed by what is in it (by falling count, then by the bytes of the name, then by the
 * number), so that the same events give the same report whatever the seed of the hash tables was.
 *
 * How the tables are bounded. Each has a largest number of rows and of bytes. The first three
 * quarters of the rows to come are kept whatever happens. The last quarter is for newcomers: when
 * there is no room, the one that has been there longest gives way, unless it was seen again since
 * its last turn (then it has another turn; at most 16 are passed over so). What gives way is added
 * to the table's `other`, so that totals always add up. A flood of names made up for the purpose
 * therefore neither hides a later busy program nor the last newcomers, and shows in other.rows. A
 * row that came when something had given way before may be one that returns: its count is exact
 * from then on, and its `short_by` says how many events at most it lacks; 0 means exact. Any key
 * that is not listed has at most other.at_most events: here all of other.events, for it may have
 * come and gone often; in a parent that cut its tables less (cell/merge.h). No short_by is larger.
 * The small lists within a row (users, parents, ...) hold the first 256 keys of that row, and
 * `other` the rest.
 *
 * All of it is sums, so that the merge of two cells is the sum of their rows by key, of their
 * others, and of the short_by of one and the other.at_most of the other where a row is in one only.
 *
 * Times are Unix nanoseconds. Spans are not NUL-terminated, may hold any byte, and live as long as
 * the cell.
 */
#ifndef EDR_CELL_VIEW_H
#define EDR_CELL_VIEW_H

#include "cell/cell.h"

/* From the last host record; empty where none came. */
struct cell_host {
	struct wire_span hostname, machine_id, kernel, arch, source, hooks, agent;
	struct wire_span degraded; /* NUL-separated: wire_next_arg() */
};

struct cell_blind {
	edr_s64 from_ns, to_ns; /* cut to the window */
	struct wire_span reason;
};

struct cell_step {
	edr_s64 at_ns; /* by the new time */
	edr_s64 by_ns; /* negative: set back */
};

/*
 * For each type that the kernel produces: counted.produced + pending_before = delivered +
 * counted.dropped + pending_after. Pending is what was under way between the kernel and us;
 * negative when the kernel's count came late.
 */
struct cell_type_counts {
	edr_u64 delivered;
	struct edr_counters counted; /* from the loss records of the window */
	edr_s64 pending_before, pending_after;
};

/* A BPF program, while it was measured. */
struct cell_program {
	edr_name name;
	edr_u64 run_ns, runs;
};

#define CELL_PROGRAMS 32
#define CELL_OTHER_PROGRAMS "other" /* all those for whose names there was no room */

/*
 * What watching cost, from the cost and program_cost records of the window: times are sums, memory
 * is the most that any of them said. Nothing is known without a cost record
 * (type[EDR_COST].delivered), and nothing of BPF while its ns are both 0.
 */
struct cell_cost {
	edr_u64 user_ns, system_ns;		    /* CPU time of the agent */
	edr_u64 bpf_ns;				    /* CPU time of its BPF programs: an estimate, */
	edr_u64 bpf_sampled_ns;			    /* for which they were measured so long */
	edr_u64 bpf_sampled_runs;		    /* and ran so often in that time */
	edr_u64 memory_bytes;			    /* resident */
	edr_u64 memory_peak_bytes;		    /* since the agent was started */
	edr_u64 bpf_memory_bytes;		    /* 0: not known */
	struct cell_program program[CELL_PROGRAMS]; /* of the sampled runs, in order of name */
	size_t n_programs;
};

/* Cheap: no sorting. */
struct cell_totals {
	edr_s64 window_start_ns, window_end_ns;
	unsigned interval_min;
	bool partial; /* opened after its window's start, or closed before its end */
	/* Windows just before this one in which no record came at all: they have no cell. */
	edr_u64 windows_skipped;

	/* The part of the window for which records came, or would have come. */
	edr_s64 watched_from_ns, watched_to_ns;
	edr_u64 watched_ns;	   /* its length by a clock that is never set */
	edr_s64 first_ns, last_ns; /* time of the first and the last event; 0 when there was none */

	struct cell_type_counts type[EDR_TYPE_MAX]; /* by number; housekeeping has delivered only */
	edr_u64 events;				    /* delivered, all types but housekeeping */
	/* Of these: that happened before this window, when another cell was open; */
	edr_u64 late;
	/* whose time is so far ahead of the clock records that it was not believed; */
	edr_u64 ahead;
	/* that came before the first clock record, or when there was no memory for a cell. */
	edr_u64 unattributed;

	edr_u64 blind_ns;	 /* length of the union of the blind intervals */
	edr_u64 blind_ns_before; /* blind time of earlier windows, made known in this one */
	bool blind_rounded; /* too many intervals: near ones were joined, blind_ns is too high */
	edr_u64 clock_steps;

	edr_u64 events_listed;	   /* raw events in this cell's own list */
	edr_u64 events_in_parts;   /* raw events in interim parts */
	edr_u64 events_unlisted;   /* raw events that found no memory, or that were refused */
	edr_u64 events_over_limit; /* of these: beyond max_interim_bytes */
	unsigned parts;		   /* interim parts that were taken, numbered from 1 */

	edr_u64 findings[CELL_SEVERITIES]; /* by severity; of 0 there are none */

	edr_u64 redacted; /* records out of which a secret was taken */
	bool redact_off;  /* nothing looked for them, in a part of the time at least */

	struct proc_stats processes; /* the process table at the close */
	struct cell_baseline baseline;
	struct cell_cost cost;
	size_t bytes; /* memory of the cell */
};

/* How often, by a number, a name or both. */
struct cell_count {
	struct wire_span name; /* of exe or container */
	edr_s64 number;	       /* of uid, exit status, signal, errno */
	edr_u64 count;
};
/* As a number among results: none is known (null). 0 is success, the rest are errnos. */
#define CELL_RESULT_UNKNOWN (-1)

struct cell_counts {
	const struct cell_count *row;
	size_t n;
	edr_u64 other; /* count of all that is not in the rows */
};

/* What does not fit in a table. */
struct cell_other {
	/*
	 * Times that a row gave way or found no room: at least as many as there are distinct keys.
	 */
	edr_u64 rows;
	edr_u64 events;	 /* sum of what was counted in them */
	edr_u64 at_most; /* no key that is not listed has more events */
};

struct cell_command_line {
	struct wire_span command; /* last part of the file name given */
	/*
	 * argv[0] on, a NUL behind each: wire_next_arg(); at most 4096 bytes and that of the last
	 */
	struct wire_span argv;
	bool cut;	    /* argv is the beginning only: */
	edr_u64 argv_bytes; /* bytes of the whole, NULs included */
	edr_u64 hash;	    /* of what was delivered, when cut: tells two long ones apart */
	edr_u64 count;
	edr_s64 first_ns, last_ns;
	edr_u64 short_by;
};

struct cell_exe_counts {
	edr_u64 runs;	      /* execs that succeeded */
	edr_u64 failed_runs;  /* execs that failed, with this as the file name given */
	edr_u64 contained;    /* runs inside a container */
	edr_u64 forks;	      /* children made by its processes */
	edr_u64 threads;      /* threads made by its processes */
	edr_u64 exits;	      /* by status or by signal */
	edr_u64 killed;	      /* of these: by signal */
	edr_u64 connects;     /* tried */
	edr_u64 connect_ends; /* later results (connect_result) */
	edr_u64 syscalls;
	edr_u64 argv_bytes; /* of its runs, the uncut length */
};

struct cell_exe {
	/* Resolved path; for failed runs the file name as given; "" when not known. */
	struct wire_span name;
	struct cell_exe_counts counts;
	edr_s64 first_ns, last_ns;
	edr_u64 short_by;		 /* of all counts together but failed_runs */
	edr_u64 failed_short_by;	 /* of failed_runs */
	struct cell_counts errors;	 /* failed_runs by errno */
	struct cell_counts tried_by;	 /* failed_runs by the exe of the caller */
	struct cell_counts exit_status;	 /* exits - killed */
	struct cell_counts exit_signals; /* killed */
	struct cell_counts users;	 /* runs by uid */
	struct cell_counts parents;	 /* runs by the parent's exe */
	struct cell_counts containers;	 /* contained by container id */
	struct cell_counts connect_results;
	struct cell_counts connect_end_results;
	unsigned marks;				       /* BASELINE_* */
	const struct cell_command_line *command_lines; /* of runs */
	size_t n_command_lines;
	edr_u64 command_lines_other; /* runs whose command line found no room */
};

/* Runs by command name; command_counts and process_events of the original are made of these. */
struct cell_command {
	struct wire_span name; /* last part of the file name given to exec */
	edr_u64 count;
	edr_u64 short_by;
	const struct cell_command_line *const
		*command_lines; /* rows of any executable run by that name */
	size_t n_command_lines;
};

struct cell_connection {
	struct wire_span exe;
	struct wire_span address; /* "1.2.3.4", "::1", "/run/x.sock", "@abstract", "" */
	int family;		  /* AF_* */
	unsigned port;
	unsigned protocol; /* IPPROTO_* */
	unsigned marks;	   /* BASELINE_* */
	edr_u64 connects, ends;
	struct cell_counts results;	/* connects, by what the call gave */
	struct cell_counts end_results; /* ends, by how it went on */
	edr_s64 first_ns, last_ns;
	edr_u64 short_by; /* of connects + ends */
};

struct cell_syscall {
	struct wire_span exe;
	struct wire_span name;
	edr_u64 count;
	edr_u64 failed;
	struct cell_counts errors; /* failed, by errno */
	edr_s64 first_ns, last_ns;
	edr_u64 short_by;
};

/*
 * Raw events as they stand in a report's list, so that a chunk is written as it is: before each
 * JSON object this, of which the list's first one needs only what follows the comma. None is cut
 * between two chunks.
 */
#define CELL_EVENT_LEAD ",\n    "
#define CELL_EVENT_LEAD_LEN (sizeof(CELL_EVENT_LEAD) - 1)
struct cell_chunk {
	struct cell_chunk *next;
	size_t len, room;
	char text[];
};

struct cell_view {
	const struct cell_totals *totals;
	const struct cell_host *host;
	const struct cell_blind *blind; /* by time */
	size_t n_blind;
	const struct cell_step *steps; /* the first 16 of totals->clock_steps */
	size_t n_steps;

	const struct cell_exe *exes; /* by runs + failed_runs */
	size_t n_exes;
	struct cell_other exes_other;	/* of what ran */
	struct cell_other failed_other; /* of names that an exec failed with */
	struct cell_exe_counts exes_other_counts;

	struct cell_other command_lines_other; /* of all executables */

	const struct cell_command *commands;
	size_t n_commands;
	struct cell_other commands_other;

	const struct cell_connection *connections; /* by connects + ends */
	size_t n_connections;
	struct cell_other connections_other; /* connects + ends */

	const struct cell_syscall *syscalls;
	size_t n_syscalls;
	struct cell_other syscalls_other;

	/* By falling severity, then by time; at most 256, the rest is in totals->findings only. */
	const struct cell_finding *findings;
	size_t n_findings;

	const struct cell_chunk *events; /* the list of raw events */
	size_t n_events;

	void *mem; /* private */
};

const struct cell_totals *cell_totals(const struct cell *cell);

/*
 * Is it of r's window, and did it not begin a second before r's end (by a clock that was set back)?
 */
bool cell_goes_on(const struct cell_totals *t, const struct cell_resume *r);

/*
 * Sorts (the one costly step: call it in the report thread) and fills *v, which points into cell. 0
 * or -ENOMEM.
 */
int cell_view_open(struct cell_view *v, const struct cell *cell);
void cell_view_close(struct cell_view *v); /* safe on a zeroed one */

/* An interim part. Its spans live as long as the part. */
struct cell_events_view {
	struct cell_host host;
	edr_s64 window_start_ns, window_end_ns;
	unsigned interval_min;
	edr_s64 watched_from_ns;   /* of its cell */
	unsigned part;		   /* from 1 within the cell */
	const char *why;	   /* "count", "bytes" or "age" */
	edr_s64 first_ns, last_ns; /* of its events */
	const struct cell_chunk *events;
	size_t n_events;
	size_t bytes; /* memory of the part */
};
void cell_events_view(const struct cell_events *part, struct cell_events_view *out);

#endif
