/* SPDX-License-Identifier: MIT */
/*
 * The sink: lines arrive whole and in order, whatever the file does. The tests with a full or
 * read-only disk mount a small tmpfs and are left out without root.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink/sink.h"
#include "suite.h"
#include "util/log.h"
#include "util/mono.h"

static char dir[] = "/tmp/edr-sink-XXXXXX";
static char path[64];
static char err[512];

static void setup(void)
{
	strcpy(dir, "/tmp/edr-sink-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/out.jsonl", dir);
	log_set_level(LOG_LEVEL_ERROR);
}

static void teardown(void)
{
	char command[128];

	umount2(dir, MNT_DETACH);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a path of ours */
}

/* A disk of so many KiB at dir; false without the right to mount one. */
static bool small_disk(unsigned kib)
{
	char options[32];

	snprintf(options, sizeof(options), "size=%uk", kib);
	if (!mount("none", dir, "tmpfs", 0, options))
		return true;
	fprintf(stderr, "left out: no right to mount a tmpfs (%s)\n", strerror(errno));
	return false;
}

static char *content(const char *file, size_t *len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	text = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(read(fd, text, (size_t)st.st_size), st.st_size);
	text[st.st_size] = '\0';
	*len = (size_t)st.st_size;
	close(fd);
	return text;
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Line i: its number, then i % 97 letters. */
static size_t make_line(char *out, unsigned i)
{
	int n = sprintf(out, "%u ", i);

	memset(out + n, 'a' + (int)(i % 26), i % 97);
	out[n + (int)(i % 97)] = '\n';
	return (size_t)n + i % 97 + 1;
}

/* Every line of the file is whole, they come in rising order; how many there are. */
static unsigned whole_lines(const char *file)
{
	size_t len;
	char *text = content(file, &len), *at = text, line[256];
	unsigned count = 0;
	long last = -1;

	while (at < text + len) {
		unsigned i = (unsigned)strtoul(at, NULL, 10);
		size_t n = make_line(line, i);

		ck_assert_msg(n <= (size_t)(text + len - at) && !memcmp(at, line, n),
			      "%s is broken at byte %zu of %zu", file, (size_t)(at - text), len);
		ck_assert_int_gt(i, last);
		last = i;
		at += n;
		count++;
	}
	free(text);
	return count;
}

static struct sink *open_sink(struct sink_config cfg)
{
	struct sink *s;

	if (!cfg.name)
		cfg.name = "output";
	if (!cfg.max_queue_bytes)
		cfg.max_queue_bytes = 1 << 20;
	ck_assert_msg(sink_open(&s, &cfg, err, sizeof(err)) == 0, "%s", err);
	return s;
}

static int put_line(struct sink *s, unsigned i)
{
	char line[256];
	size_t n = make_line(line, i);

	return sink_write(s, line, n);
}

START_TEST(lines_arrive_whole_and_in_order)
{
	struct sink *s = open_sink(
		(struct sink_config){ .path = path, .append = true, .wait_for_room = true });
	struct sink_stats stats;
	struct stat st;

	for (unsigned i = 0; i < 200000; i++)
		ck_assert_int_eq(put_line(s, i), 0);
	sink_flush(s);
	sink_stats(s, &stats);
	ck_assert_uint_eq(stats.lost, 0);
	ck_assert_int_eq(sink_close(s, "200000 \n", 0, 10000), 0);
	ck_assert_uint_eq(whole_lines(path), 200000);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(append_keeps_what_is_there_and_mends_a_half_line)
{
	struct sink *s;
	size_t len;
	char *text;

	put(path, "{\"whole\":1}\n{\"hal");
	s = open_sink((struct sink_config){ .path = path, .append = true });
	ck_assert_int_eq(sink_write(s, "{\"next\":1}\n", 11), 0);
	ck_assert_int_eq(sink_close(s, NULL, 0, 1000), 0);
	text = content(path, &len);
	ck_assert_str_eq(text, "{\"whole\":1}\n{\"hal\n{\"next\":1}\n");
	free(text);

	s = open_sink((struct sink_config){ .path = path, .append = true });
	ck_assert_int_eq(sink_close(s, NULL, 0, 1000), 0);
	text = content(path, &len);
	ck_assert_uint_eq(len, 29);
	free(text);
}
END_TEST

START_TEST(a_capture_replaces_only_when_told)
{
	struct sink_config cfg = { .path = path, .name = "record", .max_queue_bytes = 4096 };
	struct sink *s;
	size_t len;
	char *text;

	put(path, "what was there before");
	ck_assert_int_eq(sink_open(&s, &cfg, err, sizeof(err)), -EEXIST);
	ck_assert_ptr_null(s);
	ck_assert_ptr_nonnull(strstr(err, "exists already"));

	cfg.force = true;
	s = open_sink(cfg);
	ck_assert_int_eq(sink_write(s, "head", 4), 0);
	ck_assert_int_eq(sink_close(s, "tail", 4, 1000), 0);
	text = content(path, &len);
	ck_assert_str_eq(text, "headtail");
	free(text);
}
END_TEST

START_TEST(what_is_no_file_is_refused_with_a_sentence)
{
	static const struct {
		int error;
		const char *says;
	} want[] = { { -ELOOP, "symbolic link" },
		     { -EISDIR, "Is a directory" },
		     { -ENXIO, "nobody reads" },
		     { -ENOENT, "does not exist" } };
	struct sink_config cfg = { .name = "output", .append = true, .max_queue_bytes = 4096 };
	char target[96], name[4][96];
	struct sink *s;

	snprintf(target, sizeof(target), "%s/target", dir);
	put(target, "");
	for (unsigned i = 0; i < 4; i++)
		snprintf(name[i], sizeof(name[i]), "%s/%u", dir, i);
	ck_assert_int_eq(symlink(target, name[0]), 0);
	ck_assert_int_eq(mkdir(name[1], 0700), 0);
	ck_assert_int_eq(mkfifo(name[2], 0600), 0);
	strcat(name[3], "/not/there");
	for (unsigned i = 0; i < 4; i++) {
		cfg.path = name[i];
		ck_assert_int_eq(sink_open(&s, &cfg, err, sizeof(err)), want[i].error);
		ck_assert_msg(strstr(err, want[i].says), "'%s' lacks '%s'", err, want[i].says);
	}
}
END_TEST

START_TEST(the_limit_ends_the_file)
{
	struct sink *s;
	struct sink_stats stats;
	struct stat st;

	put(path, "0 \n");
	s = open_sink((struct sink_config){ .path = path, .append = true, .max_file_bytes = 13 });
	ck_assert_int_eq(sink_write(s, "1 b\n", 4), 0);
	ck_assert_int_eq(sink_write(s, "2 cc\n", 5), 0);
	ck_assert_int_eq(sink_write(s, "3 ddd\n", 6), -EFBIG);
	ck_assert_int_eq(sink_write(s, "\n", 1), -EFBIG);
	sink_stats(s, &stats);
	ck_assert_uint_eq(stats.lost, 2);
	ck_assert_int_eq(sink_close(s, "4 eeee\n", 7, 1000), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 12 + 7);
	ck_assert_uint_eq(whole_lines(path), 4);
}
END_TEST

START_TEST(rotation_starts_a_new_file_and_a_new_limit)
{
	struct sink *s;
	char rotated[96];

	s = open_sink((struct sink_config){ .path = path, .append = true, .max_file_bytes = 7 });
	ck_assert_int_eq(sink_write(s, "1 b\n", 4), 0);
	ck_assert_int_eq(sink_write(s, "2 cc\n", 5), -EFBIG);
	sink_flush(s);
	usleep(20000);
	snprintf(rotated, sizeof(rotated), "%s.1", path);
	ck_assert_int_eq(rename(path, rotated), 0);
	sink_reopen(s);
	for (int i = 0; i < 500 && access(path, F_OK); i++)
		usleep(10000);
	ck_assert_int_eq(sink_write(s, "2 cc\n", 5), 0);
	ck_assert_int_eq(sink_write(s, "3 ddd\n", 6), -EFBIG);
	ck_assert_int_eq(sink_close(s, NULL, 0, 1000), 0);
	ck_assert_uint_eq(whole_lines(rotated), 1);
	ck_assert_uint_eq(whole_lines(path), 1);
}
END_TEST

/*
 * 4,000 lines, the file renamed and reopened every 100: each is in exactly one of the files, whole.
 */
START_TEST(rotation_loses_nothing)
{
	struct sink *s = open_sink(
		(struct sink_config){ .path = path, .append = true, .max_file_bytes = 1 << 20 });
	char rotated[96];
	unsigned lines = 0;

	for (unsigned i = 0; i < 4000; i++) {
		ck_assert_int_eq(put_line(s, i), 0);
		if (i % 100)
			continue;
		sink_flush(s);
		snprintf(rotated, sizeof(rotated), "%s.%u", path, i);
		if (!rename(path, rotated))
			sink_reopen(s);
		if (i % 400 == 0)
			usleep(1000);
	}
	ck_assert_int_eq(sink_close(s, NULL, 0, 1000), 0);
	for (unsigned i = 0; i < 4000; i += 100) {
		snprintf(rotated, sizeof(rotated), "%s.%u", path, i);
		if (!access(rotated, F_OK))
			lines += whole_lines(rotated);
	}
	ck_assert_uint_eq(lines + whole_lines(path), 4000);
}
END_TEST

/*
 * What is in the file when the disk is full ends with a whole line, and all comes when there is
 * room again.
 */
static void fill_and_free(bool append)
{
	struct sink_stats stats;
	struct sink *s;
	unsigned taken = 0;
	int refused = 0;

	if (!small_disk(256))
		return;
	s = open_sink(
		(struct sink_config){ .path = path, .append = append, .max_queue_bytes = 200000 });
	while (!refused) {
		refused = put_line(s, taken);
		if (!refused)
			taken++;
		if (taken % 100 == 0)
			usleep(1000);
	}
	ck_assert_int_eq(refused, -EIO);
	whole_lines(path);
	sink_stats(s, &stats);
	ck_assert_uint_eq(stats.lost, 1);

	ck_assert_int_eq(mount("none", dir, "none", MS_REMOUNT, "size=2048k"), 0);
	ck_assert_int_eq(sink_close(s, NULL, 0, 5000), 0);
	ck_assert_uint_eq(whole_lines(path), taken);
}

START_TEST(a_full_disk_keeps_lines_whole)
{
	fill_and_free(true);
}
END_TEST

START_TEST(a_full_disk_keeps_a_capture_whole)
{
	fill_and_free(false);
}
END_TEST

START_TEST(a_disk_that_stays_full_ends_the_closing_in_time)
{
	struct sink *s;
	unsigned long long before;
	unsigned i = 0;
	int closed;

	if (!small_disk(128))
		return;
	s = open_sink(
		(struct sink_config){ .path = path, .max_queue_bytes = 400000, .name = "record" });
	while (!put_line(s, i))
		i++;
	before = mono_now_ms();
	closed = sink_close(s, "tail", 4, 300);
	ck_assert_int_eq(closed, -ENOSPC);
	ck_assert_uint_lt(mono_now_ms() - before, 1500);
	whole_lines(path); /* and no tail, that would say it was whole */
}
END_TEST

/* A file in a directory that is not there for a while. */
START_TEST(a_path_that_goes_away_is_opened_again)
{
	char moved[96], deep[96], file[128];
	struct sink *s;

	snprintf(deep, sizeof(deep), "%s/deep", dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	snprintf(file, sizeof(file), "%s/out", deep);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	s = open_sink((struct sink_config){ .path = file, .append = true });
	ck_assert_int_eq(put_line(s, 1), 0);
	sink_flush(s);
	usleep(50000);
	ck_assert_int_eq(rename(deep, moved), 0);
	sink_reopen(s);
	ck_assert_int_eq(put_line(s, 2), 0);
	sink_flush(s);
	usleep(50000);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	ck_assert_int_eq(sink_close(s, NULL, 0, 5000), 0);
	ck_assert_uint_eq(whole_lines(file), 1);
}
END_TEST

/* Runs fn with standard output as the write end of a pipe, and gives the read end. */
static pid_t with_stdout(int *read_end, void (*fn)(void))
{
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		signal(SIGPIPE, SIG_DFL); /* the sink must not need it ignored */
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		fn();
		_exit(0);
	}
	close(ends[1]);
	*read_end = ends[0];
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void nobody_reads(void)
{
	struct sink_config cfg = { .name = "output", .max_queue_bytes = 1 << 20 };
	struct sink *s;
	int refused = 0;

	if (sink_open(&s, &cfg, err, sizeof(err)))
		_exit(1);
	for (unsigned i = 0; i < 100000 && !refused; i++) {
		refused = put_line(s, i);
		sink_flush(s);
		usleep(100);
	}
	if (refused != -EPIPE)
		_exit(2);
	if (put_line(s, 0) != -EPIPE)
		_exit(3);
	if (sink_close(s, "x", 1, 1000) != -EPIPE)
		_exit(4);
}

START_TEST(a_closed_pipe_ends_the_sink_and_not_the_program)
{
	int fd;
	pid_t pid = with_stdout(&fd, nobody_reads);

	close(fd);
	ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

static void somebody_reads_slowly(void)
{
	struct sink_config cfg = { .name = "output",
				   .max_queue_bytes = 100000,
				   .wait_for_room = true };
	struct sink *s;

	if (sink_open(&s, &cfg, err, sizeof(err)))
		_exit(1);
	for (unsigned i = 0; i < 50000; i++)
		if (put_line(s, i))
			_exit(2);
	if (sink_close(s, NULL, 0, 20000))
		_exit(3);
}

START_TEST(a_slow_pipe_gets_everything)
{
	static char buffer[200000];
	int fd, out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	pid_t pid = with_stdout(&fd, somebody_reads_slowly);
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		ck_assert_int_eq(write(out, buffer, (size_t)n), n);
		usleep(500);
	}
	close(out);
	close(fd);
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_uint_eq(whole_lines(path), 50000);
}
END_TEST

static void reader_hangs(void)
{
	struct sink_config cfg = { .name = "output", .max_queue_bytes = 200000 };
	unsigned long long before = mono_now_ms();
	struct sink *s;
	unsigned i = 0;

	if (sink_open(&s, &cfg, err, sizeof(err)))
		_exit(1);
	while (!put_line(s, i)) /* must refuse, not wait */
		i++;
	if (sink_close(s, NULL, 0, 300) != -ETIMEDOUT)
		_exit(2);
	if (mono_now_ms() - before > 2000)
		_exit(3);
}

START_TEST(a_pipe_that_nobody_empties_holds_up_nothing)
{
	int fd;
	pid_t pid = with_stdout(&fd, reader_hangs);

	ck_assert_int_eq(status_of(pid), 0);
	close(fd);
}
END_TEST

/* A waiting caller is set free when the file fails. */
START_TEST(waiting_ends_when_the_file_fails)
{
	struct sink *s;
	unsigned i = 0;
	int refused;

	if (access("/dev/full", W_OK))
		return;
	s = open_sink((struct sink_config){ .path = "/dev/full",
					    .append = true,
					    .wait_for_room = true,
					    .max_queue_bytes = 100000 });
	while (!(refused = put_line(s, i)))
		i++;
	ck_assert_int_eq(refused, -EIO);
	ck_assert_int_eq(sink_close(s, NULL, 0, 100), -ENOSPC);
}
END_TEST

/* Standard error is a full pipe: the sink's thread hangs in its log, the caller must not. */
static void nobody_reads_the_log(void)
{
	struct sink_config cfg = {
		.path = "/dev/full", .name = "output", .append = true, .max_queue_bytes = 100000
	};
	struct sink *s;
	unsigned i = 0;
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		_exit(1);
	while (write(ends[1], "", 1) == 1)
		;
	fcntl(ends[1], F_SETFL, 0);
	dup2(ends[1], STDERR_FILENO);
	log_set_level(LOG_LEVEL_WARN);
	if (sink_open(&s, &cfg, err, sizeof(err)))
		_exit(2);
	alarm(20);
	while (put_line(s, i) != -EIO)
		i++;
	usleep(100000); /* now it hangs */
	for (i = 0; i < 1000; i++)
		put_line(s, i); /* a short one may still fit */
}

START_TEST(a_log_that_nobody_reads_holds_up_nothing)
{
	int fd;
	pid_t pid;

	if (access("/dev/full", W_OK))
		return;
	pid = with_stdout(&fd, nobody_reads_the_log);
	ck_assert_int_eq(status_of(pid), 0);
	close(fd);
}
END_TEST

START_TEST(odd_sizes)
{
	struct sink *s = open_sink((struct sink_config){ .path = path, .append = true });
	char *big = malloc(300000);
	struct stat st;

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', 300000);
	ck_assert_int_eq(sink_write(s, "", 0), 0);
	ck_assert_int_eq(sink_write(s, big, 300000), 0);
	ck_assert_int_eq(sink_write(s, big, 1), 0);
	ck_assert_int_eq(sink_close(s, NULL, 0, 1000), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 300001);

	s = open_sink((struct sink_config){
		.path = path, .append = true, .max_queue_bytes = 1000, .wait_for_room = true });
	ck_assert_int_eq(sink_write(s, big, 1001), -ENOBUFS);
	ck_assert_int_eq(sink_close(s, NULL, 0, 1000), 0);
	ck_assert_int_eq(sink_close(NULL, NULL, 0, 0), 0);
	free(big);
}
END_TEST

struct writer {
	struct sink *s;
	unsigned refused;
};

static void *write_many(void *arg)
{
	struct writer *w = arg;

	for (unsigned i = 0; i < 20000; i++) {
		if (sink_write(w->s, "0 \n", 3))
			w->refused++;
		if (i % 500 == 0)
			sink_reopen(w->s);
	}
	return NULL;
}

START_TEST(two_callers_and_a_thread)
{
	struct writer w[2] = { 0 };
	pthread_t thread[2];
	struct sink_stats stats;
	struct stat st;

	w[0].s = w[1].s = open_sink((struct sink_config){ .path = path, .append = true });
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, write_many, &w[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	sink_stats(w[0].s, &stats);
	ck_assert_uint_eq(stats.lost, w[0].refused + w[1].refused);
	ck_assert_int_eq(sink_close(w[0].s, NULL, 0, 5000), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((unsigned)st.st_size, 3 * (40000 - w[0].refused - w[1].refused));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		lines_arrive_whole_and_in_order,
		append_keeps_what_is_there_and_mends_a_half_line,
		a_capture_replaces_only_when_told,
		what_is_no_file_is_refused_with_a_sentence,
		the_limit_ends_the_file,
		rotation_starts_a_new_file_and_a_new_limit,
		rotation_loses_nothing,
		a_full_disk_keeps_lines_whole,
		a_full_disk_keeps_a_capture_whole,
		a_disk_that_stays_full_ends_the_closing_in_time,
		a_path_that_goes_away_is_opened_again,
		a_closed_pipe_ends_the_sink_and_not_the_program,
		a_slow_pipe_gets_everything,
		a_pipe_that_nobody_empties_holds_up_nothing,
		waiting_ends_when_the_file_fails,
		a_log_that_nobody_reads_holds_up_nothing,
		odd_sizes,
		two_callers_and_a_thread,
	};

	suite_own_mounts();
	return suite_run("sink", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 120);
}
