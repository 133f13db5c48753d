/* SPDX-License-Identifier: MIT */
/*
 * measure FILE COMMAND...: runs it, and writes {"status", "seconds", "cpu_seconds", "peak_kb"} to FILE. A program of its
 * own, and a small one: what wait4(2) gives as the peak counts the memory of whoever forked, up to the exec.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	struct rusage u;
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 3)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid) {
		perror("measure");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	f = fopen(argv[1], "we");
	if (!f) {
		perror(argv[1]);
		return 1;
	}
	fprintf(f, "{\"status\": %d, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_kb\": %ld}\n",
		WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
		(double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
		seconds(u.ru_utime) + seconds(u.ru_stime), u.ru_maxrss);
	return fclose(f) ? 1 : 0;
}
