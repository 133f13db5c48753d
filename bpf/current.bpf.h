/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who is running, for programs that get no pointer to the task from their hook. */
#ifndef EDR_CURRENT_BPF_H
#define EDR_CURRENT_BPF_H

/* For FIELD. */
static __always_inline struct task_struct *current_task(void)
{
	return TYPED ? bpf_get_current_task_btf() : (void *)bpf_get_current_task();
}

static __always_inline u64 current_start_ns(void)
{
	struct task_struct *task;

	if (TASK_TYPED)
		return bpf_get_current_task_btf()->group_leader->start_boottime;
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

static __always_inline void header_of_current(struct edr_hdr *h, u32 type, u32 len)
{
	header_init(h, type, len, current_start_ns());
}

#endif
