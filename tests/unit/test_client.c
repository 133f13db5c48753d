/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of the client: where to, through whom, with which key. No network and no client.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <strings.h>
#include <unistd.h>

#include "analyze/client_private.h"
#include "cli/model.h"
#include "suite.h"

static char folder[] = "/tmp/edr-client-XXXXXX";
static char path[256];

static const char *file(const char *name, const char *content)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(content, f);
	fclose(f);
	return path;
}

static void setup(void)
{
	static const char *const variables[] = {
		"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY",	    "all_proxy",
		"ALL_PROXY",   "no_proxy",    "NO_PROXY",   "CREDENTIALS_DIRECTORY"
	};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
	static const char *const names[] = { "ca", "hosts", "resolv", "key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
}

static int where(struct client_where *w, const char *base, const char *proxy, bool insecure)
{
	char err[256] = "", ca[256];
	int status;

	snprintf(ca, sizeof(ca), "%s", file("ca", "-----BEGIN CERTIFICATE-----\n"));
	status = client_where(w, base, proxy, ca, insecure, err, sizeof(err));
	ck_assert_msg((status == 0) == (err[0] == '\0'), "%s: %d '%s'", base, status, err);
	return status;
}

START_TEST(test_urls)
{
	static const struct {
		const char *base;
		bool good;
		const char *name;
		unsigned port;
	} urls[] = {
		{ "https://api.openai.com/v1", true, "api.openai.com", 443 },
		{ "https://api.openai.com", true, "api.openai.com", 443 },
		{ "HTTPS://api.openai.com:8443/v1/", true, "api.openai.com", 8443 },
		{ "https://192.0.2.1:1/", true, "192.0.2.1", 1 },
		{ "https://[2001:db8::1]:65535/v1", true, "2001:db8::1", 65535 },
		{ "https://[2001:db8::1]", true, "2001:db8::1", 443 },
		{ "http://127.0.0.1:11434/v1", true, "127.0.0.1", 11434 },
		{ "http://127.1.2.3", true, "127.1.2.3", 80 },
		{ "http://[::1]:8080", true, "::1", 8080 },
		{ "http://localhost:8080/v1", true, "localhost", 8080 },
		{ "http://LocalHost", true, "LocalHost", 80 },
		{ "", false, "", 0 },
		{ "api.openai.com", false, "", 0 },
		{ "ftp://api.openai.com", false, "", 0 },
		{ "file:///etc/passwd", false, "", 0 },
		{ "https://", false, "", 0 },
		{ "https:///v1", false, "", 0 },
		{ "https://user:pw@host/", false, "", 0 },
		{ "https://user@host/", false, "", 0 },
		{ "https://host:0/", false, "", 0 },
		{ "https://host:65536/", false, "", 0 },
		{ "https://host:/", false, "", 0 },
		{ "https://host:80x/", false, "", 0 },
		{ "https://host:123456/", false, "", 0 },
		{ "https://[::1/", false, "", 0 },
		{ "https://[::1]x/", false, "", 0 },
		{ "https://[host]/", false, "", 0 },
		{ "https://::1/", false, "", 0 },
		{ "https://host/a?b=c", false, "", 0 },
		{ "https://host/#a", false, "", 0 },
		{ "https://host?x", false, "", 0 },
		{ "https://ho st/", false, "", 0 },
		{ "https://host/a\nb", false, "", 0 },
		{ "https://host/\x7f", false, "", 0 },
		{ "https://h\xc3\xb6st/", false, "", 0 },
		{ "https://host\\@evil/", false, "", 0 },
		/* Not loopback, whatever libcurl would make of them. */
		{ "http://api.openai.com/v1", false, "", 0 },
		{ "http://192.0.2.1", false, "", 0 },
		{ "http://127.1", false, "", 0 },
		{ "http://0x7f000001", false, "", 0 },
		{ "http://127.0.0.1.example.com", false, "", 0 },
		{ "http://localhost.example.com", false, "", 0 },
		{ "http://[::ffff:192.0.2.1]", false, "", 0 },
		{ "http://localhost@192.0.2.1/", false, "", 0 },
	};

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct client_where w;
		int status = where(&w, urls[i].base, "", false);

		ck_assert_msg((status == 0) == urls[i].good, "%s: %d", urls[i].base, status);
		if (status)
			continue;
		ck_assert_str_eq(w.name, urls[i].name);
		ck_assert_uint_eq(w.port, urls[i].port);
		ck_assert(w.url[strlen(w.url) - 1] != '/');
		ck_assert(!w.insecure);
		ck_assert((w.ca != NULL) == (strncasecmp(urls[i].base, "https", 5) == 0));
		client_where_free(&w);
	}
}
END_TEST

