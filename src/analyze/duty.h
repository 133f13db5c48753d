/* SPDX-License-Identifier: MIT */
/*
 * Which reports go to the model, when, how often and for how much: a thread of its own with a queue
 * that is on disk, so that nothing is lost by a restart and nobody waits. The collector knows
 * nothing of it; the report thread hands over a name and goes on.
 *
 * The queue has names only, no prompts: each is made of its report when its turn comes, so what was
 * removed or rebuilt meanwhile is not sent. It is one file, analysis/queue.json, written whole,
 * with what was spent today, the breaker and what form each server understands. It is written
 * before a request, so that what may have been spent is counted whatever happens, and after its
 * verdict, so that an answer that was paid for is not lost.
 *
 * Retries: 10 s, doubled up to an hour, each drawn from [half, whole]; Retry-After where it is
 * longer. Five failures in a row open the breaker for 10 min, doubled up to 6 h; then one request
 * tries. 401, 403, 404 and a redirect open it at once for an hour: nobody is helped by asking
 * again.
 */
#ifndef EDR_ANALYZE_DUTY_H
#define EDR_ANALYZE_DUTY_H

#include <stdbool.h>
#include <stddef.h>

#include "analyze/answer.h"
#include "analyze/client.h"
#include "analyze/prompt.h"
#include "report/level.h"
#include "report/report.h"

#define DUTY_QUEUE_FILE "queue.json"
#define DUTY_BY_HAND_FILE "by-hand.json" /* what was spent today beside an agent */
#define DUTY_UNREDACTED "nothing took secrets out of this report, and api_base is not of this host"
/* Reports that wait; beyond, the least severe that waits longest is given up, and counted. */
#define DUTY_QUEUE_MAX 4096
#define DUTY_ENTRY_BYTES 2048 /* of one, in the queue and in the text of its file */
/* A request, its reply, what is read out of it, the line that is kept of it. */
#define DUTY_EXCHANGE_BYTES ((size_t)3 << 20)

/* `analyze` of a level. */
enum duty_when { DUTY_NEVER, DUTY_FINDINGS, DUTY_CHANGED, DUTY_ALWAYS };

struct duty_call {
	const char *method, *path, *type; /* as client_request has them */
	const void *body;
	size_t len;
};

/* Who carries a request to the server: client.h's, or a test's. Calls are of the duty's thread. */
struct duty_transport {
	/* 0, -EBUSY, -E2BIG, -errno. */
	int (*send)(void *ctx, const struct duty_call *call);
	/* Never waits. true: there is an end to it; the caller frees out->body. */
	bool (*take)(void *ctx, struct client_reply *out);
	void (*cancel)(void *ctx);
	/* To be polled; -1: there is nothing to wait for. */
	int (*fd)(void *ctx, short *events, int *timeout_ms);
	/* Behind -EPIPE or CLIENT_GONE: somebody else to carry them; may wait some seconds. NULL: nobody. */
	int (*again)(void *ctx, char *err, size_t err_size);
};

struct duty_config {
	struct report_store *store; /* opened to write, for this thread alone; not ours */
	const struct duty_transport *transport; /* NULL: nothing is sent, the queue only waits */
	void *transport_ctx;
	const char *server;	     /* api_base */
	struct prompt_config prompt; /* form and nonce are the duty's */
	enum duty_when when[N_LEVELS];
	size_t max_waiting; /* entries of the queue; 0: DUTY_QUEUE_MAX */
	unsigned max_age_h; /* of an entry in the queue */
	unsigned long long requests_a_day, tokens_a_day, micro_usd_a_day; /* 0: no limit; of UTC */
	bool over_budget; /* of duty_once(): it is counted, and asked all the same */
	unsigned input_cents, output_cents; /* for a million tokens */
	bool batch; /* weekly and monthly reports by the batch interface: docs/analysis.md */
	bool keep_exchanges;
	unsigned keep_days;
	/* chain_key_file's, of which the verdicts' is made; NULL: none. */
	const struct chain_key *key;
	/*
	 * In the duty's thread, for each verdict: its text for people, and the severity that counts
	 * now; may be NULL.
	 */
	void (*on_verdict)(void *ctx, const char *id, unsigned severity, const char *text,
			   size_t len);
	edr_s64 (*now_ns)(void *ctx); /* Unix */
	void *ctx;
};

struct duty;

/*
 * Copies the configuration, its strings and its key. Reads the queue and begins. A queue that is
 * damaged is begun anew, and said. -errno with err.
 */
int duty_start(struct duty **out, const struct duty_config *cfg, char *err, size_t err_size);

/*
 * A report was written (the path as on_written has it). Any thread; never waits, never writes. What
 * finds no room in memory is found again by a look at the directory.
 */
void duty_offer(struct duty *d, const char *path);

/*
 * What the thread does once a day, for who has none: removes exchanges that are too old, and
 * verdicts whose report is gone. Of cfg only store, keep_days, now_ns and ctx are looked at.
 */
void duty_tidy(const struct duty_config *cfg);

struct duty_stats {
	unsigned long long asked, answered, raised; /* raised: above the local severity */
	unsigned long long disagreed;		    /* below */
	unsigned long long faults[ANSWER_FAULTS], outcomes[CLIENT_OUTCOMES];
	unsigned long long unknown_ids, without_evidence;
	unsigned long long given_up;		  /* too old, removed, refused, or no room */
	unsigned long long batches, batch_failed; /* begun; of these, without an answer */
	unsigned long long restarts;		  /* of the client, that was gone */
	unsigned long long requests_today, tokens_today, micro_usd_today;
	size_t waiting;
	bool breaker_open;
};
void duty_stats(struct duty *d, struct duty_stats *out);

/* Cancels what is under way (it stays in the queue), ends. Frees; safe on NULL. */
void duty_stop(struct duty *d);

/*
 * One report, now, for `analyze REPORT`: no schedule; budget and forms count, the breaker does not.
 * 0 with the verdict, as its file has it, and its text for people, both appended; with `write` they
 * are written too; without, an agent runs there: what is spent is counted beside its queue, so that
 * both together have one budget. -EDQUOT: the budget; -EACCES: nothing can be counted there; -EBUSY:
 * somebody else spends, and does not come to an end; -EAGAIN: no answer that is one; -errno; each with
 * one sentence in err.
 */
int duty_once(const struct duty_config *cfg, enum report_level level, const char *id, bool write,
	      struct buf *verdict, struct buf *text, char *err, size_t err_size);

/* A prompt that no day's budget has room for would wait for ever: its tokens at most. half: in a batch. */
unsigned duty_prompt_tokens(const struct duty_config *cfg, bool half);

/* What so many tokens cost, in millionths of a dollar. */
unsigned long long duty_price(const struct duty_config *cfg, unsigned tokens_in,
			      unsigned tokens_out);

/*
 * The severity of a report's verdict, when there is one that is sound and was made of the report
 * with that digest (NULL: of any); 0: none. key is that of verdicts.
 */
unsigned duty_verdict_severity(struct report_store *s, const char *id, const char *report_sha256,
			       const struct chain_key *key);

#endif
