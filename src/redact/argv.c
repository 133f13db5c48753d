/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "redact/private.h"

#define TOKEN_LEAST 15 /* the shortest that is known by its beginning */
#define RUN_LEAST 24   /* the shortest that is known by its looks */
#define KEY_LEAST 27   /* -----BEGIN PRIVATE KEY----- */

#define W (CL_WORD | CL_NAME)
const unsigned char byte_class[256] = {
	['0' ... '9'] = W, ['A' ... 'Z'] = W,	['a' ... 'z'] = W,
	['_'] = W,	   ['-'] = W | CL_DASH, ['.'] = CL_NAME,
	['+'] = CL_BASE,   ['/'] = CL_BASE,	['='] = CL_BASE | CL_EQUALS,
	[':'] = CL_COLON,  ['"'] = CL_QUOTE,	['\''] = CL_QUOTE,
	[' '] = CL_BLANK,  ['\t'] = CL_BLANK,	['\n'] = CL_BLANK,
	['\r'] = CL_BLANK,
};

#define ONES 0x0101010101010101u

/* Not zero when one of the eight bytes is c. */
static inline uint64_t has_byte(uint64_t x, char c)
{
	x ^= ONES * (unsigned char)c;
	return (x - ONES) & ~x & ONES << 7;
}

#define SEEN_DOLLAR 256u

/* Of = : $ and quotes, which there are. */
static unsigned survey(const struct word *w)
{
	uint64_t x, equals = 0, colon = 0, quote = 0, dollar = 0;
	unsigned all = 0;
	size_t i;

	for (i = 0; i + sizeof(x) <= w->len; i += sizeof(x)) {
		memcpy(&x, w->data + i, sizeof(x));
		equals |= has_byte(x, '=');
		colon |= has_byte(x, ':');
		quote |= has_byte(x, '"') | has_byte(x, '\'');
		dollar |= has_byte(x, '$');
	}
	for (; i < w->len; i++)
		all |= class_of(w->data[i]) | (w->data[i] == '$' ? SEEN_DOLLAR : 0);
	return all | (dollar ? SEEN_DOLLAR : 0) | (equals ? CL_EQUALS : 0) |
	       (colon ? CL_COLON : 0) | (quote ? CL_QUOTE : 0);
}

/* The longest run that could be a token. One of TOKEN_LEAST bytes is met in steps of so many. */
static size_t longest_run(const struct word *w)
{
	const unsigned in = CL_WORD | CL_BASE | CL_NAME;
	size_t most = 0, to;

	for (size_t i = TOKEN_LEAST - 1; i < w->len; i = to + TOKEN_LEAST) {
		size_t from = i;

		for (to = i; to < w->len && class_of(w->data[to]) & in; to++)
			;
		if (to == i)
			continue;
		while (from > 0 && class_of(w->data[from - 1]) & in)
			from--;
		most = to - from > most ? to - from : most;
	}
	return most;
}

static bool has_blank(const struct word *w)
{
	return memchr(w->data, ' ', w->len) || memchr(w->data, '\n', w->len);
}

/* What shows in a word by itself. */
static void look(struct scan *s, const struct word *w, const struct word *before)
{
	const unsigned seen = survey(w);
	const size_t longest = longest_run(w);

	if (w->bare && w->len >= KEY_LEAST)
		token_keys(s, w);
	if (longest >= TOKEN_LEAST || w->cut)
		token_words(s, w);
	if (seen & CL_COLON) {
		shape_urls(s, w);
		shape_headers(s, w);
	}
	if (seen & (CL_COLON | CL_EQUALS))
		named_values(s, w);
	if (seen & (CL_QUOTE | SEEN_DOLLAR) && has_blank(w))
		shape_sql(s, w);
	if (s->r->patterns)
		patterns_find(s, w);
	if (longest >= RUN_LEAST)
		token_random(s, w, before);
}

/* The one whose habits count from here on. */
static void enter(struct command *c, const struct tool *tool)
{
	*c = (struct command){ .tool = tool, .around = tool_around(c) };
}

/* -c, -lc, -ec; and of su and ssh each word that has blanks may be one. */
static bool asks_for_line(const struct command *c, const struct word *w)
{
	return tool_is_shell(c->tool) && w->len > 1 && w->data[0] == '-' && w->data[1] != '-' &&
	       memchr(w->data, 'c', w->len);
}

/* find -exec ... ; */
static bool ends_exec(const struct word *w)
{
	return w->len == 1 && (*w->data == ';' || *w->data == '+');
}

