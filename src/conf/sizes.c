/* SPDX-License-Identifier: MIT */
/*
 * memory_mb shared out, so that the worst case of all parts together stays within it: conf_most_bytes()
 * adds them up, and test_sizes holds that against what the rooms say of themselves.
 *
 * What has no size of its own takes 6.5 MiB (libraries, code, stacks, what the kernel has for each
 * CPU, what malloc cannot use), and 10 are set aside. The rings have a share of the whole, all else
 * of the rest:
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
 *	baseline         128 entries of 32 bytes a MiB, three times: itself, what waits, what is
 *	                        written
 *	findings         400 KiB: what was found in this window, bursts, a text that is looked at;
 *	                        half of it off the cells that wait, half off the raw events
 *	redaction        one record, and what it is looked through with
 *	the model        where one is asked: 4 MiB more are set aside, for an exchange; the queue, 16
 *	                 reports a MiB; a prompt; and the text of the report that it is made of, for
 *	                 which the tables of cells have two parts less of seven. What is left of a
 *	                 memory_mb below 20 is not enough for that
 *	kernel tables    24 entries a MiB; with ftrace, which has none of them, as many bytes of tasks
 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "util/pow2.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define SET_ASIDE_MIB 10
#define PROCESSES_PER_MIB 192
#define EXECUTABLES_PER_MIB 10
#define COMMAND_LINES_PER_MIB 40
#define CONNECTIONS_PER_MIB 20
#define KERNEL_ENTRIES_PER_MIB 24
#define BASELINE_PER_MIB 128
#define WAITING_PER_MIB 16
#define CHECKPOINT_SHARE 4 /* of a cell's rows: it holds seconds, not minutes */

/* What each takes at most. */
#define UNSIZED_BYTES (13 * MIB / 2)
#define PROCESS_BYTES 344 /* with its share of the control groups, without strings: */
#define STRING_BYTES 256
#define STRINGS_LEAST (512 * KIB)
#define EXECUTABLE_BYTES 3840 /* with all that is counted by executable */
#define COMMAND_LINE_BYTES 512
#define CONNECTION_BYTES 1024
/* Beside its rows; small tables have a least size. */
#define CELL_BYTES (64 * KIB)
#define CHECKPOINT_BYTES (176 * KIB)
#define CELLS 5 /* three, and the JSON of one, which is twice its size */
#define CHECKPOINTS 3
#define PART_BYTES (64 * KIB)  /* the last chunk */
#define SINK_BYTES (144 * KIB) /* two chunks: the one that is filled, the one that is written */
#define BASELINE_BYTES ((size_t)3 * 32)
#define BASELINE_LEAST 64
#define FINDINGS_BYTES (400 * KIB)
#define MODEL_MIB 4 /* the exchange, with what is fixed in a prompt and the least queue */
#define MODEL_LEAST_MIB 6
#define EXCHANGE_BYTES (3 * MIB)
#define WAITING_BYTES ((size_t)2048)
#define WAITING_LEAST 64
#define WAITING_MOST 4096		   /* DUTY_QUEUE_MAX */
#define PROMPT_FIXED (384 * KIB)	   /* the longest row, as often */
#define PROMPT_TOKEN_BYTES ((size_t)3 * 5) /* five copies while it is made */
#define PROMPT_MOST (5 * MIB)
#define PROMPT_ROW_BYTES ((size_t)320)
#define REPORT_TEXT 2	      /* by the tables of a cell */
#define SMALL_CELL (48 * KIB) /* more of CELL_BYTES, where its tables have few rows */
#define REDACT_BYTES (512 * KIB)
#define REDACT_PATTERNS_BYTES (288 * KIB)
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

/* As analyze/client.h looks for a key, or another server; the key in the environment is in api_key. */
static bool asks_model(const struct conf *c)
{
	return *c->api_key || *c->api_key_file || strcmp(c->api_base, CONF_API_BASE) != 0 ||
	       getenv("CREDENTIALS_DIRECTORY");
}

/* Room for the text of one more report comes off the tables that make it. */
static struct conf_rows rows(const struct conf *c, size_t mib)
{
	const size_t parts = asks_model(c) ? CELLS : CELLS + REPORT_TEXT, of = CELLS + REPORT_TEXT;

