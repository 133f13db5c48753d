/* SPDX-License-Identifier: MIT */
/* What names and places of programs say. */
#ifndef EDR_DETECT_NAMES_H
#define EDR_DETECT_NAMES_H

#include <stdbool.h>

#include "wire/wire.h"

bool names_server(struct wire_span path); /* serves the network, whatever it runs */
/* Of a name without its directory. */
bool names_shell(struct wire_span name);     /* a shell or an interpreter */
bool names_runtime(struct wire_span name);   /* serves the network when it runs as a service */
bool names_container(struct wire_span name); /* starts containers */
bool names_discovery(struct wire_span name); /* tells about the host */
/* Of a process, as the kernel calls its own threads. */
bool names_kernel_comm(struct wire_span comm);
bool names_kernel_file(struct wire_span name);

enum place {
	PLACE_OTHER,
	PLACE_SYSTEM,	/* what packages install into, and nobody else may write */
	PLACE_WRITABLE, /* a directory that all may write into, or below one */
	PLACE_HIDDEN,	/* such, and out of sight: a name that begins with a dot, or /dev/shm */
};
enum place names_place(struct wire_span path);

/*
 * An absolute path without doubled slashes, `.`, `..` and what leads back to the root, written into
 * room of n bytes; symbolic links are not followed, for here is no file system. Empty: relative, or
 * too long.
 */
struct wire_span names_plain(struct wire_span path, char *room, size_t n);
/* Of such a path: no place but an open file, /dev/fd/3 or /proc/self/fd/3. */
bool names_descriptor(struct wire_span path);

/* The path without " (deleted)" behind it, as the kernel writes it. */
struct wire_span names_undeleted(struct wire_span path);

#endif
