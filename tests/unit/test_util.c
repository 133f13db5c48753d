/* SPDX-License-Identifier: MIT */
/* The seeded hash, and the log as others see it: through a descriptor. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/hash.h"
#include "util/log.h"

/* Values of CPython 3.11 (sys.hash_info.algorithm is siphash13) with PYTHONHASHSEED=0. */
START_TEST(test_siphash)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} known[] = {
		{ "a", 0x407448d2b89b1813u },
		{ "abc", 0xc03bc3a0042630f2u },
		{ "12345678", 0x3489982430560a87u },
		{ "process table key", 0x6ccc330a1ce32f34u },
	};
	const uint64_t zero[2] = { 0 }, other[2] = { 0, 1 };
	unsigned char count[64];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ck_assert(util_siphash13(known[i].text, strlen(known[i].text), zero) ==
			  known[i].hash);
	for (i = 0; i < sizeof(count); i++)
		count[i] = (unsigned char)i;
	ck_assert(util_siphash13(count, sizeof(count), zero) == 0x75e05fd5bbc870c6u);
	ck_assert(util_siphash13(count, sizeof(count), other) != 0x75e05fd5bbc870c6u);
}
END_TEST

START_TEST(test_hash)
{
	unsigned hashv;
	int pipes[2];
	uint64_t theirs;
	pid_t pid;

	ck_assert(util_hash("abc", 3) == util_hash("abc", 3));
	ck_assert(util_hash("abc", 3) != util_hash("abd", 3));
	ck_assert(util_hash(NULL, 0) == util_hash("", 0));
	UTIL_HASH_FUNCTION("abc", 3, hashv);
	ck_assert_uint_eq(hashv, (unsigned)util_hash("abc", 3));

	/* Another process has another key; this one has drawn its own already, so it takes an exec to see. */
	ck_assert_int_eq(pipe(pipes), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execl(program_invocation_name, "test_util", "--print-hash", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	ck_assert_int_eq(read(pipes[0], &theirs, sizeof(theirs)), sizeof(theirs));
	waitpid(pid, NULL, 0);
	ck_assert(theirs != util_hash("abc", 3));
	close(pipes[0]);
}
END_TEST

/* Runs say() in a child whose stderr is the file behind fd; gives what arrived there. */
static const char *logged(void (*say)(int fd))
{
	static char text[16384];
	FILE *file = tmpfile();
	size_t len;
	pid_t pid;
	int status;

	ck_assert_ptr_nonnull(file);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(fileno(file), STDERR_FILENO);
		say(STDERR_FILENO);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	rewind(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void matches(const char *text, const char *pattern)
{
	regex_t re;

	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0, "'%s' is not like %s", text, pattern);
	regfree(&re);
}

static void say_levels(int fd)
{
	(void)fd;
	unsetenv("JOURNAL_STREAM");
	errno = EXDEV;
	log_error("one", "first %d", 1);
	log_warn("two", "second");
	log_debug("three", "not asked for");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("four", "asked for");
	log_set_level(LOG_LEVEL_ERROR);
	log_info("five", "not asked for");
	if (errno != EXDEV || log_enabled(LOG_LEVEL_WARN) || !log_enabled(LOG_LEVEL_ERROR))
		_exit(1);
}

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z"

START_TEST(test_log_levels)
{
	matches(logged(say_levels), "^" STAMP " error one: first 1\n" STAMP
				    " warning two: second\n" STAMP " debug four: asked for\n$");
}
END_TEST

static void say_to_journal(int fd)
{
	char stream[64];
	struct stat st;

	fstat(fd, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("cell", "a");
	log_info("cell", "b");
}

static void say_to_a_file_below_a_service(int fd)
{
	(void)fd;
	setenv("JOURNAL_STREAM", "9:1", 1);
	log_info("cell", "b");
}

START_TEST(test_log_journal)
{
	ck_assert_str_eq(logged(say_to_journal), "<3>cell: a\n<6>cell: b\n");
	matches(logged(say_to_a_file_below_a_service), "^" STAMP " info cell: b\n$");
}
END_TEST

static void say_odd(int fd)
{
	char *big = malloc(10000);

	(void)fd;
	unsetenv("JOURNAL_STREAM");
	log_info("cell", "%s", "two\nlines\033[2J\x7f");
	memset(big, 'x', 9999);
	big[9999] = '\0';
	log_info("cell", "%s", big);
	free(big);
}

START_TEST(test_log_one_line)
{
	const char *text = logged(say_odd);
	const char *second = strchr(text, '\n');

	matches(text, " info cell: two\\?lines\\?\\[2J\\?\n");
	ck_assert_ptr_nonnull(second);
	ck_assert_uint_le(strlen(second + 1), 4096);
	ck_assert_uint_ge(strlen(second + 1), 4000);
	ck_assert_str_eq(text + strlen(text) - 5, "x...\n");
}
END_TEST

int main(int argc, char **argv)
{
	SRunner *runner;
	Suite *suite;
	TCase *tc;
	int failed;

	if (argc == 2 && strcmp(argv[1], "--print-hash") == 0) {
		const uint64_t hash = util_hash("abc", 3);

		return write(STDOUT_FILENO, &hash, sizeof(hash)) != sizeof(hash);
	}
	suite = suite_create("util");
	tc = tcase_create("util");
	tcase_add_test(tc, test_siphash);
	tcase_add_test(tc, test_hash);
	tcase_add_test(tc, test_log_levels);
	tcase_add_test(tc, test_log_journal);
	tcase_add_test(tc, test_log_one_line);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
