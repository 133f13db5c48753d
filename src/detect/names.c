/* SPDX-License-Identifier: MIT */
#include "detect/names.h"

#include <string.h>

/* "name": that; "name*": what begins so. */
static bool is_it(const char *name, struct wire_span s)
{
	const size_t len = strlen(name);

	if (name[len - 1] == '*')
		return s.len >= len - 1 && memcmp(s.data, name, len - 1) == 0;
	return s.len == len && memcmp(s.data, name, len) == 0;
}

/* The one that it is, or NULL. */
static const char *which(const char *const *names, struct wire_span s)
{
	for (; *names; names++) {
		if (s.len && **names == *s.data && is_it(*names, s))
			return *names;
	}
	return NULL;
}

static bool one_of(const char *const *names, struct wire_span s)
{
	return which(names, s) != NULL;
}

bool names_shell(struct wire_span name)
{
	static const char *const names[] = { "sh",     "dash",	    "bash",   "rbash",	 "ash",
					     "zsh*",   "ksh*",	    "mksh*",  "csh",	 "tcsh",
					     "fish",   "busybox",   "toybox", "python*", "perl*",
					     "ruby*",  "php*",	    "lua*",   "node",	 "nodejs",
					     "tclsh*", "expect",    "awk",    "gawk",	 "mawk",
					     "nc",     "nc.*",	    "ncat",   "socat",	 "telnet",
					     "pwsh",   "osascript", NULL };

	return one_of(names, name);
}

bool names_server(struct wire_span path)
{
	static const char *const names[] = {
		"nginx",	 "apache2", "httpd",	"lighttpd",  "caddy",	"php-fpm*",
		"postgres",	 "mysqld",  "mariadbd", "mongod",    "vsftpd",	"proftpd",
		"redis-server",	 "smbd",    "named",	"exim4",     "squid",	"memcached",
		"valkey-server", "haproxy", "tomcat*",	"openresty", "dovecot", "fcgiwrap",
		"socat*",	 "ncat",    "nc",	"nc.*",	     NULL
	};
	/* Their parts have names that mean other things too: local, pipe, script. */
	static const char *const parts[] = { "/usr/lib/postfix/*", "/usr/libexec/postfix/*",
					     "/usr/lib/dovecot/*", "/usr/libexec/dovecot/*", NULL };

	return one_of(names, wire_basename(path)) || one_of(parts, path);
}

bool names_runtime(struct wire_span name)
{
	static const char *const names[] = { "java",	  "node",   "nodejs", "python*",
					     "ruby*",	  "php*",   "dotnet", "beam.smp",
					     "gunicorn*", "uwsgi*", NULL };

	return one_of(names, name);
}

bool names_container(struct wire_span name)
{
	static const char *const names[] = { "containerd*", "dockerd", "docker*",   "podman",
					     "conmon*",	    "crio",    "runc",	    "crun",
					     "youki",	    "kubelet", "buildkitd", "lxc*",
					     NULL };

	return one_of(names, name);
}

bool names_discovery(struct wire_span name)
{
	static const char *const names[] = {
		"id",	       "whoami", "who",	     "w",     "last",	  "uname",   "hostname",
		"hostnamectl", "ip",	 "ifconfig", "route", "arp",	  "ss",	     "netstat",
		"ps",	       "lsof",	 "mount",    "df",    "lsblk",	  "lscpu",   "dmidecode",
		"lsmod",       "getent", "groups",   "env",   "printenv", "crontab", NULL
	};

	return one_of(names, name);
}

bool names_kernel_comm(struct wire_span comm)
{
	static const char *const names[] = { "kworker/*",   "ksoftirqd/*",   "kthreadd",
					     "migration/*", "rcu_*",	     "kswapd*",
					     "kdevtmpfs",   "khugepaged",    "kauditd",
					     "irq/*",	    "kcompactd*",    "jbd2/*",
					     "scsi_eh_*",   "scsi_tmf_*",    "cpuhp/*",
					     "kblockd",	    "writeback",     "kintegrityd",
					     "khungtaskd",  "oom_reaper",    "idle_inject/*",
					     "kthrotld",    "mm_percpu_wq",  "rcub/*",
					     "rcuc/*",	    "rcuog/*",	     "rcuop/*",
					     "ksmd",	    "ext4-rsv-con*", "nvme-wq*",
					     NULL };

	return one_of(names, comm);
}

/* No file name holds a '/', and some of these words mean other things too. */
bool names_kernel_file(struct wire_span name)
{
	static const char *const names[] = { "kworker*",   "ksoftirqd*",  "kthreadd", "kswapd*",
					     "kdevtmpfs",  "khugepaged*", "kauditd",  "kcompactd*",
					     "scsi_eh_*",  "scsi_tmf_*",  "kblockd",  "khungtaskd",
					     "oom_reaper", "kintegrityd", NULL };

	return one_of(names, name);
}

