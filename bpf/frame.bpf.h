/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The registers of the current process in user space, without a type of the kernel's. They lie at the top of
 * the kernel stack, on which the context of our program lies too, or which the tracepoint's own registers
 * tell. Their layout is that of struct pt_regs (x86: arch/x86/include/uapi/asm/ptrace.h) and
 * user_pt_regs (arm64: arch/arm64/include/uapi/asm/ptrace.h); what may follow behind them differs between
 * kernels, and so does the size of the stack. So a few places are tried, and what is found there is taken
 * only when it can be nothing else: segments and flags as user space has them (x86), the number of the
 * system call (arm64).
 */
#ifndef EDR_FRAME_BPF_H
#define EDR_FRAME_BPF_H

/* Instead of the number of a call: any will do; or an exec's at its end, when the mode is already that of the new program
 * and the number still that of the old one's call. */
#define NO_CALL -1
#define SOME_EXEC -2

struct frame {
	u64 at; /* of the registers; 0: not found */
	s32 nr;
	bool compat; /* a 32-bit program */
	u64 sp;
	u64 args[3];
};

struct entered {
	u64 args[3];
};

#if defined(__TARGET_ARCH_x86)

#define NR_EXECVE 59
#define NR_EXECVEAT 322
#define NR_EXIT 60
#define NR_EXIT_GROUP 231
#define NR_COMPAT_EXIT_GROUP 252
#define NR_CLONE 56
#define NR_FORK 57
#define NR_VFORK 58
#define REGS_SP 152  /* in struct pt_regs, as everywhere below */
#define USER_CS 0x33 /* arch/x86/include/asm/segment.h */
#define USER32_CS 0x23
#define USER_DS 0x2b
#define EFLAGS_IF 0x200 /* user space always has interrupts on */

/* 16 bytes of padding on top where the kernel knows FRED (6.9) */
const struct edr_frame_place frame_places[] = {
	{ 16384, 168 }, { 16384, 184 }, { 32768, 168 }, { 32768, 184 }
};
#define FRAME_PLACES 4

struct frame_regs {
	u64 dx, si, di, orig_ax, ip;
	u16 cs, cs_more[3]; /* with FRED, more than the segment */
	u64 flags, sp;
	u16 ss, ss_more[3];
};
#define FRAME_REGS_AT 96
#define FRAME_BX_AT 40

static __always_inline bool frame_read(struct frame *f, u64 at, s32 nr)
{
	struct frame_regs r;

	if (bpf_probe_read_kernel(&r, sizeof(r), (void *)(at + FRAME_REGS_AT)))
		return false;
	if ((r.cs != USER_CS && r.cs != USER32_CS) || r.ss != USER_DS || !(r.flags & EFLAGS_IF) ||
	    (nr >= 0 && (s32)r.orig_ax != nr))
		return false;
	f->at = at;
	f->nr = r.orig_ax;
	f->compat = r.cs == USER32_CS;
	f->sp = r.sp;
	f->args[0] = r.di;
	f->args[1] = r.si;
	f->args[2] = r.dx;
	if (f->compat)
		bpf_probe_read_kernel(&f->args[0], sizeof(u64), (void *)(at + FRAME_BX_AT));
	return true;
}

#elif defined(__TARGET_ARCH_arm64)

#define NR_EXECVE 221
#define NR_EXECVEAT 281
#define NR_EXIT 93
#define NR_EXIT_GROUP 94
#define NR_COMPAT_EXIT_GROUP 248
#define NR_CLONE 220
#define REGS_SP 248
#define REGS_COMPAT_SP 104 /* a 32-bit program's is r13; sp is 0 then */
#define PSR_MODE_MASK 0xf
#define PSR_MODE32_BIT 0x10 /* arch/arm64/include/uapi/asm/ptrace.h */
#define NR_COMPAT_EXECVE 11
#define NR_COMPAT_EXECVEAT 387

const struct edr_frame_place frame_places[] = { { 16384, 336 }, { 16384, 320 }, { 16384, 352 },
						{ 16384, 304 }, { 65536, 336 }, { 65536, 320 },
						{ 32768, 336 }, { 32768, 320 } };
