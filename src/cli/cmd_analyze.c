/* SPDX-License-Identifier: MIT */
/* One report, shown to the language model now; or what it would be shown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/lock.h"
#include "cli/model.h"
#include "report/files.h"
#include "util/text.h"

struct analyze {
	const struct options *o;
	const struct conf *conf;
	struct model model;
	enum report_level level;
	char id[CHAIN_ID_MAX];
};

/* The latest cell, or that of the name. */
static int find_report(struct analyze *a, struct report_store *store)
{
	const char *id = a->o->arguments[0];
	const bool latest = strcmp(id, "latest") == 0;
	struct report_files files;
	edr_s64 start_ns, newest_ns = INT64_MIN;

	a->level = latest ? LEVEL_CELL : report_level_of_id(id, &start_ns);
	if (a->level == N_LEVELS || a->level == LEVEL_INTERIM ||
	    report_files_names(store, report_levels[a->level].dir, &files) != 0)
		return -ENOENT;
	for (size_t i = 0; i < files.n; i++) {
		const char *name = files.file[i].id;

		if (latest && report_level_of_id(name, &start_ns) == LEVEL_CELL &&
		    start_ns >= newest_ns) {
			newest_ns = start_ns;
			snprintf(a->id, sizeof(a->id), "%s", name);
		} else if (!latest && strcmp(name, id) == 0) {
			snprintf(a->id, sizeof(a->id), "%s", name);
		}
	}
	report_files_free(&files);
	return *a->id ? 0 : -ENOENT;
}

static int no_report(const struct analyze *a)
{
	struct buf text = { 0 };

	buf_adds(&text, "there is no report '");
	text_term(&text, a->o->arguments[0], strlen(a->o->arguments[0]));
	buf_adds(&text, "' that a model could be shown; `report list` names them");
	cli_fail(EX_NOINPUT, text.data ? text.data : "out of memory");
	buf_free(&text);
	return EX_NOINPUT;
}

static int bad_report(int err)
{
	if (err == -EBADMSG)
		return cli_fail(EX_DATAERR, "this file holds no report: `report verify` says more");
	if (err == -EREMOTE)
		return cli_fail(EX_CONFIG, DUTY_UNREDACTED);
	if (err == -E2BIG)
		return cli_fail(EX_CONFIG, "prompt_tokens has no room for one row of this report");
	return cli_fail(err == -ENOMEM ? EX_OSERR : EX_NOINPUT, strerror(-err));
}

/* ---- what would be sent ---- */

static void print_price(const struct analyze *a, const struct prompt *p)
{
	const unsigned answer = a->conf->answer_tokens;

	fprintf(stderr,
		"%zu bytes, some %u tokens and %u at most for the answer: %.4f US cents at most; "
		"%zu rows, %zu left out\n",
		p->body.len, p->tokens, answer,
		(double)duty_price(&a->model.duty, p->tokens, answer) / 10000, p->lines,
		p->lines_left_out);
}

static int dry_run(struct analyze *a, struct report_store *store)
{
	struct buf json = { 0 };
	struct prompt p = { .lines = 0 };
	int err;

	model_config(&a->model, a->conf);
	a->model.duty.prompt.max_tokens = duty_prompt_tokens(&a->model.duty, false);
	err = report_read(store, report_levels[a->level].dir, a->id, &json);
	if (!err)
		err = prompt_make(&p, &a->model.duty.prompt, json.data, json.len);
	if (!err) {
		fwrite(p.body.data, 1, p.body.len, stdout);
		fflush(stdout);
		print_price(a, &p);
	}
	prompt_free(&p);
	buf_free(&json);
	return err ? bad_report(err) : 0;
}

/* ---- asking ---- */

static int exit_status(int err)
{
	return err == -EDQUOT	 ? EX_TEMPFAIL
	       : err == -EBUSY	 ? EX_TEMPFAIL
	       : err == -EACCES	 ? EX_NOPERM
	       : err == -EBADMSG ? EX_DATAERR
	       : err == -E2BIG	 ? EX_CONFIG
	       : err == -EREMOTE ? EX_CONFIG
	       : err == -ENOENT	 ? EX_NOINPUT
	       : err == -ENOMEM	 ? EX_OSERR
				 : EX_UNAVAILABLE;
}

