/* SPDX-License-Identifier: MIT */
#ifndef EDR_UTIL_POW2_H
#define EDR_UTIL_POW2_H

#include <stddef.h>

/* The largest power of two that is not above n; 1 for 0. */
static inline size_t pow2_down(size_t n)
{
	size_t p = 1;

	while (p <= n / 2)
		p *= 2;
	return p;
}

#endif
