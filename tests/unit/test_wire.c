/* SPDX-License-Identifier: MIT */
/* Decoding of hostile records. They lie in memory of just their size: the sanitizers and valgrind watch its end. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "../vectors/vector.h"
#include "wire/build.h"

#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 32)
#define STRERRORNAME
#endif
#endif

static char **names;
static int n_names;

/* The JSON of a checked record must parse, whatever is in it. */
static void must_print(const struct edr_hdr *rec, bool parse)
{
	struct buf out = { 0 };
	json_object *parsed;

	wire_json(&out, rec, VECTOR_WALL_OFFSET_NS, NULL);
	ck_assert_uint_gt(out.len, 2);
	ck_assert(out.data[0] == '{' && out.data[out.len - 1] == '}');
	if (parse) {
		parsed = json_tokener_parse(out.data);
		ck_assert_msg(parsed != NULL, "%s", out.data);
		json_object_put(parsed);
	}
	buf_free(&out);
}

START_TEST(test_truncated)
{
	size_t len, cut;
	int i;

	for (i = 0; i < n_names; i++) {
		struct edr_hdr *rec = vector_load(names[i], ".bin", &len);

		ck_assert_int_eq(wire_check(rec, len), 0);
		for (cut = 0; cut < len; cut++) {
			struct edr_hdr *part = malloc(cut ? cut : 1);

			memcpy(part, rec, cut);
			ck_assert_int_eq(wire_check(part, cut), -EBADMSG);
			/* The same with a length that agrees: bad, or harmless. */
			if (cut >= sizeof(*part)) {
				part->len = (edr_u32)cut;
				if (wire_check(part, cut) == 0)
					must_print(part, true);
				else
					ck_assert_int_eq(wire_check(part, cut), -EBADMSG);
			}
			free(part);
		}
		free(rec);
	}
}
END_TEST

/* rec with one byte changed: refused, or harmless. */
static void try_byte(const struct edr_hdr *rec, size_t len, size_t at, int value)
{
	static unsigned tries;
	struct edr_hdr *bad = malloc(len);
	int err;

	memcpy(bad, rec, len);
	((unsigned char *)bad)[at] = (unsigned char)value;
	err = wire_check(bad, len);
	if (err == 0)
		must_print(bad, tries++ % 16 == 0);
	else
		ck_assert(err == -EBADMSG || err == -ENOENT);
	free(bad);
}

static bool is_str(enum edr_kind kind)
{
	return kind == EDR_KIND_STR || kind == EDR_KIND_OPTSTR || kind == EDR_KIND_STRS ||
	       kind == EDR_KIND_ARGV || kind == EDR_KIND_SOCKADDR;
}

START_TEST(test_corrupted)
{
	static const int values[] = { 0, 1, 0x7f, 0x80, 0xff };
	size_t len, at, f, v;
	int i, byte;

	for (i = 0; i < n_names; i++) {
		struct edr_hdr *rec = vector_load(names[i], ".bin", &len);
		const struct wire_event *ev = wire_event_by_type(rec->type);

		for (at = 0; at < len; at++)
			for (v = 0; v < sizeof(values) / sizeof(values[0]); v++)
				try_byte(rec, len, at, values[v]);
		/* Version, type, length; the offset and the length of each string: every value of every byte. */
		for (at = 0; at < offsetof(struct edr_hdr, time_ns); at++)
			for (byte = 0; byte < 256; byte++)
				try_byte(rec, len, at, byte);
		for (f = 0; f < ev->n_fields; f++)
			for (at = 0; is_str(ev->fields[f].kind) && at < sizeof(struct edr_str);
			     at++)
				for (byte = 0; byte < 256; byte++)
					try_byte(rec, len, ev->fields[f].offset + at, byte);
		free(rec);
	}
}
END_TEST

