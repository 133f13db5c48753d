/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/check.h"
#include "cli/check_steps.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "edr_version.h"
#include "source/tracefs.h"
#include "util/buf.h"
#include "util/text.h"

#define STATS_SECONDS 5

struct verdict {
	struct check check;
	struct check_steps steps;
	unsigned seconds; /* of --stats; 0: without */
	const char *source;
	int status;
	const char *word; /* for --json */
	const char *sentence;
};

static const char *const state_words[] = { [CHECK_OK] = "ok",
					   [CHECK_NOTE] = "note",
					   [CHECK_GAP] = "gap",
					   [CHECK_MISSING] = "missing",
					   [CHECK_NO_PERMISSION] = "no permission" };
static const char *const program_words[] = { [SOURCE_PROGRAM_USED] = "ok",
					     [SOURCE_PROGRAM_NOT_ASKED] = "not asked",
					     [SOURCE_PROGRAM_MISSING] = "missing" };

/* What is missing for one way is none the less a gap where another works; these are for all. */
static bool for_every_way(const char *name)
{
	return strcmp(name, "reports_dir") == 0 || strcmp(name, "lockdown") == 0;
}

static enum check_state state_of(const struct verdict *v, const struct check_item *item)
{
	if (item->state > CHECK_GAP && v->steps.taken && !for_every_way(item->name))
		return CHECK_GAP;
	return item->state;
}

static enum check_state worst_of(const struct verdict *v)
{
	enum check_state worst = CHECK_OK;
	int e = check_steps_error(&v->steps);

	for (size_t i = 0; i < v->check.n; i++)
		if (state_of(v, &v->check.items[i]) > worst)
			worst = state_of(v, &v->check.items[i]);
	for (int i = 0; i < v->steps.n_programs; i++)
		if (v->steps.programs[i].state == SOURCE_PROGRAM_MISSING && worst < CHECK_GAP)
			worst = CHECK_GAP;
	if (v->steps.taken && v->steps.taken != source_ladder[0] && worst < CHECK_GAP)
		worst = CHECK_GAP;
	if (!v->steps.taken && worst < CHECK_MISSING)
		worst = e == -EPERM || e == -EACCES ? CHECK_NO_PERMISSION : CHECK_MISSING;
	return worst;
}

static void judge(struct verdict *v)
{
	v->source = v->steps.taken ? v->steps.taken->name : "none";
	switch (worst_of(v)) {
	case CHECK_OK:
	case CHECK_NOTE:
		v->status = EX_OK;
		v->word = "ok";
		v->sentence = "all is well";
		break;
	case CHECK_GAP:
		v->status = 1;
		v->word = "degraded";
		v->sentence = "it works here, with the gaps named above";
		break;
	case CHECK_MISSING:
		v->status = EX_UNAVAILABLE;
		v->word = "unavailable";
		v->sentence = "it cannot work here: see what is missing above";
		v->source = "none";
		break;
	case CHECK_NO_PERMISSION:
		v->status = EX_NOPERM;
		v->word = "no_permission";
		v->sentence = "it cannot work as this user: see what is missing above";
		v->source = "none";
		break;
	}
}

static void json_member(struct buf *out, const char *key, const char *value, const char *after)
{
	buf_addf(out, "\"%s\": ", key);
	text_json(out, value, strlen(value));
	buf_adds(out, after);
}

/* ---- --stats ---- */

/* Of one CPU. */
static double percent(const struct verdict *v, edr_u64 ns)
{
	return v->steps.measured_ns ? 100.0 * (double)ns / (double)v->steps.measured_ns : 0;
}

static double ns_a_run(edr_u64 ns, edr_u64 runs)
{
	return runs ? (double)ns / (double)runs : 0;
}

static void sum_up(const struct verdict *v, edr_u64 *runs, edr_u64 *ns)
{
	*runs = *ns = 0;
	for (int i = 0; i < v->steps.n_programs; i++) {
		*runs += v->steps.programs[i].runs;
		*ns += v->steps.programs[i].run_ns;
	}
}

static void json_runs(struct buf *out, const struct verdict *v, edr_u64 runs, edr_u64 ns)
{
	buf_addf(out, "\"runs\": %llu, ", runs);
	if (runs)
		buf_addf(out, "\"ns_per_run\": %.1f, ", ns_a_run(ns, runs));
	else
		buf_adds(out, "\"ns_per_run\": null, ");
	buf_addf(out, "\"cpu_percent\": %.6f", percent(v, ns));
}

static void json_sum(struct buf *out, const struct verdict *v)
{
	edr_u64 runs, ns;

	sum_up(v, &runs, &ns);
	buf_addf(out, "{ \"seconds\": %.3f, ", (double)v->steps.measured_ns / 1e9);
	json_runs(out, v, runs, ns);
	buf_adds(out, " }");
}

static void print_stats(const struct verdict *v)
{
	edr_u64 runs, ns;

	printf("\n  %-20s %-31s %10s %9s %8s\n", "program", "hook", "runs", "ns a run", "% of CPU");
	for (int i = 0; i < v->steps.n_programs; i++) {
		const struct source_program *p = &v->steps.programs[i];

		if (p->state == SOURCE_PROGRAM_USED)
			printf("  %-20s %-31s %10llu %9.0f %8.3f\n", p->name, p->hook, p->runs,
			       ns_a_run(p->run_ns, p->runs), percent(v, p->run_ns));
	}
	sum_up(v, &runs, &ns);
	printf("  %-52s %10llu %9.0f %8.3f\n", "sum, of one CPU", runs, ns_a_run(ns, runs),
	       percent(v, ns));
	printf("  measured for %.1f s; the statistics themselves take part of each run\n",
	       (double)v->steps.measured_ns / 1e9);
}

