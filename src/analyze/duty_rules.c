/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "analyze/duty_private.h"

#define BACKOFF_S 10u
#define BACKOFF_MAX_S 3600u
#define BREAKER_FAILURES 5u
#define BREAKER_S 600u
#define BREAKER_MAX_S 21600u
#define WAIT_MAX_S 86400LL /* a clock that was set back must not make us wait for years */
#define FORM_S (7 * 86400LL)
#define POLL_S 60u
#define POLL_MAX_S 1800u
#define HOUR_S 3600LL

/* first, doubled so many times, at most max. */
static unsigned doubled(unsigned first, unsigned times, unsigned max)
{
	return times > 20 || first << times > max ? max : first << times;
}

edr_s64 duty_backoff_ns(unsigned tries)
{
	const edr_u64 whole =
		(edr_u64)doubled(BACKOFF_S, tries ? tries - 1 : 0, BACKOFF_MAX_S) * NS_PER_S;
	edr_u64 drawn = 0;

	/* Without it, all that failed together would come again together. */
	if (getrandom(&drawn, sizeof(drawn), 0) != (ssize_t)sizeof(drawn))
		drawn = 0;
	return (edr_s64)(whole / 2 + drawn % (whole / 2 + 1));
}

edr_s64 duty_poll_ns(unsigned looks)
{
	return (edr_s64)doubled(POLL_S, looks, POLL_MAX_S) * NS_PER_S;
}

/* ---- the breaker ---- */

void duty_breaker_open(struct duty_state *s, edr_s64 until_ns)
{
	if (until_ns > s->open_until_ns)
		s->open_until_ns = until_ns;
	s->dirty = true;
}

void duty_breaker_fail(struct duty_state *s, edr_s64 now_ns)
{
	s->dirty = true;
	if (++s->failures < BREAKER_FAILURES)
		return;
	duty_breaker_open(s, now_ns + (edr_s64)doubled(BREAKER_S, s->failures - BREAKER_FAILURES,
						       BREAKER_MAX_S) *
					      NS_PER_S);
}

void duty_breaker_hour(struct duty_state *s, edr_s64 now_ns)
{
	duty_breaker_open(s, now_ns + HOUR_S * NS_PER_S);
}

void duty_breaker_close(struct duty_state *s)
{
	s->dirty |= s->failures || s->open_until_ns;
	s->failures = 0;
	s->open_until_ns = 0;
}

/* ---- budgets ---- */

void duty_new_day(struct duty_state *s, edr_s64 now_ns)
{
	const edr_s64 day = report_day(now_ns);

	/* One day back is a clock that was put right, and what was spent stays spent. */
	if (day == s->day || day == s->day - 1)
		return;
	s->day = day;
	s->requests = s->tokens = s->micro_usd = 0;
	s->other = (struct duty_spent){ .day = day };
	for (size_t i = 0; i < s->n; i++)
		s->entry[i].dear = false;
	s->dirty = true;
}

static bool within(unsigned long long limit, unsigned long long spent, unsigned long long more)
{
	return !limit || (spent <= limit && more <= limit - spent);
}

bool duty_fits(const struct duty_config *cfg, const struct duty_state *s, unsigned long long tokens,
	       unsigned long long micro_usd)
{
	const struct duty_spent *o = &s->other;

	return within(cfg->requests_a_day, s->requests + o->requests, 1) &&
	       within(cfg->tokens_a_day, s->tokens + o->tokens, tokens) &&
	       within(cfg->micro_usd_a_day, s->micro_usd + o->micro_usd, micro_usd);
}

unsigned duty_prompt_tokens(const struct duty_config *cfg, bool half)
{
	const unsigned long long answer = cfg->prompt.max_answer_tokens,
				 out = answer * cfg->output_cents + 99,
				 all = cfg->micro_usd_a_day * (half ? 200 : 100);
	unsigned long long most = cfg->prompt.max_tokens;

	if (cfg->over_budget)
		return cfg->prompt.max_tokens;
	if (cfg->tokens_a_day && cfg->tokens_a_day < answer + most)
		most = cfg->tokens_a_day > answer ? cfg->tokens_a_day - answer : 0;
	if (all && all < most * cfg->input_cents + out)
		most = all > out && cfg->input_cents ? (all - out) / cfg->input_cents : 0;
	return (unsigned)most;
}

