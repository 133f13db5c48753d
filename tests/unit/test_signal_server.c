/* SPDX-License-Identifier: MIT */
/* server-shell: which servers, which shells, and where they run. */
#include <check.h>
#include <string.h>

#include "suite.h"
#include "watch.h"

START_TEST(test_server_shell)
{
	const edr_u32 nginx = RUN(.exe = "/usr/sbin/nginx", .uid = 33);
	const edr_u32 cron = RUN(.exe = "/usr/sbin/cron");
	const edr_u32 php = RUN(.exe = "/usr/sbin/php-fpm8.2", .uid = 33);
	edr_u32 pid;

	pid = RUN(.exe = "/usr/bin/dash", .filename = "/bin/sh", .parent = nginx, .uid = 33,
		  .arg = "id");
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	ck_assert(watch_details_have(DETECT_SERVER_SHELL,
				     "/usr/sbin/nginx (uid 33) started /usr/bin/dash: sh id"));
	RUN(.exe = "/usr/bin/python3.11", .parent = pid);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4); /* two up */
	RUN(.exe = "/usr/bin/perl", .parent = php);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	RUN(.exe = "/usr/bin/ls", .parent = nginx);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
	RUN(.exe = "/usr/bin/dash", .parent = cron);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
}
END_TEST

/* What is injected need not fork: the shell has the server's pid, and the server's parent. */
START_TEST(test_shell_in_a_servers_place)
{
	static const char service[] = "/system.slice/app.service";
	const edr_u32 init = RUN(.exe = "/usr/lib/systemd/systemd");
	const edr_u32 redis = RUN(.exe = "/usr/bin/redis-server", .parent = init, .uid = 110);
	const edr_u32 forked = RUN(.exe = "/usr/bin/redis-server", .parent = init, .uid = 110);
	const edr_u32 by_hand = RUN(.exe = "/usr/sbin/nginx", .parent = init, .logged_in = true);
	const edr_u32 nginx = RUN(.exe = "/usr/sbin/nginx", .parent = init);
	const edr_u32 caddy = RUN(.exe = "/usr/bin/caddy", .parent = init);
	const edr_u32 node = watch_runs_already("/usr/bin/node", service, 1000);
	const edr_u32 again = watch_runs_already("/usr/bin/node", service, 1000);

	RUN(.pid = redis, .exe = "/usr/bin/dash", .parent = init, .uid = 110, .arg = "x");
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	ck_assert(watch_details_have(DETECT_SERVER_SHELL, "; in the place of redis-server"));
	RUN(.exe = "/usr/bin/python3.11", .parent = redis, .uid = 110);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4); /* below that shell */
	RUN(.pid = caddy, .exe = "/usr/bin/dash", .parent = init, .logged_in = true);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4); /* it gave itself a login */
	/* By way of others. */
	RUN(.pid = forked, .exe = "/usr/bin/env", .parent = init, .uid = 110);
	ck_assert_uint_eq(watch.result.n, 0);
	RUN(.pid = forked, .exe = "/usr/bin/nice", .parent = init, .uid = 110);
	RUN(.pid = forked, .exe = "/usr/bin/dash", .parent = init, .uid = 110);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	RUN(.pid = nginx, .exe = "/usr/sbin/nginx", .parent = init);
	RUN(.pid = nginx, .exe = "/usr/bin/ls", .parent = init);
	ck_assert_uint_eq(watch.result.n, 0);
	RUN(.pid = by_hand, .exe = "/usr/bin/dash", .parent = init, .logged_in = true);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
	watch_end_learning();
	RUN(.pid = again, .exe = "/usr/bin/node", .parent = init, .uid = 1000);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0); /* started again */
	RUN(.pid = node, .exe = "/usr/bin/dash", .parent = init, .uid = 1000);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 3);
}
END_TEST

/* What is usual of one server makes no other's shell usual, though both have systemd as parent. */
START_TEST(test_usual_in_a_servers_place)
{
	static const char *const servers[] = { "/usr/sbin/exim4", "/usr/bin/redis-server" };
	const edr_u32 init = RUN(.exe = "/usr/lib/systemd/systemd");
	unsigned level = 0;

	for (unsigned day = 0; day < 4; day++) {
		const edr_u32 pid = RUN(.exe = servers[0], .parent = init);

		RUN(.pid = pid, .exe = "/usr/bin/dash", .parent = init);
		level = watch_level(DETECT_SERVER_SHELL);
		watch.now += WATCH_DAY;
	}
	ck_assert_uint_eq(level, 2);
	RUN(.pid = RUN(.exe = servers[1], .parent = init), .exe = "/usr/bin/dash", .parent = init);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
}
END_TEST

