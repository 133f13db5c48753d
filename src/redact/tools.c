/* SPDX-License-Identifier: MIT */
/* Which commands have habits, and which. */
#include <stdlib.h>
#include <string.h>

#include "redact/habits.h"

static const struct habit mysql[] = {
	{ "-p", JOINED, PART_ALL },
	{ "password", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit sshpass[] = {
	{ "-p", NEXT | JOINED | BUNDLE, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit curl[] = {
	{ "-u", NEXT | JOINED | BUNDLE, PART_COLON },
	{ "--user", NEXT | JOINED, PART_COLON },
	{ "-U", NEXT | JOINED | BUNDLE, PART_COLON },
	{ "--proxy-user", NEXT | JOINED, PART_COLON },
	{ "-E", NEXT | JOINED, PART_COLON },
	{ "--cert", NEXT | JOINED, PART_COLON },
	{ "-b", NEXT | JOINED | BUNDLE, PART_COOKIE },
	{ "--cookie", NEXT | JOINED, PART_COOKIE },
	{ "-x", NEXT | JOINED | BUNDLE, PART_HOST },
	{ "--proxy", NEXT | JOINED, PART_HOST },
	{ "--preproxy", NEXT | JOINED, PART_HOST },
	{ "--url", NEXT | JOINED, PART_HOST },
	{ "-d", NEXT | BUNDLE, PART_NONE },
	{ "--data", NEXT, PART_NONE },
	{ "--data-raw", NEXT, PART_NONE },
	{ "--data-binary", NEXT, PART_NONE },
	{ "--data-urlencode", NEXT, PART_NONE },
	{ "--json", NEXT, PART_NONE },
	{ "-F", NEXT | BUNDLE, PART_NONE },
	{ "--form", NEXT, PART_NONE },
	{ "-H", NEXT | BUNDLE, PART_NONE },
	{ "--header", NEXT, PART_NONE },
	{ "-A", NEXT | BUNDLE, PART_NONE },
	{ "-e", NEXT | BUNDLE, PART_NONE },
	{ "", JOINED, PART_HOST },
	{ NULL, 0, 0 },
};
static const struct habit openssl[] = {
	{ "-pass", NEXT, PART_LABEL },	  { "-passin", NEXT, PART_LABEL },
	{ "-passout", NEXT, PART_LABEL }, { "-macopt", NEXT, PART_LABEL },
	{ "-kdfopt", NEXT, PART_LABEL },  { "-pkeyopt", NEXT, PART_LABEL },
	{ "-hmac", NEXT, PART_ALL },	  { "-k", NEXT, PART_ALL },
	{ "-K", NEXT, PART_ALL },	  { "-salt", NEXT, PART_NONE },
	{ "-in", NEXT, PART_NONE },	  { NULL, 0, 0 },
};
static const struct habit redis[] = {
	{ "-a", NEXT, PART_ALL },
	{ "AUTH", NEXT | WORD | REST, PART_ALL },
	{ "requirepass", NEXT, PART_ALL },
	{ "masterauth", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit p_next[] = {
	{ "-p", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit login[] = {
	{ "-p", NEXT | JOINED | EQUALS | LOGIN, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit smb[] = {
	{ "-U", NEXT | JOINED, PART_PERCENT },
	{ "--user", NEXT | JOINED, PART_PERCENT },
	{ "-a", NEXT, PART_PERCENT },
	{ NULL, 0, 0 },
};
static const struct habit net[] = {
	{ "-U", NEXT | JOINED, PART_PERCENT },
	{ "--user", NEXT | JOINED, PART_PERCENT },
	{ NULL, 0, 0 },
};
static const struct habit ldap[] = {
	{ "-w", NEXT | JOINED, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit upper_p[] = {
	{ "-P", NEXT | JOINED, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit archive[] = {
	{ "-p", JOINED, PART_ALL },
	{ "-hp", JOINED, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit rdp[] = {
	{ "/p:", JOINED, PART_ALL },
	{ "/gp:", JOINED, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit snmp[] = {
	{ "-A", NEXT, PART_ALL },
	{ "-X", NEXT, PART_ALL },
	{ "-c", NEXT | JOINED, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit sqlplus[] = {
	{ "", JOINED, PART_SLASH },
	{ NULL, 0, 0 },
};
static const struct habit etcd[] = {
	{ "--user", NEXT | JOINED, PART_COLON },
	{ NULL, 0, 0 },
};
static const struct habit lftp[] = {
	{ "-u", NEXT | JOINED, PART_COMMA },
	{ NULL, 0, 0 },
};
static const struct habit keygen[] = {
	{ "-N", NEXT, PART_ALL },
	{ "-P", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit putty[] = {
	{ "-pw", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit nmcli[] = {
	{ "wifi-sec.wep-key0", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit httpie[] = {
	{ "-a", NEXT | JOINED, PART_COLON },
	{ "--auth", NEXT | JOINED, PART_COLON },
	{ NULL, 0, 0 },
};
static const struct habit zip[] = {
	{ "-P", NEXT | JOINED | BUNDLE, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit p_joined[] = {
	{ "-p", NEXT | JOINED, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit kadmin[] = {
	{ "-w", NEXT, PART_ALL },
	{ "-pw", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit upper_k[] = {
	{ "-K", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit small_s[] = {
	{ "-s", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit small_k[] = {
	{ "-k", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit next_word[] = {
	{ "login", NEXT | WORD, PART_ALL },
	{ "obscure", NEXT | WORD, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit rabbitmq[] = {
	{ "add_user", NEXT | LATER, PART_ALL },
	{ "change_password", NEXT | LATER, PART_ALL },
	{ "authenticate_user", NEXT | LATER, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit samba[] = {
	{ "-U", NEXT | JOINED, PART_PERCENT },
	{ "create", NEXT | WORD | LATER, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit mail[] = {
	{ "-xp", NEXT, PART_ALL },
	{ "-ap", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
static const struct habit pdf[] = {
	{ "-upw", NEXT, PART_ALL },
	{ "-opw", NEXT, PART_ALL },
	{ NULL, 0, 0 },
};
/* A user may be called as a command is. */
static const struct habit as_user[] = {
	{ "-u", NEXT, PART_NONE },     { "-g", NEXT, PART_NONE },      { "-l", NEXT, PART_NONE },
	{ "--user", NEXT, PART_NONE }, { "--group", NEXT, PART_NONE }, { NULL, 0, 0 },
};

/* In the order of strcmp(): a test looks. */
static const struct tool tools[] = {
	{ "7z", archive, 0 },
	{ "7za", archive, 0 },
	{ "7zr", archive, 0 },
	{ "7zz", archive, 0 },
	{ "addprinc", kadmin, 0 },
	{ "ank", kadmin, 0 },
	{ "ansible", NULL, T_WRAPS },
	{ "arangosh", p_next, 0 },
	{ "ash", NULL, T_SHELL | T_WRAPS },
	{ "autossh", NULL, T_WRAPS },
	{ "aws", NULL, T_NAMED },
	{ "az", login, 0 },
	{ "bash", NULL, T_SHELL | T_WRAPS },
	{ "bcp", upper_p, 0 },
	{ "beeline", p_joined, 0 },
	{ "bloodhound-python", p_joined, 0 },
	{ "buildah", login, T_WRAPS },
	{ "builtin", NULL, T_WRAPS },
	{ "busybox", NULL, T_WRAPS | T_MANY },
	{ "bwrap", NULL, T_WRAPS },
	{ "catchsegv", NULL, T_WRAPS },
	{ "ccrypt", upper_k, 0 },
	{ "cf", login, 0 },
	{ "cgexec", NULL, T_WRAPS },
	{ "choom", NULL, T_WRAPS },
	{ "chpst", NULL, T_WRAPS },
	{ "chroot", NULL, T_WRAPS },
	{ "chrt", NULL, T_WRAPS },
	{ "command", NULL, T_WRAPS },
	{ "coproc", NULL, T_WRAPS },
	{ "couchbase-cli", p_next, 0 },
	{ "cpulimit", NULL, T_WRAPS },
	{ "cpw", kadmin, 0 },
	{ "cqlsh", p_next, 0 },
	{ "crackmapexec", p_joined, 0 },
	{ "crictl", NULL, T_WRAPS },
	{ "csh", NULL, T_SHELL | T_WRAPS },
	{ "ctr", NULL, T_WRAPS },
	{ "curl", curl, 0 },
	{ "dash", NULL, T_SHELL | T_WRAPS },
	{ "doas", as_user, T_WRAPS },
	{ "docker", login, T_WRAPS },
	{ "docker-compose", NULL, T_WRAPS },
	{ "dotnet", small_k, 0 },
	{ "dumb-init", NULL, T_WRAPS },
	{ "entr", NULL, T_WRAPS },
	{ "env", NULL, T_WRAPS },
	{ "etcdctl", etcd, 0 },
	{ "eval", NULL, T_WRAPS },
	{ "evil-winrm", p_joined, 0 },
	{ "exec", NULL, T_WRAPS },
	{ "expdp", sqlplus, 0 },
	{ "expect", NULL, T_SHELL | T_WRAPS },
	{ "fakeroot", NULL, T_WRAPS },
	{ "faketime", NULL, T_WRAPS },
	{ "fd", NULL, T_EXEC },
	{ "fdfind", NULL, T_EXEC },
	{ "find", NULL, T_EXEC },
	{ "firejail", NULL, T_WRAPS },
	{ "fish", NULL, T_SHELL | T_WRAPS },
	{ "flock", NULL, T_WRAPS },
	{ "gcloud", NULL, T_NAMED },
	{ "gdb", NULL, T_WRAPS },
	{ "gfind", NULL, T_EXEC },
	{ "gosu", NULL, T_WRAPS },
	{ "heaptrack", NULL, T_WRAPS },
	{ "helm", login, 0 },
	{ "htpasswd", NULL, T_LAST_OF_BATCH },
	{ "http", httpie, 0 },
	{ "https", httpie, 0 },
	{ "hydra", p_joined, 0 },
	{ "impdp", sqlplus, 0 },
	{ "influxd", p_next, 0 },
	{ "innobackupex", mysql, 0 },
	{ "ionice", NULL, T_WRAPS },
	{ "ip", NULL, T_WRAPS },
	{ "ipmitool", upper_p, 0 },
	{ "isql", upper_p, 0 },
	{ "kadmin", kadmin, T_WRAPS },
	{ "kadmin.local", kadmin, T_WRAPS },
	{ "keydb-cli", redis, 0 },
	{ "kitty", putty, 0 },
	{ "ksh", NULL, T_SHELL | T_WRAPS },
	{ "kubectl", NULL, T_WRAPS },
	{ "ldapadd", ldap, 0 },
	{ "ldapcompare", ldap, 0 },
	{ "ldapdelete", ldap, 0 },
	{ "ldapexop", ldap, 0 },
	{ "ldapmodify", ldap, 0 },
	{ "ldapmodrdn", ldap, 0 },
	{ "ldappasswd", ldap, 0 },
	{ "ldapsearch", ldap, 0 },
	{ "ldapwhoami", ldap, 0 },
	{ "lftp", lftp, 0 },
	{ "lksh", NULL, T_SHELL | T_WRAPS },
	{ "lldb", NULL, T_WRAPS },
	{ "ltrace", NULL, T_WRAPS },
	{ "lxc", NULL, T_WRAPS },
	{ "lxc-attach", NULL, T_WRAPS },
	{ "machinectl", NULL, T_WRAPS },
	{ "mariabackup", mysql, 0 },
	{ "mariadb", mysql, 0 },
	{ "mariadb-admin", mysql, 0 },
	{ "mariadb-dump", mysql, 0 },
	{ "medusa", p_joined, 0 },
	{ "mksh", NULL, T_SHELL | T_WRAPS },
	{ "mongo", p_next, 0 },
	{ "mongodump", p_next, 0 },
	{ "mongoexport", p_next, 0 },
	{ "mongoimport", p_next, 0 },
	{ "mongorestore", p_next, 0 },
	{ "mongosh", p_next, 0 },
	{ "mongostat", p_next, 0 },
	{ "mosh", NULL, T_WRAPS },
	{ "mosquitto_passwd", NULL, T_LAST_OF_BATCH },
	{ "mosquitto_pub", upper_p, 0 },
	{ "mosquitto_rr", upper_p, 0 },
	{ "mosquitto_sub", upper_p, 0 },
	{ "mysql", mysql, 0 },
	{ "mysqladmin", mysql, 0 },
	{ "mysqlbinlog", mysql, 0 },
	{ "mysqlcheck", mysql, 0 },
	{ "mysqldump", mysql, 0 },
	{ "mysqlimport", mysql, 0 },
	{ "mysqlsh", mysql, 0 },
	{ "mysqlshow", mysql, 0 },
	{ "mysqlslap", mysql, 0 },
	{ "mytop", mysql, 0 },
	{ "ncftpget", p_joined, 0 },
	{ "ncftpput", p_joined, 0 },
	{ "nerdctl", login, T_WRAPS },
	{ "net", net, T_NET_USE },
	{ "netexec", p_joined, 0 },
	{ "nice", NULL, T_WRAPS },
	{ "nmcli", nmcli, T_NAMED },
	{ "nohup", NULL, T_WRAPS },
	{ "nsenter", NULL, T_WRAPS },
	{ "numactl", NULL, T_WRAPS },
	{ "nxc", p_joined, 0 },
	{ "oc", login, 0 },
	{ "oksh", NULL, T_SHELL | T_WRAPS },
	{ "openssl", openssl, T_PASSWD },
	{ "osql", upper_p, 0 },
	{ "parallel", NULL, T_WRAPS },
	{ "pdftoppm", pdf, 0 },
	{ "pdftotext", pdf, 0 },
	{ "pdsh", NULL, T_WRAPS },
	{ "perf", NULL, T_WRAPS },
	{ "pkexec", as_user, T_WRAPS },
	{ "plink", putty, 0 },
	{ "podman", login, T_WRAPS },
	{ "podman-compose", NULL, T_WRAPS },
	{ "posh", NULL, T_SHELL | T_WRAPS },
	{ "prlimit", NULL, T_WRAPS },
	{ "proot", NULL, T_WRAPS },
	{ "proxychains", NULL, T_WRAPS },
	{ "proxychains4", NULL, T_WRAPS },
	{ "pscp", putty, 0 },
	{ "psftp", putty, 0 },
	{ "putty", putty, 0 },
	{ "rabbitmqctl", rabbitmq, 0 },
	{ "rar", archive, 0 },
	{ "rbash", NULL, T_SHELL | T_WRAPS },
	{ "rclone", next_word, T_NAMED },
	{ "rdesktop", p_next, 0 },
	{ "redis-cli", redis, 0 },
	{ "rman", sqlplus, 0 },
	{ "rpcclient", smb, 0 },
	{ "rsh", NULL, T_WRAPS },
	{ "run0", as_user, T_WRAPS },
	{ "runc", NULL, T_WRAPS },
	{ "runcon", NULL, T_WRAPS },
	{ "runuser", as_user, T_SHELL | T_WRAPS },
	{ "s6-setuidgid", NULL, T_WRAPS },
	{ "samba-tool", samba, 0 },
	{ "screen", NULL, T_WRAPS },
	{ "script", NULL, T_WRAPS },
	{ "sendemail", mail, 0 },
	{ "setarch", NULL, T_WRAPS },
	{ "setpriv", NULL, T_WRAPS },
	{ "setsid", NULL, T_WRAPS },
	{ "sg", NULL, T_SHELL | T_LINES },
	{ "sh", NULL, T_SHELL | T_WRAPS },
	{ "skopeo", login, T_WRAPS },
	{ "slappasswd", small_s, 0 },
	{ "smbcacls", smb, 0 },
	{ "smbclient", smb, 0 },
	{ "smbget", smb, 0 },
	{ "smbmap", smb, 0 },
	{ "smbtree", smb, 0 },
	{ "snmpbulkget", snmp, 0 },
	{ "snmpbulkwalk", snmp, 0 },
	{ "snmpget", snmp, 0 },
	{ "snmpgetnext", snmp, 0 },
	{ "snmpinform", snmp, 0 },
	{ "snmpset", snmp, 0 },
	{ "snmpstatus", snmp, 0 },
	{ "snmptable", snmp, 0 },
	{ "snmptest", snmp, 0 },
	{ "snmptrap", snmp, 0 },
	{ "snmpusm", snmp, 0 },
	{ "snmpwalk", snmp, 0 },
	{ "spawn", NULL, T_WRAPS },
	{ "sqlcmd", upper_p, 0 },
	{ "sqlldr", sqlplus, 0 },
	{ "sqlplus", sqlplus, 0 },
	{ "ssh", NULL, T_WRAPS },
	{ "ssh-keygen", keygen, 0 },
	{ "sshpass", sshpass, T_WRAPS },
	{ "start-stop-daemon", NULL, T_WRAPS },
	{ "stdbuf", NULL, T_WRAPS },
	{ "strace", NULL, T_WRAPS },
	{ "su", NULL, T_SHELL | T_LINES },
	{ "su-exec", NULL, T_WRAPS },
	{ "sudo", as_user, T_WRAPS },
	{ "swaks", mail, 0 },
	{ "systemd-run", as_user, T_WRAPS },
	{ "taskset", NULL, T_WRAPS },
	{ "tcsh", NULL, T_SHELL | T_WRAPS },
	{ "time", NULL, T_WRAPS },
	{ "timeout", NULL, T_WRAPS },
	{ "tini", NULL, T_WRAPS },
	{ "tmux", NULL, T_WRAPS },
	{ "torsocks", NULL, T_WRAPS },
	{ "toybox", NULL, T_WRAPS | T_MANY },
	{ "tsocks", NULL, T_WRAPS },
	{ "tsql", upper_p, 0 },
	{ "twine", p_next, 0 },
	{ "unbuffer", NULL, T_WRAPS },
	{ "unrar", archive, 0 },
	{ "unshare", NULL, T_WRAPS },
	{ "unzip", zip, 0 },
	{ "useradd", p_next, 0 },
	{ "usermod", p_next, 0 },
	{ "vagrant", NULL, T_WRAPS },
	{ "valgrind", NULL, T_WRAPS },
	{ "valkey-cli", redis, 0 },
	{ "vault", next_word, 0 },
	{ "vncdo", p_next, 0 },
	{ "watch", NULL, T_WRAPS },
	{ "wbinfo", smb, 0 },
	{ "wlfreerdp", rdp, 0 },
	{ "wlfreerdp3", rdp, 0 },
	{ "wpa_passphrase", NULL, T_SECOND },
	{ "xargs", NULL, T_WRAPS },
	{ "xfconf", p_next, 0 },
	{ "xfreerdp", rdp, 0 },
	{ "xfreerdp3", rdp, 0 },
	{ "xh", httpie, 0 },
	{ "xtrabackup", mysql, 0 },
	{ "yash", NULL, T_SHELL | T_WRAPS },
	{ "zip", zip, 0 },
	{ "zipcloak", zip, 0 },
	{ "zsh", NULL, T_SHELL | T_WRAPS },
};
#define N_TOOLS (sizeof(tools) / sizeof(tools[0]))
#define TOOL_NAME_MAX 24

static int compare(const void *name, const void *tool)
{
	return strcmp(name, ((const struct tool *)tool)->name);
}

static unsigned name_hash(const char *name, size_t len)
{
	return (unsigned char)name[0] * 131u + (unsigned char)name[len - 1] * 29u +
	       (unsigned char)name[len / 2] * 7u + (unsigned)len;
}

void tool_filter(struct redact *r)
{
	for (size_t i = 0; i < N_TOOLS; i++)
		filter_add(r->tool_filter, name_hash(tools[i].name, strlen(tools[i].name)));
}

static const struct tool *look_up(const struct redact *r, const char *name, size_t len)
{
	char text[TOOL_NAME_MAX];

	if (len == 0 || len >= sizeof(text) ||
	    !filter_may_have(r->tool_filter, name_hash(name, len)))
		return NULL;
	memcpy(text, name, len);
	text[len] = '\0';
	return bsearch(text, tools, N_TOOLS, sizeof(*tools), compare);
}

/* mysql-8.0, curl7, curl.real: up to where the name of the command ends. */
static size_t plain_length(const char *name, size_t len)
{
	static const struct {
		char last, text[10];
	} endings[] = { { 'l', ".real" }, { 'n', ".bin" }, { 'g', ".orig" }, { 'b', ".distrib" } };
	const char last = name[len - 1];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		const size_t n = last == endings[i].last ? strlen(endings[i].text) : len;

		if (len > n && !memcmp(name + len - n, endings[i].text, n))
			return len - n;
	}
	if (!is_digit(last))
		return len;
	while (len && (is_digit(name[len - 1]) || name[len - 1] == '.'))
		len--;
	return len - (len && name[len - 1] == '-');
}

const struct tool *tool_find(const struct redact *r, const char *path, size_t len)
{
	const struct tool *t;
	const char *name;
	size_t n = 0, plain;

	while (n < len && n < TOOL_NAME_MAX && path[len - 1 - n] != '/')
		n++;
	if (n == 0 || n == TOOL_NAME_MAX)
		return NULL;
	name = path + len - n;
	t = look_up(r, name, n);
	if (t)
		return t;
	plain = plain_length(name, n);
	return plain < n ? look_up(r, name, plain) : NULL;
}

/* Of a file, whose name says what runs, if that is one command only. */
const struct tool *tool_of_file(const struct redact *r, struct wire_span path)
{
	const struct tool *t = tool_find(r, path.data, path.len);

	return t && t->flags & T_MANY ? NULL : t;
}

unsigned tool_number(const struct tool *t)
{
	return t ? (unsigned)(t - tools) + 1 : 0;
}

bool tool_wraps(const struct command *c)
{
	return c->tool && (c->tool->flags & T_WRAPS || c->exec_due);
}

bool tool_takes_lines(const struct command *c)
{
	return c->tool && c->tool->flags & (T_WRAPS | T_LINES);
}

/* What a command within it ends at. */
const struct tool *tool_around(const struct command *c)
{
	return c->tool && c->tool->flags & T_EXEC ? c->tool : c->around;
}

bool tool_is_shell(const struct tool *t)
{
	return t && t->flags & T_SHELL;
}

const char *tool_name(size_t i)
{
	return i < N_TOOLS ? tools[i].name : NULL;
}
