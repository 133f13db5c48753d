/* SPDX-License-Identifier: MIT */
/* What each kind of record changes in the table. */
#include <string.h>

#include "proc/private.h"

static void set_comm(struct proc_node *n, const edr_comm comm)
{
	memcpy(n->e.comm, comm, sizeof(n->e.comm));
}

/* From an exec or a process record, which name them alike. */
#define COPY_IDS(n, r)                             \
	do {                                       \
		(n)->e.uid = (r)->uid;             \
		(n)->e.gid = (r)->gid;             \
		(n)->e.euid = (r)->euid;           \
		(n)->e.egid = (r)->egid;           \
		(n)->e.loginuid = (r)->loginuid;   \
		(n)->e.sessionid = (r)->sessionid; \
	} while (0)

static void set_path(struct proc_table *t, const char **place, struct wire_span s)
{
	if (s.len > EDR_PATH_MAX)
		s.len = EDR_PATH_MAX;
	strings_set(&t->strings, place, strings_intern(&t->strings, s.data, s.len));
}

/* The arguments joined by spaces; a line that stays the same keeps its string. */
static void set_cmdline(struct proc_table *t, struct proc_node *n, struct wire_span argv)
{
	size_t len = argv.len < sizeof(t->line) ? argv.len : sizeof(t->line);
	char *p = t->line, *end = t->line + len;

	memcpy(t->line, argv.data, len);
	if (len && len == argv.len && end[-1] == '\0')
		end--, len--;
	while ((p = memchr(p, '\0', (size_t)(end - p))))
		*p++ = ' ';
	if (strncmp(n->e.cmdline, t->line, len) == 0 && n->e.cmdline[len] == '\0')
		return;
	strings_set(&t->strings, &n->e.cmdline, strings_new(&t->strings, t->line, len));
}

static void set_cgroup_path(struct proc_table *t, struct proc_node *n, const struct cgroup_path *p)
{
	strings_set(&t->strings, &n->e.cgroup, strings_ref(p->path));
	strings_set(&t->strings, &n->e.container, strings_ref(p->container));
}

static void set_cgroup(struct proc_table *t, struct proc_node *n, edr_u64 id)
{
	const struct cgroup_path *p;

	if (id == 0 || (n->e.cgroup_id == id && *n->e.cgroup))
		return;
	n->e.cgroup_id = id;
	p = cgroups_find(&t->cgroups, id);
	n->cgroup_asked = t->cgroups.generation;
	if (p) {
		set_cgroup_path(t, n, p);
		return;
	}
	strings_set(&t->strings, &n->e.cgroup, strings_none);
	strings_set(&t->strings, &n->e.container, strings_none);
}

/* The path of a cgroup may come after the first process in it. */
static void complete_cgroup(struct proc_table *t, struct proc_node *n)
{
	if (!*n->e.cgroup && n->e.cgroup_id && n->cgroup_asked != t->cgroups.generation)
		set_cgroup(t, n, n->e.cgroup_id);
}

/*
 * The entry for an event, made from nothing when it is not there. A start time of 0 is a source
 * that does not know it: then it is whoever lives under that tgid. tgid 0 is the idle task: no
 * process.
 */
static struct proc_node *get(struct proc_table *t, const struct edr_hdr *rec)
{
	struct proc_node *n;

	if (rec->tgid == 0)
		return NULL;
	if (rec->start_ns == 0)
		n = (struct proc_node *)proc_lookup_tgid(t, rec->tgid); /* e is the first member */
	else
		n = proc_find(t, rec->tgid, rec->start_ns);
	if (n) {
		if (n->e.coarse_start && !(rec->flags & EDR_F_COARSE_START) && rec->start_ns) {
			n->e.start_ns = rec->start_ns;
			n->e.coarse_start = false;
		}
		complete_cgroup(t, n);
		return n;
	}
	n = proc_insert(t, rec->tgid, rec->start_ns, NULL);
	if (n) {
		n->e.coarse_start = rec->flags & EDR_F_COARSE_START;
		t->stats.unknown++;
	}
	return n;
}

/* A later sign of life: the exit was another's, or a look at /proc was wrong. */
static void revive(struct proc_table *t, struct proc_node *n, const struct edr_hdr *rec)
{
	if (n->e.exited && rec->time_ns > n->end_ns &&
	    (const struct proc_entry *)n == proc_lookup_tgid(t, n->e.tgid))
		proc_set_alive(t, n);
}

