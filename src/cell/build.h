/* SPDX-License-Identifier: MIT */
/*
 * Rows that were counted elsewhere, put into a cell that cell_new_window() made: first all rows of
 * one cell or report, then cell_settle() with the rest of it. Each adds to what is there.
 *
 * 0; -EBADMSG when the row came already since the last cell_settle(), or when its parts make more
 * than the whole; -ENOMEM. After an error the cell is good for cell_free() only.
 */
#ifndef EDR_CELL_BUILD_H
#define EDR_CELL_BUILD_H

#include "cell/view.h"

int cell_put_exe(struct cell *cell, const struct cell_exe *e);
int cell_put_command(struct cell *cell, const struct cell_command *c); /* its count only */
int cell_put_connection(struct cell *cell, const struct cell_connection *c);
int cell_put_syscall(struct cell *cell, const struct cell_syscall *s);

/* Before cell_settle(), into what it will be given. false: no BPF program has such a name. */
bool cell_put_program(struct cell_cost *to, struct wire_span name, edr_u64 run_ns, edr_u64 runs);

/* All of v but the rows; they have been put in. */
int cell_settle(struct cell *cell, const struct cell_view *v);

#endif
