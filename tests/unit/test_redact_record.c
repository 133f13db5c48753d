/* SPDX-License-Identifier: MIT */
/* Redaction: what becomes of a record, the key's file, the user's patterns, and hostile texts. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rec.h"
#include "redact/private.h"
#include "redact/redact.h"
#include "redact/regex.h"
#include "suite.h"

#define ID ((struct rec_id){ 42, 1000, 2000 })
#define ARGS(text) .args = (text), .args_len = sizeof(text)
#define TAG "%secret:option:1b2c7939dad7%"

static struct redact *r;
static struct buf b, out;
static char dir[64], path[128];
static int dir_fd;
static char err[300];

static struct redact *new_redact(const char *patterns)
{
	unsigned char key[REDACT_KEY_BYTES];
	const struct redact_config cfg = { .key = key, .patterns_file = patterns };
	struct redact *made;

	memset(key, 1, sizeof(key));
	ck_assert_msg(redact_new(&made, &cfg, err, sizeof(err)) == 0, "%s", err);
	return made;
}

static void setup(void)
{
	strcpy(dir, "/tmp/edr-redact-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/patterns", dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	r = new_redact(NULL);
}

static void teardown(void)
{
	static const char *const names[] = { "patterns", "k", "other" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dir_fd, names[i], 0);
	close(dir_fd);
	ck_assert_int_eq(rmdir(dir), 0); /* nothing else was left there */
	redact_free(r);
	buf_free(&b);
	buf_free(&out);
}

static struct wire_span argv_of(const struct edr_hdr *rec)
{
	return wire_str(rec, ((const struct edr_exec *)(const void *)rec)->argv);
}

static bool is(struct wire_span s, const char *text, size_t len)
{
	return s.len == len && !memcmp(s.data, text, len);
}
#define IS(span, text) is(span, text, sizeof(text))

/* ---- records ---- */

START_TEST(test_as_it_is)
{
	const struct edr_hdr *rec =
		rec_exec(&b, ID, (struct rec_exec){ .exe = "/bin/ls", ARGS("ls\0-l") });

	ck_assert_ptr_eq(redact_record(r, rec), rec);
	rec = rec_exec(
		&b, ID,
		(struct rec_exec){ ARGS("x\0--password=hunter22"), .flags = EDR_F_REDACTED });
	ck_assert_ptr_eq(redact_record(r, rec), rec);
	rec = rec_clock(&b, 1, 2, EDR_CLOCK_TICK);
	ck_assert_ptr_eq(redact_record(r, rec), rec);
}
END_TEST

START_TEST(test_exec)
{
	static const char argv[] = "x\0--password=hunter22\0-v";
	const struct edr_hdr *rec = rec_exec(&b, ID,
					     (struct rec_exec){ .exe = "/opt/x",
								.filename = "x",
								.uid = 7,
								ARGS(argv),
								.argv_bytes = sizeof(argv) + 5 });
	const struct edr_exec *before = (const void *)rec,
			      *made = (const void *)redact_record(r, rec);
	struct redact_stats stats;

	ck_assert_int_eq(wire_check(made, made->hdr.len), 0);
	ck_assert(IS(argv_of(&made->hdr), "x\0--password=" TAG "\0-v"));
	ck_assert_uint_eq(made->hdr.flags, rec->flags | EDR_F_REDACTED);
	ck_assert_uint_eq(made->argv_bytes - before->argv_bytes, sizeof(TAG) - 1 - 8);
	ck_assert_uint_eq(made->argc, before->argc);
	ck_assert_uint_eq(made->uid, 7);
	ck_assert(is(wire_str(made, made->exe), "/opt/x", 6));
	ck_assert(is(wire_str(made, made->filename), "x", 1));
	ck_assert_ptr_null(memmem(made, made->hdr.len, "hunter22", 8));
	redact_stats(r, &stats);
	ck_assert_uint_eq(stats.records, 1);
	ck_assert_uint_eq(stats.changed, 1);
	ck_assert_uint_eq(stats.secrets[REDACT_OPTION], 1);
	/* And not again. */
	rec = memcpy(malloc(made->hdr.len), made, made->hdr.len);
	ck_assert_ptr_eq(redact_record(r, rec), rec);
	free((void *)rec);
}
END_TEST

static void run_argv(const char *argv, size_t len)
{
	buf_clear(&out);
	redact_argv(r, (struct wire_span){ argv, len }, false, &out);
}