/* What any event says of its process. Returns the entry for the caller to hand out. */
static const struct proc_entry *seen(struct proc_table *t, const struct edr_hdr *rec,
				     const edr_comm comm, edr_u32 uid)
{
	struct proc_node *n = get(t, rec);

	if (!n)
		return NULL;
	if (n->e.comm[0] == '\0')
		set_comm(n, comm);
	if (uid != EDR_ID_UNSET)
		n->e.uid = uid;
	return &n->e;
}

static void keep_before(struct proc_table *t, struct proc_entry *e)
{
	strings_set(&t->strings, &e->before.exe, strings_ref(e->exe));
	e->before.uid = e->uid;
	e->before.loginuid = e->loginuid;
}

static const struct proc_entry *apply_exec(struct proc_table *t, const struct edr_exec *r)
{
	struct proc_node *n = get(t, &r->hdr);
	struct wire_span exe = wire_str(r, r->exe), filename = wire_str(r, r->filename);

	/* An exec that comes after a later one of the same process says nothing new. */
	if (!n || n->e.exec_ns > r->hdr.time_ns)
		return n ? &n->e : NULL;
	revive(t, n, &r->hdr);
	keep_before(t, &n->e);
	n->e.exec_ns = r->hdr.time_ns;
	n->e.ppid = r->ppid;
	n->e.parent_start_ns = r->parent_start_ns;
	COPY_IDS(n, r);
	n->e.exec_flags = r->exec_flags;
	set_comm(n, r->comm);
	set_path(t, &n->e.exe, exe);
	set_path(t, &n->e.filename, filename);
	set_cmdline(t, n, wire_str(r, r->argv));
	set_cgroup(t, n, r->cgroup_id);
	proc_trim(t, n);
	return &n->e;
}

/* Fills what the child does not know yet: it may have run before its fork was told. */
static void inherit(struct proc_table *t, struct proc_node *child, const struct proc_node *parent)
{
	const struct proc_entry *p = &parent->e;
	struct proc_entry *c = &child->e;

	if (!*c->exe) {
		strings_set(&t->strings, &c->exe, strings_ref(p->exe));
		strings_set(&t->strings, &c->filename, strings_ref(p->filename));
		strings_set(&t->strings, &c->cmdline, strings_ref(p->cmdline));
		c->exec_flags = p->exec_flags;
	}
	if (c->cgroup_id == 0 && !*c->cgroup) {
		c->cgroup_id = p->cgroup_id;
		child->cgroup_asked = parent->cgroup_asked;
		strings_set(&t->strings, &c->cgroup, strings_ref(p->cgroup));
		strings_set(&t->strings, &c->container, strings_ref(p->container));
	}
	if (c->uid == EDR_ID_UNSET)
		c->uid = p->uid;
	if (c->gid == EDR_ID_UNSET && c->euid == EDR_ID_UNSET && c->egid == EDR_ID_UNSET) {
		c->gid = p->gid;
		c->euid = p->euid;
		c->egid = p->egid;
	}
	if (c->loginuid == EDR_ID_UNSET)
		c->loginuid = p->loginuid;
	if (c->sessionid == EDR_ID_UNSET)
		c->sessionid = p->sessionid;
}

/* CLONE_PARENT makes a sister: her parent is the caller's. */
static void set_fork_parent(const struct proc_table *t, struct proc_node *child,
			    const struct proc_node *caller, const struct edr_fork *r)
{
	const struct proc_entry *p;

	child->e.ppid = r->child_ppid;
	if (r->child_ppid == caller->e.tgid) {
		child->e.parent_start_ns = caller->e.start_ns;
		return;
	}
	if (r->child_ppid == caller->e.ppid) {
		child->e.parent_start_ns = caller->e.parent_start_ns;
		return;
	}
	p = proc_lookup_tgid(t, r->child_ppid);
	child->e.parent_start_ns = p ? p->start_ns : 0;
}

