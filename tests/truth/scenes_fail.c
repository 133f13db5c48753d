// SPDX-License-Identifier: MIT
/* Calls of exec that fail. Only the default hooks see them. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

struct failed {
	const char *path;  /* NULL: not compared */
	char *const *argv; /* NULL: not compared */
	int dirfd, error;
	const char *may, *may_too;
	const char *comm; /* NULL: truth */
};

static void line_failed(const struct truth *t, const struct failed *f, pid_t pid, int64_t after,
			int64_t before)
{
	size_t argc = 0, bytes = 0;

	line_begin(t, "exec_failed", pid, after, before);
	line_text("error", error_name(f->error));
	line_num("dirfd", f->dirfd);
	line_num("uid", getuid());
	line_num("euid", geteuid());
	line_text("comm", f->comm ? f->comm : "truth");
	if (f->path) {
		if (*f->path)
			line_text("command", base_name(f->path));
		line_text("filename", f->path);
	}
	if (f->argv) {
		while (f->argv[argc])
			bytes += strlen(f->argv[argc++]) + 1;
		if (argc)
			line_text("argv0", f->argv[0]);
		else
			line_null("argv0");
		line_list("args", argc ? f->argv + 1 : f->argv);
		line_num("argc", (long long)argc);
		line_num("argv_bytes", (long long)bytes);
	}
	if (f->may)
		line_may(f->may);
	if (f->may_too)
		line_may(f->may_too);
	line_unseen("lean");
	line_end();
}

/* Calls execve itself, which must fail with that error; what is reported is f. */
static void fail_reported(struct truth *t, const char *path, char *const *argv,
			  const struct failed *f)
{
	int64_t after = now_ns();

	execve(path, argv, environment);
	if (errno != f->error)
		die("execve failed with %s, not with %s", strerror(errno), strerror(f->error));
	line_failed(t, f, t->pid, after, now_ns());
}

static void fail(struct truth *t, const char *path, int error)
{
	char *argv[] = { (char *)path, (char *)t->token, format("%u", t->i), NULL };
	struct failed f = { path, argv, AT_FDCWD, error, NULL, NULL, NULL };

	fail_reported(t, path, argv, &f);
}

static void scene_fail_enoent(struct truth *t)
{
	EACH_RUN(t)
	fail(t, format("./missing-%u", t->i), ENOENT);
}

static void scene_fail_eacces(struct truth *t)
{
	put_file("not-executable", "#!/bin/sh\n", 10, 0644);
	EACH_RUN(t)
	fail(t, t->i % 2 ? "./not-executable" : ".", EACCES);
}

static void scene_fail_enoexec(struct truth *t)
{
	put_file("text", "no format that the kernel knows\n", 32, 0755);
	EACH_RUN(t)
	fail(t, "./text", ENOEXEC);
}

static void scene_fail_enotdir(struct truth *t)
{
	put_file("file", "x", 1, 0755);
	EACH_RUN(t)
	fail(t, "./file/noop", ENOTDIR);
}

static void scene_fail_eloop(struct truth *t)
{
	must("symlink", symlink("b", "a"));
	must("symlink", symlink("a", "b"));
	EACH_RUN(t)
	fail(t, "./a", ELOOP);
}

/* One argument over the kernel's limit of 32 pages. */
static void scene_fail_e2big(struct truth *t)
{
	size_t len = 33 * (size_t)sysconf(_SC_PAGESIZE);
	char *big = malloc(len + 1);

	if (!big)
		die("no memory");
	memset(big, 'b', len);
	big[len] = '\0';
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, big, NULL };
		struct failed f = { "./noop", NULL, AT_FDCWD, E2BIG, NULL, NULL, NULL };

		fail_reported(t, "./noop", argv, &f);
	}
	free(big);
}

static void scene_fail_enametoolong(struct truth *t)
{
	char path[PATH_MAX + 100];

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, NULL };
		struct failed f = { NULL, argv, AT_FDCWD, ENAMETOOLONG, NULL, NULL, NULL };

		fail_reported(t, path, argv, &f);
	}
}

