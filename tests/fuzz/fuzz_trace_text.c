/* SPDX-License-Identifier: MIT */
/* Text of a trace_pipe: as the kernel would print it with names of the input's choice, and the input itself. */
#include "trace_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pass_over(void *ctx, const struct trace_text_event *ev)
{
	volatile size_t *sink = ctx;
	size_t i;

	for (i = 0; i < ev->filename.len; i++)
		*sink += (unsigned char)ev->filename.data[i];
	for (i = 0; i < ev->comm.len; i++)
		*sink += (unsigned char)ev->comm.data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace_text t;
	struct lines l;
	size_t sink = 0;

	lines_make(&l, data, size, LINES_MAX, size % 8 == 0);
	lines_check_frames(&l);
	lines_check_stream(&l, true, (uint32_t)size);
	lines_check_stream(&l, false, (uint32_t)size);
	lines_free(&l);

	trace_text_init(&t, true, pass_over, &sink);
	trace_text_frame(&t, (const char *)data, size);
	trace_text_stream(&t, (const char *)data, size);
	trace_text_free(&t);
	return 0;
}
