/* SPDX-License-Identifier: MIT */
#include "cli/check.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/caps.h"
#include "report/report.h"
#include "source/cgroup.h"
#include "source/host.h"
#include "source/syscalls.h"
#include "util/buf.h"
#include "util/text.h"

void check_add(struct check *c, const char *name, enum check_state state, const char *what,
	       const char *mend)
{
	struct check_item *item;

	if (c->n == CHECK_MAX_ITEMS)
		return;
	item = &c->items[c->n++];
	item->name = name;
	item->state = state;
	snprintf(item->what, sizeof(item->what), "%s", what);
	snprintf(item->mend, sizeof(item->mend), "%s", mend);
}

/* The first line of a small file, without its newline; false when it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool got = f && fgets(line, (int)size, f);

	if (f)
		fclose(f);
	if (got)
		line[strcspn(line, "\n")] = '\0';
	return got;
}

static void check_caps(struct check *c)
{
	unsigned long long set = 0;
	struct buf how = { 0 };
	char what[160];
	bool said = false; /* once is enough */

	if (caps_effective(&set) != 0) {
		check_add(c, "capabilities", CHECK_NOTE, "/proc/self/status cannot be read",
			  "mount /proc");
		return;
	}
	caps_how_to_give(&how);
	for (size_t i = 0; i < cap_n_needs; i++) {
		const struct cap_need *need = &cap_needs[i];
		bool has = caps_has(set, need);

		snprintf(what, sizeof(what), "%s", need->why);
		check_add(c, need->name,
			  has		   ? CHECK_OK
			  : need->required ? CHECK_NO_PERMISSION
					   : CHECK_GAP,
			  what, has || said || !how.data ? "" : how.data);
		said |= !has;
	}
	buf_free(&how);
}

static void check_btf(struct check *c)
{
	struct btf *btf;
	int err;

	/* libbpf looks in more places than /sys/kernel/btf: ask it, not stat(). What it has to say is for nobody. */
	libbpf_set_print(NULL);
	btf = btf__load_vmlinux_btf();
	err = btf ? 0 : errno;
	if (btf)
		check_add(c, "BTF", CHECK_OK, "the kernel describes its types", "");
	else
		check_add(
			c, "BTF",
			err == EPERM || err == EACCES ? CHECK_NO_PERMISSION : CHECK_MISSING,
			"the kernel does not describe its types, so the CO-RE programs cannot be "
			"fitted to it",
			"use a kernel with CONFIG_DEBUG_INFO_BTF=y (all large distributions' are)");
	btf__free(btf);
}

/* Where a file system of that type is mounted; "" when nowhere. */
static void find_mount(const char *type, char *where, size_t size)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent ent, *m;
	char buffer[4096];

	where[0] = '\0';
	while (f && !where[0] && (m = getmntent_r(f, &ent, buffer, sizeof(buffer))))
		if (strcmp(m->mnt_type, type) == 0)
			snprintf(where, size, "%s", m->mnt_dir);
	if (f)
		endmntent(f);
}

static void check_tracefs(struct check *c)
{
	const char *mend = "mount -t tracefs nodev /sys/kernel/tracing";
	const char *where =
		syscalls_tracefs(); /* asks the file system: a mount may be hidden by another */
	enum check_state gap = c->source.lean ? CHECK_NOTE : CHECK_GAP;
	char mounted[300], what[360];

	find_mount("tracefs", mounted, sizeof(mounted));
	snprintf(what, sizeof(what), "%s %s",
		 c->mounts_tracefs ? "not mounted; the agent mounts it while it runs, on"
				   : "mounted on",
		 where);
	if (!where[0] && mounted[0]) {
		snprintf(what, sizeof(what),
			 "mounted on %.250s, and cannot be reached at its usual place", mounted);
		check_add(c, "tracefs", gap, what, mend);
	} else if (!where[0]) {
		check_add(c, "tracefs", gap,
			  c->source.lean ? "not mounted; the lean hooks do not need it"
					 : "not mounted: system call tracepoints cannot be used",
			  mend);
	} else if (c->source.lean || syscalls_tracepoint_exists("syscalls", "sys_enter_execve")) {
		check_add(c, "tracefs", CHECK_OK, what, "");
	} else if (errno == EACCES) {
		check_add(c, "tracefs", CHECK_NO_PERMISSION, "mounted, and not open to this user",
			  "run as root, or give CAP_DAC_READ_SEARCH");
	} else {
		check_add(c, "tracefs", CHECK_GAP,
			  "mounted, and without system call events: the kernel was built without "
			  "them, or locked down",
			  "use a kernel with CONFIG_FTRACE_SYSCALLS=y");
	}
}

