/* SPDX-License-Identifier: MIT */
/* What decides each signal. */
#include "detect/decide.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "detect/names.h"
#include "util/hash.h"

#define S 1000000000ull
#define FAILED_MOST BURST_MOST
#define FAILED_WITHIN_NS (60 * S)
#define DISCOVERY_MOST 8
#define DISCOVERY_WITHIN_NS (120 * S)
#define ANCESTORS 4
#define FIRST_USER_ID 1000 /* of login.defs; below are the system's own */
#define DAY_NS (86400 * (edr_s64)S)

/* A record of that type; its size has been checked. */
#define AS(name) ((const struct edr_##name *)(const void *)l->rec)

edr_u64 decide_hash(const struct detect *d, struct wire_span s)
{
	return util_siphash13(s.data, s.len, d->cfg.key);
}

static struct wire_span exe_name(const struct proc_entry *e)
{
	return wire_basename(names_undeleted(decide_span(e->exe)));
}

/* ---- what runs ---- */

/*
 * Anybody may mount what he likes over /usr, in a user namespace of his own, and a container has
 * its own /usr. The ids are the host's, so that who calls himself root in there is not 0 here.
 */
static bool is_hosts_root(const struct proc_entry *e)
{
	return e && e->uid == 0 && e->euid == 0 && !*e->container;
}

/* A system's path as the host has it, when who may mount there is root. */
static bool is_system_path(const struct look *l)
{
	return names_place(l->exe) == PLACE_SYSTEM &&
	       !(l->rec->flags & (EDR_F_FOREIGN_MOUNT | EDR_F_IDS_INHERITED));
}

/*
 * A container's runtime runs itself from a copy in memory, so that the container cannot change it.
 */
static bool is_runtime_copy(const struct look *l)
{
	static const char copy[] = "/memfd:runc_cloned:/proc/self/exe";
	static const char other[] = "/memfd:crun_cloned:/proc/self/exe";
	const struct wire_span exe = names_undeleted(l->exe);

	if (exe.len != sizeof(copy) - 1 ||
	    (memcmp(exe.data, copy, exe.len) != 0 && memcmp(exe.data, other, exe.len) != 0))
		return false;
	return l->parent && names_container(exe_name(l->parent)) && is_hosts_root(l->parent) &&
	       names_place(decide_span(l->parent->exe)) == PLACE_SYSTEM;
}

/*
 * The flags are the interpreter's, for that is what runs; of the script there is its name as it was
 * given. Empty when it is no script, or the name is relative: to what is not in the record.
 */
static struct wire_span script_name(const struct look *l)
{
	const struct edr_exec *r = AS(exec);

	if (!(r->exec_flags & EDR_EXEC_SCRIPT))
		return (struct wire_span){ "", 0 };
	return names_plain(wire_str(r, r->filename), l->d->path, sizeof(l->d->path));
}

unsigned decide_memfd(struct look *l)
{
	if (AS(exec)->exec_flags & EDR_EXEC_MEMFD) {
		l->usual = is_runtime_copy(l);
		return 4;
	}
	if (!names_descriptor(script_name(l)))
		return 0;
	l->note = "a script given as an open file, so it may be a memfd or deleted";
	return 3;
}

unsigned decide_deleted(struct look *l)
{
	if ((AS(exec)->exec_flags & (EDR_EXEC_DELETED | EDR_EXEC_MEMFD)) != EDR_EXEC_DELETED)
		return 0;
	/* A package was upgraded, and what runs starts itself again. */
	if (!is_system_path(l))
		return 4;
	l->usual = is_hosts_root(l->who);
	if (!l->usual)
		l->note = "not by root of the host, so the path may be made up";
	return 3;
}

unsigned decide_writable_dir(struct look *l)
{
	const struct edr_exec *r = AS(exec);
	struct wire_span path = l->exe;
	enum place place = names_place(path);

	if (place < PLACE_WRITABLE) {
		path = script_name(l);
		place = names_place(path);
	}
	if (place < PLACE_WRITABLE)
		return 0;
	/* The directories before it are made up anew each time by who unpacks and builds there. */
	l->subject = wire_basename(path);
	if (r->hdr.flags & EDR_F_FOREIGN_MOUNT) {
		l->note = "in another mount namespace";
		return 2;
	}
	return place == PLACE_HIDDEN ? 3 : 2;
}

