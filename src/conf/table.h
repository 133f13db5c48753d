/* SPDX-License-Identifier: MIT */
/*
 * The one table of configuration keys, private to this room: parsing, validation, the environment's names, show-config,
 * the sample file and the man page's table all come from it.
 */
#ifndef EDR_CONF_TABLE_H
#define EDR_CONF_TABLE_H

#include "conf/conf.h"
#include "util/buf.h"

enum conf_type { CONF_STRING, CONF_BOOL, CONF_UINT, CONF_CHOICE, CONF_LIST };

#define CONF_SECRET 0x1u /* masked wherever it is printed */
#define CONF_LIVE 0x2u	 /* SIGHUP can change it */
#define CONF_MAY_BE_EMPTY 0x4u
#define CONF_URL 0x8u /* what may be a password in it is masked */

/* Is value (an item, for a list) good? If not, what is wrong goes to why: "must be ...". */
typedef bool (*conf_check_fn)(const char *value, struct buf *why);

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	unsigned flags;
	size_t offset; /* in struct conf */
	const char *fallback;
	unsigned long min, max;	    /* CONF_UINT; CONF_LIST: max items */
	const char *const *choices; /* CONF_CHOICE, ends with NULL */
	conf_check_fn check;	    /* may be NULL */
	struct conf_option option;  /* name NULL: only --set and the environment */
	const char *help;
};

extern const struct conf_key conf_table[];
extern const size_t conf_table_size;

#define CONF_MAX_KEYS 96

/* Names in either case. -1 when there is none, with what is wrong and the nearest name in why. */
int conf_find(const char *section, const char *key, struct buf *why);
bool conf_section_known(const char *section, struct buf *why);
/* Validates text and, when it is good, puts it into out; why says what is wrong: "must be ...". 0, -EINVAL, -ENOMEM. */
int conf_assign(struct conf *out, const struct conf_key *key, const char *text, struct buf *why);
/* The value as it would stand in a file. */
void conf_value_text(const struct conf *conf, const struct conf_key *key, struct buf *out);
/* Puts stars in place of what nobody may see of it. */
void conf_mask(const struct conf_key *key, struct buf *text);
void conf_value_free(struct conf *conf, const struct conf_key *key);
bool conf_value_equal(const struct conf *a, const struct conf *b, const struct conf_key *key);
void conf_env_name(const struct conf_key *key, struct buf *out);

/* The items of "a, b\, c" with their escapes resolved; a line break separates as a comma does. 0 or -ENOMEM. */
int conf_list_parse(const char *text, struct conf_list *out);
void conf_list_free(struct conf_list *list);

static inline void *conf_field(const struct conf *conf, const struct conf_key *key)
{
	return (char *)(void *)(size_t)conf + key->offset;
}

/* What a conf_set knows of one value. */
struct conf_where {
	enum conf_origin origin;
	char *text;    /* file, variable or option; NULL for a default */
	unsigned line; /* of the file */
};

struct conf_set {
	struct conf conf;
	struct conf_where where[CONF_MAX_KEYS];
};

/* What stands between why a value is wrong and the value. */
static inline const char *conf_but_it_is(const struct buf *why)
{
	return why->data && why->len > 0 && why->data[why->len - 1] == '?' ? " It is" : "; it is";
}

/* Sets key number i; origin, text and line say where the value comes from. 0, -EINVAL (why), -ENOMEM. */
int conf_set_value(struct conf_set *s, size_t i, const char *value, const struct conf_where *where,
		   struct buf *why);

#endif
