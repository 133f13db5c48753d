/* SPDX-License-Identifier: MIT */
/* events.def against itself, and every event of it against its golden vectors in tests/vectors. */
#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../vectors/vector.h"

static char **names;
static int n_names;

/* The event that a vector is of: its name up to a '-'. */
static const struct wire_event *event_of(const char *vector)
{
	char name[256];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(vector, "-"), vector);
	return wire_event_by_name(name);
}

START_TEST(test_every_event_has_a_vector)
{
	size_t e;
	int i;

	for (e = 0; e < wire_n_events; e++) {
		for (i = 0; i < n_names && strcmp(names[i], wire_events[e].name) != 0; i++)
			;
		ck_assert_msg(i < n_names,
			      "no " VECTOR_FOLDER "/%s.bin: see docs/adding-an-event.md",
			      wire_events[e].name);
	}
	for (i = 0; i < n_names; i++)
		ck_assert_msg(event_of(names[i]) != NULL, "%s.bin is of no event", names[i]);
}
END_TEST

START_TEST(test_vectors)
{
	struct wire_process room;
	struct buf out = { 0 };
	size_t len, want_len;
	int i;

	for (i = 0; i < n_names; i++) {
		const struct edr_hdr *rec = vector_load(names[i], ".bin", &len);
		char *want = vector_load(names[i], ".json", &want_len);
		enum json_tokener_error why;
		json_object *parsed;

		ck_assert_msg(want != NULL, "no " VECTOR_FOLDER "/%s.json", names[i]);
		ck_assert_int_eq(wire_check(rec, len), 0);
		ck_assert_uint_eq(rec->len, len);
		ck_assert_uint_eq(rec->type, event_of(names[i])->type);
		buf_clear(&out);
		wire_json(&out, rec, VECTOR_WALL_OFFSET_NS, vector_process(names[i], &room));
		buf_addc(&out, '\n');
		ck_assert_msg(out.len == want_len && memcmp(out.data, want, want_len) == 0,
			      "%s:\n%s is not\n%.*s", names[i], out.data, (int)want_len, want);
		parsed = json_tokener_parse_verbose(out.data, &why);
		ck_assert_msg(parsed != NULL, "%s: %s", names[i], json_tokener_error_desc(why));
		ck_assert_str_eq(json_object_get_string(json_object_object_get(parsed, "type")),
				 event_of(names[i])->name);
		json_object_put(parsed);
		free(want);
		free((void *)rec);
	}
	buf_free(&out);
}
END_TEST

START_TEST(test_tables)
{
	size_t e, f;

	ck_assert_uint_gt(wire_n_events, 0);
	for (e = 0; e < wire_n_events; e++) {
		const struct wire_event *ev = &wire_events[e];
		size_t at = sizeof(struct edr_hdr);

		ck_assert_uint_lt(ev->type, EDR_TYPE_MAX);
		ck_assert_ptr_eq(wire_event_by_type(ev->type), ev);
		ck_assert_ptr_eq(wire_event_by_name(ev->name), ev);
		ck_assert_msg(e == 0 || ev[-1].type < ev->type, "%s: numbers do not rise",
			      ev->name);
		ck_assert((ev->ring == EDR_RING_NONE) == (ev->programs[0] == '\0'));
		ck_assert_uint_eq(ev->size % 8, 0);
		for (f = 0; f < ev->n_fields; f++) {
			const struct wire_field *field = &ev->fields[f];

			/* No byte of the fixed part is without a field: nothing travels that was not set. */
			ck_assert_msg(field->offset == at, "%s.%s: a gap before it", ev->name,
				      field->name);
			at += field->size;
			ck_assert((field->key[0] == '\0') == (field->kind == EDR_KIND_PAD));
		}
		ck_assert_uint_eq(at, ev->size);
	}
	ck_assert_ptr_null(wire_event_by_type(EDR_NONE));
	ck_assert_ptr_null(wire_event_by_type(EDR_TYPE_MAX));
	ck_assert_ptr_null(wire_event_by_type(0xffffffffu));
	ck_assert_ptr_null(wire_event_by_name("nothing"));
	ck_assert_ptr_null(wire_event_by_name(""));
}
END_TEST

static void add_key(const char **keys, size_t *n, const char *event, const char *key)
{
	size_t i;

	for (i = 0; i < *n; i++)
		ck_assert_msg(strcmp(keys[i], key) != 0, "%s: two keys \"%s\"", event, key);
	keys[(*n)++] = key;
}

