// SPDX-License-Identifier: MIT
/* Births: every call that makes a process or a thread, pids that come again, names that lie. */
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

static void line_born_and_died(const struct truth *t, const struct child *c)
{
	line_fork(t, c, t->pid, "truth");
	line_exit(t, c, "truth", "truth");
	line_own(t, c->pid, c->after, c->before);
}

#ifdef SYS_fork
static void scene_fork(struct truth *t)
{
	EACH_RUN(t)
	{
		struct child c = { .call = "fork", .after = now_ns() };

		c.pid = (pid_t)must("fork", syscall(SYS_fork));
		if (!c.pid)
			_exit(0);
		child_wait(&c);
		line_born_and_died(t, &c);
	}
}
#endif

static void exit_child(struct truth *t, void *arg)
{
	(void)t;
	(void)arg;
	_exit(0);
}

static void scene_libc_fork(struct truth *t)
{
	struct child c;

	EACH_RUN(t)
	{
		child_fork(t, &c, exit_child, NULL);
		line_born_and_died(t, &c);
	}
}

static void scene_clone(struct truth *t)
{
	static const unsigned long long flags[] = {
		0,
		CLONE_FS,
		CLONE_FILES,
		CLONE_FS | CLONE_FILES | CLONE_SYSVSEM,
		CLONE_NEWUTS,
		CLONE_NEWNS | CLONE_NEWIPC,
		CLONE_NEWPID,
		CLONE_NEWUSER,
		CLONE_NEWCGROUP | CLONE_IO,
	};

	EACH_RUN(t)
	{
		struct child c = { .call = "clone", .after = now_ns() };

		c.flags = flags[t->i % (sizeof(flags) / sizeof(*flags))];
		c.pid = (pid_t)syscall(SYS_clone, c.flags | SIGCHLD, 0, 0, 0, 0);
		/* Some kernels have no user namespaces, or none to give. */
		if (c.pid < 0 && c.flags & CLONE_NEWUSER)
			continue;
		must("clone", c.pid);
		if (!c.pid)
			_exit(0);
		child_wait(&c);
		line_born_and_died(t, &c);
	}
}

/* -errno or the pid; n_tids pids are asked for, from the innermost namespace outwards. */
static pid_t clone3(unsigned long long flags, const pid_t *tids, size_t n_tids)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)tids,
		.set_tid_size = n_tids,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void need_clone3(void)
{
	if (syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS)
		cannot("no clone3 in this kernel");
}

static void scene_clone3(struct truth *t)
{
	static const unsigned long long flags[] = { 0, CLONE_CLEAR_SIGHAND,
						    CLONE_FS | CLONE_FILES };

	need_clone3();
	EACH_RUN(t)
	{
		struct child c = { .call = "clone3", .after = now_ns() };

		c.flags = flags[t->i % (sizeof(flags) / sizeof(*flags))];
		c.pid = (pid_t)must("clone3", clone3(c.flags, NULL, 0));
		if (!c.pid)
			_exit(0);
		child_wait(&c);
		line_born_and_died(t, &c);
	}
}

