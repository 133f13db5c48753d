/* SPDX-License-Identifier: MIT */
/*
 * The report thread: what was closed is written in order, whole, once, and however often that
 * takes; who hands it over never waits. The tests with a full or read-only disk mount a small tmpfs
 * and are left out without root.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect.h"
#include "feed.h"
#include "report/queue.h"
#include "suite.h"
#include "util/log.h"
#include "util/mono.h"

static char base[32];
static char dir[64];
static char err[512];

/* What on_written said, in the report thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char written[512][160];
static size_t n_written;

static void setup(void)
{
	strcpy(base, "/tmp/edr-writer-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	log_set_level(LOG_LEVEL_ERROR);
	n_written = 0;
}

static void teardown(void)
{
	char command[128];

	umount2(dir, MNT_DETACH);
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

static bool mounted(const char *options)
{
	mkdir(dir, 0700);
	if (!mount("none", dir, "tmpfs", 0, options))
		return true;
	fprintf(stderr, "left out: no right to mount a tmpfs (%s)\n", strerror(errno));
	return false;
}

static void remount(const char *options, unsigned long flags)
{
	ck_assert_int_eq(mount("none", dir, "none", MS_REMOUNT | flags, options), 0);
}

static void on_written(void *ctx, const char *path, const struct cell *cell)
{
	struct report_cell_summary s;

	(void)ctx;
	if (cell)
		report_cell_summary(cell, &s); /* it is there to be looked at */
	pthread_mutex_lock(&lock);
	snprintf(written[n_written++], sizeof(written[0]), "%s", path);
	pthread_mutex_unlock(&lock);
}

static size_t how_many(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = n_written;
	pthread_mutex_unlock(&lock);
	return n;
}

static void wait_for(size_t n)
{
	for (int i = 0; i < 1000 && how_many() < n; i++)
		usleep(10000);
	ck_assert_uint_eq(how_many(), n);
}

static struct report_writer *start(struct report_writer_config cfg)
{
	struct report_writer *w;

	cfg.dir = dir;
	cfg.on_written = on_written;
	if (!cfg.max_queue)
		cfg.max_queue = 100;
	if (!cfg.retry_ms)
		cfg.retry_ms = 20;
	ck_assert_msg(report_writer_start(&w, &cfg, err, sizeof(err)) == 0, "%s", err);
	return w;
}

/* ---- cells to write ---- */

static struct cell *made_cell;
static struct cell_events *made_part;

static void take_cell(void *ctx, struct cell *cell)
{
	(void)ctx;
	made_cell = cell;
}

static int take_part(void *ctx, struct cell_events *part)
{
	(void)ctx;
	cell_events_free(made_part);
	made_part = part;
	return 0;
}

/* The window-th quarter of an hour, with n events. */
static struct cell *cell_of(unsigned window, unsigned n)
{
	struct feed f = { .sinks = { .on_closed = take_cell } };

	feed_open(&f, FEED_WINDOW + window * 900ull);
	for (unsigned i = 0; i < n; i++)
		feed_exec(&f, 0, "/bin/true", "true\0an argument");
	feed_close(&f);
	return made_cell;
}

static struct cell_events *part_of(unsigned window)
{
	struct feed f = { .sinks = { .on_closed = take_cell, .on_interim = take_part },
			  .cfg = { .interval_min = 15,
				   .keep_events = true,
				   .max_events = 2,
				   .max_events_bytes = 1 << 20,
				   .max_executables = 16,
				   .max_command_lines = 16,
				   .max_connections = 16 } };
	struct cell_events *part;

	feed_open(&f, FEED_WINDOW + window * 900ull);
	feed_exec(&f, 0, "/bin/true", "true");
	feed_exec(&f, 0, "/bin/true", "true");
	feed_close(&f);
	cell_free(made_cell);
	part = made_part;
	made_part = NULL;
	return part;
}

static const char *id_of(char *out, size_t size, unsigned window)
{
	snprintf(out, size, "cell-20261121T%02u%02uZ", 21 + window / 4, window % 4 * 15);
	return out;
}

