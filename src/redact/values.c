/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "redact/private.h"

#define NAME_MAX_BYTES 64
#define ENDING_MAX 20
#define FILE_NAME_MAX 255

#define E(text)                        \
	{                              \
		sizeof(text) - 1, text \
	}
struct affix {
	size_t len;
	char text[16];
};

/* A name without - _ . in lower case that ends so has a secret for its value. */
static const struct affix endings[] = {
	E("password"),	E("passwd"),	    E("passphrase"), E("passwort"),	 E("pass"),
	E("pwd"),	E("passcode"),	    E("secret"),     E("token"),	 E("apikey"),
	E("accesskey"), E("authkey"),	    E("secretkey"),  E("privatekey"),	 E("accountkey"),
	E("hmackey"),	E("enrollkey"),	    E("signingkey"), E("encryptionkey"), E("masterkey"),
	E("sharedkey"), E("secretkeybase"), E("credential"), E("credentials"),	 E("bearer"),
	E("psk")
};

/* The name says that there is no secret, or where it is. */
static const char *const harmless_beginnings[] = { "no",      "ask",	"disable", "disabled",
						   "without", "skip",	"show",	   "hide",
						   "print",   "list",	"use",	   "reset",
						   "change",  "forgot", "prompt" };
static const char *const harmless_endings[] = { "existingsecret", "bypass", "compass",
						"existingpassword" };
#define N(a) (sizeof(a) / sizeof((a)[0]))

static bool ends_with(const char *s, size_t len, const char *end)
{
	const size_t n = strlen(end);

	return len >= n && !memcmp(s + len - n, end, n);
}

static bool list_ends(const char *const *list, size_t n_list, const char *s, size_t len)
{
	for (size_t i = 0; i < n_list; i++)
		if (ends_with(s, len, list[i]))
			return true;
	return false;
}

/* The third letter from the end tells most of them apart. */
static bool ends_secret(const char *s, size_t len)
{
	for (size_t i = 0; i < N(endings) && len >= 3; i++) {
		const struct affix *e = &endings[i];

		if (e->text[e->len - 3] == s[len - 3] && len >= e->len &&
		    !memcmp(s + len - e->len, e->text, e->len))
			return true;
	}
	return false;
}

/* The end of a name as the tables have it. */
static size_t plain_end(const char *name, size_t len, char out[ENDING_MAX])
{
	size_t n = 0;

	while (len > 0 && n < ENDING_MAX) {
		const char c = name[--len];

		if (c != '-' && c != '_' && c != '.')
			out[ENDING_MAX - ++n] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	}
	memmove(out, out + ENDING_MAX - n, n);
	return n;
}

static bool begins_harmless(const char *name, size_t len)
{
	while (len && *name == '-') {
		name++;
		len--;
	}
	for (size_t i = 0; i < N(harmless_beginnings); i++) {
		const size_t n = strlen(harmless_beginnings[i]);

		if (len > n && (name[n] == '-' || name[n] == '_') &&
		    !strncasecmp(name, harmless_beginnings[i], n))
			return true;
	}
	return false;
}

/* Most names end otherwise: by the last letter, what may stand before it. */
static const char *const last_but_one[26] = {
	['d' - 'a'] = "rw", ['e' - 'a'] = "sd", ['k' - 'a'] = "s",
	['l' - 'a'] = "a",  ['n' - 'a'] = "e",	['r' - 'a'] = "e",
	['s' - 'a'] = "sl", ['t' - 'a'] = "re", ['y' - 'a'] = "e",
};

static bool may_end(char before, char last)
{
	const unsigned letter = (unsigned)((last | 0x20) - 'a');
	const char *may = letter < 26 ? last_but_one[letter] : NULL;

	before = (char)(before | 0x20);
	return may && (may[0] == before || (may[1] && may[1] == before));
}

bool secret_name(const char *name, size_t len)
{
	char end[ENDING_MAX];
	size_t n;

	if (len < 3 || !may_end(name[len - 2], name[len - 1]))
		return false;
	n = plain_end(name, len, end);
	return ends_secret(end, n) && !list_ends(harmless_endings, N(harmless_endings), end, n) &&
	       !begins_harmless(name, len);
}

static const char *const words[] = { "true", "false", "yes",  "no",	"on",  "off",
				     "none", "null",  "auto", "prompt", "ask", "stdin" };
