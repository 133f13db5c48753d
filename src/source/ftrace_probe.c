// SPDX-License-Identifier: MIT
#include "source/ftrace_probe.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/* Arguments of the caller: filename and argv are the registers of the syscall. */
#if defined(__x86_64__)
#define SYS "__x64_sys_"
#define SYS32 "__ia32_compat_sys_"
#define SETUP32 "compat_arch_setup_additional_pages"
#define REG_0 "+112($arg1)" /* struct pt_regs: di, si, dx */
#define REG_1 "+104($arg1)"
#define REG_2 "+96($arg1)"
#elif defined(__aarch64__)
#define SYS "__arm64_sys_"
#define SYS32 "__arm64_compat_sys_"
#define SETUP32 "aarch32_setup_additional_pages"
#define REG_0 "+0($arg1)"
#define REG_1 "+8($arg1)"
#define REG_2 "+16($arg1)"
#else
#define SYS "__se_sys_"
#define SYS32 "__se_compat_sys_"
#define SETUP32 "compat_arch_setup_additional_pages"
#define REG_0 "$arg1"
#define REG_1 "$arg2"
#define REG_2 "$arg3"
#endif

#define BPRM_INODE "+{file.f_inode}(+{linux_binprm.file}($arg1))"
#define MAX_ARRAYS 7 /* of 64 words: what is larger than a page is never recorded */

enum mode { ALWAYS, DEFAULT_HOOKS };

/*
 * Rows of the same name are tried in turn until the kernel takes one. An empty definition is a tracepoint of the kernel's
 * own. %A: the arrays of argument bytes, %C: the strings of a caller's argv; both begin at the address that `base` makes.
 */