/* The file of that name is whole, says that name itself, and is what on_written saw as the i-th. */
static void assert_written(size_t i, const char *id)
{
	json_object *root;
	char path[160];

	snprintf(path, sizeof(path), "%s/%s/%s.json", dir,
		 strstr(id, ".part") ? "interim" : "cells", id);
	ck_assert_str_eq(written[i], path);
	root = json_object_from_file(path);
	ck_assert_msg(root != NULL, "%s does not parse", path);
	ck_assert_str_eq(str(root, "/report_id"), id);
	json_object_put(root);
}

/* ---- the tests ---- */

START_TEST(written_in_order)
{
	struct report_writer *w = start((struct report_writer_config){ 0 });
	char id[64];

	for (unsigned i = 0; i < 12; i++) {
		ck_assert_int_eq(report_writer_interim(w, part_of(i)), 0);
		ck_assert_int_eq(report_writer_cell(w, cell_of(i, i)), 0);
	}
	ck_assert_uint_eq(report_writer_stop(w, 100000), 0);
	ck_assert_uint_eq(n_written, 24);
	for (unsigned i = 0; i < 12; i++) {
		id_of(id, sizeof(id), i);
		assert_written(2 * i + 1, id);
		strcat(id, ".part0001");
		assert_written(2 * i, id);
	}
	ck_assert_uint_eq(report_writer_stop(NULL, 0), 0);
}
END_TEST

START_TEST(a_taken_name_gets_a_number)
{
	struct report_writer *w = start((struct report_writer_config){ 0 });
	static const unsigned events[] = { 1, 2, 3, 1, 2, 3 };

	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(report_writer_cell(w, cell_of(0, events[i])), 0);
	ck_assert_uint_eq(report_writer_stop(w, 100000), 0);
	ck_assert_uint_eq(n_written, 6);
	for (unsigned i = 0; i < 6; i += 3) { /* the same content again has its file already */
		assert_written(i, "cell-20261121T2100Z");
		assert_written(i + 1, "cell-20261121T2100Z-2");
		assert_written(i + 2, "cell-20261121T2100Z-3");
	}
}
END_TEST

START_TEST(names_run_out)
{
	struct report_writer *w = start((struct report_writer_config){ .max_queue = 200 });

	log_set_level((enum log_level) - 1);
	for (unsigned i = 0; i < 102; i++)
		ck_assert_int_eq(report_writer_cell(w, cell_of(0, i)), 0);
	ck_assert_int_eq(report_writer_cell(w, cell_of(1, 1)), 0);
	ck_assert_uint_eq(report_writer_stop(w, 100000), 3); /* and those behind are written */
	ck_assert_uint_eq(n_written, 100);
	assert_written(98, "cell-20261121T2100Z-99");
	assert_written(99, "cell-20261121T2115Z");
}
END_TEST

START_TEST(a_bad_directory_is_refused_at_once)
{
	struct report_writer_config cfg = { .dir = dir, .max_queue = 1 };
	struct report_writer *w;

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(report_writer_start(&w, &cfg, err, sizeof(err)), -EPERM);
	ck_assert_ptr_null(w);
	ck_assert_ptr_nonnull(strstr(err, "chmod go-w"));
}
END_TEST

/* All is kept while the disk is full, and comes in order once there is room. */
START_TEST(a_full_disk)
{
	struct report_writer *w;
	char id[64];

	if (!mounted("size=64k,mode=0700"))
		return;
	w = start((struct report_writer_config){ 0 });
	log_set_level((enum log_level) - 1);
	for (unsigned i = 0; i < 12; i++)
		ck_assert_int_eq(report_writer_cell(w, cell_of(i, 50)), 0);
	usleep(200000);
	ck_assert_uint_lt(how_many(), 12);
	remount("size=4096k", 0);
	wait_for(12);
	for (unsigned i = 0; i < 12; i++)
		assert_written(i, id_of(id, sizeof(id), i));
	ck_assert_uint_eq(report_writer_stop(w, 1000), 0);
}
END_TEST

START_TEST(a_disk_that_stays_full)
{
	struct report_writer *w;
	unsigned long long before;
	size_t there;

	if (!mounted("size=64k,mode=0700"))
		return;
	w = start((struct report_writer_config){ 0 });
	log_set_level((enum log_level) - 1);
	for (unsigned i = 0; i < 12; i++)
		ck_assert_int_eq(report_writer_cell(w, cell_of(i, 50)), 0);
	before = mono_now_ms();
	there = report_writer_stop(w, 300);
	ck_assert_uint_lt(mono_now_ms() - before, 1200);
	ck_assert_uint_eq(there + n_written, 12);
	ck_assert_uint_gt(n_written, 0);
	ck_assert_uint_gt(there, 0);
}
END_TEST

