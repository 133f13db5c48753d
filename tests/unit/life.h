/* SPDX-License-Identifier: MIT */
/*
 * A run of the agent from its first record to its end, with a shelf and without the report thread: cells
 * and checkpoints are made of the same records as the engine makes them. One at a time.
 */
#ifndef EDR_TESTS_LIFE_H
#define EDR_TESTS_LIFE_H

#include <json-c/json.h>

#include "feed.h"
#include "report/chain.h"
#include "report/shelf.h"

#define LIFE_INTERVAL_S 10 /* checkpoint_interval */

struct life_config {
	const char *dir;
	unsigned interval_min; /* 0: 15 */
	size_t max_events;     /* of an interim part; 0: 10,000 */
	unsigned interval_s;   /* checkpoint_interval; 0: LIFE_INTERVAL_S */
	bool no_checkpoints;
	bool list_threads;
	const struct chain_key *key; /* NULL: none */
	const char *machine_id;	     /* of the host; NULL: it is not asked */
	unsigned tries;		     /* of an item that the disk refuses; 0: one */
	void (*last_try)(void);	     /* before it */
};

struct life {
	struct report_shelf *shelf;
	struct feed cells, deltas;
	edr_u64 begin_s, now_s;
	unsigned execs;	  /* since the last checkpoint: what a kill loses */
	unsigned refused; /* times that the disk did not take an item */
	bool dead;	  /* what it folds goes nowhere */
};
extern struct life life;
extern struct life_config life_config;

/* wall_s: what the clock says when it looks for what was left; the first record comes later. */
void life_begin(edr_u64 wall_s, edr_u64 unix_s);
void life_execs(unsigned n);
/* Until then, with a clock record at the end. */
void life_until(edr_u64 unix_s);
void life_checkpoint(void);
/* It leaves what is on disk. */
void life_kill(void);
void life_stop(void);

/* A start that comes to nothing. */
void life_start(edr_u64 wall_s);

/* What is in the directory. The caller closes, and frees. */
struct report_store *life_store(void);
json_object *life_report(const char *level, const char *id);
size_t life_count(const char *level);
void life_verify(void); /* nothing is wrong */

#endif
