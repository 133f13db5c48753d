// SPDX-License-Identifier: MIT
#include "source/bpf_load.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "edr/control.h"
#include "edr.skel.h"
#include "source/bpf_filter.h"
#include "source/cgroup.h"
#include "source/clock.h"
#include "source/host.h"
#include "source/syscalls.h"
#include "util/log.h"
#include "util/pow2.h"
#include "wire/wire.h"

enum hook { HOOK_RAW, HOOK_SYSCALL, HOOK_CGROUP, HOOK_ANY_SYSCALL };

/* Each program: what it hangs on, which names in syscalls_to_trace ask for it (none: always), whether lean hooks have it,
 * and what is not seen without it. */
static const struct program_row {
	const char *name;
	enum hook hook;
	const char *asked_by;
	bool lean;
	const char *unseen;
} rows[] = {
	{ "sched_process_exec", HOOK_RAW, "", true, "no exec is seen" },
	{ "sched_process_fork", HOOK_RAW, "", true, "forks and threads are not seen" },
	{ "sched_process_exit", HOOK_RAW, "", true, "exits are not seen" },
	{ "sys_exit_execve", HOOK_SYSCALL, "execve execveat", false,
	  "failed execve calls are not seen" },
	{ "sys_exit_execveat", HOOK_SYSCALL, "execve execveat", false,
	  "failed execveat calls are not seen" },
	{ "sys_enter_connect", HOOK_SYSCALL, "connect", false, "unix connects are not seen" },
	{ "sys_exit_connect", HOOK_SYSCALL, "connect", false, "unix connects are not seen" },
	{ "cgroup_connect4", HOOK_CGROUP, "connect", true,
	  "IPv4 connects by 32-bit programs and io_uring are not seen" },
	{ "cgroup_connect6", HOOK_CGROUP, "connect", true,
	  "IPv6 connects by 32-bit programs and io_uring are not seen" },
	{ "inet_sock_set_state", HOOK_RAW, "connect", true,
	  "how a TCP connect ends later is not seen" },
	{ "sys_enter_any", HOOK_ANY_SYSCALL, NULL, false,
	  "the syscalls that were named are not seen" },
	{ "sys_exit_any", HOOK_ANY_SYSCALL, NULL, false,
	  "the syscalls that were named are not seen" },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(N_ROWS <= BPF_LOAD_PROGRAMS, "more programs than struct bpf_load has room for");

/* Names in syscalls_to_trace that have events of their own; every other name goes to sys_enter_any. */
static const char *const typed[] = { "execve", "execveat", "fork",   "vfork",
				     "clone",  "clone3",   "connect" };

static bool is_typed(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		if (!strcmp(typed[i], name))
			return true;
	}
	return false;
}

static bool word_in(const char *words, const char *word)
{
	size_t len = strlen(word);
	const char *at = words;

	while ((at = strstr(at, word))) {
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
		at += len;
	}
	return false;
}

static bool asked_for(const struct program_row *row, const struct source_config *cfg)
{
	bool any = row->hook == HOOK_ANY_SYSCALL;
	size_t i;

	if (cfg->lean && !row->lean)
		return false;
	if (!any && !row->asked_by[0])
		return true;
	for (i = 0; i < cfg->syscalls.n; i++) {
		const char *name = cfg->syscalls.item[i];

		if (any ? !is_typed(name) : word_in(row->asked_by, name))
			return true;
	}
	return false;
}

static bool program_asked_for(const char *name, const struct source_config *cfg)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (!strcmp(rows[i].name, name))
			return asked_for(&rows[i], cfg);
	}
	return false;
}

/* libbpf's last words, kept for our own message; the rest only with --debug. */
static char libbpf_said[256];

__attribute__((format(printf, 2, 0))) static int on_libbpf(enum libbpf_print_level level,
							   const char *fmt, va_list args)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), fmt, args);

	if (n > 0 && (size_t)n < sizeof(line) && line[n - 1] == '\n')
		line[n - 1] = '\0';
	if (level == LIBBPF_WARN)
		snprintf(libbpf_said, sizeof(libbpf_said), "%.255s", line);
	if (level != LIBBPF_DEBUG)
		log_debug("source", "%s", line);
	return 0;
}

static void say_missing(struct source_program *p, const struct program_row *row, const char *why)
{
	p->state = SOURCE_PROGRAM_MISSING;
	snprintf(p->why, sizeof(p->why), "%s: %s", why, row->unseen);
}