/* What the rules of wire_check() say, one by one. */
START_TEST(test_check)
{
	struct edr_exec e = { .comm = "c", .tty = "t" };
	struct buf out = { 0 };
	struct wire_build b;
	struct edr_exec *rec;
	edr_u32 len;

	wire_build_begin(&b, &out, EDR_EXEC, &e);
	wire_build_str(&b, offsetof(struct edr_exec, exe), "/bin/true", 9);
	ck_assert_ptr_nonnull(wire_build_end(&b));
	rec = (struct edr_exec *)(void *)out.data;
	len = rec->hdr.len;
	ck_assert_uint_eq(len, sizeof(e) + 16);
	ck_assert_int_eq(wire_check(rec, len), 0);
	ck_assert_int_eq(wire_check(rec, len + 1000), 0);
	ck_assert_int_eq(wire_check(rec, len - 1), -EBADMSG);
	ck_assert_int_eq(wire_check(rec, 0), -EBADMSG);

	rec->hdr.version = 2;
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->hdr.version = EDR_WIRE_VERSION;
	rec->hdr.type = EDR_NONE;
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->hdr.type = EDR_TYPE_MAX - 1;
	ck_assert_int_eq(wire_check(rec, len), -ENOENT);
	rec->hdr.type = 0xffff;
	ck_assert_int_eq(wire_check(rec, len), -ENOENT);
	ck_assert_int_eq(wire_check(rec, len - 1), -EBADMSG);
	rec->hdr.type = EDR_EXEC;
	rec->hdr.len = sizeof(e) - 1;
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->hdr.len = EDR_RECORD_MAX + 1;
	ck_assert_int_eq(wire_check(rec, SIZE_MAX), -EBADMSG);
	rec->hdr.len = len;

	memset(rec->comm, 'x', sizeof(rec->comm));
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->comm[sizeof(rec->comm) - 1] = '\0';
	ck_assert_int_eq(wire_check(rec, len), 0);
	memset(rec->tty, 'x', sizeof(rec->tty));
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->tty[0] = '\0';

	rec->filename = (struct edr_str){ len, 0 };
	ck_assert_int_eq(wire_check(rec, len), 0);
	rec->filename = (struct edr_str){ len + 1, 0 };
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->filename = (struct edr_str){ len - 1, 2 };
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->filename = (struct edr_str){ 0xffffffff, 2 }; /* the sum is 1 */
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->filename = (struct edr_str){ sizeof(e), 0xffffffff };
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->filename = (struct edr_str){ sizeof(e) - 1, 1 }; /* inside the fixed part */
	ck_assert_int_eq(wire_check(rec, len), -EBADMSG);
	rec->filename = rec->exe; /* two may share their bytes */
	ck_assert_int_eq(wire_check(rec, len), 0);
	buf_free(&out);
}
END_TEST

START_TEST(test_build)
{
	static char big[EDR_RECORD_MAX];
	struct edr_host h = { .hdr = { .time_ns = 7, .version = 99, .type = 99, .len = 99 } };
	struct edr_host *rec;
	struct buf out = { 0 };
	struct wire_build b;
	size_t len;

	wire_build_begin(&b, &out, EDR_HOST, &h);
	wire_build_str(&b, offsetof(struct edr_host, arch), "x", 1);
	rec = (struct edr_host *)wire_build_end(&b);
	ck_assert_ptr_nonnull(rec);
	ck_assert_uint_eq(rec->hdr.version, EDR_WIRE_VERSION);
	ck_assert_uint_eq(rec->hdr.type, EDR_HOST);
	ck_assert_uint_eq(rec->hdr.time_ns, 7);
	ck_assert_uint_eq(rec->hdr.len, sizeof(h) + 8);
	ck_assert_uint_eq(rec->arch.off, sizeof(h));
	ck_assert_mem_eq(out.data + sizeof(h), "x\0\0\0\0\0\0\0", 8);

	/* What cannot be built leaves no trace. */
	len = out.len;
	wire_build_begin(&b, &out, 0, &h);
	wire_build_str(&b, offsetof(struct edr_host, arch), "x", 1);
	ck_assert_ptr_null(wire_build_end(&b));
	wire_build_begin(&b, &out, EDR_HOST, &h);
	wire_build_str(&b, sizeof(h) - 4, "x", 1);
	ck_assert_ptr_null(wire_build_end(&b));
	wire_build_begin(&b, &out, EDR_HOST, &h);
	wire_build_str(&b, 0, "x", 1);
	ck_assert_ptr_null(wire_build_end(&b));
	wire_build_begin(&b, &out, EDR_HOST, &h);
	wire_build_str(&b, offsetof(struct edr_host, arch), big, sizeof(big));
	ck_assert_ptr_null(wire_build_end(&b));
	ck_assert_uint_eq(out.len, len);

	/* A second one lies behind the first, as long as a record may be. */
	wire_build_begin(&b, &out, EDR_HOST, &h);
	wire_build_str(&b, offsetof(struct edr_host, arch), big, sizeof(big) - sizeof(h));
	rec = (struct edr_host *)wire_build_end(&b);
	ck_assert_ptr_nonnull(rec);
	ck_assert_uint_eq(rec->hdr.len, EDR_RECORD_MAX);
	ck_assert_ptr_eq((char *)rec, out.data + len);
	ck_assert_int_eq(wire_check(rec, out.len - len), 0);

	ck_assert(!buf_reserve(&out, SIZE_MAX / 2));
	len = out.len;
	wire_build_begin(&b, &out, EDR_HOST, &h);
	wire_build_str(&b, offsetof(struct edr_host, arch), "x", 1);
	ck_assert_ptr_null(wire_build_end(&b));
	ck_assert_uint_eq(out.len, len);
	buf_free(&out);
}
END_TEST

