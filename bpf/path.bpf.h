/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Paths as the kernel has them: from a name up to the root, mount points crossed, and a cgroup's path.
 * Built from the end of a buffer downwards, since the walk goes from leaf to root.
 */
#ifndef EDR_PATH_BPF_H
#define EDR_PATH_BPF_H

/* And crossings of mount points; what is deeper keeps its end and is flagged. The verifier walks through each: 128 take
 * it 40 ms of every start. */
#define PATH_COMPONENTS 128
#define PLAIN_COMPONENTS 32
#define CGROUP_COMPONENTS 32

/*
 * Puts "/name" in front of what is there; false when there is no room. Where the path begins is kept in the
 * map and read anew each round: to the verifier each round then looks like the one before, and it stops there.
 */
static __always_inline bool path_prepend(struct scratch *s, const unsigned char *name, u32 len)
{
	u32 at = *(volatile u32 *)&s->path_at;

	if (len > 255)
		len = 255;
	if (at > EDR_PATH_MAX || at < len + 1)
		return false;
	at -= len + 1;
	s->path[at & (EDR_PATH_MAX - 1)] = '/';
	bpf_probe_read_kernel(&s->path[(at + 1) & (EDR_PATH_MAX - 1)], len & 255, name);
	s->path_at = at;
	return true;
}

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/*
 * The names of a path down from the root of its mount, by plain loads: beyond a mount point pointers have no type. False when
 * that root is not to be found; what has been put there is to be left, then.
 */
static __always_inline bool path_in_mount(struct scratch *s, struct dentry *dentry, u64 root)
{
	struct dentry *up;
	u32 i;

	for (i = 0; i < PLAIN_COMPONENTS; i++) {
		if ((u64)dentry == root)
			return true;
		up = dentry->d_parent;
		if (up == dentry || !path_prepend(s, dentry->d_name.name, dentry->d_name.len))
			return false;
		dentry = up;
	}
	return false;
}

/* Where in s->path the path begins; it ends at EDR_PATH_MAX. Sets EDR_F_PATH_TRUNCATED in *flags when its head is missing. */
static __always_inline u32 path_resolve(struct scratch *s, struct path *path,
					struct task_struct *task, u32 *flags)
{
	struct mount *mnt = mount_of(BPF_CORE_READ(path, mnt)), *mnt_up;
	struct dentry *dentry = BPF_CORE_READ(mnt, mnt.mnt_root), *up;
	struct qstr name;
	u32 i;

	s->path_at = EDR_PATH_MAX;
	if (!TYPED || !path_in_mount(s, path->dentry, (u64)dentry)) {
		s->path_at = EDR_PATH_MAX;
		dentry = BPF_CORE_READ(path, dentry);
	}
	for (i = 0; i < PATH_COMPONENTS; i++) {
		if (dentry == BPF_CORE_READ(mnt, mnt.mnt_root)) {
			mnt_up = BPF_CORE_READ(mnt, mnt_parent);
			if (mnt_up == mnt) {
				if (BPF_CORE_READ(mnt, mnt_ns) !=
				    BPF_CORE_READ(task, nsproxy, mnt_ns))
					*flags |= EDR_F_FOREIGN_MOUNT;
				break;
			}
			dentry = BPF_CORE_READ(mnt, mnt_mountpoint);
			mnt = mnt_up;
			continue;
		}
		up = BPF_CORE_READ(dentry, d_parent);
		bpf_core_read(&name, sizeof(name), &dentry->d_name);
		if (up ==
		    dentry) { /* hangs in no tree, as a memfd does: its name is all there is */
			path_prepend(s, name.name, name.len);
			break;
		}
		if (!path_prepend(s, name.name, name.len)) {
			*flags |= EDR_F_PATH_TRUNCATED;
			break;
		}
		dentry = up;
	}
	if (i == PATH_COMPONENTS)
		*flags |= EDR_F_PATH_TRUNCATED;
	if (s->path_at == EDR_PATH_MAX)
		path_prepend(s, name.name, 0);
	return s->path_at;
}

static __always_inline u32 cgroup_path(struct scratch *s, struct cgroup *cg)
{
	struct kernfs_node *kn = BPF_CORE_READ(cg, kn), *up;
	const char *name;
	u32 i, len;

	s->path_at = EDR_PATH_MAX;
	for (i = 0; i < CGROUP_COMPONENTS; i++) {
		up = kernfs_parent(kn);
		if (!up)
			break;
		name = BPF_CORE_READ(kn, name);
		/* Its length is not stored: measure it in a place that is free. */
		len = bpf_probe_read_kernel_str(s->name, sizeof(s->name), name);
		if (len < 1 || len > sizeof(s->name) ||
		    !path_prepend(s, (unsigned char *)s->name, len - 1))
			break;
		kn = up;
	}
	if (s->path_at == EDR_PATH_MAX)
		path_prepend(s, (unsigned char *)s->name, 0);
	return s->path_at;
}

#endif
