/* SPDX-License-Identifier: MIT */
/* A report for people, 80 columns wide: findings first, what ran, what was new, what was lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell/view.h"
#include "cli/report_cmd.h"
#include "report/analysis.h"
#include "report/json.h"
#include "report/parent.h"
#include "report/read.h"
#include "util/text.h"
#include "wire/wire.h"

#define COLUMNS 80
#define ROWS 20 /* of a table; the report has all */
#define NS_PER_S 1e9

/* At most width columns; a cut one ends in "...". Escaped text is ASCII but for what is harmless. */
static void print_cut(FILE *out, const char *s, size_t width)
{
	size_t columns = 0, at = 0, keep = 0;

	for (; s[at]; at++) {
		if (((unsigned char)s[at] & 0xc0) == 0x80)
			continue;
		if (columns <= width - 3)
			keep = at;
		/* A wide character takes two columns; none of ASCII does. */
		columns += (unsigned char)s[at] >= 0xe1 ? 2 : 1;
	}
	if (columns <= width)
		fputs(s, out);
	else
		fprintf(out, "%.*s...", (int)keep, s);
	putc('\n', out);
}

static void print_line(FILE *out, struct buf *line)
{
	print_cut(out, line->data ? line->data : "out of memory", COLUMNS - 1);
	buf_clear(line);
}

static void add_span(struct buf *out, struct wire_span s)
{
	text_term(out, s.data, s.len);
}

static void add_argv(struct buf *out, const struct cell_command_line *l)
{
	struct wire_span rest = l->argv, arg;
	const char *space = "";

	if (!rest.len)
		add_span(out, l->command);
	while (wire_next_arg(&rest, &arg)) {
		buf_adds(out, space);
		add_span(out, arg);
		space = " ";
	}
}

/* The one that counts: a model can raise it, and then the other is said too. */
static void add_severity(struct buf *line, unsigned local, unsigned model)
{
	if (!local && !model)
		buf_adds(line, "severity not known");
	else
		buf_addf(line, "severity %u of 5", model > local ? model : local);
	if (model > local && local)
		buf_addf(line, " (%u without the model)", local);
	else if (model > local)
		buf_adds(line, " (of the model alone)");
}

static void print_head(FILE *out, struct buf *line, const struct cell_view *v,
		       const struct report_info *info, const struct report_model *model)
{
	const struct cell_totals *t = v->totals;
	char from[RJ_TIME_SIZE], to[RJ_TIME_SIZE];

	rj_time(from, t->window_start_ns, false);
	rj_time(to, t->window_end_ns, false);
	buf_adds(line, info->id);
	print_line(out, line);
	buf_addf(line, "%s to %s, ", from, to);
	add_span(line, v->host->hostname);
	print_line(out, line);
	add_severity(line, info->severity, model->severity);
	buf_addf(line, "; %.0f of %.0f s watched%s", (double)t->watched_ns / NS_PER_S,
		 (double)(t->window_end_ns - t->window_start_ns) / NS_PER_S,
		 t->partial ? " (partial)" : "");
	print_line(out, line);
}

static void print_degraded(FILE *out, struct buf *line, const struct cell_view *v)
{
	struct wire_span rest = v->host->degraded, reason;

	while (wire_next_arg(&rest, &reason)) {
		buf_adds(line, "degraded: ");
		add_span(line, reason);
		print_line(out, line);
	}
}

static void print_findings(FILE *out, struct buf *line, const struct cell_view *v)
{
	if (v->n_findings)
		fputs("\nFindings\n", out);
	for (size_t i = 0; i < v->n_findings && i < ROWS; i++) {
		const struct cell_finding *f = &v->findings[i];
		char at[RJ_TIME_SIZE];

		rj_time(at, f->time_ns, false);
		buf_addf(line, "  %u  %.16s  ", f->severity, at);
		add_span(line, f->title);
		print_line(out, line);
		if (f->details.len) {
			buf_adds(line, "     ");
			add_span(line, f->details);
			print_line(out, line);
		}
	}
	if (v->n_findings > ROWS)
		fprintf(out, "  and %zu more\n", v->n_findings - ROWS);
}

/* Why it has its severity, what changed, what to do. */
static int print_analysis(FILE *out, const struct buf *json)
{
	struct buf text = { 0 };
	char *line, *rest;

	report_analysis_lines((struct wire_span){ json->data, json->len }, &text);
	if (text.failed)
		return -ENOMEM;
	if (text.len)
		putc('\n', out);
	rest = text.data;
	while (text.len && (line = strsep(&rest, "\n")) && rest)
		print_cut(out, line, COLUMNS - 1);
	buf_free(&text);
	return 0;
}