/* What ps does not show, or nobody sees there. */
static bool is_unseen(char c)
{
	return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f;
}

/* "[" is a program, and no kernel thread. */
static bool is_bracketed(struct wire_span arg)
{
	while (arg.len && is_unseen(arg.data[0])) {
		arg.data++;
		arg.len--;
	}
	while (arg.len && is_unseen(arg.data[arg.len - 1]))
		arg.len--;
	return arg.len > 2 && arg.data[0] == '[' && arg.data[arg.len - 1] == ']';
}

unsigned decide_kernel_name(struct look *l)
{
	const struct edr_exec *r = AS(exec);
	struct wire_span rest = wire_str(r, r->argv), arg;

	if (r->hdr.flags & EDR_F_KTHREAD)
		return 0;
	if (wire_next_arg(&rest, &arg) && is_bracketed(arg))
		return 4;
	return names_kernel_file(wire_basename(wire_str(r, r->filename))) ? 4 : 0;
}

/* Who renamed itself, which is no event: the next one shows it. */
unsigned decide_kernel_comm(struct look *l)
{
	const char *comm = l->rec->type == EDR_FORK	 ? AS(fork)->comm
			   : l->rec->type == EDR_CONNECT ? AS(connect)->comm
							 : AS(exit)->comm;

	if (l->rec->flags & EDR_F_KTHREAD || !l->exe.len)
		return 0;
	return names_kernel_comm((struct wire_span){ comm, strnlen(comm, sizeof(edr_comm)) }) ? 4
											      : 0;
}

/* ---- who runs it ---- */

/*
 * A service's own process, not what an administrator started. Those of root administrate:
 * unattended-upgrades, fail2ban, cloud-init. In a container everything serves, and root is usual;
 * but where it has services of its own it is a system like the host.
 */
static bool is_service(const struct proc_entry *e, edr_u32 uid)
{
	const size_t len = strlen(e->cgroup);

	if (strstr(e->cgroup, "/system.slice/") && len > 8 &&
	    strcmp(e->cgroup + len - 8, ".service") == 0)
		return uid != 0;
	return *e->container;
}

/*
 * Any process may set its own login uid while it has none, and open a terminal: only what the
 * server has too was there above it.
 */
static unsigned serves(const struct proc_entry *e, const char *path, edr_u32 uid, edr_u32 loginuid)
{
	const struct wire_span exe = names_undeleted(decide_span(path));

	if (loginuid != EDR_ID_UNSET)
		return 0;
	if (names_server(exe))
		return 4;
	return names_runtime(wire_basename(exe)) && is_service(e, uid) ? 3 : 0;
}

/*
 * What is injected into a server need not fork: it calls exec there, and a shell runs in its place.
 * A server that starts itself again does so too.
 */
static unsigned replaced(const struct proc_entry *e)
{
	const struct proc_before *b = &e->before;

	return strcmp(b->exe, e->exe) == 0 ? 0 : serves(e, b->exe, b->uid, b->loginuid);
}

/* It may have run another program first: env, busybox's link, a copy. */
static unsigned replaced_once(const struct look *l, const struct proc_entry *e)
{
	for (size_t i = 0; i < DETECT_REPLACED; i++) {
		if (l->d->replaced[i].tgid == e->tgid && l->d->replaced[i].start_ns == e->start_ns)
			return l->d->replaced[i].level;
	}
	return replaced(e);
}

static void remember_replaced(struct look *l)
{
	struct detect *d = l->d;
	const unsigned level = replaced(l->who);

	if (!level)
		return;
	d->replaced[d->next_replaced].tgid = l->who->tgid;
	d->replaced[d->next_replaced].start_ns = l->who->start_ns;
	d->replaced[d->next_replaced].level = level;
	d->next_replaced = (d->next_replaced + 1) % DETECT_REPLACED;
}

