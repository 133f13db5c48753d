/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/duty_private.h"
#include "analyze/verdicts.h"
#include "report/analysis.h"
#include "report/files.h"
#include "report/json.h"
#include "report/read.h"
#include "util/text.h"

#define VERDICT_MAX (1u << 20)
#define TEXT_MAX (4u << 20)
#define KEPT_ANSWER (64u << 10)
#define KEPT_LOOK_BACK 60 /* days in which we may not have run */

void duty_verdict_key(struct chain_key *out, const struct chain_key *key)
{
	chain_key_derive(out, key, "verdict");
}

/* ---- making and writing ---- */

int duty_verdict_make(struct duty *d, const struct duty_exchange *x, struct buf *verdict,
		      struct buf *text)
{
	struct chain_link link = { .number = 1 };
	struct answer_origin from = { .model = d->cfg.prompt.model,
				      .api_base = d->cfg.server,
				      .tokens_in = x->used.tokens_in,
				      .tokens_out = x->used.tokens_out,
				      .micro_usd = x->micro_usd };
	char now[RJ_TIME_SIZE];
	int err;

	rj_time(now, duty_now(d), false);
	from.now = now;
	err = answer_json(x->answer, x->prompt, &from, verdict);
	if (!err)
		err = chain_seal(verdict, &link, d->key.len ? &d->key : NULL);
	return err ? err : verdict_text((struct wire_span){ verdict->data, verdict->len }, text);
}

/* The local part: what stands there, else made of the report once more. -EBADMSG: it has none. */
static int local_text(struct duty *d, const char *dir, const char *id, const char *name,
		      struct buf *out)
{
	int err = report_file_read(d->cfg.store, dir, name, TEXT_MAX, out);
	struct buf json = { 0 };
	char *end;
	bool notable;

	if (err == -ENOENT) {
		err = report_read(d->cfg.store, dir, id, &json);
		if (!err)
			err = report_analysis((struct wire_span){ json.data, json.len }, out,
					      &notable);
		buf_free(&json);
	}
	end = !err && out->len ? strstr(out->data, VERDICT_DIVIDER) : NULL;
	if (end)
		out->len = (size_t)(end - out->data);
	return err;
}

/* ID.analysis with another end. */
static int write_text(struct duty *d, const struct prompt *p, const struct buf *text)
{
	const char *dir = report_levels[report_level_of_id(p->report_id, &(edr_s64){ 0 })].dir;
	struct buf all = { 0 };
	char name[CHAIN_ID_MAX + 16];
	int err;

	snprintf(name, sizeof(name), "%s%s", p->report_id, REPORT_ANALYSIS);
	err = local_text(d, dir, p->report_id, name, &all);
	if (!err) {
		buf_adds(&all, VERDICT_DIVIDER);
		buf_add(&all, text->data, text->len);
		err = all.failed ? -ENOMEM
				 : report_file_replace(d->cfg.store, dir, name,
						       (struct wire_span){ all.data, all.len });
	}
	buf_free(&all);
	/* One of an older program has no local part, and the verdict's file has all of it. */
	return err == -ENOENT || err == -EBADMSG ? 0 : err;
}

int duty_verdict_write(struct duty *d, const struct prompt *p, const struct buf *verdict,
		       const struct buf *text)
{
	char name[CHAIN_ID_MAX + 16];
	int err;

	snprintf(name, sizeof(name), "%s.json", p->report_id);
	/* The text first: while there is no verdict, all is done again. */
	err = write_text(d, p, text);
	return err ? err
		   : report_file_replace(d->cfg.store, REPORT_ANALYSIS_DIR, name,
					 (struct wire_span){ verdict->data, verdict->len });
}

/* ---- reading ---- */

static bool is_sealed(const struct buf *text, const struct chain_key *key)
{
	char sha256[CHAIN_HEX], hmac[CHAIN_HEX];
	struct chain_link link;

	if (!text->len || !chain_read(text->data, text->len, &link) ||
	    chain_digest(text->data, text->len, key && key->len ? key : NULL, sha256, hmac) ||
	    !chain_same(sha256, link.sha256))
		return false;
	return !key || !key->len || chain_same(hmac, link.hmac_sha256);
}

static bool says(struct wire_span root, const char *name, const char *want)
{
	struct wire_span v;

	return jr_member(root, name, &v) &&
	       (*want ? v.len == strlen(want) + 2 && memcmp(v.data + 1, want, v.len - 2) == 0
		      : jr_is(v, "null"));
}

static int read_verdict(struct report_store *s, const char *id, const struct chain_key *key,
			struct buf *text, struct wire_span *root)
{
	char name[CHAIN_ID_MAX + 16];
	int err;

	snprintf(name, sizeof(name), "%s.json", id);
	err = report_file_read(s, REPORT_ANALYSIS_DIR, name, VERDICT_MAX, text);
	if (!err && (!is_sealed(text, key) || !jr_document(text->data, text->len, root) ||
		     !says(*root, "report_id", id)))
		err = -EBADMSG;
	return err;
}