static const struct probe_row {
	const char *system, *name;
	size_t granted; /* in struct ft_granted */
	enum mode mode;
	const char *asked_by; /* in syscalls_to_trace; empty: always */
	const char *definition;
	const char *base;
} rows[] = {
#define GRANTS(member) offsetof(struct ft_granted, member)
	{ "sched", "sched_process_exec", GRANTS(exec), ALWAYS, "", "", "" },
	{ "sched", "sched_process_fork", GRANTS(fork), ALWAYS, "", "", "" },
	{ "sched", "sched_process_exit", GRANTS(exit), ALWAYS, "", "", "" },
	{ "task", "task_newtask", GRANTS(newtask), ALWAYS, "", "", "" },
	{ "task", "task_rename", GRANTS(rename), ALWAYS, "", "", "" },
	{ "sock", "inet_sock_set_state", GRANTS(sock_state), ALWAYS, "connect", "", "" },
	{ "tcp", "tcp_receive_reset", GRANTS(sock_reset), ALWAYS, "connect", "", "" },
#if defined(__x86_64__)
	{ FTRACE_GROUP, "args", GRANTS(args), ALWAYS, "",
	  "p:" FTRACE_GROUP "/args start_thread argc=+0($arg3):u64 %A", "+8($arg3)" },
#else
	{ FTRACE_GROUP, "args", GRANTS(args), ALWAYS, "",
	  "p:" FTRACE_GROUP "/args finalize_exec argc=+0(+{linux_binprm.p}($arg1)):u64 %A",
	  "+8(+{linux_binprm.p}($arg1))" },
#endif
	/*
	 * Called when the strings are where they will stay and before anything else is put on the
	 * new stack.
	 */
	{ FTRACE_GROUP, "args32", GRANTS(args32), ALWAYS, "",
	  "p:" FTRACE_GROUP "/args32 " SETUP32 " argc=+{linux_binprm.argc}($arg1):s32 %A",
	  "+{linux_binprm.p}($arg1)" },
	{ FTRACE_GROUP, "ready32", GRANTS(ready32), ALWAYS, "",
	  "p:" FTRACE_GROUP "/ready32 compat_start_thread", "" },
	{ FTRACE_GROUP, "bprm", GRANTS(bprm), ALWAYS, "",
	  "p:" FTRACE_GROUP "/bprm finalize_exec argc=+{linux_binprm.argc}($arg1):s32 "
	  "ino=+{inode.i_ino}(" BPRM_INODE "):u64 "
	  "dev=+{super_block.s_dev}(+{inode.i_sb}(" BPRM_INODE ")):u32 "
	  "mode=+{inode.i_mode}(" BPRM_INODE "):u16 uid=+{inode.i_uid}(" BPRM_INODE "):u32 "
	  "gid=+{inode.i_gid}(" BPRM_INODE "):u32 nlink=+{inode.i_nlink}(" BPRM_INODE "):u32 "
	  "class=+{linux_binprm.buf,4}($arg1):u8 "
	  "filename=+{linux_binprm.filename}($arg1):x64 "
	  "interp=+{linux_binprm.interp}($arg1):x64 "
	  "name=+0(+{dentry.d_name,qstr.name}(+{file.f_path,path.dentry}("
	  "+{linux_binprm.file}($arg1)))):string "
	  "interp_name=+0(+{linux_binprm.interp}($arg1)):x64[32]",
	  "" },
	{ FTRACE_GROUP, "creds", GRANTS(creds), ALWAYS, "",
	  "p:" FTRACE_GROUP "/creds security_bprm_committing_creds "
	  "uid=+{cred.uid}(+{linux_binprm.cred}($arg1)):u32 "
	  "gid=+{cred.gid}(+{linux_binprm.cred}($arg1)):u32 "
	  "euid=+{cred.euid}(+{linux_binprm.cred}($arg1)):u32 "
	  "egid=+{cred.egid}(+{linux_binprm.cred}($arg1)):u32",
	  "" },
	{ FTRACE_GROUP, "exit", GRANTS(codes), ALWAYS, "",
	  "p:" FTRACE_GROUP "/exit do_exit code=$arg1:s64", "" },
	{ FTRACE_GROUP, "exit_group", GRANTS(codes), ALWAYS, "",
	  "p:" FTRACE_GROUP "/exit_group do_group_exit code=$arg1:s32", "" },
	{ FTRACE_GROUP, "clone3", GRANTS(fork_calls), ALWAYS, "",
	  "p:" FTRACE_GROUP "/clone3 " SYS "clone3", "" },
	{ FTRACE_GROUP, "clone", GRANTS(fork_calls), ALWAYS, "",
	  "p:" FTRACE_GROUP "/clone " SYS "clone", "" },
	{ FTRACE_GROUP, "vfork", GRANTS(fork_calls), ALWAYS, "",
	  "p:" FTRACE_GROUP "/vfork " SYS "vfork", "" },
	{ FTRACE_GROUP, "fork", GRANTS(fork_calls), ALWAYS, "",
	  "p:" FTRACE_GROUP "/fork " SYS "fork", "" },
	{ FTRACE_GROUP, "connect", GRANTS(connect_address), ALWAYS, "connect",
	  "p:" FTRACE_GROUP "/connect __sys_connect fd=$arg1:s32 len=$arg3:s32 "
	  "proof=+0($arg2):string b=+0($arg2):x64[16]",
	  "" },
	{ FTRACE_GROUP, "connect_ret", GRANTS(connect_ret), ALWAYS, "connect",
	  "r512:" FTRACE_GROUP "/connect_ret __sys_connect ret=$retval:s32", "" },
	{ FTRACE_GROUP, "connect_file", GRANTS(connect_file), ALWAYS, "connect",
	  "p:" FTRACE_GROUP "/connect_file __sys_connect_file len=$arg3:s32 "
	  "b=+0($arg2):x64[16] type=+{socket.type}(+{file.private_data}($arg1)):s16 "
	  "protocol=+{sock.sk_protocol}(+{socket.sk}(+{file.private_data}($arg1))):u16",
	  "" },
	{ FTRACE_GROUP, "connect_file", GRANTS(connect_file), ALWAYS, "connect",
	  "p:" FTRACE_GROUP "/connect_file __sys_connect_file len=$arg3:s32 "
	  "b=+0($arg2):x64[16]",
	  "" },
	{ FTRACE_GROUP, "connect", GRANTS(connect_address), DEFAULT_HOOKS, "connect",
	  "e:" FTRACE_GROUP "/connect syscalls.sys_enter_connect fd=$fd len=$addrlen "
	  "proof=+0($uservaddr):string b=+0($uservaddr):x64[16]",
	  "" },
	{ "syscalls", "sys_enter_connect", GRANTS(connect), DEFAULT_HOOKS, "connect", "", "" },
	{ "syscalls", "sys_exit_connect", GRANTS(connect_ret), DEFAULT_HOOKS, "connect", "", "" },
	{ FTRACE_GROUP, "open", GRANTS(exec_ret), DEFAULT_HOOKS, "execve execveat",
	  "p:" FTRACE_GROUP "/open do_open_execat fd=$arg1:s32 name=+0(+0($arg2)):string", "" },
	{ FTRACE_GROUP, "execve", GRANTS(args_at_call), DEFAULT_HOOKS, "execve execveat",
	  "p:" FTRACE_GROUP "/execve " SYS "execve f=+0(" REG_0 "):string %C", REG_1 },
	{ FTRACE_GROUP, "execveat", GRANTS(args_at_call), DEFAULT_HOOKS, "execve execveat",
	  "p:" FTRACE_GROUP "/execveat " SYS "execveat f=+0(" REG_1 "):string %C", REG_2 },
	{ FTRACE_GROUP, "execve", GRANTS(args_at_call), DEFAULT_HOOKS, "execve execveat",
	  "e:" FTRACE_GROUP "/execve syscalls.sys_enter_execve f=+0($filename):string %C",
	  "$argv" },
	{ FTRACE_GROUP, "execveat", GRANTS(args_at_call), DEFAULT_HOOKS, "execve execveat",
	  "e:" FTRACE_GROUP "/execveat syscalls.sys_enter_execveat f=+0($filename):string %C",
	  "$argv" },
	{ FTRACE_GROUP, "execve_ret", GRANTS(exec_ret), DEFAULT_HOOKS, "execve execveat",
	  "r256:" FTRACE_GROUP "/execve_ret " SYS "execve ret=$retval:s32", "" },
	{ FTRACE_GROUP, "execveat_ret", GRANTS(exec_ret), DEFAULT_HOOKS, "execve execveat",
	  "r256:" FTRACE_GROUP "/execveat_ret " SYS "execveat ret=$retval:s32", "" },
	{ FTRACE_GROUP, "execve32_ret", GRANTS(exec_ret32), DEFAULT_HOOKS, "execve execveat",
	  "r256:" FTRACE_GROUP "/execve32_ret " SYS32 "execve ret=$retval:s32", "" },
	{ FTRACE_GROUP, "execveat32_ret", GRANTS(exec_ret32), DEFAULT_HOOKS, "execve execveat",
	  "r256:" FTRACE_GROUP "/execveat32_ret " SYS32 "execveat ret=$retval:s32", "" },
	{ "syscalls", "sys_exit_execve", GRANTS(exec_ret), DEFAULT_HOOKS, "execve execveat", "",
	  "" },
	{ "syscalls", "sys_exit_execveat", GRANTS(exec_ret), DEFAULT_HOOKS, "execve execveat", "",
	  "" },
	{ "syscalls", "sys_enter_clone3", GRANTS(fork_calls), DEFAULT_HOOKS,
	  "fork vfork clone clone3", "", "" },
	{ "syscalls", "sys_enter_clone", GRANTS(fork_calls), DEFAULT_HOOKS,
	  "fork vfork clone clone3", "", "" },
	{ "syscalls", "sys_enter_vfork", GRANTS(fork_calls), DEFAULT_HOOKS,
	  "fork vfork clone clone3", "", "" },
	{ "syscalls", "sys_enter_fork", GRANTS(fork_calls), DEFAULT_HOOKS,
	  "fork vfork clone clone3", "", "" },
#undef GRANTS
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(N_ROWS <= FT_PROBE_ROWS, "more rows than struct ft_granted has room for");

/* A tracepoint stands in for a probe of ours, when the kernel has refused that. */
static const struct stand_in {
	const char *name, *for_probe;
} stand_ins[] = {
	{ "sys_enter_connect", "connect" },  { "sys_exit_connect", "connect_ret" },
	{ "sys_exit_execve", "execve_ret" }, { "sys_exit_execveat", "execveat_ret" },
	{ "sys_enter_clone3", "clone3" },    { "sys_enter_clone", "clone" },
	{ "sys_enter_vfork", "vfork" },	     { "sys_enter_fork", "fork" },
};

struct probing {
	const struct ft_fs *fs;
	struct ft_formats *formats;
	struct ft_granted *out;
	struct btf *btf; /* NULL: the kernel has none */
};

static bool word_in(const char *words, const char *word)
{
	const size_t len = strlen(word);
	const char *at = words;

	while ((at = strstr(at, word))) {
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
		at += len;
	}
	return false;
}

static bool asked_for(const struct probe_row *row, const struct source_config *cfg)
{
	size_t i;

	if (cfg->lean && row->mode != ALWAYS)
		return false;
	if (!row->asked_by[0])
		return true;
	for (i = 0; i < cfg->syscalls.n; i++) {
		if (word_in(row->asked_by, cfg->syscalls.item[i]))
			return true;
	}
	return false;
}

static bool have(const struct probing *p, const char *system, const char *name)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		if (p->out->row[i] && !strcmp(rows[i].system, system) &&
		    !strcmp(rows[i].name, name))
			return true;
	}
	return false;
}

