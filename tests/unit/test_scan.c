/* SPDX-License-Identifier: MIT */
/* The look at /proc: the real one, and made-up ones whose every byte is hostile. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/proc.h"
#include "rec.h"

#define TICK 10000000ull
#define NOW 123456789ull
#define ID64 "4f0d9fcc2a3f1b1f7d6c5e4b3a29181706f5e4d3c2b1a0998877665544332211"
#define STAT_TAIL " 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0\n"
#define STAT(pid, comm) pid " (" comm ") S 7 1 1 0 -1 4194304" STAT_TAIL

static char root[] = "/tmp/edr-test-scan-XXXXXX";
static struct buf b;

/* The last record of each scan, as text, and how many there were. */
struct seen {
	int n;
	struct edr_process r;
	char exe[EDR_PATH_MAX + 1], cgroup[EDR_PATH_MAX + 1];
	char args[EDR_ARGV_MAX + 1];
	size_t args_len;
};

static void copy(char *to, struct wire_span s)
{
	memcpy(to, s.data, s.len);
	to[s.len] = '\0';
}

static void note(void *ctx, const struct edr_hdr *rec)
{
	struct seen *seen = ctx;

	ck_assert_int_eq(wire_check(rec, rec->len), 0);
	ck_assert_uint_eq(rec->type, EDR_PROCESS);
	ck_assert_uint_eq(rec->time_ns, NOW);
	ck_assert(rec->flags & EDR_F_COARSE_START);
	seen->n++;
	memcpy(&seen->r, rec, sizeof(seen->r));
	copy(seen->exe, wire_str(rec, seen->r.exe));
	copy(seen->cgroup, wire_str(rec, seen->r.cgroup));
	copy(seen->args, wire_str(rec, seen->r.argv));
	seen->args_len = seen->r.argv.len;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void setup(void)
{
	strcpy(root + strlen(root) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
	nftw(root, forget, 8, FTW_DEPTH | FTW_PHYS);
	buf_free(&b);
}

static void put(const char *pid, const char *name, const void *data, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, pid);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", root, pid, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void puts_(const char *pid, const char *name, const char *text)
{
	put(pid, name, text, strlen(text));
}

static void put_link(const char *pid, const char *name, const char *target)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", root, pid, name);
	unlink(path);
	ck_assert_int_eq(symlink(target, path), 0);
}

static int scan(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	return proc_scan(root, NOW, note, seen);
}

START_TEST(test_plain)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	puts_("42", "stat", STAT("42", "my cat"));
	puts_("42", "status", "Name:\tmy cat\nUid:\t1000\t0\t0\t0\nGid:\t100\t50\t50\t50\n");
	puts_("42", "loginuid", "1000");
	puts_("42", "sessionid", "4294967295");
	puts_("42", "cgroup", "0::/user.slice/session-1.scope\n");
	put("42", "cmdline", "cat\0a b\0", 8);
	put_link("42", "exe", "/usr/bin/cat");
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_int_eq(seen->n, 1);
	ck_assert_uint_eq(seen->r.hdr.tgid, 42);
	ck_assert_uint_eq(seen->r.hdr.start_ns, 4242 * TICK);
	ck_assert_str_eq(seen->r.comm, "my cat");
	ck_assert_uint_eq(seen->r.ppid, 7);
	ck_assert_uint_eq(seen->r.uid, 1000);
	ck_assert_uint_eq(seen->r.euid, 0);
	ck_assert_uint_eq(seen->r.gid, 100);
	ck_assert_uint_eq(seen->r.egid, 50);
	ck_assert_uint_eq(seen->r.loginuid, 1000);
	ck_assert_uint_eq(seen->r.sessionid, EDR_ID_UNSET);
	ck_assert_str_eq(seen->exe, "/usr/bin/cat");
	ck_assert_str_eq(seen->cgroup, "/user.slice/session-1.scope");
	ck_assert_uint_eq(seen->args_len, 8);
	ck_assert_mem_eq(seen->args, "cat\0a b\0", 8);
	ck_assert_uint_eq(seen->r.gone, 0);
	free(seen);
}
END_TEST

