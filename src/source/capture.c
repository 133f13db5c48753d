// SPDX-License-Identifier: MIT
#include "source/capture.h"

#include <string.h>

void capture_header_init(struct capture_header *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, CAPTURE_MAGIC, sizeof(h->magic));
	h->version = CAPTURE_VERSION;
	h->header_size = sizeof(*h);
	h->byte_order = CAPTURE_BYTE_ORDER;
	h->wire_version = EDR_WIRE_VERSION;
}

void capture_end_init(struct edr_hdr *mark, enum capture_end why)
{
	memset(mark, 0, sizeof(*mark));
	mark->version = EDR_WIRE_VERSION;
	mark->type = CAPTURE_END_TYPE;
	mark->len = sizeof(*mark);
	mark->flags = why;
}