START_TEST(test_insecure)
{
	struct client_where w;

	ck_assert_int_eq(where(&w, "http://192.0.2.1:8000/v1", "", true), 0);
	ck_assert(w.insecure);
	client_where_free(&w);
	ck_assert_int_eq(where(&w, "https://192.0.2.1/v1", "", true), 0);
	ck_assert(!w.insecure);
	client_where_free(&w);
}
END_TEST

static void check_proxy(const char *base, const char *set, const char *proxy, const char *name,
			unsigned port)
{
	struct client_where w;

	ck_assert_int_eq(where(&w, base, set, true), 0);
	ck_assert_str_eq(w.proxy, proxy);
	ck_assert_str_eq(w.name, name);
	ck_assert_uint_eq(w.port, port);
	client_where_free(&w);
}

START_TEST(test_proxy)
{
	static const char base[] = "https://api.example.com/v1";
	struct client_where w;

	check_proxy(base, "http://proxy:3128", "http://proxy:3128", "proxy", 3128);
	check_proxy(base, "http://u:p%40@proxy:3128/", "http://u:p%40@proxy:3128/", "proxy", 3128);
	check_proxy("https://127.0.0.1/", "http://proxy:3128", "", "127.0.0.1", 443);
	setenv("https_proxy", "http://by-env:1", 1);
	check_proxy(base, "", "http://by-env:1", "by-env", 1);
	check_proxy(base, "http://proxy:3128", "http://proxy:3128", "proxy", 3128);
	check_proxy("http://api.example.com/", "", "", "api.example.com", 80);
	setenv("HTTP_PROXY", "http://of-a-header:1", 1);
	check_proxy("http://api.example.com/", "", "", "api.example.com", 80);
	setenv("http_proxy", "https://tls-proxy", 1);
	ck_assert_int_eq(where(&w, "http://api.example.com/", "", true), 0);
	ck_assert_uint_eq(w.port, 443);
	ck_assert_ptr_nonnull(w.ca); /* of the proxy */
	client_where_free(&w);
	ck_assert_int_eq(where(&w, base, "socks5://proxy:1080", false), -EINVAL);
	ck_assert_int_eq(where(&w, base, "proxy:3128", false), -EINVAL);
}
END_TEST

START_TEST(test_no_proxy)
{
	static const struct {
		const char *list;
		bool proxy;
	} lists[] = {
		{ "", true },
		{ "*", false },
		{ "api.example.com", false },
		{ "API.Example.COM", false },
		{ "example.com", false },
		{ ".example.com", false },
		{ "a, b,example.com", false },
		{ "xample.com", true },
		{ "pi.example.com", true },
		{ "other.example.com", true },
		{ "www.api.example.com", true },
		{ ".", true },
		{ ",,", true },
	};

	setenv("https_proxy", "http://by-env:1", 1);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct client_where w;

		setenv("no_proxy", lists[i].list, 1);
		ck_assert_int_eq(where(&w, "https://api.example.com/", "", false), 0);
		ck_assert_msg((*w.proxy != '\0') == lists[i].proxy, "%s", lists[i].list);
		client_where_free(&w);
	}
}
END_TEST

