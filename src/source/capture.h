/* SPDX-License-Identifier: MIT */
/*
 * The capture file: a header (magic, version, byte order), then records as they are on the wire, each
 * followed by zeros up to a multiple of 8 bytes, then a mark that says how the recording ended. A file without the mark was cut; what it holds is still good.
 * docs/capture-format.md has the bytes.
 */
#ifndef EDR_SOURCE_CAPTURE_H
#define EDR_SOURCE_CAPTURE_H

#include <stddef.h>

#include "edr/wire.h"

#define CAPTURE_MAGIC "EDRCAP\r\n"
#define CAPTURE_VERSION 1
#define CAPTURE_BYTE_ORDER 0x01020304u

struct capture_header {
	char magic[8];
	edr_u16 version;     /* CAPTURE_VERSION */
	edr_u16 header_size; /* a reader skips to here: later versions may add fields */
	edr_u32 byte_order;  /* CAPTURE_BYTE_ORDER as the writer's machine has it */
	edr_u32 wire_version;
	edr_u32 pad0;
};

/* The closing mark is a record header of this type, which no event has, with nothing behind it. */
#define CAPTURE_END_TYPE 0xffffu
enum capture_end { CAPTURE_END_CLEAN = 1, CAPTURE_END_SIZE = 2 }; /* in hdr.flags */

/* Bytes that a record takes in a file; they can be read behind any record that a source hands on. */
static inline size_t capture_padded(const struct edr_hdr *rec)
{
	return ((size_t)rec->len + 7) & ~(size_t)7;
}

void capture_header_init(struct capture_header *h);
void capture_end_init(struct edr_hdr *mark, enum capture_end why);

#endif
