// SPDX-License-Identifier: MIT
/* Where the file that runs really is, what it is called, and who it runs as. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

#define DEEP 100
#define WIDE 60
#define NOBODY 65534
#define SOME_GROUP 65533

/*
 * The column format of other people's traces: what a line would say, and what it must not be taken
 * for.
 */
static void scene_name_forged(struct truth *t)
{
	put_helper(t, "noop", "x [1] execve(a)");
	EACH_RUN(t)
	{
		char *argv[] = { "x [1] execve(a)", "a", (char *)t->token, NULL };
		struct exec e = { .path = "./x [1] execve(a)", .argv = argv };

		exec_run(t, &e);
	}
}

static const char *const names[] = {
	"two\nlines",
	"noop-1 [000] ..... 1.000000: sched_process_exec: filename=forged\n",
	"\"quoted\" 'and' \\back\\slash",
	" leading and trailing ",
	"-c",
	"\xff\xfe\x80",
	"cut \xe2\x82",
	"mapped \xf4\x8f\xbc\x80\xf4\x8f\xbf\xbf",
	"r\xe2\x80\xaetl",
	"\x1b[2J\a\x7f",
	"(deleted)",
	"ends in (deleted)",
	"memfd:x",
	"exactly-fifteen",
	"one-more-than-15",
	"...",
};
#define N_NAMES (sizeof(names) / sizeof(*names))

static void scene_name_hostile(struct truth *t)
{
	size_t i;

	for (i = 0; i < N_NAMES; i++)
		put_helper(t, "noop", names[i]);
	EACH_RUN(t)
	{
		const char *name = names[t->i % N_NAMES];
		char *argv[] = { (char *)name, (char *)t->token, NULL };
		struct exec e = { .path = format("./%s", name), .argv = argv };

		exec_run(t, &e);
	}
}

static void scene_symlink(struct truth *t)
{
	put_helper(t, "noop", "target");
	must("symlink", symlink("target", "first"));
	must("symlink", symlink("first", "second"));
	EACH_RUN(t)
	{
		char *argv[] = { "second", (char *)t->token, NULL };
		struct exec e = { .path = "./second", .argv = argv };

		e.exe = format("%s/target", t->dir);
		exec_run(t, &e);
	}
}

static void scene_dotdot(struct truth *t)
{
	must("mkdir", mkdir("a", 0755));
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, NULL };
		struct exec e = { .path = ".//a/.././a/../noop", .argv = argv };

		exec_run(t, &e);
	}
}

/*
 * A tmpfs, and a part of it bound to a second place, in a mount namespace of our own: all is gone
 * with us.
 */
