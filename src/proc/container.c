/* SPDX-License-Identifier: MIT */
/*
 * Container ids out of cgroup paths, by one table of what each runtime calls its directories.
 *
 * The first directory from the root that matches counts: it is the one that a runtime of the host
 * made. What is below it may belong to whoever is inside, who could name a directory as another
 * container's to blame that one. So docker inside an LXC container gives the LXC container.
 *
 * A name alone proves nothing: a user to whom systemd has given a part of the tree can make a
 * directory of any name in it. The rules are therefore as narrow as the runtimes allow.
 */
#include <string.h>

#include "proc/proc.h"

enum id_form {
	ID_HEX,	 /* at least `min` lower-case hexadecimal digits and nothing else */
	ID_UNIT, /* a machine's name as systemd escapes it in a unit's name, systemd.unit(5) */
	ID_INST, /* the same, written by hand: people leave a '-' as it is */
	ID_LXC,	 /* an LXC container's name */
	ID_POD,	 /* digits as ID_HEX, but of a group of containers: what counts is below */
};

struct rule {
	const char *prefix; /* what stands before the id in the directory's name */
	const char *suffix; /* and behind */
	const char *parent; /* name of the directory above, "" for any */
	enum id_form form;
	unsigned min;
};

/* Monitors (conmon, lxc.monitor, an nspawn supervisor) stand beside their container, not in it. */
static const struct rule rules[] = {
	/* docker with the systemd driver: moby daemon/oci_linux.go, scopePrefix "docker" */
	{ "docker-", ".scope", "", ID_HEX, 64 },
	/* podman: libpod/container_internal_linux.go (scope), oci_conmon.go ("split": payload) */
	{ "libpod-", ".scope", "", ID_HEX, 64 },
	{ "libpod-payload-", "", "", ID_HEX, 64 },
	{ "libpod-", "", "", ID_HEX, 64 },
	{ "", "", "libpod_parent", ID_POD, 64 },
	/* cri-o: internal/config/cgmgr, CrioPrefix "crio"; with and without systemd */
	{ "crio-", ".scope", "", ID_HEX, 64 },
	{ "crio-", "", "", ID_HEX, 64 },
	/*
	 * containerd under kubernetes: pkg/cri, "slice:cri-containerd:id" given to runc's systemd
	 * driver
	 */
	{ "cri-containerd-", ".scope", "", ID_HEX, 32 },
	/* nerdctl: pkg/cmd/container/run_cgroup_linux.go */
	{ "nerdctl-", ".scope", "", ID_HEX, 64 },
	/* systemd-nspawn and machined: src/machine/machine-dbus.c, "machine-" NAME ".scope" */
	{ "machine-", ".scope", "machine.slice", ID_UNIT, 1 },
	{ "systemd-nspawn@", ".service", "machine.slice", ID_INST, 1 },
	/* lxc 4: src/lxc/cgroups/cgroup_utils.h; lxc 3.1: a directory of its own; before: "lxc" */
	{ "lxc.payload.", "", "", ID_LXC, 1 },
	{ "", "", "lxc.payload", ID_LXC, 1 },
	{ "", "", "lxc", ID_LXC, 1 },
	/* cgroupfs drivers: docker ("/docker/ID", --cgroup-parent), containerd ("/NAMESPACE/ID"),
	 * kubernetes ("/kubepods/QOS/podUID/ID"): the id alone, below whatever the owner likes */
	{ "", "", "", ID_HEX, 64 },
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_name_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '.' || c == '-';
}

static bool all(struct wire_span s, bool (*is)(char))
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!is(s.data[i]))
			return false;
	return true;
}

/* Letters, digits, ":_." and \xHH for the rest; a '-' stands for a '/', which no name has. */
static bool is_unit_name(struct wire_span s, bool dash)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.data[i] == '\\') {
			if (s.len - i < 4 || s.data[i + 1] != 'x' || !is_hex(s.data[i + 2]) ||
			    !is_hex(s.data[i + 3]))
				return false;
			i += 3;
		} else if (s.data[i] == '-') {
			if (!dash)
				return false;
		} else if (!is_name_char(s.data[i]) && s.data[i] != ':') {
			return false;
		}
	}
	return true;
}

