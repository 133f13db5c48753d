/* SPDX-License-Identifier: MIT */
/* report list, show and export. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/verdicts.h"
#include "cli/report_cmd.h"
#include "report/read.h"
#include "util/text.h"

#define FACTS_BYTES 65536

static const char *error_text(int err)
{
	return err == -EBADMSG ? "it holds no report"
	       : err == -EFBIG ? "it is larger than a report of its level may be"
			       : strerror(-err);
}

static int fail(int err)
{
	return cli_fail(err == -ENOMEM ? EX_OSERR : EX_NOINPUT, error_text(err));
}

static int read_choice(const struct report_cmd *c, const struct report_choice *one,
		       struct buf *text)
{
	return report_read(c->store, report_levels[one->level].dir, one->file.id, text);
}

/* One that can be printed as it is. */
static int read_sound(const struct report_cmd *c, const struct report_choice *one, struct buf *text)
{
	int err = read_choice(c, one, text);

	return err || report_sound(text) ? err : -EBADMSG;
}

/* ---- list ---- */

struct facts {
	int err; /* it cannot be read: nothing of it is known */
	char window_start[40];
	edr_u64 events, lost;
	edr_u64 severity; /* 0: not known */
	bool by_model;	  /* it is a verdict's */
};

/* text may end anywhere. False when not all that is wanted was in it. */
static bool take_facts(const struct buf *text, enum report_level level, struct facts *f)
{
	const struct wire_span doc = { text->data, text->len };
	struct wire_span v, loss;

	memset(f, 0, sizeof(*f));
	if (jr_member(doc, "window_start", &v) && v.len >= 2 && v.len - 2 < sizeof(f->window_start))
		memcpy(f->window_start, v.data + 1, v.len - 2);
	if (jr_member(doc, "severity", &v))
		jr_u64(v, &f->severity);
	if (!(jr_member(doc, "total", &v) || jr_member(doc, "total_events", &v)) ||
	    !jr_u64(v, &f->events))
		return false;
	if (level == LEVEL_INTERIM)
		return true; /* what was lost is in its cell */
	return jr_member(doc, "loss", &loss) && jr_member(loss, "total", &v) && jr_u64(v, &f->lost);
}

static bool is_whole(const struct buf *text)
{
	struct wire_span document;

	return jr_document(text->data, text->len, &document);
}

/*
 * They stand among the first members; a busy cell has megabytes behind these, which only verify reads.
 * What was read to its end must be a whole document: one that was cut is no report.
 */
static void read_facts(const struct report_cmd *c, const struct report_choice *one, struct facts *f)
{
	const char *dir = report_levels[one->level].dir;
	struct buf text = { 0 };
	bool found;
	int err;

	err = report_read_begin(c->store, dir, one->file.id, FACTS_BYTES, &text);
	found = !err && take_facts(&text, one->level, f) &&
		(text.len >= FACTS_BYTES || is_whole(&text));
	/* What does not begin as a report does is not worth the memory. */
	if (!err && !found && text.len >= FACTS_BYTES && report_schema_version(&text)) {
		buf_clear(&text);
		err = read_choice(c, one, &text);
		found = !err && take_facts(&text, one->level, f) && is_whole(&text);
	}
	if (!found)
		*f = (struct facts){ .err = err ? err : -EBADMSG };
	buf_free(&text);
}

static void list_json(const struct report_choice *one, const struct facts *f, bool first)
{
	struct buf line = { 0 };

	buf_addf(&line, "%s  { \"level\": \"%s\", \"report_id\": ", first ? "" : ",\n",
		 report_levels[one->level].name);
	text_json(&line, one->file.id, strlen(one->file.id));
	if (f->err) {
		buf_adds(&line, ", \"window_start\": null, \"total\": null, \"lost\": null, "
				"\"severity\": null, \"error\": ");
		text_json(&line, error_text(f->err), strlen(error_text(f->err)));
	} else {
		buf_adds(&line, ", \"window_start\": ");
		text_json(&line, f->window_start, strlen(f->window_start));
		buf_addf(&line, ", \"total\": %llu, \"lost\": %llu, \"severity\": ", f->events,
			 f->lost);
		buf_addf(&line, f->severity ? "%llu" : "null", f->severity);
		buf_addf(&line, ", \"by_model\": %s", f->by_model ? "true" : "false");
	}
	buf_addf(&line, ", \"bytes\": %llu, \"packed\": %s }", one->file.bytes,
		 one->file.packed ? "true" : "false");
	fputs(line.data ? line.data : "", stdout);
	buf_free(&line);
}

