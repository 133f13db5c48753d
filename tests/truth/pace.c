// SPDX-License-Identifier: MIT
/*
 * Load, and the time that an event takes to arrive.
 *
 *	pace exec N WORKERS PROGRAM    N runs of PROGRAM, by that many workers at once
 *	pace connect N WORKERS         N UDP connects to 127.0.0.1, likewise
 *	pace latency FILE N PROGRAM    runs PROGRAM N times, each when the line of the one before
 *	                               has come to FILE
 *
 * exec and connect print what they did and how long it took, as JSON; latency prints one delay a
 * line, in ms. SIGTERM ends exec and connect early; they still print what they did.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define ARRIVAL_MAX_MS 5000
#define POLL_NS 1000000

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void run_program(const char *program, const char *argument)
{
	char *const none[] = { NULL };
	char *const argv[] = { (char *)program, (char *)argument, NULL };
	pid_t pid = vfork();

	if (pid < 0)
		die("vfork");
	if (!pid) {
		execve(program, argv, none);
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
}

static unsigned long execs(unsigned long n, const char *program)
{
	unsigned long i;

	for (i = 0; i < n && !stop; i++)
		run_program(program, NULL);
	return i;
}

static unsigned long connects(unsigned long n, const char *unused)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long i;

	(void)unused;
	if (fd < 0)
		die("socket");
	for (i = 0; i < n && !stop; i++) {
		to.sin_port = htons((uint16_t)(1 + i % 1000));
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
			die("connect");
	}
	close(fd);
	return i;
}

static void work(const char *what, unsigned long n, unsigned workers, const char *program)
{
	unsigned long (*fn)(unsigned long, const char *) = program ? execs : connects;
	unsigned long *done = mmap(NULL, WORKERS_MAX * sizeof(*done), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[WORKERS_MAX];
	unsigned long total = 0;
	int64_t start = now_ns();
	unsigned i;

	if (done == MAP_FAILED)
		die("mmap");
	for (i = 0; i < workers; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i]) {
			done[i] = fn(n / workers + (i < n % workers), program);
			_exit(0);
		}
	}
	for (i = 0; i < workers; i++) {
		while (waitpid(pids[i], NULL, 0) < 0) {
			if (errno != EINTR)
				die("waitpid");
			if (stop) {
				unsigned k;

				for (k = i; k < workers; k++)
					kill(pids[k], SIGTERM);
			}
		}
		total += done[i];
	}
	printf("{\"what\":\"%s\",\"done\":%lu,\"workers\":%u,\"seconds\":%.3f}\n", what, total,
	       workers, (double)(now_ns() - start) / 1e9);
}

/*
 * Reads what has been added to the file; true when it holds the word. Lines come whole or not at
 * all.
 */
static int arrived(int fd, const char *word)
{
	static char block[1 << 20];
	static size_t kept;
	ssize_t len;

	while ((len = read(fd, block + kept, sizeof(block) - 1 - kept)) > 0) {
		size_t all = kept + (size_t)len, tail = strlen(word);
		int found = memmem(block, all, word, strlen(word)) != NULL;

		kept = all < tail ? all : tail;
		memmove(block, block + all - kept, kept);
		if (found)
			return 1;
	}
	return 0;
}

static void latency(const char *file, unsigned long n, const char *program)
{
	const struct timespec pause = { 0, POLL_NS };
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char word[64];
	unsigned long i;
	int64_t start;

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		die(file);
	for (i = 0; i < n; i++) {
		snprintf(word, sizeof(word), "latency-%ld-%lu-", (long)getpid(), i);
		start = now_ns();
		run_program(program, word);
		while (!arrived(fd, word)) {
			if (now_ns() - start > ARRIVAL_MAX_MS * INT64_C(1000000))
				break;
			nanosleep(&pause, NULL);
		}
		printf("%.1f\n", (double)(now_ns() - start) / 1e6);
		nanosleep(&(struct timespec){ 0, 37000000 + (long)(i % 7) * 11000000 }, NULL);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	unsigned long n, workers;

	sigaction(SIGTERM, &action, NULL);
	alarm(600);
	if (argc == 5 && !strcmp(argv[1], "latency")) {
		latency(argv[2], strtoul(argv[3], NULL, 10), argv[4]);
		return 0;
	}
	n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	workers = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	if (!n || !workers || workers > WORKERS_MAX ||
	    !((argc == 5 && !strcmp(argv[1], "exec")) ||
	      (argc == 4 && !strcmp(argv[1], "connect")))) {
		fprintf(stderr, "usage: pace exec N WORKERS PROGRAM | pace connect N WORKERS | "
				"pace latency FILE N PROGRAM\n");
		return 64;
	}
	work(argv[1], n, (unsigned)workers, argc == 5 ? argv[4] : NULL);
	return 0;
}
