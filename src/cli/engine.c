/* SPDX-License-Identifier: MIT */
#include "cli/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cell/view.h"
#include "cli/event_line.h"
#include "cli/learn.h"
#include "detect/baseline.h"
#include "report/chain.h"
#include "report/retain.h"
#include "source/capture.h"
#include "source/host.h"
#include "util/log.h"
#include "wire/wire.h"

#define NS_PER_S 1000000000ull
#define MIB ((size_t)1 << 20)
#define MAX_REPORT_QUEUE 64
#define REPORT_RETRY_MS 2000
#define CLOSE_TIMEOUT_MS 10000
#define REPLAY_CLOSE_TIMEOUT_MS 600000 /* a replay has time, but no for ever */

/* usual: of the cell's window. A checkpoint has a part of one, and parts are added up. */
static void tell_baseline(const struct engine *e, struct cell *closed, bool usual)
{
	const struct cell_totals *t = cell_totals(closed);
	struct baseline_state state;

	if (!e->baseline)
		return;
	baseline_state(e->baseline, t->window_start_ns, t->window_end_ns, &state);
	cell_set_baseline(closed, &(struct cell_baseline){
					  .learning = state.learning,
					  .days = state.days,
					  .usual_execs = usual ? state.usual_execs : 0,
					  .evicted = state.evicted,
				  });
}

/* What it has by now; without memory the file stays as it was. */
static void keep_baseline(struct engine *e)
{
	struct buf file = { 0 };

	if (!e->baseline || e->replay)
		return;
	if (baseline_save(e->baseline, &file) == 0)
		report_writer_keep(e->writer, LEARN_FILE, &file);
	buf_free(&file);
}

static void on_closed(void *ctx, struct cell *closed)
{
	struct engine *e = ctx;

	e->cells_closed++;
	tell_baseline(e, closed, true);
	report_writer_cell(e->writer, closed); /* it counts and says what it cannot take */
	keep_baseline(e);
}

static int on_interim(void *ctx, struct cell_events *part)
{
	struct engine *e = ctx;

	return report_writer_interim(e->writer, part);
}

static struct wire_process process_of(const struct proc_entry *who)
{
	if (!who)
		return (struct wire_process){ 0 };
	return (struct wire_process){
		.ppid = who->ppid,
		.command = proc_command(who),
		.exe = { who->exe, strlen(who->exe) },
		.container = { who->container, strlen(who->container) },
	};
}

/* The event as JSON, in e->line with a newline behind it; empty without memory. */
static struct wire_span make_line(struct engine *e, const struct edr_hdr *rec,
				  const struct proc_entry *who)
{
	const struct wire_process process = process_of(who);

	buf_clear(&e->line);
	wire_json(&e->line, rec, cells_wall_offset(e->cells), who ? &process : NULL);
	buf_addc(&e->line, '\n');
	if (e->line.failed) {
		e->out_of_memory = true;
		buf_free(&e->line);
		return (struct wire_span){ 0 };
	}
	return (struct wire_span){ e->line.data, e->line.len - 1 };
}

static struct wire_span on_json(void *ctx, const struct edr_hdr *rec, const struct proc_entry *who)
{
	return make_line(ctx, rec, who);
}

static struct cell_config cell_config(const struct engine *e, const struct conf *conf)
{
	const struct conf_sizes sizes = conf_sizes(conf);

	return (struct cell_config){
		.interval_min = conf->report_interval,
		.keep_events = conf->include_raw_events,
		.list_threads = conf->list_threads,
		.redact_off = e->redact_off,
		.max_events = conf->max_events_buffer,
		.max_events_bytes = sizes.part,
		.max_interim_bytes = conf->max_interim_mb * MIB,
		.max_events_age_s = conf->max_events_age,
		.max_executables = sizes.cell.executables,
		.max_command_lines = sizes.cell.command_lines,
		.max_connections = sizes.cell.connections,
	};
}

