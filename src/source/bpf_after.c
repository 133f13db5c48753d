// SPDX-License-Identifier: MIT
#include "source/bpf_after.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/cgroup.h"
#include "source/clock.h"
#include "source/ftrace_proc.h"
#include "wire/build.h"

#define CGROUPS_TOLD 1024

struct bpf_after {
	int proc, cgroup; /* directories; -1: not open */
	int processes;	  /* the object's map */
	struct buf snap, record;
	edr_u64 told[CGROUPS_TOLD]; /* control groups, by their id */
};

int bpf_after_new(struct bpf_after **out, const struct bpf_skel *skel)
{
	struct bpf_after *a = calloc(1, sizeof(*a));
	bool part;

	*out = a;
	if (!a)
		return -ENOMEM;
	a->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	a->cgroup = cgroup_open_root(&part);
	a->processes = bpf_object__find_map_fd_by_name(skel->obj, "processes");
	return 0;
}

void bpf_after_free(struct bpf_after *a)
{
	if (!a)
		return;
	if (a->proc >= 0)
		close(a->proc);
	if (a->cgroup >= 0)
		close(a->cgroup);
	buf_free(&a->snap);
	buf_free(&a->record);
	free(a);
}

/* Is that exec still the last of its process? Asked when /proc has been read. */
static bool is_last(const struct bpf_after *a, const struct edr_exec *e)
{
	struct edr_plain_process p;

	return !bpf_map_lookup_elem(a->processes, &e->hdr.tgid, &p) &&
	       p.start_ns == e->hdr.start_ns && p.exec_ns == e->hdr.time_ns;
}

/* NULL: it is gone, or another program by now. */
static const struct ft_snapshot *look(struct bpf_after *a, const struct edr_exec *e)
{
	buf_clear(&a->snap);
	if (!ft_proc_snapshot(a->proc, a->cgroup, e->hdr.tgid, source_boot_ns(), &a->snap) ||
	    !is_last(a, e))
		return NULL;
	return (const void *)a->snap.data;
}

/* The path of its control group, the first time that there is one to tell. */
static void tell_cgroup(struct bpf_after *a, const struct edr_exec *e, const struct ft_snapshot *s,
			source_record_fn fn, void *ctx)
{
	const char *path = (const char *)(s + 1) + s->exe_len + s->argv_len;
	edr_u64 *told = &a->told[e->cgroup_id % CGROUPS_TOLD];
	struct edr_cgroup cg = { .hdr = e->hdr, .cgroup_id = e->cgroup_id };
	const struct edr_hdr *rec;
	struct wire_build b;

	if (!s->cgroup_len || s->cgroup_id != e->cgroup_id || *told == e->cgroup_id)
		return;
	cg.hdr.flags &= EDR_F_COARSE_START;
	buf_clear(&a->record);
	wire_build_begin(&b, &a->record, EDR_CGROUP, &cg);
	wire_build_str(&b, offsetof(struct edr_cgroup, path), path, s->cgroup_len);
	rec = wire_build_end(&b);
	if (!rec)
		return;
	*told = e->cgroup_id;
	fn(ctx, rec);
}

static unsigned count_args(struct wire_span argv)
{
	struct wire_span arg;
	unsigned n = 0;

	while (wire_next_arg(&argv, &arg))
		n++;
	return n;
}

static void take_status(struct edr_exec *e, const struct ft_snapshot *s)
{
	e->euid = s->status.creds.euid;
	e->egid = s->status.creds.egid;
	e->loginuid = s->status.session.loginuid;
	e->sessionid = s->status.session.sessionid;
	e->exe_ino = s->exe_ino;
	e->exe_dev = s->exe_dev;
	e->exec_flags |= s->exec_flags;
	memcpy(e->tty, s->status.session.tty, sizeof(e->tty));
	if (!e->ppid)
		e->ppid = s->status.ppid;
}

void bpf_after_exec(struct bpf_after *a, const struct edr_exec *e, source_record_fn fn, void *ctx)
{
	struct wire_span argv = wire_str(e, e->argv), filename = wire_str(e, e->filename),
			 exe = filename;
	const struct ft_snapshot *s = look(a, e);
	const struct edr_hdr *rec;
	struct edr_exec full = *e;
	struct wire_build b;

	full.exe = full.filename = full.interp = full.argv = (struct edr_str){ 0, 0 };
	if (s) {
		tell_cgroup(a, e, s, fn, ctx);
		take_status(&full, s);
	}
	if (s && s->exe_len)
		exe = (struct wire_span){ (const char *)(s + 1), s->exe_len };
	else
		full.hdr.flags |= EDR_F_EXE_UNRESOLVED;
	if (s && (full.hdr.flags & EDR_F_ARGS_UNREADABLE) && s->argv_len) {
		argv = (struct wire_span){ (const char *)(s + 1) + s->exe_len, s->argv_len };
		full.hdr.flags |= EDR_F_ARGS_FROM_PROC;
		full.hdr.flags &= ~EDR_F_ARGS_UNREADABLE;
		full.argv_bytes = s->argv_bytes;
		full.argc = count_args(argv);
		if (s->argv_bytes > s->argv_len)
			full.hdr.flags |= EDR_F_TRUNCATED;
	}
	buf_clear(&a->record);
	wire_build_begin(&b, &a->record, EDR_EXEC, &full);
	wire_build_str(&b, offsetof(struct edr_exec, exe), exe.data, exe.len);
	wire_build_str(&b, offsetof(struct edr_exec, filename), filename.data, filename.len);
	wire_build_str(&b, offsetof(struct edr_exec, argv), argv.data, argv.len);
	rec = wire_build_end(&b);
	fn(ctx, rec ? rec : &e->hdr); /* without memory, as it came */
}
