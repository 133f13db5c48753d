// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The same programs for a kernel without BTF, fitted to it by a file that holds its BTF (btf_path): on raw tracepoints, whose
 * arguments have no types, and so with a helper's call for each pointer (typed.bpf.h).
 */
#define EDR_RAW
#include "edr.bpf.c"
