/* SPDX-License-Identifier: MIT */
/*
 * memory_mb shared out. What a row costs is measured (docs/benchmarks.md); the tables also have limits in
 * bytes of their own, which the rooms derive from the rows.
 *
 *	rings            3/32   execs, which must not be lost, have two parts of three
 *	processes        1/8    256 a MiB: 256 bytes each, and 256 of strings
 *	cell             1/4    open, closing, and the small one of the checkpoints
 *	a cell's JSON    1/8
 *	raw events       1/8    waiting as interim parts, and the open part
 *	sinks            1/8    what waits for --output, --stdout and --record together
 *	batch            1/32   with its index
 *	kernel tables    1/64
 *	the rest         7/64   libraries, kernel types while the program loads, parents
 */
#include "conf/conf.h"
#include "util/pow2.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define PROCESSES_PER_MIB 256
#define EXECUTABLES_PER_MIB 12
#define COMMAND_LINES_PER_MIB 48
#define CONNECTIONS_PER_MIB 24
#define KERNEL_ENTRIES_PER_MIB \
	32 /* of some 200 bytes each, and all such tables have two and a half times as many */
#define CHECKPOINT_SHARE 4 /* of a cell's rows: it holds seconds, not minutes */

static size_t own_or(unsigned own, size_t share)
{
	return own ? own : share;
}

/* The kernel wants a power of two; down, so that the sum stays. */
static size_t ring_kib(size_t mib, unsigned share)
{
	return pow2_down(mib) * KIB / share;
}

static size_t clamp(size_t n, size_t least, size_t most)
{
	return n < least ? least : n > most ? most : n;
}

static struct conf_rows rows(const struct conf *c, size_t mib)
{
	return (struct conf_rows){
		.executables = own_or(c->max_executables, mib * EXECUTABLES_PER_MIB),
		.command_lines = own_or(c->max_command_lines, mib * COMMAND_LINES_PER_MIB),
		.connections = own_or(c->max_connections, mib * CONNECTIONS_PER_MIB),
	};
}

static size_t n_sinks(const struct conf *c)
{
	const size_t n = (*c->output != '\0') + c->stdout_events + (*c->record != '\0');

	return n ? n : 1;
}

struct conf_sizes conf_sizes(const struct conf *c)
{
	const size_t mib = c->memory_mb;
	struct conf_sizes s = {
		.ring_exec = own_or(c->ring_exec_kb, ring_kib(mib, 16)) * KIB,
		.ring_noisy = own_or(c->ring_noisy_kb, ring_kib(mib, 32)) * KIB,
		.processes = own_or(c->max_processes, mib * PROCESSES_PER_MIB),
		.cell = rows(c, mib),
		.part = clamp(mib * MIB / 64, MIB / 4, 4 * MIB),
		.parts = mib * MIB / 16,
		.sink = mib * MIB / 8 / n_sinks(c),
		.batch = clamp(mib * MIB / 64, MIB / 4, 4 * MIB),
		.kernel_entries = (unsigned)clamp(mib * KERNEL_ENTRIES_PER_MIB, 512, 65536),
	};

	s.checkpoint = (struct conf_rows){ s.cell.executables / CHECKPOINT_SHARE + 1,
					   s.cell.command_lines / CHECKPOINT_SHARE + 1,
					   s.cell.connections / CHECKPOINT_SHARE + 1 };
	return s;
}
