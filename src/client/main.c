/* SPDX-License-Identifier: MIT */
/* linux-edr-client UID GID, with the agent's socket as descriptor 3. Started by the agent alone. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/client.h"

static bool read_id(const char *text, unsigned *id)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	*id = (unsigned)value;
	return *text && !*end && !errno && value < (unsigned)-1;
}

/* A signal for the agent's whole group is not for us: we end when the agent does. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static int say_hello(const struct client_wire_hello *hello)
{
	const struct client_wire_header header = { .magic = CLIENT_WIRE_MAGIC,
						   .type = CLIENT_WIRE_HELLO,
						   .length = sizeof(*hello) };
	int err = write_all(CLIENT_FD, &header, sizeof(header));

	return err ? err : write_all(CLIENT_FD, hello, sizeof(*hello));
}

int main(int argc, char **argv)
{
	struct client_wire_hello hello = { 0 };
	unsigned uid, gid;
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(CLIENT_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0) {
		fprintf(stderr,
			"linux-edr-client is started by linux-edr-bpf, and by nobody else\n");
		return 64;
	}
	ignore_signals();
	if (argc != 3 || !read_id(argv[1], &uid) || !read_id(argv[2], &gid)) {
		hello.step = CLIENT_STEP_ARGUMENTS;
		hello.error = EINVAL;
	} else {
		hello.step = lock_down(uid, gid, &hello);
		hello.error = hello.step ? (uint32_t)errno : 0;
	}
	if (say_hello(&hello) != 0 || hello.step)
		return 1;
	return launch();
}
