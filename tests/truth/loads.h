/* SPDX-License-Identifier: MIT */
/* What `pace` can do again and again. Each loop ends early when `stop` is set. */
#ifndef EDR_TESTS_LOADS_H
#define EDR_TESTS_LOADS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

extern volatile sig_atomic_t stop;

struct load_args {
	unsigned long n;     /* how many, of this worker */
	unsigned long first; /* number of its first one: no two workers do the same */
	unsigned worker;
	const char *program; /* for those that run one */
	double rate;	     /* a second; 0: as fast as it goes */
};

struct load {
	const char *name;
	bool program;					 /* needs the path of one */
	unsigned long (*run)(const struct load_args *a); /* how many were done */
};

extern const struct load loads[]; /* ends with a NULL name */

int64_t now_ns(void);
__attribute__((noreturn)) void die(const char *what);
/* Runs it and waits for its end. argument may be NULL. */
void run_program(const char *program, const char *argument);

#endif
