/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/log.h"
#include "util/text.h"

#define MAX_OPTIONS 48
#define MAX_SECONDS 3600
#define KEY_BASE 1000 /* getopt's value of the option of key i is this and i */

/* Options that set no key, or one in another way. */
enum {
	OPT_HELP = 256,
	OPT_VERSION,
	OPT_JSON,
	OPT_SAMPLE,
	OPT_ROFF,
	OPT_SET,
	OPT_FALLBACK,
	OPT_TEXT,
	OPT_LEVEL,
	OPT_SINCE,
	OPT_UNTIL,
	OPT_FORCE,
	OPT_STATS,
	OPT_SECONDS,
	OPT_DRY_RUN,
	OPT_OVER_BUDGET
};

static const struct {
	struct option option;
	unsigned accepts; /* 0: always */
} extra[] = {
	{ { "help", no_argument, NULL, 'h' }, 0 },
	{ { "version", no_argument, NULL, OPT_VERSION }, 0 },
	{ { "config", required_argument, NULL, 'c' }, OPTIONS_CONF },
	{ { "set", required_argument, NULL, OPT_SET }, OPTIONS_CONF },
	{ { "fallback-ftrace", no_argument, NULL, OPT_FALLBACK }, OPTIONS_CONF },
	{ { "json", no_argument, NULL, OPT_JSON }, OPTIONS_JSON },
	{ { "sample", no_argument, NULL, OPT_SAMPLE }, OPTIONS_SAMPLE },
	{ { "roff", no_argument, NULL, OPT_ROFF }, OPTIONS_SAMPLE },
	{ { "text", no_argument, NULL, OPT_TEXT }, OPTIONS_REPORT },
	{ { "level", required_argument, NULL, OPT_LEVEL }, OPTIONS_REPORT },
	{ { "since", required_argument, NULL, OPT_SINCE }, OPTIONS_REPORT },
	{ { "until", required_argument, NULL, OPT_UNTIL }, OPTIONS_REPORT },
	{ { "force", no_argument, NULL, OPT_FORCE }, OPTIONS_REPORT },
	{ { "stats", no_argument, NULL, OPT_STATS }, OPTIONS_STATS },
	{ { "seconds", required_argument, NULL, OPT_SECONDS }, OPTIONS_STATS },
	{ { "dry-run", no_argument, NULL, OPT_DRY_RUN }, OPTIONS_ANALYZE },
	{ { "over-budget", no_argument, NULL, OPT_OVER_BUDGET }, OPTIONS_ANALYZE },
};

struct table {
	struct option options[MAX_OPTIONS];
	const char *names[MAX_OPTIONS];
	size_t n;
	char letters[3 * MAX_OPTIONS];
};

static void add(struct table *t, struct option option, int letter)
{
	size_t len = strlen(t->letters);

	/* The last one stays empty: it ends the table. */
	if (t->n + 1 >= MAX_OPTIONS)
		return;
	t->options[t->n] = option;
	t->names[t->n++] = option.name;
	if (letter) {
		t->letters[len++] = (char)letter;
		if (option.has_arg)
			t->letters[len++] = ':';
		t->letters[len] = '\0';
	}
}

static void make_table(struct table *t, unsigned accepts)
{
	const char *section, *key, *help;
	struct conf_option opt;

	memset(t, 0, sizeof(*t));
	t->letters[0] = ':'; /* tell a missing argument from an unknown option */
	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++) {
		int letter = extra[i].option.val < OPT_HELP ? extra[i].option.val : 0;

		if (!extra[i].accepts || (extra[i].accepts & accepts))
			add(t, extra[i].option, letter);
	}
	if (!(accepts & OPTIONS_CONF))
		return;
	for (size_t i = 0; conf_key(i, &section, &key, &opt, &help); i++) {
		struct option option = { opt.name, opt.arg ? required_argument : no_argument, NULL,
					 KEY_BASE + (int)i };

		if (opt.name)
			add(t, option, opt.letter);
	}
}

