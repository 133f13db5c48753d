/* SPDX-License-Identifier: MIT */
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: a pipe takes it whole or not at all */

static atomic_int max_level = LOG_LEVEL_INFO;

static const struct {
	const char *word;
	const char *colour;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", "\033[31m", 3 },
	[LOG_LEVEL_WARN] = { "warning", "\033[33m", 4 },
	[LOG_LEVEL_INFO] = { "info", "", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", "\033[2m", 7 },
};

static struct {
	bool journal;
	bool colour;
} target;
static pthread_once_t target_once = PTHREAD_ONCE_INIT;

/* The variable is inherited by all that a service starts, whatever became of their stderr: compare, as systemd asks. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char end;

	return stream && sscanf(stream, "%llu:%llu%c", &dev, &ino, &end) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static void look_at_target(void)
{
	const char *no_color = getenv("NO_COLOR");

	target.journal = stderr_is_journal();
	target.colour = !target.journal && !(no_color && *no_color) && isatty(STDERR_FILENO);
}

void log_set_level(enum log_level max)
{
	atomic_store(&max_level, (int)max);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load(&max_level);
}

static size_t put_prefix(char *line, size_t size, enum log_level level, const char *subsystem)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];
	int n;

	if (target.journal) {
		n = snprintf(line, size, "<%d>%s: ", levels[level].priority, subsystem);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		n = snprintf(line, size,
			     "%s%s.%03ldZ %s %s: ", target.colour ? levels[level].colour : "",
			     stamp, now.tv_nsec / 1000000, levels[level].word, subsystem);
	}
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

void log_line(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	static const char reset[] = "\033[0m";
	const int saved_errno = errno;
	const char *rest;
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - sizeof(reset) - 1; /* reset and the newline always fit */
	size_t len, text, i;
	ssize_t n;
	va_list ap;
	int want;

	if (!log_enabled(level))
		return;
	pthread_once(&target_once, look_at_target);

	text = len = put_prefix(line, room, level, subsystem);
	va_start(ap, fmt);
	want = vsnprintf(line + len, room - len, fmt, ap);
	va_end(ap);
	if (want > 0)
		len += (size_t)want < room - len ? (size_t)want : room - len - 1;
	if (want > 0 && (size_t)want >= room - text)
		memcpy(line + len - 3, "...", 3);
	for (i = text; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	if (target.colour && *levels[level].colour) {
		memcpy(line + len, reset, sizeof(reset) - 1);
		len += sizeof(reset) - 1;
	}
	line[len++] = '\n';

	/* More than one write only when a signal or a full disk cut the first short. */
	for (rest = line; len; rest += n, len -= (size_t)n) {
		n = write(STDERR_FILENO, rest, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			break;
	}
	errno = saved_errno;
}

void log_line_unlocked(pthread_mutex_t *lock, enum log_level level, const char *subsystem,
		       const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pthread_mutex_unlock(lock);
	log_line(level, subsystem, "%s", text);
	pthread_mutex_lock(lock);
}
