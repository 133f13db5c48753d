/* SPDX-License-Identifier: MIT */
/*
 * One line an event on stderr: level, subsystem, text, written with one write(2). Where stderr is the journal
 * (JOURNAL_STREAM names it, systemd.exec(5)) lines carry the <N> priority of sd-daemon(3) instead of a time. Colours only
 * on a terminal and without NO_COLOR. Arguments that come from elsewhere must have gone through text_term(); a control
 * character that comes all the same is written as '?'. A line of more than 4096 bytes is cut. errno is left as it was.
 */
#ifndef EDR_UTIL_LOG_H
#define EDR_UTIL_LOG_H

#include <pthread.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level max); /* LOG_LEVEL_INFO to begin with */
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *subsystem, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The lock is held before and after, and not while the line is written: a log that nobody reads any more
 * may block, and who waits for the lock must not.
 */
void log_line_unlocked(pthread_mutex_t *lock, enum log_level level, const char *subsystem,
		       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define log_error(subsystem, ...) log_line(LOG_LEVEL_ERROR, subsystem, __VA_ARGS__)
#define log_warn(subsystem, ...) log_line(LOG_LEVEL_WARN, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...) log_line(LOG_LEVEL_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...) log_line(LOG_LEVEL_DEBUG, subsystem, __VA_ARGS__)

#endif
