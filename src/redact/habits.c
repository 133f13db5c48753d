/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "redact/habits.h"

/* Past the first `c`; the whole length when there is none. */
static size_t behind(const char *v, size_t len, char c)
{
	const char *at = memchr(v, c, len);

	return at ? (size_t)(at - v) + 1 : len;
}

/* openssl's key:V and the like. */
static size_t behind_label(const char *v, size_t len)
{
	static const char *const labels[] = { "pass",	 "key",	   "secret",
					      "hexpass", "hexkey", "hexsecret" };
	const size_t begin = behind(v, len, ':');

	for (size_t i = 0; begin < len && i < sizeof(labels) / sizeof(labels[0]); i++)
		if (same_text(v, begin - 1, labels[i]))
			return begin;
	return len;
}

/* user:V@host; with a scheme it is a URL like all others. Cut before its '@' it has none. */
static void behind_user(const char *v, bool cut, size_t *begin, size_t *end)
{
	const char *at = memrchr(v, '@', *end);
	const size_t len = *end, to = at ? (size_t)(at - v) : cut ? len : 0;
	size_t i = 0;

	*begin = *end = to;
	while (i < to && (is_alnum(v[i]) || (v[i] && strchr("._+-%\\", v[i]))))
		i++;
	if (!i || i + 1 >= to || v[i] != ':' || !memcmp(v + i + 1, "//", to - i - 1 < 2 ? 1 : 2))
		return;
	if (at && to + 1 < len ? is_alnum(at[1]) : cut)
		*begin = i + 1;
}

static void behind_slash(const char *v, size_t *begin, size_t *end)
{
	const size_t len = *end, slash = behind(v, len, '/');

	*begin = slash;
	*end = slash < len ? slash + behind(v + slash, len - slash, '@') : len;
	*end -= *end > slash && v[*end - 1] == '@';
	if (*v == '/' || memchr(v, '@', *begin) || memchr(v, '.', *begin))
		*begin = *end;
}

static void find_part(const char *v, bool cut, enum part part, size_t *begin, size_t *end)
{
	const size_t len = *end;

	if (part == PART_COLON)
		*begin = behind(v, len, ':');
	else if (part == PART_PERCENT)
		*begin = behind(v, len, '%');
	else if (part == PART_COMMA)
		*begin = behind(v, len, ',');
	else if (part == PART_LABEL)
		*begin = behind_label(v, len);
	else if (part == PART_COOKIE)
		*begin = memchr(v, '=', len) ? 0 : len;
	else if (part == PART_SLASH)
		behind_slash(v, begin, end);
	else if (part == PART_HOST)
		behind_user(v, cut, begin, end);
	else if (part == PART_NONE)
		*begin = len;
}

/* v stands in w from `from` on. */
static bool mark_part(struct scan *s, const struct word *w, size_t from, enum part part)
{
	const char *v = w->data + from;
	size_t begin = 0, end = w->len - from;

	if (end)
		find_part(v, w->cut, part, &begin, &end);
	if (begin >= end || !secret_value(v + begin, end - begin))
		return false;
	scan_mark(s, w, from + begin, from + end, REDACT_HABIT);
	return true;
}

/* Has the option its value in the same word? Where. */
static size_t joined(const struct habit *h, const struct word *w)
{
	const size_t n = strlen(h->option);
	const bool is_long = n > 2 && h->option[1] == '-';

	if (!(h->how & JOINED) || w->len <= n || memcmp(w->data, h->option, n) != 0)
		return 0;
	if (n == 0)
		return w->data[0] == '-' ? 0 : SIZE_MAX;
	if (is_long)
		return w->data[n] == '=' ? n + 1 : 0;
	return n + (h->how & EQUALS && w->data[n] == '=');
}

static bool is_option(const struct habit *h, const struct word *w)
{
	const size_t n = strlen(h->option);

	if (!(h->how & NEXT))
		return false;
	if (w->len == n && !(h->option[0] == '-' ? memcmp(w->data, h->option, n)
						 : strncasecmp(w->data, h->option, n)))
		return true;
	if (!(h->how & BUNDLE) || w->len < 3 || w->data[0] != '-' ||
	    w->data[w->len - 1] != h->option[1])
		return false;
	for (size_t i = 1; i < w->len; i++)
		if (!is_alnum(w->data[i]))
			return false;
	return true;
}