/* subprocess.run("mysql -p... shop") without a shell: a program of that name is looked for. */
START_TEST(test_failed_name)
{
	const struct edr_hdr *rec =
		rec_exec_failed(&b, ID, "/usr/bin/mysql -phunter22 shop", -ENOENT);
	const struct edr_exec_failed *made = (const void *)redact_record(r, rec);
	const struct wire_span name = wire_str(made, made->filename);

	ck_assert(is(name, "/usr/bin/mysql -p%secret:habit:1b2c7939dad7% shop", name.len));
	ck_assert_uint_eq(name.len, strlen("/usr/bin/mysql -p%secret:habit:1b2c7939dad7% shop"));
	ck_assert(made->hdr.flags & EDR_F_REDACTED);
	run_argv("mysql -phunter22 shop", sizeof("mysql -phunter22 shop"));
	ck_assert_ptr_null(memmem(out.data, out.len, "hunter22", 8));
	rec = rec_exec_failed(&b, ID, "/opt/My Program/run", -ENOENT);
	ck_assert_ptr_eq(redact_record(r, rec), rec);
}
END_TEST

static const struct edr_hdr *process(const char *argv, size_t len)
{
	const struct edr_process fixed = { .hdr = { .tgid = 9 } };
	struct wire_build w;

	buf_clear(&b);
	wire_build_begin(&w, &b, EDR_PROCESS, &fixed);
	wire_build_str(&w, offsetof(struct edr_process, exe), "/x", 2);
	wire_build_str(&w, offsetof(struct edr_process, argv), argv, len);
	return wire_build_end(&w);
}

START_TEST(test_process)
{
	static const char argv[] = "x\0--password\0hunter22";
	const struct edr_process *made =
		(const void *)redact_record(r, process(argv, sizeof(argv)));

	ck_assert(IS(wire_str(made, made->argv), "x\0--password\0" TAG));
	ck_assert(made->hdr.flags & EDR_F_REDACTED);
}
END_TEST

static bool keeps_secret(const char *exe, const char *filename, const char *argv, size_t len)
{
	const struct edr_hdr *rec =
		rec_exec(&b, ID,
			 (struct rec_exec){
				 .exe = exe, .filename = filename, .args = argv, .args_len = len });
	const struct edr_hdr *made = redact_record(r, rec);

	return memmem(made, made->len, "hunter22", 8) != NULL;
}

/* argv[0] is the caller's to choose: what the file is called counts too, and a block that was clean
 * for one program is not clean for another. */
START_TEST(test_name_of_file)
{
	static const char argv[] = "x\0-phunter22\0-uroot";
	static const char shell[] = "x\0-c\0mysql -phunter22";
	static const char lies[] = "ssh\0-phunter22";
	static const char script[] = "/usr/bin/python3\0/usr/bin/http\0-a\0u:hunter22";
	static const char applet[] = "grep\0mysql\0-phunter22";

	for (int i = 0; i < 2; i++) {
		ck_assert(keeps_secret("/usr/bin/ls", "/usr/bin/ls", argv, sizeof(argv)));
		ck_assert(!keeps_secret("/usr/bin/mysql", "/proc/self/fd/3", argv, sizeof(argv)));
		ck_assert(!keeps_secret("/opt/unknown", "/usr/bin/mysql", argv, sizeof(argv)));
		ck_assert(keeps_secret(NULL, NULL, argv, sizeof(argv)));
		ck_assert(!keeps_secret("/usr/bin/bash", "/bin/bash", shell, sizeof(shell)));
		ck_assert(!keeps_secret("/usr/bin/mysql", "ssh", lies, sizeof(lies)));
		ck_assert(!keeps_secret("/usr/bin/python3.13", "/usr/bin/http", script,
					sizeof(script)));
		ck_assert(keeps_secret("/bin/busybox", "/bin/grep", applet, sizeof(applet)));
	}
}
END_TEST

/* Tags are longer than secrets: what then has no room is cut at an argument, and it is said. */
START_TEST(test_too_long)
{
	static const char one[] = "--pwd=abcd5";
	const struct edr_exec *made;
	const struct edr_hdr *rec;
	struct buf argv = { 0 };
	struct wire_span cut;

	buf_add(&argv, "x", 2);
	while (argv.len + sizeof(one) < EDR_ARGV_MAX)
		buf_add(&argv, one, sizeof(one));
	rec = rec_exec(&b, ID,
		       (struct rec_exec){ .exe = "/x",
					  .args = argv.data,
					  .args_len = argv.len,
					  .argv_bytes = (edr_u32)argv.len });
	made = (const void *)redact_record(r, rec);
	cut = argv_of(&made->hdr);
	ck_assert_int_eq(wire_check(made, made->hdr.len), 0);
	ck_assert_uint_eq(made->hdr.flags, EDR_F_REDACTED | EDR_F_TRUNCATED);
	ck_assert_uint_le(made->hdr.len, EDR_RECORD_MAX);
	ck_assert_uint_gt(cut.len, EDR_RECORD_MAX - 300);
	ck_assert_int_eq(cut.data[cut.len - 1], '\0');
	ck_assert_uint_gt(made->argv_bytes, cut.len);
	ck_assert_ptr_null(memmem(made, made->hdr.len, "abcd5", 5));
	buf_free(&argv);
}
END_TEST