/* stat's second field is whatever the process likes to be called. */
START_TEST(test_names)
{
	static const char *const names[][2] = {
		{ "a) S 1 2 3", "a) S 1 2 3" },
		{ "a b (c) d", "a b (c) d" },
		{ "x\n42 (y) R 9", "x\n42 (y) R 9" },
		{ ") S 1 1 1 0", ") S 1 1 1 0" },
		{ "", "" },
		{ "((((", "((((" },
		{ "))))", "))))" },
		{ "fifteen-letters-and-more", "fifteen-letters" },
		{ "\xff\xfe\x01", "\xff\xfe\x01" },
	};
	struct seen *seen = calloc(1, sizeof(*seen));
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), STAT("42", "%s"), names[i][0]);
		puts_("42", "stat", text);
		ck_assert_int_eq(scan(seen), 1);
		ck_assert_str_eq(seen->r.comm, names[i][1]);
		ck_assert_uint_eq(seen->r.ppid, 7);
		ck_assert_uint_eq(seen->r.hdr.start_ns, 4242 * TICK);
	}
	free(seen);
}
END_TEST

START_TEST(test_broken_stat)
{
	static const char *const broken[] = {
		"",
		"\n",
		"42",
		"42 (cat",
		"42 cat) S 7",
		")(",
		"42 (cat)",
		"42 (cat) S",
		"42 (cat)S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0",
		"42 (cat) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0",
		"42 (cat) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 x",
		"42 (cat) S 7  1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242",
		"42 (cat) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99999999999999999999999",
		"42 (cat) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 18446744073709551615",
	};
	struct seen *seen = calloc(1, sizeof(*seen));
	size_t i;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		puts_("42", "stat", broken[i]);
		ck_assert_msg(scan(seen) == 0, "\"%s\"", broken[i]);
	}
	free(seen);
}
END_TEST

/* Files that are missing, empty or nonsense leave what they tell unknown. */
START_TEST(test_missing_files)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	puts_("42", "stat", STAT("42", "c"));
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_uint_eq(seen->r.uid, EDR_ID_UNSET);
	ck_assert_uint_eq(seen->r.egid, EDR_ID_UNSET);
	ck_assert_uint_eq(seen->r.loginuid, EDR_ID_UNSET);
	ck_assert_str_eq(seen->exe, "");
	ck_assert_str_eq(seen->cgroup, "");
	ck_assert_uint_eq(seen->args_len, 0);
	puts_("42", "status", "Name:\tUid:\t9\t9\nNotUid:\t1\t1\nUid:\t12\n");
	puts_("42", "loginuid", "99999999999");
	puts_("42", "sessionid", "-1");
	puts_("42", "cgroup", "no colons at all");
	put("42", "cmdline", "", 0);
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_uint_eq(seen->r.uid, EDR_ID_UNSET);
	ck_assert_uint_eq(seen->r.loginuid, EDR_ID_UNSET);
	ck_assert_uint_eq(seen->r.sessionid, EDR_ID_UNSET);
	ck_assert_str_eq(seen->cgroup, "");
	free(seen);
}
END_TEST

START_TEST(test_kernel_thread)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	puts_("2", "stat", "2 (kthreadd) S 0 0 0 0 -1 2129984" STAT_TAIL);
	ck_assert_int_eq(scan(seen), 1);
	ck_assert(seen->r.hdr.flags & EDR_F_KTHREAD);
	ck_assert_uint_eq(seen->r.ppid, 0);
	free(seen);
}
END_TEST

START_TEST(test_cgroups)
{
	static const char *const cases[][2] = {
		{ "0::/\n", "/" },
		{ "0::/init.scope\n", "/init.scope" },
		/* hybrid: the v2 line, unless it is the root */
		{ "12:pids:/user.slice\n1:name=systemd:/user.slice/s.scope\n0::/user.slice/"
		  "s.scope\n",
		  "/user.slice/s.scope" },
		{ "12:pids:/p\n1:name=systemd:/system.slice/x.service\n0::/\n",
		  "/system.slice/x.service" },
		/* v1: where the container is */
		{ "3:cpu:/\n2:memory:/docker/" ID64 "\n1:name=systemd:/docker/" ID64 "\n",
		  "/docker/" ID64 },
		{ "12:pids:/p\n11:cpu,cpuacct:/c\n", "/p" },
		/* a colon in the path; a newline comes escaped from the kernel */
		{ "0::/a:b:c\n", "/a:b:c" },
		{ "0::/x\\0120::/docker/" ID64 "\n", "/x\\0120::/docker/" ID64 },
		{ "0::/cut", "" },
		{ "\n\n:\n::\n", "" },
		{ "0::/whole\n0::/cu", "/whole" },
	};
	struct seen *seen = calloc(1, sizeof(*seen));
	size_t i;

	puts_("42", "stat", STAT("42", "c"));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		puts_("42", "cgroup", cases[i][0]);
		ck_assert_int_eq(scan(seen), 1);
		ck_assert_str_eq(seen->cgroup, cases[i][1]);
	}
	free(seen);
}
END_TEST

