/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "redact/private.h"

#define TOKEN_AS_USER 20
#define BEARER_LEAST 12
#define HEADER_MAX 64	 /* of a name */
#define DSN_MAX 256	 /* of user and password */
#define PASSWORD_MAX 128 /* of a URL, behind a slash */
#define QUOTED_MAX 512	 /* between $$ */
#define TAG_MAX 32	 /* of $tag$ */
#define ACCOUNT_MAX 128	 /* PASSWORD FOR ... = */
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* ---- scheme://user:password@ ---- */

static size_t find(const struct word *w, size_t from, size_t to, char c)
{
	const char *at = from < to ? memchr(w->data + from, c, to - from) : NULL;

	return at ? (size_t)(at - w->data) : to;
}

static bool has_digit(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (is_digit(s[i]))
			return true;
	return false;
}

static bool only_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_digit(s[i]))
			return false;
	return true;
}

static bool is_reference(const char *v, size_t len)
{
	return len == 0 || v[0] == '$' || v[0] == '<' || v[0] == '{' ||
	       (len >= 2 && !memcmp(v, "%s", 2)); /* printf's, and a tag */
}

static void mark_password(struct scan *s, const struct word *w, size_t from, size_t to)
{
	if (!is_reference(w->data + from, to - from))
		scan_mark(s, w, from, to, REDACT_URL);
}

/*
 * What may be a password begins at `from`, and its '@' is not before `to`: it stands behind a / or #
 * that should have been written %2F, or it was cut off.
 */
static void look_behind(struct scan *s, const struct word *w, size_t from, size_t to)
{
	const size_t end = w->len - to < PASSWORD_MAX ? w->len : to + PASSWORD_MAX;
	size_t at = to;

	if (to < w->len && !strchr("/#?", w->data[to]))
		return;
	while (at < end && !strchr("@\"'<> \t\n\\", w->data[at])) /* NUL too */
		at++;
	if (at == w->len
		    ? w->cut
		    : w->data[at] == '@' && (at + 1 < w->len ? is_alnum(w->data[at + 1]) : w->cut))
		mark_password(s, w, from, at);
}

/* Where user and host stand: [from, to). */
static void look_at_authority(struct scan *s, const struct word *w, size_t from, size_t to)
{
	const char *last = to > from ? memrchr(w->data + from, '@', to - from) : NULL;
	const size_t at = last ? (size_t)(last - w->data) : to;
	const size_t colon = find(w, from, at, ':'), user = colon - from;

	if (is_reference(w->data + from, to - from))
		return;
	if (!last) {
		/* A port has digits only, and nothing of IPv6 is a password. */
		if (colon + 1 < to && w->data[from] != '[' &&
		    !only_digits(w->data + colon + 1, to - colon - 1))
			look_behind(s, w, colon + 1, to);
		return;
	}
	if (colon < at)
		mark_password(s, w, colon + 1, at);
	if (user >= TOKEN_AS_USER && has_digit(w->data + from, user) &&
	    !memchr(w->data + from, '.', user))
		mark_password(s, w, from, colon);
}

/* user:password@tcp(host), as Go has it: the '(' is at i, and what can be user and password begins at `from`. */
static void look_at_dsn(struct scan *s, const struct word *w, size_t from, size_t i)
{
	size_t at = i, colon;

	while (at > 0 && (w->data[at - 1] | 0x20) >= 'a' && (w->data[at - 1] | 0x20) <= 'z')
		at--;
	if (at == 0 || w->data[--at] != '@')
		return;
	if (at - from > DSN_MAX)
		from = at - DSN_MAX;
	colon = find(w, from, at, ':');
	if (colon < at)
		mark_password(s, w, colon + 1, at);
}

static void find_dsns(struct scan *s, const struct word *w)
{
	size_t from = 0;

	if (find(w, 0, w->len, '(') == w->len)
		return;
	for (size_t i = 0; i < w->len; i++) {
		if (w->data[i] == '(')
			look_at_dsn(s, w, from, i);
		else if (strchr(" \t\n\"'=/", w->data[i])) /* NUL too */
			from = i + 1;
	}
}