static void list_text(const struct report_choice *one, const struct facts *f)
{
	char events[24] = "?", lost[24] = "?", severity[24] = "-";

	if (!f->err) {
		snprintf(events, sizeof(events), "%llu", f->events);
		snprintf(lost, sizeof(lost), "%llu", f->lost);
	}
	if (f->severity || f->err)
		snprintf(severity, sizeof(severity), f->err ? "?" : "%llu%s", f->severity,
			 f->by_model ? "*" : "");
	printf("%-36.60s %12s %9s %3.3s %11llu%s\n", one->file.id, events, lost, severity,
	       one->file.bytes, one->file.packed ? " z" : "");
}

/* The worse of the two. */
static void add_verdict(const struct verdicts *v, const struct report_choice *one, struct facts *f)
{
	const unsigned severity = verdicts_severity(v, one->level, one->file.id);

	if (f->err || severity <= f->severity)
		return;
	f->severity = severity;
	f->by_model = true;
}

/* How many could not be read. */
static size_t list_all(const struct report_cmd *c, const struct report_choice *all, size_t n)
{
	struct verdicts verdicts = { .n = 0 };
	struct facts facts;
	size_t unreadable = 0;

	verdicts_load(&verdicts, c->store, c->key.len ? &c->key : NULL);
	for (size_t i = 0; i < n; i++) {
		read_facts(c, &all[i], &facts);
		add_verdict(&verdicts, &all[i], &facts);
		unreadable += facts.err != 0;
		if (c->o->json)
			list_json(&all[i], &facts, i == 0);
		else
			list_text(&all[i], &facts);
	}
	verdicts_free(&verdicts);
	return unreadable;
}

int report_cmd_list(const struct report_cmd *c)
{
	const bool json = c->o->json;
	struct report_choice *all;
	char text[CLI_ERR_MAX];
	size_t n, unreadable;
	int err = report_cmd_choose(c, &all, &n);

	if (err)
		return fail(err);
	if (json)
		puts("[");
	else if (n)
		printf("%-36s %12s %9s %3s %11s\n", "REPORT", "EVENTS", "LOST", "SEV", "BYTES");
	unreadable = list_all(c, all, n);
	if (json)
		puts(n ? "\n]" : "]");
	free(all);
	if (!unreadable)
		return 0;
	snprintf(text, sizeof(text), "%zu of these cannot be read (?): `report verify` says more",
		 unreadable);
	return cli_fail(EX_DATAERR, text);
}

/* ---- show ---- */

static int no_such(const struct report_cmd *c, const struct report_choice *all, size_t n)
{
	const char **names = calloc(n + 1, sizeof(*names));
	const char *nearest = NULL;
	struct buf text = { 0 };

	for (size_t i = 0; names && i < n; i++)
		names[i] = all[i].file.id;
	if (names)
		nearest = conf_nearest(c->id, names, n);
	buf_adds(&text, "there is no report '");
	text_term(&text, c->id, strlen(c->id));
	buf_adds(&text, nearest ? "'; did you mean " : "'; `report list` names them");
	buf_addf(&text, nearest ? "%s?" : "%s", nearest ? nearest : "");
	cli_fail(EX_NOINPUT, text.data ? text.data : "out of memory");
	buf_free(&text);
	free(names);
	return EX_NOINPUT;
}