static unsigned worse(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* Of the process itself: what it was. Of those above it, also what they are. */
static unsigned below_server(const struct look *l)
{
	const struct proc_entry *e = l->parent;
	unsigned level = 0;

	for (unsigned i = 0; i < ANCESTORS && e && !level; i++, e = proc_parent(l->table, e))
		level = worse(serves(e, e->exe, e->uid, e->loginuid), replaced_once(l, e));
	return level;
}

static void remember_shell(struct look *l)
{
	struct detect *d = l->d;

	d->shell[d->next_shell].tgid = l->who->tgid;
	d->shell[d->next_shell].start_ns = l->who->start_ns;
	d->shell[d->next_shell].window = l->window;
	d->next_shell = (d->next_shell + 1) % DETECT_SHELLS;
}

static bool was_shell(const struct look *l, const struct proc_entry *e)
{
	for (size_t i = 0; i < DETECT_SHELLS; i++) {
		if (l->d->shell[i].tgid == e->tgid && l->d->shell[i].start_ns == e->start_ns &&
		    l->d->shell[i].window == l->window)
			return true;
	}
	return false;
}

unsigned decide_server_shell(struct look *l)
{
	struct wire_span name;
	unsigned level, own;

	if (!l->who)
		return 0;
	remember_replaced(l);
	if (!names_shell(wire_basename(names_undeleted(l->exe))))
		return 0;
	level = below_server(l);
	own = replaced_once(l, l->who);
	if (own > level) {
		/* Its parent is the server's, and started that: systemd, for most. */
		level = own;
		l->subject = decide_span(l->who->before.exe);
		name = wire_basename(l->subject);
		snprintf(l->made, sizeof(l->made), "in the place of %.*s",
			 (int)(name.len < 40 ? name.len : 40), name.data);
		l->note = l->made;
	}
	if (!level)
		return 0;
	l->usual = level == 3 && (!l->known || l->known->exe.learning);
	remember_shell(l);
	return level;
}

/* Gained an id that nobody but root maps into a user namespace. */
static bool is_system_id_gained(const struct edr_exec *r)
{
	return (r->euid != r->uid ? r->euid : r->egid) < FIRST_USER_ID;
}

unsigned decide_setuid_new(struct look *l)
{
	const struct edr_exec *r = AS(exec);

	if (!(r->exec_flags & (EDR_EXEC_SETUID | EDR_EXEC_SETGID)) ||
	    (r->euid == r->uid && r->egid == r->gid) || r->hdr.flags & EDR_F_IDS_INHERITED)
		return 0;
	if (!l->known || l->known->exe.learning || l->known->exe.known)
		return 0;
	return is_system_path(l) && is_system_id_gained(r) ? 2 : 4;
}

/* ---- bursts ---- */

static const struct proc_entry *who_began(const struct look *l)
{
	return l->parent ? l->parent : l->who;
}

unsigned decide_failed_execs(struct look *l)
{
	static const int errors[] = { ENOENT, EACCES, ENOEXEC };
	const struct edr_exec_failed *r = AS(exec_failed);
	const struct proc_entry *by = who_began(l);
	const struct wire_span name = wire_basename(wire_str(r, r->filename));
	const int error = r->error < 0 ? -r->error : r->error;

	if (!by || (error != errors[0] && error != errors[1] && error != errors[2]))
		return 0;
	if (!burst_add(&l->d->bursts, by, DETECT_FAILED_EXECS, decide_hash(l->d, name),
		       r->hdr.time_ns, FAILED_MOST, FAILED_WITHIN_NS))
		return 0;
	l->note = "20 programs that are not there, or may not run, within 60 s";
	return 2;
}

unsigned decide_discovery(struct look *l)
{
	const struct proc_entry *by = who_began(l);
	struct wire_span name;

	if (!by || !l->who)
		return 0;
	name = proc_command(l->who);
	if (!names_discovery(name))
		return 0;
	if (!burst_add(&l->d->bursts, by, DETECT_DISCOVERY, decide_hash(l->d, name),
		       l->rec->time_ns, DISCOVERY_MOST, DISCOVERY_WITHIN_NS))
		return 0;
	l->note = "8 commands that tell about the host within 120 s";
	return was_shell(l, by) ? 3 : 2;
}

/* ---- the network ---- */

/* First seen today, or on the day before. */
static bool is_young(const struct look *l)
{
	const struct baseline_key key = { BASELINE_EXE, l->exe, { "", 0 }, 0 };
	const struct baseline_seen exe = baseline_look(l->d->cfg.baseline, &key, l->t);

	return !exe.known || exe.first_day + 1 >= l->t / DAY_NS;
}

unsigned decide_new_connects(struct look *l)
{
	const struct baseline_found *k = l->known;
	enum place place;

	if (!l->who || !l->exe.len || !k || !k->beyond || k->connects.learning ||
	    k->connects.known || !is_young(l))
		return 0;
	if (l->who->exec_flags & (EDR_EXEC_MEMFD | EDR_EXEC_DELETED))
		return 4;
	place = names_place(l->exe);
	if (place >= PLACE_WRITABLE)
		l->subject = wire_basename(l->exe);
	return place == PLACE_HIDDEN ? 4 : place == PLACE_WRITABLE ? 3 : 2;
}

/* ---- texts ---- */

/* What nobody but a writer of sentences has in a name. */
static bool is_plain_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)name[i];

		if (c <= ' ' || c >= 0x7f || strchr("<>[]{}:|\"'", c))
			return false;
	}
	return true;
}

