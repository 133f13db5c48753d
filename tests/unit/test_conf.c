/* SPDX-License-Identifier: MIT */
/* Every key: default, file, environment, option, which wins, and what is said of a bad value. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/table.h"

static char dir[] = "/tmp/test_conf.XXXXXX";
static char path[64];
static char err[1024];

/* Each key once: three good values that differ from the default, and a bad one with what must be said of it. */
static const struct sample {
	const char *section, *key, *fallback;
	const char *good[3];
	const char *bad, *said;
} samples[] = {
	{ "DEFAULT",
	  "trace_path",
	  "/sys/kernel/tracing/trace_pipe",
	  { "/a", "/b", "/c" },
	  "",
	  "must not be empty" },
	{ "DEFAULT",
	  "report_interval",
	  "15",
	  { "1", "240", "60" },
	  "7",
	  "1 2 3 4 5 6 8 10 12 15 16 20" },
	{ "DEFAULT", "model", "gpt-4o-mini", { "a", "b:c", "d=e" }, "", "must not be empty" },
	{ "DEFAULT", "debug", "false", { "true", "true", "true" }, "maybe", "true or false" },
	{ "OPENAI", "api_key", "", { "sk-1", "sk-2", "sk-3" }, "\"sk\"", "without quotes" },
	{ "OPENAI", "api_key_file", "", { "/k", "k", "k 2" }, "'k'", "without quotes" },
	{ "OPENAI",
	  "api_base",
	  "https://api.openai.com/v1",
	  { "http://127.0.0.1:1/v1", "b", "c" },
	  "",
	  "empty" },
	{ "REPORTS", "reports_dir", "reports", { "/r", "./r", "r%d" }, "", "must not be empty" },
	{ "REPORTS", "keep_cells_days", "30", { "1", "2", "36500" }, "36501", "from 0 to" },
	{ "REPORTS", "keep_blocks_days", "90", { "1", "2", "36500" }, "36501", "from 0 to" },
	{ "REPORTS", "keep_daily_days", "400", { "1", "2", "36500" }, "36501", "from 0 to" },
	{ "REPORTS", "keep_weekly_days", "800", { "1", "2", "36500" }, "36501", "from 0 to" },
	{ "REPORTS", "keep_monthly_days", "0", { "1", "2", "36500" }, "36501", "from 0 to" },
	{ "REPORTS", "max_reports_mb", "1024", { "1", "2", "0" }, "x", "from 0 to" },
	{ "REPORTS", "checkpoint_interval", "10", { "1", "0", "3600" }, "3601", "from 0 to" },
	{ "REPORTS", "chain_key_file", "", { "/a", "/b", "/c" }, "'a'", "without quotes" },
	{ "SOURCE", "source", "auto", { "bpf", "bpf-btf", "replay" }, "bfp", "did you mean bpf?" },
	{ "SOURCE", "hooks", "default", { "lean", "lean", "lean" }, "leen", "did you mean lean?" },
	{ "SOURCE", "btf_path", "", { "/a", "b.btf", "/c d" }, "'a'", "without quotes" },
	{ "SOURCE", "ring_exec_kb", "0", { "4", "16", "1048576" }, "-3", "from 0 to 1048576" },
	{ "SOURCE",
	  "ring_noisy_kb",
	  "0",
	  { "4", "16", "1048576" },
	  "1048577",
	  "from 0 to 1048576" },
	{ "SOURCE", "reopen_min", "1", { "2", "3600", "30" }, "0", "from 1 to 3600" },
	{ "SOURCE", "reopen_max", "60", { "1", "86400", "300" }, "86401", "from 1 to 86400" },
	{ "SOURCE", "self_test", "true", { "false", "false", "false" }, "2", "true or false" },
	{ "OUTPUT", "output", "", { "/o", "o.jsonl", "o p" }, "'o'", "without quotes" },
	{ "OUTPUT", "stdout_events", "false", { "true", "true", "true" }, "", "true or false" },
	{ "OUTPUT", "record", "", { "/c", "c", "d" }, "\"c\"", "without quotes" },
	{ "OUTPUT", "record_max_mb", "1024", { "1", "2", "3" }, "0", "from 1 to 1048576" },
	{ "FILTER",
	  "exclude_commands",
	  "",
	  { "a", "a, b", "fifteen-bytes-x" },
	  "sixteen-bytes-xx",
	  "'sixteen-bytes-x'" },
	{ "FILTER", "exclude_uids", "", { "0", "1, 2", "4294967294" }, "4294967295", "user ids" },
	{ "FILTER", "exclude_cgroups", "", { "/", "/a, /b", "/c" }, "a", "begin with '/'" },
	{ "FILTER", "exclude_paths", "", { "/usr", "/a\\,b, /c", "/d" }, "usr", "begin with '/'" },
	{ "LIMITS", "memory_mb", "128", { "16", "17", "1048576" }, "15", "from 16 to 1048576" },
	{ "LIMITS", "max_processes", "0", { "16", "17", "4194304" }, "4194305", "from 0 to" },
	{ "LIMITS", "max_executables", "0", { "1", "2", "3" }, "-1", "from 0 to" },
	{ "LIMITS", "max_command_lines", "0", { "1", "2", "3" }, "1e3", "from 0 to" },
	{ "LIMITS", "max_connections", "0", { "1", "2", "3" }, "0x10", "from 0 to" },
	{ "LIMITS",
	  "max_interim_mb",
	  "32",
	  { "0", "1", "1048576" },
	  "1048577",
	  "from 0 to 1048576" },
	{ "LIMITS", "max_baseline", "0", { "1", "2", "4194304" }, "4194305", "from 0 to" },
	{ "ADVANCED",
	  "max_events_buffer",
	  "10000",
	  { "1", "2", "3" },
	  "99999999999999999999",
	  "from 1 to" },
	{ "ADVANCED", "max_events_age", "0", { "1", "2", "86400" }, "86401", "from 0 to 86400" },
	{ "ADVANCED", "max_summary_lines", "50", { "1", "2", "3" }, "", "from 1 to" },
	{ "ADVANCED",
	  "include_raw_events",
	  "true",
	  { "false", "false", "false" },
	  "tru",
	  "true or false" },
	{ "ADVANCED",
	  "include_security_findings",
	  "true",
	  { "false", "false", "false" },
	  "nope",
	  "true or false" },
	{ "ADVANCED",
	  "verbose_debug_logging",
	  "true",
	  { "false", "false", "false" },
	  "x",
	  "true or false" },
	{ "ADVANCED",
	  "enable_syscall_tracing",
	  "true",
	  { "false", "false", "false" },
	  "x",
	  "true or false" },
	{ "ADVANCED", "list_threads", "false", { "true", "true", "true" }, "x", "true or false" },
	{ "ADVANCED",
	  "syscalls_to_trace",
	  "execve, fork, clone, connect",
	  { "execve", "openat2, ptrace", "" },
	  "Execve",
	  "names of system calls" },
	{ "ANALYSIS", "learning_days", "7", { "0", "1", "365" }, "366", "from 0 to 365" },
	{ "ANALYSIS",
	  "analyze_cells",
	  "findings",
	  { "never", "changed", "always" },
	  "sometimes",
	  "never" },
	{ "ANALYSIS",
	  "analyze_blocks",
	  "changed",
	  { "never", "findings", "always" },
	  "sometimes",
	  "never" },
	{ "ANALYSIS",
	  "analyze_daily",
	  "always",
	  { "never", "findings", "changed" },
	  "sometimes",
	  "never" },
	{ "ANALYSIS",
	  "analyze_weekly",
	  "always",
	  { "never", "findings", "changed" },
	  "sometimes",
	  "never" },
	{ "ANALYSIS",
	  "analyze_monthly",
	  "always",
	  { "never", "findings", "changed" },
	  "sometimes",
	  "never" },
	{ "ANALYSIS",
	  "prompt_tokens",
	  "6000",
	  { "1000", "2000", "200000" },
	  "999",
	  "from 1000 to 200000" },
	{ "ANALYSIS",
	  "answer_tokens",
	  "1000",
	  { "200", "300", "16000" },
	  "199",
	  "from 200 to 16000" },
	{ "ANALYSIS", "connect_timeout", "10", { "1", "2", "3600" }, "0", "from 1 to 3600" },
	{ "ANALYSIS", "request_timeout", "120", { "1", "2", "3600" }, "3601", "from 1 to 3600" },
	{ "ANALYSIS", "queue_hours", "72", { "1", "2", "8760" }, "0", "from 1 to 8760" },
	{ "ANALYSIS",
	  "max_requests_day",
	  "200",
	  { "0", "1", "1000000" },
	  "1000001",
	  "from 0 to 1000000" },
	{ "ANALYSIS",
	  "max_tokens_day",
	  "1000000",
	  { "0", "1", "4294967295" },
	  "4294967296",
	  "from 0 to 4294967295" },
	{ "ANALYSIS", "max_cents_day", "50", { "0", "1", "1000000" }, "-1", "from 0 to 1000000" },
	{ "ANALYSIS", "input_cents", "15", { "0", "1", "1000000" }, "1.5", "from 0 to 1000000" },
	{ "ANALYSIS", "output_cents", "60", { "0", "1", "1000000" }, "x", "from 0 to 1000000" },
	{ "ANALYSIS", "batch", "false", { "true", "true", "true" }, "x", "true or false" },
	{ "ANALYSIS", "keep_exchanges", "false", { "true", "true", "true" }, "x", "true or false" },
	{ "ANALYSIS",
	  "keep_exchanges_days",
	  "30",
	  { "0", "1", "36500" },
	  "36501",
	  "from 0 to 36500" },
	{ "ANALYSIS", "proxy", "", { "http://p:1", "p", "q" }, "'p'", "without quotes" },
	{ "ANALYSIS", "ca_file", "", { "/c", "c", "d" }, "'c'", "without quotes" },
	{ "ANALYSIS", "insecure_http", "false", { "true", "true", "true" }, "x", "true or false" },
	{ "ANALYSIS", "client_user", "linux-edr-client", { "a", "b", "c" }, "", "empty" },
	{ "ANALYSIS", "redact", "on", { "off", "off", "off" }, "of", "must be on or off" },
	{ "ANALYSIS", "redact_patterns", "", { "/p", "p", "q" }, "'p'", "without quotes" },
	{ "ANALYSIS", "redact_key_file", "", { "/k", "k", "l" }, "'k'", "without quotes" },
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static int load(struct conf_set *s, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
	err[0] = '\0';
	return conf_load_file(s, path, err, sizeof(err));
}

static int load_str(struct conf_set *s, const char *text)
{
	return load(s, text, strlen(text));
}

/* Loads into a fresh set, which must fail: with this sentence behind "PATH:". */
static void refused(const char *text, const char *sentence)
{
	struct conf_set *s = conf_new();
	char prefix[80];

	ck_assert_int_eq(load_str(s, text), -EINVAL);
	snprintf(prefix, sizeof(prefix), "%s:", path);
	ck_assert_msg(strncmp(err, prefix, strlen(prefix)) == 0, "no file in: %s", err);
	ck_assert_msg(strstr(err, sentence), "'%s' is not in: %s", sentence, err);
	conf_free(s);
}

static struct conf_set *accepted(const char *text)
{
	struct conf_set *s = conf_new();

	ck_assert_msg(load_str(s, text) == 0, "%s", err);
	return s;
}

static int index_of(const char *section, const char *key)
{
	struct buf why = { 0 };
	int i = conf_find(section, key, &why);

	ck_assert_int_ge(i, 0);
	buf_free(&why);
	return i;
}

static void has(const struct conf_set *s, const struct sample *k, const char *value,
		enum conf_origin origin)
{
	int i = index_of(k->section, k->key);
	struct buf text = { 0 };

	conf_value_text(conf_get(s), &conf_table[i], &text);
	ck_assert_str_eq(text.data ? text.data : "", value);
	ck_assert_int_eq(s->where[i].origin, origin);
	buf_free(&text);
}

static void env_text(const struct sample *k, const char *value, char *out, size_t size)
{
	char *c;

	snprintf(out, size, "LINUX_EDR_%s_%s", k->section, k->key);
	for (c = out; *c; c++)
		*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
	snprintf(c, size - (size_t)(c - out), "=%s", value);
}

static int load_env(struct conf_set *s, const char *one, const char *two)
{
	char *environment[] = { (char *)(size_t)one, (char *)(size_t)two, NULL };

	err[0] = '\0';
	return conf_load_env(s, environment, err, sizeof(err));
}

START_TEST(test_table_is_all)
{
	ck_assert_uint_eq(conf_table_size, N_SAMPLES);
}
END_TEST

START_TEST(test_precedence)
{
	const struct sample *k = &samples[_i];
	struct conf_set *s = conf_new();
	char text[256], env[256];

	has(s, k, k->fallback, CONF_DEFAULT);
	snprintf(text, sizeof(text), "[%s]\n%s = %s\n", k->section, k->key, k->good[0]);
	ck_assert_msg(load_str(s, text) == 0, "%s", err);
	has(s, k, k->good[0], CONF_FILE);
	ck_assert_uint_eq(s->where[index_of(k->section, k->key)].line, 2);

	env_text(k, k->good[1], env, sizeof(env));
	ck_assert_msg(load_env(s, env, NULL) == 0, "%s", err);
	has(s, k, k->good[1], CONF_ENV);

	ck_assert_msg(
		conf_set_option(s, k->section, k->key, k->good[2], "--set", err, sizeof(err)) == 0,
		"%s", err);
	has(s, k, k->good[2], CONF_OPTION);
	conf_free(s);
}
END_TEST

START_TEST(test_bad_value)
{
	const struct sample *k = &samples[_i];
	struct conf_set *s = conf_new();
	char text[256], env[256];

	snprintf(text, sizeof(text), "# a comment\n[%s]\n%s = %s\n", k->section, k->key, k->bad);
	refused(text, k->said);
	ck_assert_ptr_nonnull(strstr(err, ":3: "));
	ck_assert_ptr_nonnull(strstr(err, k->key));

	env_text(k, k->bad, env, sizeof(env));
	ck_assert_int_eq(load_env(s, env, NULL), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, k->said));
	*strchr(env, '=') = '\0';
	ck_assert_ptr_nonnull(strstr(err, env));

	err[0] = '\0';
	ck_assert_int_eq(
		conf_set_option(s, k->section, k->key, k->bad, "--thing", err, sizeof(err)),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(err, k->said));
	ck_assert_ptr_nonnull(strstr(err, "--thing"));
	/* What was refused has changed nothing. */
	has(s, k, k->fallback, CONF_DEFAULT);
	conf_free(s);
}
END_TEST