/* The one before it on its level, by the chain: what was new since. Empty when it is not there. */
static void read_previous(const struct report_cmd *c, const struct report_choice *one,
			  const struct buf *text, struct buf *previous)
{
	struct chain_link link;

	if (chain_read(text->data, text->len, &link) && link.previous_id[0] &&
	    report_read(c->store, report_levels[one->level].dir, link.previous_id, previous) != 0)
		buf_clear(previous);
}

/*
 * One of another version can be whole and still not be understood: its members may mean something
 * else. As JSON it is what its file has, and that is said; else it is not shown.
 */
static int check_version(const struct buf *json, bool as_text)
{
	const unsigned long long version = report_schema_version(json);
	char text[CLI_ERR_MAX];

	if (version == REPORT_SCHEMA_VERSION)
		return 0;
	snprintf(text, sizeof(text),
		 "this report has schema_version %llu, and this program reads %d: %s the program "
		 "that wrote it",
		 version, REPORT_SCHEMA_VERSION,
		 as_text ? "show it without --text, or with"
			 : "its members may mean something else, see the documentation of");
	return cli_fail(as_text ? EX_DATAERR : 0, text);
}

static int print_report(const struct report_cmd *c, const struct report_choice *one)
{
	struct buf text = { 0 }, previous = { 0 };
	struct report_model model = { .why = -ENOENT };
	int err = read_sound(c, one, &text), status = 0;

	if (!err)
		status = check_version(&text, c->o->text);
	if (!err && status == 0 && c->o->text) {
		read_previous(c, one, &text, &previous);
		err = report_model_read(c, one, &text, &model);
		if (!err)
			err = report_text(&text, &previous, &model, stdout);
		report_model_free(&model);
	} else if (!err && status == 0) {
		fwrite(text.data, 1, text.len, stdout);
	}
	buf_free(&text);
	buf_free(&previous);
	if (err == -EBADMSG)
		return cli_fail(EX_DATAERR, "this file holds no report that could be shown: "
					    "`report verify` says more");
	return err ? fail(err) : status;
}

int report_cmd_show(const struct report_cmd *c)
{
	const struct report_choice *found = NULL;
	struct report_cmd of = *c;
	struct report_choice *all;
	const bool latest = c->id && strcmp(c->id, "latest") == 0;
	size_t n;
	edr_s64 start_ns;
	int err, status;

	if (!c->id)
		return cli_fail(EX_USAGE, "say which: report show ID, or report show latest");
	if (c->level == N_LEVELS)
		of.level = latest ? LEVEL_CELL : report_level_of_id(c->id, &start_ns);
	err = report_cmd_choose(&of, &all, &n);
	if (err)
		return fail(err);
	for (size_t i = 0; i < n; i++)
		if (latest || strcmp(all[i].file.id, c->id) == 0)
			found = &all[i];
	if (found)
		status = print_report(c, found);
	else if (latest)
		status = cli_fail(EX_NOINPUT, "there is no report of that level yet");
	else
		status = no_such(c, all, n);
	free(all);
	return status;
}

/* ---- export ---- */

/* A line break is only ever between two values: within a string it is escaped. */
static void print_line(const struct buf *text)
{
	const char *at = text->data, *end = at + text->len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		fwrite(at, 1, (size_t)(stop - at), stdout);
		for (at = stop; at < end && (*at == '\n' || *at == ' '); at++)
			;
	}
	putchar('\n');
}

static int leave_out(const struct report_choice *one, int err)
{
	char text[CLI_ERR_MAX];

	snprintf(text, sizeof(text), "%s is left out: %s", one->file.id, error_text(err));
	return cli_fail(EX_DATAERR, text);
}

int report_cmd_export(const struct report_cmd *c)
{
	struct report_choice *all;
	int err, status = 0;
	size_t n;

	err = report_cmd_choose(c, &all, &n);
	if (err)
		return fail(err);
	for (size_t i = 0; i < n && !ferror(stdout); i++) {
		struct buf text = { 0 };

		err = read_sound(c, &all[i], &text);
		if (!err)
			print_line(&text);
		else
			status = leave_out(&all[i], err);
		buf_free(&text);
	}
	free(all);
	return status;
}
