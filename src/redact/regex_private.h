/* SPDX-License-Identifier: MIT */
/* A program: regex_parse.c makes it, regex.c runs it. */
#ifndef EDR_REDACT_REGEX_PRIVATE_H
#define EDR_REDACT_REGEX_PRIVATE_H

#include <stdint.h>

#include "redact/regex.h"

#define REGEX_SETS 256

enum op { OP_BYTE, OP_SET, OP_ANY, OP_SPLIT, OP_JUMP, OP_SAVE, OP_BEGIN, OP_END, OP_MATCH };

/* x and y are steps from the instruction itself, so that a piece of program can be copied. */
struct instruction {
	enum op op;
	int x, y; /* SPLIT tries x first */
};

struct set {
	uint8_t bit[32];
};

struct regex {
	struct instruction *code;
	struct set *set;
	int n, n_sets;
	bool grouped;	   /* a first group was met */
	struct set first;  /* bytes that a match can begin with, */
	bool may_be_empty; /* or none */
};

static inline bool regex_in_set(const struct set *s, unsigned char c)
{
	return s->bit[c >> 3] >> (c & 7) & 1;
}

static inline void regex_set_add(struct set *s, unsigned char c)
{
	s->bit[c >> 3] = (uint8_t)(s->bit[c >> 3] | 1u << (c & 7));
}

/* NULL, or what is wrong. re has room for REGEX_MAX instructions and REGEX_SETS sets. */
const char *regex_parse(struct regex *re, const char *text, size_t len);

#endif
