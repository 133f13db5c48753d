// SPDX-License-Identifier: MIT
/* Where the name of a program that is gone leads: the look follows names and links, and enters no other mount. */
#include <check.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "source/ftrace_record.h"
#include "suite.h"

static size_t find(const char *name, char out[EDR_PATH_MAX])
{
	struct stat st;

	ck_assert_int_eq(stat(name, &st), 0);
	return ft_find_exe(-1, 1, (struct wire_span){ name, (edr_u32)strlen(name) }, st.st_ino,
			   (edr_u32)(major(st.st_dev) << 20 | minor(st.st_dev)), out, EDR_PATH_MAX);
}

START_TEST(test_same_mount)
{
	char out[EDR_PATH_MAX];
	struct stat root, etc;

	ck_assert(!stat("/", &root) && !stat("/etc", &etc));
	if (root.st_dev != etc.st_dev)
		return;
	ck_assert_uint_eq(find("/etc/../etc", out), 4);
	ck_assert(!memcmp(out, "/etc", 4));
}
END_TEST

START_TEST(test_another_mount)
{
	char out[EDR_PATH_MAX];

	ck_assert_uint_eq(find("/proc/version", out), 0);
	ck_assert_uint_eq(find("/proc/self/root/etc", out), 0);
}
END_TEST

START_TEST(test_another_file)
{
	char out[EDR_PATH_MAX];

	ck_assert_uint_eq(
		ft_find_exe(-1, 1, (struct wire_span){ "/etc", 4 }, 1, 1, out, sizeof(out)), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_same_mount, test_another_mount, test_another_file };

	return suite_run("ftrace_exe", tests, sizeof(tests) / sizeof(tests[0]), NULL, NULL, 10);
}
