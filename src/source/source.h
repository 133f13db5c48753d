/* SPDX-License-Identifier: MIT */
/*
 * Where records come from. A source is a struct of functions; all that the rooms downstream ever
 * learn of the host reaches them as a record from here (events, and the housekeeping of events.def:
 * host, clock, loss, blind, process), in order of time. That is why a replayed capture gives the
 * same reports as the live run that recorded it.
 *
 * A source is used by one thread. Records handed to the callback are validated (wire_check),
 * aligned to 8 bytes, followed by zeros up to a multiple of 8, and live until the callback returns.
 */
#ifndef EDR_SOURCE_SOURCE_H
#define EDR_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "edr/wire.h"

/*
 * Called once a record. What it does with it is its own affair: a source never stops for bad data.
 */
typedef void (*source_record_fn)(void *ctx, const struct edr_hdr *rec);

/*
 * A list that the configuration gives: n pointers, owned by the caller, who keeps them while the
 * source is open.
 */
struct source_list {
	const char *const *item;
	size_t n;
};

struct source_config {
	bool lean;		     /* hooks = lean: no syscall tracepoint */
	struct source_list syscalls; /* syscalls_to_trace */
	struct source_list
		skip_comms; /* filters, see docs/filters.md: events that match are counted as filtered */
	struct source_list skip_uids; /* decimal */
	struct source_list
		skip_cgroups; /* path from the root of the cgroup hierarchy, its children included */
	struct source_list skip_paths; /* prefix of the resolved path of the executable */
	const char *btf_path; /* a vmlinux of the kernel that runs, with BTF; NULL or "": none */
	/*
	 * Why what would see more is not used, NUL-separated: the first lines of the host record's
	 * `degraded`. It lives as long as the source is open.
	 */
	const char *refused;
	size_t refused_len;
	size_t ring_exec_bytes; /* rounded up to a power of two, at least a page */
	size_t ring_noisy_bytes;
	size_t batch_bytes;	 /* records that are being put in order; 0: what a storm needs */
	unsigned table_entries;	 /* the kernel's tables are sized by it; 0: as they were built */
	const char *trace_path;	 /* source_trace_text only */
	const char *replay_path; /* replay only */
	const char *agent;	 /* version of the program, for the host record */
};

struct source_totals {
	struct edr_counters count[EDR_TYPE_MAX]; /* since open, from the kernel's side */
	edr_u64 delivered[EDR_TYPE_MAX];	 /* handed to the callback */
	edr_u64 invalid;			 /* records that wire_check refused */
	edr_u32 capture_end; /* replay: how the recording ended (enum capture_end), 0 when that is not known */
};

#define SOURCE_PROGRAMS 32 /* BPF programs of a source at most */

struct source_program_cost {
	edr_name name;
	edr_u64 run_ns, runs; /* as measured, not estimated */
};

/* What the kernel's side of a source costs, since open; all 0 while nothing is known. */
struct source_cost {
	edr_u64 bpf_ns;		  /* CPU time of its programs: an estimate */
	edr_u64 bpf_sampled_ns;	  /* how long they were measured for it */
	edr_u64 bpf_sampled_runs; /* their runs in that time */
	edr_u64 bpf_memory_bytes; /* of programs, maps and rings, now */
	struct source_program_cost program[SOURCE_PROGRAMS]; /* of these runs */
	size_t n_programs;
};

struct source; /* each source puts its own state behind this */

/*
 * What open() says of a wrong configuration. No errno, for kernels and libraries have EINVAL for
 * much else.
 */
#define SOURCE_BAD_CONFIG (-4096)

struct source_ops {
	const char *name;
	/*
	 * 0, or -errno or SOURCE_BAD_CONFIG with one clear sentence in err (what, where, how to
	 * mend it).
	 */
	int (*open)(struct source **out, const struct source_config *cfg, char *err,
		    size_t err_size);
	/*
	 * Waits up to timeout_ms for records and hands on what there is; a negative timeout waits
	 * for ever. >= 0: records handed on; -ENODATA: the source has ended (replay); -EINTR: a
	 * signal came; -EBADMSG: a capture is damaged here, what was readable has been handed on
	 * (replay).
	 */
	int (*pump)(struct source *s, int timeout_ms, source_record_fn fn, void *ctx);
	/*
	 * Takes the hooks out of the kernel, hands on all that is still in the rings, then the last
	 * loss and clock records: after it, produced = delivered + dropped for each type.
	 */
	int (*drain)(struct source *s, source_record_fn fn, void *ctx);
	int (*totals)(struct source *s, struct source_totals *out);
	/* How far a replay is, 0 to 1; negative when that is not known. NULL: the source has no end. */
	double (*progress)(struct source *s);
	/* Safe on NULL. */
	void (*close)(struct source *s);
	/* NULL: it has nothing in the kernel. */
	void (*cost)(struct source *s, struct source_cost *out);
};

extern const struct source_ops source_bpf;
extern const struct source_ops
	source_bpf_raw; /* for kernels without BTF, by the file of btf_path */
extern const struct source_ops source_bpf_plain; /* for kernels without BTF */
extern const struct source_ops source_ftrace;
extern const struct source_ops source_trace_text; /* the same from text, at trace_path */
extern const struct source_ops source_replay;

#endif
