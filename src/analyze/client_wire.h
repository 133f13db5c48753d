/* SPDX-License-Identifier: MIT */
/*
 * What the agent and linux-edr-client say to each other over the socketpair: messages of a header
 * and as many bytes as it says, in the byte order of the machine. The client says HELLO once, then
 * one REPLY for each REQUEST, in their order, a cancelled one too. Anything else is a breach.
 */
#ifndef EDR_ANALYZE_CLIENT_WIRE_H
#define EDR_ANALYZE_CLIENT_WIRE_H

#include <stdint.h>

#define CLIENT_WIRE_MAGIC 0x31524445u /* "EDR1" */
#define CLIENT_WIRE_REQUEST_MAX (6u << 20)
#define CLIENT_WIRE_PART_MAX (4u << 20) /* of one part of a request */
/* POST of the body as a file of that name, which stands for CONTENT_TYPE, in a form: /files. */
#define CLIENT_METHOD_FILE "FILE"

enum client_wire_type {
	CLIENT_WIRE_HELLO = 1,
	CLIENT_WIRE_REQUEST,
	CLIENT_WIRE_REPLY,
	CLIENT_WIRE_CANCEL, /* no bytes; of a request that is not there: nothing */
};

struct client_wire_header {
	uint32_t magic, type;
	uint32_t length;   /* of what follows */
	uint32_t sequence; /* of the request; 0 in HELLO */
};
_Static_assert(sizeof(struct client_wire_header) == 16, "as documented");

/* Which step of the lock-down failed; CLIENT_STEP_NONE: none did. */
enum client_step {
	CLIENT_STEP_NONE,
	CLIENT_STEP_EXEC, /* by the agent's child: there is no such program */
	CLIENT_STEP_ARGUMENTS,
	CLIENT_STEP_LIBRARIES,
	CLIENT_STEP_DESCRIPTORS,
	CLIENT_STEP_IDS,
	CLIENT_STEP_CAPABILITIES,
	CLIENT_STEP_LIMITS,
	CLIENT_STEP_NEW_PRIVILEGES,
	CLIENT_STEP_FILTER,
	CLIENT_STEPS
};

struct client_wire_hello {
	uint32_t step;	/* enum client_step */
	uint32_t error; /* errno of that step */
	uint32_t kept_ids, reserved;
};

/* Parts lie behind the struct in this order, each with a NUL that its length does not count. */
enum client_part {
	CLIENT_PART_URL,
	CLIENT_PART_METHOD,
	CLIENT_PART_CONTENT_TYPE,
	CLIENT_PART_KEY,
	CLIENT_PART_PROXY,
	CLIENT_PART_NAME,
	CLIENT_PART_ADDRESS,
	CLIENT_PART_SERVERS, /* separated by commas */
	CLIENT_PART_CA,
	CLIENT_PART_BODY,
	CLIENT_PARTS
};

struct client_wire_request {
	uint32_t connect_timeout_s, timeout_s;
	uint32_t port, reserved;
	uint32_t length[CLIENT_PARTS];
};

struct client_wire_reply {
	uint32_t outcome; /* enum client_outcome, but _GONE */
	uint32_t status;
	uint32_t milliseconds;
	uint32_t body_length; /* the rest */
	uint64_t retry_after_s;
};
_Static_assert(sizeof(struct client_wire_reply) == 24, "no padding");

#endif
