/* SPDX-License-Identifier: MIT */
#include "cli/signals.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t stop, reload;

static void handle(int signal)
{
	if (signal == SIGHUP)
		reload = 1;
	else
		stop = 1;
}

void signals_install(void)
{
	static const int handled[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = handle };
	sigset_t unblock;

	/* Whoever started us may have blocked or ignored them; nohup(1)'s SIGHUP included, which here means reload. */
	sigemptyset(&unblock);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++) {
		sigaction(handled[i], &action, NULL);
		sigaddset(&unblock, handled[i]);
	}
	sigprocmask(SIG_UNBLOCK, &unblock, NULL);
	action = (struct sigaction){ .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGXFSZ, &action, NULL);
}

bool signals_stop(void)
{
	return stop;
}

bool signals_take_reload(void)
{
	bool taken = reload;

	reload = 0;
	return taken;
}
