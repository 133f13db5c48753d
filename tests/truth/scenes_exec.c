// SPDX-License-Identifier: MIT
/* All the ways to run a program, and all the arguments that it may get. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "truth.h"

/*
 * The child of fork() has not one page of .rodata mapped: a hook that reads the caller's memory at
 * the entry of execve finds neither the name nor the arguments.
 */
static char *const literal_argv[] = { "noop", "a literal", "and another", NULL };

static void literal_child(struct truth *t, void *arg)
{
	(void)t;
	(void)arg;
	execve("./noop", literal_argv, environment);
}

static void scene_literal(struct truth *t)
{
	const struct exec e = { .path = "./noop", .argv = literal_argv };
	struct child c;

	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		child_run(t, &c, literal_child, NULL);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
}

static void scene_vfork(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "noop", (char *)t->token, format("%u", t->i), NULL };
		const struct exec e = { .path = "./noop", .argv = argv };
		struct child c = { .flags = CLONE_VM | CLONE_VFORK };

#ifdef SYS_vfork
		c.call = "vfork";
#else
		c.call = "clone";
#endif
		c.after = now_ns();
		c.pid = (pid_t)must("vfork", vfork());
		if (!c.pid) {
			execve(e.path, e.argv, environment);
			_exit(127);
		}
		child_wait(&c);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
}

static void scene_spawn(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "another argv[0]", (char *)t->token, format("%u", t->i), NULL };
		const struct exec e = { .path = "./noop", .argv = argv };
		struct child c = { .call = NULL };

		c.after = now_ns();
		errno = posix_spawn(&c.pid, e.path, NULL, NULL, argv, environment);
		if (errno)
			die("posix_spawn: %s", strerror(errno));
		child_wait(&c);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
	}
}

struct by_fd {
	int fd;
	const char *path;
	int flags;
	char *const *argv;
};

static void execveat_child(struct truth *t, void *arg)
{
	const struct by_fd *b = arg;

	(void)t;
	syscall(SYS_execveat, b->fd, b->path, b->argv, environment, b->flags);
}

static void run_by_fd(struct truth *t, struct by_fd *b, struct exec *e)
{
	struct child c;
	struct stat st;

	must("fstat", fstat(b->fd, &st));
	if (t->inodes_agree && !(st.st_mode & S_IFDIR))
		e->inode = st.st_ino;
	e->argv = b->argv;
	e->filename =
		*b->path ? format("/dev/fd/%d/%s", b->fd, b->path) : format("/dev/fd/%d", b->fd);
	e->no_comm = true; /* the number until 6.13, the file's name from 6.14 on */
	child_run(t, &c, execveat_child, b);
	child_must_exit(&c, 0);
	line_run(t, e, &c);
}

static void scene_execveat_fd(struct truth *t)
{
	int fd;

	put_helper(t, "noop", "noop");
	fd = (int)must("open", open("noop", O_PATH | O_CLOEXEC));
	EACH_RUN(t)
	{
		char *argv[] = { "by fd", (char *)t->token, format("%u", t->i), NULL };
		struct by_fd b = { fd, "", AT_EMPTY_PATH, argv };
		struct exec e = { .exe = format("%s/noop", t->dir) };

		run_by_fd(t, &b, &e);
	}
}