void shape_urls(struct scan *s, const struct word *w)
{
	const char *end = w->data + w->len, *at = w->data;

	while ((at = memmem(at, (size_t)(end - at), "://", 3))) {
		const size_t from = (size_t)(at - w->data) + 3;
		size_t to = from;

		at += 3;
		while (to < w->len && !strchr("/?#\"'<> \t\n\\", w->data[to]))
			to++;
		if (from > 3 && is_alnum(w->data[from - 4]))
			look_at_authority(s, w, from, to);
	}
	find_dsns(s, w);
}

/* ---- headers ---- */

static const struct {
	const char *name;
	bool scheme; /* a word before the value says of what kind it is */
} headers[] = {
	{ "authorization", true },  { "proxy-authorization", true }, { "cookie", false },
	{ "set-cookie", false },    { "x-api-key", false },	     { "x-auth-key", false },
	{ "private-token", false }, { "job-token", false },	     { "api-key", false },
};

/* DD-API-KEY, Ocp-Apim-Subscription-Key, x-functions-key */
static const char *const header_ends[] = { "apikey", "-api-key", "-subscription-key",
					   "-functions-key", "-application-key" };

/* Of the header whose name is [from, to): -1 when it is none of those. */
static int find_header(const char *name, size_t len)
{
	for (size_t i = 0; i < N(headers); i++)
		if (same_text(name, len, headers[i].name))
			return headers[i].scheme;
	for (size_t i = 0; i < N(header_ends); i++) {
		const size_t n = strlen(header_ends[i]);

		if (len >= n && !strncasecmp(name + len - n, header_ends[i], n))
			return false;
	}
	/* X-Vault-Token, X-Amz-Security-Token, X-Goog-Api-Key, ... */
	return len > 2 && !strncasecmp(name, "x-", 2) && secret_name(name, len) ? false : -1;
}

/* Where values end, by the quote before the header; found once for all headers before it. */
enum { NO_QUOTE, SINGLE_QUOTE, DOUBLE_QUOTE, QUOTES };
struct ends {
	size_t at[QUOTES];
};

/* A quote before the name closes behind the value. */
static size_t header_end(const struct word *w, size_t name_from, size_t from, struct ends *ends)
{
	const char before = name_from ? w->data[name_from - 1] : '\0';
	const char quote = class_of(before) & CL_QUOTE ? before : '\n';
	size_t *end = &ends->at[before == '\'' ? SINGLE_QUOTE
				: quote == '"' ? DOUBLE_QUOTE
					       : NO_QUOTE];

	if (*end < from)
		for (*end = from; *end < w->len && w->data[*end] != '\n' && w->data[*end] != '\r' &&
				  w->data[*end] != quote;)
			++*end;
	return *end;
}

/* Where the value ends, if there was one; else the colon. */
static size_t look_at_header(struct scan *s, const struct word *w, size_t colon, struct ends *ends)
{
	size_t name = colon, from = colon + 1, to;
	int scheme;

	while (name > 0 && colon - name < HEADER_MAX &&
	       (is_alnum(w->data[name - 1]) || w->data[name - 1] == '-'))
		name--;
	/* curl's -HName: */
	if (colon - name > 2 && w->data[name] == '-' && w->data[name + 1] == 'H')
		name += 2;
	scheme = find_header(w->data + name, colon - name);
	if (scheme < 0 || (name && w->data[name - 1] == '/')) /* a user of a URL */
		return colon;
	while (from < w->len && w->data[from] == ' ')
		from++;
	if (value_elsewhere(w->data + from, w->len - from))
		return colon;
	to = header_end(w, name, from, ends);
	if (scheme && find(w, from, to, ' ') < to)
		for (from = find(w, from, to, ' '); from < to && w->data[from] == ' ';)
			from++;
	if (!secret_value(w->data + from, to - from))
		return from - 1;
	scan_mark(s, w, from, to, REDACT_HEADER);
	return to;
}