static pid_t *shared_pids(void)
{
	pid_t *pids = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (pids == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return pids;
}

/* A child that makes a brother of itself. */
static void brother_child(struct truth *t, void *arg)
{
	volatile pid_t *pid = arg;
	pid_t brother = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	(void)t;
	if (brother)
		*pid = brother;
	_exit(0);
}

static void scene_clone_parent(struct truth *t)
{
	pid_t *brother = shared_pids();

	EACH_RUN(t)
	{
		struct child a, b = { .call = "clone", .flags = CLONE_PARENT };

		child_run(t, &a, brother_child, brother);
		child_must_exit(&a, 0);
		b.pid = *brother;
		b.after = a.after;
		child_wait(&b);
		line_born_and_died(t, &a);
		line_begin(t, "fork", a.pid, b.after, b.before);
		line_num("child_pid", b.pid);
		line_num("child_ppid", t->pid);
		line_text("syscall", "clone");
		line_hex("flags", CLONE_PARENT);
		line_end();
		line_exit(t, &b, "truth", "truth");
	}
}

static void *thread_main(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	return NULL;
}

static void scene_threads(struct truth *t)
{
	EACH_RUN(t)
	{
		int64_t after = now_ns();
		pthread_t thread;
		pid_t tid;

		if (pthread_create(&thread, NULL, thread_main, &tid) || pthread_join(thread, NULL))
			die("pthread_create");
		line_begin(t, "thread", t->pid, after, now_ns());
		line_num("child_tid", tid);
		line_end();
	}
}

/* A bare clone, so that its flags are known. */
static int raw_thread_main(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	return 0;
}

static void scene_threads_raw(struct truth *t)
{
	static const int shared = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	static const int flags = shared | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
	static char stack[65536] __attribute__((aligned(16)));
	volatile pid_t alive;
	pid_t tid;

	EACH_RUN(t)
	{
		int64_t after = now_ns();

		alive = 1;
		must("clone", clone(raw_thread_main, stack + sizeof(stack), flags, &tid, NULL, NULL,
				    &alive));
		while (alive)
			sched_yield();
		line_begin(t, "thread", t->pid, after, now_ns());
		line_num("child_tid", tid);
		line_text("syscall", "clone");
		line_hex("flags", (unsigned)flags);
		line_end();
	}
}

/* It is the thread that forks, and the process that is the parent. */
struct by_thread {
	struct truth *t;
	struct child c;
	pid_t tid;
};

static void *fork_thread(void *arg)
{
	struct by_thread *b = arg;

	b->tid = (pid_t)syscall(SYS_gettid);
	child_run(b->t, &b->c, exit_child, NULL);
	return NULL;
}

static void scene_fork_thread(struct truth *t)
{
	EACH_RUN(t)
	{
		struct by_thread b = { .t = t };
		pthread_t thread;

		if (pthread_create(&thread, NULL, fork_thread, &b) || pthread_join(thread, NULL))
			die("pthread_create");
		line_begin(t, "fork", t->pid, b.c.after, b.c.before);
		line_num("child_pid", b.c.pid);
		line_num("child_ppid", t->pid);
		line_num("tid", b.tid);
		line_end();
		line_exit(t, &b.c, "truth", "truth");
		line_own(t, b.c.pid, b.c.after, b.c.before);
	}
}

/* The child of a process that has taken another name keeps it, and ends under it. */
static void run_named(struct truth *t, const char *name)
{
	must("prctl", prctl(PR_SET_NAME, name));
	EACH_RUN(t)
	{
		struct child c;

		child_run(t, &c, exit_child, NULL);
		line_begin(t, "fork", t->pid, c.after, c.before);
		line_num("child_pid", c.pid);
		line_text("comm", name);
		line_end();
		line_exit(t, &c, NULL, name);
	}
}

static void scene_prctl_forged(struct truth *t)
{
	run_named(t, "x [1] execve(a)");
}

static void scene_prctl_hostile(struct truth *t)
{
	run_named(t, "a\nb\"\\\xff\xe2\x82\x1b[2J");
}

/* The parent ends first; the orphan runs a program. We adopt it, so that we know its new parent. */
static void orphan_child(struct truth *t, void *arg)
{
	pid_t self = getpid();

	if (!syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) {
		while (getppid() == self)
			sched_yield();
		exec_child(t, arg);
		_exit(127);
	}
	_exit(0);
}

static void scene_double_fork(struct truth *t)
{
	must("prctl", prctl(PR_SET_CHILD_SUBREAPER, 1));
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "orphan", (char *)t->token, NULL };
		struct exec e = { .path = "./noop", .argv = argv };
		struct child a, b = { .call = "clone" };

		child_run(t, &a, orphan_child, &e);
		b.after = a.after;
		b.pid = (pid_t)must("waitpid", waitpid(-1, &b.status, 0));
		b.before = now_ns();
		child_must_exit(&b, 0);
		line_born_and_died(t, &a);
		line_fork(t, &b, a.pid, "truth");
		line_exec(t, &e, b.pid, b.after, b.before);
		line_exit(t, &b, "noop", "noop");
	}
}

