/* SPDX-License-Identifier: MIT */
/* The ftrace source without a kernel: formats, pages, and what becomes of events. All events are made up. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ftrace_made.h"
#include "source/ftrace_pages.h"
#include "source/ftrace_record.h"
#include "suite.h"
#include "wire/wire.h"

#define SELF 77
#define PARENT 100
#define CHILD 200

static struct ft_formats *formats;
static struct ft_translate *t;
static struct source_config cfg;
static edr_u64 now_ns;

static void setup(void)
{
	formats = ft_formats_new();
	ck_assert_ptr_nonnull(formats);
	ck_assert_int_eq(made_formats(formats), 0);
	t = malloc(sizeof(*t));
	ck_assert_ptr_nonnull(t);
	memset(&cfg, 0, sizeof(cfg));
	ft_translate_init(t, &cfg, -1, SELF, 64);
	t->has_newtask = t->has_rename = true;
	now_ns = 5000000001;
}

static void teardown(void)
{
	ft_translate_free(t);
	free(t);
	ft_formats_free(formats);
}

/* ---- events ---- */

struct raw {
	unsigned char data[4096];
	size_t len;
};

static void put(struct raw *r, size_t at, const void *data, size_t len)
{
	ck_assert_uint_le(at + len, sizeof(r->data));
	memcpy(r->data + at, data, len);
	if (at + len > r->len)
		r->len = at + len;
}

static void put32(struct raw *r, size_t at, edr_u32 v)
{
	put(r, at, &v, sizeof(v));
}

static void put64(struct raw *r, size_t at, edr_u64 v)
{
	put(r, at, &v, sizeof(v));
}

static struct raw raw(enum made_id id, edr_u32 tid, size_t fixed)
{
	const edr_u16 type = (edr_u16)id;
	struct raw r = { .len = fixed };

	put(&r, 0, &type, sizeof(type));
	put32(&r, 4, tid);
	r.len = fixed;
	return r;
}

/* A string behind the fixed part, and its place in the field. */
static void put_string(struct raw *r, size_t field, const char *s, size_t len)
{
	const size_t at = r->len;

	put(r, at, s, len);
	put32(r, field, (edr_u32)(at | len << 16));
}

static void feed(const struct raw *r)
{
	struct ft_event e = { .time_ns = now_ns, .cpu = 3 };

	ck_assert(ft_event_parse(formats, r->data, r->len, &e));
	ft_translate(t, &e, NULL);
	now_ns += 1000;
}

/* The nth record of that type that came out; NULL when there are fewer. */
static const void *record(unsigned type, size_t n)
{
	size_t at = 0;

	while (at < t->out.len) {
		const struct edr_hdr *rec = (const void *)(t->out.data + at);

		ck_assert_int_eq(wire_check(rec, t->out.len - at), 0);
		if (rec->type == type && n-- == 0)
			return rec;
		at += rec->len;
	}
	return NULL;
}

static void newtask(edr_u32 parent, edr_u32 child, edr_u64 flags)
{
	struct raw r = raw(MADE_NEWTASK, parent, 40);

	put32(&r, 8, child);
	put(&r, 12, "mother", 7);
	put64(&r, 32, flags);
	feed(&r);
}

static void forked(edr_u32 parent, edr_u32 child)
{
	struct raw r = raw(MADE_FORK, parent, 48);

	put(&r, 28, "mother", 7);
	put32(&r, 44, child);
	feed(&r);
}

static void exited(edr_u32 tid, bool last)
{
	struct raw r = raw(MADE_EXIT, tid, 32);

	put(&r, 8, "mother", 7);
	put32(&r, 24, tid);
	put(&r, 28, &last, 1);
	feed(&r);
}

static void renamed(edr_u32 tid, const char *name)
{
	struct raw r = raw(MADE_RENAME, tid, 32);

	put32(&r, 8, tid);
	put(&r, 12, name, strlen(name) + 1);
	feed(&r);
}

