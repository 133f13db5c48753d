/* SPDX-License-Identifier: MIT */
/*
 * A disk that is full to the last byte: what is due to go goes all the same, noted before, and reports
 * are written on; what is not due stays. On small filesystems of our own; without root all of these
 * are left out, aloud.
 */
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "made.h"
#include "report/files.h"
#include "report/heads.h"
#include "report/reserve.h"
#include "report/retain.h"
#include "report/shelf.h"
#include "report/verify.h"
#include "suite.h"
#include "util/log.h"

#define S 1000000000ll
#define BEGIN (20000 * 86400 * S)
#define WINDOW (900 * S)
#define N_CELLS 40u /* two blocks and a half */
#define EVENTS 100
#define FOR_EVER 0

static char base[32], dir[64], ballast[64], reserve[80], path[128], err[512];
static unsigned lists; /* of directories */

DIR *fdopendir(int fd)
{
	static DIR *(*real)(int);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fdopendir");
	lists++;
	return real(fd);
}

static void sh(const char *command)
{
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): paths of ours */
}

static void setup(void)
{
	strcpy(base, "/tmp/edr-reserve-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/disk/reports", base);
	snprintf(ballast, sizeof(ballast), "%s/disk/ballast", base);
	snprintf(reserve, sizeof(reserve), "%s/%s", dir, RESERVE_FILE);
	snprintf(path, sizeof(path), "%s/disk", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	log_set_level((enum log_level) - 1);
}

static void teardown(void)
{
	char command[128];

	snprintf(path, sizeof(path), "%s/disk", base);
	umount2(path, MNT_DETACH);
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	sh(command);
}

/* ---- a small disk ---- */

static bool mount_tmpfs(const char *options)
{
	snprintf(path, sizeof(path), "%s/disk", base);
	if (!mount("none", path, "tmpfs", 0, options))
		return true;
	fprintf(stderr, "left out: no right to mount a tmpfs (%s)\n", strerror(errno));
	return false;
}

/* No blocks kept back for root: full is full. */
static bool mount_ext4(const char *size)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "exec 2>/dev/null; truncate -s %s '%s/image' && mkfs.ext4 -q -m 0 '%s/image' && "
		 "mount -o loop '%s/image' '%s/disk'",
		 size, base, base, base, base);
	if (system(command) == 0) /* NOLINT(cert-env33-c): paths of ours */
		return true;
	fprintf(stderr, "left out: no ext4 on a loop device here\n");
	return false;
}

static void fill(void)
{
	static const size_t sizes[] = { 1 << 16, 4096, 512, 1 };
	static char zeros[1 << 16];
	int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		while (write(fd, zeros, sizes[i]) > 0)
			;
	ck_assert_int_eq(errno, ENOSPC);
	fsync(fd);
	close(fd);
}

/* Of the ballast's end. */
static void free_bytes(off_t bytes)
{
	struct stat st;

	ck_assert_int_eq(stat(ballast, &st), 0);
	ck_assert_int_eq(truncate(ballast, st.st_size - bytes), 0);
	sync();
}

/* ---- reports ---- */

static struct report_shelf *open_shelf(const struct retain_config *retain)
{
	const struct report_writer_config cfg = { .dir = dir, .retain = retain };
	struct report_shelf *s;

	ck_assert_msg(report_shelf_open(&s, &cfg, err, sizeof(err)) == 0, "%s", err);
	return s;
}

static int put(struct report_shelf *s, struct queue_item *i)
{
	char name[128];
	int status;

	ck_assert_ptr_nonnull(i);
	status = report_shelf_put(s, i, name, sizeof(name));
	queue_item_free(i);
	report_shelf_forget(s);
	return status;
}

static unsigned first_events = EVENTS; /* of the first cell */

static int put_cell(struct report_shelf *s, unsigned i)
{
	const unsigned events = i ? EVENTS : first_events;
	struct made_rng rng = { i + 1 };

	return put(s, queue_item_cell(
			      made_cell(&rng, BEGIN + i * WINDOW, 15, events, events / 5, NULL),
			      QUEUE_CELL));
}

