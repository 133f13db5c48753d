/* SPDX-License-Identifier: MIT */
/* A bar on stderr when that is a terminal; it makes way for log lines, which may come from another thread. */
#ifndef EDR_CLI_PROGRESS_H
#define EDR_CLI_PROGRESS_H

struct progress;

struct progress *
progress_start(void); /* NULL when there is no terminal; all the others are safe on NULL */
void progress_show(struct progress *p, double done /* 0 to 1 */, unsigned long long records);
/* Around what is printed otherwise. */
void progress_hide(struct progress *p);
void progress_stop(struct progress *p);

#endif
