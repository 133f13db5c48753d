/* SPDX-License-Identifier: MIT */
/*
 * What /proc says, as PROCESS records. Everything in there that a process can choose (its name, its
 * arguments, its paths) is taken as bytes and never as structure: stat is read from its last ')'
 * on, and the lines of status and cgroup are safe since the kernel escapes newlines in them.
 *
 * All files of a process are opened below the descriptor of its directory, which dies with the
 * process: they cannot come from another one that got the same pid.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/private.h"
#include "util/nohang.h"
#include "util/read.h"
#include "wire/build.h"

_Static_assert(EDR_ARGV_MAX < NOHANG_MOST, "NOHANG_MOST");

#define PF_KTHREAD 0x00200000u /* linux/sched.h */
#define FILE_MAX_BYTES 65536   /* cgroup: a line for each of a dozen hierarchies */
#define HEAD_BYTES 4096	       /* stat and status need less than half of it */

struct scan {
	int dir; /* root */
	edr_u64 now_ns;
	struct buf record;
	char *file; /* FILE_MAX_BYTES */
};

/* What we want of stat. */
struct stat_fields {
	edr_u32 ppid;
	edr_u32 flags;
	edr_u64 start_ticks;
	edr_comm comm;
};

/* Up to size bytes; -errno. The file is one of /proc, or of a test's copy: no link is followed. */
static ssize_t read_file(int dir, const char *name, char *out, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = util_read_full(fd, out, size);
	close(fd);
	return n;
}

/* Digits up to another character; false when there are none or too many. */
static bool parse_number(const char **p, const char *end, edr_u64 *out)
{
	const char *first = *p;
	edr_u64 v = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (edr_u64)(**p - '0');
	}
	*out = v;
	return *p > first;
}

static void copy_comm(edr_comm out, const char *comm, size_t len)
{
	memset(out, 0, sizeof(edr_comm));
	if (len > sizeof(edr_comm) - 1)
		len = sizeof(edr_comm) - 1; /* a worker's name is longer here than in the task */
	memcpy(out, comm, len);
}

/* proc_pid_stat(5): pid (comm) state ppid ...; the fields that we want are 3, 4, 9 and 22. */
static bool parse_stat(const char *text, size_t len, struct stat_fields *out)
{
	const char *open = memchr(text, '(', len), *close = memrchr(text, ')', len);
	const char *p, *end = text + len;
	edr_u64 value = 0;
	int field;

	if (!open || !close || close < open || end - close < 4 || close[1] != ' ')
		return false;
	copy_comm(out->comm, open + 1, (size_t)(close - open - 1));
	p = close + 3;
	for (field = 4; field <= 22; field++) {
		if (p >= end || *p++ != ' ')
			return false;
		if (p < end && *p == '-')
			p++;
		if (!parse_number(&p, end, &value))
			return false;
		if (field == 4)
			out->ppid = (edr_u32)value;
		else if (field == 9)
			out->flags = (edr_u32)value;
	}
	out->start_ticks = value;
	return value <= UINT64_MAX / PROC_TICK_NS;
}

/* 0, or -errno; -EBADMSG for what is no stat. */
static int read_stat(int dir, const char *name, struct stat_fields *out)
{
	char text[HEAD_BYTES];
	ssize_t len = read_file(dir, name, text, sizeof(text));

	if (len < 0)
		return (int)len;
	return parse_stat(text, (size_t)len, out) ? 0 : -EBADMSG;
}

/* "\nUid:\treal\teffective\t..." in status. */
static void parse_ids(const char *text, size_t len, const char *label, edr_u32 *real,
		      edr_u32 *effective)
{
	const char *p = memmem(text, len, label, strlen(label)), *end = text + len;
	edr_u64 a, b;

	if (!p)
		return;
	p += strlen(label);
	if (!parse_number(&p, end, &a) || p >= end || *p++ != '\t' || !parse_number(&p, end, &b))
		return;
	*real = (edr_u32)a;
	*effective = (edr_u32)b;
}

static void read_ids(int dir, struct edr_process *r)
{
	char text[HEAD_BYTES];
	ssize_t len = read_file(dir, "status", text, sizeof(text));

	r->uid = r->euid = r->gid = r->egid = EDR_ID_UNSET;
	if (len <= 0)
		return;
	parse_ids(text, (size_t)len, "\nUid:\t", &r->uid, &r->euid);
	parse_ids(text, (size_t)len, "\nGid:\t", &r->gid, &r->egid);
}

