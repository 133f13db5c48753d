/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redact/redact.h"
#include "util/text.h"
#include "util/trust.h"

#define HEX ((size_t)2 * REDACT_KEY_BYTES)
#define TEMP ".redact.key.tmp"

static int refuse(char *err, size_t size, const char *name, const char *why, int status)
{
	struct buf shown = { 0 };

	text_term(&shown, name, strlen(name));
	snprintf(err, size, "key of redaction %s: %s", shown.data ? shown.data : "", why);
	buf_free(&shown);
	return status;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, unsigned char key[REDACT_KEY_BYTES])
{
	for (size_t i = 0; i < REDACT_KEY_BYTES; i++) {
		const char *two = text + (size_t)2 * i;
		const int high = digit(two[0]), low = digit(two[1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* NULL when it is as a secret should lie. */
static const char *check_file(int fd)
{
	struct stat st;
	const char *why = fstat(fd, &st) ? "is no file" : trust_why_not(&st, TRUST_NO_READERS);

	if (!why && st.st_size != (off_t)(HEX + 1))
		why = "must hold 64 digits of 0-9 a-f and a newline: put back the right one, or "
		      "remove it to have another made (tags will differ from then on)";
	return why;
}

static int load(int dir, const char *name, unsigned char key[REDACT_KEY_BYTES], char *err,
		size_t err_size)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char text[HEX + 1];
	const char *why;
	bool good;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT
				       : refuse(err, err_size, name, strerror(errno), -errno);
	why = check_file(fd);
	good = !why && read(fd, text, sizeof(text)) == (ssize_t)sizeof(text) && text[HEX] == '\n' &&
	       read_hex(text, key);
	close(fd);
	explicit_bzero(text, sizeof(text));
	if (why)
		return refuse(err, err_size, name, why, -EPERM);
	return good ? 0 : refuse(err, err_size, name, "is damaged", -EINVAL);
}

static int write_key(int fd)
{
	unsigned char key[REDACT_KEY_BYTES];
	char text[HEX + 1];
	int status = 0;

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -EIO;
	*text_hex(text, key, sizeof(key)) = '\n';
	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text) || fsync(fd))
		status = errno ? -errno : -EIO;
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	return status;
}

/* link(2) never replaces what is there: who else made one first has made the key. */
static int make(int dir, const char *name)
{
	int fd, status;

	unlinkat(dir, TEMP, 0);
	fd = openat(dir, TEMP, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	status = fchmod(fd, 0600) ? -errno : write_key(fd);
	close(fd);
	if (!status && linkat(dir, TEMP, dir, name, 0) && errno != EEXIST)
		status = -errno;
	unlinkat(dir, TEMP, 0);
	if (!status && dir >= 0 && fsync(dir))
		status = -errno;
	return status;
}

int redact_key_load(int dir, const char *name, bool may_make, unsigned char key[REDACT_KEY_BYTES],
		    char *err, size_t err_size)
{
	int status = load(dir, name, key, err, err_size);

	if (status != -ENOENT)
		return status;
	if (!may_make) {
		refuse(err, err_size, name, strerror(ENOENT), 0);
		return status;
	}
	status = make(dir, name);
	if (status)
		return refuse(err, err_size, name, strerror(-status), status);
	return load(dir, name, key, err, err_size);
}
