/* SPDX-License-Identifier: MIT */
#include "detect/inject.h"

#include <stdlib.h>
#include <string.h>

#include "detect/inject_private.h"

#define GAP 4		  /* words from "ignore" to "previous", and on to "instructions" */
#define GAP_FREE 8	  /* in languages of any order */
#define GAP_TORN 10	  /* letters */
#define CODES_LEAST 8	  /* numbers in a row that may be codes of characters */
#define TAGGED_LEAST 8	  /* letters: nobody hides that many by accident */
#define NAME_MAX_BYTES 16 /* what the kernel keeps of a name: it may be cut off */

const char *inject_kind_name(enum inject_kind kind)
{
	static const char *const names[INJECT_KINDS] = { "none",      "override", "role",
							 "delimiter", "answer",	  "address" };

	return kind < INJECT_KINDS ? names[kind] : "none";
}

/* What the words up to here came to; places are numbers of words, from 1; 0: not seen. */
struct look {
	const struct inject_index *ix;
	const char *s;
	size_t len;
	unsigned word;
	unsigned at[WORD_CLASSES];
	unsigned char weight[WORD_CLASSES];
	unsigned forgot; /* where override and previous met */
	bool free;	 /* the last override is of a language of any order */
	unsigned key[KEY_OTHER + 1];
	unsigned codes; /* words in a row that may be codes of characters */
	bool hidden;
	bool is_name; /* all of the text is not longer than a process's name */
	enum inject_kind found;
};

static bool is_word(const struct look *l, size_t i)
{
	return l->ix->byte[(unsigned char)l->s[i]] & BYTE_WORD;
}

static bool near(const struct look *l, unsigned class, unsigned words)
{
	return l->at[class] && l->word - l->at[class] <= words;
}

/* ---- what lies behind a word ---- */

/* Behind quotes, brackets and blanks a ':'; gives where it goes on, or 0. */
static size_t colon(const struct look *l, size_t i)
{
	const size_t most = i + 6 < l->len ? i + 6 : l->len;

	while (i < most && strchr(" \"'\\]*", l->s[i])) /* NUL too */
		i++;
	return i < most && l->s[i] == ':' ? i + 1 : 0;
}

/* A value as JSON has it: a number, a string, a list, an object, true, false, null. */
static char value_at(const struct look *l, size_t i)
{
	const size_t most = i + 8 < l->len ? i + 8 : l->len;

	while (i < most && (l->s[i] == ' ' || l->s[i] == '\0' || l->s[i] == '\\'))
		i++;
	return i < most && l->s[i] && strchr("0123456789\"[{-", l->s[i]) ? l->s[i] : '\0';
}

/* "severity is 1": the 1, behind up to four words that say no more than that. */
static bool is_one(const struct look *l, size_t i)
{
	static const char *const small[] = {
		"is",  "of",  "to", "must", "be",      "at",	"for",	   "have", "should",
		"has", "the", "a",  "this", "cell",    "level", "ist",	   "auf",  "von",
		"est", "de",  "es", "este", "informe", "e",	"rapport", "ce",
	};
	unsigned words;
	size_t n, k;

	for (words = 0; words < 5; words++) {
		const size_t most = i + 8 < l->len ? i + 8 : l->len;

		while (i < most && !is_word(l, i))
			i++;
		for (n = 0; n < 8 && i + n < l->len && is_word(l, i + n); n++)
			;
		if (!n)
			return false;
		if ((n == 1 && l->s[i] == '1') || (n == 3 && memcmp(l->s + i, "one", 3) == 0))
			return true;
		for (k = 0; k < sizeof(small) / sizeof(small[0]); k++) {
			if (strlen(small[k]) == n && memcmp(l->s + i, small[k], n) == 0)
				break;
		}
		if (k == sizeof(small) / sizeof(small[0]))
			return false;
		i += n;
	}
	return false;
}

