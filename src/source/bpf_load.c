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
#include "source/bpf_again.h"
#include "source/bpf_btf.h"
#include "source/bpf_filter.h"
#include "source/bpf_stats.h"
#include "source/cgroup.h"
#include "source/clock.h"
#include "source/host.h"
#include "source/syscalls.h"
#include "util/log.h"
#include "util/pow2.h"
#include "wire/wire.h"

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

static bool asked_for(const struct bpf_row *row, const struct source_config *cfg)
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

static bool program_asked_for(const struct bpf_kind *kind, const char *name,
			      const struct source_config *cfg)
{
	size_t i;

	for (i = 0; i < kind->n_rows; i++) {
		if (!strcmp(kind->rows[i].name, name))
			return asked_for(&kind->rows[i], cfg);
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

static void say_missing(struct source_program *p, const struct bpf_row *row, const char *why)
{
	p->state = SOURCE_PROGRAM_MISSING;
	snprintf(p->why, sizeof(p->why), "%s: %s", why, row->unseen);
}

static const char *tracepoint_missing(const char *group, const char *name)
{
	if (!syscalls_tracefs()[0])
		return "tracefs is not mounted (mount -t tracefs tracefs /sys/kernel/tracing)";
	if (name && !syscalls_tracepoint_exists(group, name))
		return "the kernel has no such tracepoint";
	return NULL;
}

/* What can be known before loading: hooks that this kernel does not have. */
static const char *hook_missing(const struct bpf_kind *kind, const struct bpf_row *row,
				const struct btf *btf, int cgroup_fd)
{
	const char *missing;
	char name[80];

	switch (row->hook) {
	case HOOK_RAW:
		snprintf(name, sizeof(name), "btf_trace_%s", row->name);
		if (btf && btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) < 0)
			return "the kernel has no such tracepoint";
		return NULL;
	case HOOK_EVENT:
		missing = tracepoint_missing(row->group, row->name);
		return missing || !kind->missing ? missing : kind->missing(row);
	case HOOK_SYSCALL:
		return tracepoint_missing("syscalls", row->name);
	case HOOK_ANY_SYSCALL:
		return tracepoint_missing("syscalls", NULL);
	case HOOK_CGROUP:
		return cgroup_fd < 0 ? "there is no cgroup v2 hierarchy" : NULL;
	}
	return NULL;
}

static size_t ring_bytes(size_t asked)
{
	const size_t least = (size_t)sysconf(_SC_PAGESIZE), most = (size_t)1 << 30;

	return asked < least ? least : asked > most ? most : pow2_down(2 * asked - 1);
}

#define TABLE_LEAST 256 /* LRU tables keep up to 128 free ones for each CPU */
/* What is under way in the kernel, and how many quarters of table_entries each of them has. */
static const struct table_row {
	const char *map;
	unsigned quarters;
} tables[] = {
	{ "pending_connects", 8 }, { "skip_processes", 4 }, { "connect_calls", 2 },
	{ "cgroups_seen", 2 },	   { "announced", 1 },	    { "exits_reported", 1 },
	{ "any_calls", 2 },	   { "replaced", 1 },	    { "signals", 2 },
	{ "processes", 32 }, /* of the plain object: all that run */
};

static int size_tables(struct bpf_object *obj, unsigned entries)
{
	int err = 0;

	for (size_t i = 0; entries && !err && i < sizeof(tables) / sizeof(*tables); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, tables[i].map);

		size_t n = (size_t)entries * tables[i].quarters / 4 + 1;

		if (map)
			err = bpf_map__set_max_entries(
				map, (unsigned)(n < TABLE_LEAST ? TABLE_LEAST : n));
	}
	return err;
}

