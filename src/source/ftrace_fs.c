// SPDX-License-Identifier: MIT
#include "source/ftrace_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "source/ftrace_format.h"
#include "source/syscalls.h"
#include "source/tracefs.h"
#include "util/log.h"

#define INSTANCE_PATH "instances/" FTRACE_INSTANCE
#define FILE_MAX (1U << 20)
#define CHANGES_WAIT_MS 10
#define CHANGES_TRIES 500
#define GROUPS 9 /* of dynamic events, at most: "linux_edr" to "linux_edr_9" */

static const char *const paths[FT_INSTANCES] = { INSTANCE_PATH, "instances/" FTRACE_NOISY };

const char *ft_fs_name(int instance)
{
	return instance == FT_INSTANCE_EXEC ? FTRACE_INSTANCE : FTRACE_NOISY;
}

static int write_file(int dir, const char *path, const char *text, int flags)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | flags), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int ft_fs_write(int dir, const char *path, const char *text)
{
	return write_file(dir, path, text, 0);
}

int ft_fs_write_all(const struct ft_fs *fs, const char *path, const char *text)
{
	int i, e = 0;

	for (i = 0; i < FT_INSTANCES; i++) {
		int one = ft_fs_write(fs->dir[i], path, text);

		e = one ? one : e;
	}
	return e;
}

/* A list of definitions loses all that others defined when it is opened with O_TRUNC: never do that. */
int ft_fs_append(int dir, const char *path, const char *text)
{
	return write_file(dir, path, text, O_APPEND);
}

int ft_fs_read(int dir, const char *path, struct buf *out)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && out->len < FILE_MAX) {
		if (!buf_reserve(out, 4096)) {
			err = -ENOMEM;
			break;
		}
		n = read(fd, out->data + out->len, 4095);
		if (n < 0)
			err = -errno;
		else
			out->len += (size_t)n;
		out->data[out->len] = '\0';
	}
	close(fd);
	return err;
}

static int find_tracefs(struct ft_fs *fs, char *err, size_t err_size)
{
	struct stat st;
	int e = 0;

	if (!*syscalls_tracefs()) {
		e = tracefs_mount(err, err_size);
		fs->mounted = !e;
	}
	if (e)
		return e;
	snprintf(fs->root, sizeof(fs->root), "%s", syscalls_tracefs());
	fs->root_dir = open(fs->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->root_dir < 0 || fstat(fs->root_dir, &st)) {
		e = -errno;
		snprintf(err, err_size, "%s cannot be opened: %s", fs->root, strerror(-e));
		return e;
	}
	fs->root_id = st.st_ino;
	if (faccessat(fs->root_dir, "instances", F_OK, AT_EACCESS)) {
		snprintf(err, err_size,
			 "%s is empty or has no instances: the kernel is locked down to "
			 "confidentiality (see /sys/kernel/security/lockdown), or built without "
			 "them",
			 fs->root);
		return -EPERM;
	}
	return 0;
}

/* Of ":linux_edr/args" 1, of ":linux_edr_2/args" 2 and so on; 0: not ours. */
static unsigned group_number(const char *at)
{
	static const char mark[] = ":" FTRACE_GROUP;
	const size_t len = sizeof(mark) - 1;

	if (!at || strncmp(at, mark, len) != 0)
		return 0;
	at += len;
	if (*at == '/')
		return 1;
	return at[0] == '_' && at[1] > '1' && at[1] <= '0' + GROUPS && at[2] == '/'
		       ? (unsigned)(at[1] - '0')
		       : 0;
}

