/* SPDX-License-Identifier: MIT */
/* The rows of the tables in tools.c. */
#ifndef EDR_REDACT_HABITS_H
#define EDR_REDACT_HABITS_H

#include "redact/private.h"

/* How the value of an option stands to it, and what has to be there too. */
enum {
	NEXT = 1,    /* -p V */
	JOINED = 2,  /* -pV, --user=V */
	BUNDLE = 4,  /* -sSLu V */
	LOGIN = 8,   /* behind the word "login" */
	EQUALS = 16, /* -p=V too */
	WORD = 32,   /* V does not begin with a dash */
	REST = 64,   /* all words that follow */
	LATER = 128, /* not the next word, the one behind that */
};

/* What of the value is the secret. */
enum part {
	PART_ALL,
	PART_COLON,   /* user:V */
	PART_PERCENT, /* user%V */
	PART_COMMA,   /* user,V */
	PART_LABEL,   /* pass:V, key:V */
	PART_COOKIE,  /* name=V, else it is a file's name */
	PART_SLASH,   /* user/V@database */
	PART_HOST,    /* user:V@host */
	PART_NONE,    /* nothing: it is no word of the command's own */
};

/* What holds for a command without an option. */
enum {
	T_WRAPS = 1,	     /* another command is among its words */
	T_SHELL = 2,	     /* -c has a command line */
	T_NAMED = 4,	     /* password V, aws_secret_access_key V: without a dash */
	T_LAST_OF_BATCH = 8, /* with -b the last word */
	T_SECOND = 16,	     /* its second word */
	T_NET_USE = 32,	     /* use Z: \\host\share V */
	T_EXEC = 64,	     /* another command stands behind -exec, up to ; */
	T_MANY = 128,	     /* one file is many commands: its name tells nothing */
	T_LINES = 512,	     /* a command line is among its words */
	T_PASSWD = 256,	     /* the words behind the word "passwd" */
};

struct habit {
	const char *option;
	unsigned how;
	enum part part;
};

struct tool {
	const char *name;
	const struct habit *habits; /* up to one without an option; NULL: none */
	unsigned flags;
};

#endif
