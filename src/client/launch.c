/* SPDX-License-Identifier: MIT */
/*
 * The launcher: takes requests, has a worker for each, hands its reply on when it is whole. What
 * comes out of a worker is any bytes.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "analyze/client.h"
#include "client/client.h"

#define GRACE_S 5 /* behind the worker's own timeout */
#define REPLY_MAX (sizeof(struct client_wire_reply) + CLIENT_ANSWER_MAX)

struct launcher {
	/* From the agent: a header, then what it announces. */
	struct client_wire_header header;
	size_t have; /* bytes of both */
	char *message;
	/* The exchange under way. */
	pid_t worker; /* 0: none */
	int out;      /* its pipe */
	uint32_t sequence;
	long long deadline_ms;
	struct bytes reply;
};

static void forget_message(struct launcher *l)
{
	if (l->message)
		explicit_bzero(l->message, l->header.length);
	free(l->message);
	l->message = NULL;
	l->have = 0;
}

static int send_reply(uint32_t sequence, const void *reply, size_t len)
{
	const struct client_wire_header header = { CLIENT_WIRE_MAGIC, CLIENT_WIRE_REPLY,
						   (uint32_t)len, sequence };
	int err = write_all(CLIENT_FD, &header, sizeof(header));

	return err ? err : write_all(CLIENT_FD, reply, len);
}

/* Nothing but what says itself how long it is, and is. */
static bool sound(const struct bytes *b)
{
	struct client_wire_reply reply;

	if (b->len < sizeof(reply))
		return false;
	memcpy(&reply, b->data, sizeof(reply));
	return reply.outcome < CLIENT_GONE && reply.body_length == b->len - sizeof(reply);
}

/* The worker's end: by itself, or by us. outcome: when its reply is not to be had. */
static int end_worker(struct launcher *l, enum client_outcome outcome, bool take_reply)
{
	const struct client_wire_reply none = { .outcome = outcome };
	bool good = take_reply && sound(&l->reply);
	int err;

	kill(l->worker, SIGKILL);
	while (waitpid(l->worker, NULL, 0) < 0 && errno == EINTR)
		;
	close(l->out);
	l->worker = 0;
	err = good ? send_reply(l->sequence, l->reply.data, l->reply.len)
		   : send_reply(l->sequence, &none, sizeof(none));
	if (l->reply.data)
		explicit_bzero(l->reply.data, l->reply.cap);
	free(l->reply.data);
	l->reply = (struct bytes){ 0 };
	return err;
}

static unsigned timeout_of(const char *message, size_t len)
{
	struct client_wire_request fixed;

	if (len < sizeof(fixed))
		return 0;
	memcpy(&fixed, message, sizeof(fixed));
	return fixed.timeout_s;
}

static int start_worker(struct launcher *l)
{
	const struct client_wire_reply died = { .outcome = CLIENT_DIED };
	int ends[2];

	l->sequence = l->header.sequence;
	l->deadline_ms = now_ms() + (timeout_of(l->message, l->header.length) + GRACE_S) * 1000LL;
	l->reply = (struct bytes){ .max = REPLY_MAX };
	if (pipe2(ends, O_CLOEXEC) != 0)
		return send_reply(l->sequence, &died, sizeof(died));
	l->worker = fork();
	if (l->worker == 0) {
		close(ends[0]);
		close(CLIENT_FD);
		work(l->message, l->header.length, ends[1]);
	}
	close(ends[1]);
	if (l->worker < 0) {
		l->worker = 0;
		close(ends[0]);
		return send_reply(l->sequence, &died, sizeof(died));
	}
	l->out = ends[0];
	return 0;
}

static int obey(struct launcher *l)
{
	int err = 0;

	if (l->header.type == CLIENT_WIRE_REQUEST && !l->worker)
		err = start_worker(l);
	else if (l->header.type == CLIENT_WIRE_REQUEST)
		err = -EPROTO;
	else if (l->worker && l->header.sequence == l->sequence)
		err = end_worker(l, CLIENT_DIED, false);
	forget_message(l);
	return err;
}

static bool good_header(const struct client_wire_header *h)
{
	if (h->magic != CLIENT_WIRE_MAGIC)
		return false;
	if (h->type == CLIENT_WIRE_CANCEL)
		return h->length == 0;
	return h->type == CLIENT_WIRE_REQUEST && h->length <= CLIENT_WIRE_REQUEST_MAX;
}

/* What is there of a message: one read, so that a worker's time is kept meanwhile. */
static int hear_agent(struct launcher *l)
{
	const size_t head = sizeof(l->header);
	bool in_head = l->have < head;
	char *to = in_head ? (char *)&l->header + l->have : l->message + (l->have - head);
	size_t left = (in_head ? head : head + l->header.length) - l->have;
	ssize_t n = read(CLIENT_FD, to, left);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	l->have += (size_t)n;
	if (l->have == head) {
		if (!good_header(&l->header))
			return -EPROTO;
		l->message = malloc(l->header.length + 1);
		if (!l->message)
			return -ENOMEM;
	}
	if (l->have < head || l->have < head + l->header.length)
		return 0;
	return obey(l);
}

static int hear_worker(struct launcher *l)
{
	char piece[16384];
	ssize_t n = read(l->out, piece, sizeof(piece));
	int err = 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		err = end_worker(l, CLIENT_DIED, true);
	else if (!bytes_add(&l->reply, piece, (size_t)n))
		err = end_worker(l, CLIENT_DIED, false);
	explicit_bzero(piece, sizeof(piece));
	return err;
}

static int turn(struct launcher *l)
{
	struct pollfd fds[2] = { { .fd = CLIENT_FD, .events = POLLIN },
				 { .fd = l->worker ? l->out : -1, .events = POLLIN } };
	long long left = l->worker ? l->deadline_ms - now_ms() : -1;
	int err = 0;

	if (l->worker && left <= 0)
		return end_worker(l, CLIENT_TIMEOUT, false);
	if (poll(fds, 2, left > 1000000 ? 1000000 : (int)left) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		err = hear_worker(l);
	if (!err && fds[0].revents)
		err = hear_agent(l);
	return err;
}

int launch(void)
{
	struct launcher l = { 0 };
	int err;

	do
		err = turn(&l);
	while (!err);
	if (l.worker)
		kill(l.worker, SIGKILL);
	forget_message(&l);
	return err == -EPIPE ? 0 : 1;
}
