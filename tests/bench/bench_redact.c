/* SPDX-License-Identifier: MIT */
/*
 * What it costs to look for secrets in an ordinary exec, in which there is none: ns a record, CPU
 * time of one core, of arguments that come for the first time and of such as were there before.
 * Command lines of a build, a package's installation and administration, each brought to some 100
 * bytes of arguments.
 *
 *	bench_redact [PATTERNS]    PATTERNS: a file as redact_patterns names one
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "redact/redact.h"
#include "wire/build.h"

#define LEAST_S 0.5
#define ROUNDS 10000

#define LINE(name, text)                 \
	{                                \
		name, text, sizeof(text) \
	}
static const struct line {
	const char *name, *argv;
	size_t len;
} lines[] = {
	LINE("cp", "/usr/bin/cp\0-a\0--no-target-directory\0/srv/app/releases/20261122/static\0"
		   "/srv/www/static.new.d"),
	LINE("gcc", "gcc\0-O2\0-g\0-Wall\0-Wextra\0-DNDEBUG\0-Iinclude\0-Isrc\0-MD\0-MF\0"
		    "obj/main.o.d\0-o\0obj/main.o\0-c\0src/cli/main.c\0-fPIC"),
	LINE("cc1", "/usr/libexec/gcc/x86_64-linux-gnu/14/cc1\0-quiet\0-dumpbase\0main.c\0"
		    "-march=x86-64\0-O2\0-o\0/tmp/ccQx1b2Y.s"),
	LINE("dpkg", "/usr/bin/dpkg\0--status-fd\0"
		     "24\0--no-triggers\0--unpack\0--auto-deconfigure\0"
		     "/var/cache/apt/archives/jq_1.7_amd64.deb"),
	LINE("git", "/usr/lib/git-core/git\0rev-list\0--objects\0--stdin\0--not\0--all\0--quiet\0"
		    "--alternate-refs\0--max-count=1000\0main"),
	LINE("sh -c", "/bin/sh\0-c\0test -d /run/systemd/system || /usr/sbin/anacron -s -d; "
		      "run-parts --report /etc/cron.hourly"),
	LINE("grep", "grep\0-rn\0--include\0*.c\0--exclude-dir\0build\0-e\0static const struct\0"
		     "src/report\0src/cell\0src/source\0include/ed"),
	LINE("java", "java\0-Xmx512m\0-XX:+UseG1GC\0-Dfile.encoding=UTF-8\0-jar\0"
		     "/opt/app/lib/server.jar\0--port=8080\0--host=localhost"),
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Other arguments each time, of the same looks. */
static void turn(const struct edr_hdr *rec, unsigned long n)
{
	const struct wire_span argv =
		wire_str(rec, ((const struct edr_exec *)(const void *)rec)->argv);
	char *digit = (char *)argv.data + argv.len - 7;

	for (int i = 0; i < 6; i++, n /= 26)
		digit[i] = (char)('a' + n % 26);
}

static double time_line(struct redact *r, const struct line *line, bool new)
{
	const struct edr_exec fixed = { .argv_bytes = (edr_u32)line->len };
	const struct edr_hdr *rec;
	struct buf b = { 0 };
	struct wire_build w;
	unsigned long n = 0;
	double start, took;

	wire_build_begin(&w, &b, EDR_EXEC, &fixed);
	wire_build_str(&w, offsetof(struct edr_exec, exe), line->argv, strlen(line->argv));
	wire_build_str(&w, offsetof(struct edr_exec, filename), line->argv, strlen(line->argv));
	wire_build_str(&w, offsetof(struct edr_exec, argv), line->argv, line->len);
	rec = wire_build_end(&w);
	if (!rec || redact_record(r, rec) != rec) {
		fprintf(stderr, "bench_redact: %s holds a secret, or there is no memory\n",
			line->name);
		exit(1);
	}
	start = now_s();
	do {
		for (int i = 0; i < ROUNDS; i++) {
			if (new)
				turn(rec, n);
			n += redact_record(r, rec) == rec;
		}
		took = now_s() - start;
	} while (took < LEAST_S);
	buf_free(&b);
	return took * 1e9 / (double)n;
}

int main(int argc, char **argv)
{
	const unsigned char key[REDACT_KEY_BYTES] = { 1 };
	const struct redact_config cfg = { .key = key, .patterns_file = argc > 1 ? argv[1] : "" };
	const size_t n = sizeof(lines) / sizeof(lines[0]);
	struct redact *r;
	char err[200];
	double sum_new = 0, sum_known = 0;

	if (redact_new(&r, &cfg, err, sizeof(err))) {
		fprintf(stderr, "bench_redact: %s\n", err);
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		const double new = time_line(r, &lines[i], true);
		const double known = time_line(r, &lines[i], false);

		printf("%-8s %4zu bytes %8.1f ns, known %6.1f ns\n", lines[i].name, lines[i].len,
		       new, known);
		sum_new += new;
		sum_known += known;
	}
	printf("mean %21.1f ns, known %6.1f ns a record\n", sum_new / (double)n,
	       sum_known / (double)n);
	redact_free(r);
	return 0;
}
