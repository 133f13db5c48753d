/* SPDX-License-Identifier: MIT */
/* Values with their origins: defaults, environment, options. The file's part is in file.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/table.h"
#include "util/log.h"
#include "util/text.h"

#define ENV_PREFIX "LINUX_EDR_"
#define ENV_API_KEY "OPENAI_API_KEY"

int conf_set_value(struct conf_set *s, size_t i, const char *value, const struct conf_where *where,
		   struct buf *why)
{
	const struct conf_key *key = &conf_table[i];
	struct conf_where kept = *where;
	struct conf fresh = { 0 };
	int err;

	if (where->text) {
		kept.text = strdup(where->text);
		if (!kept.text)
			return -ENOMEM;
	}
	err = conf_assign(&fresh, key, value, why);
	if (err) {
		free(kept.text);
		return err;
	}
	conf_value_free(&s->conf, key);
	switch (key->type) {
	case CONF_BOOL:
		*(bool *)conf_field(&s->conf, key) = *(bool *)conf_field(&fresh, key);
		break;
	case CONF_UINT:
		*(unsigned *)conf_field(&s->conf, key) = *(unsigned *)conf_field(&fresh, key);
		break;
	case CONF_CHOICE:
	case CONF_STRING:
		*(char **)conf_field(&s->conf, key) = *(char **)conf_field(&fresh, key);
		break;
	case CONF_LIST:
		*(struct conf_list *)conf_field(&s->conf, key) =
			*(struct conf_list *)conf_field(&fresh, key);
		break;
	}
	free(s->where[i].text);
	s->where[i] = kept;
	return 0;
}

struct conf_set *conf_new(void)
{
	struct conf_set *s = calloc(1, sizeof(*s));
	const struct conf_where where = { .origin = CONF_DEFAULT };
	struct buf why = { 0 };

	for (size_t i = 0; s && i < conf_table_size; i++) {
		/* Past the check for emptiness and the like, a default is as good as any other value: a test says so. */
		if (conf_set_value(s, i, conf_table[i].fallback, &where, &why) != 0) {
			conf_free(s);
			s = NULL;
		}
	}
	buf_free(&why);
	return s;
}

void conf_free(struct conf_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < conf_table_size; i++) {
		conf_value_free(&s->conf, &conf_table[i]);
		free(s->where[i].text);
	}
	free(s);
}

const struct conf *conf_get(const struct conf_set *s)
{
	return &s->conf;
}

static int say(char *err, size_t err_size, struct buf *text, int status)
{
	snprintf(err, err_size, "%s",
		 status == -ENOMEM || !text->data ? "out of memory" : text->data);
	buf_free(text);
	return status;
}

/* "WHERE: KEY WHY; it is 'VALUE'" */
static int complain(char *err, size_t err_size, const char *where, const struct conf_key *key,
		    const char *value, struct buf *why, int status)
{
	struct buf text = { 0 };

	buf_addf(&text, "%s: %s %s", where, key->key, why->data ? why->data : "");
	if (!(key->flags & (CONF_SECRET | CONF_URL))) {
		buf_addf(&text, "%s '", conf_but_it_is(why));
		text_term(&text, value, strlen(value));
		buf_adds(&text, "'");
	}
	return say(err, err_size, &text, status);
}

static void warn_unknown(const char *name, size_t len)
{
	const char *names[CONF_MAX_KEYS], *nearest = NULL;
	struct buf known[CONF_MAX_KEYS] = { 0 }, text = { 0 };
	char *word = strndup(name, len);

	text_term(&text, name, len);
	for (size_t i = 0; i < conf_table_size; i++) {
		conf_env_name(&conf_table[i], &known[i]);
		names[i] = known[i].data ? known[i].data : "";
	}
	if (word)
		nearest = conf_nearest(word, names, conf_table_size);
	log_warn("conf", "environment variable %s names no key%s%s%s", text.data ? text.data : "",
		 nearest ? "; did you mean " : ", and has no effect", nearest ? nearest : "",
		 nearest ? "?" : "");
	for (size_t i = 0; i < conf_table_size; i++)
		buf_free(&known[i]);
	buf_free(&text);
	free(word);
}