/* Has another row done this one's work already? */
static bool not_needed(const struct probing *p, const struct probe_row *row)
{
	size_t i;

	if (have(p, row->system, row->name))
		return true;
	for (i = 0; i < sizeof(stand_ins) / sizeof(stand_ins[0]); i++) {
		if (!strcmp(stand_ins[i].name, row->name) &&
		    have(p, FTRACE_GROUP, stand_ins[i].for_probe))
			return true;
	}
	return false;
}

/* -1: there is none. Members of unnamed structs and unions count as their parent's. */
static int member_offset(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *m = btf_members(type);
	int i, at, inner;

	for (i = 0; i < btf_vlen(type); i++) {
		at = (int)(btf_member_bit_offset(type, (unsigned)i) / 8);
		if (!strcmp(btf__name_by_offset(btf, m[i].name_off), name))
			return at;
		if (m[i].name_off || !btf_is_composite(btf__type_by_id(btf, m[i].type)))
			continue;
		inner = member_offset(btf, btf__type_by_id(btf, m[i].type), name);
		if (inner >= 0)
			return at + inner;
	}
	return -1;
}

/* Of "struct.member", or a number. */
static int offset_of(const struct btf *btf, const char *term)
{
	char name[64], *dot;
	int id;

	if (*term >= '0' && *term <= '9')
		return (int)strtol(term, NULL, 10);
	snprintf(name, sizeof(name), "%s", term);
	dot = strchr(name, '.');
	if (!dot || !btf)
		return -1;
	*dot = '\0';
	id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	return id < 0 ? -1 : member_offset(btf, btf__type_by_id(btf, (unsigned)id), dot + 1);
}

