/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>

#include "conf/table.h"
#include "edr/control.h"
#include "util/text.h"

/* The kernel keeps TASK_COMM_LEN - 1 bytes of a command's name. */
#define COMM_MAX 15
#define FILTER_IDS 256 /* the BPF maps of commands and user ids hold so many */
#define BLOCK_MINUTES 240

static bool check_interval(const char *value, struct buf *why)
{
	unsigned long minutes = strtoul(value, NULL, 10);

	if (minutes > 0 && BLOCK_MINUTES % minutes == 0)
		return true;
	buf_adds(why, "must divide the four hours of a block, so one of");
	for (minutes = 1; minutes <= BLOCK_MINUTES; minutes++)
		if (BLOCK_MINUTES % minutes == 0)
			buf_addf(why, " %lu", minutes);
	buf_adds(why, " (minutes)");
	return false;
}

static bool check_comm(const char *value, struct buf *why)
{
	if (strlen(value) <= COMM_MAX)
		return true;
	buf_addf(why, "must hold names as the kernel has them, of at most %d bytes: here '%.*s'",
		 COMM_MAX, COMM_MAX, value);
	return false;
}

static bool check_uid(const char *value, struct buf *why)
{
	/* 4294967295 is (uid_t)-1, no user. */
	if (strlen(value) <= 10 && strspn(value, "0123456789") == strlen(value) &&
	    strtoull(value, NULL, 10) < 4294967295)
		return true;
	buf_adds(why, "must hold user ids in decimal, from 0 to 4294967294");
	return false;
}

static bool check_absolute(const char *value, struct buf *why)
{
	if (value[0] == '/' && strlen(value) < EDR_PREFIX_MAX)
		return true;
	buf_addf(why, "must hold paths that begin with '/' and have less than %d bytes",
		 EDR_PREFIX_MAX);
	return false;
}

/* Those of this architecture, and what the default names although not every architecture has it. */
static bool check_syscall(const char *value, struct buf *why)
{
	static const struct {
		const char *name;
		long nr;
	} known[] = {
#include "syscalls.inc"
		{ "fork", 0 },
		{ "vfork", 0 },
	};
	const char *names[sizeof(known) / sizeof(known[0])], *nearest;
	size_t n = sizeof(known) / sizeof(known[0]);

	for (size_t i = 0; i < n; i++) {
		names[i] = known[i].name;
		if (strcmp(value, names[i]) == 0)
			return true;
	}
	buf_adds(why, "must hold names of system calls, and there is no '");
	text_term(why, value, strlen(value));
	nearest = conf_nearest(value, names, n);
	buf_addf(why, nearest ? "'; did you mean %s?" : "', as in execve, openat2", nearest);
	return false;
}

static const char *const sources[] = { "auto",	 "bpf",	   "bpf-btf", "bpf-plain",
				       "ftrace", "replay", NULL };
static const char *const analyze[] = { "never", "findings", "changed", "always", NULL };
static const char *const on_off[] = { "on", "off", NULL };
static const char *const hooks[] = { "default", "lean", NULL };

#define AT(field) .offset = offsetof(struct conf, field)
#define OPTION(long_, letter_, arg_) .option = { long_, letter_, arg_, NULL }
#define SWITCH(long_, letter_) .option = { long_, letter_, NULL, "true" }