static void print_json(const struct verdict *v, const struct utsname *uts)
{
	struct buf out = { 0 };

	buf_adds(&out, "{\n  ");
	json_member(&out, "version", EDR_VERSION, ",\n  ");
	json_member(&out, "kernel", uts->release, ",\n  ");
	json_member(&out, "arch", uts->machine, ",\n  ");
	json_member(&out, "result", v->word, ",\n  ");
	json_member(&out, "source", v->source, ",\n  ");
	json_member(&out, "hooks", v->check.source.lean ? "lean" : "default", ",\n  ");
	buf_addf(&out, "\"exit_status\": %d,\n  \"checks\": [", v->status);
	for (size_t i = 0; i < v->check.n; i++) {
		const struct check_item *item = &v->check.items[i];

		buf_adds(&out, i ? ",\n    { " : "\n    { ");
		json_member(&out, "name", item->name, ", ");
		json_member(&out, "state", state_words[state_of(v, item)], ", ");
		json_member(&out, "what", item->what, ", ");
		json_member(&out, "mend", item->mend, " }");
	}
	buf_adds(&out, "\n  ],\n  \"sources\": ");
	check_steps_json(&v->steps, &out);
	buf_adds(&out, ",\n  \"programs\": [");
	for (int i = 0; i < v->steps.n_programs; i++) {
		buf_adds(&out, i ? ",\n    { " : "\n    { ");
		json_member(&out, "name", v->steps.programs[i].name, ", ");
		json_member(&out, "state", program_words[v->steps.programs[i].state], ", ");
		json_member(&out, "events", v->steps.programs[i].events, ", ");
		json_member(&out, "why", v->steps.programs[i].why,
			    v->steps.measured_ns ? ", " : "");
		if (v->steps.measured_ns) {
			json_member(&out, "hook", v->steps.programs[i].hook, ", ");
			json_runs(&out, v, v->steps.programs[i].runs, v->steps.programs[i].run_ns);
		}
		buf_adds(&out, " }");
	}
	buf_adds(&out, "\n  ]");
	if (v->steps.measured_ns) {
		buf_adds(&out, ",\n  \"stats\": ");
		json_sum(&out, v);
	}
	buf_adds(&out, "\n}\n");
	fputs(out.data ? out.data : "{}\n", stdout);
	buf_free(&out);
}

static void print_row(const char *state, const char *name, const char *text)
{
	printf("  %-13s %-20s %s\n", state, name, text);
}

static void print_programs(const struct verdict *v)
{
	if (v->steps.n_programs <= 0)
		return;
	printf("\nBPF programs (hooks = %s):\n", v->check.source.lean ? "lean" : "default");
	for (int i = 0; i < v->steps.n_programs; i++) {
		const struct source_program *p = &v->steps.programs[i];

		print_row(program_words[p->state], p->name,
			  p->state == SOURCE_PROGRAM_MISSING ? p->why : p->events);
	}
}

static void print_table(const struct verdict *v, const struct utsname *uts)
{
	printf(CLI_NAME " %s on Linux %s (%s)\n\n", EDR_VERSION, uts->release, uts->machine);
	for (size_t i = 0; i < v->check.n; i++) {
		const struct check_item *item = &v->check.items[i];

		print_row(state_words[state_of(v, item)], item->name, item->what);
		if (item->mend[0])
			printf("  %-13s %-20s -> %s\n", "", "", item->mend);
	}
	check_steps_print(&v->steps);
	print_programs(v);
	if (v->steps.measured_ns)
		print_stats(v);
	printf("\nsource: %s. %s (exit status %d).\n", v->source, v->sentence, v->status);
}

/* `auto` mounts it too, and another way would find what it does not need. */
static void tracefs_hold_if(struct verdict *v, struct tracefs_hold *h)
{
	*h = (struct tracefs_hold){ .dir = -1 };
	if (strcmp(v->check.conf->source, "auto") != 0)
		return;
	tracefs_hold(h);
	v->check.mounts_tracefs = h->dir >= 0 && !h->found;
}

int cmd_check(const struct options *o)
{
	struct conf_set *set = NULL;
	struct verdict *v;
	struct tracefs_hold tracefs;
	struct utsname uts;
	char err[CLI_ERR_MAX];
	char *file = NULL;
	int status;

	if (o->seconds && !o->stats)
		return cli_fail(EX_USAGE, "option --seconds goes with --stats");
	status = options_conf(o, &set, &file, err, sizeof(err));
	if (status != 0)
		return cli_fail(status, err);
	v = calloc(1, sizeof(*v));
	if (!v || uname(&uts) != 0) {
		status = cli_fail(EX_OSERR, "out of memory");
	} else {
		v->check.conf = conf_get(set);
		v->seconds = o->stats ? o->seconds ? o->seconds : STATS_SECONDS : 0;
		live_source_config(v->check.conf, &v->check.source);
		/* First, as the client has to have nothing of ours. */
		check_model(&v->check);
		tracefs_hold_if(v, &tracefs);
		check_host(&v->check);
		check_steps(&v->steps, v->check.conf->source, &v->check.source, v->seconds);
		tracefs_release(&tracefs);
		if (v->steps.stats_error[0])
			check_add(&v->check, "BPF statistics", CHECK_NOTE, v->steps.stats_error,
				  "");
		judge(v);
		(o->json ? print_json : print_table)(v, &uts);
		status = v->status;
	}
	free(v);
	conf_free(set);
	free(file);
	return status;
}
