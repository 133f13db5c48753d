/* SPDX-License-Identifier: MIT */
/* What the files of inject.c share. */
#ifndef EDR_DETECT_INJECT_PRIVATE_H
#define EDR_DETECT_INJECT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "detect/inject.h"

/*
 * What a word or phrase stands for. Those from FORGET on have weights, which add up:
 * INJECT_ENOUGH.
 */
enum inject_class {
	WORD_OVERRIDE, /* ignore, forget */
	WORD_PREVIOUS, /* previous, above; weight 1: all, these, which are less telling */
	WORD_ORDER,    /* instructions, prompt; weight 1: rules, guidelines */
	WORD_VERB,     /* report, rate, answer: before "severity 1" */
	WORD_KEY,      /* a member of our answer's schema; its number is the weight */
	WORD_FORGET,   /* "ignore the above" without more */
	WORD_SEVERITY, /* with a 1 behind it */
	WORD_BENIGN,   /* what a report should say */
	WORD_WHO,      /* a model is addressed */
	WORD_OMIT,     /* do not report */
	WORD_FRAME,    /* ends of data, begins of instructions */
	WORD_TURN,     /* system: */
	WORD_YOU,      /* you are a */
	WORD_ACT,      /* act as if */
	WORD_TASK,     /* your new task */
	WORD_THREAT,   /* or a promise, or who has approved of all */
	WORD_REPORT,   /* your summary */
	WORD_TOOL,     /* a call of a tool */
	WORD_CLASSES
};
#define INJECT_ENOUGH 4
#define INJECT_NEAR 40 /* words: what is farther apart does not belong together */

#define WORD_WHOLE 0x1	  /* no letter or digit behind it; else it is a stem */
#define WORD_COLON 0x2	  /* ':' behind it */
#define WORD_ANYWHERE 0x4 /* of a language where order and beginnings of words say nothing */

/* Members of the answer, in pairs of which one must be telling. */
enum inject_key {
	KEY_SEVERITY = 1,
	KEY_EVIDENCE_ID,
	KEY_VERDICT,
	KEY_SUMMARY,
	KEY_FINDINGS,
	KEY_OTHER
};

struct inject_word {
	const char *text; /* plain; a blank stands for anything that is no letter or digit */
	unsigned char class, weight, how;
};
extern const struct inject_word inject_words[];
extern const size_t inject_n_words;

/* Found in the plain text where blanks are passed over. */
struct inject_mark {
	const char *text;
	enum inject_kind kind; /* found at once; INJECT_NONE: WORD_FRAME, with its weight */
	unsigned char weight;
	bool apart; /* no letter or digit before it: Perl's documents have C<system> */
};
extern const struct inject_mark inject_marks[];
extern const size_t inject_n_marks;

/* Classes of a byte. */
#define BYTE_LETTER 0x1 /* or what stands for one: 0 1 3 4 5 7 @ $ */
#define BYTE_WORD 0x2	/* letter, digit, or of a character beyond ASCII */
#define BYTE_BASE64 0x4
#define BYTE_UPPER 0x8
#define BYTE_HEX 0x10
#define BYTE_ESCAPE 0x20 /* begins an escape: % \ & ESC */
#define BYTE_MARK 0x40	 /* begins one of inject_marks[] */
#define BYTE_DIGIT 0x80

#define GRAM_TORN 0x1	  /* four letters that begin a word of WORD_OVERRIDE */
#define GRAM_REVERSED 0x2 /* of "ignore previous instructions, severity", backwards */
#define GRAM_ROT13 0x4

#define INDEX_BITS 10
#define INDEX_GRAM_BITS 13

struct inject_index {
	unsigned char byte[256];
	char lower[256];
	char letter[256]; /* of a BYTE_LETTER: the letter that it stands for */
	unsigned char gram[1 << INDEX_GRAM_BITS];
	unsigned char begin[1 << 15];	/* by the first three letters: which of fourth[] */
	uint32_t fourth[256];		/* bits: the letters that follow; [0]: none */
	uint16_t head[1 << INDEX_BITS]; /* 1 + number of the first word; by its first three bytes */
	uint16_t next[];
};

static inline unsigned inject_gram(uint32_t four)
{
	return (four * 2654435761u) >> (32 - INDEX_GRAM_BITS);
}

/* s has three bytes at least. */
static inline unsigned inject_slot(const char *s)
{
	const uint32_t three = (uint32_t)(unsigned char)s[0] << 16 |
			       (uint32_t)(unsigned char)s[1] << 8 | (unsigned char)s[2];

	return (three * 2654435761u) >> (32 - INDEX_BITS);
}

struct inject_index *inject_index_new(void); /* NULL without memory; free() */

/* What the first pass sees; it adds. */
struct inject_traces {
	unsigned grams; /* GRAM_* */
	unsigned
		words; /* that begin as one of inject_words[] does; two are the least that matter */
	unsigned numbers;
	bool marks;  /* something that one of inject_marks[] begins with */
	bool hidden; /* something that inject_unhide() may undo */
	bool others; /* something beyond ASCII, or a terminal's sequence */
};
void inject_trace(const struct inject_index *ix, const char *s, size_t len,
		  struct inject_traces *seen);

/*
 * Sets out to the plain text, which is never longer, with at least three NULs behind it. tagged:
 * letters that were written as tags, U+E0020 to U+E007E, but for flags. False without memory.
 */
bool inject_plain(struct buf *out, const struct inject_index *ix, const char *s, size_t len,
		  unsigned *tagged);

enum inject_turn { TURN_ALL, TURN_WORDS, TURN_ROT13 };
/* The plain text as it may be meant: backwards, each word backwards, rot13; to has room for len. */
void inject_turn(const struct inject_index *ix, char *to, const char *s, size_t len,
		 enum inject_turn how);
/* A line of our prompt's frame, alone: END DATA or BEGIN DATA, in capitals. */
bool inject_has_frame(const struct inject_index *ix, const char *s, size_t len);

/* One character of UTF-8: its length, or 0. */
size_t inject_utf8(const char *s, size_t len, uint32_t *code);

/*
 * Sets out to the text with its escapes and codes undone, never longer. True when there were some.
 */
bool inject_unhide(struct buf *out, const struct inject_index *ix, const char *s, size_t len);

#endif