static const struct affix places[] = {
	E("/"),	     E("./"), E("../"), E("~/"),     E("@"),	   E("${"),	  E("$("),
	E("{{"),     E("`"),  E("%s"),	E("<"),	     E("file:"),   E("env:"),	  E("fd:"),
	E("stdin:"), E("**"), E("%("),	E("vault:"), E("secret:"), E("%secret:"), E(".*"),
	E(".+"),     E("[^"), E("[A-"), E("[a-"),    E("[0-"),	   E("[[:"),	  E("(.*"),
	E("\\("),    E(")["), E("\\S"), E("\\w")
};
static const char *const file_ends[] = { ".json", ".yaml", ".yml", ".txt", ".pem", ".key", ".crt",
					 ".conf", ".ini",  ".env", ".jks", ".p12", ".pfx" };

/* "$NAME"; "$1", "$@" and the like by themselves, for a digit may begin a hash: $6$salt$... */
static bool is_variable(const char *v, size_t len)
{
	if (len == 0 || *v != '$')
		return false;
	if (len == 1) /* of $(, where a command line was taken apart */
		return true;
	if (is_digit(v[1]) || (v[1] && strchr("@*#?!$-", v[1])))
		return len == 2 || (v[2] && strchr(" \t\n;\"'|&)", v[2]));
	return is_alnum(v[1]) || v[1] == '_';
}

static bool is_small_number(const char *v, size_t len)
{
	bool colon = false;
	size_t i;

	for (i = 0; i < len && (is_digit(v[i]) || v[i] == ':' || v[i] == '.'); i++)
		colon |= v[i] == ':';
	return i == len && (len < 5 || colon);
}

/* It says where the secret is, or is no value: by its beginning. */
bool value_elsewhere(const char *v, size_t len)
{
	if (is_variable(v, len))
		return true;
	for (size_t i = 0; i < N(places); i++) {
		const struct affix *p = &places[i];

		if (len >= p->len && *v == p->text[0] && !memcmp(v, p->text, p->len))
			return true;
	}
	return false;
}

bool secret_value(const char *v, size_t len)
{
	if (len == 0 || (len == 1 && *v == '-') || value_elsewhere(v, len))
		return false;
	if (len > FILE_NAME_MAX)
		return true;
	if (is_small_number(v, len) || list_ends(file_ends, N(file_ends), v, len))
		return false;
	for (size_t i = 0; i < N(words); i++)
		if (same_text(v, len, words[i]))
			return false;
	return true;
}

bool named_option(const struct word *w)
{
	if (w->len > 3 && w->data[0] == '-')
		return secret_name(w->data, w->len);
	return !w->bare && same_text(w->data, w->len, "bearer");
}

/* ---- NAME=V and its like, within a word ---- */

struct value {
	size_t name_from, name_to, from, to;
	bool quoted_name;
};

static size_t back_over_blanks(const struct word *w, size_t i)
{
	while (i > 0 && class_of(w->data[i - 1]) & CL_BLANK)
		i--;
	return i;
}

static size_t over_blanks(const struct word *w, size_t i)
{
	while (i < w->len && class_of(w->data[i]) & CL_BLANK)
		i++;
	return i;
}

/* What stands before the sign at i; false when it is no name. */
static bool find_name(const struct word *w, size_t i, struct value *v)
{
	size_t j = back_over_blanks(w, i);

	v->quoted_name = j > 0 && class_of(w->data[j - 1]) & CL_QUOTE;
	if (v->quoted_name && --j > 0 && w->data[j - 1] == '\\')
		j--;
	v->name_from = v->name_to = j;
	while (v->name_from > 0 && class_of(w->data[v->name_from - 1]) & CL_NAME &&
	       j - v->name_from < NAME_MAX_BYTES)
		v->name_from--;
	return secret_name(w->data + v->name_from, j - v->name_from);
}

/* Does another NAME= begin there? */
static bool name_follows(const struct word *w, size_t i, bool blanks)
{
	const size_t begin = i;

	while (i < w->len && i - begin < NAME_MAX_BYTES &&
	       (class_of(w->data[i]) & CL_NAME || (blanks && w->data[i] == ' ')))
		i++;
	return i > begin && i < w->len && w->data[i] == '=';
}

/* To the word's end, if there is not another NAME= behind a separator. */
static size_t end_of_rest(const struct word *w, size_t i)
{
	for (; i < w->len; i++)
		if (strchr(",;& ", w->data[i]) && w->data[i] &&
		    name_follows(w, i + 1, w->data[i] == ';'))
			return i;
	return w->len;
}

static size_t end_at(const struct word *w, size_t i, const char *stops)
{
	while (i < w->len && !(w->data[i] && strchr(stops, w->data[i])))
		i++;
	return i;
}

