/* SPDX-License-Identifier: MIT */
/*
 * Waiting with a limit, for the threads that write: how long until the next try, since the last
 * complaint, until they give up. CLOCK_MONOTONIC, and only here: no byte of a report or of an event
 * may depend on it.
 */
#ifndef EDR_UTIL_MONO_H
#define EDR_UTIL_MONO_H

#include <pthread.h>

unsigned long long mono_now_ms(void);

/* A condition whose waits go by this clock. 0 or -errno. */
int mono_cond_init(pthread_cond_t *cond);

/*
 * Waits for the condition, at most until `until_ms`; the caller looks itself at what it waits for.
 */
void mono_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned long long until_ms);

/*
 * Starts a thread that gets no signal: they are for the main thread, and a SIGPIPE or SIGXFSZ that
 * a write causes stays an error number. 0 or -errno.
 */
int mono_thread(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
