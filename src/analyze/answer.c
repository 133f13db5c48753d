/* SPDX-License-Identifier: MIT */
/*
 * The walk is by the schema, so that nothing which it does not name is looked into: no depth, no
 * number of members and no size of a string can be more than what is looked for.
 */
#include "analyze/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/read.h"
#include "util/text.h"

static const char *const fault_names[ANSWER_FAULTS] = {
	[ANSWER_GOOD] = "good",		[ANSWER_EMPTY] = "empty",
	[ANSWER_TOO_LONG] = "too long", [ANSWER_NOT_UTF8] = "not UTF-8",
	[ANSWER_NOT_JSON] = "not JSON", [ANSWER_WRONG_SHAPE] = "of the wrong shape",
	[ANSWER_CUT] = "cut short",	[ANSWER_REFUSED] = "refused",
};

const char *answer_fault_name(enum answer_fault f)
{
	return f < ANSWER_FAULTS ? fault_names[f] : "unknown";
}

/* One answer under way. */
struct reading {
	struct answer *a;
	struct answer_finding *finding; /* the one that is read */
	const struct prompt_ids *ids;
	enum answer_fault fault;
	const char *what; /* of ours: the member that is wrong */
	bool no_memory;
};

static bool fail(struct reading *r, enum answer_fault fault, const char *what)
{
	if (r->fault == ANSWER_GOOD) {
		r->fault = fault;
		r->what = what;
	}
	return false;
}

/* ---- strings and numbers ---- */

static bool is_utf8(const char *s, size_t len, bool *no_memory)
{
	struct buf again = { 0 };
	const bool good = !len || text_utf8(&again, s, len);

	*no_memory |= again.failed;
	buf_free(&again);
	return good;
}

static size_t characters(const struct buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += ((unsigned char)text->data[i] & 0xc0) != 0x80;
	return n;
}

/*
 * An escape may stand for what is no character (a lone surrogate, our own private marks) or for
 * NUL.
 */
static bool take_string(struct reading *r, struct wire_span v, size_t max, const char *what,
			char **out)
{
	struct buf text = { 0 };
	bool good;

	if (!v.len || v.data[0] != '"')
		return fail(r, ANSWER_WRONG_SHAPE, what);
	good = jr_string(v, &text);
	r->no_memory |= text.failed;
	if (!good)
		fail(r, ANSWER_NOT_JSON, what);
	else if (!is_utf8(text.data, text.len, &r->no_memory))
		good = fail(r, ANSWER_NOT_UTF8, what);
	else if (characters(&text) > max || (text.len && memchr(text.data, '\0', text.len)))
		good = fail(r, ANSWER_WRONG_SHAPE, what);
	if (!good) {
		buf_free(&text);
		return false;
	}
	*out = buf_steal(&text);
	r->no_memory |= !*out;
	return *out;
}

static bool take_number(struct reading *r, struct wire_span v, unsigned min, unsigned max,
			const char *what, unsigned *out)
{
	edr_u64 n;

	if (!jr_u64(v, &n) || (v.len > 1 && v.data[0] == '0') || n < min || n > max)
		return fail(r, ANSWER_WRONG_SHAPE, what);
	*out = (unsigned)n;
	return true;
}

/* ---- members ---- */

struct member {
	const char *name;
	bool (*take)(struct reading *r, struct wire_span v);
};

/* Each of them once, and nothing else. */
static bool take_object(struct reading *r, struct wire_span object, const struct member *members,
			unsigned n)
{
	struct wire_span key, v;
	struct jr_iter it;
	unsigned seen = 0;
	int more;

	if (!jr_begin(&it, object, '{'))
		return fail(r, ANSWER_WRONG_SHAPE, "an object");
	while ((more = jr_next(&it, &key, &v)) > 0) {
		unsigned i = 0;

		while (i < n && (strlen(members[i].name) != key.len ||
				 memcmp(members[i].name, key.data, key.len) != 0))
			i++;
		if (i == n)
			return fail(r, ANSWER_WRONG_SHAPE, "a member that was not asked for");
		if (seen & 1u << i)
			return fail(r, ANSWER_WRONG_SHAPE, members[i].name);
		seen |= 1u << i;
		if (!members[i].take(r, v))
			return false;
	}
	if (more < 0)
		return fail(r, ANSWER_NOT_JSON, "an object");
	for (unsigned i = 0; i < n; i++)
		if (!(seen & 1u << i))
			return fail(r, ANSWER_WRONG_SHAPE, members[i].name);
	return true;
}

static bool take_array(struct reading *r, struct wire_span array, unsigned max, const char *what,
		       bool (*take)(struct reading *r, struct wire_span v))
{
	struct wire_span key, v;
	struct jr_iter it;
	unsigned n = 0;
	int more;

	if (!jr_begin(&it, array, '['))
		return fail(r, ANSWER_WRONG_SHAPE, what);
	while ((more = jr_next(&it, &key, &v)) > 0) {
		if (n++ == max)
			return fail(r, ANSWER_WRONG_SHAPE, what);
		if (!take(r, v))
			return false;
	}
	return more == 0 || fail(r, ANSWER_NOT_JSON, what);
}

