// SPDX-License-Identifier: MIT
/*
 * The program that the scenarios run: static, without a C library, and gone at once. Built for this
 * machine as `noop`, and for 32 bits as `noop32`.
 *
 *	noop            exit code 0; 200 when it was given no argv[0] at all
 *	noop =X         exit code: the byte X, so that it can say what it was really given
 *	noop +exec A... runs A with argv A...; 201 when that fails
 *	noop +tell...   writes all its arguments, each with its NUL, to descriptor 3; 202 when that
 *	                fails
 */
#include "nolibc.h"

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static int start_c(long argc, char **argv, char **envp)
{
	if (argc == 0)
		return 200;
	if (argc > 1 && argv[1][0] == '=')
		return (unsigned char)argv[1][1];
	if (argc > 2 && equal(argv[1], "+exec")) {
		sys_call(NR_EXECVE, (long)argv[2], (long)(argv + 2), (long)envp);
		return 201;
	}
	if (argc > 1 && equal(argv[1], "+tell")) {
		const char *end = argv[argc - 1];

		while (*end++)
			;
		if (sys_call(NR_WRITE, 3, (long)argv[0], end - argv[0]) != end - argv[0])
			return 202;
	}
	return 0;
}