static void take_word(struct scan *s, struct command *c, const struct word *w,
		      const struct word *before, unsigned depth)
{
	const struct tool *inner;

	if ((c->due || c->option_due) && habit_due(s, c, w))
		return;
	if (c->line_due && w->len && w->data[0] != '-') {
		c->line_due = c->is_value = false;
		scan_command_line(s, w, depth);
		return;
	}
	if (c->around && ends_exec(w)) {
		habit_end(s, c);
		enter(c, c->around);
		return;
	}
	inner = tool_wraps(c) && w->len && !c->is_value ? tool_find(s->r, w->data, w->len) : NULL;
	habit_word(s, c, w);
	if (inner) {
		habit_end(s, c);
		enter(c, inner);
	}
	c->line_due |= asks_for_line(c, w);
	c->option_due |= named_option(w);
	if (tool_takes_lines(c) && has_blank(w))
		scan_command_line(s, w, depth);
	look(s, w, before);
}

/* ---- a command line within a word ---- */

enum { LINE_WORD, LINE_BEGIN, LINE_PIPE, LINE_END };

struct line {
	const struct word *from; /* where it stands */
	struct split *split;
	size_t at, used;
	bool plain_quotes;	   /* one that is never closed is none */
	size_t echo_from, echo_to; /* what echo was given, in `from`: a pipe may hand it on */
	bool echoes, piped;
};

static bool separates(char c)
{
	return c && strchr(";|&()\n`", c);
}

static void keep(struct line *l, size_t i)
{
	l->split->text[l->used] = l->from->data[i];
	l->split->map[l->used++] = (edr_u16)(l->from->map ? l->from->map[i] : l->from->at + i);
}

/* The quote that closes the one at i; the length when there is none. */
static size_t closing(const struct word *w, size_t i)
{
	const char quote = w->data[i];

	for (i++; i < w->len && w->data[i] != quote; i++)
		if (quote == '"' && w->data[i] == '\\')
			i++;
	return i < w->len ? i : w->len;
}

/* Takes a quoted part; one that has no end is a letter like any, if that was not cut off. */
static void take_quoted(struct line *l)
{
	const struct word *w = l->from;
	const size_t end = closing(w, l->at);

	if (end == w->len && !w->cut) {
		keep(l, l->at++);
		return;
	}
	for (size_t i = l->at + 1; i < end; i++) {
		if (w->data[l->at] == '"' && w->data[i] == '\\' && i + 1 < end &&
		    strchr("\"\\$`", w->data[i + 1]))
			i++;
		keep(l, i);
	}
	l->at = end + 1;
}

static bool next_word(struct line *l, struct word *out)
{
	const struct word *w = l->from;
	const size_t begin = l->used;
	const size_t at = l->at;

	while (l->at < w->len) {
		const char c = w->data[l->at];

		if (class_of(c) & CL_BLANK || separates(c) || c == '<' || c == '>')
			break;
		if (class_of(c) & CL_QUOTE) {
			take_quoted(l);
		} else {
			l->at += c == '\\' && l->at + 1 < w->len;
			keep(l, l->at++);
		}
	}
	*out = (struct word){ .data = l->split->text + begin,
			      .len = l->used - begin,
			      .map = l->split->map + begin,
			      .cut = w->cut && l->at >= w->len };
	return l->at > at;
}

static bool in_list(const struct word *w, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (same_text(w->data, w->len, list[i]))
			return true;
	return false;
}

/* echo V | cryptsetup ...: does this word say that a secret is read from there? */
static bool reads_secret(const struct scan *s, const struct command *c, const struct word *w)
{
	static const char *const readers[] = {
		"chpasswd",	"cryptsetup",	   "smbpasswd", "kinit",       "--password-stdin",
		"--with-token", "--passphrase-fd", "--stdin",	"--pass-stdin"
	};
	const struct wire_span name = wire_basename((struct wire_span){ w->data, w->len });
	const struct word last = { .data = name.data, .len = name.len };

	if (in_list(&last, readers, sizeof(readers) / sizeof(readers[0])))
		return true;
	return same_text(w->data, w->len, "-S") && c->tool && c->tool == tool_find(s->r, "sudo", 4);
}

