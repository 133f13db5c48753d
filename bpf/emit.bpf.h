/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The only place that writes to a ring, and so the only one that counts: produced = delivered +
 * dropped. Counters are bumped atomically: a program can be interrupted on its CPU by another one.
 *
 * Waking the reader costs more than the capture (docs/hooks.md). So a record is written without a
 * wake-up; only the first one after the reader went to sleep wakes it, and one that finds a ring
 * over a quarter full. The reader sleeps in between to let a batch gather.
 */
#ifndef EDR_EMIT_BPF_H
#define EDR_EMIT_BPF_H

/*
 * Keeps the compiler from testing one copy of a value and using another, of which the verifier then
 * knows nothing.
 */
#define OPAQUE(v) asm volatile("" : "+r"(v))

#define RING_DEFAULT_BYTES (4 << 20)
#define SCRATCH_DATA 49152 /* the record, with room for the verifier's view of an offset */
#define SCRATCH_PATH (EDR_PATH_MAX + 256) /* a path is built downwards from EDR_PATH_MAX */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_DEFAULT_BYTES); /* the loader sets it */
} ring_exec SEC(".maps"), ring_noisy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EDR_TYPE_MAX);
	__type(key, u32);
	__type(value, struct edr_counters);
} counters SEC(".maps");

/*
 * Buffers for records that are too large for the stack, and the free ones among them. A pool, not
 * one a CPU: a program may be preempted while it holds its buffer, and another run on that CPU.
 */
struct scratch {
	union {
		struct edr_hdr hdr;
		struct edr_exec exec;
		struct edr_exec_failed exec_failed;
		struct edr_cgroup cgroup;
		char data[SCRATCH_DATA];
	};
	char path[SCRATCH_PATH];
	char name[256];
	u32 path_at; /* where the path begins */
	u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* the loader sets it */
	__type(key, u32);
	__type(value, struct scratch);
} scratch_pool SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1); /* the same */
	__uint(value_size, sizeof(u32));
} scratch_free SEC(".maps");

const volatile edr_u32 self_tgid = 0; /* our own process is never reported: no loops */
const volatile edr_u64 ring_exec_high = RING_DEFAULT_BYTES / 4;
const volatile edr_u64 ring_noisy_high = RING_DEFAULT_BYTES / 4;

struct edr_reader_state reader_state; /* shared with the reader */

static __always_inline struct edr_counters *counters_of(u32 type)
{
	return bpf_map_lookup_elem(&counters, &type);
}

#define COUNT(type, what)                                           \
	do {                                                        \
		struct edr_counters *counters_ = counters_of(type); \
		if (counters_)                                      \
			__sync_fetch_and_add(&counters_->what, 1);  \
	} while (0)

/*
 * After a record is in its ring, never before: the reader says that it sleeps, then looks at the
 * rings (wait_batch() in bpf.c); we write, then look whether it sleeps. So one of the two sees the
 * other: the kernel's xchg in the commit of the record is the barrier here. The wake-up goes with
 * an empty record, which the reader passes over; it finds it there even when it has taken ours
 * already and then sees no flag.
 */
static __always_inline void wake_reader(void *ring, u64 high)
{
	const bool sleeps = reader_state.sleeps;
	void *empty;

	if (!sleeps && (reader_state.hurry || bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) <= high))
		return;
	empty = bpf_ringbuf_reserve(ring, sizeof(u64), 0);
	if (!empty)
		return; /* full: the next one tries again */
	if (sleeps)
		reader_state.sleeps = 0;
	else
		reader_state.hurry = 1;
	bpf_ringbuf_discard(empty, BPF_RB_FORCE_WAKEUP);
}

/* len bytes of a whole record; true when it is in the ring. */
static __always_inline bool emit_to(void *ring, u64 high, void *rec, u32 len, u32 type)
{
	struct edr_counters *c = counters_of(type);
	bool kept;

	if (!c)
		return false;
	__sync_fetch_and_add(&c->produced, 1);
	if (((struct edr_hdr *)rec)->flags & EDR_F_TRUNCATED)
		__sync_fetch_and_add(&c->truncated, 1);
	kept = bpf_ringbuf_output(ring, rec, len, BPF_RB_NO_WAKEUP) == 0;
	if (!kept)
		__sync_fetch_and_add(&c->dropped, 1);
	wake_reader(ring, high);
	return kept;
}

#define emit_exec(rec, len, type) emit_to(&ring_exec, ring_exec_high, rec, len, type)
#define emit_noisy(rec, len, type) emit_to(&ring_noisy, ring_noisy_high, rec, len, type)

/*
 * An event that could not even be made (no scratch buffer, no room to remember a call): produced
 * and dropped.
 */
static __always_inline void emit_lost(u32 type)
{
	COUNT(type, produced);
	COUNT(type, dropped);
}

static __always_inline struct scratch *scratch_get(u32 *slot)
{
	if (bpf_map_pop_elem(&scratch_free, slot))
		return 0;
	return bpf_map_lookup_elem(&scratch_pool, slot);
}

static __always_inline void scratch_put(u32 *slot)
{
	bpf_map_push_elem(&scratch_free, slot, BPF_ANY);
}

/* Of the current process, which started at start_ns; ids as bpf_get_current_pid_tgid() has them. */
static __always_inline void header_fill(struct edr_hdr *h, u32 type, u32 len, u64 start_ns, u64 ids)
{
	h->version = EDR_WIRE_VERSION;
	h->pad0 = 0;
	h->type = type;
	h->len = len;
	h->time_ns = bpf_ktime_get_boot_ns();
	h->start_ns = start_ns;
	h->tgid = ids >> 32;
	h->tid = ids;
	h->cpu = bpf_get_smp_processor_id();
	h->flags = 0;
}

static __always_inline void header_init(struct edr_hdr *h, u32 type, u32 len, u64 start_ns)
{
	header_fill(h, type, len, start_ns, bpf_get_current_pid_tgid());
}

#endif
