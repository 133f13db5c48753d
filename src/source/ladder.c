// SPDX-License-Identifier: MIT
#include "source/ladder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/tracefs.h"
#include "util/log.h"

const struct source_ops *const source_ladder[] = { &source_bpf, &source_bpf_raw, &source_bpf_plain,
						   &source_ftrace };
const size_t source_ladder_n = sizeof(source_ladder) / sizeof(source_ladder[0]);

const struct source_ops *source_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < source_ladder_n; i++) {
		if (!strcmp(source_ladder[i]->name, name))
			return source_ladder[i];
	}
	return NULL;
}

/* All that was said, as one sentence. */
static void say_none(const struct buf *refused, char *err, size_t err_size)
{
	const char *at = refused->data, *end = at + refused->len;
	struct buf text = { 0 };

	buf_adds(&text, "this host cannot be watched in any way:");
	for (; at && at < end; at += strlen(at) + 1)
		buf_addf(&text, "%s %s", at == refused->data ? "" : ";", at);
	snprintf(err, err_size, "%s", text.data ? text.data : "no memory");
	buf_free(&text);
}

int ladder_open(const struct source_ops *const *steps, size_t n, const struct source_config *cfg,
		struct buf *refused, const struct source_ops **taken, struct source **out,
		char *err, size_t err_size)
{
	struct source_config mine = *cfg;
	int e = -ENODEV, worst = 0;
	char why[400];
	size_t i;

	for (i = 0; i < n; i++) {
		mine.refused = refused->data;
		mine.refused_len = refused->len;
		why[0] = '\0';
		e = steps[i]->open(out, &mine, why, sizeof(why));
		if (!e || e == SOURCE_BAD_CONFIG) /* whatever watches */
			break;
		log_debug("source", "%s: %s", steps[i]->name, why);
		buf_addf(refused, "%s is not used: %s", steps[i]->name, why);
		buf_add(refused, "", 1);
		/* Without permission for one, it is what there is to mend. */
		if (!worst || e == -EPERM || e == -EACCES)
			worst = e;
	}
	*taken = e ? NULL : steps[i];
	if (e == SOURCE_BAD_CONFIG)
		snprintf(err, err_size, "%s", why);
	else if (e)
		say_none(refused, err, err_size);
	return e && e != SOURCE_BAD_CONFIG ? worst : e;
}

/* ---- as a source ---- */

struct source {
	const struct source_ops *ops;
	struct source *step;
	struct buf refused;
	struct tracefs_hold tracefs;
};

static void auto_free(struct source *s)
{
	tracefs_release(&s->tracefs);
	buf_free(&s->refused);
	free(s);
}

static int auto_open(struct source **out, const struct source_config *cfg, char *err,
		     size_t err_size)
{
	struct source *s = calloc(1, sizeof(*s));
	int e;

	*out = NULL;
	if (!s) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	/* Without it the BPF objects are refused too, and the last step, which mounts it, would be taken instead. */
	tracefs_hold(&s->tracefs);
	e = ladder_open(source_ladder, source_ladder_n, cfg, &s->refused, &s->ops, &s->step, err,
			err_size);
	if (!e) {
		*out = s;
		return 0;
	}
	auto_free(s);
	return e;
}

static int auto_pump(struct source *s, int timeout_ms, source_record_fn fn, void *ctx)
{
	return s->ops->pump(s->step, timeout_ms, fn, ctx);
}

static int auto_drain(struct source *s, source_record_fn fn, void *ctx)
{
	return s->ops->drain(s->step, fn, ctx);
}

static int auto_totals(struct source *s, struct source_totals *out)
{
	return s->ops->totals(s->step, out);
}

static void auto_close(struct source *s)
{
	if (!s)
		return;
	s->ops->close(s->step);
	auto_free(s);
}

static void auto_cost(struct source *s, struct source_cost *out)
{
	if (s->ops->cost)
		s->ops->cost(s->step, out);
}

const struct source_ops source_auto = {
	.name = "auto",
	.open = auto_open,
	.pump = auto_pump,
	.drain = auto_drain,
	.totals = auto_totals,
	.close = auto_close,
	.cost = auto_cost,
};