/* Fault 12: the original takes any interval and makes empty or endless windows of it. */
START_TEST(test_interval)
{
	static const char *const bad[] = { "0",
					   "-1",
					   "-15",
					   "7",
					   "1440",
					   "241",
					   "00",
					   "15.0",
					   "15m",
					   "+15",
					   "",
					   "1 5",
					   "99999999999999999999999" };
	struct conf_set *s = conf_new();
	char text[16];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(conf_set_option(s, "DEFAULT", "report_interval", bad[i], "-i", err,
						 sizeof(err)),
				 -EINVAL);
		ck_assert_ptr_nonnull(
			strstr(err, "1 2 3 4 5 6 8 10 12 15 16 20 24 30 40 48 60 80 120 240"));
	}
	for (unsigned m = 1; m <= 240; m++) {
		snprintf(text, sizeof(text), "%u", m);
		ck_assert_int_eq(conf_set_option(s, "DEFAULT", "report_interval", text, "-i", err,
						 sizeof(err)),
				 240 % m ? -EINVAL : 0);
	}
	conf_free(s);
}
END_TEST

/* Fault 12: '%' crashed, a comment behind a value became part of it, a file that is not there was passed over. */
START_TEST(test_dialect)
{
	struct conf_set *s = accepted("\xef\xbb\xbf; first\n"
				      "[DEFAULT]\r\n"
				      "  # indented comment\n"
				      "Report_Interval: 30 ; behind\n"
				      "model = a=b:c%d%%#x;y # behind\r\n"
				      "\n"
				      "debug=Yes\n"
				      "[REPORTS]\n"
				      "reports_dir\t=\t/srv/my reports/%H \t\n"
				      "[OPENAI]\n"
				      "api_key =    # none\n"
				      "[advanced]\n"
				      "list_threads = ON");
	const struct conf *c = conf_get(s);

	ck_assert_uint_eq(c->report_interval, 30);
	ck_assert_str_eq(c->model, "a=b:c%d%%#x;y");
	ck_assert_str_eq(c->reports_dir, "/srv/my reports/%H");
	ck_assert_str_eq(c->api_key, "");
	ck_assert(c->debug && c->list_threads);
	conf_free(s);
	conf_free(accepted(""));
	conf_free(accepted("\n\n# nothing\n;\n[LIMITS]"));

	s = conf_new();
	ck_assert_int_eq(conf_load_file(s, "/nonexistent/x.conf", err, sizeof(err)), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err, "/nonexistent/x.conf"));
	conf_free(s);
}
END_TEST

