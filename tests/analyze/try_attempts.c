/* SPDX-License-Identifier: MIT */
/* attempts NAME ARGUMENT: prints what comes of it where nothing is locked down. */
#include <stdio.h>

#include "attempts.h"

int main(int argc, char **argv)
{
	char result[64];

	if (argc != 3)
		return 64;
	attempt(argv[1], argv[2], result, sizeof(result));
	puts(result);
	return 0;
}
