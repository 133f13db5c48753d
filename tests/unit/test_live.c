/* SPDX-License-Identifier: MIT */
/*
 * The main loop over a made-up source: in which order records reach the capture, what a source that fails leads to,
 * how it ends.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/live.h"
#include "cli/options.h"
#include "source/capture.h"
#include "wire/build.h"
#include "wire/wire.h"

#define MAX_RECORDS 100000

/* What the source does at each pump, from the first on; the last goes on for ever. */
enum step { QUIET, EVENT, FAIL, STOP, HANGUP, INTERRUPTED, LOSS };

static struct {
	const enum step *steps;
	size_t n_steps, at;
	unsigned opens, closes, drains;
	int fail_opens; /* opens that fail, after the first */
	int open_error; /* of the first */
	bool told_host;
	edr_u64 time_ns, bpf_ns;
} fake;

static char dir[] = "/tmp/test_live.XXXXXX";
static char path[128];

static edr_u64 boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (edr_u64)ts.tv_sec * 1000000000ULL + (edr_u64)ts.tv_nsec;
}

static void emit(unsigned type, void *fixed, source_record_fn fn, void *ctx)
{
	struct edr_hdr *hdr = fixed;
	struct buf out = { 0 };
	struct wire_build b;

	hdr->time_ns = fake.time_ns = boot_ns();
	wire_build_begin(&b, &out, type, fixed);
	fn(ctx, wire_build_end(&b));
	buf_free(&out);
}

static int fake_open(struct source **out, const struct source_config *cfg, char *err,
		     size_t err_size)
{
	ck_assert(!cfg->lean);
	*out = NULL;
	if (fake.opens == 0 && fake.open_error) {
		snprintf(err, err_size, "made up");
		return fake.open_error;
	}
	if (fake.opens++ > 0 && fake.fail_opens > 0) {
		fake.fail_opens--;
		snprintf(err, err_size, "made up");
		return -EIO;
	}
	fake.told_host = false;
	fake.bpf_ns = 0;
	*out = (void *)&fake;
	return 0;
}

static int fake_pump(struct source *s, int timeout_ms, source_record_fn fn, void *ctx)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	struct edr_exec exec = { .hdr = { .tgid = 4000000, .tid = 4000000 }, .comm = "made-up" };
	struct edr_clock clock = { .why = EDR_CLOCK_START,
				   .wall_offset_ns = 1700000000000000000LL };
	struct edr_host host = { .hdr = { 0 } };
	struct edr_loss loss = { .of_type = EDR_EXEC, .produced = 7, .dropped = 5 };
	enum step step = fake.steps[fake.at];

	ck_assert_ptr_eq(s, &fake);
	(void)timeout_ms;
	if (fake.at + 1 < fake.n_steps)
		fake.at++;
	if (!fake.told_host) {
		emit(EDR_CLOCK, &clock, fn, ctx);
		emit(EDR_HOST, &host, fn, ctx);
		fake.told_host = true;
	}
	nanosleep(&nap, NULL);
	switch (step) {
	case QUIET:
		return 0;
	case EVENT:
		emit(EDR_EXEC, &exec, fn, ctx);
		return 1;
	case FAIL:
		return -EIO;
	case STOP:
		raise(SIGTERM);
		return 0;
	case HANGUP:
		raise(SIGHUP);
		return 0;
	case INTERRUPTED:
		return -EINTR;
	case LOSS:
		emit(EDR_LOSS, &loss, fn, ctx);
		loss.of_type = EDR_CONNECT;
		loss.dropped = 2;
		emit(EDR_LOSS, &loss, fn, ctx);
		return 2;
	}
	return 0;
}

static int fake_drain(struct source *s, source_record_fn fn, void *ctx)
{
	struct edr_clock clock = { .why = EDR_CLOCK_STOP, .wall_offset_ns = 1700000000000000000LL };

	ck_assert_ptr_eq(s, &fake);
	fake.drains++;
	emit(EDR_CLOCK, &clock, fn, ctx);
	return 0;
}

static int fake_totals(struct source *s, struct source_totals *out)
{
	(void)s;
	memset(out, 0, sizeof(*out));
	return 0;
}

static void fake_close(struct source *s)
{
	fake.closes += s != NULL;
}

/* Rising all the time; anew with each open. */
static void fake_cost(struct source *s, struct source_cost *out)
{
	(void)s;
	fake.bpf_ns += 1000;
	out->bpf_ns = fake.bpf_ns;
}

static const struct source_ops source_fake = { .name = "fake",
					       .open = fake_open,
					       .pump = fake_pump,
					       .drain = fake_drain,
					       .totals = fake_totals,
					       .close = fake_close,
					       .cost = fake_cost };