START_TEST(test_booleans)
{
	static const char *const yes[] = { "1", "yes", "true", "on", "TRUE", "On" };
	static const char *const no[] = { "0", "no", "false", "off", "NO" };
	struct conf_set *s = conf_new();

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		ck_assert_int_eq(
			conf_set_option(s, "DEFAULT", "debug", yes[i], "-d", err, sizeof(err)), 0);
		ck_assert(conf_get(s)->debug);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		ck_assert_int_eq(
			conf_set_option(s, "DEFAULT", "debug", no[i], "-d", err, sizeof(err)), 0);
		ck_assert(!conf_get(s)->debug);
	}
	conf_free(s);
}
END_TEST

START_TEST(test_lists)
{
	struct conf_set *s = accepted("[FILTER]\n"
				      "exclude_paths = /a b , /c\\,d,, /e\\\\,/f\\x\n"
				      "  /g # next line\n"
				      "\n"
				      "\t/h, /i\n"
				      "exclude_uids = 7\n");
	const struct conf_list *l = &conf_get(s)->exclude_paths;
	static const char *const want[] = { "/a b", "/c,d", "/e\\", "/f\\x", "/g", "/h", "/i" };
	struct buf text = { 0 };
	struct conf_list again;

	ck_assert_uint_eq(l->n, 7);
	for (size_t i = 0; i < 7; i++)
		ck_assert_str_eq(l->item[i], want[i]);
	ck_assert_uint_eq(conf_get(s)->exclude_uids.n, 1);

	/* As printed, it reads back the same. */
	conf_value_text(conf_get(s), &conf_table[index_of("FILTER", "exclude_paths")], &text);
	ck_assert_int_eq(conf_list_parse(text.data, &again), 0);
	ck_assert_uint_eq(again.n, 7);
	for (size_t i = 0; i < 7; i++)
		ck_assert_str_eq(again.item[i], want[i]);
	conf_list_free(&again);
	buf_free(&text);
	conf_free(s);
}
END_TEST

