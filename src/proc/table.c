/* SPDX-License-Identifier: MIT */
/*
 * The table itself: who is in it, in which order they go. An index by tgid holds the newest process
 * of each tgid; older ones with the same tgid hang behind it by falling start time. Two lists, of
 * the living by age of the entry and of the exited in order of exit, make every eviction O(1).
 *
 * The index is no uthash: each look there is three cache misses, and an exec takes eight. Tgids are
 * given out in order, so neighbours are neighbours here too; where each BLOCK of them begins is by
 * the process's key, so that nobody can choose tgids that share a slot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "proc/private.h"
#include "util/pow2.h"

#define CHUNK_NODES 128
#define BLOCK 1024
/*
 * A tgid can come back only after all others were used: more entries of one are a forged stream,
 * and would be a chain to walk at every event.
 */
#define MAX_SAME_TGID 8
/* Strings of its own per process, on average; a usual one has 60 bytes. */
#define STRING_BYTES_EACH 256
#define MIN_STRING_BYTES (512u << 10)
/* Who has exited is kept for late events and as a parent: of the whole table, at most this part. */
#define EXITED_SHARE 4

struct proc_chunk {
	struct proc_chunk *next;
	struct proc_node node[CHUNK_NODES];
};

struct proc_table *proc_table_new(size_t max_entries)
{
	struct proc_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max_entries < 16 ? 16 : max_entries;
	t->n_slots = pow2_down(t->max);
	t->index = calloc(t->n_slots, sizeof(struct proc_node *));
	if (!t->index) {
		free(t);
		return NULL;
	}
	t->max_string_bytes = t->max * STRING_BYTES_EACH;
	if (t->max_string_bytes < MIN_STRING_BYTES)
		t->max_string_bytes = MIN_STRING_BYTES;
	t->cgroups.max = t->max;
	t->cgroups.max_bytes = t->max_string_bytes / 4;
	return t;
}

static void drop_strings(struct proc_table *t, struct proc_node *n)
{
	strings_drop(&t->strings, n->e.exe);
	strings_drop(&t->strings, n->e.filename);
	strings_drop(&t->strings, n->e.cmdline);
	strings_drop(&t->strings, n->e.container);
	strings_drop(&t->strings, n->e.cgroup);
	strings_drop(&t->strings, n->e.before.exe);
}

void proc_table_free(struct proc_table *t)
{
	struct proc_node *n, *next;
	struct proc_chunk *chunk;

	if (!t)
		return;
	cgroups_free(&t->cgroups, &t->strings);
	/* The nodes go with their chunks, so only what they point to is let go. */
	for (n = t->alive; n || t->exited; n = next) {
		if (!n) {
			n = t->exited;
			t->exited = NULL;
		}
		next = n->next;
		drop_strings(t, n);
	}
	while ((chunk = t->chunks)) {
		t->chunks = chunk->next;
		free(chunk);
	}
	free(t->index);
	free(t);
}

size_t proc_table_most_bytes(const struct proc_table *t)
{
	const size_t n_chunks = t->max / CHUNK_NODES + 1;

	return sizeof(*t) + n_chunks * sizeof(struct proc_chunk) + t->max_string_bytes +
	       t->cgroups.max * (sizeof(struct cgroup_path) + PROC_SLOT_BYTES) +
	       t->n_slots * sizeof(struct proc_node *);
}

static struct proc_node **slot_of(const struct proc_table *t, edr_u32 tgid)
{
	const edr_u64 block = tgid / BLOCK;

	return &t->index[(tgid + util_hash(&block, sizeof(block))) & (t->n_slots - 1)];
}

static struct proc_node *newest(const struct proc_table *t, edr_u32 tgid)
{
	struct proc_node *n = *slot_of(t, tgid);

	while (n && n->e.tgid != tgid)
		n = n->beside;
	return n;
}

struct proc_node *proc_find(const struct proc_table *t, edr_u32 tgid, edr_u64 start_ns)
{
	struct proc_node *n, *near = NULL;
	const bool coarse = proc_is_coarse(start_ns);

