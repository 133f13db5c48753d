/* SPDX-License-Identifier: MIT */
/* Requests to the client and replies from it. Whoever breaks the protocol there is ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyze/client_private.h"
#include "util/log.h"
#include "util/mono.h"

#define ANSWER_LATE_S 15 /* the launcher itself ends a worker 5 s behind the timeout */
#define REAP_MS 20	 /* its socket is closed a moment before it has ended */

const char *client_outcome_name(enum client_outcome o)
{
	static const char *const names[CLIENT_OUTCOMES] = {
		[CLIENT_DONE] = "done",
		[CLIENT_NO_NAME] = "no-name",
		[CLIENT_NO_CONNECT] = "no-connect",
		[CLIENT_TLS] = "tls",
		[CLIENT_TIMEOUT] = "timeout",
		[CLIENT_TOO_LARGE] = "too-large",
		[CLIENT_REDIRECT] = "redirect",
		[CLIENT_CUT] = "cut",
		[CLIENT_DIED] = "died",
		[CLIENT_GONE] = "gone",
	};

	return o < CLIENT_OUTCOMES ? names[o] : "unknown";
}

const char *client_gone(const struct client *c)
{
	return c->gone;
}

static void forget_out(struct client *c)
{
	if (c->out.data)
		explicit_bzero(c->out.data, c->out.cap);
	buf_free(&c->out);
	c->out_at = 0;
}

static void reap(struct client *c)
{
	if (c->pid && waitpid(c->pid, NULL, WNOHANG) != 0)
		c->pid = 0;
}

static void end_client(struct client *c, const char *why)
{
	log_error("client", "linux-edr-client is gone: %s", why);
	c->gone = why;
	close(c->fd);
	c->fd = -1;
	if (c->pid)
		kill(c->pid, SIGKILL);
	reap(c);
	forget_out(c);
	buf_free(&c->in);
}

/* As much as the socket takes. */
static void flush(struct client *c)
{
	while (c->fd >= 0 && c->out_at < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			end_client(c, "its end of the socket is closed");
			return;
		}
		c->out_at += (size_t)n;
	}
	if (c->out.data && c->out_at == c->out.len)
		forget_out(c);
}

/* ---- requests ---- */

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

struct parts {
	const char *data[CLIENT_PARTS];
	size_t length[CLIENT_PARTS];
};

static void put(struct parts *p, enum client_part part, const char *text)
{
	p->data[part] = text ? text : "";
	p->length[part] = strlen(p->data[part]);
}

static bool add_servers(struct buf *out, const struct client_where *w)
{
	for (size_t i = 0; i < w->n_servers && i < CLIENT_SERVERS; i++) {
		const char *server = w->server[i], *colon = strchr(server, ':');
		bool bare_v6 = server[0] != '[' && colon && strchr(colon + 1, ':');

		buf_addf(out, "%s%s%s%s", i ? "," : "", bare_v6 ? "[" : "", server,
			 bare_v6 ? "]" : "");
	}
	buf_adds(out, "");
	return !buf_failed(out);
}

static int check_request(const struct client_request *r)
{
	const char *const texts[] = { r->where->url, r->path, r->method, r->content_type, r->key };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i] && !printable(texts[i]))
			return -EINVAL;
	if (!r->connect_timeout_s || !r->timeout_s || r->timeout_s > CLIENT_TIMEOUT_MAX_S)
		return -EINVAL;
	if (r->body_len > CLIENT_REQUEST_MAX || r->where->ca_len > CLIENT_CA_MAX ||
	    (r->key && strlen(r->key) > CLIENT_KEY_MAX))
		return -E2BIG;
	return 0;
}

/* Room for all of it first: a buffer that grows would leave the key behind in freed memory. */
static int put_message(struct client *c, const struct client_request *r, const struct parts *p)
{
	const struct client_where *w = r->where;
	struct client_wire_request fixed = { .connect_timeout_s = r->connect_timeout_s,
					     .timeout_s = r->timeout_s,
					     .port = w->port };
	struct client_wire_header header = { CLIENT_WIRE_MAGIC, CLIENT_WIRE_REQUEST, 0,
					     c->sequence + 1 };
	size_t length = sizeof(fixed);

	for (int i = 0; i < CLIENT_PARTS; i++) {
		fixed.length[i] = (uint32_t)p->length[i];
		length += p->length[i] + 1;
	}
	if (length > CLIENT_WIRE_REQUEST_MAX)
		return -E2BIG;
	header.length = (uint32_t)length;
	/* And for a CANCEL. */
	if (!buf_reserve(&c->out, length + 2 * sizeof(header) + 1))
		return -ENOMEM;
	buf_add(&c->out, &header, sizeof(header));
	buf_add(&c->out, &fixed, sizeof(fixed));
	for (int i = 0; i < CLIENT_PARTS; i++) {
		buf_add(&c->out, p->data[i], p->length[i]);
		buf_addc(&c->out, '\0');
	}
	return 0;
}

static int put_request(struct client *c, const struct client_request *r)
{
	const struct client_where *w = r->where;
	struct buf url = { 0 }, servers = { 0 };
	struct parts p;
	int status = -ENOMEM;

	buf_addf(&url, "%s%s", w->url, r->path ? r->path : "");
	if (!buf_failed(&url) && add_servers(&servers, w)) {
		put(&p, CLIENT_PART_URL, url.data);
		put(&p, CLIENT_PART_METHOD, r->method);
		put(&p, CLIENT_PART_CONTENT_TYPE, r->content_type);
		put(&p, CLIENT_PART_KEY, r->key);
		put(&p, CLIENT_PART_PROXY, w->proxy);
		put(&p, CLIENT_PART_NAME, w->name);
		put(&p, CLIENT_PART_ADDRESS, w->address);
		put(&p, CLIENT_PART_SERVERS, servers.data);
		p.data[CLIENT_PART_CA] = w->ca;
		p.length[CLIENT_PART_CA] = w->ca ? w->ca_len : 0;
		p.data[CLIENT_PART_BODY] = r->body;
		p.length[CLIENT_PART_BODY] = r->body ? r->body_len : 0;
		status = put_message(c, r, &p);
	}
	buf_free(&url);
	buf_free(&servers);
	return status;
}

