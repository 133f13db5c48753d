/* SPDX-License-Identifier: MIT */
/*
 * A weekly or monthly report by the batch interface: its request is a file of one line at the
 * server, of which a batch is made, at half the price, that ends within a day; the answer is a file
 * again. Then all of it is removed there. The entry stays in the queue meanwhile.
 *
 * A step is on disk before its request goes out, as what is to be done if no answer is ever known:
 * for a file or a batch that was asked for, to look whether it is there. So a kill at any moment
 * makes no second batch, but where the server cannot list them.
 *
 * Each entry has one batch at most; whatever becomes of it, the entry is an ordinary request then.
 *
 *	duty_batch.c        what is due, and the requests
 *	duty_batch_reply.c  what came back: hostile until it is read
 *	duty_batch_file.c   the file with the answer
 *	duty_batch_state.c  what is on disk
 */
#ifndef EDR_ANALYZE_DUTY_BATCH_H
#define EDR_ANALYZE_DUTY_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "analyze/answer.h"
#include "analyze/client.h"
#include "analyze/client_wire.h"
#include "analyze/prompt.h"
#include "report/chain.h"
#include "report/json.h"

#define DUTY_BATCHES 8
#define DUTY_BATCH_ID 129 /* the server's, of A-Z a-z 0-9 _ - */
#define DUTY_BATCH_SERVER 256
#define DUTY_WITHOUT 8
#define DUTY_BATCH_FAULTS 3

struct duty;
struct duty_state;
struct duty_entry;

enum batch_step {
	BATCH_UPLOAD,
	BATCH_FIND_FILE,
	BATCH_CREATE,
	BATCH_FIND,
	BATCH_POLL,
	BATCH_FETCH,
	/* Nobody waits for it any more. */
	BATCH_CANCEL,
	BATCH_DELETE,
	BATCH_STEPS
};

struct duty_batch {
	char id[CHAIN_ID_MAX]; /* of the report */
	char server[DUTY_BATCH_SERVER];
	/* Of the request's body, which can be made again of these: the answer is to that alone. */
	char sha256[CHAIN_HEX];
	char nonce[PROMPT_NONCE_HEX];
	enum prompt_form form;
	enum batch_step step; /* what is to be done next */
	bool cancelled;	      /* that was asked for */
	/* What is there; "": nothing that we know of. */
	char file[DUTY_BATCH_ID], batch[DUTY_BATCH_ID], output[DUTY_BATCH_ID],
		errors[DUTY_BATCH_ID];
	unsigned looks;	 /* at a batch that has not ended */
	unsigned tries;	 /* that failed in a row */
	unsigned faults; /* answers that were none */
	edr_s64 since_ns, next_ns;
	edr_s64 day; /* on which was set aside: */
	edr_u64 tokens, micro_usd;
};

/* A server that has no such interface. */
struct duty_without {
	char server[DUTY_BATCH_SERVER];
	edr_s64 since_ns;
};

struct duty_batches {
	struct duty_batch batch[DUTY_BATCHES];
	size_t n;
	struct duty_without without[DUTY_WITHOUT];
	size_t n_without;
};

/* ---- duty_batch.c ---- */

/* A batch will answer this entry. */
bool duty_batch_has(const struct duty_state *s, const struct duty_entry *e);
/* Begins what is to begin and does what is due, one request. As duty_turn(). */
edr_s64 duty_batch_turn(struct duty *d);
/* Its entry, while that waits for it; NULL: nobody does. */
struct duty_entry *duty_batch_entry(const struct duty_state *s, const struct duty_batch *b);
/* 0 with the very request that was sent in d->prompt; -ESTALE: it cannot be made any more; -errno. */
int duty_batch_prompt(struct duty *d, const struct duty_batch *b, const struct duty_entry *e);
/* No answer will come of it: its entry is an ordinary request from now on. */
void duty_batch_over(struct duty *d, struct duty_batch *b, const char *why);
void duty_batch_to(struct duty *d, struct duty_batch *b, enum batch_step step, edr_s64 next_ns);
/* What was set aside for it becomes that of the exchange: to be settled or given back. */
void duty_batch_money(struct duty *d, struct duty_batch *b);
/* The one of its files that is removed first; "": none. */
char *duty_batch_file(struct duty_batch *b);
void duty_batch_name(struct buf *out, const struct duty_batch *b, const char *after);
void duty_batch_without(struct duty *d); /* learns it */

/* ---- duty_batch_reply.c ---- */

void duty_batch_finish(struct duty *d, struct client_reply *r);

/* ---- duty_batch_file.c ---- */

/* false: nothing was done, the disk would not. */
bool duty_batch_answer(struct duty *d, struct duty_batch *b, const struct client_reply *r);

/* ---- duty_batch_state.c ---- */

bool duty_batch_good_id(const char *id);
void duty_batch_print(const struct duty_state *s, struct rj *j, json_object *root);
bool duty_batch_take(struct duty_state *s, struct wire_span root);

#endif
