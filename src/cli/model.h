/* SPDX-License-Identifier: MIT */
/*
 * The language model, as the configuration has it, for `run` and `analyze`: the client process,
 * where its server is, the key, the duty.
 */
#ifndef EDR_CLI_MODEL_H
#define EDR_CLI_MODEL_H

#include "analyze/duty.h"
#include "analyze/duty_client.h"
#include "conf/conf.h"

struct model {
	struct client *client;
	struct client_where where;
	char *key;
	struct chain_key chain;
	struct report_store *store;
	struct duty_client transport;
	struct duty_config duty;
	/* Set and read by __atomic: the report thread offers to the one, or does the other. */
	struct duty *thread;
	bool tidies; /* what was left by a run that had a model */
};

/*
 * Another api_base than the default, or a key. -errno with one sentence in err: the key's file, or
 * that redact = off would let secrets leave the host.
 */
int model_wanted(struct model *m, const struct conf *conf, char *err, size_t err_size);
/*
 * The client's process: first of all, while nothing is open. 0, also when none is wanted; -errno
 * with one sentence in err.
 */
int model_fork(struct model *m, const struct conf *conf, char *err, size_t err_size);
/* What is read of the configuration for prompts and prices; no client is needed. */
void model_config(struct model *m, const struct conf *conf);
/* Where the server is, chain_key_file. 0 or -errno with one sentence in err. */
int model_open(struct model *m, const struct conf *conf, char *err, size_t err_size);
/* The duty's thread; without a client old files are removed, now and once a day. 0 or -errno with one sentence in err. */
int model_start(struct model *m, const struct conf *conf, char *err, size_t err_size);
/* From the report thread. */
void model_offer(struct model *m, const char *path);
void model_close(struct model *m); /* safe on a zeroed one */

#endif