#define FRAME_PLACES 8

struct frame_regs {
	u64 sp, pc, pstate, orig_x0;
	s32 nr;
	u32 more;
};

/* Calls that we have a use for. */
static __always_inline bool frame_nr_known(const struct frame_regs *r)
{
	if (r->pstate & PSR_MODE32_BIT)
		return r->nr == NR_COMPAT_EXECVE || r->nr == NR_COMPAT_EXECVEAT || r->nr == 1 ||
		       r->nr == NR_COMPAT_EXIT_GROUP;
	return r->nr == NR_EXECVE || r->nr == NR_EXECVEAT || r->nr == NR_CLONE || r->nr == 435 ||
	       r->nr == NR_EXIT || r->nr == NR_EXIT_GROUP;
}

static __always_inline bool frame_nr_fits(const struct frame_regs *r, s32 nr)
{
	if (nr == SOME_EXEC)
		return r->nr == NR_EXECVE || r->nr == NR_EXECVEAT || r->nr == NR_COMPAT_EXECVE ||
		       r->nr == NR_COMPAT_EXECVEAT;
	return nr == NO_CALL ? frame_nr_known(r) : r->nr == nr;
}

static __always_inline bool frame_read(struct frame *f, u64 at, s32 nr)
{
	struct frame_regs r;

	if (bpf_probe_read_kernel(&r, sizeof(r), (void *)(at + REGS_SP)))
		return false;
	if (r.pstate & PSR_MODE32_BIT)
		bpf_probe_read_kernel(&r.sp, sizeof(r.sp), (void *)(at + REGS_COMPAT_SP));
	if ((r.pstate & PSR_MODE_MASK) || !r.pc || r.pc >> 52 || !r.sp || r.sp >> 52 ||
	    !frame_nr_fits(&r, nr))
		return false;
	bpf_probe_read_kernel(f->args, sizeof(f->args), (void *)at);
	f->at = at;
	f->nr = r.nr;
	f->compat = r.pstate & PSR_MODE32_BIT;
	f->sp = r.sp;
	f->args[0] = r.orig_x0;
	return true;
}

#else
#error "no registers known for this architecture"
#endif

#define NR_COMPAT_EXIT 1
#define NR_CLONE3 435

edr_u32 frame_guess; /* the place that was right the last time */

/* Some address on the kernel stack of the current process; the call that it is in, NO_CALL or SOME_EXEC. */
static __always_inline bool frame_of_stack(u64 stack, s32 nr, struct frame *f)
{
	u32 i, k;

	f->at = 0;
	for (i = 0; i < FRAME_PLACES; i++) {
		k = (frame_guess + i) & (FRAME_PLACES - 1);
		if (frame_read(f, (stack | (frame_places[k].stack - 1)) + 1 - frame_places[k].below,
			       nr)) {
			if (i)
				frame_guess = k;
			return true;
		}
	}
	return false;
}

/* The context of a syscall tracepoint lies on the stack. The verifier lets nobody compute with its address but a helper. */
static __always_inline bool frame_of_syscall(void *ctx, s32 nr, struct frame *f)
{
	void *on_stack = ctx;
	u64 stack = 0;

	bpf_probe_read_kernel(&stack, sizeof(stack), &on_stack);
	return frame_of_stack(stack, nr, f);
}

/* That of another tracepoint does not; but its first word is the address of the registers of the kernel where it was
 * passed: what bpf_get_stackid() goes by. kernel/trace/bpf_trace.c, perf_arch_fetch_caller_regs() */
static __always_inline bool frame_of_tracepoint(void *ctx, s32 nr, struct frame *f)
{
	u64 regs = 0, stack = 0;

	f->at = 0;
	if (bpf_probe_read_kernel(&regs, sizeof(regs), ctx) ||
	    bpf_probe_read_kernel(&stack, sizeof(stack), (void *)(regs + REGS_SP)))
		return false;
	return frame_of_stack(stack, nr, f);
}

#endif
