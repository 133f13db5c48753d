/* SPDX-License-Identifier: MIT */
/* What the files of the client's side in the agent share. */
#ifndef EDR_ANALYZE_CLIENT_PRIVATE_H
#define EDR_ANALYZE_CLIENT_PRIVATE_H

#include "analyze/client.h"
#include "analyze/client_wire.h"

struct client {
	char uid[12], gid[12]; /* of every launcher: as they were when the first one began */
	char *program;	       /* NULL: to be found */
	bool kept_ids;	       /* it had to do without ids of its own */
	pid_t pid;	       /* 0: reaped */
	int fd;		       /* -1: gone */
	const char *gone;
	uint32_t sequence; /* of the last request */
	bool under_way, cancelled;
	unsigned long long deadline_ms; /* of mono_now_ms(): it must have answered */
	struct buf out;			/* what the socket had no room for yet */
	size_t out_at;
	struct buf in; /* a message, as far as it is there */
};

/* As client_where_names(), from these files. */
int client_names_read(struct client_where *w, const char *hosts, const char *resolv_conf);

/*
 * A descriptor of the folder, when neither it nor the linux-edr-client in it can have been made by
 * another user. Else -1: *why, or NULL and errno.
 */
int client_open_folder(const char *folder, const char **why);

/* 127.0.0.0/8, ::1 and localhost. */
bool client_is_loopback(const char *name);

/* The whole file, NUL-terminated, and what it is. 0 or -errno; -EFBIG: more than max bytes. */
struct stat;
int client_read_file(const char *path, size_t max, char **out, size_t *len, struct stat *st);

#endif
