/* SPDX-License-Identifier: MIT */
/*
 * A capture of busy cells: gen_busy EVENTS LINES CELLS FILE [STRIDE]
 *
 * Each window of 15 minutes has EVENTS events, half of them execs of LINES distinct command lines, spread over 4000
 * executables; the other half is forks, threads, exits, failed execs, system calls and connects to 3000 addresses: each
 * table of a report is full. Of a realistic length: the
 * command lines have some 90 bytes. Behind the last window clock records close it, and then its block, day, week and month.
 * With STRIDE only each STRIDE-th window has events, and of the command lines a few run often and most seldom.
 * The same arguments, the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define NS 1000000000LL
#define WINDOW_NS (900 * NS)
#define START_NS (1791964800LL * NS) /* Wednesday 2026-10-14 08:00:00 UTC, the start of a block */
#define BOOT_NS (100 * NS)
#define EXES 4000

struct busy {
	struct capture cap;
	unsigned long lines, stride, n;
	struct who parent, ran;
};

/* Twice as seldom, twice as many; the n-th number of a fixed random row (splitmix64). */
static unsigned long skewed(const struct busy *b)
{
	edr_u64 x = (b->n + 1) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return (unsigned long)((x >> 8) % b->lines) >> (x % 16);
}

static void run(struct busy *b, edr_u64 at)
{
	const unsigned long line = b->stride ? skewed(b) : b->n % b->lines, exe = line % EXES;
	char path[64], argv[160];
	struct who w = { .tgid = 1000 + (edr_u32)(b->n % 4000000), .start_ns = at, .comm = "cc1" };
	struct run r = { .exe = path, .argv = argv, .cgroup_id = 1, .parent = &b->parent };
	int len;

	snprintf(path, sizeof(path), "/usr/lib/tool/%lu/bin/tool-%lu", exe % 7, exe);
	len = snprintf(argv, sizeof(argv),
		       "tool-%lu%c-O2%c-o%cobj/%08lx/unit-%lu.o%csrc/a-directory/unit-%lu.c", exe,
		       0, 0, 0, line * 2654435761UL % 4294967296UL, line, 0, line);
	r.argv_len = (size_t)len + 1;
	r.uid = 1000 + (edr_u32)(line % 5);
	switch (b->n % 16) {
	case 0:
		put_fork(&b->cap, at, &b->parent, &w);
		break;
	case 2:
	case 6:
	case 10:
		put_connect(&b->cap, at, &b->ran, 0x0a000000U + (edr_u32)(b->n % 3000), 443, 0);
		break;
	case 4:
		put_exit(&b->cap, at, &b->ran, (edr_u32)(b->n % 3), 0);
		break;
	case 8:
		put_syscall(&b->cap, at, &b->ran, b->n % 5 ? "ptrace" : "bpf", 0);
		break;
	case 12:
		snprintf(path, sizeof(path), "/opt/%lu/tool-%lu", line % 3, exe);
		put_exec_failed(&b->cap, at, &b->parent, &r, -2);
		break;
	case 14:
		put_thread(&b->cap, at, &b->ran);
		break;
	default:
		put_exec(&b->cap, at, &w, &r);
		b->ran = w;
		break;
	}
	b->n++;
}

static const edr_s64 later_s[] = { 0, 4 * 3600, 86400, 7 * 86400, 28 * 86400 };

int main(int argc, char **argv)
{
	static struct busy b = {
		.parent = { .tgid = 10, .start_ns = 1000, .comm = "make" },
		.ran = { .tgid = 10, .start_ns = 1000, .comm = "make" },
	};
	edr_s64 step_ns = WINDOW_NS;
	unsigned long events, cells, i, c;

	if (argc < 5 || argc > 6 || !(events = strtoul(argv[1], NULL, 10)) ||
	    !(b.lines = strtoul(argv[2], NULL, 10)) || !(cells = strtoul(argv[3], NULL, 10))) {
		fputs("usage: gen_busy EVENTS LINES CELLS FILE [STRIDE]\n", stderr);
		return 2;
	}
	if (argc == 6) {
		b.stride = strtoul(argv[5], NULL, 10);
		step_ns *= (edr_s64)b.stride;
	}
	capture_open(&b.cap, argv[4], true);
	put_host(&b.cap, BOOT_NS, "6.1.0-1-amd64");
	put_clock(&b.cap, BOOT_NS, START_NS - BOOT_NS, EDR_CLOCK_START);
	put_process(&b.cap, BOOT_NS, &b.parent, "/usr/bin/make", 1, "/user.slice");
	for (c = 0; c < cells; c++) {
		for (i = 0; i < events; i++) {
			const edr_u64 at = BOOT_NS + c * (edr_u64)step_ns +
					   (edr_u64)(WINDOW_NS / (edr_s64)events) * i + 1;

			if (i % (events / 60 + 1) == 0)
				put_clock(&b.cap, at, START_NS - BOOT_NS, EDR_CLOCK_TICK);
			run(&b, at);
		}
	}
	for (i = 0; i < sizeof(later_s) / sizeof(later_s[0]); i++)
		put_clock(&b.cap, BOOT_NS + cells * (edr_u64)step_ns + (edr_u64)(later_s[i] * NS),
			  START_NS - BOOT_NS, EDR_CLOCK_TICK);
	capture_mark(&b.cap);
	capture_close(&b.cap);
	return 0;
}
