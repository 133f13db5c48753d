/* SPDX-License-Identifier: MIT */
/*
 * Making a record in user space: the process scan, housekeeping records, tests, vectors.
 *
 *	struct edr_host h = { .hdr = { .time_ns = now } };
 *	struct wire_build b;
 *
 *	wire_build_begin(&b, &buf, EDR_HOST, &h);
 *	wire_build_str(&b, offsetof(struct edr_host, hostname), name, strlen(name));
 *	rec = wire_build_end(&b);
 *
 * Records that are built one after the other into one buffer follow each other as in a capture file.
 */
#ifndef EDR_WIRE_BUILD_H
#define EDR_WIRE_BUILD_H

#include "wire/wire.h"

struct wire_build {
	struct buf *out;
	size_t at; /* where in out the record begins */
	size_t size;
	bool failed;
};

/* Copies the event's fixed part (a struct edr_<event>, its strings empty) to the end of out, which holds nothing else than
 * records, and sets version and type. */
void wire_build_begin(struct wire_build *b, struct buf *out, unsigned type, const void *fixed);

/* Appends a string (or what else a struct edr_str names) and enters it in the field at that offset. Each field once. */
void wire_build_str(struct wire_build *b, size_t field_offset, const void *data, size_t len);

/*
 * Sets the length, padded with zeros to a multiple of 8. The record lies in out and lives until out changes; or NULL, and
 * out is as before wire_build_begin: no memory, an unknown type, or longer than EDR_RECORD_MAX.
 */
const struct edr_hdr *wire_build_end(struct wire_build *b);

#endif
