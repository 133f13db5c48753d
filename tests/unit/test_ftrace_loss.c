/* SPDX-License-Identifier: MIT */
/*
 * The ftrace source: what is under way when its thread goes, and what is lost, is told or counted.
 * No kernel: all events are made up.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ftrace_made.h"
#include "source/clock.h"
#include "source/ftrace_misses.h"
#include "source/ftrace_pages.h"
#include "source/ftrace_read.h"
#include "source/ftrace_record.h"
#include "suite.h"
#include "wire/wire.h"

#define TASKS 64
#define CHILD 200
#define CONNECTS 600

static struct ft_formats *formats;
static struct ft_translate *t;
static struct source_config cfg;
static edr_u64 now_ns;

/* ---- memory that is short, where a calloc of ours may stand over glibc's ---- */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HAS_SHORT_MEMORY
static bool short_memory;

void *__libc_calloc(size_t n, size_t size); /* NOLINT: glibc's name */
void *calloc(size_t n, size_t size)
{
	return short_memory ? NULL : __libc_calloc(n, size);
}
#endif

static void setup(void)
{
	formats = ft_formats_new();
	ck_assert_ptr_nonnull(formats);
	ck_assert_int_eq(made_formats(formats), 0);
	t = malloc(sizeof(*t));
	ck_assert_ptr_nonnull(t);
	memset(&cfg, 0, sizeof(cfg));
	ft_translate_init(t, &cfg, -1, 77, TASKS);
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

static void feed(enum made_id id, edr_u32 tid, unsigned char *data, size_t size)
{
	struct ft_event e = { .time_ns = now_ns, .cpu = 3 };
	const edr_u16 type = (edr_u16)id;

	memcpy(data, &type, sizeof(type));
	memcpy(data + 4, &tid, sizeof(tid));
	ck_assert(ft_event_parse(formats, data, size, &e));
	ft_translate(t, &e, NULL);
	now_ns += 1000;
}

static const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = 0x5000 };

static void connect_begins(edr_u32 tid)
{
	const edr_u32 len = sizeof(peer), proof = 148 | 2 << 16;
	unsigned char data[152] = { 0 };

	memcpy(data + 12, &len, sizeof(len));
	memcpy(data + 16, &proof, sizeof(proof));
	memcpy(data + 20, &peer, sizeof(peer));
	data[148] = 2;
	feed(MADE_CONNECT, tid, data, sizeof(data));
}

static void value(enum made_id id, edr_u32 tid, edr_s64 v)
{
	unsigned char data[16] = { 0 };

	memcpy(data + 8, &v, sizeof(v));
	feed(id, tid, data, sizeof(data));
}

static void plain(enum made_id id, edr_u32 tid)
{
	unsigned char data[64] = { 0 };

	if (id == MADE_NEWTASK || id == MADE_EXIT)
		data[id == MADE_EXIT ? 28 : 9] = 1;
	feed(id, tid, data, sizeof(data));
}

static void sock_state(edr_u32 tid, edr_u32 from, edr_u32 to)
{
	const edr_u16 family = AF_INET, protocol = IPPROTO_TCP;
	unsigned char data[72] = { [8] = 0xab };

	memcpy(data + 16, &from, 4);
	memcpy(data + 20, &to, 4);
	memcpy(data + 28, &family, 2);
	memcpy(data + 30, &protocol, 2);
	feed(MADE_SOCK, tid, data, sizeof(data));
}

/* Records of that type; the last one in *last. */
static unsigned records(unsigned type, const void *last)
{
	const void **to = (const void **)(uintptr_t)last;
	unsigned n = 0;
	size_t at = 0;

	while (at < t->out.len) {
		const struct edr_hdr *rec = (const void *)(t->out.data + at);

		ck_assert_int_eq(wire_check(rec, t->out.len - at), 0);
		if (rec->type == type) {
			n++;
			*to = rec;
		}
		at += rec->len;
	}
	return n;
}

static void one_unknown(edr_u32 tid)
{
	const struct edr_connect *c = NULL;

	ck_assert_uint_eq(records(EDR_CONNECT, &c), 1);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->result, EDR_RESULT_UNKNOWN);
	ck_assert_uint_eq(c->hdr.tid, tid);
	ck_assert_uint_eq(c->sockaddr.len, sizeof(peer));
	ck_assert_uint_eq(t->count[EDR_CONNECT].produced, 1);
	ck_assert_uint_eq(t->count[EDR_CONNECT].dropped, 0);
	buf_clear(&t->out);
	memset(t->count, 0, sizeof(t->count));
}

/* ---- connects under way ---- */

