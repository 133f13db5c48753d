/* SPDX-License-Identifier: MIT */
#include "cli/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cost.h"
#include "cli/engine.h"
#include "cli/lock.h"
#include "cli/model.h"
#include "cli/selftest.h"
#include "cli/signals.h"
#include "conf/table.h"
#include "edr_version.h"
#include "source/host.h"
#include "util/log.h"
#include "util/text.h"
#include "wire/wire.h"

#define NS_PER_S 1000000000ULL
/* Records come as soon as there are some. Also how long a signal waits when it comes just before the wait begins. */
#define PUMP_MS 1000
#define NAP_MS 200
#define HEAL_NS (5 * NS_PER_S)
#define HEAL_BUDGET 128 /* looks at /proc a time: a third of a millisecond */
#define TELL_NS (60 * NS_PER_S)
#define TELL_DROPS_NS (10 * NS_PER_S)

struct live {
	const struct live_config *cfg;
	struct source_config source_config;
	struct source *source;	  /* NULL while it is away */
	struct conf_set *current; /* since the last SIGHUP; NULL: the one that we started with */
	struct engine engine;
	struct model model;
	struct selftest selftest;
	struct cost cost;
	bool scanned, announced;
	bool pids_match; /* our pids are those of the kernel's events */
	unsigned long long cells_seen;
	unsigned long long dropped[EDR_TYPE_MAX],
		said_dropped[EDR_TYPE_MAX]; /* by the kernel, by type of event */
	edr_u64 next_heal_ns, next_tell_ns, next_tell_drops_ns, next_reopen_ns;
	edr_u64 opened_ns, backoff_ns; /* when the source was opened last; between two tries */
	edr_u64 away_from_ns;	       /* the source is away: told as blind up to here */
	edr_u64 stream_ns; /* time of the last record: what we make ourselves must not run ahead of it */
};

static edr_u64 time_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (edr_u64)ts.tv_sec * NS_PER_S + (edr_u64)ts.tv_nsec;
}

static edr_u64 boot_now(void)
{
	return time_now(CLOCK_BOOTTIME);
}

static const struct conf *current_conf(const struct live *l)
{
	return conf_get(l->current ? l->current : l->cfg->set);
}

void live_source_config(const struct conf *conf, struct source_config *out)
{
	const struct conf_sizes sizes = conf_sizes(conf);
#define LIST(l) { (const char *const *)(l).item, (l).n }
	*out = (struct source_config){
		.lean = strcmp(conf->hooks, "lean") == 0 || !conf->enable_syscall_tracing,
		.syscalls = LIST(conf->syscalls_to_trace),
		.skip_comms = LIST(conf->exclude_commands),
		.skip_uids = LIST(conf->exclude_uids),
		.skip_cgroups = LIST(conf->exclude_cgroups),
		.skip_paths = LIST(conf->exclude_paths),
		.btf_path = conf->btf_path,
		.ring_exec_bytes = sizes.ring_exec,
		.ring_noisy_bytes = sizes.ring_noisy,
		.batch_bytes = sizes.batch,
		.table_entries = sizes.kernel_entries,
		.trace_path = conf->trace_path,
		.agent = EDR_VERSION,
	};
#undef LIST
}

/* One line a cell, from the report thread. */
static void on_written(void *ctx, const char *path, const struct cell *cell)
{
	struct report_cell_summary sum;
	char blind[48] = "";
	struct buf shown = { 0 };

	model_offer(ctx, path);
	text_term(&shown, path, strlen(path));
	if (!cell) {
		log_line(strstr(path, "/interim/") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "report",
			 "%s", shown.data ? shown.data : "");
		buf_free(&shown);
		return;
	}
	report_cell_summary(cell, &sum);
	if (sum.blind_s > 0)
		snprintf(blind, sizeof(blind), ", blind %.1f s", sum.blind_s);
	log_info("report", "%s to %s%s: %llu events, %llu execs, %llu lost%s: %s", sum.window_start,
		 sum.window_end, sum.partial ? " (partial)" : "", sum.events, sum.execs, sum.lost,
		 blind, shown.data ? shown.data : "");
	buf_free(&shown);
}

