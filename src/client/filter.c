/* SPDX-License-Identifier: MIT */
#include "client/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define TYPE_MASK 0xfu /* of socket(2)'s type: the rest are flags */
/* What fork(3) gives to clone(2); anything else makes a thread or a namespace. */
#define FORK_FLAGS ((scmp_datum_t)(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CSIGNAL))

struct rule {
	int number;
	unsigned n; /* comparisons, all of which must hold */
	struct scmp_arg_cmp arg[3];
};

#define ANY(name)                  \
	{                          \
		SCMP_SYS(name), 0, \
		{                  \
			{          \
				0  \
			}          \
		}                  \
	}
#define ONE(name, a)               \
	{                          \
		SCMP_SYS(name), 1, \
		{                  \
			a          \
		}                  \
	}
#define TWO(name, a, b)            \
	{                          \
		SCMP_SYS(name), 2, \
		{                  \
			a, b       \
		}                  \
	}
/* The protocol too: of SCTP, MPTCP and the like no exchange has any use. */
#define SOCKET(family, type, protocol)                                             \
	{                                                                          \
		SCMP_SYS(socket), 3,                                               \
		{                                                                  \
			IS(0, family), MASKED(1, TYPE_MASK, type), IS(2, protocol) \
		}                                                                  \
	}
#define SET(level, option) TWO(setsockopt, IS(1, level), IS(2, option))
#define IS(i, value)                                       \
	{                                                  \
		(i), SCMP_CMP_EQ, (scmp_datum_t)(value), 0 \
	}
#define MASKED(i, mask, value)                                                       \
	{                                                                            \
		(i), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value) \
	}
#define LESS(i, value)                                     \
	{                                                  \
		(i), SCMP_CMP_LT, (scmp_datum_t)(value), 0 \
	}
#define MORE(i, value)                                     \
	{                                                  \
		(i), SCMP_CMP_GT, (scmp_datum_t)(value), 0 \
	}