/*
 * Children in a pid namespace, each with the pid 7 there; outside, where we look, each has another.
 */
static void scene_pid_namespace(struct truth *t)
{
	static const pid_t seven = 7;
	struct child init;

	need_clone3();
	put_helper(t, "noop", "noop");
	if (unshare(CLONE_NEWPID))
		cannot("unshare(CLONE_NEWPID): %s", strerror(errno));
	init.call = "clone";
	init.flags = 0;
	init.after = now_ns();
	init.pid = (pid_t)must("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	if (!init.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	EACH_RUN(t)
	{
		char *argv[] = { "number seven", (char *)t->token, NULL };
		struct exec e = { .path = "./noop", .argv = argv };
		struct child c = { .call = "clone3", .after = now_ns() };

		c.pid = clone3(0, &seven, 1);
		if (!c.pid) {
			if (getpid() != seven)
				_exit(124);
			exec_child(t, &e);
			_exit(127);
		}
		if (c.pid < 0)
			cannot("clone3 with set_tid: %s", strerror(errno));
		child_wait(&c);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
	must("kill", kill(init.pid, SIGKILL));
	child_wait(&init);
	t->i = 0;
	line_fork(t, &init, t->pid, "truth");
	line_exit(t, &init, "truth", "truth");
}

/* The same pid twice in a row, by another program each time. */
static void scene_pid_reuse(struct truth *t)
{
	need_clone3();
	put_helper(t, "noop", "first");
	put_helper(t, "noop", "second");
	EACH_RUN(t)
	{
		char *argv[] = { "again", (char *)t->token, NULL };
		struct exec first = { .path = "./first", .argv = argv };
		struct exec second = { .path = "./second", .argv = argv };
		struct child c, again;

		do {
			child_run(t, &c, exec_child, &first);
			child_must_exit(&c, 0);
			line_run(t, &first, &c);
			again = (struct child){ .call = "clone3", .after = now_ns() };
			again.pid = clone3(0, &c.pid, 1);
			if (!again.pid) {
				exec_child(t, &second);
				_exit(127);
			}
		} while (again.pid < 0 && errno == EEXIST); /* someone else was faster */
		if (again.pid < 0)
			cannot("clone3 with set_tid: %s", strerror(errno));
		child_wait(&again);
		child_must_exit(&again, 0);
		line_run(t, &second, &again);
	}
}

const struct scene scenes_fork[] = {
#ifdef SYS_fork
	{ "fork", scene_fork, "the system call fork" },
#endif
	{ "libc_fork", scene_libc_fork, "fork() of the C library" },
	{ "clone", scene_clone, "clone, with nine sets of flags" },
	{ "clone3", scene_clone3, "clone3, with three sets of flags" },
	{ "clone_parent", scene_clone_parent, "a child that makes its brother" },
	{ "threads", scene_threads, "threads" },
	{ "threads_raw", scene_threads_raw, "threads by a bare clone" },
	{ "fork_thread", scene_fork_thread, "a child made by a thread" },
	{ "prctl_forged", scene_prctl_forged,
	  "a process that calls itself like a line of a trace" },
	{ "prctl_hostile", scene_prctl_hostile, "a name with a newline, quotes, broken UTF-8" },
	{ "double_fork", scene_double_fork, "an orphan that runs a program" },
	{ "pid_namespace", scene_pid_namespace, "always pid 7 in a pid namespace" },
	{ "pid_reuse", scene_pid_reuse, "a pid that comes again at once" },
	{ NULL, NULL, NULL },
};
