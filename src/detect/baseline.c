/* SPDX-License-Identifier: MIT */
#include "detect/baseline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/baseline_private.h"
#include "util/hash.h"

#define NS_PER_S 1000000000LL
#define WHOLE_DAYS 3 /* before a median of them says what is usual */

static const char *const mark_names[BASELINE_MARKS] = { "new", "rare", "odd_hour", "new_parent",
							"new_user" };

const char *baseline_mark_name(unsigned i)
{
	return i < BASELINE_MARKS ? mark_names[i] : NULL;
}

struct baseline *baseline_new(const struct baseline_config *cfg)
{
	const size_t buckets = cfg->max_entries < BUCKET ? 1 : cfg->max_entries / BUCKET;
	struct baseline *b = calloc(1, sizeof(*b) + buckets * BUCKET * sizeof(b->entry[0]));

	if (!b)
		return NULL;
	b->cfg = *cfg;
	b->n_buckets = buckets;
	baseline_set_window(b, cfg->window_min);
	return b;
}

void baseline_free(struct baseline *b)
{
	free(b);
}

void baseline_set_window(struct baseline *b, unsigned window_min)
{
	if (b)
		b->cfg.window_min = window_min ? window_min : 1;
}

/* ---- entries ---- */

static size_t put(char *to, size_t at, const void *data, size_t len)
{
	if (len)
		memcpy(to + at, data, len);
	return at + len;
}

static edr_u64 hash_of(const struct baseline *b, const struct baseline_key *key)
{
	const edr_u32 kind = key->kind;
	const edr_u32 len = (edr_u32)(key->a.len < EDR_PATH_MAX ? key->a.len : EDR_PATH_MAX);
	const size_t more = key->b.len < EDR_PATH_MAX ? key->b.len : EDR_PATH_MAX;
	char text[2 * EDR_PATH_MAX + 16];
	size_t at = 0;

	/* a's length tells where it ends. */
	at = put(text, at, &kind, sizeof(kind));
	at = put(text, at, &len, sizeof(len));
	at = put(text, at, &key->number, sizeof(key->number));
	at = put(text, at, key->a.data, len);
	at = put(text, at, key->b.data, more);
	return util_siphash13(text, at, b->cfg.key);
}

static struct entry *bucket_of(const struct baseline *b, edr_u64 hash)
{
	const size_t at = (size_t)((hash >> 32) * b->n_buckets >> 32);

	return (struct entry *)&b->entry[at * BUCKET];
}

struct entry *baseline_find(const struct baseline *b, edr_u64 hash)
{
	struct entry *e = bucket_of(b, hash);

	for (size_t i = 0; i < BUCKET; i++)
		if (e[i].hash == hash && e[i].days)
			return &e[i];
	return NULL;
}

static bool is_weaker(const struct entry *a, const struct entry *b)
{
	if (a->days != b->days)
		return a->days < b->days;
	if (a->last_s / DAY_S != b->last_s / DAY_S)
		return a->last_s < b->last_s;
	return a->times < b->times;
}

struct entry *baseline_place(struct baseline *b, edr_u64 hash)
{
	struct entry *e = bucket_of(b, hash), *weakest = e;

	for (size_t i = 0; i < BUCKET; i++) {
		if (!e[i].days)
			return &e[i];
		if (is_weaker(&e[i], weakest))
			weakest = &e[i];
	}
	return weakest;
}

/* ---- time ---- */

/* False: no time that an entry can hold. */
static bool seconds_of(edr_s64 unix_ns, edr_u32 *out)
{
	const edr_s64 s = unix_ns / NS_PER_S;

	*out = (edr_u32)s;
	return unix_ns > 0 && s > 0 && s <= UINT32_MAX;
}

static edr_u32 hour_of(edr_u32 s)
{
	return s % DAY_S / HOUR_S;
}

/*
 * Is this another day than the last one? Events come a little late, so the day before is no other;
 * a clock that was set back further goes on from there, uncounted.
 */
static bool next_day(edr_u32 day, edr_u32 *last)
{
	const bool next = day > *last;

	if (next || day + 1 < *last)
		*last = day;
	return next;
}

static bool is_learning(const struct baseline *b)
{
	return !b->cfg.learning_days || b->counters.days <= b->cfg.learning_days;
}

static struct baseline_seen seen_of(const struct baseline *b, const struct entry *e, edr_u32 s)
{
	const edr_u32 window_s = b->cfg.window_min * 60, hour = hour_of(s);
	struct baseline_seen seen = { .learning = is_learning(b) };

	if (!e)
		return seen;
	seen.known = true;
	seen.here = e->first_s / window_s == s / window_s;
	seen.days = e->days;
	seen.times = e->times;
	seen.first_day = e->first_s / DAY_S;
	seen.last_day = e->last_s / DAY_S;
	seen.hour = (e->hours >> hour | e->hours >> (hour + 1) % HOURS |
		     e->hours >> (hour + HOURS - 1) % HOURS) &
		    1;
	return seen;
}

/* ---- noting ---- */

static struct entry *make_entry(struct baseline *b, edr_u64 hash, edr_u32 s)
{
	struct entry *e = baseline_place(b, hash);

	if (e->days)
		b->counters.evicted++;
	else
		b->entries++;
	*e = (struct entry){ .hash = hash, .first_s = s, .last_s = s, .days = 1 };
	return e;
}

