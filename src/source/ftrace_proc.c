// SPDX-License-Identifier: MIT
#include "source/ftrace_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/nohang.h"

#define PF_KTHREAD 0x00200000u /* linux/sched.h */
#define HEAD_BYTES 4096
#define FIELD_PPID 4 /* proc_pid_stat(5) */
#define FIELD_TTY 7
#define FIELD_FLAGS 9
#define FIELD_THREADS 20
#define FIELD_START 22

static size_t read_file(int dir, const char *name, char *out, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return 0;
	while (len < size) {
		n = read(fd, out + len, size - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	return len;
}

static int open_process(int proc, edr_u32 tid)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", tid);
	return proc < 0 ? -1 : openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Controlling terminals by their device number, as the kernel names them. */
static void name_tty(edr_comm out, unsigned long long dev)
{
	const unsigned maj = (unsigned)(dev >> 8 & 0xfff),
		       min = (unsigned)((dev & 0xff) | (dev >> 12 & 0xfff00));

	memset(out, 0, sizeof(edr_comm));
	if (maj >= 136 && maj <= 143)
		snprintf(out, sizeof(edr_comm), "pts%u", (maj - 136) * 256 + min);
	else if (maj == 4 && min < 64)
		snprintf(out, sizeof(edr_comm), "tty%u", min);
	else if (maj == 4)
		snprintf(out, sizeof(edr_comm), "ttyS%u", min - 64);
}

/* The name may hold anything, a ')' too: what follows the last one is the kernel's own. */
static bool parse_stat(char *text, size_t len, struct ft_proc_status *out)
{
	char *open = memchr(text, '(', len), *end = memrchr(text, ')', len), *at;
	size_t comm_len;
	int field;

	if (!open || !end || end < open || (size_t)(text + len - end) < 4)
		return false;
	comm_len = (size_t)(end - open - 1);
	if (comm_len > sizeof(edr_comm) - 1)
		comm_len = sizeof(edr_comm) - 1;
	memset(out->comm, 0, sizeof(out->comm));
	memcpy(out->comm, open + 1, comm_len);
	at = end + 3;
	for (field = FIELD_PPID; field <= FIELD_START; field++) {
		char *next;
		unsigned long long v = strtoull(at, &next, 10);

		if (next == at)
			return false;
		at = next;
		if (field == FIELD_PPID)
			out->ppid = (edr_u32)v;
		else if (field == FIELD_TTY)
			name_tty(out->session.tty, v);
		else if (field == FIELD_FLAGS)
			out->kthread = (v & PF_KTHREAD) != 0;
		else if (field == FIELD_THREADS)
			out->threads = (edr_u32)v;
		else if (field == FIELD_START)
			out->start_ns = v * FT_TICK_NS;
	}
	return true;
}

static bool read_stat(int dir, struct ft_proc_status *out)
{
	char text[HEAD_BYTES];
	size_t len = read_file(dir, "stat", text, sizeof(text) - 1);

	text[len] = '\0';
	return len && parse_stat(text, len, out);
}

static const char *behind(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	return at ? at + strlen(label) : NULL;
}

/* Safe to search: the kernel escapes newlines in the name. */
static bool read_status(int dir, struct ft_proc_status *out)
{
	char text[HEAD_BYTES], *next;
	size_t len = read_file(dir, "status", text, sizeof(text) - 1);
	const char *at;

	text[len] = '\0';
	at = behind(text, "\nTgid:\t");
	if (!at)
		return false;
	out->tgid = (edr_u32)strtoul(at, NULL, 10);
	at = behind(text, "\nUid:\t");
	if (at) {
		out->creds.uid = (edr_u32)strtoul(at, &next, 10);
		out->creds.euid = (edr_u32)strtoul(next, NULL, 10);
	}
	at = behind(text, "\nGid:\t");
	if (at) {
		out->creds.gid = (edr_u32)strtoul(at, &next, 10);
		out->creds.egid = (edr_u32)strtoul(next, NULL, 10);
	}
	return true;
}

static edr_u32 read_id(int dir, const char *name)
{
	char text[16];
	size_t len = read_file(dir, name, text, sizeof(text) - 1);

	text[len] = '\0';
	return len ? (edr_u32)strtoul(text, NULL, 10) : EDR_ID_UNSET;
}

static bool fill_status(int dir, struct ft_proc_status *out)
{
	memset(out, 0, sizeof(*out));
	out->creds = FT_NO_CREDS;
	if (!read_stat(dir, out) || !read_status(dir, out))
		return false;
	out->session.loginuid = read_id(dir, "loginuid");
	out->session.sessionid = read_id(dir, "sessionid");
	return true;
}

bool ft_proc_status(int proc, edr_u32 tid, struct ft_proc_status *out)
{
	int dir = open_process(proc, tid);
	bool ok = dir >= 0 && fill_status(dir, out);

	if (dir >= 0)
		close(dir);
	return ok;
}

edr_u64 ft_proc_start(int proc, edr_u32 tgid)
{
	int dir = open_process(proc, tgid);
	struct ft_proc_status st;
	edr_u64 start = 0;

	if (dir < 0)
		return 0;
	memset(&st, 0, sizeof(st));
	if (read_stat(dir, &st))
		start = st.start_ns;
	close(dir);
	return start;
}

/* The file that runs: " (deleted)" belongs to its path when the file still has a name. */
static size_t read_exe(int dir, char *out, size_t size, struct ft_snapshot *s)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	ssize_t n = readlinkat(dir, "exe", out, size);
	size_t len = n > 0 ? (size_t)n : 0;
	struct stat st;

	if (!len || nohang_stat(dir, "exe", 0, &st))
		return len;
	s->exe_ino = st.st_ino;
	s->exe_dev = (edr_u32)(major(st.st_dev) << 20 | (minor(st.st_dev) & 0xfffff));
	if ((st.st_mode & S_ISUID) && st.st_uid == s->status.creds.euid)
		s->exec_flags |= EDR_EXEC_SETUID;
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    st.st_gid == s->status.creds.egid)
		s->exec_flags |= EDR_EXEC_SETGID;
	if (st.st_nlink)
		return len;
	s->exec_flags |= EDR_EXEC_DELETED;
	if (len > tail && !memcmp(out + len - tail, deleted, tail))
		len -= tail;
	if (len > 7 && !memcmp(out, "/memfd:", 7))
		s->exec_flags |= EDR_EXEC_MEMFD;
	return len;
}

