/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Second copies of programs (NAME_again), for kernels that skip a program while a task is preempted in it (7.0 and newer;
 * src/source/bpf_again.h): loaded nowhere else. A copy is attached after its first one, so it runs after it for the same
 * call, and does nothing where the first one has run. Programs that leave a trace of it anyway need no mark, and
 * sched_process_exit_again no order.
 */
#ifndef EDR_AGAIN_BPF_H
#define EDR_AGAIN_BPF_H

const volatile bool runs_again = false; /* are copies loaded? */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u8);
} has_run SEC(".maps");

/*
 * For both copies: has the first one run for what this thread is at? A mark that stays, for the copy was skipped, may make
 * a later copy do nothing: then both have been skipped once, and so it is counted.
 */
static __always_inline bool done_before(u32 type, bool again)
{
	u64 key = (u64)type << 32 | (u32)bpf_get_current_pid_tgid();
	u8 yes = 1;

	if (again)
		return !bpf_map_delete_elem(&has_run, &key);
	if (runs_again)
		bpf_map_update_elem(&has_run, &key, &yes, BPF_ANY);
	return false;
}

#endif