/* There is room for 3 parts and for 3 cells: none keeps the other out, and what was taken stays. */
START_TEST(a_full_queue)
{
	struct report_writer *w;
	char id[64];

	if (!mounted("mode=0700"))
		return;
	w = start((struct report_writer_config){ .max_queue = 3, .retry_ms = 100 });
	log_set_level((enum log_level) - 1);
	remount("", MS_RDONLY);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(report_writer_interim(w, part_of(i)), i < 3 ? 0 : -ENOBUFS);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(report_writer_cell(w, cell_of(i, 1)), i < 3 ? 0 : -ENOBUFS);
	remount("", 0);
	wait_for(6);
	for (unsigned i = 0; i < 3; i++) {
		assert_written(i + 3, id_of(id, sizeof(id), i));
		strcat(id, ".part0001");
		assert_written(i, id);
	}
	ck_assert_uint_eq(report_writer_stop(w, 1000), 2); /* cells, dropped for good */
}
END_TEST

/* ---- parts that come faster than they are written ---- */

struct flood {
	struct report_writer *w;
	unsigned refused;
};

static void flood_cell(void *ctx, struct cell *cell)
{
	((struct flood *)ctx)->refused += report_writer_cell(((struct flood *)ctx)->w, cell) != 0;
}

static int flood_part(void *ctx, struct cell_events *part)
{
	int failure = report_writer_interim(((struct flood *)ctx)->w, part);

	((struct flood *)ctx)->refused += failure != 0;
	return failure;
}

/* n parts of two events each in one cell; how many were refused. */
static unsigned flood(struct report_writer *w, unsigned n)
{
	struct flood to = { .w = w };
	struct feed f = { .sinks = { &to, flood_cell, flood_part },
			  .cfg = { .interval_min = 15,
				   .keep_events = true,
				   .max_events = 2,
				   .max_events_bytes = 1 << 20,
				   .max_executables = 16,
				   .max_command_lines = 16,
				   .max_connections = 16 } };

	feed_open(&f, FEED_WINDOW);
	for (unsigned i = 0; i < 2 * n; i++)
		feed_exec(&f, 0, "/bin/true", "true");
	feed_close(&f);
	return to.refused;
}

/* The parts of a file follow those of the file before, and their events are those that were fed. */
static unsigned assert_parts(size_t i, unsigned last)
{
	json_object *root = json_object_from_file(written[i]);
	unsigned first = last + 1;

	ck_assert_ptr_nonnull(root);
	ck_assert_int_eq(num(root, "/part"), first);
	last = (unsigned)num(root, "/last_part");
	ck_assert_uint_ge(last, first);
	ck_assert_int_eq(num(root, "/total"), 2 * (last - first + 1));
	ck_assert_uint_eq(length(root, "/events"), 2 * (last - first + 1));
	for (unsigned k = 0; k < length(root, "/events"); k++)
		ck_assert_int_eq(num(json_object_array_get_idx(at(root, "/events"), k), "/pid"),
				 1000 + 2 * (first - 1) + k);
	json_object_put(root);
	return last;
}

/* What the disk has no room for is raw events: the cell comes all the same, and says that they are in no list. */
START_TEST(raw_events_give_way)
{
	struct flood to;
	struct feed f = { .sinks = { &to, flood_cell, flood_part },
			  .cfg = { .interval_min = 15,
				   .keep_events = true,
				   .max_events = 1000,
				   .max_events_bytes = 1 << 20,
				   .max_executables = 16,
				   .max_command_lines = 16,
				   .max_connections = 16 } };
	json_object *root;

	if (!mounted("size=160k,mode=0700"))
		return;
	to = (struct flood){ .w = start(
				     (struct report_writer_config){ .max_queue_bytes = 4 << 20 }) };
	log_set_level((enum log_level) - 1);
	feed_open(&f, FEED_WINDOW);
	for (unsigned i = 0; i < 3000; i++)
		feed_exec(&f, 0, "/bin/true", "true");
	usleep(100000);
	ck_assert_uint_eq(how_many(), 0);
	feed_close(&f);
	wait_for(1);
	assert_written(0, "cell-20261121T2100Z");
	root = json_object_from_file(written[0]);
	ck_assert_int_eq(num(root, "/total"), 3000);
	ck_assert_int_eq(num(root, "/interim/parts"), 0);
	ck_assert_int_eq(num(root, "/interim/events_in_parts"), 0);
	ck_assert_int_eq(num(root, "/interim/events_unlisted"), 3000);
	json_object_put(root);
	ck_assert_uint_eq(report_writer_stop(to.w, 1000), 0);
	ck_assert_uint_eq(to.refused, 0);
}
END_TEST

