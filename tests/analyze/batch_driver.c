/* SPDX-License-Identifier: MIT */
/*
 * batch_driver PROGRAM BASE FOLDER SECONDS [DIE_AT]: the duty with its real client and a clock that
 * jumps to what is due next, from SECONDS behind a Monday's first minutes on. Reports of a week and
 * of a day wait in FOLDER. Ends when nothing waits, or after three days of that clock, with one line
 * of JSON; DIE_AT: by SIGKILL at the so-manieth moment before or behind a request, or behind its
 * answer. In its environment: EDR_LEVEL (weekly), EDR_MICRO_USD a day (0), EDR_BATCH (1).
 */
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyze/duty_client.h"
#include "analyze/duty_private.h"
#include "report/files.h"

#define START (1795392600LL * NS_PER_S) /* 2026-11-23T00:10:00Z, a Monday */
#define DAYS_NS (3 * 86400 * NS_PER_S)
#define TURNS 5000

static edr_s64 now_ns;
static unsigned moments, die_at;
static struct duty_client carrier;

static edr_s64 now(void *ctx)
{
	(void)ctx;
	return now_ns;
}

static int fd(void *ctx, short *events, int *timeout_ms)
{
	return duty_client_transport.fd(ctx, events, timeout_ms);
}

static void wait_for_client(void)
{
	struct pollfd p = { .fd = -1 };
	int timeout_ms = -1;

	p.fd = fd(&carrier, &p.events, &timeout_ms);
	poll(&p, 1, timeout_ms >= 0 && timeout_ms < 1000 ? timeout_ms : 1000);
}

/* sent: the server has done what it was asked for. */
static void moment(bool sent)
{
	if (++moments != die_at)
		return;
	if (sent)
		wait_for_client();
	kill(getpid(), SIGKILL);
}

/* ---- the client, with a kill around it ---- */

static int send_call(void *ctx, const struct duty_call *call)
{
	int err;

	moment(false);
	err = duty_client_transport.send(ctx, call);
	moment(true);
	return err;
}

static bool take(void *ctx, struct client_reply *out)
{
	const bool taken = duty_client_transport.take(ctx, out);

	if (taken)
		moment(false);
	return taken;
}

static void cancel(void *ctx)
{
	duty_client_transport.cancel(ctx);
}

static const struct duty_transport transport = { send_call, take, cancel, fd, NULL };

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

/* ---- reports ---- */

static void put_report(struct report_store *store, const char *dir, const char *level,
		       const char *id)
{
	struct buf text = { 0 };

	if (report_is_there(store, dir, id))
		return;
	buf_addf(&text,
		 "{\n  \"level\": \"%s\",\n  \"report_id\": \"%s\",\n  \"severity\": 2,\n  "
		 "\"loss\": { \"total\": 0, \"blind\": [] },\n  \"findings\": [ { \"id\": "
		 "\"run-memfd\", \"title\": \"t\", \"technique\": \"\", \"severity\": 2, "
		 "\"time\": null, \"details\": \"d\" } ],\n  \"executables\": [],\n  "
		 "\"connections\": []\n}\n",
		 level, id);
	report_store_write(store, dir, id, text.data, text.len);
	buf_free(&text);
}

/* ---- the end ---- */

static void put(struct json_object *o, const char *key, unsigned long long value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

static void print(const struct duty *d)
{
	struct json_object *o = json_object_new_object();
	const struct duty_stats *s = &d->stats;
	unsigned long long faults = 0;

	for (size_t i = 0; i < ANSWER_FAULTS; i++)
		faults += s->faults[i];
	put(o, "asked", s->asked);
	put(o, "answered", s->answered);
	put(o, "batches", s->batches);
	put(o, "batch_failed", s->batch_failed);
	put(o, "given_up", s->given_up);
	put(o, "faults", faults);
	put(o, "requests", d->state.requests);
	put(o, "tokens", d->state.tokens);
	put(o, "micro_usd", d->state.micro_usd);
	put(o, "waiting", d->state.n);
	put(o, "open", d->state.batches.n);
	put(o, "minutes", (unsigned long long)((now_ns - START) / NS_PER_S / 60));
	put(o, "moments", moments);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static void run(struct duty *d)
{
	const edr_s64 end_ns = now_ns + DAYS_NS;

	for (int i = 0; i < TURNS && now_ns < end_ns; i++) {
		const edr_s64 at_ns = duty_turn(d);

		if (d->asking)
			wait_for_client();
		else if (!d->state.n && !d->state.batches.n)
			break;
		else if (at_ns > now_ns)
			now_ns = at_ns;
		else if (!at_ns)
			break;
	}
}

static struct duty_config config(struct report_store *store, const char *base)
{
	struct duty_config c = { .store = store,
				 .transport = &transport,
				 .transport_ctx = &carrier,
				 .server = base,
				 .prompt = { .model = "m",
					     .max_lines = 50,
					     .max_tokens = 6000,
					     .max_answer_tokens = 1000,
					     .unredacted = true },
				 .max_age_h = 96,
				 .input_cents = 1500,
				 .output_cents = 6000,
				 .batch = atoi(setting("EDR_BATCH", "1")),
				 .micro_usd_a_day =
					 strtoull(setting("EDR_MICRO_USD", "0"), NULL, 10),
				 .keep_exchanges = true,
				 .keep_days = 30,
				 .now_ns = now };

	for (size_t i = 0; i < N_LEVELS; i++)
		c.when[i] = DUTY_ALWAYS;
	return c;
}

int main(int argc, char **argv)
{
	const struct client_config client = { .program = argv[1] };
	struct report_store *store = NULL;
	struct client_where where = { 0 };
	const char *degraded = NULL;
	struct duty_config cfg;
	struct duty *d = NULL;
	char err[512] = "";

	if (argc < 5 || client_start(&carrier.client, &client, &degraded, err, sizeof(err)) ||
	    client_where(&where, argv[2], "", "", false, err, sizeof(err)) ||
	    report_store_open(&store, argv[3], err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	now_ns = START + atoll(argv[4]) * NS_PER_S;
	die_at = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
	carrier.where = &where;
	carrier.key = "sk-test-batch";
	carrier.connect_timeout_s = carrier.timeout_s = 2;
	if (strcmp(setting("EDR_LEVEL", "weekly"), "weekly") == 0)
		put_report(store, "weekly", "weekly", "weekly-2026W47");
	else
		put_report(store, "monthly", "monthly", "monthly-202611");
	put_report(store, "daily", "daily", "daily-20261122");
	cfg = config(store, argv[2]);
	if (duty_open(&d, &cfg, err, sizeof(err)) == 0) {
		run(d);
		print(d);
	}
	duty_close(d);
	client_stop(carrier.client);
	client_where_free(&where);
	report_store_close(store);
	return d ? 0 : 1;
}