static void scene_execveat_dir(struct truth *t)
{
	int fd;

	put_helper(t, "noop", "noop");
	fd = (int)must("open", open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	EACH_RUN(t)
	{
		char *argv[] = { "by directory", (char *)t->token, format("%u", t->i), NULL };
		struct by_fd b = { fd, "noop", 0, argv };
		struct exec e = { .exe = format("%s/noop", t->dir) };

		run_by_fd(t, &b, &e);
	}
}

/* A memfd that holds noop. */
static int memfd_noop(struct truth *t, const char *name)
{
	int in, fd = (int)must("memfd_create", memfd_create(name, MFD_CLOEXEC));
	char block[65536];
	ssize_t len;

	in = (int)must("open", open(format("%s/noop", t->helpers), O_RDONLY | O_CLOEXEC));
	while ((len = read(in, block, sizeof(block))) > 0)
		if (write(fd, block, (size_t)len) != len)
			die("cannot fill a memfd");
	close(in);
	return fd;
}

static void scene_memfd(struct truth *t)
{
	EACH_RUN(t)
	{
		char *argv[] = { "in memory", (char *)t->token, format("%u", t->i), NULL };
		struct by_fd b = { memfd_noop(t, "unseen \"name\""), "", AT_EMPTY_PATH, argv };
		struct exec e = { .exe = "/memfd:unseen \"name\"", .flags = "memfd deleted" };

		run_by_fd(t, &b, &e);
		close(b.fd);
	}
}

static void scene_memfd_proc(struct truth *t)
{
	EACH_RUN(t)
	{
		char *argv[] = { "in memory", (char *)t->token, format("%u", t->i), NULL };
		int fd = memfd_noop(t, "x");
		struct exec e = { .path = format("/proc/self/fd/%d", fd), .argv = argv };

		e.exe = "/memfd:x";
		e.flags = "memfd deleted";
		e.no_comm = true;
		exec_run(t, &e);
		close(fd);
	}
}

/* The interpreter of these scripts is noop, which does not read them. */
static void put_script(struct truth *t, const char *name, const char *interpreter,
		       const char *argument)
{
	const char *text = format("#!%s/%s%s%s\nnothing that anyone reads\n", t->dir, interpreter,
				  *argument ? " " : "", argument);

	put_file(name, text, strlen(text), 0755);
}

static void run_script(struct truth *t, const char *path, char *const *reported)
{
	char *argv[] = { "replaced by the kernel", (char *)t->token, NULL };
	const struct exec given = { .path = path, .argv = argv };
	struct exec seen = { .path = path, .argv = reported };
	struct child c;

	seen.exe = seen.interp = format("%s/noop", t->dir);
	seen.flags = "script";
	child_run(t, &c, exec_child, (void *)&given);
	child_must_exit(&c, 0);
	line_run(t, &seen, &c);
}

static void scene_script(struct truth *t)
{
	put_helper(t, "noop", "noop");
	put_script(t, "script", "noop", "");
	EACH_RUN(t)
	{
		char *reported[] = { format("%s/noop", t->dir), "./script", (char *)t->token,
				     NULL };

		run_script(t, "./script", reported);
	}
}

static void scene_script_argument(struct truth *t)
{
	put_helper(t, "noop", "noop");
	put_script(t, "script", "noop", "one argument with blanks");
	EACH_RUN(t)
	{
		char *reported[] = { format("%s/noop", t->dir), "one argument with blanks",
				     "./script", (char *)t->token, NULL };

		run_script(t, "./script", reported);
	}
}

static void scene_script_nested(struct truth *t)
{
	put_helper(t, "noop", "noop");
	put_script(t, "inner", "noop", "-i");
	put_script(t, "outer", "inner", "-o");
	EACH_RUN(t)
	{
		char *reported[] = { format("%s/noop", t->dir),
				     "-i",
				     format("%s/inner", t->dir),
				     "-o",
				     "./outer",
				     (char *)t->token,
				     NULL };

		run_script(t, "./outer", reported);
	}
}

static void scene_exec32(struct truth *t)
{
	put_helper(t, "noop32", "noop32");
	EACH_RUN(t)
	{
		char *argv[] = { "noop32", (char *)t->token, format("%u", t->i), NULL };
		struct exec e = { .path = "./noop32", .argv = argv, .flags = "compat32" };

		exec_run(t, &e);
	}
}

/* One process, three programs. */
static void scene_chain(struct truth *t)
{
	put_helper(t, "noop", "first");
	put_helper(t, "noop", "second");
	put_helper(t, "noop", "third");
	EACH_RUN(t)
	{
		char *argv[] = { "first",   "+exec",	      "./second", "+exec",
				 "./third", (char *)t->token, NULL };
		struct exec first = { .path = "./first", .argv = argv };
		struct exec second = { .path = "./second", .argv = argv + 2 };
		struct exec third = { .path = "./third", .argv = argv + 4 };
		struct child c;

		child_run(t, &c, exec_child, &first);
		child_must_exit(&c, 0);
		line_fork(t, &c, t->pid, NULL);
		line_exec(t, &first, c.pid, c.after, c.before);
		line_exec(t, &second, c.pid, c.after, c.before);
		line_exec(t, &third, c.pid, c.after, c.before);
		line_exit(t, &c, "third", "third");
		line_own(t, c.pid, c.after, c.before);
	}
}

struct by_thread {
	const struct exec *e;
	volatile pid_t *tid; /* shared with the parent */
};

static void *exec_thread(void *arg)
{
	const struct by_thread *b = arg;

	*b->tid = (pid_t)syscall(SYS_gettid);
	execve(b->e->path, b->e->argv, environment);
	_exit(126);
}

static void exec_thread_child(struct truth *t, void *arg)
{
	pthread_t thread;

	(void)t;
	if (!pthread_create(&thread, NULL, exec_thread, arg))
		for (;;)
			pause();
}

static void scene_exec_thread(struct truth *t)
{
	pid_t *tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (tid == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "by thread", (char *)t->token, format("%u", t->i), NULL };
		struct exec e = { .path = "./noop", .argv = argv, .flags = "by_thread" };
		struct by_thread b = { &e, tid };
		struct child c;

		child_fork(t, &c, exec_thread_child, &b);
		child_must_exit(&c, 0);
		e.tid = *tid;
		line_run(t, &e, &c);
	}
}