static void args(edr_u32 tid, edr_u64 argc, const char *bytes, size_t len)
{
	struct raw r = raw(MADE_ARGS, tid, 152);

	put64(&r, 16, argc);
	memset(r.data + 24, 'e', 128); /* the environment, which follows */
	put(&r, 24, bytes, len);
	r.len = 152;
	feed(&r);
}

static void execed(edr_u32 tid, edr_u32 old_tid, const char *filename, size_t len)
{
	struct raw r = raw(MADE_EXEC, tid, 20);

	put32(&r, 12, tid);
	put32(&r, 16, old_tid);
	put_string(&r, 8, filename, len);
	feed(&r);
}

static void value(enum made_id id, edr_u32 tid, edr_s32 v)
{
	struct raw r = raw(id, tid, 16);
	edr_s64 wide = v;

	put(&r, 8, &wide, sizeof(wide));
	feed(&r);
}

static bool same(const void *rec, struct edr_str s, const char *want, size_t len)
{
	struct wire_span got = wire_str(rec, s);

	return got.len == len && !memcmp(got.data, want, len);
}
#define SAME(rec, s, literal) ck_assert(same(rec, s, literal, sizeof(literal) - 1))

/* ---- formats and pages ---- */

START_TEST(test_formats)
{
	static const char broken[] = "name: sched_process_exec\nID: 9\nformat:\n\tfield:int x;\n";

	ck_assert_int_eq(ft_formats_add(formats, "sched", "sched_switch", "", 0), -ENOENT);
	ck_assert_int_eq(
		ft_formats_add(formats, "sched", "sched_process_exec", broken, sizeof(broken) - 1),
		-EBADMSG);
	ck_assert_int_eq(ft_formats_add(formats, "sched", "sched_process_exec", "\xff\n", 2),
			 -EBADMSG);
}
END_TEST

/* A place that is told lies outside of the event, or in its head: empty, and no byte is read there. */
START_TEST(test_bounds)
{
	static const edr_u32 places[] = { 20 | 5U << 16, 0xffff | 1U << 16, 20 | 0xffffU << 16,
					  4 | 4U << 16 };
	struct raw r = raw(MADE_EXEC, CHILD, 20);
	struct ft_event e = { 0 };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		put32(&r, 8, places[i]);
		r.len = 24;
		ck_assert(ft_event_parse(formats, r.data, r.len, &e));
		ck_assert_uint_eq(ft_string(&e, FT_EXEC_FILENAME).len, 0);
	}
	ck_assert(ft_event_parse(formats, r.data, 12, &e)); /* cut */
	ck_assert(!ft_has(&e, FT_EXEC_PID));
	ck_assert_uint_eq(ft_number(&e, FT_EXEC_PID), 0);
	ck_assert(!ft_event_parse(formats, r.data, 7, &e));
}
END_TEST

START_TEST(test_page)
{
	static const edr_u64 times[] = { 1000, 1001, 1001 + (1ULL << 27), 1002 + (5ULL << 30) };
	struct raw small = raw(MADE_RENAME, 1, 32), large = raw(MADE_EXEC, 2, 20);
	struct made_page page;
	const void *data;
	edr_u64 time_ns;
	struct ft_cpu c;
	size_t size, i;

	put_string(&large, 8, (const char[300]){ "/bin/x" }, 300);
	made_page_begin(&page, 1000);
	for (i = 0; i < 4; i++)
		made_event(&page, times[i], i % 2 ? large.data : small.data,
			   i % 2 ? large.len : small.len);
	ck_assert_int_eq(ft_cpu_init(&c, 0, sizeof(page.data)), 0);
	ft_cpu_load(&c, page.data, sizeof(page.data));
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(ft_cpu_next(&c, &data, &size, &time_ns), 1);
		ck_assert_uint_eq(time_ns, times[i]);
		ck_assert_uint_ge(size, i % 2 ? large.len : small.len);
		ck_assert_int_eq(memcmp(data, i % 2 ? large.data : small.data, 32), 0);
	}
	ck_assert_int_eq(ft_cpu_next(&c, &data, &size, &time_ns), 0);
	ck_assert_uint_eq(c.damaged, 0);
	/* It claims more than it has. */
	memset(page.data + 8, 0xff, 4);
	ft_cpu_load(&c, page.data, sizeof(page.data));
	ck_assert_int_eq(ft_cpu_next(&c, &data, &size, &time_ns), 0);
	ck_assert_uint_eq(c.damaged, 1);
	ft_cpu_close(&c);
}
END_TEST

