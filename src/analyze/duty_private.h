/* SPDX-License-Identifier: MIT */
/*
 * What the files of the duty share.
 *
 *	duty.c          the thread, offers, configuration
 *	duty_turn.c     one turn: what is due
 *	duty_reply.c    what becomes of an entry, by what came back
 *	duty_error.c    what a server says when it refuses
 *	duty_once.c     one report, now
 *	duty_look.c     is a report to be sent? What was written while nobody looked
 *	duty_rules.c    when again, for how much, in which form
 *	duty_spent.c    what all that ask have spent today
 *	duty_state.c    what is on disk
 *	duty_verdict.c  what an answer becomes, and the exchanges that are kept
 *	duty_batch*.c   weekly and monthly reports through the batch interface: duty_batch.h
 */
#ifndef EDR_ANALYZE_DUTY_PRIVATE_H
#define EDR_ANALYZE_DUTY_PRIVATE_H

#include <pthread.h>

#include "analyze/duty.h"
#include "analyze/duty_batch.h"
#include "report/chain.h"
#include "report/json.h"

#define NS_PER_S 1000000000LL
#define DUTY_FORMS 8
#define DUTY_FOUND 64
#define DUTY_OFFERS 64
#define DUTY_NAME 64	/* of a finding's id, as it is remembered */
#define DUTY_SERVER 256 /* of api_base and model, as it is remembered */

struct duty_entry {
	char id[CHAIN_ID_MAX];
	char digest[CHAIN_HEX]; /* "": it could not be read yet */
	enum report_level level;
	unsigned severity;  /* local */
	unsigned tries;	    /* that failed */
	unsigned faults;    /* answers that were none */
	unsigned max_lines; /* 0: the configuration's; fewer after "too long" */
	enum prompt_form
		form; /* at least: those before were refused, or answered with something else */
	edr_s64 since_ns, not_before_ns;
	/* Not on disk: */
	bool dear; /* what it may cost did not fit what is left of the budget: */
	unsigned long long tokens, micro_usd;
	bool direct; /* its batch, if there was one, is over: by an ordinary request */
};

struct duty_form {
	char server[DUTY_SERVER];
	enum prompt_form form;
	bool completion_tokens, no_temperature; /* prompt.h */
	edr_s64 since_ns;
};

/* When a kind of finding was last there. */
struct duty_found {
	char id[DUTY_NAME];
	edr_s64 day;
};

struct duty_level {
	char digest[CHAIN_HEX];	 /* of the last one that was queued; "": none */
	char seen[CHAIN_ID_MAX]; /* the newest that was looked at; "": none */
	struct duty_found found[DUTY_FOUND];
	size_t n_found;
};

/* On one day. */
struct duty_spent {
	edr_s64 day;
	unsigned long long requests, tokens, micro_usd;
};

/* queue.json */
struct duty_state {
	struct duty_entry *entry;
	size_t n, cap, max; /* max: 0 is DUTY_QUEUE_MAX */
	edr_s64 day;
	unsigned long long requests, tokens, micro_usd; /* of that day */
	struct duty_spent other; /* by others, as last read: not of this file */
	unsigned failures;
	edr_s64 open_until_ns;
	struct duty_form form[DUTY_FORMS];
	size_t n_forms;
	struct duty_batches batches;
	struct duty_level level[N_LEVELS];
	bool dirty; /* not yet on disk */
};

/* Kinds of complaints, each said once an hour. */
enum duty_say {
	SAY_STATUS,
	SAY_BUDGET,
	SAY_DISK,
	SAY_GIVEN_UP,
	SAY_GONE,
	SAY_AGAIN,
	SAY_BATCH,
	SAY_LEFT,
	SAY_FAULT,
	SAY_OUTCOME = SAY_FAULT + ANSWER_FAULTS,
	SAY_KINDS = SAY_OUTCOME + CLIENT_OUTCOMES
};

/* `analyze REPORT` */
struct duty_once {
	bool write;
	struct buf *verdict, *text;
	char *why;
	size_t why_size;
};

struct duty {
	struct duty_config cfg;
	struct chain_key key; /* of verdicts */
	struct duty_state state;
	struct duty_stats stats;
	edr_s64 said_ns[SAY_KINDS];
	edr_s64 kept_day; /* when old exchanges were last removed */

