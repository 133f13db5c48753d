/* SPDX-License-Identifier: MIT */
#include "util/trust.h"

#include <unistd.h>

const char *trust_why_not(const struct stat *st, mode_t barred)
{
	if (!S_ISREG(st->st_mode))
		return "is no file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs neither to root nor to the user of this process";
	if (!(st->st_mode & barred))
		return NULL;
	return barred & S_IROTH ? "can be read by others: chmod 600 it"
				: "can be written by others";
}