/* ---- processes ---- */

START_TEST(test_life)
{
	const struct edr_fork *fork;
	const struct edr_exec *exec;
	const struct edr_exit *exit;
	edr_u64 start;

	newtask(PARENT, CHILD, 0x4100);
	start = now_ns - 1000;
	forked(PARENT, CHILD);
	renamed(CHILD, "prog\n[1] x");
	args(CHILD, 3, "prog\0a b\nc\0", 12);
	execed(CHILD, CHILD, "/bin/prog\n[1] x", 16);
	value(MADE_CODE, CHILD, 3 << 8);
	exited(CHILD, true);

	fork = record(EDR_FORK, 0);
	ck_assert_ptr_nonnull(fork);
	ck_assert_uint_eq(fork->child_pid, CHILD);
	ck_assert_uint_eq(fork->child_start_ns, start);
	ck_assert_uint_eq(fork->clone_flags, 0x4100);
	exec = record(EDR_EXEC, 0);
	ck_assert_ptr_nonnull(exec);
	ck_assert_uint_eq(exec->hdr.start_ns, start);
	ck_assert_uint_eq(exec->ppid, PARENT);
	ck_assert_uint_eq(exec->argc, 3);
	SAME(exec, exec->argv, "prog\0a b\nc\0\0");
	SAME(exec, exec->filename, "/bin/prog\n[1] x");
	ck_assert_str_eq(exec->comm, "prog\n[1] x");
	ck_assert_uint_eq(exec->hdr.flags & EDR_F_ARGS_FROM_PROBE, EDR_F_ARGS_FROM_PROBE);
	exit = record(EDR_EXIT, 0);
	ck_assert_ptr_nonnull(exit);
	ck_assert_uint_eq(exit->hdr.start_ns, start);
	ck_assert_uint_eq(exit->exit_code, 3);
	ck_assert_uint_eq(exit->hdr.flags & EDR_F_CODE_UNKNOWN, 0);
	ck_assert_ptr_null(record(EDR_EXEC, 1));
}
END_TEST

START_TEST(test_threads)
{
	const struct edr_exec *exec;
	const struct edr_exit *exit;

	newtask(PARENT, CHILD, 0);
	forked(PARENT, CHILD);
	newtask(CHILD, CHILD + 1, 0x10000 | 0x100);
	forked(CHILD, CHILD + 1);
	ck_assert_ptr_nonnull(record(EDR_THREAD, 0));
	exited(CHILD, false);
	execed(CHILD, CHILD + 1, "/bin/x", 7);
	exec = record(EDR_EXEC, 0);
	ck_assert_uint_eq(exec->exec_tid, CHILD + 1);
	ck_assert_uint_eq(exec->hdr.tgid, CHILD);
	ck_assert_uint_ne(exec->exec_flags & EDR_EXEC_BY_THREAD, 0);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);
	exited(CHILD, true);
	exit = record(EDR_EXIT, 0);
	ck_assert_uint_ne(exit->hdr.flags & EDR_F_CODE_UNKNOWN, 0);
	ck_assert_ptr_null(record(EDR_EXIT, 1));
	ck_assert_ptr_null(ft_tasks_find(&t->tasks, CHILD));
}
END_TEST

/* What does not fit is cut where the last whole memory ends, and marked. */
START_TEST(test_args_cut)
{
	const struct edr_exec *exec;
	char bytes[128];

	memset(bytes, 'a', sizeof(bytes));
	args(CHILD, 2, bytes, sizeof(bytes));
	execed(CHILD, CHILD, "/bin/x", 7);
	exec = record(EDR_EXEC, 0);
	ck_assert_uint_eq(wire_str(exec, exec->argv).len, sizeof(bytes));
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_TRUNCATED, 0);
	ck_assert_uint_eq(t->count[EDR_EXEC].truncated, 1);
}
END_TEST

