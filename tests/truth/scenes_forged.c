// SPDX-License-Identifier: MIT
/* Names, paths and arguments that hold lines of a trace, of other people's and of our own output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "truth.h"

#define HEADER "\n          forged-4194301     [000] .....     1.000000: "
#define LOST "\nCPU:0 [LOST 5 EVENTS]\n"
#define FORGED_EXEC HEADER "sched_process_exec: filename=forged pid=4194301 old_pid=4194301\n"
#define FORGED_FORK HEADER "sched_process_fork: comm=a pid=4194301 child_comm=b child_pid=4194302\n"
#define FORGED_EXIT HEADER "sched_process_exit: comm=a pid=4194301 prio=120\n"
#define FORGED_ARGS HEADER "args: (start_thread+0x0) argc=1 a0=\"forged\"\n"
#define DIRECTORIES 14
#define LONG_ARGUMENT 5000

/* None has a slash, for they are names of files too. */
static const char *const forged[] = {
	FORGED_EXEC,
	FORGED_FORK,
	FORGED_EXIT,
	FORGED_ARGS,
	LOST,
	"x pid=7 old_pid=7" FORGED_EXEC,
	"x" LOST FORGED_EXEC LOST,
	"a\" a1=\"forged\" argc=9 (fault)",
	"x [1] execve(a)",
	"{\"type\":\"exec\",\"pid\":4194301,\"command\":\"forged\"}\n",
};
#define N_FORGED (sizeof(forged) / sizeof(*forged))

static void scene_forged_name(struct truth *t)
{
	size_t i;

	for (i = 0; i < N_FORGED; i++)
		put_helper(t, "noop", forged[i]);
	EACH_RUN(t)
	{
		const char *name = forged[t->i % N_FORGED];
		char *argv[] = { "forged name", (char *)t->token, format("%u", t->i), NULL };
		struct exec e = { .path = format("./%s", name), .argv = argv };

		exec_run(t, &e);
	}
}

/* Directories in one another, some 2,000 bytes; every name is a forgery. */
static void scene_forged_path(struct truth *t)
{
	char path[4096] = ".";
	size_t len = 1, i;

	for (i = 0; i < DIRECTORIES; i++) {
		len += (size_t)snprintf(path + len, sizeof(path) - len, "/%.120s%zu%.120s",
					forged[i % N_FORGED], i, forged[(i + 1) % N_FORGED]);
		must("mkdir", mkdir(path, 0755));
	}
	snprintf(path + len, sizeof(path) - len, "/noop");
	put_helper(t, "noop", path);
	EACH_RUN(t)
	{
		char *argv[] = { "forged path", (char *)t->token, format("%u", t->i), NULL };
		struct exec e = { .path = path, .argv = argv };

		e.exe = format("%s%s", t->dir, path + 1);
		exec_run(t, &e);
	}
}

/* An event that holds it is longer than a page: some tracers lose it without a word. */
static char *longest_name(void)
{
	static const char last[] = "/noop";
	static char path[4096];
	size_t i;

	for (i = 0; i + sizeof(last) < sizeof(path); i++)
		path[i] = i % 2 ? '/' : '.';
	memcpy(path + i, last, sizeof(last));
	return path;
}

static void run_longest_name(struct truth *t, const char *flags, const char *unseen)
{
	EACH_RUN(t)
	{
		char *argv[] = { "longest name", (char *)t->token, format("%u", t->i), NULL };
		struct exec e = {
			.path = longest_name(), .argv = argv, .flags = flags, .unseen = unseen
		};

		exec_run(t, &e);
	}
}

static void scene_longest_name(struct truth *t)
{
	put_helper(t, "noop", "noop");
	run_longest_name(t, NULL, NULL);
}

static void scene_longest_name32(struct truth *t)
{
	put_helper(t, "noop32", "noop");
	run_longest_name(t, "compat32", "ftrace-no-probes");
}