static int by_count(const void *a, const void *b)
{
	const struct cell_command_line *x = *(const struct cell_command_line *const *)a,
				       *y = *(const struct cell_command_line *const *)b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return 0; /* as they were: glibc's qsort is stable for so few; else by place */
}

/* The busiest command lines of all executables. */
static int print_lines(FILE *out, struct buf *line, const struct cell_view *v)
{
	const struct cell_command_line **all;
	size_t n = 0;

	for (size_t i = 0; i < v->n_exes; i++)
		n += v->exes[i].n_command_lines;
	all = calloc(n + 1, sizeof(const struct cell_command_line *));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < v->n_exes; i++)
		for (size_t k = 0; k < v->exes[i].n_command_lines; k++)
			all[n++] = &v->exes[i].command_lines[k];
	qsort(all, n, sizeof(const struct cell_command_line *), by_count);
	if (n)
		fputs("\nWhat ran most\n", out);
	for (size_t i = 0; i < n && i < ROWS; i++) {
		buf_addf(line, "%9llu  ", all[i]->count);
		add_argv(line, all[i]);
		print_line(out, line);
	}
	if (n > ROWS)
		fprintf(out, "           and %zu more command lines\n", n - ROWS);
	free(all);
	return 0;
}

static void print_exes(FILE *out, struct buf *line, const struct cell_view *v)
{
	if (v->n_exes)
		fputs("\n     runs     failed   connects  executable\n", out);
	for (size_t i = 0; i < v->n_exes && i < ROWS; i++) {
		const struct cell_exe_counts *c = &v->exes[i].counts;

		buf_addf(line, "%9llu %10llu %10llu  ", c->runs, c->failed_runs, c->connects);
		add_span(line, v->exes[i].name);
		print_line(out, line);
	}
	if (v->n_exes > ROWS)
		fprintf(out, "           and %zu more executables\n", v->n_exes - ROWS);
	if (v->exes_other.events)
		fprintf(out, "           and %llu events of those that found no room\n",
			v->exes_other.events);
}

static void print_connections(FILE *out, struct buf *line, const struct cell_view *v)
{
	if (v->n_connections)
		fputs("\nConnections\n", out);
	for (size_t i = 0; i < v->n_connections && i < ROWS; i++) {
		const struct cell_connection *c = &v->connections[i];

		buf_addf(line, "%9llu  ", c->connects);
		add_span(line, c->address);
		if (c->port)
			buf_addf(line, " port %u", c->port);
		buf_adds(line, " by ");
		add_span(line, c->exe);
		print_line(out, line);
	}
	if (v->n_connections > ROWS)
		fprintf(out, "           and %zu more\n", v->n_connections - ROWS);
}

static void print_events(FILE *out, struct buf *line, const struct cell_totals *t)
{
	buf_addf(line, "\nEvents    %llu", t->events);
	for (size_t i = 0; i < wire_n_events; i++) {
		const edr_u64 n = t->type[wire_events[i].type].delivered;

		if (n && strcmp(wire_events[i].group, "always") != 0)
			buf_addf(line, ", %s %llu", wire_events[i].name, n);
	}
	print_line(out, line);
}

static void print_loss(FILE *out, struct buf *line, const struct cell_view *v)
{
	const struct cell_totals *t = v->totals;
	edr_u64 lost = 0;

	for (size_t i = 0; i < wire_n_events; i++)
		if (strcmp(wire_events[i].group, "always") != 0)
			lost += t->type[wire_events[i].type].counted.dropped;
	fprintf(out, "Lost      %llu events, %.1f s blind, %llu clock steps\n", lost,
		(double)t->blind_ns / NS_PER_S, t->clock_steps);
	for (size_t i = 0; i < v->n_blind && i < ROWS; i++) {
		char from[RJ_TIME_SIZE], to[RJ_TIME_SIZE];

		rj_time(from, v->blind[i].from_ns, false);
		rj_time(to, v->blind[i].to_ns, false);
		buf_addf(line, "          %s to %s ", from, to);
		add_span(line, v->blind[i].reason);
		print_line(out, line);
	}
}

static void print_cost(FILE *out, const struct cell_totals *t)
{
	const struct cell_cost *c = &t->cost;
	const double cpu_s = (double)(c->user_ns + c->system_ns) / NS_PER_S;

	if (!t->type[EDR_COST].delivered) {
		fputs("Cost      not known\n", out);
		return;
	}
	fprintf(out, "Cost      CPU: agent %.2f s, ", cpu_s);
	if (c->bpf_sampled_ns || c->bpf_ns)
		fprintf(out, "BPF about %.2f s", (double)c->bpf_ns / NS_PER_S);
	else
		fputs("BPF not known", out);
	fprintf(out, "; memory: %.1f MB, in BPF %.1f MB\n", (double)c->memory_peak_bytes / 1e6,
		(double)c->bpf_memory_bytes / 1e6);
}

