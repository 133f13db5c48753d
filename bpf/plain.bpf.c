// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The object for kernels without BTF. One CO-RE relocation anywhere in it and such a kernel could not load
 * it: so it reads no structure of the kernel's. What it knows comes from
 *
 *	the fields of tracepoints, at the offsets that their format files say (tracepoint_fields);
 *	helpers that tell of the current process;
 *	the registers with which the process entered the kernel (frame.bpf.h), whose layout is part of the
 *	architecture's interface to user space;
 *	the memory of the process itself.
 *
 * Everything else (resolved paths, effective ids, control groups by name) the source adds from /proc while
 * the process still lives (src/source/bpf_plain.c). Rings, counters, filters and connects are those of
 * edr.bpf.c. tests/unit/test_plain.c fails when there is a relocation.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "edr/control.h"
#include "edr/wire.h"

#include "emit.bpf.h"
#include "again.bpf.h"
#include "filter.bpf.h"
#include "calls.bpf.h"
#include "frame.bpf.h"
#include "plain_process.bpf.h"
#include "argv.bpf.h"
#include "plain_exec.bpf.h"
#include "exec_failed.bpf.h"
#include "plain_proc.bpf.h"
#include "net.bpf.h"
#include "plain_sock.bpf.h"
#include "syscall.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