START_TEST(test_list_limits)
{
	static char text[8192];
	struct conf_set *s;
	size_t at;

	for (unsigned n = 32; n <= 33; n++) {
		at = (size_t)sprintf(text, "[FILTER]\nexclude_paths = ");
		for (unsigned i = 0; i < n; i++)
			at += (size_t)sprintf(text + at, "/p%u,", i);
		if (n > 32)
			refused(text, "at most 32 entries");
	}
	for (unsigned len = 127; len <= 128; len++) {
		sprintf(text, "[FILTER]\nexclude_cgroups = /%0*d\n", (int)len - 1, 0);
		if (len > 127) {
			refused(text, "less than 128 bytes");
		} else {
			s = accepted(text);
			conf_free(s);
		}
	}
}
END_TEST

/* libinih would cut these at 200 bytes; every length around its buffer's is tried. */
START_TEST(test_long_lines)
{
	static char text[20000], item[64];
	struct conf_set *s;
	size_t at;

	for (size_t len = 100; len < 700; len++) {
		at = (size_t)sprintf(text, "[REPORTS]\nreports_dir = /");
		memset(text + at, 'x', len);
		memcpy(text + at + len / 2, "; #",
		       3); /* no comment: the ';' has no white space before it */
		snprintf(text + at + len, 64, "%s", "\n[LIMITS]\nmax_processes = 77\n");
		text[at + len / 2 + 1] = 'y';
		s = accepted(text);
		ck_assert_uint_eq(strlen(conf_get(s)->reports_dir), len + 1);
		ck_assert_uint_eq(conf_get(s)->max_processes, 77);
		conf_free(s);
	}

	at = (size_t)sprintf(text, "[FILTER]\nexclude_commands = ");
	for (unsigned i = 0; i < 250; i++)
		at += (size_t)sprintf(text + at, "c%u,   ", i);
	s = accepted(text);
	ck_assert_uint_eq(conf_get(s)->exclude_commands.n, 250);
	for (unsigned i = 0; i < 250; i++) {
		snprintf(item, sizeof(item), "c%u", i);
		ck_assert_str_eq(conf_get(s)->exclude_commands.item[i], item);
	}
	conf_free(s);
	snprintf(text + at, 64, "%s", "\n\nexclude_uids = x\n");
	refused(text, ":4: exclude_uids");
}
END_TEST