/* The same where no blanks are between words: within some four characters, on this side of a '/'. */
static bool is_one_joined(const struct look *l, size_t i)
{
	const size_t most = i + 16 < l->len ? i + 16 : l->len;

	for (; i < most && !(l->ix->byte[(unsigned char)l->s[i]] & BYTE_DIGIT); i++) {
		if (!is_word(l, i) && (!l->s[i] || !strchr(" :=\"'", l->s[i])))
			return false;
	}
	return i < most && l->s[i] == '1' &&
	       (i + 1 == l->len || !(l->ix->byte[(unsigned char)l->s[i + 1]] & BYTE_DIGIT));
}

/* ---- what words mean together ---- */

/* The kind, when enough has come together. */
static enum inject_kind weigh(const struct look *l)
{
	unsigned class, sum = 0;

	for (class = WORD_FORGET; class < WORD_CLASSES; class ++) {
		if (near(l, class, INJECT_NEAR))
			sum += l->weight[class];
	}
	if (sum < INJECT_ENOUGH)
		return INJECT_NONE;
	if (near(l, WORD_TURN, INJECT_NEAR))
		return INJECT_ROLE;
	if (near(l, WORD_FRAME, INJECT_NEAR))
		return INJECT_DELIMITER;
	return INJECT_ADDRESS;
}

static void add(struct look *l, unsigned class, unsigned weight)
{
	if (!near(l, class, INJECT_NEAR) || l->weight[class] < weight)
		l->weight[class] = (unsigned char)weight;
	l->at[class] = l->word;
	if (!l->found)
		l->found = weigh(l);
}

/* Override, previous and order have met, with these weights. */
static void met(struct look *l)
{
	if (l->weight[WORD_PREVIOUS] + l->weight[WORD_ORDER] > 2)
		l->found = INJECT_OVERRIDE;
	else
		add(l, WORD_FORGET, 3);
}

static void order(struct look *l, unsigned class)
{
	const unsigned o = l->at[WORD_OVERRIDE], p = l->at[WORD_PREVIOUS], i = l->at[WORD_ORDER];

	if (!o || l->found)
		return;
	if (l->free) {
		if (p && i && near(l, WORD_OVERRIDE, GAP_FREE) &&
		    near(l, WORD_PREVIOUS, GAP_FREE) && near(l, WORD_ORDER, GAP_FREE))
			met(l);
		return;
	}
	if (class == WORD_PREVIOUS && l->word - o <= GAP) {
		l->forgot = l->word;
		add(l, WORD_FORGET, 2);
		if (l->is_name && l->weight[WORD_PREVIOUS] > 1)
			l->found = INJECT_OVERRIDE;
	}
	if (class == WORD_PREVIOUS && i > o && i - o <= GAP && l->word - i <= GAP - 1)
		met(l);
	if (class == WORD_ORDER && l->forgot > o && l->word - l->forgot <= GAP)
		met(l);
}

static void place(struct look *l, const struct inject_word *w)
{
	/* "all previous": the more telling of two that are near counts. */
	if (!near(l, w->class, GAP) || l->weight[w->class] < w->weight)
		l->weight[w->class] = w->weight;
	l->at[w->class] = l->word;
	if (w->class == WORD_OVERRIDE)
		l->free = w->how & WORD_ANYWHERE;
	order(l, w->class);
}

static void key(struct look *l, enum inject_key key, size_t behind)
{
	static const unsigned char telling[KEY_OTHER + 1] = {
		[KEY_SEVERITY] = 1, [KEY_EVIDENCE_ID] = 1
	};
	const char value = value_at(l, colon(l, behind));
	unsigned k, n = 0, tell = 0;

	if (!value || (key == KEY_SEVERITY && (value < '1' || value > '5')))
		return;
	l->key[key] = l->word;
	for (k = 1; k <= KEY_OTHER; k++) {
		if (l->key[k] && l->word - l->key[k] <= INJECT_NEAR) {
			n++;
			tell += telling[k];
		}
	}
	if ((n > 1 && tell) || (l->is_name && tell && l->s[0] == '{'))
		l->found = INJECT_ANSWER;
}

