// SPDX-License-Identifier: MIT
/*
 * A 32-bit process that connects, without a C library: its calls are not seen by the tracepoints of
 * 64-bit ones.
 *
 *	connect32 PORT    UDP, to 127.0.0.1:PORT by socketcall(2) where there is one, then to
 *	                  127.0.0.2:PORT by connect(2); then a unix socket, which is not there
 *
 * Exit code: 0; 1 when it could not get a socket; 2, 3 or 4 when a connect went otherwise.
 */
#include "nolibc.h"

#if defined(__arm__) /* has no socketcall(2) */
#define NR_SOCKET 281
#define NR_CONNECT 283
#else
#define NR_SOCKETCALL 102
#define NR_CONNECT 362 /* since Linux 4.3 */
#endif
#define AF_UNIX 1
#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define ENOENT 2
#define CALL_SOCKET 1
#define CALL_CONNECT 3

struct address {
	unsigned short family;
	unsigned char port[2];
	unsigned char ip[4];
	unsigned char pad[8];
};

static long make_socket(long family, long type)
{
#ifdef NR_SOCKET
	return sys_call(NR_SOCKET, family, type, 0);
#else
	const long args[3] = { family, type, 0 };

	return sys_call(NR_SOCKETCALL, CALL_SOCKET, (long)args, 0);
#endif
}

static long connect_by_socketcall(long fd, const struct address *to)
{
#ifdef NR_SOCKET
	return sys_call(NR_CONNECT, fd, (long)to, sizeof(*to));
#else
	const long args[3] = { fd, (long)to, sizeof(*to) };

	return sys_call(NR_SOCKETCALL, CALL_CONNECT, (long)args, 0);
#endif
}

static int start_c(long argc, char **argv, char **envp)
{
	struct address to = { .family = 2, .ip = { 127, 0, 0, 1 } };
	struct {
		unsigned short family;
		char path[10];
	} nowhere = { AF_UNIX, "./nowhere" };
	unsigned port = 0;
	const char *digit;
	long fd;

	(void)envp;
	for (digit = argc > 1 ? argv[1] : ""; *digit; digit++)
		port = port * 10 + (unsigned)(*digit - '0');
	to.port[0] = (unsigned char)(port >> 8);
	to.port[1] = (unsigned char)port;

	fd = make_socket(AF_INET, SOCK_DGRAM);
	if (fd < 0)
		return 1;
	if (connect_by_socketcall(fd, &to))
		return 2;
	to.ip[3] = 2;
	if (sys_call(NR_CONNECT, fd, (long)&to, sizeof(to)))
		return 3;

	fd = make_socket(AF_UNIX, SOCK_STREAM);
	if (fd < 0)
		return 1;
	if (sys_call(NR_CONNECT, fd, (long)&nowhere, sizeof(nowhere)) != -ENOENT)
		return 4;
	return 0;
}
