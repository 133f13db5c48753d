// SPDX-License-Identifier: MIT
#include "source/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TRACEFS_MAGIC 0x74726163 /* linux/magic.h */

static const struct {
	const char *name;
	unsigned nr;
} numbers[] = {
#include "syscalls.inc"
};

/* Where the kernel's own name, which the tracepoint carries, is another than the number's. */
static const struct {
	const char *name, *kernel;
} renamed[] = {
	{ "stat", "newstat" },	 { "lstat", "newlstat" }, { "fstat", "newfstat" },
	{ "uname", "newuname" }, { "umount2", "umount" }, { "sendfile", "sendfile64" },
	{ "_sysctl", "sysctl" },
};

bool syscalls_is_tracefs(const char *place)
{
	/* statfs() would have debugfs mount it there. */
	const int fd = open(place, O_PATH | O_CLOEXEC);
	struct statfs fs;
	const bool is = fd >= 0 && !fstatfs(fd, &fs) && fs.f_type == TRACEFS_MAGIC;

	if (fd >= 0)
		close(fd);
	return is;
}

const char *syscalls_tracefs(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (syscalls_is_tracefs(places[i]))
			return places[i];
	}
	return "";
}

bool syscalls_tracepoint_exists(const char *group, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/events/%s/%s/id", syscalls_tracefs(), group, name);
	return !faccessat(AT_FDCWD, path, F_OK, AT_EACCESS); /* access(2) drops capabilities */
}

/* The fields behind __syscall_nr in the event's format file. */
static unsigned count_args(const char *tracepoint)
{
	char path[160], line[256];
	unsigned n = 0;
	bool behind = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/events/syscalls/sys_enter_%s/format", syscalls_tracefs(),
		 tracepoint);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		/* 7.x describes the contents of some arguments in further fields, which are no registers. */
		if (behind && strstr(line, "field:") && !strstr(line, "__data_loc"))
			n++;
		if (strstr(line, "__syscall_nr"))
			behind = true;
	}
	fclose(f);
	return n > 6 ? 6 : n;
}

int syscalls_resolve(const char *name, struct syscall_target *out)
{
	const char *kernel = name;
	char enter[64];
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!strcmp(numbers[i].name, name))
			break;
	}
	if (i == sizeof(numbers) / sizeof(numbers[0]))
		return -ENOENT;
	out->nr = numbers[i].nr;
	/* rt_sigreturn restores another call's registers: its exit cannot be matched. */
	out->no_return = !strcmp(name, "exit") || !strcmp(name, "exit_group") ||
			 !strcmp(name, "rt_sigreturn");
	for (i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
		if (!strcmp(renamed[i].name, name))
			kernel = renamed[i].kernel;
	}
	if (strlen(kernel) >= sizeof(out->tracepoint))
		return -ENODEV;
	snprintf(out->tracepoint, sizeof(out->tracepoint), "%s", kernel);
	snprintf(enter, sizeof(enter), "sys_enter_%s", kernel);
	if (!syscalls_tracepoint_exists("syscalls", enter))
		return -ENODEV;
	out->nargs = count_args(kernel);
	return 0;
}
