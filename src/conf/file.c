/* SPDX-License-Identifier: MIT */
/*
 * The INI file. libinih splits a line into key and value; what it does not do is done on the way in: it cuts lines at 200
 * bytes without a word, takes a NUL for the line's end, and knows no line numbers. So its reader callback, here, counts
 * the lines, takes comments off, and hands a long line on in pieces, as continuation lines, which the handler joins.
 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "conf/table.h"
#include "util/read.h"
#include "util/text.h"

#define FILE_MAX (1u << 20)

struct reader {
	const char *at, *end; /* what has not been read */
	const char *piece,
		*line_end; /* of a long line: what has not been handed on; NULL when nothing */
	unsigned line;	   /* of what was handed on last */
	bool continues; /* that was indented or a further piece: libinih may add it to the value before */
	bool wants_key; /* that must be a key and its value: take() says that it was */
};

struct parse {
	struct reader reader;
	struct conf_set *set;
	const char *path;
	unsigned seen[CONF_MAX_KEYS]; /* line of each key, 0: not given */
	int key;		      /* the one whose value is being gathered, -1: none */
	unsigned value_line;	      /* where its last part was */
	struct buf value;
	struct buf error; /* the first one; what follows is not looked at */
	bool no_memory;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

__attribute__((format(printf, 3, 4))) static void fail(struct parse *p, unsigned line,
						       const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (p->error.len > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_term(&p->error, p->path, strlen(p->path));
	buf_addf(&p->error, ":%u: %s", line, text);
}

/* The value is complete when something else begins: only then is it looked at. */
static void finish_value(struct parse *p)
{
	const struct conf_where where = { .origin = CONF_FILE,
					  .text = (char *)(size_t)p->path,
					  .line = p->key < 0 ? 0 : p->seen[p->key] };
	const char *text = p->value.data ? p->value.data : "";
	struct buf why = { 0 }, shown = { 0 };
	int err;

	if (p->key < 0)
		return;
	err = p->value.failed ? -ENOMEM
			      : conf_set_value(p->set, (size_t)p->key, text, &where, &why);
	if (err == -EINVAL) {
		const struct conf_key *key = &conf_table[p->key];

		text_term(&shown, text, p->value.len);
		if (key->flags & (CONF_SECRET | CONF_URL))
			fail(p, where.line, "%s %s", key->key, why.data);
		else
			fail(p, where.line, "%s %s%s '%.200s'", key->key, why.data,
			     conf_but_it_is(&why), shown.data ? shown.data : "");
	} else if (err) {
		p->no_memory = true;
	}
	buf_free(&why);
	buf_free(&shown);
	p->key = -1;
}

static void begin_section(struct parse *p, const char *start, const char *end)
{
	struct buf why = { 0 };
	char *name;

	finish_value(p);
	if (end[-1] != ']') {
		fail(p, p->reader.line,
		     "a line that begins with '[' must be a section and end with ']'");
		return;
	}
	name = strndup(start + 1, (size_t)(end - start - 2));
	if (!name)
		p->no_memory = true;
	else if (!conf_section_known(name, &why))
		fail(p, p->reader.line, "%s", why.data ? why.data : "");
	buf_free(&why);
	free(name);
}

/* The line without its comment (# or ; at its start or after white space) and without white space at its end. */
static const char *content_end(const char *start, const char *end)
{
	for (const char *c = start; c < end; c++) {
		if ((*c == '#' || *c == ';') && (c == start || is_space(c[-1]))) {
			end = c;
			break;
		}
	}
	while (end > start && is_space(end[-1]))
		end--;
	return end;
}

/* Where a piece of at most `room` bytes may end: neither side of the cut may be taken for white space or a comment. */
static const char *piece_end(const char *start, const char *end, size_t room)
{
	const char *cut;

	if ((size_t)(end - start) <= room)
		return end;
	for (cut = start + room; cut > start + 1; cut--)
		if (!is_space(cut[-1]) && !is_space(*cut) && *cut != ';' && *cut != '#')
			return cut;
	return start + room;
}

/* Makes the next line of the file the one to hand on; false at the end of the file. */
static bool next_line(struct parse *p)
{
	struct reader *r = &p->reader;
	const char *newline;

	if (r->wants_key)
		fail(p, r->line, "this is neither a [section] nor 'key = value'");
	r->wants_key = false;
	if (r->at >= r->end)
		return false;
	newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	r->piece = r->at;
	r->line_end = content_end(r->at, newline ? newline : r->end);
	r->at = newline ? newline + 1 : r->end;
	r->line++;
	r->continues = is_space(*r->piece);
	if (r->piece < r->line_end && *r->piece == '[')
		begin_section(p, r->piece, r->line_end);
	else
		r->wants_key = r->piece < r->line_end;
	return true;
}

/* ini_reader: as fgets. */
static char *read_piece(char *out, int size, void *stream)
{
	struct parse *p = stream;
	struct reader *r = &p->reader;
	size_t len, indent = 0;
	const char *cut;

	if (r->piece) {
		out[indent++] = ' ';
		r->continues = true;
	} else if (!next_line(p)) {
		return NULL;
	}
	cut = piece_end(r->piece, r->line_end, (size_t)size - 3 - indent);
	len = (size_t)(cut - r->piece);
	memcpy(out + indent, r->piece, len);
	memcpy(out + indent + len, "\n", 2);
	r->piece = cut < r->line_end ? cut : NULL;
	return out;
}

static void begin_value(struct parse *p, const char *section, const char *name, const char *value)
{
	unsigned line = p->reader.line;
	struct buf why = { 0 };
	int key;

	finish_value(p);
	if (!*section) {
		fail(p, line, "a key before the first [section]: begin with [DEFAULT]");
		return;
	}
	key = conf_find(section, name, &why);
	if (key < 0) {
		fail(p, line, "%s", why.data ? why.data : "");
	} else if (p->seen[key]) {
		fail(p, line, "%s is given a second time; the first is in line %u",
		     conf_table[key].key, p->seen[key]);
	} else {
		p->key = key;
		p->seen[key] = p->value_line = line;
		buf_clear(&p->value);
		buf_adds(&p->value, value);
	}
	buf_free(&why);
}

/* ini_handler: nonzero is "good". Errors are kept in p, with their line. */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;

	p->reader.wants_key = false;
	if (p->error.len > 0)
		return 1;
	/* libinih gives the value before's name to what goes on with it. */
	if (p->reader.continues && p->key >= 0 && strcasecmp(conf_table[p->key].key, name) == 0) {
		if (p->value_line != p->reader.line)
			buf_addc(&p->value, '\n');
		p->value_line = p->reader.line;
		buf_adds(&p->value, value);
	} else {
		begin_value(p, section, name, value);
	}
	return 1;
}

static int parse(struct conf_set *s, const char *path, const char *text, size_t len, char *err,
		 size_t err_size)
{
	struct parse p = {
		.set = s, .path = path, .key = -1, .reader = { .at = text, .end = text + len }
	};
	const char *nul = memchr(text, '\0', len);
	int status = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		p.reader.at += 3;
	if (nul) {
		unsigned line = 1;

		for (const char *c = text; c < nul; c++)
			line += *c == '\n';
		fail(&p, line, "a NUL byte: this is no text file");
	} else {
		if (ini_parse_stream(read_piece, &p, take, &p) == -2)
			p.no_memory = true;
		finish_value(&p);
	}
	if (p.no_memory || p.error.failed || p.error.len > 0) {
		status = p.error.len > 0 ? -EINVAL : -ENOMEM;
		snprintf(err, err_size, "%s", p.error.len > 0 ? p.error.data : "out of memory");
	}
	buf_free(&p.value);
	buf_free(&p.error);
	return status;
}

/* Whoever can write the file steers us; only matters when that someone could not do what we can. */
static const char *distrust(const struct stat *st)
{
	const char *sudo_uid = getenv("SUDO_UID");

	if (geteuid() != 0)
		return NULL;
	if (st->st_uid != 0 &&
	    !(sudo_uid && *sudo_uid && strtoul(sudo_uid, NULL, 10) == st->st_uid))
		return "belongs to another user, who could steer a program that runs as root: "
		       "chown root it";
	if ((st->st_mode & S_IWOTH) ||
	    ((st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != st->st_uid))
		return "can be written by others, who could steer a program that runs as root: "
		       "chmod go-w it";
	return NULL;
}

static int complain(char *err, size_t err_size, const char *path, const char *what, int status)
{
	struct buf shown = { 0 };

	text_term(&shown, path, strlen(path));
	snprintf(err, err_size, "configuration file %s %s", shown.data ? shown.data : "", what);
	buf_free(&shown);
	return status;
}

static int complain_errno(char *err, size_t err_size, const char *path, int error)
{
	char what[160];

	snprintf(what, sizeof(what), "cannot be read: %s", strerror(error));
	return complain(err, err_size, path, what, -error);
}

static int complain_open(char *err, size_t err_size, const char *path, int error)
{
	struct stat st;

	if (!*path) {
		snprintf(err, err_size, "the name of the configuration file is empty");
		return -error;
	}
	if (error == ENOENT && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return complain(err, err_size, path,
				"is a symbolic link to a file that is not there", -error);
	return complain_errno(err, err_size, path, error);
}

static int check_file(int fd, const char *path, char *err, size_t err_size)
{
	const char *why;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return complain_errno(err, err_size, path, errno);
	/* /dev/null is the way to say "none" */
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		return 0;
	if (S_ISDIR(st.st_mode))
		return complain(err, err_size, path, "is a directory", -EISDIR);
	if (!S_ISREG(st.st_mode))
		return complain(err, err_size, path, "is not a regular file", -EINVAL);
	if (st.st_size > (off_t)FILE_MAX)
		return complain(err, err_size, path,
				"is larger than 1 MiB: that is no configuration", -EFBIG);
	why = distrust(&st);
	return why ? complain(err, err_size, path, why, -EACCES) : 0;
}

int conf_load_file(struct conf_set *s, const char *path, char *err, size_t err_size)
{
	/* O_NONBLOCK: opening a pipe must not wait for a writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	ssize_t len;
	int status;

	if (fd < 0)
		return complain_open(err, err_size, path, errno);
	status = check_file(fd, path, err, err_size);
	if (status == 0) {
		text = malloc(FILE_MAX);
		len = text ? util_read_full(fd, text, FILE_MAX) : -ENOMEM;
		status = len < 0 ? complain_errno(err, err_size, path, (int)-len)
				 : parse(s, path, text, (size_t)len, err, err_size);
	}
	free(text);
	close(fd);
	return status;
}

/*
 * One that may not be read is an error to be told, not to be passed over; but a home or working directory that may not be
 * searched (root's, after a change of user alone) is as good as none. Not access(2): it judges by the real user, without
 * capabilities, and knows no link that leads nowhere.
 */
static bool present(const char *path, bool of_system)
{
	struct stat st;

	return lstat(path, &st) == 0 ||
	       (errno != ENOENT && errno != ENOTDIR && (of_system || errno != EACCES));
}

int conf_load_default_file(struct conf_set *s, char **found, char *err, size_t err_size)
{
	const char *home = getenv("HOME");
	struct buf in_home = { 0 };
	const char *paths[] = { "linux-edr.conf", NULL, "/etc/linux-edr/linux-edr.conf" };
	int status = 0;

	*found = NULL;
	if (home && *home) {
		buf_addf(&in_home, "%s/.config/linux-edr/linux-edr.conf", home);
		paths[1] = in_home.data;
	}
	for (size_t i = 0; i < 3; i++) {
		if (!paths[i] || !present(paths[i], i == 2))
			continue;
		*found = strdup(paths[i]);
		status = *found ? conf_load_file(s, paths[i], err, err_size) : -ENOMEM;
		break;
	}
	buf_free(&in_home);
	return status;
}
