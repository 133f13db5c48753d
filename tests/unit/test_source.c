// SPDX-License-Identifier: MIT
/* The parts of the source room that need no kernel: the order of a batch, captures and their replay. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/batch.h"
#include "source/capture.h"
#include "source/source.h"
#include "source/syscalls.h"
#include "util/buf.h"
#include "wire/build.h"

struct seen {
	edr_u64 time_ns[20000];
	edr_u32 tgid[20000];
	size_t n;
};

static void note(void *ctx, const struct edr_hdr *rec)
{
	struct seen *s = ctx;

	ck_assert_uint_eq((size_t)rec % 8, 0);
	ck_assert_uint_lt(s->n, 20000);
	s->time_ns[s->n] = rec->time_ns;
	s->tgid[s->n++] = rec->tgid;
}

static struct edr_exit exit_at(edr_u64 time_ns, edr_u32 tgid)
{
	struct edr_exit e;

	memset(&e, 0, sizeof(e));
	e.hdr = (struct edr_hdr){ .version = EDR_WIRE_VERSION, .type = EDR_EXIT, .len = sizeof(e) };
	e.hdr.time_ns = time_ns;
	e.hdr.tgid = tgid;
	return e;
}

/* Two rings, each in order, come out as one order of time; equal times as they arrived; the rest waits. */
START_TEST(batch_merges_by_time)
{
	struct seen *s = calloc(1, sizeof(*s));
	struct edr_exit e;
	struct batch b;
	edr_u32 i;

	ck_assert_int_eq(batch_init(&b, 1 << 20), 0);
	for (i = 0; i < 1000; i++) {
		e = exit_at(2 * i, i);
		batch_add(&b, &e.hdr);
	}
	for (i = 0; i < 1000; i++) {
		e = exit_at(2 * i + (i % 2), 5000 + i);
		batch_add(&b, &e.hdr);
	}
	ck_assert_uint_eq(batch_deliver(&b, 999, note, s), s->n);
	for (i = 1; i < s->n; i++)
		ck_assert_uint_le(s->time_ns[i - 1], s->time_ns[i]);
	ck_assert_uint_le(s->time_ns[s->n - 1], 999);
	ck_assert_uint_lt(s->tgid[0], 5000); /* both at 0: the one that came first */
	ck_assert_uint_eq(b.n, 2000 - s->n);
	ck_assert_uint_eq(batch_deliver(&b, ~0ULL, note, s), 2000 - 1000);
	ck_assert_uint_eq(s->n, 2000);
	for (i = 1; i < s->n; i++)
		ck_assert_uint_le(s->time_ns[i - 1], s->time_ns[i]);
	ck_assert_uint_eq(b.len, 0);
	batch_free(&b);
	free(s);
}
END_TEST

/* Records whose length is no multiple of 8 stay aligned, and zeros follow them. */
START_TEST(batch_pads)
{
	struct buf raw = { 0 };
	struct edr_cgroup fixed;
	const struct edr_hdr *rec;
	struct edr_hdr *odd;
	struct wire_build wb;
	struct batch b;
	char *end;
	int i;

	memset(&fixed, 0, sizeof(fixed));
	ck_assert_int_eq(batch_init(&b, 1 << 20), 0);
	for (i = 0; i < 50; i++) {
		buf_clear(&raw);
		wire_build_begin(&wb, &raw, EDR_CGROUP, &fixed);
		wire_build_str(&wb, offsetof(struct edr_cgroup, path), "/abcdefghijklmn", 15);
		rec = wire_build_end(&wb);
		ck_assert_ptr_nonnull(rec);
		odd = (struct edr_hdr *)raw.data;
		odd->len = sizeof(fixed) + 15; /* as BPF sends it */
		memset(raw.data + odd->len, 'x', 1);
		batch_add(&b, odd);
	}
	rec = (const struct edr_hdr *)b.data;
	end = b.data + rec->len;
	ck_assert_int_eq(*end, 0);
	ck_assert_uint_eq(b.len, 50 * capture_padded(rec));
	batch_free(&b);
	buf_free(&raw);
}
END_TEST

START_TEST(batch_knows_when_it_is_full)
{
	struct edr_exit e = exit_at(1, 1);
	struct batch b;
	size_t n = 0;

	ck_assert_int_eq(batch_init(&b, EDR_RECORD_MAX + 800), 0);
	while (batch_has_room(&b)) {
		batch_add(&b, &e.hdr);
		ck_assert_uint_lt(++n, 100);
	}
	ck_assert_uint_ge(n, 10);
	batch_free(&b);
}
END_TEST

static char *capture_path(void)
{
	static char path[] = "/tmp/edr-test-capture-XXXXXX";
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	return path;
}

static void put(const char *path, const void *data, size_t len, int flags)
{
	int fd = open(path, O_WRONLY | flags);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, data, len), (int)len);
	close(fd);
}

static void write_capture(const char *path, unsigned n, bool end)
{
	struct capture_header h;
	struct edr_hdr mark;
	unsigned i;

	capture_header_init(&h);
	put(path, &h, sizeof(h), O_TRUNC);
	for (i = 0; i < n; i++) {
		struct edr_exit e = exit_at(i, i);

		put(path, &e, sizeof(e), O_APPEND);
	}
	capture_end_init(&mark, CAPTURE_END_CLEAN);
	if (end)
		put(path, &mark, sizeof(mark), O_APPEND);
}

