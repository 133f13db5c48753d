/* SPDX-License-Identifier: MIT */
#include "cli/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

/* Kernel headers before 5.8 do not have them. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

const struct cap_need cap_needs[] = {
	{ "CAP_BPF", CAP_BPF, true, "loads the BPF programs" },
	{ "CAP_PERFMON", CAP_PERFMON, true, "attaches them to the kernel's events" },
	{ "CAP_NET_ADMIN", CAP_NET_ADMIN, true,
	  "attaches the connect programs to the cgroup tree" },
	{ "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH, true, "reads tracefs and the cgroup tree" },
	{ "CAP_SYS_PTRACE", CAP_SYS_PTRACE, false,
	  "reads the executables of processes that run already" },
};
const size_t cap_n_needs = sizeof(cap_needs) / sizeof(cap_needs[0]);

int caps_effective(unsigned long long *set)
{
	FILE *f = fopen("/proc/self/status", "re");
	int err = -ENOENT;
	char line[256];

	if (!f)
		return -errno;
	while (err && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", set) == 1)
			err = 0;
	fclose(f);
	return err;
}

bool caps_has(unsigned long long set, const struct cap_need *need)
{
	bool by_admin = need->bit == CAP_BPF || need->bit == CAP_PERFMON;

	return (set >> need->bit & 1) || (by_admin && (set >> CAP_SYS_ADMIN & 1));
}

size_t caps_missing(unsigned long long set, bool required, struct buf *names)
{
	size_t n = 0;

	for (size_t i = 0; i < cap_n_needs; i++) {
		if (cap_needs[i].required != required || caps_has(set, &cap_needs[i]))
			continue;
		buf_adds(names, n++ ? ", " : "");
		buf_adds(names, cap_needs[i].name);
	}
	return n;
}

void caps_how_to_give(struct buf *out)
{
	buf_adds(out, "run it as root (sudo), or in a systemd unit with AmbientCapabilities=");
	for (size_t i = 0; i < cap_n_needs; i++)
		buf_addf(out, "%s%s", i ? " " : "", cap_needs[i].name);
}