/* Each line of dynamic_events that names a group of ours: "p:linux_edr/args start_thread ...". The groups that stay. */
static unsigned remove_dynamic_events(const struct ft_fs *fs)
{
	struct buf list = { 0 };
	char *line, *rest, *at, *end, text[160];
	unsigned stay = 0, n;

	if (ft_fs_read(fs->root_dir, "dynamic_events", &list) || !list.data) {
		buf_free(&list);
		return 0;
	}
	for (line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		end = strchr(line, ' ');
		if (end)
			*end = '\0';
		at = strchr(line, ':');
		n = group_number(at);
		if (!n)
			continue;
		snprintf(text, sizeof(text), "-%s\n", at);
		if (!ft_fs_append(fs->root_dir, "dynamic_events", text))
			continue;
		stay |= 1U << n;
		log_warn("source",
			 "the dynamic event %s stays: another tracer has it switched on, and must "
			 "switch it off; then it goes with our next start or end",
			 at + 1);
	}
	buf_free(&list);
	return stay;
}

/* The first that nothing is left of. */
static void choose_group(struct ft_fs *fs, unsigned stay)
{
	unsigned n = 1;

	while (n < GROUPS && stay & 1U << n)
		n++;
	if (n == 1)
		snprintf(fs->group, sizeof(fs->group), FTRACE_GROUP);
	else
		snprintf(fs->group, sizeof(fs->group), FTRACE_GROUP "_%u", n % 10);
}

/* Their events must be off before the dynamic ones can go; rmdir does that. EBUSY: somebody reads from it. */
static int remove_instances(const struct ft_fs *fs)
{
	int i, e = 0;

	for (i = FT_INSTANCES - 1; i >= 0; i--) {
		/* ENODEV: somebody else is just removing it. */
		if (unlinkat(fs->root_dir, paths[i], AT_REMOVEDIR) && errno != ENOENT &&
		    errno != ENODEV)
			e = -errno;
	}
	return e;
}