/*
 * As one text, so that what is torn over several is found; but what no longer fits is looked at by
 * itself, and none pushes another out of sight.
 */
static enum inject_kind find_in_parts(struct look *l, const struct wire_span *part, size_t n)
{
	struct buf *text = &l->d->text;
	enum inject_kind kind;

	buf_clear(text);
	for (size_t i = 0; i < n; i++) {
		const size_t len = part[i].len < INJECT_TEXT_MAX ? part[i].len : INJECT_TEXT_MAX;

		if (text->len && text->len + len > INJECT_TEXT_MAX) {
			kind = inject_find(&l->d->inject, text->data, text->len);
			if (kind)
				return kind;
			buf_clear(text);
		}
		buf_add(text, part[i].data, len);
		buf_addc(text, '\0');
		if (text->failed)
			return INJECT_NONE;
	}
	return inject_find(&l->d->inject, text->data, text->len);
}

/* The path as the kernel has it too: who goes into a directory gives a short one. */
static enum inject_kind find_in_exec(struct look *l)
{
	const bool failed = l->rec->type == EDR_EXEC_FAILED;
	const struct wire_span name = failed ? wire_str(l->rec, AS(exec_failed)->filename)
					     : wire_str(l->rec, AS(exec)->filename);
	const struct wire_span argv =
		failed ? wire_str(l->rec, AS(exec_failed)->argv) : wire_str(l->rec, AS(exec)->argv);
	const bool same = l->exe.len == name.len && !memcmp(l->exe.data, name.data, name.len);
	const struct wire_span none = { "", 0 }, parts[] = { l->exe, same ? none : name, argv };
	const char *comm = failed ? AS(exec_failed)->comm : AS(exec)->comm;
	const size_t len = strnlen(comm, sizeof(edr_comm));
	enum inject_kind kind;

	kind = find_in_parts(l, parts, 3);
	if (!kind && !is_plain_name(comm, len))
		kind = inject_find(&l->d->inject, comm, len);
	return kind;
}

static enum inject_kind find_in_connect(struct look *l)
{
	struct wire_span parts[2] = { l->exe, { "", 0 } };
	struct wire_addr to;

	wire_decode_sockaddr(wire_str(l->rec, AS(connect)->sockaddr), &to);
	if (to.family == AF_UNIX)
		parts[1] = (struct wire_span){ to.text, to.text_len };
	return find_in_parts(l, parts, 2);
}

unsigned decide_injection(struct look *l)
{
	const enum inject_kind kind =
		l->rec->type == EDR_CONNECT ? find_in_connect(l) : find_in_exec(l);

	if (!kind)
		return 0;
	l->once = decide_hash(l->d, (struct wire_span){ l->d->text.data, l->d->text.len });
	snprintf(l->made, sizeof(l->made), "kind: %s", inject_kind_name(kind));
	l->note = l->made;
	return 4;
}
