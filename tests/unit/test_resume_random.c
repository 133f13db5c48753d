/* SPDX-License-Identifier: MIT */
/* Runs of random lengths that are killed, or stopped, at random moments: see test_resume.c. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect.h"
#include "full_dir.h"
#include "life.h"
#include "made.h"
#include "report/files.h"
#include "suite.h"
#include "util/log.h"

static char base[32], dir[64];

static void setup(void)
{
	strcpy(base, "/tmp/edr-resume-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level((enum log_level) - 1);
	life_config = (struct life_config){ .dir = dir };
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

static double seconds(json_object *root, const char *pointer)
{
	return json_object_get_double(at(root, pointer));
}

static struct made_rng rng;

static bool chance(unsigned percent)
{
	return made_random(&rng, 100) < percent;
}

/* Gives how many execs are lost with it. */
static unsigned one_life(edr_u64 *now_s, unsigned *all, bool may_stop)
{
	unsigned lost, refused;

	full = chance(20) ? "/cells/" : NULL;
	life_begin(*now_s, *now_s + made_random(&rng, 2));
	for (unsigned n = made_random(&rng, 30); n > 0 && !life.refused; n--) {
		unsigned more = made_random(&rng, 3);

		life_execs(more);
		*all += more;
		life_until(life.now_s + 1 + made_random(&rng, 20));
		if (chance(60))
			life_checkpoint();
	}
	*now_s = life.now_s;
	lost = life.execs;
	refused = life.refused;
	if (refused || !may_stop || chance(70)) {
		life_kill();
	} else {
		life_stop();
		lost = life.refused == refused ? 0 : lost;
	}
	return lost;
}

static unsigned sum_cells(bool one_each)
{
	struct report_store *s = life_store();
	struct report_files f;
	json_object *root;
	unsigned total = 0;
	char before[32] = "";

	ck_assert_int_eq(report_files_list(s, "cells", &f), 0);
	for (size_t i = 0; i < f.n; i++) {
		root = life_report("cells", f.file[i].id);
		total += (unsigned)num(root, "/total");
		ck_assert(seconds(root, "/window/covered_seconds") +
				  seconds(root, "/loss/blind_seconds") <=
			  900);
		ck_assert(!one_each || strcmp(str(root, "/window_start"), before) != 0);
		snprintf(before, sizeof(before), "%s", str(root, "/window_start"));
		json_object_put(root);
	}
	report_files_free(&f);
	report_store_close(s);
	return total;
}

/* All that a checkpoint or a cell had is in a cell, once; without a stop each window has one. */
static void many_lives(unsigned seed, bool may_stop)
{
	edr_u64 now_s = FEED_WINDOW;
	unsigned all = 0, lost = 0;

	rng.state = seed;
	for (unsigned n = 0; n < 60; n++) {
		lost += one_life(&now_s, &all, may_stop);
		now_s += 1 + made_random(&rng, chance(10) ? 2000 : 60);
	}
	full = NULL;
	life_start(now_s + 10000);
	ck_assert_uint_eq(life_count("checkpoint"), 0);
	ck_assert_uint_eq(sum_cells(!may_stop), all - lost);
	life_verify();
	printf("%u events of 60 runs, %u lost, in %zu cells\n", all, lost, life_count("cells"));
}

START_TEST(kills_1)
{
	many_lives(1, false);
}
END_TEST

START_TEST(kills_2)
{
	many_lives(2, false);
}
END_TEST

START_TEST(kills_3)
{
	many_lives(3, false);
}
END_TEST

START_TEST(kills_and_stops_1)
{
	many_lives(4, true);
}
END_TEST

START_TEST(kills_and_stops_2)
{
	many_lives(5, true);
}
END_TEST

START_TEST(kills_and_stops_3)
{
	many_lives(6, true);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		kills_1, kills_2, kills_3, kills_and_stops_1, kills_and_stops_2, kills_and_stops_3,
	};

	return suite_run("resume_random", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 200);
}