/* loginuid, sessionid: missing in kernels without audit; 4294967295 when not set. */
static edr_u32 read_id(int dir, const char *name)
{
	char text[16];
	ssize_t len = read_file(dir, name, text, sizeof(text));
	const char *p = text;
	edr_u64 v;

	if (len <= 0 || !parse_number(&p, text + len, &v) || v > UINT32_MAX)
		return EDR_ID_UNSET;
	return (edr_u32)v;
}

/* The link's text; " (deleted)" belongs to the path only when the file still has a name. */
static size_t read_exe(int dir, char *out, size_t size)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	ssize_t len = readlinkat(dir, "exe", out, size);
	struct stat st;

	if (len <= 0)
		return 0;
	if ((size_t)len > tail && memcmp(out + len - tail, deleted, tail) == 0 &&
	    (nohang_stat(dir, "exe", 0, &st) || st.st_nlink == 0))
		len -= (ssize_t)tail;
	return (size_t)len;
}

/*
 * The path that tells where a process belongs, of the lines "id:controllers:path": one that names a
 * container; else the v2 one, if it is not the root; else systemd's own v1 hierarchy; else the
 * first.
 */
static struct wire_span choose_cgroup(const char *text, size_t len)
{
	struct wire_span best = { text, 0 }, path;
	const char *end = text + len, *line, *eol, *c1, *c2;
	int rank, best_rank = 0;

	for (line = text; line < end; line = eol + 1) {
		eol = memchr(line, '\n', (size_t)(end - line));
		if (!eol)
			break; /* cut: not to be trusted */
		c1 = memchr(line, ':', (size_t)(eol - line));
		c2 = c1 ? memchr(c1 + 1, ':', (size_t)(eol - c1 - 1)) : NULL;
		if (!c2)
			continue;
		path = (struct wire_span){ c2 + 1, (size_t)(eol - c2 - 1) };
		rank = 1;
		if (proc_container_id(path.data, path.len).len)
			rank = 4;
		else if (c2 == c1 + 1 && path.len > 1)
			rank = 3;
		else if (c2 - c1 == 13 && memcmp(c1, ":name=systemd", 13) == 0)
			rank = 2;
		if (rank > best_rank) {
			best_rank = rank;
			best = path;
		}
	}
	return best;
}

static void add_cgroup(struct wire_build *b, int dir, char *file)
{
	ssize_t len = read_file(dir, "cgroup", file, FILE_MAX_BYTES);
	struct wire_span path;

	if (len <= 0)
		return;
	path = choose_cgroup(file, (size_t)len);
	if (path.len > EDR_PATH_MAX)
		path.len = EDR_PATH_MAX;
	wire_build_str(b, offsetof(struct edr_process, cgroup), path.data, path.len);
}

/* Before the rest of the record, for it tells one of the header's flags. */
static size_t read_argv(int dir, char *out, struct edr_hdr *hdr)
{
	ssize_t len = nohang_cmdline(dir, out, EDR_ARGV_MAX + 1);

	if (len <= EDR_ARGV_MAX)
		return len < 0 ? 0 : (size_t)len;
	hdr->flags |= EDR_F_TRUNCATED;
	return EDR_ARGV_MAX;
}