START_TEST(test_server_names)
{
	static const struct {
		const char *exe;
		unsigned level;
	} rows[] = {
		{ "/usr/bin/socat1", 4 },
		{ "/usr/bin/ncat", 4 },
		{ "/usr/bin/nc.traditional", 4 },
		{ "/usr/local/openresty/bin/openresty", 4 },
		{ "/usr/sbin/fcgiwrap", 4 },
		{ "/usr/lib/postfix/sbin/local", 4 },
		{ "/usr/libexec/postfix/pipe", 4 },
		{ "/usr/lib/dovecot/script", 4 },
		{ "/usr/sbin/dovecot", 4 },
		{ "/usr/lib/x/local", 0 },
		{ "/srv/usr/lib/postfix/local", 0 },
		{ "/usr/bin/pipe", 0 },
		{ "/usr/bin/ncdu", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const edr_u32 server = RUN(.exe = rows[i].exe);

		RUN(.exe = "/usr/bin/dash", .parent = server);
		ck_assert_msg(watch_level(DETECT_SERVER_SHELL) == rows[i].level, "%s: %u",
			      rows[i].exe, watch_level(DETECT_SERVER_SHELL));
	}
}
END_TEST

/* What a process may give itself does not hide it; what its server has was there before. */
START_TEST(test_server_shell_in_a_session)
{
	const edr_u32 nginx = RUN(.exe = "/usr/sbin/nginx", .uid = 33);
	const edr_u32 by_hand = RUN(.exe = "/usr/sbin/nginx", .tty = "pts0", .logged_in = true);
	const edr_u32 posing = RUN(.exe = "/tmp/nginx", .parent = nginx, .logged_in = true);

	RUN(.exe = "/usr/bin/dash", .parent = nginx, .tty = "pts0");
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	RUN(.exe = "/usr/bin/dash", .parent = nginx, .logged_in = true);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	RUN(.exe = "/usr/bin/dash", .parent = nginx, .tty = "pts0", .logged_in = true);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	RUN(.exe = "/usr/bin/dash", .parent = posing, .logged_in = true);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 4);
	RUN(.exe = "/usr/bin/dash", .parent = by_hand, .tty = "pts0", .logged_in = true);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
}
END_TEST

START_TEST(test_runtime_shell)
{
	static const char service[] = "/system.slice/app.service";
	const edr_u32 web = watch_runs_already("/usr/bin/java", service, 33);
	const edr_u32 root = watch_runs_already("/usr/bin/python3.11", service, 0);
	const edr_u32 user =
		watch_runs_already("/usr/bin/node", "/user.slice/user-1000.slice", 1000);

	RUN(.exe = "/usr/bin/dash", .parent = web);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 2); /* it learns */
	watch_end_learning();
	RUN(.exe = "/usr/bin/dash", .parent = web);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 3);
	RUN(.exe = "/usr/bin/dash", .parent = root);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
	RUN(.exe = "/usr/bin/dash", .parent = user);
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
}
END_TEST

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* In a container root is usual, and there need be no service. A whole system in one has some. */
START_TEST(test_runtime_in_a_container)
{
	static const struct {
		const char *exe, *cgroup;
		edr_u32 uid;
		unsigned level;
	} rows[] = {
		{ "/usr/bin/node", "/system.slice/docker-" ID ".scope", 1000, 3 },
		{ "/usr/bin/node", "/system.slice/docker-" ID ".scope", 0, 3 },
		{ "/usr/bin/java", "/docker/" ID, 0, 3 },
		{ "/usr/bin/java",
		  "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" ID ".scope", 1000, 3 },
		{ "/usr/bin/python3.11", "/kubepods/besteffort/pod1/" ID, 0, 3 },
		{ "/usr/bin/ls", "/docker/" ID, 0, 0 },
		{ "/usr/bin/python3.11", "/lxc.payload.a/system.slice/cloud-init.service", 0, 0 },
		{ "/usr/bin/python3.11", "/lxc.payload.a/system.slice/app.service", 33, 3 },
		{ "/usr/bin/python3.11", "/system.slice/dockerd.service", 0, 0 },
	};

	watch_end_learning();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const edr_u32 server = watch_runs_already(rows[i].exe, rows[i].cgroup, rows[i].uid);

		RUN(.exe = "/usr/bin/dash", .parent = server, .uid = rows[i].uid);
		ck_assert_msg(watch_level(DETECT_SERVER_SHELL) == rows[i].level, "%s in %s: %u",
			      rows[i].exe, rows[i].cgroup, watch_level(DETECT_SERVER_SHELL));
	}
}
END_TEST

START_TEST(test_ancestors_in_a_circle)
{
	RUN(.pid = 50, .parent = 51, .exe = "/usr/bin/x");
	RUN(.pid = 51, .parent = 50, .exe = "/usr/bin/dash");
	ck_assert_uint_eq(watch_level(DETECT_SERVER_SHELL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_server_shell,
				       test_shell_in_a_servers_place,
				       test_usual_in_a_servers_place,
				       test_server_names,
				       test_server_shell_in_a_session,
				       test_runtime_shell,
				       test_runtime_in_a_container,
				       test_ancestors_in_a_circle };

	return suite_run("signal_server", tests, sizeof(tests) / sizeof(tests[0]), watch_open,
			 watch_close, 60);
}