START_TEST(test_exe)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	char path[512];

	puts_("42", "stat", STAT("42", "c"));
	put_link("42", "exe", "/nowhere/x (deleted)");
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_str_eq(seen->exe, "/nowhere/x");
	/* A file that is really called so. */
	snprintf(path, sizeof(path), "%s/real (deleted)", root);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	put_link("42", "exe", path);
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_str_eq(seen->exe, path);
	put_link("42", "exe", " (deleted)");
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_str_eq(seen->exe, " (deleted)");
	free(seen);
}
END_TEST

START_TEST(test_long_arguments)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	char *args = malloc(EDR_ARGV_MAX * 2);

	memset(args, 'a', EDR_ARGV_MAX * 2);
	puts_("42", "stat", STAT("42", "c"));
	put("42", "cmdline", args, EDR_ARGV_MAX);
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_uint_eq(seen->args_len, EDR_ARGV_MAX);
	ck_assert(!(seen->r.hdr.flags & EDR_F_TRUNCATED));
	put("42", "cmdline", args, EDR_ARGV_MAX * 2);
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_uint_eq(seen->args_len, EDR_ARGV_MAX);
	ck_assert(seen->r.hdr.flags & EDR_F_TRUNCATED);
	free(args);
	free(seen);
}
END_TEST

/* Only directories with a pid for a name, and nothing behind a link. */
START_TEST(test_names_in_root)
{
	static const char *const names[] = { "self",	    "0",  "4x", "x4", "04294967295",
					     "99999999999", "-1", "+1", "4 ", "2147483648" };
	struct seen *seen = calloc(1, sizeof(*seen));
	char path[512];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		puts_(names[i], "stat", STAT("42", "c"));
	ck_assert_int_eq(scan(seen), 0);
	put_link(".", "43", "self");
	ck_assert_int_eq(scan(seen), 0);
	/* A fifo must not stop us, a link for a file is not followed. */
	puts_("44", "stat", STAT("44", "c"));
	snprintf(path, sizeof(path), "%s/44/cmdline", root);
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	put_link("44", "cgroup", "../45/cgroup");
	puts_("45", "cgroup", "0::/secret\n");
	ck_assert_int_eq(scan(seen), 1);
	ck_assert_str_eq(seen->cgroup, "");
	free(seen);
}
END_TEST

START_TEST(test_no_root)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct proc_table *t = proc_table_new(16);

	ck_assert_int_eq(proc_scan("/nowhere/at/all", NOW, note, seen), -ENOENT);
	ck_assert_int_eq(proc_heal(t, "/nowhere/at/all", NOW, 5, note, seen), -ENOENT);
	ck_assert_int_eq(proc_scan(root, NOW, note, seen), 0);
	proc_table_free(t);
	free(seen);
}
END_TEST

static void apply(void *ctx, const struct edr_hdr *rec)
{
	proc_apply(ctx, rec);
}

static struct proc_stats stats(const struct proc_table *t)
{
	struct proc_stats s;

	proc_table_stats(t, &s);
	return s;
}

/* Ten processes; those with an odd pid end, 4's pid is another's now. */
START_TEST(test_heal)
{
	struct proc_table *t = proc_table_new(64);
	char pid[16], text[256], path[512];
	edr_u32 i;
	int n = 0, rounds = 0;

	for (i = 1; i <= 10; i++) {
		snprintf(pid, sizeof(pid), "%u", i);
		snprintf(text, sizeof(text), STAT("%u", "c"), i);
		puts_(pid, "stat", text);
	}
	ck_assert_int_eq(proc_scan(root, NOW, apply, t), 10);
	ck_assert_int_eq(proc_heal(t, root, NOW, 100, apply, t), 0);
	/* One event gave 2 its exact start; it is the same process still. */
	proc_apply(t, rec_connect(&b, (struct rec_id){ 2, 4242 * TICK + 99, NOW }, 1, 1, 0));
	for (i = 1; i <= 10; i += 2) {
		snprintf(path, sizeof(path), "%s/%u/stat", root, i);
		unlink(path);
	}
	puts_("4", "stat", "4 (d) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4243 0\n");
	puts_("6", "stat", "what is this");
	while (n < 6 && rounds++ < 10)
		n += proc_heal(t, root, NOW, 3, apply, t);
	ck_assert_int_eq(n, 6);
	ck_assert_int_le(rounds, 4);
	ck_assert_uint_eq(stats(t).healed, 6);
	ck_assert_uint_eq(stats(t).alive, 4);
	ck_assert(!proc_lookup_tgid(t, 2)->exited);
	ck_assert(proc_lookup_tgid(t, 4)->exited);
	ck_assert(!proc_lookup_tgid(t, 6)->exited); /* cannot be told: not gone */
	ck_assert_int_eq(proc_heal(t, root, NOW, 100, apply, t), 0);
	proc_table_free(t);
}
END_TEST