unsigned duty_verdict_severity(struct report_store *s, const char *id, const char *report_sha256,
			       const struct chain_key *key)
{
	struct wire_span root, v;
	struct buf text = { 0 };
	edr_u64 severity = 0;

	if (read_verdict(s, id, key, &text, &root) != 0 ||
	    (report_sha256 && !says(root, "report_sha256", report_sha256)) ||
	    !jr_member(root, "severity", &v) || !jr_u64(v, &severity) || severity > 5)
		severity = 0;
	buf_free(&text);
	return (unsigned)severity;
}

int verdict_read(struct report_store *s, const char *id, const char *report_sha256,
		 const struct chain_key *key, struct buf *out, bool *current)
{
	struct chain_key of_verdicts;
	struct wire_span root;
	int err;

	duty_verdict_key(&of_verdicts, key);
	err = read_verdict(s, id, &of_verdicts, out, &root);
	chain_key_wipe(&of_verdicts);
	*current = !err && says(root, "report_sha256", report_sha256);
	return err;
}

/* ---- exchanges that are kept ---- */

static void kept_name(char out[64], edr_s64 day)
{
	const struct report_date date = report_date_of_day(day);

	snprintf(out, 64, "exchanges-%04d%02d%02d.jsonl", date.year % 10000, date.month % 100,
		 date.day % 100);
}

/* A verdict goes when its report is gone. */
static void forget_verdicts(struct duty *d)
{
	struct report_files files;
	char name[CHAIN_ID_MAX + 16];
	edr_s64 start_ns;

	if (report_files_names(d->cfg.store, REPORT_ANALYSIS_DIR, &files) != 0)
		return;
	for (size_t i = 0; i < files.n && !duty_stopping(d); i++) {
		const char *id = files.file[i].id;
		const enum report_level level = report_level_of_id(id, &start_ns);

		if (level == N_LEVELS ||
		    report_is_there(d->cfg.store, report_levels[level].dir, id))
			continue;
		snprintf(name, sizeof(name), "%s.json", id);
		report_file_remove(d->cfg.store, REPORT_ANALYSIS_DIR, name);
	}
	report_files_free(&files);
}

void duty_forget(struct duty *d)
{
	const edr_s64 today = report_day(duty_now(d));
	char name[64];

	if (d->kept_day == today)
		return;
	d->kept_day = today;
	forget_verdicts(d);
	for (edr_s64 i = 1; i <= KEPT_LOOK_BACK; i++) {
		kept_name(name, today - (edr_s64)d->cfg.keep_days - i);
		report_file_remove(d->cfg.store, REPORT_ANALYSIS_DIR, name);
	}
}

void duty_tidy(const struct duty_config *cfg)
{
	struct duty d = { .cfg = *cfg, .lock = PTHREAD_MUTEX_INITIALIZER };

	duty_forget(&d);
	pthread_mutex_destroy(&d.lock);
}

static void add_quoted(struct buf *line, const char *name, const char *text, size_t len)
{
	buf_addf(line, ",\"%s\":", name);
	text_json(line, len ? text : "", len);
}

static void make_line(struct duty *d, const struct duty_exchange *x, struct buf *line)
{
	const struct buf *body = &x->reply->body;
	char now[RJ_TIME_SIZE];

	rj_time(now, duty_now(d), false);
	buf_addf(line, "{\"time\":\"%s\"", now);
	add_quoted(line, "report_id", x->prompt->report_id, strlen(x->prompt->report_id));
	add_quoted(line, "model", d->cfg.prompt.model, strlen(d->cfg.prompt.model));
	add_quoted(line, "api_base", d->cfg.server, strlen(d->cfg.server));
	buf_addf(line, ",\"form\":\"%s\",\"request\":", prompt_form_names[x->form]);
	buf_add(line, x->prompt->body.data, x->prompt->body.len);
	buf_addf(line, ",\"outcome\":\"%s\",\"status\":%u", client_outcome_name(x->reply->outcome),
		 x->reply->status);
	if (d->half)
		buf_adds(line, ",\"batch\":true");
	add_quoted(line, "answer", body->data, body->len < KEPT_ANSWER ? body->len : KEPT_ANSWER);
	buf_addf(line, ",\"answer_bytes\":%zu,\"severity\":", body->len);
	buf_addf(line, x->answer ? "%u" : "null",
		 answer_severity(x->prompt->local_severity, x->answer));
	if (x->fault)
		add_quoted(line, "fault", x->fault, strlen(x->fault));
	buf_addf(line, ",\"tokens_in\":%u,\"tokens_out\":%u,\"micro_usd\":%llu,\"ms\":%u}\n",
		 x->used.tokens_in, x->used.tokens_out, x->micro_usd, x->reply->milliseconds);
}

void duty_keep(struct duty *d, const struct duty_exchange *x)
{
	const edr_s64 today = report_day(duty_now(d));
	struct buf line = { 0 };
	char name[64];
	int err;

	if (!d->cfg.keep_exchanges || (d->once && !d->once->write))
		return;
	make_line(d, x, &line);
	kept_name(name, today);
	err = line.failed ? -ENOMEM
			  : report_file_append(d->cfg.store, REPORT_ANALYSIS_DIR, name,
					       (struct wire_span){ line.data, line.len });
	if (err)
		duty_say(d, SAY_DISK, "an exchange could not be kept: %s", strerror(-err));
	buf_free(&line);
}
