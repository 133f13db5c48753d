/* SPDX-License-Identifier: MIT */
#include "wire/build.h"

#include <string.h>

#define ALIGN 8

void wire_build_begin(struct wire_build *b, struct buf *out, unsigned type, const void *fixed)
{
	const struct wire_event *ev = wire_event_by_type(type);
	struct edr_hdr hdr;

	*b = (struct wire_build){ .out = out, .at = out->len, .failed = true };
	/* Worth one check for all: without room nothing of the record is there for the others to touch. */
	if (!ev || !buf_reserve(out, ev->size))
		return;
	memcpy(&hdr, fixed, sizeof(hdr));
	hdr.version = EDR_WIRE_VERSION;
	hdr.pad0 = 0;
	hdr.type = (edr_u16)type;
	buf_add(out, &hdr, sizeof(hdr));
	buf_add(out, (const char *)fixed + sizeof(hdr), ev->size - sizeof(hdr));
	b->size = ev->size;
	b->failed = false;
}

void wire_build_str(struct wire_build *b, size_t field_offset, const void *data, size_t len)
{
	struct edr_str s = { 0 };

	if (b->failed)
		return;
	if (len > EDR_RECORD_MAX || field_offset < sizeof(struct edr_hdr) ||
	    field_offset + sizeof(s) > b->size) {
		b->failed = true;
		return;
	}
	if (len) {
		s.off = (edr_u32)(b->out->len - b->at);
		s.len = (edr_u32)len;
		buf_add(b->out, data, len);
	}
	if (b->out->failed)
		b->failed = true;
	else
		memcpy(b->out->data + b->at + field_offset, &s, sizeof(s));
}

const struct edr_hdr *wire_build_end(struct wire_build *b)
{
	static const char zeros[ALIGN];
	struct edr_hdr *hdr;
	size_t len;

	if (!b->failed)
		buf_add(b->out, zeros, (ALIGN - (b->out->len - b->at) % ALIGN) % ALIGN);
	len = b->out->len - b->at;
	if (b->failed || b->out->failed || len > EDR_RECORD_MAX) {
		b->out->len = b->at;
		return NULL;
	}
	hdr = (struct edr_hdr *)(void *)(b->out->data + b->at);
	hdr->len = (edr_u32)len;
	return hdr;
}
