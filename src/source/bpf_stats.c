// SPDX-License-Identifier: MIT
#include "source/bpf_stats.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edr/control.h"
#include "source/bpf_again.h"

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
 * What is missed when the kernel skips a program once: all that it may have told, and what it leaves
 * for another to tell. So it is the most that can have been missed, for which of them it was nobody
 * knows: a call that would have succeeded, a thread that ended while others live, a change of a
 * socket that others opened are among them. The programs at cgroup/connect are never skipped.
 */
#define MISSED_TYPES 2
static const struct {
	const char *program;
	enum edr_type types[MISSED_TYPES]; /* EDR_NONE: no more */
} missed_by[] = {
	{ "sched_process_exec", { EDR_EXEC } },
	{ "sched_process_fork", { EDR_FORK, EDR_THREAD } },
	{ "task_newtask", { EDR_FORK, EDR_THREAD } },
	{ "sched_process_exit", { EDR_EXIT } },
	{ "sys_exit_execve", { EDR_EXEC_FAILED } },
	{ "sys_exit_execveat", { EDR_EXEC_FAILED } },
	{ "sys_enter_connect", { EDR_CONNECT, EDR_CONNECT_RESULT } },
	{ "sys_exit_connect", { EDR_CONNECT, EDR_CONNECT_RESULT } },
	{ "inet_sock_set_state", { EDR_CONNECT, EDR_CONNECT_RESULT } },
	{ "sys_enter_any", { EDR_SYSCALL } },
	{ "sys_exit_any", { EDR_SYSCALL } },
};

edr_u64 bpf_stats_skipped(const struct bpf_load *l, const char *program)
{
	return info_by_name(l, program).recursion_misses;
}

/* Of a program with two copies, what both have missed is lost: at most what the luckier one has. */
static edr_u64 misses_of(const struct bpf_load *l, size_t row)
{
	const char *name = l->kind->rows[row].name;
	const edr_u64 first = bpf_stats_skipped(l, name), alone = l->missed_alone[row];
	edr_u64 again;

	if (!l->again[row])
		return first;
	again = program_info(bpf_again_of(l->skel.obj, name)).recursion_misses;
	return alone + (again < first - alone ? again : first - alone);
}

static const enum edr_type *missed_with(const char *program)
{
	size_t i;

	for (i = 0; i < sizeof(missed_by) / sizeof(missed_by[0]); i++)
		if (!strcmp(missed_by[i].program, program))
			return missed_by[i].types;
	return NULL;
}

void bpf_stats_misses(const struct bpf_load *l, edr_u64 misses[EDR_TYPE_MAX])
{
	const enum edr_type *types;
	edr_u64 n;
	size_t i, k;

	/* Not all kernels count them all: see bpf_stats_counts_skipped(). */
	for (i = 0; i < l->kind->n_rows; i++) {
		types = missed_with(l->kind->rows[i].name);
		n = types ? misses_of(l, i) : 0;
		for (k = 0; n && k < MISSED_TYPES && types[k]; k++)
			misses[types[k]] += n;
	}
}

static bool has_member(const struct btf *btf, unsigned type_id, const char *name, int depth)
{
	const struct btf_type *t = btf__type_by_id(btf, type_id);
	int i;

	if (!t || !btf_is_composite(t) || !depth)
		return false;
	for (i = 0; i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];

		if (!strcmp(btf__name_by_offset(btf, m->name_off), name) ||
		    has_member(btf, m->type, name, depth - 1))
			return true;
	}
	return false;
}

bool bpf_stats_counts_skipped(const struct btf *btf)
{
	const int id = btf ? btf__find_by_name_kind(btf, "bpf_link_info", BTF_KIND_STRUCT) : -1;

	/* That member came with the count, in the same series for 6.7. */
	return id > 0 && has_member(btf, (unsigned)id, "missed", 4);
}

void bpf_stats_judge(struct bpf_load *l, const struct btf *btf)
{
	static const char uncounted[] = "this kernel may skip a program of ours at a tracepoint, "
					"when another BPF program runs "
					"on that CPU, without counting it (Linux before 6.7): what "
					"is missed then is not in "
					"the loss";
	size_t i;

	for (i = 0; i < l->kind->n_rows && !bpf_stats_counts_skipped(btf); i++) {
		const enum bpf_hook hook = l->kind->rows[i].hook;

		if (l->programs[i].state != SOURCE_PROGRAM_USED || hook == HOOK_RAW ||
		    hook == HOOK_CGROUP)
			continue;
		buf_add(&l->unresolved, uncounted, sizeof(uncounted));
		return;
	}
}

struct bpf_runs bpf_stats_runs(const struct bpf_load *l, const char *program)
{
	const struct bpf_prog_info first = info_by_name(l, program),
				   again = program_info(bpf_again_of(l->skel.obj, program));

	return (struct bpf_runs){ first.run_time_ns + again.run_time_ns,
				  first.run_cnt + again.run_cnt };
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