static int add_setting(struct options *o, const char *section, const char *key, const char *value,
		       const char *option)
{
	struct option_setting *grown, *s;

	grown = realloc(o->settings, (o->n_settings + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	o->settings = grown;
	s = &grown[o->n_settings++];
	s->section = strdup(section);
	s->key = strdup(key);
	s->value = strdup(value);
	s->option = strdup(option);
	return s->section && s->key && s->value && s->option ? 0 : -ENOMEM;
}

/* The i-th key by its option, long or short. */
static int set_key(struct options *o, size_t i, const char *value)
{
	const char *section, *key, *help;
	struct conf_option opt;
	char name[64];

	conf_key(i, &section, &key, &opt, &help);
	snprintf(name, sizeof(name), "--%s", opt.name);
	return add_setting(o, section, key, opt.arg ? value : opt.implied, name);
}

static int key_of_letter(int letter)
{
	const char *section, *key, *help;
	struct conf_option opt;

	for (size_t i = 0; conf_key(i, &section, &key, &opt, &help); i++)
		if (opt.letter && opt.letter == letter)
			return (int)i;
	return -1;
}

/* SECTION.KEY=VALUE */
static int set_any(struct options *o, const char *arg, char *err, size_t err_size)
{
	const char *dot = strchr(arg, '.'), *equals = strchr(arg, '=');
	char *section, *key;
	int status;

	if (!dot || !equals || equals < dot) {
		snprintf(err, err_size,
			 "option --set: give SECTION.KEY=VALUE, as in --set "
			 "LIMITS.max_processes=65536");
		return -EINVAL;
	}
	section = strndup(arg, (size_t)(dot - arg));
	key = strndup(dot + 1, (size_t)(equals - dot - 1));
	status = section && key ? add_setting(o, section, key, equals + 1, "--set") : -ENOMEM;
	if (key && strcasecmp(key, "api_key") == 0)
		log_warn("cli", "a key given as an option can be read by every user of this host: "
				"use the file "
				"or the environment");
	free(section);
	free(key);
	return status;
}

static int complain(char *err, size_t err_size, const char *what, const char *word,
		    const char *nearest)
{
	struct buf shown = { 0 };

	text_term(&shown, word, strlen(word));
	snprintf(err, err_size, "%s '%.200s'; %s%s%s", what, shown.data ? shown.data : "",
		 nearest ? "did you mean --" : "--help lists them", nearest ? nearest : "",
		 nearest ? "?" : "");
	buf_free(&shown);
	return -EINVAL;
}

static int unknown_option(const struct table *t, char **argv, char *err, size_t err_size)
{
	const char *arg = argv[optind - 1];
	const char *nearest = NULL;
	char word[64], letter[3] = { '-', (char)optopt, '\0' };
	size_t len;

	if (strncmp(arg, "--", 2) != 0) {
		/* Amid a bundle of letters, optind is still at it. A long option with one dash is a common slip. */
		if (argv[optind] && argv[optind][0] == '-' && strchr(argv[optind], optopt))
			arg = argv[optind];
		if (arg[0] == '-' && strlen(arg) > 2)
			nearest = conf_nearest(arg + 1, t->names, t->n);
		return complain(err, err_size, "unknown option", nearest ? arg : letter, nearest);
	}
	len = strcspn(arg + 2, "=");
	snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), arg + 2);
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->names[i], word) == 0)
			return complain(err, err_size, "this option takes no argument:", arg, NULL);
	return complain(err, err_size, "unknown option", arg, conf_nearest(word, t->names, t->n));
}

static int missing_argument(const struct table *t, char *err, size_t err_size)
{
	int key = key_of_letter(optopt), value = key < 0 ? optopt : KEY_BASE + key;

	for (size_t i = 0; i < t->n; i++)
		if (t->options[i].val == value)
			snprintf(err, err_size, "option --%s needs an argument", t->names[i]);
	return -EINVAL;
}