/* The exec's own event was longer than the buffer takes: it is told all the same. */
START_TEST(test_exec_missed)
{
	const struct edr_exec *exec;

	args(CHILD, 1, "x\0", 2);
	newtask(CHILD, CHILD + 5, 0);
	exec = record(EDR_EXEC, 0);
	ck_assert_ptr_nonnull(exec);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_FILENAME_UNREADABLE, 0);
	SAME(exec, exec->argv, "x\0");
	ck_assert_ptr_null(record(EDR_EXEC, 1));
}
END_TEST

static void args32(edr_u32 tid, edr_u32 argc, const char *bytes, size_t len)
{
	struct raw r = raw(MADE_ARGS32, tid, 140);

	put32(&r, 8, argc);
	put(&r, 12, bytes, len);
	r.len = 140;
	feed(&r);
}

static void bprm(edr_u32 tid, unsigned char class)
{
	struct raw r = raw(MADE_BPRM, tid, 315);

	put32(&r, 8, 1);
	put64(&r, 12, 4711);
	put32(&r, 34, 1);
	put(&r, 38, &class, 1);
	put_string(&r, 55, "prog", 5);
	feed(&r);
}

/*
 * Of a 32-bit program start_thread tells nothing: what says that it is ready to run says of the
 * exec, too.
 */
START_TEST(test_exec_missed_32)
{
	const struct edr_exec *exec;

	bprm(CHILD, 1);
	ck_assert_ptr_null(record(EDR_EXEC, 0));
	exited(CHILD, true);
	exec = record(EDR_EXEC, 0);
	ck_assert_ptr_nonnull(exec);
	ck_assert_uint_eq(exec->exe_ino, 4711);
	ck_assert_uint_eq(exec->exec_flags, EDR_EXEC_COMPAT32);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);

	feed(&(struct raw){ .data = { MADE_READY32 & 0xff, MADE_READY32 >> 8, 0, 0, CHILD },
			    .len = 8 });
	renamed(CHILD, "the next"); /* by the exec behind it */
	ck_assert_ptr_nonnull(record(EDR_EXEC, 1));
	args32(CHILD, 2, "next\0a\0", 7);
	bprm(CHILD, 1);
	execed(CHILD, CHILD, "/bin/next", 10);
	exec = record(EDR_EXEC, 2);
	SAME(exec, exec->argv, "next\0a\0");
	ck_assert_uint_eq(exec->hdr.flags & EDR_F_ARGS_FROM_PROBE, EDR_F_ARGS_FROM_PROBE);

	/* Its stack was there, and then something went wrong. */
	args32(CHILD, 1, "fails\0", 6);
	exited(CHILD, true);
	ck_assert_ptr_null(record(EDR_EXEC, 3));
}
END_TEST

/* It does nothing that is seen, then: a while later it is told all the same, and once. */
START_TEST(test_exec_overdue)
{
	const struct edr_exec *exec;

	args(CHILD, 1, "x\0", 2);
	ft_translate_overdue(t, now_ns + FT_OVERDUE_NS / 2);
	ck_assert_ptr_null(record(EDR_EXEC, 0));
	ft_translate_overdue(t, now_ns + FT_OVERDUE_NS);
	exec = record(EDR_EXEC, 0);
	ck_assert_ptr_nonnull(exec);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_LATE, 0);
	ck_assert_uint_eq(exec->hdr.tgid, CHILD);
	exited(CHILD, true);
	args(CHILD, 1, "x\0", 2);
	execed(CHILD, CHILD, "/bin/x", 7);
	ft_translate_overdue(t, now_ns + FT_OVERDUE_NS);
	ck_assert_ptr_nonnull(record(EDR_EXEC, 1));
	ck_assert_ptr_null(record(EDR_EXEC, 2));
}
END_TEST