/* ---- a finding ---- */

static bool take_title(struct reading *r, struct wire_span v)
{
	return take_string(r, v, ANSWER_TITLE, "title", &r->finding->title);
}

static bool take_why(struct reading *r, struct wire_span v)
{
	return take_string(r, v, ANSWER_WHY, "why", &r->finding->why);
}

static bool take_confidence(struct reading *r, struct wire_span v)
{
	return take_number(r, v, 0, 100, "confidence", &r->finding->confidence);
}

static bool has_digits(const char *s, size_t n)
{
	return strspn(s, "0123456789") >= n;
}

static bool is_technique(const char *s)
{
	if (s[0] != 'T' || !has_digits(s + 1, 4))
		return false;
	return s[5] == '\0' || (s[5] == '.' && has_digits(s + 6, 3) && s[9] == '\0');
}

static bool take_technique(struct reading *r, struct wire_span v)
{
	char **out = &r->finding->technique;

	if (!take_string(r, v, ANSWER_TECHNIQUE, "technique", out))
		return false;
	if (!is_technique(*out))
		(*out)[0] = '\0';
	return true;
}

static bool has_evidence(const struct answer_finding *f, const char *id)
{
	for (size_t i = 0; i < f->n_evidence; i++)
		if (strcmp(f->evidence[i], id) == 0)
			return true;
	return false;
}

static bool take_id(struct reading *r, struct wire_span v)
{
	struct answer_finding *f = r->finding;
	char *id = NULL;

	if (!take_string(r, v, ANSWER_MAX_BYTES, "evidence", &id))
		return false;
	if (!prompt_ids_has(r->ids, id, strlen(id)))
		r->a->unknown_ids++;
	else if (!has_evidence(f, id))
		snprintf(f->evidence[f->n_evidence++], sizeof(f->evidence[0]), "%s", id);
	free(id);
	return true;
}

static bool take_evidence(struct reading *r, struct wire_span v)
{
	return take_array(r, v, ANSWER_EVIDENCE, "evidence", take_id);
}

static void free_finding(struct answer_finding *f)
{
	free(f->title);
	free(f->why);
	free(f->technique);
	memset(f, 0, sizeof(*f));
}

static bool take_finding(struct reading *r, struct wire_span v)
{
	static const struct member members[] = {
		{ "title", take_title },
		{ "evidence", take_evidence },
		{ "technique", take_technique },
		{ "confidence", take_confidence },
		{ "why", take_why },
	};

	/* At its place already, so that it is freed with the rest. */
	r->finding = &r->a->finding[r->a->n_findings++];
	if (!take_object(r, v, members, sizeof(members) / sizeof(members[0])))
		return false;
	if (r->finding->n_evidence)
		return true;
	free_finding(r->finding);
	r->a->n_findings--;
	r->a->without_evidence++;
	return true;
}

/* ---- the answer ---- */

static bool take_summary(struct reading *r, struct wire_span v)
{
	return take_string(r, v, ANSWER_SUMMARY, "summary", &r->a->summary);
}

static bool take_severity(struct reading *r, struct wire_span v)
{
	return take_number(r, v, 1, 5, "severity", &r->a->severity);
}

static bool take_findings(struct reading *r, struct wire_span v)
{
	return take_array(r, v, ANSWER_FINDINGS, "findings", take_finding);
}

static bool take_recommendation(struct reading *r, struct wire_span v)
{
	return take_string(r, v, ANSWER_WHY, "recommendations",
			   &r->a->recommendation[r->a->n_recommendations++]);
}

static bool take_recommendations(struct reading *r, struct wire_span v)
{
	return take_array(r, v, ANSWER_RECOMMENDATIONS, "recommendations", take_recommendation);
}

/* What a model thought aloud may have braces of its own; the beginning mark may be the template's. */
static size_t thoughts(const char *text, size_t len)
{
	static const char end[] = "</think>";
	const char *found = memmem(text, len, end, strlen(end));
	size_t blank = 0;

	while (blank < len && memchr(" \t\r\n", text[blank], 4))
		blank++;
	/* An answer may speak of the mark. */
	if (!found || blank == len || text[blank] == '{' || text[blank] == '`')
		return 0;
	return (size_t)(found - text) + strlen(end);
}

/* Prose before and behind is passed over only where no form could be asked for. */
static struct wire_span find_object(const char *text, size_t len, enum prompt_form form)
{
	const size_t skip = form == PROMPT_TEXT ? thoughts(text, len) : 0;
	const char *from = form == PROMPT_TEXT ? memchr(text + skip, '{', len - skip) : text;
	const char *to = form == PROMPT_TEXT ? memrchr(text, '}', len) : text + len - 1;