/* A cent is 10,000 millionths of a dollar, and stands for a million tokens. */
unsigned long long duty_price(const struct duty_config *cfg, unsigned tokens_in,
			      unsigned tokens_out)
{
	return ((unsigned long long)tokens_in * cfg->input_cents +
		(unsigned long long)tokens_out * cfg->output_cents + 99) /
	       100;
}

/* ---- forms ---- */

static struct duty_form *find_form(struct duty_state *s, const struct duty_config *cfg,
				   char server[DUTY_SERVER])
{
	snprintf(server, DUTY_SERVER, "%s %s", cfg->server, cfg->prompt.model);
	for (size_t i = 0; i < s->n_forms; i++)
		if (strcmp(s->form[i].server, server) == 0)
			return &s->form[i];
	return NULL;
}

static bool is_old(const struct duty_form *f, edr_s64 now_ns)
{
	return now_ns - f->since_ns > FORM_S * NS_PER_S;
}

enum prompt_form duty_form(struct duty_state *s, const struct duty_config *cfg, edr_s64 now_ns)
{
	char server[DUTY_SERVER];
	const struct duty_form *f = find_form(s, cfg, server);

	return f && !is_old(f, now_ns) ? f->form : PROMPT_JSON_SCHEMA;
}

void duty_form_members(struct duty_state *s, const struct duty_config *cfg, edr_s64 now_ns,
		       struct prompt_config *out)
{
	char server[DUTY_SERVER];
	const struct duty_form *f = find_form(s, cfg, server);
	const bool known = f && !is_old(f, now_ns);

	out->completion_tokens = known && f->completion_tokens;
	out->no_temperature = known && f->no_temperature;
}

struct duty_form *duty_form_of(struct duty_state *s, const struct duty_config *cfg, edr_s64 now_ns)
{
	char server[DUTY_SERVER];
	struct duty_form *f = find_form(s, cfg, server);

	if (f && !is_old(f, now_ns))
		return f;
	if (!f && s->n_forms == DUTY_FORMS) {
		f = s->form;
		for (size_t i = 1; i < s->n_forms; i++)
			if (s->form[i].since_ns < f->since_ns)
				f = &s->form[i];
	} else if (!f) {
		f = &s->form[s->n_forms++];
	}
	*f = (struct duty_form){ .form = PROMPT_JSON_SCHEMA, .since_ns = now_ns };
	memcpy(f->server, server, sizeof(f->server));
	s->dirty = true;
	return f;
}

void duty_form_learn(struct duty_state *s, const struct duty_config *cfg, enum prompt_form form,
		     edr_s64 now_ns)
{
	struct duty_form *f = duty_form_of(s, cfg, now_ns);

	f->form = form;
	f->since_ns = now_ns;
	s->dirty = true;
}

/* ---- whose turn it is ---- */

/* The worst first; of these the newest. */
static bool is_before(const struct duty_entry *a, const struct duty_entry *b)
{
	if (a->severity != b->severity)
		return a->severity > b->severity;
	return a->since_ns > b->since_ns;
}

struct duty_entry *duty_next(struct duty_state *s, edr_s64 now_ns, edr_s64 *at_ns)
{
	const edr_s64 latest_ns = now_ns + WAIT_MAX_S * NS_PER_S;
	struct duty_entry *best = NULL;

	*at_ns = 0;
	if (s->open_until_ns > latest_ns)
		s->open_until_ns = latest_ns;
	for (size_t i = 0; i < s->n; i++) {
		struct duty_entry *e = &s->entry[i];
		edr_s64 from_ns;

		if (e->dear || duty_batch_has(s, e))
			continue;
		if (e->not_before_ns > latest_ns)
			e->not_before_ns = latest_ns;
		from_ns = e->not_before_ns > s->open_until_ns ? e->not_before_ns : s->open_until_ns;
		if (from_ns <= now_ns) {
			if (!best || is_before(e, best))
				best = e;
		} else if (!*at_ns || from_ns < *at_ns) {
			*at_ns = from_ns;
		}
	}
	return best;
}
