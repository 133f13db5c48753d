/* SPDX-License-Identifier: MIT */
#include "duty_made.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "report/files.h"
#include "util/log.h"

static char base[32];
char dir[64], err[512];
edr_s64 now_ns;
int cell_rows;

/* ---- a server ---- */

struct server *server;

static int server_send(void *ctx, const struct duty_call *call)
{
	const size_t len = call->len;
	const char *id;

	(void)ctx;
	if (server->send_error)
		return server->send_error;
	ck_assert(!server->under_way);
	ck_assert_uint_lt(len, sizeof(server->last));
	memcpy(server->last, call->body, len);
	server->last[len] = '\0';
	id = strstr(server->last, "\\\"id\\\":\\\"");
	ck_assert_ptr_nonnull(id);
	snprintf(server->ids[server->asked++ % 64], 64, "%.*s", (int)strcspn(id + 9, "\\"), id + 9);
	server->under_way = true;
	return 0;
}

static void add_answer(struct buf *out, unsigned severity)
{
	buf_addf(
		out,
		"{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"summary\\\":"
		"\\\"odd\\\",\\\"severity\\\":%u,\\\"findings\\\":[],\\\"recommendations\\\":[]}\"}"
		","
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":500,"
		"\"completion_tokens\":100}}",
		severity);
}

static bool server_take(void *ctx, struct client_reply *out)
{
	const struct said *s = &server->said[server->at];

	(void)ctx;
	memset(out, 0, sizeof(*out));
	if (!server->under_way)
		__atomic_add_fetch(&server->idle, 1, __ATOMIC_RELAXED);
	if (!server->under_way || server->hangs)
		return false;
	server->under_way = false;
	if (server->at + 1 < server->n)
		server->at++;
	out->outcome = s->outcome;
	out->status = s->outcome == CLIENT_DONE ? s->status : 0;
	out->retry_after_s = s->retry_after_s;
	if (s->body)
		buf_adds(&out->body, s->body);
	else if (out->status == 200)
		add_answer(&out->body, s->severity ? s->severity : 1);
	return true;
}

static void server_cancel(void *ctx)
{
	(void)ctx;
	server->cancelled = true;
	server->under_way = false;
}

static int server_fd(void *ctx, short *events, int *timeout_ms)
{
	(void)ctx;
	*events = POLLIN;
	*timeout_ms = server->hangs || !server->under_way ? -1 : 1;
	return server->fd ? server->fd : -1;
}

static int server_again(void *ctx, char *why, size_t size)
{
	(void)ctx;
	server->agains++;
	snprintf(why, size, "%s", strerror(-server->again_error));
	if (!server->again_error)
		server->send_error = 0;
	return server->again_error;
}

const struct duty_transport transport = { server_send, server_take, server_cancel, server_fd,
					  server_again };

void says(const struct said *what, size_t n)
{
	memcpy(server->said, what, n * sizeof(*what));
	server->n = n;
	server->at = 0;
	server->asked = 0;
}

/* ---- reports ---- */

struct report_store *store;

edr_s64 now(void *ctx)
{
	(void)ctx;
	return now_ns;
}

void setup(void)
{
	snprintf(base, sizeof(base), "/tmp/edr-duty-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level(LOG_LEVEL_ERROR);
	now_ns = START;
	cell_rows = 40;
	server = mmap(NULL, sizeof(*server), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	ck_assert_ptr_ne(server, MAP_FAILED);
	ck_assert_msg(report_store_open(&store, dir, err, sizeof(err)) == 0, "%s", err);
	SAYS(OK);
}

void teardown(void)
{
	char command[64];

	report_store_close(store);
	munmap(server, sizeof(*server));
	snprintf(command, sizeof(command), "rm -rf %s", base);
	ck_assert_int_eq(system(command), 0);
}

struct duty_config config(void)
{
	struct duty_config c = { .store = store,
				 .transport = &transport,
				 .server = "http://[::1]:8080/v1",
				 .prompt = { .model = "m",
					     .max_lines = 50,
					     .max_tokens = 6000,
					     .max_answer_tokens = 1000,
					     .unredacted = true },
				 .max_age_h = 72,
				 .input_cents = 15,
				 .output_cents = 60,
				 .now_ns = now };

	for (size_t i = 0; i < N_LEVELS; i++)
		c.when[i] = DUTY_ALWAYS;
	return c;
}

struct duty *open_duty(const struct duty_config *cfg)
{
	struct duty *d;

	ck_assert_msg(duty_open(&d, cfg, err, sizeof(err)) == 0, "%s", err);
	return d;
}

/* The cell of the n-th quarter of an hour. */
const char *cell_id(int n)
{
	static char id[8][64];
	static unsigned at;
	char *out = id[at++ % 8];
	const edr_s64 start = START + n * 900 * S;
	const struct report_date date = report_date_of_day(report_day(start));
	const int minute = (int)(start / S / 60 % 1440);

	snprintf(out, 64, "cell-%04d%02d%02dT%02d%02dZ", date.year, date.month, date.day,
		 minute / 60, minute % 60);
	return out;
}

void put_cell(int n, unsigned severity, const char *finding)
{
	struct buf text = { 0 };

	buf_addf(&text,
		 "{\n  \"level\": \"cell\",\n  \"report_id\": \"%s\",\n  \"severity\": %u,\n  "
		 "\"loss\": { \"total\": 0, \"blind\": [] },\n  \"findings\": [",
		 cell_id(n), severity);
	if (finding)
		buf_addf(&text,
			 " { \"id\": \"%s\", \"title\": \"t\", \"technique\": \"\", \"severity\": "
			 "%u, "
			 "\"time\": null, \"details\": \"d\" } ",
			 finding, severity);
	buf_adds(&text, "],\n  \"executables\": [ ");
	for (int i = 0; i < cell_rows; i++)
		buf_addf(&text,
			 "%s{ \"path\": \"/bin/x%d\", \"runs\": 1, \"failed_runs\": 0, \"users\": "
			 "{}, "
			 "\"parents\": {} }",
			 i ? ", " : "", i);
	buf_adds(&text, " ],\n  \"connections\": []\n}\n");
	ck_assert_int_eq(report_store_write(store, "cells", cell_id(n), text.data, text.len), 0);
	buf_free(&text);
}

void offer(struct duty *d, int n)
{
	char path[128];

	snprintf(path, sizeof(path), "cells/%s.json", cell_id(n));
	duty_offer(d, path);
}

unsigned verdict(int n)
{
	return duty_verdict_severity(store, cell_id(n), "", NULL);
}

struct duty_stats stats_of(struct duty *d)
{
	struct duty_stats s;

	duty_stats(d, &s);
	return s;
}

/* Turns until nothing is to be done now. */
edr_s64 turns(struct duty *d)
{
	edr_s64 at;

	do
		at = duty_turn(d);
	while (server->under_way && !server->hangs);
	return at;
}

char *read_file(const char *level, const char *name)
{
	struct buf text = { 0 };

	ck_assert_int_eq(report_file_read(store, level, name, 1 << 20, &text), 0);
	return buf_steal(&text);
}

const char *asked_form(void)
{
	return strstr(server->last, "\"type\":\"json_schema\"")	  ? "json_schema"
	       : strstr(server->last, "\"type\":\"json_object\"") ? "json_object"
								  : "text";
}