/* A JSON object with one key twice means something else to each parser. */
START_TEST(test_keys_are_unique)
{
	static const char *const always[] = { "type",	 "timestamp", "pid",	      "tid",
					      "command", "container", "record_flags", "non_utf8" };
	const char *keys[128];
	size_t e, f, n, i;

	for (e = 0; e < wire_n_events; e++) {
		n = 0;
		for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
			add_key(keys, &n, wire_events[e].name, always[i]);
		for (f = 0; f < wire_events[e].n_fields; f++) {
			const struct wire_field *field = &wire_events[e].fields[f];

			ck_assert_uint_lt(n, 100);
			if (field->kind == EDR_KIND_PAD)
				continue;
			add_key(keys, &n, wire_events[e].name, field->key);
			if (field->kind == EDR_KIND_ARGV)
				add_key(keys, &n, wire_events[e].name, "argv0");
			if (field->kind == EDR_KIND_SOCKADDR) {
				add_key(keys, &n, wire_events[e].name, "family");
				add_key(keys, &n, wire_events[e].name, "ip");
				add_key(keys, &n, wire_events[e].name, "port");
				add_key(keys, &n, wire_events[e].name, "abstract");
				add_key(keys, &n, wire_events[e].name, "sockaddr");
			}
		}
	}
}
END_TEST

static const struct wire_bit *bits_of(const char *event, const char *field)
{
	const struct wire_event *ev = wire_event_by_name(event);
	size_t f;

	for (f = 0; f < ev->n_fields; f++)
		if (strcmp(ev->fields[f].name, field) == 0)
			return ev->fields[f].bits;
	ck_abort_msg("no %s.%s", event, field);
}

/* The names of events.def and the constants of wire.h say the same. */
START_TEST(test_bits)
{
	const struct wire_bit *bits = wire_record_flags;

	ck_assert_str_eq(wire_bit_name(bits, EDR_F_TRUNCATED), "truncated");
	ck_assert_str_eq(wire_bit_name(bits, EDR_F_ARGS_UNREADABLE), "args_unreadable");
	ck_assert_str_eq(wire_bit_name(bits, EDR_F_FILENAME_UNREADABLE), "filename_unreadable");
	ck_assert_str_eq(wire_bit_name(bits, EDR_F_PATH_TRUNCATED), "path_truncated");
	ck_assert_str_eq(wire_bit_name(bits, EDR_F_KTHREAD), "kernel_thread");
	ck_assert_str_eq(wire_bit_name(bits, EDR_F_COARSE_START), "coarse_start");
	ck_assert_str_eq(wire_bit_name(bits, EDR_F_ADDR_UNVERIFIED), "address_unverified");
	ck_assert_ptr_null(wire_bit_name(bits, 0x80000000));
	ck_assert_ptr_null(wire_bit_name(bits, 0));
	ck_assert_ptr_null(wire_bit_name(NULL, 0));

	bits = bits_of("exec", "exec_flags");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_SETUID), "setuid");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_SETGID), "setgid");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_MEMFD), "memfd");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_DELETED), "deleted");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_COMPAT32), "compat32");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_BY_THREAD), "by_thread");
	ck_assert_str_eq(wire_bit_name(bits, EDR_EXEC_SCRIPT), "script");

	bits = bits_of("fork", "fork_op");
	ck_assert_str_eq(wire_bit_name(bits, EDR_FORK_UNKNOWN), "unknown");
	ck_assert_str_eq(wire_bit_name(bits, EDR_FORK_FORK), "fork");
	ck_assert_str_eq(wire_bit_name(bits, EDR_FORK_VFORK), "vfork");
	ck_assert_str_eq(wire_bit_name(bits, EDR_FORK_CLONE), "clone");
	ck_assert_str_eq(wire_bit_name(bits, EDR_FORK_CLONE3), "clone3");

	bits = bits_of("connect", "seen_by");
	ck_assert_str_eq(wire_bit_name(bits, EDR_SEEN_SYSCALL), "syscall");
	ck_assert_str_eq(wire_bit_name(bits, EDR_SEEN_CGROUP), "cgroup");
	ck_assert_str_eq(wire_bit_name(bits, EDR_SEEN_SOCKET), "socket");

	bits = bits_of("clock", "why");
	ck_assert_str_eq(wire_bit_name(bits, EDR_CLOCK_START), "start");
	ck_assert_str_eq(wire_bit_name(bits, EDR_CLOCK_TICK), "tick");
	ck_assert_str_eq(wire_bit_name(bits, EDR_CLOCK_STEP), "step");
	ck_assert_str_eq(wire_bit_name(bits, EDR_CLOCK_STOP), "stop");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tc = tcase_create("events");
	SRunner *runner;
	int failed, i;

	n_names = vector_list(&names);
	if (n_names < 0) {
		fprintf(stderr, "no vectors in " VECTOR_FOLDER ": not the source folder?\n");
		return 1;
	}
	tcase_add_test(tc, test_every_event_has_a_vector);
	tcase_add_test(tc, test_vectors);
	tcase_add_test(tc, test_tables);
	tcase_add_test(tc, test_keys_are_unique);
	tcase_add_test(tc, test_bits);
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
