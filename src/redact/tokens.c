/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "redact/private.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define RANDOM_LEAST 24
#define RANDOM_BITS 4.0
#define AWS_SECRET 40

/* ---- private keys ---- */

#define DASHES "-----"
#define BEGIN DASHES "BEGIN "
#define END DASHES "END "
#define PRIVATE_KEY "PRIVATE KEY"
#define LABEL_MAX 48 /* from BEGIN to the dashes behind it */

/* Between the line that begins it and the one that ends it; without an end, all that is left. */
void token_keys(struct scan *s, const struct word *w)
{
	const char *end = w->data + w->len, *at = w->data;

	while ((at = memmem(at, (size_t)(end - at), BEGIN, strlen(BEGIN)))) {
		const size_t rest = (size_t)(end - at) - strlen(BEGIN);
		const char *label = at + strlen(BEGIN), *body, *to;

		body = memmem(label, rest < LABEL_MAX ? rest : LABEL_MAX, DASHES, strlen(DASHES));
		at = label;
		if (!body ||
		    !memmem(label, (size_t)(body - label), PRIVATE_KEY, strlen(PRIVATE_KEY)))
			continue;
		body += strlen(DASHES);
		to = memmem(body, (size_t)(end - body), END, strlen(END));
		scan_mark(s, w, (size_t)(body - w->data), (size_t)((to ? to : end) - w->data),
			  REDACT_PRIVATE_KEY);
		at = to ? to : end;
	}
}

/* ---- known beginnings ---- */

static const struct token {
	const char *begins;
	unsigned char least; /* bytes that follow */
	const char *also;    /* besides letters and digits */
} tokens[] = {
	{ "AKIA", 16, "" },	 { "ASIA", 16, "" },	     { "ghp_", 36, "" },
	{ "gho_", 36, "" },	 { "ghu_", 36, "" },	     { "ghs_", 36, "" },
	{ "ghr_", 36, "" },	 { "github_pat_", 22, "_" }, { "xoxa-", 10, "-" },
	{ "xoxb-", 10, "-" },	 { "xoxe-", 10, "-" },	     { "xoxp-", 10, "-" },
	{ "xoxr-", 10, "-" },	 { "xoxs-", 10, "-" },	     { "xapp-", 10, "-" },
	{ "sk-", 20, "-_" },	 { "sk_live_", 16, "" },     { "sk_test_", 16, "" },
	{ "rk_live_", 16, "" },	 { "whsec_", 20, "+/=" },    { "glpat-", 20, "-_" },
	{ "glrt-", 20, "-_" },	 { "gldt-", 20, "-_" },	     { "npm_", 30, "" },
	{ "pypi-", 40, "-_" },	 { "hf_", 30, "" },	     { "dop_v1_", 40, "" },
	{ "doo_v1_", 40, "" },	 { "dor_v1_", 40, "" },	     { "dckr_pat_", 20, "-_" },
	{ "AIza", 35, "-_" },	 { "SG.", 50, ".-_" },	     { "eyJ", 27, "-_." },
	{ "hvs.", 20, "-_" },	 { "hvb.", 20, "-_" },	     { "AGE-SECRET-KEY-1", 40, "" },
	{ "tskey-", 20, "-" },	 { "shpat_", 30, "" },	     { "ya29.", 20, "-_" },
	{ "ATATT3", 40, "-_=" },
};

/* In these URLs the path is the secret. */
#define HOOK_LEAST 30
static const char *const hooks[] = { "hooks.slack.com/services/", "discord.com/api/webhooks/" };

/* The bytes from `at` on that may belong to it. */
static size_t run_of(const struct word *w, size_t at, const char *also)
{
	size_t to = at;

	while (to < w->len && (is_alnum(w->data[to]) || (w->data[to] && strchr(also, w->data[to]))))
		to++;
	return to;
}

