/* SPDX-License-Identifier: MIT */
/*
 * The store: a report is in the directory whole or not at all, and nobody else decides where it
 * goes. The tests that need a small disk or another owner are left out, aloud, without root.
 */
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report/report.h"
#include "suite.h"
#include "util/log.h"

static char base[32];
static char dir[64];
static char cells[96];
static char err[512];

/* In place of libc's: a filesystem without RENAME_NOREPLACE, and a disk that fails. */
static bool no_renameat2;
static int fsyncs_until_eio = -1;

long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long arg[6];
	va_list args;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_renameat2 && no_renameat2) {
		errno = EINVAL;
		return -1;
	}
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

int fsync(int fd)
{
	if (fsyncs_until_eio >= 0 && fsyncs_until_eio-- == 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

static void setup(void)
{
	strcpy(base, "/tmp/edr-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/reports", base);
	snprintf(cells, sizeof(cells), "%s/cells", dir);
	log_set_level(LOG_LEVEL_ERROR);
	umask(0); /* the store must not lean on it */
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

static struct report_store *open_store(void)
{
	struct report_store *s;

	ck_assert_msg(report_store_open(&s, dir, err, sizeof(err)) == 0, "%s", err);
	return s;
}

static int put(struct report_store *s, const char *id, const char *text)
{
	return report_store_write(s, "cells", id, text, strlen(text));
}

static const char *in_cells(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", cells, name);
	return path;
}

static void assert_content(const char *path, const char *want)
{
	char text[256];
	FILE *f = fopen(path, "re");
	size_t n;

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	ck_assert_str_eq(text, want);
}

static void plant(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* How many names in cells/ but . and .. */
static unsigned names(void)
{
	DIR *d = opendir(cells);
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

START_TEST(writes_once_and_never_over)
{
	struct report_store *s = open_store();
	struct stat st;

	ck_assert_int_eq(put(s, "cell-1", "one\n"), 0);
	assert_content(in_cells("cell-1.json"), "one\n");
	ck_assert_int_eq(put(s, "cell-1", "one\n"), 0);
	ck_assert_int_eq(put(s, "cell-1", "two\n"), -EEXIST);
	ck_assert_int_eq(put(s, "cell-1", "longer\n"), -EEXIST);
	ck_assert_int_eq(put(s, "cell-1", ""), -EEXIST);
	assert_content(in_cells("cell-1.json"), "one\n");
	ck_assert_int_eq(put(s, "cell-1-2", "two\n"), 0);
	ck_assert_int_eq(put(s, "empty", ""), 0);
	ck_assert_int_eq(put(s, "empty", ""), 0);
	ck_assert_uint_eq(names(), 3);
	ck_assert_int_eq(stat(in_cells("cell-1.json"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(cells, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	report_store_close(s);
	report_store_close(NULL);
}
END_TEST

START_TEST(other_levels_and_deeper_paths)
{
	struct report_store *s;
	char path[128];

	strcat(dir, "/a/b/"); /* made with its parents; the slash at the end does no harm */
	s = open_store();
	ck_assert_int_eq(report_store_write(s, "blocks", "b-1", "x", 1), 0);
	snprintf(path, sizeof(path), "%s/blocks/b-1.json", dir);
	assert_content(path, "x");
	report_store_close(s);
	*strstr(dir, "/a/b/") = '\0';
}
END_TEST

START_TEST(relative_path)
{
	struct report_store *s;

	ck_assert_int_eq(chdir(base), 0);
	ck_assert_int_eq(report_store_open(&s, "reports", err, sizeof(err)), 0);
	ck_assert_int_eq(put(s, "cell-1", "x"), 0);
	report_store_close(s);
	assert_content(in_cells("cell-1.json"), "x");
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(names_that_are_no_names_are_refused)
{
	static const char *const bad[] = { "",	      ".",   "..",  "../x", "a/b",
					   ".hidden", "a:b", "a+b", "a b",  "a\nb" };
	struct report_store *s = open_store();
	char longest[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(put(s, bad[i], "x"), -EINVAL);
		ck_assert_int_eq(report_store_write(s, bad[i], "x", "x", 1), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[201] = '\0';
	ck_assert_int_eq(put(s, longest, "x"), -EINVAL);
	longest[200] = '\0';
	ck_assert_int_eq(put(s, longest, "x"), 0);
	ck_assert_uint_eq(names(), 1);
	report_store_close(s);
}
END_TEST

static void assert_refused(int error, const char *says)
{
	struct report_store *s;

	ck_assert_int_eq(report_store_open(&s, dir, err, sizeof(err)), error);
	ck_assert_ptr_null(s);
	ck_assert_msg(strstr(err, says), "'%s' lacks '%s'", err, says);
	ck_assert_msg(!strchr(err, '\n'), "'%s' is more than a line", err);
}

START_TEST(what_is_no_directory_of_ours_is_refused)
{
	char target[64];

	snprintf(target, sizeof(target), "%s/target", base);
	ck_assert_int_eq(mkdir(target, 0700), 0);

	ck_assert_int_eq(symlink(target, dir), 0);
	assert_refused(-ENOTDIR, "symbolic link");
	strcat(dir, "/");
	assert_refused(-ENOTDIR, "symbolic link");
	dir[strlen(dir) - 1] = '\0';
	ck_assert_int_eq(unlink(dir), 0);

	plant(dir, "");
	assert_refused(-ENOTDIR, "cannot open");
	ck_assert_int_eq(unlink(dir), 0);

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(symlink(target, cells), 0);
	assert_refused(-ENOTDIR, "cells is a symbolic link");
	ck_assert_int_eq(unlink(cells), 0);
	ck_assert_int_eq(mkfifo(cells, 0600), 0);
	assert_refused(-ENOTDIR, "cells");
	ck_assert_int_eq(unlink(cells), 0);

	ck_assert_int_eq(chmod(dir, 0777), 0);
	assert_refused(-EPERM, "chmod go-w");
	ck_assert_int_eq(chmod(dir, 0720), 0);
	assert_refused(-EPERM, "chmod go-w");
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(mkdir(cells, 0777), 0);
	assert_refused(-EPERM, "cells");
	ck_assert_int_eq(chmod(cells, 0700), 0);
	report_store_close(open_store());
	ck_assert_int_eq(rmdir(target), 0); /* nothing was made in it */
}
END_TEST

START_TEST(another_owner_is_refused)
{
	if (geteuid()) {
		fprintf(stderr, "left out: needs root\n");
		return;
	}
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(chown(dir, 12345, 12345), 0);
	assert_refused(-EPERM, "belongs to uid 12345");
	ck_assert_int_eq(chown(dir, 0, 0), 0);
	ck_assert_int_eq(mkdir(cells, 0700), 0);
	ck_assert_int_eq(chown(cells, 12345, 12345), 0);
	assert_refused(-EPERM, "cells belongs to uid 12345");
}
END_TEST

START_TEST(no_permission_is_said)
{
	int status;
	pid_t pid;

	if (geteuid()) {
		fprintf(stderr, "left out: needs root\n");
		return;
	}
	pid = fork();
	if (!pid) {
		struct report_store *s;
		int failed;

		failed = setgid(12345) || setuid(12345) ||
			 report_store_open(&s, dir, err, sizeof(err)) != -EACCES ||
			 !strstr(err, "Permission denied");
		_exit(failed);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(links_at_a_reports_name_are_not_followed)
{
	struct report_store *s = open_store();
	char target[64];

	snprintf(target, sizeof(target), "%s/target", base);
	plant(target, "of value");
	ck_assert_int_eq(symlink(target, in_cells("cell-1.json")), 0);
	ck_assert_int_eq(symlink("/nowhere/at/all", in_cells("cell-2.json")), 0);
	ck_assert_int_eq(mkfifo(in_cells("cell-3.json"), 0600), 0);
	ck_assert_int_eq(mkdir(in_cells("cell-4.json"), 0700), 0);
	ck_assert_int_eq(put(s, "cell-1", "of value"), -EEXIST);
	ck_assert_int_eq(put(s, "cell-1", "x"), -EEXIST);
	ck_assert_int_eq(put(s, "cell-2", "x"), -EEXIST);
	ck_assert_int_eq(put(s, "cell-3", "x"), -EEXIST);
	ck_assert_int_eq(put(s, "cell-4", "x"), -EEXIST);
	assert_content(target, "of value");
	ck_assert_uint_eq(names(), 4);
	report_store_close(s);
}
END_TEST

/* At the name that the next temporary file would have: the pid is known, the number begins at 0. */
START_TEST(links_at_a_temporary_name_are_not_followed)
{
	struct report_store *s = open_store();
	char target[64], temp[32];

	snprintf(target, sizeof(target), "%s/target", base);
	plant(target, "of value");
	for (int i = 0; i < 10; i++) {
		snprintf(temp, sizeof(temp), ".tmp-%d-%d", (int)getpid(), i);
		ck_assert_int_eq(symlink(target, in_cells(temp)), 0);
	}
	ck_assert_int_eq(put(s, "cell-1", "x"), 0);
	assert_content(in_cells("cell-1.json"), "x");
	assert_content(target, "of value");
	report_store_close(s);

	s = open_store();
	ck_assert_uint_eq(report_store_swept(s), 10);
	ck_assert_uint_eq(names(), 1);
	assert_content(target, "of value");
	report_store_close(s);
}
END_TEST

START_TEST(leftovers_are_swept_and_others_are_not)
{
	struct report_store *s = open_store();
	int fd;

	plant(in_cells(".tmp-1-0"), "half");
	plant(in_cells(".tmp-99999999-17"), "");
	plant(in_cells(".tmp-x"), "not ours");
	plant(in_cells("tmp-1-0"), "not ours");
	ck_assert_int_eq(mkdir(in_cells(".tmp-2-0"), 0700), 0);
	/* Being written by a run that is alive: that one holds the lock. */
	plant(in_cells(".tmp-3-0"), "");
	fd = open(in_cells(".tmp-3-0"), O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	report_store_close(s);

	s = open_store();
	ck_assert_uint_eq(report_store_swept(s), 2);
	ck_assert_uint_eq(names(), 4);
	report_store_close(s);
	close(fd);
	s = open_store();
	ck_assert_uint_eq(report_store_swept(s), 1);
	report_store_close(s);
}
END_TEST

START_TEST(a_full_disk_leaves_nothing_half_written)
{
	static char big[100000];
	struct report_store *s;
	char id[32];
	unsigned written = 0;
	int failure = 0;

	if (!mounted("size=1024k,mode=0700"))
		return;
	memset(big, 'x', sizeof(big));
	s = open_store();
	while (!failure) {
		snprintf(id, sizeof(id), "cell-%u", written);
		failure = report_store_write(s, "cells", id, big, sizeof(big));
		if (!failure)
			written++;
	}
	ck_assert_int_eq(failure, -ENOSPC);
	ck_assert_uint_eq(names(), written);
	ck_assert_uint_ge(written, 5);
	ck_assert_int_eq(report_store_write(s, "cells", id, big, sizeof(big)), -ENOSPC);
	ck_assert_int_eq(unlink(in_cells("cell-0.json")), 0);
	ck_assert_int_eq(report_store_write(s, "cells", id, big, sizeof(big)), 0);
	ck_assert_uint_eq(names(), written);
	report_store_close(s);
}
END_TEST

START_TEST(no_inodes_left)
{
	struct report_store *s;

	if (!mounted("nr_inodes=10,mode=0700"))
		return;
	s = open_store();
	ck_assert_int_eq(put(s, "a", "x"), 0);
	ck_assert_int_eq(put(s, "b", "x"), 0);
	ck_assert_int_eq(put(s, "c", "x"), -ENOSPC);
	ck_assert_uint_eq(names(), 2);
	report_store_close(s);
}
END_TEST

START_TEST(a_disk_that_becomes_read_only)
{
	struct report_store *s;

	if (!mounted("mode=0700"))
		return;
	s = open_store();
	ck_assert_int_eq(put(s, "a", "x"), 0);
	ck_assert_int_eq(mount("none", dir, "none", MS_REMOUNT | MS_RDONLY, ""), 0);
	ck_assert_int_eq(put(s, "b", "x"), -EROFS);
	assert_refused(-EROFS, "Read-only");
	ck_assert_int_eq(mount("none", dir, "none", MS_REMOUNT, ""), 0);
	ck_assert_int_eq(put(s, "b", "x"), 0);
	report_store_close(s);
}
END_TEST

START_TEST(a_failing_disk_leaves_nothing)
{
	struct report_store *s = open_store();

	fsyncs_until_eio = 0; /* of the file */
	ck_assert_int_eq(put(s, "cell-1", "x"), -EIO);
	ck_assert_uint_eq(names(), 0);
	fsyncs_until_eio = 1; /* of the directory: the report is there, but not for sure */
	ck_assert_int_eq(put(s, "cell-1", "x"), -EIO);
	ck_assert_uint_eq(names(), 1);
	fsyncs_until_eio = 0; /* so the next try must not be content with finding it */
	ck_assert_int_eq(put(s, "cell-1", "x"), -EIO);
	ck_assert_int_eq(put(s, "cell-1", "x"), 0);
	ck_assert_uint_eq(names(), 1);
	report_store_close(s);
}
END_TEST

START_TEST(without_renameat2)
{
	struct report_store *s = open_store();

	no_renameat2 = true;
	ck_assert_int_eq(put(s, "cell-1", "one"), 0);
	ck_assert_int_eq(put(s, "cell-1", "one"), 0);
	ck_assert_int_eq(put(s, "cell-1", "two"), -EEXIST);
	ck_assert_int_eq(symlink("nowhere", in_cells("cell-2.json")), 0);
	ck_assert_int_eq(put(s, "cell-2", "two"), -EEXIST);
	assert_content(in_cells("cell-1.json"), "one");
	ck_assert_uint_eq(names(), 2);
	report_store_close(s);
	no_renameat2 = false;
}
END_TEST

START_TEST(a_directory_that_vanishes_is_made_again)
{
	struct report_store *s = open_store();
	const char *const others[] = { "interim", "blocks",  "daily",
				       "weekly",  "monthly", "checkpoint" };
	char moved[PATH_MAX];

	ck_assert_int_eq(rmdir(cells), 0);
	ck_assert_int_eq(put(s, "cell-1", "x"), 0);
	assert_content(in_cells("cell-1.json"), "x");

	ck_assert_int_eq(unlink(in_cells("cell-1.json")), 0);
	ck_assert_int_eq(rmdir(cells), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(moved, sizeof(moved), "%s/%s", dir, others[i]);
		ck_assert_int_eq(rmdir(moved), 0);
	}
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(put(s, "cell-2", "x"), 0);
	assert_content(in_cells("cell-2.json"), "x");

	/* ... but not through what was planted there meanwhile. */
	ck_assert_int_eq(unlink(in_cells("cell-2.json")), 0);
	ck_assert_int_eq(rmdir(cells), 0);
	snprintf(moved, sizeof(moved), "%s/moved", base);
	ck_assert_int_eq(rename(dir, moved), 0);
	ck_assert_int_eq(symlink(moved, dir), 0);
	ck_assert_int_eq(put(s, "cell-3", "x"), -ENOTDIR);
	ck_assert_int_eq(unlink(dir), 0);
	ck_assert_int_eq(put(s, "cell-3", "x"), 0);
	report_store_close(s);
}
END_TEST

struct racer {
	struct report_store *s;
	int won[200];
};

static void *race(void *arg)
{
	struct racer *r = arg;
	char id[32], text[32];

	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "cell-%d", i);
		snprintf(text, sizeof(text), "%p", (void *)r);
		r->won[i] = put(r->s, id, text);
	}
	return NULL;
}

/* Of two that write the same name, exactly one wins, whether they share a store or not. */
static void race_two(struct report_store *a, struct report_store *b)
{
	static struct racer r[2];
	pthread_t thread[2];
	char name[32], text[32];

	r[0].s = a;
	r[1].s = b;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, race, &r[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 200; i++) {
		int winner = r[0].won[i] ? 1 : 0;

		ck_assert_int_eq(r[winner].won[i], 0);
		ck_assert_int_eq(r[!winner].won[i], -EEXIST);
		snprintf(name, sizeof(name), "cell-%d.json", i);
		snprintf(text, sizeof(text), "%p", (void *)&r[winner]);
		assert_content(in_cells(name), text);
	}
	ck_assert_uint_eq(names(), 200);
}

START_TEST(two_threads_one_store)
{
	struct report_store *s = open_store();

	race_two(s, s);
	report_store_close(s);
}
END_TEST

START_TEST(two_threads_two_stores)
{
	struct report_store *a = open_store(), *b = open_store();

	race_two(a, b);
	report_store_close(a);
	report_store_close(b);
}
END_TEST

START_TEST(two_threads_without_renameat2)
{
	struct report_store *s = open_store();

	no_renameat2 = true;
	race_two(s, s);
	no_renameat2 = false;
	report_store_close(s);
}
END_TEST

/* A content that says itself how long it is. */
static size_t make_content(char *out, unsigned serial, size_t len)
{
	int n = sprintf(out, "%u %zu ", serial, len);

	memset(out + n, 'x', len);
	out[(size_t)n + len] = '\n';
	return (size_t)n + len + 1;
}

static void write_until_killed(unsigned round)
{
	static char text[300032];
	struct report_store *s;
	char id[32];

	if (report_store_open(&s, dir, err, sizeof(err)))
		_exit(1);
	for (unsigned i = 0;; i++) {
		size_t len = make_content(text, i, (size_t)rand() % 300000);

		snprintf(id, sizeof(id), "cell-%u-%u", round, i);
		if (report_store_write(s, "cells", id, text, len))
			_exit(2);
	}
}

static bool whole(const char *path)
{
	static char text[300032], want[300032];
	FILE *f = fopen(path, "re");
	unsigned serial;
	size_t n, len;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return sscanf(text, "%u %zu", &serial, &len) == 2 && len < 300000 &&
	       make_content(want, serial, len) == n && !memcmp(text, want, n);
}

/* Checks all that is there, counts it and takes it away. */
static unsigned check_and_empty(unsigned *half)
{
	DIR *d = opendir(cells);
	struct dirent *e;
	unsigned n = 0;

	if (!d)
		return 0; /* killed before it had made anything */
	while ((e = readdir(d))) {
		const char *path = in_cells(e->d_name);

		if (!strncmp(e->d_name, ".tmp-", 5)) {
			++*half;
		} else if (e->d_name[0] != '.') {
			ck_assert_msg(whole(path), "%s is half-written", path);
			ck_assert_int_eq(unlink(path), 0);
			n++;
		}
	}
	closedir(d);
	return n;
}

START_TEST(killed_200_times)
{
	unsigned reports = 0, half = 0;
	size_t swept = 0;

	srand(1);
	for (unsigned round = 0; round < 200; round++) {
		struct report_store *s;
		unsigned left = 0;
		pid_t pid;
		int status;

		pid = fork();
		if (!pid)
			write_until_killed(round);
		usleep((unsigned)rand() % 6000);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFSIGNALED(status), "the writer failed with %d",
			      WEXITSTATUS(status));
		reports += check_and_empty(&left);
		ck_assert_uint_le(left, 1);
		half += left;
		s = open_store();
		swept += report_store_swept(s);
		report_store_close(s);
		ck_assert_uint_eq(names(), 0);
	}
	ck_assert_uint_eq(swept, half);
	printf("killed 200 times: %u reports, all whole; %zu temporary files swept\n", reports,
	       swept);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		writes_once_and_never_over,
		other_levels_and_deeper_paths,
		relative_path,
		names_that_are_no_names_are_refused,
		what_is_no_directory_of_ours_is_refused,
		another_owner_is_refused,
		no_permission_is_said,
		links_at_a_reports_name_are_not_followed,
		links_at_a_temporary_name_are_not_followed,
		leftovers_are_swept_and_others_are_not,
		a_full_disk_leaves_nothing_half_written,
		no_inodes_left,
		a_disk_that_becomes_read_only,
		a_failing_disk_leaves_nothing,
		without_renameat2,
		a_directory_that_vanishes_is_made_again,
		two_threads_one_store,
		two_threads_two_stores,
		two_threads_without_renameat2,
		killed_200_times,
	};

	suite_own_mounts();
	return suite_run("store", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 200);
}