/* The v2 line's path, "0::/path"; where there is none, the first one's. */
static size_t find_cgroup(char *text, size_t len, char **path)
{
	char *at, *end, *line = text;
	size_t n = 0;

	text[len] = '\0';
	for (; *line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		at = strchr(line, ':');
		at = at ? strchr(at + 1, ':') : NULL;
		if (at && (!n || !strncmp(line, "0::", 3))) {
			*path = at + 1;
			n = strlen(*path);
		}
	}
	return n > EDR_PATH_MAX ? 0 : n;
}

static edr_u64 cgroup_id(int cgroup, const char *path)
{
	struct stat st;

	/* Out of what we see of the hierarchy: where that leads is somebody's choice. */
	if (!strncmp(path, "/../", 4))
		return 0;
	while (*path == '/')
		path++;
	if (cgroup < 0 || fstatat(cgroup, *path ? path : ".", &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	return st.st_ino;
}

static void add_cgroup(int dir, int cgroup, struct ft_snapshot *s, struct buf *out)
{
	static char text[8192]; /* one thread uses a source */
	char *path = NULL;
	size_t n = find_cgroup(text, read_file(dir, "cgroup", text, sizeof(text) - 1), &path);

	if (!n)
		return;
	s->cgroup_id = cgroup_id(cgroup, path);
	s->cgroup_len = (edr_u32)n;
	buf_add(out, path, n);
}

bool ft_proc_snapshot(int proc, int cgroup, edr_u32 tgid, edr_u64 now_ns, struct buf *out)
{
	static const char zeros[8];
	struct ft_snapshot s = { .taken_ns = now_ns };
	int dir = open_process(proc, tgid);
	const size_t begin = out->len;
	bool ok = false;
	ssize_t argv;
	size_t exe;

	/* What goes first when a process ends is read first. */
	if (dir < 0)
		return false;
	buf_add(out, &s, sizeof(s));
	if (buf_reserve(out, EDR_PATH_MAX + EDR_ARGV_MAX + 8)) {
		char *to = out->data + out->len;

		argv = nohang_cmdline(dir, to + EDR_PATH_MAX, EDR_ARGV_MAX + 1);
		s.argv_bytes = argv > 0 ? (edr_u32)argv : 0;
		ok = fill_status(dir, &s.status);
		exe = read_exe(dir, to, EDR_PATH_MAX, &s);
		s.exe_len = (edr_u32)exe;
		s.argv_len = s.argv_bytes > EDR_ARGV_MAX ? EDR_ARGV_MAX : s.argv_bytes;
		memmove(to + exe, to + EDR_PATH_MAX, s.argv_len);
		out->len += exe + s.argv_len;
		add_cgroup(dir, cgroup, &s, out);
	}
	close(dir);
	buf_add(out, zeros, (8 - out->len % 8) % 8);
	if (!ok || out->failed) {
		out->len = begin;
		return false;
	}
	memcpy(out->data + begin, &s, sizeof(s));
	return true;
}