/* The lock lies on the directory and goes with the process, however that ends. */
static int lock_instance(const struct ft_fs *fs, char *err, size_t err_size)
{
	int dir = openat(fs->root_dir, INSTANCE_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e;

	if (dir < 0)
		return -errno;
	if (flock(dir, LOCK_EX | LOCK_NB) == 0)
		return dir;
	e = -errno;
	close(dir);
	snprintf(err, err_size,
		 "another linux-edr-bpf uses %s/" INSTANCE_PATH
		 ": stop it first, one agent a host traces this way",
		 fs->root);
	return e == -EWOULDBLOCK ? -EBUSY : e;
}

static int take_over(struct ft_fs *fs, char *err, size_t err_size)
{
	int left = lock_instance(fs, err, err_size), e;

	if (left < 0 && left != -ENOENT)
		return left;
	if (left >= 0)
		log_info("source", "removing what an agent that was killed has left in tracefs");
	e = remove_instances(fs);
	if (left >= 0)
		close(left);
	if (e)
		snprintf(err, err_size,
			 "%s/" INSTANCE_PATH ", left by an agent that was killed, cannot be "
			 "removed (%s): whoever still reads from it must stop",
			 fs->root, strerror(-e));
	else
		choose_group(fs, remove_dynamic_events(fs));
	return e;
}

static int make_instance(struct ft_fs *fs, int i, char *err, size_t err_size)
{
	struct stat st;
	int e;

	if (mkdirat(fs->root_dir, paths[i], 0700)) {
		e = -errno;
		snprintf(err, err_size, "%s/%s cannot be made: %s", fs->root, paths[i],
			 strerror(-e));
		return e;
	}
	fs->made[i] = true;
	if (i == FT_INSTANCE_EXEC)
		fs->dir[i] = lock_instance(fs, err, err_size);
	else
		fs->dir[i] = openat(fs->root_dir, paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->dir[i] < 0)
		return i == FT_INSTANCE_EXEC ? fs->dir[i] : -errno;
	e = fstat(fs->dir[i], &st) ? -errno : ft_fs_write(fs->dir[i], "tracing_on", "0");
	fs->dir_id[i] = st.st_ino;
	if (e)
		snprintf(err, err_size, "%s/%s/tracing_on: %s", fs->root, paths[i], strerror(-e));
	return e;
}

void ft_fs_init(struct ft_fs *fs)
{
	*fs = (struct ft_fs){ .root_dir = -1, .dir = { -1, -1 } };
}

/*
 * Between two agents that start or end at once: what one is just making, or has just made, the
 * other must not take for what a dead one left. A descriptor, to be closed when all is done;
 * -errno.
 */
static int begin_changes(const struct ft_fs *fs)
{
	int dir = openat(fs->root_dir, "instances", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i, e;

	for (i = 0; dir >= 0 && i < CHANGES_TRIES; i++) {
		if (!flock(dir, LOCK_EX | LOCK_NB))
			return dir;
		poll(NULL, 0, CHANGES_WAIT_MS);
	}
	e = -errno;
	if (dir >= 0)
		close(dir);
	return e;
}

int ft_fs_open(struct ft_fs *fs, char *err, size_t err_size)
{
	int i, e, changes;

	ft_fs_init(fs);
	e = find_tracefs(fs, err, err_size);
	if (e)
		return e;
	changes = begin_changes(fs);
	if (changes < 0) {
		snprintf(err, err_size,
			 "%s/instances cannot be locked (%s): another linux-edr-bpf starts or ends",
			 fs->root, strerror(-changes));
		return changes;
	}
	e = take_over(fs, err, err_size);
	for (i = 0; i < FT_INSTANCES && !e; i++)
		e = make_instance(fs, i, err, err_size);
	close(changes);
	fs->mounted |= !e && tracefs_is_ours(fs->root);
	return e;
}

void ft_fs_sweep(void)
{
	struct tracefs_hold tracefs; /* what is left is there, mounted or not */
	struct ft_fs fs;
	int changes, left;
	char why[256] = "";

	tracefs_hold(&tracefs);
	ft_fs_init(&fs);
	snprintf(fs.root, sizeof(fs.root), "%s", syscalls_tracefs());
	fs.root_dir = tracefs.dir;
	changes = fs.root_dir < 0 ? -ENOENT : begin_changes(&fs);
	if (changes >= 0) {
		left = lock_instance(&fs, why, sizeof(why));
		if (left >= 0)
			close(left);
		/* Else it is a living agent's. */
		if ((left >= 0 || left == -ENOENT) && take_over(&fs, why, sizeof(why)))
			log_warn("source", "%s", why);
		close(changes);
	}
	tracefs_release(&tracefs);
}

void ft_fs_close(struct ft_fs *fs)
{
	int i, e, changes;

	if (fs->made[FT_INSTANCE_EXEC]) {
		changes = begin_changes(fs);
		e = remove_instances(fs);
		if (e)
			log_warn("source", "%s/" INSTANCE_PATH " stays: %s", fs->root,
				 strerror(-e));
		remove_dynamic_events(fs);
		if (changes >= 0)
			close(changes);
	}
	for (i = 0; i < FT_INSTANCES; i++) {
		if (fs->dir[i] >= 0)
			close(fs->dir[i]);
	}
	if (fs->root_dir >= 0)
		close(fs->root_dir);
	if (fs->mounted)
		tracefs_unmount(fs->root);
	ft_fs_init(fs);
}

/* The path must still lead to the directory that we hold. */
static bool same_place(const struct ft_fs *fs, const char *below, edr_u64 id)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", fs->root, below);
	return stat(path, &st) == 0 && st.st_ino == id;
}

bool ft_fs_says(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char is[16];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT && !*text; /* older kernels have no such limit */
	n = read(fd, is, sizeof(is));
	close(fd);
	return *text ? n >= (ssize_t)strlen(text) && !memcmp(is, text, strlen(text)) : n == 0;
}

int ft_fs_check(const struct ft_fs *fs, char *err, size_t err_size)
{
	int i;

	if (!same_place(fs, "", fs->root_id)) {
		snprintf(err, err_size, "%s has been unmounted", fs->root);
		return -ENODEV;
	}
	for (i = 0; i < FT_INSTANCES; i++) {
		if (!same_place(fs, paths[i], fs->dir_id[i])) {
			snprintf(err, err_size, "%s/%s has been removed", fs->root, paths[i]);
			return -ENODEV;
		}
	}
	return 0;
}