/* Arguments, then a name, that nobody can read. */
static void scene_fail_efault(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, NULL }, *none[] = { NULL };
		struct failed no_argv = { "./noop",	     none, AT_FDCWD, EFAULT,
					  "args_unreadable", NULL, NULL };
		struct failed no_name = { "",	argv, AT_FDCWD, EFAULT, "filename_unreadable",
					  NULL, NULL };

		if (t->i % 2)
			fail_reported(t, "./noop", (char **)8, &no_argv);
		else
			fail_reported(t, (char *)8, argv, &no_name);
	}
}

static void failat(struct truth *t, int dirfd, const char *path, int flags, int error)
{
	char *argv[] = { (char *)path, (char *)t->token, NULL };
	struct failed f = { path, argv, dirfd, error, NULL, NULL, NULL };
	int64_t after = now_ns();

	syscall(SYS_execveat, dirfd, path, argv, environment, flags);
	if (errno != error)
		die("execveat failed with %s, not with %s", strerror(errno), strerror(error));
	line_failed(t, &f, t->pid, after, now_ns());
}

static void scene_fail_execveat(struct truth *t)
{
	EACH_RUN(t)
	{
		failat(t, 999, "noop", 0, EBADF);
		failat(t, AT_FDCWD, "./missing", 0, ENOENT);
		failat(t, AT_FDCWD, "./missing", 0x40000000, EINVAL);
	}
}

static void scene_fail_interpreter(struct truth *t)
{
	put_file("script", "#!/nowhere/at/all\n", 18, 0755);
	EACH_RUN(t)
	fail(t, "./script", ENOENT);
}

/* The kernel fetches the name and gives up: the arguments may never have been in memory. */
static char *const literal_argv[] = { "not there", "a literal", NULL };

static void literal_child(struct truth *t, void *arg)
{
	(void)t;
	(void)arg;
	execve("./a/literal/that/is/missing", literal_argv, environment);
	_exit(errno == ENOENT ? 0 : 1);
}

static void scene_fail_literal(struct truth *t)
{
	struct failed f = { "./a/literal/that/is/missing",
			    literal_argv,
			    AT_FDCWD,
			    ENOENT,
			    "args_unreadable",
			    NULL,
			    NULL };
	struct child c;

	EACH_RUN(t)
	{
		child_run(t, &c, literal_child, NULL);
		child_must_exit(&c, 0);
		line_fork(t, &c, t->pid, "truth");
		line_failed(t, &f, c.pid, c.after, c.before);
		line_exit(t, &c, "truth", "truth");
		line_own(t, c.pid, c.after, c.before);
	}
}

/*
 * Past the point of no return: the file puts another name and arguments where the caller's were, in a page that the kernel
 * touches itself (it clears what is behind `filesz`), and then has a part that is larger in the file than in memory. (Of
 * errors in the file, that is one for which all kernels have the same answer.)
 */
#if defined(__aarch64__)
#define ELF_NATIVE EM_AARCH64
#else
#define ELF_NATIVE EM_X86_64
#endif
#define LATE_AT 0x10000000ul
#define LATE_ARGV 512

static void late_names(char *page, const char *path)
{
	const unsigned long argv[] = { LATE_AT, LATE_AT, 0 };

	memset(page, 0, 2048);
	strcpy(page, path);
	memcpy(page + LATE_ARGV, argv, sizeof(argv));
}

static void put_late(void)
{
	const Elf64_Ehdr head = { .e_ident = ELFMAG "\2\1\1",
				  .e_type = ET_EXEC,
				  .e_machine = ELF_NATIVE,
				  .e_version = 1,
				  .e_entry = LATE_AT,
				  .e_phoff = sizeof(head),
				  .e_ehsize = sizeof(head),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 2 };
	const Elf64_Phdr part[2] = {
		{ PT_LOAD, PF_R | PF_W | PF_X, 4096, LATE_AT, LATE_AT, 2048, 4096, 4096 },
		{ PT_LOAD, PF_R | PF_W, 0, LATE_AT + 0x10000, 0, 8192, 4096, 4096 },
	};
	static char file[8192];

	memcpy(file, &head, sizeof(head));
	memcpy(file + sizeof(head), part, sizeof(part));
	late_names(file + 4096, "/forged");
	put_file("late", file, sizeof(file), 0755);
}

