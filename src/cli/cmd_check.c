/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/check.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "edr_version.h"
#include "source/probe.h"
#include "util/buf.h"
#include "util/text.h"

#define MAX_PROGRAMS 64
#define STATS_SECONDS 5

struct verdict {
	struct check check;
	struct source_program programs[MAX_PROGRAMS];
	int n_programs;	  /* -errno: none could be loaded */
	unsigned seconds; /* of --stats; 0: without */
	edr_u64 measured_ns;
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

static void probe_programs(struct verdict *v)
{
	char err[CLI_ERR_MAX] = "";
	int n = -ENODATA;

	if (v->seconds) {
		n = source_bpf_measure(&source_bpf, &v->check.source, v->seconds, v->programs, MAX_PROGRAMS,
				       &v->measured_ns, err, sizeof(err));
		if (n < 0)
			check_add(&v->check, "BPF statistics", CHECK_NOTE, err, "");
	}
	if (n < 0)
		n = source_bpf_probe(&source_bpf, &v->check.source, v->programs, MAX_PROGRAMS, err, sizeof(err));
	v->n_programs = n;
	if (n >= 0)
		check_add(&v->check, "BPF programs", CHECK_OK, "can be loaded", "");
	else
		check_add(&v->check, "BPF programs",
			  n == -EPERM || n == -EACCES ? CHECK_NO_PERMISSION : CHECK_MISSING, err,
			  "");
}

static void judge(struct verdict *v)
{
	enum check_state worst = CHECK_OK;

	for (size_t i = 0; i < v->check.n; i++)
		if (v->check.items[i].state > worst)
			worst = v->check.items[i].state;
	for (int i = 0; i < v->n_programs; i++)
		if (v->programs[i].state == SOURCE_PROGRAM_MISSING && worst < CHECK_GAP)
			worst = CHECK_GAP;
	v->source = "bpf";
	switch (worst) {
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
	return v->measured_ns ? 100.0 * (double)ns / (double)v->measured_ns : 0;
}

static double ns_a_run(edr_u64 ns, edr_u64 runs)
{
	return runs ? (double)ns / (double)runs : 0;
}

static void sum_up(const struct verdict *v, edr_u64 *runs, edr_u64 *ns)
{
	*runs = *ns = 0;
	for (int i = 0; i < v->n_programs; i++) {
		*runs += v->programs[i].runs;
		*ns += v->programs[i].run_ns;
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
	buf_addf(out, "{ \"seconds\": %.3f, ", (double)v->measured_ns / 1e9);
	json_runs(out, v, runs, ns);
	buf_adds(out, " }");
}

static void print_stats(const struct verdict *v)
{
	edr_u64 runs, ns;

	printf("\n  %-20s %-31s %10s %9s %8s\n", "program", "hook", "runs", "ns a run", "% of CPU");
	for (int i = 0; i < v->n_programs; i++) {
		const struct source_program *p = &v->programs[i];

		if (p->state == SOURCE_PROGRAM_USED)
			printf("  %-20s %-31s %10llu %9.0f %8.3f\n", p->name, p->hook, p->runs,
			       ns_a_run(p->run_ns, p->runs), percent(v, p->run_ns));
	}
	sum_up(v, &runs, &ns);
	printf("  %-52s %10llu %9.0f %8.3f\n", "sum, of one CPU", runs, ns_a_run(ns, runs),
	       percent(v, ns));
	printf("  measured for %.1f s; the statistics themselves take part of each run\n",
	       (double)v->measured_ns / 1e9);
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
		json_member(&out, "state", state_words[item->state], ", ");
		json_member(&out, "what", item->what, ", ");
		json_member(&out, "mend", item->mend, " }");
	}
	buf_adds(&out, "\n  ],\n  \"programs\": [");
	for (int i = 0; i < v->n_programs; i++) {
		buf_adds(&out, i ? ",\n    { " : "\n    { ");
		json_member(&out, "name", v->programs[i].name, ", ");
		json_member(&out, "state", program_words[v->programs[i].state], ", ");
		json_member(&out, "events", v->programs[i].events, ", ");
		json_member(&out, "why", v->programs[i].why, v->measured_ns ? ", " : "");
		if (v->measured_ns) {
			json_member(&out, "hook", v->programs[i].hook, ", ");
			json_runs(&out, v, v->programs[i].runs, v->programs[i].run_ns);
		}
		buf_adds(&out, " }");
	}
	buf_adds(&out, "\n  ]");
	if (v->measured_ns) {
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
	if (v->n_programs <= 0)
		return;
	printf("\nBPF programs (hooks = %s):\n", v->check.source.lean ? "lean" : "default");
	for (int i = 0; i < v->n_programs; i++) {
		const struct source_program *p = &v->programs[i];

		print_row(program_words[p->state], p->name,
			  p->state == SOURCE_PROGRAM_MISSING ? p->why : p->events);
	}
}

static void print_table(const struct verdict *v, const struct utsname *uts)
{
	printf(CLI_NAME " %s on Linux %s (%s)\n\n", EDR_VERSION, uts->release, uts->machine);
	for (size_t i = 0; i < v->check.n; i++) {
		const struct check_item *item = &v->check.items[i];

		print_row(state_words[item->state], item->name, item->what);
		if (item->mend[0])
			printf("  %-13s %-20s -> %s\n", "", "", item->mend);
	}
	print_programs(v);
	if (v->measured_ns)
		print_stats(v);
	printf("\nsource: %s. %s (exit status %d).\n", v->source, v->sentence, v->status);
}

int cmd_check(const struct options *o)
{
	struct conf_set *set = NULL;
	struct verdict *v;
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
		check_host(&v->check);
		probe_programs(v);
		judge(v);
		(o->json ? print_json : print_table)(v, &uts);
		status = v->status;
	}
	free(v);
	conf_free(set);
	free(file);
	return status;
}