/* What can be known before loading: hooks that this kernel does not have. */
static const char *hook_missing(const struct program_row *row, const struct btf *btf, int cgroup_fd)
{
	char name[80];

	switch (row->hook) {
	case HOOK_RAW:
		snprintf(name, sizeof(name), "btf_trace_%s", row->name);
		if (btf && btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) < 0)
			return "the kernel has no such tracepoint";
		return NULL;
	case HOOK_SYSCALL:
		if (!syscalls_tracefs()[0])
			return "tracefs is not mounted (mount -t tracefs tracefs "
			       "/sys/kernel/tracing)";
		if (!syscalls_tracepoint_exists("syscalls", row->name))
			return "the kernel has no such tracepoint";
		return NULL;
	case HOOK_ANY_SYSCALL:
		if (!syscalls_tracefs()[0])
			return "tracefs is not mounted (mount -t tracefs tracefs "
			       "/sys/kernel/tracing)";
		return NULL;
	case HOOK_CGROUP:
		return cgroup_fd < 0 ? "there is no cgroup v2 hierarchy" : NULL;
	}
	return NULL;
}

/* A tracepoint's prototype in BTF has one parameter more than it has arguments: the first is its data. */
static unsigned tracepoint_args(const struct btf *btf, const char *tracepoint)
{
	const struct btf_type *t;
	char name[80];
	int id;

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	t = id < 0 ? NULL : btf__type_by_id(btf, btf__type_by_id(btf, (unsigned)id)->type);
	t = t && btf_is_ptr(t) ? btf__type_by_id(btf, t->type) : NULL;
	return t && btf_is_func_proto(t) && btf_vlen(t) ? btf_vlen(t) - 1U : 0;
}

static size_t ring_bytes(size_t asked)
{
	const size_t least = (size_t)sysconf(_SC_PAGESIZE), most = (size_t)1 << 30;

	return asked < least ? least : asked > most ? most : pow2_down(2 * asked - 1);
}

static int set_sizes(struct edr_bpf *skel, const struct source_config *cfg)
{
	size_t exec = ring_bytes(cfg->ring_exec_bytes), noisy = ring_bytes(cfg->ring_noisy_bytes);
	unsigned slots =
		(unsigned)libbpf_num_possible_cpus() + 4; /* one a CPU, some for the preempted */
	int err;

	skel->rodata->ring_exec_high = exec / 4;
	skel->rodata->ring_noisy_high = noisy / 4;
	err = bpf_map__set_max_entries(skel->maps.ring_exec, (unsigned)exec);
	err = err ? err : bpf_map__set_max_entries(skel->maps.ring_noisy, (unsigned)noisy);
	err = err ? err : bpf_map__set_max_entries(skel->maps.scratch_pool, slots);
	/* A megabyte that only these filters need. */
	if (!err && !cfg->skip_paths.n && !cfg->skip_cgroups.n)
		err = bpf_map__set_max_entries(skel->maps.skip_processes, 1);
	/* Half a megabyte, for syscalls_to_trace. */
	if (!err && !skel->rodata->remembers_any)
		err = bpf_map__set_max_entries(skel->maps.any_calls, 1);
	return err ? err : bpf_map__set_max_entries(skel->maps.scratch_free, slots);
}

static int fill_scratch(struct edr_bpf *skel)
{
	unsigned i, slots = bpf_map__max_entries(skel->maps.scratch_pool);

	for (i = 0; i < slots; i++) {
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.scratch_free), NULL, &i, BPF_ANY))
			return -errno;
	}
	return 0;
}

static struct edr_bpf *open_skeleton(const struct source_config *cfg, const struct btf *btf,
				     char *err, size_t err_size)
{
	struct edr_bpf *skel = edr_bpf__open();

	if (!skel) {
		snprintf(err, err_size, "the BPF object cannot be opened: %s", strerror(errno));
		return NULL;
	}
	/* Elsewhere our pid is another process's there; then nobody is left out, us included. */
	if (source_in_initial_pid_ns())
		skel->rodata->self_tgid = (unsigned)getpid();
	skel->rodata->exit_has_group_dead = btf && tracepoint_args(btf, "sched_process_exit") >= 2;
	skel->rodata->remembers_any = program_asked_for("sys_enter_any", cfg);
	skel->rodata->remembers_connects = program_asked_for("sys_enter_connect", cfg);
	if (set_sizes(skel, cfg) || bpf_filter_configure(skel, cfg, err, err_size)) {
		if (!err[0])
			snprintf(err, err_size, "the rings cannot be sized: %s", strerror(errno));
		edr_bpf__destroy(skel);
		return NULL;
	}
	return skel;
}

static void choose(struct bpf_load *l, const bool *off)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(l->skel->obj, rows[i].name);

		if (prog)
			bpf_program__set_autoload(prog, !off[i] && l->programs[i].state ==
									   SOURCE_PROGRAM_USED);
	}
}

