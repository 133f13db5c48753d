/* SPDX-License-Identifier: MIT */
/* The main() of a test program whose tests share one fixture. */
#ifndef EDR_TESTS_SUITE_H
#define EDR_TESTS_SUITE_H

#include <check.h>

/* A case a test, named by it. Gives the exit status. */
int suite_run(const char *name, const TTest *const *tests, size_t n, SFun setup, SFun teardown,
	      double timeout_s);

/* What a test that fails leaves mounted is gone with the program. */
void suite_own_mounts(void);

#endif
