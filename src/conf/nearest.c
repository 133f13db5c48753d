/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <strings.h>

#include "conf/conf.h"

#define WORD_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '-' ? '_' : c;
}

/*
 * Damerau-Levenshtein in its "optimal string alignment" form: insert, delete, replace and swapping two neighbours cost
 * one each. Upper and lower case, and '-' and '_', are the same here.
 */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *recycled;
	size_t na = strlen(a), nb = strlen(b);

	for (size_t j = 0; j <= nb; j++)
		last[j] = j;
	for (size_t i = 1; i <= na; i++) {
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t differ = lower(a[i - 1]) != lower(b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + differ);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		recycled = before;
		before = last;
		last = row;
		row = recycled;
	}
	return last[nb];
}

const char *conf_nearest(const char *word, const char *const *names, size_t n)
{
	size_t len = strlen(word), best = len / 3 ? len / 3 : 1;
	const char *nearest = NULL;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d;

		if (strlen(names[i]) > WORD_MAX)
			continue;
		d = distance(word, names[i]);
		if (d < best || (d == best && !nearest)) {
			best = d;
			nearest = names[i];
		}
	}
	return nearest;
}