/* argc arguments, argv[0] aside, of that length, each another; the last is the token. */
static void run_many(struct truth *t, size_t argc, size_t len)
{
	char **argv = calloc(argc + 2, sizeof(*argv));
	struct exec e = { .path = "./noop", .argv = argv };
	uint32_t seed = t->i;
	size_t i, k;

	if (!argv)
		die("no memory");
	argv[0] = "noop";
	for (i = 1; i <= argc; i++) {
		argv[i] = malloc(len + 1);
		if (!argv[i])
			die("no memory");
		for (k = 0; k < len; k++)
			argv[i][k] = (char)('a' + next_random(&seed) % 26);
		argv[i][len] = '\0';
	}
	exec_run(t, &e);
	for (i = 1; i <= argc; i++)
		free(argv[i]);
	free(argv);
}

static void scene_args_10000(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	run_many(t, 10000, 1);
}

static void scene_args_10000_long(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	run_many(t, 10000, 12);
}

static void scene_arg_100000(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	run_many(t, 1, 100000);
}

/* Just below, at and just above the limit of what travels with an exec. */
static void scene_args_limit(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	run_many(t, 1, 28000 - 10 + t->i % 20 - sizeof("noop"));
}

/* Linux 5.18 and later gives such a program an empty argv[0]. */
static void scene_argv_empty(struct truth *t)
{
	char *none[] = { NULL }, *empty[] = { "", NULL };

	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		struct exec e = { .path = "./noop", .argv = none };
		struct child c;

		child_run(t, &c, exec_child, &e);
		if (WEXITSTATUS(c.status) != 200) {
			child_must_exit(&c, 0);
			e.argv = empty;
		}
		line_run(t, &e, &c);
	}
}

static char *const hostile[] = {
	"two\nlines",
	"a carriage\rreturn, a tab\t, a bell\a, a delete\x7f, an escape\x1b[2J",
	"\"double\" 'single' `back` \\ back\\\\slash \\u0041 \\n",
	"",
	" ",
	"{\"type\":\"exec\",\"pid\":1}",
	"\",\"command\":\"forged\",\"x\":\"",
	"\xff\xfe\x80 not UTF-8 \xc3\x28 \xc0\xaf overlong \xed\xa0\x80 surrogate \xf5\x80\x80\x80",
	"cut short \xe2\x82",
	"the mapping's own \xf4\x8f\xbc\x80 and \xf4\x8f\xbf\xbf", /* U+10FF00, U+10FFFF */
	"its neighbours \xf4\x8f\xbb\xbf \xf4\x90\x80\x80",	   /* U+10FEFF, beyond Unicode */
	"r\xe2\x80\xaetl \xe2\x80\x8bzero \xe2\x80\xa8line \xef\xbb\xbf",
	"\xf0\x9f\x90\xa7 h\xc3\xa9llo",
	"\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19"
	"\x1a\x1b\x1c\x1d\x1e\x1f",
	"(fault)",
	"%s%n%x $(id) ;rm * | & <|im_end|>",
	NULL,
};