/* arm64: the probe reads two words of a 32-bit program's stack as one. */
START_TEST(test_args_misread)
{
	const struct edr_exec *exec;

	args(CHILD, 2 | 0xff7dULL << 32, "a\0b\0", 4);
	bprm(CHILD, 1);
	execed(CHILD, CHILD, "/bin/x", 7);
	exec = record(EDR_EXEC, 0);
	ck_assert_uint_eq(wire_str(exec, exec->argv).len, 0);
	ck_assert_uint_eq(exec->argc, 1); /* by the other probe */
	ck_assert_uint_eq(exec->hdr.flags & EDR_F_ARGS_FROM_PROBE, 0);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);

	bprm(CHILD, 1);
	args(CHILD, 2, "a\0b\0", 4);
	execed(CHILD, CHILD, "/bin/x", 7);
	exec = record(EDR_EXEC, 1);
	ck_assert_uint_eq(exec->hdr.flags & EDR_F_ARGS_FROM_PROBE, 0);

	args32(CHILD, 2, "a\0b\0", 4);
	args(CHILD, 2 | 0xff7dULL << 32, "\177ELF", 4);
	bprm(CHILD, 1);
	execed(CHILD, CHILD, "/bin/x", 7);
	exec = record(EDR_EXEC, 2);
	SAME(exec, exec->argv, "a\0b\0");
}
END_TEST

/* The same without a probe for its arguments: the call came back with success. Told once, however it is found out. */
START_TEST(test_exec_missed_without_probe)
{
	const struct edr_exec *exec;

	value(MADE_EXECVE_RET, CHILD, 0);
	exec = record(EDR_EXEC, 0);
	ck_assert_ptr_nonnull(exec);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_FILENAME_UNREADABLE, 0);
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);
	args(CHILD, 1, "x\0", 2);
	value(MADE_EXECVE_RET, CHILD, 0);
	ck_assert_ptr_nonnull(record(EDR_EXEC, 1));
	ck_assert_ptr_null(record(EDR_EXEC, 2));
}
END_TEST

START_TEST(test_exec_failed)
{
	struct raw r = raw(MADE_EXECVE, CHILD, 180);
	const struct edr_exec_failed *failed;

	put64(&r, 8, 0x1000);
	put64(&r, 16, 0x2000);
	put_string(&r, 168, "/no\nsuch", 9);
	put_string(&r, 172, "such", 5);
	put_string(&r, 176, "(fault)", 8);
	feed(&r);
	value(MADE_EXECVE_RET, CHILD, -ENOENT);
	failed = record(EDR_EXEC_FAILED, 0);
	ck_assert_ptr_nonnull(failed);
	ck_assert_int_eq(failed->error, ENOENT);
	SAME(failed, failed->filename, "/no\nsuch");
	SAME(failed, failed->argv, "such\0(fault)\0");
	ck_assert_uint_ne(failed->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);
}
END_TEST

/* The kernel's word for what it could not read: whoever gives it as a name or an argument hides nothing by it. */
START_TEST(test_exec_failed_word)
{
	struct raw r = raw(MADE_EXECVE, CHILD, 180);
	const struct edr_exec_failed *failed;
	int i;

	for (i = 0; i < 2; i++) {
		r = raw(MADE_EXECVE, CHILD, 180);
		put64(&r, 8, 0x1000);
		put64(&r, 16, 0x2000);
		put_string(&r, 168, "(fault)", 8);
		put_string(&r, 172, "(fault)", 8);
		put_string(&r, 176, "evil", 5);
		feed(&r);
		value(MADE_EXECVE_RET, CHILD, i ? -EFAULT : -ENOENT);
	}
	failed = record(EDR_EXEC_FAILED, 0);
	ck_assert_ptr_nonnull(failed);
	SAME(failed, failed->filename, "(fault)");
	SAME(failed, failed->argv, "(fault)\0evil\0");
	ck_assert_uint_eq(failed->argc, 2);
	ck_assert_uint_ne(failed->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);
	ck_assert_uint_ne(failed->hdr.flags & EDR_F_FILENAME_UNREADABLE, 0);
	failed = record(EDR_EXEC_FAILED, 1);
	ck_assert_ptr_nonnull(failed);
	SAME(failed, failed->filename, "");
}
END_TEST

