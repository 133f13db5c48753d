// SPDX-License-Identifier: MIT
#include "source/bpf_stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edr/control.h"

/* All zeros when the program is not loaded. */
static struct bpf_prog_info program_info(const struct bpf_program *prog)
{
	struct bpf_prog_info info;
	unsigned len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (!prog || bpf_program__fd(prog) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		memset(&info, 0, sizeof(info));
	return info;
}

static struct bpf_prog_info info_by_name(const struct bpf_load *l, const char *program)
{
	return program_info(bpf_object__find_program_by_name(l->skel.obj, program));
}

/*
 * Which event is missed when the kernel skips a program. Skipped runs for a thread, or for a call
 * that succeeds, are among them: it is the most that can have been missed.
 */
static const struct {
	const char *program;
	enum edr_type type;
} missed_by[] = {
	{ "sched_process_exec", EDR_EXEC },
	{ "sched_process_fork", EDR_FORK },
	{ "task_newtask", EDR_FORK },
	{ "sched_process_exit", EDR_EXIT },
	{ "sys_exit_execve", EDR_EXEC_FAILED },
	{ "sys_exit_execveat", EDR_EXEC_FAILED },
	{ "sys_enter_connect", EDR_CONNECT },
	{ "sys_exit_connect", EDR_CONNECT },
	{ "inet_sock_set_state", EDR_CONNECT_RESULT },
	{ "sys_enter_any", EDR_SYSCALL },
	{ "sys_exit_any", EDR_SYSCALL },
};

void bpf_stats_misses(const struct bpf_load *l, edr_u64 misses[EDR_TYPE_MAX])
{
	size_t i;

	/* Kernels before 5.12 do not count, and cannot be preempted there. */
	for (i = 0; i < sizeof(missed_by) / sizeof(missed_by[0]); i++)
		misses[missed_by[i].type] += info_by_name(l, missed_by[i].program).recursion_misses;
}

struct bpf_runs bpf_stats_runs(const struct bpf_load *l, const char *program)
{
	const struct bpf_prog_info info = info_by_name(l, program);

	return (struct bpf_runs){ info.run_time_ns, info.run_cnt };
}

/* "memlock:" of proc_pid_fdinfo(5), which maps and programs have. */
static edr_u64 descriptor_bytes(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *f;

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

edr_u64 bpf_stats_memory(const struct bpf_load *l)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	edr_u64 sum = 0;

	bpf_object__for_each_map(map, l->skel.obj)
		sum += descriptor_bytes(bpf_map__fd(map));
	bpf_object__for_each_program(prog, l->skel.obj)
		sum += descriptor_bytes(bpf_program__fd(prog));
	return sum;
}

int bpf_stats_enable(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

bool bpf_stats_enabled(void)
{
	FILE *f = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");
	bool on = f && fgetc(f) == '1';

	if (f)
		fclose(f);
	return on;
}
