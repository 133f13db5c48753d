// SPDX-License-Identifier: MIT
/* truth SCENARIO N TOKEN, truth --list: see truth.h. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "truth.h"

static const struct scene *const files[] = {
	scenes_exec, scenes_path, scenes_fail,	  scenes_fork,	 scenes_exit,
	scenes_inet, scenes_unix, scenes_blocked, scenes_forged, scenes_other,
};
#define N_FILES (sizeof(files) / sizeof(*files))

static const struct scene *find(const char *name)
{
	const struct scene *s;
	size_t i;

	for (i = 0; i < N_FILES; i++)
		for (s = files[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

static void list(void)
{
	const struct scene *s;
	size_t i;

	for (i = 0; i < N_FILES; i++)
		for (s = files[i]; s->name; s++)
			printf("%-22s %s\n", s->name, s->what);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	remove(path);
	return 0;
}

static void remove_directory(void *path)
{
	if (!chdir("/"))
		nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Helpers lie beside this program; EDR_TRUTH_DIR says otherwise. */
static const char *helpers_directory(char *buf, size_t size)
{
	const char *set = getenv("EDR_TRUTH_DIR");
	ssize_t len;
	char *slash;

	if (set)
		return set;
	len = readlink("/proc/self/exe", buf, size - 1);
	if (len <= 0)
		die("/proc/self/exe: %s", strerror(errno));
	buf[len] = '\0';
	slash = strrchr(buf, '/');
	*slash = '\0';
	return buf;
}

/* A number from a file of /proc; -1 when it says "not set" or is not there. */
static long proc_id(const char *path)
{
	unsigned long id = UINT32_MAX;
	FILE *f = fopen(path, "re");

	if (f) {
		if (fscanf(f, "%lu", &id) != 1)
			id = UINT32_MAX;
		fclose(f);
	}
	return id == UINT32_MAX ? -1 : (long)id;
}

/* proc(5): the 22nd field of stat, in clock ticks. */
static int64_t own_start_ns(void)
{
	unsigned long long ticks = 0;
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f ||
	    fscanf(f,
		   "%*d (truth) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
		   "%*d %*d %*d %llu",
		   &ticks) != 1)
		die("/proc/self/stat cannot be read");
	fclose(f);
	return (int64_t)(ticks * (1000000000ull / (unsigned long)sysconf(_SC_CLK_TCK)));
}

static bool has_own_inodes(const char *dir)
{
	struct statfs fs;

	must("statfs", statfs(dir, &fs));
	return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC ||
	       fs.f_type == TMPFS_MAGIC;
}

static void run(const struct scene *s, unsigned n, const char *token)
{
	static char helpers[PATH_MAX], dir[PATH_MAX], resolved[PATH_MAX];
	const char *tmp = getenv("TMPDIR");
	struct truth t = {
		.scenario = s->name, .token = token, .n = n, .dir = resolved, .pid = getpid()
	};
	int64_t after = now_ns();

	t.helpers = helpers_directory(helpers, sizeof(helpers));
	snprintf(dir, sizeof(dir), "%s/truth.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || !realpath(dir, resolved))
		die("%s: %s", dir, strerror(errno));
	at_end(remove_directory, resolved);
	t.start_ns = own_start_ns();
	t.login_uid = proc_id("/proc/self/loginuid");
	t.session_id = proc_id("/proc/self/sessionid");
	t.inodes_agree = has_own_inodes(resolved);
	must("chdir", chdir(resolved));
	s->run(&t);
	t.i = 0;
	line_own(&t, t.pid, after, now_ns());
	if (fflush(stdout) || ferror(stdout))
		die("cannot write what was done");
}

int main(int argc, char **argv)
{
	const struct scene *s;
	unsigned long n;
	char *end;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		list();
		return 0;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: truth SCENARIO N TOKEN | truth --list\n");
		return 64;
	}
	s = find(argv[1]);
	n = strtoul(argv[2], &end, 10);
	if (!s || *end || !n || n > 60000) {
		fprintf(stderr, "truth: no such scenario, or not a number from 1 to 60000: %s %s\n",
			argv[1], argv[2]);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	alarm(600);
	run(s, (unsigned)n, argv[3]);
	return 0;
}