START_TEST(parts_that_wait_are_joined)
{
	struct report_writer *w;
	unsigned last = 0;

	if (!mounted("mode=0700"))
		return;
	w = start((struct report_writer_config){ .max_queue = 64 });
	log_set_level((enum log_level) - 1);
	remount("", MS_RDONLY);
	ck_assert_uint_eq(flood(w, 900), 0);
	remount("", 0);
	ck_assert_uint_eq(report_writer_stop(w, 100000), 0);
	ck_assert_uint_lt(n_written, 64);
	for (size_t i = 0; i + 1 < n_written; i++)
		last = assert_parts(i, last);
	ck_assert_uint_eq(last, 900);
	assert_written(n_written - 1, "cell-20261121T2100Z");
	printf("900 parts of a disk that was away: %zu files\n", n_written - 1);
}
END_TEST

/* What is joined depends on the disk; a replay must give the same files each time. */
START_TEST(a_replay_joins_nothing)
{
	struct report_writer *w =
		start((struct report_writer_config){ .max_queue = 4, .wait_for_room = true });

	ck_assert_uint_eq(flood(w, 60), 0);
	ck_assert_uint_eq(report_writer_stop(w, 100000), 0);
	ck_assert_uint_eq(n_written, 61);
	for (size_t i = 0; i < 60; i++)
		ck_assert_uint_eq(assert_parts(i, (unsigned)i), i + 1);
}
END_TEST

START_TEST(bytes_fill_the_queue)
{
	struct queue_item *i = queue_item_part(part_of(0));
	struct queue q = { .max_items = 2, .max_part_bytes = 3 * i->bytes, .join = true };
	unsigned window = 0;

	for (; queue_has_room(&q, i); i = queue_item_part(part_of(++window)))
		queue_append(&q, i);
	ck_assert_uint_eq(window, 2); /* other windows: not to be joined */
	queue_item_free(i);
	q.max_items = 100;
	for (i = queue_item_part(part_of(3)); queue_has_room(&q, i);
	     i = queue_item_part(part_of(3)))
		queue_append(&q, i);
	ck_assert_uint_eq(q.reports, 3);
	queue_item_free(i);
	while (q.head)
		queue_item_free(queue_pop(&q));
	ck_assert_uint_eq(q.reports + q.part_bytes + q.items[0] + q.items[1], 0);

	i = queue_item_part(part_of(0));
	q.max_part_bytes = 1; /* one alone has room however large it is */
	ck_assert(queue_has_room(&q, i));
	queue_append(&q, i);
	queue_item_free(queue_pop(&q));
}
END_TEST

START_TEST(a_replay_waits_for_room)
{
	struct report_writer *w =
		start((struct report_writer_config){ .max_queue = 1, .wait_for_room = true });

	for (unsigned i = 0; i < 12; i++) {
		ck_assert_int_eq(report_writer_interim(w, part_of(i)), 0);
		ck_assert_int_eq(report_writer_cell(w, cell_of(i, 10)), 0);
	}
	ck_assert_uint_eq(report_writer_stop(w, 100000), 0);
	ck_assert_uint_eq(n_written, 24);
}
END_TEST

START_TEST(a_replay_does_not_wait_for_a_broken_disk)
{
	struct report_writer *w;
	int refused = 0;

	if (!mounted("mode=0700"))
		return;
	w = start((struct report_writer_config){ .max_queue = 1, .wait_for_room = true });
	log_set_level((enum log_level) - 1);
	remount("", MS_RDONLY);
	for (unsigned i = 0; i < 12; i++)
		refused += report_writer_cell(w, cell_of(i, 1)) == -ENOBUFS;
	ck_assert_int_ge(refused, 10);
	ck_assert_uint_eq(report_writer_stop(w, 100), 12);
}
END_TEST

