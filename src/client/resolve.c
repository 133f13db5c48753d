/* SPDX-License-Identifier: MIT */
/*
 * Names, by c-ares with the nameservers that the agent read: getaddrinfo(3) opens files, loads
 * modules and speaks to local sockets.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/client.h"

#define SOCKETS 16
#define ADDRESSES 8
#define TRIES 2
#define TURN_MS 100

struct lookup {
	struct pollfd fds[SOCKETS];
	size_t n_fds;
	bool done;
	char *out;
	size_t size, n;
};

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct lookup *l = ctx;
	short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	size_t i;

	for (i = 0; i < l->n_fds && l->fds[i].fd != fd; i++)
		;
	if (events && i < SOCKETS) {
		l->fds[i] = (struct pollfd){ .fd = fd, .events = events };
		l->n_fds += i == l->n_fds;
	} else if (!events && i < l->n_fds) {
		l->fds[i] = l->fds[--l->n_fds];
	}
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct lookup *l = ctx;

	(void)timeouts;
	l->done = true;
	for (const struct ares_addrinfo_node *node = status == ARES_SUCCESS ? answer->nodes : NULL;
	     node && l->n < ADDRESSES; node = node->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address =
			node->ai_family == AF_INET
				? (void *)&((struct sockaddr_in *)(void *)node->ai_addr)->sin_addr
				: (void *)&((struct sockaddr_in6 *)(void *)node->ai_addr)
					  ->sin6_addr;
		size_t used = strlen(l->out);

		if (!inet_ntop(node->ai_family, address, text, sizeof(text)) ||
		    used + strlen(text) + 2 > l->size)
			continue;
		snprintf(l->out + used, l->size - used, "%s%s", l->n++ ? "," : "", text);
	}
	if (answer)
		ares_freeaddrinfo(answer);
}

static void turn(ares_channel channel, struct lookup *l)
{
	struct pollfd ready[SOCKETS];
	size_t n = l->n_fds;

	memcpy(ready, l->fds, sizeof(ready));
	if (poll(ready, n, TURN_MS) <= 0)
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (ready[i].revents)
			ares_process_fd(channel,
					ready[i].revents & ~POLLOUT ? ready[i].fd : ARES_SOCKET_BAD,
					ready[i].revents & POLLOUT ? ready[i].fd : ARES_SOCKET_BAD);
	if (n == 0)
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* c-ares before 1.19 takes rand(3) for its query ids where it cannot open /dev/urandom. */
static void seed_rand(void)
{
	unsigned seed;

	if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		srand(seed);
}

static bool ask(const struct request *r, int timeout_ms, struct lookup *l)
{
	static char lookups[] = "b"; /* nameservers, no file */
	struct ares_options options = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
					.timeout = timeout_ms / (TRIES + 1),
					.tries = TRIES,
					.lookups = lookups,
					.sock_state_cb = on_socket,
					.sock_state_cb_data = l };
	const struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
						   .ai_family = AF_UNSPEC,
						   .ai_socktype = SOCK_STREAM };
	const long long until_ms = now_ms() + timeout_ms;
	ares_channel channel;

	seed_rand();
	if (ares_init_options(&channel, &options,
			      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				      ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
		return false;
	if (ares_set_servers_ports_csv(channel, r->part[CLIENT_PART_SERVERS]) == ARES_SUCCESS) {
		ares_getaddrinfo(channel, r->part[CLIENT_PART_NAME], NULL, &hints, on_answer, l);
		while (!l->done && now_ms() < until_ms)
			turn(channel, l);
	}
	ares_destroy(channel);
	return l->n > 0;
}

bool resolve(const struct request *r, int timeout_ms, char *out, size_t out_size)
{
	struct lookup l = { .out = out, .size = out_size };

	out[0] = '\0';
	if (!r->length[CLIENT_PART_ADDRESS])
		return ask(r, timeout_ms, &l);
	if (r->length[CLIENT_PART_ADDRESS] >= out_size)
		return false;
	memcpy(out, r->part[CLIENT_PART_ADDRESS], r->length[CLIENT_PART_ADDRESS] + 1);
	return true;
}