/* Runs it in a directory of its own; the exit status. */
static int run(const enum step *steps, size_t n)
{
	struct live_config cfg = { .source = &source_fake };
	char *argv[] = { (char *)(size_t) "run",
			 (char *)(size_t) "-c",
			 (char *)(size_t) "test.conf",
			 (char *)(size_t) "--record",
			 (char *)(size_t) "cap",
			 (char *)(size_t) "--set",
			 (char *)(size_t) "SOURCE.self_test=off",
			 NULL };
	char err[1024], *file = NULL;
	struct options o;
	int status;
	FILE *f;

	ck_assert_int_eq(chdir(dir), 0);
	snprintf(path, sizeof(path), "test-%d", (int)getpid());
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chdir(path), 0);
	umask(022);
	f = fopen("test.conf", "we");
	ck_assert_ptr_nonnull(f);
	fclose(f);
	fake.steps = steps;
	fake.n_steps = n;
	ck_assert_int_eq(options_parse(&o, 7, argv, OPTIONS_CONF, err, sizeof(err)), 0);
	ck_assert_int_eq(options_conf(&o, &cfg.set, &file, err, sizeof(err)), 0);
	cfg.options = &o;
	status = live_run(&cfg);
	conf_free(cfg.set);
	free(file);
	options_free(&o);
	return status;
}

static struct {
	unsigned type;
	edr_u64 time_ns, from_ns, to_ns;
} records[MAX_RECORDS];
static size_t n_records;
static edr_u64 n_costs, cost_bpf_ns; /* apart: when they come depends on the time of day */

static void keep(void *ctx, const struct edr_hdr *rec)
{
	(void)ctx;
	if (rec->type == EDR_COST) {
		n_costs++;
		cost_bpf_ns += ((const struct edr_cost *)(const void *)rec)->bpf_ns;
		return;
	}
	ck_assert_uint_lt(n_records, MAX_RECORDS);
	records[n_records].type = rec->type;
	records[n_records].time_ns = rec->time_ns;
	if (rec->type == EDR_BLIND) {
		records[n_records].from_ns = ((const struct edr_blind *)(const void *)rec)->from_ns;
		records[n_records].to_ns = ((const struct edr_blind *)(const void *)rec)->to_ns;
	}
	n_records++;
}

static void read_capture(void)
{
	const struct source_config cfg = { .replay_path = "cap" };
	struct source *s;
	char err[256];
	int n;

	ck_assert_msg(source_replay.open(&s, &cfg, err, sizeof(err)) == 0, "%s", err);
	do {
		n = source_replay.pump(s, 0, keep, NULL);
	} while (n >= 0);
	ck_assert_int_eq(n, -ENODATA); /* with its closing mark */
	source_replay.close(s);
}

static size_t count(unsigned type)
{
	size_t n = 0;

	for (size_t i = 0; i < n_records; i++)
		n += records[i].type == type;
	return n;
}

START_TEST(test_order)
{
	static const enum step steps[] = { EVENT, INTERRUPTED, QUIET, EVENT, STOP };
	size_t i = 2;

	ck_assert_int_eq(run(steps, 5), 0);
	ck_assert_uint_eq(fake.opens, 1);
	ck_assert_uint_eq(fake.drains, 1);
	ck_assert_uint_eq(fake.closes, 1);
	read_capture();
	/* The clock and the host, who is there, what happens, the clock; and time never goes back. */
	ck_assert_uint_eq(records[0].type, EDR_CLOCK);
	ck_assert_uint_eq(records[1].type, EDR_HOST);
	ck_assert_uint_eq(records[2].type, EDR_PROCESS);
	while (records[i].type == EDR_PROCESS)
		i++;
	ck_assert_uint_eq(i + 3, n_records);
	ck_assert_uint_eq(records[i].type, EDR_EXEC);
	ck_assert_uint_eq(records[i + 1].type, EDR_EXEC);
	ck_assert_uint_eq(records[i + 2].type, EDR_CLOCK);
	for (i = 1; i < n_records; i++)
		ck_assert_uint_ge(records[i].time_ns, records[i - 1].time_ns);
}
END_TEST

/* On a host where nothing happens, the processes that run are found all the same. */
START_TEST(test_quiet)
{
	static const enum step steps[] = { QUIET, QUIET, STOP };

	ck_assert_int_eq(run(steps, 3), 0);
	read_capture();
	ck_assert_uint_gt(count(EDR_PROCESS), 0);
	ck_assert_uint_eq(count(EDR_BLIND), 0);
}
END_TEST

