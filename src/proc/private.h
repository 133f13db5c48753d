/* SPDX-License-Identifier: MIT */
/* What the files of this room share. */
#ifndef EDR_PROC_PRIVATE_H
#define EDR_PROC_PRIVATE_H

#include "proc/proc.h"
#include "util/htable.h"

/*
 * /proc counts time since boot in ticks of USER_HZ, which is 100 for every architecture we run on;
 * the kernel rounds down (fs/proc/array.c, do_task_stat: nsec_to_clock_t).
 */
#define PROC_TICK_NS 10000000ULL

/*
 * What the hash takes for an item, on average; the exact figure differs from run to run with the
 * seed, and it gets into reports.
 */
#define PROC_SLOT_BYTES 32

/*
 * Strings, each with a count of those that use it: the children of a process share its strings.
 * Passed around as plain const char *, NUL-terminated; strings_none is the empty one, and what one
 * gets without memory.
 */
extern const char strings_none[1];

struct strings {
	struct string_node *index;
	size_t bytes;
};

/* One for all who have the same: paths. Up to the first NUL. */
const char *strings_intern(struct strings *s, const char *data, size_t len);
/* One's own, shared by strings_ref only: command lines. */
const char *strings_new(struct strings *s, const char *data, size_t len);
const char *strings_ref(const char *str);
void strings_drop(struct strings *s, const char *str);

/* Takes over the reference of str. */
static inline void strings_set(struct strings *s, const char **place, const char *str)
{
	const char *old = *place;

	*place = str;
	strings_drop(s, old);
}

/* cgroup id -> path and container, from the cgroup records; the one that came first goes first. */
struct cgroups {
	struct cgroup_path *index;
	size_t max;
	size_t bytes, max_bytes; /* of the paths */
	edr_u32 generation;	 /* rises with each change */
};

struct cgroup_path {
	UT_hash_handle hh;
	edr_u64 id;
	size_t bytes;
	const char *path;
	const char *container;
};

void cgroups_learn(struct cgroups *c, struct strings *s, edr_u64 id, struct wire_span path);
const struct cgroup_path *cgroups_find(const struct cgroups *c, edr_u64 id);
void cgroups_free(struct cgroups *c, struct strings *s);

struct proc_node {
	struct proc_entry e;
	struct proc_node *beside; /* in the same slot; only the newest with its tgid is in one */
	struct proc_node *older;  /* the one before with the same tgid, by falling start_ns */
	struct proc_node *prev, *next;
	edr_u64 end_ns;	      /* when e.exited */
	bool healed;	      /* e.exited, but nobody told: we found out */
	edr_u32 cgroup_asked; /* generation at which cgroups knew nothing of e.cgroup_id */
};

struct proc_chunk;

struct proc_table {
	struct proc_node **index; /* n_slots, a power of two; see newest() */
	size_t n_slots;
	struct proc_node *alive;  /* oldest entry first */
	struct proc_node *exited; /* in order of exit */
	size_t n_exited;
	struct proc_node
		*heal_at; /* in alive, where the next look at /proc begins; NULL: at the head */
	struct proc_node *spare; /* linked by next */
	struct proc_chunk *chunks;
	struct strings strings;
	struct cgroups cgroups;
	size_t max;
	size_t max_string_bytes;
	size_t n_chunks;
	struct proc_stats stats; /* bytes is worked out when asked */
	char line[PROC_CMDLINE_MAX];
};

/* Same process? Exact times must be equal; one from /proc need only lie in the same tick. */
static inline bool proc_same_start(edr_u64 a, bool a_coarse, edr_u64 b, bool b_coarse)
{
	return a == b || ((a_coarse || b_coarse) && a / PROC_TICK_NS == b / PROC_TICK_NS);
}

/* A time with an exact nanosecond hits the tick's first one once in ten million. */
static inline bool proc_is_coarse(edr_u64 start_ns)
{
	return start_ns % PROC_TICK_NS == 0;
}

struct proc_node *proc_find(const struct proc_table *t, edr_u32 tgid, edr_u64 start_ns);

/*
 * A new entry, all empty. Room is made if needed, but never by removing keep (may be NULL). Another
 * process that lived under that tgid is closed as healed; when start_ns is before one that is
 * known, the new entry is exited.
 */
struct proc_node *proc_insert(struct proc_table *t, edr_u32 tgid, edr_u64 start_ns,
			      const struct proc_node *keep);
void proc_set_exited(struct proc_table *t, struct proc_node *n, edr_u64 end_ns);
/* The same for an exit that nobody told, until somebody does. */
void proc_set_healed(struct proc_table *t, struct proc_node *n, edr_u64 end_ns);
void proc_set_alive(struct proc_table *t, struct proc_node *n);
/* Makes room until the strings keep within their bound. */
void proc_trim(struct proc_table *t, const struct proc_node *keep);

#endif
