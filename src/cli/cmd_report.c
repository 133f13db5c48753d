/* SPDX-License-Identifier: MIT */
#include "cli/report_cmd.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/buf.h"
#include "util/text.h"

#define NS_PER_S 1000000000LL
#define S_PER_DAY 86400LL

enum {
	TAKES_JSON = 1,
	TAKES_TEXT = 2,
	TAKES_CHOICE = 4, /* --level, --since, --until */
	TAKES_FORCE = 8
};

static const struct {
	const char *name;
	int (*run)(const struct report_cmd *c);
	size_t arguments; /* behind the name */
	unsigned takes;
} whats[] = {
	{ "list", report_cmd_list, 0, TAKES_JSON | TAKES_CHOICE },
	{ "show", report_cmd_show, 1, TAKES_JSON | TAKES_TEXT | TAKES_CHOICE },
	{ "verify", report_cmd_verify, 0, TAKES_JSON },
	{ "rebuild", report_cmd_rebuild, 0, TAKES_FORCE },
	{ "export", report_cmd_export, 0, TAKES_JSON | TAKES_CHOICE },
};
#define N_WHATS (sizeof(whats) / sizeof(whats[0]))

/* "there is no X 'word'; did you mean Y?" */
static int unknown(const char *what, const char *word, const char *const *names, size_t n)
{
	const char *nearest = conf_nearest(word, names, n);
	struct buf text = { 0 };

	buf_addf(&text, "there is no %s '", what);
	text_term(&text, word, strlen(word));
	buf_adds(&text, nearest ? "'; did you mean " : "'; there are ");
	for (size_t i = 0; !nearest && i < n; i++)
		buf_addf(&text, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", names[i]);
	buf_addf(&text, nearest ? "%s?" : "%s", nearest ? nearest : "");
	cli_fail(EX_USAGE, text.data ? text.data : "out of memory");
	buf_free(&text);
	return EX_USAGE;
}

static int find_what(const struct options *o, size_t *out)
{
	const char *names[N_WHATS];

	for (*out = 0; *out < N_WHATS; (*out)++) {
		names[*out] = whats[*out].name;
		if (o->n_arguments && strcmp(o->arguments[0], names[*out]) == 0)
			return 0;
	}
	if (!o->n_arguments)
		return cli_fail(EX_USAGE, "say what: report list, show, verify, rebuild or export");
	return unknown("such report command as", o->arguments[0], names, N_WHATS);
}

/* What would be passed over in silence is a slip. */
static int check_options(const struct options *o, size_t what)
{
	const struct {
		const char *name;
		bool given;
		unsigned is;
	} given[] = {
		{ "--json", o->json, TAKES_JSON },
		{ "--text", o->text, TAKES_TEXT },
		{ "--level", o->level != NULL, TAKES_CHOICE },
		{ "--since", o->since != NULL, TAKES_CHOICE },
		{ "--until", o->until != NULL, TAKES_CHOICE },
		{ "--force", o->force, TAKES_FORCE },
	};
	char text[CLI_ERR_MAX];

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		if (!given[i].given || (whats[what].takes & given[i].is))
			continue;
		snprintf(text, sizeof(text), "report %s has no option %s", whats[what].name,
			 given[i].name);
		return cli_fail(EX_USAGE, text);
	}
	if (o->json && o->text)
		return cli_fail(EX_USAGE, "--json and --text contradict each other: give one");
	return 0;
}

static int take_level(const char *name, enum report_level *out)
{
	const char *names[N_LEVELS];

	*out = name ? report_level_by_name(name) : N_LEVELS;
	for (size_t i = 0; i < N_LEVELS; i++)
		names[i] = report_levels[i].name;
	return name && *out == N_LEVELS ? unknown("level", name, names, N_LEVELS) : 0;
}

/* "2d": so long ago. Windows are those of this host's clock. */
static bool parse_ago(const char *s, edr_s64 *out)
{
	static const char units[] = "mhdw";
	static const edr_s64 unit_s[] = { 60, 3600, S_PER_DAY, 7 * S_PER_DAY };
	const size_t digits = strspn(s, "0123456789");
	const char *unit = s[digits] ? strchr(units, s[digits]) : NULL;

	if (!digits || digits > 5 || !unit || s[digits + 1])
		return false;
	*out = ((edr_s64)time(NULL) - atoi(s) * unit_s[unit - units]) * NS_PER_S;
	return true;
}

/* n digits and what stands before them. */
static bool field(const char **s, char before, int n, int max, int *out)
{
	*out = 0;
	if (before && *(*s)++ != before)
		return false;
	for (; n; n--) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (*(*s)++ - '0');
	}
	return *out <= max;
}