/* The id of an AWS key has no small letters. */
static bool fits(const struct token *t, const char *rest, size_t len)
{
	if (t->begins[0] != 'A' || t->begins[2] != 'I')
		return true;
	for (size_t i = 0; i < len; i++)
		if (!is_digit(rest[i]) && (rest[i] < 'A' || rest[i] > 'Z'))
			return false;
	return true;
}

static unsigned pair(char a, char b)
{
	return (unsigned char)a * 37u + (unsigned char)b;
}

/* A token that begins at i; where it ends, else i. */
static size_t token_at(struct scan *s, const struct word *w, size_t i)
{
	for (size_t n = 0; n < N(tokens); n++) {
		const struct token *t = &tokens[n];
		size_t len, from, to;

		if (w->data[i] != t->begins[0])
			continue;
		len = strlen(t->begins);
		from = i + len;
		if (w->len - i <= len || memcmp(w->data + i, t->begins, len) != 0)
			continue;
		to = run_of(w, from, t->also);
		/* Its end may be missing. */
		if (!(w->cut && to == w->len) &&
		    (to - from < t->least || !fits(t, w->data + from, to - from)))
			continue;
		s->aws |= t->begins[0] == 'A' && t->begins[2] == 'I';
		scan_mark(s, w, i, to, REDACT_TOKEN);
		return to;
	}
	return i;
}

static void find_hooks(struct scan *s, const struct word *w)
{
	if (w->len < HOOK_LEAST || !memmem(w->data, w->len, ".com/", 5))
		return;
	for (size_t n = 0; n < N(hooks); n++) {
		const char *at = memmem(w->data, w->len, hooks[n], strlen(hooks[n]));
		size_t from;

		if (!at)
			continue;
		from = (size_t)(at - w->data) + strlen(hooks[n]);
		scan_mark(s, w, from, run_of(w, from, "/-_"), REDACT_TOKEN);
	}
}

void token_words(struct scan *s, const struct word *w)
{
	for (size_t i = 0; i + 1 < w->len; i++) {
		size_t to;

		if (!is_alnum(w->data[i]))
			continue;
		to = filter_may_have(s->r->token_filter, pair(w->data[i], w->data[i + 1]))
			     ? token_at(s, w, i)
			     : i;
		for (i = to; i < w->len && is_alnum(w->data[i]);)
			i++;
	}
	find_hooks(s, w);
}

/* ---- what looks random ---- */

struct run {
	const char *data;
	size_t len;
};

static unsigned kind_of(char c)
{
	return is_digit(c) ? 1 : c >= 'a' && c <= 'z' ? 2 : c >= 'A' && c <= 'Z' ? 4 : 0;
}

/* log2(n) x 16, without a library of mathematics. */
static unsigned log2_16(unsigned n)
{
	unsigned whole = 0, part = 0;
	unsigned long long x = n;

	while (n >> (whole + 1))
		whole++;
	x <<= 20;
	x >>= whole; /* in [1, 2) x 2^20 */
	for (unsigned bit = 8; bit; bit >>= 1) {
		x = x * x >> 20;
		if (x >> 21) {
			x >>= 1;
			part += bit;
		}
	}
	return whole * 16 + part;
}

void token_tables(struct redact *r)
{
	for (size_t n = 0; n < N(tokens); n++)
		filter_add(r->token_filter, pair(tokens[n].begins[0], tokens[n].begins[1]));
	for (unsigned n = 1; n <= RANDOM_MOST; n++)
		r->log2[n] = (unsigned short)log2_16(n);
}

/* Shannon's, x 16, of one run's bytes. */
static bool enough_bits(const struct redact *red, struct run r)
{
	unsigned short count[256] = { 0 };
	unsigned long long sum = 0;

	for (size_t i = 0; i < r.len; i++)
		count[(unsigned char)r.data[i]]++;
	for (size_t i = 0; i < 256; i++)
		sum += (unsigned long long)count[i] * red->log2[count[i]];
	return (unsigned long long)r.len * red->log2[r.len] >=
	       sum + r.len * (unsigned)(RANDOM_BITS * 16);
}

