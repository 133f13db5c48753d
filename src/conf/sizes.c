/* SPDX-License-Identifier: MIT */
/*
 * memory_mb shared out, so that the worst case of all parts together stays within it: conf_most_bytes()
 * adds them up, and test_sizes holds that against what the rooms say of themselves.
 *
 * What has no size of its own takes 6.5 MiB (libraries, code, stacks, what the kernel has for each CPU,
 * what malloc cannot use), and 9 are set aside. The rings have a share of the whole, all else of the rest:
 *
 *	rings            3/32   of memory_mb, rounded down to a power of two. Execs, which must not be
 *	                        lost, have two parts of three
 *	processes        192 a MiB
 *	cells            the open one, the one being written with its JSON, that of a run that was
 *	                 killed; and three small ones of the checkpoints
 *	cells that wait  1/16   while the disk takes nothing
 *	raw events       1/16   waiting as interim parts; the open part and a closed cell's: 1/64 each
 *	sinks            1/32   what waits for --output, --stdout and --record together, in chunks that
 *	                        are half full at least
 *	batch            1/64   twice, with its index
 *	kernel tables    24 entries a MiB; with ftrace, which has none of them, as many bytes of tasks
 */
#include "conf/conf.h"
#include "util/pow2.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define SET_ASIDE_MIB 9
#define PROCESSES_PER_MIB 192
#define EXECUTABLES_PER_MIB 10
#define COMMAND_LINES_PER_MIB 40
#define CONNECTIONS_PER_MIB 20
#define KERNEL_ENTRIES_PER_MIB 24
#define CHECKPOINT_SHARE 4 /* of a cell's rows: it holds seconds, not minutes */

/* What each takes at most. */
#define UNSIZED_BYTES (13 * MIB / 2)
#define PROCESS_BYTES 320 /* with its share of the control groups, without strings: */
#define STRING_BYTES 256
#define STRINGS_LEAST (512 * KIB)
#define EXECUTABLE_BYTES 3840 /* with all that is counted by executable */
#define COMMAND_LINE_BYTES 512
#define CONNECTION_BYTES 1024
/* Beside its rows; small tables have a least size. */
#define CELL_BYTES (48 * KIB)
#define CHECKPOINT_BYTES (170 * KIB)
#define CELLS 5 /* three, and the JSON of one, which is twice its size */
#define CHECKPOINTS 3
#define PART_BYTES (64 * KIB)  /* the last chunk */
#define SINK_BYTES (144 * KIB) /* two chunks: the one that is filled, the one that is written */
#define KERNEL_ENTRY_BYTES ((size_t)1900) /* in all tables together, for each of kernel_entries */

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
	const size_t mib = c->memory_mb - SET_ASIDE_MIB, bytes = mib * MIB;
	struct conf_sizes s = {
		.ring_exec = own_or(c->ring_exec_kb, ring_kib(c->memory_mb, 16)) * KIB,
		.ring_noisy = own_or(c->ring_noisy_kb, ring_kib(c->memory_mb, 32)) * KIB,
		.processes = own_or(c->max_processes, mib * PROCESSES_PER_MIB),
		.cell = rows(c, mib),
		.part = clamp(bytes / 64, MIB / 8, 4 * MIB),
		.parts = bytes / 16,
		.cells = bytes / 16,
		.sink = bytes / 32 / n_sinks(c),
		.batch = clamp(bytes / 64, MIB / 4, 4 * MIB),
		.kernel_entries =
			(unsigned)clamp(mib * KERNEL_ENTRIES_PER_MIB, 256, (size_t)1 << 16),
	};

	s.checkpoint = (struct conf_rows){ s.cell.executables / CHECKPOINT_SHARE + 1,
					   s.cell.command_lines / CHECKPOINT_SHARE + 1,
					   s.cell.connections / CHECKPOINT_SHARE + 1 };
	return s;
}

static size_t rows_most(const struct conf_rows *r)
{
	return r->executables * EXECUTABLE_BYTES + r->command_lines * COMMAND_LINE_BYTES +
	       r->connections * CONNECTION_BYTES;
}

static size_t processes_most(size_t n)
{
	const size_t strings = n * STRING_BYTES;

	return n * PROCESS_BYTES + (strings < STRINGS_LEAST ? STRINGS_LEAST : strings);
}

size_t conf_most_bytes(const struct conf *c)
{
	const struct conf_sizes s = conf_sizes(c);

	return UNSIZED_BYTES + s.ring_exec + s.ring_noisy + processes_most(s.processes) +
	       CELLS * (CELL_BYTES + rows_most(&s.cell)) +
	       CHECKPOINTS * (CHECKPOINT_BYTES + rows_most(&s.checkpoint)) + s.cells + s.parts +
	       2 * (s.part + PART_BYTES) + n_sinks(c) * (s.sink * 9 / 4 + SINK_BYTES) +
	       s.batch * 16 / 7 + s.kernel_entries * KERNEL_ENTRY_BYTES;
}
