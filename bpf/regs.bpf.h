/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The system call that the current thread is in, from the registers with which it entered the kernel. They lie
 * at the top of its kernel stack, for any hook to read: no tracepoint at the entry is needed, and no memory of
 * what went by there.
 */
#ifndef EDR_REGS_BPF_H
#define EDR_REGS_BPF_H

#define THREAD_SIZE 16384 /* x86_64, arm64; twice that with KASAN */
#define TS_COMPAT 2	  /* arch/x86/include/asm/thread_info.h: a 32-bit call */
#define USER_CS 0x33	  /* arch/x86/include/asm/segment.h */
#define USER_DS 0x2b
#define FRED_PADDING 16	    /* on top of the stack, with CONFIG_X86_FRED (6.9) */
#define PSR_MODE32_BIT 0x10 /* arch/arm64/include/uapi/asm/ptrace.h */

struct entered {
	s64 nr;
	u64 args[3];
};

#define ON_X86 bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax)

#define REG(regs, field) (TASK_TYPED ? (regs)->field : BPF_CORE_READ(regs, field))

/* With FRED there is more behind the 16 bits of a segment; kernels on which the typed programs look have none. */
#define SEGMENT(regs, field) (TYPED ? REG(regs, field) : (u16)REG(regs, field))

static __always_inline void *entry_regs(void)
{
	struct task_struct *task;

	if (TASK_TYPED)
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs);
}

static __always_inline bool entered_x86(struct entered *c)
{
	struct task_struct___x86 *task = (void *)bpf_get_current_task();
	struct pt_regs___x86 *regs = entry_regs();

	if (BPF_CORE_READ(task, thread_info.status) & TS_COMPAT)
		return false;
	if (!TYPED && SEGMENT(regs, ss) != USER_DS)
		regs = (void *)regs - FRED_PADDING;
	if (!TASK_TYPED && (SEGMENT(regs, cs) != USER_CS || SEGMENT(regs, ss) != USER_DS))
		return false; /* a stack of another size */
	c->nr = REG(regs, orig_ax);
	c->args[0] = REG(regs, di);
	c->args[1] = REG(regs, si);
	c->args[2] = REG(regs, dx);
	return true;
}

static __always_inline bool entered_arm64(struct entered *c)
{
	struct pt_regs___arm64 *regs = entry_regs();

	if (REG(regs, pstate) & PSR_MODE32_BIT)
		return false;
	c->nr = REG(regs, syscallno);
	c->args[0] = REG(regs, orig_x0);
	c->args[1] = REG(regs, regs[1]);
	c->args[2] = REG(regs, regs[2]);
	return true;
}

/* False when it is a 32-bit call, whose numbers are others. */
static __always_inline bool call_entered(struct entered *c)
{
	return ON_X86 ? entered_x86(c) : entered_arm64(c);
}

#endif
