/* SPDX-License-Identifier: MIT */
#include "redact/regex.h"

#include <stdlib.h>
#include <string.h>

#include "redact/regex_private.h"

#define NONE UINT32_MAX

struct thread {
	int pc;
	uint32_t from, group, group_end; /* in the text */
};

struct list {
	struct thread thread[REGEX_MAX];
	int n;
};

struct regex_work {
	struct list list[2];
	struct thread stack[2 * REGEX_MAX];
	uint64_t seen[REGEX_MAX]; /* number of the step in which a state was added last */
	uint64_t step;
};

static void add_thread(const struct regex *re, struct regex_work *w, struct list *to,
		       struct thread t, size_t at, size_t len)
{
	int n = 0;

	w->stack[n++] = t;
	while (n) {
		const struct instruction *i;

		t = w->stack[--n];
		if (w->seen[t.pc] == w->step)
			continue;
		w->seen[t.pc] = w->step;
		i = &re->code[t.pc];
		if (i->op == OP_SPLIT) {
			w->stack[n] = w->stack[n + 1] = t;
			w->stack[n++].pc += i->y;
			w->stack[n++].pc += i->x;
		} else if (i->op == OP_JUMP) {
			w->stack[n] = t;
			w->stack[n++].pc += i->x;
		} else if (i->op == OP_SAVE) {
			*(i->x ? &t.group_end : &t.group) = (uint32_t)at;
			t.pc++;
			w->stack[n++] = t;
		} else if (i->op == OP_BEGIN || i->op == OP_END) {
			t.pc++;
			if (at == (i->op == OP_BEGIN ? 0 : len))
				w->stack[n++] = t;
		} else {
			to->thread[to->n++] = t;
		}
	}
}

static bool steps(const struct regex *re, const struct instruction *i, unsigned char c)
{
	return i->op == OP_ANY || (i->op == OP_BYTE && i->x == c) ||
	       (i->op == OP_SET && regex_in_set(&re->set[i->x], c));
}

static void note(struct regex_match *out, const struct thread *t, size_t at)
{
	const bool group = t->group != NONE && t->group_end != NONE && t->group <= t->group_end;

	*out = (struct regex_match){ group ? t->group : t->from, group ? t->group_end : at, at,
				     at };
}

/* One byte further; true when one of the threads has matched: those behind it are less wanted. */
static bool advance(const struct regex *re, struct regex_work *w, const struct list *now,
		    struct list *next, const char *text, size_t len, size_t at,
		    struct regex_match *out)
{
	next->n = 0;
	w->step++;
	for (int i = 0; i < now->n; i++) {
		struct thread t = now->thread[i];

		if (re->code[t.pc].op == OP_MATCH) {
			note(out, &t, at);
			return true;
		}
		if (at == len || !steps(re, &re->code[t.pc], (unsigned char)text[at]))
			continue;
		t.pc++;
		add_thread(re, w, next, t, at + 1, len);
	}
	return false;
}

bool regex_find(const struct regex *re, struct regex_work *w, const char *text, size_t len,
		size_t at, struct regex_match *out)
{
	struct list *now = &w->list[0], *next = &w->list[1], *swap;
	bool found = false;

	now->n = 0;
	w->step++;
	for (;; at++) {
		while (!now->n && !found && at < len &&
		       !regex_in_set(&re->first, (unsigned char)text[at]))
			at++;
		if (!found)
			add_thread(re, w, now, (struct thread){ 0, (uint32_t)at, NONE, NONE }, at,
				   len);
		found |= advance(re, w, now, next, text, len, at, out);
		out->seen = at;
		if (at >= len || (found && !next->n))
			return found;
		swap = now;
		now = next;
		next = swap;
	}
}

/* What a match can begin with, from the states before the first byte. */
static void find_first(struct regex *re, struct regex_work *w)
{
	struct list *l = &w->list[0];

	l->n = 0;
	w->step++;
	/* At both ends at once: no anchor is in the way. */
	add_thread(re, w, l, (struct thread){ 0, 0, NONE, NONE }, 0, 0);
	for (int i = 0; i < l->n; i++) {
		const struct instruction *in = &re->code[l->thread[i].pc];

		if (in->op == OP_MATCH)
			re->may_be_empty = true;
		for (unsigned c = 0; c < 256; c++)
			if (steps(re, in, (unsigned char)c))
				regex_set_add(&re->first, (unsigned char)c);
	}
}

struct regex_work *regex_work_new(void)
{
	return calloc(1, sizeof(struct regex_work));
}

void regex_work_free(struct regex_work *w)
{
	free(w);
}

static const char *compile(struct regex *re, struct regex_work *w, const char *text, size_t len)
{
	const char *why = regex_parse(re, text, len);

	if (why)
		return why;
	find_first(re, w);
	return re->may_be_empty ? "it matches nothing at all, and so everywhere" : NULL;
}

/* There are many, and few of them need much. */
static void fit(struct regex *re)
{
	void *smaller = realloc(re->code, (size_t)re->n * sizeof(*re->code));

	if (smaller)
		re->code = smaller;
	smaller = realloc(re->set, ((size_t)re->n_sets + 1) * sizeof(*re->set));
	if (smaller)
		re->set = smaller;
}

struct regex *regex_new(const char *text, size_t len, const char **why)
{
	struct regex *re = calloc(1, sizeof(*re));
	struct regex_work *w = regex_work_new();

	*why = "no memory";
	if (re) {
		re->code = calloc(REGEX_MAX, sizeof(*re->code));
		re->set = calloc(REGEX_SETS, sizeof(*re->set));
	}
	if (re && w && re->code && re->set)
		*why = compile(re, w, text, len);
	regex_work_free(w);
	if (!*why) {
		fit(re);
		return re;
	}
	regex_free(re);
	return NULL;
}

size_t regex_bytes(const struct regex *re)
{
	return sizeof(*re) + (size_t)re->n * sizeof(*re->code) +
	       (size_t)re->n_sets * sizeof(*re->set);
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	free(re->code);
	free(re->set);
	free(re);
}
