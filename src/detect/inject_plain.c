/* SPDX-License-Identifier: MIT */
/* Text as it is meant to be read: what only changes its looks is taken out. */
#include <stdlib.h>
#include <string.h>

#include "detect/inject_private.h"

#define RUN_LEAST 20 /* letters of base64 in a row that are worth a look */
#define LETTERS_MAX 4
#define FRAME_HEX 8 /* of a nonce */

/* Latin-1 and Latin Extended-A without their accents, from U+00C0 on; '?' is none. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo?ouuuuytsaaaaaaaceeeeiiiidnooooo?ouuuuyty"
			    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
			    "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
_Static_assert(sizeof(latin) == 0x180 - 0xc0 + 1, "a letter for each");

/* Letters that look like another: in a word that has Latin ones, they stand for these. */
static const struct look_alike {
	uint32_t code;
	char letter;
} look_alikes[] = {
	{ 0x3b1, 'a' }, { 0x3b5, 'e' }, { 0x3b9, 'i' }, { 0x3ba, 'k' }, { 0x3bd, 'v' },
	{ 0x3bf, 'o' }, { 0x3c1, 'p' }, { 0x3c4, 't' }, { 0x3c5, 'u' }, { 0x3c7, 'x' },
	{ 0x430, 'a' }, { 0x435, 'e' }, { 0x43a, 'k' }, { 0x43c, 'm' }, { 0x43e, 'o' },
	{ 0x440, 'p' }, { 0x441, 'c' }, { 0x442, 't' }, { 0x443, 'y' }, { 0x445, 'x' },
	{ 0x455, 's' }, { 0x456, 'i' }, { 0x458, 'j' }, { 0x501, 'd' }, { 0x51b, 'q' },
};

/* From first to last, a step each: letters of the Latin alphabet by number, or digits. */
static const struct alphabet {
	uint32_t first, last;
	char from;
	unsigned char period;
} alphabets[] = {
	{ 0x24b6, 0x24cf, 'a', 26 },   { 0x24d0, 0x24e9, 'a', 26 },   { 0x249c, 0x24b5, 'a', 26 },
	{ 0x1d400, 0x1d6a3, 'a', 26 }, { 0x1d7ce, 0x1d7ff, '0', 10 }, { 0x1f130, 0x1f149, 'a', 26 },
	{ 0x1f150, 0x1f169, 'a', 26 }, { 0x1f170, 0x1f189, 'a', 26 }, { 0x660, 0x669, '0', 10 },
	{ 0x6f0, 0x6f9, '0', 10 },     { 0x966, 0x96f, '0', 10 },
};

/*
 * One for a whole range: accents of Vietnamese, and what is no part of a word (' ') or of nothing
 * (0).
 */
static const struct range {
	uint32_t first, last;
	char is;
} ranges[] = {
	{ 0x80, 0xac, ' ' },	 { 0xad, 0xad, 0 },	  { 0xae, 0xbf, ' ' },
	{ 0x1a0, 0x1a1, 'o' },	 { 0x1af, 0x1b0, 'u' },	  { 0x218, 0x219, 's' },
	{ 0x21a, 0x21b, 't' },	 { 0x300, 0x36f, 0 },	  { 0x591, 0x5bd, 0 },
	{ 0x60c, 0x60c, ' ' },	 { 0x640, 0x640, 0 },	  { 0x64b, 0x652, 0 },
	{ 0x1ea0, 0x1eb7, 'a' }, { 0x1eb8, 0x1ec7, 'e' }, { 0x1ec8, 0x1ecb, 'i' },
	{ 0x1ecc, 0x1ee3, 'o' }, { 0x1ee4, 0x1ef1, 'u' }, { 0x1ef2, 0x1ef9, 'y' },
	{ 0x2000, 0x200a, ' ' }, { 0x200b, 0x200f, 0 },	  { 0x2010, 0x2029, ' ' },
	{ 0x202a, 0x202e, 0 },	 { 0x202f, 0x205f, ' ' }, { 0x2060, 0x206f, 0 },
	{ 0x3000, 0x303f, ' ' }, { 0xfe00, 0xfe0f, 0 },	  { 0xfe20, 0xfe2f, 0 },
	{ 0xfeff, 0xfeff, 0 },	 { 0xff5f, 0xff64, ' ' }, { 0xffe0, 0xffff, ' ' },
	{ 0xe0100, 0xe01ef, 0 },
};

struct fold {
	struct buf *out;
	const struct inject_index *ix;
	unsigned tagged;
	size_t word;	    /* where in out it begins */
	bool latin, others; /* letters of the word: then others may be look-alikes */
	bool flag;	    /* tags now spell a flag's region */
};