static void look_at_bearer(struct scan *s, const struct word *w)
{
	for (size_t i = find(w, 0, w->len, ' '); i < w->len; i = find(w, i + 1, w->len, ' ')) {
		size_t to = i + 1;

		if (i < 6 || strncasecmp(w->data + i - 6, "bearer", 6) != 0)
			continue;
		while (to < w->len && (class_of(w->data[to]) & (CL_NAME | CL_BASE)))
			to++;
		if (to - i > BEARER_LEAST)
			scan_mark(s, w, i + 1, to, REDACT_HEADER);
	}
}

void shape_headers(struct scan *s, const struct word *w)
{
	struct ends ends = { { 0 } };

	for (size_t i = find(w, 0, w->len, ':'); i < w->len; i = find(w, i + 1, w->len, ':'))
		if (i > 5)
			i = look_at_header(s, w, i, &ends);
	look_at_bearer(s, w);
}

/* ---- PASSWORD 'x', IDENTIFIED BY 'x', SET PASSWORD FOR a = 'x', PASSWORD $$x$$ ---- */

static bool ends_in(const char *s, size_t len, const char *phrase)
{
	const size_t n = strlen(phrase);

	return len >= n && !strncasecmp(s + len - n, phrase, n);
}

static size_t back_over_blanks(const struct word *w, size_t i)
{
	while (i > 0 && class_of(w->data[i - 1]) & CL_BLANK)
		i--;
	return i;
}

/* Is the account named between PASSWORD FOR and `to`? */
static bool says_password_for(const struct word *w, size_t to)
{
	const size_t first = to > ACCOUNT_MAX ? to - ACCOUNT_MAX : 0;

	for (size_t i = to; i > first && w->data[i - 1] != ';'; i--)
		if (w->data[i - 1] == ' ' && ends_in(w->data, i - 1, "password for"))
			return true;
	return false;
}

static bool says_password(const struct word *w, size_t quote)
{
	size_t to = quote;

	while (to > 0 && (class_of(w->data[to - 1]) & CL_BLANK || w->data[to - 1] == '('))
		to--;
	if (to != quote &&
	    (ends_in(w->data, to, "password") || ends_in(w->data, to, "identified by")))
		return true;
	to = back_over_blanks(w, quote);
	return to > 0 && w->data[to - 1] == '=' && says_password_for(w, to - 1);
}

/* The length of PostgreSQL's $$ or $tag$ at i, 0 when there is none; a shell may want \$. */
static size_t dollar_quote(const struct word *w, size_t i)
{
	size_t to = i + 1;

	while (to < w->len && to - i < TAG_MAX && (is_alnum(w->data[to]) || w->data[to] == '_'))
		to++;
	if (to < w->len && w->data[to] == '\\')
		to++;
	return to < w->len && w->data[to] == '$' ? to + 1 - i : 0;
}

/* Where what begins with the n bytes at i ends; i when it does not. */
static size_t end_of_dollars(const struct word *w, size_t i, size_t n)
{
	const size_t from = i + n, rest = w->len - from;
	const char *end =
		memmem(w->data + from, rest < QUOTED_MAX ? rest : QUOTED_MAX, w->data + i, n);

	return end ? (size_t)(end - w->data) : w->cut && rest < QUOTED_MAX ? w->len : i;
}

void shape_sql(struct scan *s, const struct word *w)
{
	for (size_t i = 1; i < w->len; i++) {
		const char c = w->data[i];
		const size_t n = class_of(c) & CL_QUOTE ? 1 : c == '$' ? dollar_quote(w, i) : 0;
		size_t to;

		if (!n || !says_password(w, i - (c == '$' && w->data[i - 1] == '\\')))
			continue;
		to = c == '$' ? end_of_dollars(w, i, n) : find(w, i + 1, w->len, c);
		if (to > i) {
			scan_mark(s, w, i + n, to, REDACT_OPTION);
			i = to;
		}
	}
}