/* Whoever takes the record may do with the table what he likes, or nothing. */
static void evict_all(void *ctx, const struct edr_hdr *rec)
{
	edr_u32 i;

	proc_apply(ctx, rec);
	for (i = 1000; i < 1020; i++)
		proc_apply(ctx,
			   rec_connect(&b, (struct rec_id){ i, rec->time_ns + i, NOW }, 1, 1, 0));
}

static void ignore(void *ctx, const struct edr_hdr *rec)
{
	(void)rec;
	++*(int *)ctx;
}

START_TEST(test_heal_callback)
{
	struct proc_table *t = proc_table_new(16);
	int n = 0;
	edr_u32 i;

	for (i = 1; i <= 16; i++)
		proc_apply(t, rec_connect(&b, (struct rec_id){ i, i * TICK + 1, NOW }, 1, 1, 0));
	ck_assert_int_eq(proc_heal(t, root, NOW, 16, ignore, &n), 16);
	ck_assert_int_eq(n, 16);
	ck_assert_int_gt(proc_heal(t, root, NOW, 16, evict_all, t), 0);
	ck_assert_uint_le(stats(t).entries, 16);
	proc_table_free(t);
}
END_TEST

/* Bits of the pids that are told. */
static void collect(void *ctx, const struct edr_hdr *rec)
{
	unsigned *told = ctx;

	ck_assert(!(*told & 1u << rec->tgid));
	*told |= 1u << rec->tgid;
}

/* The one where the next look would begin ends meanwhile. */
START_TEST(test_heal_goes_on)
{
	struct proc_table *t = proc_table_new(16);
	unsigned told = 0;
	edr_u32 i;

	for (i = 1; i <= 16; i++)
		proc_apply(t, rec_connect(&b, (struct rec_id){ i, i * TICK + 1, NOW }, 1, 1, 0));
	ck_assert_int_eq(proc_heal(t, root, NOW, 3, collect, &told), 3);
	ck_assert_uint_eq(told, 0xe);
	proc_apply(t, rec_exit(&b, (struct rec_id){ 4, 4 * TICK + 1, NOW }, 0, 0));
	ck_assert_int_eq(proc_heal(t, root, NOW, 12, collect, &told), 12);
	ck_assert_uint_eq(told, 0x1ffee);
	proc_table_free(t);
}
END_TEST

/* The real one: ourselves, and a child while it lives and after. */
START_TEST(test_real)
{
	struct proc_table *t = proc_table_new(65536);
	const struct proc_entry *me, *kid;
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* when a check fails */
		pause();
		_exit(0);
	}
	ck_assert_int_gt(proc_scan("/proc", NOW, apply, t), 1);
	me = proc_lookup_tgid(t, (edr_u32)getpid());
	kid = proc_lookup_tgid(t, (edr_u32)child);
	ck_assert_ptr_nonnull(me);
	ck_assert_ptr_nonnull(kid);
	ck_assert_uint_eq(me->exe[0], '/');
	ck_assert_str_eq(kid->exe, me->exe);
	ck_assert_uint_eq(me->uid, getuid());
	ck_assert_uint_eq(me->egid, getegid());
	ck_assert_uint_eq(me->ppid, (edr_u32)getppid());
	ck_assert_ptr_eq(proc_parent(t, kid), me);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_int_ge(proc_heal(t, "/proc", NOW, 1000000, apply, t), 1);
	ck_assert(kid->exited);
	ck_assert(!me->exited);
	proc_table_free(t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scan");
	TCase *tc = tcase_create("scan");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_plain);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_broken_stat);
	tcase_add_test(tc, test_missing_files);
	tcase_add_test(tc, test_kernel_thread);
	tcase_add_test(tc, test_cgroups);
	tcase_add_test(tc, test_exe);
	tcase_add_test(tc, test_long_arguments);
	tcase_add_test(tc, test_names_in_root);
	tcase_add_test(tc, test_no_root);
	tcase_add_test(tc, test_heal);
	tcase_add_test(tc, test_heal_callback);
	tcase_add_test(tc, test_heal_goes_on);
	tcase_add_test(tc, test_real);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