/* Loads each wanted program alone and marks those that this kernel refuses. True when one was found. */
static bool find_refused(struct bpf_load *l, const struct source_config *cfg, const struct btf *btf)
{
	struct edr_bpf *all = l->skel;
	bool off[N_ROWS], found = false;
	char ignored[256] = "", why[160];
	size_t i;
	int e;

	for (i = 0; i < N_ROWS; i++) {
		if (l->programs[i].state != SOURCE_PROGRAM_USED)
			continue;
		memset(off, true, sizeof(off));
		off[i] = false;
		l->skel = open_skeleton(cfg, btf, ignored, sizeof(ignored));
		if (!l->skel)
			break;
		choose(l, off);
		e = edr_bpf__load(l->skel);
		edr_bpf__destroy(l->skel);
		if (e) {
			snprintf(why, sizeof(why), "the kernel refuses the program (%s)",
				 strerror(-e));
			say_missing(&l->programs[i], &rows[i], why);
			found = true;
		}
	}
	l->skel = all;
	return found;
}

static void say_load_error(int e, char *err, size_t err_size)
{
	struct rlimit limit = { 0, 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (e == -EPERM && geteuid() == 0 && limit.rlim_cur != RLIM_INFINITY)
		snprintf(err, err_size,
			 "the kernel does not let us load BPF programs: CAP_BPF and CAP_PERFMON "
			 "(or CAP_SYS_ADMIN) are needed, "
			 "lockdown must not be at confidentiality, and kernels before 5.11 need "
			 "RLIMIT_MEMLOCK (now %llu bytes) "
			 "raised to infinity: `linux-edr-bpf check` says which",
			 (unsigned long long)limit.rlim_cur);
	else if (e == -EPERM)
		snprintf(err, err_size,
			 "the kernel does not let us load BPF programs: run as root, or give "
			 "CAP_BPF, "
			 "CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_RESOURCE");
	else if (e == -ESRCH || e == -ENOENT)
		snprintf(err, err_size,
			 "the kernel has no BTF (/sys/kernel/btf/vmlinux): the BPF programs cannot "
			 "be fitted "
			 "to it; a kernel with CONFIG_DEBUG_INFO_BTF is needed; "
			 "this version has no other source yet");
	else
		snprintf(err, err_size, "the BPF programs cannot be loaded: %s (%s)", strerror(-e),
			 libbpf_said);
}

static int load(struct bpf_load *l, const struct source_config *cfg, const struct btf *btf,
		char *err, size_t err_size)
{
	static const bool none_off[N_ROWS];
	int e;

	choose(l, none_off);
	e = edr_bpf__load(l->skel);
	if (!e)
		return 0;
	if (e != -EPERM && btf && find_refused(l, cfg, btf) &&
	    l->programs[0].state == SOURCE_PROGRAM_USED) {
		edr_bpf__destroy(l->skel);
		l->skel = open_skeleton(cfg, btf, err, err_size);
		if (!l->skel)
			return -EIO;
		choose(l, none_off);
		e = edr_bpf__load(l->skel);
	}
	if (e)
		say_load_error(e, err, err_size);
	return e;
}

static int keep_link(struct bpf_load *l, struct bpf_link *link)
{
	struct bpf_link **more;

	if (!link)
		return -errno;
	more = realloc(l->links, (l->n_links + 1) * sizeof(*more));
	if (!more) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	l->links = more;
	l->links[l->n_links++] = link;
	return 0;
}

static void say_unresolved(struct bpf_load *l, const char *name, int e)
{
	const char *why = e == -ENOENT ? "there is no such syscall on this architecture"
				       : "it has no tracepoint in this kernel";

	buf_addf(&l->unresolved, "syscalls_to_trace: %s: %s", name, why);
	buf_add(&l->unresolved, "", 1);
}

static int attach_syscalls(struct bpf_load *l, struct bpf_program *prog, const char *way,
			   const struct source_config *cfg)
{
	int fd = bpf_map__fd(l->skel->maps.syscall_infos), e = 0;
	bool enter = !strcmp(way, "enter");
	struct edr_syscall_info info;
	struct syscall_target target;
	char name[80];
	size_t i;

	for (i = 0; i < cfg->syscalls.n && !e; i++) {
		const char *asked = cfg->syscalls.item[i];
		int found = is_typed(asked) ? -EEXIST : syscalls_resolve(asked, &target);

		if (found) {
			if (enter && found != -EEXIST)
				say_unresolved(l, asked, found);
			continue;
		}
		memset(&info, 0, sizeof(info));
		info.nargs = target.nargs;
		info.no_return = target.no_return;
		snprintf(info.name, sizeof(info.name), "%s", asked);
		if (enter && bpf_map_update_elem(fd, &target.nr, &info, BPF_ANY))
			return -errno;
		snprintf(name, sizeof(name), "sys_%s_%s", way, target.tracepoint);
		e = keep_link(l, bpf_program__attach_tracepoint(prog, "syscalls", name));
	}
	return e;
}

static int attach_one(struct bpf_load *l, const struct program_row *row,
		      const struct source_config *cfg, int cgroup_fd)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(l->skel->obj, row->name);

	if (!prog)
		return -ENOENT;
	switch (row->hook) {
	case HOOK_RAW:
	case HOOK_SYSCALL:
		return keep_link(l, bpf_program__attach(prog));
	case HOOK_CGROUP:
		return keep_link(l, bpf_program__attach_cgroup(prog, cgroup_fd));
	case HOOK_ANY_SYSCALL:
		return attach_syscalls(l, prog,
				       !strcmp(row->name, "sys_enter_any") ? "enter" : "exit", cfg);
	}
	return -EINVAL;
}

