// SPDX-License-Identifier: MIT
/* Which way to watch is taken, of made-up ones that open or refuse. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/ladder.h"
#include "suite.h"
#include "wire/wire.h"

static struct {
	int answer[3]; /* of open */
	unsigned asked[3];
	char refused[3][512]; /* what they were told, with | for NUL */
} fake;

static struct source *const something = (void *)&fake;

static int answer(size_t i, struct source **out, const struct source_config *cfg, char *err,
		  size_t err_size)
{
	fake.asked[i]++;
	ck_assert_uint_lt(cfg->refused_len, sizeof(fake.refused[i]));
	if (cfg->refused_len)
		memcpy(fake.refused[i], cfg->refused, cfg->refused_len);
	for (size_t k = 0; k < cfg->refused_len; k++)
		if (!fake.refused[i][k])
			fake.refused[i][k] = '|';
	*out = fake.answer[i] ? NULL : something;
	if (fake.answer[i])
		snprintf(err, err_size, "reason %zu", i);
	return fake.answer[i];
}

#define OPEN(i)                                                                              \
	static int open_##i(struct source **out, const struct source_config *cfg, char *err, \
			    size_t err_size)                                                 \
	{                                                                                    \
		return answer(i, out, cfg, err, err_size);                                   \
	}
OPEN(0)
OPEN(1)
OPEN(2)

static const struct source_ops best = { .name = "best", .open = open_0 };
static const struct source_ops second = { .name = "second", .open = open_1 };
static const struct source_ops last = { .name = "last", .open = open_2 };
static const struct source_ops *const steps[] = { &best, &second, &last };

static char err[1024];
static struct buf refused;

static int try_all(int a, int b, int c, const struct source_ops **taken, struct source **out)
{
	const struct source_config cfg = { .agent = "test" };

	memset(&fake, 0, sizeof(fake));
	memset(err, 0, sizeof(err));
	fake.answer[0] = a;
	fake.answer[1] = b;
	fake.answer[2] = c;
	buf_free(&refused);
	return ladder_open(steps, 3, &cfg, &refused, taken, out, err, sizeof(err));
}

START_TEST(test_the_best_that_opens)
{
	const struct source_ops *taken;
	struct source *s;

	ck_assert_int_eq(try_all(0, 0, 0, &taken, &s), 0);
	ck_assert_ptr_eq(taken, &best);
	ck_assert_ptr_eq(s, something);
	ck_assert_uint_eq(fake.asked[1] + fake.asked[2], 0);
	ck_assert_str_eq(fake.refused[0], "");

	ck_assert_int_eq(try_all(-ESRCH, 0, 0, &taken, &s), 0);
	ck_assert_ptr_eq(taken, &second);
	ck_assert_uint_eq(fake.asked[2], 0);
	ck_assert_str_eq(fake.refused[1], "best is not used: reason 0|");

	ck_assert_int_eq(try_all(-EPERM, -EPERM, 0, &taken, &s), 0);
	ck_assert_ptr_eq(taken, &last);
	ck_assert_str_eq(fake.refused[2],
			 "best is not used: reason 0|second is not used: reason 1|");
}
END_TEST

START_TEST(test_none)
{
	const struct source_ops *taken;
	struct source *s;

	ck_assert_int_eq(try_all(-ESRCH, -ENODEV, -EIO, &taken, &s), -ESRCH);
	ck_assert_ptr_null(taken);
	ck_assert_str_eq(err, "this host cannot be watched in any way: best is not used: reason 0; "
			      "second is not used: reason 1; last is not used: reason 2");
	/* What permission would mend is told as that. */
	ck_assert_int_eq(try_all(-ESRCH, -EPERM, -EIO, &taken, &s), -EPERM);
	ck_assert_int_eq(try_all(-ESRCH, -EIO, -EACCES, &taken, &s), -EACCES);
}
END_TEST

/* A wrong configuration is nobody's fault but its author's: no other way is tried in silence. */
START_TEST(test_wrong_configuration)
{
	const struct source_ops *taken;
	struct source *s;

	ck_assert_int_eq(try_all(-ESRCH, SOURCE_BAD_CONFIG, 0, &taken, &s), SOURCE_BAD_CONFIG);
	ck_assert_ptr_null(taken);
	ck_assert_str_eq(err, "reason 1");
	ck_assert_uint_eq(fake.asked[2], 0);

	/* EINVAL is what an old kernel says of what it does not know. */
	ck_assert_int_eq(try_all(-EINVAL, -EINVAL, 0, &taken, &s), 0);
	ck_assert_ptr_eq(taken, &last);
}
END_TEST

START_TEST(test_names)
{
	ck_assert_ptr_eq(source_by_name("bpf"), &source_bpf);
	ck_assert_ptr_eq(source_by_name("bpf-btf"), &source_bpf_raw);
	ck_assert_ptr_eq(source_by_name("bpf-plain"), &source_bpf_plain);
	ck_assert_ptr_eq(source_by_name("ftrace"), &source_ftrace);
	ck_assert_ptr_null(source_by_name("auto"));
	ck_assert_ptr_null(source_by_name("replay"));
	ck_assert_ptr_eq(source_ladder[0], &source_bpf);
	ck_assert_ptr_eq(source_ladder[source_ladder_n - 1], &source_ftrace);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_the_best_that_opens, test_none,
				       test_wrong_configuration, test_names };

	return suite_run("ladder", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 10);
}
