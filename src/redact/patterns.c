/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redact/private.h"
#include "redact/regex.h"
#include "util/text.h"
#include "util/trust.h"

#define FILE_MOST ((size_t)REDACT_PATTERNS * (REDACT_PATTERN_MAX + 1))

struct patterns {
	struct regex *re[REDACT_PATTERNS];
	size_t n, bytes;
	struct regex_work *work;
};

static int refuse(char *err, size_t size, const char *path, unsigned line, const char *why)
{
	struct buf shown = { 0 };

	text_term(&shown, path, strlen(path));
	if (line)
		snprintf(err, size, "redact_patterns %s, line %u: %s", shown.data ? shown.data : "",
			 line, why);
	else
		snprintf(err, size, "redact_patterns %s: %s", shown.data ? shown.data : "", why);
	buf_free(&shown);
	return -EINVAL;
}

/* Whoever writes it decides what is not seen. */
static const char *check_file(int fd)
{
	struct stat st;
	const char *why = fstat(fd, &st) ? "is no file" : trust_why_not(&st, TRUST_NO_WRITERS);

	return !why && (size_t)st.st_size > FILE_MOST ? "is too large" : why;
}

static const char *read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *why;
	ssize_t n;

	if (fd < 0)
		return strerror(errno);
	why = check_file(fd);
	if (!why && !buf_reserve(out, FILE_MOST + 1))
		why = "no memory";
	while (!why && out->len <= FILE_MOST &&
	       (n = read(fd, out->data + out->len, FILE_MOST + 1 - out->len)) != 0) {
		if (n < 0)
			why = strerror(errno);
		else
			out->len += (size_t)n;
	}
	close(fd);
	return why ? why : out->len > FILE_MOST ? "is too large" : NULL;
}

static const char *add_pattern(struct patterns *p, const char *text, size_t len)
{
	const char *why;

	if (p->n == REDACT_PATTERNS)
		return "there may be 256 patterns, no more";
	p->re[p->n] = regex_new(text, len, &why);
	if (!p->re[p->n])
		return why;
	p->bytes += regex_bytes(p->re[p->n++]);
	return p->bytes > PATTERNS_MOST_BYTES ? "all together are too large" : NULL;
}

static int add_lines(struct patterns *p, const char *path, const struct buf *file, char *err,
		     size_t err_size)
{
	const char *at = file->data, *end = file->data + file->len;

	for (unsigned line = 1; at < end; line++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const size_t len = (size_t)((newline ? newline : end) - at);
		const char *why = len && *at != '#' ? add_pattern(p, at, len) : NULL;

		if (why)
			return refuse(err, err_size, path, line, why);
		at += len + 1;
	}
	return 0;
}

int patterns_load(struct patterns **out, const char *path, char *err, size_t err_size)
{
	struct patterns *p = calloc(1, sizeof(*p));
	struct buf file = { 0 };
	const char *why = read_file(path, &file);
	int status = 0;

	*out = NULL;
	if (p)
		p->work = regex_work_new();
	if (!p || !p->work)
		why = "no memory";
	if (why)
		status = refuse(err, err_size, path, 0, why);
	else if (file.len)
		status = add_lines(p, path, &file, err, err_size);
	buf_free(&file);
	if (status)
		patterns_free(p);
	else
		*out = p;
	return status;
}

void patterns_free(struct patterns *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		regex_free(p->re[i]);
	regex_work_free(p->work);
	free(p);
}

/*
 * What matches may have been read far beyond its end, again and again: where that comes to be too
 * much, all that is left is taken for a secret.
 */
static void find_all(struct scan *s, const struct regex *re, struct regex_work *work,
		     const struct word *w)
{
	struct regex_match m = { .end = 0 };
	size_t at = 0, left = 16 * w->len + 4096;

	while (at < w->len && regex_find(re, work, w->data, w->len, at, &m)) {
		scan_mark(s, w, m.from, m.to, REDACT_USER);
		if (m.seen - at >= left) {
			scan_mark(s, w, m.end, w->len, REDACT_USER);
			return;
		}
		left -= m.seen - at;
		at = m.end > at ? m.end : at + 1;
	}
}

void patterns_find(struct scan *s, const struct word *w)
{
	const struct patterns *p = s->r->patterns;

	for (size_t i = 0; i < p->n; i++)
		find_all(s, p->re[i], p->work, w);
}
