/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share.
 *
 *	redact.c    opening, one block of arguments in and out, tags
 *	record.c    which strings of a record
 *	argv.c      arguments one by one; a command line within an argument
 *	tools.c     which commands there are
 *	habits.c    what their options mean
 *	shapes.c    what shows in a word by itself: URLs, headers, SQL
 *	values.c    NAME=V, --NAME V, "NAME": "V"
 *	tokens.c    known beginnings, private keys, what looks random
 *	patterns.c  the user's file
 *	regex*.c    how it is matched
 *	key.c       the key's file
 */
#ifndef EDR_REDACT_PRIVATE_H
#define EDR_REDACT_PRIVATE_H

#include <nettle/hmac.h>
#include <strings.h>

#include "redact/redact.h"
#include "util/seen.h"

#define PATTERNS_MOST_BYTES ((size_t)160 << 10)
#define RANDOM_MOST 512 /* bytes of what may look random */
#define DEPTHS 2	/* a command line in an argument, and one more in that */

/* A word as the shell hands it on, and where its bytes were. */
struct word {
	const char *data;
	size_t len;
	const edr_u16 *map; /* of each byte, in the block; NULL: they lie there, from `at` on */
	size_t at;
	bool cut;  /* more would follow */
	bool bare; /* of the block itself: a value may have blanks in it */
};

struct split {
	char text[EDR_RECORD_MAX];
	edr_u16 map[EDR_RECORD_MAX];
};

/* Nearly all words are turned away by one bit. */
#define FILTER_BITS 4096u

static inline void filter_add(unsigned char *filter, unsigned hash)
{
	filter[hash % FILTER_BITS / 8] |= (unsigned char)(1u << hash % 8);
}

static inline bool filter_may_have(const unsigned char *filter, unsigned hash)
{
	return filter[hash % FILTER_BITS / 8] >> hash % 8 & 1;
}

struct redact {
	bool off, keyed;
	struct hmac_sha256_ctx hmac; /* with the key */
	struct patterns *patterns;   /* NULL: none */
	/* Which beginnings of tokens and names of commands there may be: bits of FILTER_BITS. */
	unsigned char token_filter[FILTER_BITS / 8], tool_filter[FILTER_BITS / 8];
	unsigned short log2[RANDOM_MOST + 1]; /* of n, x 16 */
	struct buf argv, name, record;
	size_t argv_bytes; /* of the record's new arguments, cut or not */
	size_t put_bytes;  /* of the block that was put last, whether there was room or not */
	struct redact_stats stats;
	struct seen clean; /* blocks of arguments */
	/* One a byte of the block: 0, or the kind + 1; in a secret's first byte with BEGINS. */
	unsigned char mark[EDR_RECORD_MAX];
	_Alignas(8) struct split split[DEPTHS];
};
#define BEGINS 0x80u

/* What runs, whatever argv[0] says, which is the caller's to choose. NULL: none that we know. */
struct by_file {
	const struct tool *exe, *filename;
};

/* One block of arguments that is looked at. */
struct scan {
	struct redact *r;
	struct wire_span block;
	size_t marked;
	bool cut, aws; /* its end is missing; an AWS key id was seen */
	struct by_file by_file;
};

/* The bytes [from, to) of a word are a secret. A wider one swallows those within. */
void scan_mark(struct scan *s, const struct word *w, size_t from, size_t to, enum redact_kind kind);
/* The block with tags in the place of what is marked. How many. */
size_t redact_put(struct scan *s, struct buf *out);
/* As redact_argv(), but where nothing is found nothing is appended. */
size_t redact_changed(struct redact *r, struct wire_span argv, bool cut, struct by_file by_file,
		      struct buf *out);

/* argv.c */
void scan_block(struct scan *s);
void scan_command_line(struct scan *s, const struct word *w, unsigned depth);

/* tools.c, habits.c */
enum { SEEN_LOGIN = 1, SEEN_PASSWD = 2, SEEN_USE = 4, SEEN_BATCH = 8, SEEN_STDIN = 16 };
struct command {
	const struct tool *tool; /* NULL: none that we know */
	unsigned seen;		 /* SEEN_* words of it */
	const struct habit *due; /* the next word is a value of that; or */
	bool option_due;	 /* of an option with a name that says so; or */
	bool line_due;		 /* a command line, behind -c */
	bool exec_due;		 /* a command, behind -exec */
	bool waited;		 /* for `due`: its first word was there */
	bool is_value;		 /* this word is an option's */
	const struct tool
		*around;  /* whose words come behind the ; that ends this one; NULL: none */
	struct word last; /* the last word that is no option, */
	size_t n_words;	  /* of so many */
};
const struct tool *tool_find(const struct redact *r, const char *path, size_t len);
void tool_filter(struct redact *r);
const char *tool_name(size_t i);		/* for a test; NULL behind the last */
bool tool_wraps(const struct command *c);	/* a word of it may be another command's name */
bool tool_takes_lines(const struct command *c); /* or a whole command line */
const struct tool *tool_around(const struct command *c);
const struct tool *tool_of_file(const struct redact *r, struct wire_span path);
unsigned tool_number(const struct tool *t); /* 0: NULL */
bool tool_is_shell(const struct tool *t);
void habit_word(struct scan *s, struct command *c, const struct word *w);
bool habit_due(struct scan *s, struct command *c, const struct word *w);
void habit_end(struct scan *s, const struct command *c);

/* values.c */
bool secret_name(const char *name, size_t len);
bool secret_value(const char *v, size_t len);
bool value_elsewhere(const char *v, size_t len); /* by its beginning */
bool named_option(const struct word *w);	 /* --NAME, whose value comes next */
void named_values(struct scan *s, const struct word *w);

/* shapes.c, tokens.c */
void shape_urls(struct scan *s, const struct word *w);
void shape_headers(struct scan *s, const struct word *w);
void shape_sql(struct scan *s, const struct word *w);
void token_tables(struct redact *r);
void token_keys(struct scan *s, const struct word *w);
void token_words(struct scan *s, const struct word *w);
void token_random(struct scan *s, const struct word *w, const struct word *before);

/* patterns.c */
int patterns_load(struct patterns **out, const char *path, char *err, size_t err_size);
void patterns_free(struct patterns *p);
void patterns_find(struct scan *s, const struct word *w);

/* ---- bytes ---- */

enum {
	CL_WORD = 1,   /* of a token: letters, digits, - _ */
	CL_BASE = 2,   /* of base64 besides: + / = */
	CL_EQUALS = 4, /* = */
	CL_QUOTE = 8,
	CL_COLON = 16,
	CL_NAME = 32, /* of an option's name: letters, digits, - _ . */
	CL_BLANK = 64,
	CL_DASH = 128,
};
extern const unsigned char byte_class[256];

static inline unsigned class_of(char c)
{
	return byte_class[(unsigned char)c];
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool is_alnum(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static inline bool same_text(const char *s, size_t len, const char *text)
{
	return strlen(text) == len && !strncasecmp(s, text, len);
}

#endif