static bool begins(struct wire_span s, const char *with)
{
	const size_t len = strlen(with);

	return s.len >= len && memcmp(s.data, with, len) == 0;
}

static bool ends(struct wire_span s, const char *with)
{
	const size_t len = strlen(with);

	return s.len >= len && memcmp(s.data + s.len - len, with, len) == 0;
}

static bool equals(struct wire_span s, const char *with)
{
	return s.len == strlen(with) && begins(s, with);
}

static bool id_fits(struct wire_span id, const struct rule *r)
{
	if (id.len < r->min)
		return false;
	switch (r->form) {
	case ID_HEX:
	case ID_POD:
		return id.len <= 64 && all(id, is_hex);
	case ID_UNIT:
	case ID_INST:
		/* machined has virtual machines too; libvirt's are called "qemu-N-NAME". */
		return id.len <= 255 && is_unit_name(id, r->form == ID_INST) &&
		       !begins(id, "qemu\\x2d");
	case ID_LXC:
		return id.len <= 255 && all(id, is_name_char) && id.data[0] != '.';
	}
	return false;
}

static bool match(struct wire_span name, struct wire_span parent, const struct rule *r,
		  struct wire_span *id)
{
	const size_t prefix = strlen(r->prefix), suffix = strlen(r->suffix);

	if (!begins(name, r->prefix) || !ends(name, r->suffix) || name.len < prefix + suffix)
		return false;
	if (*r->parent && !equals(parent, r->parent))
		return false;
	id->data = name.data + prefix;
	id->len = name.len - prefix - suffix;
	return id_fits(*id, r);
}

/*
 * "SLICE:PREFIX:ID" as one directory: what runc's cgroupfs driver makes of a path that was meant
 * for its systemd driver (seen with containerd as
 * "kubepods-besteffort-podUID.slice:cri-containerd:ID").
 */
static bool match_colons(struct wire_span name, struct wire_span *id)
{
	const char *colon = memrchr(name.data, ':', name.len);
	size_t before;

	if (!colon)
		return false;
	before = (size_t)(colon - name.data);
	if (!memchr(name.data, ':', before))
		return false;
	id->data = colon + 1;
	id->len = name.len - before - 1;
	return id->len == 64 && all(*id, is_hex);
}

/* Takes the next directory's name off a path. */
static bool next_name(struct wire_span *rest, struct wire_span *name)
{
	const char *slash;

	while (rest->len && *rest->data == '/') {
		rest->data++;
		rest->len--;
	}
	if (rest->len == 0)
		return false;
	slash = memchr(rest->data, '/', rest->len);
	name->data = rest->data;
	name->len = slash ? (size_t)(slash - rest->data) : rest->len;
	rest->data += name->len;
	rest->len -= name->len;
	return true;
}

/*
 * nspawn itself sits in "supervisor" beside its container's "payload" (systemd
 * docs/CGROUP_DELEGATION.md).
 */
static bool is_supervisor(const struct rule *r, struct wire_span below)
{
	struct wire_span name;

	return (r->form == ID_UNIT || r->form == ID_INST) && next_name(&below, &name) &&
	       equals(name, "supervisor");
}

static const struct rule *find_rule(struct wire_span name, struct wire_span parent,
				    struct wire_span *id)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (match(name, parent, &rules[i], id))
			return &rules[i];
	return NULL;
}

struct wire_span proc_container_id(const char *path, size_t len)
{
	const struct wire_span none = { path, 0 };
	struct wire_span rest = { path, len }, parent = none, name, id;
	const struct rule *r;

	for (; next_name(&rest, &name); parent = name) {
		r = find_rule(name, parent, &id);
		if (r && r->form != ID_POD)
			return is_supervisor(r, rest) ? none : id;
		if (!r && match_colons(name, &id))
			return id;
	}
	return none;
}
