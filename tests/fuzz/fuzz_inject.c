/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a command line: made plain and undone they never grow, and the answer is the same
 * again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/inject.h"
#include "detect/inject_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct inject in;
	unsigned tagged;
	struct buf out = { 0 };
	enum inject_kind kind;
	/* No byte longer than it is. */
	char *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	kind = inject_find(&in, copy, size);
	require(kind < INJECT_KINDS);
	require(inject_find(&in, copy, size) == kind);
	require(inject_plain(&out, in.index, copy, size, &tagged));
	require(out.len <= size);
	inject_unhide(&out, in.index, copy, size);
	require(out.len <= size);
	buf_free(&out);
	free(copy);
	return 0;
}
