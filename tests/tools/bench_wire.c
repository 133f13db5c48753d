/* SPDX-License-Identifier: MIT */
/*
 * bench_wire [SECONDS]: how many events a second wire_check and wire_json manage, for each vector. One core; run it from
 * the source folder, several times: the machine's noise is larger than most changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../vectors/vector.h"

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void bench(const char *name, const struct edr_hdr *rec, double seconds)
{
	struct wire_process room;
	const struct wire_process *proc = vector_process(name, &room);
	struct buf out = { 0 };
	unsigned long checks = 0, events = 0;
	double start, check_s, json_s;
	size_t bytes = 0;
	int i;

	start = now_s();
	do {
		for (i = 0; i < 1000; i++)
			if (wire_check(rec, rec->len) != 0)
				return;
		checks += 1000;
		check_s = now_s() - start;
	} while (check_s < seconds / 4);
	start = now_s();
	do {
		for (i = 0; i < 1000; i++) {
			if (out.len > 65536)
				buf_clear(&out);
			bytes = out.len;
			wire_json(&out, rec, VECTOR_WALL_OFFSET_NS + (edr_s64)events * 1000, proc);
			bytes = out.len - bytes;
			events++;
		}
		json_s = now_s() - start;
	} while (json_s < seconds);
	printf("%-26s %5u bytes -> %5zu   json %6.3f M/s   check %7.3f M/s\n", name, rec->len,
	       bytes, (double)events / json_s / 1e6, (double)checks / check_s / 1e6);
	buf_free(&out);
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? atof(argv[1]) : 0.5;
	char **names;
	int n = vector_list(&names), i;
	size_t len;

	if (n < 0) {
		fprintf(stderr, "no vectors in " VECTOR_FOLDER ": not the source folder?\n");
		return 1;
	}
	for (i = 0; i < n; i++) {
		struct edr_hdr *rec = vector_load(names[i], ".bin", &len);

		if (rec)
			bench(names[i], rec, seconds);
		free(rec);
		free(names[i]);
	}
	free(names);
	return 0;
}
