/* SPDX-License-Identifier: MIT */
#include "analyze/duty_client.h"

#include <string.h>

#define KEY_LEAST 16 /* bytes: a shorter one is a word, and no secret */

static int send_call(void *ctx, const struct duty_call *call)
{
	const struct duty_client *c = ctx;
	const struct client_request r = { .where = c->where,
					  .method = call->method,
					  .path = call->path,
					  .content_type = call->type,
					  .key = c->key,
					  .body = call->body,
					  .body_len = call->len,
					  .connect_timeout_s = c->connect_timeout_s,
					  .timeout_s = c->timeout_s };
	int err = client_where_names(c->where);

	return err ? err : client_send(c->client, &r);
}

/* Some servers say it back; what they say is logged and kept. */
static void hide_key(const char *key, struct buf *body)
{
	const size_t len = strlen(key);
	char *at = body->data;

	while (len >= KEY_LEAST && at &&
	       (at = memmem(at, body->len - (size_t)(at - body->data), key, len)))
		memset(at, '*', len);
}

static bool take(void *ctx, struct client_reply *out)
{
	const struct duty_client *c = ctx;

	if (!client_take(c->client, out))
		return false;
	hide_key(c->key, &out->body);
	return true;
}

static void cancel(void *ctx)
{
	client_cancel(((struct duty_client *)ctx)->client);
}

static int fd(void *ctx, short *events, int *timeout_ms)
{
	const struct duty_client *c = ctx;

	*events = client_events(c->client);
	*timeout_ms = client_timeout_ms(c->client);
	return client_fd(c->client);
}

static int again(void *ctx, char *err, size_t err_size)
{
	return client_again(((struct duty_client *)ctx)->client, err, err_size);
}

const struct duty_transport duty_client_transport = { send_call, take, cancel, fd, again };