/* The sum of the terms up to the closing brace, where *text is left; -1 when one is not known. */
static int sum_offsets(const struct btf *btf, const char **text)
{
	const char *end = strchr(*text, '}');
	char terms[128], *term, *rest;
	int sum = 0, one;

	snprintf(terms, sizeof(terms), "%.*s", (int)(end - *text), *text);
	*text = end;
	for (term = strtok_r(terms, ",", &rest); term; term = strtok_r(NULL, ",", &rest)) {
		one = offset_of(btf, term);
		if (one < 0)
			return -1;
		sum += one;
	}
	return sum;
}

static void add_arrays(struct buf *out, const char *base, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		buf_addf(out, "b%u=+%u(%s):x64[64] ", i, i * 512, base);
}

static void add_strings(struct buf *out, const char *base)
{
	unsigned i;

	buf_addf(out, "v=+0(%s):x64[%d] ", base, FT_CALL_ARGS);
	for (i = 0; i < FT_CALL_ARGS; i++)
		buf_addf(out, "a%u=+0(+%u(%s)):string ", i, i * 8, base);
}

/* False: an offset is not known. */
static bool expand(struct buf *out, const struct btf *btf, const char *text, const char *base,
		   unsigned arrays)
{
	int offset;

	for (; *text; text++) {
		if (*text == '{') {
			text++;
			offset = sum_offsets(btf, &text);
			if (offset < 0)
				return false;
			buf_addf(out, "%d", offset);
		} else if (text[0] == '%' && text[1] == 'A') {
			text++;
			add_arrays(out, base, arrays);
		} else if (text[0] == '%' && text[1] == 'C') {
			text++;
			add_strings(out, base);
		} else {
			buf_addc(out, *text);
		}
	}
	return true;
}

/* The table has the usual group. */
static const char *system_of(const struct ft_fs *fs, const struct probe_row *row)
{
	return row->definition[0] ? fs->group : row->system;
}

static int define(const struct probing *p, const struct probe_row *row, unsigned arrays)
{
	const char *group = strchr(row->definition, ':') + 1;
	struct buf text = { 0 }, base = { 0 };
	int e = -ENODATA;

	buf_add(&text, row->definition, (size_t)(group - row->definition));
	buf_adds(&text, p->fs->group);
	if (expand(&base, p->btf, row->base, "", 0) &&
	    expand(&text, p->btf, strchr(group, '/'), base.data ? base.data : "", arrays)) {
		buf_addc(&text, '\n');
		e = text.failed ? -ENOMEM
				: ft_fs_append(p->fs->root_dir, "dynamic_events", text.data);
	}
	buf_free(&text);
	buf_free(&base);
	return e;
}

