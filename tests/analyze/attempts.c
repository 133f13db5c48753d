/* SPDX-License-Identifier: MIT */
/*
 * Attempts, each with a call that works where nothing is locked down: `attempts NAME ARGUMENT`
 * shows that, and so that it is the filter that stops it elsewhere.
 */
#include "attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static long try_getpid(const char *a)
{
	(void)a;
	return getpid();
}

static long try_inet(const char *a)
{
	(void)a;
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_open(const char *a)
{
	return open(a, O_RDONLY);
}

/* glibc's open() is openat(2). */
static long try_open_old(const char *a)
{
#ifdef SYS_open
	return syscall(SYS_open, a, O_RDONLY);
#else
	return open(a, O_RDONLY);
#endif
}

static long try_openat2(const char *a)
{
	struct {
		unsigned long long flags, mode, resolve;
	} how = { O_RDONLY, 0, 0 };

	return syscall(437, AT_FDCWD, a, &how, sizeof(how));
}

static long try_create(const char *a)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s.made", a);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static long try_stat(const char *a)
{
	struct stat st;

	return stat(a, &st);
}

static long try_readlink(const char *a)
{
	char to[256];

	(void)a;
	return readlink("/proc/self/exe", to, sizeof(to));
}

static long try_chdir(const char *a)
{
	(void)a;
	return chdir("/");
}

static long try_unlink(const char *a)
{
	char path[512];

	snprintf(path, sizeof(path), "%s.spare", a);
	return unlink(path);
}

static long try_name_to_handle(const char *a)
{
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[128];
	} handle = { 128, 0, { 0 } };
	int mount;

	return syscall(SYS_name_to_handle_at, AT_FDCWD, a, &handle, &mount, 0);
}

static long try_bpf(const char *a)
{
	union bpf_attr attr = { 0 };

	(void)a;
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long try_ptrace(const char *a)
{
	pid_t pid = atoi(a);
	long status = ptrace(PTRACE_SEIZE, pid, 0, 0);

	if (status == 0)
		ptrace(PTRACE_DETACH, pid, 0, 0);
	return status;
}

static long try_read_memory(const char *a)
{
	char got[1];
	struct iovec to = { got, 1 }, from = { (void *)(size_t)0x400000, 1 };
	long n = process_vm_readv(atoi(a), &to, 1, &from, 1, 0);

	return n < 0 && errno == EFAULT ? 0 : n; /* we might, but nothing is there */
}

static long try_kill(const char *a)
{
	return kill(atoi(a), 0);
}

static long try_pidfd(const char *a)
{
	return syscall(434, atoi(a), 0);
}

static long try_fork(const char *a)
{
	pid_t pid = fork();

	(void)a;
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

static long try_exec(const char *a)
{
	(void)a;
	execl("/bin/echo", "echo", "done", NULL);
	return -1;
}

static long try_unix(const char *a)
{
	(void)a;
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_unix_pair(const char *a)
{
	int ends[2];

	(void)a;
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
}

static long try_netlink(const char *a)
{
	(void)a;
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long try_packet(const char *a)
{
	(void)a;
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long try_raw(const char *a)
{
	(void)a;
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long try_sctp(const char *a)
{
	(void)a;
	return socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static long try_mptcp(const char *a)
{
	(void)a;
	return socket(AF_INET6, SOCK_STREAM, 262); /* IPPROTO_MPTCP */
}

static long try_icmp(const char *a)
{
	(void)a;
	return socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}

static long try_attach_filter(const char *a)
{
	struct sock_filter all = { .code = BPF_RET | BPF_K, .k = ~0u };
	const struct sock_fprog program = { .len = 1, .filter = &all };

	(void)a;
	return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program));
}

static long try_ulp(const char *a)
{
	(void)a;
	return setsockopt(socket(AF_INET, SOCK_STREAM, 0), IPPROTO_TCP, TCP_ULP, "tls", 3);
}

static long try_listen(const char *a)
{
	(void)a;
	return listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}

static long try_exec_memory(const char *a)
{
	(void)a;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_make_exec(const char *a)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)a;
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long try_personality(const char *a)
{
	(void)a;
	return personality(READ_IMPLIES_EXEC);
}

static long try_io_uring(const char *a)
{
	unsigned char params[120] = { 0 };

	(void)a;
	return syscall(425, 1, params);
}

static long try_memfd(const char *a)
{
	(void)a;
	return memfd_create("x", 0);
}

static long try_keyctl(const char *a)
{
	(void)a;
	return syscall(SYS_keyctl, 0, -3, 0);
}

static long try_shm(const char *a)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	(void)a;
	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return id;
}

static long try_unshare(const char *a)
{
	(void)a;
	return syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

static long try_setuid(const char *a)
{
	(void)a;
	return setresuid(0, 0, 0);
}

static long try_dumpable(const char *a)
{
	(void)a;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long try_limits(const char *a)
{
	(void)a;
	return syscall(SYS_prlimit64, 0, 4, NULL, NULL);
}

/* open(2) by the numbers of another kind of machine. */
static long try_int80(const char *a)
{
#ifdef __x86_64__
	long result;

	(void)a;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid of i386 */) : "memory");
	return result;
#else
	return open(a, O_RDONLY);
#endif
}

static long try_x32(const char *a)
{
#ifdef __x86_64__
	long result = syscall(0x40000000 + SYS_openat, AT_FDCWD, a, O_RDONLY, 0);

	return result;
#else
	return open(a, O_RDONLY);
#endif
}

static const struct {
	const char *name;
	long (*run)(const char *argument);
} attempts[] = {
	{ "getpid", try_getpid },
	{ "inet", try_inet },
	{ "open", try_open },
	{ "open-old", try_open_old },
	{ "openat2", try_openat2 },
	{ "create", try_create },
	{ "stat", try_stat },
	{ "readlink", try_readlink },
	{ "chdir", try_chdir },
	{ "unlink", try_unlink },
	{ "name-to-handle", try_name_to_handle },
	{ "bpf", try_bpf },
	{ "ptrace", try_ptrace },
	{ "read-memory", try_read_memory },
	{ "kill", try_kill },
	{ "pidfd", try_pidfd },
	{ "fork", try_fork },
	{ "exec", try_exec },
	{ "unix", try_unix },
	{ "unix-pair", try_unix_pair },
	{ "netlink", try_netlink },
	{ "packet", try_packet },
	{ "raw", try_raw },
	{ "sctp", try_sctp },
	{ "mptcp", try_mptcp },
	{ "icmp", try_icmp },
	{ "attach-filter", try_attach_filter },
	{ "ulp", try_ulp },
	{ "listen", try_listen },
	{ "exec-memory", try_exec_memory },
	{ "make-exec", try_make_exec },
	{ "personality", try_personality },
	{ "io-uring", try_io_uring },
	{ "memfd", try_memfd },
	{ "keyctl", try_keyctl },
	{ "shm", try_shm },
	{ "unshare", try_unshare },
	{ "setuid", try_setuid },
	{ "dumpable", try_dumpable },
	{ "limits", try_limits },
	{ "int80", try_int80 },
	{ "x32", try_x32 },
};

void attempt(const char *name, const char *argument, char *out, size_t size)
{
	snprintf(out, size, "unknown");
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(attempts[i].name, name) != 0)
			continue;
		errno = 0;
		if (attempts[i].run(argument) < 0)
			snprintf(out, size, "errno %d", errno);
		else
			snprintf(out, size, "done");
	}
}
