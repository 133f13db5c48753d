/* SPDX-License-Identifier: MIT */
/* client.h as a transport of duty.h. */
#ifndef EDR_ANALYZE_DUTY_CLIENT_H
#define EDR_ANALYZE_DUTY_CLIENT_H

#include "analyze/client.h"
#include "analyze/duty.h"

/* transport_ctx; nothing of it is the duty's. */
struct duty_client {
	struct client *client;
	struct client_where *where;
	const char *key; /* "": none */
	unsigned connect_timeout_s, timeout_s;
};
extern const struct duty_transport duty_client_transport;

#endif
