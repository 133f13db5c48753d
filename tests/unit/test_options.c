/* SPDX-License-Identifier: MIT */
/* The command line: what it sets, and what is said of what is wrong in it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"

#define MAX_ARGS 32

static char err[1024];

/* Parses the words of a line; the copy stays as long as the options do. */
static int parse(struct options *o, const char *line, unsigned accepts)
{
	static char copy[1024], *argv[MAX_ARGS];
	int argc = 0;

	snprintf(copy, sizeof(copy), "command %s", line);
	for (char *word = strtok(copy, " "); word && argc < MAX_ARGS - 1; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	err[0] = '\0';
	return options_parse(o, argc, argv, accepts, err, sizeof(err));
}

static void refused(const char *line, const char *sentence)
{
	struct options o;

	ck_assert_int_eq(parse(&o, line, OPTIONS_CONF | OPTIONS_JSON | OPTIONS_SAMPLE), -EINVAL);
	ck_assert_msg(strstr(err, sentence), "'%s' is not in: %s", sentence, err);
	options_free(&o);
}

/* The configuration that the line gives, over no file and no environment. */
static struct conf_set *conf_of(struct options *o, const char *line)
{
	struct conf_set *set = NULL;
	char *file = NULL, text[512];

	snprintf(text, sizeof(text), "-c /dev/null %s", line);
	ck_assert_msg(parse(o, text, OPTIONS_CONF) == 0, "%s", err);
	ck_assert_msg(options_conf(o, &set, &file, err, sizeof(err)) == 0, "%s", err);
	ck_assert_str_eq(file, "/dev/null");
	free(file);
	return set;
}

START_TEST(test_each_option)
{
	struct options o;
	struct conf_set *set =
		conf_of(&o, "-i 5 -o out.jsonl -d --source=bpf --hooks lean --reports-dir /r "
			    "--record=cap --stdout --set LIMITS.max_processes=64");
	const struct conf *c = conf_get(set);

	ck_assert_uint_eq(c->report_interval, 5);
	ck_assert_str_eq(c->output, "out.jsonl");
	ck_assert(c->debug);
	ck_assert_str_eq(c->source, "bpf");
	ck_assert_str_eq(c->hooks, "lean");
	ck_assert_str_eq(c->reports_dir, "/r");
	ck_assert_str_eq(c->record, "cap");
	ck_assert(c->stdout_events);
	ck_assert_uint_eq(c->max_processes, 64);
	conf_free(set);
	options_free(&o);

	set = conf_of(&o, "--config=/dev/null --interval=240 --output x --debug --source bpf "
			  "--fallback-ftrace");
	c = conf_get(set);
	ck_assert_uint_eq(c->report_interval, 240);
	ck_assert_str_eq(c->output, "x");
	ck_assert(c->debug);
	ck_assert_str_eq(c->source, "ftrace");
	conf_free(set);
	options_free(&o);

	set = conf_of(&o, "--source bpf-plain --btf-path /a/b.btf");
	c = conf_get(set);
	ck_assert_str_eq(c->source, "bpf-plain");
	ck_assert_str_eq(c->btf_path, "/a/b.btf");
	conf_free(set);
	options_free(&o);
}
END_TEST

/* Every key, those without an option of their own too. */
START_TEST(test_set_every_key)
{
	const char *section, *key, *help;
	struct conf_option opt;

	for (size_t i = 0; conf_key(i, &section, &key, &opt, &help); i++) {
		struct options o;
		char line[160];

		snprintf(line, sizeof(line), "--set %s.%s=x=1,%%", section, key);
		ck_assert_int_eq(parse(&o, line, OPTIONS_CONF), 0);
		ck_assert_uint_eq(o.n_settings, 1);
		ck_assert_str_eq(o.settings[0].section, section);
		ck_assert_str_eq(o.settings[0].key, key);
		ck_assert_str_eq(o.settings[0].value, "x=1,%");
		options_free(&o);
	}
}
END_TEST

START_TEST(test_last_wins)
{
	struct options o;
	struct conf_set *set = conf_of(&o, "-i 5 --set DEFAULT.report_interval=10 -i 20");

	ck_assert_uint_eq(conf_get(set)->report_interval, 20);
	conf_free(set);
	options_free(&o);
}
END_TEST

START_TEST(test_arguments)
{
	struct options o;

	ck_assert_int_eq(parse(&o, "FILE -i 5 --json", OPTIONS_CONF | OPTIONS_JSON), 0);
	ck_assert_uint_eq(o.n_arguments, 1);
	ck_assert_str_eq(o.arguments[0], "FILE");
	ck_assert(o.json && !o.sample && !o.help && !o.version);
	options_free(&o);
	ck_assert_int_eq(parse(&o, "-- -i", OPTIONS_CONF), 0);
	ck_assert_uint_eq(o.n_arguments, 1);
	ck_assert_str_eq(o.arguments[0], "-i");
	options_free(&o);
	ck_assert_int_eq(parse(&o, "-h --version --sample --roff", OPTIONS_SAMPLE), 0);
	ck_assert(o.help && o.version && o.sample && o.roff);
	options_free(&o);
}
END_TEST

START_TEST(test_wrong)
{
	struct options o;

	refused("--intreval 3", "unknown option '--intreval'; did you mean --interval?");
	refused("--ouput=/secret", "did you mean --output?");
	refused("-record", "did you mean --record?");
	refused("-x", "unknown option '-x'; --help lists them");
	refused("--frobnicate", "--help lists them");
	refused("--interval", "option --interval needs an argument");
	refused("-c", "option --config needs an argument");
	refused("--set", "option --set needs an argument");
	refused("--stdout=yes", "takes no argument");
	refused("--set debug=true", "SECTION.KEY=VALUE");
	refused("--set DEFAULT.debug", "SECTION.KEY=VALUE");
	refused("--set debug=a.b", "SECTION.KEY=VALUE");
	refused("--\x1b[2J", "\\x1b[2J");
	/* What a command does not take is unknown to it. */
	ck_assert_int_eq(parse(&o, "--json", OPTIONS_CONF), -EINVAL);
	options_free(&o);
	ck_assert_int_eq(parse(&o, "-i 5", 0), -EINVAL);
	options_free(&o);
}
END_TEST

START_TEST(test_status)
{
	static const struct {
		const char *line;
		int status;
		const char *sentence;
	} wrong[] = {
		{ "-c /dev/null -i 7", EX_USAGE, "option --interval: report_interval must" },
		{ "-c /dev/null --set LIMITS.x=1", EX_USAGE,
		  "option --set: section LIMITS has no key 'x'" },
		{ "-c /nonexistent", EX_CONFIG, "/nonexistent cannot be read" },
	};
	struct conf_set *set;
	struct options o;
	char *file;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(parse(&o, wrong[i].line, OPTIONS_CONF), 0);
		ck_assert_int_eq(options_conf(&o, &set, &file, err, sizeof(err)), wrong[i].status);
		ck_assert_msg(strstr(err, wrong[i].sentence), "%s", err);
		ck_assert_ptr_null(set);
		ck_assert_ptr_null(file);
		options_free(&o);
	}
	setenv("LINUX_EDR_DEFAULT_REPORT_INTERVAL", "0", 1);
	ck_assert_int_eq(parse(&o, "-c /dev/null", OPTIONS_CONF), 0);
	ck_assert_int_eq(options_conf(&o, &set, &file, err, sizeof(err)), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(err, "LINUX_EDR_DEFAULT_REPORT_INTERVAL"));
	options_free(&o);
}
END_TEST

START_TEST(test_commands)
{
	ck_assert_str_eq(cli_commands[0].name, "run"); /* what no command means */
	for (size_t i = 0; i < cli_n_commands; i++) {
		ck_assert_ptr_eq(cli_command(cli_commands[i].name), &cli_commands[i]);
		ck_assert_ptr_nonnull(cli_commands[i].help);
	}
	ck_assert_ptr_null(cli_command("self-test")); /* hidden */
	ck_assert_ptr_null(cli_command(""));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("options");
	SRunner *runner;
	int failed;

	for (char **variable = environ; *variable;) {
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
		if (strncmp(name, "LINUX_EDR_", 10) == 0)
			unsetenv(name);
		else
			variable++;
	}
	tcase_add_test(tc, test_each_option);
	tcase_add_test(tc, test_set_every_key);
	tcase_add_test(tc, test_last_wins);
	tcase_add_test(tc, test_arguments);
	tcase_add_test(tc, test_wrong);
	tcase_add_test(tc, test_status);
	tcase_add_test(tc, test_commands);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