static void add_span(struct buf *out, struct wire_span s)
{
	text_term(out, s.data, s.len);
}

/* The start line: what watches what, and what is off, from the source's own account. */
static void announce(struct live *l, const struct edr_host *host)
{
	const struct conf *conf = conf_get(l->cfg->set);
	struct wire_span rest = wire_str(host, host->degraded), item;
	struct buf line = { 0 };
	char *dir = realpath(conf->reports_dir, NULL);

	l->announced = true;
	buf_adds(&line, "watching ");
	add_span(&line, wire_str(host, host->hostname));
	buf_adds(&line, ": source ");
	add_span(&line, wire_str(host, host->source));
	buf_adds(&line, ", hooks ");
	add_span(&line, wire_str(host, host->hooks));
	buf_addf(&line, ", a report every %u min in ", conf->report_interval);
	text_term(&line, dir ? dir : conf->reports_dir, strlen(dir ? dir : conf->reports_dir));
	log_info("run", "%s", line.data ? line.data : "");
	while (wire_next_arg(&rest, &item)) {
		buf_clear(&line);
		add_span(&line, item);
		log_warn("run", "off: %s", line.data ? line.data : "");
	}
	buf_free(&line);
	free(dir);
}

static void take(void *ctx, const struct edr_hdr *rec);

/* The rings are open: whoever starts from now on comes by itself, whoever runs already is found here. */
static void scan(struct live *l)
{
	int n;

	l->scanned = true;
	n = proc_scan("/proc", l->stream_ns, take, l);
	if (n < 0)
		log_warn("run", "cannot read /proc (%s): processes that run already have no names",
			 strerror(-n));
	else
		log_debug("run", "%d processes run already", n);
}

static void count_drops(struct live *l, const struct edr_loss *loss)
{
	if (loss->of_type < EDR_TYPE_MAX)
		l->dropped[loss->of_type] += loss->dropped;
}

/* What the rings had no room for, since this was said last, or in all. */
static void tell_drops(struct live *l, bool in_all)
{
	unsigned long long sum = 0;
	struct buf line = { 0 };

	for (unsigned type = 0; type < EDR_TYPE_MAX; type++) {
		const struct wire_event *event = wire_event_by_type(type);
		unsigned long long n = l->dropped[type] - (in_all ? 0 : l->said_dropped[type]);

		l->said_dropped[type] = l->dropped[type];
		if (n == 0)
			continue;
		buf_addf(&line, "%s %s %llu", sum ? "," : "", event ? event->name : "unknown", n);
		sum += n;
	}
	if (sum > 0)
		log_warn("run", "%s%llu events were dropped:%s", in_all ? "in all, " : "", sum,
			 line.data ? line.data : "");
	buf_free(&line);
}

/* Every record of a live run goes through here, those that we make ourselves too, so that a capture has them all. */
static void take(void *ctx, const struct edr_hdr *rec)
{
	struct live *l = ctx;

	if (rec->time_ns > l->stream_ns)
		l->stream_ns = rec->time_ns;
	/* The host and the clock come first, then who is there, then what happens. */
	if (!l->scanned && rec->type != EDR_HOST && rec->type != EDR_CLOCK)
		scan(l);
	if (rec->type == EDR_HOST && !l->announced)
		announce(l, (const void *)rec);
	if (rec->type == EDR_LOSS)
		count_drops(l, (const void *)rec);
	selftest_see(&l->selftest, rec);
	engine_record(&l->engine, rec);
}

static int open_source(struct live *l, char *err, size_t err_size)
{
	const struct conf *conf = conf_get(l->cfg->set);

	live_source_config(conf, &l->source_config);
	l->opened_ns = boot_now();
	return l->cfg->source->open(&l->source, &l->source_config, err, err_size);
}

static void tell_away(struct live *l, edr_u64 now_ns)
{
	struct buf scratch = { 0 };

	source_emit_blind(&scratch, l->stream_ns, l->away_from_ns, now_ns,
			  "the source failed and is opened again", take, l);
	buf_free(&scratch);
	l->away_from_ns = now_ns;
}

static void tell_cost(struct live *l)
{
	struct source_cost cost = { 0 };

	if (l->source && l->cfg->source->cost)
		l->cfg->source->cost(l->source, &cost);
	cost_tell(&l->cost, &cost, l->stream_ns, take, l);
}