START_TEST(test_exec_args_from_call_word)
{
	struct raw r = raw(MADE_EXECVE, CHILD, 180);
	const struct edr_exec *exec;

	put64(&r, 8, 0x1000);
	put64(&r, 16, 0x2000);
	put_string(&r, 168, "/bin/x", 7);
	put_string(&r, 172, "(fault)", 8);
	put_string(&r, 176, "evil", 5);
	feed(&r);
	execed(CHILD, CHILD, "/bin/x", 7);
	exec = record(EDR_EXEC, 0);
	ck_assert_ptr_nonnull(exec);
	SAME(exec, exec->argv, "(fault)\0evil\0");
	ck_assert_uint_ne(exec->hdr.flags & EDR_F_ARGS_UNREADABLE, 0);
}
END_TEST

/* ---- connects ---- */

static void connect_begins(edr_u32 tid, const struct sockaddr_in *in, const char *proof,
			   size_t proof_len)
{
	struct raw r = raw(MADE_CONNECT, tid, 148);

	put32(&r, 8, 5);
	put32(&r, 12, sizeof(*in));
	put(&r, 20, in, sizeof(*in));
	r.len = 148;
	put_string(&r, 16, proof, proof_len);
	feed(&r);
}

START_TEST(test_connect)
{
	const struct sockaddr_in in = { .sin_family = AF_INET,
					.sin_port = htons(80),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct raw file = raw(MADE_CONNECT_FILE, CHILD, 144);
	const struct edr_connect *c;

	connect_begins(CHILD, &in, "\2", 2);
	value(MADE_CONNECT_RET, CHILD, -ECONNREFUSED);
	c = record(EDR_CONNECT, 0);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->result, -ECONNREFUSED);
	ck_assert_int_eq(c->fd, 5);
	ck_assert(same(c, c->sockaddr, (const char *)&in, sizeof(in)));
	ck_assert_uint_ne(c->hdr.flags & EDR_F_ADDR_UNVERIFIED, 0);

	/* Memory that could not be read: what lies in the event is somebody else's. */
	connect_begins(CHILD, &in, "(fault)", 8);
	value(MADE_CONNECT_RET, CHILD, -EFAULT);
	c = record(EDR_CONNECT, 1);
	ck_assert_uint_eq(c->sockaddr.len, 0);
	ck_assert_uint_ne(c->hdr.flags & EDR_F_ADDR_UNKNOWN, 0);

	/* io_uring: no call */
	put32(&file, 8, sizeof(in));
	put(&file, 12, &in, sizeof(in));
	file.len = 144;
	feed(&file);
	c = record(EDR_CONNECT, 2);
	ck_assert_int_eq(c->fd, -1);
	ck_assert_int_eq(c->result, EDR_RESULT_UNKNOWN);
	ck_assert_uint_eq(c->hdr.flags & EDR_F_ADDR_UNVERIFIED, 0);
}
END_TEST

static void sock_state(edr_u32 tid, edr_u32 from, edr_u32 to)
{
	struct raw r = raw(MADE_SOCK, tid, 72);
	const edr_u16 port = 443, family = AF_INET, protocol = IPPROTO_TCP;

	put64(&r, 8, 0xabc);
	put32(&r, 16, from);
	put32(&r, 20, to);
	put(&r, 26, &port, 2);
	put(&r, 28, &family, 2);
	put(&r, 30, &protocol, 2);
	put(&r, 36, "\177\0\0\1", 4);
	r.len = 72;
	feed(&r);
}

static void connect_file(edr_u32 tid, const struct sockaddr_in *in)
{
	struct raw r = raw(MADE_CONNECT_FILE, tid, 140);

	put32(&r, 8, sizeof(*in));
	put(&r, 12, in, sizeof(*in));
	r.len = 140;
	feed(&r);
}

