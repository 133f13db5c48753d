/* SPDX-License-Identifier: MIT */
/*
 * The only one who speaks to the network: a process of its own. client_start() forks it before the
 * agent has opened anything: before threads, the lock, BPF, reports. It becomes linux-edr-client, a
 * small program of the same build, with an empty environment: it has nothing of the agent's memory,
 * and the agent none of libcurl. It has one descriptor, its end of a socketpair, and /dev/null as
 * 0, 1 and 2; another uid, no groups, no capabilities in any set, no new privileges, no core, a
 * seccomp filter (docs/analysis.md lists it). It is the launcher: for each exchange it forks a
 * worker, with a stricter filter, which does one HTTP request and ends. So nothing of one exchange
 * is left for the next, a worker that hangs is killed, and one that was taken over has one redacted
 * prompt, the API key and a socket.
 *
 * All that the worker needs comes in the request: no file is opened there, not for names
 * (nameservers and what /etc/hosts says are read by us, c-ares asks them), not for certificates
 * (CURLOPT_CAINFO_BLOB).
 *
 * Calls are of one thread, the duty's. None of them waits, but client_start(), client_again() and
 * client_stop().
 * What comes back is hostile: it is measured, then copied.
 */
#ifndef EDR_ANALYZE_CLIENT_H
#define EDR_ANALYZE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "edr/wire.h"
#include "util/buf.h"

#define CLIENT_REQUEST_MAX (1u << 20) /* bytes of a body */
#define CLIENT_ANSWER_MAX (1u << 20)  /* bytes of a response; more is cut off and an error */
#define CLIENT_CA_MAX (4u << 20)
#define CLIENT_KEY_MAX 4096u
#define CLIENT_RETRY_AFTER_MAX_S 86400u
#define CLIENT_TIMEOUT_MAX_S 3600u
#define CLIENT_SERVERS 3

struct client;

struct client_config {
	const char *user; /* its name; NULL or not there: uid 65534, and that is said */
	/* NULL: linux-edr-client beside the program that runs, else as installed. */
	const char *program;
};

/*
 * Forks, and waits at most 5 s for the word that all is locked down. Without the right to change
 * the uid it keeps ours, drops all else, and says so in *degraded (a static text; NULL: all is as
 * it should be). -errno with one sentence in err; without a seccomp filter there is no client. Of
 * the main thread: the client is killed when the thread ends that forked it.
 */
int client_start(struct client **out, const struct client_config *cfg, const char **degraded,
		 char *err, size_t err_size);
/*
 * Another launcher in place of one that is gone, whose request was taken: all of the above holds for it, with the
 * same uid, and with less it is not had. What is between fork and exec has no core either when we have
 * none. Waits as client_start() does; of any thread, with which it is killed. 0, or -errno with err.
 */
int client_again(struct client *c, char *err, size_t err_size);
/* Closes the socket, waits 1 s, kills. Frees; safe on NULL. */
void client_stop(struct client *c);
pid_t client_pid(const struct client *c); /* 0: it is gone */

/* What is read with privileges, once for each configuration. */
struct client_where {
	char *url;   /* checked: https, or http to loopback (or insecure); without '/' at its end */
	char *proxy; /* "": none; from proxy, https_proxy, no_proxy */
	char *ca;    /* PEM of all trusted; NULL when neither url nor proxy is https */
	size_t ca_len;
	char *name; /* of who is connected to: the url's host, or the proxy's; without [] */
	unsigned port;
	/* By client_where_names(). */
	/* "": ask the servers; else of the name or /etc/hosts: "192.0.2.1,2001:db8::1". */
	char *address;
	char server[CLIENT_SERVERS][64]; /* of /etc/resolv.conf: "192.0.2.53" */
	size_t n_servers;
	bool insecure; /* http to other than loopback, as told */
};
/* client_where_names() too. 0; -EINVAL, -errno with one sentence in err. */
int client_where(struct client_where *out, const char *api_base, const char *proxy,
		 const char *ca_file, bool insecure_http, char *err, size_t err_size);
/*
 * Reads /etc/hosts and /etc/resolv.conf again, which may change at any time: before each request.
 * 0 or -ENOMEM; what cannot be read says nothing.
 */
int client_where_names(struct client_where *w);
void client_where_free(struct client_where *w); /* safe on a zeroed one */
/* What is sent there stays on this host: 127.0.0.0/8, ::1, localhost. */
bool client_base_is_loopback(const char *api_base);

/*
 * The API key, without white space at its ends; the first that there is: the file, which must be of
 * root or us and closed to all others; $CREDENTIALS_DIRECTORY/openai_api_key; conf_key, which is
 * OPENAI_API_KEY or the configuration's. *out is "" when there is none; client_key_free() it.
 * -errno with one sentence in err, never with a byte of the key.
 */
int client_key(char **out, const char *file, const char *conf_key, char *err, size_t err_size);
void client_key_free(char *key); /* wipes; safe on NULL */
/* Takes a secret variable out of our own environment block, which /proc/PID/environ shows. */
void client_key_hide(const char *variable);

enum client_outcome {
	CLIENT_DONE,	/* status and body are there, whatever the status is */
	CLIENT_NO_NAME, /* the host's name was not found, or nobody answered */
	CLIENT_NO_CONNECT,
	CLIENT_TLS,	  /* not verified, or no common protocol */
	CLIENT_TIMEOUT,	  /* connecting, or all together */
	CLIENT_TOO_LARGE, /* more than CLIENT_ANSWER_MAX */
	CLIENT_REDIRECT,  /* never followed */
	CLIENT_CUT,	  /* the connection ended before the answer did, or it was no HTTP */
	CLIENT_DIED,	  /* the worker: by its filter, or it crashed */
	CLIENT_GONE,	  /* the launcher: there is no client any more */
	CLIENT_OUTCOMES
};
const char *client_outcome_name(enum client_outcome o);

/* No string may have control characters; key, path and content_type end up in headers. */
struct client_request {
	const struct client_where *where;
	const char *method;	  /* "POST", "GET", "DELETE", CLIENT_METHOD_FILE */
	const char *path;	  /* behind the url: "/chat/completions" */
	const char *content_type; /* of CLIENT_METHOD_FILE: the file's name */
	const char *key;	  /* "": no Authorization header */
	const void *body;
	size_t body_len;
	unsigned connect_timeout_s, timeout_s; /* of all: a drip ends there too; 1 or more */
};

struct client_reply {
	enum client_outcome outcome;
	unsigned status;       /* of HTTP; 0: none */
	edr_u64 retry_after_s; /* 0: none; at most a day */
	struct buf body;       /* any bytes */
	unsigned milliseconds;
};

/*
 * Takes a copy of all; there may be one under way. 0, -EINVAL, -EBUSY, -E2BIG, -ENOMEM, -EPIPE
 * (gone).
 */
int client_send(struct client *c, const struct client_request *r);
/*
 * To be polled for client_events(): then, and when client_timeout_ms() have gone by, client_take()
 * has something to do, if only to send on what the socket had no room for. -1 when the client is
 * gone.
 */
int client_fd(const struct client *c);
short client_events(const struct client *c);
int client_timeout_ms(const struct client *c); /* -1: nothing is under way */
/*
 * true: *out is filled; client_reply_free() it. Once for each client_send() that was not cancelled.
 */
bool client_take(struct client *c, struct client_reply *out);
void client_reply_free(struct client_reply *r);
/* The worker is killed; nothing comes of it any more. -EBUSY may last a moment longer. */
void client_cancel(struct client *c);
/* Why there is no client any more; NULL while there is one. Static text. */
const char *client_gone(const struct client *c);

#endif
