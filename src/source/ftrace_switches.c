// SPDX-License-Identifier: MIT
#include "source/ftrace_switches.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/mount.h, which does not go together with every libc's sys/mount.h */
#define OPEN_CLOEXEC 1U
#define CONFIG_CREATE 6U

static int open_ftrace_enabled(void)
{
	return open("/proc/sys/kernel/ftrace_enabled", O_RDONLY | O_CLOEXEC);
}

/* A mount that is nowhere to be seen, so that it does not matter whether debugfs is mounted: since 5.2. */
static int mount_debugfs(void)
{
	const int fs = (int)syscall(SYS_fsopen, "debugfs", OPEN_CLOEXEC);
	int dir = -1;

	if (fs < 0)
		return -1;
	if (!syscall(SYS_fsconfig, fs, CONFIG_CREATE, NULL, NULL, 0))
		dir = (int)syscall(SYS_fsmount, fs, OPEN_CLOEXEC, 0);
	close(fs);
	return dir;
}

static int open_kprobes_enabled(void)
{
	const int dir = mount_debugfs();
	int fd;

	if (dir < 0)
		return open("/sys/kernel/debug/kprobes/enabled", O_RDONLY | O_CLOEXEC);
	fd = openat(dir, "kprobes/enabled", O_RDONLY | O_CLOEXEC);
	close(dir);
	return fd;
}

static const struct {
	int (*open)(void);
	const char *name;
} switches[] = {
	{ open_ftrace_enabled, "kernel.ftrace_enabled" },
	{ open_kprobes_enabled, "kprobes/enabled" },
};
_Static_assert(sizeof(switches) / sizeof(switches[0]) == FT_SWITCHES,
	       "struct ft_switches has other rows");

/* '0' or '1'; 0: it does not say. */
static char read_switch(int fd)
{
	char is;

	return fd >= 0 && pread(fd, &is, 1, 0) == 1 ? is : '\0';
}

void ft_switches_init(struct ft_switches *sw)
{
	size_t i;

	for (i = 0; i < FT_SWITCHES; i++) {
		sw->fd[i] = -1;
		sw->was[i] = '\0';
	}
}

void ft_switches_open(struct ft_switches *sw)
{
	size_t i;

	for (i = 0; i < FT_SWITCHES; i++) {
		sw->fd[i] = switches[i].open();
		sw->was[i] = read_switch(sw->fd[i]);
	}
}

bool ft_switches_on(const struct ft_switches *sw)
{
	size_t i;

	for (i = 0; i < FT_SWITCHES; i++) {
		if (sw->was[i] == '0')
			return false;
	}
	return true;
}

int ft_switches_check(const struct ft_switches *sw, char *err, size_t err_size)
{
	size_t i;
	char is;

	for (i = 0; i < FT_SWITCHES; i++) {
		is = read_switch(sw->fd[i]);
		if (is == sw->was[i])
			continue;
		snprintf(err, err_size, "somebody has switched %s, and with it our probes, %s",
			 switches[i].name, is == '1' ? "on again" : "off");
		return -EIO;
	}
	return 0;
}

void ft_switches_close(struct ft_switches *sw)
{
	size_t i;

	for (i = 0; i < FT_SWITCHES; i++) {
		if (sw->fd[i] >= 0)
			close(sw->fd[i]);
	}
	ft_switches_init(sw);
}
