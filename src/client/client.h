/* SPDX-License-Identifier: MIT */
/*
 * linux-edr-client: the only program of ours that speaks to the network. src/analyze/client.h says
 * what it is for. The launcher reads requests from descriptor 3 and forks a worker for each; the
 * worker has the request in its memory and one end of a pipe, and writes one reply into it.
 */
#ifndef EDR_CLIENT_CLIENT_H
#define EDR_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "analyze/client_wire.h"

#define CLIENT_FD 3

/* Points into the message. */
struct request {
	struct client_wire_request fixed;
	const char *part[CLIENT_PARTS];
	size_t length[CLIENT_PARTS];
};
/* false: it is not what the agent sends. */
bool request_parse(struct request *r, const void *message, size_t len);

/* Bytes that grow up to a limit. */
struct bytes {
	char *data;
	size_t len, cap, max;
};
bool bytes_add(struct bytes *b, const void *data, size_t len); /* false: no room, or no memory */

struct exchange {
	struct client_wire_reply reply;
	struct bytes body;
};
/*
 * Once, while files can still be read: libraries, their configuration, what they load. 0 or -errno.
 */
int http_prepare(void);
/* In the worker: the one HTTP exchange. Fills all of *x. */
void http_exchange(const struct request *r, struct exchange *x);

/*
 * Addresses of the name, "192.0.2.1,2001:db8::1" in out: what the agent found, or from the
 * nameservers in at most timeout_ms. false: none.
 */
bool resolve(const struct request *r, int timeout_ms, char *out, size_t out_size);

/*
 * Gives up all that can be given up, in the order in which it can. uid and gid: -1 keeps ours. The
 * step that failed, with errno.
 */
enum client_step lock_down(uid_t uid, gid_t gid, struct client_wire_hello *hello);
/* In the worker: only what an exchange needs from now on. 0 or -errno. */
int lock_worker(void);

/* All of it, or -errno; -EPIPE: the other end is gone. */
int write_all(int fd, const void *data, size_t len);
long long now_ms(void); /* CLOCK_MONOTONIC */

/* Until the agent is gone, or breaks the protocol. Gives an exit status. */
int launch(void);
/* The worker's whole life. Never returns. */
void work(const void *message, size_t len, int out) __attribute__((noreturn));

#endif