int client_send(struct client *c, const struct client_request *r)
{
	int status = check_request(r);

	if (status)
		return status;
	if (c->fd < 0)
		return -EPIPE;
	if (c->under_way || c->out_at < c->out.len)
		return -EBUSY;
	status = put_request(c, r);
	if (status) {
		forget_out(c);
		return status;
	}
	c->sequence++;
	c->under_way = true;
	c->cancelled = false;
	c->deadline_ms = mono_now_ms() + (r->timeout_s + ANSWER_LATE_S) * 1000ULL;
	flush(c);
	return 0;
}

void client_cancel(struct client *c)
{
	const struct client_wire_header header = { CLIENT_WIRE_MAGIC, CLIENT_WIRE_CANCEL, 0,
						   c->sequence };

	if (!c->under_way || c->cancelled)
		return;
	c->cancelled = true;
	if (c->fd < 0)
		return;
	buf_add(&c->out, &header, sizeof(header));
	if (buf_failed(&c->out)) {
		end_client(c, "no memory to cancel a request");
		return;
	}
	flush(c);
}

/* ---- replies ---- */

int client_fd(const struct client *c)
{
	return c->fd;
}

short client_events(const struct client *c)
{
	return (short)(POLLIN | (c->out_at < c->out.len ? POLLOUT : 0));
}

int client_timeout_ms(const struct client *c)
{
	unsigned long long now_ms = mono_now_ms();

	if (c->fd < 0 && c->pid && !c->under_way)
		return REAP_MS;
	if (!c->under_way)
		return -1;
	if (c->fd < 0 || now_ms >= c->deadline_ms)
		return 0;
	return (int)(c->deadline_ms - now_ms);
}

static const char *judge_header(const struct client *c, const struct client_wire_header *h)
{
	if (h->magic != CLIENT_WIRE_MAGIC || h->type != CLIENT_WIRE_REPLY)
		return "it broke the protocol: no reply";
	if (!c->under_way || h->sequence != c->sequence)
		return "it broke the protocol: a reply that nobody asked for";
	if (!c->cancelled && c->out_at < c->out.len)
		return "it broke the protocol: a reply before the request";
	if (h->length < sizeof(struct client_wire_reply) ||
	    h->length > sizeof(struct client_wire_reply) + CLIENT_ANSWER_MAX)
		return "it broke the protocol: a reply of no such length";
	return NULL;
}

/* How many bytes of the message are wanted, by what is there of it. 0: it broke the protocol. */
static size_t wanted(struct client *c)
{
	struct client_wire_header header;
	const char *why;

	if (c->in.len < sizeof(header))
		return sizeof(header);
	memcpy(&header, c->in.data, sizeof(header));
	why = judge_header(c, &header);
	if (!why)
		return sizeof(header) + header.length;
	end_client(c, why);
	return 0;
}

/* true: the message is whole. */
static bool hear(struct client *c)
{
	size_t whole;

	while ((whole = wanted(c)) != 0 && c->in.len < whole) {
		ssize_t n;

		if (!buf_reserve(&c->in, whole - c->in.len + 1)) {
			end_client(c, "no memory for its reply");
			return false;
		}
		n = recv(c->fd, c->in.data + c->in.len, whole - c->in.len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			end_client(c, "it ended");
			return false;
		}
		c->in.len += (size_t)n;
	}
	return whole != 0;
}

static bool take_message(struct client *c, struct client_reply *out)
{
	struct client_wire_reply reply;
	const size_t head = sizeof(struct client_wire_header) + sizeof(reply);

	memcpy(&reply, c->in.data + sizeof(struct client_wire_header), sizeof(reply));
	if (reply.outcome >= CLIENT_GONE || reply.body_length != c->in.len - head ||
	    reply.status > 999 || reply.retry_after_s > CLIENT_RETRY_AFTER_MAX_S) {
		end_client(c, "it broke the protocol: a reply of no such kind");
		return false;
	}
	*out = (struct client_reply){ .outcome = (enum client_outcome)reply.outcome,
				      .status = reply.status,
				      .retry_after_s = reply.retry_after_s,
				      .milliseconds = reply.milliseconds };
	buf_add(&out->body, c->in.data + head, reply.body_length);
	if (buf_failed(&out->body)) {
		buf_free(&out->body);
		out->outcome = CLIENT_TOO_LARGE; /* for us, now */
	}
	buf_free(&c->in);
	return true;
}

static bool take_gone(struct client *c, struct client_reply *out)
{
	if (!c->under_way)
		return false;
	c->under_way = false;
	*out = (struct client_reply){ .outcome = CLIENT_GONE };
	return !c->cancelled;
}

bool client_take(struct client *c, struct client_reply *out)
{
	flush(c);
	if (c->fd < 0)
		reap(c);
	if (c->fd >= 0 && hear(c) && take_message(c, out)) {
		c->under_way = false;
		if (!c->cancelled)
			return true;
		client_reply_free(out);
		return false;
	}
	if (c->fd >= 0 && c->under_way && mono_now_ms() >= c->deadline_ms)
		end_client(c, "it does not answer");
	return c->fd < 0 && take_gone(c, out);
}

void client_reply_free(struct client_reply *r)
{
	buf_free(&r->body);
}