/* Z, +01:00; nothing is UTC as well. In seconds. */
static bool parse_zone(const char *s, edr_s64 *out)
{
	const char sign = *s;
	int hours, minutes;

	*out = 0;
	if (sign == '\0' || strcmp(s, "Z") == 0)
		return true;
	if ((sign != '+' && sign != '-') || !field(&s, sign, 2, 23, &hours) ||
	    !field(&s, ':', 2, 59, &minutes))
		return false;
	*out = ((edr_s64)hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
	return *s == '\0';
}

/* 2026-11-21[T20:00[:00[.0]][Z|+01:00]] */
static bool parse_time(const char *s, edr_s64 *out)
{
	int hour = 0, minute = 0, second = 0;
	struct report_date d, again;
	edr_s64 zone = 0;

	if (parse_ago(s, out))
		return true;
	if (!field(&s, '\0', 4, 9999, &d.year) || !field(&s, '-', 2, 12, &d.month) ||
	    !field(&s, '-', 2, 31, &d.day) || d.year < 1970 || d.month < 1 || d.day < 1)
		return false;
	again = report_date_of_day(report_day_of_date(d));
	if (again.day != d.day || (*s != '\0' && *s != 'T'))
		return false;
	if (*s == 'T') {
		if (!field(&s, 'T', 2, 23, &hour) || !field(&s, ':', 2, 59, &minute) ||
		    (*s == ':' && !field(&s, ':', 2, 59, &second)))
			return false;
		if (*s == '.')
			s += 1 + strspn(s + 1, "0123456789"); /* windows begin on whole seconds */
		if (!parse_zone(s, &zone))
			return false;
	}
	*out = (report_day_of_date(d) * S_PER_DAY + ((edr_s64)hour * 60 + minute) * 60 + second -
		zone) *
	       NS_PER_S;
	return true;
}

static int take_time(const char *option, const char *value, edr_s64 fallback, edr_s64 *out)
{
	struct buf text = { 0 };

	*out = fallback;
	if (!value || parse_time(value, out))
		return 0;
	buf_addf(&text, "option %s: '", option);
	text_term(&text, value, strlen(value));
	buf_adds(&text,
		 "' is no time: give 2026-11-21, 2026-11-21T20:00 (UTC) or 2d (m, h, d, w ago)");
	cli_fail(EX_USAGE, text.data ? text.data : "out of memory");
	buf_free(&text);
	return EX_USAGE;
}

/* ---- choosing ---- */

static int compare_choices(const void *a, const void *b)
{
	const struct report_choice *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return strcmp(x->file.id, y->file.id);
}

static int add_level(const struct report_cmd *c, enum report_level level,
		     struct report_choice **out, size_t *n)
{
	struct report_choice *grown;
	struct report_files files;
	int err = report_files_list(c->store, report_levels[level].dir, &files);

	if (err)
		return err;
	grown = realloc(*out, (*n + files.n + 1) * sizeof(*grown));
	if (grown)
		*out = grown;
	for (size_t i = 0; grown && i < files.n; i++) {
		struct report_choice one = { .level = level, .file = files.file[i] };

		report_level_of_id(one.file.id, &one.start_ns);
		if (one.start_ns >= c->since_ns && one.start_ns < c->until_ns)
			grown[(*n)++] = one;
	}
	report_files_free(&files);
	return grown ? 0 : -ENOMEM;
}

int report_cmd_choose(const struct report_cmd *c, struct report_choice **out, size_t *n)
{
	int err = 0;

	*out = NULL;
	*n = 0;
	for (enum report_level i = 0; !err && i < N_LEVELS; i++)
		if (c->level == i || (c->level == N_LEVELS && i != LEVEL_INTERIM))
			err = add_level(c, i, out, n);
	if (err) {
		free(*out);
		*out = NULL;
		*n = 0;
	} else if (*n) {
		qsort(*out, *n, sizeof(**out), compare_choices);
	}
	return err;
}

/* ---- running ---- */

static int open_and_run(struct report_cmd *c, size_t what)
{
	char err[CLI_ERR_MAX] = "";
	int status = 0;

	/* Who may not read the key may read the reports all the same; only these two vouch for them. */
	if (*c->conf->chain_key_file &&
	    chain_key_load(&c->key, c->conf->chain_key_file, err, sizeof(err)) != 0 &&
	    (whats[what].run == report_cmd_verify || whats[what].run == report_cmd_rebuild))
		return cli_fail(EX_CONFIG, err);
	/* To read: it makes no directory that was misspelt. */
	if (report_store_open_read(&c->store, c->conf->reports_dir, err, sizeof(err)) != 0)
		status = cli_fail(EX_NOINPUT, err);
	if (status == 0)
		status = whats[what].run(c);
	report_store_close(c->store);
	chain_key_wipe(&c->key);
	return status;
}

int cmd_report(const struct options *o)
{
	struct report_cmd c = { .o = o };
	struct conf_set *set = NULL;
	char err[CLI_ERR_MAX];
	char *file = NULL;
	size_t what;
	int status = find_what(o, &what);

	if (status == 0)
		status = check_options(o, what);
	if (status == 0)
		status = take_level(o->level, &c.level);
	if (status == 0)
		status = take_time("--since", o->since, INT64_MIN, &c.since_ns);
	if (status == 0)
		status = take_time("--until", o->until, INT64_MAX, &c.until_ns);
	if (status != 0)
		return status;
	if (o->n_arguments - 1 > whats[what].arguments)
		return cli_fail(EX_USAGE, "too many arguments");
	c.id = o->n_arguments > 1 ? o->arguments[1] : NULL;
	status = options_conf(o, &set, &file, err, sizeof(err));
	if (status != 0)
		return cli_fail(status, err);
	c.conf = conf_get(set);
	status = open_and_run(&c, what);
	conf_free(set);
	free(file);
	return status;
}
