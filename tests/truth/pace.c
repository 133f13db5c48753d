// SPDX-License-Identifier: MIT
/*
 * Load, and the time that an event takes to arrive.
 *
 *	pace KIND N WORKERS [PROGRAM [RATE]]    N times, by that many workers at once
 *	pace latency FILE N PROGRAM             runs PROGRAM N times, each when the line of the one
 *	                                        before has come to FILE
 *
 * KIND: exec          run PROGRAM; RATE: so many a second, each worker
 *       names         run PROGRAM, each time under another name
 *       arguments     run PROGRAM with 28,000 bytes of arguments, always others
 *       bomb          for N seconds, a fork bomb in the control group PROGRAM (a directory)
 *       fork          fork and wait
 *       connect       UDP connects to 127.0.0.1
 *       bad_connect   connects of a descriptor that is none
 *       destinations  UDP connects within 127.0.0.0/8, each to another address or port
 *       accepted      non-blocking TCP connects to a listener of its own on 127.0.0.1
 *       refused       non-blocking TCP connects to 127.0.0.1 where nobody listens
 *       getpid, open  the system call; open closes it again
 *
 * A load prints what it did, how long it took and the CPU time that went into it, as JSON; latency
 * prints one delay a line, in ms. SIGTERM ends a load early; it still prints what it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loads.h"

#define WORKERS_MAX 64
#define ARRIVAL_MAX_MS 5000
#define POLL_NS 1000000
#define LIFE_S 3600

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

static double children_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void await(pid_t *pids, unsigned i, unsigned workers)
{
	unsigned k;

	while (waitpid(pids[i], NULL, 0) < 0) {
		if (errno != EINTR)
			die("waitpid");
		for (k = i; stop && k < workers; k++)
			kill(pids[k], SIGTERM);
	}
}

static void work(const struct load *load, const struct load_args *all, unsigned workers)
{
	unsigned long *done = mmap(NULL, WORKERS_MAX * sizeof(*done), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct load_args args = *all;
	pid_t pids[WORKERS_MAX];
	unsigned long total = 0;
	int64_t start = now_ns();
	unsigned i;

	if (done == MAP_FAILED)
		die("mmap");
	for (i = 0; i < workers; i++) {
		args.worker = i;
		args.n = all->n / workers + (i < all->n % workers);
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (!pids[i]) {
			done[i] = load->run(&args);
			_exit(0);
		}
		args.first += args.n;
	}
	for (i = 0; i < workers; i++) {
		await(pids, i, workers);
		total += done[i];
	}
	printf("{\"what\":\"%s\",\"done\":%lu,\"workers\":%u,\"seconds\":%.4f,\"cpu_seconds\":%.4f}"
	       "\n",
	       load->name, total, workers, (double)(now_ns() - start) / 1e9, children_cpu_s());
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

static const struct load *find_load(const char *name)
{
	const struct load *load = loads;

	while (load->name && strcmp(load->name, name) != 0)
		load++;
	return load->name ? load : NULL;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: pace KIND N WORKERS [PROGRAM [RATE]] | pace latency FILE N PROGRAM\n");
	return 64;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	const struct load *load = argc > 1 ? find_load(argv[1]) : NULL;
	struct load_args args = { 0 };
	unsigned long workers;

	sigaction(SIGTERM, &action, NULL);
	alarm(LIFE_S);
	if (argc == 5 && !strcmp(argv[1], "latency")) {
		latency(argv[2], strtoul(argv[3], NULL, 10), argv[4]);
		return 0;
	}
	if (!load || argc < 4 || argc > 6 || load->program != (argc > 4))
		return usage();
	args.n = strtoul(argv[2], NULL, 10);
	workers = strtoul(argv[3], NULL, 10);
	args.program = argc > 4 ? argv[4] : NULL;
	args.rate = argc > 5 ? atof(argv[5]) : 0;
	if (!args.n || !workers || workers > WORKERS_MAX)
		return usage();
	work(load, &args, (unsigned)workers);
	return 0;
}