	if (!from || !to || to < from)
		return (struct wire_span){ text, 0 };
	return (struct wire_span){ from, (size_t)(to - from) + 1 };
}

static bool take_answer(struct reading *r, const char *text, size_t len, enum prompt_form form)
{
	static const struct member members[] = {
		{ "summary", take_summary },
		{ "severity", take_severity },
		{ "findings", take_findings },
		{ "recommendations", take_recommendations },
	};
	struct wire_span object, found;

	if (!len)
		return fail(r, ANSWER_EMPTY, "the answer");
	if (len > ANSWER_MAX_BYTES)
		return fail(r, ANSWER_TOO_LONG, "the answer");
	if (!is_utf8(text, len, &r->no_memory))
		return fail(r, ANSWER_NOT_UTF8, "the answer");
	found = find_object(text, len, form);
	if (!found.len || !jr_document(found.data, found.len, &object))
		return fail(r, ANSWER_NOT_JSON, "the answer");
	return take_object(r, object, members, sizeof(members) / sizeof(members[0]));
}

enum answer_fault answer_read(struct answer *out, const char *text, size_t len,
			      enum prompt_form form, const struct prompt_ids *ids, char *why,
			      size_t why_size)
{
	struct reading r = { .a = out, .ids = ids };

	memset(out, 0, sizeof(*out));
	if (take_answer(&r, text, len, form) && !r.no_memory)
		return ANSWER_GOOD;
	if (r.fault == ANSWER_GOOD || r.no_memory) {
		r.fault = ANSWER_EMPTY; /* asked again, when there is memory */
		r.what = "memory";
	}
	if (why)
		snprintf(why, why_size, "the model's answer is %s (%s)", fault_names[r.fault],
			 r.what);
	answer_free(out);
	return r.fault;
}

void answer_free(struct answer *a)
{
	free(a->summary);
	for (size_t i = 0; i < a->n_findings; i++)
		free_finding(&a->finding[i]);
	for (size_t i = 0; i < a->n_recommendations; i++)
		free(a->recommendation[i]);
	memset(a, 0, sizeof(*a));
}

unsigned answer_severity(unsigned local, const struct answer *a)
{
	return a && a->severity > local ? a->severity : local;
}

/* ---- the server's reply ---- */

/* A token has a byte at least: more of them than bytes is not believed. */
static void take_usage(struct wire_span root, size_t sent_and_got, struct answer_usage *used)
{
	struct wire_span usage, v;
	edr_u64 in, out;

	if (!jr_member(root, "usage", &usage) || !jr_member(usage, "prompt_tokens", &v) ||
	    !jr_u64(v, &in) || !jr_member(usage, "completion_tokens", &v) || !jr_u64(v, &out))
		return;
	if (in && in <= sent_and_got && out <= sent_and_got) {
		used->tokens_in = (unsigned)in;
		used->tokens_out = (unsigned)out;
	}
}

static bool first_choice(struct wire_span root, struct wire_span *choice)
{
	struct wire_span list, key;
	struct jr_iter it;

	return jr_member(root, "choices", &list) && jr_begin(&it, list, '[') &&
	       jr_next(&it, &key, choice) > 0;
}

static enum answer_fault take_content(struct wire_span root, struct buf *content)
{
	struct wire_span choice, message, v;

	if (!first_choice(root, &choice) || !jr_member(choice, "message", &message))
		return ANSWER_WRONG_SHAPE;
	if (jr_member(message, "refusal", &v) && !jr_is(v, "null") && v.len > 2)
		return ANSWER_REFUSED;
	if (jr_member(choice, "finish_reason", &v)) {
		if (jr_is(v, "\"content_filter\""))
			return ANSWER_REFUSED;
		if (jr_is(v, "\"length\""))
			return ANSWER_CUT;
	}
	if (!jr_member(message, "content", &v))
		return ANSWER_WRONG_SHAPE;
	if (jr_is(v, "null") || jr_is(v, "\"\""))
		return ANSWER_EMPTY;
	if (v.data[0] != '"')
		return ANSWER_WRONG_SHAPE;
	return jr_string(v, content) ? ANSWER_GOOD : ANSWER_NOT_JSON;
}

enum answer_fault answer_content(const void *body, size_t len, size_t sent, struct buf *content,
				 struct answer_usage *used)
{
	bool no_memory = false;
	struct wire_span root;

	memset(used, 0, sizeof(*used));
	if (!len)
		return ANSWER_EMPTY;
	if (!is_utf8(body, len, &no_memory))
		return ANSWER_NOT_UTF8;
	if (!jr_document(body, len, &root))
		return ANSWER_NOT_JSON;
	take_usage(root, len + sent, used);
	return take_content(root, content);
}