	return (struct conf_rows){
		.executables = own_or(c->max_executables, mib * EXECUTABLES_PER_MIB * parts / of),
		.command_lines =
			own_or(c->max_command_lines, mib * COMMAND_LINES_PER_MIB * parts / of),
		.connections = own_or(c->max_connections, mib * CONNECTIONS_PER_MIB * parts / of),
	};
}

static size_t shared_mib(const struct conf *c)
{
	const size_t mib = c->memory_mb - SET_ASIDE_MIB;

	if (!asks_model(c))
		return mib;
	return mib < MODEL_MIB + MODEL_LEAST_MIB ? MODEL_LEAST_MIB : mib - MODEL_MIB;
}

static size_t n_sinks(const struct conf *c)
{
	const size_t n = (*c->output != '\0') + c->stdout_events + (*c->record != '\0');

	return n ? n : 1;
}

/* As many as are saved in a few milliseconds: the collector copies them when a cell closes. */
static size_t baseline_entries(const struct conf *c, size_t mib)
{
	const size_t share = clamp(mib * BASELINE_PER_MIB, 512, (size_t)1 << 16);
	const size_t n = own_or(c->max_baseline, share);

	return !c->learning_days ? 0 : n < BASELINE_LEAST ? BASELINE_LEAST : n;
}

struct conf_sizes conf_sizes(const struct conf *c)
{
	const size_t mib = shared_mib(c), bytes = mib * MIB;
	struct conf_sizes s = {
		.ring_exec = own_or(c->ring_exec_kb, ring_kib(c->memory_mb, 16)) * KIB,
		.ring_noisy = own_or(c->ring_noisy_kb, ring_kib(c->memory_mb, 32)) * KIB,
		.processes = own_or(c->max_processes, mib * PROCESSES_PER_MIB),
		.cell = rows(c, mib),
		.part = clamp(bytes / 64, MIB / 8, 4 * MIB),
		.parts = bytes / 16 - FINDINGS_BYTES / 2,
		.cells = bytes / 16 - FINDINGS_BYTES / 2,
		.sink = bytes / 32 / n_sinks(c),
		.batch = clamp(bytes / 64, MIB / 4, 4 * MIB),
		.kernel_entries =
			(unsigned)clamp(mib * KERNEL_ENTRIES_PER_MIB, 256, (size_t)1 << 16),
		.baseline = baseline_entries(c, mib),
		.waiting = asks_model(c) ? clamp(mib * WAITING_PER_MIB, WAITING_LEAST, WAITING_MOST)
					 : 0,
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

static size_t redact_most(const struct conf *c)
{
	return REDACT_BYTES + (*c->redact_patterns ? REDACT_PATTERNS_BYTES : 0);
}

static size_t model_most(const struct conf *c, const struct conf_sizes *s)
{
	const size_t prompt = c->prompt_tokens * PROMPT_TOKEN_BYTES,
		     rows = s->cell.executables + s->cell.connections;

	if (!asks_model(c))
		return 0;
	return EXCHANGE_BYTES + s->waiting * WAITING_BYTES + PROMPT_FIXED +
	       (prompt < PROMPT_MOST ? prompt : PROMPT_MOST) + rows * PROMPT_ROW_BYTES +
	       REPORT_TEXT * (CELL_BYTES + rows_most(&s->cell)) +
	       (CELLS + REPORT_TEXT) * SMALL_CELL;
}

size_t conf_most_bytes(const struct conf *c)
{
	const struct conf_sizes s = conf_sizes(c);

	return UNSIZED_BYTES + FINDINGS_BYTES + s.ring_exec + s.ring_noisy +
	       processes_most(s.processes) + CELLS * (CELL_BYTES + rows_most(&s.cell)) +
	       CHECKPOINTS * (CHECKPOINT_BYTES + rows_most(&s.checkpoint)) + s.cells + s.parts +
	       2 * (s.part + PART_BYTES) + n_sinks(c) * (s.sink * 9 / 4 + SINK_BYTES) +
	       s.batch * 16 / 7 + s.kernel_entries * KERNEL_ENTRY_BYTES +
	       s.baseline * BASELINE_BYTES + redact_most(c) + model_most(c, &s);
}
