// SPDX-License-Identifier: MIT
/* What all scenes share: the end in case of trouble, time, children, files. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "truth.h"

#define END_MAX 16
#define TEXT_MAX 64

static struct {
	void (*fn)(void *arg);
	void *arg;
} ends[END_MAX];
static size_t n_ends;

static void tidy(void)
{
	while (n_ends) {
		n_ends--;
		ends[n_ends].fn(ends[n_ends].arg);
	}
}

void at_end(void (*fn)(void *arg), void *arg)
{
	if (!n_ends)
		atexit(tidy);
	if (n_ends == END_MAX)
		die("too many things to do at the end");
	ends[n_ends].fn = fn;
	ends[n_ends].arg = arg;
	n_ends++;
}

__attribute__((format(printf, 2, 0))) static void complain(const char *verdict, const char *text,
							   va_list args)
{
	fflush(stdout);
	fprintf(stderr, "truth: %s: ", verdict);
	vfprintf(stderr, text, args);
	fputc('\n', stderr);
}

void die(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	complain("broken", text, args);
	va_end(args);
	exit(2);
}

void cannot(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	complain("not possible here", text, args);
	va_end(args);
	exit(77);
}

long must(const char *what, long ret)
{
	if (ret < 0)
		die("%s: %s", what, strerror(errno));
	return ret;
}

/* musl has no strerrorname_np. */
const char *error_name(int error)
{
	static const struct {
		int error;
		const char *name;
	} errors[] = {
#define NAME(e) { e, #e }
		NAME(ENOENT),	NAME(EACCES),	    NAME(ENOEXEC),	NAME(ENOTDIR),
		NAME(ELOOP),	NAME(E2BIG),	    NAME(EFAULT),	NAME(EBADF),
		NAME(EINVAL),	NAME(ENAMETOOLONG), NAME(ECONNREFUSED), NAME(EINPROGRESS),
		NAME(ENOTSOCK), NAME(EAFNOSUPPORT), NAME(EPROTOTYPE),	NAME(EEXIST),
		NAME(EAGAIN),	NAME(ENOMEM),	    NAME(EINTR),
#undef NAME
	};
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].error == error)
			return errors[i].name;
	die("no name for the error %d", error);
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void child_wait(struct child *c)
{
	must("waitpid", waitpid(c->pid, &c->status, __WALL));
	c->before = now_ns();
}

/* fn in the child; it does not come back. */
static void child_main(struct truth *t, child_fn fn, void *arg)
{
	fn(t, arg);
	_exit(127);
}

void child_fork(struct truth *t, struct child *c, child_fn fn, void *arg)
{
	fflush(stdout);
	c->call = NULL;
	c->after = now_ns();
	c->pid = (pid_t)must("fork", fork());
	if (!c->pid)
		child_main(t, fn, arg);
	child_wait(c);
}