static bool needed(const struct habit *h, const struct command *c)
{
	return !(h->how & LOGIN) || c->seen & SEEN_LOGIN;
}

static void see(struct command *c, const struct word *w)
{
	static const struct {
		const char *word;
		unsigned bit;
	} seen[] = { { "login", SEEN_LOGIN }, { "passwd", SEEN_PASSWD }, { "use", SEEN_USE } };

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		if (same_text(w->data, w->len, seen[i].word))
			c->seen |= seen[i].bit;
	if (w->len > 1 && w->data[0] == '-' && w->data[1] != '-' && memchr(w->data, 'b', w->len))
		c->seen |= SEEN_BATCH;
}

/* What a word without a dash means by its place. */
static void plain_word(struct scan *s, struct command *c, const struct word *w)
{
	const unsigned flags = c->tool->flags;

	if (flags & T_NAMED && secret_name(w->data, w->len))
		c->option_due = true;
	if (flags & T_SECOND && c->n_words == 1 && secret_value(w->data, w->len))
		scan_mark(s, w, 0, w->len, REDACT_HABIT);
	if (flags & T_PASSWD && c->seen & SEEN_PASSWD && c->n_words &&
	    secret_value(w->data, w->len))
		scan_mark(s, w, 0, w->len, REDACT_HABIT);
	if (flags & T_NET_USE && c->seen & SEEN_USE && c->last.len > 2 &&
	    !memcmp(c->last.data, "\\\\", 2) && w->data[0] != '/')
		scan_mark(s, w, 0, w->len, REDACT_HABIT);
	c->last = *w;
	c->n_words++;
}

static bool opens_command(const struct word *w)
{
	static const char *const options[] = { "-exec", "-execdir", "-ok",    "-okdir",
					       "-x",	"-X",	    "--exec", "--exec-batch" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (w->len == strlen(options[i]) && !memcmp(w->data, options[i], w->len))
			return true;
	return false;
}

void habit_word(struct scan *s, struct command *c, const struct word *w)
{
	if (!c->tool || !w->len)
		return;
	if (c->is_value) {
		c->is_value = false;
		return;
	}
	see(c, w);
	c->exec_due = c->tool->flags & T_EXEC && opens_command(w);
	for (const struct habit *h = c->tool->habits; h && h->option; h++) {
		const size_t at = joined(h, w);

		if (!needed(h, c))
			continue;
		if (at && mark_part(s, w, at == SIZE_MAX ? 0 : at, h->part))
			return;
		if (is_option(h, w))
			c->due = h;
	}
	if (w->data[0] != '-')
		plain_word(s, c, w);
}

/* The word behind an option: true when all of it was the secret. */
bool habit_due(struct scan *s, struct command *c, const struct word *w)
{
	const struct habit *h = c->due;
	const bool by_name = c->option_due, dash = w->len && w->data[0] == '-';

	c->due = NULL;
	c->option_due = false;
	if (!h) {
		if (!by_name || !w->len || dash || !secret_value(w->data, w->len))
			return false;
		scan_mark(s, w, 0, w->len, REDACT_OPTION);
		return true;
	}
	c->is_value = !dash;
	if (dash && h->how & WORD)
		return false;
	if (h->how & REST || (h->how & LATER && !c->waited))
		c->due = h;
	c->waited = c->due != NULL;
	if (h->how & LATER && c->waited)
		return false;
	if (!mark_part(s, w, 0, h->part) || h->part != PART_ALL)
		return false;
	c->is_value = false;
	return true;
}

void habit_end(struct scan *s, const struct command *c)
{
	if (c->tool && c->tool->flags & T_LAST_OF_BATCH && c->seen & SEEN_BATCH &&
	    c->n_words >= 2 && c->last.len)
		scan_mark(s, &c->last, 0, c->last.len, REDACT_HABIT);
}