static void scene_args_hostile(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		size_t i, n = sizeof(hostile) / sizeof(*hostile);
		char random[256];
		uint32_t seed = t->i;
		char *argv[32] = { (char *)hostile[t->i % (n - 1)] };
		struct exec e = { .path = "./noop", .argv = argv };

		for (i = 0; i < n - 1; i++)
			argv[i + 1] = (char *)hostile[(i + t->i) % (n - 1)];
		for (i = 0; i < sizeof(random) - 1 && i < t->i; i++)
			random[i] = (char)(next_random(&seed) % 255 + 1);
		random[i] = '\0';
		argv[n] = random;
		argv[n + 1] = (char *)t->token;
		/* "=" and "+" in front mean something to noop. */
		if (argv[1][0] == '=' || argv[1][0] == '+')
			die("an argument that noop understands");
		exec_run(t, &e);
	}
}

/* Someone rewrites the argument while the kernel copies it; noop tells what it got. */
struct rewriter {
	char text[3];
	volatile bool stop;
};

static void *rewrite(void *arg)
{
	struct rewriter *r = arg;

	while (!r->stop) {
		*(volatile char *)&r->text[1] = 'A';
		*(volatile char *)&r->text[1] = 'B';
	}
	return NULL;
}

static void scene_args_rewritten(struct truth *t)
{
	struct rewriter r = { "=A", false };
	pthread_t thread;

	put_helper(t, "noop", "noop");
	if (pthread_create(&thread, NULL, rewrite, &r))
		die("pthread_create");
	EACH_RUN(t)
	{
		char *argv[] = { "noop", r.text, (char *)t->token, NULL };
		struct exec e = { .path = "./noop", .argv = argv };
		struct child c = { .call = NULL };
		char got[3] = "=?";

		c.after = now_ns();
		c.pid = (pid_t)must("vfork", vfork());
		if (!c.pid) {
			execve(e.path, e.argv, environment);
			_exit(127);
		}
		child_wait(&c);
		got[1] = (char)WEXITSTATUS(c.status);
		child_must_exit(&c, got[1] == 'A' ? 'A' : 'B');
		argv[1] = got;
		line_run(t, &e, &c);
	}
	r.stop = true;
	pthread_join(thread, NULL);
}

/*
 * Someone makes strings longer and shorter, and turns argv to others, while the kernel counts and
 * copies: an argument may lose its end, or get one in its middle. The new program tells what it
 * got.
 */
#define RACES 50       /* of each run, */
#define RACES_MAX 1000 /* in all */
#define TELL_FD 3      /* of noop */

struct racer {
	char text[64];
	char *argv[6];
	volatile bool stop;
};

static void *race(void *arg)
{
	static char other[] = "the other one";
	struct racer *r = arg;
	uint32_t seed = 1;

	while (!r->stop) {
		const size_t end = next_random(&seed) % (sizeof(r->text) - 1);

		memset(r->text, 'a' + (char)(end % 26), sizeof(r->text) - 1);
		*(volatile char *)&r->text[end] = '\0';
		*(char *volatile *)&r->argv[3] = end % 2 ? r->text : other;
	}
	return NULL;
}

static size_t race_once(struct racer *r, struct child *c, char *told, size_t size)
{
	int ends[2];
	ssize_t len;

	must("pipe", pipe2(ends, O_CLOEXEC));
	c->after = now_ns();
	c->pid = (pid_t)must("vfork", vfork());
	if (!c->pid) {
		if (dup2(ends[1], TELL_FD) == TELL_FD)
			execve("./noop", r->argv, environment);
		_exit(127);
	}
	child_wait(c);
	child_must_exit(c, 0);
	close(ends[1]);
	len = must("read", read(ends[0], told, size));
	close(ends[0]);
	return (size_t)len;
}

