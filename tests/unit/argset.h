/* SPDX-License-Identifier: MIT */
/* The sets of tests/analysis: a line of JSON a row, see its README.md. */
#ifndef EDR_TESTS_ARGSET_H
#define EDR_TESTS_ARGSET_H

#include <stddef.h>

#include "util/buf.h"
#include "wire/wire.h"

#define ARGSET_MAX 400
#define ARGSET_TEXTS 8

struct argset_row {
	char id[16], kind[32];
	struct buf argv; /* each with its NUL */
	struct buf secret[ARGSET_TEXTS], kept[ARGSET_TEXTS];
	size_t n_secret, n_kept;
};

/* Ends the test when the file cannot be read. How many; argset_free() them. */
size_t argset_load(const char *path, struct argset_row **out);
void argset_free(struct argset_row *rows, size_t n);

#endif