START_TEST(test_names)
{
	refused("[DEFAULT]\nreport_intervall = 5\n",
		":2: section DEFAULT has no key 'report_intervall'; did you mean report_interval?");
	refused("[DEFAULT]\nreports_dir = x\n", "it belongs into section REPORTS");
	refused("[DEFUALT]\n", ":1: there is no section 'DEFUALT'; did you mean DEFAULT?");
	refused("\n[x]\nreports_dir = x\n",
		":2: there is no section 'x'; there are DEFAULT, OPENAI");
	refused("[DEFAULT]\ninterval = 5\n", "did you mean report_interval?");
	refused("[DEFAULT]\nzzz = 5\n", "show-config --sample");
	refused("debug = true\n", ":1: a key before the first [section]");
	refused("[DEFAULT]\ndebug = true\n[REPORTS]\n[DEFAULT]\ndebug = false\n",
		":5: debug is given a second time; the first is in line 2");
	refused("[DEFAULT]\n\x1b[2Jx = 1\n", "\\x1b[2Jx");
}
END_TEST

START_TEST(test_syntax)
{
	struct conf_set *s = conf_new();

	refused("[DEFAULT]\ndebug\n", ":2: this is neither a [section] nor 'key = value'");
	refused("[DEFAULT]\ndebug = true\nhello world", ":3: this is neither");
	refused("[DEFAULT\ndebug = true\n", ":1: a line that begins with '['");
	refused("[DEFAULT] debug = true\n", ":1: a line that begins with '['");
	refused("[DEFAULT]\nmodel = a\n  b\n", ":2: model must stand on one line");
	refused("[DEFAULT]\nmodel = a\n  [REPORTS]\n", ":2: model must stand on one line");
	refused("[DEFAULT]\nmodel = a\x01"
		"b\n",
		":2: model must not hold control characters");
	refused("[DEFAULT]\nmodel = 'a'\n", "must stand without quotes");
	ck_assert_int_eq(load(s, "[DEFAULT]\nmodel = a\0b\n", 22), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err, ":2: a NUL byte"));
	conf_free(s);
}
END_TEST