static void undefine(const struct probing *p, const struct probe_row *row)
{
	char text[96];

	snprintf(text, sizeof(text), "-:%s/%s\n", system_of(p->fs, row), row->name);
	ft_fs_append(p->fs->root_dir, "dynamic_events", text);
}

/* Arguments: the most that the kernel takes. */
static int define_any(const struct probing *p, const struct probe_row *row)
{
	unsigned n = strstr(row->definition, "%A") ? MAX_ARRAYS : 1;
	int e = -EINVAL;

	for (; n && e; n--)
		e = define(p, row, n);
	return e;
}

static int enter_format(const struct probing *p, const struct probe_row *row)
{
	struct buf text = { 0 };
	char path[96];
	int e;

	snprintf(path, sizeof(path), "events/%s/%s/format", system_of(p->fs, row), row->name);
	e = ft_fs_read(p->fs->root_dir, path, &text);
	e = e ? e : ft_formats_add(p->formats, row->system, row->name, text.data, text.len);
	buf_free(&text);
	return e;
}

/* In a buffer of their own: what must not be lost. */
static enum ft_instance instance_of(const struct probe_row *row)
{
	static const char names[] = "sched_process_exec args args32 ready32 bprm creds";

	return word_in(names, row->name) ? FT_INSTANCE_EXEC : FT_INSTANCE_NOISY;
}

static int switch_on(const struct ft_fs *fs, const struct probe_row *row)
{
	char path[96];

	snprintf(path, sizeof(path), "events/%s/%s/enable", system_of(fs, row), row->name);
	return ft_fs_write(fs->dir[instance_of(row)], path, "1");
}

static int try_row(struct probing *p, size_t i)
{
	const struct probe_row *row = &rows[i];
	const bool kprobe = row->definition[0] == 'p' || row->definition[0] == 'r';
	int e = kprobe && !p->out->kprobes ? -EOPNOTSUPP : 0;

	e = e || !row->definition[0] ? e : define_any(p, row);
	if (e)
		return e;
	e = enter_format(p, row);
	e = e ? e : switch_on(p->fs, row);
	if (e && row->definition[0])
		undefine(p, row);
	if (e)
		return e;
	p->out->row[i] = true;
	*((bool *)p->out + row->granted) = true;
	log_debug("source", "ftrace: %s/%s", row->system, row->name);
	return 0;
}

int ft_probe(const struct ft_fs *fs, const struct source_config *cfg, struct ft_formats *formats,
	     struct ft_granted *out, char *err, size_t err_size)
{
	struct probing p = {
		.fs = fs, .formats = formats, .out = out, .btf = btf__load_vmlinux_btf()
	};
	size_t i;
	int e;

	*out = (struct ft_granted){ .kprobes = out->kprobes };
	for (i = 0; i < N_ROWS; i++) {
		if (!asked_for(&rows[i], cfg) || not_needed(&p, &rows[i]))
			continue;
		e = try_row(&p, i);
		if (e)
			log_debug("source", "ftrace: %s/%s is refused: %s", rows[i].system,
				  rows[i].name, strerror(-e));
	}
	out->quick_threads = p.btf && offset_of(p.btf, "signal_struct.quick_threads") >= 0;
	btf__free(p.btf);
	if (out->exec)
		return 0;
	snprintf(err, err_size,
		 "%s has no event sched/sched_process_exec: the kernel is built "
		 "without CONFIG_EVENT_TRACING, or locked down",
		 fs->root);
	return -ENODEV;
}

static bool names(const struct source_config *cfg, const char *words)
{
	const struct probe_row row = { .mode = ALWAYS, .asked_by = words };

	return asked_for(&row, cfg);
}

/* A syscall that has no event of its own. */
static bool any_other(const struct source_config *cfg)
{
	static const char typed[] = "execve execveat fork vfork clone clone3 connect";
	size_t i;

	for (i = 0; i < cfg->syscalls.n; i++) {
		if (!word_in(typed, cfg->syscalls.item[i]))
			return true;
	}
	return false;
}

static void add(struct buf *out, bool missing, const char *sentence)
{
	if (missing)
		buf_add(out, sentence, strlen(sentence) + 1);
}