START_TEST(test_connect_and_then_something_else)
{
	static const enum made_id others[] = { MADE_EXIT, MADE_EXEC,  MADE_EXECVE, MADE_ARGS,
					       MADE_CODE, MADE_CLONE, MADE_NEWTASK };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		unsigned char data[200] = { 0 };

		connect_begins(CHILD);
		feed(others[i], CHILD, data, sizeof(data));
		one_unknown(CHILD);
		value(MADE_CONNECT_RET, CHILD, 0); /* too late */
		ck_assert_uint_eq(t->count[EDR_CONNECT].produced, 0);
		buf_clear(&t->out);
	}
	/* The next one of the same thread, which ends well. */
	connect_begins(CHILD);
	connect_begins(CHILD);
	one_unknown(CHILD);
	value(MADE_CONNECT_RET, CHILD, 0);
	ck_assert_uint_eq(t->count[EDR_CONNECT].produced, 1);
}
END_TEST

/* What happens inside of the call, or what another thread does, does not end it. */
START_TEST(test_connect_goes_on)
{
	const struct edr_connect *c = NULL;

	connect_begins(CHILD);
	sock_state(CHILD, 7, 2);
	plain(MADE_NEWTASK, CHILD + 1);
	plain(MADE_EXIT, CHILD + 1);
	ck_assert_uint_eq(records(EDR_CONNECT, &c), 0);
	value(MADE_CONNECT_RET, CHILD, -ECONNREFUSED);
	ck_assert_uint_eq(records(EDR_CONNECT, &c), 1);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->result, -ECONNREFUSED);
}
END_TEST

START_TEST(test_connects_pushed_out)
{
	const struct edr_connect *c = NULL;

	for (edr_u32 i = 0; i < CONNECTS; i++)
		connect_begins(1000 + i);
	ck_assert_uint_ge(t->tasks.evicted, CONNECTS - TASKS - 1);
	ck_assert_uint_eq(records(EDR_CONNECT, &c), t->tasks.evicted);
	ft_translate_end(t, now_ns);
	ck_assert_uint_eq(records(EDR_CONNECT, &c), CONNECTS);
	ck_assert_uint_eq(t->count[EDR_CONNECT].produced, CONNECTS);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->result, EDR_RESULT_UNKNOWN);
	ft_translate_end(t, now_ns);
	ck_assert_uint_eq(records(EDR_CONNECT, &c), CONNECTS);
}
END_TEST

/* The number serves another thread: its end was lost. */
START_TEST(test_connect_number_again)
{
	unsigned char data[40] = { [8] = CHILD };

	connect_begins(CHILD);
	feed(MADE_NEWTASK, 1, data, sizeof(data));
	one_unknown(CHILD);
}
END_TEST

/* How the TCP connect ended is known of its socket, though its return was missed. */
START_TEST(test_connect_result_without_return)
{
	const struct edr_connect_result *r = NULL;

	connect_begins(CHILD);
	sock_state(CHILD, 7, 2);
	sock_state(0, 2, 1);
	ck_assert_uint_eq(records(EDR_CONNECT_RESULT, &r), 0);
	value(MADE_CODE, CHILD, 0);
	ck_assert_uint_eq(records(EDR_CONNECT_RESULT, &r), 1);
	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(r->result, 0);
	one_unknown(CHILD);
	ck_assert_uint_eq(t->n_socks, 0);
}
END_TEST

/*
 * A program that was ready to run and whose own event has not come: told at the end, counted when
 * it must give way.
 */
START_TEST(test_execs_that_were_ready)
{
	const struct edr_exec *x = NULL;
	edr_u64 gone;

	for (edr_u32 i = 0; i < CONNECTS; i++)
		plain(MADE_READY32, 1000 + i);
	gone = t->count[EDR_EXEC].dropped;
	ck_assert_uint_ge(gone, CONNECTS - TASKS - 1);
	ck_assert_uint_eq(gone, t->tasks.evicted);
	ck_assert_uint_eq(records(EDR_EXEC, &x), 0);
	ft_translate_end(t, now_ns);
	ck_assert_uint_eq(records(EDR_EXEC, &x) + gone, CONNECTS);
	ck_assert_ptr_nonnull(x);
	ck_assert_uint_eq(x->hdr.flags & EDR_F_LATE, EDR_F_LATE);
}
END_TEST

/* ---- counted ---- */

