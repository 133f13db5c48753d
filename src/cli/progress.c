/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/mono.h"

#define WIDTH 40
#define EVERY_MS 100

struct progress {
	pthread_mutex_t lock;
	bool shown;
	unsigned long long next_ms;
};

struct progress *progress_start(void)
{
	const char *term = getenv("TERM");
	struct progress *p;

	if (!isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p)
		pthread_mutex_init(&p->lock, NULL);
	return p;
}

void progress_show(struct progress *p, double done, unsigned long long records)
{
	unsigned long long now_ms;
	char bar[WIDTH + 1];
	int filled;

	if (!p)
		return;
	now_ms = mono_now_ms();
	if (now_ms < p->next_ms)
		return;
	p->next_ms = now_ms + EVERY_MS;
	filled = done <= 0 ? 0 : done >= 1 ? WIDTH : (int)(done * WIDTH);
	memset(bar, '.', WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[WIDTH] = '\0';
	pthread_mutex_lock(&p->lock);
	fprintf(stderr, "\r[%s] %3d %%  %llu records\033[K", bar, (int)(done * 100), records);
	p->shown = true;
	pthread_mutex_unlock(&p->lock);
}

void progress_hide(struct progress *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
	pthread_mutex_unlock(&p->lock);
}

void progress_stop(struct progress *p)
{
	if (!p)
		return;
	progress_hide(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