/* Takes all that malloc() has, and can get no more. */
static void use_up(struct rlimit *before)
{
	struct rlimit none;

	ck_assert_int_eq(getrlimit(RLIMIT_AS, before), 0);
	none = *before;
	none.rlim_cur = 1;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	for (size_t size = 1 << 20; size >= 16; size /= 2)
		while (malloc(size)) /* the test's process ends soon */
			;
}

START_TEST(test_no_memory)
{
	static const char argv[] = "x\0--password=hunter22";
	const struct edr_hdr *rec =
		rec_exec(&b, ID, (struct rec_exec){ .exe = "/opt/x", ARGS(argv) });
	const struct edr_exec *made;
	struct redact_stats stats;
	struct rlimit before;

#if defined(__SANITIZE_ADDRESS__)
	return; /* its malloc() does not come back without memory */
#endif
	use_up(&before);
	made = (const void *)redact_record(r, rec);
	setrlimit(RLIMIT_AS, &before);
	ck_assert_int_eq(wire_check(made, made->hdr.len), 0);
	ck_assert_uint_eq(made->hdr.flags, EDR_F_REDACTED | EDR_F_ARGS_UNREADABLE);
	ck_assert_uint_eq(argv_of(&made->hdr).len, 0);
	ck_assert(is(wire_str(made, made->exe), "/opt/x", 6));
	ck_assert_ptr_null(memmem(made, made->hdr.len, "hunter22", 8));
	redact_stats(r, &stats);
	ck_assert_uint_eq(stats.no_memory, 1);
}
END_TEST

/* ---- the key ---- */

static int load(bool make, unsigned char key[REDACT_KEY_BYTES])
{
	err[0] = '\0';
	return redact_key_load(dir_fd, "k", make, key, err, sizeof(err));
}

