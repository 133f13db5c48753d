/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/engine.h"
#include "cli/live.h"
#include "cli/lock.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "source/capture.h"
#include "source/source.h"
#include "util/log.h"
#include "util/text.h"

struct replay {
	struct engine engine;
	struct progress *progress;
	struct source *source;
	unsigned long long records, reports;
};

static void take(void *ctx, const struct edr_hdr *rec)
{
	struct replay *r = ctx;

	r->records++;
	engine_record(&r->engine, rec);
}

/* In the report thread. */
static void on_written(void *ctx, const char *path, const struct cell *cell)
{
	struct replay *r = ctx;
	struct buf shown = { 0 };

	(void)cell;
	r->reports++;
	text_term(&shown, path, strlen(path));
	progress_hide(r->progress);
	log_info("replay", "%s", shown.data ? shown.data : "");
	buf_free(&shown);
}

/* -ENODATA at the clean end, -EINTR when a signal stopped it, else what the source said. */
static int pump_all(struct replay *r)
{
	int n = 0;

	while (n >= 0 && !signals_stop()) {
		n = source_replay.pump(r->source, 0, take, r);
		if (n == -EINTR)
			n = 0;
		engine_flush(&r->engine);
		progress_show(r->progress, source_replay.progress(r->source), r->records);
	}
	return signals_stop() ? -EINTR : n;
}

static int open_status(int err)
{
	switch (err) {
	case -EBADMSG:
	case -EPROTO:
	case -EPROTONOSUPPORT:
	case -ENOTSUP:
	case -EINVAL:
		return EX_DATAERR;
	case -ENOMEM:
		return EX_OSERR;
	default:
		return EX_NOINPUT;
	}
}

/* After the last record: what became of the capture, as exit status. */
static int judge(struct replay *r, int end)
{
	struct source_totals totals = { 0 };

	source_replay.totals(r->source, &totals);
	if (totals.invalid > 0)
		log_error("replay", "%llu records of the capture are damaged and were passed over",
			  totals.invalid);
	if (end == -EINTR) {
		log_warn("replay", "stopped by a signal: the reports are not complete");
		return 128 + 2;
	}
	if (totals.capture_end == CAPTURE_END_SIZE)
		log_warn("replay",
			 "the recording ended at its size limit (record_max_mb): what came "
			 "after that is not in it");
	if (end == -EBADMSG)
		log_error("replay",
			  "the capture is cut or damaged after %llu records; the reports "
			  "hold what could be read",
			  r->records);
	else if (end != -ENODATA)
		log_error("replay", "reading the capture failed after %llu records: %s", r->records,
			  strerror(-end));
	return end == -ENODATA && totals.invalid == 0 ? 0 : EX_DATAERR;
}

static int replay(struct replay *r, const struct conf *conf)
{
	const struct engine_config engine = {
		.conf = conf, .replay = true, .on_written = on_written, .ctx = r
	};
	char err[CLI_ERR_MAX] = "";
	int status, closed;

	r->progress = progress_start();
	status = engine_open(&r->engine, &engine, err, sizeof(err));
	if (status == 0) {
		int end = pump_all(r);

		progress_hide(r->progress);
		status = judge(r, end);
	} else {
		cli_fail(status, err);
	}
	closed = engine_close(&r->engine);
	progress_stop(r->progress);
	log_info("replay", "%llu records, %llu reports", r->records, r->reports);
	return status ? status : closed;
}

/* The capture first: one that cannot be read must not leave an empty reports directory behind. */
static int replay_file(const struct conf *conf, const char *path)
{
	struct replay r = { 0 };
	struct source_config source;
	char err[CLI_ERR_MAX] = "";
	int status, lock;

	if (*conf->record)
		log_warn("replay", "a replay records nothing: the record file is not written");
	signals_install();
	live_source_config(conf, &source);
	source.replay_path = path;
	status = source_replay.open(&r.source, &source, err, sizeof(err));
	if (status != 0)
		return cli_fail(open_status(status), err);
	lock = lock_reports_dir(conf->reports_dir, err, sizeof(err));
	if (lock < 0)
		status = cli_fail(lock == -EWOULDBLOCK ? EX_TEMPFAIL : EX_CANTCREAT, err);
	else
		status = replay(&r, conf);
	source_replay.close(r.source);
	if (lock >= 0)
		close(lock);
	return status;
}

int cmd_replay(const struct options *o)
{
	struct conf_set *set = NULL;
	char err[CLI_ERR_MAX];
	char *file = NULL;
	int status;

	if (o->n_arguments == 0)
		return cli_fail(EX_USAGE, "replay needs the file that `run --record FILE` wrote");
	status = options_conf(o, &set, &file, err, sizeof(err));
	if (status != 0)
		return cli_fail(status, err);
	status = replay_file(conf_get(set), o->arguments[0]);
	conf_free(set);
	free(file);
	return status;
}