START_TEST(test_secrets)
{
	struct conf_set *s = conf_new();
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	refused("[OPENAI]\napi_key = 'sk-secret'\n", "without quotes");
	ck_assert_ptr_null(strstr(err, "sk-secret"));
	ck_assert_int_eq(load_env(s, "OPENAI_API_KEY=sk-theirs", NULL), 0);
	ck_assert_str_eq(conf_get(s)->api_key, "sk-theirs");
	conf_free(s);

	/* Ours wins over the provider's variable, and so does the file. */
	s = conf_new();
	ck_assert_int_eq(
		load_env(s, "OPENAI_API_KEY=sk-theirs", "LINUX_EDR_OPENAI_API_KEY=sk-ours"), 0);
	ck_assert_str_eq(conf_get(s)->api_key, "sk-ours");
	conf_free(s);
	s = accepted("[OPENAI]\napi_key = sk-file\n");
	ck_assert_int_eq(load_env(s, "OPENAI_API_KEY=sk-theirs", NULL), 0);
	ck_assert_str_eq(conf_get(s)->api_key, "sk-file");

	f = open_memstream(&text, &len);
	conf_print(s, f);
	conf_print_json(s, f);
	fclose(f);
	ck_assert_ptr_null(strstr(text, "sk-file"));
	ck_assert_ptr_nonnull(strstr(text, "api_key                   = ********"));
	free(text);
	conf_free(s);

	refused("[ANALYSIS]\nproxy = 'http://u:hush@a'\n", "without quotes");
	ck_assert_ptr_null(strstr(err, "hush"));
	s = accepted("[ANALYSIS]\nproxy = http://u:hush@hu/sh@proxy:3128/\n"
		     "[OPENAI]\napi_base = https://u:hush@host/v1\n");
	f = open_memstream(&text, &len);
	conf_print(s, f);
	conf_print_json(s, f);
	fclose(f);
	ck_assert_ptr_null(strstr(text, "hu"));
	ck_assert_ptr_nonnull(strstr(text, " = http://********@proxy:3128/ "));
	ck_assert_ptr_nonnull(strstr(text, "\"https://********@host/v1\""));
	free(text);
	conf_free(s);
}
END_TEST

