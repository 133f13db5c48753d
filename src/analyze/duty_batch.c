/* SPDX-License-Identifier: MIT */
#include "analyze/duty_batch.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "analyze/duty_private.h"
#include "util/log.h"
#include "util/text.h"

#define HOUR_NS (3600 * NS_PER_S)
#define LIMIT_NS (26 * HOUR_NS) /* the server's 24 hours, and some */
#define CLEAR_NS (50 * HOUR_NS) /* what cannot be removed until then stays there */
#define WITHOUT_NS (168 * HOUR_NS)
#define DISK_NS (60 * NS_PER_S)
#define BUSY_NS NS_PER_S
/* Until what was asked for is in the server's lists. */
#define LISTED_NS (60 * NS_PER_S)
#define ENDPOINT "/v1/chat/completions"

/* ---- which there are ---- */

struct duty_entry *duty_batch_entry(const struct duty_state *s, const struct duty_batch *b)
{
	struct duty_entry *e = duty_state_find((struct duty_state *)s, b->id);

	return e && !e->direct && b->step < BATCH_CANCEL && !b->cancelled ? e : NULL;
}

static const struct duty_batch *find(const struct duty_state *s, const char *id)
{
	for (size_t i = 0; i < s->batches.n; i++)
		if (strcmp(s->batches.batch[i].id, id) == 0)
			return &s->batches.batch[i];
	return NULL;
}

bool duty_batch_has(const struct duty_state *s, const struct duty_entry *e)
{
	const struct duty_batch *b = e->direct ? NULL : find(s, e->id);

	return b && duty_batch_entry(s, b);
}

static void remove_batch(struct duty_state *s, struct duty_batch *b)
{
	const size_t behind = s->batches.n - (size_t)(b - s->batches.batch) - 1;

	memmove(b, b + 1, behind * sizeof(*b));
	s->batches.n--;
	s->dirty = true;
}

static void server_of(const struct duty *d, char out[DUTY_BATCH_SERVER])
{
	snprintf(out, DUTY_BATCH_SERVER, "%s", d->cfg.server);
}

char *duty_batch_file(struct duty_batch *b)
{
	return *b->file ? b->file : *b->output ? b->output : b->errors;
}

void duty_batch_name(struct buf *out, const struct duty_batch *b, const char *after)
{
	buf_addf(out, "edr-%s%s", b->sha256, after);
}

/* ---- servers without ---- */

static struct duty_without *find_without(struct duty *d, char server[DUTY_BATCH_SERVER])
{
	struct duty_batches *s = &d->state.batches;

	server_of(d, server);
	for (size_t i = 0; i < s->n_without; i++)
		if (strcmp(s->without[i].server, server) == 0)
			return &s->without[i];
	return NULL;
}

static bool is_without(struct duty *d)
{
	char server[DUTY_BATCH_SERVER];
	const struct duty_without *w = find_without(d, server);

	return w && duty_now(d) - w->since_ns < WITHOUT_NS;
}

void duty_batch_without(struct duty *d)
{
	struct duty_batches *s = &d->state.batches;
	char server[DUTY_BATCH_SERVER];
	struct duty_without *w = find_without(d, server);

	log_info("analyze", "the model's server has no batch interface: ordinary requests");
	if (!w && s->n_without == DUTY_WITHOUT) {
		w = s->without;
		for (size_t i = 1; i < s->n_without; i++)
			if (s->without[i].since_ns < w->since_ns)
				w = &s->without[i];
	} else if (!w) {
		w = &s->without[s->n_without++];
	}
	memcpy(w->server, server, sizeof(w->server));
	w->since_ns = duty_now(d);
	d->state.dirty = true;
}

/* ---- from one step to the next ---- */

void duty_batch_to(struct duty *d, struct duty_batch *b, enum batch_step step, edr_s64 next_ns)
{
	b->step = step;
	b->next_ns = next_ns;
	d->state.dirty = true;
}

void duty_batch_over(struct duty *d, struct duty_batch *b, const char *why)
{
	struct duty_entry *e = duty_batch_entry(&d->state, b);

	if (!e)
		return;
	e->direct = true;
	d->state.dirty = true;
	d->stats.batch_failed++;
	duty_say(d, SAY_BATCH, "no answer for %s by the batch interface: %s; it is asked directly",
		 b->id, why);
}