START_TEST(test_authorities)
{
	struct client_where w;
	char err[256];

	ck_assert_int_eq(
		client_where(&w, "https://a/", "", file("ca", ""), false, err, sizeof(err)),
		-EINVAL);
	ck_assert_int_eq(client_where(&w, "https://a/", "", "/nowhere/ca", false, err, sizeof(err)),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err, "/nowhere/ca"));
	ck_assert_int_eq(client_where(&w, "https://a/", "", "/dev/zero", false, err, sizeof(err)),
			 -EINVAL);
	file("ca", "-----BEGIN CERTIFICATE-----\n");
	ck_assert_int_eq(truncate(path, (off_t)CLIENT_CA_MAX + 1), 0);
	ck_assert_int_eq(client_where(&w, "https://a/", "", path, false, err, sizeof(err)), -EFBIG);
	/* What is not needed is not read. */
	ck_assert_int_eq(
		client_where(&w, "http://[::1]/", "", "/nowhere/ca", false, err, sizeof(err)), 0);
	client_where_free(&w);
}
END_TEST

static void check_names(const char *name, const char *hosts, const char *resolv,
			const char *address, size_t n_servers, const char *first)
{
	struct client_where w = { .name = (char *)(size_t)name };
	char hosts_path[256];

	snprintf(hosts_path, sizeof(hosts_path), "%s", file("hosts", hosts));
	ck_assert_int_eq(client_names_read(&w, hosts_path, file("resolv", resolv)), 0);
	ck_assert_str_eq(w.address, address);
	ck_assert_uint_eq(w.n_servers, n_servers);
	ck_assert_str_eq(w.server[0], first);
	free(w.address);
}

START_TEST(test_names)
{
	static const char hosts[] = "# 192.0.2.9 model\n"
				    "127.0.0.1\tlocalhost\n"
				    "192.0.2.1   gateway model.test  Model # model.other\n"
				    "2001:db8::1 model\n"
				    "not-an-address model\n"
				    "192.0.2.300 model\n"
				    "192.0.2.2\n";
	static const char resolv[] = "; nameserver 192.0.2.52\n#nameserver 192.0.2.51\n"
				     "search example.com\n"
				     "nameserver 192.0.2.53\nnameserver fe80::1%eth0\n"
				     "nameserver\nnameserver x\n"
				     "nameserver 2001:db8::53\nnameserver 192.0.2.54\n"
				     "nameserver 192.0.2.55\n";

	check_names("model", hosts, resolv, "192.0.2.1,2001:db8::1", 3, "192.0.2.53");
	check_names("model.test", hosts, "", "192.0.2.1", 1, "127.0.0.1");
	check_names("model.other", hosts, resolv, "", 3, "192.0.2.53");
	check_names("192.0.2.7", hosts, resolv, "192.0.2.7", 3, "192.0.2.53");
	check_names("2001:db8::7", hosts, resolv, "2001:db8::7", 3, "192.0.2.53");
	/* Plain http is let through to it: no file decides where that is. */
	check_names("localhost", "192.0.2.1 localhost\n", resolv, "127.0.0.1,::1", 3, "192.0.2.53");
}
END_TEST

START_TEST(test_names_bounds)
{
	struct buf hosts = { 0 };

	buf_adds(&hosts, "192.0.2.1 ");
	for (int i = 0; i < 2000; i++)
		buf_addf(&hosts, "host-%d ", i);
	buf_adds(&hosts, "\n");
	for (int i = 0; i < 20; i++)
		buf_addf(&hosts, "192.0.2.%d many\n", i + 1);
	check_names("host-1", hosts.data, "", "192.0.2.1", 1, "127.0.0.1");
	check_names("host-1999", hosts.data, "", "", 1, "127.0.0.1");
	check_names(
		"many", hosts.data, "",
		"192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5,192.0.2.6,192.0.2.7,192.0.2.8",
		1, "127.0.0.1");
	buf_free(&hosts);
}
END_TEST