/* What the last pump said; records into s. */
static int replay(const char *path, struct seen *s)
{
	struct source_config cfg = { .replay_path = path };
	char err[300] = "";
	struct source *src;
	int e = source_replay.open(&src, &cfg, err, sizeof(err));

	if (e) {
		ck_assert_ptr_nonnull(strstr(err, path));
		return e;
	}
	while ((e = source_replay.pump(src, 0, note, s)) > 0)
		;
	source_replay.close(src);
	return e;
}

START_TEST(replay_reads_what_was_recorded)
{
	struct seen *s = calloc(1, sizeof(*s));
	char *path = capture_path();

	write_capture(path, 5000, true);
	ck_assert_int_eq(replay(path, s), -ENODATA);
	ck_assert_uint_eq(s->n, 5000);
	ck_assert_uint_eq(s->tgid[4999], 4999);
	unlink(path);
	free(s);
}
END_TEST

/* Cut at every byte of the last records: what is whole is handed on, and the cut is said. */
START_TEST(replay_of_a_cut_capture)
{
	struct seen *s = calloc(1, sizeof(*s));
	char *path = capture_path();
	struct stat st;
	off_t cut;

	write_capture(path, 10, true);
	ck_assert_int_eq(stat(path, &st), 0);
	for (cut = st.st_size - 1; cut >= (off_t)sizeof(struct capture_header); cut--) {
		s->n = 0;
		ck_assert_int_eq(truncate(path, cut), 0);
		ck_assert_int_eq(replay(path, s), -EBADMSG);
		ck_assert_uint_eq(
			s->n,
			((size_t)cut - sizeof(struct capture_header)) / sizeof(struct edr_exit) > 10
				? 10
				: ((size_t)cut - sizeof(struct capture_header)) /
					  sizeof(struct edr_exit));
	}
	unlink(path);
	free(s);
}
END_TEST

/* Every single byte of the file changed: it ends, in bounds, whatever it says. */
START_TEST(replay_of_a_damaged_capture)
{
	struct seen *s = calloc(1, sizeof(*s));
	char *path = capture_path(), *whole;
	struct stat st;
	off_t i;
	int fd, e;

	write_capture(path, 4, true);
	ck_assert_int_eq(stat(path, &st), 0);
	whole = malloc((size_t)st.st_size);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq((int)read(fd, whole, (size_t)st.st_size), (int)st.st_size);
	close(fd);
	for (i = 0; i < st.st_size; i++) {
		whole[i] ^= 0x55;
		put(path, whole, (size_t)st.st_size, O_TRUNC);
		whole[i] ^= 0x55;
		s->n = 0;
		e = replay(path, s);
		ck_assert(e == -ENODATA || e == -EBADMSG);
		ck_assert_uint_le(s->n, 4);
	}
	unlink(path);
	free(whole);
	free(s);
}
END_TEST

START_TEST(replay_refuses_other_files)
{
	struct seen *s = calloc(1, sizeof(*s));
	char *path = capture_path();
	struct capture_header h;

	ck_assert_int_eq(replay("/nonexistent/file", s), -ENOENT);
	ck_assert_int_eq(replay("/", s), -EISDIR);
	ck_assert_int_eq(replay(path, s), -EBADMSG); /* empty */
	put(path, "#!/bin/sh\necho this is no capture at all\n", 41, O_TRUNC);
	ck_assert_int_eq(replay(path, s), -EBADMSG);
	capture_header_init(&h);
	h.version++;
	put(path, &h, sizeof(h), O_TRUNC);
	ck_assert_int_eq(replay(path, s), -EBADMSG);
	capture_header_init(&h);
	h.byte_order = 0x04030201;
	put(path, &h, sizeof(h), O_TRUNC);
	ck_assert_int_eq(replay(path, s), -EBADMSG);
	unlink(path);
	free(s);
}
END_TEST

START_TEST(syscalls_by_name)
{
	struct syscall_target t;

	ck_assert_int_eq(syscalls_resolve("no_such_call", &t), -ENOENT);
	if (!syscalls_tracefs()[0]) /* the rest needs tracefs, which the kernel tests mount */
		return;
	ck_assert_int_eq(syscalls_resolve("openat", &t), 0);
	ck_assert_uint_eq(t.nargs, 4);
	ck_assert(!t.no_return);
	ck_assert_int_eq(syscalls_resolve("exit_group", &t), 0);
	ck_assert(t.no_return);
	ck_assert_uint_eq(t.nargs, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *tc = tcase_create("source");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, batch_merges_by_time);
	tcase_add_test(tc, batch_pads);
	tcase_add_test(tc, batch_knows_when_it_is_full);
	tcase_add_test(tc, replay_reads_what_was_recorded);
	tcase_add_test(tc, replay_of_a_cut_capture);
	tcase_add_test(tc, replay_of_a_damaged_capture);
	tcase_add_test(tc, replay_refuses_other_files);
	tcase_add_test(tc, syscalls_by_name);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