/* ---- what was new ---- */

static int compare_names(const void *a, const void *b)
{
	const struct wire_span *x = a, *y = b;
	const size_t len = x->len < y->len ? x->len : y->len;
	const int order = len ? memcmp(x->data, y->data, len) : 0;

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Executables that ran and are not among these, which are sorted. */
static void print_not_among(FILE *out, struct buf *line, const struct cell_view *v,
			    const struct wire_span *known, size_t n_known)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_exes; i++) {
		const struct cell_exe *e = &v->exes[i];

		if (!e->counts.runs ||
		    (n_known && bsearch(&e->name, known, n_known, sizeof(*known), compare_names)))
			continue;
		if (n++ >= ROWS)
			continue;
		buf_addf(line, "%9llu  ", e->counts.runs);
		add_span(line, e->name);
		print_line(out, line);
	}
	if (n > ROWS)
		fprintf(out, "           and %zu more\n", n - ROWS);
	if (!n)
		fputs("           nothing\n", out);
}

static int print_new(FILE *out, struct buf *line, const struct cell_view *v,
		     const struct buf *previous)
{
	struct cell_view before = { 0 };
	struct wire_span *known = NULL;
	struct report_info info;
	struct cell *cell = NULL;
	size_t n = 0;
	int err =
		previous->len ? report_load(previous->data, previous->len, &cell, &info) : -ENOENT;

	if (!err)
		err = cell_view_open(&before, cell);
	if (!err)
		known = calloc(before.n_exes + 1, sizeof(*known));
	if (known) {
		for (size_t i = 0; i < before.n_exes; i++)
			if (before.exes[i].counts.runs)
				known[n++] = before.exes[i].name;
		qsort(known, n, sizeof(*known), compare_names);
		buf_addf(line, "New since %s%s", info.id,
			 before.exes_other.rows ? ", which does not list all that ran" : "");
		putc('\n', out);
		print_line(out, line);
		print_not_among(out, line, v, known, n);
	}
	free(known);
	cell_view_close(&before);
	cell_free(cell);
	return err == -ENOMEM || (!err && !known) ? -ENOMEM : 0;
}

/* ---- the whole ---- */

static void add_member(struct buf *line, const struct buf *json, const char *name)
{
	const struct wire_span doc = { json->data, json->len };
	struct buf value = { 0 };
	struct wire_span v;

	if (!jr_member(doc, name, &v))
		v = (struct wire_span){ "?", 1 };
	if (v.data[0] == '"' && jr_string(v, &value))
		text_term(line, value.data ? value.data : "", value.len);
	else
		text_term(line, v.data, v.len);
	buf_free(&value);
}

/* Raw events only: what can be said of them is in their cell. */
static int part_text(const struct buf *json, struct buf *line, FILE *out)
{
	static const char *const shown[] = { "report_id", "window_start", "cell_id",
					     "part",	  "last_part",	  "why",
					     "total",	  "first_event",  "last_event" };

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		buf_addf(line, "%-13s ", shown[i]);
		add_member(line, json, shown[i]);
		print_line(out, line);
	}
	return 0;
}

static bool is_part(const struct buf *json)
{
	const struct wire_span doc = { json->data, json->len };
	struct wire_span level;

	return jr_member(doc, "level", &level) && jr_is(level, "\"interim\"");
}

static int print_all(const struct cell *cell, const struct report_info *info,
		     const struct buf *json, const struct buf *previous,
		     const struct report_model *model, struct buf *line, FILE *out)
{
	struct cell_view v = { 0 };
	int err = cell_view_open(&v, cell);

	if (err)
		return err;
	print_head(out, line, &v, info, model);
	print_degraded(out, line, &v);
	print_findings(out, line, &v);
	err = print_analysis(out, json);
	if (!err)
		err = report_model_print(model, out);
	if (!err)
		err = print_lines(out, line, &v);
	print_exes(out, line, &v);
	if (!err)
		err = print_new(out, line, &v, previous);
	print_connections(out, line, &v);
	print_events(out, line, v.totals);
	print_loss(out, line, &v);
	print_cost(out, v.totals);
	cell_view_close(&v);
	return err;
}

int report_text(const struct buf *json, const struct buf *previous,
		const struct report_model *model, FILE *out)
{
	struct report_info info;
	struct buf line = { 0 };
	struct cell *cell = NULL;
	int err;

	if (is_part(json)) {
		err = part_text(json, &line, out);
	} else {
		err = report_load(json->data, json->len, &cell, &info);
		if (!err)
			err = print_all(cell, &info, json, previous, model, &line, out);
	}
	cell_free(cell);
	buf_free(&line);
	return err;
}