START_TEST(test_misses)
{
	static const char events[] = "r512:theirs/connect_ret __sys_connect\n"
				     "p:linux_edr/connect __sys_connect fd=%di:s32\n"
				     "r512:linux_edr/connect_ret __sys_connect ret=$retval:s32\n"
				     "r256:linux_edr/execve_ret __x64_sys_execve ret=$retval:s32\n"
				     "p:linux_edr/args start_thread\n";
	static const char profile[] = "  connect_ret      900     700\n"
				      "  connect          600     0\n"
				      "  connect_ret      512     88\n"
				      "  execve_ret       9       2\n"
				      "  args             9       7\n";
	struct edr_counters count[EDR_TYPE_MAX] = { 0 };
	struct ft_misses m = { 0 };

	for (int i = 0; i < 2; i++) { /* each is counted once */
		char *e = strdup(events), *p = strdup(profile);

		ft_misses_parse(&m, e, p, count);
		free(e);
		free(p);
	}
	ck_assert_uint_eq(count[EDR_CONNECT_RESULT].produced, 88);
	ck_assert_uint_eq(count[EDR_CONNECT_RESULT].dropped, 88);
	ck_assert_uint_eq(count[EDR_EXEC_FAILED].dropped, 2);
	ck_assert_uint_eq(count[EDR_CONNECT].dropped + count[EDR_EXEC].dropped, 0);
}
END_TEST

START_TEST(test_cpus_with_holes)
{
	ck_assert_uint_eq(ft_cpus_of("0\n"), 1);
	ck_assert_uint_eq(ft_cpus_of("0-3,8-11\n"), 12);
	ck_assert_uint_eq(ft_cpus_of("0,64\n"), 65);
	ck_assert_uint_eq(ft_cpus_of(""), 0);
}
END_TEST

#define STATS(overrun, read)                                                                  \
	"entries: 0\noverrun: " #overrun "\ncommit overrun: 2\nbytes: 0\ndropped events: 3\n" \
	"read events: " #read "\n"

START_TEST(test_buffer_counters)
{
	struct ft_cpu c = { .taken = 1000 };

	ck_assert_int_eq(ft_cpu_count_lost(&c, STATS(5, 1000)), 0);
	ck_assert_uint_eq(c.lost, 10);
	/* Somebody else has read 40 of them. */
	ck_assert_int_eq(ft_cpu_count_lost(&c, STATS(5, 1040)), 0);
	ck_assert_uint_eq(c.lost, 50);
	/* Counters that fall. */
	ck_assert_int_eq(ft_cpu_count_lost(&c, STATS(4, 1040)), -ESTALE);
	ck_assert_int_eq(ft_cpu_count_lost(&c, STATS(5, 1039)), -ESTALE);
	/* Cleared, and more has come since than there was before the last look. */
	c.taken = 2500;
	ck_assert_int_eq(ft_cpu_count_lost(&c, STATS(5, 1500)), -ESTALE);
	ck_assert_uint_eq(c.lost, 50);
}
END_TEST

#ifdef HAS_SHORT_MEMORY
START_TEST(test_want_of_memory)
{
	static const struct {
		enum made_id id;
		unsigned type;
	} rows[] = { { MADE_EXEC, EDR_EXEC },
		     { MADE_FORK, EDR_FORK },
		     { MADE_EXIT, EDR_EXIT },
		     { MADE_CONNECT, EDR_CONNECT },
		     { MADE_CONNECT_FILE, EDR_CONNECT },
		     { MADE_EXECVE_RET, EDR_EXEC_FAILED } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char data[200] = { [44] = 9 };

		memset(t->count, 0, sizeof(t->count));
		short_memory = true;
		feed(rows[i].id, CHILD, data, sizeof(data));
		short_memory = false;
		ck_assert_uint_eq(t->count[rows[i].type].produced, 1);
		ck_assert_uint_eq(t->count[rows[i].type].dropped, 1);
	}
	/* The process is known, what its call tells finds no room. */
	memset(t->count, 0, sizeof(t->count));
	plain(MADE_EXIT, CHILD + 7);
	value(MADE_CONNECT_RET, CHILD, 0);
	short_memory = true;
	connect_begins(CHILD);
	sock_state(CHILD, 7, 2);
	short_memory = false;
	ck_assert_uint_eq(t->count[EDR_CONNECT].dropped, 1);
	ck_assert_uint_eq(t->count[EDR_CONNECT_RESULT].dropped, 1);
}
END_TEST
#endif

/* ---- an exec and what /proc said after it ---- */

