/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Processes, by tgid: since when they run and whose children they are, as their fork showed it. Those that
 * were there before us the source puts in from /proc.
 */
#ifndef EDR_PLAIN_PROCESS_BPF_H
#define EDR_PLAIN_PROCESS_BPF_H

const volatile struct edr_tracepoint_fields fields = {};

/* Processes that find no room are reported with a start of 0: whoever lives under that tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768); /* the loader sets it */
	__type(key, u32);
	__type(value, struct edr_plain_process);
} processes SEC(".maps");

/* A field of a tracepoint; 0 where it has none. */
static __always_inline u64 field(void *ctx, u32 at, u32 bytes)
{
	u64 v = 0;

	if (at)
		bpf_probe_read_kernel(&v, bytes, ctx + at);
	return v;
}

static __always_inline struct edr_plain_process *process_of(u32 tgid)
{
	return bpf_map_lookup_elem(&processes, &tgid);
}

static __always_inline void header_of(struct edr_hdr *h, u32 type, u32 len,
				      struct edr_plain_process *p)
{
	header_init(h, type, len, p ? p->start_ns : 0);
	if (p && p->coarse)
		h->flags = EDR_F_COARSE_START;
}

static __always_inline void header_of_current(struct edr_hdr *h, u32 type, u32 len)
{
	header_of(h, type, len, process_of(bpf_get_current_pid_tgid() >> 32));
}

#endif