void duty_batch_money(struct duty *d, struct duty_batch *b)
{
	d->half = true;
	d->earlier = b->day != d->state.day;
	d->tokens = b->tokens;
	d->micro_usd = b->micro_usd;
	b->tokens = b->micro_usd = 0;
	d->state.dirty = true;
}

/* Nobody waits for it. One that may be there, unknown to us, is looked for first. */
static void clear_away(struct duty *d, struct duty_batch *b)
{
	static const enum batch_step next[BATCH_STEPS] = {
		[BATCH_UPLOAD] = BATCH_DELETE, [BATCH_FIND_FILE] = BATCH_FIND_FILE,
		[BATCH_CREATE] = BATCH_DELETE, [BATCH_FIND] = BATCH_FIND,
		[BATCH_POLL] = BATCH_CANCEL,   [BATCH_FETCH] = BATCH_DELETE,
		[BATCH_CANCEL] = BATCH_CANCEL, [BATCH_DELETE] = BATCH_DELETE,
	};

	if (next[b->step] == b->step || (b->step == BATCH_POLL && b->cancelled))
		return;
	b->tries = b->faults = b->looks = 0;
	duty_batch_to(d, b, next[b->step], 0);
}

/* true: it is to be forgotten. */
static bool look_at(struct duty *d, struct duty_batch *b)
{
	const edr_s64 now_ns = duty_now(d);
	char server[DUTY_BATCH_SERVER];

	server_of(d, server);
	if (b->since_ns > now_ns)
		b->since_ns = now_ns; /* the clock was set back */
	if (now_ns - b->since_ns > LIMIT_NS)
		duty_batch_over(d, b, "it took more than a day");
	/* Ids of one server are not for another. */
	if (strcmp(server, b->server) != 0)
		duty_batch_over(d, b, "api_base is another now");
	else if (!duty_batch_entry(&d->state, b))
		clear_away(d, b);
	if (b->step == BATCH_DELETE && !*duty_batch_file(b))
		return true;
	if (strcmp(server, b->server) == 0 && now_ns - b->since_ns <= CLEAR_NS)
		return false;
	duty_say(d, SAY_LEFT, "what was uploaded for %s may still be at the model's server", b->id);
	return true;
}

static void look_at_all(struct duty *d)
{
	struct duty_batches *s = &d->state.batches;
	size_t i = 0;

	while (i < s->n)
		if (look_at(d, &s->batch[i]))
			remove_batch(&d->state, &s->batch[i]);
		else
			i++;
}

/* ---- a new one ---- */

static void digest(char out[CHAIN_HEX], const struct buf *body)
{
	unsigned char bytes[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, body->len, (const unsigned char *)body->data);
	sha256_digest(&sha, sizeof(bytes), bytes);
	*text_hex(out, bytes, sizeof(bytes)) = '\0';
}