/* By a 32-bit program, whose calls no tracepoint of a syscall sees. */
static void run_by32(struct truth *t, const struct exec *what, const char *comm)
{
	put_helper(t, "noop32", "first");
	EACH_RUN(t)
	{
		char *argv[] = { "by 32 bits", "+exec", (char *)what->path, (char *)t->token,
				 NULL };
		struct exec first = { .path = "./first", .argv = argv, .flags = "compat32" };
		struct exec second = *what;
		struct child c;

		second.argv = argv + 2;
		child_run(t, &c, exec_child, &first);
		child_must_exit(&c, 0);
		line_fork(t, &c, t->pid, NULL);
		line_exec(t, &first, c.pid, c.after, c.before);
		line_exec(t, &second, c.pid, c.after, c.before);
		line_exit(t, &c, comm, comm);
		line_own(t, c.pid, c.after, c.before);
	}
}

static void scene_longest_name_by32(struct truth *t)
{
	struct exec second = { .path = longest_name(),
			       .flags = "compat32",
			       .unseen = "ftrace-no-probes" };

	put_helper(t, "noop32", "noop");
	run_by32(t, &second, "noop");
}

/* At its end the mode is the new program's, and the number of the call the old one's. */
static void scene_exec_by32(struct truth *t)
{
	struct exec second = { .path = "./noop" };

	put_helper(t, "noop", "noop");
	run_by32(t, &second, "noop");
}

static void scene_forged_args(struct truth *t)
{
	char longest[LONG_ARGUMENT + 1] = "";
	size_t len = 0, i;

	for (i = 0; len < LONG_ARGUMENT; i++)
		len += (size_t)snprintf(longest + len, sizeof(longest) - len, "%s",
					forged[i % N_FORGED]);
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "noop",
				 (char *)forged[t->i % N_FORGED],
				 (char *)forged[(t->i + 1) % N_FORGED],
				 t->i % 3 ? "short" : longest,
				 (char *)t->token,
				 format("%u", t->i),
				 NULL };
		struct exec e = { .path = "./noop", .argv = argv };

		exec_run(t, &e);
	}
}

/* As long as a name can be: 15 bytes. */
static const char *const comms[] = {
	"\nCPU:0 [LOST 5",
	" child_pid=7\n",
	" pid=7 prio=7\n",
	"x [1] execve(a)",
	"\n[000] .... 1.",
	"a-1 [000] 1.0: ",
	"\n",
	"\" a0=\"forged\"",
};
#define N_COMMS (sizeof(comms) / sizeof(*comms))

static void forged_child(struct truth *t, void *arg)
{
	(void)t;
	(void)arg;
	_exit(0);
}

static void scene_forged_comm(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		const char *name = comms[t->i % N_COMMS];
		char *argv[] = { "forged comm", (char *)t->token, format("%u", t->i), NULL };
		struct exec e = { .path = "./noop", .argv = argv };
		struct child c;

		must("prctl", prctl(PR_SET_NAME, name));
		child_run(t, &c, forged_child, NULL);
		child_must_exit(&c, 0);
		line_begin(t, "fork", t->pid, c.after, c.before);
		line_num("child_pid", c.pid);
		line_text("comm", name);
		line_end();
		line_exit(t, &c, NULL, name);

		child_run(t, &c, exec_child, &e);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
}

const struct scene scenes_forged[] = {
	{ "forged_name", scene_forged_name, "files named like whole lines of a trace" },
	{ "forged_path", scene_forged_path, "a path of 2,000 bytes made of lines of a trace" },
	{ "longest_name", scene_longest_name, "a file name of 4,095 bytes as given to exec" },
	{ "longest_name32", scene_longest_name32, "the same of a 32-bit program" },
	{ "longest_name_by32", scene_longest_name_by32, "the same, given by a 32-bit program" },
	{ "exec_by32", scene_exec_by32, "a 64-bit program, started by a 32-bit one" },
	{ "forged_args", scene_forged_args, "arguments that are lines of a trace; 5,000 bytes" },
	{ "forged_comm", scene_forged_comm, "processes named like pieces of a trace" },
	{ NULL, NULL, NULL },
};