static void args_are(const char *block, size_t len, const char *want)
{
	struct wire_span rest = { block, len }, arg;
	struct buf out = { 0 };

	buf_adds(&out, "");
	while (wire_next_arg(&rest, &arg)) {
		buf_addc(&out, '<');
		buf_add(&out, arg.data, arg.len);
		buf_addc(&out, '>');
	}
	ck_assert_uint_eq(rest.len, 0);
	ck_assert_str_eq(out.len ? out.data : "", want);
	buf_free(&out);
}

START_TEST(test_args)
{
	args_are("", 0, "");
	args_are("\0", 1, "<>");
	args_are("\0\0", 2, "<><>");
	args_are("a", 1, "<a>");
	args_are("a\0", 2, "<a>");
	args_are("a\0\0", 3, "<a><>");
	args_are("a\0bc", 4, "<a><bc>");
	args_are("a\0\0bc\0", 6, "<a><><bc>");
}
END_TEST

static void basename_is(const char *path, const char *want)
{
	const struct wire_span name = wire_basename(vector_span(path));

	ck_assert_uint_eq(name.len, strlen(want));
	ck_assert_mem_eq(name.data, want, name.len);
}

START_TEST(test_basename)
{
	basename_is("/usr/bin/ls", "ls");
	basename_is("ls", "ls");
	basename_is("./x", "x");
	basename_is("/", "");
	basename_is("a/", "");
	basename_is("", "");
	ck_assert_uint_eq(wire_basename((struct wire_span){ NULL, 0 }).len, 0);
}
END_TEST

static void address_is(const void *raw, size_t len, int family, const char *want)
{
	/* In memory of its own size. */
	char *copy = malloc(len ? len : 1);
	struct buf out = { 0 };
	struct wire_addr a;

	if (len)
		memcpy(copy, raw, len);
	wire_decode_sockaddr((struct wire_span){ copy, len }, &a);
	ck_assert_int_eq(a.family, family);
	buf_adds(&out, "");
	wire_addr_text(&a, &out);
	ck_assert_str_eq(out.len ? out.data : "", want);
	ck_assert_uint_le(a.text_len, sizeof(a.text));
	buf_free(&out);
	free(copy);
}