/* One that fails again and again costs each time: it has to last to be tried at once the next time. */
static void begin_backoff(struct live *l, edr_u64 now_ns)
{
	const struct conf *conf = conf_get(l->cfg->set);

	if (l->backoff_ns == 0 || now_ns - l->opened_ns > conf->reopen_max * NS_PER_S) {
		l->backoff_ns = conf->reopen_min * NS_PER_S;
		l->next_reopen_ns = now_ns;
	} else {
		l->next_reopen_ns = now_ns + l->backoff_ns;
	}
}

static void next_backoff(struct live *l, edr_u64 now_ns)
{
	const edr_u64 max_ns = conf_get(l->cfg->set)->reopen_max * NS_PER_S;

	l->next_reopen_ns = now_ns + l->backoff_ns;
	l->backoff_ns = l->backoff_ns * 2 < max_ns ? l->backoff_ns * 2 : max_ns;
}

static void lose_source(struct live *l, int error)
{
	log_error("run", "the source has failed (%s): opening it again", strerror(-error));
	l->away_from_ns = boot_now(); /* to take its probes away may last seconds */
	tell_cost(l);
	cost_lose_source(&l->cost);
	l->cfg->source->close(l->source);
	l->source = NULL;
	begin_backoff(l, boot_now());
}

static void regain_source(struct live *l)
{
	const struct timespec nap = { .tv_nsec = NAP_MS * 1000000L };
	edr_u64 now_ns = boot_now();
	char err[CLI_ERR_MAX];

	if (now_ns < l->next_reopen_ns) {
		nanosleep(&nap, NULL);
		return;
	}
	next_backoff(l, now_ns);
	if (open_source(l, err, sizeof(err)) == 0)
		log_info("run", "the source is open again");
	else
		log_error("run", "the source cannot be opened: %s", err);
	tell_away(l, boot_now());
	/* What started meanwhile was not seen. */
	l->scanned = l->source == NULL;
}

static void warn_restart(const struct conf_set *started, const struct conf_set *now)
{
	const char *names[CONF_MAX_KEYS];
	size_t n = conf_needs_restart(started, now, names, CONF_MAX_KEYS);
	struct buf text = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_addf(&text, "%s%s", i ? ", " : "", names[i]);
	if (n > 0)
		log_warn("run", "these changes wait for a restart: %s", text.data ? text.data : "");
	buf_free(&text);
}

/* A size that was set is what it was set to. */
static void tell_sizes(const struct conf *conf)
{
	const size_t most_mib = (conf_most_bytes(conf) + ((size_t)1 << 20) - 1) >> 20;

	if (most_mib > conf->memory_mb)
		log_warn("run",
			 "memory_mb is %u, but with the sizes that are set (ring_*_kb, max_*), and "
			 "a model where one is asked, up to %zu MiB can be used: leave them at 0, "
			 "or raise memory_mb",
			 conf->memory_mb, most_mib);
}

static void reload(struct live *l)
{
	struct conf_set *set = NULL;
	struct conf in_force;
	char err[CLI_ERR_MAX];
	char *file = NULL;

	if (options_conf(l->cfg->options, &set, &file, err, sizeof(err)) != 0) {
		log_error("run", "the configuration stays as it was, for the new one is wrong: %s",
			  err);
		return;
	}
	conf_free(l->current);
	l->current = set;
	/* Sizes that can change are shares of the memory_mb that we began with. */
	in_force = *conf_get(set);
	in_force.memory_mb = conf_get(l->cfg->set)->memory_mb;
	engine_reconfigure(&l->engine, &in_force);
	log_info("run", "configuration read again; a new interval begins with the next cell");
	warn_restart(l->cfg->set, set);
	tell_sizes(&in_force);
	free(file);
}