static size_t end_of_plain(const struct word *w, const struct value *v)
{
	static const struct {
		const char *before, *stops;
	} ends[] = { { "&?", "&# \t\n\"'" }, { ";", ";" },   { ",", "," },
		     { " \t\n", " \t\n" },   { "\"", "\"" }, { "'", "'" } };
	const char before = v->name_from ? w->data[v->name_from - 1] : '\0';

	if (v->quoted_name)
		return end_at(w, v->from, ",}] \t\n");
	if (w->data[v->name_from] == '-')
		return before ? end_at(w, v->from, " \t\n\"'") : w->len;
	for (size_t i = 0; before && i < N(ends); i++)
		if (strchr(ends[i].before, before))
			return end_at(w, v->from, ends[i].stops);
	return end_of_rest(w, v->from);
}

/* Behind an opening quote: up to the one that closes it, which looks the same, backslash too. */
static size_t end_of_quoted(const struct word *w, size_t from, char quote, bool escaped)
{
	size_t i = from;

	for (; i < w->len; i++) {
		if (w->data[i] == '\\' && i + 1 < w->len) {
			if (escaped && w->data[i + 1] == quote)
				return i;
			i++;
		} else if (w->data[i] == quote && !escaped) {
			return i;
		}
	}
	return w->len;
}

/* What stands behind the sign at i; false when it is no value. */
static bool find_value(const struct word *w, size_t i, struct value *v)
{
	const bool spaced = back_over_blanks(w, i) != i && !v->quoted_name;
	const size_t begin =
		w->data[i] == '=' && i + 1 < w->len && w->data[i + 1] == '>' ? i + 2 : i + 1;
	size_t at = over_blanks(w, begin);
	const bool escaped =
		at + 1 < w->len && w->data[at] == '\\' && class_of(w->data[at + 1]) & CL_QUOTE;

	if (escaped)
		at++;
	/* First, for it is cheap: the end may be far, and whoever wants to can repeat this. */
	if (value_elsewhere(w->data + at, w->len - at))
		return false;
	if (at < w->len && class_of(w->data[at]) & CL_QUOTE &&
	    (at == begin + escaped || v->quoted_name || w->data[i] == '=')) {
		v->from = at + 1;
		if (value_elsewhere(w->data + v->from, w->len - v->from))
			return false;
		v->to = end_of_quoted(w, v->from, w->data[at], escaped);
		return true;
	}
	if (spaced || (at != begin && !v->quoted_name))
		return false;
	v->from = at;
	v->to = end_of_plain(w, v);
	return v->from < v->to;
}

/* NAME:V is also how images, users, paths and times are written. */
static bool colon_fits(const struct word *w, size_t i, const struct value *v)
{
	if (v->quoted_name)
		return true;
	return !(v->name_from && w->data[v->name_from - 1] == '/') && i + 1 < w->len &&
	       !strchr("/:\\", w->data[i + 1]);
}

/* -DTOKEN=IDENTIFIER, as compilers have it: capitals on both sides. */
static bool is_macro(const struct word *w, const struct value *v)
{
	if (w->cut || w->len < 3 || memcmp(w->data, "-D", 2) != 0 || v->name_from ||
	    v->to != w->len)
		return false;
	for (size_t i = 2; i < w->len; i++)
		if (!(w->data[i] >= 'A' && w->data[i] <= 'Z') && w->data[i] != '_' &&
		    i + 1 != v->from)
			return false;
	return true;
}

/* Of a URL's query. */
static bool is_signature(const struct word *w, size_t i, struct value *v)
{
	size_t from = i;
	const char *name;

	while (from > 0 && class_of(w->data[from - 1]) & CL_NAME && i - from < NAME_MAX_BYTES)
		from--;
	name = w->data + from;
	if (!from || (w->data[from - 1] != '&' && w->data[from - 1] != '?') ||
	    (!same_text(name, i - from, "sig") &&
	     !(i - from >= 9 && same_text(w->data + i - 9, 9, "signature"))))
		return false;
	*v = (struct value){ .name_from = from, .name_to = i };
	return true;
}

void named_values(struct scan *s, const struct word *w)
{
	struct value v = { 0 };

	for (size_t i = 1; i < w->len; i++) {
		const char c = w->data[i];

		if (!(class_of(c) & (CL_EQUALS | CL_COLON)))
			continue;
		if (c == '=' && i + 1 < w->len && w->data[i + 1] == '=' &&
		    class_of(w->data[i - 1]) & CL_NAME && i + 2 < w->len) {
			i++; /* a comparison, a version */
			continue;
		}
		if (!find_name(w, i, &v) && !(c == '=' && is_signature(w, i, &v)))
			continue;
		if ((c == ':' && !colon_fits(w, i, &v)) || !find_value(w, i, &v) ||
		    !secret_value(w->data + v.from, v.to - v.from) || is_macro(w, &v))
			continue;
		scan_mark(s, w, v.from, v.to, REDACT_OPTION);
		i = v.to;
	}
}
