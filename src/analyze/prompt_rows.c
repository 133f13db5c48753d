/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/prompt_private.h"
#include "report/read.h"

#define UNMARKED 1000 /* a parent's rows that nothing marks are not sent */

const char *const prompt_kind_names[PROMPT_KINDS] = {
	[PROMPT_FINDING] = "findings",
	[PROMPT_CHILD] = "children",
	[PROMPT_BLIND] = "blind",
	[PROMPT_EXECUTABLE] = "executables",
	[PROMPT_CONNECTION] = "connections",
	[PROMPT_TREND] = "trends",
};

static const struct {
	const char *name;
	int points;
} marks[] = {
	{ "new", 8 }, { "new_parent", 4 }, { "new_user", 4 }, { "odd_hour", 2 }, { "rare", 1 },
};

static int log2_of(edr_u64 n)
{
	return n ? 63 - __builtin_clzll(n) : 0;
}

static edr_u64 number_of(struct wire_span row, const char *name)
{
	struct wire_span v;
	edr_u64 n;

	return jr_member(row, name, &v) && jr_u64(v, &n) ? n : 0;
}

/* ---- what the digest is made of ---- */

/* A kind, a name of ours, and what the report calls it. */
static void add_fact(struct prompt_rows *r, char kind, struct wire_span a, struct wire_span b)
{
	struct buf text = { 0 };

	if (r->n_facts == r->cap_facts) {
		const size_t cap = r->cap_facts ? 2 * r->cap_facts : 64;
		void *grown = realloc(r->fact, cap * sizeof(*r->fact));

		if (!grown) {
			r->failed = true;
			return;
		}
		r->fact = grown;
		r->cap_facts = cap;
	}
	buf_addc(&text, kind);
	buf_add(&text, a.data, a.len);
	buf_addc(&text, '\0');
	buf_add(&text, b.data, b.len);
	if (text.failed)
		r->failed = true;
	else
		chain_sha256(text.data, text.len, r->fact[r->n_facts++]);
	buf_free(&text);
}

static int compare_facts(const void *a, const void *b)
{
	return memcmp(a, b, CHAIN_HEX);
}

int prompt_digest(struct prompt_rows *r, char out[CHAIN_HEX])
{
	struct buf all = { 0 };
	int err;

	if (r->n_facts)
		qsort(r->fact, r->n_facts, sizeof(*r->fact), compare_facts);
	for (size_t i = 0; i < r->n_facts; i++)
		if (!i || strcmp(r->fact[i - 1], r->fact[i]) != 0)
			buf_adds(&all, r->fact[i]);
	err = r->failed || all.failed ? -ENOMEM : 0;
	chain_sha256(all.len ? all.data : "", all.len, out);
	buf_free(&all);
	return err;
}

/* ---- rows ---- */

static struct prompt_row *add_row(struct prompt_rows *r, enum prompt_kind kind,
				  struct wire_span key, struct wire_span value)
{
	struct prompt_row *row;

	if (r->n == r->cap) {
		const size_t cap = r->cap ? 2 * r->cap : 256;
		void *grown = realloc(r->row, cap * sizeof(*r->row));

		if (!grown) {
			r->failed = true;
			return NULL;
		}
		r->row = grown;
		r->cap = cap;
	}
	row = &r->row[r->n++];
	*row = (struct prompt_row){
		.kind = kind, .number = (unsigned)++r->all[kind], .key = key, .value = value
	};
	return row;
}

/* The sum of what marks a row, and a fact for each. */
static int read_marks(struct prompt_rows *r, struct wire_span row, struct wire_span name)
{
	struct wire_span list, key, v;
	struct jr_iter it;
	int points = 0;

	if (!jr_member(row, "baseline", &list) || !jr_begin(&it, list, '['))
		return 0;
	while (jr_next(&it, &key, &v) > 0) {
		for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
			if (v.len == strlen(marks[i].name) + 2 &&
			    memcmp(v.data + 1, marks[i].name, v.len - 2) == 0)
				points += marks[i].points;
		add_fact(r, 'm', v, name);
	}
	return points;
}

