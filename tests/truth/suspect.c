/* SPDX-License-Identifier: MIT */
/*
 * Does what the signals of src/detect are about, harmlessly: suspect WHAT NOOP WORD. NOOP is a
 * program that does nothing; WORD is in a command line of each, so that a test knows its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *noop, *word;
static char *const none[] = { NULL };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void reap(pid_t pid)
{
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		die("waitpid");
}

static int copy_to(int to)
{
	int from = open(noop, O_RDONLY | O_CLOEXEC);
	char block[65536];
	ssize_t n;

	if (from < 0 || to < 0)
		die(noop);
	while ((n = read(from, block, sizeof(block))) > 0) {
		if (write(to, block, (size_t)n) != n)
			die("write");
	}
	close(from);
	return to;
}

static void run_fd(int fd)
{
	char *argv[] = { "x", (char *)word, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, none, AT_EMPTY_PATH);
		_exit(127);
	}
	reap(pid);
}

static void run_memfd(void)
{
	run_fd(copy_to(memfd_create("suspect", MFD_CLOEXEC)));
}

/* Its interpreter is an ordinary shell, which must find the file: it stays open. */
static void run_memfd_script(void)
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	const int fd = memfd_create("suspect", 0);

	if (fd < 0 || write(fd, script, sizeof(script) - 1) != sizeof(script) - 1)
		die("memfd");
	run_fd(fd);
}

/* Open for writing nothing can be run, so it is opened once more. */
static void run_deleted(void)
{
	static const char name[] = "gone";
	int fd = copy_to(open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0700));

	close(fd);
	fd = open(name, O_PATH | O_CLOEXEC);
	if (fd < 0 || unlink(name))
		die(name);
	run_fd(fd);
}

static void run_as_kernel(void)
{
	char *argv[] = { "[kworker/7:7]", (char *)word, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execve(noop, argv, none);
		_exit(127);
	}
	reap(pid);
}

static void be_kernel(void)
{
	if (prctl(PR_SET_NAME, "kworker/u7:7"))
		die("prctl");
}

static void try_many(void)
{
	char path[256];
	char *argv[] = { path, NULL };
	int i;

	for (i = 0; i < 20; i++) {
		pid_t pid = fork();

		snprintf(path, sizeof(path), "/nonexistent/%s-%d", word, i);
		if (pid == 0) {
			execve(path, argv, none);
			_exit(errno == ENOENT ? 0 : 1);
		}
		reap(pid);
	}
}

/* As a web server's code would that was taken over: nothing is forked. */
static void become_shell(void)
{
	char *argv[] = { "sh", "-c", "exit 0", (char *)word, NULL };

	execve("/bin/sh", argv, none);
	die("/bin/sh");
}

/* As a web server's child: no terminal, no login. */
static void serve_shell(void)
{
	char command[512];
	char *argv[] = { "sh", "-c", command, NULL };
	char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	pid_t pid = fork();

	snprintf(command, sizeof(command),
		 "id; whoami; uname; hostname; ps; mount; df; printenv %s; exit 0", word);
	if (pid == 0) {
		setsid();
		execve("/bin/sh", argv, env);
		_exit(127);
	}
	reap(pid);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} acts[] = { { "memfd", run_memfd },
		     { "deleted", run_deleted },
		     { "as-kernel", run_as_kernel },
		     { "be-kernel", be_kernel },
		     { "try-many", try_many },
		     { "shell", serve_shell },
		     { "memfd-script", run_memfd_script },
		     { "be-shell", become_shell } };

	if (argc != 4)
		return 2;
	noop = argv[2];
	word = argv[3];
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(argv[1], acts[i].name) == 0) {
			acts[i].act();
			return 0;
		}
	}
	return 2;
}