static int set_seconds(struct options *o, const char *arg, char *err, size_t err_size)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (arg[0] < '0' || arg[0] > '9' || *end || n < 1 || n > MAX_SECONDS) {
		snprintf(err, err_size, "option --seconds: give a number from 1 to %d",
			 MAX_SECONDS);
		return -EINVAL;
	}
	o->seconds = (unsigned)n;
	return 0;
}

static int take(struct options *o, int value, char *err, size_t err_size)
{
	switch (value) {
	case 'h':
		o->help = true;
		return 0;
	case OPT_VERSION:
		o->version = true;
		return 0;
	case 'c':
		o->config = optarg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_SAMPLE:
		o->sample = true;
		return 0;
	case OPT_ROFF:
		o->roff = true;
		return 0;
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_DRY_RUN:
		o->dry_run = true;
		return 0;
	case OPT_OVER_BUDGET:
		o->over_budget = true;
		return 0;
	case OPT_STATS:
		o->stats = true;
		return 0;
	case OPT_SECONDS:
		return set_seconds(o, optarg, err, err_size);
	case OPT_TEXT:
		o->text = true;
		return 0;
	case OPT_LEVEL:
		o->level = optarg;
		return 0;
	case OPT_SINCE:
		o->since = optarg;
		return 0;
	case OPT_UNTIL:
		o->until = optarg;
		return 0;
	case OPT_SET:
		return set_any(o, optarg, err, err_size);
	case OPT_FALLBACK:
		return add_setting(o, "SOURCE", "source", "ftrace", "--fallback-ftrace");
	default:
		if (value >= KEY_BASE)
			return set_key(o, (size_t)(value - KEY_BASE), optarg);
		return set_key(o, (size_t)key_of_letter(value), optarg);
	}
}

int options_parse(struct options *o, int argc, char **argv, unsigned accepts, char *err,
		  size_t err_size)
{
	struct table t;
	int value, status = 0;

	memset(o, 0, sizeof(*o));
	make_table(&t, accepts);
	opterr = 0;
	optind = 0; /* glibc: begin anew, whatever was parsed before */
	while (status == 0 && (value = getopt_long(argc, argv, t.letters, t.options, NULL)) != -1) {
		if (value == '?')
			status = unknown_option(&t, argv, err, err_size);
		else if (value == ':')
			status = missing_argument(&t, err, err_size);
		else
			status = take(o, value, err, err_size);
	}
	if (status == -ENOMEM)
		snprintf(err, err_size, "out of memory");
	o->arguments = argv + optind;
	o->n_arguments = (size_t)(argc - optind);
	return status;
}

void options_free(struct options *o)
{
	for (size_t i = 0; i < o->n_settings; i++) {
		free(o->settings[i].section);
		free(o->settings[i].key);
		free(o->settings[i].value);
		free(o->settings[i].option);
	}
	free(o->settings);
	memset(o, 0, sizeof(*o));
}

static int load_file(const struct options *o, struct conf_set *s, char **file, char *err,
		     size_t err_size)
{
	int status;

	if (!o->config)
		return conf_load_default_file(s, file, err, err_size);
	*file = strdup(o->config);
	status = *file ? conf_load_file(s, o->config, err, err_size) : -ENOMEM;
	return status;
}

int options_conf(const struct options *o, struct conf_set **set, char **file, char *err,
		 size_t err_size)
{
	struct conf_set *s = conf_new();
	int status;

	*file = NULL;
	*set = NULL;
	if (!s) {
		snprintf(err, err_size, "out of memory");
		return EX_OSERR;
	}
	status = load_file(o, s, file, err, err_size) ? EX_CONFIG : 0;
	if (status == 0 && conf_load_env(s, environ, err, err_size) != 0)
		status = EX_CONFIG;
	for (size_t i = 0; status == 0 && i < o->n_settings; i++) {
		const struct option_setting *w = &o->settings[i];

		if (conf_set_option(s, w->section, w->key, w->value, w->option, err, err_size) != 0)
			status = EX_USAGE;
	}
	if (status == 0) {
		*set = s;
		return 0;
	}
	conf_free(s);
	free(*file);
	*file = NULL;
	return status;
}