static bool by_root(struct wire_span row)
{
	struct wire_span users, v;

	return jr_member(row, "users", &users) && jr_member(users, "0", &v);
}

static int rank(struct prompt_rows *r, struct wire_span row, struct wire_span name, edr_u64 count)
{
	const bool parent = r->level != LEVEL_CELL;
	const int marked = read_marks(r, row, name),
		  named = prompt_is_named(&r->named, name) ? 16 : 0;

	return marked + named + (by_root(row) ? 2 : 0) - log2_of(count) -
	       (parent && !marked && !named ? UNMARKED : 0);
}

static void add_executable(struct prompt_rows *r, struct wire_span key, struct wire_span value)
{
	struct prompt_row *row = add_row(r, PROMPT_EXECUTABLE, key, value);
	struct wire_span path = { "\"\"", 2 };

	jr_member(value, "path", &path);
	if (row)
		row->points = rank(r, value, path, number_of(value, "runs"));
}

static void add_connection(struct prompt_rows *r, struct wire_span key, struct wire_span value)
{
	struct prompt_row *row = add_row(r, PROMPT_CONNECTION, key, value);
	struct wire_span address = { "\"\"", 2 };

	jr_member(value, "address", &address);
	if (row)
		row->points = rank(r, value, address, number_of(value, "connects"));
}

/* A cell's are all told; of a parent's one of each id, for the rest is in its children. */
static void add_finding(struct prompt_rows *r, struct wire_span key, struct wire_span value)
{
	struct wire_span id = { "\"\"", 2 }, details = { "\"\"", 2 }, other;
	struct prompt_row *row;

	jr_member(value, "id", &id);
	add_fact(r, 'f', id, (struct wire_span){ "", 0 });
	for (size_t i = 0; r->level != LEVEL_CELL && i < r->n; i++) {
		row = &r->row[i];
		if (jr_member(row->value, "id", &other) && other.len == id.len &&
		    memcmp(other.data, id.data, id.len) == 0) {
			row->like_it++;
			r->all[PROMPT_FINDING]++;
			return;
		}
	}
	if (jr_member(value, "details", &details))
		prompt_named_add(&r->named, details);
	row = add_row(r, PROMPT_FINDING, key, value);
	if (row) {
		row->points = 16 * (int)number_of(value, "severity");
		row->like_it = 1;
	}
}

static void add_child(struct prompt_rows *r, struct wire_span key, struct wire_span value)
{
	struct prompt_row *row = add_row(r, PROMPT_CHILD, key, value);

	if (row)
		row->points = (int)number_of(value, "severity");
}

static void add_blind(struct prompt_rows *r, struct wire_span key, struct wire_span value)
{
	add_row(r, PROMPT_BLIND, key, value);
}

/* The more its parts differ. */
static void add_trend(struct prompt_rows *r, struct wire_span name, struct wire_span value)
{
	struct prompt_row *row = add_row(r, PROMPT_TREND, name, value);
	edr_u64 n, most = 0, least = ~0ULL;
	struct wire_span key, v;
	struct jr_iter it;

	if (!row || !jr_begin(&it, value, '['))
		return;
	while (jr_next(&it, &key, &v) > 0)
		if (jr_u64(v, &n)) {
			most = n > most ? n : most;
			least = n < least ? n : least;
		}
	row->points = most > least ? log2_of(most - least) : -1;
}

static void add_reason(struct prompt_rows *r, struct wire_span key, struct wire_span value)
{
	struct wire_span id = { "", 0 }, severity = { "", 0 };

	(void)key;
	jr_member(value, "id", &id);
	jr_member(value, "severity", &severity);
	add_fact(r, 'r', id, severity);
}

static int each(struct prompt_rows *r, struct wire_span from, const char *name, char open,
		void (*add)(struct prompt_rows *, struct wire_span, struct wire_span))
{
	struct wire_span list, key, value;
	struct jr_iter it;
	int more;

	if (!jr_member(from, name, &list) || jr_is(list, "null"))
		return 0;
	if (!jr_begin(&it, list, open))
		return -EBADMSG;
	while ((more = jr_next(&it, &key, &value)) > 0 && !r->failed)
		add(r, key, value);
	return r->failed || r->named.failed ? -ENOMEM : more;
}

