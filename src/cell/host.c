/* SPDX-License-Identifier: MIT */
/* Who was watched, by what, and what was off. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell_private.h"

#define MAX_REASONS 64
#define MORE_REASONS "more reasons than are listed"

static void host_point(struct host *h, const size_t len[8])
{
	struct wire_span *const span[8] = {
		&h->spans.hostname, &h->spans.machine_id, &h->spans.kernel, &h->spans.arch,
		&h->spans.source,   &h->spans.hooks,	  &h->spans.agent,  &h->spans.degraded,
	};
	size_t at = 0, i;

	for (i = 0; i < 8; i++) {
		*span[i] = (struct wire_span){ h->text.data ? h->text.data + at : "", len[i] };
		at += len[i];
	}
}

void host_free(struct host *h)
{
	const size_t none[8] = { 0 };

	buf_free(&h->text);
	host_point(h, none);
}

/* On an error the host stays as it was. */
static int set_host(struct host *h, const struct wire_span from[8])
{
	struct buf text = { 0 };
	size_t len[8], i;

	for (i = 0; i < 8; i++) {
		buf_add(&text, from[i].data, from[i].len);
		len[i] = from[i].len;
	}
	if (text.failed) {
		buf_free(&text);
		return -ENOMEM;
	}
	buf_free(&h->text);
	h->text = text;
	host_point(h, len);
	return 0;
}

int host_set(struct host *to, const struct cell_host *s)
{
	const struct wire_span all[8] = { s->hostname, s->machine_id, s->kernel, s->arch,
					  s->source,   s->hooks,      s->agent,	 s->degraded };

	return set_host(to, all);
}

int host_copy(struct host *to, const struct host *from)
{
	return host_set(to, &from->spans);
}

void host_learn(struct host *h, const struct edr_host *r)
{
	const struct wire_span all[8] = {
		wire_str(r, r->hostname), wire_str(r, r->machine_id), wire_str(r, r->kernel),
		wire_str(r, r->arch),	  wire_str(r, r->source),     wire_str(r, r->hooks),
		wire_str(r, r->agent),	  wire_str(r, r->degraded),
	};

	set_host(h, all);
}

/* ---- added up ---- */

int span_compare(struct wire_span a, struct wire_span b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

int host_compare(const struct cell_host *a, const struct cell_host *b)
{
	const struct wire_span x[] = { a->hostname, a->machine_id, a->kernel, a->arch,
				       a->source,   a->hooks,	   a->agent,  a->degraded };
	const struct wire_span y[] = { b->hostname, b->machine_id, b->kernel, b->arch,
				       b->source,   b->hooks,	   b->agent,  b->degraded };
	size_t i;
	int order = 0;

	for (i = 0; i < sizeof(x) / sizeof(x[0]) && order == 0; i++)
		order = span_compare(x[i], y[i]);
	return order;
}

static int compare_reasons(const void *a, const void *b)
{
	return span_compare(*(const struct wire_span *)a, *(const struct wire_span *)b);
}

struct reasons {
	struct wire_span *list;
	size_t n;
	bool more;
};

/* There is room. */
static void take_reasons(struct reasons *r, struct wire_span rest)
{
	static const struct wire_span more = { MORE_REASONS, sizeof(MORE_REASONS) - 1 };
	struct wire_span reason;

	while (wire_next_arg(&rest, &reason)) {
		if (span_compare(reason, more) == 0)
			r->more = true;
		else
			r->list[r->n++] = reason;
	}
}

/* Each once, and the first of them by their bytes: so it does not matter what was added first. */
static void add_reasons(struct buf *out, struct reasons *r)
{
	size_t kept = 0;

	if (r->n)
		qsort(r->list, r->n, sizeof(*r->list), compare_reasons);
	for (size_t i = 0; i < r->n; i++)
		if (!kept || span_compare(r->list[kept - 1], r->list[i]) != 0)
			r->list[kept++] = r->list[i];
	r->more |= kept > MAX_REASONS;
	for (size_t i = 0; i < kept && i < MAX_REASONS; i++) {
		buf_add(out, r->list[i].data, r->list[i].len);
		buf_addc(out, '\0');
	}
	if (r->more)
		buf_add(out, MORE_REASONS, sizeof(MORE_REASONS));
}

static void add_difference(struct buf *out, const char *what, struct wire_span a,
			   struct wire_span b)
{
	const struct wire_span both[] = { a, b };

	for (size_t i = 0; i < 2 && span_compare(a, b) != 0; i++) {
		if (!both[i].len)
			continue;
		buf_addf(out, "%s: ", what);
		buf_add(out, both[i].data, both[i].len);
		buf_add(out, " for a part of the window", sizeof(" for a part of the window"));
	}
}

int host_merge(struct host *to, const struct cell_host *from, bool later)
{
	struct cell_host sum = later ? *from : to->spans;
	struct buf text = { 0 }, differ = { 0 };
	struct reasons r = { .n = 0 };
	int err = -ENOMEM;

	add_difference(&differ, "source", to->spans.source, from->source);
	add_difference(&differ, "hooks", to->spans.hooks, from->hooks);
	/* None is shorter than its NUL. */
	r.list = calloc(to->spans.degraded.len + from->degraded.len + differ.len + 1,
			sizeof(*r.list));
	if (r.list && !differ.failed) {
		take_reasons(&r, to->spans.degraded);
		take_reasons(&r, from->degraded);
		take_reasons(&r, (struct wire_span){ differ.data, differ.len });
		add_reasons(&text, &r);
		sum.degraded = (struct wire_span){ text.data, text.len };
		err = text.failed ? -ENOMEM : host_set(to, &sum);
	}
	free(r.list);
	buf_free(&text);
	buf_free(&differ);
	return err;
}