const struct conf_key conf_table[] = {
	{ "DEFAULT", "trace_path", CONF_STRING, 0, AT(trace_path), CONF_TRACE_PATH,
	  .help = "For the ftrace source on a host where it may not set up tracing of its own: a "
		  "trace_pipe that it reads as text. Somebody else must have switched "
		  "sched_process_exec, sched_process_fork and sched_process_exit on there; "
		  "nothing else is seen, and whoever else reads there misses what we read. The "
		  "default stands for no such pipe." },
	{ "DEFAULT", "report_interval", CONF_UINT, CONF_LIVE, AT(report_interval), "15", 1,
	  BLOCK_MINUTES, .check = check_interval, OPTION("interval", 'i', "MINUTES"),
	  .help = "Minutes of a cell, the smallest report. Must divide 240: 1, 2, 3, 4, 5, 6, 8, "
		  "10, 12, 15, 16, 20, 24, 30, 40, 48, 60, 80, 120 or 240." },
	{ "DEFAULT", "model", CONF_STRING, 0, AT(model), "gpt-4o-mini",
	  .help = "Language model that reports are shown to, when there is an api_key or another "
		  "api_base. It can raise a severity and never lower one." },
	{ "DEFAULT", "debug", CONF_BOOL, CONF_LIVE, AT(debug), "false", SWITCH("debug", 'd'),
	  .help = "Print each event, and what the program does." },

	{ "OPENAI", "api_key", CONF_STRING, CONF_SECRET | CONF_MAY_BE_EMPTY, AT(api_key), "",
	  .help = "Key of the language model's provider. Empty: the environment variable "
		  "OPENAI_API_KEY." },
	{ "OPENAI", "api_key_file", CONF_STRING, CONF_MAY_BE_EMPTY, AT(api_key_file), "",
	  .help = "File with that key alone, of root or of who runs this, closed to all others. It "
		  "comes before systemd's credential openai_api_key, and that before api_key. "
		  "Empty: none." },
	{ "OPENAI", "api_base", CONF_STRING, CONF_URL, AT(api_base), CONF_API_BASE,
	  .help = "Where the language model is: any server with OpenAI's chat completions, as "
		  "http://127.0.0.1:8080/v1. Another than the default needs no key." },

	{ "REPORTS", "reports_dir", CONF_STRING, 0, AT(reports_dir), "reports",
	  OPTION("reports-dir", 0, "DIR"),
	  .help = "Directory of the reports. It is made, for its owner alone, when it is not "
		  "there." },
	{ "REPORTS", "keep_cells_days", CONF_UINT, 0, AT(keep_cells_days), "30", 0, 36500,
	  .help = "Days after which cells are removed, once the report above them is "
		  "written. 0: never." },
	{ "REPORTS", "keep_blocks_days", CONF_UINT, 0, AT(keep_blocks_days), "90", 0, 36500,
	  .help = "Days after which blocks are removed, once the report above them is "
		  "written. 0: never." },
	{ "REPORTS", "keep_daily_days", CONF_UINT, 0, AT(keep_daily_days), "400", 0, 36500,
	  .help = "Days after which daily reports are removed, once the report above them is "
		  "written. 0: never." },
	{ "REPORTS", "keep_weekly_days", CONF_UINT, 0, AT(keep_weekly_days), "800", 0, 36500,
	  .help = "Days after which weekly reports are removed, once the report above them is "
		  "written. 0: never." },
	{ "REPORTS", "keep_monthly_days", CONF_UINT, 0, AT(keep_monthly_days), "0", 0, 36500,
	  .help = "Days after which monthly reports are removed, once the report above them is "
		  "written. 0: never." },
	{ "REPORTS", "max_reports_mb", CONF_UINT, 0, AT(max_reports_mb), "1024", 0, 1048576,
	  .help = "MiB that the reports may take; beyond, the oldest cells go first, never one "
		  "whose block is not written. 0: no limit." },
	{ "REPORTS", "checkpoint_interval", CONF_UINT, 0, AT(checkpoint_interval), "10", 0, 3600,
	  .help = "Seconds of the open cell that a crash may cost: so often it is put on disk. 0: "
		  "never, and a crash costs the cell." },
	{ "REPORTS", "chain_key_file", CONF_STRING, CONF_MAY_BE_EMPTY, AT(chain_key_file), "",
	  .help = "File of the key that signs each report (HMAC-SHA-256), of root, mode 0600, at "
		  "least 16 bytes; docs/report-tree-security.md says what that adds. Empty: "
		  "none." },

	{ "SOURCE", "source", CONF_CHOICE, 0, AT(source), "auto", .choices = sources,
	  OPTION("source", 0, "SOURCE"),
	  .help = "Where events come from: auto (the best that this host offers: the first of the "
		  "next four that works), bpf, bpf-btf (for kernels without BTF, by the file of "
		  "btf_path), bpf-plain (for them without such a file), ftrace, or replay (a "
		  "capture). docs/sources.md says what each cannot see." },
	{ "SOURCE", "hooks", CONF_CHOICE, 0, AT(hooks), "default", .choices = hooks,
	  OPTION("hooks", 0, "MODE"),
	  .help = "default: system call tracepoints too. lean: none of them, so that no system "
		  "call of the host gets slower; docs/hooks.md says what is not seen then." },
	{ "SOURCE", "btf_path", CONF_STRING, CONF_MAY_BE_EMPTY, AT(btf_path), "",
	  OPTION("btf-path", 0, "FILE"),
	  .help = "For a kernel without BTF: the vmlinux of that very kernel, with BTF, as its "
		  "debug "
		  "package has it or after `pahole -J vmlinux`. A file with another build-id, or "
		  "none, is refused. docs/sources.md. Empty: none." },
	{ "SOURCE", "ring_exec_kb", CONF_UINT, 0, AT(ring_exec_kb), "0", 0, 1048576,
	  .help = "KiB of the kernel buffer for exec events; rounded up to a power of two. 0: a "
		  "16th of memory_mb, down to a power of two." },
	{ "SOURCE", "ring_noisy_kb", CONF_UINT, 0, AT(ring_noisy_kb), "0", 0, 1048576,
	  .help = "KiB of the kernel buffer for all other events; rounded up to a power of two. "
		  "0: a 32nd of memory_mb, down to a power of two." },
	{ "SOURCE", "reopen_min", CONF_UINT, 0, AT(reopen_min), "1", 1, 3600,
	  .help = "Seconds after which a source that has gone away is tried again when the first "
		  "try, which is made at once, has failed; doubled with each more." },
	{ "SOURCE", "reopen_max", CONF_UINT, 0, AT(reopen_max), "60", 1, 86400,
	  .help = "Seconds between two tries at most. A source that lasts longer than that begins "
		  "with reopen_min again." },
	{ "SOURCE", "self_test", CONF_BOOL, CONF_LIVE, AT(self_test), "true",
	  .help = "Run a child at the start and once a cell and require that its exec is seen." },

	{ "OUTPUT", "output", CONF_STRING, CONF_MAY_BE_EMPTY, AT(output), "",
	  OPTION("output", 'o', "FILE"),
	  .help = "File to which each event is appended as a line of JSON; what was found in a "
		  "report, as text, goes to FILE.analysis. Empty: none." },
	{ "OUTPUT", "stdout_events", CONF_BOOL, 0, AT(stdout_events), "false", SWITCH("stdout", 0),
	  .help = "Write each event to standard output as a line of JSON." },
	{ "OUTPUT", "record", CONF_STRING, CONF_MAY_BE_EMPTY, AT(record), "",
	  OPTION("record", 0, "FILE"),
	  .help = "File to which all records go as they are, for replay. It must not exist yet. "
		  "Empty: none." },
	{ "OUTPUT", "record_max_mb", CONF_UINT, 0, AT(record_max_mb), "1024", 1, 1048576,
	  .help = "MiB at which a recording ends." },

	{ "FILTER", "exclude_commands", CONF_LIST, CONF_MAY_BE_EMPTY, AT(exclude_commands), "",
	  .max = FILTER_IDS, .check = check_comm,
	  .help = "Commands whose events are dropped in the kernel, by the exact name that the "
		  "kernel has (at most 15 "
		  "bytes). Whoever may choose a name can hide behind it: see docs/filters.md." },
	{ "FILTER", "exclude_uids", CONF_LIST, CONF_MAY_BE_EMPTY, AT(exclude_uids), "",
	  .max = FILTER_IDS, .check = check_uid,
	  .help = "User ids whose events are dropped in the kernel." },
	{ "FILTER", "exclude_cgroups", CONF_LIST, CONF_MAY_BE_EMPTY, AT(exclude_cgroups), "",
	  .max = EDR_PREFIXES, .check = check_absolute,
	  .help = "Control groups whose events are dropped in the kernel, with all below them: "
		  "/system.slice/x.service." },
	{ "FILTER", "exclude_paths", CONF_LIST, CONF_MAY_BE_EMPTY, AT(exclude_paths), "",
	  .max = EDR_PREFIXES, .check = check_absolute,
	  .help = "Beginnings of the resolved path of executables whose events are dropped in the "
		  "kernel." },

	{ "LIMITS", "memory_mb", CONF_UINT, 0, AT(memory_mb), "128", 16, 1048576,
	  .help = "MiB that the agent may use at most, kernel buffers included, whatever happens "
		  "on "
		  "the host; a usual one needs a quarter. What does not fit is counted. All sizes "
		  "below and the kernel buffers are shares of it; one that is set is not, and when "
		  "those that are set are too large for it, the log says so. Where a model is "
		  "asked, 4 MiB are for that, and the three tables of a cell are two sevenths "
		  "smaller." },
	{ "LIMITS", "max_processes", CONF_UINT, 0, AT(max_processes), "0", 0, 4194304,
	  .help = "Processes that are remembered. 0: 192 for each MiB of "
		  "memory_mb above 10." },
	{ "LIMITS", "max_executables", CONF_UINT, CONF_LIVE, AT(max_executables), "0", 0, 1048576,
	  .help = "Executables that a cell lists; the rest is counted as other. 0: 10 for each MiB "
		  "of memory_mb above 10." },
	{ "LIMITS", "max_command_lines", CONF_UINT, CONF_LIVE, AT(max_command_lines), "0", 0,
	  4194304,
	  .help = "Distinct command lines that a cell lists; the rest is counted as other. 0: 40 "
		  "for each MiB of memory_mb above 10." },
	{ "LIMITS", "max_connections", CONF_UINT, CONF_LIVE, AT(max_connections), "0", 0, 4194304,
	  .help = "Distinct connections that a cell lists; the rest is counted as other. 0: 20 for "
		  "each MiB of memory_mb above 10." },
	{ "LIMITS", "max_interim_mb", CONF_UINT, CONF_LIVE, AT(max_interim_mb), "32", 0, 1048576,
	  .help = "MiB of interim parts that a cell may write; events beyond are counted, not "
		  "listed. 0: no limit." },
	{ "LIMITS", "max_baseline", CONF_UINT, 0, AT(max_baseline), "0", 0, 4194304,
	  .help = "Things of the baseline (executables, who runs them, destinations) that are "
		  "remembered. 0: 128 for each MiB of memory_mb above 10." },

	{ "ADVANCED", "max_events_buffer", CONF_UINT, CONF_LIVE, AT(max_events_buffer), "10000", 1,
	  10000000,
	  .help = "Events that are kept in memory; a full buffer is written at once as an interim "
		  "report." },
	{ "ADVANCED", "max_events_age", CONF_UINT, CONF_LIVE, AT(max_events_age), "0", 0, 86400,
	  .help = "Seconds after which the oldest event in memory is written as an interim report. "
		  "0: no limit." },
	{ "ADVANCED", "max_summary_lines", CONF_UINT, 0, AT(max_summary_lines), "50", 1, 100000,
	  .help = "Rows of a report that the language model is told: findings, executables, "
		  "connections and others together." },
	{ "ADVANCED", "include_raw_events", CONF_BOOL, CONF_LIVE, AT(include_raw_events), "true",
	  .help = "Reports hold the events themselves, not only what they add up to." },
	{ "ADVANCED", "include_security_findings", CONF_BOOL, CONF_LIVE,
	  AT(include_security_findings), "true",
	  .help = "Look for signals of an attack in each event: they become findings of the "
		  "reports, and those of severity 3 or more lines of the log." },
	{ "ADVANCED", "verbose_debug_logging", CONF_BOOL, CONF_LIVE, AT(verbose_debug_logging),
	  "true", .help = "With debug: print each event too, not only what the program does." },
	{ "ADVANCED", "enable_syscall_tracing", CONF_BOOL, 0, AT(enable_syscall_tracing), "true",
	  .help = "false is the same as hooks = lean." },
	{ "ADVANCED", "list_threads", CONF_BOOL, CONF_LIVE, AT(list_threads), "false",
	  .help = "New threads are listed among the events, not only counted." },
	{ "ADVANCED", "syscalls_to_trace", CONF_LIST, CONF_MAY_BE_EMPTY, AT(syscalls_to_trace),
	  "execve, fork, clone, connect", .max = 512, .check = check_syscall,
	  .help = "System calls to watch. execve, fork, clone and connect are understood, any "
		  "other that has a "
		  "tracepoint is reported with its six arguments and its result." },

	{ "ANALYSIS", "learning_days", CONF_UINT, 0, AT(learning_days), "7", 0, 365,
	  .help = "Days with events before anything can be new or rare on this host. 0: nothing "
		  "ever is, and no baseline is kept." },
	{ "ANALYSIS", "analyze_cells", CONF_CHOICE, 0, AT(analyze_cells), "findings",
	  .choices = analyze,
	  .help = "Cells that the language model is shown: never, findings, changed or always. "
		  "findings: of severity 3 and more, or with a kind of finding that was in none of "
		  "that level on that day and the day before. changed: when something else was "
		  "found or new than in the last one that was sent." },
	{ "ANALYSIS", "analyze_blocks", CONF_CHOICE, 0, AT(analyze_blocks), "changed",
	  .choices = analyze,
	  .help = "Blocks that the language model is shown: never, findings, changed or always." },
	{ "ANALYSIS", "analyze_daily", CONF_CHOICE, 0, AT(analyze_daily), "always",
	  .choices = analyze,
	  .help = "Daily reports that the language model is shown: never, findings, changed or "
		  "always." },
	{ "ANALYSIS", "analyze_weekly", CONF_CHOICE, 0, AT(analyze_weekly), "always",
	  .choices = analyze,
	  .help = "Weekly reports that the language model is shown: never, findings, changed or "
		  "always." },
	{ "ANALYSIS", "analyze_monthly", CONF_CHOICE, 0, AT(analyze_monthly), "always",
	  .choices = analyze,
	  .help = "Monthly reports that the language model is shown: never, findings, changed or "
		  "always." },
	{ "ANALYSIS", "prompt_tokens", CONF_UINT, 0, AT(prompt_tokens), "6000", 1000, 200000,
	  .help = "Tokens of a request at most, as estimated: 3 bytes each." },
	{ "ANALYSIS", "answer_tokens", CONF_UINT, 0, AT(answer_tokens), "1000", 200, 16000,
	  .help = "Tokens of an answer at most." },
	{ "ANALYSIS", "connect_timeout", CONF_UINT, 0, AT(connect_timeout), "10", 1, 3600,
	  .help = "Seconds until the language model's server must have taken the connection." },
	{ "ANALYSIS", "request_timeout", CONF_UINT, 0, AT(request_timeout), "120", 1, 3600,
	  .help = "Seconds until its answer must be there." },
	{ "ANALYSIS", "queue_hours", CONF_UINT, 0, AT(queue_hours), "72", 1, 8760,
	  .help = "Hours that a report waits for the language model at most." },
	{ "ANALYSIS", "max_requests_day", CONF_UINT, 0, AT(max_requests_day), "200", 0, 1000000,
	  .help = "Requests a day (UTC) at most. 0: no limit." },
	{ "ANALYSIS", "max_tokens_day", CONF_UINT, 0, AT(max_tokens_day), "1000000", 0, 4294967295,
	  .help = "Tokens a day (UTC) at most. 0: no limit." },
	{ "ANALYSIS", "max_cents_day", CONF_UINT, 0, AT(max_cents_day), "50", 0, 1000000,
	  .help = "US cents a day (UTC) at most, by the two prices below. 0: no limit." },
	{ "ANALYSIS", "input_cents", CONF_UINT, 0, AT(input_cents), "15", 0, 1000000,
	  .help = "Price of a million tokens that are sent, in US cents." },
	{ "ANALYSIS", "output_cents", CONF_UINT, 0, AT(output_cents), "60", 0, 1000000,
	  .help = "Price of a million tokens that are answered, in US cents." },
	{ "ANALYSIS", "batch", CONF_BOOL, 0, AT(batch), "false",
	  .help = "Weekly and monthly reports through the server's batch interface: half the "
		  "price, "
		  "an answer within a day." },
	{ "ANALYSIS", "keep_exchanges", CONF_BOOL, 0, AT(keep_exchanges), "false",
	  .help = "Keep each request and its answer, in analysis/exchanges-DATE.jsonl of the "
		  "reports." },
	{ "ANALYSIS", "keep_exchanges_days", CONF_UINT, 0, AT(keep_exchanges_days), "30", 0, 36500,
	  .help = "Days after which these are removed." },
	{ "ANALYSIS", "proxy", CONF_STRING, CONF_URL | CONF_MAY_BE_EMPTY, AT(proxy), "",
	  .help = "Proxy on the way to the language model. Empty: https_proxy and no_proxy of the "
		  "environment." },
	{ "ANALYSIS", "ca_file", CONF_STRING, CONF_MAY_BE_EMPTY, AT(ca_file), "",
	  .help = "File with the certificates that its server is verified with. Empty: the "
		  "system's." },
	{ "ANALYSIS", "insecure_http", CONF_BOOL, 0, AT(insecure_http), "false",
	  .help = "Take an api_base with http that is not on this host: whoever is on the way can "
		  "read and forge all." },
	{ "ANALYSIS", "client_user", CONF_STRING, 0, AT(client_user), "linux-edr-client",
	  .help = "User that the process which speaks to it becomes. Not there: user id 65534." },
	{ "ANALYSIS", "redact", CONF_CHOICE, 0, AT(redact), "on", .choices = on_off,
	  .help = "on: passwords, tokens and keys in arguments are replaced by tags before "
		  "anything "
		  "is kept, written or sent. off: they are not, and each report says so." },
	{ "ANALYSIS", "redact_patterns", CONF_STRING, CONF_MAY_BE_EMPTY, AT(redact_patterns), "",
	  .help = "File of regular expressions, one a line, for secrets of the site's own: the "
		  "first "
		  "group of each, else all of it. Of root, writable by no one else; "
		  "docs/analysis.md says how they are written. Empty: none." },
	{ "ANALYSIS", "redact_key_file", CONF_STRING, CONF_MAY_BE_EMPTY, AT(redact_key_file), "",
	  .help = "File of the key of the tags that stand for secrets: 64 digits of 0-9 a-f and a "
		  "newline, of root, mode 0600. Empty: analysis/redact.key in reports_dir, which "
		  "is "
		  "made at the first start; whoever has a copy of the reports with it can try "
		  "passwords against the tags." },
};
const size_t conf_table_size = sizeof(conf_table) / sizeof(conf_table[0]);
_Static_assert(sizeof(conf_table) / sizeof(conf_table[0]) <= CONF_MAX_KEYS, "raise CONF_MAX_KEYS");