/* All words of it that are no options; with chpasswd, what is behind the colon. */
static void mark_echoed(struct scan *s, struct line *l)
{
	const struct word *w = l->from;

	l->piped = false;
	for (size_t i = l->echo_from; i < l->echo_to; i++) {
		size_t to, from;

		while (i < l->echo_to && class_of(w->data[i]) & (CL_BLANK | CL_QUOTE))
			i++;
		for (to = i; to < l->echo_to && !(class_of(w->data[to]) & (CL_BLANK | CL_QUOTE));)
			to++;
		from = i;
		for (size_t k = i; k < to; k++)
			if (w->data[k] == ':')
				from = k + 1;
		if (i < to && w->data[i] != '-' && !memchr(w->data + i, '%', to - i) &&
		    secret_value(w->data + from, to - from))
			scan_mark(s, w, from, to, REDACT_HABIT);
		i = to;
	}
}

/* A command begins or ends; echo's words are remembered up to the pipe. */
static void note_separator(struct line *l, char c)
{
	if (l->echoes && c == '|')
		l->echo_to = l->at;
	l->piped = c == '|' && l->echoes;
	l->echoes = false;
}

static bool is_assignment(const struct word *w)
{
	for (size_t i = 0; i < w->len; i++) {
		if (w->data[i] == '=')
			return i > 0;
		if (!is_alnum(w->data[i]) && w->data[i] != '_')
			return false;
	}
	return false;
}

/* At a command's beginning: its name, or what is put into its environment. */
static bool begin_command(const struct scan *s, struct line *l, struct command *c,
			  const struct word *w)
{
	static const char *const echoes[] = { "echo", "printf" };
	static const char *const keywords[] = { "if",	 "then",  "elif", "else", "do",
						"while", "until", "!",	  "{" };

	enter(c, tool_find(s->r, w->data, w->len));
	if (in_list(w, echoes, 2)) {
		l->echoes = true;
		l->echo_from = l->echo_to = l->at;
	}
	return is_assignment(w) || in_list(w, keywords, sizeof(keywords) / sizeof(keywords[0]));
}

void scan_command_line(struct scan *s, const struct word *from, unsigned depth)
{
	struct command c = { 0 };
	struct word w, before = { 0 };
	struct line l = { .from = from };
	bool begins = true;

	token_keys(s, from);
	if (depth >= DEPTHS || from->len > EDR_RECORD_MAX)
		return;
	l.split = &s->r->split[depth];
	while (l.at < from->len) {
		if (!next_word(&l, &w)) {
			if (separates(from->data[l.at])) {
				note_separator(&l, from->data[l.at]);
				habit_end(s, &c);
				begins = true;
				c = (struct command){ 0 };
			}
			l.at++;
			continue;
		}
		if (begins) {
			begins = begin_command(s, &l, &c, &w);
			look(s, &w, &before);
		} else {
			take_word(s, &c, &w, &before, depth + 1);
		}
		if (l.piped && reads_secret(s, &c, &w))
			mark_echoed(s, &l);
		before = w;
	}
	habit_end(s, &c);
}

/* ---- the arguments ---- */

/* Beside the id of an AWS key stands its secret, which has no beginning of its own. */
static void find_aws_secrets(struct scan *s)
{
	const struct wire_span b = s->block;
	const struct word whole = { .data = b.data, .len = b.len };
	size_t to;

	for (size_t i = 0; i < b.len; i = to + 1) {
		for (to = i; to < b.len &&
			     (is_alnum(b.data[to]) || b.data[to] == '+' || b.data[to] == '/');)
			to++;
		if (to - i == 40 || (s->cut && to == b.len && to - i >= 8 && to - i < 40))
			scan_mark(s, &whole, i, to, REDACT_TOKEN);
	}
}

/* A login shell's name begins with a dash. */
static const struct tool *first_tool(const struct scan *s, struct wire_span name)
{
	const struct wire_span last = wire_basename(name);
	const bool dash = last.len && last.data[0] == '-';
	const struct tool *t = s->by_file.exe;

	if (!t)
		t = tool_find(s->r, last.data + dash, last.len - dash);
	return t ? t : s->by_file.filename;
}

void scan_block(struct scan *s)
{
	struct wire_span rest = s->block, arg;
	struct command c = { 0 };
	struct word before = { 0 };
	bool first = true;

	while (wire_next_arg(&rest, &arg)) {
		const struct word w = { .data = arg.data,
					.len = arg.len,
					.at = (size_t)(arg.data - s->block.data),
					.cut = s->cut && rest.len == 0,
					.bare = true };

		if (first)
			enter(&c, first_tool(s, arg));
		/* A whole command line as the name of a program: it will not be found. */
		if (first && has_blank(&w))
			scan_command_line(s, &w, 0);
		if (first)
			look(s, &w, &before);
		else
			take_word(s, &c, &w, &before, 0);
		first = false;
		before = w;
	}
	habit_end(s, &c);
	if (s->aws)
		find_aws_secrets(s);
}
