/* SPDX-License-Identifier: MIT */
/* The API key: where it comes from, and where it must not be seen. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze/client_private.h"
#include "util/trust.h"

#define CREDENTIAL "openai_api_key"

extern char **environ;

void client_key_free(char *key)
{
	if (key)
		explicit_bzero(key, strlen(key));
	free(key);
}

/* In place. false: it cannot be in a header. */
static bool trim(char *key)
{
	static const char space[] = " \t\r\n";
	size_t from = strspn(key, space), len = strlen(key + from);

	while (len > 0 && strchr(space, key[from + len - 1]))
		len--;
	memmove(key, key + from, len);
	explicit_bzero(key + len, strlen(key + len));
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)key[i] <= ' ' || (unsigned char)key[i] >= 0x7f)
			return false;
	return true;
}

static const char *why_not(int status)
{
	if (status == -EFBIG)
		return "too long for a key";
	return status == -EINVAL ? "not a plain file" : strerror(-status);
}

static int read_key(char **out, const char *path, const char *said, struct stat *st, char *err,
		    size_t err_size)
{
	size_t len;
	int status = client_read_file(path, CLIENT_KEY_MAX, out, &len, st);

	if (status)
		snprintf(err, err_size, "cannot read %s: %s", said, why_not(status));
	return status;
}

static int read_key_file(char **out, const char *path, char *err, size_t err_size)
{
	struct stat st;
	int status = read_key(out, path, "api_key_file", &st, err, err_size);
	const char *why;

	if (status)
		return status;
	why = trust_why_not(&st, TRUST_NO_READERS);
	if (why)
		snprintf(err, err_size, "api_key_file %s", why);
	return why ? -EPERM : 0;
}

/* Given by systemd, which looks after its mode. -ENOENT: there is none. */
static int read_credential(char **out, char *err, size_t err_size)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];
	struct stat st;
	int n = dir ? snprintf(path, sizeof(path), "%s/" CREDENTIAL, dir) : 0;

	if (n <= 0 || (size_t)n >= sizeof(path) || access(path, F_OK) != 0)
		return -ENOENT;
	return read_key(out, path, "the credential " CREDENTIAL, &st, err, err_size);
}

int client_key(char **out, const char *file, const char *conf_key, char *err, size_t err_size)
{
	int status;

	*out = NULL;
	if (file && *file) {
		status = read_key_file(out, file, err, err_size);
	} else {
		status = read_credential(out, err, err_size);
		if (status == -ENOENT) {
			*out = strdup(conf_key ? conf_key : "");
			status = *out ? 0 : -ENOMEM;
		}
	}
	if (!status && !trim(*out)) {
		snprintf(err, err_size, "the API key has bytes in it that no key has");
		status = -EINVAL;
	}
	if (status) {
		client_key_free(*out);
		*out = NULL;
	}
	return status;
}

/* Kept for a reload, in memory that /proc/PID/environ does not show. */
void client_key_hide(const char *variable)
{
	const size_t len = strlen(variable);

	for (char **v = environ; v && *v; v++) {
		char *hidden;

		if (strncmp(*v, variable, len) != 0 || (*v)[len] != '=')
			continue;
		hidden = strdup(*v);
		explicit_bzero(*v + len + 1, strlen(*v + len + 1));
		if (hidden)
			*v = hidden;
	}
}