bool conf_key(size_t i, const char **section, const char **key, struct conf_option *option,
	      const char **help)
{
	if (i >= conf_table_size)
		return false;
	*section = conf_table[i].section;
	*key = conf_table[i].key;
	*option = conf_table[i].option;
	*help = conf_table[i].help;
	return true;
}

static void unknown_section(const char *section, struct buf *why)
{
	const char *names[CONF_MAX_KEYS], *nearest;

	for (size_t i = 0; i < conf_table_size; i++)
		names[i] = conf_table[i].section;
	buf_adds(why, "there is no section '");
	text_term(why, section, strlen(section));
	nearest = conf_nearest(section, names, conf_table_size);
	if (nearest)
		buf_addf(why, "'; did you mean %s?", nearest);
	else
		buf_adds(why, "'; there are DEFAULT, OPENAI, REPORTS, SOURCE, OUTPUT, FILTER, "
			      "LIMITS, ADVANCED and ANALYSIS");
}

/* "interval" for report_interval: too far for conf_nearest(), and still no riddle. */
static const char *key_with_part(const char *part)
{
	for (size_t i = 0; i < conf_table_size && strlen(part) > 3; i++)
		if (strcasestr(conf_table[i].key, part))
			return conf_table[i].key;
	return NULL;
}

/* The nearest name in the section; else the section where a key of that very name is. */
static void unknown_key(const char *section, const char *key, struct buf *why)
{
	const char *names[CONF_MAX_KEYS], *nearest;
	size_t n = 0;

	buf_addf(why, "section %s has no key '", section);
	text_term(why, key, strlen(key));
	for (size_t i = 0; i < conf_table_size; i++) {
		if (strcasecmp(conf_table[i].key, key) == 0) {
			buf_addf(why, "'; it belongs into section %s", conf_table[i].section);
			return;
		}
		if (strcmp(conf_table[i].section, section) == 0)
			names[n++] = conf_table[i].key;
	}
	nearest = conf_nearest(key, names, n);
	if (nearest) {
		buf_addf(why, "'; did you mean %s?", nearest);
		return;
	}
	for (size_t i = 0; i < conf_table_size; i++)
		names[i] = conf_table[i].key;
	nearest = conf_nearest(key, names, conf_table_size);
	if (!nearest)
		nearest = key_with_part(key);
	if (nearest)
		buf_addf(why, "'; did you mean %s?", nearest);
	else
		buf_adds(why, "'; `linux-edr-bpf show-config --sample` lists them all");
}

bool conf_section_known(const char *section, struct buf *why)
{
	for (size_t i = 0; i < conf_table_size; i++)
		if (strcasecmp(conf_table[i].section, section) == 0)
			return true;
	unknown_section(section, why);
	return false;
}

int conf_find(const char *section, const char *key, struct buf *why)
{
	const char *known = NULL;

	for (size_t i = 0; i < conf_table_size; i++) {
		if (strcasecmp(conf_table[i].section, section) != 0)
			continue;
		known = conf_table[i].section;
		if (strcasecmp(conf_table[i].key, key) == 0)
			return (int)i;
	}
	if (known)
		unknown_key(known, key, why);
	else
		unknown_section(section, why);
	return -1;
}

void conf_env_name(const struct conf_key *key, struct buf *out)
{
	buf_adds(out, "LINUX_EDR_");
	buf_adds(out, key->section);
	buf_addc(out, '_');
	for (const char *c = key->key; *c; c++)
		buf_addc(out, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
}
