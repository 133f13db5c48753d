/* SPDX-License-Identifier: MIT */
/* Files that only root or the user of this process may have made as they are. */
#ifndef EDR_UTIL_TRUST_H
#define EDR_UTIL_TRUST_H

#include <sys/stat.h>

#define TRUST_NO_READERS (S_IRWXG | S_IRWXO) /* a secret */
#define TRUST_NO_WRITERS (S_IWGRP | S_IWOTH)

/* barred: what its mode may not have, one of the two above. NULL, or the end of "FILE ...". */
const char *trust_why_not(const struct stat *st, mode_t barred);

#endif