static void severity(struct look *l, const struct inject_word *w, size_t behind)
{
	if (w->weight && !(w->how & WORD_ANYWHERE ? is_one_joined : is_one)(l, behind))
		return;
	add(l, WORD_SEVERITY, near(l, WORD_VERB, GAP) ? 3 : 2);
}

static void hit(struct look *l, const struct inject_word *w, size_t behind)
{
	if (w->class <= WORD_ORDER)
		place(l, w);
	else if (w->class == WORD_VERB)
		l->at[WORD_VERB] = l->word;
	else if (w->class == WORD_KEY)
		key(l, w->weight, behind);
	else if (w->class == WORD_SEVERITY)
		severity(l, w, behind);
	else
		add(l, w->class, w->weight);
}

/* ---- where words are ---- */

/* Does it lie at i? Gives what is behind it, or 0. */
static size_t match(const struct look *l, const struct inject_word *w, size_t i)
{
	const char *t = w->text;

	for (; *t; t++) {
		if (*t == ' ') {
			const size_t most = i + 8 < l->len ? i + 8 : l->len;
			const size_t from = i;

			while (i < most && !is_word(l, i))
				i++;
			if (i == from)
				return 0;
		} else if (i >= l->len || l->s[i++] != *t) {
			return 0;
		}
	}
	if (w->how & WORD_WHOLE && i < l->len && is_word(l, i))
		return 0;
	if (w->how & WORD_COLON && !colon(l, i))
		return 0;
	return i;
}

static void try_words(struct look *l, size_t i)
{
	const char first[3] = { l->s[i], is_word(l, i + 1) ? l->s[i + 1] : ' ',
				is_word(l, i + 2) ? l->s[i + 2] : ' ' };
	unsigned n = l->ix->head[inject_slot(first)];
	size_t behind;

	for (; n; n = l->ix->next[n - 1]) {
		behind = match(l, &inject_words[n - 1], i);
		if (behind)
			hit(l, &inject_words[n - 1], behind);
	}
}

/* The same letters in another order but for the first and last one: readers do not mind. */
static void try_misspelt(struct look *l, size_t i, size_t n)
{
	static const struct inject_word words[] = {
		{ "ignore", WORD_OVERRIDE, 2, 0 },   { "disregard", WORD_OVERRIDE, 2, 0 },
		{ "forget", WORD_OVERRIDE, 2, 0 },   { "previous", WORD_PREVIOUS, 2, 0 },
		{ "instruction", WORD_ORDER, 2, 0 }, { "instructions", WORD_ORDER, 2, 0 },
		{ "prompt", WORD_ORDER, 2, 0 },
	};
	size_t k, j;

	if (n > 12 || !strchr("idfp", l->s[i]) || !strchr("edtsn", l->s[i + n - 1]))
		return;
	for (k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
		const char *t = words[k].text, *s = l->s + i;
		unsigned sum = 0, squares = 0;

		if (t[0] != s[0] || strlen(t) != n || t[n - 1] != s[n - 1] || !memcmp(t, s, n))
			continue;
		for (j = 0; j < n; j++) {
			sum += (unsigned char)t[j] - (unsigned)(unsigned char)s[j];
			squares += (unsigned)(unsigned char)t[j] * (unsigned char)t[j] -
				   (unsigned)(unsigned char)s[j] * (unsigned char)s[j];
		}
		if (!sum && !squares)
			hit(l, &words[k], i + n);
	}
}

/* <|any_name|>: what chat templates are made of. Blanks are passed over. */
static bool is_token(const struct look *l, size_t i)
{
	const size_t most = i + 40 < l->len ? i + 40 : l->len;
	unsigned letters = 0, bars = 0;

	for (i++; i < most; i++) {
		const char c = l->s[i];

		if (c == '|')
			bars++;
		else if (c == '>')
			return bars == 2 && letters > 2;
		else if (c == '_' || is_word(l, i))
			letters++;
		else if (c != ' ' && c != '\0')
			return false;
		if (bars > 2 || (letters && !bars) || (bars == 2 && c != '|' && is_word(l, i)))
			return false;
	}
	return false;
}