static int set_sizes(struct bpf_skel *skel, const struct source_config *cfg)
{
	size_t exec = ring_bytes(cfg->ring_exec_bytes), noisy = ring_bytes(cfg->ring_noisy_bytes);
	unsigned slots =
		(unsigned)libbpf_num_possible_cpus() + 4; /* one a CPU, some for the preempted */
	int err;

	*skel->ring_exec_high = exec / 4;
	*skel->ring_noisy_high = noisy / 4;
	err = bpf_map__set_max_entries(skel->ring_exec, (unsigned)exec);
	err = err ? err : bpf_map__set_max_entries(skel->ring_noisy, (unsigned)noisy);
	err = err ? err : bpf_map__set_max_entries(skel->scratch_pool, slots);
	err = err ? err : size_tables(skel->obj, cfg->table_entries);
	/* A megabyte that only these filters need. */
	if (!err && !cfg->skip_paths.n && !cfg->skip_cgroups.n)
		err = bpf_map__set_max_entries(skel->skip_processes, 1);
	/* Half a megabyte, for syscalls_to_trace. */
	if (!err && !*skel->remembers_any)
		err = bpf_map__set_max_entries(skel->any_calls, 1);
	if (!err && !*skel->runs_again)
		err = bpf_again_without(skel->obj);
	return err ? err : bpf_map__set_max_entries(skel->scratch_free, slots);
}

