/* SPDX-License-Identifier: MIT */
/*
 * A capture from a list of what happened, one line each, its fields divided by tabs (day.py writes it):
 *
 *	there MS PID EXE CGROUP		runs since the boot
 *	exec MS PID PARENT UID FLAGS TTY EXE ARG...
 *	failed MS PID UID NAME ARG...
 *	run MS PID PARENT FILENAME EXE ARG...	a user's, FILENAME as it was given
 *	connect MS PID IPV4 PORT	the address as a number
 *	unix MS PID NAME		"@" begins an abstract one
 *	exit MS PID STATUS
 *	tick MS
 *
 * MS are milliseconds from START, in order. In a field \001 stands for a tab and \002 for a newline.
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define START_NS 1767225600000000000ll /* 2026-01-01 00:00 UTC */
#define BOOT_NS 1000000000000ull
#define MS 1000000ull
#define PIDS 65536
#define FIELDS 40

struct day {
	struct capture cap;
	struct who who[PIDS];
	edr_comm comm[PIDS];
	char *field[FIELDS];
	size_t n;
	unsigned long line;
	edr_u64 at;
};

static void bad(const struct day *d)
{
	fprintf(stderr, "gen_day: line %lu makes no sense\n", d->line);
	exit(2);
}

static unsigned long number(const struct day *d, size_t i)
{
	char *end;
	const unsigned long n = i < d->n ? strtoul(d->field[i], &end, 10) : 0;

	if (i >= d->n || *end || end == d->field[i])
		bad(d);
	return n;
}

static struct who *who_of(struct day *d, size_t i)
{
	const unsigned long pid = number(d, i);

	if (!pid || pid >= PIDS)
		bad(d);
	return &d->who[pid];
}

static void name(struct day *d, struct who *w, const char *exe)
{
	char *comm = d->comm[w - d->who];

	snprintf(comm, sizeof(edr_comm), "%s", basename(exe));
	w->tgid = (edr_u32)(w - d->who);
	w->comm = comm;
}

/* The fields from there on, each with its NUL; they lie behind each other in the line. */
static void arguments(const struct day *d, size_t from, struct run *r)
{
	char *last = d->field[d->n - 1];

	if (from >= d->n)
		bad(d);
	r->argv = d->field[from];
	r->argv_len = (size_t)(last - d->field[from]) + strlen(last) + 1;
}

static void there(struct day *d)
{
	struct who *w = who_of(d, 2);

	name(d, w, d->field[3]);
	w->start_ns = w->tgid;
	put_cgroup(&d->cap, d->at, w->tgid, d->field[4]);
	put_process(&d->cap, d->at, w, d->field[3], w->tgid, d->field[4]);
}

static void started(struct day *d, struct run *r, size_t arguments_at)
{
	struct who *w = who_of(d, 2), *parent = who_of(d, 3);

	r->parent = parent;
	arguments(d, arguments_at, r);
	w->start_ns = d->at;
	name(d, w, parent->comm);
	put_fork(&d->cap, d->at, parent, w);
	name(d, w, r->filename ? r->filename : r->exe);
	put_exec(&d->cap, d->at + 1, w, r);
}

static void exec(struct day *d)
{
	struct run r = { .exe = d->field[7],
			 .uid = (edr_u32)number(d, 4),
			 .exec_flags = (edr_u32)number(d, 5),
			 .tty = d->field[6] };

	started(d, &r, 8);
}

static void run(struct day *d)
{
	struct run r = { .filename = d->field[4], .exe = d->field[5], .uid = 1000 };

	started(d, &r, 6);
}

static void failed(struct day *d)
{
	struct run r = { .exe = d->field[4], .uid = (edr_u32)number(d, 3) };

	arguments(d, 5, &r);
	put_exec_failed(&d->cap, d->at, who_of(d, 2), &r, 2);
}

static void connects(struct day *d)
{
	put_connect(&d->cap, d->at, who_of(d, 2), (edr_u32)number(d, 3), (edr_u16)number(d, 4), 0);
}

static void connects_unix(struct day *d)
{
	put_connect_unix(&d->cap, d->at, who_of(d, 2), d->field[3]);
}

static void exits(struct day *d)
{
	put_exit(&d->cap, d->at, who_of(d, 2), (edr_u32)number(d, 3), 0);
}

static void tick(struct day *d)
{
	put_clock(&d->cap, d->at, START_NS - (edr_s64)BOOT_NS, EDR_CLOCK_TICK);
}

static const struct {
	const char *name;
	size_t fields;
	void (*put)(struct day *d);
} lines[] = {
	{ "there", 5, there }, { "exec", 9, exec },	   { "failed", 6, failed },
	{ "run", 7, run },     { "connect", 5, connects }, { "unix", 4, connects_unix },
	{ "exit", 4, exits },  { "tick", 2, tick },
};

static void put_back(char *field)
{
	for (; *field; field++)
		*field = *field == '\001' ? '\t' : *field == '\002' ? '\n' : *field;
}

static void take(struct day *d, char *text)
{
	char *rest = text;

	text[strcspn(text, "\n")] = '\0';
	for (d->n = 0; rest && d->n < FIELDS; d->n++) {
		d->field[d->n] = strsep(&rest, "\t");
		put_back(d->field[d->n]);
	}
	d->at = BOOT_NS + number(d, 1) * MS;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (strcmp(lines[i].name, d->field[0]) != 0)
			continue;
		if (d->n < lines[i].fields || rest)
			bad(d);
		lines[i].put(d);
		return;
	}
	bad(d);
}

int main(int argc, char **argv)
{
	static struct day d;
	size_t room = 0;
	char *text = NULL;

	if (argc != 2) {
		fputs("usage: gen_day FILE < LINES\n", stderr);
		return 2;
	}
	capture_open(&d.cap, argv[1], true);
	put_host(&d.cap, BOOT_NS, "6.1.0-1-amd64");
	put_clock(&d.cap, BOOT_NS, START_NS - (edr_s64)BOOT_NS, EDR_CLOCK_START);
	for (d.line = 1; getline(&text, &room, stdin) > 0; d.line++)
		take(&d, text);
	free(text);
	capture_mark(&d.cap);
	capture_close(&d.cap);
	return 0;
}