struct wire_span names_undeleted(struct wire_span path)
{
	static const char deleted[] = " (deleted)";
	const size_t len = sizeof(deleted) - 1;

	if (path.len > len && memcmp(path.data + path.len - len, deleted, len) == 0)
		path.len -= len;
	return path;
}

/* What is not shown by ls: who hides, and builds. */
static bool is_hidden(struct wire_span name)
{
	return name.len > 1 && *name.data == '.' && (name.len > 2 || name.data[1] != '.');
}

/*
 * below: what stands behind a directory that all may write into. Further down builds have names of
 * this kind (pkg/.libs/prog, node_modules/.bin/tool), and some are made right there.
 */
static bool is_out_of_sight(struct wire_span below)
{
	static const char *const made[] = { ".libs", ".bin", ".git",  ".venv",
					    ".tox",  ".nox", ".tmp*", NULL };
	const struct wire_span name = wire_basename(below);
	const char *slash = memchr(below.data, '/', below.len);
	const struct wire_span first = { below.data,
					 slash ? (size_t)(slash - below.data) : below.len };

	return is_hidden(name) || (is_hidden(first) && !one_of(made, first));
}

enum place names_place(struct wire_span path)
{
	/* k3s, rke2 and k0s unpack their own runc; beside it lie volumes that containers write. */
	static const char *const systems[] = { "/usr/*",
					       "/bin/*",
					       "/sbin/*",
					       "/lib*",
					       "/opt/*",
					       "/snap/*",
					       "/nix/*",
					       "/gnu/*",
					       "/var/lib/rancher/k3s/data/*",
					       "/var/lib/rancher/rke2/data/*",
					       "/var/lib/k0s/bin/*",
					       NULL };
	static const char *const writable[] = { "/tmp/*",      "/var/tmp/*",  "/run/shm/*",
						"/var/lock/*", "/run/lock/*", "/var/crash/*",
						NULL };
	static const char *const shm[] = { "/dev/shm/*", "/run/shm/*", "/dev/mqueue/*", NULL };
	const char *top;

	if (one_of(shm, path))
		return PLACE_HIDDEN;
	top = which(writable, path);
	if (top) {
		path.data += strlen(top) - 1;
		path.len -= strlen(top) - 1;
		return is_out_of_sight(path) ? PLACE_HIDDEN : PLACE_WRITABLE;
	}
	return one_of(systems, path) && !memmem(path.data, path.len, "/../", 4) ? PLACE_SYSTEM
										: PLACE_OTHER;
}

static bool is_part(struct wire_span part, const char *name)
{
	return part.len == strlen(name) && memcmp(part.data, name, part.len) == 0;
}

/* The part that ends there; gives where it begins, behind its slash. */
static size_t part_before(const char *path, size_t end)
{
	while (end > 0 && path[end - 1] != '/')
		end--;
	return end;
}

/* "/proc/self/root" leads to where one was. */
static bool is_way_to_root(const char *path, size_t len)
{
	const size_t root = part_before(path, len);
	const size_t who = root ? part_before(path, root - 1) : 0;

	return who == 6 && memcmp(path, "/proc/", 6) == 0 && len - root == 4 &&
	       memcmp(path + root, "root", 4) == 0;
}

struct wire_span names_plain(struct wire_span path, char *room, size_t n)
{
	const struct wire_span none = { "", 0 };
	const char *end = path.data + path.len, *at = path.data;
	size_t len = 0;

	if (!path.len || *at != '/')
		return none;
	while (at < end) {
		const char *next = memchr(at, '/', (size_t)(end - at));
		const struct wire_span part = { at, (size_t)((next ? next : end) - at) };

		at = next ? next + 1 : end;
		if (!part.len || is_part(part, "."))
			continue;
		if (is_part(part, "..")) {
			len = part_before(room, len);
			len -= len > 0;
			continue;
		}
		if (len + 1 + part.len > n)
			return none;
		room[len++] = '/';
		memcpy(room + len, part.data, part.len);
		len += part.len;
		if (is_way_to_root(room, len))
			len = 0;
	}
	return (struct wire_span){ room, len };
}

bool names_descriptor(struct wire_span path)
{
	static const char *const places[] = { "/dev/fd/*", "/proc/*", NULL };
	const struct wire_span number = wire_basename(path);
	size_t before = path.len - number.len;

	if (is_part(path, "/dev/stdin"))
		return true;
	for (size_t i = 0; i < number.len; i++) {
		if (number.data[i] < '0' || number.data[i] > '9')
			return false;
	}
	return number.len && before >= 4 && memcmp(path.data + before - 4, "/fd/", 4) == 0 &&
	       one_of(places, path);
}