static int fill_scratch(struct bpf_skel *skel)
{
	unsigned i, slots = bpf_map__max_entries(skel->scratch_pool);

	for (i = 0; i < slots; i++) {
		if (bpf_map_update_elem(bpf_map__fd(skel->scratch_free), NULL, &i, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* 0, or -errno with a sentence in err. */
static int open_skeleton(struct bpf_load *l, const struct source_config *cfg,
			 const struct bpf_types *types, char *err, size_t err_size)
{
	int e = l->kind->open(&l->skel, cfg, types, err, err_size);

	if (e) {
		if (!err[0])
			snprintf(err, err_size, "the BPF object cannot be opened: %s",
				 strerror(-e));
		return e;
	}
	*l->skel.self_tgid = source_self_tgid();
	*l->skel.remembers_any = program_asked_for(l->kind, "sys_enter_any", cfg);
	*l->skel.runs_again = l->preempted;
	*l->skel.remembers_connects = program_asked_for(l->kind, "sys_enter_connect", cfg);
	e = bpf_filter_configure(&l->skel, cfg, err, err_size);
	if (!e && set_sizes(&l->skel, cfg)) {
		snprintf(err, err_size, "the rings cannot be sized: %s", strerror(errno));
		e = -EIO;
	}
	if (e)
		l->kind->destroy(&l->skel);
	return e;
}

static void choose(struct bpf_load *l, const bool *off)
{
	struct bpf_program *prog, *again;
	bool used;
	size_t i;

	for (i = 0; i < l->kind->n_rows; i++) {
		used = !off[i] && l->programs[i].state == SOURCE_PROGRAM_USED;
		prog = bpf_object__find_program_by_name(l->skel.obj, l->kind->rows[i].name);
		if (prog)
			bpf_program__set_autoload(prog, used);
		again = bpf_again_of(l->skel.obj, l->kind->rows[i].name);
		if (again)
			bpf_program__set_autoload(again, used && l->preempted);
	}
}

/* Loads each wanted program alone and marks those that this kernel refuses. True when one was found. */
static bool find_refused(struct bpf_load *l, const struct source_config *cfg,
			 const struct bpf_types *types)
{
	const struct bpf_skel all = l->skel;
	bool off[BPF_LOAD_PROGRAMS], found = false;
	char ignored[256] = "", why[160];
	size_t i;
	int e;

	for (i = 0; i < l->kind->n_rows; i++) {
		if (l->programs[i].state != SOURCE_PROGRAM_USED)
			continue;
		memset(off, true, sizeof(off));
		off[i] = false;
		if (open_skeleton(l, cfg, types, ignored, sizeof(ignored)))
			break;
		choose(l, off);
		e = l->kind->load(&l->skel);
		l->kind->destroy(&l->skel);
		if (e) {
			snprintf(why, sizeof(why), "the kernel refuses the program (%s)",
				 strerror(-e));
			say_missing(&l->programs[i], &l->kind->rows[i], why);
			found = true;
		}
	}
	l->skel = all;
	return found;
}

static void say_load_error(const struct bpf_kind *kind, int e, char *err, size_t err_size)
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
	else if (e == -EPERM && geteuid() == 0)
		snprintf(
			err, err_size,
			"bpf(2) is refused: CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) are needed, "
			"and no seccomp filter of a container or unit against it");
	else if (e == -EPERM)
		snprintf(err, err_size,
			 "the kernel does not let us load BPF programs: run as root, or give "
			 "CAP_BPF, "
			 "CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_RESOURCE");
	else if (!kind->by_file && (e == -ESRCH || e == -ENOENT))
		snprintf(err, err_size,
			 "the kernel has no BTF (/sys/kernel/btf/vmlinux): the BPF programs cannot "
			 "be fitted "
			 "to it; a kernel with CONFIG_DEBUG_INFO_BTF is needed, or a file with its "
			 "BTF (btf_path)");
	else
		snprintf(err, err_size, "the BPF programs cannot be loaded: %s (%s)", strerror(-e),
			 libbpf_said);
}

static int load_all(struct bpf_load *l)
{
	static const bool none_off[BPF_LOAD_PROGRAMS];

	choose(l, none_off);
	return l->kind->load(&l->skel);
}

/* After e: what this kernel refuses is left out, if it is not all. e, or what it came to then. */
static int load_rest(struct bpf_load *l, const struct source_config *cfg, struct bpf_types *types,
		     int e, char *err, size_t err_size)
{
	bpf_types_read(types);
	if ((types->btf || l->kind == &bpf_kind_plain) && find_refused(l, cfg, types) &&
	    l->programs[0].state == SOURCE_PROGRAM_USED) {
		l->kind->destroy(&l->skel);
		e = open_skeleton(l, cfg, types, err, err_size) ? -EIO : load_all(l);
	}
	bpf_types_release(types);
	return e;
}

static int load(struct bpf_load *l, const struct source_config *cfg, struct bpf_types *types,
		char *err, size_t err_size)
{
	int e = load_all(l);

	if (!e)
		return 0;
	err[0] = '\0';
	if (e != -EPERM)
		e = load_rest(l, cfg, types, e, err, err_size);
	if (e && !err[0])
		say_load_error(l->kind, e, err, err_size);
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
	int fd = bpf_map__fd(l->skel.syscall_infos), e = 0;
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

static int attach_one(struct bpf_load *l, const struct bpf_row *row,
		      const struct source_config *cfg, int cgroup_fd)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(l->skel.obj, row->name);

	if (!prog)
		return -ENOENT;
	switch (row->hook) {
	case HOOK_RAW:
	case HOOK_EVENT:
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

/* After the first copy, so that it runs after it. */
static void attach_again(struct bpf_load *l, size_t row)
{
	struct bpf_program *again = bpf_again_of(l->skel.obj, l->kind->rows[row].name);

	if (!again || bpf_program__fd(again) < 0 || keep_link(l, bpf_program__attach(again)))
		return;
	l->again[row] = true;
	l->missed_alone[row] = bpf_stats_skipped(l, l->kind->rows[row].name);
}

static int attach(struct bpf_load *l, const struct source_config *cfg, int cgroup_fd, char *err,
		  size_t err_size)
{
	char why[160];
	size_t i;
	int e;

	/* Execs last: by then the plain object sees every process that begins. */
	for (i = l->kind->n_rows; i-- > 0;) {
		if (l->programs[i].state != SOURCE_PROGRAM_USED)
			continue;
		e = attach_one(l, &l->kind->rows[i], cfg, cgroup_fd);
		if (!e) {
			attach_again(l, i);
			continue;
		}
		snprintf(why, sizeof(why), "attach failed (%s)", strerror(-e));
		say_missing(&l->programs[i], &l->kind->rows[i], why);
	}
	if (l->programs[0].state == SOURCE_PROGRAM_USED)
		return 0;
	snprintf(err, err_size, "execs cannot be seen: %s: %s", l->kind->rows[0].name,
		 l->programs[0].why);
	return -ENODEV;
}

static void name_programs(struct bpf_load *l, const struct source_config *cfg,
			  const struct btf *btf, int cgroup_fd)
{
	size_t i, k;

	l->n_programs = l->kind->n_rows;
	for (i = 0; i < l->kind->n_rows; i++) {
		const struct bpf_row *row = &l->kind->rows[i];
		struct source_program *p = &l->programs[i];
		const char *missing;

		snprintf(p->name, sizeof(p->name), "%s", row->name);
		for (k = 0; k < wire_n_events; k++) {
			if (word_in(wire_events[k].programs, row->name)) {
				size_t at = strlen(p->events);

				snprintf(p->events + at, sizeof(p->events) - at, "%s%s",
					 at ? " " : "", wire_events[k].name);
			}
		}
		p->state = SOURCE_PROGRAM_NOT_ASKED;
		if (!asked_for(row, cfg))
			continue;
		p->state = SOURCE_PROGRAM_USED;
		missing = hook_missing(l->kind, row, btf, cgroup_fd);
		if (missing)
			say_missing(p, row, missing);
	}
}

/* Everything is loaded and in place. */
static int fill(struct bpf_load *l, const struct source_config *cfg, int cgroup_fd, char *err,
		size_t err_size)
{
	int e = fill_scratch(&l->skel);

	e = e ? e : bpf_filter_fill(&l->skel, cfg);
	if (e) {
		snprintf(err, err_size, "the BPF maps cannot be filled: %s", strerror(-e));
		return e;
	}
	e = attach(l, cfg, cgroup_fd, err, err_size);
	if (!e && l->kind->ready) {
		e = l->kind->ready(&l->skel, cfg);
		if (e)
			snprintf(err, err_size, "the processes that run cannot be noted: %s",
				 strerror(-e));
	}
	return e;
}

/* The kernel's own BTF is used; a file that differs from it is a mistake worth telling. */
static void judge_btf_path(struct bpf_load *l, const struct source_config *cfg,
			   const struct btf *btf)
{
	char why[160];

	if (l->kind->by_file || !btf || !cfg->btf_path || !*cfg->btf_path ||
	    !bpf_btf_matches(cfg->btf_path, btf, why, sizeof(why)))
		return;
	buf_addf(&l->unresolved, "%s: it is not used, the kernel's own is", why);
	buf_add(&l->unresolved, "", 1);
}

static int open_types(struct bpf_types *types, const struct bpf_kind *kind,
		      const struct source_config *cfg, char *err, size_t err_size)
{
	if (kind->by_file && (!cfg->btf_path || !*cfg->btf_path)) {
		snprintf(err, err_size, "btf_path names no file with the kernel's BTF");
		return -ENOENT;
	}
	return bpf_types_open(types, kind->by_file ? cfg->btf_path : NULL, err, err_size);
}

/* All but what becomes of it when it fails. */
static int open_with(struct bpf_load *l, const struct source_config *cfg, struct bpf_types *types,
		     char *err, size_t err_size)
{
	const int cgroup_fd = cgroup_open_root(&l->part_of_cgroups);
	int e;

	name_programs(l, cfg, types->btf, cgroup_fd);
	judge_btf_path(l, cfg, types->btf);
	bpf_stats_judge(l, types->btf);
	e = open_skeleton(l, cfg, types, err, err_size);
	/* libbpf reads the kernel's types once more, and twice over while it does: not thrice. */
	bpf_types_release(types);
	e = e ? e : load(l, cfg, types, err, err_size);
	e = e ? e : fill(l, cfg, cgroup_fd, err, err_size);
	if (cgroup_fd >= 0)
		close(cgroup_fd);
	return e;
}

int bpf_load_open(struct bpf_load *l, const struct bpf_kind *kind, const struct source_config *cfg,
		  char *err, size_t err_size)
{
	struct bpf_types types;
	int e;

	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->preempted = bpf_again_is_wanted();
	err[0] = libbpf_said[0] = '\0';
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(on_libbpf);
	e = open_types(&types, kind, cfg, err, err_size);
	if (e)
		return e;
	e = open_with(l, cfg, &types, err, err_size);
	bpf_types_close(&types);
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
	if (l->kind)
		l->kind->destroy(&l->skel);
	buf_free(&l->unresolved);
}

static void degrade(struct buf *out, const char *why)
{
	buf_adds(out, why);
	buf_add(out, "", 1);
}

void bpf_load_degraded(const struct bpf_load *l, const struct source_config *cfg, struct buf *out)
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
	if (l->kind->degraded)
		l->kind->degraded(cfg, out);
	if (l->part_of_cgroups)
		degrade(out, "we run in a cgroup namespace: connects outside of it are seen by "
			     "their syscalls only");
}