	for (n = newest(t, tgid); n; n = n->older) {
		if (n->e.start_ns == start_ns)
			return n;
		if (!near && proc_same_start(n->e.start_ns, n->e.coarse_start, start_ns, coarse))
			near = n;
	}
	return near;
}

static void index_add(struct proc_table *t, struct proc_node *n)
{
	struct proc_node **slot = slot_of(t, n->e.tgid);

	n->beside = *slot;
	*slot = n;
}

static void index_remove(struct proc_table *t, const struct proc_node *n)
{
	struct proc_node **link = slot_of(t, n->e.tgid);

	while (*link != n)
		link = &(*link)->beside;
	*link = n->beside;
}

static void unchain(struct proc_table *t, struct proc_node *n)
{
	struct proc_node *head = newest(t, n->e.tgid), **link;

	if (head == n) {
		index_remove(t, n);
		if (n->older)
			index_add(t, n->older);
		return;
	}
	for (link = head ? &head->older : NULL; link && *link; link = &(*link)->older) {
		if (*link == n) {
			*link = n->older;
			return;
		}
	}
}

static void unlist(struct proc_table *t, struct proc_node *n)
{
	if (n->e.exited) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): n is in this list */
		DL_DELETE(t->exited, n);
		t->n_exited--;
		return;
	}
	if (t->heal_at == n)
		t->heal_at = n->next;
	DL_DELETE(t->alive, n);
	t->stats.alive--;
}

static void enlist(struct proc_table *t, struct proc_node *n)
{
	if (n->e.exited) {
		DL_APPEND(t->exited, n);
		t->n_exited++;
		return;
	}
	DL_APPEND(t->alive, n);
	t->stats.alive++;
}

void proc_set_exited(struct proc_table *t, struct proc_node *n, edr_u64 end_ns)
{
	if (n->healed) {
		/* It was not lost but late. */
		n->healed = false;
		t->stats.healed--;
	}
	if (n->e.exited)
		return;
	unlist(t, n);
	n->e.exited = true;
	n->end_ns = end_ns;
	enlist(t, n);
}

void proc_set_healed(struct proc_table *t, struct proc_node *n, edr_u64 end_ns)
{
	if (n->e.exited)
		return;
	proc_set_exited(t, n, end_ns);
	n->healed = true;
	t->stats.healed++;
}

void proc_set_alive(struct proc_table *t, struct proc_node *n)
{
	if (!n->e.exited)
		return;
	if (n->healed)
		t->stats.healed--;
	unlist(t, n);
	n->e.exited = n->healed = false;
	enlist(t, n);
}

static void evict(struct proc_table *t, struct proc_node *n)
{
	if (n->e.exited)
		t->stats.evicted_exited++;
	else
		t->stats.evicted_alive++;
	unlist(t, n);
	unchain(t, n);
	drop_strings(t, n);
	t->stats.entries--;
	n->next = t->spare;
	t->spare = n;
}

static bool evict_one(struct proc_table *t, const struct proc_node *keep)
{
	struct proc_node *n = t->exited;

	if (n && n == keep)
		n = n->next;
	if (!n)
		n = t->alive;
	if (n && n == keep)
		n = n->next;
	if (n)
		evict(t, n);
	return n != NULL;
}

void proc_trim(struct proc_table *t, const struct proc_node *keep)
{
	while (t->strings.bytes > t->max_string_bytes && evict_one(t, keep))
		;
}

static void add_chunk(struct proc_table *t)
{
	struct proc_chunk *chunk = malloc(sizeof(*chunk));
	size_t i;

	if (!chunk)
		return;
	chunk->next = t->chunks;
	t->chunks = chunk;
	t->n_chunks++;
	for (i = CHUNK_NODES; i-- > 0;) {
		chunk->node[i].next = t->spare;
		t->spare = &chunk->node[i];
	}
}

static struct proc_node *node_take(struct proc_table *t, const struct proc_node *keep)
{
	struct proc_node *n;

	if (t->stats.entries >= t->max || t->n_exited > t->max / EXITED_SHARE)
		evict_one(t, keep);
	else if (!t->spare)
		add_chunk(t);
	if (!t->spare)
		evict_one(t, keep);
	n = t->spare;
	if (n)
		t->spare = n->next;
	return n;
}