size_t inject_utf8(const char *s, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;

	if (!n || n > len || u[0] > 0xf4)
		return 0;
	*code = n == 1 ? u[0] : u[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (u[i] & 0x3f);
	}
	return *code < least[n] || *code > 0x10ffff || *code >> 11 == 0x1b ? 0 : n;
}

static void put(struct fold *f, char c)
{
	f->out->data[f->out->len++] = c;
}

static void put_utf8(struct fold *f, uint32_t c)
{
	if (c >= 0x10000)
		put(f, (char)(0xf0 | c >> 18));
	if (c >= 0x800)
		put(f, (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12));
	put(f, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
	put(f, (char)(0x80 | (c & 0x3f)));
}

static char look_alike(uint32_t code)
{
	for (size_t i = 0; i < sizeof(look_alikes) / sizeof(look_alikes[0]); i++) {
		if (look_alikes[i].code == code)
			return look_alikes[i].letter;
	}
	return 0;
}

/* A word of Latin letters with some that look like such. */
static void unmask(struct fold *f)
{
	char *data = f->out->data;
	size_t at = f->word, to = at, n;
	uint32_t code;
	char letter;

	while (at < f->out->len) {
		n = inject_utf8(data + at, f->out->len - at, &code);
		letter = n > 1 ? look_alike(code) : 0;
		if (letter) {
			data[to++] = letter;
		} else {
			memmove(data + to, data + at, n ? n : 1);
			to += n ? n : 1;
		}
		at += n ? n : 1;
	}
	f->out->len = to;
}

static void end_word(struct fold *f)
{
	if (f->latin && f->others)
		unmask(f);
	f->latin = f->others = false;
	f->word = f->out->len;
}

/* c is plain ASCII. */
static void fold_ascii(struct fold *f, unsigned char c)
{
	const bool is_word = f->ix->byte[c] & BYTE_WORD;

	if (!is_word)
		end_word(f);
	put(f, f->ix->lower[c]);
	f->latin = is_word;
	if (!is_word)
		f->word = f->out->len;
}

/* The same for all up to what is not ASCII, in one go; the word before it has ended. */
static size_t fold_ascii_run(struct fold *f, const char *s, size_t len)
{
	const struct inject_index *ix = f->ix;
	char *const out = f->out->data + f->out->len;
	size_t i, word = 0;

	for (i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)s[i];

		if (c >= 0x80 || c == '\x1b')
			break;
		out[i] = ix->lower[c];
		if (!(ix->byte[c] & BYTE_WORD))
			word = i + 1;
	}
	f->word = f->out->len + word;
	f->latin = i > word;
	f->out->len += i;
	return i;
}

/* Lower case of Greek and Cyrillic. */
static uint32_t lower(uint32_t c)
{
	if ((c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		return c + 0x50;
	return c;
}

/* A letter in ASCII that the character stands for; 0: it stands for nothing; -1: for itself. */
static int stands_for(uint32_t c)
{
	if (c >= 0xc0 && c < 0x180)
		return latin[c - 0xc0] == '?' ? ' ' : latin[c - 0xc0];
	if (c >= 0xff01 && c <= 0xff5e)
		return (int)(c - 0xff01 + '!');
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].is;
	}
	for (size_t i = 0; i < sizeof(alphabets) / sizeof(alphabets[0]); i++) {
		if (c >= alphabets[i].first && c <= alphabets[i].last)
			return alphabets[i].from +
			       (int)((c - alphabets[i].first) % alphabets[i].period);
	}
	return -1;
}

/* Tags were letters that nobody sees; since then they spell regions behind a flag. */
static bool fold_tag(struct fold *f, uint32_t c)
{
	if (c == 0x1f3f4)
		f->flag = true;
	if (c < 0xe0020 || c > 0xe007f)
		return false;
	if (c == 0xe007f) {
		f->flag = false;
	} else if (!f->flag) {
		f->tagged++;
		fold_ascii(f, (unsigned char)(c - 0xe0000));
	}
	return true;
}

static void fold_code(struct fold *f, uint32_t c)
{
	int is;

	if (fold_tag(f, c))
		return;
	is = c < 0x80 ? (int)c : stands_for(c);
	if (is > 0) {
		fold_ascii(f, (unsigned char)is);
		return;
	}
	if (!is)
		return;
	f->others = true;
	put_utf8(f, lower(c));
}

/* The length of a terminal's control sequence, ECMA-48; s begins with ESC. */
static size_t control_sequence(const char *s, size_t len)
{
	size_t i = 2;

	if (len < 2 || s[1] != '[')
		return 1;
	while (i < len && s[i] >= 0x20 && s[i] < 0x40)
		i++;
	return i < len ? i + 1 : i;
}