static int env_index(const char *name, size_t len)
{
	int found = -1;

	for (size_t i = 0; i < conf_table_size && found < 0; i++) {
		struct buf known = { 0 };

		conf_env_name(&conf_table[i], &known);
		if (known.data && known.len == len && memcmp(known.data, name, len) == 0)
			found = (int)i;
		buf_free(&known);
	}
	return found;
}

static int set_env(struct conf_set *s, size_t i, const char *name, const char *value, char *err,
		   size_t err_size)
{
	const struct conf_where where = { .origin = CONF_ENV, .text = (char *)(size_t)name };
	struct buf why = { 0 }, text = { 0 };
	int status = conf_set_value(s, i, value, &where, &why);

	if (status) {
		buf_adds(&text, "environment variable ");
		buf_adds(&text, name);
		complain(err, err_size, text.data ? text.data : "", &conf_table[i], value, &why,
			 status);
	}
	buf_free(&text);
	buf_free(&why);
	return status;
}

/* The provider's own variable counts only when nothing of ours gives a key, as in the original. */
static int set_api_key(struct conf_set *s, const char *value, char *err, size_t err_size)
{
	int i = env_index("LINUX_EDR_OPENAI_API_KEY", strlen("LINUX_EDR_OPENAI_API_KEY"));

	if (i < 0 || !value || !*value || *s->conf.api_key)
		return 0;
	return set_env(s, (size_t)i, ENV_API_KEY, value, err, err_size);
}

int conf_load_env(struct conf_set *s, char *const *environ_, char *err, size_t err_size)
{
	const char *api_key = NULL;

	for (; environ_ && *environ_; environ_++) {
		const char *equals = strchr(*environ_, '=');
		char name[96];
		size_t len;
		int i, status;

		if (!equals)
			continue;
		len = (size_t)(equals - *environ_);
		if (len == strlen(ENV_API_KEY) && memcmp(*environ_, ENV_API_KEY, len) == 0)
			api_key = equals + 1;
		if (strncmp(*environ_, ENV_PREFIX, strlen(ENV_PREFIX)) != 0)
			continue;
		i = env_index(*environ_, len);
		if (i < 0 || len >= sizeof(name)) {
			warn_unknown(*environ_, len);
			continue;
		}
		memcpy(name, *environ_, len);
		name[len] = '\0';
		status = set_env(s, (size_t)i, name, equals + 1, err, err_size);
		if (status)
			return status;
	}
	return set_api_key(s, api_key, err, err_size);
}

int conf_set_option(struct conf_set *s, const char *section, const char *key, const char *value,
		    const char *option, char *err, size_t err_size)
{
	const struct conf_where where = { .origin = CONF_OPTION, .text = (char *)(size_t)option };
	struct buf why = { 0 }, text = { 0 };
	int status = 0, i = conf_find(section, key, &why);

	if (i < 0) {
		buf_addf(&text, "option %s: %s", option, why.data ? why.data : "");
		status = say(err, err_size, &text, -EINVAL);
	} else {
		status = conf_set_value(s, (size_t)i, value, &where, &why);
		buf_addf(&text, "option %s", option);
		if (status)
			complain(err, err_size, text.data ? text.data : "", &conf_table[i], value,
				 &why, status);
		buf_free(&text);
	}
	buf_free(&why);
	return status;
}

size_t conf_needs_restart(const struct conf_set *a, const struct conf_set *b, const char **out,
			  size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < conf_table_size && n < max; i++) {
		if ((conf_table[i].flags & CONF_LIVE) == 0 &&
		    !conf_value_equal(&a->conf, &b->conf, &conf_table[i]))
			out[n++] = conf_table[i].key;
	}
	return n;
}
