/* SPDX-License-Identifier: MIT */
/*
 * One line an event on stderr: level, subsystem, text. Under systemd (JOURNAL_STREAM set) lines carry the
 * <N> priority of sd-daemon(3) instead of a time. Colours only on a terminal and without NO_COLOR.
 * Arguments that come from elsewhere must have gone through text_term().
 */
#ifndef EDR_UTIL_LOG_H
#define EDR_UTIL_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level max);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *subsystem, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(subsystem, ...) log_line(LOG_LEVEL_ERROR, subsystem, __VA_ARGS__)
#define log_warn(subsystem, ...) log_line(LOG_LEVEL_WARN, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...) log_line(LOG_LEVEL_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...) log_line(LOG_LEVEL_DEBUG, subsystem, __VA_ARGS__)

#endif