static void try_marks(struct look *l, size_t i)
{
	size_t k;

	if (l->s[i] == '<' && is_token(l, i)) {
		l->found = INJECT_ROLE;
		return;
	}

	for (k = 0; k < inject_n_marks; k++) {
		const struct inject_mark *m = &inject_marks[k];
		const char *t = m->text;
		size_t at = i;

		if (m->apart && i && (is_word(l, i - 1) || l->s[i - 1] == '_'))
			continue;
		while (*t && at < l->len && at - i < 64) {
			if (l->s[at] == *t)
				t++;
			else if (l->s[at] != ' ' && l->s[at] != '\0' &&
				 !(l->s[at] == '\\' && *t == '"'))
				break;
			at++;
		}
		if (*t)
			continue;
		if (m->kind)
			l->found = m->kind;
		else
			add(l, WORD_FRAME, m->weight);
	}
}

/* Numbers of two or three digits in a row. */
static void count_codes(struct look *l, size_t i, size_t n)
{
	size_t k;

	for (k = 0; k < n; k++) {
		if (!(l->ix->byte[(unsigned char)l->s[i + k]] & BYTE_HEX))
			break;
	}
	l->codes = k == n && n > 1 && n < 4 ? l->codes + 1 : 0;
	if (l->codes >= CODES_LEAST)
		l->hidden = true;
}

/* A word from i on; gives what is behind it. */
static size_t look_word(struct look *l, size_t i)
{
	size_t at = i;

	l->word++;
	while (at < l->len && is_word(l, at)) {
		const unsigned char c = (unsigned char)l->s[at];

		if (at == i || (c >= 0xc0 && !l->found))
			try_words(l, at);
		at++;
	}
	if (at - i > 5)
		try_misspelt(l, i, at - i);
	if (at - i < 4)
		count_codes(l, i, at - i);
	else
		l->codes = 0;
	return at;
}

static enum inject_kind look(const struct inject_index *ix, const char *s, size_t len, bool *hidden)
{
	struct look l = { .ix = ix, .s = s, .len = len, .is_name = len <= NAME_MAX_BYTES };
	size_t i = 0;

	while (i < len && !l.found) {
		if (is_word(&l, i)) {
			i = look_word(&l, i);
			continue;
		}
		if (ix->byte[(unsigned char)s[i]] & BYTE_MARK)
			try_marks(&l, i);
		i++;
	}
	*hidden |= l.hidden;
	return l.found;
}

/* ---- other readings of a plain text ---- */

/* A stem of that class that begins within the next letters; gives what is behind it. */
static size_t torn_stem(const struct look *l, unsigned class, size_t from, size_t within)
{
	size_t i, n;
	unsigned k;

	for (i = from; i < from + within && i + 3 <= l->len; i++) {
		for (k = l->ix->head[inject_slot(l->s + i)]; k; k = l->ix->next[k - 1]) {
			const struct inject_word *w = &inject_words[k - 1];

			n = strlen(w->text);
			if (w->class == class && w->weight > 1 && n > 4 && l->len - i >= n &&
			    memcmp(l->s + i, w->text, n) == 0)
				return i + n;
		}
	}
	return 0;
}

/* Letters alone, digits that stand for such among them: what was torn apart or written together. */
static enum inject_kind look_torn(const struct inject_index *ix, struct buf *to, const char *s,
				  size_t len)
{
	struct look l = { .ix = ix };
	size_t i, at;

	buf_clear(to);
	if (!buf_reserve(to, len + 4))
		return INJECT_NONE;
	for (i = 0; i < len; i++) {
		if (ix->byte[(unsigned char)s[i]] & BYTE_LETTER)
			to->data[to->len++] = ix->letter[(unsigned char)s[i]];
	}
	memset(to->data + to->len, 0, 4);
	l.s = to->data;
	l.len = to->len;
	for (i = 0; i < l.len; i++) {
		at = torn_stem(&l, WORD_OVERRIDE, i, 1);
		if (!at)
			continue;
		at = torn_stem(&l, WORD_PREVIOUS, at, GAP_TORN);
		if (at && torn_stem(&l, WORD_ORDER, at, GAP_TORN))
			return INJECT_OVERRIDE;
	}
	return INJECT_NONE;
}