START_TEST(test_source_fails)
{
	static const enum step steps[] = { EVENT, FAIL, EVENT, STOP };
	const edr_u64 before_ns = boot_ns();

	ck_assert_int_eq(run(steps, 4), 0);
	ck_assert_uint_eq(fake.opens, 2);
	ck_assert_uint_eq(fake.closes, 2);
	ck_assert_uint_eq(fake.drains, 1);
	read_capture();
	ck_assert_uint_eq(count(EDR_EXEC), 2);
	ck_assert_uint_eq(count(EDR_HOST), 2);
	ck_assert_uint_eq(count(EDR_BLIND), 1);
	for (size_t i = 0; i < n_records; i++) {
		if (records[i].type != EDR_BLIND)
			continue;
		ck_assert_uint_gt(records[i].from_ns, before_ns);
		ck_assert_uint_ge(records[i].to_ns, records[i].from_ns);
		ck_assert_uint_le(records[i].to_ns, boot_ns());
	}
	/* Those who started meanwhile are looked for. */
	ck_assert_uint_eq(records[n_records - 1].type, EDR_CLOCK);
	ck_assert_uint_gt(count(EDR_PROCESS), 1);
	/* What the first one cost and what the second one cost; more when a minute ends just now. */
	ck_assert_uint_ge(n_costs, 2);
	ck_assert_uint_eq(cost_bpf_ns, n_costs * 1000);
}
END_TEST

/* Stopped while the source is away: what was seen is written. */
START_TEST(test_stop_while_away)
{
	static const enum step steps[] = { EVENT, FAIL };
	edr_u64 blind_ns = 0;

	fake.fail_opens = 1000;
	alarm(0);
	signal(SIGALRM, SIG_DFL);
	if (fork() == 0) {
		usleep(700000);
		kill(getppid(), SIGINT);
		_exit(0);
	}
	ck_assert_int_eq(run(steps, 2), 0);
	ck_assert_uint_eq(fake.drains, 0);
	ck_assert_uint_eq(fake.closes, 1);
	read_capture();
	ck_assert_uint_eq(count(EDR_EXEC), 1);
	for (size_t i = 0; i < n_records; i++)
		blind_ns += records[i].to_ns - records[i].from_ns;
	ck_assert_uint_ge(blind_ns, 500000000);
}
END_TEST

/* A first try at once, then after one second and after two. */
START_TEST(test_backoff)
{
	static const enum step steps[] = { EVENT, FAIL, EVENT, STOP };
	const edr_u64 before = boot_ns();

	fake.fail_opens = 2;
	ck_assert_int_eq(run(steps, 4), 0);
	ck_assert_uint_eq(fake.opens, 4);
	ck_assert_uint_ge(boot_ns() - before, 3 * 1000000000ULL);
	ck_assert_uint_lt(boot_ns() - before, 6 * 1000000000ULL);
}
END_TEST

START_TEST(test_hangup)
{
	static const enum step steps[] = { EVENT, HANGUP, EVENT, STOP };

	ck_assert_int_eq(run(steps, 4), 0);
	read_capture();
	ck_assert_uint_eq(count(EDR_EXEC), 2);
	ck_assert_uint_eq(fake.opens, 1);
}
END_TEST

/* What was dropped is said while it happens, at most every ten seconds, and in all at the end. */
START_TEST(test_losses)
{
	static const enum step steps[] = { LOSS, QUIET, LOSS, STOP };
	char text[8192], log[160];
	const char *first;
	size_t n;
	FILE *f;

	snprintf(log, sizeof(log), "%s/log-%d", dir, (int)getpid());
	ck_assert_ptr_nonnull(freopen(log, "w+e", stderr));
	ck_assert_int_eq(run(steps, 4), 0);
	fflush(stderr);
	f = fopen(log, "re");
	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	first = strstr(text, "7 events were dropped: exec 5, connect 2\n");
	ck_assert_msg(first != NULL, "%s", text);
	ck_assert_msg(strstr(first, "in all, 14 events were dropped: exec 10, connect 4\n") != NULL,
		      "%s", text);
	ck_assert_ptr_null(strstr(first + 1, "\n7 events"));
}
END_TEST

START_TEST(test_cannot_open)
{
	static const struct {
		int error, status;
	} cases[] = { { -EPERM, EX_NOPERM },
		      { -EACCES, EX_NOPERM },
		      { SOURCE_BAD_CONFIG, EX_CONFIG },
		      { -EINVAL, EX_UNAVAILABLE },
		      { -ENOENT, EX_UNAVAILABLE } };
	static const enum step steps[] = { STOP };

	fake.open_error = cases[_i].error;
	ck_assert_int_eq(run(steps, 1), cases[_i].status);
	ck_assert_uint_eq(fake.closes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("live");
	TCase *tc = tcase_create("live");
	SRunner *runner;
	int failed;

	if (!mkdtemp(dir))
		return 1;
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_quiet);
	tcase_add_test(tc, test_source_fails);
	tcase_add_test(tc, test_stop_while_away);
	tcase_add_test(tc, test_backoff);
	tcase_add_test(tc, test_hangup);
	tcase_add_test(tc, test_losses);
	tcase_add_loop_test(tc, test_cannot_open, 0, 5);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	if (system(path) != 0)
		failed++;
	return failed != 0;
}
