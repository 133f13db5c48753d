// SPDX-License-Identifier: MIT
/* Containers as their control groups show them, and system calls that the configuration names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

#define MOUNTS "/proc/self/mounts"
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"

/*
 * Where that kind of control group hierarchy is mounted; controller is NULL for version 2. False
 * when it is not.
 */
static bool find_cgroups(const char *controller, char *where, size_t size)
{
	char device[256], path[256], type[64], options[512], line[1200];
	FILE *f = fopen(MOUNTS, "re");
	bool found = false;

	if (!f)
		die("%s: %s", MOUNTS, strerror(errno));
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%255s %255s %63s %511s", device, path, type, options) != 4)
			continue;
		if (controller)
			found = !strcmp(type, "cgroup") && strstr(options, controller);
		else
			found = !strcmp(type, "cgroup2");
	}
	fclose(f);
	snprintf(where, size, "%s", path);
	return found;
}

static void remove_cgroup(void *path)
{
	rmdir(path);
	free(path);
}

/* Makes each part of the path below root; all that was made goes at the end. */
static void make_cgroup(const char *root, const char *path)
{
	const char *part = path;
	char *whole;

	do {
		part += strcspn(part, "/");
		if (asprintf(&whole, "%s/%.*s", root, (int)(part - path), path) < 0)
			die("no memory");
		if (!mkdir(whole, 0755))
			at_end(remove_cgroup, whole);
		else if (errno == EEXIST)
			free(whole);
		else
			cannot("mkdir %s: %s", whole, strerror(errno));
	} while (*part++);
}

struct contained {
	struct exec e;
	char procs[600]; /* the file to write one's pid to */
};

static void contained_child(struct truth *t, void *arg)
{
	struct contained *c = arg;
	int fd = open(c->procs, O_WRONLY | O_CLOEXEC);

	(void)t;
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(123);
	exec_child(t, &c->e);
}

static void run_contained(struct truth *t, const char *controller, const char *const *cgroups,
			  const char *const *ids, size_t n)
{
	struct contained c = { .procs = "" };
	struct stat st = { 0 };
	char root[256];
	size_t i;

	if (!find_cgroups(controller, root, sizeof(root)))
		cannot("no %s control groups are mounted", controller ? controller : "version 2");
	for (i = 0; i < n; i++)
		make_cgroup(root, cgroups[i]);
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "in a container", (char *)t->token, NULL };
		struct child child;

		i = t->i % n;
		c.e = (struct exec){ .path = "./noop", .argv = argv, .container = ids[i] };
		/* Version 2: the number of the directory is the id of the group. */
		if (!controller)
			must("stat", stat(format("%s/%s", root, cgroups[i]), &st));
		c.e.cgroup_id = st.st_ino;
		snprintf(c.procs, sizeof(c.procs), "%s/%s/cgroup.procs", root, cgroups[i]);
		child_run(t, &child, contained_child, &c);
		child_must_exit(&child, 0);
		line_run(t, &c.e, &child);
	}
}

static void scene_container(struct truth *t)
{
	static const char *const cgroups[] = {
		"edr-truth.slice/docker-" ID "0001.scope",
		"edr-truth.slice/cri-containerd-" ID "0002.scope",
		"edr-truth.slice/crio-" ID "0003.scope",
		"edr-truth.slice/libpod-" ID "0004.scope",
		"edr-truth.slice/plain.service",
	};
	static const char *const ids[] = { ID "0001", ID "0002", ID "0003", ID "0004", "" };

	run_contained(t, NULL, cgroups, ids, sizeof(ids) / sizeof(*ids));
}

/* Docker with version 1 control groups. */
static void scene_container_v1(struct truth *t)
{
	static const char *const cgroups[] = { "docker/" ID "0005", "docker/" ID "0006" };
	static const char *const ids[] = { ID "0005", ID "0006" };

	run_contained(t, "pids", cgroups, ids, sizeof(ids) / sizeof(*ids));
}

/* For syscalls_to_trace = mkdirat, openat, unlinkat, renameat2. */
static void line_syscall(const struct truth *t, const char *name, const unsigned long long *args,
			 size_t n, long result, int64_t after)
{
	line_begin(t, "syscall", t->pid, after, now_ns());
	line_text("syscall", name);
	line_hexes("args", args, n);
	line_num("argc", (long long)n);
	line_num("result", result);
	line_bool("no_return", false);
	line_text("command", "truth");
	line_unseen("lean");
	line_end();
}

static void do_syscall(struct truth *t, const char *name, long nr, size_t n, unsigned long long a,
		       const char *b, unsigned long long c, unsigned long long d,
		       unsigned long long e, int error)
{
	unsigned long long args[] = { a, (uintptr_t)b, c, d, e };
	int64_t after = now_ns();
	long result = syscall(nr, a, b, c, d, e);

	if (result < 0)
		result = -errno;
	if (result < 0 && result != -error)
		die("%s: %s", name, strerror((int)-result));
	line_syscall(t, name, args, n, result, after);
	if (nr == SYS_openat && result >= 0)
		close((int)result);
}

static void scene_syscalls(struct truth *t)
{
	const unsigned long long here = (unsigned long long)AT_FDCWD;
	static const char to[] = "./renamed";

	EACH_RUN(t)
	{
		const char *path = format("./directory-%u", t->i);

		do_syscall(t, "mkdirat", SYS_mkdirat, 3, here, path, 0700, 0, 0, 0);
		do_syscall(t, "mkdirat", SYS_mkdirat, 3, here, path, 0755, 0, 0, EEXIST);
		do_syscall(t, "openat", SYS_openat, 4, here, path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
		do_syscall(t, "renameat2", SYS_renameat2, 5, here, path, here, (uintptr_t)to, 0, 0);
		do_syscall(t, "unlinkat", SYS_unlinkat, 3, here, to, AT_REMOVEDIR, 0, 0, 0);
	}
}

const struct scene scenes_other[] = {
	{ "container", scene_container,
	  "control groups of docker, containerd, cri-o, podman; version 2" },
	{ "container_v1", scene_container_v1, "control groups of docker; version 1" },
	{ "syscalls", scene_syscalls, "mkdirat, openat, renameat2, unlinkat" },
	{ NULL, NULL, NULL },
};