static void scene_args_racing(struct truth *t)
{
	struct racer r = { .argv = { "noop", "+tell", r.text, r.text, (char *)t->token, NULL } };
	unsigned races;
	pthread_t thread;

	put_helper(t, "noop", "noop");
	if (pthread_create(&thread, NULL, race, &r))
		die("pthread_create");
	for (races = t->n < RACES_MAX / RACES ? t->n * RACES : RACES_MAX; races; races--) {
		char told[4096], *argv[6] = { NULL }, *at = told;
		const struct exec e = { .path = "./noop", .argv = argv };
		struct child c = { .call = NULL };
		size_t len = race_once(&r, &c, told, sizeof(told)), n;

		for (n = 0; n < 5 && at < told + len; n++) {
			argv[n] = at;
			at += strlen(at) + 1;
		}
		if (n != 5 || at != told + len)
			die("noop has told %zu bytes, which are no 5 arguments", len);
		line_run(t, &e, &c);
	}
	r.stop = true;
	pthread_join(thread, NULL);
}

/* A child with a terminal of its own. */
static void terminal_child(struct truth *t, void *arg)
{
	const struct exec *e = arg;
	int fd;

	if (setsid() < 0)
		_exit(125);
	fd = open(format("/dev/%s", e->tty), O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0))
		_exit(126);
	exec_child(t, arg);
}

static void scene_terminal(struct truth *t)
{
	put_helper(t, "noop", "noop");
	EACH_RUN(t)
	{
		char *argv[] = { "at a terminal", (char *)t->token, NULL };
		struct exec e = { .path = "./noop", .argv = argv };
		int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		struct child c;

		if (master < 0 || unlockpt(master))
			cannot("no pseudo-terminal: %s", strerror(errno));
		e.tty = ptsname(master) + strlen("/dev/");
		child_run(t, &c, terminal_child, &e);
		child_must_exit(&c, 0);
		line_run(t, &e, &c);
		close(master);
	}
}

const struct scene scenes_exec[] = {
	{ "literal", scene_literal,
	  "fork and exec of literals, in a child that has touched no page" },
	{ "vfork", scene_vfork, "vfork and exec" },
	{ "spawn", scene_spawn, "posix_spawn" },
	{ "execveat_fd", scene_execveat_fd, "execveat of a file descriptor, with an empty path" },
	{ "execveat_dir", scene_execveat_dir, "execveat from a directory" },
	{ "memfd", scene_memfd, "exec of a memfd by its descriptor" },
	{ "memfd_proc", scene_memfd_proc, "exec of a memfd by /proc/self/fd" },
	{ "script", scene_script, "a script" },
	{ "script_argument", scene_script_argument, "a script whose interpreter gets an argument" },
	{ "script_nested", scene_script_nested, "a script whose interpreter is a script" },
	{ "exec32", scene_exec32, "a static 32-bit program" },
	{ "chain", scene_chain, "three programs in one process" },
	{ "exec_thread", scene_exec_thread, "exec by a thread that is not the leader" },
	{ "terminal", scene_terminal, "at a terminal of its own" },
	{ "args_10000", scene_args_10000, "10,000 arguments of one byte" },
	{ "args_10000_long", scene_args_10000_long, "10,000 arguments, more bytes than travel" },
	{ "arg_100000", scene_arg_100000, "one argument of 100,000 bytes" },
	{ "args_limit", scene_args_limit, "arguments around the limit of 28,000 bytes" },
	{ "argv_empty", scene_argv_empty, "no argument at all, not even argv[0]" },
	{ "args_hostile", scene_args_hostile, "newlines, quotes, control bytes, broken UTF-8" },
	{ "args_rewritten", scene_args_rewritten, "an argument that is rewritten meanwhile" },
	{ "args_racing", scene_args_racing, "arguments that change their length meanwhile" },
	{ NULL, NULL, NULL },
};
