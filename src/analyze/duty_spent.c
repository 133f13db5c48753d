/* SPDX-License-Identifier: MIT */
/*
 * One budget for all that ask. What the agent spends stands in queue.json; what is asked by hand beside it
 * in by-hand.json, which is written whole or not at all too. Who wants to spend holds the directory's
 * lock, reads what the others have spent, and has written its own part before it lets go: together they
 * never have more than a day's budget, and a kill at any place leaves what may have been spent counted.
 * The kernel drops the lock of who is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analyze/duty_private.h"
#include "report/files.h"
#include "report/read.h"

#define MAX_BYTES 4096
#define WAIT_MS 20
#define WAITS 250 /* by hand: 5 s, in which who has the lock has written a file */
#define S_MAX (~0ULL >> 1)

/* An agent has the queue; what is asked meanwhile is in the other file. */
static bool is_beside(const struct duty *d)
{
	return d->once && !d->once->write;
}

static struct duty_spent own(const struct duty_state *s)
{
	return (struct duty_spent){ s->day, s->requests, s->tokens, s->micro_usd };
}

/* ---- by-hand.json ---- */

static bool take(struct wire_span o, const char *name, unsigned long long *out)
{
	struct wire_span v;
	edr_u64 n;

	if (!jr_member(o, name, &v) || !jr_u64(v, &n) || n > S_MAX)
		return false;
	*out = n;
	return true;
}

static int read_by_hand(struct duty *d, struct duty_spent *out)
{
	struct duty_spent s = { .day = 0 };
	struct buf text = { 0 };
	unsigned long long day = 0;
	struct wire_span root;
	int err = report_file_read(d->cfg.store, REPORT_ANALYSIS_DIR, DUTY_BY_HAND_FILE, MAX_BYTES,
				   &text);

	memset(out, 0, sizeof(*out));
	if (!err && text.len && jr_document(text.data, text.len, &root) &&
	    take(root, "day", &day) && take(root, "requests", &s.requests) &&
	    take(root, "tokens", &s.tokens) && take(root, "micro_usd", &s.micro_usd)) {
		s.day = (edr_s64)day;
		*out = s;
	} else if (!err || err == -EFBIG || err == -EBADMSG) {
		duty_say(d, SAY_DISK,
			 "what was spent by hand is lost: analysis/" DUTY_BY_HAND_FILE
			 " is damaged; a new one is begun");
		err = 0;
	}
	buf_free(&text);
	return err == -ENOENT ? 0 : err;
}

static int write_by_hand(struct duty *d, const struct duty_spent *s)
{
	char text[256];
	const int n = snprintf(text, sizeof(text),
			       "{\n  \"day\": %lld,\n  \"requests\": %llu,\n  \"tokens\": %llu,\n  "
			       "\"micro_usd\": %llu\n}\n",
			       (long long)s->day, s->requests, s->tokens, s->micro_usd);

	return report_file_replace(d->cfg.store, REPORT_ANALYSIS_DIR, DUTY_BY_HAND_FILE,
				   (struct wire_span){ text, (size_t)n });
}

/* What the file has, and what became of ours since we last looked: others write there too. */
static unsigned long long moved(unsigned long long file, unsigned long long now,
				unsigned long long before)
{
	if (now >= before)
		return file + (now - before);
	return file > before - now ? file - (before - now) : 0;
}

/* With the lock. */
static int sync_by_hand(struct duty *d)
{
	struct duty_state *s = &d->state;
	struct duty_spent file, now;
	int err = read_by_hand(d, &file);

	if (err)
		return err;
	if (file.day != s->day)
		file = (struct duty_spent){ .day = s->day };
	now = (struct duty_spent){ s->day, moved(file.requests, s->requests, d->base.requests),
				   moved(file.tokens, s->tokens, d->base.tokens),
				   moved(file.micro_usd, s->micro_usd, d->base.micro_usd) };
	if (memcmp(&now, &file, sizeof(now)) != 0)
		err = write_by_hand(d, &now);
	if (err)
		return err;
	d->base = now;
	s->requests = now.requests;
	s->tokens = now.tokens;
	s->micro_usd = now.micro_usd;
	return 0;
}

/* ---- the lock ---- */

/* The thread comes again; who asks by hand waits, for nobody holds it for long. */
static int take_lock(struct duty *d)
{
	const struct timespec wait = { .tv_nsec = WAIT_MS * 1000000L };
	int lock = report_dir_lock(d->cfg.store, REPORT_ANALYSIS_DIR);

	for (int i = 0; d->once && i < WAITS && lock == -EBUSY; i++) {
		nanosleep(&wait, NULL);
		lock = report_dir_lock(d->cfg.store, REPORT_ANALYSIS_DIR);
	}
	return lock;
}

/* The agent's part, for who asks beside it. One that is damaged begins anew, as it does for the agent. */
static int read_queue(struct duty *d, struct duty_spent *out)
{
	struct duty_state s;
	int err = duty_state_load(&s, d->cfg.store);

	*out = own(&s);
	duty_state_free(&s);
	return err == -EBADMSG ? 0 : err;
}

int duty_spent_lock(struct duty *d, int *lock)
{
	struct duty_spent *other = &d->state.other;
	int err;

	*lock = -1;
	if (d->uncounted)
		return 0;
	*lock = take_lock(d);
	if (*lock < 0)
		return *lock;
	err = is_beside(d) ? read_queue(d, other) : read_by_hand(d, other);
	if (!err && is_beside(d))
		err = sync_by_hand(d);
	if (other->day != d->state.day)
		*other = (struct duty_spent){ .day = d->state.day };
	if (err)
		close(*lock);
	return err;
}

int duty_spent_save(struct duty *d)
{
	if (d->uncounted)
		return 0;
	return is_beside(d) ? sync_by_hand(d) : duty_state_save(&d->state, d->cfg.store);
}

int duty_save(struct duty *d)
{
	const struct duty_spent now = own(&d->state);
	int lock, err;

	if (!is_beside(d))
		return duty_state_save(&d->state, d->cfg.store);
	if (d->uncounted || memcmp(&now, &d->base, sizeof(now)) == 0)
		return 0;
	lock = take_lock(d);
	if (lock < 0)
		return lock;
	err = sync_by_hand(d);
	close(lock);
	return err;
}

void duty_spent_by_hand(struct duty *d)
{
	const struct duty_config *c = &d->cfg;
	struct duty_state *s = &d->state;
	int lock;

	if (!is_beside(d))
		return;
	s->requests = s->tokens = s->micro_usd = 0;
	d->base = own(s);
	if (!c->over_budget && (c->requests_a_day || c->tokens_a_day || c->micro_usd_a_day))
		return;
	lock = report_dir_lock(c->store, REPORT_ANALYSIS_DIR);
	d->uncounted = lock == -EACCES;
	if (lock >= 0)
		close(lock);
}