static int ask(struct analyze *a, struct report_store *store, bool write)
{
	struct buf verdict = { 0 }, text = { 0 };
	char err[CLI_ERR_MAX] = "";
	const struct buf *shown = a->o->json ? &verdict : &text;
	int failure = model_open(&a->model, a->conf, err, sizeof(err));

	if (failure)
		return cli_fail(EX_CONFIG, err);
	a->model.duty.store = store;
	a->model.duty.on_verdict = NULL;
	a->model.duty.over_budget = a->o->over_budget;
	failure = duty_once(&a->model.duty, a->level, a->id, write, &verdict, &text, err,
			    sizeof(err));
	if (!failure && shown->len)
		fwrite(shown->data, 1, shown->len, stdout);
	buf_free(&verdict);
	buf_free(&text);
	return failure ? cli_fail(exit_status(failure), err) : 0;
}

/*
 * What is written has one writer: when that is an agent that runs, the answer is only printed. What it
 * costs is counted all the same, where we may write.
 */
static int ask_beside(struct analyze *a, struct report_store *read_only)
{
	struct report_store *store = NULL;
	char err[CLI_ERR_MAX] = "";
	int status;

	if (report_store_open(&store, a->conf->reports_dir, err, sizeof(err)) != 0)
		store = NULL;
	status = ask(a, store ? store : read_only, false);
	if (status == 0)
		fputs(CLI_NAME ": only printed, not written: an agent runs, or these reports are "
			       "another's\n",
		      stderr);
	report_store_close(store);
	return status;
}

static int lock_and_ask(struct analyze *a, struct report_store *read_only)
{
	struct report_store *store = NULL;
	char err[CLI_ERR_MAX] = "";
	int lock = lock_reports_dir(a->conf->reports_dir, err, sizeof(err)), status;

	if (lock < 0)
		return ask_beside(a, read_only);
	if (report_store_open(&store, a->conf->reports_dir, err, sizeof(err)) != 0)
		status = cli_fail(EX_CANTCREAT, err);
	else
		status = ask(a, store, true);
	report_store_close(store);
	close(lock);
	return status;
}

static int open_and_ask(struct analyze *a)
{
	struct report_store *store = NULL;
	char err[CLI_ERR_MAX] = "";
	int status;

	/* To read: a directory that was misspelt is not made. */
	if (report_store_open_read(&store, a->conf->reports_dir, err, sizeof(err)) != 0)
		return cli_fail(EX_NOINPUT, err);
	if (find_report(a, store) != 0)
		status = no_report(a);
	else if (a->o->dry_run)
		status = dry_run(a, store);
	else
		status = lock_and_ask(a, store);
	report_store_close(store);
	return status;
}

static int run(struct analyze *a)
{
	char err[CLI_ERR_MAX] = "";
	int failure = 0;

	/* Before anything is open. */
	if (!a->o->dry_run) {
		failure = model_wanted(&a->model, a->conf, err, sizeof(err));
		if (failure == 0)
			return cli_fail(EX_CONFIG, "there is no model to ask: set api_key_file, or "
						   "api_base; --dry-run needs neither");
		if (failure > 0)
			failure = model_fork(&a->model, a->conf, err, sizeof(err));
		if (failure < 0)
			return cli_fail(failure == -EPERM ? EX_CONFIG : EX_UNAVAILABLE, err);
	}
	return open_and_ask(a);
}

int cmd_analyze(const struct options *o)
{
	struct analyze a = { .o = o };
	struct conf_set *set = NULL;
	char err[CLI_ERR_MAX];
	char *file = NULL;
	int status;

	if (!o->n_arguments)
		return cli_fail(EX_USAGE, "say which: analyze ID, or analyze latest");
	if (o->json && o->dry_run)
		return cli_fail(EX_USAGE, "--dry-run asks nobody, so there is no --json of it");
	status = options_conf(o, &set, &file, err, sizeof(err));
	if (status != 0)
		return cli_fail(status, err);
	a.conf = conf_get(set);
	status = run(&a);
	model_close(&a.model);
	conf_free(set);
	free(file);
	return status;
}
