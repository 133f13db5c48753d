/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/verdicts.h"
#include "cli/lock.h"
#include "cli/report_cmd.h"
#include "report/heads.h"
#include "report/rebuild.h"
#include "report/verify.h"
#include "util/text.h"

struct listing {
	bool json;
	size_t forged, notes; /* verdicts */
	struct buf rows;      /* JSON: the findings so far */
	size_t n;
};

static const char *level_name(enum report_level level)
{
	return level < N_LEVELS ? report_levels[level].name : "";
}

static void print_text(const struct verify_finding *f)
{
	struct buf line = { 0 };

	buf_addf(&line, "%-10s ", f->kind);
	if (f->id[0])
		text_term(&line, f->id, strlen(f->id));
	else
		buf_adds(&line, f->level < N_LEVELS ? report_levels[f->level].dir : "reports");
	buf_adds(&line, ": ");
	text_term(&line, f->text, strlen(f->text));
	puts(line.data ? line.data : "out of memory");
	buf_free(&line);
}

static void add_json(struct listing *l, const struct verify_finding *f)
{
	buf_adds(&l->rows, l->n++ ? ",\n    { \"kind\": " : "\n    { \"kind\": ");
	text_json(&l->rows, f->kind, strlen(f->kind));
	buf_addf(&l->rows, ", \"level\": ");
	if (f->level < N_LEVELS)
		buf_addf(&l->rows, "\"%s\"", level_name(f->level));
	else
		buf_adds(&l->rows, "null");
	buf_adds(&l->rows, ", \"report_id\": ");
	if (f->id[0])
		text_json(&l->rows, f->id, strlen(f->id));
	else
		buf_adds(&l->rows, "null");
	buf_adds(&l->rows, ", \"text\": ");
	text_json(&l->rows, f->text, strlen(f->text));
	buf_adds(&l->rows, " }");
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
	struct listing *l = ctx;

	if (l->json)
		add_json(l, f);
	else
		print_text(f);
}

static void on_verdict(void *ctx, enum report_level level, const char *id, bool forged)
{
	const struct verify_finding f = {
		.kind = forged ? "forged" : "note",
		.level = level,
		.id = id,
		.text = forged ? "the model's verdict on it is not as it was written"
			       : "the model's verdict is on the report before it was made again",
	};
	struct listing *l = ctx;

	l->forged += forged;
	l->notes += !forged;
	on_finding(ctx, &f);
}

static void print_json(const struct listing *l, const struct verify_totals *t, bool with_key)
{
	printf("{\n  \"good\": %s,\n  \"signatures_checked\": %s,\n  \"reports\": {",
	       t->problems ? "false" : "true", with_key ? "true" : "false");
	for (enum report_level i = 0; i < N_LEVELS; i++)
		printf("%s \"%s\": %zu", i ? "," : "", report_levels[i].name, t->reports[i]);
	printf(" },\n  \"heads\": {");
	for (enum report_level i = 0; i < N_LEVELS; i++)
		printf(t->head[i][0] ? "%s\n    \"%s\": \"%s\"" : "%s\n    \"%s\": null%s",
		       i ? "," : "", report_levels[i].name, t->head[i]);
	printf("\n  },\n  \"removed_by_retention\": %zu,\n  \"parents_recomputed\": %zu,\n"
	       "  \"parents_skipped\": %zu,\n  \"problems\": %zu,\n  \"findings\": [%s%s]\n}\n",
	       t->removed, t->recomputed, t->skipped, t->problems, l->rows.data ? l->rows.data : "",
	       l->n ? "\n  " : "");
}

static void print_sum(const struct verify_totals *t, bool with_key)
{
	size_t n = 0;

	for (enum report_level i = 0; i < N_LEVELS; i++)
		n += t->reports[i];
	printf("%zu reports, %zu parents made again", n, t->recomputed);
	if (t->skipped)
		printf(", %zu not, for their children are gone or newer", t->skipped);
	if (t->removed)
		printf(", %zu removed or replaced by the agent", t->removed);
	printf("; signatures %s; ", with_key ? "checked" : "not checked");
	if (t->problems)
		printf("%zu problem%s\n", t->problems, t->problems == 1 ? "" : "s");
	else
		puts("all is well");
}

int report_cmd_verify(const struct report_cmd *c)
{
	struct listing l = { .json = c->o->json };
	const bool with_key = c->key.len > 0;
	const struct verify_config cfg = { .key = with_key ? &c->key : NULL,
					   .on_finding = on_finding,
					   .ctx = &l };
	struct verify_totals totals;
	int err = report_verify(c->store, &cfg, &totals);

	if (!err)
		err = verdicts_check(c->store, cfg.key, on_verdict, &l);
	totals.problems += l.forged;
	totals.notes += l.notes;
	if (!err && l.json)
		print_json(&l, &totals, with_key);
	else if (!err)
		print_sum(&totals, with_key);
	buf_free(&l.rows);
	if (err == -ENOMEM)
		return cli_fail(EX_OSERR, "out of memory");
	if (err)
		return cli_fail(EX_NOINPUT, strerror(-err));
	return totals.problems ? 1 : 0; /* as diff(1) */
}

/* ---- rebuild ---- */

static void on_rebuilt(void *ctx, enum report_level level, const char *id, const char *what)
{
	struct buf line = { 0 };

	(void)ctx;
	(void)level;
	text_term(&line, id, strlen(id));
	printf("%s: %s\n", line.data ? line.data : "", what);
	buf_free(&line);
}

/* What cannot be read is for who opens it to write. */
static bool is_empty(struct report_store *s)
{
	struct report_files files;
	struct heads_file heads;
	bool empty = !heads_read(&heads, s, NULL) && !heads.there;

	heads_file_free(&heads);
	for (enum report_level i = 0; empty && i < N_LEVELS; i++) {
		empty = report_files_names(s, report_levels[i].dir, &files) == 0 && files.n == 0;
		report_files_free(&files);
	}
	return empty;
}

static int no_reports(const struct report_cmd *c)
{
	const char *dir = c->conf->reports_dir;
	struct buf text = { 0 };

	buf_adds(&text, "no reports in ");
	text_term(&text, dir, strlen(dir));
	cli_fail(EX_NOINPUT, text.data ? text.data : "out of memory");
	buf_free(&text);
	return EX_NOINPUT;
}

int report_cmd_rebuild(const struct report_cmd *c)
{
	const struct rebuild_config cfg = { .dir = c->conf->reports_dir,
					    .key = c->key.len ? &c->key : NULL,
					    .force = c->o->force,
					    .on_rebuilt = on_rebuilt };
	struct rebuild_totals totals = { 0 };
	char err[CLI_ERR_MAX] = "";
	int lock, status;

	if (is_empty(c->store))
		return no_reports(c);
	lock = lock_reports_dir(c->conf->reports_dir, err, sizeof(err));
	if (lock < 0)
		return cli_fail(lock == -EWOULDBLOCK ? EX_TEMPFAIL : EX_CANTCREAT, err);
	status = report_rebuild(&cfg, &totals, err, sizeof(err));
	close(lock);
	if (status)
		return cli_fail(status == -EBADMSG ? EX_DATAERR : EX_CANTCREAT, err);
	printf("%zu parents made again: %zu new, %zu changed, %zu as they were, %zu left because "
	       "children are gone\n",
	       totals.made, totals.added, totals.changed, totals.same, totals.skipped);
	return 0;
}