/* The event does not tell TCP from UDP. */
START_TEST(test_connect_without_call)
{
	const struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(443) };

	connect_file(CHILD, &in); /* TCP by io_uring, which goes on later */
	sock_state(CHILD, 7, 2);
	connect_file(CHILD, &in);
	ck_assert_ptr_nonnull(record(EDR_CONNECT, 0));
	ck_assert_ptr_null(record(EDR_CONNECT, 1));

	sock_state(CHILD, 7, 2); /* TCP fast open */
	ck_assert_ptr_nonnull(record(EDR_CONNECT, 1));

	connect_file(CHILD, &in); /* UDP; then fast open, after a while */
	ck_assert_ptr_nonnull(record(EDR_CONNECT, 2));
	now_ns += 2000000000;
	sock_state(CHILD, 7, 2);
	ck_assert_ptr_nonnull(record(EDR_CONNECT, 3));
}
END_TEST

START_TEST(test_connect_result)
{
	const struct sockaddr_in in = { .sin_family = AF_INET };
	const struct edr_connect_result *c;
	struct raw reset = raw(MADE_RESET, 0, 16);

	connect_begins(CHILD, &in, "\2", 2);
	sock_state(CHILD, 7, 2);
	value(MADE_CONNECT_RET, CHILD, -EINPROGRESS);
	ck_assert_ptr_null(record(EDR_CONNECT_RESULT, 0));
	put64(&reset, 8, 0xabc);
	feed(&reset);
	sock_state(0, 2, 7);
	c = record(EDR_CONNECT_RESULT, 0);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->result, -ECONNREFUSED);
	ck_assert_uint_eq(c->hdr.tgid, CHILD);
	ck_assert_uint_eq(t->n_socks, 0);
}
END_TEST

/* ---- bounds and filters ---- */

START_TEST(test_many_tasks)
{
	for (edr_u32 i = 1; i < 10000; i++) {
		newtask(1, 1000 + i, 0);
		sock_state(1000 + i, 7, 2);
		buf_clear(&t->out);
	}
	ck_assert_uint_le(t->tasks.n, 64 + 8);
	ck_assert_uint_ge(t->tasks.evicted, 9000);
	ck_assert_uint_le(t->n_socks, 4096);
}
END_TEST

START_TEST(test_filters)
{
	static const char *const comms[] = { "hidden" }, *const cgroups[] = { "/a/" };

	t->cfg.skip_comms = (struct source_list){ comms, 1 };
	renamed(CHILD, "hidden");
	execed(CHILD, CHILD, "/bin/hidden", 12);
	ck_assert_ptr_null(record(EDR_EXEC, 0));
	ck_assert_uint_eq(t->count[EDR_EXEC].filtered, 1);
	ck_assert_uint_eq(t->count[EDR_EXEC].produced, 0);
	/* Our own process is not even counted. */
	newtask(SELF, SELF + 1, 0);
	forked(SELF, SELF + 1);
	ck_assert_ptr_null(record(EDR_FORK, 0));
	ck_assert_uint_eq(t->count[EDR_FORK].filtered, 0);

	t->cfg.skip_cgroups = (struct source_list){ cgroups, 1 };
	ck_assert(ft_list_has_prefix(&t->cfg.skip_cgroups, (struct wire_span){ "/a/b", 4 }, true));
	ck_assert(ft_list_has_prefix(&t->cfg.skip_cgroups, (struct wire_span){ "/a", 2 }, true));
	ck_assert(!ft_list_has_prefix(&t->cfg.skip_cgroups, (struct wire_span){ "/ab", 3 }, true));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_formats,
				       test_bounds,
				       test_page,
				       test_life,
				       test_threads,
				       test_args_cut,
				       test_exec_missed,
				       test_exec_missed_32,
				       test_exec_overdue,
				       test_args_misread,
				       test_exec_missed_without_probe,
				       test_exec_failed,
				       test_exec_failed_word,
				       test_exec_args_from_call_word,
				       test_connect,
				       test_connect_without_call,
				       test_connect_result,
				       test_many_tasks,
				       test_filters };

	return suite_run("ftrace", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 30);
}