static void put_key(const char *text, mode_t mode)
{
	int fd = openat(dir_fd, "k", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

START_TEST(test_key_is_made_once)
{
	unsigned char first[REDACT_KEY_BYTES], again[REDACT_KEY_BYTES];
	struct stat st;

	ck_assert_int_eq(load(false, first), -ENOENT);
	ck_assert_int_eq(fstatat(dir_fd, "k", &st, 0), -1);
	umask(0);
	ck_assert_msg(load(true, first) == 0, "%s", err);
	ck_assert_int_eq(fstatat(dir_fd, "k", &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 65);
	ck_assert_int_eq(load(true, again), 0);
	ck_assert_mem_eq(first, again, sizeof(first));
	ck_assert_int_eq(load(false, again), 0);
	ck_assert_mem_eq(first, again, sizeof(first));
	unlinkat(dir_fd, "k", 0);
	ck_assert_int_eq(load(true, again), 0);
	ck_assert_mem_ne(first, again, sizeof(first));
}
END_TEST

#define HEX64 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

START_TEST(test_key_that_is_wrong)
{
	static const struct {
		const char *text;
		mode_t mode;
		int status;
	} cases[] = {
		{ HEX64 "\n", 0600, 0 },      { HEX64 "\n", 0400, 0 },
		{ HEX64 "\n", 0640, -EPERM }, { HEX64 "\n", 0604, -EPERM },
		{ HEX64, 0600, -EPERM },      { HEX64 "\n\n", 0600, -EPERM },
		{ "", 0600, -EPERM },	      { HEX64 "x", 0600, -EINVAL },
		{ "G" HEX64, 0600, -EINVAL },
	};
	unsigned char key[REDACT_KEY_BYTES];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_key(cases[i].text, cases[i].mode);
		ck_assert_msg(load(true, key) == cases[i].status, "%zu: %s", i, err);
		ck_assert(!cases[i].status == !err[0]);
		if (!cases[i].status)
			ck_assert_int_eq(key[31], 0x1f);
	}
}
END_TEST

static void refuse_link(const char *to)
{
	unsigned char key[REDACT_KEY_BYTES];

	unlinkat(dir_fd, "k", 0);
	ck_assert_int_eq(symlinkat(to, dir_fd, "k"), 0);
	ck_assert_int_eq(load(true, key), -ELOOP);
	ck_assert(err[0] != '\0');
}

START_TEST(test_key_that_is_a_link)
{
	unsigned char key[REDACT_KEY_BYTES];
	struct stat st;

	put_key(HEX64 "\n", 0600);
	ck_assert_int_eq(renameat(dir_fd, "k", dir_fd, "other"), 0);
	refuse_link("other");
	refuse_link("nowhere");
	ck_assert_int_eq(fstatat(dir_fd, "nowhere", &st, 0), -1);
	/* Nor a pipe, on which it would wait. */
	unlinkat(dir_fd, "k", 0);
	ck_assert_int_eq(mkfifoat(dir_fd, "k", 0600), 0);
	ck_assert_int_eq(load(true, key), -EPERM);
}
END_TEST

START_TEST(test_key_of_another)
{
	unsigned char key[REDACT_KEY_BYTES];

	if (geteuid() != 0)
		return;
	put_key(HEX64 "\n", 0600);
	ck_assert_int_eq(fchownat(dir_fd, "k", 65534, 65534, 0), 0);
	ck_assert_int_eq(load(true, key), -EPERM);
}
END_TEST

/* ---- the user's patterns ---- */

static void put_patterns(const char *text, mode_t mode)
{
	int fd = openat(dir_fd, "patterns", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

START_TEST(test_patterns)
{
	static const char argv[] = "x\0ACME-12345\0--site\0pin 4711 pin 4712\0ACME-1";

	put_patterns("# ours\n\nACME-[0-9]{5}\npin ([[:digit:]]+)\n", 0640);
	redact_free(r);
	r = new_redact(path);
	ck_assert_uint_eq(redact_argv(r, (struct wire_span){ argv, sizeof(argv) }, false, &out), 3);
	ck_assert_ptr_null(memmem(out.data, out.len, "12345", 5));
	ck_assert_ptr_null(memmem(out.data, out.len, "471", 3));
	ck_assert_ptr_nonnull(memmem(out.data, out.len, "--site\0pin %secret:pattern:", 27));
	ck_assert_ptr_nonnull(memmem(out.data, out.len, "ACME-1", 7));
}
END_TEST

START_TEST(test_patterns_that_are_wrong)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *say;
	} cases[] = {
		{ "abc\n", 0666, "written by others" },
		{ "a\n(b\n", 0600, "line 2: a ( has no )" },
		{ "x*\n", 0600, "matches nothing" },
		{ "a)\n", 0600, "line 1: a ) has no (" },
		{ "[a\n", 0600, "a [ has no ]" },
		{ "*\n", 0600, "nothing to repeat" },
		{ "a{999}\n", 0600, "255" },
		{ "(a{200}){200}\n", 0600, "too large" },
		{ "\\1\n", 0600, "backslash" },
		{ "[z-a]\n", 0600, "backwards" },
	};
	const struct redact_config cfg = { .patterns_file = path };
	struct redact *made;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_patterns(cases[i].text, cases[i].mode);
		ck_assert_int_eq(redact_new(&made, &cfg, err, sizeof(err)), -EINVAL);
		ck_assert_msg(strstr(err, cases[i].say) && strstr(err, path), "%s", err);
		ck_assert_ptr_null(made);
	}
	unlinkat(dir_fd, "patterns", 0);
	ck_assert_int_eq(redact_new(&made, &cfg, err, sizeof(err)), -EINVAL);
}
END_TEST

START_TEST(test_regex)
{
	static const struct {
		const char *re, *text;
		int from, to; /* of the group or the whole; -1: none */
	} cases[] = {
		{ "abc", "xxabcabc", 2, 5 },
		{ "a|bc", "xbca", 1, 3 },
		{ "a+", "baaac", 1, 4 },
		{ "ab?c", "xac abc", 1, 3 },
		{ "a{2,3}", "a aaaa", 2, 5 },
		{ "a{2}", "aaa", 0, 2 },
		{ "a{2,}", "a aaaaa", 2, 7 },
		{ "^ab", "xab ab", -1, 0 },
		{ "^ab", "abab", 0, 2 },
		{ "ab$", "abxab", 3, 5 },
		{ "[^a-c]+", "abcxyzabc", 3, 6 },
		{ "[]x]", "a]", 1, 2 },
		{ "[[:alpha:]]+[[:digit:]]", "--ab1", 2, 5 },
		{ "\\d\\d\\.\\w", "12.x", 0, 4 },
		{ "\\S+", "  ab ", 2, 4 },
		{ "k=(\\w+);", "k=;k=abc;", 5, 8 },
		{ "(?:x|k)=(.)", "k=v", 2, 3 },
		{ "(?i)PassWord: (.*)", "PASSword: x y", 10, 13 },
		{ "(a|ab)(c|bcd)", "abcd", 0, 1 },
		{ "x(y|)z", "xz", 1, 1 },
		{ "(ab)*c", "ababc", 2, 4 },
		{ "a.c", "abd a\nc", 4, 7 },
		{ "((a*)*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -1, 0 },
	};
	struct regex_work *w = regex_work_new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why, *text = cases[i].text;
		struct regex *re = regex_new(cases[i].re, strlen(cases[i].re), &why);
		struct regex_match m = { 0 };
		bool found;

		ck_assert_msg(re != NULL, "%s: %s", cases[i].re, why);
		found = regex_find(re, w, text, strlen(text), 0, &m);
		ck_assert_msg(found == (cases[i].from >= 0), "%s in %s", cases[i].re, text);
		if (found)
			ck_assert_msg(m.from == (size_t)cases[i].from &&
					      m.to == (size_t)cases[i].to,
				      "%s in %s: %zu %zu", cases[i].re, text, m.from, m.to);
		regex_free(re);
	}
	regex_work_free(w);
}
END_TEST

/* ---- time ---- */

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* What a pattern or shape may be tempted to read again and again, over a whole record. */
START_TEST(test_no_text_takes_long)
{
	static const char *const units[] = {
		"a",
		"-",
		"=",
		":",
		"://",
		"a://b:",
		"@(",
		"'",
		"\"",
		"pass=/",
		"pass='",
		"pass=x.key",
		"cookie:/",
		"cookie:x",
		"authorization:x",
		"eyJ-",
		"sk-",
		"AKIA",
		"-----BEGIN ",
		"-----BEGIN PRIVATE KEY-----",
		"password '",
		"x:y@tcp(",
		"echo a | chpasswd;",
		"echo a b c ",
		"chpasswd ",
		" ",
		"bearer ",
		"\\\"",
		"password:",
		"token=$a",
		"token=a,",
		"token=a;b c d",
		"aB3",
		"aB3/",
		"'\"",
		"\\",
		"`",
		"|",
		"--password=",
		"\"password\":",
		"%secret:",
		"%",
		"&sig=",
		"&sig=/",
		"aaab",
		"pin 1",
		"Authorization: Bearer %secret:",
		"X-Api-Key:{\n",
		"@(:",
		"a:b@c",
		"a://b:c/",
		"password for '='",
		"password $$",
		"password $a$",
		"$",
		"-exec sudo ; ",
		"x=$(",
	};
	static const char *const heads[] = { "x", "sh\0-c", "ssh", "curl", "sh\0-c\0x" };
	double worst = 0, all = cpu_ms();
	char *text = malloc(EDR_ARGV_MAX);
	const char *slowest = "";

	put_patterns("(a|aa)+b\n.*x.*y\n(a*)*c\na.*b|a\npin (.*)z|pin\n", 0600);
	redact_free(r);
	r = new_redact(path);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
			const size_t n = strlen(units[i]), head = h == 1   ? 6
								  : h == 4 ? 8
									   : strlen(heads[h]) + 1;
			double took = cpu_ms();

			memcpy(text, heads[h], head);
			for (size_t at = head; at < EDR_ARGV_MAX; at++)
				text[at] = units[i][(at - head) % n];
			buf_clear(&out);
			redact_argv(r, (struct wire_span){ text, EDR_ARGV_MAX }, h & 1, &out);
			took = cpu_ms() - took;
			if (took > worst) {
				worst = took;
				slowest = units[i];
			}
		}
	}
	printf("%d bytes of arguments: at most %.1f ms ('%s'), %.0f ms for all\n", EDR_ARGV_MAX,
	       worst, slowest, cpu_ms() - all);
	fflush(stdout);
	free(text);
	ck_assert_double_lt(worst, 250);
}
END_TEST

START_TEST(test_tools_in_order)
{
	for (size_t i = 1; tool_name(i); i++)
		ck_assert_msg(strcmp(tool_name(i - 1), tool_name(i)) < 0, "%s", tool_name(i));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_as_it_is,
				       test_exec,
				       test_failed_name,
				       test_process,
				       test_name_of_file,
				       test_too_long,
				       test_no_memory,
				       test_key_is_made_once,
				       test_key_that_is_wrong,
				       test_key_that_is_a_link,
				       test_key_of_another,
				       test_patterns,
				       test_patterns_that_are_wrong,
				       test_regex,
				       test_no_text_takes_long,
				       test_tools_in_order };

	return suite_run("redact_record", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 120);
}