static void node_clear(struct proc_node *n, edr_u32 tgid, edr_u64 start_ns)
{
	memset(n, 0, sizeof(*n));
	n->e.tgid = tgid;
	n->e.start_ns = start_ns;
	n->e.uid = n->e.gid = n->e.euid = n->e.egid = EDR_ID_UNSET;
	n->e.loginuid = n->e.sessionid = EDR_ID_UNSET;
	n->e.before.uid = n->e.before.loginuid = EDR_ID_UNSET;
	n->e.exe = n->e.filename = n->e.cmdline = n->e.container = n->e.cgroup = strings_none;
	n->e.before.exe = strings_none;
}

/* Enters n among those of its tgid. head: the newest of them, may be NULL. */
static void enchain(struct proc_table *t, struct proc_node *head, struct proc_node *n)
{
	struct proc_node **link;

	if (!head || n->e.start_ns >= head->e.start_ns) {
		if (head)
			index_remove(t, head);
		index_add(t, n);
		n->older = head;
		return;
	}
	for (link = &head->older; *link && (*link)->e.start_ns > n->e.start_ns;
	     link = &(*link)->older)
		;
	n->older = *link;
	*link = n;
}

/* Keeps the chain behind head short. */
static void shorten(struct proc_table *t, struct proc_node *head, const struct proc_node *keep)
{
	struct proc_node *n, *last = NULL;
	size_t count = 0;

	for (n = head; n; n = n->older) {
		count++;
		if (n != keep && n != head)
			last = n;
	}
	if (count >= MAX_SAME_TGID && last)
		evict(t, last);
}

struct proc_node *proc_insert(struct proc_table *t, edr_u32 tgid, edr_u64 start_ns,
			      const struct proc_node *keep)
{
	struct proc_node *head = newest(t, tgid), *n;

	shorten(t, head, keep);
	n = node_take(t, keep);
	if (!n)
		return NULL;
	if (n == head)
		head = newest(t, tgid); /* it was the one that gave way */
	node_clear(n, tgid, start_ns);
	if (head && head->e.start_ns <= start_ns)
		proc_set_healed(t, head, start_ns);
	n->e.exited = head && head->e.start_ns > start_ns;
	n->end_ns = n->e.exited ? head->e.start_ns : 0;
	enchain(t, head, n);
	t->stats.entries++;
	enlist(t, n);
	return n;
}

const struct proc_entry *proc_lookup(const struct proc_table *t, edr_u32 tgid, edr_u64 start_ns)
{
	const struct proc_node *n = proc_find(t, tgid, start_ns);

	return n ? &n->e : NULL;
}

const struct proc_entry *proc_lookup_tgid(const struct proc_table *t, edr_u32 tgid)
{
	const struct proc_node *n = newest(t, tgid);

	return n ? &n->e : NULL;
}

const struct proc_entry *proc_parent(const struct proc_table *t, const struct proc_entry *e)
{
	const struct proc_node *n;

	if (e->ppid == 0)
		return NULL;
	if (e->parent_start_ns)
		return proc_lookup(t, e->ppid, e->parent_start_ns);
	/* Only the pid is known: the newest that can have been there first. */
	for (n = newest(t, e->ppid); n && n->e.start_ns > e->start_ns; n = n->older)
		;
	return n ? &n->e : NULL;
}

struct wire_span proc_command(const struct proc_entry *e)
{
	struct wire_span name =
		wire_basename((struct wire_span){ e->filename, strlen(e->filename) });

	if (name.len)
		return name;
	return (struct wire_span){ e->comm, strnlen(e->comm, sizeof(e->comm)) };
}

void proc_table_stats(const struct proc_table *t, struct proc_stats *out)
{
	const size_t n_cgroups = HASH_COUNT(t->cgroups.index);

	*out = t->stats;
	out->bytes = sizeof(*t) + t->n_chunks * sizeof(struct proc_chunk) + t->strings.bytes +
		     n_cgroups * (sizeof(struct cgroup_path) + PROC_SLOT_BYTES) +
		     t->n_slots * sizeof(struct proc_node *);
}
