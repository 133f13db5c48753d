// SPDX-License-Identifier: MIT
/* Ends: by code, by signal, and of processes with several threads. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

static void line_life(const struct truth *t, const struct child *c)
{
	line_fork(t, c, t->pid, "truth");
	line_exit(t, c, "truth", "truth");
	line_own(t, c->pid, c->after, c->before);
}

static void code_child(struct truth *t, void *arg)
{
	(void)arg;
	_exit((int)(t->i % 256));
}

static void scene_exit_code(struct truth *t)
{
	struct child c;

	EACH_RUN(t)
	{
		child_run(t, &c, code_child, NULL);
		child_must_exit(&c, (int)(t->i % 256));
		line_life(t, &c);
	}
}

static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGINT, SIGHUP,
			       SIGPIPE, SIGALRM, SIGUSR1, SIGBUS,  64 };

static void signal_child(struct truth *t, void *arg)
{
	int signal = signals[t->i % (sizeof(signals) / sizeof(*signals))];
	struct sigaction action = { .sa_handler = SIG_DFL };

	(void)arg;
	prctl(PR_SET_DUMPABLE, 0);	  /* no core, and nobody who collects it */
	sigaction(signal, &action, NULL); /* of our parent's, some may be ignored */
	kill(getpid(), signal);
}

static void scene_exit_signal(struct truth *t)
{
	struct child c;

	EACH_RUN(t)
	{
		child_run(t, &c, signal_child, NULL);
		if (!WIFSIGNALED(c.status))
			die("a child survived a signal");
		line_life(t, &c);
	}
}

/* The leader goes, and the process lives on in another thread, whose exit code counts. */
static void *outlive(void *arg)
{
	(void)arg;
	usleep(500);
	_exit(7);
}

static void leader_child(struct truth *t, void *arg)
{
	pthread_t thread;

	(void)t;
	(void)arg;
	if (pthread_create(&thread, NULL, outlive, NULL))
		_exit(1);
	syscall(SYS_exit, 3); /* this thread only */
}

static void scene_leader_first(struct truth *t)
{
	struct child c;

	EACH_RUN(t)
	{
		child_fork(t, &c, leader_child, NULL);
		child_must_exit(&c, 7);
		line_life(t, &c);
	}
}

/* Threads that end at the same moment: one exit, whoever is last. */
static pthread_barrier_t barrier;

static void *end_alone(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void race_child(struct truth *t, void *arg)
{
	void *(*main_fn)(void *) = *(void *(**)(void *))arg;
	pthread_t thread[2];

	(void)t;
	pthread_barrier_init(&barrier, NULL, 3);
	if (pthread_create(&thread[0], NULL, main_fn, NULL) ||
	    pthread_create(&thread[1], NULL, main_fn, NULL))
		_exit(1);
	pthread_barrier_wait(&barrier);
	syscall(SYS_exit, 5);
}

static void scene_exit_race(struct truth *t)
{
	void *(*main_fn)(void *) = end_alone;
	struct child c;

	EACH_RUN(t)
	{
		child_fork(t, &c, race_child, &main_fn);
		line_life(t, &c);
	}
}

/* Threads that each end the whole process at the same moment: the code is that of the first. */
static void *end_all(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	_exit((int)(syscall(SYS_gettid) % 100 + 10));
}

static void scene_exit_group_race(struct truth *t)
{
	void *(*main_fn)(void *) = end_all;
	struct child c;

	EACH_RUN(t)
	{
		child_fork(t, &c, race_child, &main_fn);
		line_life(t, &c);
	}
}

const struct scene scenes_exit[] = {
	{ "exit_code", scene_exit_code, "exit codes 0 to 255" },
	{ "exit_signal", scene_exit_signal, "killed by eleven signals" },
	{ "leader_first", scene_leader_first, "the leader ends before another thread" },
	{ "exit_race", scene_exit_race, "three threads that end at once" },
	{ "exit_group_race", scene_exit_group_race, "two threads that end the process at once" },
	{ NULL, NULL, NULL },
};