static void scene_mounts(struct truth *t)
{
	if (unshare(CLONE_NEWNS))
		cannot("unshare(CLONE_NEWNS): %s", strerror(errno));
	must("mount private", mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	must("mkdir", mkdir("m", 0755));
	must("mkdir", mkdir("b", 0755));
	must("mount tmpfs", mount("none", "m", "tmpfs", 0, "size=1m,mode=755"));
	must("mkdir", mkdir("m/sub", 0755));
	put_helper(t, "noop", "m/sub/noop");
	must("mount bind", mount("m/sub", "b", NULL, MS_BIND, NULL));
	EACH_RUN(t)
	{
		const char *path = t->i % 2 ? "b/noop" : "m/sub/noop";
		char *argv[] = { "noop", (char *)t->token, NULL };
		struct exec e = { .path = path, .argv = argv };

		e.exe = format("%s/%s", t->dir, path);
		exec_run(t, &e);
	}
	must("umount", umount2("b", MNT_DETACH));
	must("umount", umount2("m", MNT_DETACH));
}

/* The path is that of the mount namespace: a new root hides nothing. */
static void chroot_child(struct truth *t, void *arg)
{
	if (chroot("jail") || chdir("/"))
		_exit(125);
	exec_child(t, arg);
}

static void scene_chroot(struct truth *t)
{
	must("mkdir", mkdir("jail", 0755));
	put_helper(t, "noop", "jail/noop");
	EACH_RUN(t)
	{
		char *argv[] = { "jailed", (char *)t->token, NULL };
		struct exec e = { .path = "/noop", .argv = argv };
		struct child c;

		e.exe = format("%s/jail/noop", t->dir);
		child_run(t, &c, chroot_child, &e);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
}

static void run_deep(struct truth *t, const char *component, size_t n, const char *flag)
{
	size_t len = strlen(component), i;
	char *path = malloc(n * (len + 1) + sizeof("noop"));
	int top, fd, next;

	if (!path)
		die("no memory");
	put_helper(t, "noop", "noop");
	top = fd = (int)must("open", open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	for (i = 0; i < n; i++) {
		must("mkdirat", mkdirat(fd, component, 0755));
		next = (int)must("openat", openat(fd, component, O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (fd != top)
			close(fd);
		fd = next;
		memcpy(path + i * (len + 1), component, len);
		path[i * (len + 1) + len] = '/';
	}
	strcpy(path + n * (len + 1), "noop");
	must("renameat", renameat(top, "noop", fd, "noop"));
	close(fd);
	close(top);
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, NULL };
		struct exec e = { .path = path, .argv = argv, .may = flag };

		e.exe = format("%s/%s", t->dir, path);
		exec_run(t, &e);
	}
	free(path);
}

static void scene_deep(struct truth *t)
{
	run_deep(t, "d", DEEP, NULL);
}

static void scene_deep_long(struct truth *t)
{
	run_deep(t, "a-component-of-a-path-that-is-sixty-four-bytes-long-to-the-dot.", WIDE, NULL);
}

/* Deeper than what is walked in the kernel: the end of the path, and a flag that says so. */
static void scene_too_deep(struct truth *t)
{
	run_deep(t, "d", 2 * DEEP, "path_truncated");
}

static void deleted_child(struct truth *t, void *arg)
{
	char *argv[] = { "deleted", (char *)t->token, NULL };

	syscall(SYS_execveat, *(int *)arg, "", argv, environment, AT_EMPTY_PATH);
}

static void scene_deleted(struct truth *t)
{
	EACH_RUN(t)
	{
		char *argv[] = { "deleted", (char *)t->token, NULL };
		struct exec e = { .argv = argv, .flags = "deleted", .no_comm = true };
		struct child c;
		struct stat st;
		int fd;

		put_helper(t, "noop", "short-lived");
		fd = (int)must("open", open("short-lived", O_PATH | O_CLOEXEC));
		must("fstat", fstat(fd, &st));
		e.inode = t->inodes_agree ? st.st_ino : 0;
		must("unlink", unlink("short-lived"));
		e.filename = format("/dev/fd/%d", fd);
		e.exe = format("%s/short-lived", t->dir);
		child_run(t, &c, deleted_child, &fd);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
		close(fd);
	}
}

static void other_user_child(struct truth *t, void *arg)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		_exit(125);
	exec_child(t, arg);
}

static void run_as_other(struct truth *t, uid_t owner, gid_t group, unsigned mode,
			 const char *flags, const unsigned *ids)
{
	struct statvfs vfs;

	if (geteuid())
		cannot("needs root");
	must("statvfs", statvfs(".", &vfs));
	if (vfs.f_flag & (ST_NOSUID | ST_NOEXEC))
		cannot("%s is on a file system mounted nosuid or noexec", t->dir);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		cannot("no_new_privs is set");
	must("chmod", chmod(".", 0711));
	put_helper(t, "noop", "changer");
	must("chown", chown("changer", owner, group));
	must("chmod", chmod("changer", mode));
	EACH_RUN(t)
	{
		char *argv[] = { "changer", (char *)t->token, NULL };
		struct exec e = { .path = "./changer", .argv = argv, .flags = flags, .ids = ids };
		struct child c;

		child_run(t, &c, other_user_child, &e);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
}

static void scene_other_user(struct truth *t)
{
	static const unsigned ids[] = { NOBODY, NOBODY, NOBODY, NOBODY };

	run_as_other(t, 0, 0, 0755, "", ids);
}

static void scene_setuid(struct truth *t)
{
	static const unsigned ids[] = { NOBODY, NOBODY, 0, NOBODY };

	run_as_other(t, 0, 0, 04755, "setuid", ids);
}

static void scene_setgid(struct truth *t)
{
	static const unsigned ids[] = { NOBODY, NOBODY, NOBODY, SOME_GROUP };

	run_as_other(t, 0, SOME_GROUP, 02755, "setgid", ids);
}

const struct scene scenes_path[] = {
	{ "name_forged", scene_name_forged, "a program named like a line of a trace" },
	{ "name_hostile", scene_name_hostile, "file names with newlines, quotes, broken UTF-8" },
	{ "symlink", scene_symlink, "a symbolic link to a symbolic link" },
	{ "dotdot", scene_dotdot, "a path with ., .. and //" },
	{ "mounts", scene_mounts, "a tmpfs and a bind mount in a mount namespace of its own" },
	{ "chroot", scene_chroot, "below a root of its own" },
	{ "deep", scene_deep, "100 directories deep" },
	{ "deep_long", scene_deep_long, "a path of almost PATH_MAX bytes" },
	{ "too_deep", scene_too_deep, "deeper than the kernel side walks" },
	{ "deleted", scene_deleted, "a file that has been deleted" },
	{ "other_user", scene_other_user, "by another user" },
	{ "setuid", scene_setuid, "a set-user-id program, by another user" },
	{ "setgid", scene_setgid, "a set-group-id program, by another user" },
	{ NULL, NULL, NULL },
};