static void tend(struct live *l)
{
	edr_u64 now_ns = boot_now();

	if (l->engine.cells_closed != l->cells_seen) {
		l->cells_seen = l->engine.cells_closed;
		l->selftest.due = true;
	}
	/* It knows its child by the pid, which must be the one that the kernel tells. */
	if (l->source && current_conf(l)->self_test && l->pids_match)
		selftest_turn(&l->selftest, now_ns);
	if (cost_due(&l->cost, l->stream_ns, cells_now(l->engine.cells)))
		tell_cost(l);
	if (now_ns >= l->next_heal_ns) {
		proc_heal(l->engine.table, "/proc", l->stream_ns, HEAL_BUDGET, take, l);
		l->next_heal_ns = now_ns + HEAL_NS;
	}
	if (now_ns >= l->next_tell_drops_ns) {
		tell_drops(l, false);
		l->next_tell_drops_ns = now_ns + TELL_DROPS_NS;
	}
	if (now_ns >= l->next_tell_ns) {
		engine_tell_losses(&l->engine);
		l->next_tell_ns = now_ns + TELL_NS;
	}
}

static void turn(struct live *l)
{
	int n;

	if (!l->source) {
		regain_source(l);
	} else {
		/* The first time only for the host and the clock: the processes that run are wanted soon. */
		n = l->cfg->source->pump(l->source, l->scanned ? PUMP_MS : 0, take, l);
		if (n < 0 && n != -EINTR)
			lose_source(l, n);
		else if (!l->scanned)
			scan(l);
	}
	tend(l);
	engine_flush(&l->engine);
	if (signals_take_reload())
		reload(l);
}

static int stop(struct live *l)
{
	int status, n;

	log_debug("run", "stopping: taking the hooks out, writing what is left");
	if (l->source) {
		n = l->cfg->source->drain(l->source, take, l);
		if (n < 0)
			log_error("run", "the last records could not be taken over: %s",
				  strerror(-n));
	} else {
		tell_away(l, boot_now());
	}
	tell_cost(l);
	cost_close(&l->cost);
	selftest_close(&l->selftest);
	tell_drops(l, true);
	status = engine_close(&l->engine);
	l->cfg->source->close(l->source);
	l->source = NULL;
	if (status == 0)
		log_info("run", "stopped; all is written");
	return status;
}

static int open_all(struct live *l, char *err, size_t err_size)
{
	const struct engine_config engine = { .conf = conf_get(l->cfg->set),
					      .now_ns = (edr_s64)time_now(CLOCK_REALTIME),
					      .on_written = on_written,
					      .ctx = &l->model };
	int status = engine_open(&l->engine, &engine, err, err_size);

	if (status != 0)
		return status;
	tell_sizes(engine.conf);
	l->pids_match = source_in_initial_pid_ns();
	selftest_init(&l->selftest, take, l);
	/* Without a model each report still has its local judgement. */
	if (model_start(&l->model, engine.conf, err, err_size) != 0)
		log_error("analyze", "no model is asked: %s", err);
	status = open_source(l, err, err_size);
	if (status == -EPERM || status == -EACCES)
		return EX_NOPERM;
	if (status == SOURCE_BAD_CONFIG)
		return EX_CONFIG; /* filters or names that it cannot take */
	return status == 0 ? 0 : EX_UNAVAILABLE;
}

int live_run(const struct live_config *cfg)
{
	struct live l = { .cfg = cfg };
	char err[CLI_ERR_MAX] = "";
	int status, lock;

	signals_install();
	/* Its process must have nothing of ours: before all that is opened here. */
	if (model_fork(&l.model, conf_get(cfg->set), err, sizeof(err)) < 0)
		log_error("analyze", "no model is asked: %s", err);
	lock = lock_reports_dir(conf_get(cfg->set)->reports_dir, err, sizeof(err));
	if (lock < 0) {
		model_close(&l.model);
		return cli_fail(lock == -EWOULDBLOCK ? EX_TEMPFAIL : EX_CANTCREAT, err);
	}
	status = open_all(&l, err, sizeof(err));
	if (status == 0) {
		l.next_tell_ns = boot_now() + TELL_NS;
		l.next_heal_ns = boot_now() + HEAL_NS;
		while (!signals_stop())
			turn(&l);
		status = stop(&l);
	} else {
		cli_fail(status, err);
		engine_close(&l.engine);
	}
	/* Behind the report thread, which offers to it. */
	model_close(&l.model);
	conf_free(l.current);
	close(lock);
	return status;
}