/* An exchange: memory, time, internet sockets, what is open. */
static const struct rule allowed[] = {
	ANY(read),
	ANY(write),
	ANY(readv),
	ANY(writev),
	ANY(close),
	ANY(poll),
	ANY(ppoll),
	ANY(brk),
	ONE(mmap, MASKED(2, PROT_EXEC, 0)),
	ONE(mprotect, MASKED(2, PROT_EXEC, 0)),
	ANY(munmap),
	ANY(mremap),
	ANY(madvise),
	ANY(futex),
	ANY(clock_gettime),
	ANY(clock_nanosleep),
	ANY(nanosleep),
	ANY(gettimeofday),
	ANY(time),
	ANY(getrandom),
	ANY(getpid),
	ANY(gettid),
	ANY(getuid),
	ANY(geteuid),
	ANY(getgid),
	ANY(getegid),
	ANY(sysinfo),
	ANY(uname),
	ANY(rt_sigaction),
	ANY(rt_sigprocmask),
	ANY(rt_sigreturn),
	ANY(restart_syscall),
	ANY(rseq),
	ANY(set_robust_list),
	ANY(exit),
	ANY(exit_group),
	SOCKET(AF_INET, SOCK_STREAM, 0),
	SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	SOCKET(AF_INET, SOCK_DGRAM, 0),
	SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	SOCKET(AF_INET6, SOCK_STREAM, 0),
	SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	SOCKET(AF_INET6, SOCK_DGRAM, 0),
	SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	ANY(connect),
	ANY(sendto),
	ANY(recvfrom),
	ANY(shutdown),
	ANY(getsockname),
	ANY(getpeername),
	ANY(getsockopt),
	SET(SOL_SOCKET, SO_KEEPALIVE),
	SET(SOL_SOCKET, SO_REUSEADDR),
	SET(SOL_SOCKET, SO_SNDBUF),
	SET(SOL_SOCKET, SO_RCVBUF),
	SET(SOL_SOCKET, SO_LINGER),
	SET(SOL_SOCKET, SO_PRIORITY),
	SET(IPPROTO_TCP, TCP_NODELAY),
	SET(IPPROTO_TCP, TCP_KEEPIDLE),
	SET(IPPROTO_TCP, TCP_KEEPINTVL),
	SET(IPPROTO_TCP, TCP_KEEPCNT),
	SET(IPPROTO_TCP, TCP_USER_TIMEOUT),
	SET(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	SET(IPPROTO_IP, IP_TOS),
	SET(IPPROTO_IP, IP_RECVERR),
	SET(IPPROTO_IP, IP_MTU_DISCOVER),
	SET(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	SET(IPPROTO_IPV6, IPV6_V6ONLY),
	SET(IPPROTO_IPV6, IPV6_RECVERR),
	SET(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	SET(IPPROTO_IPV6, IPV6_TCLASS),
	ONE(fcntl, IS(1, F_GETFL)),
	ONE(fcntl, IS(1, F_SETFL)),
	ONE(fcntl, IS(1, F_GETFD)),
	ONE(fcntl, IS(1, F_SETFD)),
	ONE(ioctl, IS(1, FIONBIO)),
	ANY(pipe2),
	ANY(eventfd2),
	ANY(epoll_create1),
	ANY(epoll_ctl),
	ANY(epoll_wait),
	ANY(epoll_pwait),
};

#ifdef __SANITIZE_ADDRESS__ /* what it asks for itself, in builds for tests */
static const struct rule sanitizer[] = {
	ANY(sigaltstack),
};

/* It would look for leaks with ptrace(2). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* Starts and ends workers; the last two put their filter in force. */
static const struct rule launcher_only[] = {
	ONE(clone, MASKED(0, ~FORK_FLAGS, 0)),
	ANY(fork),
	ANY(wait4),
	ANY(kill),
	ONE(prctl, IS(0, PR_SET_PDEATHSIG)),
	ONE(prctl, IS(0, PR_SET_SECCOMP)),
	ANY(seccomp),
};

/*
 * "There is no such file": without one OpenSSL goes on, with one that it may not read it does not.
 */
static const struct rule no_file[] = {
	ANY(open),  ANY(openat), ANY(openat2),	 ANY(stat),	  ANY(lstat),	 ANY(newfstatat),
	ANY(statx), ANY(access), ANY(faccessat), ANY(faccessat2), ANY(readlink), ANY(readlinkat),
};

/*
 * The local sockets and netlink that libraries ask for. A pair too: its ends could still be sent
 * elsewhere.
 */
static const struct rule no_socket[] = {
	ANY(socketpair),
	ONE(socket, LESS(0, AF_INET)),
	ONE(socket, MORE(0, AF_INET6)),
};

static const struct group {
	uint32_t action;
	bool launcher_only;
	const struct rule *rule;
	size_t n;
} groups[] = {
#define GROUP(action, only, rules)                                      \
	{                                                               \
		action, only, rules, sizeof(rules) / sizeof((rules)[0]) \
	}
	GROUP(SCMP_ACT_ALLOW, false, allowed),
	GROUP(SCMP_ACT_ALLOW, true, launcher_only),
	GROUP(SCMP_ACT_ERRNO(ENOENT), false, no_file),
	GROUP(SCMP_ACT_ERRNO(EACCES), false, no_socket),
#ifdef __SANITIZE_ADDRESS__
	GROUP(SCMP_ACT_ALLOW, false, sanitizer),
#endif
#undef GROUP
};

static scmp_filter_ctx worker_filter;

static int add_group(scmp_filter_ctx filter, const struct group *group)
{
	for (size_t i = 0; i < group->n; i++) {
		const struct rule *rule = &group->rule[i];
		/* What this kind of machine does not have is passed over. */
		int err = seccomp_rule_add_array(filter, group->action, rule->number, rule->n,
						 rule->arg);

		if (err)
			return err;
	}
	return 0;
}

static int make_filter(scmp_filter_ctx *out, bool launcher)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = -ENOMEM;

	if (!filter)
		return err;
	err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* It is set already, and the worker may not ask again. */
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; !err && i < sizeof(groups) / sizeof(groups[0]); i++)
		if (launcher || !groups[i].launcher_only)
			err = add_group(filter, &groups[i]);
	if (err) {
		seccomp_release(filter);
		return err;
	}
	*out = filter;
	return 0;
}

int filter_launcher(void)
{
	scmp_filter_ctx filter;
	int err = make_filter(&worker_filter, false);

	if (!err)
		err = make_filter(&filter, true);
	if (err)
		return err;
	err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int filter_worker(void)
{
	return seccomp_load(worker_filter);
}