/* ---- kill -9 ---- */

struct killed {
	struct report_writer *w;
};

static void queue_cell(void *ctx, struct cell *cell)
{
	report_writer_cell(((struct killed *)ctx)->w, cell);
}

static int queue_part(void *ctx, struct cell_events *part)
{
	return report_writer_interim(((struct killed *)ctx)->w, part);
}

/* Cells of a minute, with parts, as fast as they can be written; never ends. */
static void run_until_killed(unsigned round)
{
	struct killed k;
	struct feed f = { .sinks = { &k, queue_cell, queue_part },
			  .cfg = { .interval_min = 1,
				   .keep_events = true,
				   .max_events = 50,
				   .max_events_bytes = 1 << 20,
				   .max_executables = 64,
				   .max_command_lines = 256,
				   .max_connections = 64 } };
	const struct report_writer_config cfg = {
		.dir = dir, .max_queue = 8, .retry_ms = 10, .wait_for_room = true
	};
	char args[64];

	if (report_writer_start(&k.w, &cfg, err, sizeof(err)))
		_exit(1);
	feed_open(&f, FEED_WINDOW + round * 86400ull + 30);
	for (unsigned i = 0;; i++) {
		int n = snprintf(args, sizeof(args), "cmd%c%u", 0, i % 300);

		feed_exec_args(&f, i % 5, "/usr/bin/cmd", args, (size_t)n + 1);
		f.now_ns += 500000000;
	}
}

/*
 * Every report of the directory parses and has all its members; how many, and how many temporary
 * files.
 */
static void check_level(const char *level, unsigned *whole, unsigned *temporary)
{
	char path[400];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", dir, level);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d))) {
		json_object *root;

		snprintf(path, sizeof(path), "%s/%s/%s", dir, level, e->d_name);
		if (!strncmp(e->d_name, ".tmp-", 5))
			++*temporary;
		if (e->d_name[0] == '.')
			continue;
		if (strstr(e->d_name, ".analysis")) {
			ck_assert_int_eq(unlink(path), 0);
			continue;
		}
		root = json_object_from_file(path);
		ck_assert_msg(root != NULL, "%s does not parse", path);
		ck_assert(!strncmp(str(root, "/report_id"), e->d_name,
				   strlen(str(root, "/report_id"))));
		length(root, "/events"); /* the last member */
		json_object_put(root);
		ck_assert_int_eq(unlink(path), 0);
		++*whole;
	}
	closedir(d);
}

static void check_all(unsigned *whole, unsigned *temporary)
{
	check_level("cells", whole, temporary);
	check_level("interim", whole, temporary);
}

static pid_t start_run(unsigned round)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		log_set_level((enum log_level) - 1);
		run_until_killed(round);
	}
	return pid;
}

static void end_run(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status), "the run failed with %d", WEXITSTATUS(status));
}

/* How long a run takes to write its first reports, here and now (under valgrind: long). */
static unsigned us_to_reports(unsigned *whole, unsigned *temporary)
{
	unsigned us = 5000;

	do {
		pid_t pid = start_run(999);

		us *= 2;
		usleep(us);
		end_run(pid);
		check_all(whole, temporary);
	} while (!*whole && us < 10000000);
	return us;
}

START_TEST(killed_200_times)
{
	unsigned whole = 0, temporary = 0, most_us = 2 * us_to_reports(&whole, &temporary);

	srand(2);
	for (unsigned round = 0; round < 200; round++) {
		pid_t pid = start_run(round);

		usleep((unsigned)rand() % most_us);
		end_run(pid);
		check_all(&whole, &temporary);
	}
	printf("killed 200 times within %u ms: %u reports, all parse; %u temporary files were "
	       "left\n",
	       most_us / 1000, whole, temporary);
	ck_assert_uint_gt(whole, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		written_in_order,
		a_taken_name_gets_a_number,
		names_run_out,
		a_bad_directory_is_refused_at_once,
		a_full_disk,
		a_disk_that_stays_full,
		a_full_queue,
		raw_events_give_way,
		parts_that_wait_are_joined,
		a_replay_joins_nothing,
		bytes_fill_the_queue,
		a_replay_waits_for_room,
		a_replay_does_not_wait_for_a_broken_disk,
		killed_200_times,
	};

	suite_own_mounts();
	return suite_run("writer", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 200);
}
