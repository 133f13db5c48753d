/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "redact/regex_private.h"

#define REPEAT_MAX 255

struct parse {
	struct regex *re;
	const char *at, *end, *why;
	bool any_case;
};

static int fail(struct parse *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return -1;
}

static bool more(const struct parse *p)
{
	return !p->why && p->at < p->end;
}

static bool take(struct parse *p, char c)
{
	if (!more(p) || *p->at != c)
		return false;
	p->at++;
	return true;
}

static int emit(struct parse *p, enum op op, int x, int y)
{
	if (p->re->n == REGEX_MAX)
		return fail(p, "it is too large");
	p->re->code[p->re->n] = (struct instruction){ op, x, y };
	return p->re->n++;
}

/* Makes room for one instruction at `at`; what is copied or moved are whole pieces. */
static void insert(struct parse *p, int at, enum op op, int x, int y)
{
	struct instruction *code = p->re->code;

	if (emit(p, op, x, y) < 0)
		return;
	memmove(code + at + 1, code + at, (size_t)(p->re->n - 1 - at) * sizeof(*code));
	code[at] = (struct instruction){ op, x, y };
}

static bool is_letter(unsigned char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static void emit_set(struct parse *p, struct set *s, bool negated)
{
	for (unsigned c = 'a'; p->any_case && c <= 'z'; c++) {
		if (regex_in_set(s, (unsigned char)c) ||
		    regex_in_set(s, (unsigned char)(c - 0x20))) {
			regex_set_add(s, (unsigned char)c);
			regex_set_add(s, (unsigned char)(c - 0x20));
		}
	}
	for (size_t i = 0; negated && i < sizeof(s->bit); i++)
		s->bit[i] = (uint8_t)~s->bit[i];
	if (p->re->n_sets == REGEX_SETS) {
		fail(p, "it has too many sets");
		return;
	}
	p->re->set[p->re->n_sets] = *s;
	emit(p, OP_SET, p->re->n_sets++, 0);
}

static void emit_byte(struct parse *p, unsigned char c)
{
	struct set s = { { 0 } };

	if (!p->any_case || !is_letter(c)) {
		emit(p, OP_BYTE, c, 0);
		return;
	}
	regex_set_add(&s, c);
	emit_set(p, &s, false);
}

static const struct {
	const char *name, *ranges; /* pairs of first and last */
	char letter;		   /* \d */
} classes[] = {
	{ "alpha", "azAZ", 0 },	  { "digit", "09", 'd' },      { "alnum", "azAZ09", 0 },
	{ "upper", "AZ", 0 },	  { "lower", "az", 0 },	       { "space", "\t\r  ", 's' },
	{ "blank", "\t\t  ", 0 }, { "xdigit", "09afAF", 0 },   { "punct", "!/:@[`{~", 0 },
	{ "graph", "!~", 0 },	  { "word", "azAZ09__", 'w' },
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

static void add_ranges(struct set *s, const char *r)
{
	for (; *r; r += 2)
		for (unsigned c = (unsigned char)r[0]; c <= (unsigned char)r[1]; c++)
			regex_set_add(s, (unsigned char)c);
}

/* "[:alpha:]" within a set; p->at is behind "[:". */
static void add_named(struct parse *p, struct set *s)
{
	for (size_t i = 0; i < N_CLASSES; i++) {
		const size_t len = strlen(classes[i].name);

		if ((size_t)(p->end - p->at) >= len + 2 && !memcmp(p->at, classes[i].name, len) &&
		    !memcmp(p->at + len, ":]", 2)) {
			add_ranges(s, classes[i].ranges);
			p->at += len + 2;
			return;
		}
	}
	fail(p, "there is no such class as in [:...:]");
}

/* False: it stands for itself. */
static bool letter_class(unsigned char c, struct set *s)
{
	for (size_t i = 0; i < N_CLASSES; i++) {
		if (classes[i].letter && classes[i].letter == (c | 0x20)) {
			add_ranges(s, classes[i].ranges);
			return true;
		}
	}
	return false;
}

/* The byte behind a backslash, which must not be a letter or digit that may mean more elsewhere. */
static unsigned char escaped(struct parse *p)
{
	const unsigned char c = more(p) ? (unsigned char)*p->at++ : 0;

	if (c == 't')
		return '\t';
	if (!c || is_letter(c) || (c >= '0' && c <= '9'))
		fail(p, "what is behind a backslash means nothing here");
	return c;
}

static bool set_class(struct parse *p, struct set *s)
{
	if (p->end - p->at >= 2 && p->at[0] == '\\' && letter_class((unsigned char)p->at[1], s)) {
		if (!(p->at[1] & 0x20))
			fail(p, "no \\D, \\W or \\S within [ ]");
		p->at += 2;
		return true;
	}
	if (p->end - p->at >= 2 && p->at[0] == '[' && p->at[1] == ':') {
		p->at += 2;
		add_named(p, s);
		return true;
	}
	return false;
}

static unsigned char set_byte(struct parse *p)
{
	return take(p, '\\') ? escaped(p) : (unsigned char)*p->at++;
}

/* p->at is behind '['. A ']' that comes first stands for itself. */
static void parse_set(struct parse *p)
{
	const bool negated = take(p, '^');
	struct set s = { { 0 } };
	bool first = true;

	while (more(p) && (first || *p->at != ']')) {
		unsigned low, high;

		first = false;
		if (set_class(p, &s))
			continue;
		low = high = set_byte(p);
		if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
			p->at++;
			high = set_byte(p);
		}
		if (high < low)
			fail(p, "a range runs backwards");
		for (; low <= high; low++)
			regex_set_add(&s, (unsigned char)low);
	}
	if (!take(p, ']'))
		fail(p, "a [ has no ]");
	emit_set(p, &s, negated);
}

static void parse_choice(struct parse *p);

static void parse_group(struct parse *p)
{
	const bool plain = p->end - p->at >= 2 && p->at[0] == '?' && p->at[1] == ':';
	const bool first = !plain && !p->re->grouped;

	if (plain)
		p->at += 2;
	if (first) {
		p->re->grouped = true;
		emit(p, OP_SAVE, 0, 0);
	}
	parse_choice(p);
	if (!take(p, ')'))
		fail(p, "a ( has no )");
	if (first)
		emit(p, OP_SAVE, 1, 0);
}

static void parse_escape(struct parse *p)
{
	struct set s = { { 0 } };

	if (more(p) && letter_class((unsigned char)*p->at, &s))
		emit_set(p, &s, !(*p->at++ & 0x20));
	else
		emit_byte(p, escaped(p));
}

/* One byte, set or group; false at what ends a sequence. */
static bool parse_atom(struct parse *p)
{
	if (!more(p) || *p->at == '|' || *p->at == ')')
		return false;
	switch (*p->at++) {
	case '[':
		parse_set(p);
		break;
	case '(':
		parse_group(p);
		break;
	case '\\':
		parse_escape(p);
		break;
	case '.':
		emit(p, OP_ANY, 0, 0);
		break;
	case '^':
		emit(p, OP_BEGIN, 0, 0);
		break;
	case '$':
		emit(p, OP_END, 0, 0);
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		fail(p, "there is nothing to repeat");
		break;
	default:
		emit_byte(p, (unsigned char)p->at[-1]);
	}
	return !p->why;
}

static unsigned parse_number(struct parse *p, unsigned none)
{
	unsigned n = 0;

	if (!more(p) || *p->at < '0' || *p->at > '9')
		return none;
	while (more(p) && *p->at >= '0' && *p->at <= '9' && n <= REPEAT_MAX)
		n = n * 10 + (unsigned)(*p->at++ - '0');
	if (n > REPEAT_MAX)
		fail(p, "it repeats more than 255 times");
	return n;
}

/* Again what lies in [from, from + len). */
static void copy_piece(struct parse *p, int from, int len)
{
	for (int i = 0; i < len && !p->why; i++)
		emit(p, p->re->code[from + i].op, p->re->code[from + i].x, p->re->code[from + i].y);
}

/* The piece that begins at `from`: least times, and up to most times (0: without end). */
static void repeat(struct parse *p, int from, unsigned least, unsigned most)
{
	const int len = p->re->n - from;
	int piece = from;

	if (least == 0) {
		insert(p, from, OP_SPLIT, 1, len + (most ? 1 : 2));
		piece = from + 1;
		if (!most)
			emit(p, OP_JUMP, -len - 1, 0);
		least = 1;
	} else if (!most && least == 1) {
		emit(p, OP_SPLIT, -len, 1);
	}
	for (unsigned i = 1; i < least && !p->why; i++) {
		copy_piece(p, piece, len);
		if (!most && i + 1 == least)
			emit(p, OP_SPLIT, -len, 1);
	}
	for (unsigned i = least; i < most && !p->why; i++) {
		emit(p, OP_SPLIT, 1, len + 1);
		copy_piece(p, piece, len);
	}
}

static void parse_braces(struct parse *p, int from)
{
	const unsigned least = parse_number(p, 0);
	unsigned most = least;

	if (take(p, ','))
		most = parse_number(p, 0);
	else if (!least)
		fail(p, "a { needs a number");
	if (!take(p, '}'))
		fail(p, "a { has no }");
	if (most && most < least)
		fail(p, "a range runs backwards");
	if (!p->why)
		repeat(p, from, least, most);
}

static void parse_repeats(struct parse *p, int from)
{
	while (more(p)) {
		if (take(p, '*'))
			repeat(p, from, 0, 0);
		else if (take(p, '+'))
			repeat(p, from, 1, 0);
		else if (take(p, '?'))
			repeat(p, from, 0, 1);
		else if (take(p, '{'))
			parse_braces(p, from);
		else
			return;
	}
}

static void parse_sequence(struct parse *p)
{
	int from = p->re->n;

	while (parse_atom(p)) {
		parse_repeats(p, from);
		from = p->re->n;
	}
}

static void parse_choice(struct parse *p)
{
	const int from = p->re->n;
	int jump;

	parse_sequence(p);
	if (!take(p, '|'))
		return;
	insert(p, from, OP_SPLIT, 1, p->re->n - from + 2);
	jump = emit(p, OP_JUMP, 0, 0);
	parse_choice(p);
	if (jump >= 0 && !p->why)
		p->re->code[jump].x = p->re->n - jump;
}

const char *regex_parse(struct regex *re, const char *text, size_t len)
{
	struct parse p = { .re = re, .at = text, .end = text + len };

	if (len > REGEX_TEXT_MAX)
		return "it is too long";
	if (len >= 4 && !memcmp(text, "(?i)", 4)) {
		p.any_case = true;
		p.at += 4;
	}
	parse_choice(&p);
	if (p.at < p.end)
		fail(&p, "a ) has no (");
	emit(&p, OP_MATCH, 0, 0);
	return p.why;
}