static void add_times(struct entry *e, edr_u64 n)
{
	e->times = n < UINT32_MAX - e->times ? e->times + (edr_u32)n : UINT32_MAX;
}

static void note_entry(struct entry *e, edr_u32 s, edr_u64 n)
{
	edr_u32 day = e->last_s / DAY_S;

	if (next_day(s / DAY_S, &day))
		e->days++;
	if (day != e->last_s / DAY_S || s > e->last_s)
		e->last_s = s;
	e->hours |= 1u << hour_of(s);
	add_times(e, n);
}

void baseline_watched(struct baseline *b, edr_s64 unix_ns)
{
	if (b && unix_ns > b->counters.noted_ns)
		b->counters.noted_ns = unix_ns;
}

static void note_time(struct baseline *b, edr_s64 unix_ns, edr_u32 s)
{
	b->counters.days += next_day(s / DAY_S, &b->counters.last_day);
	baseline_watched(b, unix_ns);
}

static struct baseline_seen note(struct baseline *b, const struct baseline_key *key,
				 edr_s64 unix_ns, edr_u64 n)
{
	struct baseline_seen seen = { .learning = true };
	struct entry *e;
	edr_u64 hash;
	edr_u32 s;

	if (!b || !seconds_of(unix_ns, &s))
		return seen;
	note_time(b, unix_ns, s);
	hash = hash_of(b, key);
	e = baseline_find(b, hash);
	seen = seen_of(b, e, s);
	note_entry(e ? e : make_entry(b, hash, s), s, n);
	return seen;
}

struct baseline_seen baseline_note(struct baseline *b, const struct baseline_key *key,
				   edr_s64 unix_ns)
{
	return note(b, key, unix_ns, 1);
}

struct baseline_seen baseline_look(const struct baseline *b, const struct baseline_key *key,
				   edr_s64 unix_ns)
{
	struct baseline_seen seen = { .learning = true };
	edr_u32 s;

	if (!b || !seconds_of(unix_ns, &s))
		return seen;
	return seen_of(b, baseline_find(b, hash_of(b, key)), s);
}

void baseline_learn(struct baseline *b, const struct baseline_key *key, edr_s64 first_ns,
		    edr_s64 last_ns, edr_u64 n)
{
	edr_u32 first, last;
	struct entry *e;

	if (!b || !seconds_of(first_ns, &first) || !seconds_of(last_ns, &last) || last < first)
		return;
	note(b, key, first_ns, n);
	note(b, key, last_ns, 0);
	if (first / DAY_S != last / DAY_S)
		return;
	e = baseline_find(b, hash_of(b, key));
	for (edr_u32 h = hour_of(first); e && h <= hour_of(last); h++)
		e->hours |= 1u << h;
}

/* ---- how much is usual ---- */

void baseline_count_execs(struct baseline *b, edr_s64 unix_ns, edr_u64 n)
{
	struct counters *c;
	edr_u32 s, day, *hour;

	if (!b || !seconds_of(unix_ns, &s))
		return;
	c = &b->counters;
	note_time(b, unix_ns, s);
	day = s / DAY_S;
	if (c->exec_day[day % EXEC_DAYS] != day) {
		c->exec_day[day % EXEC_DAYS] = day;
		memset(c->execs[day % EXEC_DAYS], 0, sizeof(c->execs[0]));
	}
	hour = &c->execs[day % EXEC_DAYS][hour_of(s)];
	*hour = n < UINT32_MAX - *hour ? *hour + (edr_u32)n : UINT32_MAX;
}

static int by_number(const void *x, const void *y)
{
	const edr_u32 *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

static edr_u32 usual_of_hour(const struct counters *c, edr_u32 s)
{
	const edr_u32 today = s / DAY_S;
	edr_u32 execs[EXEC_DAYS];
	size_t n = 0;

	for (size_t i = 0; i < EXEC_DAYS; i++)
		if (c->exec_day[i] && c->exec_day[i] < today && c->exec_day[i] + EXEC_DAYS >= today)
			execs[n++] = c->execs[i][hour_of(s)];
	if (n < WHOLE_DAYS)
		return 0;
	qsort(execs, n, sizeof(execs[0]), by_number);
	return execs[n / 2];
}

static edr_u64 usual_execs(const struct baseline *b, edr_u32 from, edr_u32 to)
{
	edr_u64 sum = 0;

	while (from < to) {
		const edr_u32 next = from - from % HOUR_S + HOUR_S, end = next < to ? next : to;

		sum += (edr_u64)usual_of_hour(&b->counters, from) * (end - from);
		from = end;
	}
	return sum / HOUR_S;
}

void baseline_state(const struct baseline *b, edr_s64 from_ns, edr_s64 to_ns,
		    struct baseline_state *out)
{
	edr_u32 from, to;

	*out = (struct baseline_state){ .learning = true };
	if (!b)
		return;
	out->learning = is_learning(b);
	out->days = b->counters.days;
	out->entries = b->entries;
	out->max_entries = b->n_buckets * BUCKET;
	out->evicted = b->counters.evicted;
	out->noted_ns = b->counters.noted_ns;
	if (seconds_of(from_ns, &from) && seconds_of(to_ns, &to) && to - from <= DAY_S)
		out->usual_execs = usual_execs(b, from, to);
}
