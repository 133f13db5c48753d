/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Every difference between kernels, in one place, each with the change that made it. */
#ifndef EDR_COMPAT_BPF_H
#define EDR_COMPAT_BPF_H

/* sched_process_exit got group_dead as its second argument in 6.16; the loader looks at the tracepoint's
 * prototype in BTF, for reading an argument that is not there is refused at attach. */
const volatile bool exit_has_group_dead = false;

/* dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper", 5.15), and its series: every program gets the current task, and that
 * task's registers, by pointers that have a type, and plain loads do. */
#define TASK_TYPED (TYPED && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))

/* 633488947ef6 ("kernfs: Use RCU to access kernfs_node::parent", 6.15) renamed parent to __parent. */
static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *kn)
{
	struct kernfs_node___6_15 *renamed = (void *)kn;

	if (bpf_core_field_exists(renamed->__parent))
		return (struct kernfs_node *)BPF_CORE_READ(renamed, __parent);
	return BPF_CORE_READ(kn, parent);
}

/* task_struct has loginuid and sessionid only with CONFIG_AUDITSYSCALL. */
static __always_inline u32 task_loginuid(struct task_struct *task)
{
	if (bpf_core_field_exists(task->loginuid))
		return FIELD(task, loginuid.val);
	return EDR_ID_UNSET;
}

static __always_inline u32 task_sessionid(struct task_struct *task)
{
	if (bpf_core_field_exists(task->sessionid))
		return FIELD(task, sessionid);
	return EDR_ID_UNSET;
}

/* The index of a controller differs with the configuration; a controller may be absent. */
static __always_inline struct cgroup *css_cgroup(struct css_set *css, u32 subsys)
{
	struct cgroup_subsys_state **place = (void *)&css->subsys + 8 * subsys;

	return FIELD(POINTER(place), cgroup);
}

/* A kernfs id is unique in its hierarchy only: ids of v1 hierarchies carry a bit that tells which. */
#define CGROUP_ID_PIDS (1ULL << 50)
#define CGROUP_ID_MEMORY (1ULL << 51)

/*
 * The cgroup that tells where a process belongs, and its id: its place on the v2 hierarchy; where that is the
 * root (v1 and hybrid hosts), its place under the first v1 controller that has one.
 */
static __always_inline struct cgroup *task_cgroup(struct task_struct *task, u64 *id)
{
	struct css_set *css = FIELD(task, cgroups);
	struct cgroup *root = FIELD(css, dfl_cgrp), *cg;

	*id = FIELD(root, kn, id);
	if (FIELD(root, level) > 0)
		return root;
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) {
		cg = css_cgroup(css, bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
		if (FIELD(cg, level) > 0) {
			*id = FIELD(cg, kn, id) | CGROUP_ID_PIDS;
			return cg;
		}
	}
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id)) {
		cg = css_cgroup(css, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
		if (FIELD(cg, level) > 0) {
			*id = FIELD(cg, kn, id) | CGROUP_ID_MEMORY;
			return cg;
		}
	}
	return root;
}

#endif
