/* SPDX-License-Identifier: MIT */
#include "cli/check_steps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

const char *const step_words[] = { [STEP_TAKEN] = "taken",
				   [STEP_OK] = "ok",
				   [STEP_REFUSED] = "refused",
				   [STEP_NOT_ASKED] = "not asked" };

static bool is_bpf(const struct source_ops *ops)
{
	return ops == &source_bpf || ops == &source_bpf_raw || ops == &source_bpf_plain;
}

static int try_bpf(struct check_steps *s, struct check_step *step, const struct source_config *cfg,
		   unsigned seconds)
{
	static struct source_program unused[CHECK_MAX_PROGRAMS];
	struct source_program *out = s->taken ? unused : s->programs;
	int n = -ENODATA;

	if (seconds && !s->taken) {
		n = source_bpf_measure(step->ops, cfg, seconds, out, CHECK_MAX_PROGRAMS,
				       &s->measured_ns, step->why, sizeof(step->why));
		if (n < 0)
			snprintf(s->stats_error, sizeof(s->stats_error), "%s", step->why);
	}
	if (n < 0)
		n = source_bpf_probe(step->ops, cfg, out, CHECK_MAX_PROGRAMS, step->why,
				     sizeof(step->why));
	if (n >= 0 && !s->taken)
		s->n_programs = n;
	return n < 0 ? n : 0;
}

static int try_other(struct check_step *step, const struct source_config *cfg)
{
	struct source *source = NULL;
	int e = step->ops->open(&source, cfg, step->why, sizeof(step->why));

	if (!e)
		step->ops->close(source);
	return e;
}

static void try_step(struct check_steps *s, struct check_step *step,
		     const struct source_config *cfg, unsigned seconds)
{
	step->why[0] = '\0';
	step->error = is_bpf(step->ops) ? try_bpf(s, step, cfg, seconds) : try_other(step, cfg);
	if (step->error) {
		step->state = STEP_REFUSED;
		s->refused_above += !s->taken;
		return;
	}
	step->why[0] = '\0';
	step->state = s->taken ? STEP_OK : STEP_TAKEN;
	if (!s->taken)
		s->taken = step->ops;
}

void check_steps(struct check_steps *s, const char *name, const struct source_config *cfg,
		 unsigned seconds)
{
	const struct source_ops *only = source_by_name(name);
	size_t i;

	memset(s, 0, sizeof(*s));
	s->n_programs = -ENODATA;
	for (i = 0; i < source_ladder_n && i < CHECK_MAX_STEPS; i++) {
		struct check_step *step = &s->step[s->n++];

		step->ops = source_ladder[i];
		step->state = STEP_NOT_ASKED;
		if (!only || only == step->ops)
			try_step(s, step, cfg, seconds);
	}
}

int check_steps_error(const struct check_steps *s)
{
	int worst = 0;
	size_t i;

	for (i = 0; i < s->n; i++) {
		const int e = s->step[i].error;

		if (!worst || e == -EPERM || e == -EACCES)
			worst = e ? e : worst;
	}
	return worst;
}

static void json_member(struct buf *out, const char *key, const char *value, const char *after)
{
	buf_addf(out, "\"%s\": ", key);
	text_json(out, value, strlen(value));
	buf_adds(out, after);
}

void check_steps_json(const struct check_steps *s, struct buf *out)
{
	size_t i;

	buf_adds(out, "[");
	for (i = 0; i < s->n; i++) {
		buf_adds(out, i ? ",\n    { " : "\n    { ");
		json_member(out, "name", s->step[i].ops->name, ", ");
		json_member(out, "state", step_words[s->step[i].state], ", ");
		json_member(out, "why", s->step[i].why, " }");
	}
	buf_adds(out, "\n  ]");
}

void check_steps_print(const struct check_steps *s)
{
	static const char *const what[CHECK_MAX_STEPS] = {
		"BPF programs fitted to this kernel (CO-RE)",
		"the same, fitted by the file of btf_path", "BPF programs for kernels without BTF",
		"trace events of the kernel"
	};
	size_t i;

	puts("\nWays to watch, best first (docs/sources.md):");
	for (i = 0; i < s->n; i++) {
		const struct check_step *step = &s->step[i];

		printf("  %-13s %-20s %s\n", step_words[step->state], step->ops->name,
		       step->why[0] ? step->why
		       : what[i]    ? what[i]
				    : "");
	}
}
