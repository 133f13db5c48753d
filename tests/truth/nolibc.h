/* SPDX-License-Identifier: MIT */
/*
 * System calls and the entry point for programs without a C library: static, a few kilobytes, gone
 * at once. The one include of a file that defines int start_c(long argc, char **argv, char **envp),
 * its exit code.
 */
#ifndef TRUTH_NOLIBC_H
#define TRUTH_NOLIBC_H

#if defined(__x86_64__)

#define NR_WRITE 1
#define NR_EXIT 60
#define NR_EXECVE 59

static inline long sys_call(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

__asm__(".globl _start\n"
	"_start:\n\t"
	"xor %ebp, %ebp\n\t"
	"mov %rsp, %rdi\n\t"
	"and $-16, %rsp\n\t"
	"call start_stack\n");

#elif defined(__i386__)

#define NR_WRITE 4
#define NR_EXIT 1
#define NR_EXECVE 11

static inline long sys_call(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return ret;
}

__asm__(".globl _start\n"
	"_start:\n\t"
	"xor %ebp, %ebp\n\t"
	"mov %esp, %eax\n\t"
	"and $-16, %esp\n\t"
	"sub $12, %esp\n\t"
	"push %eax\n\t"
	"call start_stack\n");

#elif defined(__aarch64__)

#define NR_WRITE 64
#define NR_EXIT 93
#define NR_EXECVE 221

static inline long sys_call(long nr, long a, long b, long c)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}

__asm__(".globl _start\n"
	"_start:\n\t"
	"mov x29, #0\n\t"
	"mov x0, sp\n\t"
	"bl start_stack\n");

#elif defined(__arm__) /* as arm-linux-gnueabihf-gcc -marm has it */

#define NR_EXIT 1
#define NR_WRITE 4
#define NR_EXECVE 11

static inline long sys_call(long nr, long a, long b, long c)
{
	register long r7 __asm__("r7") = nr;
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;

	__asm__ volatile("svc #0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
	return r0;
}

__asm__(".globl _start\n"
	"_start:\n\t"
	"mov fp, #0\n\t"
	"mov r0, sp\n\t"
	"bic r1, r0, #7\n\t"
	"mov sp, r1\n\t"
	"bl start_stack\n");

#else
#error "no system calls for this machine here"
#endif

static int start_c(long argc, char **argv, char **envp);

/* What the kernel leaves on the stack: argc, argv, NULL, envp, NULL. */
__attribute__((used, noreturn)) static void start_stack(long *sp)
{
	long argc = sp[0];
	char **argv = (char **)(sp + 1);

	sys_call(NR_EXIT, start_c(argc, argv, argv + argc + 1), 0, 0);
	__builtin_unreachable();
}

#endif