static void put_exec(struct ft_reader *r, edr_u64 time_ns, edr_u64 taken_ns)
{
	struct {
		struct ft_item item;
		unsigned char raw[24];
		struct ft_snapshot snap;
		char argv[8];
	} in = { .item = { .hdr = { .time_ns = time_ns, .len = sizeof(in) },
			   .raw_size = 24,
			   .snapshot_size = sizeof(in.snap) + sizeof(in.argv) },
		 .snap = { .taken_ns = taken_ns,
			   .status = { .tgid = CHILD },
			   .argv_len = 8,
			   .argv_bytes = 8 },
		 .argv = "program" };
	const edr_u32 tid = CHILD;
	const edr_u16 type = MADE_EXEC;

	memcpy(in.raw, &type, sizeof(type));
	memcpy(in.raw + 4, &tid, sizeof(tid));
	memcpy(in.raw + 12, &tid, sizeof(tid));
	memcpy(in.raw + 16, &tid, sizeof(tid));
	ft_translate_note_exec(t, CHILD, time_ns);
	batch_add(&r->batch, &in.item.hdr);
}

/*
 * Another exec may have come in between and lie in a buffer still: until nobody can say so, /proc
 * is not believed.
 */
START_TEST(test_exec_waits_for_its_look)
{
	struct ft_reader r = { .formats = formats, .translate = t, .complete_ns = 300 };
	const struct edr_exec *e = NULL;

	ck_assert_int_eq(batch_init(&r.batch, 1 << 20), 0);
	put_exec(&r, 100, 500);
	ck_assert_uint_eq(ft_reader_settled(&r), 99);
	r.complete_ns = 50;
	ck_assert_uint_eq(ft_reader_settled(&r), 50);
	r.complete_ns = 500;
	ck_assert_uint_eq(ft_reader_settled(&r), 500);
	ck_assert_uint_eq(ft_reader_deliver(&r, 500), 1);
	ck_assert_uint_eq(records(EDR_EXEC, &e), 1);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_ne(e->hdr.flags & EDR_F_ARGS_FROM_PROC, 0);
	/* It cannot wait. */
	put_exec(&r, 600, 700);
	r.complete_ns = 650;
	ck_assert_uint_eq(ft_reader_deliver(&r, ~0ULL), 1);
	ck_assert_uint_eq(records(EDR_EXEC, &e), 2);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->hdr.flags & EDR_F_ARGS_FROM_PROC, 0);
	batch_free(&r.batch);
}
END_TEST

/* ---- more than the batch has room for ---- */

#define EXECS 3000
#define PAGE 4096
#define FILENAME_AT 20 /* of the exec's event, which ends there */

static void write_page(int fd, struct made_page *p, edr_u64 next_ns)
{
	ck_assert_int_eq(write(fd, p->data, PAGE), PAGE);
	made_page_begin(p, next_ns);
}

static void add_event(int fd, struct made_page *p, enum made_id id, edr_u32 tid)
{
	const edr_u32 filename = FILENAME_AT | 4 << 16;
	const edr_u16 type = (edr_u16)id;
	unsigned char data[24] = { 0 };

	memcpy(data, &type, sizeof(type));
	memcpy(data + 4, &tid, sizeof(tid));
	if (id == MADE_EXEC) {
		memcpy(data + 8, &filename, sizeof(filename));
		memcpy(data + 12, &tid, sizeof(tid));
		memcpy(data + 16, &tid, sizeof(tid));
		memcpy(data + FILENAME_AT, "abc", 4);
	}
	if (p->at + sizeof(data) + 16 > PAGE)
		write_page(fd, p, now_ns);
	made_event(p, now_ns, data, sizeof(data));
	now_ns += 1000;
}

static int buffer_of(struct ft_cpu *c, unsigned cpu)
{
	ck_assert_int_eq(ft_cpu_init(c, cpu, PAGE), 0);
	c->pipe = memfd_create("buffer", MFD_CLOEXEC);
	ck_assert_int_ge(c->pipe, 0);
	return c->pipe;
}

/* Execs in one buffer, their returns in another, a third is quiet. All is long over when it is read. */
static void fill_buffers(struct ft_reader *r)
{
	const edr_u32 tid = (edr_u32)getpid(); /* so that /proc knows it */
	struct made_page execs, returns;
	int exec_fd, return_fd;

	r->cpus = calloc(3, sizeof(*r->cpus));
	ck_assert_ptr_nonnull(r->cpus);
	r->n_cpus = 3;
	exec_fd = buffer_of(&r->cpus[0], 0);
	return_fd = buffer_of(&r->cpus[1], 0);
	buffer_of(&r->cpus[2], 1);
	made_page_begin(&execs, now_ns);
	made_page_begin(&returns, now_ns);
	for (unsigned i = 0; i < EXECS; i++) {
		add_event(exec_fd, &execs, MADE_READY32, tid);
		add_event(exec_fd, &execs, MADE_EXEC, tid);
		add_event(return_fd, &returns, MADE_EXECVE_RET, tid);
	}
	write_page(exec_fd, &execs, now_ns);
	write_page(return_fd, &returns, now_ns);
	lseek(exec_fd, 0, SEEK_SET);
	lseek(return_fd, 0, SEEK_SET);
}

