/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The kernel types that we read, each with only the members that we read. Sizes and offsets here mean
 * nothing: CO-RE looks every member up by name in the running kernel's BTF when the program is loaded,
 * so this file serves every version and both x86_64 and arm64, and building needs no BTF.
 *
 * The first part is the kernel's interface to BPF programs (linux/bpf.h), whose numbers and layouts are
 * fixed. A name with ___suffix is a flavour: CO-RE drops the suffix, so two kernels' shapes of one type
 * can stand side by side (bpf/compat.bpf.h chooses between them).
 */
#ifndef EDR_VMLINUX_H
#define EDR_VMLINUX_H

/* asm-generic/int-ll64.h, with linux/types.h */
typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;
enum { false, true };

/* linux/bpf.h: map types, flags of maps and of the ring buffer */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

/* linux/bpf.h: context of raw tracepoints */
struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

/* linux/bpf.h: context of cgroup/connect4 and connect6; the verifier rewrites each access */
struct bpf_sock_addr {
	__u32 user_family;
	__u32 user_ip4;	   /* network byte order */
	__u32 user_ip6[4]; /* network byte order */
	__u32 user_port;   /* network byte order */
	__u32 family;
	__u32 type;
	__u32 protocol;
	__u32 msg_src_ip4;
	__u32 msg_src_ip6[4];
	struct bpf_sock *sk;
};

/* Context of tracepoint programs on syscalls: include/trace/syscall.h, kernel/trace/trace_syscalls.c (syscall_tp_t) */
struct syscall_enter_ctx {
	__u64 entry;
	__u32 nr;
	__u32 pad;
	__u64 args[6];
};
struct syscall_exit_ctx {
	__u64 entry;
	__u32 nr;
	__u32 pad;
	__s64 ret;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/linux/types.h, include/linux/uidgid_types.h */
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	u32 val;
} kuid_t;
typedef struct {
	u32 val;
} kgid_t;

/* include/linux/cred.h: who it runs as */
struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t euid;
	kgid_t egid;
	struct user_namespace *user_ns;
};

/* include/linux/dcache.h: one component of a path */
struct qstr {
	union {
		struct {
			u32 hash;
			u32 len;
		};
	};
	const unsigned char *name;
};
struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};
struct dentry {
	struct hlist_bl_node d_hash; /* pprev is NULL when unhashed: deleted, or never named */
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

/* include/linux/mount.h, fs/mount.h: where a file system hangs in the tree */
struct vfsmount {
	struct dentry *mnt_root;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

/* include/linux/fs.h: the file that runs */
struct super_block {
	u32 s_dev;
};
struct inode {
	u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
};
struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	void *private_data; /* of a socket's file: struct socket */
};

/* include/linux/fdtable.h: from a descriptor to its file */
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};

/* include/linux/mm_types.h: where exec put the arguments */
struct mm_struct {
	unsigned long start_code;
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};

/* include/linux/binfmts.h: an exec under way */
struct linux_binprm {
	int argc;
	const char *filename;
	const char *interp;
	char buf[256];
};

/* include/linux/tty.h: the controlling terminal */
struct tty_struct {
	char name[64];
};

/* include/linux/sched/signal.h: what the threads of a process share */
struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
	int nr_threads;
	int group_exit_code;
	unsigned int flags; /* SIGNAL_GROUP_EXIT: group_exit_code holds */
	struct tty_struct *tty;
};

/* include/linux/nsproxy.h, fs/mount.h */
struct ns_common {
	unsigned int inum;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct nsproxy {
	void *uts_ns;
	void *ipc_ns;
	struct mnt_namespace *mnt_ns;
	void *pid_ns_for_children;
	void *net_ns;
	void *cgroup_ns;
};

/* include/linux/kernfs.h: one directory of cgroupfs */
struct kernfs_node {
	const char *name;
	u64 id;
	struct kernfs_node *parent;
};
struct kernfs_node___6_15 {
	struct kernfs_node___6_15 *__parent;
};

/* include/linux/cgroup-defs.h */
struct cgroup {
	int level;
	struct kernfs_node *kn;
};
struct cgroup_subsys_state {
	struct cgroup *cgroup;
};
struct css_set {
	struct cgroup_subsys_state *subsys[16];
	struct cgroup *dfl_cgrp; /* on the v2 hierarchy */
};
enum cgroup_subsys_id { memory_cgrp_id = 1, pids_cgrp_id = 2, devices_cgrp_id = 3 };

/* include/linux/sched.h */
struct task_struct {
	unsigned int flags; /* PF_* */
	struct mm_struct *mm;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	void *stack;
	u64 start_boottime; /* since 5.5, before that real_start_time */
	const struct cred *cred;
	char comm[16];
	void *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	void *sighand;
	kuid_t loginuid;	/* CONFIG_AUDITSYSCALL */
	unsigned int sessionid; /* the same */
	struct css_set *cgroups;
};

/* arch/x86/include/asm/thread_info.h: only there it has a status */
struct thread_info___x86 {
	u32 status; /* TS_* */
};
struct task_struct___x86 {
	struct thread_info___x86 thread_info;
};

/* arch/x86/include/asm/ptrace.h, arch/arm64/include/asm/ptrace.h: the registers at the entry to the kernel */
struct pt_regs {
};
struct pt_regs___x86 {
	unsigned long dx, si, di;
	unsigned long orig_ax; /* the number of the call */
	unsigned long cs, ss;
};
struct pt_regs___arm64 {
	u64 regs[31];
	u64 pstate;
	u64 orig_x0;
	s32 syscallno;
};
enum bpf_func_id { BPF_FUNC_task_pt_regs = 175 };

/* include/trace/events/sched.h: the tracepoint by way of perf; from 6.16 on */
struct trace_event_raw_sched_process_exit {
	bool group_dead;
};

/* include/net/sock.h */
struct in6_addr {
	u8 bytes[16];
};
struct sock_common {
	u32 skc_daddr;
	u16 skc_dport; /* network byte order */
	u16 skc_family;
	struct in6_addr skc_v6_daddr;
	atomic64_t skc_cookie;
};
struct sock {
	struct sock_common __sk_common;
	u16 sk_type;
	u16 sk_protocol;
	int sk_err;
	struct socket *sk_socket;
};

/* include/linux/net.h */
struct socket {
	struct file *file;
	struct sock *sk;
};

#pragma clang attribute pop

#endif