int prompt_rows_read(struct prompt_rows *r, struct wire_span report)
{
	struct wire_span loss, analysis;
	int err;

	r->report = report;
	if (!jr_member(report, "loss", &loss))
		return -EBADMSG;
	/* First, for they name others. */
	err = each(r, report, "findings", '[', add_finding);
	if (!err)
		err = each(r, report, "children", '[', add_child);
	if (!err)
		err = each(r, loss, "blind", '[', add_blind);
	if (!err)
		err = each(r, report, "executables", '[', add_executable);
	if (!err)
		err = each(r, report, "connections", '[', add_connection);
	if (!err)
		err = each(r, report, "command_trends", '{', add_trend);
	if (!err && jr_member(report, "analysis", &analysis) && !jr_is(analysis, "null"))
		err = each(r, analysis, "reasons", '[', add_reason);
	return err;
}

void prompt_rows_free(struct prompt_rows *r)
{
	prompt_named_free(&r->named);
	free(r->row);
	free(r->fact);
	memset(r, 0, sizeof(*r));
}

/* ---- choosing ---- */

/* Executables and connections compete; what a kind before them says comes first. */
static int group_of(enum prompt_kind kind)
{
	return kind == PROMPT_CONNECTION ? PROMPT_EXECUTABLE : (int)kind;
}

static int compare_rows(const void *x, const void *y)
{
	const struct prompt_row *a = x, *b = y;

	if (group_of(a->kind) != group_of(b->kind))
		return group_of(a->kind) - group_of(b->kind);
	if (a->points != b->points)
		return a->points > b->points ? -1 : 1;
	if (a->kind != b->kind)
		return (int)a->kind - (int)b->kind;
	return a->number < b->number ? -1 : a->number > b->number;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many of each there may be: findings a half, connections a quarter at least. */
static void set_room(const struct prompt_rows *r, size_t max, size_t room[PROMPT_KINDS])
{
	size_t have[PROMPT_KINDS] = { 0 }, left = max;
	const size_t quarter = max / 4;

	for (size_t i = 0; i < r->n; i++)
		have[r->row[i].kind] += r->row[i].points > -UNMARKED / 2;
	room[PROMPT_FINDING] = least(have[PROMPT_FINDING], max / 2 ? max / 2 : 1);
	room[PROMPT_CHILD] = least(have[PROMPT_CHILD], quarter);
	room[PROMPT_BLIND] = least(have[PROMPT_BLIND], max / 8);
	left -= room[PROMPT_FINDING] + room[PROMPT_CHILD] + room[PROMPT_BLIND];
	room[PROMPT_TREND] = least(least(have[PROMPT_TREND], 20), least(quarter, left));
	left -= room[PROMPT_TREND];
	room[PROMPT_CONNECTION] = left;
	room[PROMPT_EXECUTABLE] = left - least(have[PROMPT_CONNECTION], least(quarter, left));
}

void prompt_rows_choose(struct prompt_rows *r, size_t max)
{
	size_t room[PROMPT_KINDS], place[PROMPT_KINDS] = { 0 }, kept = 0;

	set_room(r, max, room);
	if (r->n)
		qsort(r->row, r->n, sizeof(*r->row), compare_rows);
	for (size_t i = 0; i < r->n; i++) {
		const struct prompt_row row = r->row[i];

		if (!room[row.kind] || row.points <= -UNMARKED / 2)
			continue;
		room[row.kind]--;
		if (row.kind == PROMPT_EXECUTABLE)
			room[PROMPT_CONNECTION]--;
		else if (row.kind == PROMPT_CONNECTION)
			room[PROMPT_EXECUTABLE] =
				least(room[PROMPT_EXECUTABLE], room[PROMPT_CONNECTION]);
		r->row[kept] = row;
		r->row[kept++].place = place[row.kind]++;
	}
	r->n = kept;
}