/* In a run that may be a code: is there more than words and paths have? */
static bool is_run(const struct inject_index *ix, const char *s, size_t len)
{
	size_t hexes = 0, uppers = 0;

	if (len < RUN_LEAST)
		return false;
	for (size_t i = 0; i < len; i++) {
		hexes += !!(ix->byte[(unsigned char)s[i]] & BYTE_HEX);
		uppers += !!(ix->byte[(unsigned char)s[i]] & BYTE_UPPER);
	}
	return uppers || hexes == len;
}

/* Five bits tell letters apart; 0 is what is none. */
static unsigned letter_of(const struct inject_index *ix, char c)
{
	return ix->byte[(unsigned char)c] & BYTE_WORD ? c & 31 : 0;
}

static unsigned begin_of(const struct inject_index *ix, const char *s)
{
	return (unsigned)(s[0] & 31) << 10 | letter_of(ix, s[1]) << 5 | letter_of(ix, s[2]);
}

static bool begins_word(const struct inject_index *ix, const char *s, size_t len)
{
	return len < 4 || ix->fourth[ix->begin[begin_of(ix, s)]] >> letter_of(ix, s[3]) & 1;
}

void inject_trace(const struct inject_index *ix, const char *s, size_t len,
		  struct inject_traces *seen)
{
	unsigned grams = 0, any = 0, words = 0, numbers = 0;
	size_t i, word = 0, run = 0;
	uint32_t four = 0;

	for (i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)s[i];
		const unsigned byte = ix->byte[c];

		any |= byte;
		if (byte & BYTE_LETTER) {
			four = four << 8 | (unsigned char)ix->letter[c];
			grams |= ix->gram[inject_gram(four)];
		}
		if (!(byte & BYTE_BASE64)) {
			if (i - run >= RUN_LEAST)
				seen->hidden |= is_run(ix, s + run, i - run);
			run = i + 1;
		}
		if (!(byte & BYTE_WORD)) {
			word = i + 1;
		} else if (i == word) {
			words += begins_word(ix, s + i, len - i);
			numbers += !!(byte & BYTE_DIGIT);
		}
		if (c >= 0x80 || c == '\x1b')
			seen->others = true;
	}
	seen->hidden |= is_run(ix, s + run, len - run) || any & BYTE_ESCAPE;
	seen->grams |= grams;
	seen->words += words;
	seen->numbers += numbers;
	seen->marks |= any & BYTE_MARK;
}

bool inject_plain(struct buf *out, const struct inject_index *ix, const char *s, size_t len,
		  unsigned *tagged)
{
	struct fold f = { .out = out, .ix = ix };
	uint32_t code;
	size_t i, n;

	buf_clear(out);
	if (!buf_reserve(out, len + 4))
		return false;
	for (i = 0; i < len; i += n) {
		const unsigned char c = (unsigned char)s[i];

		n = 1;
		if (c == '\x1b') {
			n = control_sequence(s + i, len - i);
		} else if (c < 0x80 && f.word == out->len) {
			n = fold_ascii_run(&f, s + i, len - i);
		} else if (c < 0x80) {
			fold_ascii(&f, c);
		} else {
			n = inject_utf8(s + i, len - i, &code);
			fold_code(&f, n ? code : ' ');
			n += !n;
		}
	}
	end_word(&f);
	*tagged = f.tagged;
	memset(out->data + out->len, 0, 4);
	return true;
}

static void reverse(char *to, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = s[len - 1 - i];
}

static void reverse_words(const struct inject_index *ix, char *to, const char *s, size_t len)
{
	size_t i, word = 0;

	for (i = 0; i <= len; i++) {
		if (i < len && ix->byte[(unsigned char)s[i]] & BYTE_WORD)
			continue;
		reverse(to + word, s + word, i - word);
		if (i < len)
			to[i] = s[i];
		word = i + 1;
	}
}

static char rot13(char c)
{
	return c >= 'a' && c <= 'z' ? (char)((c - 'a' + 13) % 26 + 'a') : c;
}

void inject_turn(const struct inject_index *ix, char *to, const char *s, size_t len,
		 enum inject_turn how)
{
	if (how == TURN_ALL)
		reverse(to, s, len);
	else if (how == TURN_WORDS)
		reverse_words(ix, to, s, len);
	for (size_t i = 0; how == TURN_ROT13 && i < len; i++)
		to[i] = rot13(s[i]);
}

/* Before it a blank, a quote or nothing; behind it nothing but a nonce. */
static bool is_frame(const struct inject_index *ix, const char *s, size_t len, size_t from,
		     size_t i)
{
	size_t hex = 0;

	if (from && !strchr(" \n\r\t'\"", s[from - 1])) /* NUL too */
		return false;
	while (i < len && s[i] == ' ')
		i++;
	for (; i < len && ix->byte[(unsigned char)s[i]] & BYTE_HEX; i++)
		hex++;
	return (!hex || hex >= FRAME_HEX) && (i == len || strchr("\n\r\t'\"", s[i]));
}