static void add_child(struct proc_table *t, struct proc_node *caller, const struct edr_fork *r)
{
	/* A source that does not know the start has it to within microseconds. */
	const edr_u64 start_ns = r->child_start_ns ? r->child_start_ns : r->hdr.time_ns;
	struct proc_node *child = proc_find(t, r->child_pid, start_ns);

	if (!child) {
		child = proc_insert(t, r->child_pid, start_ns, caller);
		if (!child)
			return;
	} else if (child == caller) {
		return; /* forged: nobody is his own parent */
	} else if (child->e.coarse_start) {
		child->e.start_ns = start_ns;
		child->e.coarse_start = false;
	}
	if (child->e.comm[0] == '\0')
		set_comm(child, r->comm);
	if (child->e.exec_ns == 0)
		set_fork_parent(t, child, caller, r);
	inherit(t, child, caller);
}

static const struct proc_entry *apply_fork(struct proc_table *t, const struct edr_fork *r)
{
	const struct proc_entry *e = seen(t, &r->hdr, r->comm, r->uid);
	struct proc_node *caller = (struct proc_node *)e;

	if (!e)
		return NULL;
	revive(t, caller, &r->hdr);
	if (r->child_pid)
		add_child(t, caller, r);
	return e;
}

static const struct proc_entry *apply_exit(struct proc_table *t, const struct edr_exit *r)
{
	const struct proc_entry *e = seen(t, &r->hdr, r->comm, r->uid);

	if (e)
		proc_set_exited(t, (struct proc_node *)e, r->hdr.time_ns);
	return e;
}

static void fill_from_scan(struct proc_table *t, struct proc_node *n, const struct edr_process *r)
{
	struct wire_span cgroup = wire_str(r, r->cgroup), container;

	if (n->e.exec_ns == 0) {
		n->e.ppid = r->ppid;
		COPY_IDS(n, r);
		set_comm(n, r->comm);
	}
	if (!*n->e.exe)
		set_path(t, &n->e.exe, wire_str(r, r->exe));
	if (!*n->e.cmdline)
		set_cmdline(t, n, wire_str(r, r->argv));
	if (n->e.cgroup_id == 0)
		n->e.cgroup_id = r->cgroup_id;
	if (!*n->e.cgroup && cgroup.len) {
		container = proc_container_id(cgroup.data, cgroup.len);
		set_path(t, &n->e.cgroup, cgroup);
		set_path(t, &n->e.container, container);
	}
}

static const struct proc_entry *apply_process(struct proc_table *t, const struct edr_process *r)
{
	struct proc_node *n = proc_find(t, r->hdr.tgid, r->hdr.start_ns);

	if (r->gone) {
		if (n)
			proc_set_healed(t, n, r->hdr.time_ns);
		return n ? &n->e : NULL;
	}
	if (r->hdr.tgid == 0)
		return NULL;
	if (!n) {
		n = proc_insert(t, r->hdr.tgid, r->hdr.start_ns, NULL);
		if (!n)
			return NULL;
		n->e.coarse_start = r->hdr.flags & EDR_F_COARSE_START;
	}
	revive(t, n, &r->hdr);
	fill_from_scan(t, n, r);
	proc_trim(t, n);
	return &n->e;
}

static const struct proc_entry *apply_cgroup(struct proc_table *t, const struct edr_cgroup *r)
{
	if (r->cgroup_id)
		cgroups_learn(&t->cgroups, &t->strings, r->cgroup_id, wire_str(r, r->path));
	proc_trim(t, NULL);
	return NULL;
}

/* A record of that type; its size has been checked. */
#define AS(name) ((const struct edr_##name *)(const void *)rec)

const struct proc_entry *proc_apply(struct proc_table *t, const struct edr_hdr *rec)
{
	switch (rec->type) {
	case EDR_EXEC:
		return apply_exec(t, AS(exec));
	case EDR_EXEC_FAILED:
		return seen(t, rec, AS(exec_failed)->comm, AS(exec_failed)->uid);
	case EDR_FORK:
		return apply_fork(t, AS(fork));
	case EDR_THREAD:
		return seen(t, rec, AS(thread)->comm, EDR_ID_UNSET);
	case EDR_EXIT:
		return apply_exit(t, AS(exit));
	case EDR_CONNECT:
		return seen(t, rec, AS(connect)->comm, AS(connect)->uid);
	case EDR_CONNECT_RESULT:
		return seen(t, rec, AS(connect_result)->comm, EDR_ID_UNSET);
	case EDR_SYSCALL:
		return seen(t, rec, AS(syscall)->comm, AS(syscall)->uid);
	case EDR_CGROUP:
		return apply_cgroup(t, AS(cgroup));
	case EDR_PROCESS:
		return apply_process(t, AS(process));
	default:
		return NULL;
	}
}
