/* SPDX-License-Identifier: MIT */
/*
 * Configuration: one table {section, key, type, default, limits, option, help} in table.c from which come parsing,
 * validation, the environment overrides LINUX_EDR_<SECTION>_<KEY>, show-config, the sample linux-edr.conf and the
 * man page's table. Command line over environment over file over default.
 *
 * File: INI (libinih) in Python configparser's dialect as far as the original's users rely on it: `key = value`,
 * `key: value`, comments with # and ; on a line of their own or after white space, '%' has no meaning. A list is separated
 * by commas ("\," is a comma, "\\" a backslash) and goes on in the next line when that one is indented.
 *
 * A file that others could change is refused when we are root: it must belong to root, to us, or to who called sudo, and
 * be writable by no one else, for whoever writes it steers a process of root's.
 */
#ifndef EDR_CONF_CONF_H
#define EDR_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct conf_list {
	char **item;
	size_t n;
};

#define CONF_TRACE_PATH "/sys/kernel/tracing/trace_pipe" /* the default */

struct conf {
	/* [DEFAULT] */
	char *trace_path;
	unsigned report_interval; /* minutes, a divisor of 240 */
	char *model;
	bool debug;
	/* [OPENAI] */
	char *api_key;	    /* secret: OPENAI_API_KEY is read too */
	char *api_key_file; /* empty: none */
	char *api_base;
	/* [REPORTS] */
	char *reports_dir;
	unsigned keep_cells_days, keep_blocks_days, keep_daily_days, keep_weekly_days,
		keep_monthly_days;    /* 0: for ever */
	unsigned max_reports_mb;      /* 0: no limit */
	unsigned checkpoint_interval; /* s; 0: none */
	char *chain_key_file;	      /* empty: none */
	/* [SOURCE] */
	char *source;			      /* auto, bpf, bpf-btf, bpf-plain, ftrace, replay */
	char *hooks;			      /* default, lean */
	unsigned ring_exec_kb, ring_noisy_kb; /* 0: a share of memory_mb */
	char *btf_path;			      /* empty: none */
	unsigned reopen_min, reopen_max;      /* s */
	bool self_test;
	/* [OUTPUT] */
	char *output; /* JSON lines are appended; empty: none */
	bool stdout_events;
	char *record;
	unsigned record_max_mb;
	/* [FILTER] */
	struct conf_list exclude_commands, exclude_uids, exclude_cgroups, exclude_paths;
	/* [LIMITS] */
	unsigned memory_mb;
	unsigned max_processes, max_executables, max_command_lines,
		max_connections; /* 0: a share of memory_mb */
	unsigned max_interim_mb; /* 0: no limit */
	unsigned max_baseline;	 /* entries; 0: a share of memory_mb */
	/* [ADVANCED] */
	unsigned max_events_buffer, max_events_age /* s */, max_summary_lines;
	bool include_raw_events, include_security_findings, verbose_debug_logging,
		enable_syscall_tracing, list_threads;
	struct conf_list syscalls_to_trace;
	/* [ANALYSIS] */
	unsigned learning_days; /* 0: no baseline */
	char *analyze_cells, *analyze_blocks, *analyze_daily, *analyze_weekly,
		*analyze_monthly; /* never, findings, changed, always */
	unsigned prompt_tokens, answer_tokens;
	unsigned connect_timeout, request_timeout; /* s */
	unsigned queue_hours;
	unsigned max_requests_day, max_tokens_day, max_cents_day; /* 0: no limit */
	unsigned input_cents, output_cents; /* US cents for a million tokens */
	bool batch;
	bool keep_exchanges;
	unsigned keep_exchanges_days;
	char *proxy, *ca_file; /* empty: none */
	bool insecure_http;
	char *client_user;
	char *redact;				 /* on, off */
	char *redact_patterns, *redact_key_file; /* empty: none; of the reports directory */
};

#define CONF_API_BASE "https://api.openai.com/v1" /* the default */

enum conf_origin { CONF_DEFAULT, CONF_FILE, CONF_ENV, CONF_OPTION };

struct conf_set; /* a conf with, for each key, where its value came from */

/*
 * All return 0 or -EINVAL (a bad key or value), -ENOENT/-EACCES/... (a file that was named and cannot be read), with one
 * clear sentence in err: file and line, environment variable or option; what is wrong; the nearest valid name.
 */
struct conf_set *conf_new(void); /* the defaults; NULL without memory */
void conf_free(struct conf_set *s);
int conf_load_file(struct conf_set *s, const char *path, char *err, size_t err_size);
/* The search order of the original when no file is named; *found is the path or NULL (the caller frees it). */
int conf_load_default_file(struct conf_set *s, char **found, char *err, size_t err_size);
int conf_load_env(struct conf_set *s, char *const *environ_, char *err, size_t err_size);
int conf_set_option(struct conf_set *s, const char *section, const char *key, const char *value,
		    const char *option, char *err, size_t err_size);
const struct conf *conf_get(const struct conf_set *s);

/* What memory_mb and the keys of [LIMITS] and [SOURCE] come to. */
struct conf_rows {
	size_t executables, command_lines, connections;
};
struct conf_sizes {
	size_t ring_exec, ring_noisy; /* bytes */
	size_t processes;
	struct conf_rows cell, checkpoint;
	size_t part, parts; /* bytes of raw events: in the open part, in those that wait */
	size_t cells;	    /* bytes of closed cells that wait for the disk, besides the first */
	size_t sink;	    /* bytes that wait for --output, --stdout or --record, each */
	size_t batch;	    /* bytes of records that are being put in order */
	unsigned kernel_entries; /* source_config.table_entries */
	size_t baseline;	 /* entries of 32 bytes; 0: none */
	size_t waiting;		 /* reports that wait for the model; 0: none is asked */
};
struct conf_sizes conf_sizes(const struct conf *c);
/* All of it together, and what has no size, at worst: more than memory_mb only where a size was set that is more than its share. */
size_t conf_most_bytes(const struct conf *c);

/* A key that has an option of its own; every key can also be given as --set SECTION.KEY=VALUE. */
struct conf_option {
	const char *name; /* without "--" */
	char letter;	  /* 0: none */
	const char *arg;  /* how help calls its argument; NULL: it takes none and means `implied` */
	const char *implied;
};
/* The i-th key, in the order of the table; false behind the last. option->name is NULL when it has none. */
bool conf_key(size_t i, const char **section, const char **key, struct conf_option *option,
	      const char **help);

/* What differs between two that only a restart can change (source, hooks, rings, ...): names into out, 0 when nothing. */
size_t conf_needs_restart(const struct conf_set *a, const struct conf_set *b, const char **out,
			  size_t max);

void conf_print(const struct conf_set *s,
		FILE *out); /* show-config: value, and where it came from */
void conf_print_json(const struct conf_set *s, FILE *out); /* the same as one JSON object */
void conf_print_sample(FILE *out);			   /* linux-edr.conf */
void conf_print_roff(FILE *out);			   /* the man page's table */

/* The name in names nearest to `word` (Damerau-Levenshtein, at most a third of its length), or NULL. */
const char *conf_nearest(const char *word, const char *const *names, size_t n);

#endif
