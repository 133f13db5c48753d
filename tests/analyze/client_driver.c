/* SPDX-License-Identifier: MIT */
/*
 * client_driver PROGRAM [USER]: speaks through client.h alone. Reads one request a line of stdin,
 * as a JSON object, and prints one line of JSON for each; first one with the client's pid. {"again":1}
 * waits until the client is gone and has another one. It stands for the agent: whatever the client
 * does, it goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/client.h"
#include "util/mono.h"
#include "util/text.h"

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : "";
}

static unsigned number(struct json_object *o, const char *key, unsigned otherwise)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? (unsigned)json_object_get_int(value)
							 : otherwise;
}

/* What a test says of names, in place of this host's files. */
static void set_names(struct client_where *w, struct json_object *o)
{
	const char *server = text(o, "nameserver");

	if (!*server)
		return;
	w->n_servers = 1;
	snprintf(w->server[0], sizeof(w->server[0]), "%s", server);
}

static void print(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

static void print_error(const char *what, int status, const char *err)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "outcome", json_object_new_string(what));
	json_object_object_add(o, "errno", json_object_new_int(-status));
	json_object_object_add(o, "err", json_object_new_string(err));
	print(o);
}

static void print_reply(const struct client_reply *r, unsigned long long ms,
			unsigned long long longest_ms)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "outcome",
			       json_object_new_string(client_outcome_name(r->outcome)));
	json_object_object_add(o, "status", json_object_new_int((int)r->status));
	json_object_object_add(o, "retry_after", json_object_new_int64((int64_t)r->retry_after_s));
	json_object_object_add(o, "bytes", json_object_new_int64((int64_t)r->body.len));
	json_object_object_add(o, "ms", json_object_new_int64((int64_t)ms));
	json_object_object_add(o, "longest_call_ms", json_object_new_int64((int64_t)longest_ms));
	if (r->body.len > 0 && r->body.len < 4096) {
		struct buf body = { 0 };

		text_utf8(&body, r->body.data, r->body.len);
		json_object_object_add(o, "body", json_object_new_string(body.data));
		buf_free(&body);
	}
	print(o);
}

/* As the duty's thread does it; cancel_ms: 0 never. Tells how long the longest call took. */
static bool wait_reply(struct client *c, struct client_reply *reply, unsigned cancel_ms,
		       unsigned long long *longest_ms)
{
	const unsigned long long begun_ms = mono_now_ms();

	for (;;) {
		int timeout_ms = client_timeout_ms(c);
		struct pollfd ready = { .fd = client_fd(c), .events = client_events(c) };
		unsigned long long before_ms;
		bool done;

		if (timeout_ms < 0 && ready.fd >= 0)
			return false; /* what was cancelled has ended */
		if (cancel_ms && timeout_ms > 50)
			timeout_ms = 50;
		poll(&ready, 1, timeout_ms);
		before_ms = mono_now_ms();
		if (cancel_ms && before_ms - begun_ms >= cancel_ms)
			client_cancel(c);
		done = client_take(c, reply);
		if (mono_now_ms() - before_ms > *longest_ms)
			*longest_ms = mono_now_ms() - before_ms;
		if (done)
			return true;
		if (client_gone(c))
			return false;
	}
}

static void exchange(struct client *c, struct json_object *o, const struct client_where *w,
		     const char *key)
{
	const unsigned long long begun_ms = mono_now_ms();
	unsigned long long longest_ms = 0;
	struct client_reply reply = { 0 };
	size_t body_len = number(o, "body_bytes", 2);
	char *body = malloc(body_len + 1);
	struct client_request r = { .where = w,
				    .method = *text(o, "method") ? text(o, "method") : "POST",
				    .path = text(o, "path"),
				    .content_type = "application/json",
				    .key = key,
				    .body = body,
				    .body_len = body_len,
				    .connect_timeout_s = number(o, "connect_timeout", 3),
				    .timeout_s = number(o, "timeout", 5) };
	int status;

	memset(body, 'x', body_len);
	status = client_send(c, &r);
	if (!status)
		longest_ms = mono_now_ms() - begun_ms;
	if (status)
		print_error("not-sent", status, "");
	else if (wait_reply(c, &reply, number(o, "cancel_ms", 0), &longest_ms))
		print_reply(&reply, mono_now_ms() - begun_ms, longest_ms);
	else
		print_error("cancelled", 0, "");
	client_reply_free(&reply);
	free(body);
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* As the agent is by then: with threads, and descriptors that may be handed on by mistake. */
static void again(struct client *c)
{
	struct json_object *o = json_object_new_object();
	struct client_reply reply = { 0 };
	pthread_t thread;
	char err[512] = "";
	int status;

	if (pthread_create(&thread, NULL, idle, NULL) != 0 || fcntl(2, F_DUPFD, 20) < 0)
		abort();
	while (!client_gone(c) && !client_take(c, &reply))
		poll(NULL, 0, 10);
	client_reply_free(&reply);
	status = client_again(c, err, sizeof(err));
	json_object_object_add(o, "errno", json_object_new_int(-status));
	json_object_object_add(o, "err", json_object_new_string(err));
	json_object_object_add(o, "pid", json_object_new_int(client_pid(c)));
	print(o);
}

static void obey(struct client *c, const char *line)
{
	struct json_object *o = json_tokener_parse(line);
	struct client_where w = { 0 };
	char err[256] = "", *key = NULL;
	int status;

	if (number(o, "again", 0)) {
		again(c);
		json_object_put(o);
		return;
	}
	status = client_where(&w, text(o, "base"), text(o, "proxy"), text(o, "ca"),
			      number(o, "insecure", 0), err, sizeof(err));

	if (!status)
		status = client_key(&key, text(o, "key_file"), "", err, sizeof(err));
	set_names(&w, o);
	if (status)
		print_error("refused", status, err);
	else
		exchange(c, o, &w, key);
	client_key_free(key);
	client_where_free(&w);
	json_object_put(o);
}

int main(int argc, char **argv)
{
	const struct client_config cfg = { .program = argv[1], .user = argc > 2 ? argv[2] : NULL };
	struct json_object *first = json_object_new_object();
	const char *degraded = NULL;
	struct client *c = NULL;
	char *line = NULL, err[512] = "";
	size_t size = 0;
	int status = client_start(&c, &cfg, &degraded, err, sizeof(err));

	json_object_object_add(first, "errno", json_object_new_int(-status));
	json_object_object_add(first, "err", json_object_new_string(err));
	json_object_object_add(first, "pid", json_object_new_int(c ? client_pid(c) : 0));
	json_object_object_add(first, "degraded", json_object_new_string(degraded ? degraded : ""));
	print(first);
	while (c && getline(&line, &size, stdin) > 0)
		obey(c, line);
	free(line);
	client_stop(c);
	return status ? 1 : 0;
}
