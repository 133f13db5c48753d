/* SPDX-License-Identifier: MIT */
/* A server, a clock and reports for the tests of the duty. */
#ifndef EDR_TESTS_DUTY_MADE_H
#define EDR_TESTS_DUTY_MADE_H

#include "analyze/duty_private.h"

#define S NS_PER_S
#define HOUR (3600 * S)
#define START (1795294800LL * S) /* 2026-11-21T21:00:00Z */

/* Of the test that runs. */
extern char dir[64], err[512];
extern edr_s64 now_ns;
extern int cell_rows; /* of executables */
extern struct report_store *store;
extern const struct duty_transport transport;

struct said {
	enum client_outcome outcome;
	unsigned status;
	edr_u64 retry_after_s;
	const char *body; /* NULL: an answer of that severity */
	unsigned severity;
};

/* In memory that a killed child shares with us. */
struct server {
	struct said said[64]; /* the last one again and again */
	size_t n, at;
	unsigned asked, idle; /* idle: looked at while it had nothing to do */
	int fd;		      /* 0: none */
	bool under_way, cancelled, hangs;
	int send_error, again_error;
	unsigned agains;      /* a client was wanted in place of one that is gone */
	char last[512 << 10]; /* the request's body */
	char ids[64][64];     /* whose report each was */
};
extern struct server *server;

/* What it says from now on. */
#define SAYS(...)                                  \
	says((const struct said[]){ __VA_ARGS__ }, \
	     sizeof((const struct said[]){ __VA_ARGS__ }) / sizeof(struct said))
#define OK                    \
	{                     \
		.status = 200 \
	}

void says(const struct said *what, size_t n);
edr_s64 now(void *ctx);
void setup(void);
void teardown(void);
struct duty_config config(void);
struct duty *open_duty(const struct duty_config *cfg);
const char *cell_id(int n);
void put_cell(int n, unsigned severity, const char *finding);
void offer(struct duty *d, int n);
unsigned verdict(int n);
struct duty_stats stats_of(struct duty *d);
edr_s64 turns(struct duty *d);
char *read_file(const char *level, const char *name);
const char *asked_form(void);

#endif
