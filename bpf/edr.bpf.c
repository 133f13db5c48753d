// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The BPF object: each header holds the maps and programs of one family of events. Every program is
 * optional; the loader (src/source/bpf.c) loads those that the configuration asks for and the kernel can
 * take, and names the others.
 *
 * It loads from 5.10 on: no bpf_loop, no dynptr, no atomics that return a value, no PT_REGS (regs.bpf.h). Names
 * of functions are those of include/edr/events.def.
 *
 * tp_btf programs know the types of their arguments and follow pointers by plain loads: FIELD in typed.bpf.h. A
 * helper's call costs ten times as much. The others, and code that both use, have BPF_CORE_READ.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "edr/control.h"
#include "edr/wire.h"

#include "typed.bpf.h"
#include "compat.bpf.h"
#include "emit.bpf.h"
#include "again.bpf.h"
#include "current.bpf.h"
#include "filter.bpf.h"
#include "calls.bpf.h"
#include "regs.bpf.h"
#include "path.bpf.h"
#include "argv.bpf.h"
#include "exec.bpf.h"
#include "exec_failed.bpf.h"
#include "proc.bpf.h"
#include "net.bpf.h"
#include "sock.bpf.h"
#include "syscall.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
