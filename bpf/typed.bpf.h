/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How the programs of tracepoints come by what a pointer of the kernel's points to. With types (tp_btf) by plain loads, which
 * the verifier allows by the kernel's own BTF. Without (raw_tp), for a kernel that has none, by a helper's call for each
 * pointer: raw.bpf.c. In both, zero where there is nothing to read.
 */
#ifndef EDR_TYPED_BPF_H
#define EDR_TYPED_BPF_H

#ifndef EDR_RAW

#define TYPED true
#define TRACEPOINT "tp_btf"
#define FIELD(p, ...) ___arrow((p), __VA_ARGS__) /* FIELD(p, a, b) is p->a->b */
#define POINTER(place) (*(place))

#else

#define TYPED false
#define TRACEPOINT "raw_tp"
#define FIELD(p, ...) BPF_CORE_READ(p, __VA_ARGS__)
#define POINTER(place)                                                     \
	({                                                                 \
		typeof(*(place)) pointer_ = 0;                             \
		bpf_probe_read_kernel(&pointer_, sizeof(pointer_), place); \
		pointer_;                                                  \
	})

#endif
#endif