static struct retain_config retain_config(const struct conf *conf)
{
	return (struct retain_config){
		.keep_days = { [LEVEL_INTERIM] = conf->keep_cells_days,
			       [LEVEL_CELL] = conf->keep_cells_days,
			       [LEVEL_BLOCK] = conf->keep_blocks_days,
			       [LEVEL_DAILY] = conf->keep_daily_days,
			       [LEVEL_WEEKLY] = conf->keep_weekly_days,
			       [LEVEL_MONTHLY] = conf->keep_monthly_days },
		.max_bytes = (unsigned long long)conf->max_reports_mb * MIB,
	};
}

/* What came since the last checkpoint, for the report thread to put on disk. */
static void on_delta(void *ctx, struct cell *delta)
{
	struct engine *e = ctx;

	tell_baseline(e, delta, false);
	report_writer_checkpoint(e->writer, delta);
}

/* Of the first records there is a checkpoint at once, of nothing: that a run began. */
static void mark_start(struct engine *e, const struct edr_hdr *rec)
{
	cells_fold(e->start, rec, NULL, e->table, (struct wire_span){ 0 });
	if (rec->type != EDR_HOST || !cells_now(e->start))
		return;
	cells_close_partial(e->start, e->table);
	cells_free(e->start);
	e->start = NULL;
}

/* Before the cell itself: at a window's end the last delta must come before what makes it stale. */
static void fold_delta(struct engine *e, const struct edr_hdr *rec, const struct proc_entry *who,
		       unsigned marks)
{
	if (!e->deltas)
		return;
	if (e->start)
		mark_start(e, rec);
	cells_mark(e->deltas, marks);
	cells_fold(e->deltas, rec, who, e->table, (struct wire_span){ 0 });
}

/* Behind all that the record gives. */
static void close_delta(struct engine *e, const struct edr_hdr *rec)
{
	if (!e->deltas || rec->time_ns < e->next_delta_ns)
		return;
	if (e->next_delta_ns)
		cells_close_partial(e->deltas, e->table);
	e->next_delta_ns = rec->time_ns + e->delta_ns;
}

/*
 * What a kill costs is the time between two of them, and what a record takes from the kernel to the
 * disk: a second is set aside for that, or half of a short interval.
 */
static edr_u64 delta_ns(unsigned interval_s)
{
	return interval_s > 1 ? (interval_s - 1) * NS_PER_S : NS_PER_S / 2;
}

static struct cell_config delta_config(const struct engine *e, const struct conf *conf)
{
	const struct conf_rows rows = conf_sizes(conf).checkpoint;
	struct cell_config cfg = cell_config(e, conf);

	cfg.keep_events = false;
	cfg.max_executables = rows.executables;
	cfg.max_command_lines = rows.command_lines;
	cfg.max_connections = rows.connections;
	return cfg;
}

static int open_deltas(struct engine *e, const struct conf *conf)
{
	const struct cell_sinks sinks = { .ctx = e, .on_closed = on_delta };
	const struct cell_config cfg = delta_config(e, conf);

	if (e->replay || !conf->checkpoint_interval)
		return 0;
	e->delta_ns = delta_ns(conf->checkpoint_interval);
	e->deltas = cells_new(&cfg, &sinks);
	e->start = cells_new(&cfg, &sinks);
	return e->deltas && e->start ? 0 : -ENOMEM;
}

static int open_baseline(struct engine *e, const struct conf *conf)
{
	struct baseline_config cfg = { .learning_days = conf->learning_days,
				       .window_min = conf->report_interval,
				       .max_entries = conf_sizes(conf).baseline };

	if (!cfg.max_entries)
		return 0;
	if (!e->replay)
		learn_key(cfg.key);
	e->baseline = baseline_new(&cfg);
	if (!e->baseline)
		return -ENOMEM;
	if (!e->replay)
		learn_baseline(e->baseline, conf->reports_dir,
			       BASELINE_HEAD_BYTES + cfg.max_entries * BASELINE_ENTRY_BYTES,
			       LEARN_MOST_MS);
	return 0;
}