static unsigned long long bytes_of_all(size_t *n, size_t *packed)
{
	unsigned long long bytes = 0;
	struct report_store *store;
	struct report_files f;

	*n = *packed = 0;
	ck_assert_int_eq(report_store_open_read(&store, dir, err, sizeof(err)), 0);
	for (enum report_level level = 0; level < N_LEVELS; level++) {
		ck_assert_int_eq(report_files_list(store, report_levels[level].dir, &f), 0);
		for (size_t i = 0; i < f.n; i++) {
			bytes += f.file[i].bytes;
			*n += level == LEVEL_CELL;
			*packed += f.file[i].packed;
		}
		report_files_free(&f);
	}
	report_store_close(store);
	return bytes;
}

static size_t cells(void)
{
	size_t n, packed;

	bytes_of_all(&n, &packed);
	return n;
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
	(void)ctx;
	fprintf(stderr, "%s %s: %s\n", f->kind, f->id, f->text);
}

static void good(void)
{
	const struct verify_config cfg = { .on_finding = on_finding };
	struct verify_totals totals;
	struct report_store *s;
	struct stat st;

	ck_assert_int_eq(report_store_open_read(&s, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(report_verify(s, &cfg, &totals), 0);
	report_store_close(s);
	/* Something else of its name is strange. */
	ck_assert_uint_eq(totals.problems, !lstat(reserve, &st) && !S_ISREG(st.st_mode));
}

/* A few blocks are closed; the last cells' is not. Leaves a reserve. */
static unsigned long long make_tree(void)
{
	const struct retain_config keep_all = { .max_bytes = FOR_EVER };
	struct report_shelf *s = open_shelf(&keep_all);
	size_t n, packed;

	for (unsigned i = 0; i < N_CELLS; i++)
		ck_assert_int_eq(put_cell(s, i), 0);
	report_shelf_settle(s);
	report_shelf_close(s);
	return bytes_of_all(&n, &packed);
}

static bool has_reserve(void)
{
	struct stat st;

	return !lstat(reserve, &st) && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600 &&
	       (size_t)st.st_size == RESERVE_BYTES && (size_t)st.st_blocks * 512 >= RESERVE_BYTES;
}

/* ---- what is due goes ---- */

static void goes_on(const struct retain_config *retain)
{
	struct report_shelf *s;
	size_t before = cells();

	ck_assert(has_reserve());
	s = open_shelf(retain);
	fill();
	ck_assert_int_eq(put_cell(s, N_CELLS), 0);
	ck_assert_uint_lt(cells(), before);
	good();
	for (unsigned i = 1; i < 4; i++)
		ck_assert_int_eq(put_cell(s, N_CELLS + i), 0);
	/* The reserve comes back when there is room for more than that. */
	ck_assert_int_eq(truncate(ballast, 0), 0);
	sync();
	report_shelf_settle(s);
	ck_assert(has_reserve());
	report_shelf_close(s);
	good();
}

static void a_quarter_goes(void)
{
	const struct retain_config retain = { .max_bytes = make_tree() * 3 / 4 };

	goes_on(&retain);
}

START_TEST(too_much_goes)
{
	if (mount_tmpfs("size=8m,mode=0700"))
		a_quarter_goes();
}
END_TEST

START_TEST(too_much_goes_on_ext4)
{
	if (mount_ext4("16M"))
		a_quarter_goes();
}
END_TEST

/* The days first: then all fits, and no more goes. */
START_TEST(too_old_goes)
{
	const struct retain_config retain = { .keep_days = { [LEVEL_CELL] = 1 },
					      .max_bytes = 1 << 30 };
	struct report_shelf *s;

	if (!mount_tmpfs("size=8m,mode=0700"))
		return;
	make_tree();
	s = open_shelf(&retain);
	fill();
	/* 26 hours later: the first two hours are older than a day. */
	ck_assert_int_eq(put_cell(s, 26 * 4), 0);
	ck_assert_uint_eq(cells(), N_CELLS + 1 - 9);
	report_shelf_close(s);
	ck_assert_int_eq(unlink(ballast), 0);
	good();
}
END_TEST

/* Nothing may go, but what is older than a day takes less room. */
START_TEST(old_cells_are_packed)
{
	const struct retain_config retain = { .max_bytes = FOR_EVER };
	struct report_shelf *s;
	size_t n, packed;

	if (!mount_tmpfs("size=8m,mode=0700"))
		return;
	make_tree();
	s = open_shelf(&retain);
	fill();
	ck_assert_int_eq(put_cell(s, 26 * 4), 0);
	report_shelf_close(s);
	bytes_of_all(&n, &packed);
	ck_assert_uint_eq(n, N_CELLS + 1);
	ck_assert_uint_ge(packed, 8);
	ck_assert_int_eq(unlink(ballast), 0);
	good();
}
END_TEST

/* ---- what is not due stays ---- */

/* How often the text stands in what this shelf says meanwhile. */
static unsigned said(struct report_shelf *s, unsigned cell, int want, const char *text)
{
	char log[64], line[1024];
	int kept = dup(STDERR_FILENO), fd;
	unsigned n = 0;
	FILE *f;

	snprintf(log, sizeof(log), "%s/log", base);
	fd = open(log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	log_set_level(LOG_LEVEL_WARN);
	dup2(fd, STDERR_FILENO);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(put_cell(s, cell), want);
	dup2(kept, STDERR_FILENO);
	log_set_level((enum log_level) - 1);
	close(kept);
	close(fd);
	f = fopen(log, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

START_TEST(what_is_to_be_kept_stays)
{
	const struct retain_config retain = { .keep_days = { [LEVEL_CELL] = 30 },
					      .max_bytes = 1 << 30 };
	struct report_shelf *s;

	if (!mount_tmpfs("size=8m,mode=0700"))
		return;
	make_tree();
	s = open_shelf(&retain);
	fill();
	lists = 0;
	ck_assert_uint_eq(said(s, N_CELLS, -ENOSPC, "free some room there, or lower these"), 1);
	ck_assert_uint_le(lists, 2 * N_LEVELS); /* once, and not at each try */
	ck_assert_uint_eq(cells(), N_CELLS);
	ck_assert(has_reserve()); /* for the day when something is due */
	ck_assert_int_eq(unlink(ballast), 0);
	ck_assert_int_eq(put_cell(s, N_CELLS), 0);
	report_shelf_close(s);
	good();
}
END_TEST

/* ---- without one ---- */

/* As it was before: it waits for room, and a little is enough. */
static void waits(struct retain_config retain, unsigned cell)
{
	struct report_shelf *s = open_shelf(&retain);
	size_t before = cells();

	fill();
	ck_assert_uint_eq(said(s, cell, -ENOSPC, "free a megabyte there"), 1);
	ck_assert_uint_eq(cells(), before);
	report_shelf_close(s);
	good();
	free_bytes(32 << 10);
	s = open_shelf(&retain);
	ck_assert_int_eq(put_cell(s, cell), 0);
	ck_assert_uint_lt(cells(), before);
	report_shelf_close(s);
	good();
}

START_TEST(something_else_has_the_name)
{
	struct retain_config retain = { .max_bytes = FOR_EVER };
	char other[80];
	struct stat st;

	if (!mount_tmpfs("size=8m,mode=0700"))
		return;
	retain.max_bytes = make_tree() * 3 / 4;
	snprintf(other, sizeof(other), "%s/of-value", base);
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	ck_assert_int_eq(unlink(reserve), 0);
	ck_assert_int_eq(symlink(other, reserve), 0);
	waits(retain, N_CELLS);
	ck_assert_int_eq(lstat(reserve, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(lstat(other, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	/* Nor a directory; nor a file that another name keeps alive. */
	ck_assert_int_eq(unlink(reserve), 0);
	ck_assert_int_eq(mkdir(reserve, 0700), 0);
	report_shelf_close(open_shelf(&retain));
	ck_assert_int_eq(rmdir(reserve), 0);
	ck_assert_int_eq(truncate(ballast, 0), 0);
	report_shelf_close(open_shelf(&retain));
	ck_assert(has_reserve());
	snprintf(other, sizeof(other), "%s/disk/second-name", base);
	ck_assert_int_eq(link(reserve, other), 0);
	fill();
	retain.max_bytes /= 2;
	waits(retain, N_CELLS + 1);
	ck_assert_int_eq(lstat(reserve, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
}
END_TEST

/* There is room to note what goes, but not for the packed form of the oldest cell. */
START_TEST(no_room_to_pack)
{
	struct retain_config retain = { .max_bytes = FOR_EVER };
	struct report_shelf *s;
	size_t n, packed;

	if (!mount_tmpfs("size=16m,mode=0700"))
		return;
	first_events = 5000;
	retain.max_bytes = make_tree() / 2;
	ck_assert_int_eq(unlink(reserve), 0);
	ck_assert_int_eq(mkdir(reserve, 0700), 0);
	s = open_shelf(&retain);
	fill();
	free_bytes(32 << 10);
	ck_assert_int_eq(put_cell(s, 26 * 4), 0);
	report_shelf_close(s);
	bytes_of_all(&n, &packed);
	ck_assert_uint_lt(n, N_CELLS + 1);
	ck_assert_int_eq(unlink(ballast), 0);
	good();
}
END_TEST

START_TEST(what_cannot_be_noted_is_not_gone)
{
	struct removed gone = { .level = LEVEL_CELL,
				.first = 1,
				.last = 1,
				.first_id = "cell-20241004T0000Z",
				.last_id = "cell-20241004T0000Z" };
	struct report_store *store;
	struct heads *heads;

	if (!mount_tmpfs("size=8m,mode=0700"))
		return;
	make_tree();
	fill();
	ck_assert_int_eq(report_store_open(&store, dir, err, sizeof(err)), 0);
	ck_assert_int_eq(heads_open(&heads, store, NULL, err, sizeof(err)), 0);
	ck_assert_int_eq(heads_remove(heads, &gone, 1), -ENOSPC);
	ck_assert_uint_eq(heads_now(heads)->n_removed, 0);
	ck_assert(report_reserve_give(store, -ENOSPC));
	ck_assert_int_eq(heads_remove(heads, &gone, 1), 0);
	ck_assert_uint_eq(heads_now(heads)->n_removed, 1);
	ck_assert(!report_reserve_give(store, -ENOSPC)); /* it is gone by now */
	ck_assert(!report_reserve_give(store, -EIO));
	heads_close(heads);
	report_store_close(store);
}
END_TEST

START_TEST(a_disk_too_small_for_one)
{
	const struct retain_config retain = { .max_bytes = FOR_EVER };
	struct report_shelf *s;
	unsigned i = 0;

	if (!mount_tmpfs("size=1536k,mode=0700"))
		return;
	s = open_shelf(&retain);
	while (put_cell(s, i) == 0)
		i++;
	ck_assert_uint_gt(i, 5);
	ck_assert_int_ne(access(reserve, F_OK), 0);
	report_shelf_close(s);
	good();
}
END_TEST

/* ---- the file ---- */

START_TEST(it_is_there_and_whole)
{
	const struct retain_config retain = { .max_bytes = FOR_EVER };

	umask(0777);
	report_shelf_close(open_shelf(NULL)); /* a replay: nothing goes */
	ck_assert_int_ne(access(reserve, F_OK), 0);
	for (int i = 0; i < 2; i++) {
		report_shelf_close(open_shelf(&retain));
		ck_assert(has_reserve());
	}
	ck_assert_int_eq(truncate(reserve, 5), 0); /* as a kill leaves it */
	report_shelf_close(open_shelf(&retain));
	ck_assert(has_reserve());
	ck_assert_int_eq(truncate(reserve, 0), 0); /* as a copy leaves it */
	ck_assert_int_eq(truncate(reserve, RESERVE_BYTES), 0);
	report_shelf_close(open_shelf(&retain));
	ck_assert(has_reserve());
	ck_assert_int_eq(chmod(reserve, 0644), 0);
	report_shelf_close(open_shelf(&retain));
	ck_assert(has_reserve());
	good();
}
END_TEST

/* A removed.jsonl that takes more than half of it has to fit beside the old one. */
START_TEST(it_grows_with_what_is_noted)
{
	const struct retain_config retain = { .max_bytes = FOR_EVER };
	struct stat st;
	int fd;

	report_shelf_close(open_shelf(&retain));
	snprintf(path, sizeof(path), "%s/removed.jsonl", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, RESERVE_BYTES * 3 / 4), 0);
	close(fd);
	report_shelf_close(open_shelf(&retain));
	ck_assert_int_eq(stat(reserve, &st), 0);
	ck_assert_int_eq(st.st_size, 2 * RESERVE_BYTES);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		too_much_goes,
		too_much_goes_on_ext4,
		too_old_goes,
		old_cells_are_packed,
		what_is_to_be_kept_stays,
		something_else_has_the_name,
		no_room_to_pack,
		what_cannot_be_noted_is_not_gone,
		a_disk_too_small_for_one,
		it_is_there_and_whole,
		it_grows_with_what_is_noted,
	};

	suite_own_mounts();
	return suite_run("reserve", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 200);
}