/*
 * Of an exec whose event is too long for the buffer a probe must tell, or the call that comes back.
 */
static void add_long_names(const struct ft_granted *g, struct buf *out)
{
	const bool seen = g->args || g->bprm, seen32 = g->ready32 || g->bprm;

	add(out, !seen && !g->exec_ret,
	    "an exec whose file name has about 4,000 bytes, the most that an event of a page has "
	    "room for, is not seen");
	add(out, (seen || g->exec_ret) && !seen32 && !(g->exec_ret && g->exec_ret32),
	    "an exec by or of a 32-bit program whose file name has about 4,000 bytes, the most "
	    "that an event of "
	    "a page has room for, is not seen");
}

void ft_probe_degraded(const struct ft_granted *g, const struct source_config *cfg, struct buf *out)
{
	const bool connects = names(cfg, "connect"), execs = names(cfg, "execve execveat");
	const bool any_connect = g->connect || g->connect_address;

	add(out, !g->kprobes,
	    "kprobes are switched off on this host (kernel.ftrace_enabled, or kprobes/enabled of "
	    "debugfs)");
	add(out, !g->args,
	    "arguments of an exec are read from /proc after the fact: a process that ends at once, "
	    "or changes them, has none or others");
	add(out, g->args && g->args32,
	    "arguments of an exec beyond the first 2.5 KiB are read from /proc after the fact");
	add(out, g->args && !g->args32,
	    "arguments of an exec beyond the first 2.5 KiB, and those of 32-bit programs, are read "
	    "from /proc after the fact");
	add_long_names(g, out);
	add(out, !g->bprm || !g->creds,
	    "the file that runs and its user and group ids are read from /proc after the fact: of "
	    "a "
	    "process that ends at once they are the parent's");
	add(out, true,
	    "the path of the file that runs is looked up after the fact: when the process and the "
	    "file are gone by then, it is the name as given");
	add(out, true,
	    "cgroup, terminal and audit ids are read from /proc after the fact: of a process that "
	    "ends at once they are the parent's");
	add(out, true, "a user id that a process takes without an exec is seen at its next exec");
	add(out, !g->bprm, "a script's interpreter is not told apart from its program");
	add(out, !g->fork, "forks and threads are not seen");
	add(out, g->fork && !g->newtask, "flags of clone are not seen");
	add(out, g->fork && !g->fork_calls, "which call made a child is not seen");
	add(out, !g->exit, "exits are not seen");
	add(out, g->exit && !g->codes, "exit codes and signals are not seen");
	add(out, connects && !any_connect, "connects other than by TCP are not seen");
	add(out, connects && g->connect && !g->connect_address,
	    "the address of a connect is seen for TCP only");
	add(out, connects && any_connect && !g->connect_file,
	    "connects other than by TCP are not seen when made by io_uring or by 32-bit "
	    "programs");
	add(out, connects && g->sock_state,
	    "of a TCP connect that was left open and failed, only a refusal is told apart");
	add(out, connects && !g->sock_state, "how a TCP connect ends later is not seen");
	add(out, execs && !cfg->lean && !g->exec_ret, "failed execs are not seen");
	add(out, execs && !cfg->lean && g->exec_ret && !g->args_at_call,
	    "arguments of failed execs are not seen");
	add(out, any_other(cfg),
	    "other syscalls of syscalls_to_trace are not seen: ftrace shows the typed events only");
}

size_t ft_probe_dirs(const struct ft_fs *fs, const struct ft_granted *g, size_t i,
		     enum ft_instance *in, char *out, size_t size)
{
	for (; i < N_ROWS && !g->row[i]; i++)
		;
	if (i == N_ROWS)
		return 0;
	*in = instance_of(&rows[i]);
	snprintf(out, size, "events/%s/%s", system_of(fs, &rows[i]), rows[i].name);
	return i + 1;
}

int ft_probe_check(const struct ft_fs *fs, const struct ft_granted *g)
{
	char enable[96], filter[96];
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		const int dir = fs->dir[instance_of(&rows[i])];

		if (!g->row[i])
			continue;
		snprintf(enable, sizeof(enable), "events/%s/%s/enable", system_of(fs, &rows[i]),
			 rows[i].name);
		snprintf(filter, sizeof(filter), "events/%s/%s/filter", system_of(fs, &rows[i]),
			 rows[i].name);
		if (!ft_fs_says(dir, enable, "1") || !ft_fs_says(dir, filter, "none"))
			return -EIO;
	}
	return 0;
}