START_TEST(test_files)
{
	struct conf_set *s = conf_new();
	char target[80];

	ck_assert_int_eq(conf_load_file(s, dir, err, sizeof(err)), -EISDIR);
	ck_assert_ptr_nonnull(strstr(err, "is a directory"));
	ck_assert_int_eq(conf_load_file(s, "/dev/null", err, sizeof(err)), 0);
	ck_assert_int_eq(conf_load_file(s, "/dev/zero", err, sizeof(err)), -EINVAL);
	snprintf(target, sizeof(target), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(target, 0600), 0);
	ck_assert_int_eq(conf_load_file(s, target, err, sizeof(err)), -EINVAL);
	unlink(target);
	snprintf(target, sizeof(target), "%s/big", dir);
	ck_assert_int_eq(close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	ck_assert_int_eq(truncate(target, (1 << 20) + 1), 0);
	ck_assert_int_eq(conf_load_file(s, target, err, sizeof(err)), -EFBIG);
	unlink(target);
	conf_free(s);
}
END_TEST

/* Whoever writes the file steers a process of root's. */
START_TEST(test_trust)
{
	struct conf_set *s = conf_new();

	unsetenv("SUDO_UID");
	ck_assert_int_eq(load_str(s, "[DEFAULT]\ndebug = true\n"), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(path, 0666), 0);
		ck_assert_int_eq(conf_load_file(s, path, err, sizeof(err)), -EACCES);
		ck_assert_ptr_nonnull(strstr(err, "can be written by others"));
		ck_assert_int_eq(chmod(path, 0644), 0);
		ck_assert_int_eq(chown(path, 12345, 12345), 0);
		ck_assert_int_eq(conf_load_file(s, path, err, sizeof(err)), -EACCES);
		ck_assert_ptr_nonnull(strstr(err, "belongs to another user"));
		/* `sudo scripts/run` in a user's own clone. */
		setenv("SUDO_UID", "12345", 1);
		ck_assert_int_eq(conf_load_file(s, path, err, sizeof(err)), 0);
		setenv("SUDO_UID", "12346", 1);
		ck_assert_int_eq(conf_load_file(s, path, err, sizeof(err)), -EACCES);
		unsetenv("SUDO_UID");
	}
	unlink(path);
	conf_free(s);
}
END_TEST

