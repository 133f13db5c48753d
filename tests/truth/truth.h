/* SPDX-License-Identifier: MIT */
/*
 * The ground truth: each scenario does a thing N times and prints one JSON line for each thing it
 * did, which the agent must have reported. `compare` puts the two side by side.
 *
 *	{"scenario":"tcp4","n":3,"type":"connect","pid":7,"after":NS,"before":NS,
 *	 "want":{"port":80,...},"lean":{"fd":-1},"may_args_unreadable":{}}
 *
 * type, pid and the time (Unix ns, between `after` and `before`) find the event; each member of
 * `want` must be in it, with the same value (key_max: at most that; key_tick: to a clock tick). A
 * string is compared byte for byte; {"hex":"..."} stands for one that is not plain ASCII. `lean`
 * and `default` replace members for that hook mode; `lean_unseen` (`default_unseen`,
 * `ftrace_unseen`, ...) says that the mode does not see the event at all; `may_args_unreadable` says that this record flag is no fault here. A line of
 * the type "own" says that all that pid did in that time is listed.
 */
#ifndef TRUTH_TRUTH_H
#define TRUTH_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct truth {
	const char *scenario;
	const char *token; /* part of what is done wherever that is possible: nobody else has it */
	unsigned n;	   /* times to do it */
	unsigned i;	   /* this time, from 0 */
	const char *dir;   /* the working directory: fresh, resolved, removed at the end */
	const char *helpers; /* where noop, noop32 and connect32 are */
	pid_t pid;
	int64_t start_ns;	    /* our own start, boot time, to a clock tick */
	long login_uid, session_id; /* -1: not set */
	bool inodes_agree; /* what stat() says is what the kernel has: not so on overlayfs */
};

#define EACH_RUN(t) for ((t)->i = 0; (t)->i < (t)->n; (t)->i++)

struct scene {
	const char *name;
	void (*run)(struct truth *t); /* does it t->n times */
	const char *what;
};

/* Each file of scenes has a table, which ends with a NULL name. */
extern const struct scene scenes_exec[];
extern const struct scene scenes_path[];
extern const struct scene scenes_fail[];
extern const struct scene scenes_fork[];
extern const struct scene scenes_exit[];
extern const struct scene scenes_inet[];
extern const struct scene scenes_unix[];
extern const struct scene scenes_blocked[];
extern const struct scene scenes_forged[];
extern const struct scene scenes_other[];

/*
 * Says what went wrong in the scenario itself, tidies up and ends with exit code 2, or 77 (not
 * possible on this host).
 */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void cannot(const char *format, ...);
/* ret when it is not negative; else the end, with errno's text. */
long must(const char *what, long ret);

const char *error_name(int error); /* "ENOENT" */
int64_t now_ns(void);
/*
 * Something to call before the temporary directory goes, such as an unmount or an rmdir; up to 16.
 */
void at_end(void (*fn)(void *arg), void *arg);

/* One line; keys and scenario names are our own and plain. */
void line_begin(const struct truth *t, const char *type, pid_t pid, int64_t after, int64_t before);
void line_num(const char *key, long long value);
void line_hex(const char *key, unsigned long long value); /* "0x1f" */
void line_bool(const char *key, bool value);
void line_null(const char *key);
void line_absent(const char *key); /* the event must not have it */
void line_text(const char *key, const char *value);
void line_bytes(const char *key, const void *data, size_t len);
void line_list(const char *key, char *const *items); /* up to NULL */
void line_words(const char *key, const char *words); /* a list, from words separated by a space */
void line_hexes(const char *key, const unsigned long long *values, size_t n);
/*
 * What follows differs in that mode ("lean", "default"); unseen: the mode does not see it at all.
 */
void line_mode(const char *mode);
void line_unseen(const char *mode);
void line_may(const char *flag); /* last, before the end */
void line_end(void);
/* All that pid does in that time will have been listed. */
void line_own(const struct truth *t, pid_t pid, int64_t after, int64_t before);

/* A child from start to end, made by a bare clone(SIGCHLD): what it does first is what fn does. */
struct child {
	pid_t pid;
	int64_t after, before; /* around its whole life */
	int status;	       /* of wait */
	const char *call;      /* fork, vfork, clone, clone3; NULL when the C library chose */
	unsigned long long flags;
};
typedef void (*child_fn)(struct truth *t, void *arg); /* to end with _exit() or exec */
void child_run(struct truth *t, struct child *c, child_fn fn, void *arg);
/* The same by the C library's fork(), for children that make threads. */
void child_fork(struct truth *t, struct child *c, child_fn fn, void *arg);
void child_wait(struct child *c);
/* The end of the scenario unless it ended with that code. */
void child_must_exit(const struct child *c, int code);

/*
 * Lines for its birth (by the process parent) and its death; comm may be NULL when it is not known.
 */
void line_fork(const struct truth *t, const struct child *c, pid_t parent, const char *command);
void line_exit(const struct truth *t, const struct child *c, const char *command, const char *comm);

/* An exec as it must be reported. What is 0 or NULL is filled in as it usually is. */
struct exec {
	const char *path;     /* as given */
	char *const *argv;    /* as the new program gets it */
	const char *filename; /* as reported, when it is not `path` */
	const char *exe;      /* resolved; when NULL, dir/basename of path */
	const char *interp;
	const char *flags;		     /* exec_flags, separated by a space */
	const char *container;		     /* "": in none; NULL: not compared */
	const char *tty;		     /* NULL: ours */
	unsigned long long cgroup_id, inode; /* 0: not compared, that of exe */
	const char *may;		     /* a record flag that is no fault here */
	const char *unseen;		     /* the mode that does not see it */
	const char *comm; /* when it is not the first 15 bytes of the file name */
	pid_t ppid;
	const unsigned *ids; /* uid, gid, euid, egid; NULL: ours */
	pid_t tid;	     /* the thread that called exec, when it is not the leader */
	bool no_comm;	     /* it depends on the kernel */
};
void line_exec(const struct truth *t, const struct exec *e, pid_t pid, int64_t after,
	       int64_t before);
/* Fork, exec and exit of a child that ran e and nothing else. */
void line_run(const struct truth *t, const struct exec *e, const struct child *c);

extern char *const *const environment;	   /* an empty one */
void exec_child(struct truth *t, void *e); /* a child_fn: runs e */
void exec_run(struct truth *t,
	      struct exec *e); /* a child that runs e, exits with 0, and its lines */

const char *base_name(const char *path);
/* Copies a helper into the working directory under that name; mode 0755. */
void put_helper(const struct truth *t, const char *helper, const char *name);
void put_file(const char *name, const void *data, size_t len, unsigned mode);
char *format(const char *fmt, ...)
	__attribute__((format(printf, 1, 2))); /* lives for the next 64 calls */
/* The same bytes each time for the same seed. */
uint32_t next_random(uint32_t *state);

#endif