/* True when a record was handed out. */
static bool scan_one(struct scan *s, const char *pid, edr_u32 tgid, proc_record_fn fn, void *ctx)
{
	int dir = openat(s->dir, pid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct edr_process r = { .hdr = { .time_ns = s->now_ns, .tgid = tgid, .tid = tgid } };
	const struct edr_hdr *rec = NULL;
	struct stat_fields st = { 0 };
	struct wire_build b;
	size_t len;

	if (dir < 0)
		return false;
	if (read_stat(dir, "stat", &st))
		goto out;
	r.hdr.start_ns = st.start_ticks * PROC_TICK_NS;
	r.hdr.flags = EDR_F_COARSE_START | (st.flags & PF_KTHREAD ? EDR_F_KTHREAD : 0);
	r.ppid = st.ppid;
	memcpy(r.comm, st.comm, sizeof(r.comm));
	read_ids(dir, &r);
	r.loginuid = read_id(dir, "loginuid");
	r.sessionid = read_id(dir, "sessionid");

	buf_clear(&s->record);
	len = read_argv(dir, s->file, &r.hdr);
	wire_build_begin(&b, &s->record, EDR_PROCESS, &r);
	wire_build_str(&b, offsetof(struct edr_process, argv), s->file, len);
	len = read_exe(dir, s->file, EDR_PATH_MAX);
	wire_build_str(&b, offsetof(struct edr_process, exe), s->file, len);
	add_cgroup(&b, dir, s->file);
	rec = wire_build_end(&b);
out:
	close(dir);
	if (rec)
		fn(ctx, rec);
	return rec != NULL;
}

/* A name in /proc that is a pid. */
static bool is_pid(const char *name, edr_u32 *tgid)
{
	const char *p = name, *end = name + strnlen(name, 11);
	edr_u64 v;

	if (!parse_number(&p, end, &v) || p != end || *p || v == 0 || v > INT32_MAX)
		return false;
	*tgid = (edr_u32)v;
	return true;
}

int proc_scan(const char *root, edr_u64 now_ns, proc_record_fn fn, void *ctx)
{
	struct scan s = { .now_ns = now_ns, .file = malloc(FILE_MAX_BYTES) };
	DIR *d = s.file ? opendir(root) : NULL;
	struct dirent *ent;
	edr_u32 tgid;
	int n = 0;

	if (!d) {
		n = s.file ? -errno : -ENOMEM;
		goto out;
	}
	s.dir = dirfd(d);
	while ((ent = readdir(d)))
		if (is_pid(ent->d_name, &tgid) && scan_one(&s, ent->d_name, tgid, fn, ctx))
			n++;
	closedir(d);
out:
	buf_free(&s.record);
	free(s.file);
	return n;
}

/* Whether the process of that entry is certainly gone: nobody has its pid, or somebody else. */
static bool is_gone(int root, const struct proc_entry *e)
{
	struct stat_fields st;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "%u/stat", e->tgid);
	err = read_stat(root, name, &st);
	if (err)
		return err == -ENOENT || err == -ESRCH;
	return !proc_same_start(st.start_ticks * PROC_TICK_NS, true, e->start_ns, e->coarse_start);
}

static int tell_gone(struct buf *out, const struct proc_entry *e, edr_u64 now_ns, proc_record_fn fn,
		     void *ctx)
{
	struct edr_process r = { .hdr = { .time_ns = now_ns,
					  .start_ns = e->start_ns,
					  .tgid = e->tgid,
					  .tid = e->tgid,
					  .flags = e->coarse_start ? EDR_F_COARSE_START : 0 },
				 .cgroup_id = e->cgroup_id,
				 .ppid = e->ppid,
				 .uid = e->uid,
				 .gid = e->gid,
				 .euid = e->euid,
				 .egid = e->egid,
				 .loginuid = e->loginuid,
				 .sessionid = e->sessionid,
				 .gone = 1 };
	const struct edr_hdr *rec;
	struct wire_build b;

	memcpy(r.comm, e->comm, sizeof(r.comm));
	buf_clear(out);
	wire_build_begin(&b, out, EDR_PROCESS, &r);
	wire_build_str(&b, offsetof(struct edr_process, exe), e->exe, strlen(e->exe));
	rec = wire_build_end(&b);
	if (!rec)
		return -ENOMEM;
	fn(ctx, rec); /* may well change the table */
	return 0;
}

int proc_heal(struct proc_table *t, const char *root, edr_u64 now_ns, size_t budget,
	      proc_record_fn fn, void *ctx)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0, err = 0;
	struct buf record = { 0 };
	struct proc_node *e;

	if (dir < 0)
		return -errno;
	if (budget > t->stats.alive)
		budget = t->stats.alive;
	for (; budget && t->alive && !err; budget--) {
		e = t->heal_at ? t->heal_at : t->alive;
		t->heal_at = e->next; /* kept right by the table when that one goes */
		if (!is_gone(dir, &e->e))
			continue;
		err = tell_gone(&record, &e->e, now_ns, fn, ctx);
		n += !err;
	}
	buf_free(&record);
	close(dir);
	return err ? err : n;
}
