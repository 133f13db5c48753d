/* SPDX-License-Identifier: MIT */
#include "detect/burst.h"

#include <string.h>

#define PROBES 32

/* The burst of that process, else an empty one, else the one that was silent for longest. */
static struct burst *place(struct bursts *b, const struct proc_entry *of, enum detect_signal signal)
{
	struct burst *oldest = &b->burst[0];

	for (size_t i = 0; i < DETECT_BURSTS; i++) {
		struct burst *x = &b->burst[i];

		if (x->last_ns && x->tgid == of->tgid && x->start_ns == of->start_ns &&
		    x->signal == signal)
			return x;
		if (x->last_ns < oldest->last_ns)
			oldest = x;
	}
	b->evicted += oldest->last_ns != 0;
	memset(oldest, 0, sizeof(*oldest));
	oldest->tgid = of->tgid;
	oldest->start_ns = of->start_ns;
	oldest->signal = (unsigned char)signal;
	return oldest;
}

/* Also what lies in the future: records may come out of order, or lie. */
static bool is_old(edr_u64 ns, edr_u64 now_ns, edr_u64 within_ns)
{
	return ns + within_ns < now_ns || ns > now_ns + within_ns;
}

bool burst_add(struct bursts *b, const struct proc_entry *of, enum detect_signal signal,
	       edr_u64 name, edr_u64 now_ns, unsigned most, edr_u64 within_ns)
{
	struct burst *x = place(b, of, signal);
	unsigned i, n = 0;

	x->last_ns = now_ns ? now_ns : 1;
	for (i = 0; i < x->n; i++) {
		if (x->item[i].name != name && !is_old(x->item[i].ns, now_ns, within_ns))
			x->item[n++] = x->item[i];
	}
	x->item[n].name = name;
	x->item[n++].ns = now_ns;
	x->n = (unsigned char)n;
	if (n < most)
		return false;
	x->n = 0;
	return true;
}

edr_u64 subject_count(struct subjects *s, edr_u64 key, edr_s64 window)
{
	size_t i, at;

	if (window != s->window) {
		memset(s->of, 0, sizeof(s->of));
		s->n = 0;
		s->window = window;
	}
	key += !key;
	for (i = 0; i < PROBES; i++) {
		at = (key + i) % DETECT_SUBJECTS;
		if (s->of[at].key == key)
			return ++s->of[at].times;
		if (!s->of[at].key) {
			s->n++;
			s->of[at].key = key;
			return s->of[at].times = 1;
		}
	}
	s->full++;
	return 1;
}
