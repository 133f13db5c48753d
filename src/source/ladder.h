/* SPDX-License-Identifier: MIT */
/*
 * The ways to see this host, best first: the CO-RE BPF object, by the kernel's BTF or by that of a file; the BPF object without
 * relocations; ftrace. With `auto` the first that can be opened is taken: by trying, never by the kernel's version. docs/sources.md says what each cannot see.
 */
#ifndef EDR_SOURCE_LADDER_H
#define EDR_SOURCE_LADDER_H

#include "source/source.h"
#include "util/buf.h"

extern const struct source_ops *const source_ladder[];
extern const size_t source_ladder_n;

/* The step of that name; NULL when there is none. */
const struct source_ops *source_by_name(const char *name);

/* Opens the first step that can be opened. Its host record begins `degraded` with the reasons of those above it. */
extern const struct source_ops source_auto;

/* The same with other steps, for tests. *taken: the one that is open. refused: the reasons of the others, which must live
 * as long as it is. */
int ladder_open(const struct source_ops *const *steps, size_t n, const struct source_config *cfg,
		struct buf *refused, const struct source_ops **taken, struct source **out,
		char *err, size_t err_size);

#endif