/* "front-end data" and `sed '/END DATA/d'` are none. */
bool inject_has_frame(const struct inject_index *ix, const char *s, size_t len)
{
	static const char data[] = " DATA";
	const size_t n = sizeof(data) - 1;
	const char *at = s;

	while ((at = memmem(at, len - (size_t)(at - s), data, n))) {
		const size_t i = (size_t)(at - s);

		if ((i >= 3 && !memcmp(at - 3, "END", 3) && is_frame(ix, s, len, i - 3, i + n)) ||
		    (i >= 5 && !memcmp(at - 5, "BEGIN", 5) && is_frame(ix, s, len, i - 5, i + n)))
			return true;
		at += n;
	}
	return false;
}

static void add_gram(struct inject_index *ix, const char *four, unsigned gram)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 8 | (unsigned char)four[i];
	ix->gram[inject_gram(v)] |= (unsigned char)gram;
}

static void fill_bytes(struct inject_index *ix)
{
	static const char stand_in[] = "0o1i3e4a5s7t@a$s";
	unsigned c;

	for (c = 0; c < 256; c++) {
		const bool upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
		const unsigned low = upper ? c + 0x20 : c;
		const bool letter = low >= 'a' && low <= 'z';

		ix->lower[c] = c < 0x20 || c == 0x7f ? ' ' : (char)low;
		ix->letter[c] = (char)low;
		ix->byte[c] = (unsigned char)((letter ? BYTE_LETTER : 0) |
					      (letter || digit || c >= 0x80 ? BYTE_WORD : 0) |
					      (letter || digit || c == '+' || c == '/' ? BYTE_BASE64
										       : 0) |
					      (upper ? BYTE_UPPER : 0) | (digit ? BYTE_DIGIT : 0) |
					      (digit || (low >= 'a' && low <= 'f') ? BYTE_HEX : 0));
	}
	for (c = 0; stand_in[c]; c += 2) {
		ix->byte[(unsigned char)stand_in[c]] |= BYTE_LETTER;
		ix->letter[(unsigned char)stand_in[c]] = stand_in[c + 1];
	}
	ix->byte['%'] |= BYTE_ESCAPE;
	ix->byte['\\'] |= BYTE_ESCAPE;
	ix->byte['&'] |= BYTE_ESCAPE;
}

static void fill_grams(struct inject_index *ix)
{
	static const char *const backwards[] = { "ongi", "suoi", "rtsn", "ytir", "dneg" };
	static const char *const rot13[] = { "vtab", "cevb", "ceri", "vafg", "frir", "flfg" };
	size_t i;

	for (i = 0; i < inject_n_words; i++) {
		const struct inject_word *w = &inject_words[i];

		if (w->class == WORD_OVERRIDE && (unsigned char)w->text[0] < 0x80 &&
		    !memchr(w->text, ' ', LETTERS_MAX))
			add_gram(ix, w->text, GRAM_TORN);
	}
	for (i = 0; i < sizeof(backwards) / sizeof(backwards[0]); i++)
		add_gram(ix, backwards[i], GRAM_REVERSED);
	for (i = 0; i < sizeof(rot13) / sizeof(rot13[0]); i++)
		add_gram(ix, rot13[i], GRAM_ROT13);
}

static void fill_begin(struct inject_index *ix, const struct inject_word *w, unsigned char *groups)
{
	const char *s = w->text;
	unsigned char *group = &ix->begin[begin_of(ix, s)];

	/* Enough for all; if not, words are looked at that need not be. */
	if (!*group)
		*group = *groups < UINT8_MAX ? ++*groups : *groups;
	ix->fourth[*group] |= s[2] == ' ' || (!s[3] && !(w->how & WORD_WHOLE))
				      ? UINT32_MAX
				      : 1u << letter_of(ix, s[3]);
}

struct inject_index *inject_index_new(void)
{
	struct inject_index *ix = calloc(1, sizeof(*ix) + inject_n_words * sizeof(ix->next[0]));
	unsigned char groups = 0;
	size_t i;

	if (!ix)
		return NULL;
	fill_bytes(ix);
	fill_grams(ix);
	for (i = 0; i < inject_n_words; i++) {
		uint16_t *head = &ix->head[inject_slot(inject_words[i].text)];

		if ((unsigned char)inject_words[i].text[0] < 0x80)
			fill_begin(ix, &inject_words[i], &groups);
		ix->next[i] = *head;
		*head = (uint16_t)(i + 1);
	}
	for (i = 0; i < inject_n_marks; i++)
		ix->byte[(unsigned char)inject_marks[i].text[0]] |= BYTE_MARK;
	return ix;
}