void child_run(struct truth *t, struct child *c, child_fn fn, void *arg)
{
	c->call = "clone";
	c->flags = 0;
	c->after = now_ns();
	c->pid = (pid_t)must("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	if (!c->pid)
		child_main(t, fn, arg);
	child_wait(c);
}

void child_must_exit(const struct child *c, int code)
{
	if (WIFSIGNALED(c->status))
		die("a child was killed by signal %d, and should have exited with %d",
		    WTERMSIG(c->status), code);
	if (WEXITSTATUS(c->status) != code)
		die("a child exited with %d, not with %d", WEXITSTATUS(c->status), code);
}

char *const *const environment = &(char *const){ NULL };

void exec_child(struct truth *t, void *arg)
{
	const struct exec *e = arg;

	(void)t;
	execve(e->path, e->argv, environment);
}

void exec_run(struct truth *t, struct exec *e)
{
	struct child c;

	child_run(t, &c, exec_child, e);
	child_must_exit(&c, 0);
	line_run(t, e, &c);
}

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void line_comm(const char *name)
{
	line_bytes("comm", name, strnlen(name, 15));
}

void line_fork(const struct truth *t, const struct child *c, pid_t parent, const char *command)
{
	line_begin(t, "fork", parent, c->after, c->before);
	line_num("child_pid", c->pid);
	if (command) {
		line_text("command", command);
		line_comm(command);
	}
	if (c->call) {
		line_text("syscall", c->call);
		line_hex("flags", c->flags);
	}
	line_end();
}

void line_exit(const struct truth *t, const struct child *c, const char *command, const char *comm)
{
	bool killed = WIFSIGNALED(c->status);

	line_begin(t, "exit", c->pid, c->after, c->before);
	line_num("exit_code", killed ? 0 : WEXITSTATUS(c->status));
	line_num("signal", killed ? WTERMSIG(c->status) : 0);
	line_bool("core_dumped", killed && WCOREDUMP(c->status));
	line_num("run_time_ns_max", c->before - c->after);
	if (command)
		line_text("command", command);
	if (comm)
		line_comm(comm);
	line_end();
}

static void line_id(const char *key, long id)
{
	if (id < 0)
		line_null(key);
	else
		line_num(key, id);
}

/* What the kernel knows of it besides. */
static void line_identity(const struct truth *t, const struct exec *e, const char *exe,
			  const unsigned ids[4])
{
	struct stat st;

	line_num("ppid", e->ppid ? e->ppid : t->pid);
	if (!e->ppid)
		line_num("parent_start_ns_tick", t->start_ns);
	line_num("uid", ids[0]);
	line_num("gid", ids[1]);
	line_num("euid", ids[2]);
	line_num("egid", ids[3]);
	line_id("login_uid", t->login_uid);
	line_id("session_id", t->session_id);
	if (e->tty)
		line_text("tty", e->tty);
	if (e->cgroup_id)
		line_num("cgroup_id", (long long)e->cgroup_id);
	if (e->inode)
		line_num("exe_inode", (long long)e->inode);
	else if (t->inodes_agree && !stat(exe, &st))
		line_num("exe_inode", (long long)st.st_ino);
	if (e->container && *e->container)
		line_text("container", e->container);
	else if (e->container)
		line_absent("container");
}

void line_exec(const struct truth *t, const struct exec *e, pid_t pid, int64_t after,
	       int64_t before)
{
	const unsigned ours[4] = { getuid(), getgid(), geteuid(), getegid() };
	const unsigned *ids = e->ids ? e->ids : ours;
	const char *filename = e->filename ? e->filename : e->path;
	size_t argc = 0, bytes = 0;
	char *exe = NULL;

	while (e->argv[argc])
		bytes += strlen(e->argv[argc++]) + 1;
	if (!e->exe && asprintf(&exe, "%s/%s", t->dir, base_name(filename)) < 0)
		die("no memory");

	line_begin(t, "exec", pid, after, before);
	line_text("command", base_name(filename));
	line_text("filename", filename);
	line_text("exe", e->exe ? e->exe : exe);
	if (e->interp)
		line_text("interpreter", e->interp);
	else
		line_absent("interpreter");
	if (!e->no_comm)
		line_comm(e->comm ? e->comm : base_name(filename));
	if (argc)
		line_text("argv0", e->argv[0]);
	else
		line_null("argv0");
	line_list("args", argc ? e->argv + 1 : e->argv);
	line_num("argc", (long long)argc);
	line_num("argv_bytes", (long long)bytes);
	line_identity(t, e, e->exe ? e->exe : exe, ids);
	line_num("exec_tid", e->tid ? e->tid : pid);
	line_words("exec_flags", e->flags ? e->flags : "");
	if (e->unseen)
		line_unseen(e->unseen);
	if (e->may)
		line_may(e->may);
	line_end();
	free(exe);
}

void line_run(const struct truth *t, const struct exec *e, const struct child *c)
{
	const char *name = base_name(e->filename ? e->filename : e->path);

	line_fork(t, c, t->pid, NULL);
	line_exec(t, e, c->pid, c->after, c->before);
	line_exit(t, c, name, e->no_comm ? NULL : e->comm ? e->comm : name);
	line_own(t, c->pid, c->after, c->before);
}

void put_file(const char *name, const void *data, size_t len, unsigned mode)
{
	int fd = (int)must(name, open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	if (write(fd, data, len) != (ssize_t)len)
		die("cannot write %s", name);
	must("fchmod", fchmod(fd, mode));
	must("close", close(fd));
}

void put_helper(const struct truth *t, const char *helper, const char *name)
{
	const char *path = format("%s/%s", t->helpers, helper);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0)
		cannot("%s: %s", path, strerror(errno));
	must("fstat", fstat(fd, &st));
	data = malloc((size_t)st.st_size);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		die("cannot read %s", path);
	close(fd);
	put_file(name, data, (size_t)st.st_size, 0755);
	free(data);
}

/* Kept in a ring: a text lives for the next TEXT_MAX calls. */
char *format(const char *fmt, ...)
{
	static char *texts[TEXT_MAX];
	static size_t next;
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		die("no memory");
	va_end(args);
	free(texts[next]);
	texts[next] = text;
	next = (next + 1) % TEXT_MAX;
	return text;
}

uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}