START_TEST(test_sockaddr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(80),
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char big[200] = { AF_UNIX, 0 }, want[EDR_SOCKADDR_MAX];
	struct wire_addr a;
	size_t len;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address_is(NULL, 0, -1, "");
	address_is("\2", 1, -1, "");
	for (len = 2; len <= sizeof(sin); len++)
		address_is(&sin, len, AF_INET, len < 8 ? "" : "127.0.0.1:80");
	for (len = 2; len <= sizeof(sin6); len++)
		address_is(&sin6, len, AF_INET6, len < 24 ? "" : "[::1]:80");
	memset(&sin6.sin6_addr, 0xff, 16);
	sin6.sin6_port = 0xffff;
	address_is(&sin6, sizeof(sin6), AF_INET6,
		   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");

	address_is(&sun, 2, AF_UNIX, "");
	address_is(&sun, 3, AF_UNIX, "@");
	strcpy(sun.sun_path, "/run/x.sock");
	address_is(&sun, sizeof(sun), AF_UNIX, "/run/x.sock");
	address_is(&sun, 2 + 4, AF_UNIX, "/run");
	memcpy(sun.sun_path, "\0abstract", 9);
	address_is(&sun, 2 + 9, AF_UNIX, "@abstract");
	memset(sun.sun_path, 'x', sizeof(sun.sun_path)); /* no NUL: the longest path */
	memset(want, 'x', sizeof(want));
	want[sizeof(sun.sun_path)] = '\0';
	address_is(&sun, sizeof(sun), AF_UNIX, want);
	memset(big + 2, 'y', sizeof(big) - 2); /* longer than any address: cut */
	memset(want, 'y', sizeof(want));
	want[EDR_SOCKADDR_MAX - 2] = '\0';
	address_is(big, sizeof(big), AF_UNIX, want);
	address_is("\0\0zz", 4, AF_UNSPEC, "");
	address_is("\xff\xff", 2, 0xffff, "");

	memcpy(sun.sun_path, "\0a\0b", 4);
	wire_decode_sockaddr((struct wire_span){ (char *)&sun, 6 }, &a);
	ck_assert(a.abstract);
	ck_assert_uint_eq(a.text_len, 4);
	ck_assert_mem_eq(a.text, "@a\0b", 4);
}
END_TEST

START_TEST(test_names)
{
	int i;

	ck_assert_str_eq(wire_family_name(AF_UNSPEC), "AF_UNSPEC");
	ck_assert_str_eq(wire_family_name(AF_UNIX), "AF_UNIX");
	ck_assert_str_eq(wire_family_name(AF_INET), "AF_INET");
	ck_assert_str_eq(wire_family_name(AF_INET6), "AF_INET6");
	ck_assert_str_eq(wire_family_name(AF_NETLINK), "AF_NETLINK");
	ck_assert_str_eq(wire_family_name(AF_VSOCK), "AF_VSOCK");
	ck_assert_str_eq(wire_family_name(45), "AF_MCTP");
	ck_assert_str_eq(wire_protocol_name(IPPROTO_ICMP), "IPPROTO_ICMP");
	ck_assert_str_eq(wire_protocol_name(IPPROTO_TCP), "IPPROTO_TCP");
	ck_assert_str_eq(wire_protocol_name(IPPROTO_UDP), "IPPROTO_UDP");
	ck_assert_str_eq(wire_protocol_name(IPPROTO_ICMPV6), "IPPROTO_ICMPV6");
	ck_assert_str_eq(wire_protocol_name(IPPROTO_SCTP), "IPPROTO_SCTP");
	ck_assert_str_eq(wire_protocol_name(IPPROTO_RAW), "IPPROTO_RAW");
	ck_assert_str_eq(wire_protocol_name(262), "IPPROTO_MPTCP");
	ck_assert_ptr_null(wire_protocol_name(0));
	ck_assert_str_eq(wire_errno_name(ENOENT), "ENOENT");
	ck_assert_str_eq(wire_errno_name(EAGAIN), "EAGAIN");
	ck_assert_str_eq(wire_errno_name(EINPROGRESS), "EINPROGRESS");
	ck_assert_str_eq(wire_errno_name(EHWPOISON), "EHWPOISON");
	ck_assert_str_eq(wire_errno_name(512), "ERESTARTSYS");
	ck_assert_str_eq(wire_signal_name(9), "SIGKILL");
	ck_assert_str_eq(wire_signal_name(6), "SIGABRT");
	ck_assert_str_eq(wire_signal_name(31), "SIGSYS");
	for (i = 1; i <= EHWPOISON; i++)
		ck_assert_msg((wire_errno_name(i) != NULL) == (i != 41 && i != 58), "errno %d", i);
	for (i = 1; i < 32; i++)
		ck_assert_ptr_nonnull(wire_signal_name(i));
	for (i = -2; i < 100000; i++) { /* nothing is read behind a table */
		wire_family_name(i);
		wire_protocol_name((unsigned)i);
		wire_errno_name(i);
		wire_signal_name(i);
	}
	ck_assert_ptr_null(wire_family_name(-1));
	ck_assert_ptr_null(wire_family_name(0xffff));
	ck_assert_ptr_null(wire_errno_name(0));
	ck_assert_ptr_null(wire_errno_name(INT32_MIN));
	ck_assert_ptr_null(wire_signal_name(0));
	ck_assert_ptr_null(wire_signal_name(64));
}
END_TEST

#ifdef STRERRORNAME
START_TEST(test_names_are_those_of_libc)
{
	int i;

	for (i = 1; i < 200; i++) {
		const char *theirs = strerrorname_np(i), *ours = wire_errno_name(i);

		ck_assert((ours == NULL) == (theirs == NULL));
		if (ours)
			ck_assert_str_eq(ours, theirs);
	}
}
END_TEST
#endif

/* The dates against libc's, over all that 64 bits of ns can say. */
START_TEST(test_timestamp)
{
	struct edr_clock c = { 0 };
	struct buf record = { 0 }, json = { 0 };
	struct wire_build b;
	struct edr_hdr *rec;
	edr_u64 ns, step = UINT64_MAX / 20011;
	char want[80];
	struct tm tm;
	int i;

	wire_build_begin(&b, &record, EDR_CLOCK, &c);
	rec = (struct edr_hdr *)wire_build_end(&b);
	for (i = 0, ns = 1ULL << 63; i < 20012; i++, ns += step) {
		const edr_s64 sns = (edr_s64)(i == 20011 ? INT64_MAX : (edr_s64)ns);
		time_t sec = sns / 1000000000 - (sns % 1000000000 < 0);
		size_t n;

		ck_assert_ptr_nonnull(gmtime_r(&sec, &tm));
		n = strftime(want, sizeof(want),
			     "{\"type\":\"clock\",\"timestamp\":\"%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want + n, sizeof(want) - n, ".%09lldZ\"",
			 (sns % 1000000000 + 1000000000) % 1000000000);
		/* Split in two at odd places: it is the sum that counts, also when it wraps. */
		rec->time_ns = (edr_u64)sns - (edr_u64)i * 7777777777777777u;
		buf_clear(&json);
		wire_json(&json, rec, (edr_s64)((edr_u64)i * 7777777777777777u), NULL);
		ck_assert_msg(strncmp(json.data, want, strlen(want)) == 0, "%s is not %s",
			      json.data, want);
	}
	buf_free(&record);
	buf_free(&json);
}
END_TEST

/* Without memory there is half a line at most, and the buffer says so. */
START_TEST(test_json_without_memory)
{
	struct buf out = { 0 };
	size_t len;
	struct edr_hdr *rec = vector_load("exec", ".bin", &len);

	buf_adds(&out, "before");
	ck_assert(!buf_reserve(&out, SIZE_MAX / 2));
	wire_json(&out, rec, 0, NULL);
	ck_assert(buf_failed(&out));
	ck_assert_str_eq(out.data, "before");
	buf_free(&out);
	free(rec);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tc = tcase_create("wire");
	SRunner *runner;
	int failed, i;

	n_names = vector_list(&names);
	if (n_names < 0) {
		fprintf(stderr, "no vectors in " VECTOR_FOLDER ": not the source folder?\n");
		return 1;
	}
	tcase_set_timeout(tc, 240); /* under valgrind */
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_corrupted);
	tcase_add_test(tc, test_check);
	tcase_add_test(tc, test_build);
	tcase_add_test(tc, test_args);
	tcase_add_test(tc, test_basename);
	tcase_add_test(tc, test_sockaddr);
	tcase_add_test(tc, test_names);
#ifdef STRERRORNAME
	tcase_add_test(tc, test_names_are_those_of_libc);
#endif
	tcase_add_test(tc, test_timestamp);
	tcase_add_test(tc, test_json_without_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	for (i = 0; i < n_names; i++)
		free(names[i]);
	free(names);
	return failed != 0;
}