static int draw(char nonce[PROMPT_NONCE_HEX])
{
	unsigned char bytes[(PROMPT_NONCE_HEX - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	*text_hex(nonce, bytes, sizeof(bytes)) = '\0';
	return 0;
}

static void begin(struct duty *d, struct duty_entry *e)
{
	struct duty_batch *b = &d->state.batches.batch[d->state.batches.n];
	int err;

	*b = (struct duty_batch){ .form = duty_form_for(d, e), .since_ns = duty_now(d) };
	memcpy(b->id, e->id, sizeof(b->id));
	server_of(d, b->server);
	err = draw(b->nonce);
	if (!err)
		err = duty_make_prompt_as(d, e, b->form, b->nonce);
	/* Whatever it is, an ordinary request says it. */
	if (err || memchr(d->prompt.body.data, '\n', d->prompt.body.len) ||
	    duty_verdict_severity(d->cfg.store, e->id, d->prompt.report_sha256, &d->key)) {
		e->direct = d->state.dirty = true;
		return;
	}
	duty_estimate(d, true);
	if (!duty_fits(&d->cfg, &d->state, d->tokens, d->micro_usd))
		return;
	digest(b->sha256, &d->prompt.body);
	d->state.batches.n++;
	d->state.dirty = true;
	d->stats.batches++;
}

static bool may_begin(struct duty *d, const struct duty_entry *e)
{
	return (e->level == LEVEL_WEEKLY || e->level == LEVEL_MONTHLY) && *e->digest &&
	       !e->direct && e->not_before_ns <= duty_now(d) && d->state.batches.n < DUTY_BATCHES &&
	       !find(&d->state, e->id);
}

static void begin_all(struct duty *d)
{
	if (!d->cfg.batch || d->state.open_until_ns > duty_now(d) || is_without(d))
		return;
	for (size_t i = 0; i < d->state.n; i++)
		if (may_begin(d, &d->state.entry[i]))
			begin(d, &d->state.entry[i]);
	prompt_free(&d->prompt);
}

/* ---- requests ---- */

struct asking {
	struct buf path, type, body;
};

int duty_batch_prompt(struct duty *d, const struct duty_batch *b, const struct duty_entry *e)
{
	char sha256[CHAIN_HEX];
	int err = duty_make_prompt_as(d, e, b->form, b->nonce);

	if (err)
		return err;
	digest(sha256, &d->prompt.body);
	return strcmp(sha256, b->sha256) == 0 ? 0 : -ESTALE;
}

static int make_upload(struct duty *d, struct duty_batch *b, struct asking *a)
{
	int err = duty_batch_prompt(d, b, duty_batch_entry(&d->state, b));

	buf_clear(&a->type);
	duty_batch_name(&a->type, b, ".jsonl");
	buf_adds(&a->body, "{\"custom_id\":\"");
	duty_batch_name(&a->body, b, "\",\"method\":\"POST\",\"url\":\"" ENDPOINT "\",\"body\":");
	if (!err)
		buf_add(&a->body, d->prompt.body.data, d->prompt.body.len);
	buf_adds(&a->body, "}\n");
	return err;
}

static int make_create(struct duty *d, struct duty_batch *b, struct asking *a)
{
	int err = duty_batch_prompt(d, b, duty_batch_entry(&d->state, b));

	buf_addf(&a->body,
		 "{\"input_file_id\":\"%s\",\"endpoint\":\"" ENDPOINT
		 "\",\"completion_window\":\"24h\",\"metadata\":{\"custom_id\":\"",
		 b->file);
	duty_batch_name(&a->body, b, "\"}}");
	if (!err)
		err = duty_set_aside(d, true);
	if (err)
		return err;
	b->day = d->state.day;
	b->tokens = d->tokens;
	b->micro_usd = d->micro_usd;
	b->since_ns = duty_now(d);
	return 0;
}

static const char *no_id(struct duty_batch *b)
{
	(void)b;
	return "";
}

static const char *batch_id(struct duty_batch *b)
{
	return b->batch;
}

static const char *output_id(struct duty_batch *b)
{
	return b->output;
}

static const char *file_id(struct duty_batch *b)
{
	return duty_batch_file(b);
}

static const struct {
	const char *method, *before;
	const char *(*id)(struct duty_batch *b);
	const char *behind;
	enum batch_step lost; /* what is to be done when no answer is known */
	int (*make)(struct duty *d, struct duty_batch *b, struct asking *a);
} steps[BATCH_STEPS] = {
	[BATCH_UPLOAD] = { CLIENT_METHOD_FILE, "/files", no_id, "", BATCH_FIND_FILE, make_upload },
	[BATCH_FIND_FILE] = { "GET", "/files?purpose=batch&limit=100&order=desc", no_id, "",
			      BATCH_FIND_FILE, NULL },
	[BATCH_CREATE] = { "POST", "/batches", no_id, "", BATCH_FIND, make_create },
	[BATCH_FIND] = { "GET", "/batches?limit=100", no_id, "", BATCH_FIND, NULL },
	[BATCH_POLL] = { "GET", "/batches/", batch_id, "", BATCH_POLL, NULL },
	[BATCH_FETCH] = { "GET", "/files/", output_id, "/content", BATCH_FETCH, NULL },
	[BATCH_CANCEL] = { "POST", "/batches/", batch_id, "/cancel", BATCH_CANCEL, NULL },
	[BATCH_DELETE] = { "DELETE", "/files/", file_id, "", BATCH_DELETE, NULL },
};

static void not_made(struct duty *d, struct duty_batch *b, int err)
{
	const edr_s64 now_ns = duty_now(d);

	if (err == -EDQUOT) {
		duty_say(d, SAY_BUDGET, "what may be spent on the model today is spent; %s waits",
			 b->id);
		b->next_ns = (report_day(now_ns) + 1) * 24 * HOUR_NS;
	} else if (err == -EBUSY) {
		b->next_ns = now_ns + BUSY_NS;
	} else if (err == -ENOMEM) {
		b->next_ns = now_ns + DISK_NS;
	} else {
		duty_batch_over(d, b, "the report or the settings changed");
	}
}

static void not_sent(struct duty *d, struct duty_batch *b, enum batch_step step, int err)
{
	if (step == BATCH_CREATE) {
		duty_batch_money(d, b);
		duty_unset_aside(d);
	}
	duty_batch_to(d, b, step, duty_now(d) + (err == -EBUSY ? BUSY_NS : DISK_NS));
	if (err == -E2BIG)
		duty_batch_over(d, b, "it is too large");
	if (err == -EPIPE)
		duty_lost(d);
	if (err != -EBUSY && err != -E2BIG)
		duty_say(d, SAY_GONE, "a batch cannot be asked for: %s", strerror(-err));
}

static void send_step(struct duty *d, struct duty_batch *b, const struct asking *a)
{
	const enum batch_step step = b->step;
	const struct duty_call call = { steps[step].method, a->path.data, a->type.data,
					a->body.len ? a->body.data : "", a->body.len };
	int err;

	/* As it is to be found after a kill that comes with the next instruction. */
	duty_batch_to(d, b, steps[step].lost, duty_now(d) + LISTED_NS);
	err = duty_save(d);
	if (!err)
		err = d->cfg.transport->send(d->cfg.transport_ctx, &call);
	if (err) {
		not_sent(d, b, step, err);
		return;
	}
	d->asking = d->asking_batch = true;
	d->asked_step = step;
	memcpy(d->asked_batch, b->sha256, sizeof(d->asked_batch));
}

static void ask(struct duty *d, struct duty_batch *b)
{
	struct asking a = { .path = { 0 } };
	int err = 0;

	buf_adds(&a.path, steps[b->step].before);
	buf_adds(&a.path, steps[b->step].id(b));
	buf_adds(&a.path, steps[b->step].behind);
	buf_adds(&a.type, "application/json");
	if (steps[b->step].make)
		err = steps[b->step].make(d, b, &a);
	if (!err && (a.path.failed || a.type.failed || a.body.failed))
		err = -ENOMEM;
	if (err)
		not_made(d, b, err);
	else
		send_step(d, b, &a);
	prompt_free(&d->prompt);
	buf_free(&a.path);
	buf_free(&a.type);
	buf_free(&a.body);
}

/* ---- a turn ---- */

/* The one that is due; else NULL, and the time when one will be, 0: none. */
static struct duty_batch *due(struct duty *d, edr_s64 *at_ns)
{
	const edr_s64 now_ns = duty_now(d), latest_ns = now_ns + 24 * HOUR_NS;
	struct duty_batches *s = &d->state.batches;

	*at_ns = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct duty_batch *b = &s->batch[i];
		edr_s64 from_ns;

		if (b->next_ns > latest_ns)
			b->next_ns = latest_ns;
		from_ns = b->next_ns > d->state.open_until_ns ? b->next_ns : d->state.open_until_ns;
		if (from_ns <= now_ns)
			return b;
		if (!*at_ns || from_ns < *at_ns)
			*at_ns = from_ns;
	}
	return NULL;
}

edr_s64 duty_batch_turn(struct duty *d)
{
	struct duty_batch *b;
	edr_s64 at_ns = 0;

	begin_all(d);
	for (look_at_all(d); !d->gone && !duty_stopping(d) && (b = due(d, &at_ns));
	     look_at_all(d)) {
		ask(d, b);
		if (d->asking)
			return 0;
	}
	return d->gone ? 0 : at_ns;
}