START_TEST(test_key)
{
	char err[256] = "", *key;

	ck_assert_int_eq(client_key(&key, "", "  sk-conf\n", err, sizeof(err)), 0);
	ck_assert_str_eq(key, "sk-conf");
	client_key_free(key);
	ck_assert_int_eq(client_key(&key, NULL, NULL, err, sizeof(err)), 0);
	ck_assert_str_eq(key, "");
	client_key_free(key);
	file("key", "\n sk-file \n");
	chmod(path, 0600);
	ck_assert_int_eq(client_key(&key, path, "sk-conf", err, sizeof(err)), 0);
	ck_assert_str_eq(key, "sk-file");
	client_key_free(key);
	chmod(path, 0644);
	ck_assert_int_eq(client_key(&key, path, "sk-conf", err, sizeof(err)), -EPERM);
	ck_assert_ptr_null(key);
	ck_assert_int_eq(client_key(&key, "", "sk two", err, sizeof(err)), -EINVAL);
	ck_assert_ptr_null(strstr(err, "two"));
}
END_TEST

/*
 * The block that /proc/self/environ shows is that of the start: a process of its own, by our own
 * name.
 */
START_TEST(test_key_hide)
{
	const char *before = getenv("PATH");
	char block[4096] = "", name[] = "PATH", *value;
	FILE *f;
	size_t n;

	value = strdup(before ? before : "");
	ck_assert_uint_gt(strlen(value), 3);
	client_key_hide(name);
	ck_assert_str_eq(getenv(name), value);
	f = fopen("/proc/self/environ", "re");
	ck_assert_ptr_nonnull(f);
	n = fread(block, 1, sizeof(block), f);
	fclose(f);
	ck_assert_uint_gt(n, 5);
	ck_assert_ptr_nonnull(memmem(block, n, "PATH=", 6)); /* with a NUL behind it */
	client_key_hide("NO_SUCH_VARIABLE");
	free(value);
}
END_TEST

START_TEST(test_key_in_no_core)
{
	struct conf conf = { .api_key = (char *)(size_t) "",
			     .api_base = (char *)(size_t)CONF_API_BASE,
			     .redact = (char *)(size_t) "on" };
	struct model m = { 0 };
	struct rlimit core;
	char err[256];

	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	ck_assert_int_eq(model_wanted(&m, &conf, err, sizeof(err)), 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	client_key_free(m.key);
	m.key = NULL;
	conf.api_key = (char *)(size_t) "sk-conf";
	ck_assert_int_eq(model_wanted(&m, &conf, err, sizeof(err)), 1);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &core), 0);
	ck_assert_uint_eq(core.rlim_max, 0);
	client_key_free(m.key);
}
END_TEST

/* Nobody asks it anything, and it ends. */
START_TEST(test_ends_idle)
{
	struct client c = { .fd = -1 };
	siginfo_t info;
	struct pollfd p = { .events = POLLIN };
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		close(ends[1]);
		poll(NULL, 0, 1000);
		_exit(0);
	}
	close(ends[1]);
	c.pid = pid;
	c.fd = ends[0];
	for (int i = 0; i < 50 && c.pid; i++) {
		struct client_reply reply;

		p.fd = client_fd(&c);
		p.events = client_events(&c);
		ck_assert(c.fd >= 0 || client_timeout_ms(&c) > 0);
		poll(&p, 1, client_timeout_ms(&c));
		ck_assert(!client_take(&c, &reply));
	}
	ck_assert_int_eq(c.pid, 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
	ck_assert_int_eq(client_timeout_ms(&c), -1);
	ck_assert_str_eq(client_gone(&c), "it ended");

	/* It had not quite ended when its socket was closed. */
	c.pid = fork();
	if (c.pid == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_gt(client_timeout_ms(&c), 0);
	ck_assert(!client_take(&c, &(struct client_reply){ 0 }));
	ck_assert_int_eq(c.pid, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_urls,	    test_insecure,    test_proxy,
				       test_no_proxy,	    test_authorities, test_names,
				       test_names_bounds,   test_key,	      test_key_hide,
				       test_key_in_no_core, test_ends_idle };

	return suite_run("client", tests, sizeof(tests) / sizeof(tests[0]), setup, teardown, 10);
}