static int attach(struct bpf_load *l, const struct source_config *cfg, int cgroup_fd, char *err,
		  size_t err_size)
{
	char why[160];
	size_t i;
	int e;

	for (i = 0; i < N_ROWS; i++) {
		if (l->programs[i].state != SOURCE_PROGRAM_USED)
			continue;
		e = attach_one(l, &rows[i], cfg, cgroup_fd);
		if (!e)
			continue;
		snprintf(why, sizeof(why), "attach failed (%s)", strerror(-e));
		say_missing(&l->programs[i], &rows[i], why);
	}
	if (l->programs[0].state == SOURCE_PROGRAM_USED)
		return 0;
	snprintf(err, err_size, "execs cannot be seen: %s: %s", rows[0].name, l->programs[0].why);
	return -ENODEV;
}

static void name_programs(struct bpf_load *l, const struct source_config *cfg,
			  const struct btf *btf, int cgroup_fd)
{
	size_t i, k;

	l->n_programs = N_ROWS;
	for (i = 0; i < N_ROWS; i++) {
		struct source_program *p = &l->programs[i];
		const char *missing;

		snprintf(p->name, sizeof(p->name), "%s", rows[i].name);
		for (k = 0; k < wire_n_events; k++) {
			if (word_in(wire_events[k].programs, rows[i].name)) {
				size_t at = strlen(p->events);

				snprintf(p->events + at, sizeof(p->events) - at, "%s%s",
					 at ? " " : "", wire_events[k].name);
			}
		}
		p->state = SOURCE_PROGRAM_NOT_ASKED;
		if (!asked_for(&rows[i], cfg))
			continue;
		p->state = SOURCE_PROGRAM_USED;
		missing = hook_missing(&rows[i], btf, cgroup_fd);
		if (missing)
			say_missing(p, &rows[i], missing);
	}
}

int bpf_load_open(struct bpf_load *l, const struct source_config *cfg, char *err, size_t err_size)
{
	struct btf *btf;
	int cgroup_fd, e;

	memset(l, 0, sizeof(*l));
	err[0] = libbpf_said[0] = '\0';
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(on_libbpf);
	btf = btf__load_vmlinux_btf();
	cgroup_fd = cgroup_open_root(&l->part_of_cgroups);
	name_programs(l, cfg, btf, cgroup_fd);

	e = -EIO;
	l->skel = open_skeleton(cfg, btf, err, err_size);
	if (!l->skel)
		goto out;
	e = load(l, cfg, btf, err, err_size);
	if (e)
		goto out;
	e = fill_scratch(l->skel);
	e = e ? e : bpf_filter_fill(l->skel, cfg);
	if (e)
		snprintf(err, err_size, "the BPF maps cannot be filled: %s", strerror(-e));
	else
		e = attach(l, cfg, cgroup_fd, err, err_size);
out:
	btf__free(btf);
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	if (e)
		bpf_load_close(l);
	return e;
}

void bpf_load_detach(struct bpf_load *l)
{
	while (l->n_links)
		bpf_link__destroy(l->links[--l->n_links]);
	free(l->links);
	l->links = NULL;
}

void bpf_load_close(struct bpf_load *l)
{
	bpf_load_detach(l);
	edr_bpf__destroy(l->skel);
	l->skel = NULL;
	buf_free(&l->unresolved);
}

static void degrade(struct buf *out, const char *why)
{
	buf_adds(out, why);
	buf_add(out, "", 1);
}

void bpf_load_degraded(const struct bpf_load *l, struct buf *out)
{
	size_t i;

	for (i = 0; i < l->n_programs; i++) {
		if (l->programs[i].state != SOURCE_PROGRAM_MISSING)
			continue;
		buf_addf(out, "%s: %s", l->programs[i].name, l->programs[i].why);
		buf_add(out, "", 1);
	}
	if (l->unresolved.len)
		buf_add(out, l->unresolved.data, l->unresolved.len);
	if (!source_in_initial_pid_ns())
		degrade(out, "we run in a pid namespace: processes that were there before us have "
			     "no names, and our own "
			     "events are not left out");
	if (l->part_of_cgroups)
		degrade(out, "we run in a cgroup namespace: connects outside of it are seen by "
			     "their syscalls only");
}