static void set_switches(struct engine *e, const struct conf *conf)
{
	e->list_threads = conf->list_threads;
	e->print_events = conf->debug && conf->verbose_debug_logging;
	log_set_level(conf->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

static int open_record(struct engine *e, const struct conf *conf, char *err, size_t err_size)
{
	/* It holds every command line of the host: for its owner alone, and never over another file. */
	const struct sink_config cfg = { .path = conf->record,
					 .name = "record",
					 .max_queue_bytes = conf_sizes(conf).sink,
					 .max_file_bytes = conf->record_max_mb * MIB };
	struct capture_header header;

	if (sink_open(&e->record, &cfg, err, err_size) != 0)
		return EX_CANTCREAT;
	capture_header_init(&header);
	sink_write(e->record, &header, sizeof(header));
	return 0;
}

static int open_sinks(struct engine *e, const struct conf *conf, char *err, size_t err_size)
{
	struct sink_config cfg = { .path = conf->output,
				   .name = "output",
				   .append = true,
				   .max_queue_bytes = conf_sizes(conf).sink,
				   .wait_for_room = e->replay };

	if (*conf->output && sink_open(&e->output, &cfg, err, err_size) != 0)
		return EX_CANTCREAT;
	cfg.path = NULL;
	cfg.name = "stdout";
	if (conf->stdout_events && sink_open(&e->events_stdout, &cfg, err, err_size) != 0)
		return EX_CANTCREAT;
	return *conf->record && !e->replay ? open_record(e, conf, err, err_size) : 0;
}

/*
 * In the report thread. A report with findings is rare: the file is opened for each of them, so that
 * log rotation needs no more, and is not there before.
 */
static void on_analysis(void *ctx, const char *text, size_t len)
{
	const struct sink_config cfg = { .path = ctx,
					 .name = "analysis",
					 .append = true,
					 .max_queue_bytes = len + 1,
					 .wait_for_room = true };
	char err[512] = "it could not be written";
	struct sink *s;
	int failed = sink_open(&s, &cfg, err, sizeof(err));

	if (!failed) {
		failed = sink_write(s, text, len);
		failed |= sink_close(s, NULL, 0, CLOSE_TIMEOUT_MS);
	}
	if (failed)
		log_warn("run", "an analysis is missing in the output: %s", err);
}

/* Only beside a file: a pipe or a device has no name that another could be made of. */
static int name_analysis(struct engine *e, const struct conf *conf)
{
	const size_t size = strlen(conf->output) + sizeof(".analysis");
	struct stat st;

	if (!*conf->output || (!stat(conf->output, &st) && !S_ISREG(st.st_mode)))
		return 0;
	e->analysis = malloc(size);
	if (!e->analysis)
		return -ENOMEM;
	snprintf(e->analysis, size, "%s.analysis", conf->output);
	return 0;
}

static int open_redaction(struct engine *e, const struct conf *conf, char *err, size_t err_size)
{
	e->redact_off = strcmp(conf->redact, "off") == 0;
	if (e->redact_off)
		redaction_tell_off(&e->off, 0);
	return redaction_open(&e->redact, conf, e->replay, err, err_size);
}

int engine_open(struct engine *e, const struct engine_config *cfg, char *err, size_t err_size)
{
	struct chain_key key = { .len = 0 };
	char machine_id[33];
	const struct retain_config retain = retain_config(cfg->conf);
	struct report_writer_config writer = {
		.dir = cfg->conf->reports_dir,
		.key = &key,
		.retain = cfg->replay ? NULL : &retain,
		.checkpoint_s = cfg->replay ? 0 : cfg->conf->checkpoint_interval,
		.now_ns = cfg->now_ns,
		.machine_id = machine_id,
		.lists_events = cfg->conf->include_raw_events,
		.lists_threads = cfg->conf->list_threads,
		.max_queue = MAX_REPORT_QUEUE,
		.max_queue_bytes = conf_sizes(cfg->conf).parts,
		.max_cell_bytes = conf_sizes(cfg->conf).cells,
		.retry_ms = REPORT_RETRY_MS,
		.wait_for_room = cfg->replay,
		.on_written = cfg->on_written,
		.ctx = cfg->ctx
	};
	const struct cell_sinks sinks = {
		.ctx = e, .on_closed = on_closed, .on_interim = on_interim, .json = on_json
	};
	struct cell_config cells;
	struct cell_resume resume;
	int status;

	memset(e, 0, sizeof(*e));
	e->replay = cfg->replay;
	source_machine_id(machine_id);
	set_switches(e, cfg->conf);
	if (*cfg->conf->chain_key_file &&
	    chain_key_load(&key, cfg->conf->chain_key_file, err, err_size) != 0)
		return EX_CONFIG;
	if (name_analysis(e, cfg->conf) != 0) {
		snprintf(err, err_size, "out of memory");
		chain_key_wipe(&key);
		return EX_OSERR;
	}
	writer.on_analysis = e->analysis ? on_analysis : NULL;
	writer.analysis_ctx = e->analysis;
	status = report_writer_start(&e->writer, &writer, err, err_size);
	chain_key_wipe(&key);
	if (status != 0)
		return EX_CANTCREAT;
	status = open_redaction(e, cfg->conf, err, err_size);
	if (status == 0)
		status = open_sinks(e, cfg->conf, err, err_size);
	if (status != 0)
		return status;
	e->table = proc_table_new(conf_sizes(cfg->conf).processes);
	cells = cell_config(e, cfg->conf);
	e->cells = cells_new(&cells, &sinks);
	if (!e->table || !e->cells || open_deltas(e, cfg->conf) != 0 ||
	    open_baseline(e, cfg->conf) != 0 ||
	    findings_open(&e->findings, cfg->conf, e->baseline, e->replay) != 0) {
		snprintf(err, err_size, "out of memory");
		return EX_OSERR;
	}
	if (report_writer_resume(e->writer, &resume))
		cells_resume(e->cells, &resume);
	return 0;
}

static void record_raw(struct engine *e, const struct edr_hdr *rec)
{
	if (!e->record_full && sink_write(e->record, rec, capture_padded(rec)) == -EFBIG)
		e->record_full = true;
}

/* Events have numbers below those of the housekeeping records, which only the rooms downstream read. */
static bool is_event(const struct engine *e, const struct edr_hdr *rec)
{
	return rec->type < EDR_CGROUP && (rec->type != EDR_THREAD || e->list_threads);
}

/* Gives the line, for the cell need not make it again. */
static struct wire_span write_line(struct engine *e, const struct edr_hdr *rec,
				   const struct proc_entry *who)
{
	const struct wire_span json = make_line(e, rec, who);

	if (e->output && json.len > 0)
		sink_write(e->output, json.data, json.len + 1);
	if (e->events_stdout && json.len > 0)
		sink_write(e->events_stdout, json.data, json.len + 1);
	return json;
}

void engine_record(void *ctx, const struct edr_hdr *rec)
{
	struct engine *e = ctx;
	const struct proc_entry *who;
	struct baseline_found found;
	struct wire_span json = { 0 };

	/* Nothing comes before this: what it gives is all that anything else sees. */
	rec = redact_record(e->redact, rec);
	if (e->record)
		record_raw(e, rec);
	who = proc_apply(e->table, rec);
	baseline_record(e->baseline, rec, who, e->table, cells_wall_offset(e->cells), &found);
	if (is_event(e, rec)) {
		if (e->output || e->events_stdout)
			json = write_line(e, rec, who);
		if (e->print_events)
			event_line_print(rec, who);
	}
	fold_delta(e, rec, who, found.marks);
	cells_mark(e->cells, found.marks);
	cells_fold(e->cells, rec, who, e->table, json);
	findings_record(&e->findings, rec, who, e->table, &found, e->cells, e->deltas);
	close_delta(e, rec);
	if (rec->type == EDR_CLOCK)
		report_writer_time(e->writer, cells_now(e->cells));
}

void engine_flush(struct engine *e)
{
	if (e->output)
		sink_flush(e->output);
	if (e->events_stdout)
		sink_flush(e->events_stdout);
	if (e->record)
		sink_flush(e->record);
}

void engine_reconfigure(struct engine *e, const struct conf *conf)
{
	const struct cell_config cells = cell_config(e, conf);

	set_switches(e, conf);
	cells_reconfigure(e->cells, &cells);
	baseline_set_window(e->baseline, conf->report_interval);
	findings_configure(&e->findings, conf, e->baseline, e->replay);
	if (e->deltas) {
		const struct cell_config deltas = delta_config(e, conf);

		cells_reconfigure(e->deltas, &deltas);
	}
	if (e->output)
		sink_reopen(e->output);
}

static void tell_sink(struct sink *s, const char *name, unsigned long long *said)
{
	struct sink_stats stats;

	if (!s)
		return;
	sink_stats(s, &stats);
	if (stats.lost > *said)
		log_warn("run",
			 "%s: %llu records could not be written in time and are missing there",
			 name, stats.lost - *said);
	*said = stats.lost;
}

void engine_tell_losses(struct engine *e)
{
	tell_sink(e->output, "output", &e->said_lost[0]);
	tell_sink(e->events_stdout, "standard output", &e->said_lost[1]);
	tell_sink(e->record_full ? NULL : e->record, "record", &e->said_lost[2]);
	findings_tell(&e->findings);
	if (e->out_of_memory)
		log_warn("run", "out of memory: events are missing in the reports' lists and in "
				"the output");
	e->out_of_memory = false;
	if (e->redact_off)
		redaction_tell_off(&e->off, cells_now(e->cells));
}

static int close_record(struct engine *e, unsigned timeout_ms)
{
	struct edr_hdr mark;

	capture_end_init(&mark, e->record_full ? CAPTURE_END_SIZE : CAPTURE_END_CLEAN);
	return sink_close(e->record, &mark, sizeof(mark), timeout_ms);
}

static int close_sinks(struct engine *e, unsigned timeout_ms)
{
	int failed = 0;

	if (e->output && sink_close(e->output, NULL, 0, timeout_ms) != 0)
		failed++;
	if (e->events_stdout && sink_close(e->events_stdout, NULL, 0, timeout_ms) != 0)
		failed++;
	if (e->record && close_record(e, timeout_ms) != 0)
		failed++;
	e->output = e->events_stdout = e->record = NULL;
	return failed;
}

int engine_close(struct engine *e)
{
	unsigned timeout_ms = e->replay ? REPLAY_CLOSE_TIMEOUT_MS : CLOSE_TIMEOUT_MS;
	size_t unwritten = 0;
	int status = 0;

	if (e->cells && e->table)
		cells_close_partial(e->cells, e->table);
	if (e->writer)
		unwritten = report_writer_stop(e->writer, timeout_ms);
	if (unwritten > 0) {
		log_error("run", "%zu reports could not be written", unwritten);
		status = EX_IOERR;
	}
	if (e->output || e->events_stdout || e->record)
		engine_tell_losses(e);
	if (close_sinks(e, timeout_ms) != 0) {
		log_error("run", "output or capture is not complete");
		status = EX_IOERR;
	}
	cells_free(e->cells);
	cells_free(e->deltas);
	cells_free(e->start);
	proc_table_free(e->table);
	findings_close(&e->findings);
	baseline_free(e->baseline);
	redact_free(e->redact);
	buf_free(&e->line);
	if (!unwritten) /* else a thread that hangs may have it */
		free(e->analysis);
	memset(e, 0, sizeof(*e));
	return status;
}