static void check_lockdown(struct check *c)
{
	char line[128] = "", what[200];

	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		check_add(c, "lockdown", CHECK_OK, "not in force, as far as can be seen", "");
		return;
	}
	snprintf(what, sizeof(what), "%s", line);
	if (strstr(line, "[confidentiality]"))
		check_add(c, "lockdown", CHECK_MISSING,
			  "confidentiality: BPF programs may not read the kernel's memory",
			  "boot with lockdown=integrity, or without the parameter lockdown");
	else
		check_add(c, "lockdown", CHECK_OK, what, "");
}

static void check_unprivileged(struct check *c)
{
	char line[32] = "";

	if (!read_line("/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line)))
		return;
	if (strcmp(line, "0") == 0)
		check_add(c, "unprivileged BPF", CHECK_NOTE,
			  "every user of this host may load BPF programs; this program does not "
			  "need that",
			  "sysctl kernel.unprivileged_bpf_disabled=1");
	else
		check_add(c, "unprivileged BPF", CHECK_OK, "only with capabilities", "");
}

/* 0 or -errno. Without libbpf, which would raise the limit first. */
static int make_map(void)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 64; /* small: 64 KiB are all that a 5.10 kernel allows by default */
	attr.max_entries = 1;
	fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return -errno;
	close((int)fd);
	return 0;
}

/* Kernels before 5.11 charge maps to RLIMIT_MEMLOCK. Does this one? With a limit of 0 it shows. */
static void check_memlock(struct check *c)
{
	const struct cap_need resource = { .bit = 24 /* CAP_SYS_RESOURCE */ };
	struct rlimit kept, none;
	unsigned long long set = 0;
	int err;

	if (getrlimit(RLIMIT_MEMLOCK, &kept) != 0 || make_map() == -EPERM) {
		check_add(c, "RLIMIT_MEMLOCK", CHECK_NO_PERMISSION,
			  "a BPF map cannot be made by this user", "run as root");
		return;
	}
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = kept.rlim_max };
	setrlimit(RLIMIT_MEMLOCK, &none);
	err = make_map();
	setrlimit(RLIMIT_MEMLOCK, &kept);
	caps_effective(&set);
	if (err == 0)
		check_add(c, "RLIMIT_MEMLOCK", CHECK_OK, "does not limit BPF on this kernel", "");
	else if (kept.rlim_cur == RLIM_INFINITY || caps_has(set, &resource))
		check_add(c, "RLIMIT_MEMLOCK", CHECK_OK,
			  "limits BPF on this kernel, and can be raised", "");
	else
		check_add(c, "RLIMIT_MEMLOCK", CHECK_MISSING,
			  "limits BPF on this kernel, and is too low to load the programs",
			  "ulimit -l unlimited, LimitMEMLOCK=infinity in the unit, or "
			  "CAP_SYS_RESOURCE");
}

static void check_pid_namespace(struct check *c)
{
	if (source_in_initial_pid_ns())
		return;
	check_add(c, "pid namespace", CHECK_GAP,
		  "not the host's: processes that run already have no names, no self-test is made",
		  "start it on the host, or its container with the host's pid namespace");
}

static void check_cgroup2(struct check *c)
{
	char where[300], what[360];
	bool part;
	int fd;

	find_mount("cgroup2", where, sizeof(where));
	if (where[0]) {
		snprintf(what, sizeof(what), "mounted on %s", where);
		check_add(c, "cgroup v2", CHECK_OK, what, "");
		return;
	}
	/* The source makes itself a private mount when it may. */
	fd = cgroup_open_root(&part);
	if (fd >= 0) {
		close(fd);
		check_add(c, "cgroup v2", CHECK_OK, "mounted nowhere; a private mount is used", "");
		return;
	}
	check_add(c, "cgroup v2", CHECK_GAP,
		  "not there: connects of 32-bit programs and by io_uring are not seen, with "
		  "lean hooks none but TCP",
		  "mount -t cgroup2 none /sys/fs/cgroup (or .../unified beside a v1 tree)");
}

/* As run judges it; nothing is made. */
static void check_reports_dir(struct check *c)
{
	const char *dir = c->conf->reports_dir;
	struct buf what = { 0 };
	char err[400];
	int status = report_store_judge(dir, err, sizeof(err));

	text_term(&what, dir, strlen(dir));
	buf_adds(&what, status == 0 ? " can be written" : " can be made");
	if (status >= 0)
		check_add(c, "reports_dir", CHECK_OK, what.data ? what.data : "", "");
	else
		check_add(c, "reports_dir",
			  status == -EACCES || status == -EPERM ? CHECK_NO_PERMISSION
								: CHECK_MISSING,
			  err, "give another with --reports-dir, or change who may write there");
	buf_free(&what);
}

void check_host(struct check *c)
{
	check_caps(c);
	check_btf(c);
	check_lockdown(c);
	check_tracefs(c);
	check_cgroup2(c);
	check_pid_namespace(c);
	check_memlock(c);
	check_unprivileged(c);
	check_reports_dir(c);
}