START_TEST(test_default_file)
{
	struct conf_set *s = conf_new();
	char home[80], sub[128];
	char *found = NULL;
	FILE *f;

	ck_assert_int_eq(chdir(dir), 0);
	snprintf(home, sizeof(home), "%s/home", dir);
	ck_assert_int_eq(mkdir(home, 0700), 0);
	setenv("HOME", home, 1);
	snprintf(sub, sizeof(sub), "%s/.config", home);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	snprintf(sub, sizeof(sub), "%s/.config/linux-edr", home);
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	snprintf(sub, sizeof(sub), "%s/.config/linux-edr/linux-edr.conf", home);
	f = fopen(sub, "we");
	fputs("[DEFAULT]\nreport_interval = 20\n", f);
	fclose(f);
	ck_assert_int_eq(chmod(sub, 0600), 0);

	ck_assert_int_eq(conf_load_default_file(s, &found, err, sizeof(err)), 0);
	ck_assert_str_eq(found, sub);
	ck_assert_uint_eq(conf_get(s)->report_interval, 20);
	free(found);

	/* The one in the working directory comes first, and a wrong one is told, not passed over. */
	f = fopen("linux-edr.conf", "we");
	fputs("[DEFAULT]\nreport_interval = 7\n", f);
	fclose(f);
	ck_assert_int_eq(chmod("linux-edr.conf", 0600), 0);
	ck_assert_int_eq(conf_load_default_file(s, &found, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(found, "linux-edr.conf");
	ck_assert_ptr_nonnull(strstr(err, "linux-edr.conf:2: report_interval"));
	free(found);
	conf_free(s);
}
END_TEST

START_TEST(test_restart)
{
	struct conf_set *a = conf_new(), *b = conf_new();
	const char *names[64];

	ck_assert_uint_eq(conf_needs_restart(a, b, names, 64), 0);
	conf_set_option(b, "DEFAULT", "report_interval", "5", "-i", err, sizeof(err));
	conf_set_option(b, "DEFAULT", "debug", "true", "-d", err, sizeof(err));
	ck_assert_uint_eq(conf_needs_restart(a, b, names, 64), 0);
	conf_set_option(b, "SOURCE", "hooks", "lean", "--hooks", err, sizeof(err));
	conf_set_option(b, "FILTER", "exclude_uids", "1", "--set", err, sizeof(err));
	ck_assert_uint_eq(conf_needs_restart(a, b, names, 64), 2);
	ck_assert_str_eq(names[0], "hooks");
	ck_assert_str_eq(names[1], "exclude_uids");
	ck_assert_uint_eq(conf_needs_restart(a, b, names, 1), 1);
	conf_free(a);
	conf_free(b);
}
END_TEST

START_TEST(test_nearest)
{
	static const char *const names[] = { "output", "record", "reports-dir", "source", "set" };

	ck_assert_str_eq(conf_nearest("ouput", names, 5), "output");
	ck_assert_str_eq(conf_nearest("otuput", names, 5), "output");
	ck_assert_str_eq(conf_nearest("RECORD", names, 5), "record");
	ck_assert_str_eq(conf_nearest("reports_dir", names, 5), "reports-dir");
	ck_assert_str_eq(conf_nearest("st", names, 5), "set");
	ck_assert_ptr_null(conf_nearest("completely", names, 5));
	ck_assert_ptr_null(conf_nearest("", names, 5));
	ck_assert_ptr_null(conf_nearest("output", names, 0));
}
END_TEST

static char *printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	print(f);
	fclose(f);
	return text;
}

/* Test programs run in the source folder, where the tracked one is. */
START_TEST(test_sample)
{
	char *text = printed(conf_print_sample), *line, *rest;
	static char tracked[65536], set[65536];
	FILE *f = fopen("linux-edr.conf", "re");
	struct conf_set *s, *fresh = conf_new();
	const char *names[64];

	ck_assert_msg(f != NULL, "linux-edr.conf is not here");
	tracked[fread(tracked, 1, sizeof(tracked) - 1, f)] = '\0';
	fclose(f);
	ck_assert_msg(strcmp(tracked, text) == 0,
		      "linux-edr.conf is not what `show-config --sample` prints");

	conf_free(accepted(text));
	/* With every key set to what the sample says is the default, nothing changes. */
	for (line = text; *line; line = rest) {
		rest = strchr(line, '\n') + 1;
		strncat(set, line + (line[0] == '#' && line[1] != ' '),
			(size_t)(rest - line - (line[0] == '#' && line[1] != ' ')));
	}
	s = accepted(set);
	ck_assert_uint_eq(conf_needs_restart(fresh, s, names, 64), 0);
	for (size_t i = 0; i < conf_table_size; i++) {
		ck_assert(conf_value_equal(conf_get(fresh), conf_get(s), &conf_table[i]));
		ck_assert_int_eq(s->where[i].origin, CONF_FILE);
	}
	conf_free(s);
	conf_free(fresh);
	free(text);
}
END_TEST

START_TEST(test_print)
{
	struct conf_set *s =
		accepted("[REPORTS]\nreports_dir = a\xff\"b\n[DEFAULT]\nreport_interval = 20\n");
	struct json_object *root, *section, *key, *value;
	char *text = NULL, *roff = printed(conf_print_roff);
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	conf_print_json(s, f);
	fclose(f);
	root = json_tokener_parse(text);
	ck_assert_ptr_nonnull(root);
	for (size_t i = 0; i < conf_table_size; i++) {
		ck_assert(json_object_object_get_ex(root, conf_table[i].section, &section));
		ck_assert(json_object_object_get_ex(section, conf_table[i].key, &key));
		ck_assert(json_object_object_get_ex(key, "value", &value));
		ck_assert_ptr_nonnull(strstr(roff, conf_table[i].key));
	}
	json_object_object_get_ex(root, "DEFAULT", &section);
	json_object_object_get_ex(section, "report_interval", &key);
	json_object_object_get_ex(key, "value", &value);
	ck_assert_int_eq(json_object_get_int(value), 20);
	json_object_object_get_ex(key, "line", &value);
	ck_assert_int_eq(json_object_get_int(value), 4);
	json_object_put(root);
	free(text);
	free(roff);
	conf_free(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tc = tcase_create("conf");
	SRunner *runner;
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/test.conf", dir);
	tcase_add_test(tc, test_table_is_all);
	tcase_add_loop_test(tc, test_precedence, 0, N_SAMPLES);
	tcase_add_loop_test(tc, test_bad_value, 0, N_SAMPLES);
	tcase_add_test(tc, test_interval);
	tcase_add_test(tc, test_dialect);
	tcase_add_test(tc, test_booleans);
	tcase_add_test(tc, test_lists);
	tcase_add_test(tc, test_list_limits);
	tcase_add_test(tc, test_long_lines);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_syntax);
	tcase_add_test(tc, test_secrets);
	tcase_add_test(tc, test_files);
	tcase_add_test(tc, test_trust);
	tcase_add_test(tc, test_default_file);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_nearest);
	tcase_add_test(tc, test_sample);
	tcase_add_test(tc, test_print);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	if (system(path) != 0)
		failed++;
	return failed != 0;
}