static enum inject_kind look_turned(const struct inject_index *ix, struct buf *to, const char *s,
				    size_t len, enum inject_turn turn)
{
	bool hidden = false;

	buf_clear(to);
	if (!buf_reserve(to, len + 4))
		return INJECT_NONE;
	inject_turn(ix, to->data, s, len, turn);
	to->len = len;
	memset(to->data + len, 0, 4);
	return look(ix, to->data, len, &hidden);
}

/* Is there what one look at the words could find? */
static bool is_worth_it(const struct inject_traces *seen, size_t len)
{
	return seen->words > 1 || seen->marks || seen->numbers >= CODES_LEAST ||
	       len <= NAME_MAX_BYTES;
}

/* One text, as it is and as it may be read otherwise. */
static enum inject_kind look_all(struct inject *in, const char *text, size_t len, bool *hidden)
{
	static const struct {
		unsigned gram;
		enum inject_turn turn;
	} turned[] = { { GRAM_REVERSED, TURN_WORDS },
		       { GRAM_REVERSED, TURN_ALL },
		       { GRAM_ROT13, TURN_ROT13 } };
	const struct inject_index *ix = in->index;
	struct inject_traces seen = { 0 };
	enum inject_kind kind = INJECT_NONE;
	unsigned tagged;

	inject_trace(ix, text, len, &seen);
	*hidden = seen.hidden;
	if (seen.words && inject_has_frame(ix, text, len))
		return INJECT_DELIMITER;
	if (!is_worth_it(&seen, len) && !seen.grams && !seen.others)
		return INJECT_NONE;
	if (!inject_plain(&in->plain, ix, text, len, &tagged))
		return INJECT_NONE;
	if (tagged >= TAGGED_LEAST)
		return INJECT_OVERRIDE;
	if (seen.others)
		inject_trace(ix, in->plain.data, in->plain.len, &seen);
	if (seen.others || is_worth_it(&seen, len))
		kind = look(ix, in->plain.data, in->plain.len, hidden);
	if (!kind && seen.grams & GRAM_TORN)
		kind = look_torn(ix, &in->turned, in->plain.data, in->plain.len);
	for (size_t k = 0; !kind && k < sizeof(turned) / sizeof(turned[0]); k++) {
		if (seen.grams & turned[k].gram)
			kind = look_turned(ix, &in->turned, in->plain.data, in->plain.len,
					   turned[k].turn);
	}
	return kind;
}

static enum inject_kind find(struct inject *in, const char *text, size_t len)
{
	enum inject_kind kind;
	bool hidden;
	unsigned depth;

	kind = look_all(in, text, len, &hidden);
	for (depth = 0; !kind && hidden && depth < INJECT_DEPTH; depth++) {
		struct buf *to = &in->decoded[depth];

		if (!inject_unhide(to, in->index, text, len))
			break;
		text = to->data;
		len = to->len;
		kind = look_all(in, text, len, &hidden);
	}
	return kind;
}

static bool begin(struct inject *in)
{
	if (!in->index) {
		in->index = inject_index_new();
		seen_init(&in->clean);
	}
	return in->index != NULL;
}

enum inject_kind inject_find(struct inject *in, const char *text, size_t len)
{
	enum inject_kind kind;
	uint64_t hash;

	if (!begin(in))
		return INJECT_NONE;
	if (len > INJECT_TEXT_MAX)
		len = INJECT_TEXT_MAX;
	hash = seen_hash(&in->clean, text, len, 0);
	if (seen_has(&in->clean, hash))
		return INJECT_NONE;
	kind = find(in, text, len);
	if (!kind)
		seen_add(&in->clean, hash);
	return kind;
}

void inject_free(struct inject *in)
{
	buf_free(&in->plain);
	buf_free(&in->turned);
	for (unsigned i = 0; i < INJECT_DEPTH; i++)
		buf_free(&in->decoded[i]);
	free(in->index);
	memset(in, 0, sizeof(*in));
}