static void late_child(struct truth *t, void *arg)
{
	char *page = mmap((void *)LATE_AT, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)t;
	(void)arg;
	if (page == MAP_FAILED)
		_exit(1);
	late_names(page, "./late");
	execve(page, (char **)(void *)(page + LATE_ARGV), environment);
	_exit(2);
}

static void scene_fail_late(struct truth *t)
{
	char *none[] = { NULL };
	struct failed f = { .path = "",
			    .argv = none,
			    .dirfd = AT_FDCWD,
			    .error = EINVAL,
			    .may = "args_unreadable",
			    .may_too = "filename_unreadable",
			    .comm = "late" };
	struct child c;

	put_late();
	EACH_RUN(t)
	{
		child_run(t, &c, late_child, NULL);
		if (!WIFSIGNALED(c.status))
			die("the exec of a broken file did not kill: %#x", (unsigned)c.status);
		line_fork(t, &c, t->pid, "truth");
		line_failed(t, &f, c.pid, c.after, c.before);
		line_exit(t, &c, "truth", "late");
		line_own(t, c.pid, c.after, c.before);
	}
}

/* A search along PATH: two steps fail, the third finds it. */
static void path_child(struct truth *t, void *arg)
{
	const struct exec *e = arg;

	(void)t;
	execvpe("noop", e->argv, environment);
}

static void scene_path_search(struct truth *t)
{
	must("mkdir", mkdir("empty", 0755));
	must("mkdir", mkdir("bin", 0755));
	put_helper(t, "noop", "bin/noop");
	must("setenv", setenv("PATH", "./nowhere:./empty:./bin", 1));
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, NULL };
		struct exec e = { .path = "./bin/noop", .argv = argv };
		struct failed first = {
			"./nowhere/noop", argv, AT_FDCWD, ENOENT, NULL, NULL, NULL
		};
		struct failed second = { "./empty/noop", argv, AT_FDCWD, ENOENT, NULL, NULL, NULL };
		struct child c;

		e.exe = format("%s/bin/noop", t->dir);
		child_run(t, &c, path_child, &e);
		child_must_exit(&c, 0);
		line_failed(t, &first, c.pid, c.after, c.before);
		line_failed(t, &second, c.pid, c.after, c.before);
		line_run(t, &e, &c);
	}
}

/* The tracepoints of execve do not fire for a 32-bit caller: no mode sees its failure. */
static void scene_fail32(struct truth *t)
{
	put_helper(t, "noop32", "noop32");
	EACH_RUN(t)
	{
		char *argv[] = { "noop32", "+exec", "./missing", (char *)t->token, NULL };
		struct exec e = { .path = "./noop32", .argv = argv, .flags = "compat32" };
		struct child c;

		child_run(t, &c, exec_child, &e);
		child_must_exit(&c, 201);
		line_run(t, &e, &c);
		line_begin(t, "exec_failed", c.pid, c.after, c.before);
		line_unseen("lean");
		line_unseen("default");
		line_end();
	}
}

const struct scene scenes_fail[] = {
	{ "fail_enoent", scene_fail_enoent, "no such file" },
	{ "fail_eacces", scene_fail_eacces, "not executable; a directory" },
	{ "fail_enoexec", scene_fail_enoexec, "no known format" },
	{ "fail_enotdir", scene_fail_enotdir, "a file as a directory" },
	{ "fail_eloop", scene_fail_eloop, "symbolic links in a circle" },
	{ "fail_e2big", scene_fail_e2big, "an argument that is too long" },
	{ "fail_enametoolong", scene_fail_enametoolong, "a name that is too long" },
	{ "fail_efault", scene_fail_efault, "arguments or a name out of reach" },
	{ "fail_execveat", scene_fail_execveat,
	  "execveat: a bad descriptor, a missing file, bad flags" },
	{ "fail_interpreter", scene_fail_interpreter, "a script whose interpreter is missing" },
	{ "fail_literal", scene_fail_literal,
	  "fork and exec of a literal, in a child that has touched no page" },
	{ "fail_late", scene_fail_late,
	  "a broken file that forges a name, when the old program is gone" },
	{ "path_search", scene_path_search, "found at the third place of PATH" },
	{ "fail32", scene_fail32, "by a 32-bit process" },
	{ NULL, NULL, NULL },
};