/*
 * Words and names stay with one kind of letter for long, and an alphabet's bytes follow each other.
 * In base64 of random bytes 62 of 100 neighbours differ in kind.
 */
static bool mixed(struct run r)
{
	size_t changes = 0, successors = 0, slashes = 0;
	unsigned kinds = 0, before = 0;

	for (size_t i = 0; i < r.len; i++) {
		const unsigned kind = kind_of(r.data[i]);

		slashes += r.data[i] == '/';
		successors += i && r.data[i] == r.data[i - 1] + 1;
		if (!kind)
			continue;
		changes += before && kind != before;
		kinds |= kind;
		before = kind;
	}
	return kinds == 7 && slashes < 2 && changes * 10 >= r.len * 4 && successors * 4 < r.len;
}

static bool ends_so(const char *s, size_t len, const char *const *ends, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const size_t e = strlen(ends[i]);

		if (len >= e && !strncasecmp(s + len - e, ends[i], e))
			return true;
	}
	return false;
}

static bool begins_so(struct run r, const char *const *with, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r.len >= strlen(with[i]) && !strncasecmp(r.data, with[i], strlen(with[i])))
			return true;
	return false;
}

/* Digests, public keys, certificates: they look random and are no secrets. */
static bool is_public(const struct word *w, size_t from, struct run r, const struct word *before)
{
	static const char *const labels[] = {
		"sha1:",   "sha256:", "sha384:",   "sha512:",	   "md5:",  "integrity=",
		"digest=", "digest:", "checksum=", "fingerprint=", "peer=", "public-key="
	};
	static const char *const words[] = {
		"peer",	       "integrity",  "digest",	  "checksum",
		"fingerprint", "public-key", "recv-keys", "publickey"
	};
	static const char *const beginnings[] = { "sha1-",	 "sha256-",	"sha384-",
						  "sha512-",	 "AAAAB3NzaC1", "AAAAC3NzaC1",
						  "AAAAE2VjZHNh" };

	return begins_so(r, beginnings, N(beginnings)) ||
	       ends_so(w->data, from, labels, N(labels)) ||
	       (before && ends_so(before->data, before->len, words, N(words)));
}

static bool is_path(const struct word *w)
{
	return w->data[0] == '/' || (w->len > 1 && w->data[0] == '.') ||
	       memmem(w->data, w->len, "/.", 2);
}

static size_t end_of_run(const struct word *w, size_t i)
{
	while (i < w->len && class_of(w->data[i]) & (CL_WORD | CL_BASE))
		i++;
	return i;
}

/* '=' only closes a run: before it stands a name. */
static size_t begin_of_run(const struct word *w, size_t from, size_t to)
{
	size_t last = to;

	while (last > from && w->data[last - 1] == '=')
		last--;
	for (size_t i = last; i > from; i--)
		if (w->data[i - 1] == '=')
			return i;
	return from;
}

void token_random(struct scan *s, const struct word *w, const struct word *before)
{
	size_t to;

	if (is_path(w) || memmem(w->data, w->len, "-----BEGIN CERT", 15))
		return;
	for (size_t i = 0; i < w->len; i = to + 1) {
		struct run r;
		size_t from;

		to = end_of_run(w, i);
		from = begin_of_run(w, i, to);
		r = (struct run){ w->data + from, to - from };
		if (r.len < RANDOM_LEAST || r.len > RANDOM_MOST || !mixed(r) ||
		    !enough_bits(s->r, r) || is_public(w, from, r, before))
			continue;
		/* Between slashes or dots it is part of a path, of a package's or a host's name. */
		if ((from && (r.data[-1] == '.' || r.data[-1] == '/')) ||
		    (to + 1 < w->len && w->data[to] == '.'))
			continue;
		scan_mark(s, w, from, to, REDACT_ENTROPY);
	}
}
