/* SPDX-License-Identifier: MIT */
/* What the host's own files say of names: the client opens none. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "analyze/client_private.h"

#define HOSTS "/etc/hosts"
#define RESOLV_CONF "/etc/resolv.conf"
#define ADDRESSES 8
#define LINES_MAX 200000 /* of a file of hosts: there are block lists of that size */
#define SPACE " \t\r\n"

static bool is_address(const char *text)
{
	unsigned char any[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, any) == 1 || inet_pton(AF_INET6, text, any) == 1;
}

bool client_is_loopback(const char *name)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, name, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcasecmp(name, "localhost") == 0;
}

/* Cuts the line at '#'. false: no line. One that is too long has its first words looked at. */
static bool next_line(FILE *f, char *line, int size)
{
	char rest[256];
	bool whole;

	if (!fgets(line, size, f))
		return false;
	whole = strchr(line, '\n') != NULL;
	while (!whole && fgets(rest, sizeof(rest), f))
		whole = strchr(rest, '\n') != NULL;
	line[strcspn(line, "#")] = '\0';
	return true;
}

static bool names_host(char *names, const char *name)
{
	char *save = NULL;

	for (char *one = strtok_r(names, SPACE, &save); one; one = strtok_r(NULL, SPACE, &save))
		if (strcasecmp(one, name) == 0)
			return true;
	return false;
}

static void read_hosts(const char *path, const char *name, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char line[4096], *save;
	int found = 0;

	for (int i = 0; f && i < LINES_MAX && found < ADDRESSES; i++) {
		const char *address;

		if (!next_line(f, line, sizeof(line)))
			break;
		address = strtok_r(line, SPACE, &save);
		if (address && is_address(address) && names_host(save, name))
			buf_addf(out, "%s%s", found++ ? "," : "", address);
	}
	if (f)
		fclose(f);
}

static void read_servers(struct client_where *w, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[1024], *save;

	w->n_servers = 0;
	while (f && w->n_servers < CLIENT_SERVERS && next_line(f, line, sizeof(line))) {
		const char *word = strtok_r(line, SPACE, &save);
		const char *address = word ? strtok_r(NULL, SPACE, &save) : NULL;

		if (address && strcmp(word, "nameserver") == 0 && is_address(address))
			snprintf(w->server[w->n_servers++], sizeof(w->server[0]), "%s", address);
	}
	if (f)
		fclose(f);
	if (w->n_servers == 0) /* as resolv.conf(5) has it */
		snprintf(w->server[w->n_servers++], sizeof(w->server[0]), "127.0.0.1");
}

int client_names_read(struct client_where *w, const char *hosts, const char *resolv_conf)
{
	struct buf address = { 0 };
	char *text;

	if (is_address(w->name))
		buf_adds(&address, w->name);
	else if (client_is_loopback(
			 w->name)) /* whatever a file says: plain http is allowed there */
		buf_adds(&address, "127.0.0.1,::1");
	else
		read_hosts(hosts, w->name, &address);
	text = buf_steal(&address);
	if (!text)
		return -ENOMEM;
	free(w->address);
	w->address = text;
	read_servers(w, resolv_conf);
	return 0;
}

int client_where_names(struct client_where *w)
{
	return client_names_read(w, HOSTS, RESOLV_CONF);
}