	/* The exchange that is under way. */
	bool asking;
	char asked_id[CHAIN_ID_MAX];
	struct prompt prompt;
	enum prompt_form form;
	unsigned long long tokens, micro_usd; /* set aside for it */
	bool half;			      /* at the price of a batch */
	bool earlier;			      /* set aside on another day, whose sums are gone */
	bool asking_batch;		      /* what is under way is a step of a batch: */
	enum batch_step asked_step;
	char asked_batch[CHAIN_HEX];
	struct duty_spent base; /* by hand: our part as it was last written */
	bool uncounted;		/* by hand: nothing can be written there, and nothing need be */
	const struct duty_once *once; /* NULL: the thread's work */
	bool gone;		      /* nobody carries requests: */
	unsigned lost;		      /* so often in a row */
	edr_s64 again_ns;	      /* then somebody is to be had again */

	pthread_mutex_t lock; /* for all below, and the numbers for duty_stats() */
	char offer[DUTY_OFFERS][CHAIN_ID_MAX];
	size_t n_offers;
	bool look; /* through the directories: there were more */
	bool stopping;
	struct duty_stats shown;
	int wake[2]; /* a pipe: -1 without a thread */
	pthread_t thread;
};

edr_s64 duty_now(const struct duty *d);
/* Somebody waits for our end: what is left of a long round is done at the next start. */
bool duty_stopping(struct duty *d);
void duty_say(struct duty *d, unsigned kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- duty_state.c ---- */

/* 0 with what is there, or nothing; -EBADMSG: it is damaged, and nothing was taken; -errno. */
int duty_state_load(struct duty_state *s, struct report_store *store);
/* Only when dirty. */
int duty_state_save(struct duty_state *s, struct report_store *store);
void duty_state_free(struct duty_state *s);
struct duty_entry *duty_state_find(struct duty_state *s, const char *id);
/* Members of what is on disk; false: not there, or not of that kind. */
bool duty_take_text(struct wire_span o, const char *name, char *out, size_t size);
bool duty_take_u64(struct wire_span o, const char *name, edr_u64 max, edr_u64 *out);
bool duty_take_unsigned(struct wire_span o, const char *name, unsigned max, unsigned *out);
bool duty_take_time(struct wire_span o, const char *name, edr_s64 *ns);
bool duty_take_form(struct wire_span row, enum prompt_form *form);
bool duty_take_rows(void *ctx, struct wire_span o, const char *name,
		    bool (*take)(void *ctx, struct wire_span row));
/*
 * Entries move: pointers to others are stale. NULL without memory, or when this one is the least.
 */
struct duty_entry *duty_state_add(struct duty_state *s, const struct duty_entry *e,
				  unsigned long long *given_up);
void duty_state_remove(struct duty_state *s, struct duty_entry *e);
/* No more than so many from now on, the least first. How many went. */
size_t duty_state_bound(struct duty_state *s, size_t max);
_Static_assert(2 * sizeof(struct duty_entry) + 1024 <= DUTY_ENTRY_BYTES, "twice while it grows");

/* ---- duty_rules.c ---- */

void duty_new_day(struct duty_state *s, edr_s64 now_ns);
/* How long to wait after so many failures, from 1 on. */
edr_s64 duty_backoff_ns(unsigned tries);
/* Until a batch is looked at once more, after so many looks. */
edr_s64 duty_poll_ns(unsigned looks);
/* An hour, for what nobody mends by asking again. */
void duty_breaker_hour(struct duty_state *s, edr_s64 now_ns);
/* A server that failed once more; one that answers closes it again. */
void duty_breaker_fail(struct duty_state *s, edr_s64 now_ns);
void duty_breaker_open(struct duty_state *s, edr_s64 until_ns);
void duty_breaker_close(struct duty_state *s);
bool duty_fits(const struct duty_config *cfg, const struct duty_state *s, unsigned long long tokens,
	       unsigned long long micro_usd);
enum prompt_form duty_form(struct duty_state *s, const struct duty_config *cfg, edr_s64 now_ns);
void duty_form_learn(struct duty_state *s, const struct duty_config *cfg, enum prompt_form form,
		     edr_s64 now_ns);
/* The members that this server wants otherwise. */
void duty_form_members(struct duty_state *s, const struct duty_config *cfg, edr_s64 now_ns,
		       struct prompt_config *out);
/* What is known of this server; nothing yet: a new one, in place of the oldest. */
struct duty_form *duty_form_of(struct duty_state *s, const struct duty_config *cfg, edr_s64 now_ns);
/* The next that may be sent; NULL: none. *at_ns: when the first of the others may be; 0: none. */
struct duty_entry *duty_next(struct duty_state *s, edr_s64 now_ns, edr_s64 *at_ns);

/* ---- duty_spent.c ---- */

/*
 * Before something is set aside: the lock, with what others have spent in state.other. 0 with a
 * descriptor to be closed behind duty_spent_save(), or -1; -EBUSY: somebody else has it; -errno.
 */
int duty_spent_lock(struct duty *d, int *lock);
int duty_spent_save(struct duty *d);
/* What must outlive us; without the lock. */
int duty_save(struct duty *d);
/* At the start of `analyze` beside an agent: its part of the counters is not ours. */
void duty_spent_by_hand(struct duty *d);

/* ---- duty_look.c ---- */

/* Offers, and the directories when that is needed. */
void duty_look(struct duty *d);
/* At one that could not be read then, and has no digest. */
void duty_look_again(struct duty *d, struct duty_entry *e);

/* ---- duty_turn.c ---- */

/* The client is gone: it is started again, the later the oftener that was in vain. */
void duty_lost(struct duty *d);
/* Does what is due. Gives the time (Unix) when something will be; 0: nothing is in sight. */
edr_s64 duty_turn(struct duty *d);
/* 0; -ENOENT, -EBADMSG, -EFBIG, -E2BIG: nothing will come of it; -errno. */
int duty_make_prompt(struct duty *d, const struct duty_entry *e);
/* In that form, with that nonce ("": a new one). */
int duty_make_prompt_as(struct duty *d, const struct duty_entry *e, enum prompt_form form,
			const char *nonce);
enum prompt_form duty_form_for(struct duty *d, const struct duty_entry *e);
/* Its price; half of it in a batch. */
void duty_estimate(struct duty *d, bool half);
/*
 * The same, out of the budget; it is on disk when the disk takes it. -EDQUOT: it is beyond; -EBUSY:
 * somebody else spends just now; -errno.
 */
int duty_set_aside(struct duty *d, bool half);
/* As if it had never been set aside. */
void duty_unset_aside(struct duty *d);
/* 0: it is under way; 1: it will not be, try another one; else the time for the next try. */
edr_s64 duty_send(struct duty *d, struct duty_entry *e);

/* ---- duty_reply.c ---- */

/* It cost nothing: nobody answered, or with an error. */
void duty_refund(struct duty *d);
/* Why nothing will ever come of a report, by -errno; NULL: it may later. */
const char *duty_hopeless(int err);
/* Counted, and said. */
void duty_not_sent(struct duty *d, const char *id, const char *why);
void duty_give_up(struct duty *d, struct duty_entry *e, const char *why);
/* After a failure: backoff, or wait_ns where that is longer. */
void duty_later(struct duty *d, struct duty_entry *e, edr_s64 wait_ns);
void duty_finish(struct duty *d, struct client_reply *r);
/*
 * The same of a reply that is out of a batch's file; fault: why it is none. -EAGAIN: it is good, and
 * the disk would not take the verdict.
 */
int duty_judge(struct duty *d, const struct client_reply *r, enum answer_fault fault);

/* ---- duty_error.c ---- */

/* More than its context has room for. */
bool duty_too_much(const struct client_reply *r);
/* Another name of a member, or one to be left out, that was not known yet: to be asked so at once. */
bool duty_learn_refused(struct duty *d, const struct client_reply *r);
/* One sentence for the log, fit for a terminal. */
void duty_said(const struct client_reply *r, char *out, size_t size);

/* ---- duty_verdict.c ---- */

struct duty_exchange {
	const struct prompt *prompt;
	enum prompt_form form;
	const struct client_reply *reply;
	const struct answer *answer; /* NULL: there is none */
	const char *fault;	     /* then why */
	struct answer_usage used;
	unsigned long long micro_usd;
};
/* Sealed, and for people; the texts are appended. 0 or -ENOMEM. */
int duty_verdict_make(struct duty *d, const struct duty_exchange *x, struct buf *verdict,
		      struct buf *text);
/* The verdict's file, and the end of ID.analysis. 0 or -errno. */
int duty_verdict_write(struct duty *d, const struct prompt *p, const struct buf *verdict,
		       const struct buf *text);
void duty_verdict_key(struct chain_key *out, const struct chain_key *key);
/* When keep_exchanges is on; what cannot be written is said. */
void duty_keep(struct duty *d, const struct duty_exchange *x);
/* Once a day: exchanges that are too old, verdicts whose report is gone. */
void duty_forget(struct duty *d);

/* ---- duty.c ---- */

/* duty_start() without its thread, and back: what the tests use. */
int duty_open(struct duty **out, const struct duty_config *cfg, char *err, size_t err_size);
void duty_close(struct duty *d);

#endif
