/* SPDX-License-Identifier: MIT */
/* Where the model is, and how to get there: read and checked once, with the agent's rights. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyze/client_private.h"
#include "util/read.h"
#include "util/text.h"

#define URL_MAX 2048
#define HOST_MAX 256

static const char *const ca_files[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

struct url {
	bool https;
	bool user; /* has a name or password */
	char host[HOST_MAX];
	unsigned port;
};

static int fail(int status, char *err, size_t err_size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(int status, char *err, size_t err_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return status;
}

int client_read_file(const char *path, size_t max, char **out, size_t *len, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int status = fd < 0 ? -errno : 0;
	ssize_t n;

	*out = NULL;
	*st = (struct stat){ 0 };
	if (!status && fstat(fd, st) != 0)
		status = -errno;
	if (!status && !S_ISREG(st->st_mode))
		status = -EINVAL;
	if (!status && (unsigned long long)st->st_size > max)
		status = -EFBIG;
	if (!status) {
		*out = malloc((size_t)st->st_size + 1);
		n = *out ? util_read_full(fd, *out, (size_t)st->st_size) : -ENOMEM;
		status = n < 0 ? (int)n : 0;
	}
	if (!status) {
		*len = (size_t)n;
		(*out)[n] = '\0';
	}
	if (fd >= 0)
		close(fd);
	if (status) {
		free(*out);
		*out = NULL;
	}
	return status;
}

/* ---- URLs ---- */

static bool read_port(const char *text, size_t len, unsigned *port)
{
	unsigned value = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*port = value;
	return value > 0 && value <= 65535;
}

static bool good_host(const char *host, bool brackets)
{
	struct in6_addr any;
	size_t len = strlen(host);

	if (brackets)
		return inet_pton(AF_INET6, host, &any) == 1;
	return len > 0 && len == strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					      "0123456789.-_");
}

/* host, host:port, [v6], [v6]:port */
static bool read_authority(struct url *u, const char *text, size_t len)
{
	bool brackets = len > 0 && text[0] == '[';
	const char *close = brackets ? memchr(text, ']', len) : NULL;
	const char *colon = brackets ? (close ? close + 1 : NULL) : memchr(text, ':', len);
	const char *host = text + brackets, *end = text + len;
	size_t host_len;

	if (brackets && !close)
		return false;
	if (colon == end)
		colon = NULL;
	host_len = (size_t)((brackets ? close : colon ? colon : end) - host);
	if (host_len >= sizeof(u->host))
		return false;
	memcpy(u->host, host, host_len);
	u->host[host_len] = '\0';
	if (!good_host(u->host, brackets))
		return false;
	return !colon ||
	       (*colon == ':' && read_port(colon + 1, (size_t)(end - colon - 1), &u->port));
}