static void open_reader(struct ft_reader *r)
{
	*r = (struct ft_reader){ .formats = formats, .translate = t, .epoll = -1, .cgroup = -1 };
	r->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(batch_init(&r->batch, 256 << 10), 0);
	fill_buffers(r);
}

START_TEST(test_backlog_is_told_in_order)
{
	const struct edr_exec *e = NULL;
	unsigned rounds = 0;
	struct ft_reader r;
	int error = 0;

	open_reader(&r);
	do {
		ft_reader_round(&r, 1000, &error);
		ck_assert_int_eq(error, 0);
	} while (!r.drained && ++rounds < EXECS);
	ck_assert_uint_gt(rounds, 1);
	ft_reader_deliver(&r, ~0ULL);
	ck_assert_uint_eq(t->disordered_ns, 0);
	ck_assert_uint_eq(records(EDR_EXEC, &e), EXECS);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->hdr.flags & EDR_F_FILENAME_UNREADABLE, 0);
	ft_reader_close(&r);
}
END_TEST

/* More than a batch that older events may follow yet: it waits, with room to look into the other buffers. */
START_TEST(test_too_new_waits)
{
	struct ft_reader r;
	int error = 0;

	now_ns += source_boot_ns();
	open_reader(&r);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(ft_reader_round(&r, 1000, &error), 0);
	ck_assert(!r.drained);
	ck_assert_uint_le(r.batch.len, r.batch.cap / 2 + 2048);
	ck_assert_uint_eq(t->disordered_ns, 0);
	ck_assert_uint_gt(r.complete_ns + 1000000000, source_boot_ns());
	ft_reader_close(&r);
}
END_TEST

/* A return that overtakes its exec, where nothing else could be done, invents none. */
START_TEST(test_disorder_invents_nothing)
{
	unsigned char exec[24] = { [12] = CHILD, [16] = CHILD };
	const struct edr_exec *e = NULL;

	t->disordered_ns = now_ns + 1000000;
	plain(MADE_READY32, CHILD);
	value(MADE_EXECVE_RET, CHILD, 0);
	ft_translate_overdue(t, t->disordered_ns);
	ck_assert_uint_eq(records(EDR_EXEC, &e), 0);
	feed(MADE_EXEC, CHILD, exec, sizeof(exec));
	ck_assert_uint_eq(records(EDR_EXEC, &e), 1);
	/* Later ones are missed again. */
	now_ns = t->disordered_ns + 1;
	plain(MADE_READY32, CHILD);
	value(MADE_EXECVE_RET, CHILD, 0);
	ck_assert_uint_eq(records(EDR_EXEC, &e), 2);
}
END_TEST

/* Ids of which nobody knows anything are nobody's: only what the process had before is inherited. */
START_TEST(test_ids_unknown_or_inherited)
{
	unsigned char exec[24] = { [12] = CHILD, [16] = CHILD }, creds[24] = { [8] = 5 };
	const struct edr_exec *e = NULL;

	feed(MADE_EXEC, CHILD, exec, sizeof(exec));
	ck_assert_uint_eq(records(EDR_EXEC, &e), 1);
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_eq(e->uid, EDR_ID_UNSET);
	ck_assert_uint_eq(e->hdr.flags & EDR_F_IDS_INHERITED, 0);
	feed(MADE_CREDS, CHILD, creds, sizeof(creds));
	feed(MADE_EXEC, CHILD, exec, sizeof(exec));
	feed(MADE_EXEC, CHILD, exec, sizeof(exec));
	ck_assert_uint_eq(records(EDR_EXEC, &e), 3);
	ck_assert_uint_eq(e->uid, 5);
	ck_assert_uint_ne(e->hdr.flags & EDR_F_IDS_INHERITED, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_connect_and_then_something_else,
		test_connect_goes_on,
		test_connects_pushed_out,
		test_execs_that_were_ready,
		test_connect_number_again,
		test_connect_result_without_return,
		test_misses,
		test_buffer_counters,
		test_cpus_with_holes,
		test_exec_waits_for_its_look,
		test_backlog_is_told_in_order,
		test_too_new_waits,
		test_disorder_invents_nothing,
		test_ids_unknown_or_inherited,
#ifdef HAS_SHORT_MEMORY
		test_want_of_memory,
#endif
	};

	return suite_run("ftrace_loss", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown,
			 30);
}
