/* SPDX-License-Identifier: MIT */
/*
 * Stands in http.c's place in a build of linux-edr-client for the tests: a worker that was taken
 * over the moment it spoke to somebody. What it does is in the URL: http://127.0.0.1/NAME:ARGUMENT.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/client.h"
#include "attempts.h"
#include "client/client.h"

#define FDS 64

int http_prepare(void)
{
	return 0;
}

static void close_all(void)
{
	for (int fd = 0; fd < FDS; fd++)
		close(fd);
}

static void spin(void)
{
	for (;;)
		__asm__ volatile("");
}

/* Replies of every wrong kind, into whatever is open. */
static void write_everywhere(const void *data, size_t len)
{
	for (int fd = 3; fd < FDS; fd++)
		if (write(fd, data, len) < 0)
			continue;
}

static void lie_length(void)
{
	const struct client_wire_reply reply = { .status = 200, .body_length = 1000 };

	write_everywhere(&reply, sizeof(reply));
	_exit(0);
}

static void lie_outcome(void)
{
	const struct client_wire_reply reply = { .outcome = CLIENT_GONE };

	write_everywhere(&reply, sizeof(reply));
	_exit(0);
}

static void lie_message(void)
{
	const struct client_wire_header header = { CLIENT_WIRE_MAGIC, CLIENT_WIRE_REPLY, 8u << 20,
						   1 };

	write_everywhere(&header, sizeof(header));
	_exit(0);
}

static void shout(void)
{
	static char data[65536];

	for (;;)
		write_everywhere(data, sizeof(data));
}

static void close_and_spin(void)
{
	close_all();
	spin();
}

static void crash(void)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 0;
}

static void leave(void)
{
	_exit(0);
}

static const struct {
	const char *name;
	void (*run)(void);
} deeds[] = {
	{ "spin", spin },
	{ "close-and-spin", close_and_spin },
	{ "lie-length", lie_length },
	{ "lie-outcome", lie_outcome },
	{ "lie-message", lie_message },
	{ "shout", shout },
	{ "crash", crash },
	{ "leave", leave },
};

static void lie_status(struct exchange *x)
{
	x->reply.status = 1u << 20;
	x->reply.retry_after_s = ~0ull;
}

void http_exchange(const struct request *r, struct exchange *x)
{
	const char *url = r->part[CLIENT_PART_URL];
	char name[64] = "", result[64];
	const char *argument;

	sscanf(url, "http://127.0.0.1/%63[^:]", name);
	argument = strstr(url, name) + strlen(name);
	argument += *argument == ':';
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].name, name) == 0)
			deeds[i].run();
	attempt(name, argument, result, sizeof(result));
	x->body.max = CLIENT_ANSWER_MAX;
	bytes_add(&x->body, result, strlen(result));
	x->reply.status = 200;
	if (strcmp(name, "lie-status") == 0)
		lie_status(x);
}