static bool read_url(struct url *u, const char *text)
{
	static const char odd[] = " \"<>\\^`{|}?#";
	const char *authority, *slash, *at = NULL;
	size_t len = strlen(text);

	*u = (struct url){ 0 };
	if (len > URL_MAX || strcspn(text, odd) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
			return false;
	u->https = strncasecmp(text, "https://", 8) == 0;
	if (!u->https && strncasecmp(text, "http://", 7) != 0)
		return false;
	authority = text + (u->https ? 8 : 7);
	slash = authority + strcspn(authority, "/");
	u->port = u->https ? 443 : 80;
	for (const char *p = authority; p < slash; p++)
		if (*p == '@')
			at = p;
	u->user = at != NULL;
	if (at)
		authority = at + 1;
	return read_authority(u, authority, (size_t)(slash - authority));
}

/* ---- proxy ---- */

static const char *variable(const char *lower, const char *upper)
{
	const char *value = getenv(lower);

	if ((!value || !*value) && upper)
		value = getenv(upper);
	return value ? value : "";
}

/* A word of no_proxy: *, a host, or a domain with all below it. */
static bool matches(const char *word, size_t len, const char *host)
{
	size_t host_len = strlen(host);

	if (len == 1 && *word == '*')
		return true;
	if (len > 0 && *word == '.') {
		word++;
		len--;
	}
	if (len == 0 || len > host_len || strncasecmp(host + host_len - len, word, len) != 0)
		return false;
	return len == host_len || host[host_len - len - 1] == '.';
}

static bool without_proxy(const char *host)
{
	const char *list = variable("no_proxy", "NO_PROXY");

	while (*list) {
		size_t len = strcspn(list, ", \t");

		if (matches(list, len, host))
			return true;
		list += len;
		list += strspn(list, ", \t");
	}
	return false;
}

/*
 * HTTP_PROXY is not read: to a program that a web server runs, anybody on the network can give it.
 */
static const char *choose_proxy(const struct url *u, const char *set)
{
	const char *proxy;

	if (client_is_loopback(u->host))
		return "";
	if (set && *set)
		return set;
	if (without_proxy(u->host))
		return "";
	proxy = u->https ? variable("https_proxy", "HTTPS_PROXY") : variable("http_proxy", NULL);
	return *proxy ? proxy : variable("all_proxy", "ALL_PROXY");
}

/* ---- certificates ---- */

static int read_ca(struct client_where *w, const char *ca_file, char *err, size_t err_size)
{
	const size_t n = sizeof(ca_files) / sizeof(ca_files[0]);
	bool given = ca_file && *ca_file;
	const char *path = ca_file;
	struct stat st;
	int status = -ENOENT;

	if (given)
		status = client_read_file(path, CLIENT_CA_MAX, &w->ca, &w->ca_len, &st);
	for (size_t i = 0; !given && i < n && status == -ENOENT; i++) {
		path = ca_files[i];
		status = client_read_file(path, CLIENT_CA_MAX, &w->ca, &w->ca_len, &st);
	}
	if (status == -ENOENT && !given)
		return fail(status, err, err_size,
			    "no certificates of authorities were found: install ca-certificates, "
			    "or set ca_file");
	if (!status && !strstr(w->ca, "-----BEGIN "))
		return fail(-EINVAL, err, err_size, "there is no certificate in %s", path);
	if (status)
		return fail(status, err, err_size, "cannot read the certificates in %s: %s", path,
			    strerror(-status));
	return 0;
}

/* ---- all of it ---- */

static int choose(struct client_where *w, const struct url *u, const char *set_proxy,
		  const char *ca_file, char *err, size_t err_size)
{
	const char *proxy = choose_proxy(u, set_proxy);
	struct url via;
	bool tls = u->https;

	/* Not printed: it may have a password. */
	if (*proxy && !read_url(&via, proxy))
		return fail(-EINVAL, err, err_size,
			    "the proxy is not http://HOST:PORT or https://HOST:PORT");
	if (*proxy)
		tls = tls || via.https;
	w->proxy = strdup(proxy);
	w->name = strdup(*proxy ? via.host : u->host);
	w->port = *proxy ? via.port : u->port;
	if (!w->proxy || !w->name)
		return fail(-ENOMEM, err, err_size, "no memory");
	return tls ? read_ca(w, ca_file, err, err_size) : 0;
}

static int check_url(struct client_where *w, struct url *u, const char *api_base,
		     bool insecure_http, char *err, size_t err_size)
{
	size_t len = strlen(api_base);

	if (!read_url(u, api_base))
		return fail(-EINVAL, err, err_size, "api_base is not https://HOST[:PORT]/PATH");
	if (u->user)
		return fail(-EINVAL, err, err_size,
			    "api_base has a name or password in it: use api_key_file");
	w->insecure = !u->https && !client_is_loopback(u->host);
	if (w->insecure && !insecure_http)
		return fail(-EINVAL, err, err_size,
			    "api_base is plain http to another host: set insecure_http if the key "
			    "and the prompts may be read on the way");
	while (len > 0 && api_base[len - 1] == '/')
		len--;
	w->url = strndup(api_base, len);
	return w->url ? 0 : fail(-ENOMEM, err, err_size, "no memory");
}

bool client_base_is_loopback(const char *api_base)
{
	struct url u;

	return read_url(&u, api_base) && client_is_loopback(u.host);
}

int client_where(struct client_where *out, const char *api_base, const char *proxy,
		 const char *ca_file, bool insecure_http, char *err, size_t err_size)
{
	struct url u;
	int status;

	*out = (struct client_where){ 0 };
	status = check_url(out, &u, api_base, insecure_http, err, err_size);
	if (!status)
		status = choose(out, &u, proxy, ca_file, err, err_size);
	if (!status && client_where_names(out) != 0)
		status = fail(-ENOMEM, err, err_size, "no memory");
	if (status)
		client_where_free(out);
	return status;
}

void client_where_free(struct client_where *w)
{
	free(w->url);
	if (w->proxy)
		explicit_bzero(w->proxy, strlen(w->proxy));
	free(w->proxy);
	free(w->ca);
	free(w->name);
	free(w->address);
	*w = (struct client_where){ 0 };
}
